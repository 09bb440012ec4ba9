/**
 * Runs before all tests (`bunfig.toml`, `[test] preload`): a test file that leaves a process behind fails, and names it.
 *
 * A process belongs to the tests if it descends from this one, or if it has our mark in its environment. The mark finds a
 * process whose parent was killed. Bun.spawn passes a variable set at run time on only if it is told to.
 */
import { afterAll } from "bun:test";
import { commandOf, descendantsOf, killAll, processesWith } from "./processes.ts";
import { until } from "./waiting.ts";

const MARK = "STARTED_BY_TESTS";
const mark = `${process.pid}-${Date.now()}`;

/** Milliseconds for processes that were told to end, on a busy machine. */
const END_MS = Number(process.env["LEFTOVERS_END_MS"] ?? 10_000);

process.env[MARK] = mark;
for (const name of ["spawn", "spawnSync"] as const) {
  const spawn = Bun[name] as (words: unknown, options?: object) => unknown;
  const marked = (words: unknown, options?: object) =>
    Array.isArray(words)
      ? spawn(words, { env: process.env, ...options })
      : spawn({ env: process.env, ...(words as object) });
  Object.assign(Bun, { [name]: marked });
}

// With --parallel once for each file, otherwise once for all.
afterAll(async () => {
  try {
    await until(() => leftovers().length === 0, "the processes that the tests started to end", END_MS);
  } catch {
    const left = leftovers();
    const lines = left.map((pid) => `  ${pid} ${commandOf(pid)}`);
    killAll(left);
    if (left.length > 0) throw new Error(`the tests left processes behind:\n${lines.join("\n")}`);
  }
}, 2 * END_MS);

function leftovers(): number[] {
  const marked = processesWith(MARK, mark).filter((pid) => pid !== process.pid);
  return [...new Set([...descendantsOf(process.pid), ...marked])];
}
