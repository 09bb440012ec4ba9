/**
 * Draws the newest results: the chart docs/performance.svg, and the tables of docs/performance.md between its markers.
 * Usage: bun bench/draw.ts [file in bench/results]; without a name the newest full run, else the newest of all.
 *
 * The chart is one file for light and dark pages: its colours follow the reader's own setting.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Results, ScenarioResult } from "./support/results.ts";
import { formatNumber, median } from "./support/statistics.ts";
import {
  OURS,
  type Quantity,
  quantities,
  type RungSummary,
  ratio,
  summarize,
  summarizeLadder,
} from "./support/summary.ts";

const FOLDER = join(import.meta.dir, "results");
const DOCUMENT = join(import.meta.dir, "..", "docs", "performance.md");
const CHART = join(import.meta.dir, "..", "docs", "performance.svg");

/** The generated part of the document lies between these lines. */
const BEGIN = "<!-- results: begin, made by bench/draw.ts -->";
const END = "<!-- results: end -->";

/** Scenarios of the chart, from its top. */
const CHARTED = ["page", "browser", "pipelined", "files", "log", "mib", "hundred-mib"];

function main(): void {
  try {
    const name = newestResults(process.argv[2]);
    const results = JSON.parse(readFileSync(join(FOLDER, name), "utf8")) as Results;
    writeFileSync(CHART, drawChart(results));
    const document = readFileSync(DOCUMENT, "utf8");
    writeFileSync(DOCUMENT, replaceBetween(document, describe(results, name)));
    process.stdout.write(`drew bench/results/${name} into docs/performance.md and docs/performance.svg\n`);
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
    throw new Error(`there is no bench/results/${basename(wanted)}`);
  }
  const newest = names.filter((name) => name.endsWith("-full.json")).at(-1) ?? names.at(-1);
  if (newest === undefined) throw new Error("there are no results yet; make some with: bun run bench --full");
  return newest;
}

function replaceBetween(document: string, text: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md has lost its markers ${BEGIN} and ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${document.slice(end)}`;
}

// The document's generated part.

function describe(results: Results, name: string): string {
  const { machine, versions, rounds, seconds, mode, date } = results;
  const facts = [
    `Measured ${date.slice(0, 10)}: ${machine.cpu}, ${machine.cores} cores, ${formatNumber(machine.memoryMiB / 1024)} GiB,`,
    `Linux ${machine.kernel}; ${mode} mode, ${rounds} ${rounds === 1 ? "round" : "rounds"} of ${seconds} s;`,
    `load average before the run ${machine.loadBefore.toFixed(2)}. Raw numbers: \`bench/results/${name}\`.`,
  ].join("\n");
  const software = Object.entries(versions).map(([program, version]) => `${program} ${version}`);
  const parts = [
    "![CPU per request of each server, relative to httpserver](performance.svg)",
    facts,
    `Versions: ${software.join(", ")}.`,
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
}

function targetTable(results: Results): string {
  const rows = targetsOf(results).map(({ text, value, bound, sense, unit }) => {
    const isMet = sense === "most" ? value <= bound : value >= bound;
    const verdict = Number.isFinite(value) ? (isMet ? "met" : "**not met**") : "not measured";
    return [
      text,
      `${sense === "most" ? "≤" : "≥"} ${bound.toLocaleString("en-US")} ${unit}`,
      formatNumber(value),
      verdict,
    ];
  });
  return markdownTable(["target", "bound", "measured", ""], rows);
}

function targetsOf(results: Results): readonly Target[] {
  const compare = (
    text: string,
    quantity: Quantity,
    ours: string,
    base: readonly [scenario: string, peer: string],
    sense: Target["sense"],
    bound: number,
  ): Target => ({ text, value: ratio(results, quantity, [ours, OURS], base), bound, sense, unit: "×" });
  const startup = results.startup.find(({ peer }) => peer === OURS);
  const idle = results.idle.find(({ peer }) => peer === OURS);
  const uploads = median(quantities(results, "rate", "upload", OURS).filter((rate) => rate !== null));
  const disk = Math.max(Number.NEGATIVE_INFINITY, ...results.disk.map(({ filesPerSecond }) => median(filesPerSecond)));
  const pages = (scenario: string, text: string) => [
    compare(`${text}: CPU, to the C loop`, "cpu", scenario, [scenario, "floor (C)"], "most", 1.25),
    compare(`${text}: CPU, to Bun.serve`, "cpu", scenario, [scenario, "Bun.serve"], "most", 1.05),
    compare(`${text}: CPU, to nginx`, "cpu", scenario, [scenario, "nginx"], "most", 0.75),
  ];
  const logged = ["nginx", "nginx, buffered log"];
  return [
    ...pages("page", "1 KiB page"),
    ...pages("browser", "a browser's head"),
    compare("pipelined: rate, to Bun.serve", "rate", "pipelined", ["pipelined", "Bun.serve"], "least", 0.9),
    compare("pipelined: rate, to nginx", "rate", "pipelined", ["pipelined", "nginx"], "least", 20),
    compare("2,000 files in turn: CPU, to the single page", "cpu", "files", ["page", OURS], "most", 1.1),
    compare("1 MiB: throughput, to nginx", "rate", "mib", ["mib", "nginx"], "least", 1.5),
    compare("100 MiB: throughput, to nginx", "rate", "hundred-mib", ["hundred-mib", "nginx"], "least", 1.5),
    {
      text: "highest resident memory in all loads",
      value: peakOfOurs(results),
      bound: 150,
      sense: "most",
      unit: "MiB",
    },
    compare("access log on: rate, to the rate with it off", "rate", "log", ["page", OURS], "least", 0.85),
    ...logged.map((peer) => compare(`access log on: rate, to ${peer}`, "rate", "log", ["log", peer], "least", 1)),
    { text: "durable uploads a second", value: uploads, bound: 5_000, sense: "least", unit: "/s" },
    {
      text: "or: durable uploads, to the disk's own limit",
      value: uploads / disk,
      bound: 0.8,
      sense: "least",
      unit: "×",
    },
    compare("10,000 connections: rate, to 64", "rate", "connections-10000", ["page", OURS], "least", 0.8),
    compare("a folder of 100,000 files: rate, to 10", "rate", "folder-100000", ["folder-10", OURS], "least", 0.95),
    {
      text: "an idle connection that has been served",
      value: idle === undefined ? Number.NaN : (median(idle.served) * 1024) / idle.connections,
      bound: 2048,
      sense: "most",
      unit: "B",
    },
    { text: "exec to ready line", value: median(startup?.ms ?? []), bound: 15, sense: "most", unit: "ms" },
  ];
}

