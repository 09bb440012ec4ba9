/** How many threads serve, and why not as many as were asked for. */
import { expect, test } from "bun:test";
import { type Machine, workerCount } from "../../src/cli/workers.ts";
import { resolveSettings, type Settings } from "../../src/settings/resolve.ts";

const LINUX: Machine = { platform: "linux", processors: 6 };

const cases: readonly [settings: Partial<Settings>, machine: Machine, count: number, line: string | null][] = [
  [{}, LINUX, 1, null],
  [{ workers: 3 }, LINUX, 3, null],
  [{ workers: 0 }, LINUX, 6, null],
  [{ workers: 0 }, { platform: "linux", processors: 1 }, 1, null],
  [{ workers: 0 }, { platform: "linux", processors: 200 }, 64, null],
  [{ workers: 2, fixture: true }, LINUX, 1, "--workers stays 1: --fixture keeps its state in one thread"],
  [{ workers: 0, stubs: "stubs" }, LINUX, 1, "--workers stays 1: --stubs keeps its state in one thread"],
  [
    { workers: 2, record: "rec", proxies: ["/** http://127.0.0.1:3000"] },
    LINUX,
    1,
    "--workers stays 1: --record keeps its state in one thread",
  ],
  [{ workers: 1, fixture: true }, LINUX, 1, null],
  [
    { workers: 2 },
    { platform: "darwin", processors: 8 },
    1,
    "--workers stays 1: only Linux spreads connections over threads",
  ],
  [{ workers: 0 }, { platform: "win32", processors: 1 }, 1, null],
];

for (const [settings, machine, count, line] of cases) {
  test(`${JSON.stringify(settings)} on ${machine.platform} with ${machine.processors} processors is ${count}`, () => {
    const lines: string[] = [];
    expect(workerCount(resolveSettings(settings), machine, (text) => lines.push(text))).toBe(count);
    expect(lines).toEqual(line === null ? [] : [line]);
  });
}
