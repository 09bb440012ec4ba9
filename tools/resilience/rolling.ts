/**
 * Rolling restarts of three instances behind a real balancer, under load, without a failed request:
 * `bun tools/resilience/rolling.ts [--requests 500000] [--balancer haproxy|nginx] [--announce] [--workers N] [--seed N] [--binary FILE]`.
 *
 * wrk reads a page through the balancer, and clients with addresses of their own upload JSON and files of any kind to the one folder of
 * all instances. Meanwhile each instance in turn gets SIGTERM, has to exit with 0, and is started again on its port once the balancer sees
 * the others. Afterwards each upload must be there as it was sent, and each instance's log must name the clients.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readResult } from "../bench/support/wrk.ts";
import { Random } from "../fuzz/random.ts";
import { type Balancer, freePort, startHaproxy, startNginx } from "./support/balancer.ts";
import { conclude, LOOP_FLAGS, loopSettings, numberFlag, VIOLATIONS_MAX } from "./support/command.ts";
import { ServerProcess } from "./support/server-process.ts";

const INSTANCES = 3;

/** Connections of wrk, and seconds of one of its runs. */
const READERS = 16;
const RUN_SECONDS = 5;

/** Last numbers of the addresses of clients that upload: 127.0.0.11 and so on. */
const UPLOADERS: readonly number[] = [11, 12, 13];

/** Longest time from SIGTERM to the exit, and for the balancer to see an instance, ms. */
const EXIT_MS = 15_000;
const SEEN_MS = 20_000;

/** Time in which nginx, which tells nothing, tries an instance again, ms. */
const UNSEEN_MS = 1200;

const LOOK_MS = 20;

/** A few times the interval in which the balancer looks whether an instance is ready. */
const DRAIN_DELAY = "2s";

/** Milliseconds between the end of one restart and the next. */
const PAUSE_MS = 300;

const UPLOAD_BYTES_MAX = 20_000;
const PAGE = "<!doctype html><title>rolling</title>";
const WRK_SCRIPT = join(import.meta.dir, "..", "bench", "support", "wrk.lua");

export interface RollingOptions {
  readonly binary: string;
  readonly requests: number;
  /** The load ends after so many restarts at the earliest. */
  readonly restarts?: number;
  readonly balancer: "haproxy" | "nginx";
  /** The balancer announces clients by the PROXY protocol instead of fields. */
  readonly announces: boolean;
  /** Value of --workers, or null. */
  readonly workers: string | null;
  readonly seed: number;
  /** Seconds of one run of wrk. */
  readonly runSeconds?: number;
  readonly progress?: (line: string) => void;
}

interface RollingReport {
  /** Requests of readers and uploads. */
  readonly requests: number;
  readonly failed: number;
  readonly uploads: number;
  readonly restarts: number;
  readonly seconds: number;
  /** Connections that the balancer has tried again; null if it does not tell. */
  readonly retries: number | null;
  readonly redispatches: number | null;
  /** Lines of logs whose client was compared. */
  readonly logged: number;
  readonly violations: readonly string[];
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ...LOOP_FLAGS,
      requests: { type: "string", default: "500000" },
      balancer: { type: "string", default: "haproxy" },
      announce: { type: "boolean", default: false },
      workers: { type: "string" },
    },
  });
  const requests = numberFlag("requests", values.requests, 1);
  const { binary, seed, progress } = loopSettings(values);
  const balancer = values.balancer === "nginx" ? "nginx" : "haproxy";
  const options = { binary, seed, progress, requests, balancer, announces: values.announce } as const;
  conclude(await rolling({ ...options, workers: values.workers ?? null }), values.summary);
}

