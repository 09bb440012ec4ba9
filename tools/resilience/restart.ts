/**
 * SIGTERM under one client that never tries twice:
 * `bun tools/resilience/restart.ts [--count N] [--seed N] [--workers N] [--strict] [--binary FILE] [--summary FILE]`.
 *
 * Each round starts a server; a client sends requests back-to-back, in one of five ways; at a random moment comes SIGTERM; the
 * client goes on until its connections are refused; the server has to exit with 0 within its deadline.
 *
 * The rule, as a client can see it (both signal and requests come from this process, so their order is certain):
 * - accepted: a request whose last byte the kernel had taken, on a connection that was established, before SIGTERM was sent.
 *   It must have its complete answer, also where it is one of a pipeline.
 * - begun: its first byte had gone before SIGTERM, its last had not. It was in flight, and must have its answer too.
 * - late: sent after SIGTERM. Mostly it is answered: a connection that is new or was just used has some grace. It may also be
 *   closed without a byte of an answer (RFC 9112 §9.6), or reset where the listener closed with the connection still in its
 *   backlog. Both are counted, and are violations with --strict; a part of an answer always is.
 * - not sent: the connection was refused after the signal, or had been closed by FIN before the client wanted to write, or an
 *   answer had said `Connection: close`. That is how a client is told to go elsewhere, and is right.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../fuzz/random.ts";
import { type Answer, Client, type Ending, request } from "./support/client.ts";
import { conclude, LOOP_FLAGS, loopSettings, numberFlag, VIOLATIONS_MAX, WORKERS_FLAG } from "./support/command.ts";
import { ServerProcess } from "./support/server-process.ts";
import { makeBody, readReceipt, sendUpload } from "./support/upload.ts";

/** Ways a client sends, one per round, in turn. */
const MANNERS = ["keep-alive", "new connection each", "pipelined", "upload", "download"] as const;
type Manner = (typeof MANNERS)[number];

/** No answer but those after the signal may say `Connection: close`. */
const WORDS = ["--quiet", "--max-requests", "0"];

/** Longest time from the client's start to SIGTERM, ms: some hundreds of requests, some uploads, some downloads. */
const SIGNAL_AFTER_MS = 60;

/** The server's deadline for a drain is 10 s; nothing here takes that long. */
const EXIT_MS = 9_000;

/** Requests of one pipeline. */
const PIPELINE = 8;

const DOWNLOAD_BYTES = 5_000_000;
const PAGE = "<!doctype html><title>restart</title>";

/** Rounds between two lines of progress. */
const PROGRESS_ROUNDS = 100;

interface RestartOptions {
  readonly binary: string;
  readonly count: number;
  readonly seed: number;
  /** Threads of the server; 1 without it. */
  readonly workers?: number;
  /** What is sent after the signal must be answered as well, or refused. */
  readonly strict?: boolean;
  readonly progress?: (line: string) => void;
}

/** When a request was sent, seen from the signal. */
type Sent = "accepted" | "begun" | "late";

/** What the client saw, counted over all rounds. */
interface RestartCounts {
  /** Complete answers. */
  answered: Record<Sent, number>;
  /** The server closed in order, without an answer, or with a part of one. */
  closed: Record<Sent, number>;
  /** The server cut. */
  reset: Record<Sent, number>;
  /** Nothing came for ten seconds, or no HTTP. */
  other: Record<Sent, number>;
  /** Connections that were refused after the signal: one ends each round. */
  refused: number;
  /** Kept-alive connections that the server had closed by FIN before the next request was written. */
  closedIdle: number;
  /** Connections that the server reset while nothing was asked of it. */
  resetIdle: number;
  /** Connections whose last answer had said so. */
  closedAsSaid: number;
}

interface RestartReport extends RestartCounts {
  readonly restarts: number;
  readonly seconds: number;
  /** Signal to exit, ms. */
  readonly exitMs: { readonly median: number; readonly p99: number; readonly max: number };
  readonly violations: readonly string[];
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ...LOOP_FLAGS,
      ...WORKERS_FLAG,
      count: { type: "string", default: "1000" },
      strict: { type: "boolean", default: false },
    },
  });
  const count = numberFlag("count", values.count, 1);
  const workers = numberFlag("workers", values.workers, 1);
  conclude(await restartLoop({ ...loopSettings(values), count, workers, strict: values.strict }), values.summary);
}

