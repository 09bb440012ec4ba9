/**
 * The concurrency pool: N numbered slots and a bounded first-in-first-out queue. A slot counts a request being worked on,
 * from the complete request to the last byte of its answer; logs call slot 3 `Thread-3`.
 */

/** Somebody who may have to wait for a slot. */
export interface Waiter {
  /** The slot is the waiter's now; it must be released. */
  granted(slot: number): void;
}

/** What `acquire` says when it gives no slot. */
export const QUEUED = 0;
export const REFUSED = -1;

export class Pool {
  readonly size: number;
  readonly queueMax: number;
  /** Free slot numbers, the next one last. */
  readonly #free: number[] = [];
  /** A Set keeps insertion order and forgets a waiter in O(1). */
  readonly #queue = new Set<Waiter>();
  #granting = false;

  /** `size` >= 1 slots, numbered from 1; `queueMax` >= 0 waiters. */
  constructor(size: number, queueMax: number) {
    this.size = size;
    this.queueMax = queueMax;
    for (let slot = size; slot >= 1; slot--) this.#free.push(slot);
  }

  get active(): number {
    return this.size - this.#free.length;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Returns a slot number >= 1, or QUEUED (then `granted` follows unless `cancel` comes first), or REFUSED. */
  acquire(waiter: Waiter): number {
    // Whoever waits goes first, also while a freed slot is on its way to them.
    if (this.#queue.size === 0) {
      const slot = this.#free.pop();
      if (slot !== undefined) return slot;
    }
    if (this.#queue.size >= this.queueMax) return REFUSED;
    this.#queue.add(waiter);
    return QUEUED;
  }

  /** Takes the slot back and hands free slots to those who wait, oldest first. */
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

  /** Leaves the queue. Returns false when the waiter was not in it. */
  cancel(waiter: Waiter): boolean {
    return this.#queue.delete(waiter);
  }
}
