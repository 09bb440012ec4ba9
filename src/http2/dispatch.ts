/**
 * The effect of each frame on the connection and its streams (RFC 9113 §5, §6). The rules about states stand here, and nowhere else; the
 * connection decides about turns, deadlines and the end.
 */
import type { Peer } from "../exchange/peer.ts";
import { ParseError } from "../http/parse-error.ts";
import type { Http2Context } from "./context.ts";
import { describeHttp2Error, ErrorCode, Http2Error } from "./errors.ts";
import { ReceiveWindow } from "./flow-control.ts";
import { PeerSettings } from "./frames.ts";
import { Burden, type Guard } from "./guard.ts";
import { type FieldSink, HpackDecoder } from "./hpack-decoder.ts";
import type { FrameHandler } from "./receiver.ts";
import type { Http2Request } from "./request.ts";
import { judgeField, TrailerCheck } from "./request-head.ts";
import type { Sender } from "./sender.ts";
import { Stream, type StreamOwner } from "./stream.ts";
import { Closed, type Streams } from "./streams.ts";

/** Window of the connection before the first WINDOW_UPDATE (RFC 9113 §6.9.2). */
const INITIAL_WINDOW_BYTES = 65_535;

/** WINDOW_UPDATE frames that are worth their work for each DATA frame: one for the stream, one for the connection, and as many for luck. */
const UPDATES_PER_FRAME = 4;
const UPDATES_MIN = 200;

/** The connection, as the effects of frames see it. */
export interface DispatchOwner extends StreamOwner {
  readonly isOpen: boolean;
  /** The other side, as its requests know it. */
  readonly from: Peer;
  /** False: further requests are refused, because the connection ends. */
  readonly takesRequests: boolean;
  /** The stream has more of its request. */
  advance(stream: Stream): void;
  /** Counts a request whose head was complete. Returns its position. */
  counted(): number;
  /** The peer has acknowledged our settings. */
  settingsTaken(): void;
  /** The peer has answered our PING. */
  pingAnswered(): void;
  /** The peer takes no further requests' responses after those that are under way. */
  peerLeaves(): void;
  /** Both sides of an answered stream have ended. */
  forget(stream: Stream): void;
  /** Closes a stream that the peer has reset. */
  dropByPeer(stream: Stream): void;
  frameSizeMax: number;
}

export class Dispatch implements FrameHandler {
  readonly #owner: DispatchOwner;
  readonly #context: Http2Context;
  readonly #streams: Streams;
  readonly #sender: Sender;
  readonly #guard: Guard;
  readonly #decoder = new HpackDecoder(judgeField);
  readonly #peerSettings = new PeerSettings();
  readonly #window: ReceiveWindow;
  /** Stream whose DATA frame is being taken; null if its content is dropped. */
  #current: Stream | null = null;
  #isCurrentLast = false;
  #hasSettings = false;
  #isAckDue = true;
  /** DATA frames that came, and their content. */
  #frames = 0;
  #contentBytes = 0;
  /** WINDOW_UPDATE frames that came. */
  #updates = 0;

  constructor(owner: DispatchOwner, streams: Streams, sender: Sender, guard: Guard) {
    this.#owner = owner;
    this.#context = owner.context;
    this.#streams = streams;
    this.#sender = sender;
    this.#guard = guard;
    this.#window = new ReceiveWindow(INITIAL_WINDOW_BYTES, owner.context.limits.http2WindowBytes);
  }

  get isOpen(): boolean {
    return this.#owner.isOpen;
  }

  /** Widens the window of the connection from its initial size. */
  begin(): void {
    this.#giveBack(0, this.#window.consume(0));
  }

  // Requests.

  block(streamId: number, isLast: boolean, bytes: Uint8Array, start: number, end: number): number {
    if (streamId % 2 === 0) return Http2Error.StreamIdEven;
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return this.#takeTrailers(stream, isLast, bytes, start, end);
    if (streamId > this.#streams.last) return this.#open(streamId, isLast, bytes, start, end);
    const how = this.#streams.closedBy(streamId);
    if (how === Closed.Ended) return Http2Error.StreamClosed;
    if (how === Closed.Unknown) return Http2Error.StreamIdReused;
    const error = this.#skip(bytes, start, end);
    if (error < 0) return error;
    if (how === Closed.ByUs) return this.ignored();
    return this.streamError(streamId, Http2Error.StreamHalfClosed);
  }

  /** Decodes a block without a use, so that the table stays that of the peer. */
  #skip(bytes: Uint8Array, start: number, end: number): number {
    return this.#decode(bytes, start, end, new TrailerCheck());
  }

