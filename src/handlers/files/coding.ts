/**
 * Content codings of files (RFC 9110 §8.4): which files may have one, where precompressed files lie, and compression
 * of the others.
 *
 * Strategy: compression runs in the runtime's own threads, and simultaneous requests for the same bytes share one run.
 * The pool bounds the number of runs, because each serves a request that holds a slot.
 *
 * The levels are those that web servers use on the fly. For 1 MiB of program text, br 5 took 49 ms, gzip 6 40 ms and
 * zstd 6 23 ms, down to 6, 18 and 7 percent. The longest pause of the event loop was 7 ms on a machine of two cores.
 * br 9 took 147 ms for another 0.2 percent.
 */
import { acceptedCodings, type ContentCoding } from "../../http/accept-encoding.ts";
import { Field } from "../../http/field.ts";
import type { RequestHead } from "../../http/message.ts";
import { limits } from "../../settings/limits.ts";
import { contentTypeOf, extensionOf } from "./content-type.ts";

/** Smallest file that is compressed, in bytes: a smaller one fits into one packet with its head either way. */
const COMPRESSED_BYTES_MIN = 1024;

/** Extension of a file that was compressed beforehand. */
export const CODING_EXTENSIONS: Readonly<Record<ContentCoding, string>> = { br: ".br", zstd: ".zst", gzip: ".gz" };

const BROTLI_QUALITY = 5;
const GZIP_LEVEL = 6;
const ZSTD_LEVEL = 6;

/** Values of Accept-Encoding that are remembered in parsed form; browsers and tools together send about a dozen. */
const REMEMBERED_MAX = 64;

/** The two flags that switch codings on, and the one that bounds memory. */
interface CodingOptions {
  readonly precompressed: boolean;
  readonly compress: boolean;
  /** Memory of the hot files: 0 keeps no copies here either. */
  readonly fileCacheBytes: number;
}

/** Returns null when `options` switch nothing on, so that a plain request does no further work. */
export function openCodings(options: CodingOptions): Codings | null {
  return options.precompressed || options.compress ? new Codings(options) : null;
}

export class Codings {
  /** True: precompressed files beside the requested one are used. */
  readonly precompressed: boolean;
  /** Null: nothing is compressed here. */
  readonly #compressor: Compressor | null;
  readonly #remembered = new Map<string, readonly ContentCoding[]>();
  readonly #running = new Map<string, Promise<Uint8Array | null>>();
  readonly #copies: Copies;

  constructor(options: CodingOptions) {
    this.precompressed = options.precompressed;
    this.#compressor = options.compress ? openCompressor() : null;
    this.#copies = new Copies(Math.min(limits.codedCopiesBytesMax, options.fileCacheBytes));
  }

  /** Returns true if the response for the file `name` may depend on Accept-Encoding, so that its `Vary` must say so. */
  covers(name: string): boolean {
    if (this.precompressed) return !CODED_EXTENSIONS.has(extensionOf(name));
    return isCompressible(contentTypeOf(name));
  }

  /** Returns the codings that the request accepts, best first. */
  accepted(head: RequestHead): readonly ContentCoding[] {
    const value = head.value(Field.AcceptEncoding);
    if (value === null) return NONE;
    const known = this.#remembered.get(value);
    if (known !== undefined) return known;
    const codings = acceptedCodings(value);
    if (this.#remembered.size < REMEMBERED_MAX) this.#remembered.set(value, codings);
    return codings;
  }

  /**
   * Returns true if the file `name` of `size` bytes is worth compressing. `bytesMax` bounds the file that is read into
   * memory.
   */
  compresses(name: string, size: number, bytesMax: number): boolean {
    return (
      this.#compressor !== null &&
      size >= COMPRESSED_BYTES_MIN &&
      size <= bytesMax &&
      isCompressible(contentTypeOf(name))
    );
  }

  /**
   * Returns `content` in `coding`, or null if it would not become smaller. Equal `identity` means equal content: the
   * first of several calls with it does the work. `keeps`: later calls get a copy, because no hot file has it. Never rejects.
   */
  compressed(coding: ContentCoding, identity: string, content: Uint8Array, keeps: boolean): Promise<Uint8Array | null> {
    const key = `${coding} ${identity}`;
    const copy = keeps ? this.#copies.get(key) : undefined;
    if (copy !== undefined) return Promise.resolve(copy);
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const started = this.#run(coding, content)
      .then((made) => {
        if (keeps) this.#copies.set(key, made);
        return made;
      })
      .finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }

  async #run(coding: ContentCoding, content: Uint8Array): Promise<Uint8Array | null> {
    try {
      const compressed = await this.#compressor?.(coding, content);
      return compressed !== undefined && compressed.length < content.length ? compressed : null;
    } catch {
      return null; // If there is no memory for compressing, the file is sent as it is.
    }
  }
}

/** Compressed contents by their key, least recently used first; null for one that would not become smaller. */
class Copies {
  readonly #bytesMax: number;
  readonly #copies = new Map<string, Uint8Array | null>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(key: string): Uint8Array | null | undefined {
    const copy = this.#copies.get(key);
    if (copy !== undefined) {
      this.#copies.delete(key);
      this.#copies.set(key, copy);
    }
    return copy;
  }

  set(key: string, copy: Uint8Array | null): void {
    if (bytesOf(key, copy) > this.#bytesMax) return;
    this.#copies.set(key, copy);
    this.#bytes += bytesOf(key, copy);
    for (const [oldest, old] of this.#copies) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#copies.delete(oldest);
      this.#bytes -= bytesOf(oldest, old);
    }
  }
}

/** Bytes that a copy takes, with its key and its place in the map. */
function bytesOf(key: string, copy: Uint8Array | null): number {
  return (copy?.length ?? 0) + 2 * key.length + COPY_OVERHEAD_BYTES;
}

const COPY_OVERHEAD_BYTES = 256;

const NONE: readonly ContentCoding[] = [];

/** Extensions of files that are codings themselves. */
const CODED_EXTENSIONS: ReadonlySet<string> = new Set(Object.values(CODING_EXTENSIONS).map((name) => name.slice(1)));

type Compressor = (coding: ContentCoding, content: Uint8Array) => Promise<Uint8Array>;

function openCompressor(): Compressor {
  // A require, not an import: loading takes some 15 ms, which only servers that compress pay.
  const { brotliCompress, constants, gzip, zstdCompress } = require("node:zlib") as typeof import("node:zlib");
  const zstdParams = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL };
  return (coding, content) =>
    new Promise((resolve, reject) => {
      const done = (error: Error | null, compressed: Uint8Array) =>
        error === null ? resolve(compressed) : reject(error);
      const sizeHint = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
      if (coding === "gzip") gzip(content, { level: GZIP_LEVEL }, done);
      else if (coding === "zstd") zstdCompress(content, { params: zstdParams }, done);
      else brotliCompress(content, { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY, ...sizeHint } }, done);
    });
}

/** Types whose formats are not compressed themselves: text under other names, and tables of numbers. */
const COMPRESSIBLE: ReadonlySet<string> = new Set([
  "application/javascript",
  "application/json",
  "application/json5",
  "application/rtf",
  "application/sql",
  "application/toml",
  "application/vnd.ms-fontobject",
  "application/wasm",
  "application/xml",
  "font/collection",
  "font/otf",
  "font/ttf",
  "image/bmp",
  "image/vnd.microsoft.icon",
]);

function isCompressible(contentType: string): boolean {
  return contentType.startsWith("text/") || /\+(?:json|xml)$/.test(contentType) || COMPRESSIBLE.has(contentType);
}
