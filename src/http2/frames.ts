/**
 * Frames as they come (RFC 9113 §4, §6), read in place: a reader keeps offsets into the received bytes, not copies.
 *
 * Strategy: the head of a frame decides nearly all. Its length is compared with the limit first, then its stream and its place after
 * an unfinished field block, so most mistakes are found before the payload has come. Each call sees a frame from its first byte on,
 * so the same bytes give the same result however they were split. The states of streams belong to the connection, not to this file.
 */
import { Http2Error } from "./errors.ts";

/** Bytes before the payload of each frame. */
export const FRAME_HEAD_BYTES = 9;

/** Largest payload that every endpoint takes, and the initial value of SETTINGS_MAX_FRAME_SIZE. */
export const FRAME_SIZE_MIN = 16_384;

/** Largest value of SETTINGS_MAX_FRAME_SIZE. */
export const FRAME_SIZE_MAX = 16_777_215;

/** Types that this server knows. A frame of another type is read past (RFC 9113 §5.5). */
export enum FrameType {
  Data = 0x0,
  Headers = 0x1,
  Priority = 0x2,
  RstStream = 0x3,
  Settings = 0x4,
  PushPromise = 0x5,
  Ping = 0x6,
  GoAway = 0x7,
  WindowUpdate = 0x8,
  Continuation = 0x9,
  PriorityUpdate = 0x10,
}

/** Bits of the flags. Bits that a type does not define are ignored (RFC 9113 §4.1). */
export const FLAG_ACK = 0x1;
export const FLAG_END_STREAM = 0x1;
export const FLAG_END_HEADERS = 0x4;
export const FLAG_PADDED = 0x8;
const FLAG_PRIORITY = 0x20;

const PRIORITY_BYTES = 5;
const RST_STREAM_BYTES = 4;
const SETTING_BYTES = 6;
const PING_BYTES = 8;
const GOAWAY_BYTES_MIN = 8;
const WINDOW_UPDATE_BYTES = 4;
const PRIORITY_UPDATE_BYTES_MIN = 4;

/** Reads the frames of one connection, one at a time. Its fields describe the last frame, and are valid until the next `read`. */
export class FrameReader {
  /** A FrameType, or any other number up to 255. */
  type = 0;
  flags = 0;
  /** Stream identifier without the reserved bit; 0 for the connection. */
  streamId = 0;
  /** Length of the payload, padding included: the bytes of a DATA frame that count for flow control (RFC 9113 §6.9.1). */
  length = 0;
  /**
   * Offsets of the payload without padding and fixed parts: content of DATA, fragment of the field block of HEADERS and CONTINUATION,
   * pairs of SETTINGS, data of PING, debug data of GOAWAY, priority field value of PRIORITY_UPDATE; of other types all of it.
   */
  start = 0;
  end = 0;
  /** Error code of RST_STREAM and GOAWAY: any number up to 2^32 - 1. */
  errorCode = 0;
  /** Last-Stream-ID of GOAWAY, Prioritized Stream ID of PRIORITY_UPDATE. */
  lastStreamId = 0;
  /** Increment of WINDOW_UPDATE, 1 to 2^31 - 1. */
  increment = 0;
  /** Stream whose field block the next frame has to continue; 0 if the last block is complete. */
  blockStreamId = 0;
  /** Our SETTINGS_MAX_FRAME_SIZE, bytes. */
  readonly #sizeMax: number;

  constructor(sizeMax = FRAME_SIZE_MIN) {
    this.#sizeMax = sizeMax;
  }

  /** END_STREAM of DATA and HEADERS. */
  get isLast(): boolean {
    return (this.flags & FLAG_END_STREAM) !== 0;
  }

  /** ACK of SETTINGS and PING. */
  get isAck(): boolean {
    return (this.flags & FLAG_ACK) !== 0;
  }

  /** END_HEADERS of HEADERS and CONTINUATION. */
  get isBlockEnd(): boolean {
    return (this.flags & FLAG_END_HEADERS) !== 0;
  }

