/**
 * The pool of a server with several threads. Each thread has a SharedPool over the same memory. A request waits in the queue of its own
 * thread, and a freed slot goes to the thread whose next request has waited longest (docs/decisions/0027).
 *
 * Strategy. One word, the balance, has the slots that can be taken less the requests that wait. One compare-and-exchange of it decides
 * whether a request gets a slot, waits, or is refused, so the bound of the queue holds for all threads at every moment. A slot is marked
 * free before the balance or a thread is told of it, so a party that was promised a slot finds one in the table.
 * Each thread publishes how many of its requests wait. The thread that frees a slot while requests wait takes one off that number of the
 * thread that is next, which is the promise, and wakes it. The woken thread compares the number with its queue, and knows how many of its
 * oldest requests have a slot.
 *
 * The rules it guards: promises never exceed free slots, so no slot is given twice; each promise has one owner, so no slot is lost. A
 * request announces itself before it looks for an orphan, and a slot becomes an orphan before its thread looks again for requests, so one
 * of the two sees the other. The same holds for a place in line that its request has left, and the slot that is on the way to it.
 */
import { PATIENCE_MS, type Pool, QUEUED, REFUSED, type Sender, type Waiter } from "./pool.ts";
import { type Layout, OfThread, Place, type SharedSizes, type Words } from "./shared-layout.ts";

/** The loop of a thread, as its pool sees it. */
export interface ThreadLoop {
  /**
   * Makes thread number `thread` call `woken` of its pool, in a later turn of its loop and outside of a connection's turn. It may be
   * the calling thread itself. At least one call of `woken` begins after each call of this; two calls may share one.
   */
  wake(thread: number): void;
  /** Starts to call `relieve` of this thread's pool every few milliseconds until `queued` is 0. Does nothing if that is so already. */
  relieve(): void;
}

interface SharedPoolOptions {
  readonly sizes: SharedSizes;
  readonly words: Words;
  readonly layout: Layout;
  /** Number of the calling thread. */
  readonly thread: number;
  readonly loop: ThreadLoop;
}

export class SharedPool implements Pool {
  readonly size: number;
  readonly queueMax: number;
  readonly #threads: number;
  readonly #thread: number;
  readonly #lendersMax: number;
  readonly #words: Words;
  readonly #layout: Layout;
  readonly #loop: ThreadLoop;
  /** Waiting requests of this thread, oldest first. */
  readonly #queue = new Set<Waiter>();
  /** Value of this thread's Tail. */
  #tail = 0;
  /** Senders of this thread with a slot whose peers take nothing, and since when in milliseconds; the longest first. */
  readonly #stalled = new Map<Sender, number>();
  /** Senders of this thread that lent their slots, the longest first. */
  readonly #lenders = new Set<Sender>();
  /** The slot that is tried first. */
  #likely = 1;
  #granting = false;

  constructor({ sizes, words, layout, thread, loop }: SharedPoolOptions) {
    this.size = sizes.slots;
    this.queueMax = sizes.queueMax;
    this.#threads = sizes.threads;
    this.#lendersMax = sizes.lendersMax;
    this.#thread = thread;
    this.#words = words;
    this.#layout = layout;
    this.#loop = loop;
  }

  get active(): number {
    return this.size - this.free;
  }

