/**
 * Bounds the work that a peer makes without asking for anything: each kind of such frames has an allowance, which fills again with time.
 * An honest client never uses one up. A peer that does gets ENHANCE_YOUR_CALM (RFC 9113 §10.5), and its connection ends.
 */
import type { Clock } from "../exchange/clock.ts";
import type { Http2Limits } from "./context.ts";

/** Kinds of work, and the number of the limit that bounds each. */
export enum Burden {
  /** Streams that end by RST_STREAM, ours included if the peer has caused it (CVE-2023-44487, CVE-2025-8671), and heads that are too large. */
  Reset = 0,
  /** SETTINGS, each of which is acknowledged (CVE-2019-9515). */
  Settings,
  /** PING, each of which is answered (CVE-2019-9512). */
  Ping,
  /** Frames that change nothing: PRIORITY, empty DATA, unknown types, frames of streams that we have reset (CVE-2019-9518). */
  Idle,
  /** Windows so small that a frame carries next to nothing (CVE-2019-9511). */
  Dribble,
}

/** Seconds in which an empty allowance fills again, by `Burden`. */
const REFILL_SECONDS: readonly number[] = [5, 10, 10, 10, 10];

export class Guard {
  readonly #clock: Clock;
  readonly #max: readonly number[];
  readonly #left: number[];
  #sinceMs: number;

  constructor(limits: Http2Limits, clock: Clock) {
    this.#clock = clock;
    this.#max = [
      limits.http2ResetsMax,
      limits.http2SettingsMax,
      limits.http2PingsMax,
      limits.http2IdleFramesMax,
      limits.http2DribblesMax,
    ];
    this.#left = [...this.#max];
    this.#sinceMs = clock.nowMs;
  }

  /** Takes `weight` of the allowance, which may leave less than none. Returns false if none was left. */
  bears(burden: Burden, weight = 1): boolean {
    if ((this.#left[burden] as number) < 1) this.#refill();
    const left = this.#left[burden] as number;
    this.#left[burden] = Math.max(left - weight, -(this.#max[burden] as number));
    return left >= 1;
  }

  #refill(): void {
    const seconds = (this.#clock.nowMs - this.#sinceMs) / 1000;
    this.#sinceMs = this.#clock.nowMs;
    this.#max.forEach((max, burden) => {
      const more = (max * seconds) / (REFILL_SECONDS[burden] as number);
      this.#left[burden] = Math.min(max, (this.#left[burden] as number) + more);
    });
  }
}
