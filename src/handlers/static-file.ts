/**
 * GET and HEAD of files: name → hot file or opened file → preconditions → range → head and content.
 *
 * Strategy: a small file is read at once, its descriptor closed, and what was read kept with its encoded head among the
 * hot files; a large one stays open as a BodySource that the connection pulls from and closes. HEAD is answered as GET; the
 * connection leaves the content out.
 * The rule it guards: a descriptor has one owner at a time, and every way out of this file hands it on or closes it.
 */
import { readSync, type Stats } from "node:fs";
import { evaluatePreconditions, ifRangeHolds, Precondition } from "../http/conditional.ts";
import { imfDate } from "../http/date.ts";
import { escapeControls } from "../http/escape.ts";
import type { BodySource, Request, Response } from "../http/message.ts";
import { type ByteRange, parseRange, RangeVerdict } from "../http/range.ts";
import { Field, Method, type RequestHead } from "../http/request-head.ts";
import { encodeAnswer, encodeFields, type FieldLines } from "../http/response.ts";
import { contentTypeOf, extensionOf, OCTET_STREAM } from "./content-type.ts";
import { randomHex } from "./digest.ts";
import { closeDescriptor, type DocumentRoot, errorCode, type Opened, OpenFailure } from "./document-root.ts";
import { type ErrorPages, wantsJson } from "./error-page.ts";
import type { HotFile, HotFiles, Snapshot } from "./hot-files.ts";

/** What may be done with a file. */
export const FILE_METHODS = "GET, HEAD, OPTIONS";

/** Up to here a file is read at once, in bytes: one read and one write, and no descriptor held while a slow client reads. */
export const IN_MEMORY_BYTES_MAX = 65_536;

/** Up to here it is read at once when it is asked for again, and kept: sending 1 MiB from memory saves a third of the time. */
export const HOT_BYTES_MAX = 1_048_576;

/**
 * Milliseconds after its last change until a file is kept. A file's times have steps: two seconds on FAT, up to ten milliseconds
 * on Linux before 6.13; two changes within one step look like one. Of 500 files of ten bytes, written, asked for and written
 * again on such a file system (ramfs), 452 stayed old for good.
 */
const SETTLED_MS = 2_100;

export interface StaticFilesOptions {
  readonly root: DocumentRoot;
  readonly pages: ErrorPages;
  /** Path under which the root is shown: "" or "/uploads". */
  readonly prefix: string;
  /** True: every file with its own type, none as a download. */
  readonly inline: boolean;
  /** True: 415 for files other than html, txt, png, jpg, jpeg. */
  readonly strictTypes: boolean;
  /** Small files that were read before, of this root alone. */
  readonly hot: HotFiles;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Takes a line for the operator when the disk fails. */
  readonly log: (line: string) => void;
}

