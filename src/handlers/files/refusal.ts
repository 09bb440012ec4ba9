/** Refusals about files: each is an error page, and a failing disk is one line a second for the operator. */
import { RETRY_SOON } from "../../http/fields.ts";
import type { Request, Response } from "../../http/message.ts";
import { escapeTarget, referenceTo } from "../../http/uri.ts";
import { type ErrorExtras, type ErrorPages, wantsJson } from "../error-page.ts";
import { redirectTo } from "../redirect.ts";
import { type DocumentRoot, OpenFailure } from "./document-root.ts";

/** Methods of a file, for Allow. */
export const FILE_METHODS = "GET, HEAD, OPTIONS";

const ALLOW_FILE_METHODS: ErrorExtras = { fields: [["Allow", FILE_METHODS]] };

/** Milliseconds between two lines about a failing disk: when no descriptor is left, every request fails. */
const LOG_EVERY_MS = 1000;

interface FileRefusalsOptions {
  readonly root: DocumentRoot;
  readonly pages: ErrorPages;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Takes a line for the operator when the disk fails. */
  readonly log: (line: string) => void;
}

export class FileRefusals {
  readonly #options: FileRefusalsOptions;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: FileRefusalsOptions) {
    this.#options = options;
  }

  /** Answers for a file that was not opened or not read. */
  failure(failure: OpenFailure, request: Request): Response {
    switch (failure) {
      case OpenFailure.Missing:
        return this.refuse(404, "There is no such file here.", request);
      case OpenFailure.Forbidden:
        return this.refuse(403, "This server is not permitted to read that file.", request);
      case OpenFailure.Outside: {
        const page = this.refuse(403, "That path leads out of the folder that is served.", request);
        return { ...page, incident: `a link leads out of the root: ${escapeTarget(request.head.targetText)}` };
      }
      case OpenFailure.Busy:
        this.#logFailure();
        return this.refuse(503, "The server is too busy to open that file.", request, { fields: RETRY_SOON });
      case OpenFailure.Broken:
        this.#logFailure();
        return this.refuse(500, "The file could not be read.", request);
    }
  }

  methodNotAllowed(request: Request): Response {
    return this.refuse(405, "That method cannot be used on a file.", request, ALLOW_FILE_METHODS);
  }

  rangeNotSatisfiable(size: number, request: Request): Response {
    const extras: ErrorExtras = { fields: [["Content-Range", `bytes */${size}`]] };
    return this.refuse(416, "The file has no bytes in the range asked for.", request, extras);
  }

  refuse(status: number, sentence: string, request: Request, extras: ErrorExtras = {}): Response {
    return this.#options.pages.answer(status, sentence, wantsJson(request), extras);
  }

  #logFailure(): void {
    const now = this.#options.now();
    if (now - this.#loggedAt < LOG_EVERY_MS) return;
    this.#loggedAt = now;
    this.#options.log(`cannot read a file: ${this.#options.root.lastError}`);
  }
}

/** Redirects to another path of this server, decoded, and keeps the query. */
export function redirectToPath(path: string, { target }: Request): Response {
  return redirectTo(referenceTo(path, target.query));
}
