/**
 * One HTTP/1 connection, from its first byte to its close: bytes in, one exchange at a time, persistence, bytes out.
 *
 * The server reports the socket's events (`secured`, `received`, `drained`, `ended`, `closed`), the time (`tick`) and
 * the end (`shutDown`, `terminate`); the exchange reports its slot and response (`ready`). Each call is one turn:
 *
 * `#advance` goes through the stages of the exchange as far as the bytes, the pool and the kernel allow.
 * `#endTurn` writes gathered bytes, arms the one deadline, and returns the slot when it is no longer needed.
 *
 * Stages: #receive → #respond → #send → #next, then #receive again if the connection persists, or #close (closing.ts).
 * A stage returns true if it is done, and false if an event must come first. Every connection passes `closed` exactly once,
 * and everything that it holds is returned there.
 */

import type { Carrier, Connection, ConnectionState, Work } from "../exchange/carrier.ts";
import { Closing, End } from "../exchange/closing.ts";
import type { Resumable } from "../exchange/context.ts";
import { Deadline, isForContent, Wait } from "../exchange/deadline.ts";
import { Exchange, OWN_FAILURE, Phase } from "../exchange/exchange.ts";
import { type CloseReason, Outcome } from "../exchange/observer.ts";
import type { Peer } from "../exchange/peer.ts";
import { ReceiveBuffer } from "../exchange/receive-buffer.ts";
import { Fate, type Suspended, type Transport } from "../exchange/transport.ts";
import { formatPeer } from "../http/authority.ts";
import type { Fault } from "../http/fault.ts";
import { Method } from "../http/method.ts";
import { ParseError } from "../http/parse-error.ts";
import type { Http1Context } from "./context.ts";
import { Holding } from "./holding.ts";
import { CONTINUE, Outbox, Progress } from "./outbox.ts";
import type { RequestReader } from "./request.ts";
import { ReadState, readEdge, reasonToClose, waitIn } from "./state.ts";
import { brokenChunks, framed } from "./transfer-coding.ts";

export class Http1Connection implements Carrier, Connection, Resumable, Suspended {
  readonly id: number;
  readonly stream = 0;
  readonly peer: string;
  readonly address: string;
  /** Current exchange, or the next one. */
  readonly exchange: Exchange<RequestReader>;
  readonly #from: Peer;
  readonly #context: Http1Context;
  readonly #transport: Transport;
  readonly #inbox: ReceiveBuffer;
  readonly #outbox: Outbox;
  readonly #holding: Holding;
  readonly #deadline: Deadline;
  readonly #closing: Closing;
  #read = ReadState.Head;
  /** True during a TLS handshake: nothing can be read or answered. */
  #isShakingHands: boolean;
  /** True when the unconsumed bytes are more than empty lines. */
  #isHeadBegun = false;
  /** True when a fair share of the response is out, and `resumed` follows for the next. */
  #isDeferred = false;

  constructor(context: Http1Context, transport: Transport, id: number, peer: Peer) {
    this.#context = context;
    this.#transport = transport;
    this.id = id;
    this.address = peer.address;
    this.peer = formatPeer(peer.address, peer.port);
    this.#from = peer;
    this.#isShakingHands = peer.isEncrypted;
    this.#inbox = new ReceiveBuffer(transport);
    this.#outbox = new Outbox(transport, context.scratch, context.limits, context.clock);
    this.#holding = new Holding(context.peerMemory, this, this.#inbox, this.#outbox);
    this.#deadline = new Deadline(context.limits, context.clock);
    this.#closing = new Closing(transport, this.#deadline, context.limits, context.clock);
    this.exchange = new Exchange<RequestReader>(context, this);
    this.#arm();
    context.observer.opened(id, this.peer);
  }

  // Events.

  secured(): void {
    this.#isShakingHands = false;
    this.#arm();
  }

