/**
 * Collects the content of one request in memory, within a budget that all connections share. Content that arrives in one
 * piece is kept as a view of the received bytes (they are never overwritten) if it is most of them; more pieces are copied
 * together.
 */
import { type Counter, LocalCounter } from "./counter.ts";

const EMPTY = new Uint8Array(0);

/**
 * Most bytes that are charged ahead. Content that is longer gets room for all that it can have: to copy 64 MiB into an array twice as
 * large would hold up all connections for 50 ms.
 */
const SPARE_BYTES_MAX = 2_097_152;

/** Bytes of request content held over all connections of all threads. */
export class ContentMemory {
  readonly max: number;
  readonly #used: Counter;

  constructor(max: number, used: Counter = new LocalCounter()) {
    this.max = max;
    this.#used = used;
  }

  get used(): number {
    return this.#used.value;
  }

  /** Takes `bytes` of the budget. Returns false, and takes none, if it has not so many left. */
  take(bytes: number): boolean {
    return this.#used.take(bytes, this.max);
  }

  giveBack(bytes: number): void {
    this.#used.add(-bytes);
  }
}

export class ContentBuffer {
  readonly #memory: ContentMemory;
  #bytes: Uint8Array = EMPTY;
  #length = 0;
  /** Bytes of the budget that this buffer has taken. */
  #charged = 0;

  constructor(memory: ContentMemory) {
    this.#memory = memory;
  }

  /** The content so far; valid until `release`. */
  get content(): Uint8Array {
    return this.#bytes.length === this.#length ? this.#bytes : this.#bytes.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Appends bytes[start, end). `lengthMax` is the most bytes this content can have in all; the caller has made sure that it
   * is not exceeded. Returns false, and keeps nothing new, when the budget has no room.
   */
  append(bytes: Uint8Array, start: number, end: number, lengthMax: number): boolean {
    const needed = this.#length + end - start;
    if (this.#length === 0) {
      if (!this.#charge(needed)) return false;
      // A view keeps the whole chunk, which may be much more than was charged.
      this.#bytes = needed * 2 < bytes.length ? bytes.slice(start, end) : bytes.subarray(start, end);
      this.#length = needed;
      return true;
    }
    // Twice the needed size, so that content in small pieces costs amortised constant time. Never more than the content can
    // have: a body that fits into the budget must not be refused for the spare half. The budget bounds the sum.
    if (needed > this.#charged && !this.#charge(Math.min(needed + Math.min(needed, SPARE_BYTES_MAX), lengthMax)))
      return false;
    if (needed > this.#bytes.length) {
      // Room that is not written takes no memory, so it is not charged, and one copy of some MiB is the last.
      const grown = new Uint8Array(needed > SPARE_BYTES_MAX ? lengthMax : this.#charged);
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes.subarray(start, end), this.#length);
    this.#length = needed;
    return true;
  }

  /** Gives everything back, once or more. */
  release(): void {
    if (this.#charged > 0) this.#memory.giveBack(this.#charged);
    this.#charged = 0;
    this.#bytes = EMPTY;
    this.#length = 0;
  }

  #charge(capacity: number): boolean {
    if (!this.#memory.take(capacity - this.#charged)) return false;
    this.#charged = capacity;
    return true;
  }
}
