/**
 * Two source trees in paired rounds: `bun tools/bench/pair.ts BEFORE AFTER`. Both servers of a pair run on the server's core and are
 * loaded at the same time, each by its own generator. So what disturbs one disturbs the other in the same moment, and the
 * ratio of their CPU time per request stays within a percent on a busy machine, where rounds in turn differ by fifteen.
 *
 * A process keeps for its life how its code was compiled, and two processes of one tree differ by a percent or two. So a pair
 * is started anew several times (series), and the result is the median of the series. BEFORE twice shows the noise.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  generatedBy,
  RUNGS,
  type Rung,
  recordAnswer,
  startRung,
  TARGET,
  urlOf,
  WARM_UP_SECONDS,
} from "./ladder/ladder.ts";
import { peers, startOurs } from "./macro/peers.ts";
import { makePrograms } from "./macro/programs.ts";
import { PAGE_BYTES, Site } from "./macro/site.ts";
import { inTurn, underLoad } from "./support/measure.ts";
import { endAll, type Launched } from "./support/process.ts";
import { LADDER_LOADS, type LadderLoad } from "./support/results.ts";
import { formatNumber, formatTable, median, medianOfRatios } from "./support/statistics.ts";
import { runLoad } from "./support/wrk.ts";

const USAGE = `Usage: bun tools/bench/pair.ts BEFORE AFTER [options]

  BEFORE, AFTER  folders of two source trees, each with its packages installed
  --only         pairs: ${RUNGS.join(", ")} (of the ladder), page; parse,respond by default.
                 page is the built file of each tree (bun run build), beside nginx
  --series       how often each pair is started anew, 6 by default
  --rounds       of each series, 6 by default
  --seconds      of load in each measurement, 1 by default
  --load         ${LADDER_LOADS.join(", ")}; small by default
  --in-turn      loads one server after the other, for a machine without other work
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", default: "parse,respond" },
    series: { type: "string", default: "6" },
    rounds: { type: "string", default: "6" },
    seconds: { type: "string", default: "1" },
    load: { type: "string", default: "small" },
    "in-turn": { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

type PairName = Rung | "page";

const names = values.only.split(",") as PairName[];
const [series, rounds, seconds] = [values.series, values.rounds, values.seconds].map(Number) as [
  number,
  number,
  number,
];
const load = values.load as LadderLoad;
const [before, after] = positionals.map((folder) => resolve(folder));
const isUsable =
  names.every((name) => name === "page" || RUNGS.includes(name)) &&
  [series, rounds, seconds].every((value) => Number.isSafeInteger(value) && value >= 1) &&
  LADDER_LOADS.includes(load);
if (values.help || before === undefined || after === undefined || positionals.length > 2 || !isUsable) {
  (values.help ? process.stdout : process.stderr).write(USAGE);
  process.exit(values.help ? 0 : 2);
}
for (const tree of names.includes("page") ? [before, after] : []) {
  if (existsSync(join(tree, "httpserver"))) continue;
  process.stderr.write(`pair: ${join(tree, "httpserver")} is missing; get it with: (cd ${tree} && bun run build)\n`);
  process.exit(1);
}

const site = new Site();
const programs = makePrograms(site);
process.on("exit", () => site.remove());
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(name, () => void endAll().finally(() => process.exit(130)));
}

/** A server of a pair, or nginx beside it. */
interface Standing {
  readonly name: "before" | "after" | "nginx";
  readonly server: Launched;
  readonly url: string;
  /** Microseconds of CPU per request, one a round. */
  readonly cpuUs: number[];
}

/** One series' ratios, and what they are made of. */
interface Series {
  readonly beforeUs: number;
  readonly afterUs: number;
  readonly ratio: number;
  /** Over nginx; NaN without it. */
  readonly beforeToNginx: number;
  readonly afterToNginx: number;
}

/** The largest part of a round that a server waited for its core: other programs' work. */
let waitedMost = 0;

