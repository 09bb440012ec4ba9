/**
 * Makes the response for a representation: 200, 206 with one or several ranges, 304, 412 or 416, in the order of RFC 9110
 * §13.2.2. HEAD is answered as GET; the carrier leaves the content out.
 */
import { Precondition } from "../../http/conditional.ts";
import { imfDate } from "../../http/date.ts";
import { type FieldLine, type FieldLines, Fields } from "../../http/fields.ts";
import { type Request, type Response, response } from "../../http/message.ts";
import { type ByteRange, RangeVerdict } from "../../http/range.ts";
import { randomHex } from "../digest.ts";
import type { CachePolicy } from "./cache-policy.ts";
import type { Codings } from "./coding.ts";
import type { OpenedFile } from "./document-root.ts";
import { FileSource, multipartPieces, sizeOf } from "./file-body.ts";
import { hasConditions, preconditionOf, rangesOf } from "./file-conditions.ts";
import type { HotFile, Snapshot } from "./hot-files.ts";
import { fileNameOf, withIndex } from "./names.ts";
import { isolatedPresentation, type Presentation, presentationOf } from "./presentation.ts";
import type { FileRefusals } from "./refusal.ts";

interface RepliesOptions {
  readonly refusals: FileRefusals;
  /** True: every file with its own type, none as a download. */
  readonly inline: boolean;
  /** True: every file is a download in a sandbox. */
  readonly isolated?: boolean;
  /** Null: no file has a coding. */
  readonly codings: Codings | null;
  /** Chooses Cache-Control by a file's path below the prefix. */
  readonly cachePolicy: CachePolicy;
  /** True: the index of the root also answers for routes. */
  readonly spa: boolean;
  readonly index: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export class Replies {
  readonly #options: RepliesOptions;

  constructor(options: RepliesOptions) {
    this.#options = options;
  }

  /** Answers from a hot file; nearly every request has no conditions and gets the response that lies ready. */
  hot(request: Request, name: string, file: HotFile): Response {
    return hasConditions(request.head) ? this.reply(request, name, file, null) : file.whole;
  }

  /**
   * Answers with the part of the file that the request asks for, under its conditions. `opened` is null if the content is in
   * memory; otherwise the response takes over its descriptor, unless there is nothing to read from it.
   */
  reply(request: Request, name: string, file: Snapshot, opened: OpenedFile | null): Response {
    const { head } = request;
    const { etag, lastModified } = file;
    const nowSeconds = Math.floor(this.#options.now() / 1000);

    switch (preconditionOf(head, etag, lastModified, nowSeconds)) {
      case Precondition.NotModified:
        return isHotFile(file) ? file.notModified : notModified(this.#validatorLines(name, file));
      case Precondition.Failed:
        return this.#options.refusals.refuse(412, "The file is not in the state that the request asks for.", request);
      case Precondition.Proceed:
        break;
    }

    // A request with a range has been given the file as it is, without a coding.
    const size = sizeOfFile(file);
    const ranges = rangesOf(head, size, etag, lastModified, nowSeconds);
    if (ranges === RangeVerdict.Unsatisfiable) return this.#options.refusals.rangeNotSatisfiable(size, request);
    if (ranges !== RangeVerdict.Ignore) return this.#partial(name, file, opened, ranges);
    return isHotFile(file) ? file.whole : this.#whole(name, file, opened, this.#validatorLines(name, file));
  }

  /** Makes a hot file of one that is in memory. Its responses share their lines, and the 200 holds the only copy of the content. */
  hotFile(name: string, file: Snapshot, content: Uint8Array): HotFile {
    const validators = this.#validatorLines(name, file);
    const made = this.#whole(name, file, null, validators);
    const held = made.fields.hold(content);
    const whole = { ...made, content: held };
    return { ...file, isAbsent: false, content: held, whole, notModified: notModified(validators) };
  }

  #presentation(name: string): Presentation {
    const { inline, isolated = false } = this.#options;
    return isolated ? isolatedPresentation(this.#fileName(name)) : presentationOf(this.#fileName(name), inline);
  }

  /** Makes the 200 for the whole file. */
  #whole(name: string, file: Snapshot, opened: OpenedFile | null, validators: FieldLines): Response {
    const type = this.#presentation(name);
    const size = sizeOfFile(file);
    const lines = commonLines(validators, file, type);
    lines.push(["Content-Type", type.contentType], ["Content-Length", String(size)]);
    const content = file.content ?? new FileSource(opened, [{ first: 0, last: size - 1 }]);
    return response(200, Fields.of(lines), content, file.coding === null ? type.kind : `${type.kind}-${file.coding}`);
  }

  #partial(name: string, file: Snapshot, opened: OpenedFile | null, ranges: readonly ByteRange[]): Response {
    const { content: small } = file;
    const size = sizeOfFile(file);
    const type = this.#presentation(name);
    const lines = commonLines(this.#validatorLines(name, file), file, type);
    const [only] = ranges;
    if (ranges.length === 1 && only !== undefined) {
      const { first, last } = only;
      lines.push(["Content-Type", type.contentType], ["Content-Length", String(last - first + 1)]);
      lines.push(["Content-Range", `bytes ${first}-${last}/${size}`]);
      const content = small === null ? new FileSource(opened, ranges) : small.subarray(first, last + 1);
      return response(206, Fields.of(lines), content, "range");
    }
    const boundary = randomHex(12);
    const pieces = multipartPieces(ranges, size, type.contentType, boundary);
    lines.push(["Content-Type", `multipart/byteranges; boundary=${boundary}`]);
    lines.push(["Content-Length", String(sizeOf(pieces))]);
    return response(206, Fields.of(lines), new FileSource(small ?? opened, pieces), "ranges");
  }

  /** Returns the lines of 200 that RFC 9110 §15.4.5 asks for in a 304. */
  #validatorLines(name: string, file: Snapshot): FieldLines {
    const { cachePolicy, index } = this.#options;
    const lines: FieldLine[] = [
      ["ETag", file.etag],
      ["Last-Modified", imfDate(file.lastModified)],
      cachePolicy.lineFor(withIndex(name, index)),
    ];
    const vary = this.#vary(name);
    if (vary !== "") lines.push(["Vary", vary]);
    return lines;
  }

  /** Returns the request fields that select another response (RFC 9110 §12.5.5), also for the file as it is. */
  #vary(name: string): string {
    const { codings, spa } = this.#options;
    const fields = codings?.covers(this.#fileName(name)) ? ["Accept-Encoding"] : [];
    // The root's index stands for routes as well, and a route is 404 for a request that is not a navigation.
    if (spa && name === "/") fields.push("Accept");
    return fields.join(", ");
  }

  #fileName(name: string): string {
    return fileNameOf(name, this.#options.index);
  }
}

/** Returns the lines that 200 and 206 share. Lines that many hot files have are one object. */
function commonLines(validators: FieldLines, { coding }: Snapshot, { disposition, policy }: Presentation): FieldLine[] {
  const lines = [...validators, coding === null ? ACCEPT_RANGES : (["Content-Encoding", coding] as const), NOSNIFF];
  if (disposition !== null) lines.push(["Content-Disposition", disposition]);
  if (policy !== null) lines.push(["Content-Security-Policy", policy]);
  return lines;
}

const ACCEPT_RANGES: FieldLine = ["Accept-Ranges", "bytes"];
const NOSNIFF: FieldLine = ["X-Content-Type-Options", "nosniff"];

function notModified(validators: FieldLines): Response {
  return response(304, Fields.of(validators), null, "not-modified");
}

function sizeOfFile({ content, stats }: Snapshot): number {
  return content === null ? stats.size : content.length;
}

function isHotFile(file: Snapshot): file is HotFile {
  return "whole" in file;
}
