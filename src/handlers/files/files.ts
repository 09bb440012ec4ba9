/**
 * Serves the files of one folder. A request passes these steps in order, and the first that has an answer ends it:
 *
 *   1. name            the path below the prefix
 *   2. hot             a file that was read before, if the disk still has the same one: hot-files.ts
 *   3. resolve         open the file, or the index of a folder: resolve.ts, document-root.ts
 *   4. no file         take a substitute, redirect to the folder, list it, answer a route with the root's index, or
 *                      refuse: refusal.ts
 *   5. policy          methods other than GET and HEAD, and types that `--strict-types` does not serve
 *   6. representation  the file in a content coding that the request accepts, or as it is: representation.ts
 *   7. reply           preconditions, ranges, fields and content: reply.ts
 *
 * A small file is read at once and its descriptor closed; a large one stays open as the content of the response, and the
 * carrier closes it. The rule it guards: an opened file has one owner at a time. `using` closes it, unless the response has
 * taken it over.
 */
import { namesHtml } from "../../http/accept.ts";
import type { ContentCoding } from "../../http/accept-encoding.ts";
import { Field } from "../../http/field.ts";
import {
  ADMITTED,
  type Admission,
  CERTAIN,
  type Request,
  type RequestHead,
  type Response,
  refused,
} from "../../http/message.ts";
import { isRead, Method } from "../../http/method.ts";
import type { RequestTarget } from "../../http/target.ts";
import { limits } from "../../settings/limits.ts";
import type { ErrorPages } from "../error-page.ts";
import type { Listing } from "../listing/listing.ts";
import type { Mount } from "../mount.ts";
import type { CachePolicy } from "./cache-policy.ts";
import type { Codings } from "./coding.ts";
import { extensionOf } from "./content-type.ts";
import { type DocumentRoot, OpenFailure } from "./document-root.ts";
import type { HotFiles, Snapshot } from "./hot-files.ts";
import { fileNameOf } from "./names.ts";
import { FILE_METHODS, FileRefusals, redirectToPath } from "./refusal.ts";
import { Replies } from "./reply.ts";
import { Representations, type Variant } from "./representation.ts";
import { Folder, resolve, type Substitute } from "./resolve.ts";

interface StaticFilesOptions {
  readonly root: DocumentRoot;
  readonly pages: ErrorPages;
  /** Path under which the root is shown: "" or "/uploads". */
  readonly prefix: string;
  /** Path before each path of the site in a redirect: "", or that of `--base`. */
  readonly base: string;
  /** True: every file with its own type, none as a download. */
  readonly inline: boolean;
  /** True: every file is a download in a sandbox, whatever `inline` says. */
  readonly isolated?: boolean;
  /** True: 415 for files other than html, txt, png, jpg, jpeg. */
  readonly strictTypes: boolean;
  /** Null: every file is sent as it is. */
  readonly codings: Codings | null;
  /** Chooses Cache-Control by a file's path below the prefix. */
  readonly cachePolicy: CachePolicy;
  /** True: a navigation to a missing path gets the root's index. */
  readonly spa: boolean;
  /** Returns the substitute for a name that is not a file, whose name is a file; null: there are none. */
  readonly substitute: ((name: string) => Substitute | null) | null;
  /** Lists folders without an index; null: such a folder is 404. */
  readonly listing: Listing | null;
  /** Name of the index file of a folder. */
  readonly index: string;
  /** Small files that were read before, of this root alone. */
  readonly hot: HotFiles;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Takes a line for the operator when the disk fails. */
  readonly log: (line: string) => void;
}

export class StaticFiles implements Mount {
  readonly isControl = false;
  readonly #options: StaticFilesOptions;
  readonly #refusals: FileRefusals;
  readonly #replies: Replies;
  readonly #representations: Representations;

  constructor(options: StaticFilesOptions) {
    this.#options = options;
    this.#refusals = new FileRefusals(options);
    this.#replies = new Replies({ ...options, refusals: this.#refusals });
    this.#representations = new Representations({ ...options, replies: this.#replies });
  }

  owns(path: string): boolean {
    const { prefix } = this.#options;
    return prefix === "" || path === prefix || path.startsWith(`${prefix}/`);
  }

  allow(): string {
    return FILE_METHODS;
  }