try {
  const answerFile = await recordAnswer(site);
  for (const name of names) {
    const results: Series[] = [];
    for (let index = 0; index < series; index++) {
      process.stderr.write(`${name}: series ${index + 1} of ${series}\n`);
      results.push(await measureSeries(name, answerFile, index));
    }
    process.stdout.write(`${describe(name, results)}\n`);
  }
  process.stdout.write(`the servers waited at most ${(100 * waitedMost).toFixed(0)} % of a round for their core\n`);
} finally {
  await endAll();
}
process.exit(0);

async function measureSeries(name: PairName, answerFile: string, index: number): Promise<Series> {
  const standings: Standing[] = [];
  const generated = generatedBy(load, site);
  try {
    // The one that starts second may meet a warmer disk, so each does it every other time.
    const sides = [
      ["before", before],
      ["after", after],
    ] as const;
    for (const [side, tree] of index % 2 === 0 ? sides : [...sides].reverse()) {
      const { server, url } = await start(name, tree as string, answerFile);
      standings.push({ name: side, server, url, cpuUs: [] });
    }
    if (name === "page" && Bun.which("nginx") !== null) {
      standings.push({ name: "nginx", ...(await peers.nginx.start(setup())), cpuUs: [] });
    }
    for (const standing of standings) await measure(standing, WARM_UP_SECONDS, generated);
    for (const standing of standings) standing.cpuUs.length = 0;
    for (let round = 0; round < rounds; round++) {
      const all = inTurn(standings, round);
      if (values["in-turn"]) for (const standing of all) await measure(standing, seconds, generated);
      else await Promise.all(all.map((standing) => measure(standing, seconds, generated)));
    }
  } finally {
    await Promise.all(standings.map(({ server }) => server.end()));
  }
  const of = (side: Standing["name"]) => standings.find((standing) => standing.name === side)?.cpuUs ?? [];
  return {
    beforeUs: median(of("before")),
    afterUs: median(of("after")),
    ratio: medianOfRatios(of("after"), of("before")),
    beforeToNginx: medianOfRatios(of("before"), of("nginx")),
    afterToNginx: medianOfRatios(of("after"), of("nginx")),
  };
}

async function start(name: PairName, tree: string, answerFile: string): Promise<{ server: Launched; url: string }> {
  if (name === "page") return await startOurs(setup(), join(tree, "httpserver"));
  const server = startRung(name, answerFile, load === "pipelined" ? 16 : 1, site, tree);
  return { server, url: await urlOf(server) };
}

function setup() {
  return { site, flavor: "tuned", programs, target: TARGET, contentBytes: PAGE_BYTES } as const;
}

async function measure(
  { name, server, url, cpuUs }: Standing,
  loadSeconds: number,
  generated: ReturnType<typeof generatedBy>,
): Promise<void> {
  const { result, spent } = await underLoad(server, () => runLoad({ ...generated, url: url + TARGET }, loadSeconds));
  const { requests, socketErrors, statusErrors } = result;
  if (requests === 0 || socketErrors + statusErrors > 0) {
    throw new Error(`pair, ${name}: ${socketErrors} socket errors, ${statusErrors} wrong statuses`);
  }
  cpuUs.push(spent.us / requests);
  waitedMost = Math.max(waitedMost, spent.waitedUs / 1e6 / result.seconds);
}

function describe(name: PairName, results: readonly Series[]): string {
  const ratios = results.map(({ ratio }) => ratio);
  const middle = (value: (one: Series) => number) => formatNumber(median(results.map(value)));
  const cells = [
    middle(({ beforeUs }) => beforeUs),
    middle(({ afterUs }) => afterUs),
    median(ratios).toFixed(3),
    `${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}`,
    middle(({ beforeToNginx }) => beforeToNginx),
    middle(({ afterToNginx }) => afterToNginx),
  ];
  const heading = ["", "before, CPU µs", "after", "after / before", "of the series", "before / nginx", "after / nginx"];
  const columns = name === "page" ? 7 : 5;
  return formatTable([heading.slice(0, columns), [name, ...cells].slice(0, columns)]);
}
