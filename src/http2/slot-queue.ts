/**
 * Requests of one connection that wait for a slot. One of them waits in the queue of the pool, which is first-in-first-out for all
 * connections; the others wait here. So connections take turns, whatever their number of streams.
 */
import { Phase } from "../exchange/exchange.ts";
import type { Pool } from "../exchange/pool.ts";
import type { Stream } from "./stream.ts";

export class SlotQueue {
  readonly #pool: Pick<Pool, "queued">;
  /** A request of this turn whose response is complete in memory: the next one takes over its slot. */
  #spare: Stream | null = null;
  /** The request that waits in the queue of the pool, or did when it was last looked at. */
  #first: Stream | null = null;
  readonly #others: Stream[] = [];

  constructor(pool: Pick<Pool, "queued">) {
    this.#pool = pool;
  }

  /** Returns true if the request may take a slot, or wait for one in the pool. Otherwise it waits here, for `next`. */
  mayProceed(stream: Stream): boolean {
    const { lease, phase } = stream.exchange;
    if (phase === Phase.Waiting || lease.slot > 0) return true;
    if (this.#passSpare(stream) || !this.#isBusy) {
      // More of its content may have come before its turn in this queue.
      this.remove(stream);
      return true;
    }
    if (!lease.isHeldBack) {
      this.#others.push(stream);
      lease.holdBack();
    }
    return false;
  }

  /** Notes a request that has continued: it may wait in the pool now, or have its response. */
  continued(stream: Stream): void {
    const { phase, lease } = stream.exchange;
    if (phase === Phase.Waiting) this.#first = stream;
    else if (lease.slot > 0 && stream.isLight) this.#spare = stream;
  }

  /** Gives the slot of a response that is ready to a request of the same turn, unless requests wait that have been there before. */
  #passSpare(stream: Stream): boolean {
    const spare = this.#spare;
    if (spare === null || this.#pool.queued > 0 || spare.exchange.lease.slot === 0 || !spare.isLight) return false;
    spare.exchange.lease.pass(stream.exchange.lease);
    return true;
  }

  /** Ends a turn: its responses are written. */
  endTurn(): void {
    this.#spare = null;
  }

  /** Takes the request that may continue now; null if there is none. */
  next(): Stream | null {
    if (this.#others.length === 0 || this.#isBusy) return null;
    this.#first = null;
    const stream = this.#others.shift() as Stream;
    stream.exchange.lease.letGo();
    return stream;
  }

  /** Forgets a request that waits no longer. */
  remove(stream: Stream): void {
    const { lease } = stream.exchange;
    if (!lease.isHeldBack) return;
    lease.letGo();
    this.#others.splice(this.#others.indexOf(stream), 1);
  }

  get #isBusy(): boolean {
    return this.#first !== null && !this.#first.isClosed && this.#first.exchange.phase === Phase.Waiting;
  }
}
