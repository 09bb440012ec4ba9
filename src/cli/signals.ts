/** Signals that stop the program. */
import { readFileSync } from "node:fs";

/** 128 + number is how a shell shows the end by a signal. */
export const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

export type StopSignal = keyof typeof SIGNAL_NUMBERS;

/** Returns true under nohup(1), which makes a program ignore SIGHUP and outlive its terminal. A handler would undo that. */
export function isHangupIgnored(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
    return (BigInt(`0x${mask}`) & 1n) === 1n; // proc(5): bit 0 is signal 1.
  } catch {
    return false; // Not Linux.
  }
}

/**
 * Returns true if SIGHUP reopens the log and reads the certificate again, and does not stop the program. Windows sends it when a console
 * closes, and ends the program soon after: a log that is reopened would be all that the program does in that time.
 */
export function renewsOnHangup(hasLogFile: boolean, hasCertificate: boolean, system: typeof process.platform): boolean {
  return system !== "win32" && (hasLogFile || hasCertificate);
}

/**
 * Milliseconds in which further signals count as the first one. `bun start` passes on the SIGINT of Ctrl+C, which the terminal has
 * already sent to the whole group, so one key press arrives twice. People do not press it twice in that time to force an end.
 */
const SAME_REQUEST_MS = 250;

/** Signals in the order of their arrival. Those that come before `next` is called are kept. */
export class Signals {
  readonly #arrived: StopSignal[] = [];
  #waiting: ((signal: StopSignal) => void) | null = null;

  /** Arrival of the first signal. */
  #firstMs: number | null = null;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.listen("SIGINT");
    this.listen("SIGTERM");
  }

  listen(signal: StopSignal): void {
    process.on(signal, () => this.#arrive(signal));
  }

  #arrive(signal: StopSignal): void {
    const now = this.#nowMs();
    if (this.#firstMs !== null && now - this.#firstMs < SAME_REQUEST_MS) return;
    this.#firstMs ??= now;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#arrived.push(signal);
    else waiting(signal);
  }

  /** Resolves with the next signal. One caller waits at a time. */
  next(): Promise<StopSignal> {
    const signal = this.#arrived.shift();
    if (signal !== undefined) return Promise.resolve(signal);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}
