/**
 * The end of a connection as its peer hears of it: GOAWAY (RFC 9113 §6.8), in two steps if the peer has done nothing wrong. The first
 * says that the connection will end, the second, a round trip later, which request is the last. In between, requests are taken that the
 * peer sent before it heard of the first. After a mistake there is one, with its code.
 */
import type { Clock } from "../exchange/clock.ts";
import type { CloseReason } from "../exchange/observer.ts";
import type { Http2Limits } from "./context.ts";
import { ErrorCode } from "./errors.ts";
import { WINDOW_MAX } from "./frames.ts";
import type { ShortFrames } from "./short-frames.ts";

enum Step {
  None = 0,
  /** The first GOAWAY is sent; requests are still taken. */
  Announced,
  /** The last GOAWAY is sent; no further request is taken. */
  Final,
}

export class Departure {
  /** Reason of the connection's end, once it is announced. */
  reason: CloseReason = "client";
  /** Smallest last stream that a GOAWAY has named. No later one names a larger (RFC 9113 §6.8), though refused streams follow. */
  lastStream = WINDOW_MAX;
  readonly #frames: ShortFrames;
  readonly #limits: Http2Limits;
  readonly #clock: Clock;
  #step = Step.None;
  /** Latest moment of the second step, in monotonic milliseconds. */
  #finalMs = Number.POSITIVE_INFINITY;

  constructor(frames: ShortFrames, limits: Http2Limits, clock: Clock) {
    this.#frames = frames;
    this.#limits = limits;
    this.#clock = clock;
  }

  get isAnnounced(): boolean {
    return this.#step === Step.Announced;
  }

  get isFinal(): boolean {
    return this.#step === Step.Final;
  }

  /** True if the second step is due, although no answer to our PING has come. */
  get isDue(): boolean {
    return this.#clock.nowMs >= this.#finalMs;
  }

  /** Takes the first step, and asks for a round trip. */
  announce(reason: CloseReason): void {
    if (this.#step !== Step.None) return;
    this.#step = Step.Announced;
    this.reason = reason;
    this.#send(WINDOW_MAX, ErrorCode.NoError, "");
    this.#frames.ping();
    this.#finalMs = this.#clock.nowMs + this.#limits.shutdownGraceMs;
  }

  /** Takes the last step: no stream after `lastStreamId` is answered. `debug` is ASCII. */
  finalize(lastStreamId: number, code: ErrorCode = ErrorCode.NoError, debug = ""): void {
    this.#end();
    this.#send(lastStreamId, code, debug);
  }

  /** Takes the last step without a word, because a fault has sent GOAWAY. */
  leave(reason: CloseReason): void {
    this.#end();
    this.reason = reason;
  }

  #end(): void {
    this.#step = Step.Final;
    this.#finalMs = Number.POSITIVE_INFINITY;
  }

  /** Notes the last stream of a GOAWAY. */
  named(lastStream: number): void {
    this.lastStream = Math.min(this.lastStream, lastStream);
  }

  #send(lastStreamId: number, code: ErrorCode, debug: string): void {
    this.named(lastStreamId);
    this.#frames.goAway(this.lastStream, code, debug);
  }
}
