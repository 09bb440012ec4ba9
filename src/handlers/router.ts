/**
 * Who answers what. `admit` looks at the head alone and refuses early, from the cheapest and most general rule to the most
 * special one; what it lets through goes to one of three rooms: the served folder, the uploads to be read, the upload.
 */
import { escapeControls } from "../http/escape.ts";
import { type FieldLines, Fields } from "../http/fields.ts";
import {
  ADMITTED,
  type Admission,
  type Handler,
  type LateRefusal,
  type Request,
  type Response,
  refused,
  response,
} from "../http/message.ts";
import { Method } from "../http/method.ts";
import { type Target, Verdict } from "../http/target.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { BasicAuth, Standing } from "./basic-auth.ts";
import { AllowedOrigins, MarkedForOrigins, preflightAnswer } from "./cors.ts";
import { RESERVED_NAME, Reserved, type Rooms } from "./endpoints/endpoint.ts";
import { type ErrorExtras, ErrorPages, readOwnPages, UPLOAD_PATH, wantsJson } from "./error-page.ts";
import { CachePolicy, DEFAULT_CACHE_CONTROL } from "./files/cache-policy.ts";
import { openCodings } from "./files/coding.ts";
import type { DocumentRoot } from "./files/document-root.ts";
import { StaticFiles } from "./files/files.ts";
import { HotFiles, type HotFilesOptions } from "./files/hot-files.ts";
import { INDEX_NAME } from "./files/names.ts";
import { FILE_METHODS } from "./files/refusal.ts";
import { HostPolicy } from "./host-policy.ts";
import { Listing } from "./listing/listing.ts";
import { type KeptUpload, type UploadDisk, Uploads } from "./uploads/upload.ts";

export interface HandlerOptions {
  readonly settings: Pick<
    ServerSettings,
    "host" | "allowedHosts" | "inline" | "strictTypes" | "serveUploads" | "maxBodyBytes"
  > &
    Partial<
      Pick<
        ServerSettings,
        | "threads"
        | "cors"
        | "errorPages"
        | "basicAuth"
        | "authUploads"
        | "precompressed"
        | "compress"
        | "cacheControl"
        | "immutable"
        | "spa"
        | "listing"
        | "index"
        | "fixture"
      >
    >;
  /** The server's own rooms, or null: then their paths are files' like all others. */
  readonly rooms?: Rooms | null;
  /** From `openDocumentRoot`. */
  readonly root: DocumentRoot;
  /** From `prepareUploadsFolder`. */
  readonly uploads: DocumentRoot;
  /** The port that we listen on, asked for with each new Host: port 0 becomes a number only after the handler is made. */
  readonly port: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Takes a line for the operator: a refused host and its remedy, a failing disk. Bytes from the wire are escaped. */
  readonly log: (line: string) => void;
  /** Memory for small files, and how often the disk is asked whether they are still the same. */
  readonly fileCache?: Omit<HotFilesOptions, "now">;
  /** Is told of each upload that became a file. */
  readonly uploaded?: (upload: KeptUpload) => void;
  /** For tests of failing disks. */
  readonly uploadDisk?: UploadDisk;
}

/**
 * Throws a RangeError, in one line for the operator, when a value of `allowedHosts` is not a host, or a file of users or an error
 * page cannot be used.
 */
export function createHandler(options: HandlerOptions): Handler {
  const { cors = [] } = options.settings;
  const origins = cors.length === 0 ? null : new AllowedOrigins(cors);
  const router = new Router(options, origins);
  return origins?.areNamed ? new MarkedForOrigins(router, origins) : router;
}

const DEFAULT_CACHE = { bytesMax: 1 << 20, maxAgeMs: 0 };

/** Under this path `serveUploads` shows what was uploaded, and 201 names it. */
const UPLOADS_PREFIX = "/uploads";

const UPLOAD_METHODS = "POST, OPTIONS";
const ALL_METHODS = "GET, HEAD, POST, OPTIONS";

/** RFC 8615: the one name with a dot that is meant for everybody. */
const WELL_KNOWN = "/.well-known/";

class Router implements Handler {
  readonly #pages: ErrorPages;
  readonly #hosts: HostPolicy;
  /** Null without `cors`, so that nothing of it is done then; the same for credentials. */
  readonly #origins: AllowedOrigins | null;
  readonly #auth: BasicAuth | null;
  readonly #guardsUploadsOnly: boolean;
  readonly #reserved: Reserved | null;
  readonly #files: StaticFiles;
  readonly #uploads: Uploads;
  /** Null unless uploads are shown. */
  readonly #uploadedFiles: StaticFiles | null;
  readonly #fileOptions = refused(optionsAnswer(FILE_METHODS));
  readonly #uploadOptions = refused(optionsAnswer(UPLOAD_METHODS));
  readonly #serverOptions = refused(optionsAnswer(ALL_METHODS));
  readonly #filePreflight = refused(preflightAnswer(FILE_METHODS));
  readonly #uploadPreflight = refused(preflightAnswer(UPLOAD_METHODS));

