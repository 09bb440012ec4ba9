/**
 * Time as connections see it: two numbers and a prepared Date line, which stand still until the server moves them at
 * each event and each tick. Tests move them by hand.
 */
import { DATE_LINE_BYTES, encodeImfDate } from "../http/date.ts";

/** Source of time: the machine, or a test that moves it by hand. */
export interface TimeSource {
  /** Monotonic milliseconds from an arbitrary start. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Calls once, `ms` milliseconds from now. The returned function cancels it, also when it is over. */
  after(ms: number, call: () => void): () => void;
  /** Calls every `ms` milliseconds until the returned function is called. */
  every(ms: number, call: () => void): () => void;
}

const DATE_VALUE_OFFSET = 6;

export class Clock {
  /** Monotonic milliseconds from an arbitrary start: for durations and deadlines. */
  nowMs = 0;
  /** Milliseconds since 1970, for people. May jump. */
  wallMs = 0;
  /** The field line `Date: …` with its CRLF (RFC 9110 §6.6.1), of the second of `wallMs`. The same array at each second. */
  readonly dateLine: Uint8Array = new Uint8Array(DATE_LINE_BYTES);
  /** The second of `wallMs`, since the epoch: when it differs, so does the Date line. */
  second = Number.NaN;
  /** Null if this clock is moved by hand alone. */
  readonly #time: Pick<TimeSource, "nowMs"> | null;
  /** Wall time minus monotonic time. */
  #offsetMs = 0;

  constructor(nowMs: number, wallMs: number, time: Pick<TimeSource, "nowMs"> | null = null) {
    this.#time = time;
    this.dateLine.set(new TextEncoder().encode("Date: "));
    this.dateLine.set([0x0d, 0x0a], DATE_LINE_BYTES - 2);
    this.set(nowMs, wallMs);
  }

  /** Returns the milliseconds since `startMs` by the time of this very moment: for durations within one turn. */
  elapsedMs(startMs: number): number {
    return (this.#time === null ? this.nowMs : this.#time.nowMs()) - startMs;
  }

  /** Sets both times. `nowMs` never goes back. */
  set(nowMs: number, wallMs: number): void {
    this.#offsetMs = wallMs - nowMs;
    this.#show(nowMs, wallMs);
  }

  /** Moves both times to the present. Wall time keeps its distance from monotonic time until `set` corrects it. */
  move(): void {
    if (this.#time === null) return;
    const nowMs = this.#time.nowMs();
    this.#show(nowMs, nowMs + this.#offsetMs);
  }

  #show(nowMs: number, wallMs: number): void {
    this.nowMs = nowMs;
    this.wallMs = wallMs;
    const second = Math.floor(wallMs / 1000);
    if (second === this.second) return;
    this.second = second;
    encodeImfDate(second, this.dateLine, DATE_VALUE_OFFSET);
  }
}
