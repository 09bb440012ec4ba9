/** The places of the words that the threads of one server share. Words that different threads write often are on different cache lines. */

/** Sizes of a shared pool. */
export interface SharedSizes {
  /** Threads of the process that serve, >= 1. They are numbered from 0. */
  readonly threads: number;
  /** Slots of the pool, >= 1: `--threads`. */
  readonly slots: number;
  /** Requests that may wait, in the queues of all threads together: `--queue`. */
  readonly queueMax: number;
  /** Responses that may continue without a slot, in all threads together. */
  readonly lendersMax: number;
}

/**
 * Shared words of 32 bits. All accesses are atomic and sequentially consistent: all threads see them in the same order. The simulator has its own, so that it can stop a thread between any two accesses.
 */
export interface Words {
  load(at: number): number;
  store(at: number, value: number): void;
  /** Returns the value before. */
  add(at: number, amount: number): number;
  /** Returns the value before, and stores `value`. */
  exchange(at: number, value: number): number;
  /** Stores `value` if the word has `expected`. Returns the value before. */
  compareExchange(at: number, expected: number, value: number): number;
}

/** Words of a cache line of 64 bytes. */
const LINE = 16;

/** Places of words, each on a line of its own. */
export enum Place {
  /** Slots that can be taken at once less requests that wait. */
  Balance = 16,
  /** Free slots for requests that wait, of which no thread has said yet that they are its own. */
  Orphans = 32,
  /** Places in line that requests have left, and that the balance still counts. */
  Vacant = 48,
  /** The next ticket of a request that begins to wait. */
  Tickets = 64,
  /** Responses that continue without a slot. */
  Lenders = 80,
  /** Requests that wait in their connections, and not in a queue. */
  HeldBack = 96,
  /** The first sum; the others follow, each on its line. */
  Sums = 112,
}

/** Sums of 64 bits that the threads count together, in the order of their places. */
export enum Sum {
  Connections = 0,
  BodyMemory,
  PeerMemory,
  Committed,
  Kept,
  Written,
  Count,
}

/** Words of a thread, by their distance from its first. */
export enum OfThread {
  /** Requests of the thread that wait and have no slot on its way to them. */
  Queue = 0,
  /** Places in line that the thread has taken so far. */
  Tail = 1,
  /** Not 0: the thread is about to look, so a wake would be one too many. */
  Bell = 2,
  /** Not 0: senders of the thread have slots, and their peers take nothing. */
  Stalled = 3,
}

const FIRST_THREAD = Place.Sums + Sum.Count * LINE;

/** Finds the places of words whose number depends on the sizes. */
export class Layout {
  /** Tickets that a thread keeps, a power of two: as many as its requests may wait. */
  readonly ticketsMax: number;
  readonly #slots: number;
  readonly #tickets: number;
  /** Words in all. */
  readonly length: number;

  constructor({ threads, slots, queueMax }: SharedSizes) {
    this.ticketsMax = 2 ** Math.ceil(Math.log2(queueMax + 1));
    this.#slots = FIRST_THREAD + threads * LINE;
    this.#tickets = this.#slots + LINE * Math.ceil(slots / LINE);
    this.length = this.#tickets + threads * Math.max(LINE, this.ticketsMax);
  }

  /** Returns the place of the two words of `sum`. */
  sum(sum: Sum): number {
    return Place.Sums + sum * LINE;
  }

  /** Returns the place of a word of `thread`. */
  ofThread(thread: number, word: OfThread): number {
    return FIRST_THREAD + thread * LINE + word;
  }

  /** Returns the place of `slot`, >= 1, whose word is 0 while it is free. */
  slot(slot: number): number {
    return this.#slots + slot - 1;
  }

  /** Returns the place of the ticket that `thread` took as its `index`th. */
  ticket(thread: number, index: number): number {
    return this.#tickets + thread * Math.max(LINE, this.ticketsMax) + (index & (this.ticketsMax - 1));
  }
}
