/**
 * Bytes of one peer, cut into frames: the preface first (RFC 9113 §3.4), then frames, of which the handler hears one by one. Field
 * blocks are handed over complete; content of DATA is handed over as it comes, so that an upload is neither copied nor held up.
 */
import type { Clock } from "../exchange/clock.ts";
import type { ReceiveBuffer } from "../exchange/receive-buffer.ts";
import { Http2Error } from "./errors.ts";
import { FLAG_PADDED, FRAME_HEAD_BYTES, FrameReader, FrameType } from "./frames.ts";

const PREFACE: Uint8Array = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Takes frames that are whole and well-formed by themselves. Each method returns 0, or an Http2Error that ends the connection. */
export interface FrameHandler {
  /** False: nothing more is taken. */
  readonly isOpen: boolean;
  /** Takes a complete field block, bytes[start, end). */
  block(streamId: number, isLast: boolean, bytes: Uint8Array, start: number, end: number): number;
  /** A DATA frame begins: a payload of `length` bytes with `contentBytes` of content. */
  dataBegins(streamId: number, length: number, contentBytes: number, isLast: boolean): number;
  /** Takes content of that frame. */
  data(bytes: Uint8Array, start: number, end: number): void;
  /** The frame is complete. */
  dataEnds(): void;
  resetByPeer(streamId: number): number;
  settings(bytes: Uint8Array, start: number, end: number): number;
  settingsAcknowledged(): number;
  ping(bytes: Uint8Array, start: number, isAck: boolean): number;
  goAway(): number;
  windowUpdate(streamId: number, increment: number): number;
  /** A stream gets another priority. */
  priorityUpdate(streamId: number): number;
  /** A frame that this server ignores. */
  ignored(): number;
  /** A frame breaks a rule of its stream. */
  streamError(streamId: number, error: number): number;
}

/** Bounds of one field block, and of one turn. */
interface ReceiveLimits {
  readonly http2TurnWork: number;
  readonly http2TurnMs: number;
  readonly http2ContinuationsMax: number;
  readonly http2BlockBytesMax: number;
  readonly maxHeaderBytes: number;
}

export class Receiver {
  /** Frames that were complete; those of one field block count as one. */
  completed = 0;
  /** True if bytes wait for a later turn, because this one had enough. */
  hasBacklog = false;
  readonly #inbox: ReceiveBuffer;
  readonly #handler: FrameHandler;
  readonly #limits: ReceiveLimits;
  readonly #clock: Pick<Clock, "elapsedMs">;
  readonly #frames = new FrameReader();
  #isPrefaceDue = true;
  #isSettingsDue = true;
  /** Bytes of the payload of a DATA frame that have not come. */
  #dataLeft = 0;
  /** Fragments of an unfinished field block. */
  #block: Uint8Array = NO_BYTES;
  #blockBytes = 0;
  #isBlockLast = false;
  #continuations = 0;
  /** Work of the current turn, in frames without a payload. */
  #work = 0;
  /** Monotonic milliseconds at its beginning. */
  #beganMs = 0;

  constructor(inbox: ReceiveBuffer, handler: FrameHandler, limits: ReceiveLimits, clock: Pick<Clock, "elapsedMs">) {
    this.#inbox = inbox;
    this.#handler = handler;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** True until the preface and the first SETTINGS have come. */
  get isBeginning(): boolean {
    return this.#isSettingsDue;
  }

  /** True if a frame other than DATA, or a field block, has begun and is not complete. */
  get isWithinFrame(): boolean {
    return this.#frames.blockStreamId !== 0 || (this.#dataLeft === 0 && this.#inbox.length > 0);
  }

  /** Bytes of memory that an unfinished field block takes. */
  get heldBytes(): number {
    return this.#block.length;
  }

  /** Takes the frames that have come, as far as one turn goes. Returns 0, or the Http2Error that ends the connection. */
  receive(): number {
    const inbox = this.#inbox;
    this.hasBacklog = false;
    this.#work = 0;
    this.#beganMs = this.#clock.elapsedMs(0);
    while (this.#handler.isOpen) {
      if (this.#isEnough()) {
        this.hasBacklog = inbox.length > 0;
        return 0;
      }
      const consumed = this.#isPrefaceDue
        ? this.#takePreface()
        : this.#dataLeft > 0
          ? this.#takeData()
          : this.#takeFrame();
      if (consumed <= 0) return consumed;
      if (consumed <= inbox.length) inbox.consume(consumed);
    }
    return 0;
  }

  /** Returns true after the work of a turn, and after its time, of which requests alone take much. */
  #isEnough(): boolean {
    const { http2TurnWork, http2TurnMs } = this.#limits;
    if (this.#work >= http2TurnWork) return true;
    return (
      this.#work > 0 && this.#frames.type === FrameType.Headers && this.#clock.elapsedMs(this.#beganMs) >= http2TurnMs
    );
  }

  #takePreface(): number {
    const { bytes, start, end } = this.#inbox;
    const count = Math.min(end - start, PREFACE.length);
    for (let i = 0; i < count; i++) if (bytes[start + i] !== PREFACE[i]) return Http2Error.PrefaceInvalid;
    if (count < PREFACE.length) return 0;
    this.#isPrefaceDue = false;
    return count;
  }

