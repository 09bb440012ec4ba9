/**
 * Every setting of a server: name, unit, default, bounds, reason. This table is the only home of a setting: defaults, flags,
 * environment variables, parsing, validation, `--help` and docs/flags.md derive from it.
 */
import { isBearerToken, problemOfUser } from "../http/credentials.ts";
import { formatFaultRule, parseFaultRule } from "../http/fault.ts";
import { parseFieldLine } from "../http/fields.ts";
import { normalizeHost } from "../http/ip-address.ts";
import { ANY_ORIGIN, normalizeOrigin } from "../http/origin.ts";
import { PATH_PATTERN } from "../http/path-pattern.ts";
import { GIB, HOUR, KIB, MIB, SECOND } from "../http/units.ts";
import type { TableOf } from "./kinds.ts";
import { limits } from "./limits.ts";

/** Settings of a server, complete and valid; a name ends with its unit. */
export interface ServerSettings {
  port: number;
  host: string;
  root: string;
  inline: boolean;
  strictTypes: boolean;
  /** Name of the file that a folder's path stands for. */
  index: string;
  spa: boolean;
  listing: boolean;
  /** `404=FILE`. */
  errorPages: readonly string[];
  /** Field lines of every answer, `Name: value`. */
  headers: readonly string[];
  securityHeaders: boolean;
  /** Value of the field Cache-Control. */
  cacheControl: string;
  /** Patterns of paths; `http/path-pattern.ts` has their grammar. */
  immutable: readonly string[];
  precompressed: boolean;
  compress: boolean;
  fileCacheBytes: number;
  fileCacheAgeMs: number;
  uploads: string;
  serveUploads: boolean;
  maxBodyBytes: number;
  allowedHosts: readonly string[];
  /** Origins whose pages may read answers and upload; `*` is every one. */
  cors: readonly string[];
  /** `USER:HASH`, or `@FILE` with such lines. */
  basicAuth: readonly string[];
  /** Only uploads, and what was uploaded, need credentials. */
  authUploads: boolean;
  /** Path of the certificate and its chain in PEM, or "" for plain HTTP. */
  tlsCert: string;
  /** Path of its key in PEM, or "". */
  tlsKey: string;
  /** Path of a file whose first line is the key's passphrase, or "". */
  tlsPassphraseFile: string;
  tlsSelfSigned: boolean;
  /** A second port that sends plain HTTP to https; -1: none, 0: a free one. */
  httpsRedirectPort: number;
  /** 0: no Strict-Transport-Security. */
  hstsMs: number;
  threads: number;
  queue: number;
  queueTimeoutMs: number;
  /** 0: derived from the process's file limit when the server starts, and at most `limits.connectionsUnaskedMax`. */
  maxConnections: number;
  /** From one address; 0: no limit. */
  maxConnectionsPerHost: number;
  maxRequests: number;
  keepAliveTimeoutMs: number;
  headerTimeoutMs: number;
  bodyTimeoutMs: number;
  sendTimeoutMs: number;
  /** Bytes a second. */
  minRateBytes: number;
  maxHeaderBytes: number;
  maxUriBytes: number;
  shutdownTimeoutMs: number;
  /** Rooms for tests below `/__server/`. */
  fixture: boolean;
  /** What peers that are not on this machine say to use them, or "". */
  fixtureToken: string;
  /** Everybody may use them. */
  fixtureOpen: boolean;
  /** `METHOD PATH FAULT …`; `http/fault.ts` has their grammar. */
  faults: readonly string[];
  /** The server's own pages below `/__server/`. */
  status: boolean;
  /** The program shows its status line; in the library somebody may `watch`. */
  live: boolean;
}

/** An item of `errorPages`: the status of an error, and a path. */
export const ERROR_PAGE = /^([45]\d\d)=(.+)$/s;

