/**
 * Thousands of connections that ask and read nothing, or slowly, against the compiled server, and beside them an ordinary client that must not notice.
 *
 *     bun tools/resilience/readers.ts [part of a kind] [--connections 4000] [--rate 400] [--seconds 5]
 *
 * Each kind makes the server hold memory in another way. For each: the memory that the server's process took at most, how many
 * connections it let stay, and the ordinary client's times. Ends with 1 if a bound is passed. Needs python3
 * (support/silent_peers.py says why), and without it skips everything.
 */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildBinary, Program } from "../../test/support/binary.ts";
import { addEmptyFiles } from "../../test/support/many-files.ts";
import { RawClient, request } from "../../test/support/raw-client.ts";
import { OrdinaryClient, type Seen } from "./ordinary-client.ts";
import { memoryOf } from "./support/process-figures.ts";

/** One way to make a server hold memory. */
interface Kind {
  readonly name: string;
  /** Words for the server's command line. */
  readonly words: readonly string[];
  /** Bytes that each connection sends. */
  readonly request: (port: number) => string;
  /** Path that is asked for twice before, so that it is in memory. */
  readonly warm?: string;
  /** Connections a second, where a request is more work than others. */
  readonly rate?: number;
  /** Bytes that each connection reads in a second; none without it. */
  readonly readBytes?: number;
}

interface ReadersOptions {
  /** The compiled server. */
  readonly binary: string;
  readonly connections: number;
  /** New connections a second. */
  readonly rate: number;
  /** Seconds that the connections stay after the last has come. */
  readonly seconds: number;
  /** Folder with the site of `makeReadersSite`, which several kinds may share; each has its own without it. */
  readonly folder?: string;
}

interface ReadersReport {
  readonly kind: string;
  readonly seen: Seen;
  /** Connections that the server had not cut at the end. */
  readonly staying: number;
  readonly memoryMiBBefore: number;
  readonly memoryMiBMax: number;
}

/** The most that a server with all its silent peers may take, in MiB, and the most that an ordinary client's slowest hundredth may. */
const MEMORY_MIB_MAX = 256;
const P99_MS_MAX = 50;

/** Milliseconds between two requests of each of the ordinary client's two kinds of connection. */
const PACE_MS = 10;

const LONG = "q".repeat(900_000);

export const KINDS: readonly Kind[] = [
  {
    name: "download: a file of 1 GiB, read at 8 KiB a second",
    words: ["--queue", "10000"],
    request: (port) => request(port, "GET /huge.bin"),
    readBytes: 8 * 1024,
  },
  {
    name: "ranges: two of a file of 1 MiB in memory",
    words: [],
    warm: "/hot.bin",
    request: (port) => request(port, "GET /hot.bin", "Range: bytes=0-524000,524001-1048575\r\n"),
  },
  {
    name: "link: a file of 1 MiB behind a link",
    words: [],
    warm: "/link.bin",
    request: (port) => request(port, "GET /link.bin"),
  },
  { name: "listing: a page of 1 MB", words: ["--listing"], request: (port) => request(port, "GET /many/") },
  {
    name: "refusals: 300 in a pipeline",
    words: ["--max-requests", "0"],
    request: (port) => request(port, "GET /../x").repeat(300),
  },
  { name: "events: the live view's", words: ["--status"], request: (port) => request(port, "GET /__server/events") },
  {
    name: "page: 30 times the live page in a pipeline",
    words: ["--status"],
    request: (port) => request(port, "GET /__server/").repeat(30),
  },
  {
    name: "redirects: 900 KB of Location",
    words: ["--max-header", "1mb"],
    request: (port) => request(port, `GET /docs?${LONG}`),
    rate: 100,
  },
  {
    name: "flood: 500 KB of refused requests",
    words: ["--max-requests", "0"],
    request: (port) => request(port, "GET /../x").repeat(9000),
    rate: 100,
  },
  {
    name: "chunks: a request's first byte of content behind 25 heads of 14 KB",
    words: ["--max-requests", "0"],
    request: (port) =>
      request(port, "GET /../x", `X: ${"x".repeat(14_000)}\r\n`).repeat(25) +
      request(port, "POST /upload", "Content-Type: application/json\r\nContent-Length: 99\r\n") +
      "[",
  },
  {
    name: "heads: one of 15 KB without its end",
    words: [],
    request: (port) => request(port, "GET /", `X: ${"x".repeat(15_000)}\r\n`).slice(0, -2),
  },
  {
    name: "journal: pages of a fixture's journal with content",
    words: ["--fixture"],
    request: (port) => request(port, "GET /__server/requests?body=1"),
  },
];

