/**
 * One HTTP/2 connection (RFC 9113): many exchanges at a time, each on a stream of its own.
 *
 * The server reports the socket's events, the time and the end; a stream reports its slot, its response and its content (`wake`). Each
 * call is one turn: frames are taken (receiver.ts) and have their effect (dispatch.ts), streams continue as far as they can
 * (stream.ts), and `#endTurn` writes the frames of all of them together (sender.ts).
 *
 * The end begins with GOAWAY (departure.ts). Responses that are under way follow, but not after a mistake of the peer; then FIN, and a
 * bounded drain (closing.ts). Every connection passes `closed` exactly once.
 *
 * The rule it guards: one connection with a hundred streams is one peer. It has one deadline for bytes that it does not read, one place in
 * the queue of the pool (slot-queue.ts), and one account of the work that it makes (guard.ts).
 */
import type { Connection, ConnectionState, Work } from "../exchange/carrier.ts";
import { Closing, End } from "../exchange/closing.ts";
import type { Resumable } from "../exchange/context.ts";
import { Deadline, Wait } from "../exchange/deadline.ts";
import { OWN_FAILURE, Phase } from "../exchange/exchange.ts";
import type { CloseReason } from "../exchange/observer.ts";
import type { Peer } from "../exchange/peer.ts";
import { ReceiveBuffer } from "../exchange/receive-buffer.ts";
import type { Transport } from "../exchange/transport.ts";
import { formatPeer } from "../http/authority.ts";
import { carryOut } from "./carry-out.ts";
import type { Http2Context } from "./context.ts";
import { Departure } from "./departure.ts";
import { Dispatch, type DispatchOwner } from "./dispatch.ts";
import { describeHttp2Error, ErrorCode, Http2Error } from "./errors.ts";
import { SendWindow } from "./flow-control.ts";
import { FRAME_SIZE_MIN, SettingId } from "./frames.ts";
import { Burden, Guard } from "./guard.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { Receiver } from "./receiver.ts";
import { Pumped, Sender, type SenderEvents } from "./sender.ts";
import { SlotQueue } from "./slot-queue.ts";
import type { Stream } from "./stream.ts";
import { Closed, Streams } from "./streams.ts";
import { Over, Waits } from "./waits.ts";

export class Http2Connection implements Connection, DispatchOwner, SenderEvents, Resumable {
  readonly id: number;
  readonly peer: string;
  readonly address: string;
  readonly from: Peer;
  readonly context: Http2Context;
  readonly encoder = new HpackEncoder();
  readonly sendWindow = new SendWindow(65_535);
  frameSizeMax = FRAME_SIZE_MIN;
  served = 0;
  readonly #transport: Transport;
  readonly #inbox: ReceiveBuffer;
  readonly #streams: Streams;
  readonly #sender: Sender;
  readonly #guard: Guard;
  readonly #dispatch: Dispatch;
  readonly #receiver: Receiver;
  /** Deadline of responses that the peer does not read, and of the end. */
  readonly #deadline: Deadline;
  readonly #waits: Waits;
  readonly #closing: Closing;
  readonly #departure: Departure;
  #isInTurn = false;
  #isDeferred = false;
  #isPeerLeaving = false;
  /** True when the frames before the FIN of the peer were taken. */
  #isPeerGone = false;
  /** Streams to continue before the turn ends. */
  readonly #woken: Stream[] = [];
  readonly #queue: SlotQueue;

  /** The connection is not reported as opened: its door has done so. */
  constructor(context: Http2Context, transport: Transport, id: number, peer: Peer) {
    const { limits, clock } = context;
    this.context = context;
    this.#transport = transport;
    this.id = id;
    this.address = peer.address;
    this.peer = formatPeer(peer.address, peer.port);
    this.from = peer;
    this.#inbox = new ReceiveBuffer(transport);
    this.#streams = new Streams(limits.http2ClosedStreamsMax);
    this.#sender = new Sender(transport, context.scratch, limits, this);
    this.#queue = new SlotQueue(context.pool);
    this.#guard = new Guard(limits, clock);
    this.#dispatch = new Dispatch(this, this.#streams, this.#sender, this.#guard);
    this.#receiver = new Receiver(this.#inbox, this.#dispatch, limits, clock);
    this.#deadline = new Deadline(limits, clock);
    this.#closing = new Closing(transport, this.#deadline, limits, clock);
    this.#departure = new Departure(this.#sender.short, limits, clock);
    this.#waits = new Waits(limits, clock, this.#receiver, this.#sender, this.#deadline);
    this.#begin();
  }

