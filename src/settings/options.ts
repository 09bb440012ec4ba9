/**
 * Every setting and every limit: name, unit, default, bounds, reason. One table is the only home; the defaults, the flags,
 * the environment's names, the parsing, the validation and `--help` all derive from it, so a new setting is one new entry.
 *
 * `resolveOptions` runs once, at start; behind it the options are complete and valid and nobody checks them again.
 */

import { FAULT_RULES_MAX, formatFaultRule, parseFaultRule } from "../http/fault.ts";
import { parseFieldLine } from "../http/fields.ts";
import { PATH_PATTERN } from "../http/path-pattern.ts";
import { formatDuration, formatSize, GIB, HOUR, KIB, MIB, parseDuration, parseSize, SECOND } from "../http/units.ts";

export { parseDuration, parseSize };

export type LogFormat = "pretty" | "common" | "combined" | "json";
export type ReadyFormat = "text" | "json";

/** Every setting, with its unit in its name. `resolveOptions` makes one, complete and valid, from what the user gave. */
export interface Options {
  port: number;
  host: string;
  threads: number;
  queue: number;
  queueTimeoutMs: number;
  root: string;
  uploads: string;
  serveUploads: boolean;
  inline: boolean;
  strictTypes: boolean;
  precompressed: boolean;
  compress: boolean;
  /** Value of the field Cache-Control. */
  cacheControl: string;
  /** Patterns of paths; `http/path-pattern.ts` has their grammar. */
  immutable: readonly string[];
  spa: boolean;
  listing: boolean;
  /** Name of the file that a folder's path stands for. */
  index: string;
  /** The server's own pages below `/__server/`. */
  status: boolean;
  /** Rooms for tests below `/__server/`. */
  fixture: boolean;
  /** What peers that are not on this machine say to use them, or "". */
  fixtureToken: string;
  /** Everybody may use them. */
  fixtureOpen: boolean;
  /** `METHOD PATH FAULT …`; `http/fault.ts` has their grammar. */
  faults: readonly string[];
  keepAliveTimeoutMs: number;
  maxRequests: number;
  /** 0: derived from the process's file limit when the server starts, and at most `limits.connectionsUnaskedMax`. */
  maxConnections: number;
  /** From one address; 0: no limit. */
  maxConnectionsPerHost: number;
  headerTimeoutMs: number;
  bodyTimeoutMs: number;
  sendTimeoutMs: number;
  /** Bytes a second. */
  minRateBytes: number;
  maxHeaderBytes: number;
  maxUriBytes: number;
  maxBodyBytes: number;
  fileCacheBytes: number;
  fileCacheAgeMs: number;
  allowedHosts: readonly string[];
  /** Field lines of every answer, `Name: value`. */
  headers: readonly string[];
  securityHeaders: boolean;
  /** Origins whose pages may read answers and upload; `*` is every one. */
  cors: readonly string[];
  /** `404=FILE`. */
  errorPages: readonly string[];
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
  logFormat: LogFormat;
  /** Path, or "" for stdout. */
  logFile: string;
  quiet: boolean;
  verbose: boolean;
  /** The program shows its status line; in the library somebody may `watch`. */
  live: boolean;
  shutdownTimeoutMs: number;
  /** The ready line's; like those below it is the program's alone, and nothing to `startServer`. */
  readyFormat: ReadyFormat;
  /** Path of a file that holds the port while the server listens, or "". */
  portFile: string;
  /** Path of a file that URL and port are appended to, or "". */
  envFile: string;
  exitWithParent: boolean;
  /** 0: no end. */
  maxLifetimeMs: number;
  /** Of `httpserver run` alone. */
  strict: boolean;
}

