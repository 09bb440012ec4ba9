/**
 * Shows that the conformance rows guard the rules: each mutation below weakens one rule in a copy of the tree, and at least one
 * row of the parser or the machine floor has to turn red, or one of the tables about proxies. `bun tools/scripts/mutate.ts [part of a name]`; prints the survivors,
 * exits 1 when there are any or when a snippet is not found once in its file.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MEANING_MUTATIONS } from "./mutations/meaning.ts";
import type { Mutation } from "./mutations/mutation.ts";
import { PROXY_MUTATIONS } from "./mutations/proxies.ts";
import { WIRE_MUTATIONS } from "./mutations/wire.ts";

const TOP = join(import.meta.dir, "..", "..");
const COPIED = ["src", "test", "tools", "docs", "package.json", "bunfig.toml", "tsconfig.json", "bun.lock"];
const SUITES = [
  "test/http/forwarded.test.ts",
  "test/http/network.test.ts",
  "test/http/proxy-header.test.ts",
  "test/conformance/forwarded.test.ts",
  "test/conformance/parser.test.ts",
  "test/conformance/machine.test.ts",
];

/** Longest time of one suite, ms: a mutation may make a loop endless, and that is a way of being noticed. */
const SUITE_MS_MAX = 60_000;

const MUTATIONS: readonly Mutation[] = [...WIRE_MUTATIONS, ...MEANING_MUTATIONS, ...PROXY_MUTATIONS];

const wanted = process.argv[2] ?? "";
const chosen = MUTATIONS.filter((mutation) => `${mutation.file} ${mutation.name}`.includes(wanted));
const copy = mkdtempSync(join(tmpdir(), "mutate-"));
const survivors: string[] = [];
const stale: string[] = [];
try {
  for (const name of COPIED) cpSync(join(TOP, name), join(copy, name), { recursive: true });
  symlinkSync(join(TOP, "node_modules"), join(copy, "node_modules"));
  if (!isGreen()) throw new Error("the suites are red without a mutation");
  for (const mutation of chosen) tryOut(mutation);
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.stdout.write(`${chosen.length} mutations, ${survivors.length} survived, ${stale.length} not found\n`);
for (const name of survivors) process.stdout.write(`  survived: ${name}\n`);
for (const name of stale) process.stdout.write(`  not found once: ${name}\n`);
if (survivors.length + stale.length > 0) process.exitCode = 1;

function tryOut({ file, name, original, replacement }: Mutation): void {
  const path = join(copy, "src", file);
  const text = readFileSync(path, "utf8");
  if (text.split(original).length !== 2) {
    stale.push(`${file}: ${name}`);
    return;
  }
  writeFileSync(
    path,
    text.replace(original, () => replacement),
  );
  if (isGreen()) survivors.push(`${file}: ${name}`);
  writeFileSync(path, text);
}

/** Every suite is green; the first that is not decides. */
function isGreen(): boolean {
  return SUITES.every((suite) => {
    const { exitCode } = Bun.spawnSync(["bun", "test", "--bail", suite], {
      cwd: copy,
      // A suite that is stopped at its first red row leaves its site behind; it goes with the copy.
      env: { ...process.env, TMPDIR: copy },
      stdout: "ignore",
      stderr: "ignore",
      timeout: SUITE_MS_MAX,
    });
    return exitCode === 0;
  });
}
