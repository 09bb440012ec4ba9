/**
 * An archive of a large tree from the compiled server, and beside it an ordinary client that must not notice.
 *
 *     bun tools/resilience/tar.ts [--files 100000] [--rate <bytes a second>]
 *
 * Half of the files are in one folder, the others in folders of a hundred. Says what the ordinary client saw, how much memory the server
 * took, and whether the archive, unpacked by tar, is the tree (`diff -r`). Ends with 1 when a promise is broken.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildBinary, Program } from "../../test/support/binary.ts";
import { describeLatencies, OrdinaryClient, type Seen } from "./ordinary-client.ts";
import { P99_MS_MAX } from "./slow.ts";
import { descriptorsOf, memoryOf } from "./support/process-figures.ts";

interface PackOptions {
  /** The compiled server. */
  readonly binary: string;
  readonly files: number;
  /** Milliseconds for which the ordinary client is alone. */
  readonly beforeMs: number;
  /** Bytes a second that curl reads; as fast as it can without. */
  readonly rate?: string;
}

interface PackReport {
  /** Seen by the ordinary client before the archive, which tells how busy the machine is with other things. */
  readonly before: Seen;
  readonly seen: Seen;
  readonly seconds: number;
  readonly archiveMiB: number;
  readonly memoryMiBMax: number;
  readonly descriptorsBefore: number;
  readonly descriptorsMax: number;
  readonly descriptorsAfter: number;
  /** Status lines and field lines of the response. */
  readonly head: string;
  /** First lines of `diff -r` between the tree and what was unpacked; "" if they are equal. */
  readonly difference: string;
}

/** The most memory of the server, in MiB. */
const MEMORY_MIB_MAX = 120;

/** Milliseconds for which the ordinary client is alone. */
const BEFORE_MS = 5000;

/** Milliseconds between two requests of each of the ordinary client's two kinds of connection. */
const PACE_MS = 5;

/** Packs a tree of `files` files, and unpacks the archive. */
export async function pack(options: PackOptions): Promise<PackReport> {
  const folder = mkdtempSync(join(tmpdir(), "tar-"));
  try {
    const root = join(folder, "www");
    makeTree(join(root, "tree"), options.files);
    writeFileSync(join(root, "index.html"), "<!doctype html><title>page</title>".padEnd(1024));
    await using server = await Program.start([options.binary, "--port", "0", "--root", root, "--listing"], {
      cwd: folder,
    });
    const descriptorsBefore = descriptorsOf(server.pid);
    let memoryMiBMax = 0;
    let descriptorsMax = 0;
    const sampler = setInterval(() => {
      memoryMiBMax = Math.max(memoryMiBMax, memoryOf(server.pid));
      descriptorsMax = Math.max(descriptorsMax, descriptorsOf(server.pid));
    }, 20);
    const early = new OrdinaryClient(server.port, PACE_MS);
    await Bun.sleep(options.beforeMs);
    const before = await early.stop();
    const client = new OrdinaryClient(server.port, PACE_MS);
    const startMs = performance.now();
    const head = await command(folder, "curl", [
      "-sS",
      ...["-D", "-", "-o", "tree.tar"],
      ...(options.rate === undefined ? [] : ["--limit-rate", options.rate]),
      `http://127.0.0.1:${server.port}/tree/?tar`,
    ]);
    const seconds = (performance.now() - startMs) / 1000;
    clearInterval(sampler);
    const seen = await client.stop();
    const descriptorsAfter = descriptorsOf(server.pid);
    await command(folder, "tar", ["xf", "tree.tar"]);
    const difference = await command(folder, "diff", ["-r", "www/tree", "tree"]);
    const archiveMiB = Bun.file(join(folder, "tree.tar")).size / 2 ** 20;
    return {
      ...{ before, seen, seconds, archiveMiB, memoryMiBMax, descriptorsBefore, descriptorsMax, descriptorsAfter, head },
      difference: difference.slice(0, 500),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes a tree in which each file differs from the others, and now and then one is too large for a buffer. */
function makeTree(root: string, files: number): void {
  const large = "x".repeat(200_000);
  for (let i = 0; i < files; i++) {
    const folder = i % 2 === 0 ? "all" : `some/folder ${Math.floor(i / 200)}`;
    if (i % 200 < 2) mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, `file ${i}.txt`), i % 5000 === 0 ? large + i : `file ${i}\n`.repeat(i % 40));
  }
}

/** Runs a program in `folder`, and returns its standard output. Standard error goes to ours. */
async function command(folder: string, name: string, words: readonly string[]): Promise<string> {
  const child = Bun.spawn([name, ...words], { cwd: folder, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  return await child.stdout.text();
}

/** What is not as promised, a sentence each. */
export function brokenPromises(report: PackReport): string[] {
  const broken: string[] = [];
  if (!report.head.startsWith("HTTP/1.1 200 ")) broken.push(`the response is ${report.head.split("\r\n")[0]}`);
  if (report.difference !== "") broken.push(`the archive is not the tree: ${report.difference}`);
  if (report.memoryMiBMax >= MEMORY_MIB_MAX) broken.push(`the memory is not below ${MEMORY_MIB_MAX} MiB`);
  if (report.descriptorsAfter > report.descriptorsBefore + 2) broken.push("descriptors did not come back");
  for (const { p99, failures } of [report.seen.keptAlive, report.seen.fresh]) {
    if (failures.size > 0) broken.push("requests of the ordinary client failed");
    if (!(p99 < P99_MS_MAX)) broken.push(`p99 of the ordinary client is not below ${P99_MS_MAX} ms`);
  }
  return broken;
}

function describe(report: PackReport): string {
  return [
    `archive: ${report.archiveMiB.toFixed(1)} MiB in ${report.seconds.toFixed(1)} s`,
    `  kept alive: ${describeLatencies(report.seen.keptAlive)}`,
    `      before: ${describeLatencies(report.before.keptAlive)}`,
    `  fresh:      ${describeLatencies(report.seen.fresh)}`,
    `      before: ${describeLatencies(report.before.fresh)}`,
    `  server:     at most ${report.memoryMiBMax.toFixed(0)} MiB and ${report.descriptorsMax} descriptors`,
    ...brokenPromises(report).map((sentence) => `  BROKEN: ${sentence}`),
    "",
  ].join("\n");
}

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { files: { type: "string", default: "100000" }, rate: { type: "string" } },
  });
  using binary = await buildBinary();
  const { files, rate } = values;
  const report = await pack({
    ...{ binary: binary.path, files: Number(files), beforeMs: BEFORE_MS },
    ...(rate === undefined ? {} : { rate }),
  });
  process.stdout.write(describe(report));
  return brokenPromises(report).length > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = await main(Bun.argv.slice(2));
