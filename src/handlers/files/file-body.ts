/**
 * Content of an opened file: read at once, pulled in slices while it is sent, or cut into the parts of a multipart.
 *
 * The rule it guards: a FileSource owns its descriptor and closes it exactly once, and never copies content in memory.
 */
import { readSync } from "node:fs";
import type { ContentSource, FilePart } from "../../http/message.ts";
import type { ByteRange } from "../../http/range.ts";
import { closeDescriptor, NO_DESCRIPTOR, type OpenedFile } from "./document-root.ts";

/** Bytes of ours, or a part of the file. */
type Piece = Uint8Array | ByteRange;

/**
 * Reads the whole file. Returns fewer bytes than its size when it was cut meanwhile; the response is then about those.
 * Throws the error of the disk.
 */
export function readWhole(file: Pick<OpenedFile, "descriptor" | "stats">): Uint8Array {
  const content = new Uint8Array(file.stats.size);
  let length = 0;
  while (length < content.length) {
    const count = readSync(file.descriptor, content, length, content.length - length, length);
    if (count === 0) break;
    length += count;
  }
  return content.subarray(0, length);
}

/**
 * Returns the parts of a multipart with their heads, in the order requested (RFC 9110 §14.6). A line end stands before the
 * first boundary, too: RFC 2046 §5.1.1 allows it, Apache and nginx send it, and zsync reads no multipart without it.
 */
export function multipartPieces(
  ranges: readonly ByteRange[],
  size: number,
  contentType: string,
  boundary: string,
): Piece[] {
  const encoder = new TextEncoder();
  const pieces: Piece[] = [];
  for (const range of ranges) {
    const head = `Content-Type: ${contentType}\r\nContent-Range: bytes ${range.first}-${range.last}/${size}\r\n\r\n`;
    pieces.push(encoder.encode(`\r\n--${boundary}\r\n${head}`), range);
  }
  pieces.push(encoder.encode(`\r\n--${boundary}--\r\n`));
  return pieces;
}

function lengthOf(piece: Piece): number {
  return piece instanceof Uint8Array ? piece.length : piece.last - piece.first + 1;
}

export function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce((size, piece) => size + lengthOf(piece), 0);
}

/** Parts of a file, and bytes of ours between them, as one content. */
export class FileSource implements ContentSource {
  readonly size: number;
  readonly #pieces: readonly Piece[];
  /** The file's content, or its descriptor, which this object owns. */
  #from: Uint8Array | number;

  /**
   * Takes over the descriptor of an open file. Content in memory is shared: a client that does not read costs no copy of it. Throws
   * an Error, our own mistake, if there is neither.
   */
  constructor(from: OpenedFile | Uint8Array | null, pieces: readonly Piece[]) {
    if (from === null) throw new Error("neither an open file nor its content in memory");
    this.size = sizeOf(pieces);
    this.#from = from instanceof Uint8Array ? from : from.release();
    this.#pieces = pieces;
  }

  get memory(): Uint8Array | null {
    return typeof this.#from === "number" ? null : this.#from;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    if (this.#from === NO_DESCRIPTOR) return 0;
    let skip = position;
    let count = 0;
    for (const piece of this.#pieces) {
      const length = lengthOf(piece);
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const wanted = Math.min(length - skip, limit - count);
      if (wanted <= 0) break;
      const copied = this.#copy(piece, skip, into, offset + count, wanted);
      count += copied;
      if (copied < wanted) break;
      skip = 0;
    }
    return count;
  }

  fileAt(position: number): FilePart | null {
    if (typeof this.#from !== "number" || this.#from === NO_DESCRIPTOR) return null;
    let skip = position;
    for (const piece of this.#pieces) {
      const length = lengthOf(piece);
      if (skip < length) {
        if (piece instanceof Uint8Array) return null;
        return { descriptor: this.#from, offset: piece.first + skip, size: length - skip };
      }
      skip -= length;
    }
    return null;
  }

  close(): void {
    if (typeof this.#from === "number" && this.#from !== NO_DESCRIPTOR) closeDescriptor(this.#from);
    this.#from = NO_DESCRIPTOR;
  }

  #copy(piece: Piece, skip: number, into: Uint8Array, offset: number, limit: number): number {
    if (piece instanceof Uint8Array) return copy(piece, skip, into, offset, limit);
    const start = piece.first + skip;
    if (typeof this.#from === "number") return readAt(this.#from, into, offset, limit, start);
    return copy(this.#from, start, into, offset, limit);
  }
}

function copy(bytes: Uint8Array, start: number, into: Uint8Array, offset: number, limit: number): number {
  into.set(bytes.subarray(start, start + limit), offset);
  return limit;
}

/** Reads at most `limit` bytes. Never throws: a failing disk counts as the end of the file. */
function readAt(descriptor: number, into: Uint8Array, offset: number, limit: number, position: number): number {
  try {
    return readSync(descriptor, into, offset, limit, position);
  } catch {
    return 0;
  }
}
