/**
 * The benchmarks: `bun run bench` (under three minutes), `--medium` (all that the targets need, about twenty), `--full` (about
 * three quarters of an hour). Servers run on core 0, the load generator on core 1, and one server is asked at a time. Raw numbers
 * go to tools/bench/results/; `bun tools/bench/draw.ts` draws them.
 *
 * Nothing is installed: what is missing is named with the command that gets it, and its rows say so.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { measureLadder } from "./ladder/ladder.ts";
import { measureDisk } from "./macro/disk.ts";
import { measureIdle } from "./macro/idle.ts";
import { runScenario } from "./macro/macro.ts";
import type { PeerName, Programs } from "./macro/peers.ts";
import { makePrograms } from "./macro/programs.ts";
import { type Scenario, scenarios } from "./macro/scenarios.ts";
import { Site } from "./macro/site.ts";
import { measureStartup } from "./macro/startup.ts";
import { findTools, PRODUCT, readMachine } from "./support/machine.ts";
import { printIdle, printLadder, printMicro, printScenario, printStartup } from "./support/print.ts";
import { endAll, runPinned, SERVER_CORE } from "./support/process.ts";
import { LADDER_LOADS, type MicroRow, MODES, type Mode, type Results, type ScenarioResult } from "./support/results.ts";

/** Parts that are no scenario, each with the shortest mode that it belongs to. */
const PARTS = {
  micro: "quick",
  ladder: "quick",
  startup: "quick",
  idle: "medium",
} as const satisfies Record<string, Mode>;
const NAMES: readonly string[] = [...Object.keys(PARTS), ...scenarios.map(({ name }) => name)];

/** Servers of the quick mode. */
const QUICK_PEERS: readonly PeerName[] = ["httpserver", "nginx", "Bun.serve", "floor (C)", "nginx, buffered log"];

/** And of the medium one; the others take most of the time and change least. */
const MEDIUM_PEERS: readonly PeerName[] = [...QUICK_PEERS, "lighttpd", "floor, sendfile (C)", "floor, read (C)"];

const ROUNDS: Readonly<Record<Mode, number>> = { quick: 2, medium: 7, full: 7 };
const STARTS: Readonly<Record<Mode, number>> = { quick: 5, medium: 40, full: 40 };

/** Opening ten thousand connections takes long, and what they cost differs little from one time to the next. */
const IDLE_ROUNDS_MAX = 3;

const USAGE = `Usage: bun run bench [--medium | --full] [--only name,…] [--rounds N] [--seconds N] [--starts N] [--name text] [--no-save]

  --medium    all that the targets need, ${ROUNDS.medium} rounds; otherwise a choice, ${ROUNDS.quick} rounds
  --full      every scenario and every server, ${ROUNDS.full} rounds
  --only      only these, with all their servers unless --medium stands beside it: ${NAMES.join(", ")}
  --rounds    how often each server is measured, in turn with the others
  --seconds   of load in each measurement, 1 by default
  --starts    of each program for the part startup, ${STARTS.full} by default, ${STARTS.quick} in a quick run
  --name      what the results' file is called behind its date; quick, medium, full or the names of --only by default
  --no-save   print, and keep no results
`;

interface Settings {
  readonly mode: Mode;
  /** Null: all of the mode. */
  readonly only: ReadonlySet<string> | null;
  readonly rounds: number;
  readonly seconds: number;
  readonly starts: number;
  readonly name: string;
  readonly save: boolean;
}

/** The settings, or one line that says what is wrong, or "" when help is asked for. */
function parseSettings(words: readonly string[]): Settings | string {
  let asked: Mode | null = null;
  let save = true;
  let only: Set<string> | null = null;
  let rounds: number | null = null;
  let seconds = 1;
  let starts: number | null = null;
  let name: string | null = null;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const [flag = "", inline] = word.split("=", 2);
    const value = () => inline ?? words[++i] ?? "";
    if (flag === "--help" || flag === "-h") return "";
    else if (flag === "--medium") asked = "medium";
    else if (flag === "--full") asked = "full";
    else if (flag === "--no-save") save = false;
    else if (flag === "--only") {
      only = new Set(value().split(","));
      const unknown = [...only].find((one) => !NAMES.includes(one));
      if (unknown !== undefined) return `--only: ${JSON.stringify(unknown)} is none of ${NAMES.join(", ")}`;
    } else if (flag === "--rounds" || flag === "--seconds" || flag === "--starts") {
      const text = value();
      if (!/^[1-9][0-9]{0,2}$/.test(text)) return `${flag}: expected a whole number from 1 to 999, got "${text}"`;
      if (flag === "--rounds") rounds = Number(text);
      else if (flag === "--starts") starts = Number(text);
      else seconds = Number(text);
    } else if (flag === "--name") {
      name = value();
      if (!/^[a-z0-9-]{1,60}$/.test(name)) return "--name: expected small letters, digits and hyphens";
    } else return `unknown word ${JSON.stringify(word)}`;
  }
  const mode = asked ?? (only === null ? "quick" : "full");
  return {
    mode,
    only,
    rounds: rounds ?? ROUNDS[mode],
    seconds,
    starts: starts ?? STARTS[mode],
    name: name ?? (only === null ? mode : [...only].join("-").slice(0, 60)),
    save,
  };
}

