/**
 * One connection to an upstream, and the one request on it: bytes out, bytes in, and the end.
 *
 *   CONNECTING ──opened──▶ BUSY ──both messages whole──▶ IDLE ──next request──▶ BUSY
 *   any ──failure, end of the upstream, client gone──▶ GONE
 *
 * The request leaves as fast as the upstream takes it, and the response is read as fast as the client takes it. In between waits a bounded
 * amount of both.
 *
 * The rule it guards: a connection is used again only if both messages ended where their framing says. If a byte comes that no request
 * has asked for, the connection is cut.
 */
import type { Clock } from "../exchange/clock.ts";
import { ReceiveBuffer } from "../exchange/receive-buffer.ts";
import type { Transport } from "../exchange/transport.ts";
import type { ForwardedRequest, UpstreamEvents, UpstreamFailure, UpstreamListener } from "../exchange/upstream.ts";
import type { FieldLines } from "../http/fields.ts";
import type { ContentFailure } from "../http/message.ts";
import { describeResponseError, ResponseReader } from "./response-reader.ts";
import { type ContentOrigin, UpstreamContent } from "./upstream-content.ts";
import { UpstreamOutbox } from "./upstream-outbox.ts";

/** The pool that a connection belongs to. */
export interface ConnectionOwner {
  readonly clock: Pick<Clock, "nowMs">;
  /** Longest silence of the upstream in milliseconds. */
  readonly timeoutMs: number;
  /** The connection may be used again. */
  idle(connection: UpstreamConnection): void;
  gone(connection: UpstreamConnection): void;
  /** Sends the request again, on a new connection. */
  repeat(sending: Sending): void;
}

/** One request, on this connection or on the one after it. */
export interface Sending {
  readonly request: ForwardedRequest;
  readonly listener: UpstreamListener;
  /** Null when the request has ended. */
  connection: UpstreamConnection | null;
}

export class UpstreamConnection implements UpstreamEvents, ContentOrigin {
  readonly #owner: ConnectionOwner;
  readonly #reader = new ResponseReader();
  readonly #outbox = new UpstreamOutbox();
  /** Null until the connection is open. */
  #transport: Transport | null = null;
  /** Ends a connection that is not open yet. */
  #reached: Pick<Transport, "terminate"> | null = null;
  #inbox: ReceiveBuffer | null = null;
  /** Null while the connection is idle, and after its end. */
  #sending: Sending | null = null;
  #lines: FieldLines = [];
  #content: UpstreamContent | null = null;
  #isAnswered = false;
  /** True once the content of the request was handed over as a whole. */
  #isComplete = false;
  /** True if the connection must not be used again. */
  #isSpent = false;
  #isGone = false;
  /** True once a byte of the response has come. */
  #hasBegun = false;
  /** True if a request was answered on this connection before. */
  #wasUsed = false;
  /** Monotonic milliseconds of the last progress; of an idle connection, of the end of its response. */
  #movedMs: number;
  /** Latest time of the response for a client that may have left. */
  #latestMs = Number.POSITIVE_INFINITY;

  constructor(owner: ConnectionOwner) {
    this.#owner = owner;
    this.#movedMs = owner.clock.nowMs;
  }

  /** Sends a request. The connection is new, or idle. */
  begin(sending: Sending): void {
    const { announced, method } = sending.request;
    sending.connection = this;
    this.#sending = sending;
    this.#content = null;
    this.#isAnswered = false;
    this.#isComplete = announced === "none";
    this.#hasBegun = false;
    this.#latestMs = Number.POSITIVE_INFINITY;
    this.#reader.begin(method === "HEAD");
    this.#outbox.putHead(sending.request);
    this.#move();
    this.#flush();
  }

  // Events of the socket.

