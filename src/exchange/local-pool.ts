/** The pool of a server with one thread: plain numbers, and a waiting request that gets a slot starts before `release` returns. */
import { PATIENCE_MS, type Pool, QUEUED, REFUSED, type Sender, type Waiter } from "./pool.ts";

export class LocalPool implements Pool {
  readonly size: number;
  readonly queueMax: number;
  /** Free slot numbers, the next one last. */
  readonly #free: number[] = [];
  /** A Set keeps insertion order and forgets a waiter in O(1). */
  readonly #queue = new Set<Waiter>();
  /** Senders with a slot whose peers take nothing, and since when in milliseconds; the longest first. */
  readonly #stalled = new Map<Sender, number>();
  /** Senders that lent their slots, the longest first. */
  readonly #lenders = new Set<Sender>();
  readonly #lendersMax: number;
  /** Requests that wait in their connections. */
  #heldBack = 0;
  #granting = false;

  /** `size` >= 1 slots, numbered from 1; `queueMax` >= 0 waiters; `lendersMax` senders that may continue without a slot. */
  constructor(size: number, queueMax: number, lendersMax = 0) {
    this.size = size;
    this.queueMax = queueMax;
    this.#lendersMax = lendersMax;
    for (let slot = size; slot >= 1; slot--) this.#free.push(slot);
  }

  get active(): number {
    return this.size - this.#free.length;
  }

  get free(): number {
    return this.#queue.size === 0 ? this.#free.length : 0;
  }

  get queued(): number {
    return this.#queue.size;
  }

  get queuedInAll(): number {
    return this.#queue.size + this.#heldBack;
  }

  holdBack(count: number): void {
    this.#heldBack += count;
  }

  get waiters(): Iterable<Waiter> {
    return this.#queue;
  }

  acquire(waiter: Waiter): number {
    // Waiting requests go first, also while a freed slot is on its way to them.
    if (this.#queue.size === 0) {
      const slot = this.#free.pop();
      if (slot !== undefined) return slot;
    }
    if (this.#queue.size >= this.queueMax) return REFUSED;
    this.#queue.add(waiter);
    return QUEUED;
  }

  take(count: number): number[] | null {
    return count <= this.free ? this.#free.splice(-count) : null;
  }

  stalled(sender: Sender, nowMs: number): void {
    if (this.#lendersMax > 0 && !this.#stalled.has(sender)) this.#stalled.set(sender, nowMs);
  }

  moving(sender: Sender): void {
    this.#stalled.delete(sender);
  }

  finished(sender: Sender): void {
    this.#lenders.delete(sender);
  }

  relieve(nowMs: number): void {
    for (const [sender, sinceMs] of this.#stalled) {
      const waiting = this.#queue.size;
      if (waiting === 0 || nowMs - sinceMs < PATIENCE_MS / 2 ** waiting) return;
      this.#stalled.delete(sender);
      this.#lenders.add(sender);
      sender.lend();
      const [oldest] = this.#lenders;
      if (this.#lenders.size > this.#lendersMax && oldest !== undefined) {
        this.#lenders.delete(oldest);
        oldest.evict();
      }
    }
  }

  release(slot: number): void {
    this.#free.push(slot);
    // A granted waiter may finish and release at once: the outermost call does the granting, so the stack stays flat.
    if (this.#granting || this.#queue.size === 0) return;
    this.#granting = true;
    try {
      for (const waiter of this.#queue) {
        const free = this.#free.pop();
        if (free === undefined) break;
        this.#queue.delete(waiter);
        waiter.granted(free);
      }
    } finally {
      this.#granting = false;
    }
  }

  cancel(waiter: Waiter): boolean {
    return this.#queue.delete(waiter);
  }
}