/** Limits that no flag moves. */
export const limits = {
  /** Bytes of one field line. Browsers stay below 4 KiB of cookies; nginx and Apache use 8 KiB as well. */
  fieldBytesMax: 8 * KIB,
  /** Field lines in a head, and in a trailer section. Apache's LimitRequestFields; a browser sends about 15. */
  fieldsMax: 100,
  /** Empty lines skipped before a request line (RFC 9112 §2.2); some old clients send one after a body. */
  emptyLinesMax: 4,
  /** Bytes of content that is read only to be thrown away, so that the connection can go on; more than this closes it. */
  unwantedBodyBytesMax: MIB,
  /** Milliseconds a closing connection waits for more bytes, or the peer's own FIN: one retransmission on a slow link. */
  lingerMs: 2 * SECOND,
  /** Milliseconds it waits in all: a client that sends its whole upload before it reads gets the refusal (RFC 9112 §9.6). */
  lingerTotalMs: 10 * SECOND,
  /** Bytes it reads and discards meanwhile; a quarter of a second's work on loopback. */
  lingerBytesMax: 256 * MIB,
  /** Peers turned away at once, above the connections' cap, that are given the time to read why; more are cut off. */
  farewellsMax: 16,
  /**
   * Milliseconds a connection that is new, or was used just now, is given for a request on its way when a signal ends
   * the server.
   */
  shutdownGraceMs: 250,
  /**
   * Connections at once, unless the operator asks for more: hostile ones take 40 KiB each, and a container may allow a
   * million.
   */
  connectionsUnaskedMax: 50_000,
  /** Received bytes that may wait behind an answer in progress: some dozens of pipelined requests. */
  receiveBytesMax: 64 * KIB,
  /** Bytes of request content in memory over all connections: a dozen uploads of the default size at the same time. */
  bodyMemoryBytesMax: 128 * MIB,
  /** Bytes read from a file at a time; the fastest size measured for large files, and the most a slow client costs. */
  sliceBytes: 256 * KIB,
  /** Bytes of the operator's own fields on every answer: as much as one field of a request may have. */
  extraFieldsBytesMax: 8 * KIB,
  /** Bytes of an error page: it leaves in one write, and is kept with each of the fields that it is sent with. */
  errorPageBytesMax: 64 * KIB,
  /** Entries of a folder that one listing shows: a page of about 500 KB, described and sorted in some milliseconds. */
  listingEntriesMax: 2000,
  /**
   * Bytes of a folder itself, as the file system counts it, beyond which it is not listed: its names are in memory as a whole,
   * and this is a million of them on ext4, in 100 MB.
   */
  listingFolderBytesMax: 32 * MIB,
  /** Bytes of a folder itself beyond which only one such folder is read at a time: thirty thousand names on ext4. */
  listingSharedBytesMax: MIB,
  /** Bytes of log lines that wait for a slow reader of the log; beyond it the oldest are dropped and counted. */
  logMemoryBytesMax: 4 * MIB,
} as const;

interface Common<Value> {
  /** Name on the command line without dashes; the environment's name derives from it. */
  readonly flag: string;
  readonly short?: string;
  /** One line for `--help`, at most 43 characters: flag and default take 37 of 80 columns. */
  readonly help: string;
  readonly default: Value;
  /** Shown by `--help` where the default's value would mislead. */
  readonly defaultText?: string;
}

interface NumberOption extends Common<number> {
  /** integer: a count. duration: milliseconds. size: bytes. */
  readonly kind: "integer" | "duration" | "size";
  readonly min: number;
  readonly max: number;
  /** What the word `off` stands for, where that is none of the numbers from `min` to `max`. */
  readonly off?: number;
}

interface TextOption extends Common<string> {
  readonly kind: "text";
  /** What it is, for messages: "a folder". */
  readonly what: string;
  readonly emptyAllowed: boolean;
  /** For messages, where the default is no example. */
  readonly example?: string;
  /** Brings a text to its one spelling; undefined when it is none that can be used. */
  readonly normalize?: (text: string) => string | undefined;
  /** How it is shown, where it has something to hide; then it is in no message either. */
  readonly mask?: (text: string) => string;
}

interface SwitchOption extends Common<boolean> {
  readonly kind: "switch";
}

interface ListOption extends Common<readonly string[]> {
  readonly kind: "list";
  readonly what: string;
  /** One item, for messages. */
  readonly example: string;
  /** What stands between the items of one text, "," if nothing is said; an item has neither it nor a line break. */
  readonly separator?: "," | "\n";
  /** The flag alone means this item; the words behind it are items while `isItem` says so. */
  readonly alone?: { readonly item: string; readonly isItem: (word: string) => boolean };
  /** What is wrong with an item, as an end of a sentence, or null. */
  readonly fault?: (item: string) => string | null;
  /** The one spelling of an item without a fault. */
  readonly normalize?: (item: string) => string;
  /** How an item is shown, where it has something to hide; then it is in no message either. */
  readonly mask?: (item: string) => string;
}

interface ChoiceOption<Value extends string> extends Common<Value> {
  readonly kind: "choice";
  readonly choices: readonly Value[];
}

/** The kind of descriptor that fits a property's type, so that the table cannot disagree with `Options`. */
type OptionFor<Value> = [Value] extends [number]
  ? NumberOption
  : [Value] extends [boolean]
    ? SwitchOption
    : [Value] extends [LogFormat]
      ? ChoiceOption<LogFormat>
      : [Value] extends [ReadyFormat]
        ? ChoiceOption<ReadyFormat>
        : [Value] extends [string]
          ? TextOption
          : ListOption;

export type Option = NumberOption | TextOption | SwitchOption | ListOption | ChoiceOption<string>;
export type OptionValue = Options[keyof Options];

/** The item of `cors` that stands for every origin. */
export const ANY_ORIGIN = "*";

/** Of `errorPages`: a status that is an error, and a path. */
export const ERROR_PAGE = /^([45]\d\d)=(.+)$/s;

