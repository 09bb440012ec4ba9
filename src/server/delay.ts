/** The time in which a server that was told to stop still takes connections. */
import type { TimeSource } from "../exchange/clock.ts";

export class Delay {
  readonly #time: TimeSource;
  #end: (() => void) | null = null;

  constructor(time: TimeSource) {
    this.#time = time;
  }

  /** Resolves after `ms`, or with `end`. */
  async wait(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const cancel = this.#time.after(ms, over.resolve);
    this.#end = over.resolve;
    await over.promise;
    cancel();
  }

  /** Ends the wait, if there is one. */
  end(): void {
    this.#end?.();
  }
}