/** One kind on a server of its own. */
export async function readers(kind: Kind, options: ReadersOptions): Promise<ReadersReport> {
  const folder = options.folder ?? makeReadersSite();
  try {
    // The soft limit decides how many connections the server takes; it is raised to what the machine allows.
    const raised = ["sh", "-c", 'ulimit -Sn "$(ulimit -Hn)"; exec "$0" "$@"'];
    const words = ["--port", "0", "--log-file", join(folder, "access.log"), ...kind.words];
    await using server = await Program.start([...raised, options.binary, ...words], { cwd: folder });
    return await observe(kind, options, server, folder);
  } finally {
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes a folder with the site for all kinds, and returns its path. The caller removes it. */
export function makeReadersSite(): string {
  const folder = mkdtempSync(join(tmpdir(), "readers-"));
  makeSite(join(folder, "resources"));
  makeLongFolder(join(folder, "resources", "many"));
  return folder;
}

async function observe(kind: Kind, options: ReadersOptions, server: Program, folder: string): Promise<ReadersReport> {
  await warmUp(kind, server.port, folder);
  const memoryMiBBefore = memoryOf(server.pid);
  const client = new OrdinaryClient(server.port, PACE_MS);
  const rate = Math.min(options.rate, kind.rate ?? options.rate);
  const numbers = [server.port, options.connections, rate, kind.readBytes ?? 0].map(String);
  const peers = Bun.spawn(["nice", "python3", PEERS, ...numbers], {
    stdin: Buffer.from(kind.request(server.port), "latin1"),
    stdout: "pipe",
    stderr: "inherit",
  });
  let staying = 0;
  try {
    let endMs = Number.POSITIVE_INFINITY;
    for await (const line of linesOf(peers.stdout)) {
      const [open = 0, made = 0] = line.split(" ").map(Number);
      staying = open;
      if (made === options.connections && endMs === Number.POSITIVE_INFINITY)
        endMs = performance.now() + options.seconds * 1000;
      if (performance.now() > endMs) break;
    }
    const memoryMiBMax = mostMemoryOf(server.pid);
    const seen = await client.stop();
    return { kind: kind.name, seen, staying, memoryMiBBefore, memoryMiBMax };
  } finally {
    peers.kill("SIGKILL");
    await client.stop();
  }
}

const PEERS = join(import.meta.dir, "support", "silent_peers.py");

function makeSite(root: string): void {
  mkdirSync(join(root, "docs"), { recursive: true });
  writeFileSync(join(root, "docs", "index.html"), "docs");
  writeFileSync(join(root, "index.html"), "<!doctype html><title>page</title>".padEnd(1024));
  const old = new Date(Date.now() - 60_000);
  writeFileSync(join(root, "hot.bin"), Buffer.alloc(1024 * 1024, 120));
  writeFileSync(join(root, "huge.bin"), "");
  truncateSync(join(root, "huge.bin"), 1024 ** 3);
  symlinkSync("hot.bin", join(root, "link.bin"));
  Bun.spawnSync(["touch", "-d", old.toISOString(), join(root, "hot.bin"), join(root, "index.html")]);
}

function makeLongFolder(path: string): void {
  mkdirSync(path);
  addEmptyFiles(
    path,
    Array.from({ length: 2000 }, (_, at) => `${at}`.padStart(200, "entry ")),
  );
}

/** Asks for the path of a kind until it is in memory. A fixture gets requests with content for its journal. */
async function warmUp(kind: Kind, port: number, folder: string): Promise<void> {
  using client = await RawClient.connect(port);
  if (kind.words.includes("--fixture")) {
    const fields = `Content-Type: application/json\r\nContent-Length: 50002\r\n`;
    for (let at = 0; at < 40; at++)
      await client.send(`${request(port, "POST /upload", fields)}"${"j".repeat(50_000)}"`).answer();
  }
  if (kind.warm === undefined) return;
  // A file is kept once its last change is two seconds ago.
  const { ctimeMs } = statSync(join(folder, "resources", "hot.bin"));
  await Bun.sleep(Math.max(0, ctimeMs + 2500 - Date.now()));
  for (let at = 0; at < 3; at++) await client.send(request(port, `GET ${kind.warm}`)).answer();
}

/** Returns the most resident memory that the process has had, in MiB. */
function mostMemoryOf(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kib ?? 0) / 1024;
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  for await (const bytes of stream) {
    text += new TextDecoder().decode(bytes);
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

/** What is not as promised, a sentence each. */
function brokenPromises(report: ReadersReport): string[] {
  const broken: string[] = [];
  if (report.memoryMiBMax > MEMORY_MIB_MAX) broken.push(`more than ${MEMORY_MIB_MAX} MiB`);
  for (const seen of [report.seen.keptAlive, report.seen.fresh]) {
    if (!(seen.p99 < P99_MS_MAX)) broken.push(`p99 is not below ${P99_MS_MAX} ms`);
    if (seen.failures.size > 0)
      broken.push(`failed: ${[...seen.failures].map(([kind, count]) => `${count} × ${kind}`)}`);
  }
  return broken;
}

function describe(report: ReadersReport): string {
  const { kind, memoryMiBBefore, memoryMiBMax, staying, seen } = report;
  const cells = [
    kind,
    memoryMiBBefore.toFixed(0),
    memoryMiBMax.toFixed(0),
    staying,
    seen.keptAlive.p99.toFixed(1),
    seen.fresh.p99.toFixed(1),
    Math.max(seen.keptAlive.max, seen.fresh.max).toFixed(0),
    brokenPromises(report).join("; ") || "none",
  ];
  return `| ${cells.join(" | ")} |\n`;
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      connections: { type: "string", default: "4000" },
      rate: { type: "string", default: "400" },
      seconds: { type: "string", default: "5" },
      binary: { type: "string" },
    },
  });
  if (Bun.which("python3") === null) {
    process.stdout.write(
      "skipped: python3 is not installed, and Bun cannot make a socket with a small receive buffer\n",
    );
    return 0;
  }
  const [part = ""] = positionals;
  using built = values.binary === undefined ? await buildBinary() : null;
  process.stdout.write(
    "| kind | MiB before | MiB at most | connections that stay | p99 kept alive, ms | p99 fresh, ms | max, ms | broken |\n" +
      "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
  );
  let code = 0;
  for (const kind of KINDS.filter(({ name }) => name.includes(part))) {
    const report = await readers(kind, {
      binary: values.binary ?? (built as { readonly path: string }).path,
      connections: Number(values.connections),
      rate: Number(values.rate),
      seconds: Number(values.seconds),
    });
    process.stdout.write(describe(report));
    if (brokenPromises(report).length > 0) code = 1;
  }
  return code;
}

if (import.meta.main) process.exitCode = await main(Bun.argv.slice(2));
