/**
 * Two workers beside one, nginx with two workers and Bun.serve in two processes, where server and generator share two cores:
 * `bun tools/bench/workers.ts [--rounds N] [--seconds N] [--only page,handshakes,ranges,listing,passwords,compression]`.
 *
 * A request takes s of the server's CPU and g of the generator's. One worker that is always busy answers 1/s requests a second, and two cores
 * that are always busy answer 2/(s+g). So two workers can answer 2s/(s+g) times as many: the ceiling. Both s and g are measured
 * with one worker, in the same round as the rates. Passwords and compression run in the runtime's own threads, so one worker has both cores
 * busy with them already.
 *
 * All servers of a scenario run at the same time, and are loaded in turn: the machine's other work slows all of them alike.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Flavor, nginxWords } from "./macro/peers.ts";
import { makePrograms } from "./macro/programs.ts";
import { MIB, Site } from "./macro/site.ts";
import { PRODUCT } from "./support/machine.ts";
import { inTurn } from "./support/measure.ts";
import { type CpuUsage, cpuBetween, endAll, freePort, type Launched, launch, runTimed } from "./support/process.ts";
import { formatNumber, formatTable, median, medianOfRatios } from "./support/statistics.ts";
import { type Load, type LoadResult, readResult, wrkWords } from "./support/wrk.ts";

/** Server and generator take what the other leaves. */
const CORES = "0,1";

/** Seconds of load before a server is measured. Each thread compiles its functions for itself, so two take longer than one. */
const WARM_UP_SECONDS = 6;

const NAMES_IN_LISTING = 2000;
const RANGES = 16;
const RSA_BITS = 4096;

/** Processes that shake hands at the same time: enough to keep two workers busy. */
const HAND_SHAKERS = 8;

/** A server of one process or of several. */
interface Contender {
  readonly name: string;
  readonly servers: readonly Launched[];
  readonly url: string;
}

interface Scenario {
  readonly name: string;
  /** Starts the servers to compare; the first two are ours, with one worker and with two. */
  start(site: Site): Promise<readonly Contender[]>;
  /** What wrk sends; null for handshakes alone, without resumption, which wrk cannot do. */
  readonly load: (Omit<Load, "url"> & { readonly path: string }) | null;
}

/** What a generator did. */
interface Generated {
  readonly requests: number;
  readonly seconds: number;
  readonly cpuUs: number;
}

/** What one server did in one round. */
interface Sample {
  readonly perSecond: number;
  readonly serverUs: number;
  readonly generatorUs: number;
}

async function ours(site: Site, words: readonly string[], scheme = "http"): Promise<readonly Contender[]> {
  const contenders: Contender[] = [];
  for (const workers of [1, 2]) {
    const all = [PRODUCT, site.root, "0", "--quiet", "--max-requests", "0", "--workers", String(workers), ...words];
    const server = launch(all, { core: CORES, outputFile: site.fresh("output"), cwd: site.work });
    const [, port] = await server.printed(/Listening on port (\d+)/);
    contenders.push({ name: `httpserver, ${workers}`, servers: [server], url: `${scheme}://127.0.0.1:${port}` });
  }
  return contenders;
}

async function nginx(site: Site, flavor: Flavor, key = "", certificate = ""): Promise<readonly Contender[]> {
  if (Bun.which("nginx") === null) return [];
  const port = freePort();
  const programs = { ...makePrograms(site), key, certificate };
  const words = nginxWords({ site, flavor, programs }, port, "", 2);
  const server = launch(words, { core: CORES, outputFile: site.fresh("output"), cwd: site.work });
  await server.accepts(port);
  return [{ name: "nginx, 2", servers: [server], url: `${flavor === "tls" ? "https" : "http"}://127.0.0.1:${port}` }];
}

async function bunServe(site: Site): Promise<readonly Contender[]> {
  const port = freePort();
  const words = [process.execPath, join(import.meta.dir, "macro", "servers", "bun-serve.ts"), site.root];
  const servers = [1, 2].map(() =>
    launch(words, {
      core: CORES,
      outputFile: site.fresh("output"),
      cwd: site.work,
      env: { SHARED_PORT: String(port) },
    }),
  );
  for (const server of servers) await server.printed(/Listening on port/);
  return [{ name: "Bun.serve, 2 processes", servers, url: `http://127.0.0.1:${port}` }];
}