/** In the order of `--help`. */
export const optionTable: { readonly [Property in keyof Options]: OptionFor<Options[Property]> } = {
  port: {
    flag: "port",
    short: "p",
    kind: "integer",
    default: 8080, // The habit of the peers, and no privilege needed.
    min: 0,
    max: 65535,
    help: "port to listen on; 0 takes a free one",
  },
  host: {
    flag: "host",
    kind: "text",
    what: "an IPv4 or IPv6 address or a host name (0.0.0.0 or :: binds all)",
    emptyAllowed: false,
    normalize: normalizeHost,
    default: "127.0.0.1", // A folder is shown to the network only when someone asks for it.
    help: "address to bind; the default also on ::1",
  },
  threads: {
    flag: "threads",
    short: "t",
    kind: "integer",
    default: 10,
    min: 1,
    max: 1024, // A slot may hold a file descriptor, and 1024 is the usual limit of a process.
    help: "requests served at the same time",
  },
  queue: {
    flag: "queue",
    kind: "integer",
    default: 100, // Ten times the pool: a page with its images from several browsers waits, a flood does not.
    min: 0,
    max: 100_000,
    help: "requests that may wait; beyond it 503",
  },
  queueTimeoutMs: {
    flag: "queue-timeout",
    kind: "duration",
    default: 30 * SECOND, // About as long as a person or a client library waits.
    min: 1,
    max: HOUR,
    help: "longest wait in the queue, then 503",
  },
  root: {
    flag: "root",
    kind: "text",
    what: "a folder",
    emptyAllowed: false,
    default: "resources",
    help: "folder to serve",
  },
  uploads: {
    flag: "uploads",
    kind: "text",
    what: "a folder",
    emptyAllowed: false,
    default: "uploads",
    help: "folder that receives uploads",
  },
  serveUploads: {
    flag: "serve-uploads",
    kind: "switch",
    default: false, // What strangers sent is not shown to others unless someone asks for it.
    help: "GET /uploads/<name> reads them back",
  },
  inline: {
    flag: "inline",
    kind: "switch",
    default: false,
    help: "no downloads: every file with its own type",
  },
  strictTypes: {
    flag: "strict-types",
    kind: "switch",
    default: false,
    help: "only html txt png jpg jpeg, others 415",
  },
  precompressed: {
    flag: "precompressed",
    kind: "switch",
    default: false, // A neighbour may be older than its file; whoever makes them says so.
    help: "send name.br, name.zst, name.gz if accepted",
  },
  compress: {
    flag: "compress",
    kind: "switch",
    default: false, // Costs processor time, and behind a proxy that compresses it is wasted.
    help: "br, zstd or gzip for text of 1 KiB to 1 MiB",
  },
  cacheControl: {
    flag: "cache-control",
    kind: "text",
    what: "the value of a Cache-Control field such as public, max-age=3600",
    emptyAllowed: false,
    default: "no-cache", // Kept by clients, and asked about each time: never an old page.
    help: "Cache-Control of files",
    normalize: normalizeFieldValue,
  },
  immutable: {
    flag: "immutable",
    kind: "list",
    what: "a path with *, ** or ? such as /assets/** or *.woff2",
    example: "'/assets/**'",
    fault: (item) => (PATH_PATTERN.test(item) ? null : `expected ${optionTable.immutable.what}`),
    default: [],
    help: "paths that never change, repeatable; *, **",
  },
  spa: {
    flag: "spa",
    kind: "switch",
    default: false,
    help: "unknown pages get the root's index, 200",
  },
  listing: {
    flag: "listing",
    kind: "switch",
    default: false, // Names that no page links to are nobody's business unless someone says so.
    help: "a folder without an index shows its files",
  },
  index: {
    flag: "index",
    kind: "text",
    what: "the name of a file, without a slash and with no dot in front",
    emptyAllowed: false,
    default: "index.html",
    help: "file that a folder's path stands for",
    normalize: normalizeFileName,
  },
  status: {
    flag: "status",
    kind: "switch",
    default: false, // Addresses and paths of all visitors are on it.
    help: "/__server/: ready, metrics, a live page",
  },
  fixture: {
    flag: "fixture",
    kind: "switch",
    default: false, // Whoever reaches it can make the server fail.
    help: "/__server/: faults, journal, for tests",
  },
  fixtureToken: {
    flag: "fixture-token",
    kind: "text",
    what: "letters, digits and any of -._~+/, with = at the end alone",
    emptyAllowed: true,
    example: "$(openssl rand -hex 16)",
    normalize: (text) => (text === "" || BEARER_TOKEN.test(text) ? text : undefined),
    mask: (text) => (text === "" ? "" : "***"),
    default: "",
    help: "for peers elsewhere: Authorization: Bearer",
  },
  fixtureOpen: {
    flag: "fixture-open",
    kind: "switch",
    default: false, // On a network, whoever reaches it can make the server fail.
    help: "peers elsewhere need no token",
  },
  faults: {
    flag: "fault",
    kind: "list",
    what: "METHOD PATH FAULT such as 'GET /app.js reset after=1024 times=2'",
    example: "'GET /app.js reset'",
    separator: "\n", // A path may have commas.
    fault: (item) => faultOf(parseFaultRule(item)),
    normalize: normalizeFaultRule,
    default: [],
    help: "'GET /a.js reset after=1kb': see docs",
  },
  keepAliveTimeoutMs: {
    flag: "keep-alive-timeout",
    kind: "duration",
    default: 30 * SECOND,
    min: 1,
    max: 24 * HOUR,
    help: "idle time between requests",
  },
  maxRequests: {
    flag: "max-requests",
    kind: "integer",
    default: 100,
    min: 0,
    max: 1_000_000_000,
    help: "requests per connection; 0 = no limit",
  },
  maxConnections: {
    flag: "max-connections",
    kind: "integer",
    default: 0,
    defaultText: "file limit",
    min: 0,
    max: 1_000_000,
    help: "connections at once; beyond it 503",
  },
  maxConnectionsPerHost: {
    flag: "max-connections-per-host",
    kind: "integer",
    default: 0,
    min: 0,
    max: 1_000_000,
    help: "the same for one address; 0 = no limit",
  },
  headerTimeoutMs: {
    flag: "header-timeout",
    kind: "duration",
    default: 10 * SECOND, // A head is a packet or two; ten seconds cover three lost ones.
    min: 1,
    max: HOUR,
    help: "longest time for a whole head, then 408",
  },
  bodyTimeoutMs: {
    flag: "body-timeout",
    kind: "duration",
    default: 30 * SECOND,
    min: 1,
    max: HOUR,
    help: "longest stall of a body",
  },
  sendTimeoutMs: {
    flag: "send-timeout",
    kind: "duration",
    default: 30 * SECOND,
    min: 1,
    max: HOUR,
    help: "longest stall of an answer",
  },
  minRateBytes: {
    flag: "min-rate",
    kind: "size",
    default: KIB, // A modem of 1990 was faster; a peer below it is holding on, not transferring.
    min: 0,
    max: GIB,
    help: "slowest bytes a second; 0 = any",
  },
  maxHeaderBytes: {
    flag: "max-header",
    kind: "size",
    default: 16 * KIB, // Node's default; twice what nginx gives one field.
    min: KIB, // A browser's plain request has 600 to 900 bytes of fields.
    max: MIB, // Each connection may hold as much.
    help: "bytes of all fields; beyond it 431",
  },
  maxUriBytes: {
    flag: "max-uri",
    kind: "size",
    default: 8000, // RFC 9112 §3 recommends to support at least 8000 octets in a request line.
    min: 16,
    max: 64 * KIB,
    help: "bytes of a target; beyond it 414",
  },
  maxBodyBytes: {
    flag: "max-body",
    kind: "size",
    default: 10 * MIB,
    min: 0,
    max: limits.bodyMemoryBytesMax, // Content is checked as a whole, so it is in memory as a whole.
    help: "bytes of an upload; beyond it 413",
  },
  fileCacheBytes: {
    flag: "file-cache",
    kind: "size",
    default: 64 * MIB, // The whole of most sites' small files; half of what the process has without it.
    min: 0,
    max: 4 * GIB,
    help: "memory for small files; 0 = none",
  },
  fileCacheAgeMs: {
    flag: "file-cache-age",
    kind: "duration",
    // Below thousands of requests a second the disk is asked each time. In a flood over 2,000 files 100 ms would mean 17,000 looks
    // a second, and a sixth more CPU for each answer; a second means 4,400.
    default: SECOND,
    min: 0,
    max: HOUR,
    help: "unchecked in a flood; 0 = never",
  },
  shutdownTimeoutMs: {
    flag: "shutdown-timeout",
    kind: "duration",
    default: 10 * SECOND, // What docker stop waits before it kills.
    min: 0,
    max: HOUR,
    help: "time for requests in flight at the end",
  },
  allowedHosts: {
    flag: "allowed-host",
    kind: "list",
    what: "a host name, *.domain, or *",
    example: "files.test",
    default: [],
    help: "further Host, repeatable; *.domain; * = any",
  },
  headers: {
    flag: "header",
    kind: "list",
    what: "a field line, 'Name: value'",
    example: "'X-Robots-Tag: noindex'",
    separator: "\n", // A value may have commas.
    fault: (item) => faultOf(parseFieldLine(item)),
    normalize: normalizeFieldLine,
    default: [],
    help: "'Name: value' on every answer, repeatable",
  },
  securityHeaders: {
    flag: "security-headers",
    kind: "switch",
    default: false, // Framing by other sites is a thing that some sites are made for.
    help: "no framing by others, short referrers",
  },
  cors: {
    flag: "cors",
    kind: "list",
    what: "origins such as https://app.test, or *",
    example: "https://app.test",
    alone: { item: ANY_ORIGIN, isItem: (word) => word === ANY_ORIGIN || word.includes("://") },
    fault: (item) => (normalizeOrigin(item) === undefined ? "expected an origin such as https://app.test, or *" : null),
    normalize: (item) => normalizeOrigin(item) ?? item,
    default: [], // Reading by pages from elsewhere is what the Host rule and same-origin policy prevent.
    help: "pages of these origins may read; alone any",
  },
  errorPages: {
    flag: "error-page",
    kind: "list",
    what: "STATUS=FILE such as 404=missing.html, with a status from 400 to 599",
    example: "404=missing.html",
    separator: "\n", // A file's name may have commas.
    fault: (item) => (ERROR_PAGE.test(item) ? null : `expected ${optionTable.errorPages.what}`),
    default: [],
    help: "404=FILE: own page for an error, repeatable",
  },
  basicAuth: {
    flag: "basic-auth",
    kind: "list",
    what: "USER:HASH, or @FILE with such lines",
    example: "@users.txt",
    separator: "\n", // An argon2id hash has commas.
    fault: credentialFault,
    mask: (item) => (item.startsWith("@") ? item : `${item.slice(0, item.indexOf(":"))}:***`),
    default: [],
    help: "USER:HASH or @FILE, see hash-password",
  },
  authUploads: {
    flag: "auth-uploads",
    kind: "switch",
    default: false,
    help: "credentials for uploads alone",
  },
  tlsCert: {
    flag: "tls-cert",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "chain.pem",
    default: "",
    help: "https; PEM: certificate, then its chain",
  },
  tlsKey: {
    flag: "tls-key",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "key.pem",
    default: "",
    help: "its key; SIGHUP reads both again",
  },
  tlsPassphraseFile: {
    flag: "tls-passphrase-file",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "passphrase.txt",
    default: "",
    help: "or HTTPSERVER_TLS_PASSPHRASE",
  },
  tlsSelfSigned: {
    flag: "tls-self-signed",
    kind: "switch",
    default: false,
    help: "https for tests, no certificate needed",
  },
  httpsRedirectPort: {
    flag: "https-redirect",
    kind: "integer",
    default: -1,
    min: 0,
    max: 65535,
    off: -1,
    help: "port of plain HTTP that answers 308",
  },
  hstsMs: {
    flag: "hsts",
    kind: "duration",
    default: 0, // Browsers remember it: a host that is https for a test must not lose its http.
    defaultText: "off",
    min: 0,
    max: 2 * 365 * 24 * HOUR, // Two years, which is what lists of such hosts ask for.
    help: "browsers keep to https; a year is 8760h",
  },
  logFormat: {
    flag: "log-format",
    kind: "choice",
    choices: ["pretty", "common", "combined", "json"],
    default: "pretty",
    help: "pretty, common, combined or json",
  },
  logFile: {
    flag: "log-file",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "access.log",
    default: "",
    defaultText: "stdout",
    help: "append request lines; SIGHUP reopens it",
  },
  quiet: {
    flag: "quiet",
    short: "q",
    kind: "switch",
    default: false,
    help: "stdout has the ready line, nothing else",
  },
  verbose: {
    flag: "verbose",
    short: "v",
    kind: "switch",
    default: false,
    help: "each step of connections and requests",
  },
  readyFormat: {
    flag: "ready-format",
    kind: "choice",
    choices: ["text", "json"],
    default: "text",
    help: "the line that says it listens: text, json",
  },
  portFile: {
    flag: "port-file",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "httpserver.port",
    default: "",
    help: "holds the port while the server listens",
  },
  envFile: {
    flag: "env-file",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "server.env",
    default: "",
    help: "gets HTTPSERVER_URL and _PORT appended",
  },
  exitWithParent: {
    flag: "exit-with-parent",
    kind: "switch",
    default: false, // A server is often meant to outlive the shell that starts it.
    help: "drain when the parent process has ended",
  },
  maxLifetimeMs: {
    flag: "max-lifetime",
    kind: "duration",
    default: 0,
    defaultText: "off",
    min: 0,
    max: 24 * HOUR, // For servers that a test forgets; and a timer holds 24 days at most.
    help: "drain after so long, exit 0",
  },
  strict: {
    flag: "strict",
    kind: "switch",
    default: false,
    help: "run: exit 4 after a 404, 405 or 5xx",
  },
  live: {
    flag: "live",
    kind: "switch",
    default: false, // A line that moves is not for everybody, nor for a screen reader.
    help: "on a terminal: a status line below the log",
  },
};

