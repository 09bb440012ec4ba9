/**
 * The streams of one connection: those that are open, and how the last ones were closed (RFC 9113 §5.1). A frame can still be on its
 * way when a stream is closed, and then depends on the side that has closed it.
 */
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

export class Streams {
  /** Highest identifier that the peer has used. */
  last = 0;
  readonly #open = new Map<number, Stream>();
  readonly #closedMax: number;
  /** The last closed streams, the oldest first. */
  readonly #closed = new Map<number, Closed>();

  /** Remembers the last `closedMax` closed streams. */
  constructor(closedMax: number) {
    this.#closedMax = closedMax;
  }

  get size(): number {
    return this.#open.size;
  }

  [Symbol.iterator](): Iterator<Stream> {
    return this.#open.values();
  }

  get(id: number): Stream | undefined {
    return this.#open.get(id);
  }

  add(stream: Stream): void {
    this.#open.set(stream.stream, stream);
  }

  /** Returns true for an identifier that no stream has had yet. Ours are even, and this server opens none. */
  isIdle(id: number): boolean {
    return id > this.last || id % 2 === 0;
  }

  /** Returns how a stream that is not open was closed. */
  closedBy(id: number): Closed {
    return this.#closed.get(id) ?? Closed.Unknown;
  }

  /** Notes how a stream was closed; `id` need not have been open. */
  close(id: number, how: Closed): void {
    this.#open.delete(id);
    this.#closed.set(id, how);
    if (this.#closed.size <= this.#closedMax) return;
    const [oldest] = this.#closed.keys();
    this.#closed.delete(oldest as number);
  }
}
