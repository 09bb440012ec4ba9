/**
 * Bytes on their way to one peer. Heads and small contents of one turn gather in a scratch buffer that all connections
 * share, and leave in one write. Bytes that the kernel does not take become this connection's tail. File content is
 * pulled a slice at a time, only after everything before it was accepted. A slice that was not taken is read again,
 * not kept: a slow client costs a tail of some KiB, however large the file. Content in memory is not copied for a slow client,
 * so all readers of a page share it.
 */

import type { Clock } from "../exchange/clock.ts";
import type { ConversationLimits } from "../exchange/context.ts";
import type { Transport } from "../exchange/transport.ts";
import type { ContentSource, FilePart, FramedResponse, LiveSource } from "../http/message.ts";
import type { HeadStarts } from "./response-head.ts";

/** One write buffer for all connections; empty between turns. */
export class Scratch {
  readonly bytes: Uint8Array;
  /** Bytes in use beyond which no further response is gathered. */
  readonly gatherMax: number;
  used = 0;

  /** `size` is in bytes: at least twice the largest slice, head and in-memory content that leave in one write. */
  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.gatherMax = Math.min(TAIL_BYTES_MAX, size / 2);
  }
}

/** In-memory content up to this size leaves in one write with its head; more is sent from its own array. */
export const GATHER_BYTES_MAX = 65_536;

/**
 * Bytes gathered in a turn after which they are offered before the next response joins them: the most that a peer which pipelines and
 * does not read costs, besides one response. Sixteen pages of 1 KB with their heads, a usual pipeline, still leave in one write.
 */
const TAIL_BYTES_MAX = 24_576;

/** Smallest content that is sent from its own place if the kernel does not take the copy of it that was gathered. */
const LENT_BYTES_MIN = 4096;

/**
 * Calls of `sendFile` in a row that may send nothing although the kernel takes what is written. After them the file system is the likely
 * reason, because some do not support the call, and the rest of the response is copied.
 */
const FILE_REFUSALS_MAX = 4;

/** Bytes of a source that are sent at a time, and how. */
type SliceLimits = Pick<ConversationLimits, "sliceBytes" | "sendFileBytesMin" | "sendFileProbeBytes">;

type FramedContent = NonNullable<FramedResponse["content"]>;

/** How far `pump` came. */
export enum Progress {
  /** Everything was accepted by the kernel. */
  Sent = 0,
  /** The kernel is full: `drained` will come, or the deadline. */
  Blocked = 1,
  /** A fair share was sent and more would be accepted: come back in the next turn. */
  Yield = 2,
  /** The content ended before its announced length. */
  Short = 3,
  /** The connection is gone. */
  Gone = 4,
  /** All there is was accepted, and there will be more: the source says when. */
  Waiting = 5,
  /** The content will never be complete. Its length may be unknown, so that a FIN would be its end (RFC 9112 §6.3). */
  Cut = 6,
}

/** Slices sent in one turn before others get theirs. */
const SLICES_PER_TURN = 8;

/**
 * Milliseconds after which a turn ends although it has slices left: a disk that is slow at the moment holds up others
 * for one read.
 */
const TURN_MS_MAX = 2;

export const CONTINUE: Uint8Array = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

export class Outbox {
  /** Bytes accepted by the kernel since the connection began. */
  accepted = 0;
  /** True when the kernel took less than it was offered. The connection resets it when the transport accepts bytes again. */
  isBlocked = false;
  /** Bytes of the last head. */
  headBytes = 0;
  /** The attached content if it comes into being while it is sent. */
  live: LiveSource | null = null;
  /** True when all there is of `live` was accepted. */
  isWaiting = false;
  readonly #transport: Transport;
  readonly #scratch: Scratch;
  readonly #limits: SliceLimits;
  readonly #clock: Clock;
  #tail: Uint8Array | null = null;
  #tailStart = 0;
  /** Content whose copy is the last thing in the scratch, or null. */
  #gathered: Uint8Array | null = null;
  #body: FramedContent | null = null;
  #position = 0;
  #end = 0;
  /** Calls of `sendFile` in a row that sent nothing although the kernel was not full. */
  #fileRefusals = 0;