/** What the names of our variables begin with. */
export const ENVIRONMENT_PREFIX = "HTTPSERVER_";

/** Variables that are no setting and ours all the same: other programs of this project set one, and a secret is no flag. */
export const RESERVED_VARIABLES: ReadonlySet<string> = new Set(["HTTPSERVER_URL", "HTTPSERVER_TLS_PASSPHRASE"]);

export const optionNames = Object.keys(optionTable) as readonly (keyof Options)[];

/** A setting that cannot be used. The message is one line: which one, what was expected, what came. */
export class OptionsError extends Error {
  override readonly name = "OptionsError";
}

/** The complete settings: what is given, checked, over the defaults. Throws `OptionsError`. */
export function resolveOptions(given: Partial<Options>): Options {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(optionTable, name)) throw new OptionsError(`${quote(name)} is no option of this server`);
  }
  const resolved: Partial<Record<keyof Options, OptionValue>> = {};
  for (const name of optionNames) {
    const value: unknown = given[name];
    const option = optionTable[name];
    if (value === undefined) {
      resolved[name] = option.default;
      continue;
    }
    const usable = fits(option, value) ? canonical(option, value) : undefined;
    if (usable === undefined) throw new OptionsError(mismatch(name, option, value));
    resolved[name] = usable;
  }
  const options = Object.freeze(resolved as Options); // The loop above filled every property with a value that fits it.
  const conflict = findConflict(options, (name) => name);
  if (conflict !== null) throw new OptionsError(conflict);
  return options;
}