/** Serves one folder. */
export class StaticFiles {
  readonly #options: StaticFilesOptions;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: StaticFilesOptions) {
    this.#options = options;
  }

  /** The answer to GET and HEAD; refuses every other method, by what is there: 405 with Allow, or 404. */
  respond(request: Request): Response {
    const { path } = request.target;
    const name = this.#options.prefix === "" ? path : path.slice(this.#options.prefix.length);
    if (isRead(request.head.method)) {
      const hot = this.#options.hot.get(name);
      if (hot !== null) return hasConditions(request.head) ? this.#answer(request, hot, NO_DESCRIPTOR) : hot.whole;
    }
    const found = this.#find(name);
    if (found === Folder.WithoutSlash) {
      return isRead(request.head.method) ? redirectToFolder(request) : this.#notAllowed(request);
    }
    if (typeof found === "number") return this.#refuseFailure(found, request);
    // From here on `found.descriptor` is ours, until it is closed or given to a BodySource.
    let isHandedOn = false;
    try {
      if (!isRead(request.head.method)) return this.#notAllowed(request);
      if (this.#options.strictTypes && !STRICT_EXTENSIONS.has(extensionOf(nameOf(request.target.path)))) {
        return this.#refuse(415, "This server only serves html, txt, png, jpg and jpeg files.", request);
      }
      const snapshot = this.#read(name, found);
      if (snapshot === OpenFailure.Broken) return this.#refuseFailure(snapshot, request);
      if (snapshot.content !== null)
        return this.#answer(request, this.#keep(request, name, found, snapshot), NO_DESCRIPTOR);
      const response = this.#answer(request, snapshot, found.descriptor);
      isHandedOn = response.body instanceof OpenSource;
      return response;
    } finally {
      if (!isHandedOn) closeDescriptor(found.descriptor);
    }
  }

  /** A regular file, opened, or why not. */
  #find(path: string): Opened | OpenFailure | Folder.WithoutSlash {
    const { root } = this.#options;
    const opened = root.open(withIndex(path));
    if (typeof opened === "number" || opened.stats.isFile()) return opened;
    closeDescriptor(opened.descriptor);
    if (path.endsWith("/")) return OpenFailure.Missing;
    const index = root.open(`${path}/${INDEX_NAME}`);
    if (typeof index === "number") return index;
    closeDescriptor(index.descriptor);
    return index.stats.isFile() ? Folder.WithoutSlash : OpenFailure.Missing;
  }

  /** What the file is at this moment. What the disk failed to give in whole is not sent: it would pass for whole. */
  #read(name: string, file: Opened): Snapshot | OpenFailure.Broken {
    const { stats } = file;
    const { size } = stats;
    const isSmall = size <= IN_MEMORY_BYTES_MAX;
    const isHot = !isSmall && size <= HOT_BYTES_MAX && this.#options.hot.isWanted(name, size);
    let content: Uint8Array | null = null;
    try {
      if (isSmall || isHot) content = readWhole(file);
    } catch (error) {
      this.#options.root.lastError = `${errorCode(error)} in ${file.path}`;
      return OpenFailure.Broken;
    }
    // RFC 9110 §8.8.2.1: never later than the answer's own Date.
    const lastModified = Math.max(
      0,
      Math.min(Math.floor(stats.mtimeMs / 1000), Math.floor(this.#options.now() / 1000)),
    );
    return { stats, content, etag: entityTag(stats, isSmall ? content : null), lastModified };
  }

  /**
   * Keeps a small file with its answer to a plain GET, unless it changed while it was read, comes from the future, or changed
   * so lately that its next change could leave it the same times and size: nobody would see that it is another file.
   */
  #keep(request: Request, name: string, file: Opened, snapshot: Snapshot): Snapshot {
    const { content, stats } = snapshot;
    const now = this.#options.now();
    if (content === null || content.length !== stats.size || stats.mtimeMs > now) return snapshot;
    if (now - stats.ctimeMs < SETTLED_MS) return snapshot;
    const whole = this.#wholeAnswer(request, snapshot, NO_DESCRIPTOR);
    // The answer has its own copy of a small content, behind its fields.
    const kept = whole.body instanceof Uint8Array ? whole.body : content;
    const hot: HotFile = { ...snapshot, content: kept, whole, notModified: notModified(snapshot) };
    this.#options.hot.set(name, this.#options.root.realPath + withIndex(name), file.path, hot);
    return hot;
  }

  /** The file as the request wants it. The response's body is an OpenSource exactly when it took over the descriptor. */
  #answer(request: Request, file: Snapshot, descriptor: number): Response {
    const { head } = request;
    const { content: small, etag, lastModified } = file;
    const size = small === null ? file.stats.size : small.length;
    const nowSeconds = Math.floor(this.#options.now() / 1000);

    switch (preconditionOf(head, etag, lastModified, nowSeconds)) {
      case Precondition.NotModified:
        return "notModified" in file ? (file as HotFile).notModified : notModified(file);
      case Precondition.Failed:
        return this.#refuse(412, "The file is not in the state that the request asks for.", request);
      case Precondition.Proceed:
        break;
    }

    const ranges = rangesOf(head, size, etag, lastModified, nowSeconds);
    if (ranges === RangeVerdict.Unsatisfiable) {
      const fields = [["Content-Range", `bytes */${size}`]] as const;
      return this.#options.pages.answer(416, "The file has no bytes in the range asked for.", wantsJson(request), {
        fields,
      });
    }
    if (ranges === RangeVerdict.Ignore) return this.#wholeAnswer(request, file, descriptor);

    const type = this.#typeFields(nameOf(request.target.path));
    const fields = this.#commonFields(file, type.disposition);
    const [only] = ranges;
    if (ranges.length === 1 && only !== undefined) {
      const { first, last } = only;
      fields.push(["Content-Type", type.contentType], ["Content-Length", String(last - first + 1)]);
      fields.push(["Content-Range", `bytes ${first}-${last}/${size}`]);
      const body = small === null ? new OpenSource(descriptor, ranges) : small.subarray(first, last + 1);
      return answer(206, fields, body, "range");
    }
    const boundary = randomHex(12);
    const pieces = multipartPieces(ranges, size, type.contentType, boundary);
    fields.push(["Content-Type", `multipart/byteranges; boundary=${boundary}`]);
    fields.push(["Content-Length", String(sizeOf(pieces))]);
    const body = small === null ? new OpenSource(descriptor, pieces) : joined(pieces, small);
    return answer(206, fields, body, "ranges");
  }

  #wholeAnswer(request: Request, file: Snapshot, descriptor: number): Response {
    const type = this.#typeFields(nameOf(request.target.path));
    const size = file.content === null ? file.stats.size : file.content.length;
    const fields = this.#commonFields(file, type.disposition);
    fields.push(["Content-Type", type.contentType], ["Content-Length", String(size)]);
    const body = file.content ?? new OpenSource(descriptor, [{ first: 0, last: size - 1 }]);
    return answer(200, fields, body, type.transfer);
  }

  /** What 200 and 206 have in common. */
  #commonFields(file: Snapshot, disposition: string | null): FieldLine[] {
    const fields = [
      ...validatorFields(file),
      ["Accept-Ranges", "bytes"],
      ["X-Content-Type-Options", "nosniff"],
    ] as FieldLine[];
    if (disposition !== null) fields.push(["Content-Disposition", disposition]);
    return fields;
  }

  /**
   * txt, png, jpg and jpeg are sent as downloads unless `inline`. A page's <img> shows them all the same: nosniff only
   * stops scripts and style sheets (Fetch §3.6), and image data are recognised by their first bytes (MIME Sniffing §8.1).
   */
  #typeFields(name: string): { contentType: string; disposition: string | null; transfer: string } {
    if (!this.#options.inline && DOWNLOAD_EXTENSIONS.has(extensionOf(name))) {
      return { contentType: OCTET_STREAM, disposition: attachment(name), transfer: "binary" };
    }
    const contentType = contentTypeOf(name);
    const transfer = contentType.startsWith("text/html") ? "html" : contentType.startsWith("text/") ? "text" : "binary";
    return { contentType, disposition: null, transfer };
  }

  #refuseFailure(failure: OpenFailure, request: Request): Response {
    switch (failure) {
      case OpenFailure.Missing:
        return this.#refuse(404, "There is no such file here.", request);
      case OpenFailure.Forbidden:
        return this.#refuse(403, "This server is not permitted to read that file.", request);
      case OpenFailure.Outside: {
        const page = this.#refuse(403, "That path leads out of the folder that is served.", request);
        return { ...page, incident: `a link leads out of the root: ${escapeControls(request.head.targetText())}` };
      }
      case OpenFailure.Busy:
        this.#logFailure();
        return this.#options.pages.answer(
          503,
          "The server is too busy to open that file.",
          wantsJson(request),
          RETRY_SOON,
        );
      case OpenFailure.Broken:
        this.#logFailure();
        return this.#refuse(500, "The file could not be read.", request);
    }
  }

  #notAllowed(request: Request): Response {
    return this.#options.pages.answer(
      405,
      "That method cannot be used on a file.",
      wantsJson(request),
      ALLOW_FILE_METHODS,
    );
  }

  #refuse(status: number, sentence: string, request: Request): Response {
    return this.#options.pages.answer(status, sentence, wantsJson(request));
  }

  /** One line a second at most: a full table of descriptors fails every request. */
  #logFailure(): void {
    const now = this.#options.now();
    if (now - this.#loggedAt < 1000) return;
    this.#loggedAt = now;
    this.#options.log(`cannot read a file: ${this.#options.root.lastError}`);
  }
}

