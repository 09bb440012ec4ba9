/** Runs seeds of threads that share a pool. */
import { type SeedBounds, type SeedResult, trySeeds } from "../seeds.ts";
import { stepPool } from "./step-pool.ts";
import { SeededWorld } from "./world.ts";

/** `change` alters the source of the pool before; left out, the pool is the real one. */
export async function interleave(bounds: SeedBounds, change?: (source: string) => string): Promise<SeedResult> {
  const Pool = await stepPool(change);
  return trySeeds(bounds, (seed, coverage, trace) => new SeededWorld(seed, coverage, trace, Pool));
}