/** In the order of the help and of docs/flags.md. */
export const serverTable: TableOf<ServerSettings> = {
  port: {
    flag: "port",
    short: "p",
    group: "listen",
    kind: "integer",
    default: 8080, // The habit of the peers, and no privilege needed.
    min: 0,
    max: 65535,
    help: "port to listen on; 0 takes a free one",
  },
  host: {
    flag: "host",
    group: "listen",
    kind: "text",
    what: "an IPv4 or IPv6 address or a host name (0.0.0.0 or :: binds all)",
    emptyAllowed: false,
    normalize: normalizeHost,
    default: "127.0.0.1", // A folder is shown to the network only when someone asks for it.
    help: "address to bind; the default also on ::1",
  },
  root: {
    flag: "root",
    group: "files",
    kind: "text",
    what: "a folder",
    emptyAllowed: false,
    default: "resources",
    help: "folder to serve",
  },
  inline: {
    flag: "inline",
    group: "files",
    kind: "switch",
    default: false,
    help: "no downloads: every file with its own type",
  },
  strictTypes: {
    flag: "strict-types",
    group: "files",
    kind: "switch",
    default: false,
    help: "only html txt png jpg jpeg, others 415",
  },
  index: {
    flag: "index",
    group: "files",
    kind: "text",
    what: "the name of a file, without a slash and with no dot in front",
    emptyAllowed: false,
    default: "index.html",
    help: "file that a folder's path stands for",
    normalize: normalizeFileName,
  },
  spa: {
    flag: "spa",
    group: "files",
    kind: "switch",
    default: false,
    help: "unknown pages get the root's index, 200",
  },
  listing: {
    flag: "listing",
    group: "files",
    kind: "switch",
    default: false, // Names that no page links to are nobody's business unless someone says so.
    help: "a folder without an index shows its files",
  },
  errorPages: {
    flag: "error-page",
    group: "files",
    kind: "list",
    what: "STATUS=FILE such as 404=missing.html, with a status from 400 to 599",
    example: "404=missing.html",
    separator: "\n", // A file's name may have commas.
    problem: (item) => (ERROR_PAGE.test(item) ? null : `expected ${serverTable.errorPages.what}`),
    default: [],
    help: "404=FILE: own page for an error, repeatable",
  },
  headers: {
    flag: "header",
    group: "files",
    kind: "list",
    what: "a field line, 'Name: value'",
    example: "'X-Robots-Tag: noindex'",
    separator: "\n", // A value may have commas.
    problem: (item) => problemIn(parseFieldLine(item)),
    normalize: normalizeFieldLine,
    default: [],
    help: "'Name: value' on every answer, repeatable",
  },
  securityHeaders: {
    flag: "security-headers",
    group: "files",
    kind: "switch",
    default: false, // Framing by other sites is a thing that some sites are made for.
    help: "no framing by others, short referrers",
  },
  cacheControl: {
    flag: "cache-control",
    group: "caching",
    kind: "text",
    what: "the value of a Cache-Control field such as public, max-age=3600",
    emptyAllowed: false,
    default: "no-cache", // Kept by clients, and asked about each time: never an old page.
    help: "Cache-Control of files",
    normalize: normalizeFieldValue,
  },
  immutable: {
    flag: "immutable",
    group: "caching",
    kind: "list",
    what: "a path with *, ** or ? such as /assets/** or *.woff2",
    example: "'/assets/**'",
    problem: (item) => (PATH_PATTERN.test(item) ? null : `expected ${serverTable.immutable.what}`),
    default: [],
    help: "paths that never change, repeatable; *, **",
  },
  precompressed: {
    flag: "precompressed",
    group: "caching",
    kind: "switch",
    default: false, // A neighbour may be older than its file; whoever makes them says so.
    help: "send name.br, name.zst, name.gz if accepted",
  },
  compress: {
    flag: "compress",
    group: "caching",
    kind: "switch",
    default: false, // Costs processor time, and behind a proxy that compresses it is wasted.
    help: "br, zstd or gzip for text of 1 KiB to 1 MiB",
  },
  fileCacheBytes: {
    flag: "file-cache",
    group: "caching",
    kind: "size",
    default: 64 * MIB, // The whole of most sites' small files; half of what the process has without it.
    min: 0,
    max: 4 * GIB,
    help: "memory for small files; 0 = none",
  },
  fileCacheAgeMs: {
    flag: "file-cache-age",
    group: "caching",
    kind: "duration",
    // Below thousands of requests a second the disk is asked each time. In a flood over 2,000 files 100 ms would mean 17,000 looks
    // a second, and a sixth more CPU for each answer; a second means 4,400.
    default: SECOND,
    min: 0,
    max: HOUR,
    help: "unchecked in a flood; 0 = never",
  },
  uploads: {
    flag: "uploads",
    group: "uploads",
    kind: "text",
    what: "a folder",
    emptyAllowed: false,
    default: "uploads",
    help: "folder that receives uploads",
  },
  serveUploads: {
    flag: "serve-uploads",
    group: "uploads",
    kind: "switch",
    default: false, // What strangers sent is not shown to others unless someone asks for it.
    help: "GET /uploads/<name> reads them back",
  },
  maxBodyBytes: {
    flag: "max-body",
    group: "uploads",
    kind: "size",
    default: 10 * MIB,
    min: 0,
    max: limits.bodyMemoryBytesMax, // Content is checked as a whole, so it is in memory as a whole.
    help: "bytes of an upload; beyond it 413",
  },
  allowedHosts: {
    flag: "allowed-host",
    group: "access",
    kind: "list",
    what: "a host name, *.domain, or *",
    example: "files.test",
    default: [],
    help: "further Host, repeatable; *.domain; * = any",
  },
  cors: {
    flag: "cors",
    group: "access",
    kind: "list",
    what: "origins such as https://app.test, or *",
    example: "https://app.test",
    alone: { item: ANY_ORIGIN, isItem: (word) => word === ANY_ORIGIN || word.includes("://") },
    problem: (item) =>
      normalizeOrigin(item) === undefined ? "expected an origin such as https://app.test, or *" : null,
    normalize: (item) => normalizeOrigin(item) ?? item,
    default: [], // Reading by pages from elsewhere is what the Host rule and same-origin policy prevent.
    help: "pages of these origins may read; alone any",
  },
  basicAuth: {
    flag: "basic-auth",
    group: "access",
    kind: "list",
    what: "USER:HASH, or @FILE with such lines",
    example: "@users.txt",
    separator: "\n", // An argon2id hash has commas.
    problem: problemOfUser,
    mask: (item) => (item.startsWith("@") ? item : `${item.slice(0, item.indexOf(":"))}:***`),
    default: [],
    help: "USER:HASH or @FILE, see hash-password",
  },
  authUploads: {
    flag: "auth-uploads",
    group: "access",
    kind: "switch",
    default: false,
    help: "credentials for uploads alone",
  },
  tlsCert: {
    flag: "tls-cert",
    group: "tls",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "chain.pem",
    default: "",
    help: "https; PEM: certificate, then its chain",
  },
  tlsKey: {
    flag: "tls-key",
    group: "tls",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "key.pem",
    default: "",
    help: "its key; SIGHUP reads both again",
  },
  tlsPassphraseFile: {
    flag: "tls-passphrase-file",
    group: "tls",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "passphrase.txt",
    default: "",
    help: "or HTTPSERVER_TLS_PASSPHRASE",
  },
  tlsSelfSigned: {
    flag: "tls-self-signed",
    group: "tls",
    kind: "switch",
    default: false,
    help: "https for tests, no certificate needed",
  },
  httpsRedirectPort: {
    flag: "https-redirect",
    group: "tls",
    kind: "integer",
    default: -1,
    min: 0,
    max: 65535,
    off: -1,
    help: "port of plain HTTP that answers 308",
  },
  hstsMs: {
    flag: "hsts",
    group: "tls",
    kind: "duration",
    default: 0, // Browsers remember it: a host that is https for a test must not lose its http.
    defaultText: "off",
    min: 0,
    max: 2 * 365 * 24 * HOUR, // Two years, which is what lists of such hosts ask for.
    help: "browsers keep to https; a year is 8760h",
  },
  threads: {
    flag: "threads",
    short: "t",
    group: "limits",
    kind: "integer",
    default: 10,
    min: 1,
    max: 1024, // A slot may hold a file descriptor, and 1024 is the usual limit of a process.
    help: "requests served at the same time",
  },
  queue: {
    flag: "queue",
    group: "limits",
    kind: "integer",
    default: 100, // Ten times the pool: a page with its images from several browsers waits, a flood does not.
    min: 0,
    max: 100_000,
    help: "requests that may wait; beyond it 503",
  },
  queueTimeoutMs: {
    flag: "queue-timeout",
    group: "limits",
    kind: "duration",
    default: 30 * SECOND, // About as long as a person or a client library waits.
    min: 1,
    max: HOUR,
    help: "longest wait in the queue, then 503",
  },
  maxConnections: {
    flag: "max-connections",
    group: "limits",
    kind: "integer",
    default: 0,
    defaultText: "file limit",
    min: 0,
    max: 1_000_000,
    help: "connections at once; beyond it 503",
  },
  maxConnectionsPerHost: {
    flag: "max-connections-per-host",
    group: "limits",
    kind: "integer",
    default: 0,
    min: 0,
    max: 1_000_000,
    help: "the same for one address; 0 = no limit",
  },
  maxRequests: {
    flag: "max-requests",
    group: "limits",
    kind: "integer",
    default: 100,
    min: 0,
    max: 1_000_000_000,
    help: "requests per connection; 0 = no limit",
  },
  keepAliveTimeoutMs: {
    flag: "keep-alive-timeout",
    group: "limits",
    kind: "duration",
    default: 30 * SECOND,
    min: 1,
    max: 24 * HOUR,
    help: "idle time between requests",
  },
  headerTimeoutMs: {
    flag: "header-timeout",
    group: "limits",
    kind: "duration",
    default: 10 * SECOND, // A head is a packet or two; ten seconds cover three lost ones.
    min: 1,
    max: HOUR,
    help: "longest time for a whole head, then 408",
  },
  bodyTimeoutMs: {
    flag: "body-timeout",
    group: "limits",
    kind: "duration",
    default: 30 * SECOND,
    min: 1,
    max: HOUR,
    help: "longest stall of a body",
  },
  sendTimeoutMs: {
    flag: "send-timeout",
    group: "limits",
    kind: "duration",
    default: 30 * SECOND,
    min: 1,
    max: HOUR,
    help: "longest stall of an answer",
  },
  minRateBytes: {
    flag: "min-rate",
    group: "limits",
    kind: "size",
    default: KIB, // A modem of 1990 was faster; a peer below it is holding on, not transferring.
    min: 0,
    max: GIB,
    help: "slowest bytes a second; 0 = any",
  },
  maxHeaderBytes: {
    flag: "max-header",
    group: "limits",
    kind: "size",
    default: 16 * KIB, // Node's default; twice what nginx gives one field.
    min: KIB, // A browser's plain request has 600 to 900 bytes of fields.
    max: MIB, // Each connection may hold as much.
    help: "bytes of all fields; beyond it 431",
  },
  maxUriBytes: {
    flag: "max-uri",
    group: "limits",
    kind: "size",
    default: 8000, // RFC 9112 §3 recommends to support at least 8000 octets in a request line.
    min: 16,
    max: 64 * KIB,
    help: "bytes of a target; beyond it 414",
  },
  shutdownTimeoutMs: {
    flag: "shutdown-timeout",
    group: "limits",
    kind: "duration",
    default: 10 * SECOND, // What docker stop waits before it kills.
    min: 0,
    max: HOUR,
    help: "time for requests in flight at the end",
  },
  fixture: {
    flag: "fixture",
    group: "fixture",
    kind: "switch",
    default: false, // Whoever reaches it can make the server fail.
    help: "/__server/: faults, journal, for tests",
  },
  fixtureToken: {
    flag: "fixture-token",
    group: "fixture",
    kind: "text",
    what: "letters, digits and any of -._~+/, with = at the end alone",
    emptyAllowed: true,
    example: "$(openssl rand -hex 16)",
    normalize: (text) => (text === "" || isBearerToken(text) ? text : undefined),
    mask: (text) => (text === "" ? "" : "***"),
    default: "",
    help: "for peers elsewhere: Authorization: Bearer",
  },
  fixtureOpen: {
    flag: "fixture-open",
    group: "fixture",
    kind: "switch",
    default: false, // On a network, whoever reaches it can make the server fail.
    help: "peers elsewhere need no token",
  },
  faults: {
    flag: "fault",
    group: "fixture",
    kind: "list",
    what: "METHOD PATH FAULT such as 'GET /app.js reset after=1024 times=2'",
    example: "'GET /app.js reset'",
    separator: "\n", // A path may have commas.
    problem: (item) => problemIn(parseFaultRule(item)),
    normalize: normalizeFaultRule,
    default: [],
    help: "'GET /a.js reset after=1kb': see docs",
  },
  status: {
    flag: "status",
    group: "log",
    kind: "switch",
    default: false, // Addresses and paths of all visitors are on it.
    help: "/__server/: ready, metrics, a live page",
  },
  live: {
    flag: "live",
    group: "log",
    kind: "switch",
    default: false, // A line that moves is not for everybody, nor for a screen reader.
    help: "on a terminal: a status line below the log",
  },
};

/** Returns the problem that a parser has returned in place of its result, or null. */
function problemIn(parsed: string | object): string | null {
  return typeof parsed === "string" ? parsed : null;
}

/** Returns a value that can stand in a field (RFC 9110 §5.5), in ASCII, trimmed; undefined for anything else. */
function normalizeFieldValue(text: string): string | undefined {
  const value = text.trim();
  return /^[ -~]+$/.test(value) ? value : undefined;
}

/** Returns the name of one file in a folder, or undefined. A dot in front would hide the file. */
function normalizeFileName(text: string): string | undefined {
  return /^[^./\\][^/\\]{0,254}$/.test(text) ? text : undefined;
}

/** Returns `Name: value` with one space, as it is sent. */
function normalizeFieldLine(line: string): string {
  const field = parseFieldLine(line);
  return typeof field === "string" ? line : field.join(": ");
}

/** Returns a rule with its parameters in one order and in their own units. */
function normalizeFaultRule(text: string): string {
  const rule = parseFaultRule(text);
  return typeof rule === "string" ? text : formatFaultRule(rule);
}
