/** What the conversation tells whoever keeps the logs. Calls are synchronous, must not throw, and must not keep the request. */
import type { Request, Response } from "../http/message.ts";

/** How an answer ended. */
export enum Outcome {
  /** All accepted; the connection persists. */
  KeptAlive = 0,
  /** All accepted; the connection closes. */
  Closed = 1,
  /** The peer left, stalled, or the content ended early: the answer is short. */
  Aborted = 2,
}

export interface Observer {
  /** False: `answered` need not be called. */
  readonly wantsAnswers: boolean;
  /** True: `step` is wanted, the narration of --verbose. */
  readonly wantsSteps: boolean;
  /**
   * An answer has ended. `request` is null when no head could be read; `slot` is 0 for refusals; `bytes` counts content
   * accepted by the kernel; `durationMs` runs from the complete head.
   */
  answered(
    connection: number,
    peer: string,
    request: Request | null,
    response: Response,
    slot: number,
    bytes: number,
    durationMs: number,
    outcome: Outcome,
  ): void;
  /** A security event, as a sentence; wire bytes in it are escaped. */
  incident(connection: number, peer: string, sentence: string): void;
  /** One narrated step of a connection. */
  step(connection: number, slot: number, sentence: string): void;
  /** All slots are busy: the request waits. */
  queued(connection: number): void;
  /** A waiting request got `slot` after `waitedMs`. */
  dequeued(connection: number, slot: number, waitedMs: number): void;
  /** Pool and queue were full, or the wait was too long: answered 503. */
  turnedAway(connection: number, reason: "queue full" | "queue timeout"): void;
  /** Our own mistake: an assertion or an exception of a handler. */
  fault(connection: number, error: unknown): void;
}