/** Two settings that exclude each other, as one line, or null. `label` says how the user named a setting. */
export function findConflict(options: Partial<Options>, label: (name: keyof Options) => string): string | null {
  if (options.quiet === true && options.verbose === true) {
    return `${label("quiet")} and ${label("verbose")} exclude each other: one silences the log, the other adds to it`;
  }
  if (options.faults !== undefined && options.faults.length > 0 && options.fixture !== true) {
    return `${label("faults")} needs ${label("fixture")}: whoever only serves a folder makes no faults`;
  }
  if (options.faults !== undefined && options.faults.length > FAULT_RULES_MAX) {
    return `${label("faults")}: expected at most ${FAULT_RULES_MAX} rules, got ${options.faults.length}`;
  }
  const { cors = [], headers = [], errorPages = [], basicAuth = [] } = options;
  if (cors.length > 1 && cors.includes(ANY_ORIGIN)) {
    return `${label("cors")}: ${ANY_ORIGIN} is every origin, so it stands alone`;
  }
  if (cors.length > 0 && headers.some((line) => /^access-control-/i.test(line))) {
    return `${label("cors")} and an Access-Control field of ${label("headers")} exclude each other: they would contradict`;
  }
  const headerBytes = headers.reduce((sum, line) => sum + line.length + 2, 0);
  if (headerBytes > limits.extraFieldsBytesMax) {
    return `${label("headers")}: ${headerBytes} bytes on every answer are more than ${limits.extraFieldsBytesMax}`;
  }
  const statuses = errorPages.map((item) => item.slice(0, 3));
  const twice = statuses.find((status, index) => statuses.indexOf(status) !== index);
  if (twice !== undefined) return `${label("errorPages")}: two pages for ${twice}`;
  if (options.authUploads === true && basicAuth.length === 0) {
    return `${label("authUploads")} needs ${label("basicAuth")}: somebody has to be let in`;
  }
  return findFixtureConflict(options, label) ?? findTlsConflict(options, label);
}

