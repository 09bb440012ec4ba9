/**
 * Every setting of a server: name, unit, default, bounds, reason. This table is the only home of a setting: defaults, flags,
 * environment variables, parsing, validation, `--help` and docs/flags.md derive from it.
 */
import { problemOfUser } from "../http/credentials.ts";
import { parseFieldLine } from "../http/fields.ts";
import { normalizeHost } from "../http/ip-address.ts";
import { normalizeOrigin } from "../http/origin.ts";
import { problemOfPattern } from "../http/path-pattern.ts";
import { GIB, HOUR, KIB, MIB, SECOND } from "../http/units.ts";
import { type BalancerSettings, balancerTable } from "./balancer-settings.ts";
import { type FixtureSettings, fixtureTable } from "./fixture-settings.ts";
import type { TableOf } from "./kinds.ts";
import { limits } from "./limits.ts";
import { type ProxySettings, proxyTable } from "./proxy-settings.ts";
import { type TlsSettings, tlsTable } from "./tls-settings.ts";
import {
  normalizeBase,
  normalizeFieldLine,
  normalizeFieldValue,
  normalizeFileName,
  normalizeUploads,
  problemIn,
} from "./values.ts";

/** Settings of a server, complete and valid. A name ends with its unit. */
export interface ServerSettings extends BalancerSettings, FixtureSettings, ProxySettings, TlsSettings {
  /** Port to listen on; 0: a free one. */
  port: number;
  /** Address or name to bind; IPv6 without brackets. */
  host: string;
  /** Slots of the pool: requests that are worked on at once. */
  threads: number;
  /** Requests that may wait for a slot; later ones get 503. */
  queue: number;
  /** Longest wait for a slot; the request then gets 503. */
  queueTimeoutMs: number;
  /** HTTP/2 is spoken beside HTTP/1. */
  http2: boolean;
  /** Path of the served folder. */
  root: string;
  /** Text files and pictures are shown in the browser; otherwise they are downloads. */
  inline: boolean;
  /** Only html, txt, png, jpg and jpeg are served; other files get 415. */
  strictTypes: boolean;
  /** Name of the file that stands for a folder. */
  index: string;
  /** An unknown page is answered with the index of the root, and the status 200. */
  spa: boolean;
  /** A folder without an index is shown as a list. */
  listing: boolean;
  /** Rules of the folder: `_redirects`, `_headers`, `404.html`, and paths without `.html`. */
  site: boolean;
  /** Path before all paths of the site, without a slash at its end; "": none. */
  base: string;
  /** Targets with `.` segments or repeated slashes are redirected to their clean form. */
  cleanPaths: boolean;
  /** Pages for errors: `404=FILE`. */
  errorPages: readonly string[];
  /** Field lines of every response: `Name: value`. */
  headers: readonly string[];
  /** Responses have fields that forbid framing by other sites and shorten referrers. */
  securityHeaders: boolean;
  /** Value of the field Cache-Control. */
  cacheControl: string;
  /** Patterns of paths; `http/path-pattern.ts` has their grammar. */
  immutable: readonly string[];
  /** `NAME.br`, `NAME.zst` or `NAME.gz` is sent in place of `NAME` to a client that accepts it. */
  precompressed: boolean;
  /** Text of 1 KiB to 1 MiB is compressed for clients that accept it. */
  compress: boolean;
  /** Memory for the content of small files; 0: none is kept. */
  fileCacheBytes: number;
  /** Path of the folder, or URL `s3://bucket/prefix` of an object store, or "": the server takes no uploads. */
  uploads: string;
  /** Bound on each wait for an object store. */
  uploadTimeoutMs: number;
  /** Uploads can be read back below `/uploads/`. */
  serveUploads: boolean;
  /** Uploads of any file: PUT, and a form in the listing. They are shown as downloads. */
  uploadAny: boolean;
  /** Bytes in the folder of uploads; -1: the free space less 1 GiB. */
  uploadsMaxBytes: number;
  /** Largest content of a request. */
  maxBodyBytes: number;
  /** Host names besides our own: `*` is any, `*.example.com` every name below it. */
  allowedHosts: readonly string[];
  /** Our own hosts count with any port. A fixture server does the same. */
  anyPort: boolean;
  /** Origins whose pages may read responses and upload; `*` is every origin. */
  cors: readonly string[];
  /** Users: `USER:HASH`, or `@FILE` with such lines. */
  basicAuth: readonly string[];
  /** Credentials are needed for uploads, and for reading them back, alone. */
  authUploads: boolean;
  /** Connections at once. 0: derived from the process's file limit, and at most `limits.connectionsUnaskedMax`. */
  maxConnections: number;
  /** Connections at once from one address; 0: no limit. */
  maxConnectionsPerAddress: number;
  /** Requests on one connection; 0: no limit, -1: the version of HTTP decides. */
  maxRequests: number;
  /** Longest silence of a connection between two requests. */
  keepAliveTimeoutMs: number;
  /** Longest time from the first byte of a request head to its last. */
  headerTimeoutMs: number;
  /** Window in which request content, or a response, must make progress. */
  stallTimeoutMs: number;
  /** Slowest rate over such a window, in bytes a second. */
  minRateBytes: number;
  /** Largest request head: request line, field lines and the empty line. */
  maxHeaderBytes: number;
  /** Time for requests in progress at the end; they are then cut. */
  shutdownTimeoutMs: number;
  /** The server's own pages below `/__server/`. */
  status: boolean;
  /** The program shows its status line; in the library, `watch` can be called. */
  live: boolean;
}

