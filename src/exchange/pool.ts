/**
 * The concurrency pool: N numbered slots and a bounded first-in-first-out queue. A slot counts a request in work, from
 * the complete request to the last byte of its response; logs call slot 3 `Thread-3`. While a peer reads nothing and
 * other requests wait, its slot is lent to them, and its response continues without one (docs/decisions/0005).
 */

/** A request that may have to wait for a slot. */
export interface Waiter {
  /** Takes the slot, which must be released. */
  granted(slot: number): void;
}

/** A request that has a slot and waits for its peer to read. */
export interface Sender {
  /** Continues without its slot and releases it, because other requests wait for one. */
  lend(): void;
  /** Is cut, because too many continue without a slot. */
  evict(): void;
}

/**
 * Milliseconds that a sender keeps its slot while its peer reads nothing and a request waits; each further waiting
 * request halves them. So a download that pauses keeps its slot, and a flood of readers that do not read takes no slots
 * from others.
 */
const PATIENCE_MS = 2000;

/** Result of `acquire` when it gives no slot. */
export const QUEUED = 0;
export const REFUSED = -1;

export class Pool {
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

  /** Slots that can be taken at once. */
  get free(): number {
    return this.#queue.size === 0 ? this.#free.length : 0;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Waiting requests, oldest first. The iterator must not be kept, nor used while slots are handed on. */
  get waiters(): Iterable<Waiter> {
    return this.#queue;
  }

  /** Returns a slot number >= 1, or QUEUED (then `granted` follows unless `cancel` comes first), or REFUSED. */
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

  /** Takes `count` >= 1 free slots, to be released one by one. Returns null, and takes none, if fewer are free. */
  take(count: number): number[] | null {
    return count <= this.free ? this.#free.splice(-count) : null;
  }

  /** Notes that the kernel takes no more bytes of `sender`, which has a slot. */
  stalled(sender: Sender, nowMs: number): void {
    if (this.#lendersMax > 0 && !this.#stalled.has(sender)) this.#stalled.set(sender, nowMs);
  }

  /** Notes that the kernel takes bytes of `sender` again, or that none are left. */
  moving(sender: Sender): void {
    this.#stalled.delete(sender);
  }

  /** Notes that the response of a sender that has lent its slot is over. */
  finished(sender: Sender): void {
    this.#lenders.delete(sender);
  }

  /**
   * Gives waiting requests the slots of senders whose peers have read nothing for too long. The requests start at
   * once, so this is never called within a connection's turn.
   */
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

  /** Takes the slot back, and hands free slots to waiting requests, oldest first. */
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
