/** The parts that not every server needs. Each is loaded only for a server whose settings ask for it. */
import type { TimeSource } from "../exchange/clock.ts";
import type { TrustedProxies } from "../exchange/forwarding.ts";
import type { SharedMemory } from "../exchange/shared-memory.ts";
import type { FixtureParts } from "../fixture/endpoints.ts";
import type { FixtureOptions } from "../fixture/fixture.ts";
import type { BaseMount } from "../handlers/base.ts";
import type { credentialsLayer } from "../handlers/basic-auth.ts";
import type { Httpbin, HttpbinOptions } from "../handlers/httpbin/httpbin.ts";
import type { ArchiveTurn } from "../handlers/listing/archive-turn.ts";
import type { Listing } from "../handlers/listing/listing.ts";
import type { Site, SiteOptions } from "../handlers/site/site.ts";
import type { openStubs } from "../handlers/stubs/stubs.ts";
import type { AnyUploads } from "../handlers/uploads/any.ts";
import { isStoreUrl } from "../http/store-url.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import type { LineBudget } from "./line-budget.ts";
import type { ObjectStore, ObjectStoreOptions } from "./object-store.ts";
import type { Announcements, AnnouncementsOptions } from "./proxy-protocol.ts";
import type { Tls } from "./tls.ts";
import type { Upstreams, UpstreamsOptions } from "./upstreams.ts";
import type { ServerVitals, VitalsOptions } from "./vitals.ts";

/** One server of several threads, as one of them sees it (workers.ts). */
export interface SharedParts {
  /** One pool, one limit of connections and one budget of memory. */
  readonly memory: SharedMemory;
  /** Number of this thread, from 0, which is the main thread. */
  readonly thread: number;
  /** The word that differs after each start. */
  readonly instance: string;
  readonly lineBudget: LineBudget;
  readonly archiveTurn: ArchiveTurn;
  /** Makes thread number `thread` call `Server.woken`. `ThreadLoop.wake` says when. */
  readonly wake: (thread: number) => void;
}

/** Parts that not every server needs. The caller loads their modules only for a server that does. */
export interface ServerParts {
  /** Null: plain HTTP. */
  readonly tls?: Tls | null;
  /** The parts that the threads of the process have in common; null for a server with one thread. */
  readonly shared?: SharedParts | null;
  readonly time?: TimeSource;
  /** Proxies in front of this server; null without --trusted-proxy. */
  readonly relays?: TrustedProxies | null;
  /** Reads the announcements of those proxies; null without --proxy-protocol. */
  readonly announcements?: ((options: AnnouncementsOptions) => Announcements) | null;
  /** Makes the views of the server; null without --status and --live. */
  readonly watch?: ((options: VitalsOptions) => ServerVitals) | null;
  /** Makes the controls of a test; null without --fixture. */
  readonly fixture?: ((options: FixtureOptions) => FixtureParts) | null;
  /** Makes the endpoints of httpbin; null without --httpbin. */
  readonly httpbin?: ((options: HttpbinOptions) => Httpbin) | null;
  /** Reads the stub folder, and asks the rules of a fixture; null without --stubs and without --fixture. */
  readonly stubs?: typeof openStubs | null;
  /** Verifies credentials; null without --basic-auth. */
  readonly credentials?: typeof credentialsLayer | null;
  /** Lists folders; null without --listing. */
  readonly listing?: typeof Listing | null;
  /** Puts the site below a path; null without --base. */
  readonly base?: typeof BaseMount | null;
  /** Opens the servers behind this one; null without --proxy. */
  readonly proxy?: ((options: Omit<UpstreamsOptions, "recorder">) => Upstreams) | null;
  /** Reads the rules of the served folder; null without --site. */
  readonly site?: ((options: SiteOptions) => Site) | null;
  /** Opens the object store for uploads; null without one. */
  readonly objectStore?: ((options: Omit<ObjectStoreOptions, "environment">) => ObjectStore) | null;
  /** Takes uploads of any file; null without --upload-any. */
  readonly anyUploads?: typeof AnyUploads | null;
  /** Called when a test asks the server to stop. By default the server drains, as on a signal. */
  readonly shutDown?: () => void;
}

/** Parts that the settings alone decide on. */
export type LoadedParts = Pick<
  ServerParts,
  | "relays"
  | "announcements"
  | "watch"
  | "fixture"
  | "httpbin"
  | "stubs"
  | "proxy"
  | "site"
  | "objectStore"
  | "anyUploads"
  | "base"
  | "credentials"
  | "listing"
>;

/** Loads all parts of a server but its TLS. */
export async function loadParts(settings: ServerSettings): Promise<LoadedParts> {
  return {
    relays: await loadRelays(settings),
    announcements: await loadAnnouncements(settings),
    watch: await loadVitals(settings),
    fixture: await loadFixture(settings),
    httpbin: await loadHttpbin(settings),
    stubs: await loadStubs(settings),
    proxy: await loadProxy(settings),
    site: await loadSite(settings),
    objectStore: await loadObjectStore(settings),
    anyUploads: await loadAnyUploads(settings),
    base: await loadBase(settings),
    credentials: await loadCredentials(settings),
    listing: await loadListing(settings),
  };
}

