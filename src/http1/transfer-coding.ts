/**
 * Frames content that comes in pieces or without a length that is known: in HTTP/1.1 by chunks (RFC 9112 §7.1), one for each piece; for
 * HTTP/1.0, which has no chunks, by its length or by the end of the connection (§6.3).
 *
 * The framing is written while the content is read, so all responses share the bytes of the content.
 */
import { Fields } from "../http/fields.ts";
import type {
  ContentSource,
  FramedLive,
  FramedPieces,
  FramedResponse,
  LiveSource,
  Pieces,
  Response,
} from "../http/message.ts";

const CHUNKED = Fields.of([["Transfer-Encoding", "chunked"]]);
const LINE_END = "\r\n";
const LAST_CHUNK = `0${LINE_END}${LINE_END}`;

/** Most bytes of the line before a chunk: eight digits and the line end. */
const HEAD_BYTES_MAX = 10;

/** Fields with Transfer-Encoding, by the fields without it: an answer that is made once is sent often. */
const CODED = new WeakMap<Fields, Fields>();

/** Returns the response as HTTP/1 carries it: the same one, unless its content is in pieces or live. */
export function framed(response: Response, hasChunks: boolean): FramedResponse {
  const { content, fields } = response;
  if (content === null || content instanceof Uint8Array) return response as FramedResponse;
  if ("ends" in content) {
    if (hasChunks) return { ...response, fields: codedFields(fields), content: new ChunkedPieces(content) };
    const length = Fields.of([["Content-Length", String(content.bytes.length)]]);
    return { ...response, fields: fields.followedBy(length), content: content.bytes };
  }
  if (!isLive(content) || fields.value("Content-Length") !== null) return response as FramedResponse;
  if (!hasChunks) return { ...response, content, isLast: true };
  return { ...response, fields: codedFields(fields), content: new ChunkedSource(content) };
}

/** Frames live content by chunks that end with `mark`, which is not the last chunk: only a fault has one. */
export function brokenChunks(source: LiveSource, mark: string): FramedLive {
  return new ChunkedSource(source, mark);
}

function codedFields(fields: Fields): Fields {
  let coded = CODED.get(fields);
  if (coded === undefined) {
    coded = fields.followedBy(CHUNKED);
    CODED.set(fields, coded);
  }
  return coded;
}

/** Content in memory whose pieces are one chunk each. */
export class ChunkedPieces implements FramedPieces {
  /** Bytes on the wire, framing included. */
  readonly size: number;
  readonly memory: Uint8Array;
  /** Ends of the pieces in the content. */
  readonly #ends: readonly number[];
  /** Ends of their chunks on the wire. */
  readonly #wireEnds: readonly number[];

