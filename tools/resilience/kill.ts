/**
 * kill -9 during uploads, again and again: `bun tools/resilience/kill.ts [--count N] [--seed N] [--workers N] [--binary FILE] [--summary FILE]`.
 *
 * Four folders at the same time. In two of them a server is alone: clients stream uploads into it, it is killed 1 to 150 ms
 * after the first one, and started again. In the others two servers take uploads, and one of them is killed and started
 * again while the other goes on. Held against all is the ledger's rule (support/ledger.ts); and besides
 * - alone: once the next server says it is ready, nothing hidden is left in the folder;
 * - together: what the killed one left is gone, and the other's uploads, unfinished files included, never notice.
 *
 * Killing the process leaves the kernel alive: this shows the order of steps, not that the disk has flushed.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../fuzz/random.ts";
import { Client } from "./support/client.ts";
import { conclude, LOOP_FLAGS, loopSettings, numberFlag, VIOLATIONS_MAX, WORKERS_FLAG } from "./support/command.ts";
import { hiddenFiles, Ledger, temporaryFiles } from "./support/ledger.ts";
import { ServerProcess } from "./support/server-process.ts";
import { makeBody, readReceipt, sendUpload } from "./support/upload.ts";

/** Folders of each kind: most of a round is waiting. */
const PLACES_OF_A_KIND = 2;

/** Clients of one server, each with one upload at a time. */
const CLIENTS = 4;

/** Longest time from the first upload to the kill, ms. */
const KILL_AFTER_MS = 150;

/** Longest wait for a killed process, and for a drain at the end, ms. */
const END_MS = 10_000;

/** Kills between two lines of progress. */
const PROGRESS_KILLS = 100;

interface KillOptions {
  readonly binary: string;
  /** Kills in all; about half of them beside a second server. */
  readonly count: number;
  readonly seed: number;
  /** Threads of each server; 1 without it. */
  readonly workers?: number;
  readonly progress?: (line: string) => void;
}

interface KillReport {
  readonly kills: number;
  readonly seconds: number;
  readonly killsPerSecond: number;
  /** Answers 201 that a client received whole; each was found on disk. */
  readonly promised: number;
  /** Whole files whose 201 was lost with the server. */
  readonly unpromised: number;
  /** Uploads that a kill left without an answer. */
  readonly cutUploads: number;
  readonly mebibytes: number;
  /** Kills that left temporary files, and how many of those the next starts removed. */
  readonly killsWithLeftovers: number;
  readonly leftovers: number;
  /** Starts during which the second server had unfinished files in the folder. */
  readonly startsBesideUnfinished: number;
  readonly violations: readonly string[];
}

class Tally {
  kills = 0;
  cutUploads = 0;
  killsWithLeftovers = 0;
  leftovers = 0;
  startsBesideUnfinished = 0;
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { ...LOOP_FLAGS, ...WORKERS_FLAG, count: { type: "string", default: "1000" } },
  });
  const count = numberFlag("count", values.count, 1);
  const workers = numberFlag("workers", values.workers, 1);
  conclude(await killLoop({ ...loopSettings(values), count, workers }), values.summary);
}

export async function killLoop(options: KillOptions): Promise<KillReport> {
  const { binary, count, seed, workers = 1, progress } = options;
  const top = mkdtempSync(join(tmpdir(), "kill-"));
  const started = performance.now();
  const tally = new Tally();
  const kinds = Array.from({ length: PLACES_OF_A_KIND }, () => [killAlone, killBeside]).flat();
  const places = kinds.map(
    (_, i) => new Place([binary, "--workers", String(workers)], join(top, `place-${i}`), new Random(seed + i), tally),
  );
  const sum = (value: (ledger: Ledger) => number) => places.reduce((total, place) => total + value(place.ledger), 0);
  const killed = () => {
    if (++tally.kills % PROGRESS_KILLS !== 0) return;
    const promised = sum((ledger) => ledger.promised);
    const violations = sum((ledger) => ledger.violations.length);
    const seconds = (performance.now() - started) / 1000;
    progress?.(`${tally.kills} kills, ${seconds.toFixed(1)} s, ${promised} uploads promised, ${violations} violations`);
  };
  try {
    let left = count;
    const next = () => left-- > 0;
    await Promise.all(kinds.map((kill, i) => kill(places[i] as Place, next, killed)));
    for (const place of places) place.ledger.finish();
  } finally {
    for (const place of places) for (const party of place.parties) party.server.signal("SIGKILL");
    rmSync(top, { recursive: true, force: true });
  }
  const seconds = (performance.now() - started) / 1000;
  return {
    kills: tally.kills,
    seconds: Math.round(seconds * 10) / 10,
    killsPerSecond: Math.round((tally.kills / seconds) * 10) / 10,
    promised: sum((ledger) => ledger.promised),
    unpromised: sum((ledger) => ledger.unpromised),
    cutUploads: tally.cutUploads,
    mebibytes: Math.round(sum((ledger) => ledger.bytes) / 2 ** 20),
    killsWithLeftovers: tally.killsWithLeftovers,
    leftovers: tally.leftovers,
    startsBesideUnfinished: tally.startsBesideUnfinished,
    violations: places.flatMap((place) => place.ledger.violations).slice(0, VIOLATIONS_MAX),
  };
}

