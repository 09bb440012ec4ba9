import { ManualClock } from "../../src/server/time-source.ts";

/** A clock moved by hand that counts the repeating timers set on it. */
export class CountingClock extends ManualClock {
  timers = 0;

  override every(ms: number, call: () => void): () => void {
    this.timers++;
    const cancel = super.every(ms, call);
    return () => {
      this.timers--;
      cancel();
    };
  }
}
