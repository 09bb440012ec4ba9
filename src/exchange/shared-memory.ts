/**
 * The memory that the threads of one server share: one SharedArrayBuffer that the first thread makes and hands to the others. Its
 * first words have the sizes, so a thread needs the buffer and its own number, and nothing else.
 */
import type { Counter, UploadCounters } from "./counter.ts";
import { Layout, Place, type SharedSizes, Sum, type Words } from "./shared-layout.ts";
import { SharedPool, type ThreadLoop } from "./shared-pool.ts";

class AtomicWords implements Words {
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  load(at: number): number {
    return Atomics.load(this.#words, at);
  }

  store(at: number, value: number): void {
    Atomics.store(this.#words, at, value);
  }

  add(at: number, amount: number): number {
    return Atomics.add(this.#words, at, amount);
  }

  exchange(at: number, value: number): number {
    return Atomics.exchange(this.#words, at, value);
  }

  compareExchange(at: number, expected: number, value: number): number {
    return Atomics.compareExchange(this.#words, at, expected, value);
  }
}

/** A counter of 64 bits: an upload folder has more bytes than 32 bits can count. */
class SharedCounter implements Counter {
  readonly #sum: BigInt64Array<SharedArrayBuffer>;

  constructor(sum: BigInt64Array<SharedArrayBuffer>) {
    this.#sum = sum;
  }

  get value(): number {
    return Number(Atomics.load(this.#sum, 0));
  }

  add(amount: number): void {
    Atomics.add(this.#sum, 0, BigInt(amount));
  }

  take(amount: number, max: number): boolean {
    for (;;) {
      const before = Atomics.load(this.#sum, 0);
      if (Number(before) + amount > max) return false;
      if (Atomics.compareExchange(this.#sum, 0, before, before + BigInt(amount)) === before) return true;
    }
  }
}

/** The first words of the memory. */
type Sizes = readonly [threads: number, slots: number, queueMax: number, lendersMax: number];

/** The shared memory of one server, as one of its threads sees it. */
export class SharedMemory {
  /** Handed to the other threads. */
  readonly buffer: SharedArrayBuffer;
  readonly sizes: SharedSizes;
  /** Open connections. */
  readonly connections: Counter;
  /** Bytes of request content in memory. */
  readonly bodyMemory: Counter;
  /** Bytes held for peers. */
  readonly peerMemory: Counter;
  readonly uploads: UploadCounters;
  readonly #layout: Layout;
  readonly #words: Words;

  /** Opens the memory that another thread has made. */
  constructor(buffer: SharedArrayBuffer) {
    const [threads, slots, queueMax, lendersMax] = new Int32Array(buffer) as unknown as Sizes;
    this.buffer = buffer;
    this.sizes = { threads, slots, queueMax, lendersMax };
    const layout = new Layout(this.sizes);
    const counter = (sum: Sum) =>
      new SharedCounter(new BigInt64Array(buffer, layout.sum(sum) * Int32Array.BYTES_PER_ELEMENT, 1));
    this.#layout = layout;
    this.#words = new AtomicWords(buffer);
    this.connections = counter(Sum.Connections);
    this.bodyMemory = counter(Sum.BodyMemory);
    this.peerMemory = counter(Sum.PeerMemory);
    this.uploads = {
      committed: counter(Sum.Committed),
      kept: counter(Sum.Kept),
      written: counter(Sum.Written),
    };
  }

  /** Makes the memory, in the first thread, before the others start. */
  static create(sizes: SharedSizes): SharedMemory {
    const buffer = new SharedArrayBuffer(new Layout(sizes).length * Int32Array.BYTES_PER_ELEMENT);
    const words = new Int32Array(buffer);
    words.set([sizes.threads, sizes.slots, sizes.queueMax, sizes.lendersMax]);
    words[Place.Balance] = sizes.slots;
    return new SharedMemory(buffer);
  }

  /** Makes the pool of thread number `thread`, once in each thread. */
  pool(thread: number, loop: ThreadLoop): SharedPool {
    return new SharedPool({ sizes: this.sizes, words: this.#words, layout: this.#layout, thread, loop });
  }
}