  get free(): number {
    return Math.max(0, this.#words.load(Place.Balance));
  }

  get queued(): number {
    return Math.max(0, -this.#words.load(Place.Balance));
  }

  get queuedInAll(): number {
    return this.queued + this.#words.load(Place.HeldBack);
  }

  holdBack(count: number): void {
    this.#words.add(Place.HeldBack, count);
  }

  get waiters(): Iterable<Waiter> {
    return this.#queue;
  }

  acquire(waiter: Waiter): number {
    for (;;) {
      const balance = this.#words.load(Place.Balance);
      if (balance <= 0 && -balance >= this.queueMax) return REFUSED;
      if (this.#words.compareExchange(Place.Balance, balance, balance - 1) !== balance) continue;
      if (balance > 0) return this.#pick();
      this.#lineUp(waiter);
      if (balance === 0) this.#callForRelief();
      return QUEUED;
    }
  }

  take(count: number): number[] | null {
    for (;;) {
      const balance = this.#words.load(Place.Balance);
      if (balance < count) return null;
      if (this.#words.compareExchange(Place.Balance, balance, balance - count) === balance) break;
    }
    const slots: number[] = [];
    while (slots.length < count) slots.push(this.#pick());
    return slots;
  }

  /** Takes a free slot out of the table. One is there for each promise. */
  #pick(): number {
    let slot = this.#likely;
    while (this.#words.compareExchange(this.#layout.slot(slot), 0, this.#thread + 1) !== 0)
      slot = (slot % this.size) + 1;
    return slot;
  }

  #lineUp(waiter: Waiter): void {
    const words = this.#words;
    this.#queue.add(waiter);
    words.store(this.#layout.ticket(this.#thread, this.#tail), words.add(Place.Tickets, 1));
    this.#tail = (this.#tail + 1) | 0;
    words.store(this.#place(OfThread.Tail), this.#tail);
    words.add(this.#place(OfThread.Queue), 1);
    if (this.#takeOne(Place.Orphans)) this.#promise();
    this.#closeUp();
  }

  /** Takes one off the count at `place`. Returns false if it is 0. */
  #takeOne(place: Place): boolean {
    for (;;) {
      const count = this.#words.load(place);
      if (count <= 0) return false;
      if (this.#words.compareExchange(place, count, count - 1) === count) return true;
    }
  }

  release(slot: number): void {
    this.#words.store(this.#layout.slot(slot), 0);
    this.#likely = slot;
    // A granted waiter may finish and release at once: the outermost call does the granting, so the stack stays flat.
    if (this.#granting || this.#queue.size === 0) this.#giveUp();
    else this.#grant(true);
  }

  /** Gives one free slot of the table to the requests that wait, or to the next that comes. */
  #giveUp(): void {
    for (;;) {
      const balance = this.#words.load(Place.Balance);
      if (this.#words.compareExchange(Place.Balance, balance, balance + 1) !== balance) continue;
      if (balance < 0) this.#promise();
      return;
    }
  }

  /** Promises a free slot to the thread whose next request has waited longest. */
  #promise(): void {
    for (;;) {
      if (this.#takeOne(Place.Vacant)) {
        this.#giveUp();
        return;
      }
      const thread = this.#next();
      if (thread >= 0) {
        const queue = this.#layout.ofThread(thread, OfThread.Queue);
        const waiting = this.#words.load(queue);
        if (waiting <= 0 || this.#words.compareExchange(queue, waiting, waiting - 1) !== waiting) continue;
        this.#wake(thread);
        return;
      }
      // The request that the slot is for has not announced itself yet, or it does so right now.
      this.#words.add(Place.Orphans, 1);
      if (this.#next() < 0 && this.#words.load(Place.Vacant) <= 0) return;
      if (!this.#takeOne(Place.Orphans)) return;
    }
  }

  /** Returns the thread whose next request has waited longest, or -1. */
  #next(): number {
    let next = -1;
    let oldest = 0;
    for (let thread = 0; thread < this.#threads; thread++) {
      const waiting = this.#words.load(this.#layout.ofThread(thread, OfThread.Queue));
      if (waiting <= 0) continue;
      const tail = this.#words.load(this.#layout.ofThread(thread, OfThread.Tail));
      const ticket = this.#words.load(this.#layout.ticket(thread, tail - waiting));
      // Tickets run over after 2^32, so their difference counts.
      if (next >= 0 && ((ticket - oldest) | 0) >= 0) continue;
      next = thread;
      oldest = ticket;
    }
    return next;
  }

  #wake(thread: number): void {
    // `release` and `woken` look at this thread's own queue before they return.
    if (thread === this.#thread && this.#granting) return;
    if (this.#words.exchange(this.#layout.ofThread(thread, OfThread.Bell), 1) === 0) this.#loop.wake(thread);
  }

  /** Looks for promises of other threads. Called in a turn of its own after `ThreadLoop.wake`. */
  woken(): void {
    // Before it looks: a promise that comes later rings again.
    this.#words.store(this.#place(OfThread.Bell), 0);
    this.#grant(false);
    if (this.#stalled.size > 0 && this.queued > 0) this.#loop.relieve();
  }

  /** Gives slots to the oldest requests of this thread, as many as were promised. `releases`: first gives up a free slot of the table. */
  #grant(releases: boolean): void {
    let isDone = false;
    this.#granting = true;
    try {
      if (releases) this.#giveUp();
      while (this.#queue.size > this.#words.load(this.#place(OfThread.Queue))) this.#grantOne();
      isDone = true;
    } finally {
      this.#granting = false;
      // A waiter has thrown, and others may have promises.
      if (!isDone) this.#wake(this.#thread);
    }
  }

  #grantOne(): void {
    const [oldest] = this.#queue as Iterable<Waiter> as [Waiter];
    this.#queue.delete(oldest);
    oldest.granted(this.#pick());
  }

  cancel(waiter: Waiter): boolean {
    if (!this.#queue.delete(waiter)) return false;
    // The youngest place is left, so the requests behind the waiter move up.
    const queue = this.#place(OfThread.Queue);
    for (let waiting = this.#words.load(queue); waiting > 0; waiting = this.#words.load(queue)) {
      if (this.#words.compareExchange(queue, waiting, waiting - 1) !== waiting) continue;
      this.#tail = (this.#tail - 1) | 0;
      this.#words.store(this.#place(OfThread.Tail), this.#tail);
      this.#words.add(Place.Vacant, 1);
      this.#closeUp();
      return true;
    }
    // All places of this thread have promises, so one is left over.
    this.#giveUp();
    return true;
  }

  /** Takes vacant places out of the balance, or passes on the slots that are on their way to them. */
  #closeUp(): void {
    while (this.#words.load(Place.Vacant) > 0) {
      const balance = this.#words.load(Place.Balance);
      const isOrphaned = this.#words.load(Place.Orphans) > 0;
      // Each vacant place has a slot that is on its way. The thread that brings it sees the vacant place.
      if (balance >= 0 && !isOrphaned) return;
      if (!this.#takeOne(Place.Vacant)) continue;
      if (isOrphaned && this.#takeOne(Place.Orphans)) this.#giveUp();
      else if (balance >= 0 || this.#words.compareExchange(Place.Balance, balance, balance + 1) !== balance) {
        this.#words.add(Place.Vacant, 1);
      }
    }
  }

  stalled(sender: Sender, nowMs: number): void {
    if (this.#lendersMax === 0 || this.#stalled.has(sender)) return;
    this.#stalled.set(sender, nowMs);
    if (this.#stalled.size === 1) this.#words.store(this.#place(OfThread.Stalled), 1);
    if (this.queued > 0) this.#loop.relieve();
  }

  moving(sender: Sender): void {
    if (this.#stalled.delete(sender) && this.#stalled.size === 0) this.#words.store(this.#place(OfThread.Stalled), 0);
  }

  finished(sender: Sender): void {
    if (this.#lenders.delete(sender)) this.#words.add(Place.Lenders, -1);
  }

  /** Wakes the threads with stalled senders, because a request waits and none did before. Their loops go on to call `relieve`. */
  #callForRelief(): void {
    for (let thread = 0; thread < this.#threads; thread++) {
      if (thread === this.#thread) continue;
      if (this.#words.load(this.#layout.ofThread(thread, OfThread.Stalled)) !== 0) this.#wake(thread);
    }
  }

  /** If the senders without a slot are too many in all threads, it cuts the one of this thread that lent first. */
  relieve(nowMs: number): void {
    for (const [sender, sinceMs] of this.#stalled) {
      const waiting = this.queued;
      if (waiting === 0 || nowMs - sinceMs < PATIENCE_MS / 2 ** waiting) return;
      this.moving(sender);
      this.#lenders.add(sender);
      this.#words.add(Place.Lenders, 1);
      sender.lend();
      const [oldest] = this.#lenders;
      if (oldest === undefined || this.#words.load(Place.Lenders) <= this.#lendersMax) continue;
      this.finished(oldest);
      oldest.evict();
    }
  }

  #place(word: OfThread): number {
    return this.#layout.ofThread(this.#thread, word);
  }
}
