/**
 * Simulates the pools of several threads over one memory, one world per seed: `bun tools/fuzz/interleave.ts [--seed N] [--count N]
 * [--seconds N]`. With `--seed` alone, that seed, and its events are shown when it fails. Exit code 1 when a rule is broken.
 */
import { parseArgs } from "node:util";
import { interleave } from "./interleaving/run.ts";

/** Events shown of a seed that failed, those before the violation. */
const EVENTS_SHOWN = 80;

const { values } = parseArgs({
  options: { seed: { type: "string" }, count: { type: "string" }, seconds: { type: "string" } },
});
const isReplay = values.seed !== undefined && values.count === undefined && values.seconds === undefined;
const bounds = {
  seed: Number(values.seed ?? 1),
  count: isReplay ? 1 : Number(values.count ?? Number.MAX_SAFE_INTEGER),
  seconds: Number(values.seconds ?? (values.count === undefined ? 60 : Number.MAX_SAFE_INTEGER)),
};
if (Object.values(bounds).some((bound) => !(bound >= 0))) {
  process.stderr.write("--seed, --count and --seconds take numbers from 0 on\n");
  process.exit(2);
}

const start = performance.now();
const { seeds, steps, coverage, failure } = await interleave(bounds);
const seconds = (performance.now() - start) / 1000;
process.stdout.write(
  `${seeds} seeds from ${bounds.seed} on in ${seconds.toFixed(1)} s (${Math.round(seeds / seconds)}/s), ${steps} steps\n`,
);
for (const [what, count] of coverage.entries()) process.stdout.write(`  ${what}: ${count}\n`);
if (failure !== null) {
  const shown = failure.trace.slice(-EVENTS_SHOWN).map((line) => `  ${line}\n`);
  process.stdout.write(`seed ${failure.seed} fails: ${failure.violation}\n${shown.join("")}`);
  process.stdout.write(`replay: bun tools/fuzz/interleave.ts --seed ${failure.seed}\n`);
  process.exitCode = 1;
}
