/**
 * Remembers that the store is away, so that requests fail at once instead of waiting for it.
 *
 *   CLOSED ──a request gave up, and nothing was answered while it tried──▶ OPEN ──a probe is answered──▶ CLOSED
 *
 * While it is open, a probe asks the store from time to time, less and less often. So no client's request has to find out.
 */
import type { TimeSource } from "../../../exchange/clock.ts";
import { SECOND } from "../../../http/units.ts";

/** Milliseconds until the first probe, and the most between two. */
const PROBE_MS_MIN = SECOND;
const PROBE_MS_MAX = 30 * SECOND;

interface CircuitOptions {
  readonly time: Pick<TimeSource, "nowMs" | "after">;
  /** Returns a number from 0 to 1, so that many servers do not ask at the same moment. */
  readonly random: () => number;
  /** Asks the store. Resolves with true if it answers. Never rejects. */
  readonly probe: () => Promise<boolean>;
}

export class Circuit {
  readonly #options: CircuitOptions;
  /** Monotonic milliseconds of the last answer. */
  #answeredMs = Number.NEGATIVE_INFINITY;
  /** Monotonic milliseconds of the next probe; null while the circuit is closed. */
  #probeMs: number | null = null;
  #delayMs = PROBE_MS_MIN;
  #cancel: () => void = () => {};

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#probeMs !== null;
  }

  /** True if the store has ever answered. */
  get hasAnswered(): boolean {
    return this.#answeredMs !== Number.NEGATIVE_INFINITY;
  }

  /** Seconds until the store is asked again, at least 1. */
  get retrySeconds(): number {
    const leftMs = (this.#probeMs ?? 0) - this.#options.time.nowMs();
    return Math.max(1, Math.ceil(leftMs / SECOND));
  }

  /** The store has answered. Closes the circuit. */
  answered(): void {
    this.#answeredMs = this.#options.time.nowMs();
    this.#delayMs = PROBE_MS_MIN;
    if (this.#probeMs === null) return;
    this.#probeMs = null;
    this.#cancel();
  }

  /** A request that had begun at `sinceMs` gave up. */
  gaveUp(sinceMs: number): void {
    if (this.#probeMs === null && this.#answeredMs <= sinceMs) this.#wait();
  }

  /** Stops the probes. */
  end(): void {
    this.#cancel();
  }

  #wait(): void {
    const { time, random } = this.#options;
    const delayMs = this.#delayMs * (0.5 + random() / 2);
    this.#delayMs = Math.min(PROBE_MS_MAX, 2 * this.#delayMs);
    this.#probeMs = time.nowMs() + delayMs;
    this.#cancel = time.after(delayMs, () => void this.#ask());
  }

  async #ask(): Promise<void> {
    const isAnswered = await this.#options.probe();
    if (isAnswered) this.answered();
    else if (this.#probeMs !== null) this.#wait();
  }
}
