/** Runs seeds one after the other, and tells of the first that fails what led to it. */
import { Coverage } from "../simulation/coverage.ts";
import { type StepPoolClass, stepPool } from "./step-pool.ts";
import { SeededWorld } from "./world.ts";

export interface InterleavingBounds {
  /** The first seed; the others follow it. */
  readonly seed: number;
  /** Seeds; the run ends with the first bound that is reached. */
  readonly count: number;
  readonly seconds: number;
}

export interface InterleavingFailure {
  readonly seed: number;
  /** The rule that was broken. */
  readonly violation: string;
  /** Every event of that seed, in order. */
  readonly trace: readonly string[];
}

export interface InterleavingResult {
  readonly seeds: number;
  readonly steps: number;
  readonly coverage: Coverage;
  readonly failure: InterleavingFailure | null;
}

/** `change` alters the source of the pool before; left out, the pool is the real one. */
export async function interleave(
  bounds: InterleavingBounds,
  change?: (source: string) => string,
): Promise<InterleavingResult> {
  const Pool = await stepPool(change);
  const coverage = new Coverage();
  const deadline = performance.now() + bounds.seconds * 1000;
  let seeds = 0;
  let steps = 0;
  for (; seeds < bounds.count; seeds++) {
    if (performance.now() > deadline) break;
    const seed = bounds.seed + seeds;
    const world = new SeededWorld(seed, coverage, null, Pool);
    const violation = judged(world);
    steps += world.steps;
    if (violation !== "") return { seeds, steps, coverage, failure: replay(seed, Pool) };
  }
  return { seeds, steps, coverage, failure: null };
}

/** The same seed once more, with its events written down. */
function replay(seed: number, Pool: StepPoolClass): InterleavingFailure {
  const trace: string[] = [];
  const violation = judged(new SeededWorld(seed, new Coverage(), trace, Pool));
  return { seed, violation: violation === "" ? "not violated when it was replayed" : violation, trace };
}

function judged(world: SeededWorld): string {
  try {
    return world.run();
  } catch (error) {
    return `throws ${error instanceof Error ? error.stack : error}`;
  }
}
