/**
 * A bounded amount that many tasks share: requests on their way, or bytes of memory. Tasks that find too little left wait in the order in
 * which they came, and not for ever.
 */
import type { TimeSource } from "../../../exchange/clock.ts";

interface Waiter {
  readonly amount: number;
  readonly settle: (isGranted: boolean) => void;
}

export class Budget {
  readonly #time: Pick<TimeSource, "nowMs" | "after">;
  readonly #max: number;
  #taken = 0;
  readonly #waiters: Waiter[] = [];

  constructor(max: number, time: Pick<TimeSource, "nowMs" | "after">) {
    this.#max = max;
    this.#time = time;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /** Takes `amount`, at most the whole budget, if nothing waits for it. Returns false if it is not left. */
  tryTake(amount: number): boolean {
    if (this.#waiters.length > 0 || this.#taken + amount > this.#max) return false;
    this.#taken += amount;
    return true;
  }

  /** Takes `amount`, at most the whole budget, as soon as it is left. Resolves with false if that is not before `deadlineMs`. */
  take(amount: number, deadlineMs: number): Promise<boolean> {
    if (this.tryTake(amount)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        amount,
        settle: (isGranted) => {
          cancel();
          resolve(isGranted);
        },
      };
      this.#waiters.push(waiter);
      const cancel = this.#time.after(Math.max(0, deadlineMs - this.#time.nowMs()), () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        waiter.settle(false);
        // A large one at the head may have kept smaller ones waiting.
        this.#grant();
      });
    });
  }

  give(amount: number): void {
    this.#taken -= amount;
    this.#grant();
  }

  #grant(): void {
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      if (this.#taken + first.amount > this.#max) return;
      this.#taken += first.amount;
      this.#waiters.shift();
      first.settle(true);
    }
  }
}
