/** Medians and paired ratios of raw results: the one place where they are made, for the terminal and for the document. */
import type {
  LadderLoad,
  LadderRow,
  Measurement,
  Results,
  ScenarioResult,
  ScenarioRow,
  StartupRow,
} from "./results.ts";
import { median, medianOfRatios } from "./statistics.ts";

/** A row in one line; NaN where there is nothing. */
interface RowSummary {
  readonly peer: string;
  readonly invalid: string | null;
  /** Answers a second; of large files, MiB a second. */
  readonly rate: number;
  readonly cpuUs: number;
  /** The kernel's part of the CPU, percent. */
  readonly systemPercent: number;
  /** CPU of this server over that of ours, median over rounds. */
  readonly cpuToOurs: number;
  readonly rateToOurs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** The highest of all rounds. */
  readonly peakMiB: number;
}

export const OURS = "httpserver";

/** The smallest program that Bun compiles and that listens, among the starts. */
export const BARE = "bare Bun.listen, compiled";

export function summarize(scenario: ScenarioResult): readonly RowSummary[] {
  const ours = scenario.rows.find(({ peer }) => peer === OURS);
  const isLarge = scenario.contentBytes !== null;
  return scenario.rows.map((row) => {
    const cpu = valuesOf(row, (m) => m.cpuUs);
    const rate = valuesOf(row, (m) => rateOf(m, isLarge));
    const peaks = valuesOf(row, (m) => m.peakKiB).filter((kib) => kib !== null);
    return {
      peer: row.peer,
      invalid: row.invalid,
      rate: medianOf(rate),
      cpuUs: medianOf(cpu),
      systemPercent: 100 * medianOf(valuesOf(row, (m) => m.systemShare)),
      cpuToOurs: medianOfRatios(
        cpu,
        valuesOf(ours, (m) => m.cpuUs),
      ),
      rateToOurs: medianOfRatios(
        rate,
        valuesOf(ours, (m) => rateOf(m, isLarge)),
      ),
      p50Us: medianOf(valuesOf(row, (m) => m.p50Us)),
      p99Us: medianOf(valuesOf(row, (m) => m.p99Us)),
      peakMiB: peaks.length === 0 ? Number.NaN : Math.max(...peaks) / 1024,
    };
  });
}

/** What a ratio compares: CPU per answer, or answers (of large files, bytes) a second. */
export type Quantity = "cpu" | "rate";

/**
 * Median over the rounds of one row's value over another's, of the same or of different scenarios. NaN when either is
 * missing or does not count.
 */
export function ratio(
  results: Results,
  quantity: Quantity,
  [scenario, peer]: readonly [string, string],
  [baseScenario, basePeer]: readonly [string, string],
): number {
  return medianOfRatios(
    quantities(results, quantity, scenario, peer),
    quantities(results, quantity, baseScenario, basePeer),
  );
}

/** One value a round; none when the row does not count. */
export function quantities(
  results: Results,
  quantity: Quantity,
  scenario: string,
  peer: string,
): readonly (number | null)[] {
  const result = results.scenarios.find(({ name }) => name === scenario);
  const row = result?.rows.find((one) => one.peer === peer);
  if (result === undefined || row === undefined || row.invalid !== null) return [];
  const isLarge = result.contentBytes !== null;
  return valuesOf(row, (m) => (quantity === "cpu" ? m.cpuUs : rateOf(m, isLarge)));
}

/** A rung, or a server that stands beside the ladder; NaN where there is nothing. */
export interface RungSummary {
  readonly rung: string;
  readonly isReference: boolean;
  readonly cpuUs: number;
  readonly systemPercent: number;
  /** Time per answer seen from outside, microseconds. */
  readonly timeUs: number;
  /** CPU more than on the rung below, microseconds, median over rounds; NaN for the first and for references. */
  readonly addedUs: number;
  /** CPU over that of Bun.serve, and of the floor, median over rounds. */
  readonly toBunServe: number;
  readonly toFloor: number;
  /** CPU over that of the same server with one target, median over rounds; NaN but in the load `targets`. */
  readonly toOneTarget: number;
}