  received(bytes: Uint8Array): void {
    if (this.#closing.end === End.Gone) return;
    if (this.#read === ReadState.Closed) {
      this.#closing.discard(bytes.length, this.#inbox);
      return;
    }
    this.#inbox.append(bytes);
    this.#turn();
  }

  drained(): void {
    if (this.#closing.end === End.Gone) return;
    this.#outbox.isBlocked = false;
    this.exchange.lease.moving();
    this.#turn();
  }

  resumed(): void {
    this.#isDeferred = false;
    if (this.#closing.end !== End.Gone) this.#turn();
  }

  ended(): void {
    const closing = this.#closing;
    if (closing.end === End.Gone || closing.isPeerFinished) return;
    closing.isPeerFinished = true;
    // A client that is gone cannot be told from one that has sent all it wants: a handler that waits for nothing answers now.
    this.exchange.tellLeft();
    if (closing.end === End.Open) this.#turn();
    else this.#transport.end();
  }

  ready(): void {
    // A handler that was at work when the connection ended has held the request until now.
    if (this.#closing.end === End.Open) this.#turn();
    else this.#letGo();
  }

  tick(): void {
    if (!this.#deadline.isOver) return;
    try {
      this.#expire(this.#deadline.wait);
    } catch (error) {
      this.#recover(error);
    }
  }

  shutDown(quietMs = 0, lingerMs: number = this.#context.limits.shutdownGraceMs): void {
    const isSkipping = this.#read === ReadState.Rest;
    if (!this.#closing.mayShutDown(isSkipping, quietMs, lingerMs)) return;
    this.stopReading();
    if (isSkipping) this.#close("shutdown");
    else this.#closing.close("shutdown");
  }

  terminate(): void {
    this.abort("shutdown");
  }

  closeIdle(): boolean {
    if (this.#deadline.wait !== Wait.Idle) return false;
    this.#close("idle timeout");
    return true;
  }

  pardon(): void {
    this.exchange.pardon();
  }

  release(): void {
    if (this.#closing.isHalfClosed) this.cut();
    else this.#transport.gate?.release();
  }

  cut(): void {
    this.abort("fault");
  }

  /** Leaves the socket to another conversation: the peer speaks HTTP/2, and no request has come. */
  leave(): void {
    this.#closing.end = End.Gone;
    this.#letGo();
  }

  closed(): void {
    const closing = this.#closing;
    if (closing.end === End.Gone) return;
    // A peer that leaves before the response is out ends the connection itself, although we would have closed it afterwards.
    if (this.exchange.phase === Phase.Sending) closing.reason = "client";
    const reason = closing.closed();
    this.#transport.gate?.closed();
    this.#context.observer.closed(this.id, this.exchange.lease.slot, this.served, reason);
    this.#leave(reason);
  }

  // State, for observers.

  get served(): number {
    return this.exchange.position;
  }

  get state(): ConnectionState {
    if (this.#closing.end !== End.Open) return "closing";
    const { wait } = this.#deadline;
    if (wait === Wait.Send) return "sending";
    return this.exchange.activity ?? (wait === Wait.Idle ? "idle" : "reading");
  }

  works(): readonly Work[] {
    const work = this.exchange.work();
    return work === null ? [] : [work];
  }

  sentBytes(isCut: boolean): number {
    const unsentBytes = isCut ? this.#outbox.gatheredBytes : 0;
    return Math.max(0, this.exchange.responseBytes - this.#outbox.bodyLeft - unsentBytes);
  }

  // One turn.

  #turn(): void {
    try {
      this.#advance();
      this.#endTurn();
      // All connections share this buffer. If a turn left bytes in it, the next connection would send them to the wrong peer.
      if (this.#context.scratch.used > 0) throw new Error("a turn ended with bytes in the shared scratch");
    } catch (error) {
      this.#recover(error);
    }
  }

  #advance(): void {
    while (this.#closing.end === End.Open && this.#receive() && this.#respond() && this.#send()) this.#next();
  }

  #endTurn(): void {
    // Responses of pipelined requests that were gathered, or a 100 (Continue).
    if (this.exchange.phase !== Phase.Sending) this.#flush();
    if (this.#closing.end === End.Gone) return;
    // An incomplete head has bounds of its own. If the connection paused for it, it would never become complete.
    const waits = this.exchange.phase !== Phase.Receiving || !this.#outbox.isEmpty;
    if (this.exchange.isStalled) this.#inbox.pause();
    else this.#inbox.regulate(waits ? this.#context.limits.receiveBytesMax : Number.POSITIVE_INFINITY);
    this.#arm();
    this.#giveBack();
    this.#holding.settle(this.exchange);
  }

  /** Answers 500 after a failure of ours, or closes by RST. Other connections are not affected. */
  #recover(error: unknown): void {
    this.#context.observer.failed(this.id, error);
    const exchange = this.exchange;
    try {
      const isOwed = exchange.phase === Phase.Receiving && this.#read !== ReadState.Rest;
      if (!isOwed || this.#closing.end !== End.Open) throw error;
      this.stopReading();
      exchange.refuse(500, OWN_FAILURE);
      this.#advance();
      this.#endTurn();
    } catch {
      this.abort("own failure");
    }
  }

  // Receiving.

  #receive(): boolean {
    if (this.exchange.phase !== Phase.Receiving) return true;
    if (this.#read === ReadState.Rest && !this.#skipRest()) return false;
    if (this.#read === ReadState.Head && !this.#takeHead()) return false;
    return this.#read !== ReadState.Body || this.exchange.isAhead || this.#takeBody();
  }

  #takeHead(): boolean {
    const inbox = this.#inbox;
    if (inbox.length === 0) return this.#endIfFinished();
    // If the kernel takes no responses, the peer does not read, and gets no further ones.
    if (!this.#outbox.canGather) {
      if (!this.#flush()) return false;
      // The next request has a deadline of its own.
      this.#deadline.clear();
    }
    const exchange = this.exchange;
    exchange.request ??= this.#context.requests.take(this.#from);
    const request = exchange.request;
    const consumed = request.readHead(inbox.bytes, inbox.start, inbox.end);
    if (consumed === 0) return this.#awaitHead(request);
    if (consumed < 0) {
      exchange.refuseMalformed(consumed);
      return true;
    }
    inbox.consume(consumed);
    exchange.arrive(exchange.position + 1, request.understand());
    // A malformed head may have ended reading.
    if (this.#read !== ReadState.Head) return true;
    if (request.framing.kind === "none") this.#read = readEdge(ReadState.Head, ReadState.Done);
    else this.#expectContent(request);
    return true;
  }

  /** Decides about bytes that are not a whole head. */
  #awaitHead(request: RequestReader): boolean {
    // Some old clients send an empty line after a request. It does not begin a head.
    this.#isHeadBegun = request.head.start < this.#inbox.end;
    if (!this.#closing.isPeerFinished) return false;
    if (!this.#isHeadBegun) {
      this.#inbox.clear();
      return this.#endIfFinished();
    }
    this.exchange.refuseMalformed(ParseError.IncompleteMessage);
    return true;
  }

  /** Ends the connection if there is no request and the peer has sent FIN, so that none will come. */
  #endIfFinished(): false {
    if (this.#closing.isPeerFinished && this.#flush()) this.#close("client");
    return false;
  }

  #expectContent(request: RequestReader): void {
    const { framing } = request;
    this.#read = readEdge(ReadState.Head, ReadState.Body);
    request.beginContent();
    this.exchange.expect(framing.contentLength, framing.expectsContinue && this.#inbox.length === 0);
  }

  #takeBody(): boolean {
    const inbox = this.#inbox;
    const exchange = this.exchange;
    const request = exchange.request as RequestReader;
    if (exchange.invite()) this.#outbox.gather(CONTINUE);
    const error = request.readContent(inbox, exchange);
    if (error < 0) exchange.refuseMalformed(error);
    if (this.#read === ReadState.Closed) return true;
    if (exchange.resetIfDue(request.decoder.received)) return true;
    if (request.decoder.done) this.#read = readEdge(this.#read, ReadState.Done);
    else if (this.#closing.isPeerFinished && !exchange.isStalled)
      exchange.refuseMalformed(ParseError.IncompleteMessage);
    else return false;
    return true;
  }

  /** Reads past the rest of a content whose request was answered. Returns true after its last byte. */
  #skipRest(): boolean {
    const request = this.exchange.request as RequestReader;
    const isSound = request.skipContent(this.#inbox, this.#context.limits.unwantedBodyBytesMax);
    if (isSound && request.decoder.done) {
      this.#read = readEdge(this.#read, ReadState.Head);
      // The content of the next request has a deadline of its own.
      this.#deadline.clear();
      return true;
    }
    // The request has its one response: the connection ends without another.
    if (!isSound) this.#close("last answer");
    else if (this.#closing.isPeerFinished) this.#close("client");
    return false;
  }

  /** Ends reading: further bytes are not taken for a request, and the response is the last. */
  stopReading(): void {
    if (this.#read !== ReadState.Closed) this.#read = readEdge(this.#read, ReadState.Closed);
    this.#inbox.clear();
  }

  // Responding.

  /** Gathers the response's head, and its content if that is small and in memory; `#send` pulls the rest. */
  #respond(): boolean {
    const exchange = this.exchange;
    if (exchange.phase === Phase.Sending) return true;
    const made = exchange.proceed();
    if (made === null) {
      // Content for a sink comes while the handler works.
      if (this.#read === ReadState.Body && exchange.takesContent) this.#takeBody();
      return false;
    }
    const context = this.#context;
    const outbox = this.#outbox;
    const { fault } = exchange.admission;
    const carried = framed(made, exchange.request?.protocol !== "1.0");
    const response = fault === null ? carried : (this.#transport.gate?.spoil(carried, fault, brokenChunks) ?? carried);
    const left = (context.limits.maxRequests || Number.POSITIVE_INFINITY) - exchange.position;
    const isRead = this.#read === ReadState.Done || (this.#read === ReadState.Body && exchange.skipsContent);
    const isDraining = context.drain.hasBegun && this.#inbox.length === 0;
    const isPersistent = exchange.request?.framing.persistent === true;
    const reason = reasonToClose(left, isDraining, isRead, isPersistent, response.isLast, fault !== null);
    this.#closing.reason = reason;
    exchange.begin(response);
    this.#deadline.beginResponse(outbox.accepted);
    const pendingBytes = fault === null ? 0 : outbox.gatheredBytes;
    const headStarts = exchange.admission.isControl ? context.endpointHeadStarts : context.headStarts;
    // This includes a head of which only the method could be read: RFC 9110 §9.3.2 has no exception.
    const isHead = exchange.request?.head.method === Method.Head;
    exchange.responseBytes = outbox.put(response, isHead, headStarts, reason === null, left);
    outbox.live?.whenMore(() => this.#defer());
    if (fault !== null) {
      const { headBytes } = outbox;
      this.#transport.gate?.impose(fault, { pendingBytes, headBytes, contentBytes: exchange.responseBytes }, this);
    }
    return true;
  }

  // Sending.

  /** Offers the response to the transport, or lets it gather with the next one of a pipeline. */
  #send(): boolean {
    const exchange = this.exchange;
    const { reason } = this.#closing;
    const { fault } = exchange.admission;
    const isRead = reason === null && this.#read === ReadState.Done;
    const moreRequests = isRead && this.#inbox.length > 0 && this.#context.pool.queued === 0;
    if (moreRequests && fault === null && this.#outbox.canGather) {
      exchange.finish(Outcome.KeptAlive, null);
      return true;
    }
    // The next share has a turn of its own, whatever the peer sends meanwhile.
    if (this.#isDeferred) return false;
    const progress = this.#pump();
    // The slot that was lent for an earlier response is no longer needed.
    if (progress === Progress.Waiting) exchange.lease.repaid();
    if (fault !== null && progress !== Progress.Gone) {
      const isOver = this.#obeyFault(fault, progress);
      if (isOver !== null) return isOver;
    }
    switch (progress) {
      case Progress.Sent:
        exchange.finish(reason === null ? Outcome.KeptAlive : Outcome.Closed, reason);
        return true;
      case Progress.Blocked:
      case Progress.Waiting:
      case Progress.Yield:
        if (progress === Progress.Yield) this.#defer();
        return false;
      case Progress.Short:
        // The head promised more: closing before Content-Length is reached tells the client (RFC 9112 §8).
        this.#endShort("short content", Outcome.Aborted);
        return true;
      case Progress.Cut:
      case Progress.Gone:
        // Bun may never tell of the close of a socket that is paused and not writable, so it is not waited for.
        this.abort(progress === Progress.Cut ? "short content" : "client");
        return false;
    }
  }

  /** Asks the gate how a response with a fault continues. Returns as a stage does, or null if it just continues. */
  #obeyFault(fault: Fault, progress: Progress): boolean | null {
    const fate = this.#transport.gate?.fate();
    // Without writes we cannot tell a half-close from a close. A reset follows by itself in a moment.
    if (this.#closing.isPeerFinished && fate !== Fate.Waits && this.#isHeld) {
      this.abort("client");
      return false;
    }
    if (fate === Fate.Hangs) this.stopReading(); // Pipelined bytes are read past, so that the FIN after them is seen.
    switch (fate) {
      case Fate.Waits:
      case Fate.Hangs:
        return false;
      case Fate.Ends:
        this.#closing.isHalfClosed = fault.kind === "half-close";
        this.#endShort("fault", progress === Progress.Sent ? Outcome.Closed : Outcome.Aborted);
        return true;
      default:
        return null;
    }
  }

  /** Ends the response here, and the connection with it. */
  #endShort(reason: CloseReason, outcome: Outcome): void {
    this.#closing.reason = reason;
    this.stopReading();
    this.exchange.finish(outcome, reason);
    this.#outbox.drop();
  }

  /** True if the response waits for its fault, not for its peer. */
  get #isHeld(): boolean {
    return this.exchange.admission.fault !== null && this.#transport.gate?.holds === true;
  }

  /** Offers bytes that were gathered, or kept from an earlier turn. Returns true if the kernel has taken all. */
  #flush(): boolean {
    if (!this.#outbox.isEmpty) {
      const progress = this.#pump();
      if (progress === Progress.Gone) this.abort("client");
      if (progress !== Progress.Sent) return false;
    }
    this.exchange.lease.repaid();
    return true;
  }

  #pump(): Progress {
    const progress = this.#outbox.pump();
    const { lease, phase } = this.exchange;
    // While the handler works, the slot counts its work. A response that waits for its fault keeps its slot.
    const mayLend = progress === Progress.Blocked && phase !== Phase.Running && !this.#isHeld;
    if (mayLend && lease.slot > 0) lease.stalled();
    return progress;
  }

  /** Asks for a later turn of the event loop. */
  #defer(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#context.defer(this);
  }

  // After the response.

  /** Applies the joint rule: the response is out, so the connection ends, or continues with the next request. */
  #next(): void {
    const { lease } = this.exchange;
    const { reason } = this.#closing;
    if (reason !== null) {
      this.#close(reason);
      return;
    }
    this.exchange.renew();
    if (this.#outbox.isEmpty && this.#context.pool.queued > 0) lease.release();
    this.#read = readEdge(this.#read, this.#read === ReadState.Body ? ReadState.Rest : ReadState.Head);
    this.#deadline.clear();
  }

  /** Returns, at the end of a turn, the slot whose work is done and the reader that has nothing to read. */
  #giveBack(): void {
    const { phase, lease, admission } = this.exchange;
    if (phase === Phase.Receiving) {
      if (!this.#outbox.isEmpty) return;
      lease.release();
      if (this.#inbox.length === 0 && this.#read === ReadState.Head) this.#context.requests.takeBack(this.exchange);
    } else if (admission.isControl && (this.#outbox.isEmpty || this.#outbox.isWaiting)) {
      // A control request, behind others in a pipeline, keeps no slot.
      lease.release();
    }
  }

  // The end.

  /** Acts on a deadline that is over. A peer that is fast enough gets another window. */
  #expire(wait: Wait): void {
    if (wait === Wait.None || this.#deadline.extendFor(this.#progressIn(wait))) return;
    switch (wait) {
      case Wait.Handshake:
        this.abort("handshake timeout");
        break;
      case Wait.Idle:
        this.#close("idle timeout");
        break;
      case Wait.Send:
        this.abort("send timeout");
        break;
      case Wait.Linger:
        this.#closing.close("client");
        break;
      default:
        if (wait === Wait.Rest) this.#close("last answer");
        else this.exchange.giveUp(wait);
        this.#turn();
    }
  }

  /** Sends FIN after the last accepted byte; a bounded drain follows (closing.ts). */
  #close(reason: CloseReason): void {
    this.#closing.reason = reason;
    this.stopReading();
    this.#letGo();
    this.#closing.linger();
  }

  /** Closes by RST: the peer does not read, or we cannot go on. */
  abort(reason: CloseReason): void {
    const closing = this.#closing;
    if (closing.end === End.Gone) return;
    closing.abort(reason);
    this.#leave(reason);
    this.#transport.terminate();
  }

  /** Lets go, now or when a handler at work has settled: it holds the request, and `ready` returns request and slot. */
  #leave(reason: CloseReason): void {
    if (this.exchange.phase === Phase.Running) {
      // Gathered bytes go now: the scratch belongs to all connections.
      this.#outbox.drop();
      this.exchange.tellGone(reason);
    } else this.#letGo();
  }

  /** Returns slot, reader and buffers. Safe to call twice. */
  #letGo(): void {
    this.exchange.abandon(this.#closing.reason);
    this.#outbox.drop();
    this.#inbox.clear();
    this.#context.requests.takeBack(this.exchange);
    this.#holding.release();
    this.exchange.lease.repaid();
    this.exchange.lease.release();
  }

  // Deadlines.

  #arm(): void {
    const wait = this.#reasonToWait();
    this.#deadline.set(wait, this.#progressIn(wait));
  }

  #progressIn(wait: Wait): number {
    return isForContent(wait) ? (this.exchange.request?.contentBytes ?? 0) : this.#outbox.accepted;
  }

  #reasonToWait(): Wait {
    if (this.#isShakingHands) return Wait.Handshake;
    if (this.#closing.end !== End.Open) return this.#deadline.wait;
    const { phase, takesContent } = this.exchange;
    const hasHead = this.#inbox.length > 0 && this.#isHeadBegun;
    const isHeld = phase === Phase.Sending && (this.#outbox.isWaiting || this.#isHeld);
    return waitIn(phase, this.#read, takesContent, !this.#outbox.isEmpty, hasHead, isHeld);
  }
}
