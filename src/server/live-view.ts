/**
 * Snapshots of the server, several a second, for the live page, the status line of a terminal, and watchers of the
 * library. While there are no watchers, it runs no timer and keeps nothing of a request.
 */

import type { Connection, Work } from "../exchange/carrier.ts";
import type { TimeSource } from "../exchange/clock.ts";
import { type Answered, BaseObserver, Outcome } from "../exchange/observer.ts";
import type { Pool } from "../exchange/pool.ts";
import { SlotLease } from "../exchange/slot-lease.ts";
import type { AnswerView, Snapshot, WorkView } from "../handlers/endpoints/status.ts";
import { escapeQuoted } from "../http/escape.ts";
import { type Metrics, percentile } from "./metrics.ts";

/** Milliseconds between two looks: fast enough for the eye. */
const INTERVAL_MS = 250;

/**
 * Told of one by one in one look: answers, slots from Thread-1 on, requests in the queue, and those that have lent their slots.
 * The numbers count all of them. As many slots as a page can show with words; a snapshot is about 15 KB then.
 */
const RECENT_MAX = 20;
const SLOTS_MAX = 64;
const WAITING_MAX = 20;
const LENT_MAX = 20;

/** Characters of a request line that are shown. */
const REQUEST_CHARS_MAX = 200;

export interface LiveViewOptions {
  /** Differs after each start. */
  readonly instance: string;
  readonly version: string;
  readonly pool: Pool;
  readonly metrics: Metrics;
  readonly time: TimeSource;
  /** Open connections. */
  readonly connections: ReadonlySet<Connection>;
  readonly connectionsMax: number;
  /** Calls the coarse clock to the present. */
  readonly moveClock: () => void;
  /** Takes an error that a watcher has thrown. */
  readonly report: (error: unknown) => void;
}

/** Takes snapshots. */
export interface Watcher {
  readonly see: (snapshot: Snapshot) => void;
}

export class LiveView extends BaseObserver {
  readonly #options: LiveViewOptions;
  readonly #watchers = new Set<Watcher>();
  #cancel: (() => void) | null = null;
  readonly #startMs: number;
  readonly #answeredBySlot: number[];
  #recent: AnswerView[] = [];
  #queued = 0;
  /** The counters at the last look. */
  #lastMs = 0;
  #lastRequests = 0;
  #lastContentBytes = 0;
  #lastRefused = 0;
  #lastDurations: Float64Array;

  constructor(options: LiveViewOptions) {
    super();
    this.#options = options;
    this.#startMs = options.time.nowMs();
    this.#answeredBySlot = new Array<number>(options.pool.size).fill(0);
    this.#lastDurations = options.metrics.durations.counts.slice();
  }

  override get wantsAnswers(): boolean {
    return this.#watchers.size > 0;
  }

  /** `watcher` sees the server now, and from now on. */
  watch(watcher: Watcher): void {
    if (this.#watchers.size === 0) {
      this.#remember();
      this.#cancel = this.#options.time.every(INTERVAL_MS, () => this.#look());
    }
    this.#watchers.add(watcher);
    watcher.see(this.first());
  }

  /** Returns a snapshot for a new watcher, which gets counts from its second one on. */
  first(): Snapshot {
    return { ...this.#snapshot(), ...this.#nothing() };
  }

  /** Safe to call twice. */
  unwatch(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    this.#cancel?.();
    this.#cancel = null;
    this.#recent = [];
  }

  override answered(answer: Answered): void {
    const { slot, request, outcome } = answer;
    if (slot > 0) this.#answeredBySlot[slot - 1] = (this.#answeredBySlot[slot - 1] ?? 0) + 1;
    if (this.#recent.length >= RECENT_MAX) return;
    this.#recent.push({
      atMs: this.#options.time.wallMs(),
      connection: answer.connection,
      stream: answer.stream,
      position: answer.position,
      peer: answer.peer,
      request: request === null ? "" : shortened(escapeQuoted(request.head.requestLine)),
      status: answer.response.status,
      bytes: answer.bytes,
      slot,
      queuedMs: answer.queuedMs,
      durationMs: answer.durationMs,
      isAborted: outcome === Outcome.Aborted,
    });
  }

  override queued(): void {
    this.#queued++;
  }

