/**
 * Large contents through the proxy in both directions, against the compiled server: what arrives, and the memory that the server takes.
 *
 *     bun tools/resilience/proxy.ts [part of a kind] [--mib 1024]
 *
 * The client is curl, the upstream `node:http` in this process. Each kind has a server of its own. Ends with 1 if a content does not
 * arrive byte by byte, or if the server has taken more than MEMORY_MIB_MAX.
 */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildBinary, Program } from "../../test/support/binary.ts";

/** One way of a content through the proxy. */
interface Kind {
  readonly name: string;
  readonly isUpload: boolean;
  /** Further words for curl. */
  readonly words: readonly string[];
  /** Path at the upstream, which chooses its framing and its pace. */
  readonly path: string;
  /** Part of the size, for kinds that are slow. */
  readonly part?: number;
}

interface ProxyReport {
  readonly kind: string;
  readonly bytes: number;
  readonly isSame: boolean;
  readonly memoryMiBBefore: number;
  readonly memoryMiBMax: number;
  readonly seconds: number;
}

/** The most memory that the server may take, in MiB. */
const MEMORY_MIB_MAX = 120;

const MIB = 1024 * 1024;

/** Milliseconds that a slow upstream waits after each piece. */
const SLOW_MS = 2;

export const KINDS: readonly Kind[] = [
  { name: "down: a length", isUpload: false, words: [], path: "/length" },
  { name: "down: chunks", isUpload: false, words: [], path: "/chunks" },
  { name: "down: until the close, to HTTP/1.0", isUpload: false, words: ["--http1.0"], path: "/chunks" },
  {
    name: "down: a client that is slow",
    isUpload: false,
    words: ["--limit-rate", "24M"],
    path: "/length",
    part: 1 / 8,
  },
  { name: "up: a length", isUpload: true, words: [], path: "/count" },
  { name: "up: chunks", isUpload: true, words: ["-H", "Transfer-Encoding: chunked"], path: "/count" },
  { name: "up: an upstream that is slow", isUpload: true, words: [], path: "/slowly", part: 1 / 8 },
];

/** One kind with `mib` MiB, on a server of its own. `binary` is the compiled server. */
export async function proxied(kind: Kind, mib: number, binary: string): Promise<ProxyReport> {
  const folder = mkdtempSync(join(tmpdir(), "proxy-"));
  const size = Math.ceil(mib * (kind.part ?? 1)) * MIB;
  const upstream = await Upstream.start(size);
  try {
    mkdirSync(join(folder, "www"));
    const words = ["www", "--port", "0", "--log-file", join(folder, "access.log"), "--proxy", `/** ${upstream.url}`];
    await using server = await Program.start([binary, ...words], { cwd: folder });
    const memoryMiBBefore = mostMemoryOf(server.pid);
    const startMs = performance.now();
    const [bytes, hash] = await (kind.isUpload ? upload : download)(kind, server.url, size, folder);
    const seconds = (performance.now() - startMs) / 1000;
    const isSame = bytes === size && hash === hashOf(size);
    return { kind: kind.name, bytes, isSame, memoryMiBBefore, memoryMiBMax: mostMemoryOf(server.pid), seconds };
  } finally {
    upstream.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns bytes and hash as curl got them. */
async function download({ words, path }: Kind, url: string): Promise<[number, string]> {
  const child = Bun.spawn(["curl", "-sS", "--fail", ...words, `${url}${path}`], { stdout: "pipe", stderr: "inherit" });
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of child.stdout) {
    hash.update(piece);
    bytes += piece.length;
  }
  return [bytes, hash.digest("hex")];
}

/** Returns bytes and hash as the upstream got them. */
async function upload({ words, path }: Kind, url: string, size: number, folder: string): Promise<[number, string]> {
  const file = join(folder, "content");
  const descriptor = openSync(file, "w");
  for (let at = 0; at < size; at += MIB) writeSync(descriptor, BLOCK);
  closeSync(descriptor);
  const child = Bun.spawn(["curl", "-sS", ...words, "-T", file, `${url}${path}`], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const [bytes = "", hash = ""] = (await new Response(child.stdout).text()).split(" ");
  return [Number(bytes), hash];
}

/** A MiB of bytes that differ. */
const BLOCK = Buffer.from(Uint8Array.from({ length: MIB }, (_, index) => (index * 31 + (index >> 8) * 17) & 255));

function hashOf(size: number): string {
  const hash = createHash("sha256");
  for (let at = 0; at < size; at += MIB) hash.update(BLOCK);
  return hash.digest("hex");
}

/** A server of `node:http` that sends and takes contents of one size. */
class Upstream {
  readonly url: string;
  readonly stop: () => void;

  private constructor(url: string, stop: () => void) {
    this.url = url;
    this.stop = stop;
  }

  static async start(size: number): Promise<Upstream> {
    const node = createServer((request, response) => {
      if (request.method === "PUT") void takeContent(request, response);
      else void sendContent(request, response, size);
    });
    await new Promise<void>((resolve) => node.listen(0, "127.0.0.1", resolve));
    const { port } = node.address() as AddressInfo;
    return new Upstream(`http://127.0.0.1:${port}`, () => {
      node.closeAllConnections();
      node.close();
    });
  }
}

async function sendContent({ url }: IncomingMessage, response: ServerResponse, size: number): Promise<void> {
  if (url === "/length") response.setHeader("Content-Length", size);
  for (let at = 0; at < size && !response.destroyed; at += MIB) {
    if (!response.write(BLOCK)) await new Promise((resolve) => response.once("drain", resolve));
  }
  response.end();
}

async function takeContent(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of request) {
    hash.update(piece);
    bytes += piece.length;
    if (request.url === "/slowly") await Bun.sleep(SLOW_MS);
  }
  response.end(`${bytes} ${hash.digest("hex")}`);
}

/** Returns the most resident memory that the process has had, in MiB. */
function mostMemoryOf(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kib ?? 0) / 1024;
}

/** Returns what is not as promised, a sentence each. */
export function brokenPromises({ isSame, memoryMiBMax }: ProxyReport): string[] {
  return [
    ...(isSame ? [] : ["the content is another"]),
    ...(memoryMiBMax > MEMORY_MIB_MAX ? [`more than ${MEMORY_MIB_MAX} MiB`] : []),
  ];
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { mib: { type: "string", default: "1024" } },
    allowPositionals: true,
  });
  using binary = await buildBinary();
  process.stdout.write(
    "| kind | bytes | MiB before | MiB at most | seconds | broken |\n|---|---:|---:|---:|---:|---|\n",
  );
  for (const kind of KINDS.filter(({ name }) => name.includes(positionals[0] ?? ""))) {
    const report = await proxied(kind, Number(values.mib), binary.path);
    const broken = brokenPromises(report).join("; ");
    const { bytes, memoryMiBBefore, memoryMiBMax, seconds } = report;
    const figures = [bytes, memoryMiBBefore.toFixed(0), memoryMiBMax.toFixed(0), seconds.toFixed(1)];
    process.stdout.write(`| ${[kind.name, ...figures, broken || "none"].join(" | ")} |\n`);
    if (broken !== "") process.exitCode = 1;
  }
  process.exit();
}
