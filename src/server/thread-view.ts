/**
 * The part of the live view that one thread sees: its connections, its work, and its answers since the last look. Parts are plain data,
 * so that threads can send them to the one that makes the snapshots (live-view.ts).
 */
import type { Connection, Work } from "../exchange/carrier.ts";
import type { TimeSource } from "../exchange/clock.ts";
import { type Answered, BaseObserver, Outcome } from "../exchange/observer.ts";
import type { Pool } from "../exchange/pool.ts";
import { SlotLease } from "../exchange/slot-lease.ts";
import type { AnswerView, WorkView } from "../handlers/endpoints/status.ts";
import { escapeQuoted } from "../http/escape.ts";
import type { RequestHead } from "../http/message.ts";

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

export interface ThreadViewOptions {
  readonly pool: Pool;
  readonly time: TimeSource;
  /** Open connections of this thread. */
  readonly connections: ReadonlySet<Connection>;
}

/** State of one thread, and counts since its last look. The members are those of a snapshot. */
export interface ThreadPart {
  readonly connections: number;
  readonly slots: string;
  readonly sendingBytes: number;
  readonly lent: number;
  readonly work: readonly WorkView[];
  readonly answeredBySlot: readonly number[];
  readonly queued: number;
  readonly recent: readonly AnswerView[];
}

export class ThreadView extends BaseObserver {
  readonly #options: ThreadViewOptions;
  readonly #answeredBySlot: number[];
  #recent: AnswerView[] = [];
  #queued = 0;

  constructor(options: ThreadViewOptions) {
    super();
    this.#options = options;
    this.#answeredBySlot = new Array<number>(options.pool.size).fill(0);
  }

  /** True while the answers are collected for a watcher. */
  get isWatched(): boolean {
    return false;
  }

  override get wantsAnswers(): boolean {
    return this.isWatched;
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
      request: request === null ? "" : shownRequest(request.head),
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

  /** Returns the part of this thread. */
  part(): ThreadPart {
    return {
      connections: this.#options.connections.size,
      ...this.#atWork(),
      answeredBySlot: [...this.#answeredBySlot],
      queued: this.#queued,
      recent: this.#recent,
    };
  }

  /** Forgets the answers and counts of the last look. */
  forget(): void {
    this.#answeredBySlot.fill(0);
    this.#recent = [];
    this.#queued = 0;
  }

  /** Returns the state of all slots, the work of the first ones, and the requests that wait or have lent their slot. */
  #atWork(): Pick<ThreadPart, "slots" | "sendingBytes" | "work" | "lent"> {
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
}

/** Returns the part of several threads together. Lists are bounded as they are for one thread. */
export function joined(parts: readonly ThreadPart[]): ThreadPart {
  const [first] = parts;
  if (first === undefined) throw new RangeError("there is no part");
  if (parts.length === 1) return first;
  const work = parts.flatMap((part) => part.work);
  const waiting = work.filter(({ phase }) => phase === "waiting").sort((a, b) => b.forMs - a.forMs);
  const lent = work.filter(({ phase, slot }) => phase !== "waiting" && slot === 0);
  return {
    connections: sum(parts, (part) => part.connections),
    slots: Array.from(first.slots, (_, slot) => stateOf(parts, slot)).join(""),
    sendingBytes: sum(parts, (part) => part.sendingBytes),
    lent: sum(parts, (part) => part.lent),
    work: [...work.filter(({ slot }) => slot > 0), ...lent.slice(0, LENT_MAX), ...waiting.slice(0, WAITING_MAX)],
    answeredBySlot: first.answeredBySlot.map((_, slot) => sum(parts, (part) => part.answeredBySlot[slot] ?? 0)),
    queued: sum(parts, (part) => part.queued),
    recent: parts
      .flatMap((part) => part.recent)
      .sort((a, b) => a.atMs - b.atMs)
      .slice(0, RECENT_MAX),
  };
}

/** Returns the state of a slot, which one thread at most has: `.`, `w` or `s`. */
function stateOf(parts: readonly ThreadPart[], slot: number): string {
  for (const { slots } of parts) {
    const state = slots[slot] ?? ".";
    if (state !== ".") return state;
  }
  return ".";
}

function sum(parts: readonly ThreadPart[], value: (part: ThreadPart) => number): number {
  return parts.reduce((total, part) => total + value(part), 0);
}

function viewOf({ head, ...work }: Work): WorkView {
  return { ...work, request: shownRequest(head) };
}

/** Returns the request line as pages show it. */
export function shownRequest(head: RequestHead): string {
  return shortened(escapeQuoted(head.requestLine));
}

function shortened(request: string): string {
  return request.length <= REQUEST_CHARS_MAX ? request : `${request.slice(0, REQUEST_CHARS_MAX)}…`;
}