/** One server in the folder at a time. `next` says whether one more is to be killed, `killed` counts it. */
async function killAlone(place: Place, next: () => boolean, killed: () => void): Promise<void> {
  while (next()) {
    const party = await place.start();
    const left = hiddenFiles(place.uploads);
    if (left.length > 0) place.ledger.violated(`alone, a start left ${left.length} hidden files: ${left[0]}`);
    party.upload();
    await place.kill(party);
    killed();
    place.ledger.check();
  }
  const last = await place.start();
  const left = hiddenFiles(place.uploads);
  if (left.length > 0) place.ledger.violated(`alone, the last start left ${left.length} hidden files: ${left[0]}`);
  await place.stop(last);
}

/** Two servers; either is killed while the other goes on. */
async function killBeside(place: Place, next: () => boolean, killed: () => void): Promise<void> {
  let [victim, survivor] = [await place.start(), await place.start()];
  victim.upload();
  survivor.upload();
  while (next()) {
    if (place.random.oneIn(2)) [victim, survivor] = [survivor, victim];
    await place.kill(victim);
    killed();
    place.ledger.check();
    const unfinished = temporaryFiles(place.uploads, survivor.server.pid).length;
    const successor = await place.start();
    if (unfinished > 0 && temporaryFiles(place.uploads, survivor.server.pid).length > 0)
      place.tally.startsBesideUnfinished++;
    const left = temporaryFiles(place.uploads, victim.server.pid);
    if (left.length > 0)
      place.ledger.violated(`beside another, a start left ${left.length} files of the killed: ${left[0]}`);
    victim = successor;
    victim.upload();
  }
  await place.stop(victim);
  await place.stop(survivor);
  const left = hiddenFiles(place.uploads);
  if (left.length > 0)
    place.ledger.violated(`two servers that ended in order left ${left.length} hidden files: ${left[0]}`);
}

/** One uploads folder with the servers that use it. */
class Place {
  readonly uploads: string;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly tally: Tally;
  readonly parties = new Set<Party>();
  /** The program and its first flags. */
  readonly #program: readonly [string, ...string[]];
  readonly #folder: string;

  constructor(program: readonly [string, ...string[]], folder: string, random: Random, tally: Tally) {
    this.#program = program;
    this.#folder = folder;
    this.random = random;
    this.tally = tally;
    this.uploads = join(folder, "uploads");
    mkdirSync(join(folder, "resources"), { recursive: true });
    mkdirSync(this.uploads);
    writeFileSync(join(folder, "resources", "index.html"), "page");
    this.ledger = new Ledger(this.uploads);
  }

  async start(): Promise<Party> {
    const [binary, ...words] = this.#program;
    const party = new Party(this, await ServerProcess.start(binary, [...words, "--quiet"], this.#folder));
    this.parties.add(party);
    return party;
  }

  /** Kills it 1 to KILL_AFTER_MS from now, while it receives uploads, and counts what that left behind. */
  async kill(party: Party): Promise<void> {
    await Bun.sleep(1 + this.random.below(KILL_AFTER_MS));
    party.end("SIGKILL");
    const exit = await party.server.ended(END_MS);
    if (exit !== "SIGKILL")
      this.ledger.violated(`a server had ended before it was killed: ${exit}, ${party.server.printed}`);
    await party.gone();
    this.parties.delete(party);
    const leftovers = temporaryFiles(this.uploads, party.server.pid).length;
    this.tally.leftovers += leftovers;
    if (leftovers > 0) this.tally.killsWithLeftovers++;
  }

  /** Ends it in order: its uploads in flight are answered. */
  async stop(party: Party): Promise<void> {
    party.end("SIGTERM");
    const exit = await party.server.ended(END_MS);
    if (exit !== 0) this.ledger.violated(`a server that was asked to stop ended with ${exit}: ${party.server.printed}`);
    await party.gone();
    this.parties.delete(party);
  }
}

/** A server and its clients. */
class Party {
  readonly server: ServerProcess;
  readonly #place: Place;
  #isEnding = false;
  #clients: Promise<void>[] = [];

  constructor(place: Place, server: ServerProcess) {
    this.#place = place;
    this.server = server;
  }

  /** Starts its clients. */
  upload(): void {
    this.#clients = Array.from({ length: CLIENTS }, () => this.#uploadUntilItEnds());
  }

  end(signal: "SIGKILL" | "SIGTERM"): void {
    this.#isEnding = true;
    this.server.signal(signal);
  }

  /** Resolves when its clients have noticed. */
  async gone(): Promise<void> {
    await Promise.all(this.#clients);
  }

  /** One connection after another, each for some uploads; ends with the server. */
  async #uploadUntilItEnds(): Promise<void> {
    const { random } = this.#place;
    while (!this.#isEnding) {
      const client = await Client.connect(this.server.port);
      if (client === null) {
        if (!this.#isEnding) this.#place.ledger.violated("a connection was refused by a server that nobody had ended");
        return;
      }
      for (let uploads = 1 + random.below(8); uploads > 0; uploads--) {
        if (!(await this.#uploadOnce(client))) break;
      }
      client[Symbol.dispose]();
    }
  }

  /** False when the connection is over. */
  async #uploadOnce(client: Client): Promise<boolean> {
    const { ledger, random, tally } = this.#place;
    const body = makeBody(random);
    ledger.sending(body);
    await sendUpload(client, this.server.port, body, random);
    const answer = await client.answer();
    if (typeof answer !== "string") {
      if (answer.status !== 201) ledger.violated(`an upload was answered with ${answer.status}`);
      else ledger.receipt(body, readReceipt(answer));
      return !answer.isLast;
    }
    tally.cutUploads++;
    if (!this.#isEnding) ledger.violated(`an upload to a server that nobody had ended got ${answer} for an answer`);
    return false;
  }
}
