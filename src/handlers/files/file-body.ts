/**
 * Content of an opened file: read at once, pulled in slices while it is sent, or cut into the parts of a multipart.
 *
 * The rule it guards: an OpenSource owns its descriptor and closes it once, whatever is read before or after.
 */
import { readSync } from "node:fs";
import type { BodySource } from "../../http/message.ts";
import type { ByteRange } from "../../http/range.ts";
import { closeDescriptor, type Opened } from "./document-root.ts";

/** Bytes of ours, or a part of the file. */
export type Piece = Uint8Array | ByteRange;

/** Stands for the descriptor where the content is in memory and nothing is open. */
export const NO_DESCRIPTOR = -1;

/** Fewer bytes than its size when the file was cut in between; then the answer is about those. Throws what the disk says. */
export function readWhole(file: Pick<Opened, "descriptor" | "stats">): Uint8Array {
  const content = new Uint8Array(file.stats.size);
  let length = 0;
  while (length < content.length) {
    const count = readSync(file.descriptor, content, length, content.length - length, length);
    if (count === 0) break;
    length += count;
  }
  return content.subarray(0, length);
}

/** RFC 9110 §14.6: each part with its own head, in the order asked. */
export function multipartPieces(
  ranges: readonly ByteRange[],
  size: number,
  contentType: string,
  boundary: string,
): Piece[] {
  const encoder = new TextEncoder();
  const pieces: Piece[] = [];
  let lineEnd = "";
  for (const range of ranges) {
    const head = `Content-Type: ${contentType}\r\nContent-Range: bytes ${range.first}-${range.last}/${size}\r\n\r\n`;
    pieces.push(encoder.encode(`${lineEnd}--${boundary}\r\n${head}`), range);
    lineEnd = "\r\n";
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

export function joinPieces(pieces: readonly Piece[], content: Uint8Array): Uint8Array {
  return Buffer.concat(
    pieces.map((piece) => (piece instanceof Uint8Array ? piece : content.subarray(piece.first, piece.last + 1))),
  );
}

/** Parts of an open file, and bytes of ours between them, as one content. Owns the descriptor. */
export class OpenSource implements BodySource {
  readonly size: number;
  readonly #pieces: readonly Piece[];
  #descriptor: number;

  constructor(descriptor: number, pieces: readonly Piece[]) {
    this.size = sizeOf(pieces);
    this.#descriptor = descriptor;
    this.#pieces = pieces;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    if (this.#descriptor === CLOSED) return 0;
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

  close(): void {
    if (this.#descriptor !== CLOSED) closeDescriptor(this.#descriptor);
    this.#descriptor = CLOSED;
  }

  #copy(piece: Piece, skip: number, into: Uint8Array, offset: number, limit: number): number {
    if (!(piece instanceof Uint8Array)) return readAt(this.#descriptor, into, offset, limit, piece.first + skip);
    into.set(piece.subarray(skip, skip + limit), offset);
    return limit;
  }
}

const CLOSED = NO_DESCRIPTOR;

/** Never throws: what cannot be read any more is the end. */
function readAt(descriptor: number, into: Uint8Array, offset: number, limit: number, position: number): number {
  try {
    return readSync(descriptor, into, offset, limit, position);
  } catch {
    return 0;
  }
}
