/**
 * Frames of HTTP/2. Properties: whole or split, the same frames and the same error; no frame reaches beyond its bytes; and a frame
 * that was read is written again with the same meaning.
 */
import { describeHttp2Error, ErrorCode, errorCodeName, Http2Error } from "../../src/http2/errors.ts";
import {
  blockHeadBytes,
  GOAWAY_FRAME_BYTES,
  PING_FRAME_BYTES,
  SHORT_FRAME_BYTES,
  writeBlockHeads,
  writeFrameHead,
  writeGoAway,
  writePingAck,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from "../../src/http2/frame-writer.ts";
import {
  FRAME_HEAD_BYTES,
  FRAME_SIZE_MAX,
  FRAME_SIZE_MIN,
  FrameReader,
  FrameType,
  PeerSettings,
  SettingId,
  WINDOW_MAX,
} from "../../src/http2/frames.ts";
import { textOf } from "../../test/support/bytes.ts";
import type { Random } from "./random.ts";
import type { FuzzTarget } from "./target.ts";

/** Small enough for inputs to pass it. */
const SIZE_MAX = 300;

export const framesTarget: FuzzTarget = {
  name: "frames",
  dictionary: [
    frame(5, FrameType.Headers, 0x24, 1),
    frame(3, FrameType.Data, 0x9, 1),
    frame(0, FrameType.Continuation, 4, 1),
    frame(4, FrameType.WindowUpdate, 0, 0),
    frame(6, FrameType.Settings, 0, 0),
    frame(8, FrameType.Ping, 0, 0),
    frame(8, FrameType.GoAway, 0, 0),
    frame(4, FrameType.RstStream, 0, 3),
    frame(4, FrameType.PriorityUpdate, 0, 0),
    frame(SIZE_MAX + 1, 0xfe, 0, 0),
    "\0\x04\x7f\xff\xff\xff",
    "\0\x05\0\0\x40\0",
    "\x80\0\0\0",
  ],
  check(input, random) {
    const whole = framesOf(input, [input.length]);
    const split = framesOf(input, stopsOf(input.length, random));
    if (!Bun.deepEquals(whole, split)) return `split, the frames are others: ${whole} and ${split}`;
    return checkSettings(input) || checkRewritten(input) || checkBlock(input, random);
  },
};

function frame(length: number, type: number, flags: number, streamId: number): string {
  const bytes = new Uint8Array(FRAME_HEAD_BYTES);
  writeFrameHead(bytes, 0, length, type, flags, streamId);
  return textOf(bytes);
}

function stopsOf(length: number, random: Random): number[] {
  const longest = random.pick([1, 3, 20, 400]);
  const stops: number[] = [];
  for (let at = 0; at < length; ) {
    at = Math.min(length, at + 1 + random.below(longest));
    stops.push(at);
  }
  return stops;
}

/** Returns each frame with all that its reader says of it, and the error that ends them. */
function framesOf(input: Uint8Array, stops: readonly number[]): string[] {
  const reader = new FrameReader(SIZE_MAX);
  const frames: string[] = [];
  let at = 0;
  for (const end of stops) {
    for (;;) {
      const size = reader.read(input, at, end);
      if (size === 0) break;
      if (size < 0) {
        const { code, isConnection } = describeHttp2Error(size);
        if (code === ErrorCode.InternalError) throw new Error(`${size} has no row`);
        frames.push(`${Http2Error[size]} ${errorCodeName(code)} ${reader.streamId}`);
        if (isConnection) return frames;
        at += FRAME_HEAD_BYTES + reader.length;
        continue;
      }
      if (
        reader.start > reader.end ||
        reader.start < at + FRAME_HEAD_BYTES ||
        reader.end > at + size ||
        at + size > end
      )
        throw new Error("a frame reaches beyond its bytes");
      at += size;
      frames.push(JSON.stringify(reader));
    }
  }
  return frames;
}

/** The values that were taken are in their ranges. */
function checkSettings(input: Uint8Array): string {
  const settings = new PeerSettings();
  if (settings.apply(input, 0, input.length) < 0) return "";
  if (settings.initialWindowSize > WINDOW_MAX) return "the window is too large";
  if (settings.headerTableSizeMin > settings.headerTableSize) return "the smallest table is larger than the last";
  return settings.maxFrameSize < FRAME_SIZE_MIN || settings.maxFrameSize > FRAME_SIZE_MAX ? "the frame size" : "";
}

/** The first frame, written again from its parts, is read as it was. */
function checkRewritten(input: Uint8Array): string {
  const reader = new FrameReader(SIZE_MAX);
  if (reader.read(input, 0, input.length) <= 0) return "";
  const into = new Uint8Array(FRAME_HEAD_BYTES + SIZE_MAX);
  const end = rewrite(reader, input, into);
  if (end === 0) return "";
  const again = new FrameReader(SIZE_MAX);
  if (again.read(into, 0, end) !== end) return "the written frame is not one frame";
  const parts = ({ type, streamId, errorCode, lastStreamId, increment }: FrameReader) =>
    JSON.stringify({ type, streamId, errorCode, lastStreamId, increment });
  return parts(again) === parts(reader) ? "" : `${parts(reader)} is read back as ${parts(again)}`;
}

/** Writes a frame of a type that the server sends. Returns its end; 0 for other types. */
function rewrite(reader: FrameReader, input: Uint8Array, into: Uint8Array): number {
  switch (reader.type) {
    case FrameType.RstStream:
      return checkedEnd(writeRstStream(into, 0, reader.streamId, reader.errorCode), SHORT_FRAME_BYTES);
    case FrameType.WindowUpdate:
      return checkedEnd(writeWindowUpdate(into, 0, reader.streamId, reader.increment), SHORT_FRAME_BYTES);
    case FrameType.Ping:
      return checkedEnd(writePingAck(into, 0, input, reader.start), PING_FRAME_BYTES);
    case FrameType.GoAway: {
      const debug = textOf(input.subarray(reader.start, reader.end));
      const end = writeGoAway(into, 0, reader.lastStreamId, reader.errorCode, debug);
      return checkedEnd(end, GOAWAY_FRAME_BYTES + debug.length);
    }
    case FrameType.Settings:
      if (reader.isAck) return checkedEnd(writeSettingsAck(into, 0), FRAME_HEAD_BYTES);
      return writeSettings(into, 0, [[SettingId.EnablePush, reader.length % 2]]);
    default:
      return 0;
  }
}

function checkedEnd(end: number, expected: number): number {
  if (end !== expected) throw new Error(`the frame ends at ${end}, expected at ${expected}`);
  return end;
}

/** The input as a field block: its frames are in order, and together they carry it. */
function checkBlock(input: Uint8Array, random: Random): string {
  const sizeMax = random.pick([1, 2, 9, 10, 300]);
  const offset = random.below(3);
  const into = new Uint8Array(offset + blockHeadBytes(input.length, sizeMax) + input.length);
  into.set(input, offset + FRAME_HEAD_BYTES);
  const end = writeBlockHeads(into, offset, input.length, 5, true, sizeMax);
  if (end !== into.length) return "the heads take another room than announced";
  const reader = new FrameReader(sizeMax);
  let carried = "";
  for (let at = offset; at < end; ) {
    const size = reader.read(into, at, end);
    if (size <= 0) return `a frame of the block is no frame: ${Http2Error[size]}`;
    carried += textOf(into.subarray(reader.start, reader.end));
    at += size;
  }
  if (reader.blockStreamId !== 0) return "the block has no end";
  return carried === textOf(input) ? "" : "the frames carry another block";
}