  #takeData(): number {
    const { bytes, start, end } = this.#inbox;
    const count = Math.min(this.#dataLeft, end - start);
    if (count === 0) return 0;
    this.#dataLeft -= count;
    this.#work += 1 + count / DATA_BYTES;
    this.#handler.data(bytes, start, start + count);
    if (this.#dataLeft === 0) this.#handler.dataEnds();
    return count;
  }

  /** Takes one frame. Returns its bytes; 0 if it is not complete; or an Http2Error. */
  #takeFrame(): number {
    const frames = this.#frames;
    const { bytes, start, end } = this.#inbox;
    const size = frames.read(bytes, start, end);
    if (size === 0) return this.#beginData(end - start);
    if (size < 0) return this.#mistake(size);
    if (this.#isSettingsDue) {
      if (frames.type !== FrameType.Settings || frames.isAck) return Http2Error.SettingsExpected;
      this.#isSettingsDue = false;
    }
    if (frames.blockStreamId === 0) this.completed++;
    this.#work += workOf(frames.type, size);
    const error = this.#handle(bytes);
    return error === 0 ? size : error;
  }

  /** Begins with the content of a DATA frame that is not complete, if it has no padding. Returns the bytes of its head, or 0. */
  #beginData(count: number): number {
    const { type, flags, streamId, length, isLast } = this.#frames;
    if (count < FRAME_HEAD_BYTES || type !== FrameType.Data || (flags & FLAG_PADDED) !== 0) return 0;
    if (this.#isSettingsDue) return Http2Error.SettingsExpected;
    const error = this.#handler.dataBegins(streamId, length, length, isLast);
    if (error !== 0) return error;
    this.#dataLeft = length;
    return FRAME_HEAD_BYTES;
  }

  /** Decides about a frame that breaks a rule by itself: the stream ends, or the connection. */
  #mistake(error: number): number {
    const { streamId, length } = this.#frames;
    if (error !== Http2Error.PriorityLength && error !== Http2Error.StreamWindowIncrement) return error;
    if (this.#isSettingsDue) return Http2Error.SettingsExpected;
    const result = this.#handler.streamError(streamId, error);
    return result === 0 ? FRAME_HEAD_BYTES + length : result;
  }

  #handle(bytes: Uint8Array): number {
    const frames = this.#frames;
    const handler = this.#handler;
    const { type, streamId, start, end } = frames;
    switch (type) {
      case FrameType.Data:
        return this.#wholeData(bytes);
      case FrameType.Headers:
        this.#isBlockLast = frames.isLast;
        this.#continuations = 0;
        this.#blockBytes = 0;
        return this.#takeFragment(bytes, start, end);
      case FrameType.Continuation:
        if (++this.#continuations > this.#limits.http2ContinuationsMax) return Http2Error.TooManyContinuations;
        return this.#takeFragment(bytes, start, end);
      case FrameType.RstStream:
        return handler.resetByPeer(streamId);
      case FrameType.Settings:
        return frames.isAck ? handler.settingsAcknowledged() : handler.settings(bytes, start, end);
      case FrameType.Ping:
        return handler.ping(bytes, start, frames.isAck);
      case FrameType.GoAway:
        return handler.goAway();
      case FrameType.WindowUpdate:
        return handler.windowUpdate(streamId, frames.increment);
      case FrameType.PriorityUpdate:
        return handler.priorityUpdate(frames.lastStreamId);
      default:
        return handler.ignored();
    }
  }

  #wholeData(bytes: Uint8Array): number {
    const { streamId, length, start, end, isLast } = this.#frames;
    const error = this.#handler.dataBegins(streamId, length, end - start, isLast);
    if (error !== 0) return error;
    if (start < end) this.#handler.data(bytes, start, end);
    this.#handler.dataEnds();
    return 0;
  }

  /** Takes a fragment of a field block, and hands the block over if it is complete. */
  #takeFragment(bytes: Uint8Array, start: number, end: number): number {
    const { streamId, isBlockEnd } = this.#frames;
    if (isBlockEnd && this.#blockBytes === 0)
      return this.#handler.block(streamId, this.#isBlockLast, bytes, start, end);
    const needed = this.#blockBytes + end - start;
    if (needed > Math.max(this.#limits.http2BlockBytesMax, 2 * this.#limits.maxHeaderBytes))
      return Http2Error.BlockTooLarge;
    if (needed > this.#block.length) {
      const grown = new Uint8Array(2 * needed);
      grown.set(this.#block.subarray(0, this.#blockBytes));
      this.#block = grown;
    }
    this.#block.set(bytes.subarray(start, end), this.#blockBytes);
    this.#blockBytes = needed;
    if (!isBlockEnd) return 0;
    const block = this.#block;
    this.#block = NO_BYTES;
    return this.#handler.block(streamId, this.#isBlockLast, block, 0, needed);
  }
}

/** Work of a request, besides its bytes. */
const REQUEST_WORK = 4;

/** Bytes that are as much work as a frame: DATA is handed on, and all others are read byte by byte. */
const DATA_BYTES = 2048;
const READ_BYTES = 64;

/** Returns the work of a frame of `size` bytes, in frames without a payload. */
function workOf(type: number, size: number): number {
  if (type === FrameType.Data) return 1 + size / DATA_BYTES;
  return 1 + size / READ_BYTES + (type === FrameType.Headers ? REQUEST_WORK : 0);
}

const NO_BYTES = new Uint8Array(0);
