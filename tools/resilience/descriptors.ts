/**
 * More clients than descriptors: the compiled server with a small file limit, and with a small --max-connections.
 *
 *     bun tools/resilience/descriptors.ts [--clients 1000] [--seconds 10]
 *
 * All clients connect, ask for a page and stay. Those for whom there is room are served, again and again; the others are told
 * 503 and let go; the server then idles instead of spinning in its accept loop, and still opens files. When the clients leave,
 * every descriptor comes back and the next client is served. Ends with 1 when one of these is not so.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildBinary, Program } from "../../test/support/binary.ts";
import { RawClient, request } from "../../test/support/raw-client.ts";
import { until } from "../../test/support/waiting.ts";
import { cpuPercentOf, descriptorsOf } from "./support/process-figures.ts";

export interface CrowdOptions {
  /** The compiled server. */
  readonly binary: string;
  readonly clients: number;
  /** `ulimit -n` of the server, or null to leave it as it is. */
  readonly fileLimit: number | null;
  /** Milliseconds over which the idle server's CPU time is measured. */
  readonly idleMs: number;
  /** Further words for the server's command line. */
  readonly words?: readonly string[];
}

interface CrowdReport {
  /** Clients by their first answer: the page, 503, or a close or reset that left none. */
  readonly served: number;
  readonly refused: number;
  readonly unanswered: number;
  /** Served clients that got another page, from a file opened only then, after the crowd was complete and idle. */
  readonly servedAgain: number;
  /** Clients that came while all others stayed, and their answers' statuses; 0 for none. */
  readonly lateStatuses: readonly number[];
  /** Of one CPU, while all clients stayed and said nothing. */
  readonly idleCpuPercent: number;
  readonly descriptorsBefore: number;
  readonly descriptorsCrowded: number;
  readonly descriptorsAfter: number;
  /** The status that a client got when the crowd had left. */
  readonly statusAfter: number;
}

/** The most that an idle server may use of a CPU, in percent. */
export const IDLE_CPU_PERCENT_MAX = 5;

/** Clients that begin to connect at the same time; more than this would only test the backlog. */
const CONNECTING_AT_ONCE = 100;

/** Milliseconds until a crowd that left by reset is forgotten. */
const RECOVERY_MS = 4000;

const LATE_CLIENTS = 20;

/** One crowd on a server of its own. */
export async function crowd(options: CrowdOptions): Promise<CrowdReport> {
  const folder = mkdtempSync(join(tmpdir(), "crowd-"));
  const clients: RawClient[] = [];
  try {
    mkdirSync(join(folder, "resources"));
    writeFileSync(join(folder, "resources", "index.html"), "page");
    // Larger than what is kept in memory, so that each answer needs a descriptor.
    writeFileSync(join(folder, "resources", "file.bin"), Buffer.alloc(100_000));
    const limit = options.fileLimit === null ? [] : ["sh", "-c", `ulimit -n ${options.fileLimit}; exec "$0" "$@"`];
    const words = ["--port", "0", "--keep-alive-timeout", "5m", "--file-cache", "0", ...(options.words ?? [])];
    await using server = await Program.start([...limit, options.binary, ...words], { cwd: folder });
    const descriptorsBefore = descriptorsOf(server.pid);

    const firsts = await gather(server.port, options.clients, clients);
    const idleCpuPercent = await cpuPercentOf(server.pid, options.idleMs);
    const descriptorsCrowded = descriptorsOf(server.pid);
    const served = clients.filter((_, index) => firsts[index] === 200);
    const again = await inBatches(served, (client) => statusOf(client, server.port, "/file.bin"));
    const lateStatuses = await gather(server.port, LATE_CLIENTS, clients);

    for (const client of clients) client.reset();
    const isCalm = () => descriptorsOf(server.pid) <= descriptorsBefore;
    await until(isCalm, "the descriptors to come back", RECOVERY_MS).catch(() => {});
    const descriptorsAfter = descriptorsOf(server.pid);
    using last = await RawClient.connect(server.port);
    return {
      served: served.length,
      refused: firsts.filter((status) => status === 503).length,
      unanswered: firsts.filter((status) => status === 0).length,
      servedAgain: again.filter((status) => status === 200).length,
      lateStatuses,
      idleCpuPercent,
      descriptorsBefore,
      descriptorsCrowded,
      descriptorsAfter,
      statusAfter: await statusOf(last, server.port, "/file.bin"),
    };
  } finally {
    for (const client of clients) client[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `count` clients that ask for the page and stay, added to `clients`; the status that each got, 0 for none. */
async function gather(port: number, count: number, clients: RawClient[]): Promise<number[]> {
  const numbers = Array.from({ length: count }, (_, number) => number);
  return await inBatches(numbers, async () => {
    const client = await RawClient.connect(port).catch(() => null);
    if (client === null) return 0;
    clients.push(client);
    return await statusOf(client, port, "/");
  });
}

async function statusOf(client: RawClient, port: number, path: string): Promise<number> {
  try {
    return (await client.send(request(port, `GET ${path}`)).answer()).status;
  } catch {
    return 0;
  }
}

/** In the order of `items`. */
async function inBatches<Item, Result>(
  items: readonly Item[],
  one: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += CONNECTING_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(start, start + CONNECTING_AT_ONCE).map(one))));
  }
  return results;
}

/** What is not as promised, a sentence each. `room` is how many clients must have been served at least. */
function brokenPromises(report: CrowdReport, room: number): string[] {
  const broken: string[] = [];
  if (report.served < room) broken.push(`only ${report.served} of at least ${room} were served`);
  if (report.servedAgain < report.served) broken.push("a client that was served once was not served again");
  if (report.idleCpuPercent >= IDLE_CPU_PERCENT_MAX) broken.push("the idle server is not idle");
  if (report.descriptorsAfter > report.descriptorsBefore) broken.push("descriptors did not come back");
  if (report.statusAfter !== 200) broken.push("all is not well when the crowd has left");
  return broken;
}

function describe(name: string, report: CrowdReport, room: number): string {
  const late = [...new Set(report.lateStatuses)].map(
    (status) => `${report.lateStatuses.filter((other) => other === status).length} × ${status || "none"}`,
  );
  return [
    `${name}: ${report.served} served, ${report.refused} refused with 503, ${report.unanswered} without an answer`,
    `  again ${report.servedAgain} of ${report.served}; late clients: ${late.join(", ")}`,
    `  idle ${report.idleCpuPercent.toFixed(2)} % of a CPU; descriptors ${report.descriptorsBefore} before, ` +
      `${report.descriptorsCrowded} crowded, ${report.descriptorsAfter} after; then ${report.statusAfter}`,
    ...brokenPromises(report, room).map((sentence) => `  BROKEN: ${sentence}`),
    "",
  ].join("\n");
}

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { clients: { type: "string", default: "1000" }, seconds: { type: "string", default: "10" } },
  });
  using binary = await buildBinary();
  const common = { binary: binary.path, idleMs: Number(values.seconds) * 1000 };
  // Half of the limit is the least that is left for connections, whatever the reserve.
  const limited = await crowd({ ...common, clients: Number(values.clients), fileLimit: 256 });
  process.stdout.write(describe("ulimit -n 256", limited, 128));
  const capped = await crowd({ ...common, clients: 100, fileLimit: null, words: ["--max-connections", "10"] });
  process.stdout.write(describe("--max-connections 10", capped, 10));
  return brokenPromises(limited, 128).length + brokenPromises(capped, 10).length > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = await main(Bun.argv.slice(2));
