/**
 * Frames as they leave (RFC 9113 §4, §6). Each function writes to `into` at an offset, where the frame must fit, and returns the
 * offset after it. None of them checks a rule: a fault of a test can write any frame, also a bad one.
 */
import type { ErrorCode } from "./errors.ts";
import { FLAG_ACK, FLAG_END_HEADERS, FLAG_END_STREAM, FRAME_HEAD_BYTES, FrameType, type SettingId } from "./frames.ts";

/** Bytes of a frame with a payload of four: RST_STREAM and WINDOW_UPDATE. */
export const SHORT_FRAME_BYTES = FRAME_HEAD_BYTES + 4;

/** Bytes of a PING frame. */
export const PING_FRAME_BYTES = FRAME_HEAD_BYTES + 8;

/** Bytes of a GOAWAY frame without debug data. */
export const GOAWAY_FRAME_BYTES = FRAME_HEAD_BYTES + 8;

/** Writes the nine bytes before a payload of `length` bytes, up to 2^24 - 1. All 32 bits of `streamId` are written. */
export function writeFrameHead(
  into: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  into[at] = length >>> 16;
  into[at + 1] = length >>> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = flags;
  into[at + 5] = streamId >>> 24;
  into[at + 6] = streamId >>> 16;
  into[at + 7] = streamId >>> 8;
  into[at + 8] = streamId;
  return at + FRAME_HEAD_BYTES;
}

/** Writes a number of 32 bits. */
function write32(into: Uint8Array, at: number, value: number): number {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
  return at + 4;
}

/** Writes SETTINGS with the given pairs, six bytes each, in their order. */
export function writeSettings(
  into: Uint8Array,
  offset: number,
  pairs: readonly (readonly [id: SettingId | number, value: number])[],
): number {
  let at = writeFrameHead(into, offset, pairs.length * 6, FrameType.Settings, 0, 0);
  for (const [id, value] of pairs) {
    into[at] = id >>> 8;
    into[at + 1] = id;
    at = write32(into, at + 2, value);
  }
  return at;
}

/** Writes the acknowledgement of SETTINGS (RFC 9113 §6.5.3). */
export function writeSettingsAck(into: Uint8Array, at: number): number {
  return writeFrameHead(into, at, 0, FrameType.Settings, FLAG_ACK, 0);
}

/** Writes the acknowledgement of a PING frame whose eight bytes are data[start, start + 8) (RFC 9113 §6.7). */
export function writePingAck(into: Uint8Array, offset: number, data: Uint8Array, start: number): number {
  const at = writeFrameHead(into, offset, 8, FrameType.Ping, FLAG_ACK, 0);
  for (let i = 0; i < 8; i++) into[at + i] = data[start + i] as number;
  return at + 8;
}

/** Writes GOAWAY (RFC 9113 §6.8). `debug` is ASCII, and adds its length to the GOAWAY_FRAME_BYTES. */
export function writeGoAway(
  into: Uint8Array,
  offset: number,
  lastStreamId: number,
  code: ErrorCode | number,
  debug = "",
): number {
  let at = writeFrameHead(into, offset, 8 + debug.length, FrameType.GoAway, 0, 0);
  at = write32(into, at, lastStreamId);
  at = write32(into, at, code);
  for (let i = 0; i < debug.length; i++) into[at + i] = debug.charCodeAt(i);
  return at + debug.length;
}

/** Writes RST_STREAM (RFC 9113 §6.4). */
export function writeRstStream(into: Uint8Array, at: number, streamId: number, code: ErrorCode | number): number {
  return write32(into, writeFrameHead(into, at, 4, FrameType.RstStream, 0, streamId), code);
}

/** Writes WINDOW_UPDATE (RFC 9113 §6.9) for a stream, or for the connection if `streamId` is 0. */
export function writeWindowUpdate(into: Uint8Array, at: number, streamId: number, increment: number): number {
  return write32(into, writeFrameHead(into, at, 4, FrameType.WindowUpdate, 0, streamId), increment);
}

/** Returns the bytes that the frames of a field block of `length` bytes have before their payloads. */
export function blockHeadBytes(length: number, frameSizeMax: number): number {
  return FRAME_HEAD_BYTES * Math.max(1, Math.ceil(length / frameSizeMax));
}

/**
 * Writes HEADERS around a field block of `length` bytes that stands in `into` already, from `offset` + FRAME_HEAD_BYTES on. If the
 * block is longer than `frameSizeMax`, its further parts move to make room for the heads of CONTINUATION frames (RFC 9113 §6.10):
 * `blockHeadBytes` says how much room all heads take.
 */
export function writeBlockHeads(
  into: Uint8Array,
  offset: number,
  length: number,
  streamId: number,
  isLast: boolean,
  frameSizeMax: number,
): number {
  const flags = isLast ? FLAG_END_STREAM : 0;
  if (length <= frameSizeMax) {
    return writeFrameHead(into, offset, length, FrameType.Headers, flags | FLAG_END_HEADERS, streamId) + length;
  }
  const block = offset + FRAME_HEAD_BYTES;
  const count = Math.ceil(length / frameSizeMax);
  // From the last part on, so that no part is moved over one that has not moved yet.
  for (let i = count - 1; i > 0; i--) {
    const from = i * frameSizeMax;
    const size = Math.min(frameSizeMax, length - from);
    const head = block + from + (i - 1) * FRAME_HEAD_BYTES;
    into.copyWithin(head + FRAME_HEAD_BYTES, block + from, block + from + size);
    writeFrameHead(into, head, size, FrameType.Continuation, i === count - 1 ? FLAG_END_HEADERS : 0, streamId);
  }
  writeFrameHead(into, offset, frameSizeMax, FrameType.Headers, flags, streamId);
  return block + length + (count - 1) * FRAME_HEAD_BYTES;
}