  constructor(options: HandlerOptions, origins: AllowedOrigins | null) {
    const { settings, now, log } = options;
    const pages = new ErrorPages(readOwnPages(settings.errorPages ?? []));
    this.#pages = pages;
    this.#origins = origins;
    const { basicAuth: credentials = [], authUploads = false, threads = 1 } = settings;
    this.#auth = credentials.length === 0 ? null : new BasicAuth({ credentials, threads, pages, now, log });
    this.#guardsUploadsOnly = authUploads;
    const { rooms = null } = options;
    this.#reserved = rooms === null ? null : new Reserved(rooms, pages);
    const ownPaths = rooms === null ? [UPLOAD_PATH] : [UPLOAD_PATH, `/${RESERVED_NAME}`];
    const { allowedHosts, inline, strictTypes, serveUploads, maxBodyBytes } = settings;
    this.#hosts = new HostPolicy({
      boundHost: settings.host,
      allowedHosts,
      isMapped: settings.fixture === true,
      port: options.port,
      now,
      log,
    });
    const hot = () => new HotFiles({ ...DEFAULT_CACHE, ...options.fileCache, now });
    const { precompressed = false, compress = false, spa = false, index = INDEX_NAME, listing = false } = settings;
    const { cacheControl = DEFAULT_CACHE_CONTROL, immutable = [] } = settings;
    this.#files = new StaticFiles({
      root: options.root,
      hot: hot(),
      pages,
      prefix: "",
      inline,
      strictTypes,
      codings: openCodings({ precompressed, compress }),
      cachePolicy: new CachePolicy({
        cacheControl,
        immutable,
        isPrivate: credentials.length > 0 && !authUploads,
      }),
      spa,
      // What the router answers itself is no file of the root, whatever lies there.
      listing: listing
        ? new Listing({
            root: options.root,
            pages,
            shadowed: serveUploads ? [...ownPaths, UPLOADS_PREFIX] : ownPaths,
            mounts: serveUploads ? [UPLOADS_PREFIX] : [],
          })
        : null,
      index,
      now,
      log,
    });
    this.#uploads = new Uploads({
      root: options.uploads,
      pages,
      maxBodyBytes,
      serveUploads,
      now,
      log,
      ...(options.uploaded === undefined ? {} : { kept: options.uploaded }),
      ...(options.uploadDisk === undefined ? {} : { disk: options.uploadDisk }),
    });
    // The rules about the site's own files are not about what was uploaded; the strict types would refuse all of it.
    const shown = {
      root: options.uploads,
      hot: hot(),
      pages,
      prefix: UPLOADS_PREFIX,
      inline,
      strictTypes: false,
      codings: null,
      cachePolicy: new CachePolicy({ cacheControl: DEFAULT_CACHE_CONTROL, immutable: [], isPrivate: false }),
      spa: false,
      listing: listing ? new Listing({ root: options.uploads, pages, shadowed: [], mounts: [] }) : null,
      index: INDEX_NAME,
      now,
      log,
    };
    this.#uploadedFiles = serveUploads ? new StaticFiles(shown) : null;
  }

  admit(request: Request): Admission {
    const host = this.#hosts.judge(request);
    if (host === "refused") {
      return refused(this.#page(403, "This server does not answer for that host name.", request, NO_EXTRAS), host);
    }
    const admission = this.#admitOurs(request);
    return admission.host === host ? admission : { ...admission, host };
  }

  /** Admits a request whose host is ours. */
  #admitOurs(request: Request): Admission {
    // Before credentials are asked for: browsers send none with a preflight (Fetch §3.2.2).
    if (this.#origins?.isPreflight(request) && isPlainTarget(request.target) && !this.#isReserved(request)) {
      return this.#answerPreflight(request);
    }
    return this.#auth !== null && this.#isGuarded(request)
      ? this.#admitGuarded(request, this.#auth)
      : this.#admitKnown(request);
  }

  /** Admits a request of a client that may ask. */
  #admitKnown(request: Request): Admission {
    const { head, target } = request;
    const { method } = head;
    // RFC 9110 §9.3.6: the client takes what follows a CONNECT for a tunnel, so the connection ends.
    if (method === Method.Connect) return this.#refuse(405, NOT_ALLOWED, request, CONNECT_REFUSED);
    if (target.form === "asterisk") return this.#serverOptions;
    if (target.verdict !== Verdict.Clean) return this.#refuseTraversal(request);
    if (this.#reserved?.owns(target.path)) return this.#reserved.admit(request);
    const isUpload = target.path === UPLOAD_PATH;
    switch (method) {
      case Method.Get:
      case Method.Head:
        if (isUpload) return this.#refuse(405, NOT_ALLOWED, request, ONLY_UPLOAD_METHODS);
        return isHidden(target) ? this.#refuseHidden(request) : ADMITTED;
      case Method.Post:
        if (isUpload) return this.#uploads.admit(request);
        return isHidden(target) ? this.#refuseHidden(request) : ADMITTED;
      case Method.Options:
        if (isUpload) return this.#uploadOptions;
        return isHidden(target) ? this.#refuseHidden(request) : this.#fileOptions;
      default:
        return this.#refuse(405, NOT_ALLOWED, request, isUpload ? ONLY_UPLOAD_METHODS : ONLY_FILE_METHODS);
    }
  }

  respond(request: Request, admission: Admission): Response | Promise<Response | LateRefusal> {
    return this.#auth !== null && this.#isGuarded(request)
      ? this.#respondGuarded(request, this.#auth)
      : this.#answer(request, admission);
  }

  /** With `--auth-uploads` the upload and what was uploaded need credentials, otherwise everything does. */
  #isGuarded({ target }: Request): boolean {
    if (this.#reserved?.isOpen(target.path)) return false;
    return !this.#guardsUploadsOnly || target.path === UPLOAD_PATH || isUploaded(target.path);
  }

  /**
   * Without credentials nothing else is told, and no content is taken. Those that were never seen are verified by `respond`; until
   * then even a refusal waits, because it would tell what is here.
   */
  #admitGuarded(request: Request, auth: BasicAuth): Admission {
    const standing = auth.look(request);
    if (typeof standing === "object") return refused(standing);
    const admission = this.#admitKnown(request);
    return standing === Standing.Known || admission.refusal === null ? admission : { ...admission, refusal: null };
  }

  #respondGuarded(request: Request, auth: BasicAuth): Response | Promise<Response | LateRefusal> {
    const standing = auth.look(request);
    if (typeof standing === "object") return Promise.resolve({ refused: standing });
    if (standing === Standing.Known) return this.#respondKnown(request);
    return auth
      .verify(request)
      .then((refusal) => (refusal === null ? this.#respondKnown(request) : { refused: refusal }));
  }

  /** Refuses or answers a request whose refusal had to wait for its credentials. */
  #respondKnown(request: Request): Response | Promise<Response> {
    const admission = this.#admitKnown(request);
    return admission.refusal ?? this.#answer(request, admission);
  }

  #isReserved({ target }: Request): boolean {
    return this.#reserved?.owns(target.path) === true;
  }

  #answerPreflight({ target }: Request): Admission {
    return target.path === UPLOAD_PATH ? this.#uploadPreflight : this.#filePreflight;
  }

  #answer(request: Request, { isControl }: Admission): Response | Promise<Response> {
    const { path } = request.target;
    if (isControl) return (this.#reserved as Reserved).respond(request);
    if (path === UPLOAD_PATH) return this.#uploads.respond(request);
    const uploaded = this.#uploadedFiles;
    const room = uploaded !== null && isUploaded(path) ? uploaded : this.#files;
    return room.respond(request);
  }

  failure(status: number, sentence: string, request: Request | null, fields: FieldLines = []): Response {
    // Whether a peer's mistake ends the connection is known where it was found; after our own there is nothing to go on with.
    const extras: ErrorExtras = { fields, isLast: status >= 500 };
    return this.#pages.answer(status, sentence, wantsJson(request), extras);
  }

  #refuseTraversal(request: Request): Admission {
    const page = this.#page(403, "That path is not allowed.", request, NO_EXTRAS);
    return refused({ ...page, incident: `path traversal: ${escapeControls(request.head.targetText)}` });
  }

  #refuseHidden(request: Request): Admission {
    return this.#refuse(404, "There is no such file here.", request, NO_EXTRAS);
  }

  #refuse(status: number, sentence: string, request: Request, extras: ErrorExtras): Admission {
    return refused(this.#page(status, sentence, request, extras));
  }

  #page(status: number, sentence: string, request: Request, extras: ErrorExtras): Response {
    return this.#pages.answer(status, sentence, wantsJson(request), extras);
  }
}