  constructor({ bytes, ends }: Pieces) {
    this.memory = bytes;
    this.#ends = ends;
    let start = 0;
    let wireEnd = 0;
    this.#wireEnds = ends.map((end) => {
      wireEnd += headOf(end - start).length + end - start + LINE_END.length;
      start = end;
      return wireEnd;
    });
    this.size = wireEnd + LAST_CHUNK.length;
  }

  wireBytes(count: number): number {
    if (count > this.memory.length) return this.size;
    if (count === 0) return 0;
    const chunk = firstAtLeast(this.#ends, count);
    const missing = endAt(this.#ends, chunk) - count;
    return endAt(this.#wireEnds, chunk) - (missing === 0 ? 0 : missing + LINE_END.length);
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    let count = 0;
    for (let chunk = firstAtLeast(this.#wireEnds, position + 1); count < limit; chunk++) {
      const skip = position + count - endAt(this.#wireEnds, chunk - 1);
      const copied = this.#readChunk(chunk, skip, into.subarray(offset + count, offset + limit));
      if (copied === 0) break;
      count += copied;
    }
    return count;
  }

  close(): void {}

  /** Copies bytes of one chunk, without the first `skip`. Returns their count; 0 after the last chunk. */
  #readChunk(chunk: number, skip: number, into: Uint8Array): number {
    if (chunk >= this.#ends.length) return copyText(LAST_CHUNK, skip, into);
    const start = endAt(this.#ends, chunk - 1);
    const piece = this.memory.subarray(start, endAt(this.#ends, chunk));
    const head = headOf(piece.length);
    let count = copyText(head, skip, into);
    const from = Math.max(0, skip - head.length);
    const bytes = piece.subarray(from, from + into.length - count);
    into.set(bytes, count);
    count += bytes.length;
    return count + copyText(LINE_END, Math.max(0, skip - head.length - piece.length), into.subarray(count));
  }
}

/** Content that comes into being while it is sent: each read of the source becomes one chunk. Owns the source. */
export class ChunkedSource implements FramedLive {
  readonly size = Number.MAX_SAFE_INTEGER;
  readonly source: LiveSource;
  /** Bytes after the last chunk with content. */
  readonly #mark: string;
  /** Place of the current chunk on the wire, framing included. */
  #start = 0;
  #end = 0;
  /** Place of its content in the content of the source. */
  #contentStart = 0;
  #contentBytes = 0;
  /** The line before the content; all of the last chunk. */
  #head = "";
  #isLast = false;

  /** Only a fault ends the content with another `mark` than the last chunk. */
  constructor(source: LiveSource, mark = LAST_CHUNK) {
    this.source = source;
    this.#mark = mark;
  }

  get isOver(): boolean {
    return this.#isLast;
  }

  get heldBytes(): number {
    return this.source.heldBytes ?? 0;
  }

  get isCut(): boolean {
    return this.source.isCut === true;
  }

  /** `limit` has room for the framing and one byte of content. */
  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    if (position < this.#end) return this.#again(position - this.#start, into.subarray(offset, offset + limit));
    return this.#isLast ? 0 : this.#begin(position, into, offset, limit);
  }

  whenMore(call: () => void): void {
    this.source.whenMore(call);
  }

  close(): void {
    this.source.close();
  }

  /** Reads the next chunk. Returns 0 if there is none at the moment. */
  #begin(position: number, into: Uint8Array, offset: number, limit: number): number {
    const contentStart = this.#contentStart + this.#contentBytes;
    const room = limit - HEAD_BYTES_MAX - LINE_END.length;
    const count = this.source.read(contentStart, into, offset + HEAD_BYTES_MAX, room);
    if (count <= 0 && (this.isCut || !this.source.isOver)) return 0;
    this.#isLast = count <= 0;
    this.#head = this.#isLast ? this.#mark : headOf(count);
    this.#contentStart = contentStart;
    this.#contentBytes = Math.max(0, count);
    this.#start = position;
    this.#end = position + this.#head.length;
    copyText(this.#head, 0, into.subarray(offset));
    if (this.#isLast) return this.#head.length;
    const contentAt = offset + this.#head.length;
    into.copyWithin(contentAt, offset + HEAD_BYTES_MAX, offset + HEAD_BYTES_MAX + count);
    copyText(LINE_END, 0, into.subarray(contentAt + count));
    this.#end += count + LINE_END.length;
    return this.#end - this.#start;
  }

  /** Copies bytes of the current chunk once more, without the first `skip`: the kernel has not taken them. */
  #again(skip: number, into: Uint8Array): number {
    const contentEnd = this.#head.length + this.#contentBytes;
    let count = copyText(this.#head, skip, into);
    const from = Math.max(0, skip - this.#head.length);
    const wanted = Math.min(this.#contentBytes - from, into.length - count);
    if (wanted > 0) count += this.source.read(this.#contentStart + from, into, count, wanted);
    if (this.#isLast || skip + count < contentEnd) return count;
    return count + copyText(LINE_END, skip + count - contentEnd, into.subarray(count));
  }
}

function isLive(content: ContentSource | LiveSource): content is LiveSource {
  return "whenMore" in content;
}

function headOf(bytes: number): string {
  return bytes.toString(16) + LINE_END;
}

/** Copies as much of `text`, without the first `skip` characters, as `into` holds. Returns the count. */
function copyText(text: string, skip: number, into: Uint8Array): number {
  const count = Math.max(0, Math.min(text.length - skip, into.length));
  for (let i = 0; i < count; i++) into[i] = text.charCodeAt(skip + i);
  return count;
}

/** Returns the end of part `index`; 0, where the first part begins, for the index before the first. */
function endAt(ends: readonly number[], index: number): number {
  return ends[index] ?? 0;
}

/** Returns the index of the first of the ascending `ends` that is at least `position`. */
function firstAtLeast(ends: readonly number[], position: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (endAt(ends, middle) < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
