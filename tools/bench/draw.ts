/**
 * Draws the newest results: the charts docs/performance.svg and docs/performance-ladder.svg, and the tables of
 * docs/performance.md between its markers. Usage: bun tools/bench/draw.ts [file in tools/bench/results]; without a name the newest medium
 * or full run, else the newest of all.
 *
 * A chart is one file for light and dark pages: its colours follow the reader's own setting.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { LADDER_LOADS, type LadderLoad, type LadderRow, type Results, type ScenarioResult } from "./support/results.ts";
import { formatNumber, median } from "./support/statistics.ts";
import {
  BARE,
  ladderRatio,
  ladderToOneTarget,
  OURS,
  type Quantity,
  quantities,
  type RungSummary,
  ratio,
  summarize,
  summarizeLadder,
  summarizeStarts,
  summarizeWaits,
} from "./support/summary.ts";

const FOLDER = join(import.meta.dir, "results");
const DOCUMENT = join(import.meta.dir, "..", "..", "docs", "performance.md");
const CHART = join(import.meta.dir, "..", "..", "docs", "performance.svg");
const LADDER_CHART = join(import.meta.dir, "..", "..", "docs", "performance-ladder.svg");

/** Rows that targets are explained by. */
const FLOOR = "floor (C)";
const SENDFILE_FLOOR = "floor, sendfile (C)";
const READ_FLOOR = "floor, read (C)";
const BLOCKS_FLOOR = "floor, blocks (C)";

/** The generated part of the document lies between these lines. */
const BEGIN = "<!-- results: begin, made by tools/bench/draw.ts -->";
const END = "<!-- results: end -->";

/** Scenarios of the chart, from its top. */
const CHARTED = ["page", "browser", "pipelined", "files", "log", "mib", "mib-sink", "hundred-mib", "hundred-mib-sink"];

