/**
 * One request and what it needs while it is served. Exchanges are reused: an idle connection holds none, so ten thousand of
 * them cost little, and the warm path allocates nothing.
 */

import { BodyBuffer, type BodyMemory } from "../exchange/content-buffer.ts";
import { type Request, UNDECIDED } from "../http/message.ts";
import { ParseError } from "../http/parse-error.ts";
import { PathMemo } from "../http/path-memo.ts";
import { Target } from "../http/target.ts";
import { BodyDecoder } from "./body-decoder.ts";
import { decideFraming, Framing } from "./framing.ts";
import { type HeadLimits, ParsedHead, parseRequestHead } from "./request-head.ts";
import { readTarget } from "./request-target.ts";

export class Exchange implements Request {
  readonly head: ParsedHead;
  readonly framing = new Framing();
  readonly target: Target;
  readonly decoder: BodyDecoder;
  readonly buffer: BodyBuffer;
  address = "";
  secure = false;
  admission = UNDECIDED;
  isHeadComplete = false;
  /** Monotonic ms when the head was complete. */
  startedMs = 0;
  /** `head`, `framing` and `target` are what the bytes of the head say. */
  #isUnderstood = false;

  constructor(headLimits: HeadLimits, memory: BodyMemory, paths: PathMemo) {
    this.target = new Target(paths);
    this.head = new ParsedHead(headLimits);
    this.decoder = new BodyDecoder();
    this.buffer = new BodyBuffer(memory);
  }

  /**
   * Reads the head that bytes[start, end) begin with, as `parseRequestHead` does. Clients repeat themselves, so one that is byte for
   * byte the last one that was read here, of whatever connection, is compared and not read again; nor is its meaning.
   */
  readHead(bytes: Uint8Array, start: number, end: number): number {
    const { head } = this;
    if (this.#isUnderstood && head.isAt(bytes, start, end)) return head.end - head.start;
    this.#isUnderstood = false;
    return parseRequestHead(bytes, start, end, head);
  }

  /** What a complete head says of its content, its target and whom it is for. Returns 0 or a ParseError. */
  understand(): number {
    if (this.#isUnderstood) return 0;
    let error = decideFraming(this.head, this.framing);
    // An unknown expectation says nothing about the framing, and what is wrong with the request itself is told before it.
    if (error === 0 || error === ParseError.ExpectationUnknown) error = readTarget(this.head, this.target) || error;
    else this.target.reset();
    this.#isUnderstood = error === 0;
    return error;
  }

  get protocol(): "1.0" | "1.1" {
    return this.head.minorVersion === 0 ? "1.0" : "1.1";
  }

  get announced(): "none" | "unknown" | number {
    return this.framing.announced;
  }

  get content(): Uint8Array {
    return this.buffer.content;
  }

  /** Ready for another request, of another connection. The head, framing and target stay, for one that repeats them. */
  reset(): void {
    this.buffer.release();
    this.address = "";
    this.secure = false;
    this.admission = UNDECIDED;
    this.isHeadComplete = false;
    this.startedMs = 0;
  }
}

/** Exchanges not in use. Bounded, so that a flood does not keep its memory for ever. */
export class ExchangePool {
  readonly #headLimits: HeadLimits;
  readonly #memory: BodyMemory;
  readonly #paths = new PathMemo();
  readonly #idle: Exchange[] = [];

  constructor(headLimits: HeadLimits, memory: BodyMemory) {
    this.#headLimits = headLimits;
    this.#memory = memory;
  }

  take(): Exchange {
    return this.#idle.pop() ?? new Exchange(this.#headLimits, this.#memory, this.#paths);
  }

  give(exchange: Exchange): void {
    exchange.reset();
    if (this.#idle.length < IDLE_EXCHANGES_MAX) this.#idle.push(exchange);
  }
}

const IDLE_EXCHANGES_MAX = 256;
