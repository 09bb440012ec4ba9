/**
 * The compiled program under a name made from everything that goes into it. A build with its trial run takes two seconds of CPU; all
 * processes of a run, and the runs after it, share one until a source changes. It lies beside the packages, where git does not look.
 */
import { createHash } from "node:crypto";
import { mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, commit } from "../../build.ts";
import { isRunning } from "./processes.ts";
import { until } from "./waiting.ts";

const TOP = join(import.meta.dir, "..", "..");
const FOLDER = join(TOP, "node_modules", ".cache", "httpserver");

/** Milliseconds that another process may take for the build. */
const BUILT_MS = 50_000;

/** Programs of earlier sources that are kept: other runs may use them just now. */
const KEPT = 2;

/** Returns an open descriptor of the program, and its path. The descriptor stays usable after the path is removed. */
export async function builtProgram(): Promise<{ readonly path: string; readonly descriptor: number }> {
  mkdirSync(FOLDER, { recursive: true });
  const path = join(FOLDER, digestOfSources());
  await until(() => isThere(path) || takeLock(`${path}.lock`), "the build of another process", BUILT_MS);
  if (!isThere(path)) {
    try {
      // Built beside it, so that a build that is killed leaves no half of a program under the name.
      await build(`${path}.new`);
      renameSync(`${path}.new`, path);
      removeOld(path);
    } finally {
      rmSync(`${path}.lock`, { force: true });
    }
  }
  return { path, descriptor: openSync(path, "r") };
}

function digestOfSources(): string {
  const hash = createHash("sha256").update(`${Bun.version_with_sha} ${commit()}\n`);
  const sources = readdirSync(join(TOP, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.\w+$/.test(name))
    .map((name) => join("src", name));
  for (const name of [...sources.sort(), "build.ts", "package.json", "bun.lock", "tsconfig.json"]) {
    hash.update(`${name}\n`).update(readFileSync(join(TOP, name)));
  }
  return hash.digest("hex");
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Takes the lock, and returns false if a process that still runs holds it. */
function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    const holder = Number(isThere(lock) ? readFileSync(lock, "utf8") : "");
    if (holder > 0 && !isRunning(holder)) rmSync(lock, { force: true });
    return false;
  }
}

function removeOld(path: string): void {
  const programs = readdirSync(FOLDER)
    .filter((name) => /^[0-9a-f]+$/.test(name))
    .map((name) => join(FOLDER, name))
    .filter((other) => other !== path)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const old of programs.slice(KEPT)) rmSync(old, { force: true });
}
