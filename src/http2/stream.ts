/**
 * One stream (RFC 9113 §5.1): a request, its exchange, and the response on its way.
 *
 *   idle ──HEADERS──▶ OPEN ──END_STREAM of the peer──▶ HALF-CLOSED (remote) ──our END_STREAM──▶ closed
 *                     OPEN ──our END_STREAM──▶ HALF-CLOSED (local) ──END_STREAM of the peer, or our RST_STREAM──▶ closed
 *                     any ──RST_STREAM──▶ closed
 *
 * Both halves are two flags, `isRemoteOpen` and `isLocalOpen`; the exchange has the phase between them. The stream takes content as
 * far as its exchange wants it, and gives the window back as it is consumed. It writes its frames (response-frames.ts) when the
 * connection asks for them, so the connection alone decides about the order of streams.
 */
import type { Carrier } from "../exchange/carrier.ts";
import type { Resumable } from "../exchange/context.ts";
import { Deadline, Wait } from "../exchange/deadline.ts";
import { Exchange, Phase } from "../exchange/exchange.ts";
import { type CloseReason, Outcome } from "../exchange/observer.ts";
import type { Verdict } from "../exchange/stream-gate.ts";
import type { Response } from "../http/message.ts";
import { Method } from "../http/method.ts";
import type { Scratch } from "./context.ts";
import { ErrorCode } from "./errors.ts";
import { ReceiveWindow, SendWindow } from "./flow-control.ts";
import { DEFAULT_PRIORITY, type Priority, parsePriority } from "./priority.ts";
import { type Http2Request, isMalformed } from "./request.ts";
import { ResponseFrames, type ResponseOwner, type Written } from "./response-frames.ts";

/** The connection, as its streams see it. */
export interface StreamOwner extends ResponseOwner {
  /** Number of the connection. */
  readonly id: number;
  readonly peer: string;
  /** Begins a turn for the stream. */
  wake(stream: Stream): void;
  /** Sends an interim response. */
  sendContinue(stream: Stream): void;
  /** Gives `bytes` back to the windows of the stream and of the connection. */
  consumed(stream: Stream, bytes: number): void;
  /** Returns true if the request may take a slot, or wait for one, now. Otherwise the stream is woken when it may. */
  mayProceed(stream: Stream): boolean;
  /** The response is ready to be written, or can be written again. */
  schedule(stream: Stream): void;
  /** Ends the stream by RST_STREAM, outside of turns or within them. */
  reset(stream: Stream, code: ErrorCode, reason: CloseReason): void;
}

export class Stream implements Carrier, Resumable {
  /** Identifier, odd. */
  readonly stream: number;
  readonly exchange: Exchange<Http2Request>;
  readonly deadline: Deadline;
  readonly sendWindow: SendWindow;
  readonly receiveWindow: ReceiveWindow;
  /** The peer may send further DATA or trailers. */
  isRemoteOpen: boolean;
  /** Our END_STREAM, or RST_STREAM, is not written yet. */
  isLocalOpen = true;
  /** The rest of the request is not wanted. */
  isIgnoring = false;
  /** The content has not come in time. */
  hasStalled = false;
  /** The response is out. */
  isAnswered = false;
  /** Both sides have ended, or one has reset the stream. */
  isClosed = false;
  /** True while the stream is in one of the queues of the connection's sender. */
  isScheduled = false;
  /** Place in the bytes of the connection at which the response ends, once its last frame is written. */
  endsAt = Number.POSITIVE_INFINITY;
  priority: Priority = DEFAULT_PRIORITY;
  /** Bytes of content that have come. */
  received = 0;
  readonly #owner: StreamOwner;
  /** The response, once there is one. */
  #out: ResponseFrames | null = null;
  /** Content that the exchange has not taken. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  /** Bytes of the content if they are known, else -1. */
  #length = -1;
  /** True when live content has told of more, and a turn follows. */
  #isWoken = false;
  /** Memory that is counted for the peer, and the place in the content at that time. */
  #shared: ArrayBufferLike | null = null;
  #sharedAt = 0;
  /** Monotonic milliseconds at which the rest of the request is cut off. */
  #restEndMs = Number.POSITIVE_INFINITY;

  constructor(owner: StreamOwner, id: number, isRemoteOpen: boolean, sendBytes: number) {
    const { context } = owner;
    this.#owner = owner;
    this.stream = id;
    this.isRemoteOpen = isRemoteOpen;
    this.exchange = new Exchange<Http2Request>(context, this);
    this.deadline = new Deadline(context.limits, context.clock);
    this.sendWindow = new SendWindow(sendBytes);
    const windowBytes = context.limits.http2StreamWindowBytes;
    this.receiveWindow = new ReceiveWindow(windowBytes, windowBytes);
  }

