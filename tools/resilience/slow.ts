/**
 * Thousands of slow connections against the compiled server, and beside them an ordinary client that must not notice.
 *
 *     bun tools/resilience/slow.ts [head|body|read] [--connections 2000] [--seconds 60] [--rate <a second>] [--threads 10]
 *
 * slowhttptest does the attacks, with the server's default settings: a head that never ends (-H), an upload that never ends
 * (-B), a large answer that is hardly read (-X). For each: what the ordinary client saw, what the server held at most, and
 * whether everything came back when the attackers were gone. Ends with 1 when a promise is broken.
 */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildBinary, Program } from "../../test/support/binary.ts";
import { until } from "../../test/support/waiting.ts";
import { describeLatencies, OrdinaryClient, type Seen } from "./ordinary-client.ts";
import { cpuMsOf, descriptorsOf, memoryOf } from "./support/process-figures.ts";

export type Attack = "head" | "body" | "read";

const ATTACKS: readonly Attack[] = ["head", "body", "read"];

interface AttackOptions {
  /** The compiled server. */
  readonly binary: string;
  readonly connections: number;
  readonly seconds: number;
  /**
   * Goes on for as many seconds more until all attackers are there and the ordinary client has had some dozen answers of each kind:
   * for short attacks on a machine that is busy with other things. None by default.
   */
  readonly patienceSeconds?: number;
  /** New connections a second. */
  readonly rate: number;
  /** Further words for the server's command line. */
  readonly words?: readonly string[];
}

interface AttackReport {
  readonly attack: Attack;
  readonly seen: Seen;
  /** The most connections that slowhttptest had open at once. */
  readonly attackersMax: number;
  /** Of the server's process; the most of each during the attack. */
  readonly descriptorsMax: number;
  readonly memoryMiBMax: number;
  readonly cpuPercent: number;
  /** Before the first connection, and after the last one. */
  readonly descriptorsBefore: number;
  readonly descriptorsAfter: number;
}

/**
 * New connections a second. With a header timeout of 10 s, fewer than 200 slow heads a second are never 2,000 at once. A slow
 * reader costs 5 ms of work, because the kernel takes 4 MB of its answer at once: more of them than this are plain load.
 */
const RATES: { readonly [kind in Attack]: number } = { head: 250, body: 250, read: 100 };

/** The most that an ordinary client's slowest hundredth may take, in milliseconds. */
export const P99_MS_MAX = 50;

/** Milliseconds between two requests of each of the ordinary client's two kinds of connection. */
const PACE_MS = 5;

/** Answers of each of its two kinds of connection that say something about an ordinary client. */
export const ANSWERS_MIN = 50;

/** Milliseconds until the server has let go of attackers that were killed: its bounded drain, with some slack. */
const RECOVERY_MS = 15_000;

const LARGE_BYTES = 64 * 1024 * 1024;