  constructor(transport: Transport, scratch: Scratch, limits: SliceLimits, clock: Clock) {
    this.#transport = transport;
    this.#scratch = scratch;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** True when nothing waits to be accepted. */
  get isEmpty(): boolean {
    return this.#tail === null && this.#body === null && this.#scratch.used === 0;
  }

  /** True when only bytes gathered in this turn wait, and few enough for more. */
  get canGather(): boolean {
    const { used, gatherMax } = this.#scratch;
    return this.#tail === null && this.#body === null && used <= gatherMax;
  }

  /** Bytes of memory that wait in content which comes into being while it is sent. */
  get liveBytes(): number {
    return this.live?.heldBytes ?? 0;
  }

  /** Bytes of memory that the tail takes. */
  get tailBytes(): number {
    return this.#tail === null ? 0 : this.#tail.length;
  }

  /** The memory of the content that waits to be sent from its own place; null for none, and for a file. */
  get content(): ArrayBufferLike | null {
    if (this.#body === null) return null;
    const memory = "size" in this.#body ? (this.#body.memory ?? null) : this.#body;
    return memory === null ? null : memory.buffer;
  }

  /** Gathers a copy of `bytes`, which must fit (see `canGather`). */
  gather(bytes: Uint8Array): void {
    if (this.#body !== null) this.#joinBody();
    this.#gathered = null;
    this.#scratch.bytes.set(bytes, this.#scratch.used);
    this.#scratch.used += bytes.length;
  }

  /**
   * Gathers the head of `response`, and its content if that is small and in memory; larger content is sent from its own place. `isHead`:
   * an answer to HEAD has none. `left`: requests that may follow. Returns the length of the content. The caller closes a source when
   * `pump` no longer needs it.
   */
  put(response: FramedResponse, isHead: boolean, headStarts: HeadStarts, isPersistent: boolean, left: number): number {
    if (this.#body !== null) this.#joinBody();
    const scratch = this.#scratch;
    const headStart = scratch.used;
    const { status, fields } = response;
    const content = isHead ? null : response.content;
    scratch.used = headStarts.append(scratch.bytes, headStart, status, isPersistent, left, this.#clock.second);
    this.#position = 0;
    this.#end = 0;
    this.#fileRefusals = 0;
    this.live = null;
    const isHeld = content !== null && fields.holds(content);
    const fieldBytes = fields.http1(isHeld ? content : null);
    this.gather(fieldBytes);
    const length = content === null ? 0 : "size" in content ? content.size : content.length;
    this.headBytes = scratch.used - headStart - (isHeld ? length : 0);
    if (content === null) {
      // A redirect of a long target: its fields have a place of their own as content has.
      if (fieldBytes.length >= LENT_BYTES_MIN) this.#gathered = fieldBytes;
      return length;
    }
    if (!("size" in content) && (isHeld || length <= GATHER_BYTES_MAX)) {
      if (!isHeld) this.gather(content);
      if (length >= LENT_BYTES_MIN) this.#gathered = content;
      return length;
    }
    this.#body = content;
    this.#end = length;
    if ("whenMore" in content) this.live = content as LiveSource;
    return length;
  }

  /** Bytes that were gathered, or kept from an earlier turn. */
  get gatheredBytes(): number {
    return this.#scratch.used + (this.#tail === null ? 0 : this.#tail.length - this.#tailStart);
  }

  /** Bytes of the attached body that the kernel has not accepted. */
  get bodyLeft(): number {
    return this.#end - this.#position;
  }

  /** Offers the waiting bytes in order, until all are accepted or an obstacle stops it. */
  pump(): Progress {
    const scratch = this.#scratch;
    this.isWaiting = false;
    if (this.isBlocked) {
      // Bytes gathered in this turn leave the scratch, which belongs to all connections.
      this.#spill(0);
      return Progress.Blocked;
    }
    if (this.#tail !== null) {
      // Gathered while a tail was waiting (a response that came later): joins it, so that order is kept.
      this.#spill(0);
      const progress = this.#pumpTail(this.#tail);
      if (progress !== Progress.Sent) return progress;
    }
    if (this.#body !== null) return this.#pumpBody(this.#body);
    return scratch.used === 0 ? Progress.Sent : this.#pumpScratch();
  }

  /** Drops everything unsent. */
  drop(): void {
    this.#tail = null;
    this.#gathered = null;
    this.#body = null;
    this.#position = 0;
    this.#end = 0;
    this.live = null;
    this.#scratch.used = 0;
  }

  #pumpTail(tail: Uint8Array): Progress {
    const written = this.#offer(tail, this.#tailStart, tail.length - this.#tailStart);
    if (written < 0) return Progress.Gone;
    this.#tailStart += written;
    if (this.isBlocked) return Progress.Blocked;
    this.#tail = null;
    return Progress.Sent;
  }

  #pumpScratch(): Progress {
    const scratch = this.#scratch;
    const written = this.#offer(scratch.bytes, 0, scratch.used);
    if (written < 0) return Progress.Gone;
    if (this.isBlocked) {
      this.#spill(written);
      return Progress.Blocked;
    }
    scratch.used = 0;
    this.#gathered = null;
    return Progress.Sent;
  }

  #pumpBody(body: FramedContent): Progress {
    const begunMs = this.#clock.elapsedMs(0);
    for (let slices = 0; this.#position < this.#end; slices++) {
      if (slices === SLICES_PER_TURN) return Progress.Yield;
      if (slices > 0 && this.#clock.elapsedMs(begunMs) > TURN_MS_MAX) return Progress.Yield;
      const progress = "size" in body ? this.#pumpSourceSlice(body) : this.#pumpMemorySlice(body);
      if (progress !== Progress.Sent) return progress;
    }
    this.#body = null;
    return this.#scratch.used === 0 ? Progress.Sent : this.#pumpScratch();
  }

  /** Sends the next slice of a file: by `sendFile` if the kernel can read it itself, otherwise by a copy. */
  #pumpSourceSlice(source: ContentSource | LiveSource): Progress {
    const part = this.#sendablePart(source);
    if (part === null) return this.#copySlice(source, this.#limits.sliceBytes);
    if (this.#scratch.used === 0 && this.#sendPart(part)) return Progress.Sent;
    // Gathered bytes leave before the part. After a call that stopped early, this write finds the reason, and makes `drained` follow.
    return this.#copySlice(source, this.#limits.sendFileProbeBytes);
  }

  /** Returns the part of an open file that comes next, if it is large enough to be sent without a copy; otherwise null. */
  #sendablePart(source: ContentSource | LiveSource): FilePart | null {
    if (this.#transport.sendFile === undefined || source.fileAt === undefined) return null;
    const { sendFileBytesMin, sendFileProbeBytes } = this.#limits;
    if (source.size < sendFileBytesMin || this.#fileRefusals === FILE_REFUSALS_MAX) return null;
    const part = source.fileAt(this.#position);
    return part !== null && part.size > sendFileProbeBytes ? part : null;
  }

  /** Offers a slice of the part to the kernel. Returns true if it was accepted in whole. */
  #sendPart({ descriptor, offset, size }: FilePart): boolean {
    const count = Math.min(this.#limits.sliceBytes, size);
    const sent = this.#transport.sendFile?.(descriptor, offset, count) ?? 0;
    if (sent <= 0) {
      this.#fileRefusals++;
      return false;
    }
    this.#fileRefusals = 0;
    this.#position += sent;
    this.accepted += sent;
    return sent === count;
  }

  /** Writes the gathered bytes together with a copy of up to `bytesMax` bytes of a source. */
  #copySlice(source: ContentSource | LiveSource, bytesMax: number): Progress {
    const scratch = this.#scratch;
    const gathered = scratch.used;
    const limit = Math.min(bytesMax, scratch.bytes.length - gathered, this.#end - this.#position);
    const read = source.read(this.#position, scratch.bytes, gathered, limit);
    if (read <= 0) return this.#pumpEnd(source);
    const written = this.#offer(scratch.bytes, 0, gathered + read);
    if (written < 0) return Progress.Gone;
    if (written < gathered) {
      scratch.used = gathered;
      this.#spill(written);
      return Progress.Blocked;
    }
    scratch.used = 0;
    this.#position += written - gathered;
    if (!this.isBlocked) return Progress.Sent;
    this.#fileRefusals = 0;
    return Progress.Blocked;
  }

  /** Sends large content in memory from its own array, without a copy. */
  #pumpMemorySlice(body: Uint8Array): Progress {
    if (this.#scratch.used > 0) {
      const progress = this.#pumpScratch();
      if (progress !== Progress.Sent) return progress;
    }
    // Offers everything: bytes that the kernel does not take cost nothing, and it takes more at once than a slice.
    const written = this.#offer(body, this.#position, this.#end - this.#position);
    if (written < 0) return Progress.Gone;
    this.#position += written;
    return this.isBlocked ? Progress.Blocked : Progress.Sent;
  }

  /** Decides about a source that has nothing more, or nothing at the moment. */
  #pumpEnd(source: ContentSource | LiveSource): Progress {
    if (this.#scratch.used > 0) {
      const progress = this.#pumpScratch();
      if (progress !== Progress.Sent) return progress;
    }
    if (!("whenMore" in source)) return Progress.Short;
    if (source.isCut === true) return Progress.Cut;
    if (!source.isOver) {
      this.isWaiting = true;
      return Progress.Waiting;
    }
    this.#body = null;
    return Progress.Sent;
  }

  /** Offers bytes[from, from + length) to the kernel. Returns how many it accepted, or -1 if the connection is gone. */
  #offer(bytes: Uint8Array, from: number, length: number): number {
    const written = this.#transport.write(bytes, from, length);
    if (written < 0) {
      // The scratch belongs to all: nothing of a dead connection may stay in it.
      this.#scratch.used = 0;
      return -1;
    }
    this.accepted += written;
    this.isBlocked = written < length;
    return written;
  }

  /** Keeps the bytes gathered from `from` on, after the tail that exists. Content that has a place of its own is not copied. */
  #spill(from: number): void {
    const scratch = this.#scratch;
    const content = this.#gathered;
    let end = scratch.used;
    if (content !== null) {
      end -= content.length;
      this.#body = content;
      this.#position = Math.max(0, from - end);
      this.#end = content.length;
      this.#gathered = null;
    }
    if (from < end) this.#join(scratch.bytes.subarray(from, end));
    scratch.used = 0;
  }

  /** Keeps the rest of content from its own place as a part of the tail, because further bytes follow it. */
  #joinBody(): void {
    const body = this.#body;
    if (body === null || "size" in body) throw new Error("a response was begun within another");
    this.#join(body.subarray(this.#position, this.#end));
    this.#body = null;
    this.#position = 0;
    this.#end = 0;
  }

  /** Adds a copy of `bytes` to the tail. */
  #join(bytes: Uint8Array): void {
    if (this.#tail === null) {
      this.#tail = bytes.slice();
    } else {
      const joined = new Uint8Array(this.#tail.length - this.#tailStart + bytes.length);
      joined.set(this.#tail.subarray(this.#tailStart));
      joined.set(bytes, this.#tail.length - this.#tailStart);
      this.#tail = joined;
    }
    this.#tailStart = 0;
  }
}
