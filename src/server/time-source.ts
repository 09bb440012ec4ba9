/** Time of a server: the machine's, or one that a test moves by hand. */

import type { TimeSource } from "../exchange/clock.ts";

export const systemTime: TimeSource = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
  every(ms, call) {
    const timer = setInterval(call, ms);
    return () => clearInterval(timer);
  },
};

interface Alarm {
  atMs: number;
  readonly everyMs: number;
  readonly call: () => void;
}

/**
 * A clock that stands still until `advance` moves it: an idle timeout of 30 s takes a test no time.
 *
 *     const clock = new ManualClock();
 *     await using server = await startServer({ clock });
 *     clock.advance(30_000);
 */
export class ManualClock implements TimeSource {
  #nowMs = 0;
  readonly #startMs: number;
  readonly #alarms = new Set<Alarm>();

  /** `startMs` is the initial wall clock, in milliseconds since 1970. */
  constructor(startMs: number = Date.now()) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#startMs + this.#nowMs;
  }

  after(ms: number, call: () => void): () => void {
    return this.#set({ atMs: this.#nowMs + ms, everyMs: 0, call });
  }

  every(ms: number, call: () => void): () => void {
    if (!(ms > 0)) throw new RangeError(`an interval of ${ms} ms never ends`);
    return this.#set({ atMs: this.#nowMs + ms, everyMs: ms, call });
  }

  /** Lets `ms` milliseconds pass. Calls that are due meanwhile are made in their order, each at its own time. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (let due = this.#next(endMs); due !== null; due = this.#next(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      if (due.everyMs > 0) due.atMs += due.everyMs;
      else this.#alarms.delete(due);
      due.call();
    }
    // A call may have let more time pass.
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  #set(alarm: Alarm): () => void {
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** Returns the earliest alarm that is due by `endMs`; of equal ones, the one that was set first. */
  #next(endMs: number): Alarm | null {
    let earliest: Alarm | null = null;
    for (const alarm of this.#alarms) {
      if (alarm.atMs <= endMs && (earliest === null || alarm.atMs < earliest.atMs)) earliest = alarm;
    }
    return earliest;
  }
}
