/**
 * One stream (RFC 9113 §5.1): a request, its exchange, and the response on its way.
 *
 *   idle ──HEADERS──▶ OPEN ──END_STREAM of the peer──▶ HALF-CLOSED (remote) ──our END_STREAM──▶ closed
 *                     OPEN ──our END_STREAM──▶ HALF-CLOSED (local) ──END_STREAM of the peer, or our RST_STREAM──▶ closed
 *                     any ──RST_STREAM──▶ closed
 *
 * Both halves are two flags, `isRemoteOpen` and `isLocalOpen`; the exchange has the phase between them. The stream takes content as
 * far as its exchange wants it, and gives the window back as it is consumed. It writes its frames when the connection asks for them
 * (`write`), so the connection alone decides about the order of streams.
 */
import type { Carrier } from "../exchange/carrier.ts";
import type { Resumable } from "../exchange/context.ts";
import { Deadline, Wait } from "../exchange/deadline.ts";
import { Exchange, Phase } from "../exchange/exchange.ts";
import { type CloseReason, Outcome } from "../exchange/observer.ts";
import type { StreamGate, Verdict } from "../exchange/stream-gate.ts";
import type { Content, LiveSource, Response } from "../http/message.ts";
import { Method } from "../http/method.ts";
import type { Http2Context, Scratch } from "./context.ts";
import { ErrorCode } from "./errors.ts";
import { ReceiveWindow, SendWindow } from "./flow-control.ts";
import { blockHeadBytes, writeBlockHeads, writeFrameHead } from "./frame-writer.ts";
import { FLAG_END_STREAM, FRAME_HEAD_BYTES, FrameType } from "./frames.ts";
import type { HpackEncoder } from "./hpack-encoder.ts";
import { judge } from "./judge.ts";
import { DEFAULT_PRIORITY, type Priority, parsePriority } from "./priority.ts";
import { type Http2Request, isMalformed } from "./request.ts";

