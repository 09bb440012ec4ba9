/** The loads, each with the servers it makes sense for and the answer it must get. */
import { BROWSER_FIELDS } from "../support/browser.ts";
import type { Flavor, PeerName } from "./peers.ts";
import { FOLDER_FILES, MANY_FILES, MIB, PAGE_BYTES, type Site } from "./site.ts";

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly flavor: Flavor;
  readonly peers: readonly PeerName[];
  /** Part of the quick mode. */
  readonly quick: boolean;
  /** Makes what the load needs. */
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
const EVERYBODY: readonly PeerName[] = [...WITH_FLOOR, "node:http", "http-server", "serve", "sirv-cli", "python3"];

/** Connections of an ordinary load. */
const CONNECTIONS = 64;

const PAGE: Task = { target: "/page.html", connections: CONNECTIONS, status: 200, contentBytes: PAGE_BYTES };

export const scenarios: readonly Scenario[] = [
  tuned("page", "1 KiB page, 64 keep-alive connections", EVERYBODY, true, () => PAGE),
  tuned("browser", "1 KiB page, a browser's 600-byte head", WITH_FLOOR, true, () => ({
    ...PAGE,
    fields: BROWSER_FIELDS,
  })),
  tuned("pipelined", "1 KiB page, pipelined by 16", WITH_FLOOR, true, () => ({ ...PAGE, batch: 16 })),
  tuned("files", "2,000 different files in turn", CONTENDERS, true, (site) => inTurn(site, site.folder(MANY_FILES))),
  tuned("latency", "1 KiB page, one connection", WITH_FLOOR, false, () => ({ ...PAGE, connections: 1 })),
  tuned("not-modified", "304, If-None-Match", CONTENDERS, false, () => ({
    ...PAGE,
    status: 304,
    contentBytes: 0,
    isConditional: true,
  })),
  tuned("range", "206, 1,000 bytes of a 1 MiB file", CONTENDERS, false, (site) => ({
    target: site.large(MIB),
    connections: CONNECTIONS,
    status: 206,
    contentBytes: 1000,
    fields: ["Range: bytes=5000-5999"],
  })),
  tuned("mib", "1 MiB file, 8 connections", EVERYBODY.filter(isNoFloor), true, (site) => large(site, MIB, 8)),
  tuned("hundred-mib", "100 MiB file, 4 connections", CONTENDERS, false, (site) => large(site, 100 * MIB, 4)),
  tuned("not-found", "404", CONTENDERS, false, () => ({
    ...PAGE,
    target: "/missing.html",
    status: 404,
    contentBytes: null,
  })),
  { ...tuned("tls", "1 KiB page over TLS", ["httpserver", "nginx", "Bun.serve"], false, () => PAGE), flavor: "tls" },
  tuned("upload", "upload of 1 KiB of JSON, made durable", ["httpserver"], true, (site) => ({
    target: "/upload",
    connections: CONNECTIONS,
    status: 201,
    contentBytes: null,
    bodyFile: site.write("body.json", JSON.stringify({ text: "x".repeat(PAGE_BYTES - '{"text":""}'.length) })),
  })),
  {
    ...tuned(
      "log",
      "1 KiB page, access log to a file",
      ["httpserver", "nginx", "nginx, buffered log", "lighttpd"],
      true,
      () => PAGE,
    ),
    flavor: "log",
  },
  {
    ...tuned("defaults", "1 KiB page, everything as it comes", ["httpserver", "nginx", "lighttpd"], false, () => PAGE),
    flavor: "defaults",
  },
  tuned("connections-1000", "1 KiB page, 1,000 connections", WITH_FLOOR, false, () => crowd(1_000)),
  tuned("connections-10000", "1 KiB page, 10,000 connections", WITH_FLOOR, false, () => crowd(10_000)),
  tuned("short", "1 KiB page, a connection for each request", CONTENDERS, false, () => ({
    ...PAGE,
    fields: ["Connection: close"],
  })),
  tuned("folder-10", "10 files in turn from a folder of 10", CONTENDERS.filter(readsDisk), false, (site) =>
    inTurn(site, site.folder(10)),
  ),
  tuned("folder-100000", "10 files in turn from a folder of 100,000", CONTENDERS.filter(readsDisk), false, (site) =>
    inTurn(site, site.folder(FOLDER_FILES).slice(0, 10)),
  ),
  tuned("folder-spread", "all 100,000 files of a folder in turn", CONTENDERS.filter(readsDisk), false, (site) =>
    inTurn(site, site.folder(FOLDER_FILES)),
  ),
];

function tuned(
  name: string,
  title: string,
  peers: readonly PeerName[],
  quick: boolean,
  prepare: (site: Site) => Task,
): Scenario {
  return { name, title, flavor: "tuned", peers, quick, prepare };
}

function inTurn(site: Site, targets: readonly string[]): Task {
  return { ...PAGE, target: targets[0] ?? "/", listFile: site.write("targets", targets.join("\n")) };
}

function large(site: Site, bytes: number, connections: number): Task {
  return { target: site.large(bytes), connections, status: 200, contentBytes: bytes, isLarge: true };
}

function crowd(connections: number): Task {
  return { ...PAGE, connections, secondsMin: 5 };
}

function isNoFloor(name: PeerName): boolean {
  return name !== "floor (C)";
}

/** A route per file is no folder. */
function readsDisk(name: PeerName): boolean {
  return name !== "Bun.serve";
}