  /** Decodes a block. A head without end is nothing for its sender to write, and work to decode, so its size is its weight. */
  #decode(bytes: Uint8Array, start: number, end: number, sink: FieldSink): number {
    const decoder = this.#decoder;
    const { maxHeaderBytes } = this.#context.limits;
    const error = decoder.decode(bytes, start, end, maxHeaderBytes, sink);
    const excess = Math.floor(decoder.sectionBytes / maxHeaderBytes);
    return error === 0 && excess > 0 ? this.#bear(Burden.Reset, excess) : error;
  }

  #open(streamId: number, isLast: boolean, bytes: Uint8Array, start: number, end: number): number {
    const owner = this.#owner;
    const { limits, requests } = this.#context;
    this.#streams.last = streamId;
    const isFull = this.#streams.size >= limits.http2StreamsMax;
    if (isFull || !owner.takesRequests) {
      const error = this.#skip(bytes, start, end);
      this.#streams.close(streamId, Closed.ByUs);
      return error < 0 ? error : this.#reject(streamId, Http2Error.StreamsExceeded, isFull);
    }
    const request = requests.take(owner.from);
    const error = this.#decode(bytes, start, end, request.head);
    if (error < 0) {
      requests.takeBack(request);
      return error;
    }
    const stream = new Stream(owner, streamId, !isLast, this.#peerSettings.initialWindowSize);
    this.#streams.add(stream);
    return this.#arrive(stream, request, isLast);
  }

  #arrive(stream: Stream, request: Http2Request, isLast: boolean): number {
    const owner = this.#owner;
    const { head } = request;
    const isTooLarge = this.#decoder.sectionBytes > this.#context.limits.maxHeaderBytes;
    if (isTooLarge) {
      const isTarget = head.path === null && head.count === 0;
      stream.refuseHead(request, isTarget ? ParseError.TargetTooLong : ParseError.FieldsTooLarge);
    } else if (!stream.arrive(request, owner.counted(), request.understand(isLast))) return this.#malformed(stream);
    const hasTooMany = !isTooLarge && head.error === ParseError.TooManyFields;
    owner.advance(stream);
    return hasTooMany ? this.#bear(Burden.Reset) : 0;
  }

  #takeTrailers(stream: Stream, isLast: boolean, bytes: Uint8Array, start: number, end: number): number {
    const trailers = new TrailerCheck();
    const error = this.#decode(bytes, start, end, trailers);
    if (error < 0) return error;
    if (!stream.isRemoteOpen) return this.streamError(stream.stream, Http2Error.StreamHalfClosed);
    const isTooLarge = this.#decoder.sectionBytes > this.#context.limits.maxHeaderBytes;
    const broken = isTooLarge ? ParseError.TrailersTooLarge : trailers.error;
    // RFC 9113 §8.1: a second HEADERS frame that does not end the stream makes the request malformed.
    if (!isLast) stream.breakOff(ParseError.PseudoFieldMisplaced);
    else if (broken !== 0) stream.breakOff(broken);
    else if (!stream.fits(0, true)) stream.breakOff(ParseError.ContentLengthMismatch);
    else {
      this.#endRemote(stream);
      return 0;
    }
    return this.#malformed(stream);
  }

  /** Resets the stream of a malformed request (RFC 9113 §8.1.1). */
  #malformed(stream: Stream): number {
    this.#owner.reset(stream, ErrorCode.ProtocolError, "protocol error");
    return this.#bear(Burden.Reset);
  }

  #endRemote(stream: Stream): void {
    stream.endRemote();
    this.#owner.advance(stream);
    if (stream.isAnswered && !stream.isClosed) this.#owner.forget(stream);
  }

  // Content.

  dataBegins(streamId: number, length: number, contentBytes: number, isLast: boolean): number {
    this.#current = null;
    this.#isCurrentLast = isLast;
    if (this.#streams.isIdle(streamId)) return Http2Error.StreamIdle;
    if (!this.#window.take(length)) return Http2Error.ConnectionWindowExceeded;
    const padding = length - contentBytes;
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      this.#giveBack(0, this.#window.consume(padding));
      return this.#dataAfterClose(streamId, contentBytes);
    }
    const error = this.#judgeData(stream, length, contentBytes, isLast);
    if (error !== 0) {
      this.#giveBack(0, this.#window.consume(padding));
      if (error !== MISMATCH) return this.streamError(streamId, error);
      stream.breakOff(ParseError.ContentLengthMismatch);
      return this.#malformed(stream);
    }
    this.#current = stream;
    this.consumed(stream, padding);
    if (isLast || !this.#isTiny(contentBytes)) return 0;
    return contentBytes === 0 || stream.isIgnoring ? this.ignored() : this.#bear(Burden.Idle, TINY_WEIGHT);
  }

  /** Returns true for a frame without content, and for one with little if those before it were no better. */
  #isTiny(contentBytes: number): boolean {
    this.#frames++;
    this.#contentBytes += contentBytes;
    return contentBytes === 0 || (contentBytes < TINY_BYTES && this.#contentBytes < TINY_BYTES * this.#frames);
  }

  #judgeData(stream: Stream, length: number, contentBytes: number, isLast: boolean): number {
    if (!stream.isRemoteOpen) return Http2Error.StreamHalfClosed;
    if (!stream.receiveWindow.take(length)) return Http2Error.StreamWindowExceeded;
    return stream.fits(contentBytes, isLast) ? 0 : MISMATCH;
  }

  #dataAfterClose(streamId: number, contentBytes: number): number {
    switch (this.#streams.closedBy(streamId)) {
      case Closed.ByUs:
        // Frames of a fair size are what was on its way; the window of the stream bounds them.
        return contentBytes < SMALL_DATA_BYTES ? this.ignored() : 0;
      case Closed.ByPeer:
        return this.streamError(streamId, Http2Error.StreamHalfClosed);
      default:
        return Http2Error.StreamClosed;
    }
  }

  data(bytes: Uint8Array, start: number, end: number): void {
    const stream = this.#current;
    if (stream === null || stream.isClosed) {
      this.#giveBack(0, this.#window.consume(end - start));
      return;
    }
    stream.take(bytes, start, end);
    this.#owner.advance(stream);
  }

  dataEnds(): void {
    const stream = this.#current;
    this.#current = null;
    if (stream !== null && this.#isCurrentLast && !stream.isClosed) this.#endRemote(stream);
  }

  /** Gives `bytes` back to the windows of the connection, and of the stream if its content is of use. */
  consumed(stream: Stream, bytes: number): void {
    if (stream.isRemoteOpen && !stream.isIgnoring) this.#giveBack(stream.stream, stream.receiveWindow.consume(bytes));
    this.#giveBack(0, this.#window.consume(bytes));
  }

  #giveBack(streamId: number, increment: number): void {
    if (increment === 0 || !this.isOpen) return;
    this.#sender.short.windowUpdate(streamId, increment);
  }

  // Frames of the connection.

  resetByPeer(streamId: number): number {
    const streams = this.#streams;
    if (streams.isIdle(streamId)) return Http2Error.StreamIdle;
    const stream = streams.get(streamId);
    if (stream === undefined) return this.ignored();
    this.#owner.dropByPeer(stream);
    streams.close(streamId, Closed.ByPeer);
    return this.#bear(Burden.Reset);
  }

  settings(bytes: Uint8Array, start: number, end: number): number {
    if (this.#hasSettings && !this.#guard.bears(Burden.Settings)) return Http2Error.TooManySettings;
    this.#hasSettings = true;
    const settings = this.#peerSettings;
    const windowBefore = settings.initialWindowSize;
    const error = settings.apply(bytes, start, end);
    if (error !== 0) return error;
    this.#owner.encoder.setLimit(settings.headerTableSizeMin);
    this.#owner.encoder.setLimit(settings.headerTableSize);
    this.#owner.frameSizeMax = settings.maxFrameSize;
    const change = settings.initialWindowSize - windowBefore;
    if (change !== 0) {
      for (const stream of this.#streams) {
        if (!stream.sendWindow.widen(change)) return Http2Error.ConnectionWindowOverflow;
        this.#unblock(stream);
      }
    }
    this.#sender.short.settingsAck();
    return 0;
  }

  settingsAcknowledged(): number {
    if (!this.#isAckDue) return this.ignored();
    this.#isAckDue = false;
    this.#owner.settingsTaken();
    return 0;
  }

  ping(bytes: Uint8Array, start: number, isAck: boolean): number {
    if (!this.#guard.bears(Burden.Ping)) return Http2Error.TooManyPings;
    if (isAck) {
      this.#owner.pingAnswered();
      return 0;
    }
    this.#sender.short.pingAck(bytes, start);
    return 0;
  }

  goAway(): number {
    this.#owner.peerLeaves();
    return this.ignored();
  }

  priorityUpdate(streamId: number): number {
    const isWithin = this.#streams.prioritize(streamId, this.#context.limits.http2StreamsMax);
    return isWithin ? this.ignored() : Http2Error.PrioritiesExceeded;
  }

  windowUpdate(streamId: number, increment: number): number {
    const isWorthIt = ++this.#updates <= UPDATES_MIN + UPDATES_PER_FRAME * this.#sender.frames;
    if (!isWorthIt && !this.#guard.bears(Burden.Dribble)) return Http2Error.TooManyDribbles;
    if (streamId === 0) return this.#owner.sendWindow.widen(increment) ? 0 : Http2Error.ConnectionWindowOverflow;
    if (this.#streams.isIdle(streamId)) return Http2Error.StreamIdle;
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return 0;
    if (!stream.sendWindow.widen(increment)) return this.streamError(streamId, Http2Error.StreamWindowOverflow);
    this.#unblock(stream);
    return 0;
  }

  #unblock(stream: Stream): void {
    if (!stream.isSending || !stream.isLocalOpen || stream.sendWindow.size <= 0) return;
    // A peer that takes a few bytes at a time would keep the slot from those that wait for one.
    if (stream.sendWindow.size >= MOVING_BYTES) stream.exchange.lease.moving();
    this.#sender.schedule(stream);
  }

  ignored(): number {
    return this.#bear(Burden.Idle);
  }

  streamError(streamId: number, error: number): number {
    // RST_STREAM is not for idle streams (RFC 9113 §6.4), so there the mistake ends the connection.
    if (this.#streams.isIdle(streamId)) return error === Http2Error.PriorityLength ? error : Http2Error.StreamIdle;
    const stream = this.#streams.get(streamId);
    const { code } = describeHttp2Error(error);
    if (stream !== undefined) this.#owner.reset(stream, code, "protocol error");
    else if (this.#streams.closedBy(streamId) === Closed.ByUs) return this.ignored();
    else {
      this.#streams.close(streamId, Closed.ByUs);
      this.#sender.short.reset(streamId, code);
    }
    return this.#bear(Burden.Reset);
  }

  #reject(streamId: number, error: number, isCounted: boolean): number {
    this.#sender.short.reset(streamId, describeHttp2Error(error).code);
    return isCounted ? this.#bear(Burden.Reset) : 0;
  }

  #bear(burden: Burden, weight = 1): number {
    if (this.#guard.bears(burden, weight)) return 0;
    return burden === Burden.Reset ? Http2Error.TooManyResets : Http2Error.TooManyIdleFrames;
  }
}

/** Window of a stream from which on its response moves, so that its slot is not lent: one frame of the usual size. */
const MOVING_BYTES = 16_384;

/** Stands for a Content-Length that the content does not have. */
const MISMATCH = 1;

/** Content of a DATA frame that is worth its work: a line, or a message of a stream of them. */
const TINY_BYTES = 16;

/** Share of a frame without a use that less content counts. Go's client sends a frame for each write to a pipe, thousands of them at once. */
const TINY_WEIGHT = 1 / 16;

/** DATA of a stream that was reset counts as a frame without a use if it has less content than this. */
const SMALL_DATA_BYTES = 256;