  /** Number of the connection. */
  get id(): number {
    return this.#owner.id;
  }

  get peer(): string {
    return this.#owner.peer;
  }

  /** Bytes of memory that wait for the exchange, or for the peer. */
  get heldBytes(): number {
    return this.#pieceBytes + (this.#out?.heldBytes ?? 0);
  }

  /** The memory of content that is being sent; null for none, and for a file. */
  get content(): ArrayBufferLike | null {
    return this.#out?.content ?? null;
  }

  /** True if the head of the response is written. */
  get hasBegun(): boolean {
    return this.#out?.hasBegun === true;
  }

  /** True if the whole response is in memory, small, and within the windows, so that it leaves in the write of this turn. */
  get isLight(): boolean {
    return this.isSending && this.#out?.isLight === true;
  }

  /** True while a fault keeps the response back. */
  get isHeld(): boolean {
    return this.#out?.isHeld === true;
  }

  /** True if the window of the peer has cut the last frame to next to nothing. */
  get isDribbling(): boolean {
    return this.#out?.isDribbling === true;
  }

  /** Verdict of the fault whose place is reached; null before that. */
  get verdict(): Verdict | null {
    return this.#out?.verdict ?? null;
  }

  /** True while bytes of the response wait for the peer's windows or for the kernel. */
  get isSending(): boolean {
    return this.exchange.phase === Phase.Sending;
  }