function findFixtureConflict(options: Partial<Options>, label: (name: keyof Options) => string): string | null {
  const { fixture = false, fixtureToken = "", fixtureOpen = false, host = optionTable.host.default } = options;
  const stray = fixtureToken !== "" ? "fixtureToken" : fixtureOpen ? "fixtureOpen" : null;
  if (!fixture) return stray === null ? null : `${label(stray)} needs ${label("fixture")}: there is nothing to guard`;
  if (fixtureToken !== "" && fixtureOpen) {
    return `${label("fixtureToken")} and ${label("fixtureOpen")} exclude each other: who needs no token has none`;
  }
  if (stray !== null || isLoopbackAddress(host)) return null;
  return (
    `${label("fixture")} on ${host} would let the network steer this server; ` +
    `give it ${label("fixtureToken")}, or allow it by ${label("fixtureOpen")}`
  );
}

/** An address that only this machine reaches (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3), IPv6 without brackets. */
export function isLoopbackAddress(address: string): boolean {
  return address === "::1" || (address.startsWith("127.") && IPV4.test(address));
}

/** RFC 6750 §2.1. */
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]{1,256}=*$/;

function findTlsConflict(options: Partial<Options>, label: (name: keyof Options) => string): string | null {
  const { tlsCert = "", tlsKey = "", tlsPassphraseFile = "", tlsSelfSigned = false } = options;
  if ((tlsCert === "") !== (tlsKey === "")) {
    const [given, missing] = tlsKey === "" ? (["tlsCert", "tlsKey"] as const) : (["tlsKey", "tlsCert"] as const);
    return `${label(given)} needs ${label(missing)}: a certificate is of use with its key alone`;
  }
  if (tlsPassphraseFile !== "" && tlsKey === "") return `${label("tlsPassphraseFile")} needs ${label("tlsKey")}`;
  const { httpsRedirectPort = -1, hstsMs = 0, port } = options;
  if (tlsCert === "" && !tlsSelfSigned) {
    const stray = httpsRedirectPort >= 0 ? "httpsRedirectPort" : hstsMs > 0 ? "hstsMs" : null;
    if (stray !== null) {
      return `${label(stray)} needs ${label("tlsCert")} or ${label("tlsSelfSigned")}: nothing is https`;
    }
  }
  if (httpsRedirectPort > 0 && httpsRedirectPort === port) {
    return `${label("httpsRedirectPort")} and ${label("port")} are the same port: one speaks plain HTTP, the other TLS`;
  }
  return null;
}

/** The value that `text` stands for, or undefined when it stands for none that `option` takes. */
export function parseOption(option: Option, text: string): OptionValue | undefined {
  const value = parseText(option, text);
  return value !== undefined && fits(option, value) ? canonical(option, value) : undefined;
}

/** The one spelling of a value that fits, or undefined when it has none. */
function canonical(option: Option, value: OptionValue): OptionValue | undefined {
  if (option.kind === "list" && option.normalize !== undefined)
    return (value as readonly string[]).map(option.normalize);
  if (option.kind !== "text" || option.normalize === undefined || typeof value !== "string") return value;
  return option.normalize(value);
}

