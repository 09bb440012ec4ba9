/**
 * Answers for a folder without an index: reads its entries (folder.ts), sorts them, and renders a page or JSON
 * (listing-page.ts). The answer has an entity tag of its bytes, so a client that has them gets 304.
 */
import { evaluatePreconditions, Precondition } from "../../http/conditional.ts";
import { Field } from "../../http/field.ts";
import { type FieldLines, Fields } from "../../http/fields.ts";
import { type Request, type Response, response } from "../../http/message.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import type { OpenedFile, OpenFailure } from "../files/document-root.ts";
import { FolderReader, type FolderReaderOptions, nextTurn } from "./folder.ts";
import { parseSorting, renderJson, renderPage, sortEntries } from "./listing-page.ts";

export interface ListingOptions extends FolderReaderOptions {
  readonly pages: ErrorPages;
}

/** Lists the folders of one root. */
export class Listing {
  readonly #pages: ErrorPages;
  readonly #folders: FolderReader;

  constructor(options: ListingOptions) {
    this.#pages = options.pages;
    this.#folders = new FolderReader(options);
  }

  /**
   * Answers GET and HEAD of `folder`, whose path below the root is `path`, with "/" at its end. Closes `folder`.
   * `isShown` decides by the name of a file. Returns the failure when the disk fails; never rejects.
   */
  async respond(
    request: Request,
    path: string,
    folder: OpenedFile,
    isShown: (fileName: string) => boolean,
  ): Promise<Response | OpenFailure> {
    using owned = folder;
    const isJson = wantsJson(request);
    const sorting = parseSorting(request.target.query);
    const content = await this.#folders.read(path, owned, isShown);
    if (typeof content === "number") return content;
    const { entries, left } = content;
    await nextTurn();
    const sorted = sortEntries(entries, sorting);
    await nextTurn();
    const text = isJson ? renderJson(sorted) : renderPage(request.target.path, sorted, left, sorting);
    return this.#answer(request, new TextEncoder().encode(text), isJson, sorted.length + left);
  }

  /** Makes 200, or 304 when the client has these bytes. `total` counts entries that are left out, too. */
  #answer(request: Request, content: Uint8Array, isJson: boolean, total: number): Response {
    const etag = `"${Bun.hash(content).toString(36)}"`;
    const validators: FieldLines = [
      ["ETag", etag],
      ["Cache-Control", "no-cache"],
      ["Vary", "Accept"],
    ];
    const { head } = request;
    // A file that changes leaves its folder's time as it is, so there is no Last-Modified, and conditions on times are
    // ignored (RFC 9110 §13.1.3).
    const conditions = {
      ifMatch: head.value(Field.IfMatch),
      ifUnmodifiedSince: null,
      ifNoneMatch: head.value(Field.IfNoneMatch),
      ifModifiedSince: null,
    };
    const precondition = evaluatePreconditions(head.method, conditions, etag, 0, 0);
    if (precondition === Precondition.Failed) {
      return this.#pages.answer(412, "The folder is not in the state that the request asks for.", isJson);
    }
    if (precondition === Precondition.NotModified) return response(304, Fields.of(validators), null, "not-modified");
    const fields = Fields.of([
      ...validators,
      ["X-Content-Type-Options", "nosniff"],
      ["X-Total-Count", String(total)],
      ["Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"],
      ["Content-Type", isJson ? "application/json" : "text/html; charset=utf-8"],
      ["Content-Length", String(content.length)],
    ]);
    return response(200, fields, content, "listing");
  }
}