/** An item of `errorPages`: the status of an error, and a path. */
export const ERROR_PAGE = /^([45]\d\d)=(.+)$/s;

/** Value of `maxRequests` that no one has set. */
export const UNASKED = -1;

/** In the order of the help and of docs/flags.md. */
export const serverTable: TableOf<ServerSettings> = {
  port: {
    flag: "port",
    short: "p",
    kind: "integer",
    value: "PORT",
    group: "listen",
    default: 8080, // The habit of the peers, and no privilege needed.
    min: 0,
    max: 65535,
    help: "Port to listen on; 0 picks a free one.",
  },
  host: {
    flag: "host",
    kind: "text",
    value: "ADDRESS",
    group: "listen",
    expected: "an IPv4 or IPv6 address or a host name (0.0.0.0 or :: binds all)",
    normalize: normalizeHost,
    default: "127.0.0.1", // A folder is shown to the network only when someone asks for it.
    help: "Address to bind; 0.0.0.0 or :: for all. 127.0.0.1 also binds ::1.",
  },
  threads: {
    flag: "threads",
    short: "t",
    kind: "integer",
    group: "listen",
    default: 10,
    min: 1,
    max: 1024, // A slot may hold a file descriptor, and 1024 is the usual limit of a process.
    help: "Requests served at the same time.",
  },
  queue: {
    flag: "queue",
    kind: "integer",
    group: "listen",
    default: 1000, // A build tool that fetches hundreds of files at once waits; a flood does not.
    min: 0,
    max: 100_000,
    help: "Requests that may wait for a slot. Further ones get 503.",
  },
  queueTimeoutMs: {
    flag: "queue-timeout",
    kind: "duration",
    group: "listen",
    default: 30 * SECOND, // About as long as a person or a client library waits.
    min: 1,
    max: HOUR,
    help: "Longest wait for a slot. Then the request gets 503.",
  },
  http2: {
    flag: "http2",
    kind: "switch",
    group: "listen",
    default: true, // A page with many files, or with seven event streams, needs it.
    help: "Speaks HTTP/2 too: over TLS by ALPN, without TLS by prior knowledge. --no-http2 speaks HTTP/1 alone.",
  },
  root: {
    flag: "root",
    kind: "text",
    value: "FOLDER",
    group: "files",
    expected: "a folder",
    default: "resources",
    help: "Folder to serve.",
  },
  inline: {
    flag: "inline",
    kind: "switch",
    group: "files",
    default: false,
    help: "Shows files in the browser, none as a download. Without it, text files and pictures are downloads.",
  },
  strictTypes: {
    flag: "strict-types",
    kind: "switch",
    group: "files",
    default: false,
    help: "Serves only html, txt, png, jpg and jpeg. Other files get 415.",
  },
  index: {
    flag: "index",
    kind: "text",
    value: "NAME",
    group: "files",
    expected: "the name of a file, without a slash and without a dot in front",
    default: "index.html",
    help: "File that is sent for its folder.",
    normalize: normalizeFileName,
  },
  spa: {
    flag: "spa",
    kind: "switch",
    group: "files",
    default: false,
    help: "Answers unknown pages with the index of the root. The status is 200, as an application that routes in the browser needs it.",
  },
  listing: {
    flag: "listing",
    kind: "switch",
    group: "files",
    default: false, // A name that no page links to stays private unless someone asks for listings.
    help: "Lists the files of a folder without an index.",
  },
  site: {
    flag: "site",
    kind: "switch",
    group: "files",
    default: false, // A file of the name _redirects is an ordinary file to a server that was not told of hosts.
    help: "Obeys _redirects, _headers and 404.html of the folder, and finds /x.html at /x. docs/site.md has the grammar.",
  },
  base: {
    flag: "base",
    kind: "text",
    value: "PATH",
    group: "files",
    expected: "a path such as /repo/, but not /upload, /uploads or /__server",
    example: "/repo/",
    normalize: normalizeBase,
    default: "",
    help: "Serves the site below PATH, such as /repo/. / is redirected to it, and every other path is 404.",
  },
  cleanPaths: {
    flag: "clean-paths",
    kind: "switch",
    group: "files",
    default: false, // The contract of the first servers is 403, which also tells a test of its mistake.
    help: "Redirects a path with '.' segments or repeated slashes to its clean form. Without it, such a path gets 403.",
  },
  errorPages: {
    flag: "error-page",
    kind: "list",
    value: "STATUS=FILE",
    group: "files",
    expected: "STATUS=FILE such as 404=missing.html, with a status from 400 to 599",
    example: "404=missing.html",
    separator: "\n", // A file's name may have commas.
    problem: (item) => (ERROR_PAGE.test(item) ? null : `expected ${serverTable.errorPages.expected}`),
    default: [],
    help: "Page for an error, such as 404=missing.html. Repeatable.",
  },
  headers: {
    flag: "header",
    kind: "list",
    value: "'NAME: VALUE'",
    group: "files",
    expected: "a field line, 'Name: value'",
    example: "'X-Robots-Tag: noindex'",
    separator: "\n", // A value may have commas.
    problem: (item) => problemIn(parseFieldLine(item)),
    normalize: normalizeFieldLine,
    default: [],
    help: "Adds this field to every response. Repeatable.",
  },
  securityHeaders: {
    flag: "security-headers",
    kind: "switch",
    group: "files",
    default: false, // Some sites are made to be framed by others.
    help: "Adds fields that forbid framing by other sites and shorten referrers.",
  },
  cacheControl: {
    flag: "cache-control",
    kind: "text",
    value: "VALUE",
    group: "caching",
    expected: "the value of a Cache-Control field such as public, max-age=3600",
    default: "no-cache", // Clients keep the file and ask each time whether it has changed: never an old page.
    help: "Cache-Control of files.",
    normalize: normalizeFieldValue,
  },
  immutable: {
    flag: "immutable",
    kind: "list",
    value: "PATTERN",
    group: "caching",
    expected: "a path with *, ** or ? such as /assets/** or *.woff2",
    example: "'/assets/**'",
    problem: (item) => problemOfPattern(item, serverTable.immutable.expected ?? "a path"),
    default: [],
    help: "Paths of files that never change, such as '/assets/**'. Repeatable; *, ** and ? are wildcards.",
  },
  precompressed: {
    flag: "precompressed",
    kind: "switch",
    group: "caching",
    default: false, // A neighbour may be older than its file, so the operator has to vouch for it.
    help: "Sends name.br, name.zst or name.gz in place of name, if the client accepts it.",
  },
  compress: {
    flag: "compress",
    kind: "switch",
    group: "caching",
    default: false, // Costs processor time, and is wasted behind a proxy that compresses.
    help: "Compresses text of 1 KiB to 1 MiB. The client chooses between br, zstd and gzip.",
  },
  fileCacheBytes: {
    flag: "file-cache",
    kind: "size",
    group: "caching",
    default: 64 * MIB, // The whole of most sites' small files; half of what the process has without it.
    min: 0,
    max: 4 * GIB,
    help: "Memory for the content of small files; 0 keeps none.",
  },
  ...balancerTable,
  ...proxyTable,
  uploads: {
    flag: "uploads",
    kind: "text",
    value: "FOLDER",
    group: "uploads",
    expected: "a folder, an object store as s3://bucket/prefix, or off",
    off: "",
    default: "uploads",
    normalize: normalizeUploads,
    help: "Folder for the uploads of POST /upload. The first one makes it. s3://BUCKET/PREFIX is an object store; --no-uploads takes none.",
  },
  uploadTimeoutMs: {
    flag: "upload-timeout",
    kind: "duration",
    group: "uploads",
    default: 20 * SECOND, // A store that restarts is back by then, and clients still wait.
    min: 100,
    max: HOUR,
    help: "Longest wait for an object store. Then an upload gets 503.",
  },
  serveUploads: {
    flag: "serve-uploads",
    kind: "switch",
    group: "uploads",
    default: false, // Content from strangers is shown to others only when someone asks for it.
    help: "Serves uploads again, as GET /uploads/NAME.",
  },
  uploadAny: {
    flag: "upload-any",
    kind: "switch",
    group: "uploads",
    default: false, // Each client that reaches the server can then fill its disk.
    help: "Takes any file, as PUT /uploads/NAME and by a form in the listing, and serves it as a download.",
  },
  uploadsMaxBytes: {
    flag: "uploads-max",
    kind: "size",
    group: "uploads",
    default: -1, // The disk is the operator's bound; a spare GiB keeps other programs at work.
    defaultText: "free space less 1gb",
    min: 0,
    max: 524_288 * GIB, // The most that a size of 15 digits says.
    off: -1,
    help: "Most bytes in the folder of uploads, with --upload-any. An upload beyond it gets 507.",
  },
  maxBodyBytes: {
    flag: "max-body",
    kind: "size",
    group: "uploads",
    default: 10 * MIB,
    min: 0,
    max: limits.bodyMemoryBytesMax, // Content is checked as a whole, so it is in memory as a whole.
    help: "Largest upload. A larger one gets 413.",
  },
  allowedHosts: {
    flag: "allowed-host",
    kind: "list",
    value: "NAME",
    group: "access",
    expected: "a host name, *.domain, or *",
    example: "files.test",
    default: [],
    help: "Further host name to answer for; * is any. Repeatable; *.example.com is every name below it.",
  },
  anyPort: {
    flag: "any-port",
    kind: "switch",
    group: "access",
    default: false, // A request for another port is a mistake that a test of the seeds' servers shows.
    help: "Answers for its own hosts with any port, as behind a mapped port. Without it, the port must be its own.",
  },
  cors: {
    flag: "cors",
    kind: "list",
    value: "ORIGIN",
    group: "access",
    expected: "origins such as https://app.test, or *",
    example: "'*'",
    problem: (item) =>
      normalizeOrigin(item) === undefined ? "expected an origin such as https://app.test, or *" : null,
    normalize: (item) => normalizeOrigin(item) ?? item,
    default: [], // Browsers' same-origin policy and our Host rule prevent reading by pages from elsewhere.
    help: "Origin whose pages may read and upload; * is any. Repeatable.",
  },
  basicAuth: {
    flag: "basic-auth",
    kind: "list",
    value: "USER",
    group: "access",
    expected: "USER:HASH, or @FILE with such lines",
    example: "@users.txt",
    separator: "\n", // An argon2id hash has commas.
    problem: problemOfUser,
    mask: (item) => (item.startsWith("@") ? item : `${item.slice(0, item.indexOf(":"))}:***`),
    default: [],
    help: "User to admit: USER:HASH, or @FILE of such lines. `httpserver hash-password` makes a hash. Repeatable.",
  },
  authUploads: {
    flag: "auth-uploads",
    kind: "switch",
    group: "access",
    default: false,
    help: "Asks for credentials only for uploads.",
  },
  ...tlsTable,
  maxConnections: {
    flag: "max-connections",
    kind: "integer",
    group: "limits",
    default: 0,
    defaultText: "file limit",
    min: 0,
    max: 1_000_000,
    help: "Connections at the same time. Further ones get 503.",
  },
  maxConnectionsPerAddress: {
    flag: "max-connections-per-address",
    kind: "integer",
    group: "limits",
    default: 0,
    min: 0,
    max: 1_000_000,
    help: "Connections from one address at the same time; 0 is no limit. Further ones get 503.",
  },
  maxRequests: {
    flag: "max-requests",
    kind: "integer",
    group: "limits",
    default: UNASKED,
    defaultText: "100, in HTTP/2 10000",
    min: 0,
    max: 1_000_000_000,
    off: UNASKED,
    help: "Requests on one connection; 0 is no limit.",
  },
  keepAliveTimeoutMs: {
    flag: "keep-alive-timeout",
    kind: "duration",
    group: "limits",
    default: 30 * SECOND,
    min: 1,
    max: 24 * HOUR,
    help: "Longest idle time between two requests of a connection.",
  },
  headerTimeoutMs: {
    flag: "header-timeout",
    kind: "duration",
    group: "limits",
    default: 10 * SECOND, // A head is a packet or two; ten seconds cover three lost ones.
    min: 1,
    max: HOUR,
    help: "Longest time for a whole request head. Then the connection gets 408.",
  },
  stallTimeoutMs: {
    flag: "stall-timeout",
    kind: "duration",
    group: "limits",
    default: 30 * SECOND,
    min: 1,
    max: HOUR,
    help: "Longest stall of an upload or a response. Each period of this length must carry --min-rate on average.",
  },
  minRateBytes: {
    flag: "min-rate",
    kind: "size",
    group: "limits",
    default: KIB, // A modem of 1990 was faster; a peer below it is holding on, not transferring.
    min: 0,
    max: GIB,
    help: "Slowest transfer in bytes a second; 0 allows any.",
  },
  maxHeaderBytes: {
    flag: "max-header",
    kind: "size",
    group: "limits",
    default: 16 * KIB, // Node's default. RFC 9112 §3 recommends room for a request line of 8,000 bytes at least.
    min: KIB, // A browser's plain request has 600 to 900 bytes of fields.
    max: MIB, // Each connection may hold as much.
    help: "Largest request head. If the request line alone is longer, it gets 414, else 431.",
  },
  shutdownTimeoutMs: {
    flag: "shutdown-timeout",
    kind: "duration",
    group: "limits",
    default: 10 * SECOND, // docker stop waits as long before it kills.
    min: 0,
    max: HOUR,
    help: "Time for requests in flight when the server stops.",
  },
  ...fixtureTable,
  status: {
    flag: "status",
    kind: "switch",
    group: "log",
    default: false, // It shows the addresses and paths of all visitors.
    help: "Adds state, metrics and a live page at /__server/.",
  },
  live: {
    flag: "live",
    kind: "switch",
    group: "log",
    default: false, // A line that moves disturbs logs, and screen readers.
    help: "Shows a status line below the log, on a terminal.",
  },
};