export async function rolling(options: RollingOptions): Promise<RollingReport> {
  const folder = mkdtempSync(join(tmpdir(), "rolling-"));
  const house = new House(options, folder);
  try {
    await house.open();
    return await house.run();
  } finally {
    await house.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One upload that was answered 201. */
interface Kept {
  readonly name: string;
  readonly sha256: string;
}

class House {
  readonly #options: RollingOptions;
  readonly #folder: string;
  readonly #random: Random;
  readonly #ports: number[] = [];
  readonly #instances: (ServerProcess | null)[] = [];
  readonly #kept: Kept[] = [];
  readonly #violations: string[] = [];
  #balancer: Balancer | null = null;
  #read = 0;
  #uploads = 0;
  #failed = 0;
  #restarts = 0;
  #isDone = false;

  constructor(options: RollingOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.#random = new Random(options.seed);
  }

  async open(): Promise<void> {
    const { balancer, announces } = this.#options;
    mkdirSync(join(this.#folder, "www"));
    writeFileSync(join(this.#folder, "www", "index.html"), PAGE);
    for (let i = 0; i < INSTANCES; i++) {
      this.#ports.push(await freePort());
      await this.#start(i);
    }
    const start = balancer === "nginx" ? startNginx : startHaproxy;
    this.#balancer = await start({ folder: this.#folder, ports: this.#ports, announces });
    await this.#seen();
  }

  async run(): Promise<RollingReport> {
    const started = performance.now();
    const restarts = this.#roll();
    const uploads = UPLOADERS.map((number) => this.#upload(number));
    await this.#readPages();
    this.#isDone = true;
    await Promise.all([restarts, ...uploads]);
    const seconds = (performance.now() - started) / 1000;
    const repeats = (await this.#balancer?.repeats()) ?? null;
    await this.close();
    this.#compareUploads();
    return {
      requests: this.#read + this.#uploads,
      failed: this.#failed,
      uploads: this.#uploads,
      restarts: this.#restarts,
      seconds: Math.round(seconds * 10) / 10,
      retries: repeats?.retries ?? null,
      redispatches: repeats?.redispatches ?? null,
      logged: this.#compareLogs(),
      violations: this.#violations,
    };
  }

  async close(): Promise<void> {
    await this.#balancer?.stop();
    this.#balancer = null;
    for (const [index, instance] of this.#instances.entries()) {
      this.#instances[index] = null;
      instance?.signal("SIGTERM");
      await instance?.ended(EXIT_MS);
    }
  }

  async #start(index: number): Promise<void> {
    const { announces, workers } = this.#options;
    const words = [
      "--port",
      String(this.#ports[index]),
      "--root",
      "www",
      "--uploads",
      "up",
      "--upload-any",
      "--status",
    ];
    words.push("--max-requests", "0", "--trusted-proxy", "127.0.0.1", "--any-port");
    words.push("--drain-delay", DRAIN_DELAY, "--log-format", "json", "--log-file", `${index}.log`, "--quiet");
    if (announces) words.push("--proxy-protocol");
    if (workers !== null) words.push("--workers", workers);
    this.#instances[index] = await ServerProcess.start(this.#options.binary, words, this.#folder);
  }

  /** Waits until the balancer sends requests to all instances. */
  async #seen(): Promise<void> {
    const deadline = performance.now() + SEEN_MS;
    for (;;) {
      const up = (await this.#balancer?.up()) ?? null;
      if (up === INSTANCES) return;
      if (up === null) {
        await Bun.sleep(UNSEEN_MS);
        return;
      }
      if (performance.now() > deadline) throw new Error(`the balancer sees ${up} of ${INSTANCES} instances`);
      await Bun.sleep(LOOK_MS);
    }
  }

  /** Restarts one instance after the other until the load ends. */
  async #roll(): Promise<void> {
    for (let index = 0; !this.#isDone; index = (index + 1) % INSTANCES) {
      const instance = this.#instances[index] ?? null;
      instance?.signal("SIGTERM");
      const exit = await instance?.ended(EXIT_MS);
      if (exit !== 0) this.#violated(`an instance ended with ${exit}: ${instance?.printed.slice(-500)}`);
      await this.#start(index);
      await this.#seen();
      this.#restarts++;
      await Bun.sleep(PAUSE_MS);
    }
  }

  async #readPages(): Promise<void> {
    const { requests, restarts = 0, runSeconds = RUN_SECONDS, progress } = this.#options;
    const url = `http://127.0.0.1:${this.#balancer?.port}/`;
    while (this.#read < requests || this.#restarts < restarts) {
      const words = ["wrk", "-t1", `-c${READERS}`, `-d${runSeconds}s`, "--timeout", "10s", "-s", WRK_SCRIPT, url, "--"];
      const child = Bun.spawn(words, { stdout: "pipe", stderr: "ignore" });
      const run = readResult(await new Response(child.stdout).text());
      this.#read += run.requests;
      this.#fail(
        run.socketErrors + run.statusErrors,
        `wrk: ${run.socketErrors} on sockets, ${run.statusErrors} by status`,
      );
      progress?.(
        `${this.#read} requests, ${this.#uploads} uploads, ${this.#failed} failed, ${this.#restarts} restarts`,
      );
    }
  }

  /** Uploads from 127.0.0.`number`, as JSON and as files in turn, until the load ends. */
  async #upload(number: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, localAddress: `127.0.0.${number}` } as object);
    for (let count = 0; !this.#isDone; count++) {
      const filler = "x".repeat(this.#random.below(UPLOAD_BYTES_MAX));
      const content = JSON.stringify([number, count, filler]);
      const isJson = count % 2 === 0;
      const target = isJson ? `/upload?${number}` : `/uploads/${number}-${count}.txt`;
      const answer = await this.#send(agent, isJson ? "POST" : "PUT", target, content).catch(String);
      this.#uploads++;
      if (typeof answer === "string" || answer.status !== 201) {
        this.#fail(1, `${target}: ${typeof answer === "string" ? answer : `${answer.status} ${answer.text}`}`);
        continue;
      }
      const name = isJson ? (/"filepath":"\/uploads\/([^"]+)"/.exec(answer.text)?.[1] ?? "") : target.slice(9);
      this.#kept.push({ name, sha256: digestOf(content) });
    }
    agent.destroy();
  }

  #send(agent: Agent, method: string, path: string, content: string): Promise<{ status: number; text: string }> {
    const headers = { "Content-Type": "application/json", "Content-Length": content.length };
    const port = this.#balancer?.port ?? 0;
    return new Promise((resolve, reject) => {
      const call = request({ host: "127.0.0.1", port, agent, method, path, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (piece: string) => {
          text += piece;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
        response.on("error", reject);
      });
      call.on("error", reject);
      call.end(content);
    });
  }

  /** Each upload that was answered is there as it was sent, and nothing else. */
  #compareUploads(): void {
    const folder = join(this.#folder, "up");
    const there = new Set(this.#kept.length === 0 ? [] : readdirSync(folder));
    for (const { name, sha256 } of this.#kept) {
      if (!there.delete(name)) this.#violated(`${name} was answered 201 twice, or is missing`);
      else if (digestOf(readFileSync(join(folder, name))) !== sha256) this.#violated(`${name} has other content`);
    }
    if (this.#failed === 0 && there.size > 0)
      this.#violated(`files that nobody was told of: ${[...there].slice(0, 5)}`);
  }

  /** Compares the client of each upload with the address that its path tells of. Returns the number of compared lines. */
  #compareLogs(): number {
    let compared = 0;
    for (let index = 0; index < INSTANCES; index++) {
      for (const line of readFileSync(join(this.#folder, `${index}.log`), "utf8")
        .trim()
        .split("\n")) {
        const { peer, request: asked } = JSON.parse(line) as { peer: string; request: string };
        const [, number] = /^P(?:OST|UT) \/(?:upload\?|uploads\/)(\d+)/.exec(asked) ?? [];
        const address = `127.0.0.${number ?? 1}`;
        compared++;
        if (peer !== address && !peer.startsWith(`${address}:`)) this.#violated(`${asked} is logged for ${peer}`);
      }
    }
    return compared;
  }

  #fail(count: number, sentence: string): void {
    if (count === 0) return;
    this.#failed += count;
    this.#violated(sentence);
  }

  #violated(sentence: string): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push(sentence);
  }
}

function digestOf(content: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(content).digest("hex");
}
