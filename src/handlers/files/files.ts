/**
 * GET and HEAD of files: name → hot file or opened file → coding → preconditions → range → head and content.
 *
 * Strategy: a small file is read at once, its descriptor closed, and what was read kept with its encoded head among the
 * hot files; a large one stays open as a source that the connection pulls from and closes. HEAD is answered as GET; the
 * connection leaves the content out. A file in a coding is a file of its own: with its own name among the hot files, its own
 * entity tag, and no ranges, which are always of the file itself.
 * The rule it guards: an opened file has one owner at a time. `using` closes it, unless an OpenSource has taken it over.
 */
import { parseQualityList } from "../../http/accept.ts";
import type { ContentCoding } from "../../http/accept-encoding.ts";
import { Precondition } from "../../http/conditional.ts";
import { imfDate } from "../../http/date.ts";
import { escapeControls } from "../../http/escape.ts";
import { Field } from "../../http/field.ts";
import { type FieldLine, Fields, RETRY_SOON } from "../../http/fields.ts";
import { type Request, type RequestHead, type Response, response } from "../../http/message.ts";
import { Method } from "../../http/method.ts";
import { RangeVerdict } from "../../http/range.ts";
import { limits } from "../../settings/limits.ts";
import { randomHex } from "../digest.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import type { Listing } from "../listing/listing.ts";
import type { CachePolicy } from "./cache-policy.ts";
import { CODING_EXTENSIONS, type Codings } from "./coding.ts";
import { extensionOf } from "./content-type.ts";
import { type DocumentRoot, errorCode, type OpenedFile, OpenFailure } from "./document-root.ts";
import { joinPieces, multipartPieces, OpenSource, readWhole, sizeOf } from "./file-body.ts";
import { codedTag, entityTag, hasConditions, preconditionOf, rangesOf } from "./file-conditions.ts";
import type { AbsentFile, HotFile, HotFiles, Neighbour, Snapshot } from "./hot-files.ts";
import { presentationOf } from "./presentation.ts";

/** What may be done with a file. */
export const FILE_METHODS = "GET, HEAD, OPTIONS";

