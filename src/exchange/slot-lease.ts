/**
 * One slot of the pool, as its holder sees it: taken, waited for, lent to others while the peer reads nothing, given back. All that
 * the pool knows of a holder is its lease; a lease tells its holder two things: the slot that it waited for has come, or the
 * response that went on without one must end.
 *
 *   NONE ──take──▶ HELD ──release──▶ NONE           HELD ──stalled──▶ STALLED ──moving──▶ HELD
 *   NONE ──take──▶ WAITING ──granted──▶ HELD        STALLED ──lend──▶ LENT ──repaid──▶ NONE
 *                  WAITING ──cancel──▶ NONE         LENT ──evict──▶ the holder ends
 */
import type { Work } from "./carrier.ts";
import type { Clock } from "./clock.ts";
import { type Pool, QUEUED, REFUSED, type Sender, type Waiter } from "./pool.ts";

/** The side of a lease that works with the slot. */
export interface LeaseHolder {
  /** The slot has come after `queuedMs`. Called outside of the holder's turns. */
  granted(): void;
  /** Too many responses go on without a slot: this one must end. Called outside of the holder's turns. */
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
  readonly holder: LeaseHolder;
  readonly #pool: Pool;
  readonly #clock: Clock;
  #waitingSinceMs = 0;
  /** The pool was told that the peer takes nothing while we hold a slot. */
  #isStalled = false;

  constructor(pool: Pool, clock: Clock, holder: LeaseHolder) {
    this.#pool = pool;
    this.#clock = clock;
    this.holder = holder;
  }

  /** Takes a slot. Returns its number, or QUEUED: then `granted` follows unless `cancel` comes first, or REFUSED. */
  take(): number {
    const slot = this.#pool.acquire(this);
    if (slot === QUEUED) this.#waitingSinceMs = this.#clock.nowMs;
    else if (slot !== REFUSED) this.slot = slot;
    return slot;
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

  /** The peer takes nothing of the response, so the slot may be lent. */
  stalled(): void {
    this.#isStalled = true;
    this.#pool.stalled(this, this.#clock.nowMs);
  }

  /** A response is out, or a handler begins to work: what was stalled or lent before is over. */
  settle(): void {
    if (this.#isStalled) this.moving();
    if (this.lent !== 0) this.repaid();
  }

  /** The peer takes something again, or there is nothing more for it. */
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

  /** Gives the slot back, if one is held. A waiter that gets it goes to work before this returns. */
  release(): void {
    const { slot } = this;
    if (slot === 0) return;
    this.slot = 0;
    if (this.#isStalled) this.moving();
    this.#pool.release(slot);
  }
}
