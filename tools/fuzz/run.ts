/**
 * Fuzzes until a bound is reached: `bun tools/fuzz/run.ts [target …] [--seed N] [--count N] [--parts N] [--seconds N]`. Without
 * a target, all of them, each within the bounds; `--parts` counts frames and field blocks. A failure is written to
 * tools/fuzz/regressions/, and makes the exit code 1.
 */
import { parseArgs } from "node:util";
import { fuzz } from "./target.ts";
import { corpusOf, keepRegression, targets } from "./targets.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1000000" },
    parts: { type: "string", default: "Infinity" },
    seconds: { type: "string", default: "60" },
  },
});
const bounds = {
  seed: Number(values.seed),
  count: Number(values.count),
  parts: Number(values.parts),
  seconds: Number(values.seconds),
};
if (Object.values(bounds).some((bound) => !(bound >= 0)))
  fail("--seed, --count, --parts and --seconds take numbers from 0 on");
const unknown = positionals.find((name) => !targets.some((target) => target.name === name));
if (unknown !== undefined) fail(`no target ${unknown}; there are ${targets.map((target) => target.name).join(", ")}`);

for (const target of targets) {
  if (positionals.length > 0 && !positionals.includes(target.name)) continue;
  const start = performance.now();
  const { count, failure } = fuzz(target, corpusOf(target), bounds);
  const seconds = (performance.now() - start) / 1000;
  process.stdout.write(`${target.name}: ${count} inputs in ${seconds.toFixed(1)} s, seed ${bounds.seed}\n`);
  for (const [what, parts] of target.parts?.entries() ?? []) process.stdout.write(`  ${what}: ${parts}\n`);
  if (failure === null) continue;
  process.stdout.write(`  ${failure.sentence}\n  ${JSON.stringify(Buffer.from(failure.input).toString("latin1"))}\n`);
  process.stdout.write(`  kept in ${keepRegression(target, failure)}\n`);
  process.exitCode = 1;
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(2);
}
