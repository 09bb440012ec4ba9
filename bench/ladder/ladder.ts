/**
 * Where a request's time goes: the same page under the same load, from a bare event loop up to the whole server with its log,
 * one floor of the house more on each rung. All rungs run from source in the same Bun, so they differ by their work alone. Other
 * servers stand beside them in the same rounds: what a bare event loop costs next to them, no work on the rungs can change.
 */
import { join } from "node:path";
import { type PeerName, type Programs, peers } from "../macro/peers.ts";
import { PAGE_BYTES, type Site } from "../macro/site.ts";
import { BROWSER_FIELDS } from "../support/browser.ts";
import { inTurn, underLoad } from "../support/measure.ts";
import { type Launched, launch, SERVER_CORE } from "../support/process.ts";
import type { LadderLoad, LadderRow } from "../support/results.ts";
import { type Load, runLoad } from "../support/wrk.ts";

/** From the bottom; each does all that the one before does. */
const RUNGS = ["echo", "parse", "target", "admit", "respond", "log"] as const;
type Rung = (typeof RUNGS)[number];

const REFERENCES: readonly PeerName[] = ["floor (C)", "Bun.serve", "nginx"];

const CONNECTIONS = 64;
const WARM_UP_SECONDS = 3;
const TOP = join(import.meta.dir, "..", "..");
const TARGET = "/page.html";

/** What is different in each load, and how many requests it sends at a time. */
const LOADS: Readonly<Record<LadderLoad, { readonly fields: readonly string[]; readonly batch: number }>> = {
  small: { fields: [], batch: 1 },
  browser: { fields: BROWSER_FIELDS, batch: 1 },
  pipelined: { fields: [], batch: 16 },
};

export interface LadderOptions {
  readonly site: Site;
  readonly programs: Programs;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly seconds: number;
  readonly loads: readonly LadderLoad[];
  readonly progress: (text: string) => void;
}

/** One row and its server, which runs as long as the load's rounds. */
interface Standing {
  readonly row: LadderRow;
  readonly server: Launched;
  readonly url: string;
}

/** Rejects when a server did not answer every request: then it is the ladder that is wrong. */
export async function measureLadder(options: LadderOptions): Promise<LadderRow[]> {
  const answerFile = await recordAnswer(options.site);
  const rows: LadderRow[] = [];
  for (const load of options.loads) rows.push(...(await measureLoad(load, answerFile, options)));
  return rows;
}

async function measureLoad(load: LadderLoad, answerFile: string, options: LadderOptions): Promise<LadderRow[]> {
  const { rounds, seconds, progress } = options;
  const standings: Standing[] = [];
  try {
    progress(`ladder, ${load}: start`);
    for (const name of REFERENCES) {
      const { needs, start } = peers[name];
      if (options.versions[needs] === undefined) continue;
      const { site, programs } = options;
      const peer = await start({ site, flavor: "tuned", programs, target: TARGET, contentBytes: PAGE_BYTES });
      standings.push({ row: { load, rung: name, isReference: true, rounds: [] }, ...peer });
    }
    for (const rung of RUNGS) {
      const server = startRung(rung, answerFile, LOADS[load].batch, options.site);
      standings.push({ row: { load, rung, isReference: false, rounds: [] }, server, url: await urlOf(server) });
    }
    for (const standing of standings) {
      progress(`ladder, ${load}: warm-up, ${standing.row.rung}`);
      await measureRung(standing, WARM_UP_SECONDS);
    }
    for (const { row } of standings) row.rounds.length = 0;
    for (let round = 0; round < rounds; round++) {
      for (const standing of inTurn(standings, round)) {
        progress(`ladder, ${load}: round ${round + 1} of ${rounds}, ${standing.row.rung}`);
        await measureRung(standing, seconds);
      }
    }
  } finally {
    await Promise.all(standings.map(({ server }) => server.end()));
  }
  return standings.map(({ row }) => row);
}

/** Adds one measurement to the row. */
async function measureRung({ row, server, url }: Standing, seconds: number): Promise<void> {
  const { fields, batch } = LOADS[row.load];
  const load: Load = { url: url + TARGET, connections: CONNECTIONS, fields, batch };
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

function startRung(rung: Rung, answerFile: string, batch: number, site: Site): Launched {
  const options = { core: SERVER_CORE, outputFile: site.fresh("output") };
  const bun = process.execPath;
  if (rung === "respond" || rung === "log") {
    const words = [bun, join(TOP, "src", "main.ts"), "--port", "0", "--root", site.root];
    words.push("--quiet", "--max-requests", "0", "--uploads", site.fresh("uploads"));
    if (rung === "log") words.push("--log-file", site.fresh("access.log"), "--log-format", "combined");
    return launch(words, options);
  }
  const words = [bun, join(import.meta.dir, "rung.ts"), rung, answerFile, site.root, String(batch)];
  return launch(words, options);
}

/** The very bytes that the whole server sends for the page, so that every rung writes as much. */
async function recordAnswer(site: Site): Promise<string> {
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

async function urlOf(server: Launched): Promise<string> {
  try {
    return `http://127.0.0.1:${(await server.printed(/Listening on port (\d+)/))[1]}`;
  } catch (error) {
    await server.end();
    throw error;
  }
}
