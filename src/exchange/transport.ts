import type { Fault } from "../http/fault.ts";
import type { FramedResponse, LiveSource } from "../http/message.ts";

/**
 * The part of a socket that a connection needs. `Bun.Socket` has this shape already, so the server passes its sockets
 * in as they are; tests pass a fake.
 */
export interface Transport {
  /**
   * Offers bytes[offset, offset + length) to the kernel. Returns the number accepted, fewer under back-pressure (then
   * `drained` follows, or never: have a deadline), or -1 when the connection is gone.
   */
  write(bytes: Uint8Array, offset: number, length: number): number;
  /**
   * Offers `count` bytes of an open file, from `offset`, to the kernel, without a copy in our memory. Returns the number accepted, or less
   * than 1 for every reason to send none. If that is fewer than `count`, only a `write` makes `drained` follow, and tells a full kernel
   * from a failure. Absent where the platform has no such call, over TLS, and behind a gate.
   */
  sendFile?(descriptor: number, offset: number, count: number): number;
  /** Stops and restarts `received`. */
  pause(): void;
  resume(): void;
  /** Sends FIN after the accepted bytes. Reading continues. */
  shutdown(): void;
  /** Closes both directions; `closed` follows. */
  end(): void;
  /** Closes at once with RST; `closed` follows. */
  terminate(): void;
  /** Gate that makes responses fail on their way; only in fixture servers. */
  readonly gate?: Gate;
}

/** Progress of a response with a fault. */
export enum Fate {
  /** It continues, or is all sent. */
  Goes = 0,
  /** It waits; the gate calls when it continues. */
  Waits = 1,
  /** Nothing more of it is ever sent, and the connection stays. */
  Hangs = 2,
  /** It ends here, by FIN. */
  Ends = 3,
}

/** A gate before a socket (faulty-wire.ts). It is told which response gets a fault, and which one. */
export interface Gate {
  /** Returns the response as `fault` makes it; `breaker` is that of its carrier. Called before its head is encoded. */
  spoil(response: FramedResponse, fault: Fault, breaker: Breaker): FramedResponse;
  /** Applies `fault` to the response that begins after `pendingBytes` which are not offered yet. One at a time. */
  impose(fault: Fault, answer: AnswerBytes, sender: Suspended): void;
  /** Returns the progress. Called whenever all that may pass was offered. */
  fate(): Fate;
  /** True while the gate, not the kernel, keeps the response back: it waits for its time or its reset, or hangs. */
  readonly holds: boolean;
  /**
   * Sends a waiting response in full. One that has been cut, or would never continue, is cut off by RST. Do not call
   * this within a turn.
   */
  release(): void;
  /** Called when the connection is closed. */
  closed(): void;
}

/** Frames live content as a carrier does, but with `mark` in place of the end. */
export type Breaker = (source: LiveSource, mark: string) => LiveSource;

export interface AnswerBytes {
  readonly pendingBytes: number;
  readonly headBytes: number;
  readonly contentBytes: number;
}

/** The sender of a response that waits at a gate. Its methods are called in turns of their own. */
export interface Suspended {
  /** Called when the gate lets bytes pass again. */
  drained(): void;
  /** Closes at once by RST. */
  cut(): void;
}
