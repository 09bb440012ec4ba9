/**
 * What `--fixture` adds for tests: rooms below `/__server/` that tell what happened and say what shall happen. Without the flag
 * nothing of this is loaded, and not a byte of an answer differs.
 *
 * The class is what a test in this process uses; `fixture-rooms.ts` offers the same to programs elsewhere.
 */
import { unlinkSync } from "node:fs";
import type { Observer } from "../connection/observer.ts";
import type { Pool } from "../connection/pool.ts";
import type { Transport } from "../connection/transport.ts";
import type { Room } from "../handlers/reserved.ts";
import type { KeptUpload } from "../handlers/upload.ts";
import { type FaultKind, parseFaultRule, readFaultRule } from "../http/fault.ts";
import type { Handler } from "../http/message.ts";
import { type ClosedConnection, ConnectionLog, type OpenConnection } from "./connection-log.ts";
import { Faults, type FaultsOptions } from "./faults.ts";
import { fixtureRooms } from "./fixture-rooms.ts";
import {
  type Expectation,
  isUnexpected,
  Journal,
  type RequestFilter,
  type RequestPage,
  type RequestRecord,
  type Verification,
  WAIT_MS,
} from "./journal.ts";

export interface FixtureOptions extends FaultsOptions {
  /** Another one after each start. */
  readonly instance: string;
  readonly pool: Pool;
  readonly port: () => number;
  readonly urls: () => readonly string[];
  /** Stops the server, as a signal would. */
  readonly shutDown: () => void;
}

/** What goes wrong, as in docs/fixture.md. Sizes are bytes, or have a unit, `10kb`; times have one, `200ms`, `2s`. */
export interface FaultOrder {
  readonly fault?: FaultKind;
  /** Bytes of content that go out before it. */
  readonly after?: number | string;
  readonly delay?: string;
  readonly duration?: string;
  readonly pieces?: number;
  /** Bytes a second. */
  readonly rate?: number | string;
  readonly status?: number;
  readonly "retry-after"?: string;
  readonly length?: number | string;
  /** Requests that match and are left alone before the first fault. */
  readonly skip?: number;
  /** Faults, and then no more. */
  readonly times?: number;
}

/** Uploads that are remembered, some hundred bytes each; of more, the files of the oldest stay. */
const UPLOADS_MAX = 10_000;

/** All of it outside of a connection's turn: what it sets free goes on at once. */
export class Fixture {
  readonly journal: Journal;
  /** To be told what conversations tell. */
  readonly observers: readonly Observer[];
  readonly #options: FixtureOptions;
  readonly faults: Faults;
  readonly #connectionLog: ConnectionLog;
  /** Slots that are held. */
  #held: number[] = [];
  /** Of this run, the newest last. */
  #uploads: KeptUpload[] = [];

