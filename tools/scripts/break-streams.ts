/**
 * Shows that the simulator finds faults of HTTP/2: each mutation of mutations/streams.ts breaks one rule in a copy of the tree, and a
 * world with streams has to turn red. `bun tools/scripts/break-streams.ts [part of a name] [--seeds N]`; prints the number of seeds until
 * each was found, and exits 1 when one was not, or when a snippet is not found once in its file.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Mutation } from "./mutations/mutation.ts";
import { STREAM_MUTATIONS } from "./mutations/streams.ts";

const TOP = join(import.meta.dir, "..", "..");
const COPIED = ["src", "test/support", "tools/fuzz", "package.json", "tsconfig.json"];

/** Longest time of one mutation, ms: it may make a loop endless, and that is a way of being noticed. */
const RUN_MS_MAX = 120_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seeds: { type: "string", default: "20000" } },
});
const wanted = positionals[0] ?? "";
const chosen = STREAM_MUTATIONS.filter((mutation) => `${mutation.file} ${mutation.name}`.includes(wanted));
const copy = mkdtempSync(join(tmpdir(), "break-"));
let missed = 0;
try {
  for (const name of COPIED) cpSync(join(TOP, name), join(copy, name), { recursive: true });
  symlinkSync(join(TOP, "node_modules"), join(copy, "node_modules"));
  for (const mutation of chosen) tryOut(mutation);
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.stdout.write(`${chosen.length} mutations, ${missed} not found\n`);
if (missed > 0) process.exitCode = 1;

function tryOut({ file, name, original, replacement }: Mutation): void {
  const path = join(copy, "src", file);
  const text = readFileSync(path, "utf8");
  const isOnce = text.split(original).length === 2;
  if (isOnce)
    writeFileSync(
      path,
      text.replace(original, () => replacement),
    );
  const found = isOnce ? simulated() : "its snippet is not found once";
  if (found === "" || !isOnce) missed++;
  process.stdout.write(`${file}: ${name}: ${found === "" ? "NOT FOUND" : found}\n`);
  writeFileSync(path, text);
}

/** Returns the number of seeds until a violation, and the violation; "" if there is none. */
function simulated(): string {
  const { stdout, stderr, exitCode } = Bun.spawnSync(
    ["bun", "tools/fuzz/streams/run.ts", "--seed", "1", "--count", values.seeds],
    { cwd: copy, timeout: RUN_MS_MAX },
  );
  if (exitCode === 0) return "";
  const [, seed, violation] = /^seed (\d+) fails: (.*)$/m.exec(stdout.toString()) ?? [];
  if (seed !== undefined) return `seed ${seed}: ${violation}`;
  return exitCode === null ? "does not come to its end" : `does not run: ${stderr.toString().slice(0, 200)}`;
}
