/**
 * Composes the handler of one server: its layers and its mounts, each in the order in which a request meets them. This
 * file is the whole policy; the modules that it names hold the rules.
 */
import { basename } from "node:path";
import type { UploadCounters } from "../exchange/counter.ts";
import type { Handler } from "../http/message.ts";
import { type ServerSettings, serverTable } from "../settings/server-settings.ts";
import type { BaseMount } from "./base.ts";
import type { credentialsLayer } from "./basic-auth.ts";
import { AllowedOrigins, originLayer, preflightLayer } from "./cors.ts";
import { EndpointMount, type Endpoints, RESERVED_NAME } from "./endpoints/endpoint.ts";
import { ErrorPages, readOwnPages } from "./error-page.ts";
import { CachePolicy } from "./files/cache-policy.ts";
import { openCodings } from "./files/coding.ts";
import type { DocumentRoot } from "./files/document-root.ts";
import { StaticFiles } from "./files/files.ts";
import { HotFiles, type HotFilesOptions } from "./files/hot-files.ts";
import { setByFlags, strictTransportLayer } from "./fixed-fields.ts";
import { HostPolicy, hostLayer } from "./host-policy.ts";
import { ArchiveTurn } from "./listing/archive-turn.ts";
import type { Listing } from "./listing/listing.ts";
import type { Layer, Mount } from "./mount.ts";
import type { ProxyRules } from "./proxy/proxy.ts";
import { Router } from "./router.ts";
import type { Site } from "./site/site.ts";
import type { Stubs } from "./stubs/stubs.ts";
import type { AnyUploads } from "./uploads/any.ts";
import { isBelowUploads, UPLOAD_PATH, UPLOADS_PATH } from "./uploads/paths.ts";
import type { StoredUpload, UploadStore } from "./uploads/store.ts";
import { Uploads } from "./uploads/upload.ts";

export interface HandlerOptions {
  readonly settings: HandlerSettings;
  /** Endpoints below `/__server/`; null: their paths are files' like all others. */
  readonly endpoints: Endpoints | null;
  /** Endpoints of httpbin, or null. They stand before the files. */
  readonly httpbin?: Mount | null;
  /** Lets a test order faults; null outside of fixture servers. Outermost, so that it sees every request. */
  readonly faults: Layer | null;
  /** Verifies credentials; absent without --basic-auth. */
  readonly credentials?: typeof credentialsLayer | null;
  /** Lists folders; absent without --listing. */
  readonly listing?: typeof Listing | null;
  /** Rules of the served folder; absent without --site. */
  readonly site?: Site | null;
  /** Puts the site below a path; absent without --base. */
  readonly base?: typeof BaseMount | null;
  /** Servers behind this one; absent without --proxy. */
  readonly proxy?: ProxyRules | null;
  /** Answers beside files; absent without --stubs. */
  readonly stubs?: Stubs | null;
  /** From `openDocumentRoot`. */
  readonly root: DocumentRoot;
  /** Keeps uploads. Its folder is shown if uploads can be read back. Null: no uploads are taken. */
  readonly uploads: UploadStore | null;
  /** Takes uploads of any file; absent without --upload-any. */
  readonly anyUploads?: typeof AnyUploads | null;
  /** Absent: no other thread takes uploads into the same place. */
  readonly uploadCounters?: UploadCounters | undefined;
  /** Absent: no other thread sends archives. */
  readonly archiveTurn?: ArchiveTurn;
  /** Returns the port that the server listens on. It is asked for with each new Host: port 0 becomes a number late. */
  readonly port: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Takes a line for the operator: a refused host and its remedy, a failing disk. Bytes from the wire are escaped. */
  readonly log: (line: string) => void;
  /** Memory for small files, and how often the disk is asked whether they are still the same. */
  readonly fileCache: Omit<HotFilesOptions, "now">;
  /** Takes each upload that is kept. */
  readonly uploaded?: (upload: StoredUpload) => void;
}

type HandlerSettings = Pick<
  ServerSettings,
  | "host"
  | "allowedHosts"
  | "anyPort"
  | "threads"
  | "cors"
  | "headers"
  | "securityHeaders"
  | "errorPages"
  | "basicAuth"
  | "authUploads"
  | "inline"
  | "strictTypes"
  | "serveUploads"
  | "uploadsMaxBytes"
  | "maxBodyBytes"
  | "precompressed"
  | "compress"
  | "cacheControl"
  | "immutable"
  | "spa"
  | "listing"
  | "cleanPaths"
  | "index"
  | "base"
  | "fixture"
  | "trustedProxies"
  | "hstsMs"
  | "tlsCert"
  | "tlsSelfSigned"
>;

/**
 * Throws a RangeError, in one line for the operator, when a value of `allowedHosts` is not a host, or a file of users or an
 * error page cannot be used.
 */
