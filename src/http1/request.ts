/**
 * The reader of one HTTP/1 request: head, framing, target and decoder, with the buffer of its content. Readers are used again. An idle
 * connection has none, so ten thousand of them cost little, and the warm path allocates nothing.
 */

import type { ContentMemory } from "../exchange/content-buffer.ts";
import type { CollectingRequest, Exchange } from "../exchange/exchange.ts";
import type { Peer } from "../exchange/peer.ts";
import type { ReceiveBuffer } from "../exchange/receive-buffer.ts";
import { ReceivedRequest } from "../exchange/received-request.ts";
import { ParseError } from "../http/parse-error.ts";
import { PathMemo } from "../http/path-memo.ts";
import { Target } from "../http/target.ts";
import { BodyDecoder } from "./body-decoder.ts";
import { decideFraming, Framing } from "./framing.ts";
import { type HeadLimits, ParsedHead, parseRequestHead } from "./request-head.ts";
import { readTarget } from "./request-target.ts";

export class RequestReader extends ReceivedRequest implements CollectingRequest {
  readonly head: ParsedHead;
  readonly framing = new Framing();
  readonly target: Target;
  readonly decoder = new BodyDecoder();
  /** Bytes received of the current content, framing included. */
  contentBytes = 0;
  /** True when `head`, `framing` and `target` match the bytes of the head. */
  #isUnderstood = false;
  /** Place in the received bytes from which an incomplete head was read last; -1 if the last one read was not incomplete. */
  #partialStart = -1;

  constructor(headLimits: HeadLimits, memory: ContentMemory, paths: PathMemo) {
    super(memory);
    this.target = new Target(paths);
    this.head = new ParsedHead(headLimits);
  }

  /**
   * Reads the head that bytes[start, end) begin with, as `parseRequestHead` does. Clients repeat themselves: a head that equals the
   * last one read here, of any connection, is compared and not read again, and neither is its meaning. If only the target differs, as
   * it does for the parts of a page, only the target is read.
   */
  readHead(bytes: Uint8Array, start: number, end: number): number {
    const { head } = this;
    let consumed = 0;
    if (this.#isUnderstood) {
      if (!head.hasEndOfTarget(bytes, start)) consumed = head.takeOther(bytes, start, end);
      else if (head.isAt(bytes, start, end)) return head.end - head.start;
      this.#isUnderstood = false;
    }
    if (consumed === 0) consumed = parseRequestHead(bytes, start, end, head);
    this.#partialStart = consumed === 0 ? start : -1;
    return consumed;
  }

  /** Reads the framing, the target and the Host of a complete head. Returns 0 or a ParseError. */
  understand(): number {
    if (this.#isUnderstood) return 0;
    let error = decideFraming(this.head, this.framing);
    // An unknown expectation does not affect the framing, and a mistake in the request itself is reported before it.
    if (error === 0 || error === ParseError.ExpectationUnknown) error = readTarget(this.head, this.target) || error;
    else this.target.reset();
    this.#isUnderstood = error === 0;
    return error;
  }

  /** Begins with the content that the framing announces. */
  beginContent(): void {
    this.decoder.reset(this.framing);
    this.contentBytes = 0;
  }

  /**
   * Decodes the content that lies in `inbox` and hands it to `exchange`, as far as that takes it. Returns 0, or a ParseError.
   */
  readContent(inbox: ReceiveBuffer, exchange: Exchange): number {
    const { decoder, framing } = this;
    const length = framing.kind === "length" ? framing.contentLength : null;
    while (!decoder.done && inbox.length > 0 && !exchange.isStalled) {
      const consumed = decoder.step(inbox.bytes, inbox.start, inbox.end);
      if (consumed <= 0) return consumed;
      const { contentStart, contentEnd, announced } = decoder;
      if (!exchange.take(inbox.bytes, contentStart, contentEnd, announced, length)) return 0;
      inbox.consume(consumed);
      this.contentBytes += consumed;
    }
    if (decoder.done) exchange.endContent();
    return 0;
  }

  /** Reads past the content that lies in `inbox`. Returns false if it is malformed, or more than `max` bytes are announced. */
  skipContent(inbox: ReceiveBuffer, max: number): boolean {
    const { decoder } = this;
    while (!decoder.done && inbox.length > 0) {
      const consumed = decoder.step(inbox.bytes, inbox.start, inbox.end);
      if (consumed <= 0 || decoder.announced > max) return false;
      inbox.consume(consumed);
      this.contentBytes += consumed;
    }
    return true;
  }

  /**
   * Lets go of received bytes that are not needed. A small head in a large chunk is copied out of it. An incomplete one, which is read
   * again from its start, is the waiting bytes of `inbox`.
   */
  trim(inbox: ReceiveBuffer): void {
    const { head } = this;
    if (head.bytes === inbox.bytes) return;
    if (this.#partialStart >= 0 && inbox.length > 0) {
      head.moveTo(inbox.bytes, this.#partialStart - inbox.start);
      this.#partialStart = inbox.start;
      return;
    }
    const length = Math.min(head.end, head.bytes.length) - head.start;
    if (head.bytes.length > TRIM_RATIO * length + TRIM_BYTES_MIN)
      head.moveTo(head.bytes.slice(head.start, head.start + length), head.start);
  }

  /** Forgets the last request if it keeps much memory. */
  forgetIfLarge(): void {
    if (this.head.bytes.length <= IDLE_HEAD_BYTES_MAX) return;
    this.#isUnderstood = false;
    this.#partialStart = -1;
    this.head.reset();
    this.target.reset();
  }

  get protocol(): "1.0" | "1.1" {
    return this.head.minorVersion === 0 ? "1.0" : "1.1";
  }

  get announced(): "none" | "unknown" | number {
    return this.framing.announced;
  }
}

/** Readers that are not in use. Their number is bounded, so that a flood does not keep its memory for ever. */
export class RequestPool {
  readonly memory: ContentMemory;
  readonly #headLimits: HeadLimits;
  readonly #paths = new PathMemo();
  readonly #idle: RequestReader[] = [];

  constructor(headLimits: HeadLimits, memory: ContentMemory) {
    this.#headLimits = headLimits;
    this.memory = memory;
  }

  /** Returns a reader for a request of `peer`. */
  take(peer: Peer): RequestReader {
    const reader = this.#idle.pop() ?? new RequestReader(this.#headLimits, this.memory, this.#paths);
    reader.lend(peer);
    return reader;
  }

  /** Takes back the reader that `exchange` has, if any. Head, framing and target stay, for a request that repeats them. */
  takeBack(exchange: { request: RequestReader | null }): void {
    const { request } = exchange;
    if (request === null) return;
    exchange.request = null;
    if (this.#idle.length >= IDLE_READERS_MAX) return;
    request.forgetIfLarge();
    this.#idle.push(request);
  }
}

const IDLE_READERS_MAX = 256;

/** Largest chunk that a reader which is not in use keeps, for a request that repeats its head: 4 MiB with all readers. */
const IDLE_HEAD_BYTES_MAX = 16_384;

/** A chunk is kept for the head in it if it is at most this much larger. */
const TRIM_RATIO = 2;
const TRIM_BYTES_MIN = 1024;