function main(): void {
  try {
    const name = newestResults(process.argv[2]);
    const results = readResults(name);
    writeFileSync(CHART, drawChart(results));
    writeFileSync(LADDER_CHART, drawLadderChart(results));
    const document = readFileSync(DOCUMENT, "utf8");
    writeFileSync(DOCUMENT, replaceBetween(document, describe(results, name)));
    process.stdout.write(`drew tools/bench/results/${name} into docs/performance.md and its two charts\n`);
  } catch (error) {
    process.stderr.write(`draw: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

/** Names begin with the date, so the order of letters is that of time. Throws when there are none. */
function newestResults(wanted: string | undefined): string {
  const names = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.endsWith(".json")) : [];
  names.sort();
  if (wanted !== undefined) {
    if (names.includes(basename(wanted))) return basename(wanted);
    throw new Error(`there is no tools/bench/results/${basename(wanted)}`);
  }
  const newest = names.filter((name) => /-(medium|full)\.json$/.test(name)).at(-1) ?? names.at(-1);
  if (newest === undefined) throw new Error("there are no results yet; make some with: bun run bench --medium");
  return newest;
}

/** Throws for a file that an older program has written. */
export function readResults(name: string): Results {
  const results = JSON.parse(readFileSync(join(FOLDER, name), "utf8")) as Results;
  if (results.format !== 2) throw new Error(`tools/bench/results/${name} has an older format; measure again`);
  return results;
}

function replaceBetween(document: string, text: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md has lost its markers ${BEGIN} and ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${document.slice(end)}`;
}

// The document's generated part.

export function describe(results: Results, name: string): string {
  const { machine, versions, rounds, seconds, mode, date } = results;
  const waits = summarizeWaits(results);
  const facts = [
    `Measured ${date.slice(0, 10)}: ${machine.cpu}, ${machine.cores} cores, ${formatNumber(machine.memoryMiB / 1024)} GiB,`,
    `Linux ${machine.kernel}; ${mode} mode, ${rounds} ${rounds === 1 ? "round" : "rounds"} of ${seconds} s;`,
    `load average before the run ${machine.loadBefore.toFixed(2)}. Servers waited for their core during ${formatNumber(100 * waits.median)} % of the measured`,
    `time (median; at most ${formatNumber(100 * waits.most)} %), because other programs ran. Raw numbers: \`tools/bench/results/${name}\`.`,
  ].join("\n");
  const software = Object.entries(versions).map(([program, version]) => `${program} ${version}`);
  const parts = [
    "![CPU per request of each server, relative to httpserver](performance.svg)",
    facts,
    `Versions: ${software.join(",\n")}.`,
    ...results.notes.map((note) => `Note: ${note}.`),
    `### Targets\n\n${targetTable(results)}`,
    `### Under load\n\n${scenarioTables(results)}`,
    `### The ladder\n\n${ladderTables(results)}`,
    `### Each function alone\n\n${microTable(results)}`,
    `### Start\n\n${startupTable(results)}`,
    `### Idle connections\n\n${idleTable(results)}`,
  ];
  return parts.join("\n\n");
}

/** One demand: a measured number against its bound. */
interface Target {
  readonly text: string;
  readonly value: number;
  readonly bound: number;
  /** Whether the bound is the most or the least. */
  readonly sense: "most" | "least";
  readonly unit: string;
  /** What else was measured that tells how much of it is ours: a bare loop against the same bound, the disk alone. */
  readonly context: string;
}

function targetTable(results: Results): string {
  const rows = targetsOf(results).map(({ text, value, bound, sense, unit, context }) => {
    const isMet = sense === "most" ? value <= bound : value >= bound;
    const verdict = Number.isFinite(value) ? (isMet ? "met" : "**not met**") : "not measured";
    return [
      text,
      `${sense === "most" ? "≤" : "≥"} ${bound.toLocaleString("en-US")} ${unit}`,
      formatNumber(value),
      verdict,
      context,
    ];
  });
  return markdownTable(["target", "bound", "measured", "", "measured with it"], rows);
}

/** A scenario and the row of it that is compared with. */
type Base = readonly [scenario: string, peer: string];

function targetsOf(results: Results): readonly Target[] {
  const { ladder } = results;
  const of = (quantity: Quantity, sense: Target["sense"]) => {
    return (text: string, ours: string, base: Base, bound: number, context = ""): Target => {
      const value = ratio(results, quantity, [ours, OURS], base);
      return { text, value, bound, sense, unit: "×", context };
    };
  };
  const cpu = of("cpu", "most");
  const rate = of("rate", "least");
  const echo = (load: LadderLoad, quantity: Quantity, base: string) =>
    inContext("echo alone", ladderRatio(ladder, quantity, load, "echo", base), "×");
  const pages = (scenario: string, load: LadderLoad, text: string) => [
    cpu(`${text}: CPU, to the C loop`, scenario, [scenario, FLOOR], 1.25, echo(load, "cpu", FLOOR)),
    cpu(`${text}: CPU, to Bun.serve`, scenario, [scenario, "Bun.serve"], 1.05, echo(load, "cpu", "Bun.serve")),
    cpu(`${text}: CPU, to nginx`, scenario, [scenario, "nginx"], 0.75, echo(load, "cpu", "nginx")),
  ];
  const throughput = (scenario: string, text: string) => {
    const beside = [FLOOR, READ_FLOOR, SENDFILE_FLOOR].map((peer) =>
      inContext(peer, ratio(results, "rate", [scenario, peer], [scenario, "nginx"]), "×"),
    );
    return rate(`${text}: throughput, to nginx`, scenario, [scenario, "nginx"], 1.5, joinContexts(beside));
  };
  const logged = (peer: string) => rate(`access log on: rate, to ${peer}`, "log", ["log", peer], 1);
  return [
    ...pages("page", "small", "1 KiB page"),
    ...pages("browser", "browser", "a browser's head"),
    rate(
      "pipelined: rate, to Bun.serve",
      "pipelined",
      ["pipelined", "Bun.serve"],
      0.9,
      echo("pipelined", "rate", "Bun.serve"),
    ),
    rate("pipelined: rate, to nginx", "pipelined", ["pipelined", "nginx"], 20, echo("pipelined", "rate", "nginx")),
    cpu(
      "2,000 files in turn: CPU, to the single page",
      "files",
      ["files", `${OURS}, one page`],
      1.1,
      toOneTarget(ladder),
    ),
    throughput("mib", "1 MiB"),
    throughput("mib-sink", "1 MiB, discarded unread"),
    throughput("hundred-mib", "100 MiB"),
    throughput("hundred-mib-sink", "100 MiB, discarded unread"),
    {
      text: "highest resident memory in all loads",
      value: peakOfOurs(results),
      bound: 150,
      sense: "most",
      unit: "MiB",
      context: "",
    },
    rate("access log on: rate, to the rate with it off", "log", ["log", `${OURS}, no log`], 0.85),
    logged("nginx"),
    logged("nginx, buffered log"),
    ...uploadTargets(results),
    rate("10,000 connections: rate, to 64", "connections-10000", ["connections-10000", `${OURS}, 64 connections`], 0.8),
    rate("a folder of 100,000 files: rate, to 10", "folder-100000", ["folder-100000", `${OURS}, a folder of 10`], 0.95),
    idleTarget(results),
    startTarget(results),
  ];
}

function uploadTargets(results: Results): readonly Target[] {
  const uploads = median(quantities(results, "rate", "upload", OURS).filter((rate) => rate !== null));
  const disk =
    results.disk.length === 0
      ? Number.NaN
      : Math.max(...results.disk.map(({ filesPerSecond }) => median(filesPerSecond)));
  const context = inContext("the disk alone", disk, "/s");
  return [
    { text: "durable uploads a second", value: uploads, bound: 5_000, sense: "least", unit: "/s", context },
    {
      text: "or: durable uploads, to the disk's own limit",
      value: uploads / disk,
      bound: 0.8,
      sense: "least",
      unit: "×",
      context,
    },
  ];
}

function idleTarget(results: Results): Target {
  const bytesOf = (name: string) => {
    const row = results.idle.find(({ peer, invalid }) => peer === name && invalid === null);
    return row === undefined ? Number.NaN : (median(row.served) * 1024) / row.connections;
  };
  const beside = ["nginx", "Bun.serve"].map((peer) => inContext(peer, bytesOf(peer), "B"));
  return {
    text: "an idle connection that has been served",
    value: bytesOf(OURS),
    bound: 2048,
    sense: "most",
    unit: "B",
    context: joinContexts(beside),
  };
}

function startTarget(results: Results): Target {
  const starts = summarizeStarts(results.startup);
  const ours = starts.find(({ row }) => row.peer === OURS);
  const bare = starts.find(({ row }) => row.peer === BARE);
  const beside = [
    inContext("bare Bun program", bare?.medianMs ?? Number.NaN, "ms"),
    inContext("ours to that", ours?.toBare ?? Number.NaN, "×"),
    inContext("our shortest", ours?.leastMs ?? Number.NaN, "ms"),
  ];
  return {
    text: "exec to ready line",
    value: ours?.medianMs ?? Number.NaN,
    bound: 15,
    sense: "most",
    unit: "ms",
    context: joinContexts(beside),
  };
}

/** What 2,000 targets cost others, each compared with itself. */
function toOneTarget(ladder: readonly LadderRow[]): string {
  return joinContexts(
    ["echo", "admit", BLOCKS_FLOOR, "nginx", "Bun.serve"].map((name) =>
      inContext(name, ladderToOneTarget(ladder, name), "×"),
    ),
  );
}

/** Empty for what was not measured. */
function inContext(name: string, value: number, unit: string): string {
  return Number.isFinite(value) ? `${name} ${formatNumber(value)} ${unit}` : "";
}

function joinContexts(contexts: readonly string[]): string {
  return contexts.filter((context) => context !== "").join("; ");
}

function peakOfOurs(results: Results): number {
  const peaks = results.scenarios.flatMap(({ rows }) =>
    rows.filter(({ peer }) => isOurs(peer)).flatMap(({ rounds }) => rounds.map((round) => round?.peakKiB ?? 0)),
  );
  return peaks.length === 0 ? Number.NaN : Math.max(...peaks) / 1024;
}

/** With the rows of it that are there for comparison. */
function isOurs(peer: string): boolean {
  return peer === OURS || peer.startsWith(`${OURS},`);
}

function scenarioTables(results: Results): string {
  const heading = ["", "CPU µs", "kernel %", "CPU × ours", "rate", "rate × ours", "p50 µs", "p99 µs", "peak MiB"];
  const parts = results.scenarios.map((scenario) => {
    const unit = scenario.contentBytes === null ? "responses/s" : "MiB/s";
    const title = `**${scenario.title}** (\`${scenario.name}\`, rate in ${unit})`;
    if (scenario.skipped !== null) return `${title}: skipped, ${scenario.skipped}.`;
    const rows = summarize(scenario).map((row) => {
      if (row.invalid !== null) return [row.peer, `invalid: ${row.invalid}`, "", "", "", "", "", "", ""];
      const work = [row.cpuUs, row.systemPercent, row.cpuToOurs, row.rate, row.rateToOurs];
      const rest = [row.p50Us, row.p99Us, row.peakMiB];
      return [row.peer, ...[...work, ...rest].map(formatNumber)];
    });
    const disk = scenario.name === "upload" ? `\n\n${diskTable(results)}` : "";
    return `${title}\n\n${markdownTable(heading, rows)}${disk}`;
  });
  return parts.length === 0 ? NOT_MEASURED : parts.join("\n\n");
}

function diskTable(results: Results): string {
  if (results.disk.length === 0) return "The disk's own limit was not measured.";
  const rows = results.disk.map(({ name, filesPerSecond }) => [name, formatNumber(median(filesPerSecond))]);
  return markdownTable(["the disk itself, durable files", "a second"], rows);
}

function ladderTables(results: Results): string {
  const parts = LADDER_LOADS.map((load) => {
    const rungs = summarizeLadder(results.ladder, load);
    if (rungs.length === 0) return "";
    const rows = rungs.map((rung) => {
      const { cpuUs, systemPercent, addedUs, toBunServe, toFloor, timeUs, toOneTarget } = rung;
      const numbers = [cpuUs, systemPercent, addedUs, toBunServe, toFloor, timeUs];
      if (load === "targets") numbers.push(toOneTarget);
      return [labelOf(rung), ...numbers.map(formatNumber)];
    });
    const heading = [LOAD_TITLES[load], "CPU µs", "kernel %", "added µs", "× Bun.serve", "× floor", "time µs"];
    if (load === "targets") heading.push("× one target");
    return markdownTable(heading, rows);
  }).filter((part) => part !== "");
  if (parts.length === 0) return NOT_MEASURED;
  return ["![CPU per request on each rung of the ladder](performance-ladder.svg)", ...parts].join("\n\n");
}

const LOAD_TITLES: Readonly<Record<LadderLoad, string>> = {
  small: "a short head",
  browser: "a browser's head",
  pipelined: "short heads, pipelined by 16",
  "one-target": "one target, from a list of one",
  targets: "2,000 targets in turn",
};

function labelOf({ rung, isReference }: RungSummary): string {
  return isReference || rung === "echo" ? rung : `+ ${rung}`;
}

function microTable(results: Results): string {
  if (results.micro.length === 0) return NOT_MEASURED;
  const rows = results.micro.map(({ name, ns, allocatedBytes, allocatedWithin }) => [
    name,
    formatNumber(median(ns)),
    allocatedBytes === null ? "–" : `${allocatedBytes.toFixed(0)} ± ${Math.ceil(allocatedWithin)}`,
  ]);
  return markdownTable(["", "ns a call", "heap bytes a call"], rows);
}

function startupTable(results: Results): string {
  if (results.startup.length === 0) return NOT_MEASURED;
  const rows = summarizeStarts(results.startup).map(({ row, medianMs, leastMs, toBare }) => [
    row.peer,
    ...(row.invalid === null ? [medianMs, leastMs, toBare].map(formatNumber) : [`invalid: ${row.invalid}`, "", ""]),
    row.until === "line" ? "ready line" : "first accepted connection",
    String(row.ms.length),
  ]);
  return markdownTable(["exec to ready", "ms, median", "least", "× the bare program", "until", "starts"], rows);
}

function idleTable(results: Results): string {
  if (results.idle.length === 0) return NOT_MEASURED;
  const each = (kib: readonly number[], connections: number) => formatNumber((median(kib) * 1024) / connections);
  const rows = results.idle.map(({ peer, connections, opened, served, invalid }) =>
    invalid === null ? [peer, each(opened, connections), each(served, connections)] : [peer, `invalid: ${invalid}`, ""],
  );
  return markdownTable(["bytes of resident memory each, of 10,000", "opened", "after one page"], rows);
}

const NOT_MEASURED = "Not measured in this run.";

function markdownTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = heading.map((_, i) => (i === 0 ? "---" : "---:"));
  return [line(heading), line(rule), ...rows.map(line)].join("\n");
}

// The charts: bars of CPU per request, one group a load; shorter is better.

const WIDTH = 760;
const LABEL_WIDTH = 170;
const VALUE_WIDTH = 190;
const BAR_HEIGHT = 14;
const BAR_STEP = 19;
const GROUP_GAP = 34;
const TOP = 56;

/** Bars longer than this many times ours are cut, with their number beside them: one slow server must not flatten the rest. */
const RATIO_SHOWN_MAX = 4;

interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

function drawChart(results: Results): string {
  const groups = CHARTED.flatMap((name): readonly Group[] => {
    const scenario = results.scenarios.find((one) => one.name === name);
    if (scenario === undefined || scenario.rows.length === 0) return [];
    return [{ title: scenario.title, bars: barsOf(scenario) }];
  });
  const note = `relative to httpserver = 1; of large files per file sent; ${results.date.slice(0, 10)}`;
  return drawGroups("CPU per request of each server, relative to httpserver", note, groups);
}

/** Each group has its own scale: pipelined requests cost a tenth of the others. */
function drawLadderChart(results: Results): string {
  const groups = LADDER_LOADS.flatMap((load): readonly Group[] => {
    const rungs = summarizeLadder(results.ladder, load);
    return rungs.length === 0 ? [] : [{ title: LOAD_TITLES[load], bars: rungBars(rungs) }];
  });
  const note = `microseconds; in colour what a rung adds to the one below; ${results.date.slice(0, 10)}`;
  return drawGroups("CPU per request, from a bare event loop to the whole server", note, groups);
}

function drawGroups(title: string, note: string, groups: readonly Group[]): string {
  const body: string[] = [];
  let y = TOP;
  for (const group of groups) {
    body.push(text(0, y, group.title, "group"));
    y += 10;
    for (const bar of group.bars) {
      body.push(...bar.draw(y));
      y += BAR_STEP;
    }
    y += GROUP_GAP;
  }
  const height = Math.max(y - GROUP_GAP + 12, TOP);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${title}</title>`,
    STYLE,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    text(0, 18, `${title}; shorter is better`, "heading"),
    text(0, 34, note, "note"),
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

/** Colours are readable on both grounds: 4.5 : 1 or better for text. */
const STYLE = `<style>
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .heading { font-size: 16px; font-weight: 600; }
  .group { font-weight: 600; }
  .note { fill: #57606a; }
  .page { fill: #ffffff; }
  .bar { fill: #8c959f; }
  .ours { fill: #0969da; }
  .below { fill: #c2d7ee; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #9198a1; }
    .page { fill: #0d1117; }
    .bar { fill: #6e7681; }
    .ours { fill: #4493f8; }
    .below { fill: #25456e; }
  }
</style>`;

interface Bar {
  draw(y: number): readonly string[];
}

function barsOf(scenario: ScenarioResult): readonly Bar[] {
  const perUnit = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / RATIO_SHOWN_MAX;
  return summarize(scenario).map((row) => ({
    draw(y) {
      const isUsable = row.invalid === null && Number.isFinite(row.cpuToOurs);
      const shown = isUsable ? Math.min(row.cpuToOurs, RATIO_SHOWN_MAX) : 0;
      const width = Math.round(shown * perUnit);
      const value = isUsable ? `${formatNumber(row.cpuToOurs)} × (${formatNumber(row.cpuUs)} µs)` : "does not count";
      const cut = isUsable && row.cpuToOurs > RATIO_SHOWN_MAX ? " →" : "";
      const baseline = y + BAR_HEIGHT - 3;
      return [
        text(LABEL_WIDTH - 8, baseline, row.peer, "label", "end"),
        rectangle(LABEL_WIDTH, y, width, isOurs(row.peer) ? "ours" : "bar"),
        text(LABEL_WIDTH + width + 6, baseline, value + cut, "note"),
      ];
    },
  }));
}

/** A rung is as long as the one below it, in a pale colour, and what it adds. */
function rungBars(rungs: readonly RungSummary[]): readonly Bar[] {
  const most = Math.max(...rungs.map(({ cpuUs }) => cpuUs).filter(Number.isFinite));
  const perUs = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / most;
  return rungs.map((rung) => ({
    draw(y) {
      const { cpuUs, addedUs, isReference, systemPercent } = rung;
      if (!Number.isFinite(cpuUs)) return [];
      const width = Math.round(cpuUs * perUs);
      // A rung that costs no more than the one below, within the accuracy, adds nothing.
      const added = Number.isFinite(addedUs) ? Math.max(0, Math.round(addedUs * perUs)) : width;
      const below = Math.max(0, width - added);
      const baseline = y + BAR_HEIGHT - 3;
      const value = `${formatNumber(cpuUs)} µs, ${formatNumber(systemPercent)} % kernel`;
      return [
        text(LABEL_WIDTH - 8, baseline, labelOf(rung), "label", "end"),
        ...(isReference
          ? [rectangle(LABEL_WIDTH, y, width, "bar")]
          : [rectangle(LABEL_WIDTH, y, below, "below"), rectangle(LABEL_WIDTH + below, y, width - below, "ours")]),
        text(LABEL_WIDTH + width + 6, baseline, value, "note"),
      ];
    },
  }));
}

function rectangle(x: number, y: number, width: number, style: string): string {
  return `<rect class="${style}" x="${x}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>`;
}

function text(x: number, y: number, content: string, style: string, anchor = "start"): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<text class="${style}" x="${x}" y="${y}" text-anchor="${anchor}">${escaped}</text>`;
}

if (import.meta.main) main(); // at the end: the constants above are needed