type FieldLine = FieldLines[number];

/** Bytes of ours, or a part of the file. */
type Piece = Uint8Array | ByteRange;

/** Stands for the descriptor where the content is in memory and nothing is open. */
const NO_DESCRIPTOR = -1;

/** A name without the slash at its end, for a folder that has an index. Beside OpenFailure, so no number may be in both. */
enum Folder {
  WithoutSlash = -1,
}

/** What a folder's path, which ends with "/", stands for. */
const INDEX_NAME = "index.html";

const RETRY_SOON = { fields: [["Retry-After", "1"]] } as const;
const ALLOW_FILE_METHODS = { fields: [["Allow", FILE_METHODS]] } as const;

const STRICT_EXTENSIONS: ReadonlySet<string> = new Set(["html", "txt", "png", "jpg", "jpeg"]);
const DOWNLOAD_EXTENSIONS: ReadonlySet<string> = new Set(["txt", "png", "jpg", "jpeg"]);

function isRead(method: Method): boolean {
  return method === Method.Get || method === Method.Head;
}

function withIndex(path: string): string {
  return path.endsWith("/") ? path + INDEX_NAME : path;
}

/** The name of the file that is asked for, which decides on its type, whatever a link behind it is called. */
function nameOf(path: string): string {
  return path.endsWith("/") ? INDEX_NAME : path.slice(path.lastIndexOf("/") + 1);
}

