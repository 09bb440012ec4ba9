/**
 * A canned JSON answer from `--stubs`, beside json-server and Mockoon's CLI: `bun tools/bench/stubs.ts [--starts N] [--rounds N]`.
 * Prints the time from a process's start to its first answer, the requests a second of one core, and the CPU time of a request.
 *
 * The servers are started and loaded in turn, in one run: the machine's other work slows all of them alike. Peers come from
 * `cd tools/bench && bun install`.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { NPM_PEERS, PRODUCT } from "./support/machine.ts";
import { underLoad } from "./support/measure.ts";
import { endAll, freePort, type Launched, launch, SERVER_CORE } from "./support/process.ts";
import { formatNumber, formatTable, median } from "./support/statistics.ts";
import { runLoad } from "./support/wrk.ts";

const ORDER = { id: 7, state: "new" };

/** One answer after the other on a connection each: enough to fill one core. */
const LOAD = { connections: 20, seconds: 2, warmUpSeconds: 2 };

interface Contender {
  readonly name: string;
  /** The command that serves ORDER at /orders/7 on `port`. */
  words(port: number): readonly string[];
}

/** Makes the three servers' folders and files in `folder`. Leaves out peers that are not installed. */
function makeContenders(folder: string): readonly Contender[] {
  const stubs = join(folder, "stubs");
  const site = join(folder, "site");
  mkdirSync(join(stubs, "orders", "[id]"), { recursive: true });
  mkdirSync(site);
  const head = "HTTP/1.1 200 OK\nContent-Type: application/json; charset=utf-8\n\n";
  writeFileSync(join(stubs, "orders", "[id]", "GET.http"), head + JSON.stringify(ORDER));
  writeFileSync(join(folder, "db.json"), JSON.stringify({ orders: [ORDER] }));
  writeFileSync(join(folder, "mockoon.json"), JSON.stringify(mockoonEnvironment()));
  const peer = (name: string) => join(NPM_PEERS, ".bin", name);
  const jsonServer = ["node", peer("json-server"), "--quiet", "--host", "127.0.0.1"];
  const mockoon = ["node", peer("mockoon-cli"), "start", "--disable-log-to-file", "--disable-admin-api"];
  const contenders: readonly (Contender & { readonly file: string })[] = [
    {
      name: "httpserver --stubs",
      file: PRODUCT,
      words: (port) => [PRODUCT, site, String(port), "--stubs", stubs, "--quiet", "--max-requests", "0"],
    },
    {
      name: "json-server",
      file: peer("json-server"),
      words: (port) => [...jsonServer, "--port", String(port), join(folder, "db.json")],
    },
    {
      name: "@mockoon/cli",
      file: peer("mockoon-cli"),
      words: (port) => [...mockoon, "--data", join(folder, "mockoon.json"), "--port", String(port)],
    },
  ];
  return contenders.filter(({ name, file }) => {
    if (!existsSync(file)) console.log(`${name} is not there: ${file}`);
    return existsSync(file);
  });
}

function mockoonEnvironment(): object {
  const response = {
    uuid: "00000000-0000-4000-8000-000000000002",
    body: JSON.stringify(ORDER),
    statusCode: 200,
    headers: [{ key: "Content-Type", value: "application/json; charset=utf-8" }],
    bodyType: "INLINE",
    rules: [],
    rulesOperator: "OR",
    default: true,
  };
  const route = {
    uuid: "00000000-0000-4000-8000-000000000001",
    type: "http",
    method: "get",
    endpoint: "orders/:id",
    responses: [response],
    responseMode: null,
  };
  return {
    uuid: "00000000-0000-4000-8000-000000000000",
    lastMigration: 33,
    name: "stubs",
    port: 3000,
    hostname: "127.0.0.1",
    routes: [route],
    headers: [],
    rootChildren: [{ type: "route", uuid: route.uuid }],
  };
}

function start({ words }: Contender, port: number, folder: string): Launched {
  return launch(words(port), { core: SERVER_CORE, outputFile: join(folder, "output"), cwd: folder });
}

/** Returns true if the server answers 200 with the order. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => {
      socket.write("GET /orders/7 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    });
    socket.on("data", (bytes) => {
      answer += bytes.toString("latin1");
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(answer.startsWith("HTTP/1.1 200") && /"state": ?"new"/.test(answer)));
  });
}

/** Returns the milliseconds from the start of the process to its first whole answer. */
async function firstAnswerMs(contender: Contender, folder: string): Promise<number> {
  const port = freePort();
  const begun = performance.now();
  const server = start(contender, port, folder);
  while (!(await answers(port))) await Bun.sleep(0);
  const ms = performance.now() - begun;
  await server.end();
  return ms;
}

async function measureLoad(contender: Contender, folder: string) {
  const port = freePort();
  const server = start(contender, port, folder);
  while (!(await answers(port))) await Bun.sleep(10);
  const load = { connections: LOAD.connections, url: `http://127.0.0.1:${port}/orders/7` };
  await runLoad(load, LOAD.warmUpSeconds);
  const { result, spent } = await underLoad(server, () => runLoad(load, LOAD.seconds));
  await server.end();
  return { perSecond: result.requests / result.seconds, cpuUs: spent.us / result.requests };
}

const { values } = parseArgs({
  options: { starts: { type: "string", default: "15" }, rounds: { type: "string", default: "3" } },
});
const folder = mkdtempSync(join(tmpdir(), "stubs-"));
try {
  const contenders = makeContenders(folder);
  const rows = contenders.map((contender) => ({
    contender,
    starts: [] as number[],
    rates: [] as number[],
    cpus: [] as number[],
  }));
  for (let i = 0; i < Number(values.starts); i++) {
    for (const { contender, starts } of rows) starts.push(await firstAnswerMs(contender, folder));
  }
  for (let i = 0; i < Number(values.rounds); i++) {
    for (const { contender, rates, cpus } of rows) {
      const { perSecond, cpuUs } = await measureLoad(contender, folder);
      rates.push(perSecond);
      cpus.push(cpuUs);
    }
  }
  const table = rows.map(({ contender, starts, rates, cpus }) => [
    contender.name,
    formatNumber(median(starts)),
    formatNumber(median(rates)),
    formatNumber(median(cpus)),
  ]);
  console.log(formatTable([["", "first answer, ms", "requests/s", "CPU, µs a request"], ...table]));
} finally {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
}
