/**
 * The streams of one connection: those that are open, and how the last ones were closed (RFC 9113 §5.1). A frame can still be on its
 * way when a stream is closed, and then depends on the side that has closed it.
 */
import type { Work } from "../exchange/carrier.ts";
import type { Stream } from "./stream.ts";

/** How a stream was closed. */
export enum Closed {
  /** Both sides have sent END_STREAM: the peer sends nothing more. */
  Ended = 0,
  /** The peer has reset it, and sends nothing more. */
  ByPeer,
  /** We have reset it: any frame may have been on its way. */
  ByUs,
  /** It was never used, because a later one came first, or it is forgotten. */
  Unknown,
}

/** The streams of a connection at the end of a turn. */
export interface StreamsNow {
  readonly count: number;
  /** True while responses are on their way. */
  readonly isSending: boolean;
  /** True if a window of the peer keeps one of them back. */
  readonly isShut: boolean;
  /** Bytes of memory that wait for exchanges, or for the peer. */
  readonly heldBytes: number;
}

export class Streams {
  /** Highest identifier that the peer has used. */
  last = 0;
  /** Highest identifier that a fault has promised. */
  #promised = 0;
  readonly #open = new Map<number, Stream>();
  /** The last closed streams, in a ring. A frame for one of them is rare, so it is looked for from place to place. */
  readonly #closedIds: Int32Array;
  readonly #closedHow: Uint8Array;
  #next = 0;
  /** Streams with a priority that were idle when they got it. */
  readonly #prioritized = new Set<number>();

  /** Remembers the last `closedMax` closed streams. */
  constructor(closedMax: number) {
    this.#closedIds = new Int32Array(closedMax);
    this.#closedHow = new Uint8Array(closedMax);
  }

  get size(): number {
    return this.#open.size;
  }

  [Symbol.iterator](): Iterator<Stream> {
    return this.#open.values();
  }

  /** The activity of the stream that has come furthest; null if none has a complete request. */
  get activity(): Work["phase"] | null {
    const activities = Array.from(this.#open.values(), (stream) => stream.exchange.activity);
    return (["sending", "working", "waiting"] as const).find((activity) => activities.includes(activity)) ?? null;
  }

  get(id: number): Stream | undefined {
    return this.#open.get(id);
  }

  add(stream: Stream): void {
    this.#open.set(stream.stream, stream);
  }

  /** Ends a turn: sets the deadlines of all streams, and counts what they hold. `isBlocked`: the connection keeps all responses back. */
  arm(isBlocked: boolean): StreamsNow {
    let [isSending, isShut, heldBytes] = [false, false, 0];
    for (const stream of this.#open.values()) {
      stream.arm(!isBlocked && !stream.isScheduled && stream.sendWindow.size <= 0);
      isSending ||= stream.isSending;
      isShut ||= stream.isShut;
      heldBytes += stream.heldBytes;
      stream.share();
    }
    return { count: this.#open.size, isSending, isShut, heldBytes };
  }

  /** Returns true for an identifier that no stream has had yet. Ours are even, and this server opens none without a fault. */
  isIdle(id: number): boolean {
    return id % 2 === 0 ? id > this.#promised : id > this.last;
  }

  /** Notes a stream that a fault has promised, and how it was closed. */
  promise(id: number, how: Closed): void {
    this.#promised = Math.max(this.#promised, id);
    this.close(id, how);
  }

  /** Notes that a stream got a priority. Returns false if such streams and the open ones are more than `max` (RFC 9218 §7.1). */
  prioritize(id: number, max: number): boolean {
    if (!this.isIdle(id)) return true;
    const prioritized = this.#prioritized;
    prioritized.add(id);
    if (this.size + prioritized.size <= max) return true;
    for (const known of prioritized) if (!this.isIdle(known)) prioritized.delete(known);
    return this.size + prioritized.size <= max;
  }

  /** Returns how a stream that is not open was closed. */
  closedBy(id: number): Closed {
    const at = this.#closedIds.indexOf(id);
    return at < 0 ? Closed.Unknown : (this.#closedHow[at] as Closed);
  }

  /** Notes how a stream was closed; `id` need not have been open. */
  close(id: number, how: Closed): void {
    if (!this.#open.delete(id)) {
      const known = this.#closedIds.indexOf(id);
      if (known >= 0) {
        this.#closedHow[known] = how;
        return;
      }
    }
    this.#closedIds[this.#next] = id;
    this.#closedHow[this.#next] = how;
    this.#next = (this.#next + 1) % this.#closedIds.length;
  }
}