/**
 * The one spelling of an address or name to bind, so that every later comparison is one of text; undefined for anything else.
 *
 * A resolver also takes `*`, `0`, `127.1` and `0x7f.1`, each for an address that it does not look like; those are refused.
 * IPv6 comes with or without brackets and leaves without, as RFC 5952 writes it. `localhost` binds one family by chance of
 * the resolver, while 127.0.0.1 is joined by ::1, so it means that.
 */
export function normalizeHost(text: string): string | undefined {
  if (text.includes(":")) return normalizeIpv6(/^\[.*\]$/.test(text) ? text.slice(1, -1) : text);
  if (IPV4.test(text)) return text;
  const name = text.toLowerCase();
  if (name === "localhost" || name === "localhost.") return "127.0.0.1";
  return HOST_NAME.test(name) && /[a-z]/.test(name) && name.length <= 253 ? name : undefined;
}

/** A value that can stand in a field (RFC 9110 §5.5), in ASCII, without the spaces around it; undefined for anything else. */
function normalizeFieldValue(text: string): string | undefined {
  const value = text.trim();
  return /^[ -~]+$/.test(value) ? value : undefined;
}

/** The name of one file in a folder; a dot in front would hide it. Undefined for what leads elsewhere. */
function normalizeFileName(text: string): string | undefined {
  return /^[^./\\][^/\\]{0,254}$/.test(text) ? text : undefined;
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;

/**
 * RFC 1123 §2.1, in lower case: labels of 1 to 63 letters, digits and inner hyphens, a dot at the end allowed. The last one
 * is no number, decimal or hexadecimal, or a resolver would take the whole for an IPv4 address.
 */
const HOST_NAME =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!(?:[0-9]+|0x[0-9a-f]*)\.?$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?$/;

/** Without brackets; a zone (RFC 4007 §11) stays. Undefined for what is none, and for IPv4 in IPv6's clothes. */
function normalizeIpv6(text: string): string | undefined {
  const match = /^([0-9a-f:.]+)(%[0-9a-z_.-]+)?$/i.exec(text);
  if (match === null) return undefined;
  const url = URL.parse(`http://[${match[1]}]`);
  const address = url?.hostname.slice(1, -1);
  return address === undefined || address.startsWith("::ffff:") ? undefined : `${address}${match[2] ?? ""}`;
}

function parseText(option: Option, text: string): OptionValue | undefined {
  switch (option.kind) {
    case "integer":
      if (option.off !== undefined && text.toLowerCase() === "off") return option.off;
      return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
    case "duration":
      return parseDuration(text);
    case "size":
      return parseSize(text);
    case "switch":
      return parseSwitch(text);
    case "list":
      return splitList(option, text);
    case "choice":
      return text as LogFormat | ReadyFormat; // `fits` looks it up.
    case "text":
      return text;
  }
}

/** Empty lines between lines are nothing, while nothing between commas is a mistake. */
function splitList(option: ListOption, text: string): readonly string[] {
  const separator = separatorOf(option);
  const items = text.split(separator).map((item) => item.trim());
  return separator === "," ? items : items.filter((item) => item !== "");
}

/** What stands between the items of a list in one text. */
export function separatorOf(option: ListOption): "," | "\n" {
  return option.separator ?? ",";
}

/** `Name: value` with one space, as it is sent. */
function normalizeFieldLine(line: string): string {
  const field = parseFieldLine(line);
  return typeof field === "string" ? line : field.join(": ");
}

/** With its parameters in one order and in their own units. */
function normalizeFaultRule(text: string): string {
  const rule = parseFaultRule(text);
  return typeof rule === "string" ? text : formatFaultRule(rule);
}

function faultOf(parsed: string | object): string | null {
  return typeof parsed === "string" ? parsed : null;
}

/**
 * An origin as browsers write it in Origin (RFC 6454 §6.2): scheme, host in lower case, port unless it is the scheme's own.
 * Undefined for anything else; also for `null`, which any sandboxed page can claim.
 */
function normalizeOrigin(text: string): string | undefined {
  if (text === ANY_ORIGIN) return text;
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s]+\/?$/i.test(text)) return undefined;
  const url = URL.parse(text);
  if (url === null) return undefined;
  // Schemes of extensions and apps have no origin for the URL standard, but send one all the same.
  const origin = url.origin === "null" ? text.replace(/\/$/, "").toLowerCase() : url.origin;
  // What a browser sends in Origin is printable ASCII; an asterisk inside would mean nothing.
  return /^[!-)+-~]+$/.test(origin) ? origin : undefined;
}

/**
 * What is wrong with `USER:HASH` or `@FILE`, or null. The hash is checked for its form, and for a cost that a server can bear at
 * each new login; a password in its place is never repeated.
 */