  /** True while a window of the peer, and nothing else, keeps the response back. */
  get isShut(): boolean {
    const size = Math.min(this.sendWindow.size, this.#owner.sendWindow.size);
    return size <= 0 && this.isSending && this.isLocalOpen && !this.isHeld;
  }

  // Receiving.

  /** Takes the request whose head is complete. `error` is a ParseError, or 0. Returns false if it is malformed. */
  arrive(request: Http2Request, position: number, error: number): boolean {
    const { exchange } = this;
    exchange.request = request;
    const { announced, head } = request;
    if (head.priority !== null) this.priority = parsePriority(head.priority);
    if (typeof announced === "number") this.#length = announced;
    exchange.arrive(position, error);
    if (isMalformed(error)) return false;
    const { fault } = exchange.admission;
    if (fault !== null) this.receiveWindow.restrict(fault.http2?.windowBytes ?? Number.POSITIVE_INFINITY);
    if (this.isRemoteOpen && announced !== 0) exchange.expect(Math.max(0, this.#length), request.expectsContinue);
    return true;
  }

  /** Refuses a head that is too large to be kept. */
  refuseHead(request: Http2Request, error: number): void {
    this.exchange.request = request;
    this.exchange.refuseMalformed(error);
  }

  /** Returns false if `length` bytes of DATA, with `isLast` the last ones, do not fit the Content-Length. */
  fits(length: number, isLast: boolean): boolean {
    const received = this.received + length;
    return this.#length < 0 || (isLast ? received === this.#length : received <= this.#length);
  }

  /** Takes bytes[start, end) of the content. */
  take(bytes: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.received += count;
    if (this.isIgnoring) {
      this.#owner.consumed(this, count);
      return;
    }
    if (count === 0) return;
    // A view keeps the whole chunk, which may be much more than its bytes.
    const piece = count * 2 < bytes.length ? bytes.slice(start, end) : bytes.subarray(start, end);
    this.#pieces.push(piece);
    this.#pieceBytes += count;
  }

  /** The peer has sent END_STREAM. */
  endRemote(): void {
    this.isRemoteOpen = false;
    this.#length = this.received;
  }

  /** The request breaks a rule after its head. The handler gets no more of it. */
  breakOff(error: number): void {
    if (this.exchange.phase !== Phase.Sending && this.exchange.phase !== Phase.Done)
      this.exchange.refuseMalformed(error);
  }

  stopReading(): void {
    this.isIgnoring = true;
    this.#drop();
  }

  /** True if the request waits for its content, so that the peer has a deadline. */
  get awaitsContent(): boolean {
    const { phase, takesContent } = this.exchange;
    if (!this.isRemoteOpen || this.isIgnoring) return false;
    return phase === Phase.Receiving ? !this.exchange.isAhead : phase === Phase.Running && takesContent;
  }

  /** Continues as far as content, pool and handler allow. */
  advance(): void {
    const { exchange } = this;
    if (exchange.phase === Phase.Sending || this.isAnswered || this.isClosed) return;
    if (exchange.phase === Phase.Receiving) {
      if (!this.#receive()) return;
      if (exchange.response === null && !exchange.admission.isControl && !this.#owner.mayProceed(this)) return;
    }
    const response = exchange.proceed();
    if (response === null) {
      if (exchange.takesContent) this.#takeContent();
      return;
    }
    this.#begin(response);
  }

  /** Returns true if the request needs no more of its content before it continues. */
  #receive(): boolean {
    const { exchange } = this;
    if (exchange.response !== null || this.isIgnoring || exchange.isAhead) return true;
    return this.#takeContent();
  }

  /** Hands content over. Returns true if the exchange has all of it, or wants no more. */
  #takeContent(): boolean {
    const { exchange } = this;
    if (this.isRemoteOpen && exchange.invite() && this.received === 0) this.#owner.sendContinue(this);
    while (this.#pieces.length > 0 && !exchange.isStalled) {
      const piece = this.#pieces.shift() as Uint8Array;
      this.#pieceBytes -= piece.length;
      const taken = this.received - this.#pieceBytes;
      const length = this.#length < 0 ? null : this.#length;
      const isTaken = exchange.take(piece, 0, piece.length, length ?? taken, length);
      this.#owner.consumed(this, piece.length);
      if (!isTaken || exchange.resetIfDue(taken)) return true;
    }
    if (!this.isIgnoring && exchange.resetIfDue(this.received - this.#pieceBytes)) return true;
    if (this.isRemoteOpen || this.#pieces.length > 0) return this.isIgnoring;
    exchange.endContent();
    return true;
  }

  /** Gives content back that no one takes. */
  #drop(): void {
    const count = this.#pieceBytes;
    this.#pieces = [];
    this.#pieceBytes = 0;
    if (count > 0) this.#owner.consumed(this, count);
  }

  // Sending.

  #begin(made: Response): void {
    const { exchange } = this;
    const { fault, isControl } = exchange.admission;
    const isHead = exchange.request?.head.method === Method.Head;
    const out = new ResponseFrames(this.#owner, this, made, { isHead, isControl, fault });
    this.#out = out;
    exchange.begin(out.response);
    exchange.responseBytes = out.size;
    out.begin();
    this.#owner.schedule(this);
  }

  /** Writes frames of the response, up to `share` bytes of content and to `limit` bytes of `out`. */
  write(out: Scratch, share: number, limit: number): Written {
    return (this.#out as ResponseFrames).write(out, share, limit);
  }

  more(): void {
    // It may be a turn of another connection.
    if (this.#isWoken || this.isClosed) return;
    this.#isWoken = true;
    this.#owner.context.defer(this);
  }

  resumed(): void {
    this.#isWoken = false;
    if (this.isClosed || this.#out?.hasContent !== true) return;
    this.#owner.schedule(this);
    this.#owner.wake(this);
  }

  proceed(): void {
    this.#owner.schedule(this);
    this.#owner.wake(this);
  }

  sentBytes(isCut: boolean): number {
    const out = this.#out;
    return out === null || (isCut && !out.hasBegun) ? 0 : out.position;
  }

  // The end.

  /** The kernel has accepted the last byte of the response. */
  finish(): void {
    const { exchange } = this;
    this.#out?.drop();
    this.isAnswered = true;
    this.stopReading();
    exchange.finish(Outcome.KeptAlive, null);
    exchange.renew();
    this.#giveBack();
  }

  /** Cuts the response off, and resets the stream. Called outside of turns. */
  abort(reason: CloseReason): void {
    this.#owner.reset(this, ErrorCode.EnhanceYourCalm, reason);
  }

  /**
   * Ends the exchange because the stream is closed. A handler at work holds the request: it is told, and everything is returned when it
   * has settled (`ready`).
   */
  cancel(reason: CloseReason): void {
    const { exchange } = this;
    this.isClosed = true;
    this.isRemoteOpen = false;
    this.isLocalOpen = false;
    this.stopReading();
    this.deadline.clear();
    if (exchange.phase === Phase.Running && exchange.response === null) exchange.tellGone(reason);
    else this.#letGo(reason);
  }

  /** Ends the fault of the stream. Called outside of turns. */
  release(): void {
    const isOpen = this.#out?.open() ?? null;
    const wasShut = this.receiveWindow.release();
    if (wasShut) this.#owner.consumed(this, 0);
    if (isOpen === false) this.#owner.reset(this, ErrorCode.InternalError, "fault");
    else if (isOpen === true) this.proceed();
    else if (wasShut) this.#owner.wake(this);
  }

  /** Returns everything after the handler of a closed stream has settled. */
  settle(): void {
    const { exchange } = this;
    if (exchange.request !== null && (exchange.phase !== Phase.Running || exchange.response !== null))
      this.#letGo("client");
  }

  #letGo(reason: CloseReason): void {
    const { exchange } = this;
    const { phase, violation, response } = exchange;
    // Nothing of the response to a malformed request is sent, and the observers are told.
    if (violation !== 0 && response !== null && phase !== Phase.Sending && !this.isAnswered) {
      exchange.lease.cancel();
      exchange.begin(response);
    }
    this.#out?.drop();
    if (!this.isAnswered) exchange.abandon(reason);
    this.#giveBack();
  }

  /** Returns slot, request, and memory that is held for the peer. */
  #giveBack(): void {
    const { request, lease } = this.exchange;
    const { requests, peerMemory } = this.#owner.context;
    if (this.#shared !== null) peerMemory.unshare(this, this.#shared);
    this.#shared = null;
    this.#out?.closed();
    this.exchange.request = null;
    if (request !== null) requests.takeBack(request);
    lease.repaid();
    lease.release();
  }

  /** Ends a turn: counts the memory of content that waits for the peer, which other responses may send too. */
  share(): void {
    const { content } = this;
    const { peerMemory } = this.#owner.context;
    if (content === this.#shared && (content === null || this.#sentBytes === this.#sharedAt)) return;
    if (content !== this.#shared && this.#shared !== null) peerMemory.unshare(this, this.#shared);
    this.#shared = content;
    this.#sharedAt = this.#sentBytes;
    if (content !== null) peerMemory.share(this, content);
  }

  ready(): void {
    this.#owner.wake(this);
  }

  // Deadlines.

  /** Sets the deadline for the event that the stream waits for. `isBlocked`: its own window keeps the response back. */
  arm(isBlocked: boolean): void {
    const wait = this.#reasonToWait(isBlocked);
    this.deadline.set(wait, wait === Wait.Send ? this.#sentBytes : this.received);
  }

  get #awaitsSlot(): boolean {
    const { phase, lease } = this.exchange;
    return lease.slot === 0 && (phase === Phase.Waiting || lease.isHeldBack);
  }

  #reasonToWait(isBlocked: boolean): Wait {
    const { phase } = this.exchange;
    if (this.#awaitsSlot) return Wait.Queue;
    if (this.awaitsContent) return this.receiveWindow.isShut ? Wait.None : Wait.Body;
    if (!this.isLocalOpen) return Wait.Rest;
    return phase === Phase.Sending && isBlocked && !this.isHeld ? Wait.Send : Wait.None;
  }

  /** Looks at the deadline. Returns the reason if it is over; a peer that is fast enough gets another window. */
  expired(): Wait {
    const { deadline } = this;
    const { wait } = deadline;
    if (!deadline.isOver || wait === Wait.None) return Wait.None;
    // A stream that was reset in the same turn may have given its slot to this one.
    if (wait === Wait.Queue && !this.#awaitsSlot) return Wait.None;
    // The peer alone moves its window: a window in which it does not is a stall, whatever was sent before.
    const isFast = wait === Wait.Send ? deadline.extendBody(this.#sentBytes) : deadline.extendFor(this.received);
    return isFast ? Wait.None : wait;
  }

  /**
   * Begins to read past the rest of the request, because the last frame of its response is written. A rest that the peer can send
   * within its window has the time of any rest. Otherwise the peer waits for a window that never opens, or for nothing, so its stream is
   * reset, but not at once: curl 7.88 loses a response whose stream is reset in the same moment.
   */
  beginRest(): void {
    const { limits, clock } = this.#owner.context;
    const rest = this.#length - this.received;
    const isSmall =
      this.#length >= 0 && rest <= this.receiveWindow.left && this.exchange.request?.expectsContinue !== true;
    if (!isSmall) this.#restEndMs = clock.nowMs + limits.http2RestMs;
  }

  /** Bytes of content in frames that were written. */
  get #sentBytes(): number {
    return this.#out?.position ?? 0;
  }

  get isRestOver(): boolean {
    return this.#owner.context.clock.nowMs >= this.#restEndMs;
  }
}