function peakOfOurs(results: Results): number {
  const peaks = results.scenarios.flatMap(({ rows }) =>
    rows.filter(({ peer }) => peer === OURS).flatMap(({ rounds }) => rounds.map((round) => round?.peakKiB ?? 0)),
  );
  return peaks.length === 0 ? Number.NaN : Math.max(...peaks) / 1024;
}

function scenarioTables(results: Results): string {
  const heading = ["", "CPU µs", "CPU × ours", "rate", "rate × ours", "p50 µs", "p99 µs", "peak MiB"];
  const parts = results.scenarios.map((scenario) => {
    const unit = scenario.contentBytes === null ? "answers/s" : "MiB/s";
    const title = `**${scenario.title}** (\`${scenario.name}\`, rate in ${unit})`;
    if (scenario.skipped !== null) return `${title}: skipped, ${scenario.skipped}.`;
    const rows = summarize(scenario).map((row) => {
      if (row.invalid !== null) return [row.peer, `invalid: ${row.invalid}`, "", "", "", "", "", ""];
      const numbers = [row.cpuUs, row.cpuToOurs, row.rate, row.rateToOurs, row.p50Us, row.p99Us, row.peakMiB];
      return [row.peer, ...numbers.map(formatNumber)];
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
  const parts = (["small", "browser"] as const).map((head) => {
    const rungs = summarizeLadder(results.ladder.filter((row) => row.head === head));
    if (rungs.length === 0) return "";
    const name = ({ rung }: RungSummary, i: number) => (i === 0 ? rung : `+ ${rung}`);
    const rows = rungs.map((rung, i) => [
      name(rung, i),
      formatNumber(rung.cpuUs),
      formatNumber(rung.timeUs),
      i === 0 ? "" : formatNumber(rung.toBelow),
    ]);
    return markdownTable(
      [`${head === "small" ? "a small" : "a browser's"} head`, "CPU µs", "time µs", "CPU × below"],
      rows,
    );
  });
  return parts.filter((part) => part !== "").join("\n\n") || NOT_MEASURED;
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
  const rows = results.startup.map(({ peer, until, ms, invalid }) => [
    peer,
    invalid === null ? formatNumber(median(ms)) : `invalid: ${invalid}`,
    until === "line" ? "ready line" : "first accepted connection",
    String(ms.length),
  ]);
  return markdownTable(["exec to ready", "ms, median", "until", "starts"], rows);
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

// The chart: bars of CPU per request, relative to ours, one group a scenario; shorter is better.

const WIDTH = 760;
const LABEL_WIDTH = 150;
const VALUE_WIDTH = 190;
const BAR_HEIGHT = 14;
const BAR_STEP = 19;
const GROUP_GAP = 34;
const TOP = 56;

/** Bars longer than this many times ours are cut, with their number beside them: one slow server must not flatten the rest. */
const RATIO_SHOWN_MAX = 4;

function drawChart(results: Results): string {
  const body: string[] = [];
  let y = TOP;
  for (const name of CHARTED) {
    const scenario = results.scenarios.find((one) => one.name === name);
    if (scenario === undefined || scenario.rows.length === 0) continue;
    body.push(text(0, y, scenario.title, "group"));
    y += 10;
    for (const row of barsOf(scenario)) {
      body.push(...row.draw(y));
      y += BAR_STEP;
    }
    y += GROUP_GAP;
  }
  const height = Math.max(y - GROUP_GAP + 12, TOP);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    "<title>CPU per request of each server, relative to httpserver</title>",
    STYLE,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    text(0, 18, "CPU per request, shorter is better", "heading"),
    text(0, 34, `relative to httpserver = 1; of large files per file sent; ${results.date.slice(0, 10)}`, "note"),
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
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #9198a1; }
    .page { fill: #0d1117; }
    .bar { fill: #6e7681; }
    .ours { fill: #4493f8; }
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
        `<rect class="${row.peer === OURS ? "ours" : "bar"}" x="${LABEL_WIDTH}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>`,
        text(LABEL_WIDTH + width + 6, baseline, value + cut, "note"),
      ];
    },
  }));
}

function text(x: number, y: number, content: string, style: string, anchor = "start"): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<text class="${style}" x="${x}" y="${y}" text-anchor="${anchor}">${escaped}</text>`;
}

if (import.meta.main) main(); // at the end: the constants above are needed