export function credentialFault(item: string): string | null {
  if (item.startsWith("@")) return item.length > 1 ? null : "expected the name of a file behind @";
  const colon = item.indexOf(":");
  if (colon <= 0) return "expected USER:HASH, or @FILE with such lines";
  const hash = item.slice(colon + 1);
  if (BCRYPT.test(hash)) return null;
  const [, memory, time, lanes] = ARGON2ID.exec(hash) ?? [];
  if (memory === undefined) {
    return "expected USER:HASH with an argon2id or bcrypt hash, never a password; httpserver hash-password makes one";
  }
  const isBearable = Number(memory) <= ARGON2_KIB_MAX && Number(time) <= ARGON2_PASSES_MAX;
  if (!isBearable) return `expected a hash with at most ${ARGON2_KIB_MAX} KiB and ${ARGON2_PASSES_MAX} passes`;
  // RFC 9106 §3.1: at least one pass, one lane, and 8 KiB for each lane.
  const isSound = Number(time) >= 1 && Number(lanes) >= 1 && Number(memory) >= 8 * Number(lanes);
  return isSound ? null : "expected a hash that can be verified: passes, lanes and memory do not fit each other";
}

/** As `htpasswd -B` and others write it, up to a cost of 15: three seconds. */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-5])\$[A-Za-z0-9./]{53}$/;

/** A PHC string: memory in KiB, passes, lanes, salt, digest. */
const ARGON2ID = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/;
const ARGON2_KIB_MAX = 262_144;
const ARGON2_PASSES_MAX = 20;

function parseSwitch(text: string): boolean | undefined {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  return undefined;
}

/** True when `value` is one that `option` takes: the only place where bounds are compared. */
function fits(option: Option, value: unknown): value is OptionValue {
  switch (option.kind) {
    case "integer":
    case "duration":
    case "size":
      if (option.off !== undefined && value === option.off) return true;
      return Number.isInteger(value) && (value as number) >= option.min && (value as number) <= option.max;
    case "switch":
      return typeof value === "boolean";
    case "choice":
      return typeof value === "string" && option.choices.includes(value);
    case "list":
      return Array.isArray(value) && value.every((item) => typeof item === "string" && fitsList(option, item));
    case "text":
      // NUL ends a path for the kernel: what follows would be ignored silently.
      return typeof value === "string" && !value.includes("\0") && (option.emptyAllowed || value !== "");
  }
}

function fitsList(option: ListOption, item: string): boolean {
  const isWhole = separatorOf(option) === "," ? /^[^\s,]+$/.test(item) : item !== "" && !/[\r\n\0]/.test(item);
  return isWhole && (option.fault?.(item) ?? null) === null;
}

/** The one line for a value that is not taken. `label` is how the user named the setting. */
export function mismatch(label: string, option: Option, value: unknown): string {
  if (option.kind === "list" && option.fault !== undefined) {
    const items = typeof value === "string" ? splitList(option, value) : Array.isArray(value) ? value : [];
    const faulty = items.find((item) => typeof item !== "string" || !fitsList(option, item));
    const fault = typeof faulty === "string" ? option.fault(faulty) : null;
    const shown = option.mask === undefined ? `, got ${quote(faulty ?? value)}` : "";
    return `${label}: ${fault ?? `expected ${option.what}`}${shown}`;
  }
  const shown = option.kind === "text" && option.mask !== undefined ? "" : `, got ${quote(value)}`;
  return `${label}: expected ${expectation(option)}${shown}`;
}

function expectation(option: Option): string {
  switch (option.kind) {
    case "integer":
      return `a whole number from ${option.min} to ${option.max}${option.off === undefined ? "" : ", or off"}`;
    case "duration":
      return `a time from ${formatDuration(option.min)} to ${formatDuration(option.max)} such as 500ms, 30s or 2m`;
    case "size":
      return `a size from ${formatSize(option.min)} to ${formatSize(option.max)} such as 512, 64kb or 10mb`;
    case "switch":
      return "true or false (or 1, 0, yes, no, on, off)";
    case "choice":
      return `one of ${option.choices.join(", ")}`;
    case "list":
    case "text":
      return option.what;
  }
}

/** A value for a message: short, on one line, and unable to steer a terminal. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  // JSON leaves DEL, the C1 controls and the characters beyond ASCII as they are.
  const safe = text.replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return safe.length > 80 ? `${safe.slice(0, 77)}...` : safe;
}

/** `HTTPSERVER_MAX_BODY` for `max-body`. */
export function environmentName(option: Option): string {
  return `${ENVIRONMENT_PREFIX}${option.flag.toUpperCase().replaceAll("-", "_")}`;
}

/** The default as the user would write it; "" for an empty list. */
export function formatDefault(option: Option): string {
  return option.defaultText ?? formatValue(option, option.default);
}

/** A value as the user would write it, without what is nobody's business. */
export function formatValue(option: Option, value: OptionValue): string {
  switch (option.kind) {
    case "duration":
      return formatDuration(value as number);
    case "size":
      return formatSize(value as number);
    case "switch":
      return value === true ? "on" : "off";
    case "list":
      return (value as readonly string[]).map(option.mask ?? String).join(separatorOf(option) === "," ? "," : " | ");
    case "integer":
      return value === option.off ? "off" : String(value);
    case "text":
      return option.mask?.(String(value)) ?? String(value);
    case "choice":
      return String(value);
  }
}