/** What a folder's path, which ends with "/", stands for, if nothing else is said. */
export const INDEX_NAME = "index.html";

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
  /** Null: every file is sent as it is. */
  readonly codings: Codings | null;
  /** What caches are told, by a file's path below the prefix. */
  readonly cachePolicy: CachePolicy;
  /** True: a navigation to what is not there gets the root's index. */
  readonly spa: boolean;
  /** Shows what is in a folder without its index; null: such a folder is not there. */
  readonly listing: Listing | null;
  /** Name of the file that a folder's path, which ends with "/", stands for. */
  readonly index: string;
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
  respond(request: Request): Response | Promise<Response> {
    const { path } = request.target;
    return this.#respondTo(this.#options.prefix === "" ? path : path.slice(this.#options.prefix.length), request);
  }

  /** `name` is the path below the prefix. */
  #respondTo(name: string, request: Request): Response | Promise<Response> {
    if (isRead(request.head.method) && this.#options.codings === null) {
      const hot = this.#options.hot.get(name);
      if (hot !== null && !hot.isAbsent) return this.#answerHot(request, name, hot);
    }
    return this.#respondFromDisk(name, request);
  }

  #answerHot(request: Request, name: string, hot: HotFile): Response {
    return hasConditions(request.head) ? this.#answer(request, name, hot, null) : hot.whole;
  }

  /** Where codings are to be had, one that is hot is still found here, before the disk is asked. */
  #respondFromDisk(name: string, request: Request): Response | Promise<Response> {
    const { head } = request;
    const { codings } = this.#options;
    let wanted = NO_CODINGS;
    if (isRead(head.method) && codings !== null) {
      wanted = this.#wantedCodings(codings, name, head);
      const hot = this.#keptIn(wanted, name);
      if (hot !== null) return this.#answerHot(request, name, hot);
    }
    const found = this.#find(name);
    if (found === Folder.WithoutSlash)
      return isRead(head.method) ? redirectToFolder(request) : this.#notAllowed(request);
    if (typeof found === "number") {
      const listed = found === OpenFailure.Missing ? this.#list(name, request) : null;
      if (listed !== null) return listed;
      const isRoute = found === OpenFailure.Missing && this.#options.spa && name !== "/" && isNavigation(name, head);
      return isRoute ? this.#respondTo("/", request) : this.#refuseFailure(found, request);
    }
    using file = found;
    if (!isRead(head.method)) return this.#notAllowed(request);
    if (this.#options.strictTypes && !STRICT_EXTENSIONS.has(extensionOf(this.#fileName(name)))) {
      return this.#refuse(415, "This server only serves html, txt, png, jpg and jpeg files.", request);
    }
    const path = this.#withIndex(name);
    const source: Variant = { name, path, file, isSettled: this.#isSettled(file), coding: null, neighbours: [] };
    const coded = codings === null ? null : this.#answerCoded(request, source, codings, wanted, null);
    return coded ?? this.#answerOpened(request, source);
  }

  /** The codings in which this request may have the file, best first. A part of a file is a part of the file itself. */
  #wantedCodings(codings: Codings, name: string, head: RequestHead): readonly ContentCoding[] {
    if (!head.has(Field.AcceptEncoding) || (head.method === Method.Get && head.has(Field.Range))) return NO_CODINGS;
    return codings.covers(this.#fileName(name)) ? codings.accepted(head) : NO_CODINGS;
  }

  /** The file in the first of the codings that it can be had in, or as it is; null when the disk must be asked. */
  #keptIn(wanted: readonly ContentCoding[], name: string): HotFile | null {
    for (const coding of wanted) {
      const kept = this.#options.hot.get(hotName(name, coding));
      if (kept === null || !kept.isAbsent) return kept;
    }
    const itself = this.#options.hot.get(name);
    return itself === null || itself.isAbsent ? null : itself;
  }

  /** A regular file, opened, or why not. */
  #find(path: string): OpenedFile | OpenFailure | Folder.WithoutSlash {
    const { root, index, listing } = this.#options;
    const opened = root.open(this.#withIndex(path));
    if (typeof opened === "number" || opened.stats.isFile()) return opened;
    opened.close();
    if (path.endsWith("/")) return OpenFailure.Missing;
    const missing = listing === null ? OpenFailure.Missing : Folder.WithoutSlash;
    const indexFile = root.open(`${path}/${index}`);
    if (typeof indexFile === "number") return indexFile === OpenFailure.Missing ? missing : indexFile;
    indexFile.close();
    return indexFile.stats.isFile() ? Folder.WithoutSlash : missing;
  }

  /** What is in the folder `name`, which has no index; null where it is no folder, or none that the request names. */
  #list(name: string, request: Request): Response | Promise<Response> | null {
    const { listing, prefix, root, strictTypes } = this.#options;
    // A route is answered with the root's index, never with what else is in the root.
    if (listing === null || !name.endsWith("/") || prefix + name !== request.target.path) return null;
    const folder = root.open(name);
    if (folder === OpenFailure.Missing) return null;
    if (typeof folder === "number") return this.#refuseFailure(folder, request);
    if (!folder.stats.isDirectory() || !isRead(request.head.method)) {
      folder.close();
      return folder.stats.isDirectory() ? this.#notAllowed(request) : null;
    }
    if (folder.stats.size > limits.listingFolderBytesMax) {
      folder.close();
      return this.#refuse(403, "This folder has too many files to be listed.", request);
    }
    const isShown = strictTypes ? (file: string) => STRICT_EXTENSIONS.has(extensionOf(file)) : () => true;
    return listing
      .respond(request, name, folder, isShown)
      .then((answered) => (typeof answered === "number" ? this.#refuseFailure(answered, request) : answered));
  }

  /**
   * The file in the first of the codings that it can be had in, from a neighbour or compressed here; null when there is none.
   * `read` is the file, if it is in memory already. The caller owns the file of `source`; it is not used after this returns.
   */
  #answerCoded(
    request: Request,
    source: Variant,
    codings: Codings,
    wanted: readonly ContentCoding[],
    read: Snapshot | null,
  ): Response | Promise<Response> | null {
    for (const [index, coding] of wanted.entries()) {
      const kept = this.#options.hot.get(hotName(source.name, coding));
      if (kept?.isAbsent === true) continue;
      if (kept !== null) return this.#answer(request, source.name, kept, null);
      const neighbour = codings.precompressed ? this.#findNeighbour(source, coding) : null;
      if (neighbour !== null) {
        using _owned = neighbour.file;
        return this.#answerOpened(request, neighbour);
      }
      const coded = { ...source, coding, neighbours: codings.precompressed ? [this.#absent(source, coding)] : [] };
      if (codings.compresses(this.#fileName(source.name), source.file.stats.size, HOT_BYTES_MAX)) {
        const snapshot = read ?? this.#read(source, true);
        if (snapshot === OpenFailure.Broken) return this.#refuseFailure(snapshot, request);
        return this.#answerCompressed(request, coded, codings, snapshot, () =>
          this.#answerCoded(request, source, codings, wanted.slice(index + 1), snapshot),
        );
      }
      this.#keepUncoded(coded);
    }
    return null;
  }

  /** The file that was compressed beforehand, opened. One that is no regular file, or outside of the root, is not there. */
  #findNeighbour(source: Variant, coding: ContentCoding): Variant | null {
    const { root } = this.#options;
    const path = source.path + CODING_EXTENSIONS[coding];
    const file = root.open(path);
    if (typeof file === "number") return null;
    if (file.stats.isFile()) {
      const neighbours = [{ path: root.realPath + source.path, stats: source.file.stats }];
      return { name: source.name, path, file, isSettled: this.#isSettled(file), coding, neighbours };
    }
    file.close();
    return null;
  }

  #absent(source: Variant, coding: ContentCoding): Neighbour {
    return { path: this.#options.root.realPath + source.path + CODING_EXTENSIONS[coding], stats: null };
  }

  /** Compressed, or what `next` gives when that makes it no smaller, or the file as it is. */
  async #answerCompressed(
    request: Request,
    coded: Variant,
    codings: Codings,
    source: Snapshot,
    next: () => Response | Promise<Response> | null,
  ): Promise<Response> {
    const { coding, file, name } = coded;
    if (source.content === null || coding === null) throw new Error("there is nothing to compress");
    const content = await codings.compressed(coding, `${source.etag} ${file.path}`, source.content);
    if (content === null) {
      this.#keepUncoded(coded);
      return next() ?? this.#answer(request, name, source, null);
    }
    const snapshot = { ...source, coding, content, etag: codedTag(source.etag, coding) };
    return this.#answer(request, name, this.#keep(coded, snapshot), null);
  }

  /** Answers with the opened file. A response that reads from it takes over its descriptor; otherwise the caller's scope closes it. */
  #answerOpened(request: Request, variant: Variant): Response {
    const snapshot = this.#read(variant, false);
    if (snapshot === OpenFailure.Broken) return this.#refuseFailure(snapshot, request);
    if (snapshot.content !== null) return this.#answer(request, variant.name, this.#keep(variant, snapshot), null);
    return this.#answer(request, variant.name, snapshot, variant.file);
  }

  /**
   * What was opened as it is at this moment, in memory when it is small, often asked for, or has to be. What the disk failed to
   * give in whole is not sent: it would pass for whole.
   */
  #read({ name, file, coding }: Variant, inMemory: boolean): Snapshot | OpenFailure.Broken {
    const { stats } = file;
    const { size } = stats;
    const isSmall = size <= IN_MEMORY_BYTES_MAX;
    const isHot = () => size <= HOT_BYTES_MAX && this.#options.hot.isWanted(hotName(name, coding), size);
    let content: Uint8Array | null = null;
    try {
      if (isSmall || inMemory || isHot()) content = readWhole(file);
    } catch (error) {
      this.#options.root.lastError = `${errorCode(error)} in ${file.path}`;
      return OpenFailure.Broken;
    }
    // RFC 9110 §8.8.2.1: never later than the answer's own Date.
    const lastModified = Math.max(
      0,
      Math.min(Math.floor(stats.mtimeMs / 1000), Math.floor(this.#options.now() / 1000)),
    );
    const tag = entityTag(stats, isSmall ? content : null);
    return { stats, content, coding, etag: coding === null ? tag : codedTag(tag, coding), lastModified };
  }

  /**
   * Keeps a small file with its answer to a plain GET. Its times were taken before its bytes, so what changed while it was read
   * is another file than the kept one when it is asked for again.
   */
  #keep(variant: Variant, snapshot: Snapshot): Snapshot {
    const { content } = snapshot;
    if (content === null || !variant.isSettled) return snapshot;
    const made = this.#wholeAnswer(variant.name, snapshot, null);
    // From here on the fields' copy of a small content is the only one.
    const kept = made.fields.hold(content);
    const whole = { ...made, content: kept };
    const notModified = this.#notModified(variant.name, snapshot);
    const hot: HotFile = { ...snapshot, isAbsent: false, content: kept, whole, notModified };
    this.#keepHot(variant, hot);
    return hot;
  }

  /** Keeps the knowledge that the file cannot be had in this coding, so that the disk is asked no more than for one that can. */
  #keepUncoded(variant: Variant): void {
    if (variant.isSettled) this.#keepHot(variant, { isAbsent: true, stats: variant.file.stats });
  }

  #keepHot({ name, path, file, coding, neighbours }: Variant, hot: HotFile | AbsentFile): void {
    const { root } = this.#options;
    this.#options.hot.set(hotName(name, coding), root.realPath + path, file.path, hot, neighbours);
  }

  /**
   * False for a file that comes from the future, or changed so lately that its next change could leave it the same times and
   * size: nobody would see that it is another file.
   */
  #isSettled({ stats }: OpenedFile): boolean {
    const now = this.#options.now();
    return stats.mtimeMs <= now && now - stats.ctimeMs >= SETTLED_MS;
  }

  /** Answers with the part of the file that the request asks for, under its conditions. `opened` is null if the content is in memory. */
  #answer(request: Request, name: string, file: Snapshot, opened: OpenedFile | null): Response {
    const { head } = request;
    const { content: small, etag, lastModified } = file;
    const size = small === null ? file.stats.size : small.length;
    const nowSeconds = Math.floor(this.#options.now() / 1000);

    switch (preconditionOf(head, etag, lastModified, nowSeconds)) {
      case Precondition.NotModified:
        return isHotFile(file) ? file.notModified : this.#notModified(name, file);
      case Precondition.Failed:
        return this.#refuse(412, "The file is not in the state that the request asks for.", request);
      case Precondition.Proceed:
        break;
    }

    // Where ranges could be asked for, `#wantedCodings` has chosen the file itself.
    const ranges = rangesOf(head, size, etag, lastModified, nowSeconds);
    if (ranges === RangeVerdict.Unsatisfiable) {
      const fields = [["Content-Range", `bytes */${size}`]] as const;
      return this.#options.pages.answer(416, "The file has no bytes in the range asked for.", wantsJson(request), {
        fields,
      });
    }
    if (ranges === RangeVerdict.Ignore) return isHotFile(file) ? file.whole : this.#wholeAnswer(name, file, opened);

    const type = presentationOf(this.#fileName(name), this.#options.inline);
    const lines = this.#commonLines(name, file, type.disposition);
    const [only] = ranges;
    if (ranges.length === 1 && only !== undefined) {
      const { first, last } = only;
      lines.push(["Content-Type", type.contentType], ["Content-Length", String(last - first + 1)]);
      lines.push(["Content-Range", `bytes ${first}-${last}/${size}`]);
      const content = small === null ? new OpenSource(opened, ranges) : small.subarray(first, last + 1);
      return response(206, Fields.of(lines), content, "range");
    }
    const boundary = randomHex(12);
    const pieces = multipartPieces(ranges, size, type.contentType, boundary);
    lines.push(["Content-Type", `multipart/byteranges; boundary=${boundary}`]);
    lines.push(["Content-Length", String(sizeOf(pieces))]);
    const content = small === null ? new OpenSource(opened, pieces) : joinPieces(pieces, small);
    return response(206, Fields.of(lines), content, "ranges");
  }

  #wholeAnswer(name: string, file: Snapshot, opened: OpenedFile | null): Response {
    const type = presentationOf(this.#fileName(name), this.#options.inline);
    const size = file.content === null ? file.stats.size : file.content.length;
    const lines = this.#commonLines(name, file, type.disposition);
    lines.push(["Content-Type", type.contentType], ["Content-Length", String(size)]);
    const content = file.content ?? new OpenSource(opened, [{ first: 0, last: size - 1 }]);
    return response(200, Fields.of(lines), content, file.coding === null ? type.kind : `${type.kind}-${file.coding}`);
  }

  #notModified(name: string, file: Snapshot): Response {
    return response(304, Fields.of(this.#validatorLines(name, file)), null, "not-modified");
  }

  /** What 304 repeats of 200 (RFC 9110 §15.4.5). */
  #validatorLines(name: string, file: Snapshot): FieldLine[] {
    const lines: FieldLine[] = [
      ["ETag", file.etag],
      ["Last-Modified", imfDate(file.lastModified)],
      ["Cache-Control", this.#options.cachePolicy.valueFor(this.#withIndex(name))],
    ];
    const vary = this.#vary(name);
    if (vary !== "") lines.push(["Vary", vary]);
    return lines;
  }

  /** The request fields that another answer could follow from (RFC 9110 §12.5.5), also where this one is the file as it is. */
  #vary(name: string): string {
    const { codings, spa } = this.#options;
    const fields = codings?.covers(this.#fileName(name)) ? ["Accept-Encoding"] : [];
    // It stands for routes as well, and those are 404 for whoever does not navigate.
    if (spa && name === "/") fields.push("Accept");
    return fields.join(", ");
  }

  /** What 200 and 206 have in common. */
  #commonLines(name: string, file: Snapshot, disposition: string | null): FieldLine[] {
    const lines = this.#validatorLines(name, file);
    lines.push(file.coding === null ? ["Accept-Ranges", "bytes"] : ["Content-Encoding", file.coding]);
    lines.push(["X-Content-Type-Options", "nosniff"]);
    if (disposition !== null) lines.push(["Content-Disposition", disposition]);
    return lines;
  }

  /** The path of the file that `name` stands for. */
  #withIndex(name: string): string {
    return name.endsWith("/") ? name + this.#options.index : name;
  }

  /** Its last part, which decides on its type, whatever a link behind it is called. */
  #fileName(name: string): string {
    return name.endsWith("/") ? this.#options.index : name.slice(name.lastIndexOf("/") + 1);
  }

  #refuseFailure(failure: OpenFailure, request: Request): Response {
    switch (failure) {
      case OpenFailure.Missing:
        return this.#refuse(404, "There is no such file here.", request);
      case OpenFailure.Forbidden:
        return this.#refuse(403, "This server is not permitted to read that file.", request);
      case OpenFailure.Outside: {
        const page = this.#refuse(403, "That path leads out of the folder that is served.", request);
        return { ...page, incident: `a link leads out of the root: ${escapeControls(request.head.targetText)}` };
      }
      case OpenFailure.Busy:
        this.#logFailure();
        return this.#options.pages.answer(503, "The server is too busy to open that file.", wantsJson(request), {
          fields: RETRY_SOON,
        });
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