export function composeHandler(options: HandlerOptions): Handler {
  const { settings } = options;
  const pages = new ErrorPages(readOwnPages(settings.errorPages));
  const origins = settings.cors.length === 0 ? null : new AllowedOrigins(settings.cors);

  const endpoints = options.endpoints === null ? null : new EndpointMount(options.endpoints, pages);
  const { archiveTurn = new ArchiveTurn() } = options;
  const uploaded = composeUploaded(options, pages, archiveTurn);
  const any = uploaded === null ? null : composeAnyUploads(options, uploaded, pages);
  const upload = options.uploads === null ? null : composeUpload(options, options.uploads, uploaded, any, pages);
  const files = composeFiles(options, uploaded, pages, archiveTurn);
  const folder = options.site?.mount(files, pages, settings) ?? files;
  const proxied = options.proxy?.mount(folder, pages) ?? null;
  const site: readonly (Mount | null)[] = [
    options.httpbin ?? null, //      /get, …      echoes, below a prefix or before the files of the same names
    proxied ?? folder, //            every other path: the served folder, by its own rules with --site, or a server behind it
  ];
  const mounts: readonly (Mount | null)[] = [
    endpoints, //                    /__server/…  status, and the endpoints of a fixture
    upload, //                       /upload      takes JSON
    any ?? uploaded, //              /uploads/…   uploads, read back; takes any file with --upload-any
    ...composeSite(options, site.filter(isGiven), proxied ?? folder, pages), // the site, with stubs before it
  ];
  const router = new Router(mounts.filter(isGiven), pages, settings.cleanPaths);

  // The names of uploads need credentials too, also when uploads are not shown.
  const isGuarded = (path: string) =>
    endpoints?.isOpen(path) !== true && (!settings.authUploads || upload?.owns(path) === true || isBelowUploads(path));
  const layers: readonly (Layer | null)[] = [
    options.faults, //                                            may spoil every answer
    isBehindHttps(settings) ? strictTransportLayer(settings) : null, // for clients of https in front of a plain port
    origins?.areNamed ? originLayer(origins) : null, //           names the origin in every answer
    hostLayer(composeHosts(options), pages), //                   403 for a Host that is not ours
    origins && preflightLayer(origins, router), //                before credentials, which no preflight has
    composeCredentials(options, pages, isGuarded), //             401 until the credentials are verified
  ];
  return layers.filter(isGiven).reduceRight<Handler>((inner, layer) => layer(inner), router);
}

/** The mount of the served folder. */
interface FolderMount extends Mount {
  /** Returns true if GET finds something at `path`. */
  has(path: string): boolean;
  /** Returns true if requests for `path` are passed on. */
  passes?(path: string): boolean;
}

/** Returns the mounts of the site, or in their place the stubs, which pass on to them. With --base, all of it is one mount. */
function composeSite(
  { settings, stubs = null, base: Base = null }: Pick<HandlerOptions, "settings" | "stubs" | "base">,
  mounts: readonly Mount[],
  folder: FolderMount,
  pages: ErrorPages,
): readonly Mount[] {
  if (Base !== null) {
    const { base } = settings;
    return [new Base({ base, mounts: composeSite({ settings, stubs }, mounts, folder, pages), pages })];
  }
  if (stubs === null) return mounts;
  const { maxBodyBytes } = settings;
  // A preflight has no credentials, and must not learn which files there are.
  const hasFile = (path: string) => isPrivate(settings) || folder.has(path);
  const passes = (path: string) => folder.passes?.(path) === true;
  return [stubs.mount({ mounts, pages, maxBodyBytes, isFixed: setByFlags(settings), hasFile, passes })];
}

function composeHosts({ settings, port, now, log }: HandlerOptions): HostPolicy {
  const { host, allowedHosts, anyPort, fixture } = settings;
  return new HostPolicy({ boundHost: host, allowedHosts, anyPort: anyPort || fixture, port, now, log });
}

function composeCredentials(
  { settings, credentials: layer, now, log }: HandlerOptions,
  pages: ErrorPages,
  isGuarded: (path: string) => boolean,
): Layer | null {
  const { basicAuth: credentials, threads } = settings;
  if (credentials.length === 0) return null;
  return loaded(layer, "basicAuth")({ credentials, threads, pages, now, log }, isGuarded);
}