  /** Returns true if GET finds something at `path`: a file, a folder that is shown, or a route. */
  has(path: string): boolean {
    if (isHidden({ path, hasDotName: true })) return false;
    const { root, index, listing, spa, substitute } = this.#options;
    const found = resolve(root, path.replace(/\/+$/, ""), index, listing !== null);
    if (typeof found === "number") return found === Folder.WithoutSlash || spa || (substitute?.(path) ?? null) !== null;
    found.close();
    return true;
  }

  /** Returns true if the folder itself answers for `path`, by a file or a refusal: no listing, no route, no substitute. */
  hasOwn(path: string): boolean {
    if (isHidden({ path, hasDotName: true })) return false;
    const { root, index } = this.#options;
    const found = resolve(root, path, index, false);
    if (typeof found === "number") return found !== OpenFailure.Missing;
    found.close();
    return true;
  }

  /** Lets POST pass: only the disk tells whether it gets 405, or 404 because the file does not exist. */
  admit(request: Request): Admission | null {
    const { method } = request.head;
    const isOptions = method === Method.Options;
    if (!isRead(method) && method !== Method.Post && !isOptions) return null;
    if (isHidden(request.target)) return refused(this.#refusals.failure(OpenFailure.Missing, request));
    if (isOptions) return null;
    return isRead(method) ? ADMITTED : CERTAIN;
  }

  /** Answers GET and HEAD. Refuses POST: 405 with Allow, or 404. */
  respond(request: Request): Response | Promise<Response> {
    const { codings, prefix } = this.#options;
    const { path } = request.target;
    const name = prefix === "" ? path : path.slice(prefix.length);
    if (codings === null && isRead(request.head.method)) {
      const hot = this.#representations.hot(name);
      if (hot !== null) return this.#replies.hot(request, name, hot);
    }
    return this.#respondTo(name, request);
  }

  /** Steps 2 to 7 for a file that is not hot, or may be sent in a coding. */
  #respondTo(name: string, request: Request): Response | Promise<Response> {
    const { root, index, listing } = this.#options;
    const accepted = this.#representations.acceptedCodings(name, request.head);
    if (isRead(request.head.method)) {
      const hot = this.#representations.hotIn(accepted, name);
      if (hot !== null) return this.#replies.hot(request, name, hot);
    }
    const found = resolve(root, name, index, listing !== null);
    if (typeof found === "number") return this.#respondWithoutFile(name, found, request);
    using file = found;
    const refusal = this.#refuseByPolicy(name, request);
    if (refusal !== null) return refusal;
    const source = this.#representations.plain(name, file);
    return this.#respondCoded(request, source, accepted, null) ?? this.#respondOpened(request, source);
  }

  /** Step 4. */
  #respondWithoutFile(name: string, found: OpenFailure | Folder, request: Request): Response | Promise<Response> {
    if (found !== Folder.WithoutSlash && found !== OpenFailure.Missing) return this.#refusals.failure(found, request);
    const substitute = this.#options.substitute?.(name) ?? null;
    if (substitute !== null && !substitute.isRedirect) return this.#respondTo(substitute.name, request);
    if (substitute !== null || found === Folder.WithoutSlash) {
      if (!isRead(request.head.method)) return this.#refusals.methodNotAllowed(request);
      return redirectToPath(this.#options.base + (substitute?.name ?? `${request.target.path}/`), request);
    }
    const listed = this.#list(name, request);
    if (listed !== null) return listed;
    const isRoute = this.#options.spa && name !== "/" && isNavigation(name, request.head);
    return isRoute ? this.#respondTo("/", request) : this.#refusals.failure(found, request);
  }

