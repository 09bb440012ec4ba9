/**
 * Makes error responses: a small HTML page, the operator's or ours, or JSON for programs. No byte of the request
 * stands in them but in those of `single`, so each of the others is made once and kept for all clients.
 */
import { prefersJson } from "../http/accept.ts";
import { Field } from "../http/field.ts";
import { type FieldLines, Fields } from "../http/fields.ts";
import { type Request, type Response, response } from "../http/message.ts";
import { Method } from "../http/method.ts";
import { reasonPhrase } from "../http/status.ts";
import { limits } from "../settings/limits.ts";
import { ERROR_PAGE } from "../settings/server-settings.ts";
import { contentTypeOf } from "./files/content-type.ts";
import { escapeHtml, htmlPage } from "./page.ts";
import { readSmallFile, reasonOf } from "./small-file.ts";
import { UPLOAD_PATH } from "./uploads/paths.ts";

/** Differences between two responses with the same status and sentence. */
export interface ErrorExtras {
  /** Additional fields: Allow, Retry-After, Content-Range. */
  readonly fields?: FieldLines;
  /** True: the connection ends with this answer. */
  readonly isLast?: boolean;
}

/**
 * Returns true if the client prefers JSON, and for POST /upload. HTML is for all others, also if the head is unknown.
 */
export function wantsJson(request: Request | null): boolean {
  if (request === null) return false;
  // Reads the raw target: if the connection refuses the request, the decoded one may not exist.
  if (request.head.method === Method.Post && UPLOAD_TARGET.test(request.head.targetText)) return true;
  return request.head.has(Field.Accept) && prefersJson(request.head.value(Field.Accept));
}

/** A page of the operator, for clients that do not prefer JSON. */
interface OwnPage {
  readonly contentType: string;
  readonly content: Uint8Array;
}

/**
 * Reads the pages of `STATUS=FILE` items, by status. They are read once, at the start: an error response must not need
 * the disk, which may be what fails. A relative name is resolved against the working directory, as all names on the
 * command line.
 *
 * Throws a RangeError, in one line for the operator, for a file that cannot be read or is too large.
 */
export function readOwnPages(items: readonly string[]): ReadonlyMap<number, OwnPage> {
  const pages = new Map<number, OwnPage>();
  for (const item of items) {
    const [, status = "", path = ""] = ERROR_PAGE.exec(item) ?? [];
    pages.set(Number(status), { contentType: contentTypeOf(path), content: readPage(path) });
  }
  return pages;
}

/** Makes error responses and keeps them. One per handler. */
export class ErrorPages {
  readonly #prepared = new Map<string, Response>();
  readonly #own: ReadonlyMap<number, OwnPage>;

  constructor(own: ReadonlyMap<number, OwnPage> = new Map()) {
    this.#own = own;
  }

  /** Returns the response. `sentence` is one plain sentence of ours, without any byte from the wire. */
  answer(status: number, sentence: string, json: boolean, extras: ErrorExtras = NOTHING): Response {
    const key = keyOf(status, sentence, json, extras);
    const known = this.#prepared.get(key);
    if (known !== undefined) return known;
    const made = this.#make(status, sentence, json, extras);
    // 416 names the file's size, so the number of different responses has no natural end.
    if (this.#prepared.size < PREPARED_MAX) this.#prepared.set(key, made);
    return made;
  }

  /** Returns a response that is not kept, because its sentence has bytes of the request. The page escapes them. */
  single(status: number, sentence: string, json: boolean): Response {
    return this.#make(status, sentence, json, NOTHING);
  }

  #make(status: number, sentence: string, json: boolean, extras: ErrorExtras): Response {
    const own = json ? undefined : this.#own.get(status);
    return errorResponse(status, own ?? madePage(status, sentence, json), extras);
  }
}

/** The upload path in origin and absolute form. */
const UPLOAD_TARGET = new RegExp(`^(?:https?://[^/?]*)?${UPLOAD_PATH}(?:\\?|$)`, "i");

/** Responses of about a kilobyte each; an operator's page has at most 64. */
const PREPARED_MAX = 200;

const NOTHING: ErrorExtras = {};

function keyOf(status: number, sentence: string, json: boolean, extras: ErrorExtras): string {
  const fields = extras.fields === undefined ? "" : extras.fields.map((field) => field.join(":")).join("\n");
  return `${status}\n${json}\n${extras.isLast === true}\n${sentence}\n${fields}`;
}

function readPage(path: string): Uint8Array {
  try {
    return readSmallFile(path, limits.errorPageBytesMax);
  } catch (error) {
    throw new RangeError(`--error-page: cannot read ${path} (${reasonOf(error)})`);
  }
}

function madePage(status: number, sentence: string, json: boolean): OwnPage {
  const text = json ? jsonBody(status, sentence) : htmlBody(status, sentence);
  return {
    contentType: json ? "application/json" : "text/html; charset=utf-8",
    content: new TextEncoder().encode(text),
  };
}

function errorResponse(status: number, page: OwnPage, extras: ErrorExtras): Response {
  const fields = Fields.of([
    ["Content-Type", page.contentType],
    ["Content-Length", String(page.content.length)],
    // A 404 may be cached by default (RFC 9110 §15.1), but the file may be there a second later.
    ["Cache-Control", "no-store"],
    ["X-Content-Type-Options", "nosniff"],
    ...(extras.fields ?? []),
  ]);
  return response(status, fields, fields.hold(page.content), "error", extras.isLast);
}

function jsonBody(status: number, sentence: string): string {
  return `${JSON.stringify({ status: "error", code: status, message: sentence })}\n`;
}

function htmlBody(status: number, sentence: string): string {
  const title = `${status} ${reasonPhrase(status)}`;
  return htmlPage(title, `<h1>${title}</h1>\n<p>${escapeHtml(sentence)}</p>\n`);
}
