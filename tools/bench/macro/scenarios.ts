/** The loads, each with the servers it makes sense for and the answer it must get. */
import { BROWSER_FIELDS } from "../support/browser.ts";
import type { Mode } from "../support/results.ts";
import type { Flavor, PeerName } from "./peers.ts";
import { FOLDER_FILES, MANY_FILES, MIB, PAGE_BYTES, type Site } from "./site.ts";

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly flavor: Flavor;
  readonly peers: readonly PeerName[];
  /** The shortest mode that it belongs to. */
  readonly mode: Mode;
  /** Our own server once more, in the same rounds under another load or with another setting: what a target compares it with. */
  readonly reference?: Reference;
  /** wrk, which reads 8 KiB at a time, by default; or macro/sink.c, which copies nothing and sends plain requests only. */
  readonly generator?: "wrk" | "sink";
  /** True: each measurement has a new server, because a load leaves behind what the next one would meet. */
  readonly startsAnew?: boolean;
  /** Makes what the load needs. */
  prepare(site: Site): Task;
}

interface Reference {
  /** What is different; its row is called `httpserver, <name>`. */
  readonly name: string;
  readonly flavor: Flavor;
  prepare(site: Site): Task;
}

export interface Task {
  readonly target: string;
  readonly connections: number;
  /** What every answer must be. */
  readonly status: number;
  /** Bytes of content of every answer, or null where each server has its own. */
  readonly contentBytes: number | null;
  /** True: the rate in bytes is what counts, and requests are too few to be counted in the time. */
  readonly isLarge?: boolean;
  readonly fields?: readonly string[];
  /** Requests are made conditional with what the server's own answer to a plain one says. */
  readonly isConditional?: boolean;
  readonly batch?: number;
  readonly listFile?: string;
  readonly bodyFile?: string;
  /** Shortest load, seconds: thousands of connections take a while to be opened. */
  readonly secondsMin?: number;
}

const CONTENDERS: readonly PeerName[] = ["httpserver", "nginx", "lighttpd", "Bun.serve"];
const WITH_FLOOR: readonly PeerName[] = [...CONTENDERS, "floor (C)"];
const WITH_FLOORS: readonly PeerName[] = [...WITH_FLOOR, "floor, sendfile (C)", "floor, read (C)"];
const LOGGERS: readonly PeerName[] = ["httpserver", "nginx", "nginx, buffered log", "lighttpd"];
/** A route per file is no folder. */
const READERS: readonly PeerName[] = ["httpserver", "nginx", "lighttpd"];
const SLOWER: readonly PeerName[] = ["node:http", "http-server", "serve", "sirv-cli", "python3"];

/** Connections of an ordinary load. */
const CONNECTIONS = 64;

/** Thousands of connections take a part of a second to be opened. */
const CROWD_SECONDS_MIN = 4;

const PAGE: Task = { target: "/page.html", connections: CONNECTIONS, status: 200, contentBytes: PAGE_BYTES };

