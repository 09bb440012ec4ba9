/** Results as tables for a terminal. */
import type { DiskRow, IdleRow, LadderRow, MicroRow, ScenarioResult, StartupRow } from "./results.ts";
import { formatNumber, formatTable, median } from "./statistics.ts";
import { summarize, summarizeLadder } from "./summary.ts";

export function printMicro(rows: readonly MicroRow[]): string {
  const cells = rows.map(({ name, ns, allocatedBytes, allocatedWithin }) => {
    const allocated = allocatedBytes === null ? "–" : `${allocatedBytes.toFixed(0)} ±${Math.ceil(allocatedWithin)}`;
    return [name, formatNumber(median(ns)), allocated];
  });
  return `micro\n${formatTable([["", "ns a call", "heap bytes a call"], ...cells])}`;
}

export function printLadder(rows: readonly LadderRow[]): string {
  const parts = (["small", "browser"] as const).map((head) => {
    const rungs = summarizeLadder(rows.filter((row) => row.head === head));
    if (rungs.length === 0) return "";
    const cells = rungs.map(({ rung, cpuUs, timeUs, toBelow }, i) => [
      i === 0 ? rung : `+ ${rung}`,
      formatNumber(cpuUs),
      formatNumber(timeUs),
      i === 0 ? "" : formatNumber(toBelow),
    ]);
    return `ladder, ${head} head\n${formatTable([["", "CPU µs", "time µs", "× below"], ...cells])}`;
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
      ...[row.cpuUs, row.cpuToOurs, row.rate, row.rateToOurs].map(formatNumber),
      ...times,
      formatNumber(row.peakMiB),
    ];
  });
  const heading = ["", "CPU µs", "× ours", unit, "× ours", "p50 µs", "p99 µs", "peak MiB"];
  const table = `${scenario.name}: ${scenario.title}\n${formatTable([heading, ...cells.filter((row) => row.length > 2)])}`;
  const faults = cells.filter((row) => row.length === 2).map((row) => `  ${row.join("  ")}`);
  const limits = disk.map(({ name, filesPerSecond }) => [
    `the disk itself, ${name}`,
    `${formatNumber(median(filesPerSecond))} files/s`,
  ]);
  return [table, ...faults, ...(limits.length > 0 ? [formatTable(limits)] : [])].join("\n");
}

export function printStartup(rows: readonly StartupRow[]): string {
  const cells = rows.map(({ peer, until, ms, invalid }) => [peer, invalid ?? `${formatNumber(median(ms))} ms`, until]);
  return `startup, exec to ready\n${formatTable([["", "median", "until its"], ...cells])}`;
}

export function printIdle(rows: readonly IdleRow[]): string {
  const each = (kib: readonly number[], connections: number) => `${formatNumber((median(kib) * 1024) / connections)} B`;
  const cells = rows.map(({ peer, connections, opened, served, invalid }) =>
    invalid === null ? [peer, each(opened, connections), each(served, connections)] : [peer, "invalid", invalid],
  );
  return `idle, resident memory a connection\n${formatTable([["", "opened", "after a page"], ...cells])}`;
}