  /** Lists the folder `name`; null if it is not a folder, or not the one that the request names. */
  #list(name: string, request: Request): Response | Promise<Response> | null {
    const { listing, prefix, root, strictTypes } = this.#options;
    // A route is answered with the root's index, never with a list of the root.
    if (listing === null || !name.endsWith("/") || prefix + name !== request.target.path) return null;
    const folder = root.open(name);
    if (folder === OpenFailure.Missing) return name === "/" ? listing.respondUnmade(request) : null;
    if (typeof folder === "number") return this.#refusals.failure(folder, request);
    if (!folder.stats.isDirectory() || !isRead(request.head.method)) {
      folder.close();
      return folder.stats.isDirectory() ? this.#refusals.methodNotAllowed(request) : null;
    }
    if (folder.stats.size > limits.listingFolderBytesMax) {
      folder.close();
      return this.#refusals.refuse(403, "This folder has too many files to be listed.", request);
    }
    const isShown = strictTypes ? (file: string) => STRICT_EXTENSIONS.has(extensionOf(file)) : () => true;
    return listing
      .respond(request, name, folder, isShown)
      .then((answered) => (typeof answered === "number" ? this.#refusals.failure(answered, request) : answered));
  }

  /** Step 5. */
  #refuseByPolicy(name: string, request: Request): Response | null {
    const { index, strictTypes } = this.#options;
    if (!isRead(request.head.method)) return this.#refusals.methodNotAllowed(request);
    if (!strictTypes || STRICT_EXTENSIONS.has(extensionOf(fileNameOf(name, index)))) return null;
    return this.#refusals.refuse(415, "This server only serves html, txt, png, jpg and jpeg files.", request);
  }

  /**
   * Step 6 with codings: answers in the first of `codings` in which the file exists or can be made; null if there is none.
   * `read` is the file, if it is in memory already. The caller owns the file of `source`; it is not used after this returns.
   */
  #respondCoded(
    request: Request,
    source: Variant,
    codings: readonly ContentCoding[],
    read: Snapshot | null,
  ): Response | Promise<Response> | null {
    const representations = this.#representations;
    for (const [index, coding] of codings.entries()) {
      const kept = representations.hotOrAbsent(coding, source.name);
      if (kept?.isAbsent === true) continue;
      if (kept !== null) return this.#replies.hot(request, source.name, kept);
      const precompressed = representations.precompressed(source, coding);
      if (precompressed !== null) {
        using _owned = precompressed.file;
        return this.#respondOpened(request, precompressed);
      }
      const coded = representations.coded(source, coding);
      if (representations.isCompressed(source)) {
        const snapshot = read ?? representations.read(source, true);
        if (snapshot === OpenFailure.Broken) return this.#refusals.failure(snapshot, request);
        return this.#respondCompressed(request, coded, snapshot, codings.slice(index + 1), source);
      }
      representations.keepAbsent(coded);
    }
    return null;
  }

  /** Compresses, and answers with the result; if that is no smaller, with one of `others`, or the file as it is. */
  async #respondCompressed(
    request: Request,
    coded: Variant,
    read: Snapshot,
    others: readonly ContentCoding[],
    source: Variant,
  ): Promise<Response> {
    const compressed = await this.#representations.compress(coded, read);
    if (compressed !== null) return this.#replies.reply(request, coded.name, compressed, null);
    const other = this.#respondCoded(request, source, others, read);
    return other ?? this.#replies.reply(request, coded.name, read, null);
  }

  /** Steps 6 and 7 for an opened file. The response takes its descriptor over if it reads from it later. */
  #respondOpened(request: Request, variant: Variant): Response {
    const snapshot = this.#representations.read(variant, false);
    if (snapshot === OpenFailure.Broken) return this.#refusals.failure(snapshot, request);
    if (snapshot.content === null) return this.#replies.reply(request, variant.name, snapshot, variant.file);
    return this.#replies.reply(request, variant.name, this.#representations.keep(variant, snapshot), null);
  }
}

const STRICT_EXTENSIONS: ReadonlySet<string> = new Set(["html", "txt", "png", "jpg", "jpeg"]);

/**
 * True for a request that goes to a page: it accepts HTML by name, and the last part of the path has no extension. Well-known
 * paths (RFC 8615) are never pages: programs request them, some to learn whether a path that cannot exist is 404.
 */
function isNavigation(name: string, head: RequestHead): boolean {
  if (!isRead(head.method) || extensionOf(name) !== "" || name.startsWith(WELL_KNOWN)) return false;
  return namesHtml(head.value(Field.Accept));
}

/** RFC 8615: the one hidden name whose content is public. */
const WELL_KNOWN = "/.well-known/";

/** True when a segment starts with a dot: configuration, version control, unfinished uploads. */
export function isHidden({ path, hasDotName }: Pick<RequestTarget, "path" | "hasDotName">): boolean {
  if (!hasDotName) return false;
  const from = path.startsWith(WELL_KNOWN) ? WELL_KNOWN.length - 1 : 0;
  return path.includes("/.", from);
}
