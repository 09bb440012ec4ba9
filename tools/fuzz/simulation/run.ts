/** Runs seeds one after the other, and tells of the first that fails what led to it. */
import { Coverage } from "./coverage.ts";
import { type Spoil, World } from "./world.ts";

export interface SimulationBounds {
  /** The first seed; the others follow it. */
  readonly seed: number;
  /** Seeds; the run ends with the first bound that is reached. */
  readonly count: number;
  readonly seconds: number;
}

export interface SimulationFailure {
  readonly seed: number;
  /** The invariant that does not hold. */
  readonly violation: string;
  /** Every event of that seed, in order. */
  readonly trace: readonly string[];
}

export interface SimulationResult {
  readonly seeds: number;
  readonly events: number;
  readonly coverage: Coverage;
  readonly failure: SimulationFailure | null;
}

/** `spoil` changes each server before it begins; left out, the server is the real one. */
export async function simulate(
  bounds: SimulationBounds,
  spoil: Spoil = (context) => context,
): Promise<SimulationResult> {
  const coverage = new Coverage();
  const deadline = performance.now() + bounds.seconds * 1000;
  let seeds = 0;
  let events = 0;
  for (; seeds < bounds.count; seeds++) {
    if (performance.now() > deadline) break;
    const seed = bounds.seed + seeds;
    const world = new World(seed, coverage, null, spoil);
    const violation = await judged(world);
    events += world.events;
    if (violation !== "") return { seeds, events, coverage, failure: await replay(seed, spoil) };
  }
  return { seeds, events, coverage, failure: null };
}

/** The same seed once more, with its events written down. */
export async function replay(seed: number, spoil: Spoil = (context) => context): Promise<SimulationFailure> {
  const trace: string[] = [];
  const violation = await judged(new World(seed, new Coverage(), trace, spoil));
  return { seed, violation: violation === "" ? "not violated when it was replayed" : violation, trace };
}

/** A throw that reaches the server is a violation too. */
async function judged(world: World): Promise<string> {
  try {
    return await world.run();
  } catch (error) {
    return `throws ${error instanceof Error ? error.stack : error}`;
  }
}