function answer(status: number, fields: FieldLines, body: Response["body"], transfer: string): Response {
  const isSmall = body instanceof Uint8Array && body.length <= IN_MEMORY_BYTES_MAX;
  const encoded = isSmall ? encodeAnswer(fields, body) : { fields: encodeFields(fields), body, joined: null };
  return { status, ...encoded, close: false, transfer, incident: null };
}

/** RFC 9110 §15.4.9: 308 keeps the method. The target is a path of this server whatever was asked, never `//host`. */
function redirectToFolder(request: Request): Response {
  const path = request.target.path.replace(/^\/+/, "/");
  const location = `${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}/${request.target.query}`;
  const fields: FieldLine[] = [
    ["Location", location],
    ["Content-Length", "0"],
    ["Cache-Control", "no-cache"],
  ];
  return answer(308, fields, null, "redirect");
}

/** Fewer bytes than its size when the file was cut in between; then the answer is about those. Throws what the disk says. */
function readWhole(file: Opened): Uint8Array {
  const content = new Uint8Array(file.stats.size);
  let length = 0;
  while (length < content.length) {
    const count = readSync(file.descriptor, content, length, content.length - length, length);
    if (count === 0) break;
    length += count;
  }
  return content.subarray(0, length);
}

/** Never throws: what cannot be read any more is the end. */
function readAt(descriptor: number, into: Uint8Array, offset: number, limit: number, position: number): number {
  try {
    return readSync(descriptor, into, offset, limit, position);
  } catch {
    return 0;
  }
}

