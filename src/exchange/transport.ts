import type { Fault } from "../http/fault.ts";
import type { Response } from "../http/message.ts";

/**
 * What the conversation needs from a socket. `Bun.Socket` has this shape already, so the server passes its sockets in as
 * they are; tests pass a fake.
 */
export interface Transport {
  /**
   * Offers bytes[offset, offset + length) to the kernel. Returns the number accepted, fewer under back-pressure (then
   * `drained` follows, or never: have a deadline), or -1 when the connection is gone.
   */
  write(bytes: Uint8Array, offset: number, length: number): number;
  /** Stops and restarts `received`. */
  pause(): void;
  resume(): void;
  /** Sends FIN after what was accepted; reading goes on. */
  shutdown(): void;
  /** Closes both directions; `closed` follows. */
  end(): void;
  /** Closes at once with RST; `closed` follows. */
  terminate(): void;
  /** In fixture servers alone: lets answers go wrong on their way. */
  readonly gate?: Gate;
}

/** Where an answer with a fault stands. */
export enum Fate {
  /** It goes on, or is all sent. */
  Goes = 0,
  /** Nothing more of it is sent; the gate calls when it goes on. */
  Waits = 1,
  /** Nothing more of it is ever sent, and the connection stays. */
  Hangs = 2,
  /** It ends here, by FIN. */
  Ends = 3,
}

/** Stands before a socket (faulty-wire.ts), and is told which answer shall go wrong, and how. */
export interface Gate {
  /** Returns the response as `fault` makes it. Called before its head is encoded. */
  spoil(response: Response, fault: Fault): Response;
  /** The answer that begins behind `pendingBytes` which are not offered yet has `fault`. One at a time. */
  impose(fault: Fault, answer: AnswerBytes, sender: Suspended): void;
  /** Asked whenever all that may pass was offered. */
  fate(): Fate;
  /** True while the gate keeps the answer back, and not the kernel: it waits for its time or its reset, or hangs. */
  readonly holds: boolean;
  /** What waits goes out whole; what has been cut, or would never go on, is cut off by RST. Not within a turn. */
  release(): void;
  /** The connection is closed. */
  closed(): void;
}

export interface AnswerBytes {
  readonly pendingBytes: number;
  readonly headBytes: number;
  readonly contentBytes: number;
}

/** Whose answer waits at a gate. Called in a turn of its own. */
export interface Suspended {
  /** The gate lets something pass again. */
  drained(): void;
  /** Leaves at once with RST. */
  cut(): void;
}
