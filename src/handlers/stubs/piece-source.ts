/**
 * Content in memory whose pieces are one chunk each (RFC 9112 §7.1), as a server sends them that makes one after the other. The
 * framing is written while the content is read, so all responses share one object and the content's own bytes.
 */
import type { ContentSource } from "../../http/message.ts";

const LINE_END = "\r\n";
const LAST_CHUNK = `0${LINE_END}${LINE_END}`;

export class PieceSource implements ContentSource {
  /** Bytes on the wire, framing included. */
  readonly size: number;
  /** The bytes without framing. */
  readonly content: Uint8Array;
  /** Ends of the pieces in the content. */
  readonly #ends: readonly number[];
  /** Ends of their chunks on the wire. */
  readonly #wireEnds: readonly number[];

  /** `ends`: the end of each piece in `content`, ascending; the last is the end of the content. */
  constructor(content: Uint8Array, ends: readonly number[]) {
    this.content = content;
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

  /**
   * Returns the number of bytes on the wire that carry the first `count` bytes of the content. If a chunk is complete with them, its
   * end is included; the last chunk, which is empty, only if `count` is more than the content has.
   */
  wireBytes(count: number): number {
    if (count > this.content.length) return this.size;
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
    const piece = this.content.subarray(start, endAt(this.#ends, chunk));
    const head = headOf(piece.length);
    let count = copyText(head, skip, into);
    const from = Math.max(0, skip - head.length);
    const bytes = piece.subarray(from, from + into.length - count);
    into.set(bytes, count);
    count += bytes.length;
    return count + copyText(LINE_END, Math.max(0, skip - head.length - piece.length), into.subarray(count));
  }
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
