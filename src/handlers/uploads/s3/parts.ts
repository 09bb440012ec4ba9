/**
 * Cuts the content of an upload into parts of one size, each with its digest. Some stores take no parts of different sizes, but for the
 * last one.
 */
import { MIB } from "../../../http/units.ts";
import type { S3Content } from "./client.ts";

export interface PartLimits {
  /** Bytes of each part but the last one. */
  readonly bytes: number;
  /** Most parts of one upload. */
  readonly max: number;
}

/** The least that stores take is 5 MiB, and the most are 10,000 parts: 78 GiB. */
export const PART_LIMITS: PartLimits = { bytes: 8 * MIB, max: 10_000 };

export interface Part extends S3Content {
  /** Memory of the content, which is given back when the part is sent. */
  readonly buffer: Uint8Array;
  readonly isLast: boolean;
}

/** Buffers that stay for later parts. */
const KEPT_BUFFERS_MAX = 4;

/**
 * Memory of parts that is used again. Content is copied into it, so the pieces of a connection die young: 1 GiB had 280 MB resident
 * without the copy. The room for parts bounds the number of buffers in use.
 */
export class PartBuffers {
  readonly #bytes: number;
  readonly #free: Uint8Array[] = [];

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  take(bytes: number): Uint8Array {
    return (bytes === this.#bytes ? this.#free.pop() : undefined) ?? new Uint8Array(bytes);
  }

  /** Takes back the memory of a part that nothing reads any longer. */
  give({ buffer }: Part): void {
    if (buffer.length === this.#bytes && this.#free.length < KEPT_BUFFERS_MAX) this.#free.push(buffer);
  }
}

export class PartReader {
  readonly #partBytes: number;
  readonly #buffers: PartBuffers;
  readonly #pieces: AsyncIterator<Uint8Array>;
  /** Rest of a piece, or a piece that was read to find out whether there is one. */
  #rest: Uint8Array | null = null;

  /** `partBytes`: bytes of each part, or of all content if that is less. */
  constructor(pieces: AsyncIterable<Uint8Array>, partBytes: number, buffers: PartBuffers) {
    this.#partBytes = partBytes;
    this.#buffers = buffers;
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Returns the next part. Only the last one may be smaller than the others, or empty. Rejects with the error of the pieces. */
  async next(): Promise<Part> {
    const buffer = this.#buffers.take(this.#partBytes);
    const hasher = new Bun.CryptoHasher("sha256");
    let bytes = 0;
    while (bytes < buffer.length) {
      const piece = await this.#piece();
      if (piece === null) return partOf(buffer, bytes, hasher, true);
      const taken = piece.subarray(0, buffer.length - bytes);
      if (taken.length < piece.length) this.#rest = piece.subarray(taken.length);
      buffer.set(taken, bytes);
      hasher.update(taken);
      bytes += taken.length;
    }
    this.#rest = await this.#piece();
    return partOf(buffer, bytes, hasher, this.#rest === null);
  }

  async #piece(): Promise<Uint8Array | null> {
    const rest = this.#rest;
    this.#rest = null;
    if (rest !== null) return rest;
    const { done, value } = await this.#pieces.next();
    return done === true ? null : value;
  }
}

function partOf(buffer: Uint8Array, bytes: number, hasher: Bun.CryptoHasher, isLast: boolean): Part {
  return { buffer, pieces: [buffer.subarray(0, bytes)], bytes, sha256: hasher.digest("hex"), isLast };
}
