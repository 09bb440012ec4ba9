/**
 * One request and what it needs while it is served. Exchanges are reused: an idle connection holds none, so ten thousand of
 * them cost little, and the warm path allocates nothing.
 */
import { BodyDecoder } from "../http/body-decoder.ts";
import type { Fault } from "../http/fault.ts";
import { Framing } from "../http/framing.ts";
import type { HostVerdict, Request } from "../http/message.ts";
import { PathMemo } from "../http/path-memo.ts";
import { type HeadLimits, RequestHead } from "../http/request-head.ts";
import { Target } from "../http/target.ts";
import { BodyBuffer, type BodyMemory } from "./body-buffer.ts";

export class Exchange implements Request {
  readonly head: RequestHead;
  readonly framing = new Framing();
  readonly target: Target;
  readonly decoder: BodyDecoder;
  readonly content: BodyBuffer;
  peer = "";
  secure = false;
  bodyBytesMax = 0;
  hostVerdict: HostVerdict = "-";
  isControl = false;
  fault: Fault | null = null;
  isHeadComplete = false;
  /** Monotonic ms when the head was complete. */
  startedMs = 0;

  constructor(headLimits: HeadLimits, memory: BodyMemory, paths: PathMemo) {
    this.target = new Target(paths);
    this.head = new RequestHead(headLimits);
    this.decoder = new BodyDecoder();
    this.content = new BodyBuffer(memory);
  }

  get body(): Uint8Array {
    return this.content.content;
  }

  /** Ready for another request, of another connection. The head, framing and target are overwritten by their parsers. */
  reset(): void {
    this.content.release();
    this.peer = "";
    this.secure = false;
    this.bodyBytesMax = 0;
    this.hostVerdict = "-";
    this.isControl = false;
    this.fault = null;
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
