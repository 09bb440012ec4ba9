/**
 * Where a request's time goes: the same page under the same load, from a bare event loop up to the whole server with its log,
 * one floor of the house more on each rung. All rungs run from source in the same Bun, so they differ by their work alone. Other
 * servers stand beside them in the same rounds: what a bare event loop costs next to them, no work on the rungs can change.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type PeerName, type Programs, peers } from "../macro/peers.ts";
import { MANY_FILES, PAGE_BYTES, type Site } from "../macro/site.ts";
import { BROWSER_FIELDS } from "../support/browser.ts";
import { inTurn, underLoad } from "../support/measure.ts";
import { type Launched, launch, SERVER_CORE } from "../support/process.ts";
import type { LadderLoad, LadderRow } from "../support/results.ts";
import { type Load, runLoad } from "../support/wrk.ts";

/** From the bottom; each does all that the one before does. */
export const RUNGS = ["echo", "parse", "target", "admit", "respond", "log"] as const;
export type Rung = (typeof RUNGS)[number];

/** Loads that are put on the same servers in the same rounds, with the servers that stand beside the rungs. */
interface Group {
  readonly loads: readonly LadderLoad[];
  readonly references: readonly PeerName[];
}

const REFERENCES: readonly PeerName[] = ["floor (C)", "Bun.serve", "nginx"];
const GROUPS: readonly Group[] = [
  { loads: ["small"], references: REFERENCES },
  { loads: ["browser"], references: REFERENCES },
  { loads: ["pipelined"], references: REFERENCES },
  { loads: ["one-target", "targets"], references: ["floor, blocks (C)", "Bun.serve", "nginx"] },
];

const CONNECTIONS = 64;
export const WARM_UP_SECONDS = 3;
const TOP = join(import.meta.dir, "..", "..", "..");
export const TARGET = "/page.html";

interface LoadShape {
  readonly fields: readonly string[];
  /** Requests sent at a time. */
  readonly batch: number;
  /** What is asked for in turn; by default the page alone, which the generator then sends without a list. */
  readonly targets?: (site: Site) => readonly string[];
}

const LOADS: Readonly<Record<LadderLoad, LoadShape>> = {
  small: { fields: [], batch: 1 },
  browser: { fields: BROWSER_FIELDS, batch: 1 },
  pipelined: { fields: [], batch: 16 },
  // By a list of one, so that the generator works as hard on it.
  "one-target": { fields: [], batch: 1, targets: () => [TARGET] },
  targets: { fields: [], batch: 1, targets: (site) => site.folder(MANY_FILES) },
};

interface LadderOptions {
  readonly site: Site;
  readonly programs: Programs;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly seconds: number;
  readonly loads: readonly LadderLoad[];
  readonly progress: (text: string) => void;
}

/** A server, which runs as long as its group's rounds, and its row of each load. */
interface Standing {
  readonly name: string;
  readonly rows: readonly LadderRow[];
  readonly server: Launched;
  readonly url: string;
}

/** Rejects when a server did not answer every request: then it is the ladder that is wrong. */
export async function measureLadder(options: LadderOptions): Promise<LadderRow[]> {
  const answerFile = await recordAnswer(options.site);
  const rows: LadderRow[] = [];
  for (const group of GROUPS) {
    if (group.loads.some((load) => options.loads.includes(load)))
      rows.push(...(await measureGroup(group, answerFile, options)));
  }
  return rows;
}

async function measureGroup(group: Group, answerFile: string, options: LadderOptions): Promise<LadderRow[]> {
  const { rounds, seconds, progress, site, programs } = options;
  const { loads } = group;
  const title = loads.join(" and ");
  const { batch } = LOADS[loads[0] as LadderLoad];
  const generated = new Map(loads.map((load) => [load, generatedBy(load, site)]));
  const standings: Standing[] = [];
  const rowsOf = (rung: string, isReference: boolean) =>
    loads.map((load): LadderRow => ({ load, rung, isReference, rounds: [] }));
  try {
    progress(`ladder, ${title}: start`);
    for (const name of group.references) {
      const { needs, start } = peers[name];
      if (options.versions[needs] === undefined) continue;
      const peer = await start({ site, flavor: "tuned", programs, target: TARGET, contentBytes: PAGE_BYTES });
      standings.push({ name, rows: rowsOf(name, true), ...peer });
    }
    for (const rung of RUNGS) {
      const server = startRung(rung, answerFile, batch, site);
      standings.push({ name: rung, rows: rowsOf(rung, false), server, url: await urlOf(server) });
    }
    for (const standing of standings) {
      progress(`ladder, ${title}: warm-up, ${standing.name}`);
      await measureStanding(standing, generated, WARM_UP_SECONDS);
      for (const row of standing.rows) row.rounds.length = 0;
    }
    for (let round = 0; round < rounds; round++) {
      for (const standing of inTurn(standings, round)) {
        progress(`ladder, ${title}: round ${round + 1} of ${rounds}, ${standing.name}`);
        await measureStanding(standing, generated, seconds);
      }
    }
  } finally {
    await Promise.all(standings.map(({ server }) => server.end()));
  }
  return standings.flatMap(({ rows }) => rows);
}