/** The connection, as its streams see it. */
export interface StreamOwner {
  /** Number of the connection. */
  readonly id: number;
  readonly peer: string;
  readonly context: Http2Context;
  readonly encoder: HpackEncoder;
  /** Window of the connection. */
  readonly sendWindow: SendWindow;
  /** Bytes of the largest payload that the peer takes. */
  readonly frameSizeMax: number;
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

/** How far `write` came. */
export enum Written {
  /** The last frame of the response is written. */
  Done = 0,
  /** A share is written, and there is more. */
  More,
  /** The window of the stream is empty. */
  StreamBlocked,
  /** The window of the connection is empty. */
  ConnectionBlocked,
  /** All there is was written, and there will be more: the source says when. */
  Waiting,
  /** There is no room for another frame. */
  Full,
  /** The content ends early. */
  Short,
  /** The place of a fault is reached: its verdict follows. */
  Cut,
}

/** Largest content of a response that needs no slot while it waits for the write of the turn. */
const LIGHT_BYTES_MAX = 65_536;

/** Payload of DATA below which a frame that the windows have cut short counts as a dribble, bytes. */
const DRIBBLE_BYTES = 64;

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
  /** The response is out. */
  isAnswered = false;
  /** Both sides have ended, or one has reset the stream. */
  isClosed = false;
  /** True while the stream is in one of the queues of the connection's sender. */
  isScheduled = false;
  /** True while it waits until it may ask for a slot. */
  isHeldBack = false;
  /** Place in the bytes of the connection at which the response ends, once its last frame is written. */
  endsAt = Number.POSITIVE_INFINITY;
  /** True if the window of the peer has cut the last frame to next to nothing. */
  isDribbling = false;
  priority: Priority = DEFAULT_PRIORITY;
  /** Bytes of content that have come. */
  received = 0;
  /** Verdict of the fault whose place is reached; null before that. */
  verdict: Verdict | null = null;
  readonly #owner: StreamOwner;
  /** Keeps a response with a fault back; else null. */
  #gate: StreamGate | null = null;
  /** Content that the exchange has not taken. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  /** Bytes of the content if they are known, else -1. */
  #length = -1;
  #isHeadDue = false;
  #body: Content | null = null;
  /** Bytes of content in frames that were written, and of the whole content. */
  #position = 0;
  #end = 0;
  /** Index of the piece of content that is being written. */
  #piece = 0;
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
    const body = this.#body;
    const live = body !== null && "size" in body && "whenMore" in body ? (body.heldBytes ?? 0) : 0;
    return this.#pieceBytes + live;
  }

  /** The memory of content that is being sent; null for none, and for a file. */
  get content(): ArrayBufferLike | null {
    const body = this.#body;
    if (body === null) return null;
    if (body instanceof Uint8Array) return body.buffer;
    if ("ends" in body) return body.bytes.buffer;
    return body.memory?.buffer ?? null;
  }

  /** True if the head of the response is written. */
  get hasBegun(): boolean {
    return !this.#isHeadDue;
  }

  /** True if the whole response is in memory, small, and within the windows, so that it leaves in the write of this turn. */
  get isLight(): boolean {
    const body = this.#body;
    if (!this.isSending || !this.#isHeadDue || this.#gate !== null) return false;
    if (body === null) return true;
    return body instanceof Uint8Array && body.length <= LIGHT_BYTES_MAX && body.length <= this.sendWindow.size;
  }

  /** True while a fault keeps the response back. */
  get isHeld(): boolean {
    return this.#gate?.isHolding === true;
  }

  /** True while bytes of the response wait for the peer's windows or for the kernel. */
  get isSending(): boolean {
    return this.exchange.phase === Phase.Sending;
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
    if (this.#length < 0) this.#length = this.received;
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
    const { fault } = exchange.admission;
    const isHead = exchange.request?.head.method === Method.Head;
    if (fault !== null) this.#gate = this.#owner.context.gates?.gate(fault, () => this.#proceed()) ?? null;
    const response = this.#gate?.spoil(made, isHead) ?? made;
    exchange.begin(response);
    const content = isHead ? null : response.content;
    this.#body = content;
    this.#isHeadDue = true;
    this.#end = content === null ? 0 : sizeOf(content);
    exchange.responseBytes = this.#end;
    if (content !== null && "whenMore" in content) (content as LiveSource).whenMore(() => this.#more());
    this.#owner.schedule(this);
  }

  /** Live content has more. It may say so within a turn of another connection. */
  #more(): void {
    if (this.#isWoken || this.isClosed) return;
    this.#isWoken = true;
    this.#owner.context.defer(this);
  }

  resumed(): void {
    this.#isWoken = false;
    if (this.isClosed || this.#body === null) return;
    this.#owner.schedule(this);
    this.#owner.wake(this);
  }

  /** Continues with a response that its fault has kept back. */
  #proceed(): void {
    this.#owner.schedule(this);
    this.#owner.wake(this);
  }

  /** Writes frames of the response, up to `share` bytes of content and to `limit` bytes of `out`. */
  write(out: Scratch, share: number, limit: number): Written {
    this.isDribbling = false;
    const gate = this.#gate;
    if (gate === null) return this.#write(out, share, limit);
    const passing = gate.passing(this.#position);
    if (passing < 0 || (passing === 0 && !this.#isHeadDue)) return this.#stop(gate, out);
    return this.#write(out, Math.min(share, passing), limit);
  }

  /** Waits at the gate, or does what its fault has happen here. */
  #stop(gate: StreamGate, out: Scratch): Written {
    const verdict = judge(gate, this.#position, this, this.#owner, out);
    if (verdict === null || verdict.next === "hangs") return Written.Waiting;
    if (verdict.next === "is done") return Written.Done;
    this.verdict = verdict;
    return Written.Cut;
  }

  /** Writes END_STREAM alone, after all the content. */
  #writeEnd(out: Scratch): Written {
    out.used = writeFrameHead(out.bytes, out.used, 0, FrameType.Data, FLAG_END_STREAM, this.stream);
    return Written.Done;
  }

  #write(out: Scratch, share: number, limit: number): Written {
    if (this.#isHeadDue && !this.#writeHead(out, limit)) return Written.Full;
    const body = this.#body;
    const gate = this.#gate;
    if (gate?.hasPlace === true && this.#position === this.#end)
      return gate.isPending ? Written.More : this.#writeEnd(out);
    if (body === null) return Written.Done;
    const isLive = "whenMore" in body;
    const { sendWindow } = this.#owner;
    for (let left = share; left > 0; ) {
      const room = limit - out.used - FRAME_HEAD_BYTES;
      if (room <= 0) return Written.Full;
      const window = Math.min(this.sendWindow.size, sendWindow.size);
      if (window <= 0 && !(isLive && body.isOver)) {
        return this.sendWindow.size <= 0 ? Written.StreamBlocked : Written.ConnectionBlocked;
      }
      const wanted = Math.min(left, room, this.#owner.frameSizeMax, this.#nextEnd(body) - this.#position);
      const count = this.#read(body, out, Math.min(wanted, Math.max(window, 1)));
      if (count <= 0) return this.#afterLast(body, out);
      if (window <= 0) return this.sendWindow.size <= 0 ? Written.StreamBlocked : Written.ConnectionBlocked;
      if (count < DRIBBLE_BYTES && count === window && count < wanted) this.isDribbling = true;
      left -= count;
      this.#position += count;
      this.sendWindow.spend(count);
      sendWindow.spend(count);
      const isLast = this.#position === this.#end && gate?.isPending !== true;
      writeFrameHead(out.bytes, out.used, count, FrameType.Data, isLast ? FLAG_END_STREAM : 0, this.stream);
      out.used += FRAME_HEAD_BYTES + count;
      if (isLast) return Written.Done;
    }
    return Written.More;
  }

  /** Copies up to `count` bytes of content to the place of the next payload. Returns the number; 0 if there are none. */
  #read(body: Content, out: Scratch, count: number): number {
    const at = out.used + FRAME_HEAD_BYTES;
    if ("size" in body) return body.read(this.#position, out.bytes, at, count);
    const bytes = body instanceof Uint8Array ? body : body.bytes;
    out.bytes.set(bytes.subarray(this.#position, this.#position + count), at);
    return count;
  }

  /** Returns the end of the piece that comes next: no frame has bytes of two pieces. */
  #nextEnd(body: Content): number {
    if (!("ends" in body)) return this.#end;
    while ((body.ends[this.#piece] ?? this.#end) <= this.#position && this.#piece < body.ends.length) this.#piece++;
    return body.ends[this.#piece] ?? this.#end;
  }

  /** Decides about a source that has nothing more, or nothing at the moment. */
  #afterLast(body: Content, out: Scratch): Written {
    if (!("whenMore" in body) || body.isCut === true) return Written.Short;
    if (!body.isOver) return Written.Waiting;
    if (this.#gate?.isPending === true) {
      this.#gate.contentEnds(this.#position);
      return Written.More;
    }
    // A Content-Length that is not reached would make the response malformed.
    if (this.#end !== Number.MAX_SAFE_INTEGER && this.#position < this.#end) return Written.Short;
    return this.#writeEnd(out);
  }

  /** Writes the head. Returns false if there is no room for it. */
  #writeHead(out: Scratch, limit: number): boolean {
    const { encoder, context, frameSizeMax } = this.#owner;
    const { status, fields } = this.exchange.response as Response;
    const extra = this.exchange.admission.isControl ? context.endpointFields : context.fixedFields;
    const blockMax = encoder.headBytesMax(extra, fields);
    const bytesMax = blockMax + blockHeadBytes(blockMax, frameSizeMax);
    if (out.used > 0 && out.used + bytesMax > limit) return false;
    out.reserve(bytesMax);
    const start = out.used + FRAME_HEAD_BYTES;
    const { clock } = context;
    const end = encoder.writeHead(out.bytes, start, status, clock.second, clock.dateLine, extra, fields);
    const isLast = this.#body === null || (this.#end === 0 && !("whenMore" in this.#body));
    if (isLast) this.#body = null;
    const hasEnd = isLast && this.#gate?.hasPlace !== true;
    out.used = writeBlockHeads(out.bytes, out.used, end - start, this.stream, hasEnd, frameSizeMax);
    this.#isHeadDue = false;
    return true;
  }

  sentBytes(isCut: boolean): number {
    return isCut && this.#isHeadDue ? 0 : this.#position;
  }

  // The end.

  /** The kernel has accepted the last byte of the response. */
  finish(): void {
    const { exchange } = this;
    this.#body = null;
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
    const gate = this.#gate;
    const wasShut = this.receiveWindow.release();
    if (wasShut) this.#owner.consumed(this, 0);
    if (gate !== null && !gate.open()) this.#owner.reset(this, ErrorCode.InternalError, "fault");
    else if (gate !== null) this.#proceed();
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
    this.#body = null;
    if (!this.isAnswered) exchange.abandon(reason);
    this.#giveBack();
  }

  /** Returns slot, request, and memory that is held for the peer. */
  #giveBack(): void {
    const { request, lease } = this.exchange;
    const { requests, peerMemory } = this.#owner.context;
    if (this.#shared !== null) peerMemory.unshare(this, this.#shared);
    this.#shared = null;
    this.#gate?.closed();
    this.#gate = null;
    this.exchange.request = null;
    if (request !== null) requests.takeBack(request);
    lease.repaid();
    lease.release();
  }

  /** Ends a turn: counts the memory of content that waits for the peer, which other responses may send too. */
  share(): void {
    const { content } = this;
    const { peerMemory } = this.#owner.context;
    if (content === this.#shared && (content === null || this.#position === this.#sharedAt)) return;
    if (content !== this.#shared && this.#shared !== null) peerMemory.unshare(this, this.#shared);
    this.#shared = content;
    this.#sharedAt = this.#position;
    if (content !== null) peerMemory.share(this, content);
  }

  ready(): void {
    this.#owner.wake(this);
  }

  // Deadlines.

  /** Sets the deadline for the event that the stream waits for. `isBlocked`: its own window keeps the response back. */
  arm(isBlocked: boolean): void {
    const wait = this.#reasonToWait(isBlocked);
    this.deadline.set(wait, wait === Wait.Send ? this.#position : this.received);
  }

  #reasonToWait(isBlocked: boolean): Wait {
    const { phase } = this.exchange;
    if (phase === Phase.Waiting || this.isHeldBack) return Wait.Queue;
    if (this.awaitsContent) return this.receiveWindow.isShut ? Wait.None : Wait.Body;
    if (!this.isLocalOpen) return Wait.Rest;
    return phase === Phase.Sending && isBlocked && !this.isHeld ? Wait.Send : Wait.None;
  }

  /** Looks at the deadline. Returns the reason if it is over; a peer that is fast enough gets another window. */
  expired(): Wait {
    const { deadline } = this;
    const { wait } = deadline;
    if (!deadline.isOver || wait === Wait.None) return Wait.None;
    // The peer alone moves its window: a window in which it does not is a stall, whatever was sent before.
    const isFast = wait === Wait.Send ? deadline.extendBody(this.#position) : deadline.extendFor(this.received);
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

  get isRestOver(): boolean {
    return this.#owner.context.clock.nowMs >= this.#restEndMs;
  }
}

function sizeOf(content: Content): number {
  if (content instanceof Uint8Array) return content.length;
  return "ends" in content ? content.bytes.length : content.size;
}
