/**
 * The frames of faults: each as bytes, some of a kind that no server sends, or not at this time. Their fields are literals, so no table
 * changes by them. Loaded with the first connection of a fixture.
 */
import type { Place, Verdict } from "../exchange/stream-gate.ts";
import type { BadFrame, Fault } from "../http/fault.ts";
import { ErrorCode } from "./errors.ts";
import {
  GOAWAY_FRAME_BYTES,
  SHORT_FRAME_BYTES,
  writeFrameHead,
  writeGoAway,
  writeRstStream,
  writeSettings,
  writeWindowUpdate,
} from "./frame-writer.ts";
import {
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FRAME_HEAD_BYTES,
  FRAME_SIZE_MAX,
  FrameType,
  WINDOW_MAX,
} from "./frames.ts";

/** A type of frames that no document defines. */
const UNKNOWN_TYPE = 0xfa;

/** A stream that no client has opened: identifiers have 31 bits. */
const IDLE_STREAM = WINDOW_MAX;

const RESERVED_BIT = 0x80000000;

const FRAMES: Readonly<Record<BadFrame, (at: Place) => Uint8Array>> = {
  oversize: ({ stream, frameSizeMax }) =>
    frame(FrameType.Data, 0, stream, new Uint8Array(Math.min(frameSizeMax + 1, FRAME_SIZE_MAX))),
  "stream-0": () => frame(FrameType.Data, 0, 0, new Uint8Array(1)),
  "idle-stream": () => frame(FrameType.Data, 0, IDLE_STREAM, new Uint8Array(1)),
  padding: ({ stream }) => frame(FrameType.Data, FLAG_PADDED, stream, Uint8Array.of(255, 0)),
  length: () => frame(FrameType.Ping, 0, 0, new Uint8Array(7)),
  continuation: ({ stream }) => frame(FrameType.Continuation, FLAG_END_HEADERS, stream, new Uint8Array(0)),
  "zero-increment": ({ stream }) => windowUpdate(stream, 0),
  overflow: ({ stream }) => windowUpdate(stream, WINDOW_MAX),
  "reserved-bit": ({ stream }) => windowUpdate((stream | RESERVED_BIT) >>> 0, RESERVED_BIT + 1),
  "unknown-type": ({ stream }) => frame(UNKNOWN_TYPE, 0xff, stream, new Uint8Array(8)),
};

/** Returns a frame that breaks a rule, or has bits and a type that the peer has to ignore. */
function badFrame(kind: BadFrame, at: Place): Uint8Array {
  return FRAMES[kind](at);
}

/** Returns GOAWAY with any last stream and code. */
function goAway(lastStream: number, code: number): Uint8Array {
  const bytes = new Uint8Array(GOAWAY_FRAME_BYTES);
  writeGoAway(bytes, 0, lastStream, code);
  return bytes;
}

/** Returns SETTINGS with any values. */
function settingsFrame(pairs: readonly (readonly [id: number, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEAD_BYTES + 6 * pairs.length);
  writeSettings(bytes, 0, pairs);
  return bytes;
}

/** Returns HEADERS whose block is the index 0, which no table has (RFC 7541 §6.1). */
function badHpack(stream: number): Uint8Array {
  return frame(FrameType.Headers, FLAG_END_HEADERS | FLAG_END_STREAM, stream, Uint8Array.of(0x80));
}

/** Returns HEADERS with a field, and without the `:status` that makes them a response (RFC 9113 §8.3.2). */
function noResponse(stream: number): Uint8Array {
  const block = Buffer.concat([Uint8Array.of(0), literal("garbage"), literal("1")]);
  return frame(FrameType.Headers, FLAG_END_HEADERS | FLAG_END_STREAM, stream, block);
}

/** Returns PUSH_PROMISE on `stream` for `GET /pushed` on the stream `promised`, and its end by RST_STREAM with CANCEL. */
function promise(stream: number, promised: number): Uint8Array {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(promised);
  // `:method: GET` and `:scheme: http` by their indices, `:path` and `:authority` with values of their own.
  const fields = [Uint8Array.of(0x82, 0x86, 0x04), literal("/pushed"), Uint8Array.of(0x01), literal("localhost")];
  const pushed = frame(FrameType.PushPromise, FLAG_END_HEADERS, stream, Buffer.concat([id, ...fields]));
  return Buffer.concat([pushed, frame(FrameType.RstStream, 0, promised, Uint8Array.of(0, 0, 0, 8))]);
}

function literal(text: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(text.length), Buffer.from(text)]);
}

function windowUpdate(stream: number, increment: number): Uint8Array {
  const bytes = new Uint8Array(SHORT_FRAME_BYTES);
  writeWindowUpdate(bytes, 0, stream, increment);
  return bytes;
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEAD_BYTES + payload.length);
  bytes.set(payload, writeFrameHead(bytes, 0, payload.length, type, flags, stream));
  return bytes;
}

const NOTHING = new Uint8Array(0);

function going(frames: Uint8Array, more: Partial<Verdict> = {}): Verdict {
  return { frames, windowBytes: 0, next: "goes on", lastStream: null, promised: 0, isLast: false, ...more };
}

function reset(stream: number, code: number): Verdict {
  const frame = new Uint8Array(FRAME_HEAD_BYTES + 4);
  writeRstStream(frame, 0, stream, code);
  return going(frame, { next: "is closed" });
}

/** Returns the effect of a fault at its place. `garbage` are the bytes of that fault. */
export function effectOf(fault: Fault, at: Place, garbage: Uint8Array): Verdict {
  const { kind, http2 } = fault;
  const { stream } = at;
  switch (kind) {
    case "goaway": {
      const last = Math.min(http2?.lastStream ?? stream, at.lastStreamMax);
      return going(goAway(last, http2?.code ?? 0), { lastStream: last });
    }
    case "reset-stream":
      return reset(stream, http2?.code ?? ErrorCode.InternalError);
    case "settings":
      return going(settingsFrame(http2?.settings ?? []));
    case "bad-frame":
      return going(badFrame(http2?.frame ?? "oversize", at));
    case "bad-hpack":
      return going(badHpack(stream), { next: "is closed" });
    case "push":
      return going(promise(stream, stream + 1), { promised: stream + 1 });
    case "last":
      return going(NOTHING, { isLast: true });
    case "reset":
    case "reset-request":
      return reset(stream, ErrorCode.InternalError);
    case "hang":
    case "stall":
      return going(NOTHING, { next: "hangs" });
    case "half-close":
      return going(dataOf(stream, NOTHING), { next: "is done" });
    case "garbage": {
      if (fault.afterBytes === null) return going(noResponse(stream), { next: "is done" });
      const bytes = garbage.subarray(0, at.room);
      return going(dataOf(stream, bytes), { next: "is done", windowBytes: bytes.length });
    }
    default:
      return reset(stream, ErrorCode.Cancel);
  }
}

/** Returns the last DATA frame of a stream. */
function dataOf(stream: number, content: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEAD_BYTES + content.length);
  frame.set(content, writeFrameHead(frame, 0, content.length, FrameType.Data, FLAG_END_STREAM, stream));
  return frame;
}
