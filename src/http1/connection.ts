/**
 * One conversation with one peer, from its first byte to its close. The server reports what happens to the socket (`secured`,
 * `received`, `drained`, `ended`, `closed`), the time (`tick`) and the end (`shutDown`, `terminate`), the pool its slots (`granted`,
 * `lend`, `evict`); everything else follows from the two states of state.ts.
 *
 * Each of these calls is one turn: `#advance` goes from state to state as far as the bytes and the pool allow, then `#endTurn`
 * writes what was gathered, gives the slot back when everything was accepted, and arms the one deadline there is.
 * The joint rule of the two states is `#next`; of itself it leaves only by `#close` (FIN, bounded drain) and `#abort` (RST).
 */

import type { Context } from "../exchange/context.ts";
import { Deadline, Wait } from "../exchange/deadline.ts";
import { type CloseReason, Outcome } from "../exchange/observer.ts";
import { QUEUED, REFUSED, type Sender, type Waiter } from "../exchange/pool.ts";
import { Fate, type Suspended, type Transport } from "../exchange/transport.ts";
import { addressOf } from "../http/authority.ts";
import type { Fault } from "../http/fault.ts";
import { RETRY_SOON } from "../http/fields.ts";
import {
  type HostVerdict,
  type LateRefusal,
  type RequestHead,
  type Response,
  refused,
  UNDECIDED,
} from "../http/message.ts";
import { Method } from "../http/method.ts";
import { describeParseError, ParseError } from "../http/parse-error.ts";
import type { Conversation } from "./farewell.ts";
import { Outbox, Progress } from "./outbox.ts";
import { ReceiveBuffer } from "./receive-buffer.ts";
import type { Exchange } from "./request.ts";
import { assertEdge, READ_EDGES, ReadState, WRITE_EDGES, WriteState } from "./state.ts";

/** In-memory content up to this size leaves in one write with its head; more is sent from its own array. */
export const GATHER_BYTES_MAX = 65_536;

/** A request that has a slot, or waits for one. */
export interface Work {
  readonly connection: number;
  readonly peer: string;
  /** Valid as long as the request. */
  readonly head: RequestHead;
  readonly phase: "waiting" | "working" | "sending";
  /** 0 while it has none: it waits, or has lent it. */
  readonly slot: number;
  /** Milliseconds since its head was complete. */
  readonly forMs: number;
  /** Of the answer's content. */
  readonly sentBytes: number;
  readonly totalBytes: number;
}

const PHASES: { readonly [State in WriteState]?: Work["phase"] } = {
  [WriteState.Waiting]: "waiting",
  [WriteState.Running]: "working",
  [WriteState.Sending]: "sending",
};

/** What a connection does at the moment: `idle` between requests, `closing` behind its last answer. */
export type ConnectionState = "idle" | "reading" | "closing" | Work["phase"];

const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

export class Connection implements Conversation, Sender, Suspended, Waiter {
  /** Number of the connection since the server's start, from 1. */
  readonly id: number;
  /** Numeric address and port of the peer, for the logs. */
  readonly peer: string;
  /** The address alone, IPv6 without brackets. */
  readonly address: string;
  readonly #secure: boolean;
  /** Over TLS: the handshake is not over, so nothing can be read or answered. */
  #isShakingHands: boolean;
  readonly #context: Context;
  readonly #transport: Transport;
  readonly #inbox = new ReceiveBuffer();
  readonly #outbox: Outbox;
  #read = ReadState.Head;
  #write = WriteState.Idle;
  #exchange: Exchange | null = null;
  /** Of a handler that had to wait. */
  #settledResponse: Response | null = null;
  #response: Response | null = null;
  /** Content bytes of the response, 0 for HEAD. */
  #responseBytes = 0;
  #slot = 0;
  /** The slot that was lent before the answer was out, for the log; 0 when none was. */
  #lent = 0;
  /** The pool knows that the peer takes nothing while we have a slot. */
  #isStalled = false;
  #served = 0;
  /** Bytes received of the current body, framing included. */
  #bodyBytes = 0;
  #lingerBytes = 0;
  #lingerEndMs = 0;
  /** The transport was told to end, and has not. */
  #isEnding = false;
  readonly #deadline: Deadline;
  #waitingSinceMs = 0;
  /** Milliseconds that the request under way has waited for its slot. */
  #queuedMs = 0;
  /** The content under way comes into being while it is sent, and all there is was accepted. */
  #isLive = false;
  /** The kernel took less than it was offered: nothing more is offered before `drained`. */
  #blocked = false;
  #paused = false;
  /** What is left of the received bytes is more than empty lines. */
  #isHeadBegun = false;
  /** A fair share of the answer is out, and the server will call `resumed` for the next. */
  #isDeferred = false;
  #peerFinished = false;
  /** A fault has sent our FIN, and reading goes on for as long as the peer likes. */
  #isHalfClosed = false;
  /** Why the connection ends with the response under way, or has ended; null while it persists. */
  #closing: CloseReason | null = null;
  #gone = false;

