/**
 * Collects the content of one request in memory, within a budget that all connections share. Content that arrives in one
 * piece is kept as a view of the received bytes (they are never overwritten) if it is most of them; more pieces are copied
 * together.
 */
import { type Counter, LocalCounter } from "./counter.ts";

const EMPTY = new Uint8Array(0);

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
    if (needed > this.#bytes.length || this.#length === 0) {
      // Twice the needed size, so that content in small pieces costs amortised constant time. Never more than the
      // content can have: a body that fits into the budget must not be refused for the spare half. The budget bounds
      // the sum.
      const capacity = this.#length === 0 ? needed : Math.min(needed * 2, lengthMax);
      if (!this.#charge(capacity)) return false;
      if (this.#length === 0) {
        // A view keeps the whole chunk, which may be much more than was charged.
        this.#bytes = needed * 2 < bytes.length ? bytes.slice(start, end) : bytes.subarray(start, end);
        this.#length = needed;
        return true;
      }
      const grown = new Uint8Array(capacity);
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
