/**
 * Simulates servers with many clients, one world a seed: `bun tools/fuzz/simulate.ts [--seed N] [--count N] [--seconds N]`. Even seeds
 * have streams, odd ones HTTP/1 alone. With `--seed` alone, that seed, and its events are shown when it fails. Exit code 1 when an
 * invariant does not hold.
 */
import { runSeeds, trySeeds } from "./seeds.ts";
import { mixedWorld } from "./simulation/run.ts";

await runSeeds("tools/fuzz/simulate.ts", (bounds) => trySeeds(bounds, mixedWorld));