const NOT_ALLOWED = "That method cannot be used here.";
const NO_EXTRAS: ErrorExtras = {};
const CONNECT_REFUSED: ErrorExtras = { fields: [["Allow", ALL_METHODS]], isLast: true };
const ONLY_UPLOAD_METHODS: ErrorExtras = { fields: [["Allow", UPLOAD_METHODS]] };
const ONLY_FILE_METHODS: ErrorExtras = { fields: [["Allow", FILE_METHODS]] };

/** RFC 9110 §9.3.7; 204 has no Content-Length (§8.6). */
function optionsAnswer(methods: string): Response {
  return response(204, Fields.of([["Allow", methods]]), null, "options");
}

/** One that names something here, without tricks. */
function isPlainTarget(target: Target): boolean {
  return target.form !== "asterisk" && target.verdict === Verdict.Clean;
}

function isUploaded(path: string): boolean {
  return path === UPLOADS_PREFIX || path.startsWith(`${UPLOADS_PREFIX}/`);
}

/** True when a segment starts with a dot: configuration, version control, unfinished uploads. */
function isHidden({ path, hasDotName }: Target): boolean {
  if (!hasDotName) return false;
  const from = path.startsWith(WELL_KNOWN) ? WELL_KNOWN.length - 1 : 0;
  return path.includes("/.", from);
}