export async function restartLoop(options: RestartOptions): Promise<RestartReport> {
  const { binary, count, seed, workers = 1, strict = false, progress } = options;
  const folder = mkdtempSync(join(tmpdir(), "restart-"));
  const started = performance.now();
  const random = new Random(seed);
  const counts = emptyCounts();
  const violations: string[] = [];
  const exits: number[] = [];
  try {
    const largeDigest = furnish(folder);
    for (let round = 0; round < count; round++) {
      const manner = MANNERS[round % MANNERS.length] as Manner;
      const violated = (sentence: string) => {
        if (violations.length < VIOLATIONS_MAX) violations.push(`round ${round}, ${manner}: ${sentence}`);
      };
      exits.push(await restartOnce({ binary, workers, strict, folder, manner, random, largeDigest, counts, violated }));
      if ((round + 1) % PROGRESS_ROUNDS === 0) {
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        progress?.(
          `${round + 1} restarts, ${seconds} s, ${counts.answered.accepted} accepted and answered, ${violations.length} violations`,
        );
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return {
    restarts: count,
    seconds: Math.round((performance.now() - started) / 100) / 10,
    exitMs: distribution(exits),
    ...counts,
    violations,
  };
}

/** What is served. Returns the digest of the large file. */
function furnish(folder: string): string {
  mkdirSync(join(folder, "resources"));
  mkdirSync(join(folder, "uploads"));
  writeFileSync(join(folder, "resources", "index.html"), PAGE);
  const large = Buffer.alloc(DOWNLOAD_BYTES);
  for (let i = 0; i + 4 <= large.length; i += 4) large.writeUInt32LE(Math.imul(i, 0x9e3779b1) >>> 0, i);
  writeFileSync(join(folder, "resources", "large.bin"), large);
  return sha256(large);
}

interface Round {
  readonly binary: string;
  readonly workers: number;
  readonly strict: boolean;
  readonly folder: string;
  readonly manner: Manner;
  readonly random: Random;
  readonly largeDigest: string;
  readonly counts: RestartCounts;
  readonly violated: (sentence: string) => void;
}

/** Returns the milliseconds from signal to exit. */
async function restartOnce(round: Round): Promise<number> {
  const server = await ServerProcess.start(round.binary, [...WORDS, "--workers", String(round.workers)], round.folder);
  const visitor = new Visitor(server.port, round);
  try {
    const visiting = visitor.visit();
    await Bun.sleep(round.random.below(SIGNAL_AFTER_MS));
    visitor.signalled();
    const signalled = performance.now();
    server.signal("SIGTERM");
    const exit = await server.ended(EXIT_MS);
    const exitMs = performance.now() - signalled;
    if (exit !== 0) round.violated(`the server ended with ${exit}: ${server.printed}`);
    await visiting;
    return exitMs;
  } catch (error) {
    round.violated(error instanceof Error ? error.message : String(error));
    return EXIT_MS;
  } finally {
    server.signal("SIGKILL");
  }
}

/** The client of one round. */
class Visitor {
  readonly #port: number;
  readonly #round: Round;
  #isSignalled = false;

  constructor(port: number, round: Round) {
    this.#port = port;
    this.#round = round;
  }

  /** Call it in the same turn as the signal goes. */
  signalled(): void {
    this.#isSignalled = true;
  }

  /** Connection after connection, until one is refused. */
  async visit(): Promise<void> {
    const { counts, violated } = this.#round;
    for (;;) {
      const wasSignalled = this.#isSignalled;
      const client = await Client.connect(this.#port);
      if (client === null) {
        counts.refused++;
        // The signal may have come while the connection was being made.
        if (!wasSignalled && !this.#isSignalled) violated("a connection was refused before the signal");
        return;
      }
      try {
        while (await this.#exchange(client)) await this.#think();
      } finally {
        client[Symbol.dispose]();
      }
    }
  }

  /** Mostly none: back-to-back. */
  async #think(): Promise<void> {
    const { random } = this.#round;
    if (random.oneIn(8)) await Bun.sleep(random.below(10));
  }

  /** Some requests and their answers. False when the connection is over. */
  async #exchange(client: Client): Promise<boolean> {
    const { counts, manner } = this.#round;
    if (client.ending === "fin") counts.closedIdle++;
    if (client.ending === "reset") {
      counts.resetIdle++;
      this.#round.violated("a connection without a request was reset");
    }
    if (client.ending !== null) return false;
    switch (manner) {
      case "keep-alive":
        return await this.#pages(client, 1);
      case "new connection each":
        await this.#pages(client, 1);
        return false;
      case "pipelined":
        return await this.#pages(client, PIPELINE);
      case "upload":
        return await this.#upload(client);
      case "download":
        return await this.#download(client);
    }
  }

  /** `count` requests in one write. */
  async #pages(client: Client, count: number): Promise<boolean> {
    const sending = this.#begin();
    const isWritten = await client.send(request(this.#port, "GET /").repeat(count));
    const sent = sending(isWritten);
    for (let i = 0; i < count; i++) {
      const answer = await client.answer();
      const isRight = typeof answer !== "string" && answer.status === 200 && text(answer.body) === PAGE;
      const isOpen = this.#seen(answer, isRight, sent, client);
      // What is behind the last answer fares as the connection does: the next wait says how.
      if (!isOpen && (typeof answer === "string" || i === count - 1)) return false;
    }
    return true;
  }

  async #upload(client: Client): Promise<boolean> {
    const body = makeBody(this.#round.random);
    const sending = this.#begin();
    const isWritten = await sendUpload(client, this.#port, body, this.#round.random);
    const sent = sending(isWritten);
    const answer = await client.answer();
    const isRight = typeof answer !== "string" && readReceipt(answer)?.sha256 === body.sha256;
    return this.#seen(answer, isRight, sent, client);
  }

  async #download(client: Client): Promise<boolean> {
    const sending = this.#begin();
    const isWritten = await client.send(request(this.#port, "GET /large.bin"));
    const sent = sending(isWritten);
    const hasher = new Bun.CryptoHasher("sha256");
    const answer = await client.answer({ sink: (bytes) => hasher.update(bytes) });
    const isRight =
      typeof answer !== "string" && answer.status === 200 && hasher.digest("hex") === this.#round.largeDigest;
    return this.#seen(answer, isRight, sent, client);
  }

  /** Notes the moment before the first byte; the function it returns, called behind the last, says where the request stands. */
  #begin(): (isWritten: boolean) => Sent {
    const isLate = this.#isSignalled;
    return (isWritten) => (isLate ? "late" : isWritten && !this.#isSignalled ? "accepted" : "begun");
  }

  /** Counts what became of one request. False when the connection is over. */
  #seen(answer: Answer | Ending, isRight: boolean, sent: Sent, client: Client): boolean {
    const { counts, strict, violated } = this.#round;
    if (typeof answer !== "string") {
      if (isRight) counts.answered[sent]++;
      else violated(`a request (${sent}) was answered ${answer.status}, and not as it should be`);
      if (answer.isLast) counts.closedAsSaid++;
      return !answer.isLast;
    }
    const outcomes = answer === "fin" ? counts.closed : answer === "reset" ? counts.reset : counts.other;
    outcomes[sent]++;
    const isRefusal = (answer === "fin" || answer === "reset") && client.begunBytes === 0;
    if (sent === "late" && isRefusal && !strict) return false;
    violated(`a request (${sent}) got ${answer} after ${client.begunBytes} bytes of its answer`);
    return false;
  }
}

function emptyCounts(): RestartCounts {
  const none = () => ({ accepted: 0, begun: 0, late: 0 });
  return {
    answered: none(),
    closed: none(),
    reset: none(),
    other: none(),
    refused: 0,
    closedIdle: 0,
    resetIdle: 0,
    closedAsSaid: 0,
  };
}

function distribution(values: readonly number[]): { median: number; p99: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return { median: at(0.5), p99: at(0.99), max: at(1) };
}

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
