/** A thread that works on many requests over a shared pool, as a server's thread does, and counts what must not happen. */
import { QUEUED, REFUSED, type Waiter } from "../../src/exchange/pool.ts";
import { SharedMemory } from "../../src/exchange/shared-memory.ts";
import { Random } from "../../tools/fuzz/random.ts";

export interface Work {
  readonly pool: SharedArrayBuffer;
  /** Words that the threads use for this test: the requests in the system, a bell for each thread, an owner for each slot. */
  readonly words: SharedArrayBuffer;
  readonly thread: number;
  /** Requests that get a slot or leave the queue. More may be refused: another thread may hold all slots and not run for a while. */
  readonly requests: number;
  /** Requests of this thread at the same time. */
  readonly parallel: number;
}

export interface Report {
  readonly granted: number;
  readonly refused: number;
  readonly left: number;
  readonly woken: number;
  readonly faults: readonly string[];
}

/** Places of the words: all requests, then bells, then owners. */
const ALL = 0;
const BELLS = 1;
export const OWNERS = 32;

/** Connections of all threads: fewer than there are threads, so that some are refused. */
const CONNECTIONS_MAX = 2;

class Hammer {
  readonly #work: Work;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #random: Random;
  readonly #memory: SharedMemory;
  readonly #pool: ReturnType<SharedMemory["pool"]>;
  readonly #faults: string[] = [];
  readonly #waiting: Waiter[] = [];
  #granted = 0;
  #refused = 0;
  #left = 0;
  #woken = 0;
  #open = 0;
  #isOver = false;

  constructor(work: Work) {
    this.#work = work;
    this.#words = new Int32Array(work.words);
    this.#random = new Random(work.thread + 1);
    this.#memory = new SharedMemory(work.pool);
    this.#pool = this.#memory.pool(work.thread, { wake: (thread) => this.#wake(thread), relieve: () => {} });
  }

  run(): Promise<Report> {
    this.#listen();
    return new Promise((resolve) => {
      const turn = () => {
        if (this.#admitted < this.#work.requests && this.#open < this.#work.parallel) this.#ask();
        if (this.#random.oneIn(50)) this.#leave();
        if (this.#admitted < this.#work.requests || this.#open > 0) setImmediate(turn);
        else {
          this.#isOver = true;
          resolve(this.#report());
        }
      };
      turn();
    });
  }

  get #admitted(): number {
    return this.#granted + this.#left + this.#waiting.length;
  }

  #report(): Report {
    return {
      granted: this.#granted,
      refused: this.#refused,
      left: this.#left,
      woken: this.#woken,
      faults: this.#faults,
    };
  }

  #wake(thread: number): void {
    Atomics.add(this.#words, BELLS + thread, 1);
    Atomics.notify(this.#words, BELLS + thread);
  }

  #listen(): void {
    const at = BELLS + this.#work.thread;
    const seen = Atomics.load(this.#words, at);
    if (!this.#isOver) {
      this.#woken++;
      this.#pool.woken();
    }
    const { async, value } = Atomics.waitAsync(this.#words, at, seen);
    if (async) value.then(() => this.#listen());
    else setImmediate(() => this.#listen());
  }

  #ask(): void {
    this.#connect();
    const { slots, queueMax } = this.#memory.sizes;
    const waiter: Waiter = {
      granted: (slot) => {
        if (this.#waiting.shift() !== waiter) this.#faults.push("a slot out of turn");
        this.#hold(slot);
      },
    };
    const slot = this.#pool.acquire(waiter);
    if (slot === REFUSED) {
      this.#refused++;
      return;
    }
    this.#open++;
    const all = Atomics.add(this.#words, ALL, 1) + 1;
    if (all > slots + queueMax) this.#faults.push(`${all} requests at the same time`);
    if (slot === QUEUED) this.#waiting.push(waiter);
    else this.#hold(slot);
  }

  /** Counts a connection, which is over at once. */
  #connect(): void {
    const { connections } = this.#memory;
    if (!connections.take(1, CONNECTIONS_MAX)) return;
    if (connections.value > CONNECTIONS_MAX) this.#faults.push("too many connections");
    connections.add(-1);
  }

  #hold(slot: number): void {
    this.#granted++;
    const owner = Atomics.exchange(this.#words, OWNERS + slot, this.#work.thread + 1);
    if (owner !== 0) this.#faults.push(`slot ${slot} of thread ${owner - 1} is given again`);
    if (this.#random.oneIn(8)) this.#end(slot);
    else this.#endLater(slot, this.#random.pick([1, 1, 2, 20]));
  }

  #endLater(slot: number, turns: number): void {
    setImmediate(() => {
      if (turns > 1) this.#endLater(slot, turns - 1);
      else this.#end(slot);
    });
  }

  #end(slot: number): void {
    Atomics.store(this.#words, OWNERS + slot, 0);
    // First: a request that is granted by the release counts already.
    Atomics.add(this.#words, ALL, -1);
    this.#open--;
    this.#pool.release(slot);
  }

  #leave(): void {
    if (this.#waiting.length === 0) return;
    const [waiter] = this.#waiting.splice(this.#random.below(this.#waiting.length), 1);
    if (waiter === undefined) return;
    Atomics.add(this.#words, ALL, -1);
    this.#open--;
    this.#left++;
    if (!this.#pool.cancel(waiter)) this.#faults.push("a waiter is not in the queue");
  }
}

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<Work>) => {
  self.postMessage(await new Hammer(data).run());
};
