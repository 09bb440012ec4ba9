/**
 * Runs before all tests (`bunfig.toml`, `[test] preload`): makes a plain `bun test` work on a fresh clone.
 *
 * Without `node_modules` it installs what the lockfile pins. This process has already remembered that the folder is
 * missing, and would go on not finding a package; so the same command runs once more in a new process, whose exit
 * code becomes ours.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const top = join(import.meta.dir, "..", "..");

if (!existsSync(join(top, "node_modules"))) {
  const installed = await run(["install", "--frozen-lockfile"]);
  process.exit(installed === 0 ? await run(commandArguments()) : installed);
}

/** Runs this Bun with `words`, its output going where ours goes; resolves to its exit code. */
async function run(words: readonly string[]): Promise<number> {
  const child = Bun.spawn([process.execPath, ...words], {
    cwd: top,
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  return await child.exited;
}

/** The words after `bun`, which the test runner does not pass on; where the system does not tell them, all tests run. */
function commandArguments(): readonly string[] {
  const path = "/proc/self/cmdline";
  if (!existsSync(path)) return ["test"];
  return readFileSync(path, "utf8").split("\0").slice(1, -1);
}
