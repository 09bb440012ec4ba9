/**
 * One slot of the pool as its holder sees it: taken, waited for, lent while the peer reads nothing, given back. The pool knows a
 * holder only by its lease. A lease tells its holder two things: the slot that it waited for has come, or the response that
 * continued without one must end.
 *
 *   NONE ──take──▶ HELD ──release──▶ NONE           HELD ──stalled──▶ STALLED ──moving──▶ HELD
 *   NONE ──take──▶ WAITING ──granted──▶ HELD        STALLED ──lend──▶ LENT ──repaid──▶ NONE
 *                  WAITING ──cancel──▶ NONE         LENT ──evict──▶ the holder ends
 *   NONE ──holdBack──▶ HELD BACK ──letGo──▶ NONE: a request of HTTP/2 that waits for its turn to wait
 */
import type { Work } from "./carrier.ts";
import type { Clock } from "./clock.ts";
import { type Pool, QUEUED, REFUSED, type Sender, type Waiter } from "./pool.ts";

/** The side of a lease that works with the slot. */
export interface LeaseHolder {
  /** Called when the slot has come, outside of the holder's turns. */
  granted(): void;
  /** Called when too many responses continue without a slot, and this one must end. Outside of the holder's turns. */
  evicted(): void;
  /** Describes the request that the slot is for; null if none is under way. */
  work(): Work | null;
}

export class SlotLease implements Sender, Waiter {
  /** Number of the slot held; 0 for none. */
  slot = 0;
  /** Number of the slot that was lent before the response was out; 0 for none. */
  lent = 0;
  /** Milliseconds that the request has waited for its slot. */
  queuedMs = 0;
  /** True while the request waits in its connection, until it may ask for a slot. */
  isHeldBack = false;
  readonly holder: LeaseHolder;
  readonly #pool: Pool;
  readonly #clock: Clock;
  #waitingSinceMs = 0;
  /** Milliseconds for which the request was held back, until it asks for a slot. */
  #heldBackMs = 0;
  /** True when the pool knows that the peer takes nothing while a slot is held. */
  #isStalled = false;

  constructor(pool: Pool, clock: Clock, holder: LeaseHolder) {
    this.#pool = pool;
    this.#clock = clock;
    this.holder = holder;
  }

  /** Takes a slot. Returns its number, or QUEUED: then `granted` follows unless `cancel` comes first, or REFUSED. */
  take(): number {
    const slot = this.#pool.acquire(this);
    if (slot === QUEUED) this.#waitingSinceMs = this.#clock.nowMs - this.#heldBackMs;
    else if (slot !== REFUSED) this.slot = slot;
    this.#heldBackMs = 0;
    return slot;
  }

  /** Begins to wait in the connection. */
  holdBack(): void {
    this.isHeldBack = true;
    this.#waitingSinceMs = this.#clock.nowMs;
    this.#pool.holdBack(1);
  }

  /** Ends that: the request may ask for a slot, or is given up. */
  letGo(): void {
    this.isHeldBack = false;
    this.#heldBackMs = this.#clock.nowMs - this.#waitingSinceMs;
    this.queuedMs = this.#heldBackMs;
    this.#pool.holdBack(-1);
  }

  granted(slot: number): void {
    this.slot = slot;
    this.queuedMs = this.#clock.nowMs - this.#waitingSinceMs;
    this.holder.granted();
  }

  /** Leaves the queue. */
  cancel(): void {
    if (this.#pool.cancel(this)) this.queuedMs = this.#clock.nowMs - this.#waitingSinceMs;
  }

  /** Tells the pool that the peer takes nothing of the response, so that the slot may be lent. */
  stalled(): void {
    this.#isStalled = true;
    this.#pool.stalled(this, this.#clock.nowMs);
  }

  /** Ends stalling and lending: a response is out, or a handler begins to work. */
  settle(): void {
    this.moving();
    this.repaid();
  }

  /** Tells the pool that the peer takes bytes again, or that nothing is left for it. */
  moving(): void {
    if (!this.#isStalled) return;
    this.#isStalled = false;
    this.#pool.moving(this);
  }

  lend(): void {
    this.lent = this.slot;
    this.release();
  }

  evict(): void {
    this.holder.evicted();
  }

  /** Ends the lending: the response is out, or there is a slot again. */
  repaid(): void {
    if (this.lent === 0) return;
    this.lent = 0;
    this.#pool.finished(this);
  }

  /**
   * Passes the slot on to another request of the same connection. The response is complete in memory, and leaves in the write of the
   * turn, as the responses of a pipeline do (docs/decisions/0002).
   */
  pass(other: SlotLease): void {
    this.moving();
    other.slot = this.slot;
    this.lent = this.slot;
    this.slot = 0;
  }

  /** Gives the slot back, if one is held. A waiter that gets it starts to work before this returns. */
  release(): void {
    const { slot } = this;
    if (slot === 0) return;
    this.slot = 0;
    this.moving();
    this.#pool.release(slot);
  }
}