/** What the generator is told of a load, but for the address. */
export function generatedBy(load: LadderLoad, site: Site): Omit<Load, "url"> {
  const { fields, batch, targets } = LOADS[load];
  const common = { connections: CONNECTIONS, fields, batch };
  return targets === undefined ? common : { ...common, listFile: site.write("targets", targets(site).join("\n")) };
}

/** Adds one measurement to each of the server's rows. */
async function measureStanding(
  { rows, server, url }: Standing,
  generated: ReadonlyMap<LadderLoad, Omit<Load, "url">>,
  seconds: number,
): Promise<void> {
  for (const row of rows) {
    const load = generated.get(row.load);
    if (load === undefined) throw new Error(`ladder, ${row.load}: no load was made for it`);
    await measureRow(row, server, { ...load, url: url + TARGET }, seconds);
  }
}

async function measureRow(row: LadderRow, server: Launched, load: Load, seconds: number): Promise<void> {
  const { result, spent } = await underLoad(server, () => runLoad(load, seconds));
  const { requests, socketErrors, statusErrors } = result;
  if (requests === 0 || socketErrors + statusErrors > 0) {
    throw new Error(`ladder, ${row.rung}: ${socketErrors} socket errors, ${statusErrors} wrong statuses`);
  }
  row.rounds.push({
    ...result,
    cpuUs: spent.us / requests,
    systemShare: spent.systemShare,
    waitedShare: spent.waitedUs / 1e6 / result.seconds,
    peakKiB: server.peakResidentKiB(),
  });
}

/** `tree`: folder of the source tree that runs, this one unless it is compared with another. */
export function startRung(rung: Rung, answerFile: string, batch: number, site: Site, tree = TOP): Launched {
  const options = { core: SERVER_CORE, outputFile: site.fresh("output") };
  const bun = process.execPath;
  if (rung === "respond" || rung === "log") {
    const words = [bun, join(tree, "src", "main.ts"), "--port", "0", "--root", site.root];
    words.push("--quiet", "--max-requests", "0", "--uploads", site.fresh("uploads"));
    if (rung === "log") words.push("--log-file", site.fresh("access.log"), "--log-format", "combined");
    return launch(words, options);
  }
  return launch([bun, rungProgram(tree), rung, answerFile, site.root, String(batch)], options);
}

/** Older trees have `bench/` at the top. */
function rungProgram(tree: string): string {
  const places = [join(tree, "tools", "bench"), join(tree, "bench")].map((bench) => join(bench, "ladder", "rung.ts"));
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new Error(`${tree} has no tools/bench/ladder/rung.ts`);
  return found;
}

/** The very bytes that the whole server sends for the page, so that every rung writes as much. */
export async function recordAnswer(site: Site): Promise<string> {
  const server = startRung("respond", "", 1, site);
  try {
    const url = new URL(await urlOf(server));
    const received: Uint8Array[] = [];
    const ended = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: url.hostname,
      port: Number(url.port),
      socket: {
        binaryType: "uint8array",
        data: (_, bytes) => void received.push(bytes.slice()),
        close: () => ended.resolve(),
      },
    });
    socket.write(`GET ${TARGET} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
    const answered = () => Buffer.concat(received).includes("</title>");
    for (let waited = 0; !answered(); waited += 10) {
      if (waited > 5_000) throw new Error("the page did not come");
      await Bun.sleep(10);
    }
    await Bun.sleep(50); // the rest of the same answer
    socket.terminate();
    await ended.promise;
    const answer = Buffer.concat(received);
    if (!answer.toString("latin1").startsWith("HTTP/1.1 200 ")) throw new Error("the page was not answered with 200");
    const path = site.fresh("answer");
    await Bun.write(path, answer);
    return path;
  } finally {
    await server.end();
  }
}

export async function urlOf(server: Launched): Promise<string> {
  try {
    return `http://127.0.0.1:${(await server.printed(/Listening on port (\d+)/))[1]}`;
  } catch (error) {
    await server.end();
    throw error;
  }
}