  /**
   * Reads the frame that begins at bytes[start]; bytes[end] is the first byte that has not come.
   *
   * Returns the bytes of the frame, head included. Returns 0 if it is incomplete: then the same bytes and further ones belong in the
   * next call. Returns an Http2Error if it breaks a rule. After a stream error the frame is complete, `streamId` is its stream, and
   * the next frame begins FRAME_HEAD_BYTES + `length` later. That stream may be in any state, also idle: such a frame is then a
   * connection error, or ignored.
   */
  read(bytes: Uint8Array, start: number, end: number): number {
    if (end - start < FRAME_HEAD_BYTES) return 0;
    const length =
      ((bytes[start] as number) << 16) | ((bytes[start + 1] as number) << 8) | (bytes[start + 2] as number);
    this.length = length;
    this.type = bytes[start + 3] as number;
    this.flags = bytes[start + 4] as number;
    this.streamId = read31(bytes, start + 5);
    if (length > this.#sizeMax) return Http2Error.FrameTooLarge;
    const error = this.#checkPlace();
    if (error !== 0) return error;
    const size = FRAME_HEAD_BYTES + length;
    if (end - start < size) return 0;
    this.start = start + FRAME_HEAD_BYTES;
    this.end = start + size;
    const result = this.#readPayload(bytes);
    return result === 0 ? size : result;
  }

  /** Checks all that the head alone decides. Returns 0 or a connection error. */
  #checkPlace(): number {
    const { type, length, streamId, blockStreamId } = this;
    if (blockStreamId !== 0 && (type !== FrameType.Continuation || streamId !== blockStreamId)) {
      return Http2Error.ContinuationMissing;
    }
    switch (type) {
      case FrameType.Data:
        return streamId === 0 ? Http2Error.StreamIdMissing : 0;
      case FrameType.Headers:
      case FrameType.Priority:
        return streamId === 0 ? Http2Error.StreamIdMissing : 0;
      case FrameType.RstStream:
        if (streamId === 0) return Http2Error.StreamIdMissing;
        return length === RST_STREAM_BYTES ? 0 : Http2Error.ResetLength;
      case FrameType.Settings:
        if (streamId !== 0) return Http2Error.StreamIdUnwanted;
        if (this.isAck) return length === 0 ? 0 : Http2Error.SettingsAckLength;
        return length % SETTING_BYTES === 0 ? 0 : Http2Error.SettingsLength;
      case FrameType.PushPromise:
        return Http2Error.PushFromClient;
      case FrameType.Ping:
        if (streamId !== 0) return Http2Error.StreamIdUnwanted;
        return length === PING_BYTES ? 0 : Http2Error.PingLength;
      case FrameType.GoAway:
        if (streamId !== 0) return Http2Error.StreamIdUnwanted;
        return length >= GOAWAY_BYTES_MIN ? 0 : Http2Error.GoAwayLength;
      case FrameType.WindowUpdate:
        return length === WINDOW_UPDATE_BYTES ? 0 : Http2Error.WindowUpdateLength;
      case FrameType.Continuation:
        if (streamId === 0) return Http2Error.StreamIdMissing;
        return blockStreamId === 0 ? Http2Error.ContinuationUnexpected : 0;
      case FrameType.PriorityUpdate:
        if (streamId !== 0) return Http2Error.StreamIdUnwanted;
        return length >= PRIORITY_UPDATE_BYTES_MIN ? 0 : Http2Error.PriorityUpdateLength;
      default:
        return 0;
    }
  }

  /** Reads the payload of a complete frame. Returns 0 or an error. */
  #readPayload(bytes: Uint8Array): number {
    switch (this.type) {
      case FrameType.Data:
        return this.#readPadding(bytes, 0);
      case FrameType.Headers: {
        const error = this.#readPadding(bytes, (this.flags & FLAG_PRIORITY) !== 0 ? PRIORITY_BYTES : 0);
        if (error === 0 && !this.isBlockEnd) this.blockStreamId = this.streamId;
        return error;
      }
      case FrameType.Continuation:
        if (this.isBlockEnd) this.blockStreamId = 0;
        return 0;
      case FrameType.Priority:
        return this.length === PRIORITY_BYTES ? 0 : Http2Error.PriorityLength;
      case FrameType.RstStream:
        this.errorCode = read32(bytes, this.start);
        return 0;
      case FrameType.GoAway:
        this.lastStreamId = read31(bytes, this.start);
        this.errorCode = read32(bytes, this.start + 4);
        this.start += GOAWAY_BYTES_MIN;
        return 0;
      case FrameType.WindowUpdate:
        this.increment = read31(bytes, this.start);
        if (this.increment > 0) return 0;
        return this.streamId === 0 ? Http2Error.ConnectionWindowIncrement : Http2Error.StreamWindowIncrement;
      case FrameType.PriorityUpdate:
        this.lastStreamId = read31(bytes, this.start);
        this.start += PRIORITY_UPDATE_BYTES_MIN;
        // An even identifier is that of a push, and this server opens none.
        return this.lastStreamId % 2 === 0 ? Http2Error.PriorityUpdateStream : 0;
      default:
        return 0;
    }
  }

  /** Takes padding and `fixedBytes` of further parts off the payload. Returns 0 or an error. */
  #readPadding(bytes: Uint8Array, fixedBytes: number): number {
    if ((this.flags & FLAG_PADDED) === 0) {
      if (this.length < fixedBytes) return Http2Error.FrameTooShort;
      this.start += fixedBytes;
      return 0;
    }
    if (this.length < 1 + fixedBytes) return Http2Error.FrameTooShort;
    const padding = bytes[this.start] as number;
    this.start += 1 + fixedBytes;
    if (padding > this.end - this.start) return Http2Error.PaddingTooLong;
    this.end -= padding;
    // RFC 9113 §6.1 lets a recipient check this, and says that a sender must send zeros.
    for (let i = 0; i < padding; i++) if (bytes[this.end + i] !== 0) return Http2Error.PaddingNotZero;
    return 0;
  }
}

