/**
 * HTTP/2 beside nginx's: `bun tools/bench/http2.ts [--rounds N] [--seconds N] [--only plain,tls,mib]`. Prints the CPU time of a request
 * and the rate of both servers, and the medians of their ratios.
 *
 * h2load sends the requests (`apt-get install nghttp2-client`). Both servers of a scenario run at the same time on one core, and are loaded in
 * turn from the other. A ratio is taken within a round, so a disturbance of the machine affects both of its sides. Over TLS both servers
 * use the same version and cipher, which each sample checks.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { nginxWords, type Programs } from "./macro/peers.ts";
import { makePrograms } from "./macro/programs.ts";
import { MIB, Site } from "./macro/site.ts";
import { PRODUCT } from "./support/machine.ts";
import { inTurn } from "./support/measure.ts";
import {
  CLIENT_CORE,
  cpuBetween,
  endAll,
  freePort,
  type Launched,
  launch,
  runPinned,
  SERVER_CORE,
} from "./support/process.ts";
import { formatNumber, formatTable, median, medianOfRatios } from "./support/statistics.ts";

/** Seconds of load before a server is measured: ours compiles its functions meanwhile. */
const WARM_UP_SECONDS = 3;

/** The only suite that h2load offers: with a choice, each server would take another one. */
const CIPHER = "TLS_AES_128_GCM_SHA256";

interface Contender {
  readonly name: string;
  readonly server: Launched;
  readonly url: string;
}

interface Scenario {
  readonly name: string;
  readonly isSecure: boolean;
  readonly path: string;
  readonly connections: number;
  readonly streams: number;
}

/** Results of one server in one round. */
interface Sample {
  readonly perSecond: number;
  readonly mibPerSecond: number;
  /** Microseconds of the server's CPU. */
  readonly cpuUs: number;
  /** Part of the round in which the server waited for its core, percent: the work of other programs. */
  readonly waitedPercent: number;
}

function makeScenarios(site: Site): Readonly<Record<string, Scenario>> {
  const page = { path: "/page.html", connections: 16, streams: 32 };
  return {
    plain: { name: "1 KiB, plain", isSecure: false, ...page },
    tls: { name: "1 KiB, TLS", isSecure: true, ...page },
    mib: { name: "1 MiB, TLS", isSecure: true, path: site.large(MIB), connections: 4, streams: 4 },
  };
}

async function startOurs(site: Site, programs: Programs, isSecure: boolean): Promise<Contender> {
  const words = [PRODUCT, site.root, "0", "--quiet", "--max-requests", "0"];
  if (isSecure) words.push("--tls-key", programs.key, "--tls-cert", programs.certificate);
  const server = launch(words, { core: SERVER_CORE, outputFile: site.fresh("output"), cwd: site.work });
  const [, port] = await server.printed(/Listening on port (\d+)/);
  return { name: "httpserver", server, url: urlOf(isSecure, Number(port)) };
}

async function startNginx(site: Site, programs: Programs, isSecure: boolean): Promise<Contender> {
  const port = freePort();
  const words = nginxWords({ site, flavor: isSecure ? "h2" : "h2c", programs }, port);
  const server = launch(words, { core: SERVER_CORE, outputFile: site.fresh("output"), cwd: site.work });
  await server.accepts(port);
  return { name: "nginx", server, url: urlOf(isSecure, port) };
}

function urlOf(isSecure: boolean, port: number): string {
  return `${isSecure ? "https" : "http"}://127.0.0.1:${port}`;
}

/** Loads one server for some seconds. Rejects if it ended, if a response was not a 2xx, or if the protocol was another. */
async function sampleOf({ server, url }: Contender, scenario: Scenario, seconds: number): Promise<Sample> {
  const { path, connections, streams, isSecure } = scenario;
  const words = ["h2load", "-t1", `-c${connections}`, `-m${streams}`, `-D${seconds}`];
  if (isSecure) words.push(`--tls13-ciphers=${CIPHER}`);
  const before = server.cpu();
  const output = await runPinned(CLIENT_CORE, [...words, url + path]);
  const spent = cpuBetween(before, server.cpu());
  if (!server.isRunning()) throw new Error("the server ended under load");
  const { requests, bytes, seconds: lasted } = readOutput(output, isSecure);
  return {
    perSecond: requests / lasted,
    mibPerSecond: bytes / MIB / lasted,
    cpuUs: spent.us / requests,
    waitedPercent: spent.waitedUs / lasted / 1e4,
  };
}