  constructor(context: Context, transport: Transport, id: number, peer: string, secure: boolean) {
    this.#context = context;
    this.#transport = transport;
    this.id = id;
    this.peer = peer;
    this.address = addressOf(peer);
    this.#secure = secure;
    this.#isShakingHands = secure;
    this.#deadline = new Deadline(context.limits, context.clock);
    this.#outbox = new Outbox(context.scratch, context.limits.sliceBytes, context.clock);
    this.#arm();
    context.observer.opened(id, peer);
  }

  /** The TLS handshake is done: from here on all is as over plain TCP. */
  secured(): void {
    this.#isShakingHands = false;
    this.#arm();
  }

  /** The peer sent bytes. The array must not be changed afterwards. */
  received(bytes: Uint8Array): void {
    if (this.#gone) return;
    if (this.#read === ReadState.Closed) {
      this.#discard(bytes.length);
      return;
    }
    this.#inbox.append(bytes);
    this.#turn();
  }

  /** The transport accepts bytes again. */
  drained(): void {
    if (this.#gone) return;
    this.#blocked = false;
    this.#moving();
    this.#turn();
  }

  /** The turn that `Context.defer` was asked for. */
  resumed(): void {
    this.#isDeferred = false;
    if (!this.#gone) this.#turn();
  }

  /** The peer sent FIN: nothing more will come, and it may still read. */
  ended(): void {
    if (this.#gone || this.#peerFinished) return;
    this.#peerFinished = true;
    if (this.#write === WriteState.Closed) this.#transport.end();
    else this.#turn();
  }

  /** A slot has become free for the request that waits here. */
  granted(slot: number): void {
    this.#slot = slot;
    this.#queuedMs = this.#context.clock.nowMs - this.#waitingSinceMs;
    this.#context.observer.dequeued(this.id, slot, this.#queuedMs);
    this.#turn();
  }

  /** Others have work for our slot while our peer reads nothing: the answer goes on without it. */
  lend(): void {
    this.#lent = this.#slot;
    this.#releaseSlot();
  }

  /** Too many answers go on without a slot. */
  evict(): void {
    if (!this.#gone) this.#abort("no slot to go on");
  }

  /** A fault that a request was given, and that has not begun, does not happen. */
  pardon(): void {
    const exchange = this.#exchange;
    if (exchange === null || this.#write === WriteState.Sending || exchange.admission.fault === null) return;
    exchange.admission = { ...exchange.admission, fault: null };
  }

  /** A fault that has begun is over: what waits goes out whole, what would wait for ever is cut off. Not within a turn. */
  release(): void {
    if (this.#isHalfClosed) this.cut();
    else this.#transport.gate?.release();
  }

  /** A fault ends the connection by RST. */
  cut(): void {
    if (!this.#gone) this.#abort("fault");
  }

  /** Time has passed: a missed deadline is acted upon. */
  tick(): void {
    if (this.#gone || !this.#deadline.isOver) return;
    try {
      this.#expire(this.#deadline.wait);
    } catch (error) {
      this.#recover(error);
    }
  }

  #expire(wait: Wait): void {
    switch (wait) {
      case Wait.Handshake:
        this.#abort("handshake timeout");
        return;
      case Wait.Idle:
        this.#closing = "idle timeout";
        this.#close();
        break;
      case Wait.Head:
        this.#stopReading();
        this.#refuse(408, "The request was not complete in time.");
        break;
      case Wait.Body:
        if (this.#deadline.extendBody(this.#bodyBytes)) return;
        this.#stopReading();
        this.#refuse(408, "The request's content came too slowly.");
        break;
      case Wait.Queue:
        this.#context.pool.cancel(this);
        this.#queuedMs = this.#context.clock.nowMs - this.#waitingSinceMs;
        this.#turnAway("queue timeout");
        break;
      case Wait.Send:
        if (this.#deadline.extendSend(this.#outbox.accepted)) return;
        this.#abort("send timeout");
        return;
      case Wait.Linger:
        this.#endSoon();
        return;
      case Wait.None:
        return;
    }
    this.#turn();
  }

  /**
   * The server shuts down: a connection that waits for its peer, and has not heard of it for `quietMs`, closes. Behind its last answer
   * it is `lingerMs` at the least.
   */
  shutDown(quietMs = 0, lingerMs: number = this.#context.limits.shutdownGraceMs): void {
    const { wait, sinceMs } = this.#deadline;
    const owesNothing = wait === Wait.Idle || wait === Wait.Handshake || wait === Wait.Linger;
    if (this.#gone || this.#isEnding || !owesNothing) return;
    // If the peer has sent nothing for this long after our FIN, closing now cannot cause a reset that destroys its response.
    const neededMs = wait === Wait.Linger ? Math.max(quietMs, lingerMs) : quietMs;
    if (this.#context.clock.nowMs - sinceMs < neededMs) return;
    this.#closing ??= "shutdown";
    this.#transport.end();
  }

  /** Ends the connection at once, whatever it is doing. */
  terminate(): void {
    if (!this.#gone) this.#abort("shutdown");
  }

  /** Closes as when the idle timeout is over. False: something is under way, and nothing was done. Not within a turn. */
  closeIdle(): boolean {
    if (this.#gone || this.#deadline.wait !== Wait.Idle) return false;
    this.#deadline.extend(0);
    this.tick();
    return true;
  }

  /** The transport is closed. Every connection passes here exactly once; whatever it holds is returned. */
  closed(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#deadline.clear();
    this.#transport.gate?.closed();
    if (this.#write === WriteState.Waiting) this.#context.pool.cancel(this);
    // A peer that leaves before the response is out ends the connection itself, although we would have closed it afterwards.
    if (this.#write === WriteState.Sending) this.#closing = "client";
    this.#context.observer.closed(this.id, this.#slot, this.#served, this.#closing ?? "client");
    // A handler at work holds the request and counts as work: `#settled` returns both.
    if (this.#write !== WriteState.Running) this.#letGo();
  }

  get state(): ConnectionState {
    const phase = PHASES[this.#write];
    if (phase !== undefined) return phase;
    if (this.#write === WriteState.Closed) return "closing";
    if (this.#deadline.wait === Wait.Send) return "sending";
    return this.#deadline.wait === Wait.Idle ? "idle" : "reading";
  }

  /** Requests whose head was complete. */
  get served(): number {
    return this.#served;
  }

  /** What it does for a request of the pool's, for whoever looks at the pool; null when that is nothing. */
  work(): Work | null {
    const exchange = this.#request();
    if (exchange === null || exchange.admission.isControl) return null;
    const phase = PHASES[this.#write];
    const isServed = this.#slot > 0 || this.#lent > 0;
    if (phase === undefined || (phase === "sending" && !isServed)) return null;
    return {
      connection: this.id,
      peer: this.peer,
      head: exchange.head,
      phase,
      slot: this.#slot,
      forMs: this.#context.clock.nowMs - exchange.startedMs,
      sentBytes: phase === "sending" ? this.#responseBytes - this.#outbox.bodyLeft : 0,
      totalBytes: phase === "sending" ? this.#responseBytes : 0,
    };
  }

  // One turn.

  #turn(): void {
    try {
      this.#advance();
      this.#endTurn();
      // What one connection left in it the next one would send to its own peer.
      if (this.#context.scratch.used > 0) throw new Error("a turn ended with bytes in the shared scratch");
    } catch (error) {
      this.#recover(error);
    }
  }

  /** Our own mistake costs this connection its next request, and nobody else anything. */
  #recover(error: unknown): void {
    this.#context.observer.failed(this.id, error);
    try {
      if (this.#write !== WriteState.Idle || this.#gone) throw error;
      this.#stopReading();
      this.#refuse(500, OWN_FAILURE);
      this.#advance();
      this.#endTurn();
    } catch {
      this.#abort("own failure");
    }
  }

  #advance(): void {
    while (this.#step()) {
      // Each step is one edge of the state diagram.
    }
  }

  /** Makes one move. Returns false when nothing more can be done in this turn. */
  #step(): boolean {
    if (this.#gone) return false;
    switch (this.#write) {
      case WriteState.Idle:
        if (this.#read === ReadState.Head) return this.#takeHead();
        if (this.#read === ReadState.Body) return this.#takeBody();
        return this.#dispatch();
      case WriteState.Waiting:
        if (this.#slot === 0) return false;
        this.#run();
        return true;
      case WriteState.Running:
        return this.#takeSettled();
      case WriteState.Sending:
        return this.#send();
      case WriteState.Done:
        return this.#next();
      default:
        return false;
    }
  }

  #endTurn(): void {
    if (this.#gone) return;
    // Answers of pipelined requests that were gathered, or a 100 (Continue).
    if (this.#write !== WriteState.Sending) this.#isFlushed();
    if (this.#gone) return;
    this.#regulate();
    this.#arm();
    if (this.#slot > 0 && this.#isSlotDone()) this.#releaseSlot();
  }

  /** All that the slot was taken for was accepted. A control request, behind others in a pipeline, keeps none. */
  #isSlotDone(): boolean {
    if (this.#write === WriteState.Idle) return this.#outbox.isEmpty;
    return this.#exchange?.admission.isControl === true && (this.#isLive || this.#outbox.isEmpty);
  }

  /** Pauses a peer that sends ahead of its answers, and lets it go on. */
  #regulate(): void {
    const waiting = this.#inbox.length;
    if (waiting > 0) this.#inbox.compact();
    // Of a head that is not complete nothing waits: it has bounds of its own, and paused it would never become complete.
    const waits = this.#write !== WriteState.Idle || !this.#outbox.isEmpty;
    const tooMuch = waits && waiting > this.#context.limits.receiveBytesMax;
    if (tooMuch === this.#paused) return;
    this.#paused = tooMuch;
    if (tooMuch) this.#transport.pause();
    else this.#transport.resume();
  }

  // Reading.

  /** Parses the next head. */
  #takeHead(): boolean {
    const inbox = this.#inbox;
    if (inbox.length === 0) {
      if (this.#peerFinished && this.#isFlushed()) {
        this.#closing = "client";
        this.#close();
      }
      return false;
    }
    // The kernel does not take our answers: a peer that does not read gets no further ones.
    if (!this.#outbox.canGather) {
      if (!this.#isFlushed()) return false;
      // The next request has a deadline of its own.
      this.#deadline.clear();
    }
    this.#exchange ??= this.#context.exchanges.take();
    const exchange = this.#exchange;
    const consumed = exchange.readHead(inbox.bytes, inbox.start, inbox.end);
    if (consumed === 0) {
      // The empty line that some old clients send behind a request is the beginning of nothing.
      this.#isHeadBegun = exchange.head.start < inbox.end;
      if (!this.#peerFinished) return false;
      if (this.#isHeadBegun) return this.#malformed(ParseError.IncompleteMessage, null);
      inbox.clear();
      return true;
    }
    if (consumed < 0) return this.#malformed(consumed, null);
    inbox.consume(consumed);
    this.#served++;
    exchange.address = this.address;
    exchange.secure = this.#secure;
    exchange.startedMs = this.#context.clock.nowMs;
    exchange.isHeadComplete = true;

    const error = exchange.understand();
    if (error < 0) return this.#malformed(error, exchange);
    exchange.admission = this.#context.handler.admit(exchange);
    return this.#expectBody(exchange);
  }

  /** Decides what becomes of the content that follows the head, if any does. */
  #expectBody(exchange: Exchange): boolean {
    const framing = exchange.framing;
    if (framing.kind === "none") {
      this.#moveRead(ReadState.Done);
      return true;
    }
    exchange.decoder.reset(framing);
    this.#bodyBytes = 0;
    this.#moveRead(ReadState.Body);
    const wanted = exchange.admission.content !== "discard";
    if (framing.expectsContinue && this.#inbox.length === 0) {
      // RFC 9110 §10.1.1: the final status instead of 100 when the content is not wanted; what the client sends then is unknown.
      if (wanted) this.#outbox.gather(CONTINUE);
      else this.#stopReading();
    } else if (!wanted && framing.contentLength > this.#context.limits.unwantedBodyBytesMax) {
      this.#stopReading();
    }
    return true;
  }

  /** Decodes what has come of the content: kept when the handler wants it, checked and thrown away otherwise. */
  #takeBody(): boolean {
    const inbox = this.#inbox;
    const exchange = this.#exchange as Exchange;
    const decoder = exchange.decoder;
    const { framing, admission } = exchange;
    const wanted = admission.content !== "discard";
    const collectMax = admission.content === "discard" ? 0 : admission.content.collectMax;
    const lengthMax = framing.kind === "length" ? framing.contentLength : collectMax;
    const before = inbox.length;
    while (!decoder.done && inbox.length > 0) {
      const consumed = decoder.step(inbox.bytes, inbox.start, inbox.end);
      if (consumed === 0) break;
      if (consumed < 0) return this.#malformed(consumed, exchange);
      if (wanted) {
        if (decoder.received > collectMax) {
          this.#stopReading();
          return this.#refuse(413, `The content is larger than ${collectMax} bytes.`);
        }
        if (
          decoder.contentEnd > decoder.contentStart &&
          !exchange.buffer.append(inbox.bytes, decoder.contentStart, decoder.contentEnd, lengthMax)
        ) {
          this.#stopReading();
          return this.#refuse(503, "The server is receiving too much at once.", true);
        }
      }
      inbox.consume(consumed);
      if (!wanted && decoder.received > this.#context.limits.unwantedBodyBytesMax) {
        this.#stopReading();
        return true;
      }
    }
    this.#bodyBytes += before - inbox.length;
    const { fault } = admission;
    if (fault?.kind === "reset-request" && decoder.received >= (fault.afterBytes ?? 0)) {
      // Whatever is answered: the gate resets it before its first byte.
      this.#stopReading();
      return this.#refuse(400, "The content is not read to its end.");
    }
    if (decoder.done) {
      this.#moveRead(ReadState.Done);
      return true;
    }
    return this.#peerFinished ? this.#malformed(ParseError.IncompleteMessage, exchange) : false;
  }

  /** What follows is not taken for a request any more: the answer will be the last. */
  #stopReading(): void {
    if (this.#read !== ReadState.Closed) this.#moveRead(ReadState.Closed);
    this.#inbox.clear();
  }

  /** After the last request: reads past what still comes, within bounds. */
  #discard(count: number): void {
    this.#lingerBytes += count;
    const { limits } = this.#context;
    if (this.#lingerBytes <= limits.lingerBytesMax) {
      if (this.#deadline.wait === Wait.Linger) this.#deadline.extend(limits.lingerMs, this.#lingerEndMs);
      return;
    }
    if (this.#write === WriteState.Closed) this.#transport.end();
    else if (!this.#paused) {
      this.#paused = true;
      this.#transport.pause();
    }
  }

  // Choosing the answer.

  #malformed(error: number, exchange: Exchange | null): boolean {
    const rule = describeParseError(error);
    const refusal = this.#context.handler.failure(rule.status, rule.sentence, exchange);
    if (!rule.closes && exchange !== null) {
      exchange.admission = refused(refusal, hostVerdictOf(error));
      return this.#expectBody(exchange);
    }
    if (exchange?.admission === UNDECIDED) exchange.admission = refused(refusal, hostVerdictOf(error));
    this.#stopReading();
    return this.#answer(refusal);
  }

  /** Answers for ourselves, instead of the handler. */
  #refuse(status: number, sentence: string, retryLater = false): boolean {
    const fields = retryLater ? RETRY_SOON : undefined;
    return this.#answer(this.#context.handler.failure(status, sentence, this.#request(), fields));
  }

  #turnAway(reason: "queue full" | "queue timeout"): void {
    this.#context.observer.turnedAway(this.id, reason);
    this.#stopReading();
    this.#refuse(503, "All threads are busy; try again in a moment.", true);
  }

  /** The request, once its head is complete; before that there is nothing to say about it. */
  #request(): Exchange | null {
    return this.#exchange?.isHeadComplete ? this.#exchange : null;
  }

  /** The request is complete: answer the refusal, or find a slot. */
  #dispatch(): boolean {
    const { admission } = this.#exchange as Exchange;
    if (admission.refusal !== null) return this.#answer(admission.refusal);
    if (this.#slot === 0 && !admission.isControl) {
      const slot = this.#context.pool.acquire(this);
      if (slot === REFUSED) {
        this.#turnAway("queue full");
        return true;
      }
      if (slot === QUEUED) {
        this.#waitingSinceMs = this.#context.clock.nowMs;
        this.#moveWrite(WriteState.Waiting);
        this.#context.observer.queued(this.id);
        this.#context.waiting();
        return false;
      }
      this.#slot = slot;
    }
    this.#run();
    return true;
  }

  /** With a slot: lets the handler work. */
  #run(): void {
    this.#moving();
    this.#repaid();
    this.#moveWrite(WriteState.Running);
    const exchange = this.#exchange as Exchange;
    let response: Response | Promise<Response | LateRefusal>;
    try {
      response = this.#context.handler.respond(exchange, exchange.admission);
    } catch (error) {
      response = this.#ownFailure(error);
    }
    if (response instanceof Promise) {
      response.then(
        (settled) => this.#settled(settled),
        (error) => this.#settled(this.#ownFailure(error)),
      );
    } else this.#answer(response);
  }

  #ownFailure(error: unknown): Response {
    this.#context.observer.failed(this.id, error);
    return this.#context.handler.failure(500, OWN_FAILURE, this.#request());
  }

  /** A handler that had to wait has its answer. */
  #settled(settled: Response | LateRefusal): void {
    const response = "refused" in settled ? this.#refusedLate(settled.refused) : settled;
    if (this.#gone) {
      closeContent(response);
      this.#letGo();
      return;
    }
    this.#settledResponse = response;
    this.#turn();
  }

  /** A client that is not let in is logged and counted, also if it asked for an endpoint of the server. */
  #refusedLate(refusal: Response): Response {
    const exchange = this.#exchange as Exchange;
    exchange.admission = { ...exchange.admission, refusal, content: "discard", isControl: false };
    return refusal;
  }

  #takeSettled(): boolean {
    const response = this.#settledResponse;
    if (response === null) return false;
    this.#settledResponse = null;
    return this.#answer(response);
  }

  // Writing.

  /** Gathers the head, and the content when it is small and in memory; the rest is pulled by `#send`. */
  #answer(made: Response): boolean {
    const context = this.#context;
    const fault = this.#fault;
    const response = fault === null ? made : (this.#transport.gate?.spoil(made, fault) ?? made);
    const limits = context.limits;
    const left = limits.maxRequests === 0 ? Number.POSITIVE_INFINITY : limits.maxRequests - this.#served;
    this.#closing = this.#reasonToClose(response, left);
    this.#response = response;
    this.#responseBytes = 0;
    this.#deadline.beginResponse(this.#outbox.accepted);
    this.#moveWrite(WriteState.Sending);

    const outbox = this.#outbox;
    const scratch = context.scratch;
    const headStarts = this.#exchange?.admission.isControl ? context.endpointHeadStarts : context.headStarts;
    const pendingBytes = outbox.gatheredBytes;
    const headStart = scratch.used;
    scratch.used = headStarts.append(
      scratch.bytes,
      scratch.used,
      response.status,
      this.#closing === null,
      left,
      context.clock.second,
    );
    const startBytes = scratch.used - headStart;
    const { content, fields } = response;
    // Also where only the method could be read: RFC 9110 §9.3.2 leaves no exception.
    if (content === null || this.#exchange?.head.method === Method.Head) {
      outbox.gather(fields.http1(null));
    } else if (fields.holds(content)) {
      this.#responseBytes = content.length;
      outbox.gather(fields.http1(content));
    } else {
      outbox.gather(fields.http1(null));
      this.#responseBytes = "size" in content ? content.size : content.length;
      if (this.#responseBytes <= GATHER_BYTES_MAX && !("size" in content)) outbox.gather(content);
      else {
        outbox.attach(content);
        if ("whenMore" in content) content.whenMore(() => this.#defer());
      }
    }
    if (fault !== null) {
      const headBytes = startBytes + fields.http1(null).length;
      this.#transport.gate?.impose(fault, { pendingBytes, headBytes, contentBytes: this.#responseBytes }, this);
    }
    return true;
  }

  /** Decides whether `response` is the connection's last, and why. `left`: requests that may follow the one it answers. */
  #reasonToClose(response: Response, left: number): CloseReason | null {
    if (left <= 0) return "last request";
    // Requests that were pipelined before the drain are answered: after a last response they would be lost (RFC 9112 §9.3.2).
    if (this.#context.draining && this.#inbox.length === 0) return "shutdown";
    const exchange = this.#request();
    if (this.#read === ReadState.Done && exchange !== null) {
      if (!exchange.framing.persistent) return "client asked";
      if (!response.isLast) return null;
    }
    return this.#fault === null ? "last answer" : "fault";
  }

  /** Offers the answer to the transport, or lets it gather with the next one of a pipeline. */
  #send(): boolean {
    const outbox = this.#outbox;
    const fault = this.#fault;
    const moreRequests = this.#closing === null && this.#inbox.length > 0 && this.#context.pool.queued === 0;
    if (moreRequests && fault === null && outbox.canGather) {
      this.#answered(Outcome.KeptAlive);
      return true;
    }
    // Its next share comes with its turn, whatever the peer sends meanwhile.
    if (this.#isDeferred) return false;
    const progress = this.#pump();
    this.#isLive = progress === Progress.Waiting;
    // What was lent for an answer before it is not needed any more.
    if (this.#isLive) this.#repaid();
    if (fault !== null && progress !== Progress.Gone) {
      const fate = this.#transport.gate?.fate();
      // While nothing is sent, nothing tells whether the peer only half-closed. A reset comes in a moment by itself.
      if (this.#peerFinished && fate !== Fate.Waits && this.#isHeld) {
        this.#abort("client");
        return false;
      }
      switch (fate) {
        case Fate.Waits:
        case Fate.Hangs:
          return false;
        case Fate.Ends:
          this.#isHalfClosed = fault.kind === "half-close";
          this.#endShort("fault", progress === Progress.Sent ? Outcome.Closed : Outcome.Aborted);
          return true;
      }
    }
    switch (progress) {
      case Progress.Sent:
        this.#answered(this.#closing === null ? Outcome.KeptAlive : Outcome.Closed);
        return true;
      case Progress.Blocked:
      case Progress.Waiting:
        return false;
      case Progress.Yield:
        this.#defer();
        return false;
      case Progress.Short:
        // The head promised more: closing before Content-Length is reached tells the client (RFC 9112 §8).
        this.#endShort("short content", Outcome.Aborted);
        return true;
      case Progress.Gone:
        // Bun may never tell of the close of a socket that is paused and not writable, so it is not waited for.
        this.#abort("client");
        return false;
    }
  }

  /** The answer ends here, and the connection with it. */
  #endShort(reason: CloseReason, outcome: Outcome): void {
    this.#closing = reason;
    this.#stopReading();
    this.#answered(outcome);
    this.#outbox.drop();
  }

  /** What shall go wrong with the answer to the request under way; null but in fixture servers. */
  get #fault(): Fault | null {
    return this.#request()?.admission.fault ?? null;
  }

  /** The answer under way waits by its fault, not for its peer. */
  get #isHeld(): boolean {
    return this.#fault !== null && this.#transport.gate?.holds === true;
  }

  /** Comes back in a later turn of the event loop. */
  #defer(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#context.defer(this);
  }

  /** The answer is out of our hands. */
  #answered(outcome: Outcome): void {
    const response = this.#response as Response;
    const observer = this.#context.observer;
    if (observer.wantsAnswers || response.incident !== null) this.#report(response, outcome);
    closeContent(response);
    this.#response = null;
    this.#moving();
    this.#repaid();
    this.#moveWrite(WriteState.Done);
  }

  #report(response: Response, outcome: Outcome): void {
    const { observer, clock, answered } = this.#context;
    const exchange = this.#exchange;
    if (response.incident !== null) observer.incident(this.id, this.peer, response.incident);
    if (!observer.wantsAnswers || exchange?.admission.isControl) return;
    answered.connection = this.id;
    answered.peer = this.peer;
    answered.position = this.#served;
    answered.request = exchange;
    answered.isHeadComplete = exchange?.isHeadComplete === true;
    answered.response = response;
    answered.slot = this.#slot || this.#lent;
    answered.queuedMs = this.#queuedMs;
    // What was gathered for the next write counts as sent, unless there is none.
    const unsentBytes = outcome === Outcome.Aborted ? this.#outbox.gatheredBytes : 0;
    answered.bytes = Math.max(0, this.#responseBytes - this.#outbox.bodyLeft - unsentBytes);
    answered.durationMs = exchange?.isHeadComplete ? clock.elapsedMs(exchange.startedMs) : 0;
    answered.outcome = outcome;
    answered.closing = this.#closing;
    answered.host = exchange?.admission.host ?? "-";
    answered.fault = this.#fault?.kind ?? null;
    observer.answered(answered);
  }

  /** The joint rule: both sides of an exchange are done. */
  #next(): boolean {
    if (this.#closing !== null) {
      this.#close();
      return false;
    }
    this.#returnExchange();
    if (this.#outbox.isEmpty && this.#slot > 0 && this.#context.pool.queued > 0) this.#releaseSlot();
    this.#moveRead(ReadState.Head);
    this.#moveWrite(WriteState.Idle);
    this.#deadline.clear();
    return true;
  }

  // Ways out.

  /** FIN after the last accepted byte, then a bounded drain of what still comes, then closed (RFC 9112 §9.6). */
  #close(): void {
    this.#stopReading();
    this.#moveWrite(WriteState.Closed);
    this.#letGo();
    this.#lingerEndMs = this.#context.clock.nowMs + this.#context.limits.lingerTotalMs;
    this.#arm();
    if (this.#peerFinished) this.#transport.end();
    else this.#transport.shutdown();
  }

  /**
   * Closes without a reset, so that what the kernel still holds for a slow reader goes on being delivered. Over TLS, Bun waits
   * until the kernel has taken what it has encrypted, and a peer that does not read would keep the socket for ever: so that has
   * a deadline too.
   */
  #endSoon(): void {
    if (this.#isEnding) {
      this.#abort(this.#closing ?? "client");
      return;
    }
    this.#isEnding = true;
    this.#deadline.extend(this.#context.limits.stallTimeoutMs);
    this.#transport.end();
  }

  /** RST: the peer does not read, or we cannot go on. */
  #abort(reason: CloseReason): void {
    if (this.#write !== WriteState.Closed) this.#closing = reason;
    // A handler at work keeps the request until it has settled; what was gathered goes now, for the scratch belongs to all.
    if (this.#write === WriteState.Running) this.#outbox.drop();
    else this.#letGo();
    this.#transport.terminate();
  }

  /** Returns whatever is held. Safe to call twice. */
  #letGo(): void {
    if (this.#response !== null) {
      if (this.#write === WriteState.Sending) this.#answered(Outcome.Aborted);
      this.#response = null;
    }
    this.#outbox.drop();
    this.#inbox.clear();
    this.#returnExchange();
    this.#repaid();
    if (this.#slot > 0) this.#releaseSlot();
  }

  #returnExchange(): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#queuedMs = 0;
    this.#exchange = null;
    this.#context.exchanges.give(exchange);
  }

  #releaseSlot(): void {
    const slot = this.#slot;
    this.#slot = 0;
    this.#moving();
    this.#context.pool.release(slot);
  }

  /** Nothing goes on without a slot any more: it is out, or there is a slot again. */
  #repaid(): void {
    if (this.#lent === 0) return;
    this.#lent = 0;
    this.#context.pool.finished(this);
  }

  /** The peer takes something again, or there is nothing more for it. */
  #moving(): void {
    if (!this.#isStalled) return;
    this.#isStalled = false;
    this.#context.pool.moving(this);
  }

  // States and deadlines.

  /** Offers what was gathered, or kept from an earlier turn. True when the kernel has taken all. */
  #isFlushed(): boolean {
    if (!this.#outbox.isEmpty) {
      const progress = this.#pump();
      if (progress === Progress.Gone) this.#abort("client");
      if (progress !== Progress.Sent) return false;
    }
    this.#repaid();
    return true;
  }

  #pump(): Progress {
    let progress = Progress.Blocked;
    if (this.#blocked) this.#outbox.keep();
    else {
      progress = this.#outbox.pump(this.#transport);
      this.#blocked = progress === Progress.Blocked;
    }
    // While the handler works, the slot counts its work; and whoever waits by a fault is meant to keep it.
    if (this.#blocked && this.#slot > 0 && this.#write !== WriteState.Running && !this.#isHeld) {
      this.#isStalled = true;
      this.#context.pool.stalled(this, this.#context.clock.nowMs);
    }
    return progress;
  }

  #moveRead(to: ReadState): void {
    assertEdge(READ_EDGES, this.#read, to);
    this.#read = to;
  }

  #moveWrite(to: WriteState): void {
    assertEdge(WRITE_EDGES, this.#write, to);
    this.#write = to;
  }

  #arm(): void {
    const wait = this.#reasonToWait();
    this.#deadline.set(wait, wait === Wait.Body ? this.#bodyBytes : this.#outbox.accepted);
  }

  #reasonToWait(): Wait {
    if (this.#isShakingHands) return Wait.Handshake;
    switch (this.#write) {
      case WriteState.Idle:
        if (!this.#outbox.isEmpty) return Wait.Send;
        if (this.#read === ReadState.Body) return Wait.Body;
        return this.#inbox.length > 0 && this.#isHeadBegun ? Wait.Head : Wait.Idle;
      case WriteState.Waiting:
        return Wait.Queue;
      case WriteState.Running:
        // Our own disk is waited for, not the peer.
        return Wait.None;
      case WriteState.Closed:
        return this.#isHalfClosed ? Wait.None : Wait.Linger;
      default:
        return this.#isLive || this.#isHeld ? Wait.None : Wait.Send;
    }
  }
}

const OWN_FAILURE = "The server failed to answer this request.";

function closeContent({ content }: Response): void {
  if (content !== null && "size" in content) content.close();
}

function hostVerdictOf(error: number): HostVerdict {
  if (error === ParseError.HostMissing) return "missing";
  return error === ParseError.HostInvalid || error === ParseError.HostRepeated ? "invalid" : "-";
}