  reached(transport: Pick<Transport, "terminate">): void {
    this.#reached = transport;
    if (this.#isGone) transport.terminate();
  }

  opened(transport: Transport): void {
    this.#transport = transport;
    if (this.#isGone) {
      transport.terminate();
      return;
    }
    this.#inbox = new ReceiveBuffer(transport);
    this.#move();
    this.#flush();
  }

  failed(reason: string): void {
    this.#fail({ isLate: false, reason });
  }

  received(bytes: Uint8Array): void {
    if (this.#isGone) return;
    if (this.#sending === null) this.#cut();
    else if (this.#reader.isDone) this.#isSpent = true;
    else {
      this.#hasBegun = true;
      this.#inbox?.append(bytes);
      this.#read();
    }
  }

  drained(): void {
    if (this.#isGone) return;
    this.#outbox.isBlocked = false;
    this.#move();
    this.#flush();
  }

  ended(): void {
    if (this.#isGone) return;
    if (this.#reader.isUntilClose) {
      this.#reader.close();
      this.#content?.end(true);
    }
    this.closed();
  }

  closed(): void {
    this.#fail({ isLate: false, reason: this.#hasBegun ? "broke its response off" : "closed the connection" });
  }

  /** Ends the connection if one of its times is over. */
  tick(): void {
    const { nowMs } = this.#owner.clock;
    if (this.#isWaitingForClient) this.#movedMs = nowMs;
    if (this.#sending === null) return;
    const isSilent = nowMs - this.#movedMs >= this.#owner.timeoutMs;
    if (!isSilent && (this.#isAnswered || nowMs < this.#latestMs)) return;
    this.#fail({ isLate: true, reason: this.#transport === null ? "cannot be reached in time" : "is silent" });
  }

  /** Milliseconds since an idle connection was used. */
  get idleMs(): number {
    return this.#owner.clock.nowMs - this.#movedMs;
  }

  /** True while the client has to move first: it owes content, or reads nothing. */
  get #isWaitingForClient(): boolean {
    if (this.#transport === null) return false;
    return this.#content?.isPaused === true || (!this.#isComplete && this.#outbox.isEmpty);
  }

  // The request.

  /** Takes a piece of the request's content. Returns false if the next piece has to wait. */
  write(bytes: Uint8Array): boolean {
    if (this.#isComplete) return true;
    this.#outbox.putContent(bytes);
    this.#flush();
    return this.#outbox.isEmpty;
  }

  complete(): void {
    if (this.#isComplete) return;
    this.#isComplete = true;
    this.#outbox.putEnd();
    this.#move();
    this.#flush();
  }

  /** Ends a request whose content breaks off. */
  breakOff(reason: ContentFailure): void {
    if (reason !== "answered") {
      this.#fail({ isLate: false, reason: "was not sent the whole request" });
      return;
    }
    // The response continues, and the connection ends with it.
    this.#isSpent = true;
    this.#isComplete = true;
    this.#outbox.drop();
    this.#settle();
  }

  whenReady(resume: () => void): void {
    if (this.#outbox.isEmpty) queueMicrotask(resume);
    else this.#outbox.whenEmpty = resume;
  }

  /** Fails unless the response is there within `ms` milliseconds; at once if it was called before. */
  hurry(ms: number): void {
    const isAgain = this.#latestMs !== Number.POSITIVE_INFINITY;
    this.#latestMs = this.#owner.clock.nowMs + (isAgain ? 0 : ms);
  }

  #flush(): void {
    if (this.#transport === null || this.#isGone) return;
    if (this.#outbox.flush(this.#transport)) this.#move();
    this.#settle();
  }

  #move(): void {
    this.#movedMs = this.#owner.clock.nowMs;
  }

  // The response.

  #read(): void {
    const inbox = this.#inbox as ReceiveBuffer;
    const reader = this.#reader;
    while (inbox.length > 0 && !reader.isDone && !this.#isGone) {
      const isWithinHead = reader.status === 0;
      const { bytes, start } = inbox;
      const consumed = reader.step(bytes, start, inbox.end);
      if (consumed < 0) {
        const rule = describeResponseError(consumed);
        this.#fail({ isLate: false, reason: `sent a response that breaks the rules: ${rule}` });
        return;
      }
      if (consumed === 0) break;
      inbox.consume(consumed);
      // Bytes of an incomplete head do not move the deadline.
      this.#move();
      if (isWithinHead && reader.status !== 0) this.#takeHead();
      if (reader.contentEnd > reader.contentStart) {
        this.#takeContent(bytes.subarray(reader.contentStart, reader.contentEnd));
      }
    }
    if (this.#isGone) return;
    if (reader.isDone) this.#content?.end(true);
    this.#settle();
  }

  #takeHead(): void {
    const reader = this.#reader;
    this.#lines = reader.lines();
    if (!reader.isDone) this.#content = new UpstreamContent(this, reader.length);
  }

  #takeContent(bytes: Uint8Array): void {
    this.#sending?.listener.received(bytes);
    this.#content?.add(bytes);
  }

  /** Passes the response on if it may be, and ends the request if both messages are whole. */
  #settle(): void {
    if (this.#sending === null) return;
    if (this.#mayAnswer) this.#answer(this.#sending);
    if (!this.#isAnswered || !this.#reader.isDone || !this.#isSent) return;
    this.#end(true);
    const isClean = !this.#isSpent && (this.#inbox as ReceiveBuffer).length === 0;
    if (!isClean || !this.#reader.isPersistent) {
      this.#leave(isClean);
      return;
    }
    this.#wasUsed = true;
    this.#move();
    this.#owner.idle(this);
  }

  get #isSent(): boolean {
    return this.#isComplete && this.#outbox.isEmpty;
  }

  /**
   * True if there is a response that may be passed on. While its request has content to send, a response that is not a refusal waits,
   * as far as its content finds room: the response ends the content of its request (docs/decisions/0013-content-sinks.md).
   */
  get #mayAnswer(): boolean {
    const { status } = this.#reader;
    if (status === 0 || this.#isAnswered) return false;
    return this.#isSent || status >= 300 || this.#content?.isPaused === true;
  }

  #answer({ listener }: Sending): void {
    this.#isAnswered = true;
    const { status, length } = this.#reader;
    this.#content?.answered();
    listener.answered({ status, lines: this.#lines, content: this.#content, length });
  }

  /** Called when the client does not want the rest of the content. */
  dropped(): void {
    if (this.#sending === null) return;
    this.#end(false);
    this.#cut();
  }

  pause(): void {
    this.#transport?.pause();
  }

  resume(): void {
    this.#move();
    this.#transport?.resume();
  }

  // The end.

  /** Ends the connection. A response that is whole counts; a request that may be repeated is. */
  #fail(cause: Omit<UpstreamFailure, "isStale">): void {
    const sending = this.#sending;
    const isStale = this.#wasUsed && !this.#hasBegun && !cause.isLate;
    const failure: UpstreamFailure = isStale ? { ...cause, isStale } : cause;
    if (this.#isGone) return;
    if (sending === null || (this.#reader.isDone && this.#reader.status !== 0)) {
      if (sending !== null && !this.#isAnswered) this.#answer(sending);
      this.#end(true);
      this.#leave(this.#isSent);
      return;
    } else if (this.#isAnswered) {
      this.#content?.end(false);
      this.#end(false);
    } else if (this.#mayRepeat(sending, failure)) {
      this.#sending = null;
      this.#owner.repeat(sending);
    } else {
      this.#sending = null;
      sending.connection = null;
      sending.listener.failed(failure);
    }
    this.#cut();
  }

  /** A connection that was idle may have been closed by the upstream before the request came. A new one was not, so this happens once. */
  #mayRepeat({ request }: Sending, { isStale }: UpstreamFailure): boolean {
    return request.mayRepeat && isStale === true;
  }

  #end(isWhole: boolean): void {
    const sending = this.#sending;
    if (sending === null) return;
    this.#sending = null;
    sending.connection = null;
    sending.listener.ended(isWhole);
  }

  /** Ends the connection by RST. The upstream must not take a part for the whole, or it sends bytes that no request has asked for. */
  #cut(): void {
    this.#leave(false);
  }

  /** `isOrderly`: both messages were whole, so a FIN is enough. */
  #leave(isOrderly: boolean): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#outbox.drop();
    this.#inbox?.clear();
    this.#owner.gone(this);
    const transport = this.#transport;
    if (isOrderly && transport !== null) transport.end();
    else (transport ?? this.#reached)?.terminate();
  }

  /** Closes a connection that is idle. */
  close(): void {
    if (this.#sending === null) this.#leave(true);
  }
}