/** Writes a key of RSA and its certificate, and returns their paths. */
function makeRsa(site: Site): { readonly key: string; readonly certificate: string } {
  const key = site.fresh("rsa.key");
  const certificate = site.fresh("rsa.pem");
  const words = ["req", "-x509", "-newkey", `rsa:${RSA_BITS}`, "-nodes", "-days", "2", "-subj", "/CN=localhost"];
  const made = Bun.spawnSync(["openssl", ...words, "-keyout", key, "-out", certificate]);
  if (!made.success) throw new Error(`openssl made no key: ${made.stderr}`);
  return { key, certificate };
}

/** Writes a file of users, and one of credentials with wrong passwords, which are verified each time. */
async function makeUsers(site: Site): Promise<{ readonly users: string; readonly credentials: string }> {
  const hash = await Bun.password.hash("right", { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 });
  const wrong = Array.from({ length: 5000 }, (_, i) => Buffer.from(`ann:wrong-${i}`).toString("base64"));
  return { users: site.write("users", `ann:${hash}\n`), credentials: site.write("credentials", wrong.join("\n")) };
}

/** Fills a folder with empty files, and returns its path on the server. */
function makeListing(site: Site): string {
  const folder = join(site.root, "names");
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < NAMES_IN_LISTING; i++) writeFileSync(join(folder, `a-file-with-a-name-${i}.txt`), "");
  return "/names/";
}

/** Writes a text that is worth compressing, and returns its path on the server. */
function makeText(site: Site): string {
  const words = Array.from({ length: 20_000 }, (_, i) => (Math.imul(i, 0x9e3779b1) >>> 8).toString(36));
  writeFileSync(join(site.root, "text.txt"), words.join(" "));
  return "/text.txt";
}

/** Returns the field that asks for some parts of a file of 1 MiB. */
function rangeField(): string {
  const step = MIB / RANGES;
  const parts = Array.from({ length: RANGES }, (_, i) => `${i * step}-${i * step + 511}`);
  return `Range: bytes=${parts.join(",")}`;
}

async function makeScenarios(site: Site): Promise<readonly Scenario[]> {
  const { users, credentials } = await makeUsers(site);
  return [
    {
      name: "page",
      load: { connections: 64, path: "/page.html" },
      start: async () => [...(await ours(site, [])), ...(await nginx(site, "tuned")), ...(await bunServe(site))],
    },
    {
      name: "handshakes",
      load: null,
      async start() {
        const { key, certificate } = makeRsa(site);
        const words = ["--tls-key", key, "--tls-cert", certificate];
        return [...(await ours(site, words, "https")), ...(await nginx(site, "tls", key, certificate))];
      },
    },
    {
      name: "ranges",
      load: { connections: 32, path: site.large(MIB), fields: [rangeField()] },
      start: async () => [...(await ours(site, [])), ...(await nginx(site, "tuned"))],
    },
    {
      name: "listing",
      load: { connections: 16, path: makeListing(site) },
      start: () => ours(site, []),
    },
    {
      name: "passwords",
      load: { connections: 4, path: "/page.html", credentialsFile: credentials },
      start: () => ours(site, ["--basic-auth", `@${users}`]),
    },
    {
      name: "compression",
      load: { connections: 8, path: makeText(site), fields: ["Accept-Encoding: br"] },
      start: () => ours(site, ["--compress", "--file-cache", "0"]),
    },
  ];
}

/** Sends what a scenario asks for. */
async function generate(load: Scenario["load"], url: string, seconds: number): Promise<Generated> {
  if (load === null) return await shakeHands(new URL(url).host, seconds);
  const { output, cpuUs } = await runTimed(CORES, wrkWords({ ...load, url: url + load.path }, seconds));
  const result: LoadResult = readResult(output);
  return { requests: result.requests, seconds: result.seconds, cpuUs };
}

