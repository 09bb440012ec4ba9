/**
 * The end of a peer that is turned away as it arrives: one response, then our FIN. Bytes that it sends are read past until
 * its own FIN comes or the time is over. If we closed at once, its request, which is on the way, would reset the connection
 * before the response was read (RFC 9112 §9.6).
 */
import type { Conversation } from "../exchange/carrier.ts";
import type { Clock } from "../exchange/clock.ts";
import type { Transport } from "../exchange/transport.ts";

/** A request with a small body fits. A peer that sends more is not waiting for an answer. */
const DISCARDED_BYTES_MAX = 65_536;

export class Farewell implements Conversation {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #endMs: number;
  #discarded = 0;
  #isOver = false;

  /** Sends `answer`, which a fresh socket takes whole, and waits at most `lingerMs` for the peer's FIN. */
  constructor(transport: Transport, answer: Uint8Array, clock: Clock, lingerMs: number) {
    this.#transport = transport;
    this.#clock = clock;
    this.#endMs = clock.nowMs + lingerMs;
    transport.write(answer, 0, answer.length);
    transport.shutdown();
  }

  received(bytes: Uint8Array): void {
    this.#discarded += bytes.length;
    if (this.#discarded > DISCARDED_BYTES_MAX) this.end();
  }

  /** A connection over TLS gets no farewell. */
  secured(): void {}

  drained(): void {}

  ended(): void {
    this.end();
  }

  closed(): void {
    this.#isOver = true;
  }

  tick(): void {
    if (this.#clock.nowMs >= this.#endMs) this.end();
  }

  shutDown(): void {
    this.end();
  }

  /** Closes now. Safe to call twice. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#transport.end();
  }
}