/** One attack on a server of its own. */
export async function attack(kind: Attack, options: AttackOptions): Promise<AttackReport> {
  const folder = mkdtempSync(join(tmpdir(), "slow-"));
  try {
    mkdirSync(join(folder, "resources"));
    writeFileSync(join(folder, "resources", "index.html"), "<!doctype html><title>page</title>".padEnd(1024));
    writeFileSync(join(folder, "resources", "large.bin"), "");
    truncateSync(join(folder, "resources", "large.bin"), LARGE_BYTES);
    // The soft limit decides how many connections the server takes; it is raised to what the machine allows.
    const raised = ["sh", "-c", 'ulimit -Sn "$(ulimit -Hn)"; exec "$0" "$@"'];
    const words = ["--port", "0", "--log-file", join(folder, "access.log"), ...(options.words ?? [])];
    await using server = await Program.start([...raised, options.binary, ...words], { cwd: folder });
    return await observe(kind, options, server);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function observe(kind: Attack, options: AttackOptions, server: Program): Promise<AttackReport> {
  const descriptorsBefore = descriptorsOf(server.pid);
  const cpuMs = cpuMsOf(server.pid);
  const startMs = performance.now();
  let descriptorsMax = 0;
  let memoryMiBMax = 0;
  const sampler = setInterval(() => {
    descriptorsMax = Math.max(descriptorsMax, descriptorsOf(server.pid));
    memoryMiBMax = Math.max(memoryMiBMax, memoryOf(server.pid));
  }, 100);
  const client = new OrdinaryClient(server.port, PACE_MS);
  const attackers = Bun.spawn(["nice", "slowhttptest", ...wordsOf(kind, server.port, options)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const told = attackers.stdout.text();
  try {
    await Promise.race([attackers.exited, Bun.sleep(options.seconds * 1000)]);
    const isUnderWay = () => descriptorsMax >= descriptorsBefore + options.connections && client.answers >= ANSWERS_MIN;
    const { patienceSeconds = 0 } = options;
    if (patienceSeconds > 0) await until(isUnderWay, "the attack to be under way", patienceSeconds * 1000);
  } finally {
    attackers.kill("SIGKILL");
    clearInterval(sampler);
  }
  const cpuPercent = ((cpuMsOf(server.pid) - cpuMs) * 100) / (performance.now() - startMs);
  const seen = await client.stop();
  const isCalm = () => descriptorsOf(server.pid) <= descriptorsBefore;
  await until(isCalm, "the descriptors to come back", RECOVERY_MS).catch(() => {});
  return {
    attack: kind,
    seen,
    attackersMax: mostConnected(await told),
    descriptorsMax,
    memoryMiBMax,
    cpuPercent,
    descriptorsBefore,
    descriptorsAfter: descriptorsOf(server.pid),
  };
}

/** slowhttptest's command line. It ends by itself no sooner than we end it. */
function wordsOf(kind: Attack, port: number, options: AttackOptions): string[] {
  const { connections, rate, seconds } = options;
  const site = `http://127.0.0.1:${port}`;
  const common = ["-c", String(connections), "-r", String(rate), "-l", String(seconds + 10), "-p", "3"];
  switch (kind) {
    case "head":
      return ["-H", ...common, "-i", "2", "-x", "24", "-u", `${site}/`];
    case "body":
      // As large as it may be and of the right type, so that every refusal by the head alone is passed.
      return [
        "-B",
        ...common,
        "-i",
        "2",
        "-x",
        "24",
        "-s",
        "8000000",
        "-f",
        "application/json",
        "-u",
        `${site}/upload`,
      ];
    case "read":
      return ["-X", ...common, "-n", "2", "-z", "16", "-w", "256", "-y", "1024", "-u", `${site}/large.bin`];
  }
}

/** From slowhttptest's table of every five seconds, which it draws in colours: `connected:           1734`. */
function mostConnected(told: string): number {
  const plain = Bun.stripANSI(told);
  return Math.max(0, ...[...plain.matchAll(/^connected:\s+(\d+)/gm)].map((found) => Number(found[1])));
}

/** What is not as promised, a sentence each. */
function brokenPromises(report: AttackReport): string[] {
  const broken: string[] = [];
  for (const [kind, seen] of [
    ["kept-alive", report.seen.keptAlive],
    ["fresh", report.seen.fresh],
  ] as const) {
    if (seen.failures.size > 0) broken.push(`requests of the ${kind} connection failed`);
    if (!(seen.p99 < P99_MS_MAX)) broken.push(`p99 of the ${kind} connection is not below ${P99_MS_MAX} ms`);
  }
  if (report.descriptorsAfter > report.descriptorsBefore) broken.push("descriptors did not come back");
  return broken;
}

function describe(report: AttackReport): string {
  return [
    `slow ${report.attack}: at most ${report.attackersMax} attackers at once`,
    `  kept alive: ${describeLatencies(report.seen.keptAlive)}`,
    `  fresh:      ${describeLatencies(report.seen.fresh)}`,
    `  server:     ${report.cpuPercent.toFixed(1)} % of a CPU, ${report.memoryMiBMax.toFixed(0)} MiB, descriptors ` +
      `${report.descriptorsBefore} before, at most ${report.descriptorsMax}, ${report.descriptorsAfter} after`,
    ...brokenPromises(report).map((sentence) => `  BROKEN: ${sentence}`),
    "",
  ].join("\n");
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      connections: { type: "string", default: "2000" },
      seconds: { type: "string", default: "60" },
      rate: { type: "string" },
      threads: { type: "string", default: "10" },
    },
  });
  const chosen = ATTACKS.filter((kind) => positionals.length === 0 || positionals.includes(kind));
  using binary = await buildBinary();
  let code = 0;
  for (const kind of chosen) {
    const report = await attack(kind, {
      binary: binary.path,
      connections: Number(values.connections),
      seconds: Number(values.seconds),
      rate: Number(values.rate ?? RATES[kind]),
      words: ["--threads", values.threads],
    });
    process.stdout.write(describe(report));
    if (brokenPromises(report).length > 0) code = 1;
  }
  return code;
}

if (import.meta.main) process.exitCode = await main(Bun.argv.slice(2));