export function summarizeLadder(ladder: readonly LadderRow[], load: LadderLoad): readonly RungSummary[] {
  const rows = ladder.filter((row) => row.load === load);
  const cpuOf = (row: LadderRow | undefined) => valuesOf(row, (m) => m.cpuUs);
  const named = (name: string) => cpuOf(rows.find(({ rung }) => rung === name));
  const floor = load === "targets" || load === "one-target" ? "floor, blocks (C)" : "floor (C)";
  let below: LadderRow | undefined;
  return rows.map((row) => {
    const cpu = cpuOf(row);
    const cpuBelow = row.isReference ? [] : cpuOf(below);
    if (!row.isReference) below = row;
    return {
      rung: row.rung,
      isReference: row.isReference,
      cpuUs: medianOf(cpu),
      systemPercent: 100 * medianOf(valuesOf(row, (m) => m.systemShare)),
      timeUs: medianOf(valuesOf(row, (m) => (m.seconds * 1e6) / m.requests)),
      addedUs: medianOf(cpuBelow.map((value, i) => difference(cpu[i], value))),
      toBunServe: medianOfRatios(cpu, named("Bun.serve")),
      toFloor: medianOfRatios(cpu, named(floor)),
      toOneTarget: load === "targets" ? ladderToOneTarget(ladder, row.rung) : Number.NaN,
    };
  });
}

/** Median over the rounds of one rung's (or reference's) value over another's. NaN when either is missing. */
export function ladderRatio(
  ladder: readonly LadderRow[],
  quantity: Quantity,
  load: LadderLoad,
  rung: string,
  base: string,
): number {
  const valuesFor = (name: string) =>
    valuesOf(
      ladder.find((row) => row.load === load && row.rung === name),
      (m) => (quantity === "cpu" ? m.cpuUs : rateOf(m, false)),
    );
  return medianOfRatios(valuesFor(rung), valuesFor(base));
}

/** CPU of 2,000 targets in turn over that of one, on the same server: median over the rounds. NaN when either is missing. */
export function ladderToOneTarget(ladder: readonly LadderRow[], rung: string): number {
  const cpuOf = (load: LadderLoad) =>
    valuesOf(
      ladder.find((row) => row.load === load && row.rung === rung),
      (m) => m.cpuUs,
    );
  return medianOfRatios(cpuOf("targets"), cpuOf("one-target"));
}

/** How much of their time the measured servers waited for their core: how quiet the machine was. NaN without measurements. */
export function summarizeWaits({ scenarios, ladder }: Results): { readonly median: number; readonly most: number } {
  const rows = [...scenarios.flatMap(({ rows: ofOne }) => ofOne), ...ladder];
  const shares = rows.flatMap((row) => valuesOf(row, (m) => m.waitedShare)).filter((share) => share !== null);
  return { median: median(shares), most: shares.length === 0 ? Number.NaN : Math.max(...shares) };
}

interface StartSummary {
  readonly row: StartupRow;
  readonly medianMs: number;
  readonly leastMs: number;
  /** Over the bare compiled program of the same round, median; NaN without it. */
  readonly toBare: number;
}

export function summarizeStarts(rows: readonly StartupRow[]): readonly StartSummary[] {
  const bare = rows.find(({ peer, invalid }) => peer === BARE && invalid === null);
  return rows.map((row) => ({
    row,
    medianMs: median(row.ms),
    leastMs: row.ms.length === 0 ? Number.NaN : Math.min(...row.ms),
    toBare: medianOfRatios(row.ms, bare?.ms ?? []),
  }));
}

function difference(value: number | null | undefined, base: number | null): number | null {
  return value === null || value === undefined || base === null ? null : value - base;
}

function valuesOf(
  row: Pick<ScenarioRow | LadderRow, "rounds"> | undefined,
  value: (measurement: Measurement) => number | null,
): readonly (number | null)[] {
  return (row?.rounds ?? []).map((measurement) => (measurement === null ? null : value(measurement)));
}

function rateOf({ requests, bytes, seconds }: Measurement, isLarge: boolean): number {
  return isLarge ? bytes / 1024 ** 2 / seconds : requests / seconds;
}

function medianOf(values: readonly (number | null)[]): number {
  return median(values.filter((value) => value !== null));
}
