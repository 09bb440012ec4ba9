/** Medians and paired ratios of raw results: the one place where they are made, for the terminal and for the document. */
import type { LadderRow, Measurement, Results, ScenarioResult, ScenarioRow } from "./results.ts";
import { median, medianOfRatios } from "./statistics.ts";

/** A row in one line; NaN where there is nothing. */
export interface RowSummary {
  readonly peer: string;
  readonly invalid: string | null;
  /** Answers a second; of large files, MiB a second. */
  readonly rate: number;
  readonly cpuUs: number;
  /** CPU of this server over that of ours, median over rounds. */
  readonly cpuToOurs: number;
  readonly rateToOurs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** The highest of all rounds. */
  readonly peakMiB: number;
}

export const OURS = "httpserver";

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

export interface RungSummary {
  readonly rung: string;
  readonly cpuUs: number;
  /** Time per answer seen from outside, microseconds. */
  readonly timeUs: number;
  /** CPU over that of the rung below, median over rounds; NaN for the first. */
  readonly toBelow: number;
}

export function summarizeLadder(rows: readonly LadderRow[]): readonly RungSummary[] {
  return rows.map((row, i) => ({
    rung: row.rung,
    cpuUs: medianOf(valuesOf(row, (m) => m.cpuUs)),
    timeUs: medianOf(valuesOf(row, (m) => (m.seconds * 1e6) / m.requests)),
    toBelow: medianOfRatios(
      valuesOf(row, (m) => m.cpuUs),
      valuesOf(rows[i - 1], (m) => m.cpuUs),
    ),
  }));
}

function valuesOf(
  row: Pick<ScenarioRow, "rounds"> | undefined,
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