  /** Ends all views after the server has stopped. */
  end(): void {
    for (const watcher of this.#watchers) this.unwatch(watcher);
  }

  #look(): void {
    this.#options.moveClock();
    const snapshot = this.#snapshot();
    this.#remember();
    for (const watcher of this.#watchers) this.#show(watcher, snapshot);
  }

  /** Passes a snapshot to one watcher. An error in it does not affect the others. */
  #show(watcher: Watcher, snapshot: Snapshot): void {
    try {
      watcher.see(snapshot);
    } catch (error) {
      this.#options.report(error);
    }
  }

  #snapshot(): Snapshot {
    const { instance, version, pool, metrics, time, connections, connectionsMax } = this.#options;
    const { slots, sendingBytes, lent, work } = this.#atWork();
    const nowMs = time.nowMs();
    return {
      atMs: time.wallMs(),
      uptimeMs: nowMs - this.#startMs,
      instance,
      version,
      intervalMs: nowMs - this.#lastMs,
      pool: {
        size: pool.size,
        active: pool.active,
        queued: pool.queued,
        queueMax: pool.queueMax,
        lent,
      },
      slots,
      work,
      answeredBySlot: [...this.#answeredBySlot],
      connections: { open: connections.size, max: connectionsMax },
      requests: metrics.requests - this.#lastRequests,
      contentBytes: metrics.contentBytes - this.#lastContentBytes,
      sendingBytes,
      queued: this.#queued,
      refused: sum(metrics.refusals) - this.#lastRefused,
      p50Ms: percentile(metrics.durations, this.#lastDurations, 0.5),
      p99Ms: percentile(metrics.durations, this.#lastDurations, 0.99),
      recent: this.#recent,
      totals: {
        accepted: metrics.accepted,
        requests: metrics.requests,
        contentBytes: metrics.contentBytes,
        aborted: metrics.aborted,
        statuses: Object.fromEntries(metrics.statuses),
        refusals: Object.fromEntries(metrics.refusals),
      },
    };
  }

  /** Counts of a snapshot without a previous one. */
  #nothing(): Partial<Snapshot> {
    return {
      intervalMs: 0,
      answeredBySlot: this.#answeredBySlot.map(() => 0),
      requests: 0,
      contentBytes: 0,
      queued: 0,
      refused: 0,
      p50Ms: null,
      p99Ms: null,
      recent: [],
    };
  }

  /** Returns the state of all slots, the work of the first ones, and the requests that wait or have lent their slot. */
  #atWork(): Pick<Snapshot, "slots" | "sendingBytes" | "work"> & { readonly lent: number } {
    const { pool, connections } = this.#options;
    const slots = new Array<string>(pool.size).fill(".");
    const views: WorkView[] = [];
    let lent = 0;
    let sendingBytes = 0;
    for (const connection of connections) {
      for (const work of connection.works()) {
        if (work.phase === "waiting") continue;
        sendingBytes += work.sentBytes;
        const { slot, phase } = work;
        if (slot > 0) slots[slot - 1] = phase === "sending" ? "s" : "w";
        if (slot > 0 ? slot <= SLOTS_MAX : ++lent <= LENT_MAX) views.push(viewOf(work));
      }
    }
    // Asked for in their own order: connections are in that of their arrival.
    let waiting = 0;
    for (const waiter of pool.waiters) {
      if (++waiting > WAITING_MAX) break;
      const work = waiter instanceof SlotLease ? waiter.holder.work() : null;
      if (work !== null) views.push(viewOf(work));
    }
    return { slots: slots.join(""), sendingBytes, lent, work: views };
  }

  /** Keeps the counts that the next snapshot is compared with. */
  #remember(): void {
    const { metrics, time } = this.#options;
    this.#lastMs = time.nowMs();
    this.#lastRequests = metrics.requests;
    this.#lastContentBytes = metrics.contentBytes;
    this.#lastRefused = sum(metrics.refusals);
    this.#lastDurations = metrics.durations.counts.slice();
    this.#answeredBySlot.fill(0);
    this.#recent = [];
    this.#queued = 0;
  }
}

function viewOf({ head, ...work }: Work): WorkView {
  return { ...work, request: shortened(escapeQuoted(head.requestLine)) };
}

function shortened(request: string): string {
  return request.length <= REQUEST_CHARS_MAX ? request : `${request.slice(0, REQUEST_CHARS_MAX)}…`;
}

function sum(counts: ReadonlyMap<unknown, number>): number {
  let all = 0;
  for (const count of counts.values()) all += count;
  return all;
}