  /** Sends our preface (RFC 9113 §3.4). */
  #begin(): void {
    const { limits } = this.context;
    const pairs = [
      [SettingId.MaxConcurrentStreams, limits.http2StreamsMax],
      [SettingId.InitialWindowSize, limits.http2StreamWindowBytes],
      [SettingId.MaxHeaderListSize, limits.maxHeaderBytes],
      [SettingId.NoRfc7540Priorities, 1],
    ] as const;
    this.#sender.short.settings(pairs);
    this.#dispatch.begin();
    this.#turn(null);
  }

  // Events.

  secured(): void {}

  received(bytes: Uint8Array): void {
    const closing = this.#closing;
    if (closing.end === End.Gone) return;
    if (closing.end !== End.Open || closing.reason !== null) {
      closing.discard(bytes.length, this.#inbox);
      return;
    }
    this.#inbox.append(bytes);
    // Frames that came before have a turn of their own: a peer that sends more gets no more of the loop.
    if (this.#receiver.hasBacklog) this.#inbox.regulate(this.context.limits.receiveBytesMax);
    else this.#turn(null);
  }

  drained(): void {
    if (this.#closing.end === End.Gone) return;
    this.#sender.isBlocked = false;
    for (const stream of this.#streams) stream.exchange.lease.moving();
    this.#turn(null);
  }

  resumed(): void {
    this.#isDeferred = false;
    if (this.#closing.end === End.Gone) return;
    this.#turn(null);
    if (this.#closing.isPeerFinished) this.#takeEnd();
  }

  ended(): void {
    const closing = this.#closing;
    if (closing.end === End.Gone || closing.isPeerFinished) return;
    closing.isPeerFinished = true;
    if (closing.end === End.Open) this.#takeEnd();
    else this.#transport.end();
  }

  /** Takes the FIN of the peer, after the frames before it. */
  #takeEnd(): void {
    if (this.#isPeerGone || this.#receiver.hasBacklog || !this.isOpen) return;
    this.#isPeerGone = true;
    // Requests that are complete are answered. Those that are not will never be.
    this.#dropAll("client", (stream) => stream.isRemoteOpen && !stream.isAnswered);
    for (const stream of [...this.#streams]) stream.exchange.tellLeft();
    this.#turn(null);
  }

  tick(): void {
    if (this.#closing.end !== End.Gone) this.#turn(null, true);
  }

  shutDown(quietMs: number, lingerMs: number): void {
    const closing = this.#closing;
    if (closing.end !== End.Open) {
      if (closing.mayShutDown(false, quietMs, lingerMs)) closing.close("shutdown");
      return;
    }
    this.#departure.announce("shutdown");
    const isQuiet = this.#isIdle && this.#waits.idleMs >= quietMs;
    if (!this.#departure.isFinal && isQuiet) this.#departure.finalize(this.#streams.last);
    this.#turn(null);
  }

  terminate(): void {
    this.abort("shutdown");
  }

  closeIdle(): boolean {
    if (!this.#isIdle || this.#closing.end !== End.Open) return false;
    this.#finish("idle timeout");
    this.#turn(null);
    return true;
  }

  pardon(): void {
    for (const stream of this.#streams) stream.exchange.pardon();
  }

  release(): void {
    for (const stream of [...this.#streams]) stream.release();
  }

  closed(): void {
    const closing = this.#closing;
    if (closing.end === End.Gone) return;
    const slot = [...this.#streams].find((stream) => stream.exchange.lease.slot > 0)?.exchange.lease.slot ?? 0;
    const reason = closing.closed();
    this.context.observer.closed(this.id, slot, this.served, reason);
    this.#letGo(reason);
  }

  // State, for observers.

  get state(): ConnectionState {
    if (this.#closing.end !== End.Open) return "closing";
    if (this.#streams.size > 0) return this.#streams.activity ?? "reading";
    return this.#receiver.isBeginning || this.#receiver.hasBacklog ? "reading" : "idle";
  }

  /** True if no stream is open, and no frame waits for its turn. */
  get #isIdle(): boolean {
    return this.#streams.size === 0 && !this.#receiver.hasBacklog;
  }

  works(): readonly Work[] {
    return Array.from(this.#streams, (stream) => stream.exchange.work()).filter((work) => work !== null);
  }

  // The connection, as its streams and frames see it.

  get isOpen(): boolean {
    return this.#closing.end === End.Open && this.#closing.reason === null;
  }

  get takesRequests(): boolean {
    return !this.#departure.isFinal;
  }

  counted(): number {
    const { limits } = this.context;
    this.#waits.requested();
    if (++this.served === limits.maxRequests) this.#departure.announce("last request");
    return this.served;
  }

  wake(stream: Stream): void {
    if (stream.isClosed) {
      stream.settle();
      return;
    }
    this.#turn(stream);
  }

  advance(stream: Stream): void {
    try {
      stream.advance();
    } catch (error) {
      this.#recover(stream, error);
    }
    this.#queue.continued(stream);
  }

  mayProceed(stream: Stream): boolean {
    return this.#queue.mayProceed(stream);
  }

  schedule(stream: Stream): void {
    this.#sender.schedule(stream);
  }

  get lastStreamMax(): number {
    return this.#departure.lastStream;
  }

  named(lastStream: number): void {
    this.#departure.named(lastStream);
  }

  consumed(stream: Stream, bytes: number): void {
    this.#dispatch.consumed(stream, bytes);
  }

  sendContinue(stream: Stream): void {
    this.#sender.short.interim(this.encoder, stream.stream, this.frameSizeMax);
  }

  reset(stream: Stream, code: ErrorCode, reason: CloseReason): void {
    if (stream.isClosed) return;
    this.#sender.short.reset(stream.stream, code);
    this.drop(stream, reason);
    if (!this.#isInTurn) this.#turn(null);
  }

  drop(stream: Stream, reason: CloseReason): void {
    this.#streams.close(stream.stream, Closed.ByUs);
    this.#sender.remove(stream);
    this.#queue.remove(stream);
    stream.cancel(reason);
  }

  dropByPeer(stream: Stream): void {
    if (stream.isShut) this.#waits.replaced();
    this.drop(stream, "client");
  }

  forget(stream: Stream): void {
    stream.isClosed = true;
    this.#streams.close(stream.stream, Closed.Ended);
  }

  settingsTaken(): void {
    this.#waits.settingsTaken();
  }

  pingAnswered(): void {
    if (this.#departure.isAnnounced) this.#departure.finalize(this.#streams.last);
  }

  peerLeaves(): void {
    this.#isPeerLeaving = true;
  }

  // The connection, as its sender sees it.

  written(stream: Stream): void {
    stream.isLocalOpen = false;
    if (stream.isRemoteOpen) stream.beginRest();
  }

  sent(stream: Stream): void {
    stream.finish();
    if (!stream.isRemoteOpen) this.forget(stream);
  }

  short(stream: Stream): void {
    if (stream.verdict === null) this.reset(stream, ErrorCode.InternalError, "short content");
    else carryOut(stream.verdict, stream, this.#streams, this.#departure, this);
  }

  blocked(stream: Stream): void {
    if (stream.exchange.lease.slot > 0) stream.exchange.lease.stalled();
  }

  // One turn.

  /** Continues with `stream`, or with the frames that have come, and before them with the waits that are over. */
  #turn(stream: Stream | null, isTick = false): void {
    if (this.#isInTurn) {
      if (stream !== null) this.#woken.push(stream);
      return;
    }
    this.#isInTurn = true;
    try {
      if (isTick) this.#expire();
      if (stream !== null) this.advance(stream);
      else this.#receive();
      this.#endTurn();
      // All connections share this buffer. If a turn left bytes in it, the next connection would send them to the wrong peer.
      if (this.context.scratch.used > 0) throw new Error("a turn ended with bytes in the shared scratch");
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isInTurn = false;
    }
  }

  #receive(): void {
    if (!this.isOpen) return;
    const error = this.#receiver.receive();
    if (error === 0) return;
    // Responses that are ready leave before the end, however the bytes were split.
    this.#sender.pump();
    this.#fault(error);
  }

  #endTurn(): void {
    for (;;) {
      this.#continue();
      this.#queue.endTurn();
      const pumped = this.#sender.pump();
      if (pumped === Pumped.Gone) {
        this.abort("client");
        return;
      }
      if (this.#woken.length > 0) continue;
      if (pumped === Pumped.Yield || this.#receiver.hasBacklog) this.#defer();
      if (pumped === Pumped.Blocked) this.#stall();
      break;
    }
    if (this.#closing.end !== End.Open) return;
    this.#checkWork();
    this.#checkEnd();
    this.#inbox.regulate(this.#receiver.hasBacklog ? this.context.limits.receiveBytesMax : Number.POSITIVE_INFINITY);
    if (this.#closing.end === End.Open) this.#arm();
  }

  /** Continues with streams that were woken in this turn, and with those that may wait for a slot now. */
  #continue(): void {
    for (let stream = this.#woken.shift(); stream !== undefined; stream = this.#woken.shift()) {
      if (stream.isClosed) stream.settle();
      else this.advance(stream);
    }
    for (let next = this.#queue.next(); next !== null; next = this.#queue.next()) this.advance(next);
  }

  #defer(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.context.defer(this);
  }

  /** The kernel is full: the slots of all responses may be lent. */
  #stall(): void {
    for (const stream of this.#streams) if (stream.isSending) this.blocked(stream);
  }

  /** Ends the connection if its peer lets us work for nothing. */
  #checkWork(): void {
    const { limits } = this.context;
    for (; this.#sender.dribbles > 0; this.#sender.dribbles--) {
      if (this.#guard.bears(Burden.Dribble)) continue;
      this.#fault(Http2Error.TooManyDribbles);
      return;
    }
    if (this.#sender.isBlocked && this.#sender.short.used > limits.http2ControlBytesMax) {
      this.#fault(Http2Error.TooManyUnread);
      this.abort("flood");
    }
  }

  /** Answers nothing more after a failure of ours, and closes by RST. Other connections are not affected. */
  #fail(error: unknown): void {
    this.context.observer.failed(this.id, error);
    this.context.scratch.used = 0;
    this.abort("own failure");
  }

  /** Answers 500 after a failure of ours within one stream, or resets it. Other streams are not affected. */
  #recover(stream: Stream, error: unknown): void {
    this.context.observer.failed(this.id, error);
    const { exchange } = stream;
    try {
      if (exchange.phase !== Phase.Receiving || stream.isAnswered) throw error;
      stream.stopReading();
      exchange.refuse(500, OWN_FAILURE);
      stream.advance();
    } catch {
      this.reset(stream, ErrorCode.InternalError, "own failure");
    }
  }

  // The end.

  /** Ends a connection whose streams have ended. */
  #finish(reason: CloseReason): void {
    if (!this.#departure.isFinal) this.#departure.finalize(this.#streams.last);
    this.#closing.reason ??= reason;
  }

  /** Ends the connection because its peer breaks a rule. */
  #fault(error: number, reason?: CloseReason): void {
    if (!this.isOpen) return;
    const { code, sentence } = describeHttp2Error(error);
    this.#departure.finalize(this.#streams.last, code, sentence);
    this.#closing.reason = reason ?? (code === ErrorCode.EnhanceYourCalm ? "flood" : "protocol error");
    this.#dropAll(this.#closing.reason);
    this.#inbox.clear();
  }

  /** Closes streams. A slot that one of them gives back begins no turn for one that is closed next. */
  #dropAll(reason: CloseReason, isDropped: (stream: Stream) => boolean = () => true): void {
    const wasInTurn = this.#isInTurn;
    this.#isInTurn = true;
    try {
      for (const stream of [...this.#streams]) if (isDropped(stream)) this.drop(stream, reason);
    } finally {
      this.#isInTurn = wasInTurn;
    }
  }

  /** Closes streams that wait for a window, or for their fault: after its FIN, the peer opens none, and cannot close them. */
  #dropBlocked(): void {
    const isBlocked = ({ isHeld, sendWindow }: Stream) =>
      isHeld || Math.min(sendWindow.size, this.sendWindow.size) <= 0;
    this.#dropAll("client", (stream) => stream.isSending && isBlocked(stream));
    if (this.#woken.length > 0) this.#defer();
  }

  /** Sends FIN once nothing more is to be sent. */
  #checkEnd(): void {
    if (this.#isPeerGone) this.#dropBlocked();
    if (this.#isIdle && this.#closing.reason === null) {
      if (this.#departure.isFinal) this.#closing.reason = this.#departure.reason;
      else if (this.#isPeerGone || this.#isPeerLeaving) this.#finish("client");
    }
    if (this.#closing.reason === null) return;
    if (this.#sender.pump() === Pumped.Sent && this.#sender.isFlushed) {
      this.#inbox.clear();
      this.#closing.linger();
      this.context.peerMemory.hold(this, 0);
    }
  }

  /** Closes by RST: the peer does not read, or we cannot go on. */
  abort(reason: CloseReason): void {
    const closing = this.#closing;
    if (closing.end === End.Gone) return;
    closing.abort(reason);
    this.#letGo(reason);
    this.#transport.terminate();
  }

  /** Returns everything. Safe to call twice. */
  #letGo(reason: CloseReason): void {
    this.#dropAll(reason);
    this.#sender.clear();
    this.#inbox.clear();
    this.context.peerMemory.hold(this, 0);
  }

  // Deadlines.

  /** Sets the deadlines of the connection and of its streams, and counts the memory that is held for the peer. */
  #arm(): void {
    const sender = this.#sender;
    const streams = this.#streams.arm(sender.isBlocked || sender.isWindowClosed);
    const bytes = this.#inbox.heldBytes + this.#receiver.heldBytes + sender.heldBytes + streams.heldBytes;
    this.context.peerMemory.hold(this, bytes < COUNTED_BYTES_MIN ? 0 : bytes);
    this.#waits.arm(streams, this.sendWindow.spent);
  }

  /** Acts on the waits that are over. */
  #expire(): void {
    const closing = this.#closing;
    if (closing.end !== End.Open) {
      if (this.#deadline.isOver) closing.close("client");
      return;
    }
    const over = this.#waits.over(this.sendWindow.spent);
    if (over === Over.Send) {
      this.#fault(Http2Error.Stalled, "send timeout");
      // A kernel that is full takes no GOAWAY.
      if (this.#sender.isBlocked) this.abort("send timeout");
    } else if (over === Over.Frame) this.#fault(Http2Error.FrameTimeout);
    else if (over === Over.Settings) this.#fault(Http2Error.SettingsTimeout);
    else if (over === Over.Idle) this.#finish("idle timeout");
    else if (this.#departure.isDue) this.#departure.finalize(this.#streams.last);
    else this.#expireStreams();
  }

  #expireStreams(): void {
    let hasStalled = false;
    for (const stream of [...this.#streams]) {
      const wait = stream.expired();
      if (wait === Wait.Body || wait === Wait.Queue) this.#giveUp(stream, wait);
      else if (wait === Wait.Rest || stream.isRestOver) this.#cutRest(stream);
      else if (wait === Wait.Send) {
        hasStalled = true;
        this.reset(stream, ErrorCode.EnhanceYourCalm, "send timeout");
      }
    }
    if (!hasStalled) return;
    this.#waits.cut();
    // A client whose every window is closed is kept for nothing.
    if (this.#streams.size === 0) this.#fault(Http2Error.Stalled);
  }

  #giveUp(stream: Stream, wait: Wait.Body | Wait.Queue): void {
    this.#queue.remove(stream);
    stream.hasStalled = wait === Wait.Body;
    stream.exchange.giveUp(wait);
    this.advance(stream);
  }

  /** Ends a stream whose response is complete, and the rest of whose request is not needed (RFC 9113 §8.1). */
  #cutRest(stream: Stream): void {
    if (!stream.isAnswered) return;
    stream.isClosed = true;
    this.#streams.close(stream.stream, Closed.ByUs);
    this.#sender.short.reset(stream.stream, ErrorCode.NoError);
    // A client that stalls is not waited for once more, unless other requests are under way: as in HTTP/1.
    if (stream.hasStalled && this.#isIdle) this.#finish("last answer");
  }
}

/** Bytes below which a connection is not counted: about as much as its own objects take. */
const COUNTED_BYTES_MIN = 4096;