export const scenarios: readonly Scenario[] = [
  tuned("page", "1 KiB page, 64 keep-alive connections", [...WITH_FLOOR, ...SLOWER], "quick", () => PAGE),
  tuned("browser", "1 KiB page, a browser's 600-byte head", WITH_FLOOR, "medium", () => ({
    ...PAGE,
    fields: BROWSER_FIELDS,
  })),
  tuned("pipelined", "1 KiB page, pipelined by 16", WITH_FLOOR, "quick", () => ({ ...PAGE, batch: 16 })),
  {
    ...tuned("files", "2,000 different files in turn", CONTENDERS, "quick", (site) =>
      listed(site, site.folder(MANY_FILES)),
    ),
    // By a list of one, so that the generator works as hard on it.
    reference: { name: "one page", flavor: "tuned", prepare: (site) => listed(site, [PAGE.target]) },
  },
  tuned("latency", "1 KiB page, one connection", WITH_FLOOR, "full", () => ({ ...PAGE, connections: 1 })),
  tuned("not-modified", "304, If-None-Match", CONTENDERS, "full", () => ({
    ...PAGE,
    status: 304,
    contentBytes: 0,
    isConditional: true,
  })),
  tuned("range", "206, 1,000 bytes of a 1 MiB file", CONTENDERS, "full", (site) => ({
    target: site.large(MIB),
    connections: CONNECTIONS,
    status: 206,
    contentBytes: 1000,
    fields: ["Range: bytes=5000-5999"],
  })),
  tuned("mib", "1 MiB file, 8 connections", [...WITH_FLOORS, ...SLOWER], "quick", (site) => large(site, MIB, 8)),
  {
    ...tuned("mib-sink", "1 MiB file, 8 connections, discarded unread", WITH_FLOORS, "medium", (site) =>
      large(site, MIB, 8),
    ),
    generator: "sink",
  },
  tuned("hundred-mib", "100 MiB file, 4 connections", WITH_FLOORS, "medium", (site) => large(site, 100 * MIB, 4)),
  {
    ...tuned("hundred-mib-sink", "100 MiB file, 4 connections, discarded unread", WITH_FLOORS, "medium", (site) =>
      large(site, 100 * MIB, 4),
    ),
    generator: "sink",
  },
  tuned("not-found", "404", CONTENDERS, "full", () => ({
    ...PAGE,
    target: "/missing.html",
    status: 404,
    contentBytes: null,
  })),
  { ...tuned("tls", "1 KiB page over TLS", ["httpserver", "nginx", "Bun.serve"], "medium", () => PAGE), flavor: "tls" },
  {
    ...tuned("upload", "upload of 1 KiB of JSON, made durable", ["httpserver"], "medium", (site) => ({
      target: "/upload",
      connections: CONNECTIONS,
      status: 201,
      contentBytes: null,
      bodyFile: site.write("body.json", JSON.stringify({ text: "x".repeat(PAGE_BYTES - '{"text":""}'.length) })),
    })),
    startsAnew: true,
  },
  {
    ...tuned("log", "1 KiB page, access log to a file", LOGGERS, "quick", () => PAGE),
    flavor: "log",
    reference: { name: "no log", flavor: "tuned", prepare: () => PAGE },
  },
  {
    ...tuned("defaults", "1 KiB page, everything as it comes", ["httpserver", "nginx", "lighttpd"], "full", () => PAGE),
    flavor: "defaults",
  },
  tuned("connections-1000", "1 KiB page, 1,000 connections", WITH_FLOOR, "full", () => crowd(1_000)),
  {
    ...tuned("connections-10000", "1 KiB page, 10,000 connections", WITH_FLOOR, "medium", () => crowd(10_000)),
    reference: { name: "64 connections", flavor: "tuned", prepare: () => PAGE },
  },
  tuned("short", "1 KiB page, a connection for each request", CONTENDERS, "full", () => ({
    ...PAGE,
    fields: ["Connection: close"],
  })),
  {
    ...tuned("folder-100000", "10 files in turn from a folder of 100,000", READERS, "medium", (site) =>
      listed(site, site.folder(FOLDER_FILES).slice(0, 10)),
    ),
    reference: { name: "a folder of 10", flavor: "tuned", prepare: (site) => listed(site, site.folder(10)) },
  },
  tuned("folder-spread", "all 100,000 files of a folder in turn", READERS, "full", (site) =>
    listed(site, site.folder(FOLDER_FILES)),
  ),
];

function tuned(
  name: string,
  title: string,
  peers: readonly PeerName[],
  mode: Mode,
  prepare: (site: Site) => Task,
): Scenario {
  return { name, title, flavor: "tuned", peers, mode, prepare };
}

function listed(site: Site, targets: readonly string[]): Task {
  return { ...PAGE, target: targets[0] ?? "/", listFile: site.write("targets", targets.join("\n")) };
}

function large(site: Site, bytes: number, connections: number): Task {
  return { target: site.large(bytes), connections, status: 200, contentBytes: bytes, isLarge: true };
}

function crowd(connections: number): Task {
  return { ...PAGE, connections, secondsMin: CROWD_SECONDS_MIN };
}
