/**
 * Frames of the connection that wait for the write of the turn: settings, acknowledgements, windows, resets and GOAWAY. Flow control does
 * not hold them back, so they go before all responses, in the order in which they were made.
 */
import type { Scratch } from "./context.ts";
import type { ErrorCode } from "./errors.ts";
import {
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
} from "./frame-writer.ts";
import { FRAME_HEAD_BYTES, FrameType, type SettingId } from "./frames.ts";
import type { HpackEncoder } from "./hpack-encoder.ts";

const ROOM_BYTES_MIN = 64;

export class ShortFrames {
  /** Bytes that wait. */
  used = 0;
  /** Bytes that were written. */
  written = 0;
  #bytes: Uint8Array = new Uint8Array(ROOM_BYTES_MIN);

  /** Bytes of memory beyond those that each connection has. */
  get heldBytes(): number {
    return this.#bytes.length > ROOM_BYTES_MIN ? this.#bytes.length : 0;
  }

  settings(pairs: readonly (readonly [id: SettingId, value: number])[]): void {
    const at = this.#reserve(FRAME_HEAD_BYTES + 6 * pairs.length);
    writeSettings(this.#bytes, at, pairs);
  }

  settingsAck(): void {
    const at = this.#reserve(FRAME_HEAD_BYTES);
    writeSettingsAck(this.#bytes, at);
  }

  ping(): void {
    const at = this.#reserve(PING_FRAME_BYTES);
    writeFrameHead(this.#bytes, at, PING_FRAME_BYTES - FRAME_HEAD_BYTES, FrameType.Ping, 0, 0);
    this.#bytes.fill(0, at + FRAME_HEAD_BYTES, at + PING_FRAME_BYTES);
  }

  /** Answers PING, whose eight bytes are data[start, start + 8). */
  pingAck(data: Uint8Array, start: number): void {
    const at = this.#reserve(PING_FRAME_BYTES);
    writePingAck(this.#bytes, at, data, start);
  }

  windowUpdate(streamId: number, increment: number): void {
    const at = this.#reserve(SHORT_FRAME_BYTES);
    writeWindowUpdate(this.#bytes, at, streamId, increment);
  }

  reset(streamId: number, code: ErrorCode): void {
    const at = this.#reserve(SHORT_FRAME_BYTES);
    writeRstStream(this.#bytes, at, streamId, code);
  }

  /** `debug` is ASCII. */
  goAway(lastStreamId: number, code: ErrorCode, debug: string): void {
    const at = this.#reserve(GOAWAY_FRAME_BYTES + debug.length);
    writeGoAway(this.#bytes, at, lastStreamId, code, debug);
  }

  /** Sends 100 on a stream. */
  interim(encoder: HpackEncoder, streamId: number, frameSizeMax: number): void {
    const length = encoder.writeStatus(INTERIM, FRAME_HEAD_BYTES, 100) - FRAME_HEAD_BYTES;
    const count = writeBlockHeads(INTERIM, 0, length, streamId, false, frameSizeMax);
    this.put(INTERIM.subarray(0, count));
  }

  /** Takes a frame that is complete. */
  put(frame: Uint8Array): void {
    const at = this.#reserve(frame.length);
    this.#bytes.set(frame, at);
  }

  /** Makes room for `count` bytes after those that wait. Returns their place. */
  #reserve(count: number): number {
    const at = this.used;
    if (at + count > this.#bytes.length) {
      const grown = new Uint8Array(2 * (at + count));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.used += count;
    return at;
  }

  /** Moves the waiting bytes to `out`. */
  gather(out: Scratch): void {
    if (this.used === 0) return;
    out.reserve(this.used);
    out.bytes.set(this.#bytes.subarray(0, this.used), out.used);
    out.used += this.used;
    this.written += this.used;
    this.clear();
  }

  clear(): void {
    this.used = 0;
    if (this.#bytes.length > ROOM_BYTES_MIN) this.#bytes = new Uint8Array(ROOM_BYTES_MIN);
  }
}

/** An interim response and its frame. All connections share the bytes, which hold nothing between two of them. */
const INTERIM = new Uint8Array(FRAME_HEAD_BYTES + 32);
