/**
 * Simulates the pools of several threads over one memory, one world a seed: `bun tools/fuzz/interleave.ts [--seed N] [--count N]
 * [--seconds N]`. With `--seed` alone, that seed, and its events are shown when it fails. Exit code 1 when a rule is broken.
 */
import { interleave } from "./interleaving/run.ts";
import { runSeeds } from "./seeds.ts";

await runSeeds("tools/fuzz/interleave.ts", interleave);