/**
 * RFC 9110 §8.8.3, strong: times in microseconds, size and inode, apart from each other by a separator. A kernel's clock
 * may stand still for some milliseconds, so two writes can have the same times: the hash of a small file, which is always
 * read whole, is part of its tag. A larger one has the same tag whether it is in memory or not.
 */
export function entityTag(
  stats: Pick<Stats, "mtimeMs" | "ctimeMs" | "size" | "ino">,
  content: Uint8Array | null,
): string {
  const modified = Math.round(stats.mtimeMs * 1000).toString(36);
  const changed = Math.round(stats.ctimeMs * 1000).toString(36);
  const tag = `${modified}-${changed}-${stats.size.toString(36)}-${stats.ino.toString(36)}`;
  return content === null ? `"${tag}"` : `"${tag}-${Bun.hash(content).toString(36)}"`;
}

/** What 304 repeats of 200 (RFC 9110 §15.4.5). */
function validatorFields(file: Snapshot): FieldLine[] {
  return [
    ["ETag", file.etag],
    ["Last-Modified", imfDate(file.lastModified)],
    ["Cache-Control", "no-cache"],
  ];
}

function notModified(file: Snapshot): Response {
  return answer(304, validatorFields(file), null, "not-modified");
}

/** False for the plain GET that nearly all are. */
function hasConditions(head: RequestHead): boolean {
  return (
    head.has(Field.IfNoneMatch) ||
    head.has(Field.IfModifiedSince) ||
    head.has(Field.Range) ||
    head.has(Field.IfMatch) ||
    head.has(Field.IfUnmodifiedSince)
  );
}

function preconditionOf(head: RequestHead, etag: string, lastModified: number, nowSeconds: number): Precondition {
  if (!hasConditions(head)) return Precondition.Proceed;
  const preconditions = {
    ifMatch: head.value(Field.IfMatch),
    ifUnmodifiedSince: head.value(Field.IfUnmodifiedSince),
    ifNoneMatch: head.value(Field.IfNoneMatch),
    ifModifiedSince: head.value(Field.IfModifiedSince),
  };
  return evaluatePreconditions(head.method, preconditions, etag, lastModified, nowSeconds);
}

/** RFC 9110 §14.2: Range means something for GET alone, and only while If-Range holds. */
function rangesOf(
  head: RequestHead,
  size: number,
  etag: string,
  lastModified: number,
  nowSeconds: number,
): readonly ByteRange[] | RangeVerdict {
  if (head.method !== Method.Get) return RangeVerdict.Ignore;
  const range = head.value(Field.Range);
  if (range === null) return RangeVerdict.Ignore;
  const ifRange = head.value(Field.IfRange);
  if (ifRange !== null && !ifRangeHolds(ifRange, etag, lastModified, nowSeconds)) return RangeVerdict.Ignore;
  return parseRange(range, size);
}

/** RFC 6266, with `filename*` (RFC 8187) where the plain form could be misread: quotes, escapes, percent signs, not ASCII. */
function attachment(name: string): string {
  const plain = name.replace(/[^ -~]/gu, "_").replace(/["\\]/g, "\\$&");
  if (plain === name && !name.includes("%")) return `attachment; filename="${name}"`;
  // RFC 8187 §3.2.1: attr-char is less than what encodeURIComponent lets through.
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** RFC 9110 §14.6: each part with its own head, in the order asked. */
function multipartPieces(ranges: readonly ByteRange[], size: number, contentType: string, boundary: string): Piece[] {
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

function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce((size, piece) => size + lengthOf(piece), 0);
}

function joined(pieces: readonly Piece[], content: Uint8Array): Uint8Array {
  return Buffer.concat(
    pieces.map((piece) => (piece instanceof Uint8Array ? piece : content.subarray(piece.first, piece.last + 1))),
  );
}

/** Parts of an open file, and bytes of ours between them, as one content. Owns the descriptor. */
class OpenSource implements BodySource {
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
