/**
 * GET and HEAD of uploads in an object store.
 *
 *   1. name         404 for a name that no upload can have
 *   2. state        a request with conditions or a range asks for the state of the object first, and is judged here: 304, 412, 416
 *   3. content      passed on while it comes; a part of it only as long as the object is the same (If-Match)
 *   4. answer       always a download in a sandbox
 *
 * Conditions are judged here because stores differ in them. Several ranges in one request are answered with the whole (RFC 9110 §14.2).
 */
import type { TimeSource } from "../../../exchange/clock.ts";
import { Precondition } from "../../../http/conditional.ts";
import { imfDate, parseHttpDate } from "../../../http/date.ts";
import { type FieldLine, type FieldLines, Fields } from "../../../http/fields.ts";
import { ADMITTED, type Admission, type Request, type Response, response } from "../../../http/message.ts";
import { isRead } from "../../../http/method.ts";
import { type ByteRange, RangeVerdict } from "../../../http/range.ts";
import { SECOND } from "../../../http/units.ts";
import { type ErrorPages, wantsJson } from "../../error-page.ts";
import { hasConditions, preconditionOf, rangesOf } from "../../files/file-conditions.ts";
import { isolatedPresentation } from "../../files/presentation.ts";
import { FILE_METHODS } from "../../files/refusal.ts";
import type { Mount } from "../../mount.ts";
import { mistakeInName } from "../names.ts";
import { isBelowUploads, UPLOADS_PATH } from "../paths.ts";
import { StoreError } from "../store.ts";
import { fieldOf, S3Answer, type S3Client, type S3Stream } from "./client.ts";
import { isPending, type Objects } from "./objects.ts";

interface ShownOptions {
  readonly client: S3Client;
  readonly objects: Objects;
  readonly pages: ErrorPages;
  readonly time: Pick<TimeSource, "wallMs">;
}

/** The state of an object. */
interface State {
  readonly etag: string;
  /** Seconds since 1970. */
  readonly lastModified: number;
  readonly size: number;
}

export class ShownObjects implements Mount {
  readonly isControl = false;
  readonly #options: ShownOptions;

  constructor(options: ShownOptions) {
    this.#options = options;
  }

  owns(path: string): boolean {
    return isBelowUploads(path);
  }

  allow(): string {
    return FILE_METHODS;
  }

  admit({ head }: Request): Admission | null {
    return isRead(head.method) ? ADMITTED : null;
  }

  /** Never rejects. */
  async respond(request: Request): Promise<Response> {
    const name = request.target.path.slice(UPLOADS_PATH.length + 1);
    if (mistakeInName(name) !== null) return this.#missing(request);
    try {
      return hasConditions(request.head) ? await this.#judged(request, name) : await this.#whole(request, name);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const { retrySeconds, status } = error;
      const fields: FieldLines = retrySeconds === null ? [] : [["Retry-After", String(retrySeconds)]];
      return this.#refuse(request, status === 503 ? 503 : 500, UNREAD, fields);
    }
  }

