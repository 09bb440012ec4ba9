/**
 * Answers for a folder without an index: reads its entries (folder.ts), sorts them, and renders a page or JSON
 * (listing-page.ts). Requests for the same page share it (shared-pages.ts). The answer has an entity tag of its bytes, so a
 * client that has them gets 304.
 */
import { evaluatePreconditions, Precondition } from "../../http/conditional.ts";
import { Field } from "../../http/field.ts";
import { type FieldLines, Fields } from "../../http/fields.ts";
import { type Request, type Response, response } from "../../http/message.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import type { OpenedFile, OpenFailure } from "../files/document-root.ts";
import { nextTurn } from "../next-turn.ts";
import type { ArchiveTurn } from "./archive-turn.ts";
import { type FolderContent, FolderReader, type FolderReaderOptions } from "./folder.ts";
import { type ListingForm, renderJson, renderPage } from "./listing-page.ts";
import { type ListedPage, SharedPages } from "./shared-pages.ts";
import { filterOf, parseView, queryOf, sortEntries, type View, wantsArchive } from "./view.ts";

interface ListingOptions extends FolderReaderOptions {
  readonly pages: ErrorPages;
  /** Name of the site's root folder, for the page's title and first breadcrumb. */
  readonly rootName: string;
  /** Path before each path of a link: "", or that of `--base`. */
  readonly base: string;
  /** Form on the page of the root folder; absent if there is none. */
  readonly form?: ListingForm | null;
  readonly archiveTurn: ArchiveTurn;
  /** Takes a line for the operator. */
  readonly log: (line: string) => void;
  /** Longest time in milliseconds that a page is sent again in a flood of requests. */
  readonly maxAgeMs: number;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Lists the folders of one root. */
export class Listing {
  readonly #options: ListingOptions;
  readonly #pages: ErrorPages;
  readonly #folders: FolderReader;
  readonly #rootName: string;
  readonly #base: string;
  readonly #form: ListingForm | null;
  readonly #shared: SharedPages;

  constructor(options: ListingOptions) {
    this.#options = options;
    this.#pages = options.pages;
    this.#folders = new FolderReader(options);
    this.#rootName = options.rootName;
    this.#base = options.base;
    this.#form = options.form ?? null;
    this.#shared = new SharedPages({ maxAgeMs: options.maxAgeMs, now: options.now, pause: Bun.sleep });
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
    if (wantsArchive(request.target.query)) {
      const { Archives } = await import("./tar.ts");
      const archives = new Archives({ ...this.#options, reader: this.#folders });
      return await archives.respond(request, path, owned, isShown);
    }
    const isJson = wantsJson(request);
    const view = parseView(request.target.query);
    const shownPath = request.target.path;
    const form = path === "/" ? this.#form : null;
    const render = async () => {
      const isWanted = filterOf(view.filter);
      const content = await this.#folders.read(path, owned, isShown, { after: view.after, isWanted });
      return typeof content === "number" ? content : await this.#render(content, shownPath, view, isJson, form);
    };
    const page = await this.#shared.page(`${isJson} ${shownPath}${queryOf(view)}`, render);
    return typeof page === "number" ? page : this.#answer(request, page, isJson, form);
  }

  /** Answers for a root folder that the first upload makes, as if it was empty; null without a form for uploads. */
  respondUnmade(request: Request): Promise<Response> | null {
    return this.#form === null ? null : this.#respondEmpty(request, this.#form);
  }

  async #respondEmpty(request: Request, form: ListingForm): Promise<Response> {
    const isJson = wantsJson(request);
    const nothing = { entries: [], before: 0, total: 0, hasNext: false, last: "" };
    const page = await this.#render(nothing, request.target.path, parseView(""), isJson, form);
    return this.#answer(request, page, isJson, form);
  }

  async #render(
    content: FolderContent,
    shownPath: string,
    view: View,
    isJson: boolean,
    form: ListingForm | null,
  ): Promise<ListedPage> {
    const { before, total, hasNext, last } = content;
    await nextTurn();
    const entries = sortEntries(content.entries, view);
    await nextTurn();
    const page = { entries, before, total, next: hasNext ? queryOf({ ...view, after: last }) : null };
    const text = isJson ? renderJson(entries) : renderPage(this.#rootName, shownPath, page, view, this.#base, form);
    const bytes = new TextEncoder().encode(text);
    const etag = `"${Bun.hash(bytes).toString(36)}"`;
    return { content: bytes, etag, total, next: page.next };
  }

  /** Makes 200, or 304 when the client has these bytes. */
  #answer(
    request: Request,
    { content, etag, total, next }: ListedPage,
    isJson: boolean,
    form: ListingForm | null,
  ): Response {
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
      ...(next === null ? [] : [["Link", `<${next}>; rel="next"`] as const]),
      ["Content-Security-Policy", form === null ? POLICY : `${POLICY}; ${form.policy}`],
      ["Content-Type", isJson ? "application/json" : "text/html; charset=utf-8"],
      ["Content-Length", String(content.length)],
    ]);
    return response(200, fields, content, "listing");
  }
}

/** No script, no picture, no other file. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";
