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
import { INPUT_BYTES_MAX } from "./mutate.ts";
import type { Random } from "./random.ts";
import { Coverage } from "./simulation/coverage.ts";
import type { FuzzTarget } from "./target.ts";

/** Small enough for inputs to pass it. */
const SIZE_MAX = 300;

/** Bytes from which field blocks are made. */
const BLOCK_BYTES_MAX = 400;

const parts = new Coverage();

export const framesTarget: FuzzTarget = {
  name: "frames",
  parts,
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
  make: makeFrames,
  check(input, random) {
    const stops = stopsOf(input.length, random);
    const whole = digestOf(input, [input.length], true);
    if (whole !== digestOf(input, stops, false)) {
      return `split, the frames are others: ${described(input, [input.length])} and ${described(input, stops)}`;
    }
    const rest = random.below(input.length + 1);
    return checkSettings(input, rest, input.length) || checkBlock(input.subarray(rest), random);
  },
};

function frame(length: number, type: number, flags: number, streamId: number): string {
  const bytes = new Uint8Array(FRAME_HEAD_BYTES);
  writeFrameHead(bytes, 0, length, type, flags, streamId);
  return textOf(bytes);
}

/** Types that are made, the unknown ones rarely. */
const TYPES = [0, 0, 1, 1, 2, 3, 4, 4, 6, 7, 8, 8, 9, 9, 0x10, 0xfe];

/** Lengths of payloads that are right for each type; others have any. */
const LENGTHS: Readonly<Record<number, readonly number[]>> = {
  2: [5],
  3: [4],
  4: [0, 6, 12, 18],
  6: [8],
  7: [8, 12],
  8: [4],
  16: [5, 9],
};

/** Writes frames in a row, most of them without a mistake. */
function makeFrames(random: Random): Uint8Array {
  const into = new Uint8Array(INPUT_BYTES_MAX);
  let at = 0;
  let block = 0;
  for (;;) {
    // A block that has begun goes on, mostly.
    const type = block > 0 && !random.oneIn(20) ? FrameType.Continuation : random.pick(TYPES);
    const right = LENGTHS[type];
    const length = right === undefined || random.oneIn(30) ? random.below(24) : random.pick(right);
    if (at + FRAME_HEAD_BYTES + length > INPUT_BYTES_MAX) return into.subarray(0, at);
    const isOfConnection = type === 4 || type === 6 || type === 7 || type === 16 || (type === 8 && random.oneIn(2));
    const stream = block > 0 ? block : isOfConnection ? 0 : 1 + random.below(9);
    const streamId = random.oneIn(40) ? random.below(2 ** 32) : stream;
    const flags = random.oneIn(8) ? random.below(256) : random.pick([0, 1, 4, 5, 4, 4]);
    at = writeFrameHead(into, at, length, type, type === 4 && !random.oneIn(20) ? 0 : flags, streamId);
    const isPlain = random.oneIn(2);
    for (const end = at + length; at < end; at++) into[at] = isPlain ? random.below(4) : random.below(256);
    if (type === FrameType.Headers || type === FrameType.Continuation) block = (flags & 4) !== 0 ? 0 : stream;
  }
}

function stopsOf(length: number, random: Random): number[] {
  const longest = random.pick([1, 20, 100, 400]);
  const stops: number[] = [];
  for (let at = 0; at < length; ) {
    at = Math.min(length, at + 1 + random.below(longest));
    stops.push(at);
  }
  return stops;
}

/** Reads frames in parts that end at `stops`. After an error of a connection, another one begins where the frame ends by its head. */
function readFrames(input: Uint8Array, stops: readonly number[], note: (reader: FrameReader, result: number) => void) {
  let reader = new FrameReader(SIZE_MAX);
  let at = 0;
  for (const end of stops) {
    while (at < end) {
      const size = reader.read(input, at, end);
      if (size === 0) break;
      if (size > 0) {
        const { start, end: last } = reader;
        if (start > last || start < at + FRAME_HEAD_BYTES || last > at + size || at + size > end)
          throw new Error("a frame reaches beyond its bytes");
        at += size;
      } else at += FRAME_HEAD_BYTES + (reader.length > SIZE_MAX ? 0 : reader.length);
      note(reader, size);
      if (size < 0 && describeHttp2Error(size).isConnection) reader = new FrameReader(SIZE_MAX);
    }
  }
}

