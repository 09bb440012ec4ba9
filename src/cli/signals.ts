/** Signals to stop. */
import { readFileSync } from "node:fs";

/** 128 + number is how a shell shows the end by a signal. */
export const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

export type StopSignal = keyof typeof SIGNAL_NUMBERS;

/** True under nohup(1), which starts a program deaf to SIGHUP so that it outlives its terminal; a handler would undo that. */
export function isHangupIgnored(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
    return (BigInt(`0x${mask}`) & 1n) === 1n; // proc(5): bit 0 is signal 1.
  } catch {
    return false; // Not Linux.
  }
}

/**
 * Milliseconds in which further signals are the first one once more: `bun start` passes on the SIGINT of Ctrl+C, which the
 * terminal has already sent to the whole group, so one key press arrives twice. Nobody presses it twice in that time to force.
 */
const SAME_REQUEST_MS = 250;

/** Requests to stop in the order they come, also those that come before somebody waits. */
export class Signals {
  readonly #arrived: StopSignal[] = [];
  #waiting: ((signal: StopSignal) => void) | null = null;

  /** When the first one came. */
  #firstMs: number | null = null;

  constructor() {
    this.listen("SIGINT");
    this.listen("SIGTERM");
  }

  listen(signal: StopSignal): void {
    process.on(signal, () => this.#arrive(signal));
  }

  #arrive(signal: StopSignal): void {
    const now = performance.now();
    if (this.#firstMs !== null && now - this.#firstMs < SAME_REQUEST_MS) return;
    this.#firstMs ??= now;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#arrived.push(signal);
    else waiting(signal);
  }

  /** One caller at a time. */
  next(): Promise<StopSignal> {
    const signal = this.#arrived.shift();
    if (signal !== undefined) return Promise.resolve(signal);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}
