/**
 * Where a request's time goes: the same page under the same load, from a bare event loop up to the whole server with its log,
 * one floor of the house more on each rung. All rungs run from source in the same Bun, so they differ by their work alone.
 */
import { join } from "node:path";
import type { Site } from "../macro/site.ts";
import { BROWSER_FIELDS } from "../support/browser.ts";
import { type Launched, launch, SERVER_CORE } from "../support/process.ts";
import type { LadderRow, Measurement } from "../support/results.ts";
import { runLoad } from "../support/wrk.ts";

/** From the bottom; each does all that the one before does. */
export const RUNGS = ["echo", "parse", "route", "respond", "log"] as const;
type Rung = (typeof RUNGS)[number];

const CONNECTIONS = 64;
const WARM_UP_SECONDS = 1;
const TOP = join(import.meta.dir, "..", "..");

export interface LadderOptions {
  readonly site: Site;
  readonly rounds: number;
  readonly seconds: number;
  /** Also with a browser's 600-byte head. */
  readonly bothHeads: boolean;
  readonly progress: (text: string) => void;
}

export async function measureLadder(options: LadderOptions): Promise<LadderRow[]> {
  const { site, rounds, bothHeads, progress } = options;
  const answerFile = await recordAnswer(site);
  const heads = bothHeads ? (["small", "browser"] as const) : (["small"] as const);
  const rows: LadderRow[] = heads.flatMap((head) => RUNGS.map((rung) => ({ head, rung, rounds: [] })));
  for (let round = 0; round < rounds; round++) {
    for (const row of rows) {
      progress(`ladder: round ${round + 1} of ${rounds}, ${row.rung}, ${row.head} head`);
      const fields = row.head === "browser" ? BROWSER_FIELDS : [];
      row.rounds.push(await measureRung(row.rung as Rung, answerFile, fields, options));
    }
  }
  return rows;
}

/** Rejects when a rung did not answer every request: then it is the ladder that is wrong. */
async function measureRung(
  rung: Rung,
  answerFile: string,
  fields: readonly string[],
  { site, seconds }: LadderOptions,
): Promise<Measurement> {
  const server = startRung(rung, answerFile, site);
  try {
    const load = { url: `${await urlOf(server)}/page.html`, connections: CONNECTIONS, fields };
    await runLoad(load, WARM_UP_SECONDS);
    const before = server.cpuMicroseconds();
    const result = await runLoad(load, seconds);
    const cpuUs = server.cpuMicroseconds() - before;
    if (result.requests === 0 || result.socketErrors + result.statusErrors > 0) {
      throw new Error(`rung ${rung}: ${result.socketErrors} socket errors, ${result.statusErrors} wrong statuses`);
    }
    return { ...result, cpuUs: cpuUs / result.requests, peakKiB: server.peakResidentKiB() };
  } finally {
    await server.end();
  }
}

function startRung(rung: Rung, answerFile: string, site: Site): Launched {
  const options = { core: SERVER_CORE, outputFile: site.fresh("output") };
  const bun = process.execPath;
  if (rung === "respond" || rung === "log") {
    const words = [
      bun,
      join(TOP, "src", "main.ts"),
      "--port",
      "0",
      "--root",
      site.root,
      "--quiet",
      "--max-requests",
      "0",
    ];
    words.push("--uploads", site.fresh("uploads"));
    if (rung === "log") words.push("--log-file", site.fresh("access.log"), "--log-format", "combined");
    return launch(words, options);
  }
  return launch([bun, join(import.meta.dir, "rung.ts"), rung, answerFile, site.root], options);
}

/** The very bytes that the whole server sends for the page, so that every rung writes as much. */
async function recordAnswer(site: Site): Promise<string> {
  const server = startRung("respond", "", site);
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
    socket.write(`GET /page.html HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
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