/** Returns a number that differs if a frame or an error differs, for nearly all differences. `isFirst`: checks each frame as well. */
function digestOf(input: Uint8Array, stops: readonly number[], isFirst: boolean): number {
  let digest = 0;
  let frames = 0;
  let mistakes = 0;
  readFrames(input, stops, (reader, result) => {
    const { type, flags, streamId, length } = reader;
    digest = mixed(mixed(mixed(mixed(mixed(digest, result), type), flags), streamId), length);
    if (result < 0) {
      mistakes++;
      if (describeHttp2Error(result).code === ErrorCode.InternalError) throw new Error(`${result} has no row`);
      return;
    }
    frames++;
    const { start, end, errorCode, lastStreamId, increment, blockStreamId } = reader;
    digest = mixed(
      mixed(mixed(mixed(mixed(mixed(digest, start), end), errorCode), lastStreamId), increment),
      blockStreamId,
    );
    if (isFirst) checkFrame(reader, input);
  });
  if (isFirst) parts.count("frames", frames);
  if (isFirst) parts.count("frames with a mistake", mistakes);
  return digest;
}

function mixed(digest: number, value: number): number {
  return (Math.imul(digest ^ value, 0x0100_0193) + (digest >>> 15)) | 0;
}

function described(input: Uint8Array, stops: readonly number[]): string {
  const frames: string[] = [];
  readFrames(input, stops, (reader, result) => {
    const error = result < 0 ? `${Http2Error[result]} ${errorCodeName(describeHttp2Error(result).code)} ` : "";
    frames.push(`${error}${JSON.stringify(reader)}`);
  });
  return frames.join();
}

function checkFrame(reader: FrameReader, input: Uint8Array): void {
  const { type, start, end } = reader;
  const broken = (type === FrameType.Settings ? checkSettings(input, start, end) : "") || checkRewritten(reader, input);
  if (broken !== "") throw new Error(broken);
}

/** The values that were taken are in their ranges. */
function checkSettings(input: Uint8Array, start: number, end: number): string {
  const settings = new PeerSettings();
  if (settings.apply(input, start, end) < 0) return "";
  if (settings.initialWindowSize > WINDOW_MAX) return "the window is too large";
  if (settings.headerTableSizeMin > settings.headerTableSize) return "the smallest table is larger than the last";
  return settings.maxFrameSize < FRAME_SIZE_MIN || settings.maxFrameSize > FRAME_SIZE_MAX ? "the frame size" : "";
}

const REWRITTEN = new Uint8Array(FRAME_HEAD_BYTES + SIZE_MAX);
const AGAIN = new FrameReader(SIZE_MAX);

/** A frame, written again from its parts, is read as it was. */
function checkRewritten(reader: FrameReader, input: Uint8Array): string {
  const end = rewrite(reader, input, REWRITTEN);
  if (end === 0) return "";
  if (AGAIN.read(REWRITTEN, 0, end) !== end) return "the written frame is not one frame";
  const { type, errorCode, lastStreamId, increment } = reader;
  if (AGAIN.type !== type || AGAIN.streamId !== reader.streamId) return "a frame is read back as another one";
  if (type === FrameType.WindowUpdate) return AGAIN.increment === increment ? "" : "another increment is read back";
  if (type === FrameType.GoAway && AGAIN.lastStreamId !== lastStreamId) return "another last stream is read back";
  const hasCode = type === FrameType.GoAway || type === FrameType.RstStream;
  return hasCode && AGAIN.errorCode !== errorCode ? "another code is read back" : "";
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

/** The bytes as a field block: its frames are in order, and together they carry it. */
function checkBlock(bytes: Uint8Array, random: Random): string {
  const block = bytes.subarray(0, BLOCK_BYTES_MAX);
  const sizeMax = random.pick([1, 2, 9, 10, 300]);
  const offset = random.below(3);
  const into = new Uint8Array(offset + blockHeadBytes(block.length, sizeMax) + block.length);
  into.set(block, offset + FRAME_HEAD_BYTES);
  const end = writeBlockHeads(into, offset, block.length, 5, true, sizeMax);
  if (end !== into.length) return "the heads take another room than announced";
  const reader = new FrameReader(sizeMax);
  const carried = new Uint8Array(block.length);
  let count = 0;
  for (let at = offset; at < end; ) {
    const size = reader.read(into, at, end);
    if (size <= 0) return `a frame of the block is no frame: ${Http2Error[size]}`;
    carried.set(into.subarray(reader.start, reader.end), count);
    count += reader.end - reader.start;
    at += size;
  }
  if (reader.blockStreamId !== 0) return "the block has no end";
  return count === block.length && Buffer.compare(carried, block) === 0 ? "" : "the frames carry another block";
}