/** Loads TLS, only for a server with a certificate. */
export async function loadTls(
  settings: ServerSettings,
  passphrase: string,
  warn: (line: string) => void,
): Promise<Tls | null> {
  if (settings.tlsCert === "" && !settings.tlsSelfSigned) return null;
  const { Tls } = await import("./tls.ts");
  return Tls.load(settings, passphrase, warn);
}

/** Loads the reader of the fields of proxies, only for a server behind one. */
async function loadRelays(settings: ServerSettings): Promise<NonNullable<ServerParts["relays"]> | null> {
  if (settings.trustedProxies.length === 0) return null;
  const { TrustedProxies } = await import("../exchange/forwarding.ts");
  return new TrustedProxies(settings.trustedProxies);
}

/** Loads the reader of announcements, only for a server whose proxies make them. */
async function loadAnnouncements(settings: ServerSettings): Promise<NonNullable<ServerParts["announcements"]> | null> {
  if (!settings.proxyProtocol) return null;
  const { Announcements } = await import("./proxy-protocol.ts");
  return (options) => new Announcements(options);
}

/** Loads snapshots, only for a server that can be watched. */
async function loadVitals(settings: ServerSettings): Promise<NonNullable<ServerParts["watch"]> | null> {
  if (!settings.status && !settings.live) return null;
  const { Vitals } = await import("./vitals.ts");
  return (options) => new Vitals(options);
}

/** Loads the fixture, only for a server that a test drives. */
async function loadFixture(settings: ServerSettings): Promise<NonNullable<ServerParts["fixture"]> | null> {
  if (!settings.fixture) return null;
  const { makeFixture } = await import("../fixture/endpoints.ts");
  return makeFixture;
}

/** Loads the endpoints of httpbin, only for a server that has them. */
async function loadHttpbin(settings: ServerSettings): Promise<NonNullable<ServerParts["httpbin"]> | null> {
  if (settings.httpbin === "") return null;
  const { Httpbin } = await import("../handlers/httpbin/httpbin.ts");
  return (options) => new Httpbin(options);
}

/** Loads stubs, only for a server with a stub folder, and for one that a test adds them to. */
async function loadStubs(settings: ServerSettings): Promise<NonNullable<ServerParts["stubs"]> | null> {
  if (settings.stubs === "" && !settings.fixture) return null;
  const { openStubs } = await import("../handlers/stubs/stubs.ts");
  return openStubs;
}

/** Loads the check of credentials, only for a server with users. */
async function loadCredentials(settings: ServerSettings): Promise<NonNullable<ServerParts["credentials"]> | null> {
  if (settings.basicAuth.length === 0) return null;
  const { credentialsLayer } = await import("../handlers/basic-auth.ts");
  return credentialsLayer;
}

/** Loads listings, only for a server that shows them. */
async function loadListing(settings: ServerSettings): Promise<NonNullable<ServerParts["listing"]> | null> {
  if (!settings.listing) return null;
  const { Listing } = await import("../handlers/listing/listing.ts");
  return Listing;
}

/** Loads the mount of a site below a path, only for a server that has one. */
async function loadBase(settings: ServerSettings): Promise<NonNullable<ServerParts["base"]> | null> {
  if (settings.base === "") return null;
  const { BaseMount } = await import("../handlers/base.ts");
  return BaseMount;
}

/** Loads the proxy, only for a server with others behind it. */
async function loadProxy(settings: ServerSettings): Promise<NonNullable<ServerParts["proxy"]> | null> {
  if (settings.proxies.length === 0) return null;
  const { Upstreams } = await import("./upstreams.ts");
  const recorder = settings.record === "" ? null : (await import("../handlers/proxy/recorder.ts")).Recorder;
  return (options) => new Upstreams({ ...options, recorder });
}

/** Loads the rules of the served folder, only for a server that obeys them. */
async function loadSite(settings: ServerSettings): Promise<NonNullable<ServerParts["site"]> | null> {
  if (!settings.site) return null;
  const { Site } = await import("../handlers/site/site.ts");
  return (options) => new Site(options);
}

/** Loads the object store, only for a server that keeps uploads in one. */
async function loadObjectStore(settings: ServerSettings): Promise<NonNullable<ServerParts["objectStore"]> | null> {
  if (!isStoreUrl(settings.uploads)) return null;
  const { ObjectStore } = await import("./object-store.ts");
  return (options) => new ObjectStore({ ...options, environment: process.env });
}

/** Loads uploads of any file, only for a server that takes them. */
async function loadAnyUploads(settings: ServerSettings): Promise<NonNullable<ServerParts["anyUploads"]> | null> {
  if (!settings.uploadAny) return null;
  const { AnyUploads } = await import("../handlers/uploads/any.ts");
  return AnyUploads;
}