/** Identifiers of settings that this server knows (RFC 9113 §6.5.2, RFC 9218 §2.1). Others are ignored. */
export enum SettingId {
  HeaderTableSize = 0x1,
  EnablePush = 0x2,
  MaxConcurrentStreams = 0x3,
  InitialWindowSize = 0x4,
  MaxFrameSize = 0x5,
  MaxHeaderListSize = 0x6,
  NoRfc7540Priorities = 0x9,
}

/** Largest flow-control window (RFC 9113 §6.9.1), bytes. */
export const WINDOW_MAX = 2 ** 31 - 1;

/** Settings of the peer, which bound our side of the connection. They begin with the values of RFC 9113 §6.5.2. */
export class PeerSettings {
  /** Bytes of the dynamic table of our encoder. */
  headerTableSize = 4096;
  /** Smallest value of `headerTableSize` in the last `apply`: the encoder has to go through it (RFC 7541 §4.2). */
  headerTableSizeMin = 4096;
  isPushEnabled = true;
  maxConcurrentStreams = Number.POSITIVE_INFINITY;
  /** Bytes that we may send on a new stream. */
  initialWindowSize = 65_535;
  /** Bytes of our largest payload. */
  maxFrameSize = FRAME_SIZE_MIN;
  /** Bytes of our largest field section, as RFC 9113 §6.5.2 counts them. */
  maxHeaderListSize = Number.POSITIVE_INFINITY;
  /** True if the peer has said that it does not use the priorities of RFC 7540. */
  hasNoPriorities = false;

  /**
   * Takes over the pairs of a SETTINGS frame, bytes[start, end), in their order. Returns 0, or a connection error for a value that
   * is not allowed; then some values may have been taken.
   */
  apply(bytes: Uint8Array, start: number, end: number): number {
    this.headerTableSizeMin = this.headerTableSize;
    for (let at = start; at + SETTING_BYTES <= end; at += SETTING_BYTES) {
      const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      const error = this.#set(id, read32(bytes, at + 2));
      if (error !== 0) return error;
    }
    return 0;
  }

  #set(id: number, value: number): number {
    switch (id) {
      case SettingId.HeaderTableSize:
        this.headerTableSize = value;
        this.headerTableSizeMin = Math.min(this.headerTableSizeMin, value);
        return 0;
      case SettingId.EnablePush:
        this.isPushEnabled = value === 1;
        return value <= 1 ? 0 : Http2Error.EnablePushInvalid;
      case SettingId.MaxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return 0;
      case SettingId.InitialWindowSize:
        this.initialWindowSize = value;
        return value <= WINDOW_MAX ? 0 : Http2Error.InitialWindowTooLarge;
      case SettingId.MaxFrameSize:
        this.maxFrameSize = value;
        return value >= FRAME_SIZE_MIN && value <= FRAME_SIZE_MAX ? 0 : Http2Error.MaxFrameSizeInvalid;
      case SettingId.MaxHeaderListSize:
        this.maxHeaderListSize = value;
        return 0;
      case SettingId.NoRfc7540Priorities:
        this.hasNoPriorities = value === 1;
        return value <= 1 ? 0 : Http2Error.NoPrioritiesInvalid;
      default:
        return 0;
    }
  }
}

function read32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

/** Reads 32 bits without the first, which is reserved and ignored (RFC 9113 §4.1). */
function read31(bytes: Uint8Array, at: number): number {
  return read32(bytes, at) & 0x7fff_ffff;
}
