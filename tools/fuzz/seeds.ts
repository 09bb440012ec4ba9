/**
 * Runs worlds that a seed decides, one after the other, and tells of the first that fails what led to it. Tools that do so have one
 * command line: `[--seed N] [--count N] [--seconds N]`.
 */
import { parseArgs } from "node:util";
import { Coverage } from "./simulation/coverage.ts";

/** Events shown of a seed that failed, those before the violation. */
const EVENTS_SHOWN = 80;

export interface SeedBounds {
  /** The first seed; the others follow it. */
  readonly seed: number;
  /** Seeds; the run ends with the first bound that is reached. */
  readonly count: number;
  readonly seconds: number;
}

interface SeedFailure {
  readonly seed: number;
  /** The rule that does not hold. */
  readonly violation: string;
  /** Every event of that seed, in order. */
  readonly trace: readonly string[];
}

export interface SeedResult {
  readonly seeds: number;
  /** Events of all seeds. */
  readonly events: number;
  readonly coverage: Coverage;
  readonly failure: SeedFailure | null;
}

interface SeededWorld {
  /** Events so far. */
  readonly events: number;
  /** Returns the rule that does not hold, or "". */
  run(): string | Promise<string>;
}

/** Makes the world of a seed. `trace` takes its events, if it is not null: texts cost more than the events themselves. */
export type MakeWorld = (seed: number, coverage: Coverage, trace: string[] | null) => SeededWorld;

export async function trySeeds(bounds: SeedBounds, make: MakeWorld): Promise<SeedResult> {
  const coverage = new Coverage();
  const deadline = performance.now() + bounds.seconds * 1000;
  let seeds = 0;
  let events = 0;
  for (; seeds < bounds.count; seeds++) {
    if (performance.now() > deadline) break;
    const seed = bounds.seed + seeds;
    const world = make(seed, coverage, null);
    const violation = await judged(world);
    events += world.events;
    if (violation !== "") return { seeds, events, coverage, failure: await replay(seed, make) };
  }
  return { seeds, events, coverage, failure: null };
}

/** Runs a seed with its events written down. */
export async function replay(seed: number, make: MakeWorld): Promise<SeedFailure> {
  const trace: string[] = [];
  const violation = await judged(make(seed, new Coverage(), trace));
  return { seed, violation: violation === "" ? "not violated when it was replayed" : violation, trace };
}

/** A throw that reaches the world is a violation too. */
async function judged(world: SeededWorld): Promise<string> {
  try {
    return await world.run();
  } catch (error) {
    return `throws ${error instanceof Error ? error.stack : error}`;
  }
}

/** Runs the seeds that the command line names, 60 seconds without a bound, and prints the result. `file` is the tool, for a replay. */
export async function runSeeds(file: string, run: (bounds: SeedBounds) => Promise<SeedResult>): Promise<void> {
  const start = performance.now();
  const bounds = parseBounds();
  const { seeds, events, coverage, failure } = await run(bounds);
  const seconds = (performance.now() - start) / 1000;
  const rate = Math.round(seeds / seconds);
  print(`${seeds} seeds from ${bounds.seed} on in ${seconds.toFixed(1)} s (${rate}/s), ${events} events`);
  for (const [what, count] of coverage.entries()) print(`  ${what}: ${count}`);
  if (failure === null) return;
  print(`seed ${failure.seed} fails: ${failure.violation}`);
  for (const line of failure.trace.slice(-EVENTS_SHOWN)) print(`  ${line}`);
  print(`replay: bun ${file} --seed ${failure.seed}`);
  process.exitCode = 1;
}

/** With `--seed` alone, that seed. */
function parseBounds(): SeedBounds {
  const { values } = parseArgs({
    options: { seed: { type: "string" }, count: { type: "string" }, seconds: { type: "string" } },
  });
  const isReplay = values.seed !== undefined && values.count === undefined && values.seconds === undefined;
  const bounds = {
    seed: Number(values.seed ?? 1),
    count: isReplay ? 1 : Number(values.count ?? Number.MAX_SAFE_INTEGER),
    seconds: Number(values.seconds ?? (values.count === undefined ? 60 : Number.MAX_SAFE_INTEGER)),
  };
  if (Object.values(bounds).every((bound) => bound >= 0)) return bounds;
  process.stderr.write("--seed, --count and --seconds take numbers from 0 on\n");
  process.exit(2);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
