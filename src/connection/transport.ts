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
}
