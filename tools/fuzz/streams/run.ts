/** Simulates worlds with streams alone: `bun tools/fuzz/streams/run.ts [--seed N] [--count N] [--seconds N]`, as tools/fuzz/simulate.ts. */
import { runSeeds, trySeeds } from "../seeds.ts";
import { streamWorld } from "../simulation/run.ts";

await runSeeds("tools/fuzz/streams/run.ts", (bounds) => trySeeds(bounds, streamWorld));