async function main(): Promise<number> {
  const settings = parseSettings(process.argv.slice(2));
  if (typeof settings === "string") {
    if (settings === "") process.stdout.write(USAGE);
    else process.stderr.write(`bench: ${settings}\n`);
    return settings === "" ? 0 : 2;
  }
  if (process.platform !== "linux") {
    process.stderr.write("bench: cores are assigned with taskset and CPU is read from /proc, so this needs Linux\n");
    return 2;
  }
  const tools = findTools();
  for (const line of tools.missing) process.stderr.write(`bench: ${line}\n`);
  if (tools.unusable) return 1;

  const site = new Site();
  // Also where an error or Ctrl-C ends this process: by then `endAll` or the exit hook has ended the servers.
  process.on("exit", () => site.remove());
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(name, () => void endAll().finally(() => process.exit(130)));
  }
  const results: Results = {
    format: 2,
    date: `${new Date().toISOString().slice(0, 19)}Z`,
    mode: settings.mode,
    rounds: settings.rounds,
    seconds: settings.seconds,
    machine: readMachine(),
    versions: tools.versions,
    notes: [...tools.missing],
    micro: [],
    ladder: [],
    scenarios: [],
    startup: [],
    idle: [],
    disk: [],
  };
  if (results.machine.cores < 2)
    results.notes.push("one core only: server and load generator took time from each other");
  try {
    await measureAll(settings, site, results);
  } finally {
    clearProgress();
    await endAll();
  }
  for (const note of results.notes) process.stdout.write(`\nnote: ${note}`);
  if (results.notes.length > 0) process.stdout.write("\n");
  if (settings.save) save(results, settings.name);
  return 0;
}

async function measureAll(settings: Settings, site: Site, results: Results): Promise<void> {
  const { rounds, seconds, starts, mode, only } = settings;
  const { versions } = results;
  const isWanted = (name: string, least: Mode) => only?.has(name) ?? MODES.indexOf(least) <= MODES.indexOf(mode);
  const isPartWanted = (name: keyof typeof PARTS) => isWanted(name, PARTS[name]);
  const programs = makePrograms(site);
  if (programs.floor === null)
    results.notes.push("without a C compiler: no floor, no start-up times, no limit of the disk");
  const common = { site, programs, versions, rounds, seconds, progress: showProgress };

  if (isPartWanted("micro")) {
    showProgress("micro");
    const words = [process.execPath, join(import.meta.dir, "micro", "micro.ts"), String(rounds)];
    results.micro = JSON.parse(await runPinned(SERVER_CORE, words)) as MicroRow[];
    print(printMicro(results.micro));
  }
  if (isPartWanted("ladder")) {
    results.ladder = await measureLadder({ ...common, loads: mode === "quick" ? ["small"] : LADDER_LOADS });
    print(printLadder(results.ladder));
  }
  // Before the scenarios, whose folders of 100,000 files some servers would read at each start.
  if (isPartWanted("startup")) {
    results.startup = await measureStartup({ ...common, starts, mode });
    print(printStartup(results.startup));
  }
  if (isPartWanted("idle")) {
    results.idle = await measureIdle({ ...common, rounds: Math.min(rounds, IDLE_ROUNDS_MAX) });
    print(printIdle(results.idle));
  }
  const chosen = { quick: QUICK_PEERS, medium: MEDIUM_PEERS, full: null }[mode];
  const wanted = (peer: PeerName) => chosen?.includes(peer) ?? true;
  for (const scenario of scenarios) {
    if (!isWanted(scenario.name, scenario.mode)) continue;
    const reason = reasonToSkip(scenario, programs);
    if (reason !== null) {
      results.notes.push(`${scenario.name} was skipped: ${reason}`);
      results.scenarios.push({ ...resultWithoutRows(scenario), skipped: reason });
      continue;
    }
    const result = await runScenario(scenario, { ...common, wanted });
    results.scenarios.push(result);
    if (scenario.name === "upload") results.disk = await measureDisk(common);
    print(printScenario(result, scenario.name === "upload" ? results.disk : []));
  }
}

/** Why a scenario cannot run here, or null. */
function reasonToSkip(scenario: Scenario, programs: Programs): string | null {
  if (scenario.generator === "sink" && programs.sink === null) return "a C compiler, for the generator, is missing";
  if (scenario.flavor !== "tls") return null;
  if (Bun.which("openssl") === null) return "openssl, which makes the certificate, is missing";
  const help = Bun.spawnSync([PRODUCT, "--help"]).stdout.toString();
  return help.includes("--tls-cert") && help.includes("--tls-key") ? null : "this build of the server has no TLS";
}

function resultWithoutRows({ name, title }: Scenario): ScenarioResult {
  return { name, title, contentBytes: null, skipped: null, rows: [] };
}

function save(results: Results, name: string): void {
  const folder = join(import.meta.dir, "results");
  mkdirSync(folder, { recursive: true });
  const file = `${results.date.slice(0, 19).replaceAll(":", "")}-${name}.json`;
  writeFileSync(join(folder, file), `${JSON.stringify(results, null, 1)}\n`);
  process.stdout.write(`\nkept as tools/bench/results/${file}; draw it with: bun tools/bench/draw.ts\n`);
}

function print(text: string): void {
  clearProgress();
  process.stdout.write(`\n${text}\n`);
}

const startedMs = performance.now();
let lastLine = "";

/**
 * One line that is written over, where somebody watches; elsewhere a line for each round. `text` names the server behind its
 * last comma and a space.
 */
function showProgress(text: string): void {
  const seconds = Math.floor((performance.now() - startedMs) / 1000);
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\x1b[K${time} ${text}`);
    return;
  }
  const line = text.replace(/(: [^,]*),.*$/, "$1");
  if (line !== lastLine) process.stderr.write(`${time} ${line}\n`);
  lastLine = line;
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

process.exit(
  await main().catch((error: unknown) => {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }),
);