  constructor(options: FixtureOptions) {
    this.#options = options;
    this.faults = new Faults(options);
    this.journal = new Journal(options.time);
    this.#connectionLog = new ConnectionLog(options.time, options.connections);
    this.observers = [this.journal, this.#connectionLog];
  }

  /** What stands before a connection's socket, so that answers can go wrong on their way. */
  wire(transport: Transport): Transport {
    return this.faults.wire(transport);
  }

  /** For `/__server/`. */
  rooms(): [name: string, room: Room][] {
    return fixtureRooms(this, this.#options);
  }

  /** Stands between the conversations and what answers them. */
  wrap(handler: Handler): Handler {
    return this.faults.wrap(handler);
  }

  /** The last requests that were answered, the oldest first; at most RECORDS_MAX of them are remembered. */
  requests(filter: RequestFilter = {}): readonly RequestRecord[] {
    return this.journal.select(filter);
  }

  /** Those that a test did not mean to make; see `isUnexpected`. */
  unmatched(filter: RequestFilter = {}): readonly RequestRecord[] {
    return this.journal.select(filter).filter(isUnexpected);
  }

  /**
   * Resolves when `count` requests are there that match, or `timeoutMs` milliseconds are over, or the server is reset or stops, or
   * too many wait and this one has waited longest: see `isComplete`. Never rejects.
   */
  waitForRequests(filter: RequestFilter, count = 1, timeoutMs: number = WAIT_MS): Promise<RequestPage> {
    const page = this.journal.wait(filter, count, timeoutMs);
    if (this.#options.isDraining()) this.journal.endWaits();
    return page;
  }

  /** Whether there were as many requests as expected. */
  verify(expectation: Expectation): Verification {
    return this.journal.verify(expectation);
  }

  /** Forgets all requests, also those that are under way. */
  forgetRequests(): void {
    this.journal.clear();
  }

  /** Those that are open, and the last that closed. */
  connections(): { readonly open: readonly OpenConnection[]; readonly closed: readonly ClosedConnection[] } {
    return { open: this.#connectionLog.open(), closed: this.#connectionLog.recentlyClosed() };
  }

  /** Closes connections that are idle, as their timeout would. Returns their number. */
  closeIdle(): number {
    let closed = 0;
    for (const connection of this.#options.connections) if (connection.closeIdle()) closed++;
    return closed;
  }

  /** Files that were uploaded in this run, the newest last. */
  uploads(): readonly KeptUpload[] {
    return this.#uploads.slice();
  }

  /** Removes them, and nothing else from their folder. Returns their number. */
  removeUploads(): number {
    const uploads = this.#uploads;
    this.#uploads = [];
    for (const { path } of uploads) remove(path);
    return uploads.length;
  }

  /**
   * Lets answers go wrong: `rule` is `METHOD PATH FAULT key=value…`, or `METHOD PATH` with the rest in `more`. Returns the rule's id.
   * Throws a RangeError that says what is wrong with it, or that there are too many.
   */
  fault(rule: string, more?: FaultOrder): string {
    const [method, path, ...rest] = rule.trim().split(/\s+/);
    const read =
      more === undefined ? parseFaultRule(rule) : readFaultRule({ ...more, match: { method, path: path ?? "" } });
    if (typeof read === "string") throw new RangeError(`${JSON.stringify(rule)}: ${read}`);
    if (more !== undefined && rest.length > 0) {
      throw new RangeError(`${JSON.stringify(rule)}: expected METHOD PATH alone, for there is an object as well`);
    }
    return this.faults.rules.add(read);
  }

  /** Takes a rule back. False: there is none. */
  removeFault(id: string): boolean {
    return this.faults.rules.remove(id);
  }

  /** The number of slots that are held. */
  get held(): number {
    return this.#held.length;
  }

  /**
   * Takes `slots` more, so that the requests behind them wait or are turned away. Throws a RangeError when fewer are free, or the
   * server stops, and then takes none.
   */
  hold(slots: number): void {
    const { pool, isDraining } = this.#options;
    if (!Number.isInteger(slots) || slots < 1) throw new RangeError(`expected a number of slots, got ${slots}`);
    // Nobody would give them back, and what waits for one would hold up the end.
    if (isDraining()) throw new RangeError("no slot can be held: the server stops");
    const taken = pool.take(slots);
    if (taken === null) throw new RangeError(`${slots} slots were wanted and ${pool.free} are free`);
    this.#held.push(...taken);
  }

  /** Gives the held slots to those who wait. Returns their number. */
  release(): number {
    // Those who wait are told for how long they have.
    this.#options.moveClock();
    const held = this.#held;
    this.#held = [];
    for (const slot of held) this.#options.pool.release(slot);
    return held.length;
  }

  /** As after a start: nothing is held, waited for or remembered. Returns the last sequence number, a `since` for what follows. */
  reset(): number {
    this.faults.rules.clear();
    this.end();
    this.journal.clear();
    this.#connectionLog.clear();
    this.removeUploads();
    return this.journal.last;
  }

  /** Nobody waits for anything of ours any more: the server stops. */
  end(): void {
    this.journal.endWaits();
    this.faults.pardon();
    this.release();
  }

  /** An upload has become a file. */
  uploaded(upload: KeptUpload): void {
    this.#uploads.push(upload);
    if (this.#uploads.length > UPLOADS_MAX) this.#uploads.shift();
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // The test has removed it already.
  }
}