function composeFiles(
  options: HandlerOptions,
  uploaded: Mount | null,
  pages: ErrorPages,
  archiveTurn: ArchiveTurn,
): StaticFiles {
  const { settings, site = null, now, log } = options;
  const root = site?.root ?? options.root;
  const { inline, strictTypes, spa, index, cacheControl, immutable } = settings;
  // A name that another mount answers for is not a file of the root, whatever lies there. With --base, those stand outside.
  const hasNeighbours = settings.base === "";
  const shadowed = [
    ...(hasNeighbours && options.uploads !== null ? [UPLOAD_PATH] : []),
    ...(hasNeighbours && options.endpoints !== null ? [`/${RESERVED_NAME}`] : []),
    ...(hasNeighbours && uploaded !== null ? [UPLOADS_PATH] : []),
    ...(site?.rulesPaths ?? []),
  ];
  const shown = uploaded === null ? null : (options.uploads?.root ?? null);
  const mounts = hasNeighbours && shown !== null ? [{ path: UPLOADS_PATH, root: shown }] : [];
  return new StaticFiles({
    root,
    hot: new HotFiles({ ...options.fileCache, now }),
    pages,
    prefix: "",
    base: settings.base,
    inline,
    strictTypes,
    codings: openCodings({ ...settings, fileCacheBytes: options.fileCache.bytesMax }),
    cachePolicy: new CachePolicy({ cacheControl, immutable, isPrivate: isPrivate(settings) }),
    spa,
    substitute: site === null ? null : (name) => site.substitute(name),
    listing: settings.listing
      ? new (loaded(options.listing, "listing"))({
          root,
          pages,
          rootName: nameOf(root),
          base: settings.base,
          form: options.anyUploads?.form ?? null,
          shadowed,
          mounts,
          archiveTurn,
          log,
          now,
          maxAgeMs: options.fileCache.maxAgeMs,
        })
      : null,
    index,
    now,
    log,
  });
}

/** Returns true if plain connections of a proxy may carry requests of https. */
function isBehindHttps({ trustedProxies, hstsMs }: HandlerSettings): boolean {
  return trustedProxies.length > 0 && hstsMs > 0;
}

/** Returns true if files are for clients with credentials alone. */
function isPrivate({ basicAuth, authUploads }: HandlerSettings): boolean {
  return basicAuth.length > 0 && !authUploads;
}

/** Returns the mount with which clients read uploads back, or null. */
function composeUploaded(options: HandlerOptions, pages: ErrorPages, archiveTurn: ArchiveTurn): Mount | null {
  const { settings, uploads, anyUploads = null } = options;
  if (uploads === null || !(settings.serveUploads || isGiven(anyUploads))) return null;
  const { root } = uploads;
  return root === null ? (uploads.shown?.(pages) ?? null) : composeUploadedFiles(options, root, pages, archiveTurn);
}

/** Returns the name of the root folder itself, "" for that of the whole disk. */
function nameOf({ realPath }: DocumentRoot): string {
  return basename(realPath);
}

function composeAnyUploads(options: HandlerOptions, shown: Mount, pages: ErrorPages): AnyUploads | null {
  const { settings, uploads: store, anyUploads: Any = null, uploaded, log } = options;
  if (store === null || Any === null) return null;
  const { uploadsMaxBytes: maxBytes, listing } = settings;
  // The names in an object store are not listed.
  const hasListing = listing && store.root !== null;
  return new Any({
    store,
    shown,
    maxBytes,
    counters: options.uploadCounters,
    pages,
    hasListing,
    log,
    ...(uploaded === undefined ? {} : { kept: uploaded }),
  });
}

/** The settings of the site's own files do not hold for uploads, which have the defaults: strict types would refuse all of them. */
function composeUploadedFiles(
  options: HandlerOptions,
  root: DocumentRoot,
  pages: ErrorPages,
  archiveTurn: ArchiveTurn,
): StaticFiles {
  const { settings, anyUploads = null, now, log } = options;
  return new StaticFiles({
    root,
    hot: new HotFiles({ ...options.fileCache, now }),
    pages,
    prefix: UPLOADS_PATH,
    base: "",
    inline: settings.inline,
    isolated: anyUploads !== null,
    strictTypes: false,
    codings: null,
    cachePolicy: new CachePolicy({ cacheControl: serverTable.cacheControl.default, immutable: [], isPrivate: false }),
    spa: false,
    substitute: null,
    listing: settings.listing
      ? new (loaded(options.listing, "listing"))({
          root,
          pages,
          rootName: nameOf(options.root),
          base: "",
          form: anyUploads?.form ?? null,
          shadowed: [],
          mounts: [],
          archiveTurn,
          log,
          now,
          maxAgeMs: options.fileCache.maxAgeMs,
        })
      : null,
    // A file of any name may come, and none stands for the folder. A name with a dot is never served.
    index: anyUploads === null ? serverTable.index.default : ".none",
    now,
    log,
  });
}

function composeUpload(
  options: HandlerOptions,
  store: UploadStore,
  uploaded: Mount | null,
  any: AnyUploads | null,
  pages: ErrorPages,
): Uploads {
  const { settings, uploaded: kept, log } = options;
  return new Uploads({
    store,
    pages,
    maxBodyBytes: settings.maxBodyBytes,
    serveUploads: uploaded !== null,
    quota: any?.quota ?? null,
    log,
    ...(kept === undefined ? {} : { kept }),
  });
}

/** Returns the part that a setting needs. Throws an Error if the caller has not loaded it, so that no rule is left out silently. */
function loaded<Part>(part: Part | null | undefined, setting: keyof HandlerSettings): Part {
  if (part === null || part === undefined) throw new Error(`${setting} is set, and its module is not loaded`);
  return part;
}

function isGiven<Item>(item: Item | null): item is Item {
  return item !== null;
}