/** Makes one connection after the other in each of some processes, all with a full handshake of the same suite. */
async function shakeHands(host: string, seconds: number): Promise<Generated> {
  const words = ["openssl", "s_time", "-new", "-connect", host, "-time", String(seconds), "-tls1_2"];
  words.push("-cipher", "ECDHE-RSA-AES128-GCM-SHA256");
  const begun = performance.now();
  const runs = await Promise.all(Array.from({ length: HAND_SHAKERS }, () => runTimed(CORES, words)));
  const counts = runs.map(({ output }) =>
    Number(/^(\d+) connections in \d+ real seconds/m.exec(output)?.[1] ?? Number.NaN),
  );
  return {
    requests: counts.reduce((sum, count) => sum + count, 0),
    seconds: (performance.now() - begun) / 1000,
    cpuUs: runs.reduce((sum, { cpuUs }) => sum + cpuUs, 0),
  };
}

/** Loads one server for some seconds. Rejects if it did not live through it, or answered nothing. */
async function sampleOf({ servers, url }: Contender, load: Scenario["load"], seconds: number): Promise<Sample> {
  const before = servers.map((server) => server.cpu());
  const { requests, seconds: lasted, cpuUs } = await generate(load, url, seconds);
  const spent = servers.map((server, i) => cpuBetween(before[i] as CpuUsage, server.cpu()).us);
  if (!servers.every((server) => server.isRunning())) throw new Error("a server ended under load");
  if (!(requests > 0)) throw new Error(`${url}: no request was answered`);
  return {
    perSecond: requests / lasted,
    serverUs: spent.reduce((sum, us) => sum + us, 0) / requests,
    generatorUs: cpuUs / requests,
  };
}

async function measure(scenario: Scenario, site: Site, rounds: number, seconds: number): Promise<void> {
  const contenders = await scenario.start(site);
  const samples = new Map(contenders.map((contender) => [contender, [] as Sample[]]));
  for (const contender of contenders) await sampleOf(contender, scenario.load, WARM_UP_SECONDS);
  for (let round = 0; round < rounds; round++) {
    for (const contender of inTurn(contenders, round)) {
      samples.get(contender)?.push(await sampleOf(contender, scenario.load, seconds));
    }
  }
  for (const contender of contenders) for (const server of contender.servers) await server.end();
  print(scenario.name, [...samples]);
}

function print(name: string, all: readonly (readonly [Contender, readonly Sample[]])[]): void {
  const rates = (samples: readonly Sample[]) => samples.map(({ perSecond }) => perSecond);
  const one = all[0]?.[1] ?? [];
  const ceilings = one.map(({ serverUs: s, generatorUs: g }) => (2 * s) / (s + g));
  const heading = [name, "requests/s", "s µs", "g µs", "server cores", "× one worker", "ceiling", "share of it"];
  const rows = all.map(([contender, samples], index) => {
    const scale = medianOfRatios(rates(samples), rates(one));
    const share = median(samples.map(({ perSecond }, i) => perSecond / (one[i]?.perSecond ?? 0) / (ceilings[i] ?? 0)));
    return [
      contender.name,
      formatNumber(median(rates(samples))),
      formatNumber(median(samples.map(({ serverUs }) => serverUs))),
      formatNumber(median(samples.map(({ generatorUs }) => generatorUs))),
      formatNumber(median(samples.map(({ serverUs, perSecond }) => (serverUs * perSecond) / 1e6))),
      formatNumber(scale),
      ...(index === 1 ? [formatNumber(median(ceilings)), formatNumber(share)] : ["", ""]),
    ];
  });
  console.log(`${formatTable([heading, ...rows])}\n`);
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "2" },
    only: { type: "string", default: "" },
  },
});
const site = new Site();
try {
  const only = values.only === "" ? null : values.only.split(",");
  console.log(
    `${new Date().toISOString()}, load ${require("node:os").loadavg()[0].toFixed(1)}, ${values.rounds} rounds of ${values.seconds} s\n`,
  );
  for (const scenario of await makeScenarios(site)) {
    if (only === null || only.includes(scenario.name)) {
      await measure(scenario, site, Number(values.rounds), Number(values.seconds));
    }
  }
} finally {
  await endAll();
  site.remove();
}