/** The part of h2load's report that counts. */
interface Report {
  /** Requests with a 2xx. */
  readonly requests: number;
  /** Of their content. */
  readonly bytes: number;
  /** A busy machine may stop h2load later than it was told. Its own rate does not take that into account. */
  readonly seconds: number;
}

/** Reads h2load's report. Throws if anything went wrong. */
function readOutput(output: string, isSecure: boolean): Report {
  const counts = /(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(output);
  const [, done = "0", succeeded, ...wrong] = counts ?? [];
  if (done === "0" || done !== succeeded || wrong.some((count) => count !== "0")) {
    throw new Error(`h2load reports failures: ${counts?.[0] ?? output}`);
  }
  const expected = isSecure ? ["Application protocol: h2", "TLS Protocol: TLSv1.3", `Cipher: ${CIPHER}`] : [];
  for (const line of expected) if (!output.includes(line)) throw new Error(`h2load does not report "${line}"`);
  const [, time, unit] = /^finished in ([\d.]+)(ms|s),/m.exec(output) ?? [];
  return {
    requests: Number(done),
    bytes: Number(/\((\d+)\) data/.exec(output)?.[1]),
    seconds: Number(time) / (unit === "ms" ? 1000 : 1),
  };
}

async function measure(scenario: Scenario, site: Site, rounds: number, seconds: number): Promise<void> {
  const programs = makePrograms(site);
  const contenders = [
    await startOurs(site, programs, scenario.isSecure),
    await startNginx(site, programs, scenario.isSecure),
  ];
  const samples = new Map(contenders.map((contender) => [contender, [] as Sample[]]));
  for (const contender of contenders) await sampleOf(contender, scenario, WARM_UP_SECONDS);
  for (let round = 0; round < rounds; round++) {
    for (const contender of inTurn(contenders, round)) {
      samples.get(contender)?.push(await sampleOf(contender, scenario, seconds));
    }
  }
  for (const { server } of contenders) await server.end();
  print(scenario, [...samples]);
}

function print(scenario: Scenario, all: readonly (readonly [Contender, readonly Sample[]])[]): void {
  const { name, connections, streams } = scenario;
  const nginx = all[1]?.[1] ?? [];
  const column = (samples: readonly Sample[], key: keyof Sample) => samples.map((sample) => sample[key]);
  const heading = [name, "CPU µs", "requests/s", "MiB/s", "waited %", "CPU ÷ nginx", "rate ÷ nginx"];
  const rows = all.map(([contender, samples]) => [
    contender.name,
    ...(["cpuUs", "perSecond", "mibPerSecond", "waitedPercent"] as const).map((key) =>
      formatNumber(median(column(samples, key))),
    ),
    ...(["cpuUs", "perSecond"] as const).map((key) =>
      formatNumber(medianOfRatios(column(samples, key), column(nginx, key))),
    ),
  ]);
  console.log(`${connections} connections × ${streams} streams\n${formatTable([heading, ...rows])}\n`);
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "2" },
    only: { type: "string", default: "plain,tls,mib" },
  },
});
const missing = ["h2load", "nginx", "taskset"].filter((name) => Bun.which(name) === null);
if (missing.length > 0) {
  console.error(`missing: ${missing.join(", ")}; get them with: apt-get install nghttp2-client nginx util-linux`);
  process.exit(2);
}
const site = new Site();
try {
  console.log(
    `${new Date().toISOString()}, load ${loadavg()[0]?.toFixed(1)}, ${values.rounds} rounds of ${values.seconds} s\n`,
  );
  const scenarios = makeScenarios(site);
  for (const name of values.only.split(",")) {
    const scenario = scenarios[name];
    if (scenario === undefined) {
      throw new Error(`--only ${name}: expected some of ${Object.keys(scenarios).join(", ")}, separated by commas`);
    }
    await measure(scenario, site, Number(values.rounds), Number(values.seconds));
  }
} finally {
  await endAll();
  site.remove();
}