  /** Answers a request without conditions. */
  #whole(request: Request, name: string): Promise<Response> {
    const isHead = request.head.methodText === "HEAD";
    return this.#pass(request, name, { method: isHead ? "HEAD" : "GET" }, null);
  }

  async #judged(request: Request, name: string): Promise<Response> {
    const { client, objects, time } = this.#options;
    const stream = await client.read({ method: "HEAD", key: objects.keyOf(name) });
    stream.content?.close();
    const state = stream.status === 200 && !isPending(stream.lines) ? stateOf(stream) : null;
    if (state === null) return this.#unusual(request, stream);
    const { head } = request;
    const { etag, lastModified, size } = state;
    const nowSeconds = Math.floor(time.wallMs() / SECOND);
    switch (preconditionOf(head, etag, lastModified, nowSeconds)) {
      case Precondition.NotModified:
        return response(304, Fields.of(validators(state)), null, "binary");
      case Precondition.Failed:
        return this.#refuse(request, 412, "The upload is not in the state that the request asks for.");
      default:
    }
    const ranges = rangesOf(head, size, etag, lastModified, nowSeconds);
    if (ranges === RangeVerdict.Unsatisfiable) {
      const sentence = "The upload has no byte in the range that the request asks for.";
      return this.#refuse(request, 416, sentence, [["Content-Range", `bytes */${size}`]]);
    }
    const range = ranges !== RangeVerdict.Ignore && ranges.length === 1 ? (ranges[0] ?? null) : null;
    if (head.methodText === "HEAD") return this.#answer(name, stream, state, null);
    const lines: FieldLine[] = [["If-Match", etag]];
    if (range !== null) lines.push(["Range", `bytes=${range.first}-${range.last}`]);
    return this.#pass(request, name, { method: "GET", lines }, range);
  }

  /** Answers with the content that the store sends. `range` is the part that was requested. */
  async #pass(
    request: Request,
    name: string,
    asked: { readonly method: "GET" | "HEAD"; readonly lines?: FieldLines },
    range: ByteRange | null,
  ): Promise<Response> {
    const { client, objects } = this.#options;
    const stream = await client.read({ ...asked, key: objects.keyOf(name) });
    const isAsked = stream.status === (range === null ? 200 : 206) && !isPending(stream.lines);
    const state = isAsked ? stateOf(stream) : null;
    const isWhole = state !== null && (range === null || state.size === range.last - range.first + 1);
    if (isWhole) return this.#answer(name, stream, state, range);
    stream.content?.close();
    return this.#unusual(request, stream);
  }

  #answer(name: string, stream: S3Stream, state: State, range: ByteRange | null): Response {
    const { contentType, disposition, policy, kind } = isolatedPresentation(name);
    const lines: FieldLine[] = [
      ...validators(state),
      ["Accept-Ranges", "bytes"],
      ["X-Content-Type-Options", "nosniff"],
      ["Content-Disposition", disposition ?? "attachment"],
      ["Content-Security-Policy", policy ?? "sandbox"],
      ["Content-Type", contentType],
      ["Content-Length", String(state.size)],
    ];
    if (range === null) return response(200, Fields.of(lines), stream.content, kind);
    const total = /\/(\d+)$/.exec(fieldOf(stream.lines, "content-range") ?? "")?.[1] ?? "*";
    lines.push(["Content-Range", `bytes ${range.first}-${range.last}/${total}`]);
    return response(206, Fields.of(lines), stream.content, "range");
  }

  /** Answers where the store has not sent the object. */
  #unusual(request: Request, { status, lines }: S3Stream): Response {
    if (status === 404 || isPending(lines)) return this.#missing(request);
    if (status === 412) return this.#refuse(request, 412, "The upload has changed while it was read.");
    this.#options.client.refusal(new S3Answer(status, lines, "", false));
    return this.#refuse(request, 500, UNREAD);
  }

  #missing(request: Request): Response {
    return this.#refuse(request, 404, "There is no upload of that name.");
  }

  #refuse(request: Request, status: number, sentence: string, fields: FieldLines = []): Response {
    return this.#options.pages.answer(status, sentence, wantsJson(request), { fields });
  }
}

const UNREAD = "The store of this server cannot be read now.";

/** Returns the state that the fields of a response tell, or null if one of them is missing. Of a part, the size is that of the part. */
function stateOf({ lines }: S3Stream): State | null {
  const etag = fieldOf(lines, "etag");
  const lastModified = parseHttpDate(fieldOf(lines, "last-modified") ?? "", 0);
  const size = Number(fieldOf(lines, "content-length") ?? Number.NaN);
  if (etag === null || !/^"[!#-~]*"$/.test(etag) || lastModified < 0 || !Number.isSafeInteger(size)) return null;
  return { etag, lastModified, size };
}

function validators({ etag, lastModified }: State): FieldLine[] {
  return [
    ["ETag", etag],
    ["Last-Modified", imfDate(lastModified)],
    ["Cache-Control", "no-cache"],
  ];
}