/** A name without the slash at its end, for a folder that has an index. Beside OpenFailure, so no number may be in both. */
enum Folder {
  WithoutSlash = -1,
}

/** What was opened for a request: the file that it names, or that in a coding. */
interface Variant {
  /** What the request names, below the prefix. */
  readonly name: string;
  /** What was opened for it, below the root. */
  readonly path: string;
  readonly file: OpenedFile;
  /** When it was opened, before its bytes were read: see `#isSettled`. */
  readonly isSettled: boolean;
  readonly coding: ContentCoding | null;
  /** Files on which it depends that it is this one. */
  readonly neighbours: readonly Neighbour[];
}

const NO_CODINGS: readonly ContentCoding[] = [];

const ALLOW_FILE_METHODS = { fields: [["Allow", FILE_METHODS]] } as const;

const STRICT_EXTENSIONS: ReadonlySet<string> = new Set(["html", "txt", "png", "jpg", "jpeg"]);

function isRead(method: Method): boolean {
  return method === Method.Get || method === Method.Head;
}

/** Names begin with "/" or are empty, so a coding in front makes no other file's name. */
function hotName(name: string, coding: ContentCoding | null): string {
  return coding === null ? name : coding + name;
}

/**
 * True when somebody goes to a page: HTML is named among what is accepted, and the path's last part has no extension. Nobody
 * goes to what is well known (RFC 8615): programs ask for it, and some to learn whether what cannot exist is 404.
 */
function isNavigation(name: string, head: RequestHead): boolean {
  if (!isRead(head.method) || extensionOf(name) !== "" || name.startsWith("/.well-known/")) return false;
  const accept = head.value(Field.Accept);
  return accept !== null && parseQualityList(accept).some((item) => item.name === "text/html" && item.quality > 0);
}

function isHotFile(file: Snapshot): file is HotFile {
  return "whole" in file;
}

/** RFC 9110 §15.4.9: 308 keeps the method. The target is a path of this server whatever was asked, never `//host`. */
function redirectToFolder(request: Request): Response {
  const path = request.target.path.replace(/^\/+/, "/");
  const location = `${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}/${request.target.query}`;
  const fields = Fields.of([
    ["Location", location],
    ["Content-Length", "0"],
    ["Cache-Control", "no-cache"],
  ]);
  return response(308, fields, null, "redirect");
}
