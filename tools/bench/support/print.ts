/** Results as tables for a terminal. */
import {
  type DiskRow,
  type IdleRow,
  LADDER_LOADS,
  type LadderRow,
  type MicroRow,
  type ScenarioResult,
  type StartupRow,
} from "./results.ts";
import { formatNumber, formatTable, median } from "./statistics.ts";
import { summarize, summarizeLadder, summarizeStarts } from "./summary.ts";

export function printMicro(rows: readonly MicroRow[]): string {
  const cells = rows.map(({ name, ns, allocatedBytes, allocatedWithin }) => {
    const allocated = allocatedBytes === null ? "–" : `${allocatedBytes.toFixed(0)} ±${Math.ceil(allocatedWithin)}`;
    return [name, formatNumber(median(ns)), allocated];
  });
  return `micro\n${formatTable([["", "ns a call", "heap bytes a call"], ...cells])}`;
}

export function printLadder(rows: readonly LadderRow[]): string {
  const heading = ["", "CPU µs", "kernel %", "added µs", "× Bun.serve", "× floor", "time µs", "× one target"];
  const parts = LADDER_LOADS.map((load) => {
    const rungs = summarizeLadder(rows, load);
    if (rungs.length === 0) return "";
    const cells = rungs.map(({ rung, cpuUs, systemPercent, addedUs, toBunServe, toFloor, timeUs, toOneTarget }) => [
      rung,
      ...[cpuUs, systemPercent, addedUs, toBunServe, toFloor, timeUs, toOneTarget].map(formatNumber),
    ]);
    return `ladder, ${load}\n${formatTable([heading, ...cells])}`;
  });
  return parts.filter((part) => part !== "").join("\n\n");
}

export function printScenario(scenario: ScenarioResult, disk: readonly DiskRow[]): string {
  const unit = scenario.contentBytes === null ? "answers/s" : "MiB/s";
  const cells = summarize(scenario).map((row) => {
    if (row.invalid !== null) return [row.peer, `invalid: ${row.invalid}`];
    const times = [row.p50Us, row.p99Us].map(formatNumber);
    return [
      row.peer,
      ...[row.cpuUs, row.systemPercent, row.cpuToOurs, row.rate, row.rateToOurs].map(formatNumber),
      ...times,
      formatNumber(row.peakMiB),
    ];
  });
  const heading = ["", "CPU µs", "kernel %", "× ours", unit, "× ours", "p50 µs", "p99 µs", "peak MiB"];
  const table = `${scenario.name}: ${scenario.title}\n${formatTable([heading, ...cells.filter((row) => row.length > 2)])}`;
  const faults = cells.filter((row) => row.length === 2).map((row) => `  ${row.join("  ")}`);
  const limits = disk.map(({ name, filesPerSecond }) => [
    `the disk itself, ${name}`,
    `${formatNumber(median(filesPerSecond))} files/s`,
  ]);
  return [table, ...faults, ...(limits.length > 0 ? [formatTable(limits)] : [])].join("\n");
}

export function printStartup(rows: readonly StartupRow[]): string {
  const cells = summarizeStarts(rows).map(({ row, medianMs, leastMs, toBare }) =>
    row.invalid === null
      ? [row.peer, formatNumber(medianMs), formatNumber(leastMs), formatNumber(toBare), row.until]
      : [row.peer, `invalid: ${row.invalid}`],
  );
  const heading = ["", "ms, median", "least", "× bare", "until its"];
  return `startup, exec to ready\n${formatTable([heading, ...cells])}`;
}

export function printIdle(rows: readonly IdleRow[]): string {
  const each = (kib: readonly number[], connections: number) => `${formatNumber((median(kib) * 1024) / connections)} B`;
  const cells = rows.map(({ peer, connections, opened, served, invalid }) =>
    invalid === null ? [peer, each(opened, connections), each(served, connections)] : [peer, "invalid", invalid],
  );
  return `idle, resident memory a connection\n${formatTable([["", "opened", "after a page"], ...cells])}`;
}
