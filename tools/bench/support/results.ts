/** What a run leaves behind: every raw number, so that medians and ratios can be made again, and no path or name of the machine. */

/** How much is measured, from least to most. */
export const MODES = ["quick", "medium", "full"] as const;
export type Mode = (typeof MODES)[number];

export interface Results {
  /** Raised when a reader of older files would misread newer ones. */
  readonly format: 2;
  /** UTC, `2026-03-15T10:30:15Z`. */
  readonly date: string;
  readonly mode: Mode;
  readonly rounds: number;
  /** Of load in each measurement. */
  readonly seconds: number;
  readonly machine: Machine;
  /** Program or package → version. */
  readonly versions: Readonly<Record<string, string>>;
  /** What could not be measured, and why. */
  readonly notes: string[];
  micro: MicroRow[];
  ladder: LadderRow[];
  scenarios: ScenarioResult[];
  startup: StartupRow[];
  idle: IdleRow[];
  disk: DiskRow[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly kernel: string;
  /** Load average over a minute, when the run began: above 0.3 somebody else was at work. */
  readonly loadBefore: number;
}

export interface MicroRow {
  readonly name: string;
  /** Nanoseconds per call, one a round. */
  readonly ns: readonly number[];
  /** Bytes of JavaScript heap per call; null where the garbage collector came between every time. */
  readonly allocatedBytes: number | null;
  /** The allocation is known to plus or minus this many bytes. */
  readonly allocatedWithin: number;
}

/**
 * Loads of the ladder: a short head, a browser's, the short one sixteen at a time; and, asked of the same servers in the same
 * rounds, one target by a list of one and 2,000 targets in turn.
 */
export const LADDER_LOADS = ["small", "browser", "pipelined", "one-target", "targets"] as const;
export type LadderLoad = (typeof LADDER_LOADS)[number];

export interface LadderRow {
  readonly load: LadderLoad;
  readonly rung: string;
  /** Another server in the same rounds, and no rung. */
  readonly isReference: boolean;
  readonly rounds: Measurement[];
}

/** One server under one load. */
export interface Measurement {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Microseconds of the server's CPU per request; null where the load had too few requests. */
  readonly cpuUs: number | null;
  /** The kernel's part of the server's CPU, 0 to 1, in steps of about 0.01; null where the server spent too little. */
  readonly systemShare: number | null;
  /** Of the time of the measurement, how much the server waited for its core: 0.02 and more tells of other programs' work. */
  readonly waitedShare: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** Peak resident memory since the server's start, KiB. */
  readonly peakKiB: number;
  readonly socketErrors: number;
  readonly statusErrors: number;
}

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  /** Bytes of one answer's content where throughput is what counts, else null. */
  readonly contentBytes: number | null;
  /** Why it was not run, or null. */
  readonly skipped: string | null;
  readonly rows: ScenarioRow[];
}

export interface ScenarioRow {
  /** The server; behind a comma what is different about its load or its settings, where it is there for comparison. */
  readonly peer: string;
  /** One a round; null where that round failed. */
  readonly rounds: (Measurement | null)[];
  /** Why the row does not count, or null: the first wrong answer, socket error or failed start. */
  invalid: string | null;
}

export interface StartupRow {
  readonly peer: string;
  /** What counts as ready: the line it prints, or its first accepted connection. */
  readonly until: "line" | "connection";
  /** In the order of the starts: the same place in another server's list is the same round. */
  readonly ms: readonly number[];
  readonly invalid: string | null;
}

export interface IdleRow {
  readonly peer: string;
  readonly connections: number;
  /** KiB of resident memory that the idle connections added, one a round. */
  readonly opened: number[];
  /** The same after each of them has asked for one page. */
  readonly served: number[];
  invalid: string | null;
}

export interface DiskRow {
  /** How the files were made durable: `1 at a time`, `10 in parallel`, `groups of 64`. */
  readonly name: string;
  /** Durable files a second, one a round. */
  readonly filesPerSecond: number[];
}
