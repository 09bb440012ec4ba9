/**
 * The concurrency pool: N numbered slots and a bounded first-in-first-out queue. A slot counts a request in work, from
 * the complete request to the last byte of its response; logs call slot 3 `Thread-3`. While a peer reads nothing and
 * other requests wait, its slot is lent to them, and its response continues without one (docs/decisions/0005).
 *
 * A server with one thread has a `LocalPool`. The threads of a server that has several have a `SharedPool` each, which are views of
 * the same slots; numbers, bounds and counts below hold for all threads together.
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
export const PATIENCE_MS = 2000;

/** Result of `acquire` when it gives no slot. */
export const QUEUED = 0;
export const REFUSED = -1;

export interface Pool {
  /** Slots, numbered from 1. */
  readonly size: number;
  /** Requests that may wait. */
  readonly queueMax: number;
  /** Slots that are taken. */
  readonly active: number;
  /** Slots that can be taken at once. */
  readonly free: number;
  /** Requests that wait in the queue. */
  readonly queued: number;
  /** Requests that wait in the queue, or in their connections until they may join it. */
  readonly queuedInAll: number;
  /** Waiting requests of this thread, oldest first. The iterator must not be kept, nor used while slots are handed on. */
  readonly waiters: Iterable<Waiter>;
  /** Returns a slot number >= 1, or QUEUED (then `granted` follows unless `cancel` comes first), or REFUSED. */
  acquire(waiter: Waiter): number;
  /**
   * Notes that `count` further requests, or fewer if it is below 0, wait in their connection until they may join the queue. They do not count
   * for `queueMax`: a connection of HTTP/2 has a bounded number of them.
   */
  holdBack(count: number): void;
  /** Takes `count` >= 1 free slots, to be released one by one. Returns null, and takes none, if fewer are free. */
  take(count: number): number[] | null;
  /** Notes that the kernel takes no more bytes of `sender`, which has a slot. */
  stalled(sender: Sender, nowMs: number): void;
  /** Notes that the kernel takes bytes of `sender` again, or that none are left. */
  moving(sender: Sender): void;
  /** Notes that the response of a sender that has lent its slot is over. */
  finished(sender: Sender): void;
  /**
   * Gives waiting requests the slots of senders of this thread whose peers have read nothing for too long. The requests start at
   * once, so this is never called within a connection's turn.
   */
  relieve(nowMs: number): void;
  /** Takes the slot back, and hands free slots to waiting requests, oldest first. Those of this thread start at once. */
  release(slot: number): void;
  /** Leaves the queue. Returns false when the waiter was not in it. */
  cancel(waiter: Waiter): boolean;
}
