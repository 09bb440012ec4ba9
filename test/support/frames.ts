/** Frames as tests write and see them. */
import { Http2Error } from "../../src/http2/errors.ts";
import { FRAME_HEAD_BYTES, FrameReader, FrameType } from "../../src/http2/frames.ts";
import { textOf } from "./bytes.ts";

/** Returns a frame, one character a byte. Only `length` makes it announce another payload than it has. */
export function frame(type: number, flags: number, streamId: number, payload = "", length = payload.length): string {
  const head = [length >>> 16, length >>> 8, length, type, flags];
  return String.fromCharCode(...head.map((byte) => byte & 255)) + octets(streamId) + payload;
}

/** Returns a number as four characters. */
export function octets(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

/** Returns a pair of SETTINGS. */
export function setting(id: number, value: number): string {
  return String.fromCharCode(id >>> 8, id & 255) + octets(value);
}

/**
 * Returns one line for each frame that a reader finds, and one for the error that ends them; frames after a stream error are read on.
 * The bytes come in parts that end at `stops`; others are in their place until then.
 */
export function framesOf(bytes: Uint8Array, stops: readonly number[]): string[] {
  const reader = new FrameReader();
  const lines: string[] = [];
  const buffer = new Uint8Array(bytes.length).fill(0xa5);
  let at = 0;
  for (const end of stops) {
    buffer.set(bytes.subarray(at, end), at);
    for (;;) {
      const size = reader.read(buffer, at, end);
      if (size === 0) break;
      if (size > 0) {
        lines.push(lineOf(reader, bytes));
        at += size;
        continue;
      }
      lines.push(`${Http2Error[size]}`);
      if (size !== Http2Error.PriorityLength && size !== Http2Error.StreamWindowIncrement) return lines;
      at += FRAME_HEAD_BYTES + reader.length;
    }
  }
  if (at < bytes.length) lines.push(`${bytes.length - at} bytes wait`);
  return lines;
}

function lineOf(reader: FrameReader, bytes: Uint8Array): string {
  const { type, streamId, length, errorCode, lastStreamId, increment, start, end } = reader;
  const content = textOf(bytes.subarray(start, end));
  const shown = content.length > 40 ? `${content.length} bytes` : content;
  const name = FrameType[type] ?? `type ${type}`;
  const flag = (isSet: boolean, word: string) => (isSet ? ` ${word}` : "");
  switch (type) {
    case FrameType.Data:
      return `Data ${streamId} of ${length}: ${shown}${flag(reader.isLast, "last")}`;
    case FrameType.Headers:
      return `Headers ${streamId}: ${shown}${flag(reader.isBlockEnd, "whole")}${flag(reader.isLast, "last")}`;
    case FrameType.Continuation:
      return `Continuation ${streamId}: ${shown}${flag(reader.isBlockEnd, "whole")}`;
    case FrameType.RstStream:
      return `RstStream ${streamId}: code ${errorCode}`;
    case FrameType.Settings:
      return `Settings of ${length}${flag(reader.isAck, "ack")}`;
    case FrameType.Ping:
      return `Ping: ${shown}${flag(reader.isAck, "ack")}`;
    case FrameType.GoAway:
      return `GoAway: last ${lastStreamId}, code ${errorCode}: ${shown}`;
    case FrameType.WindowUpdate:
      return `WindowUpdate ${streamId}: ${increment}`;
    case FrameType.PriorityUpdate:
      return `PriorityUpdate ${lastStreamId}: ${shown}`;
    default:
      return `${name} ${streamId}: ${shown}`;
  }
}
