/**
 * Habits that keep the tests trustworthy on any machine: they wait for conditions, measure no time, skip in one place with a
 * reason, and leave no process behind. Each rule is tried on a small bad example, so a rule that sees nothing is noticed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../support/binary.ts";
import { linux, needs } from "../support/needs.ts";
import { isRunning } from "../support/processes.ts";

const TOP = join(import.meta.dir, "..", "..");
const TESTS = join(TOP, "test");
const SUPPORT = join(TESTS, "support");

interface Source {
  /** Path below `test/`, with "/". */
  readonly path: string;
  readonly text: string;
}

const sources: readonly Source[] = readdirSync(TESTS, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && path !== "tidy/habits.test.ts")
  .sort()
  .map((path) => ({ path, text: readFileSync(join(TESTS, path), "utf8") }));

type Budget = readonly (readonly [path: string, word: string, uses: number, reason: string])[];

/** The words that wait for a time or measure one, in code as in a script that a test starts. */
const TIMES = /\b(Bun\.sleep|setTimeout|setInterval|performance\.now)\(/g;

/** Every use besides test/support/waiting.ts, with its reason. The counts may only go down. */
const TIME_BUDGET: Budget = [
  ["binary/browser.test.ts", "setTimeout", 1, "runs in the page, and only bounds a wait for its event"],
  ["binary/live.test.ts", "Bun.sleep", 1, "paces a picture for the documentation; tests pass 0"],
  ["binary/starting.test.ts", "setInterval", 1, "keeps a command alive until a signal ends it"],
  ["cli/cli.test.ts", "Bun.sleep", 1, "runs in the pretended server, whose drain waits for a file"],
  ["cli/cli.test.ts", "setInterval", 1, "runs in the pretended server, which logs until it is told to stop"],
  ["conformance/wire.ts", "setTimeout", 1, "bounds a wait"],
  ["containment/swapper.ts", "performance.now", 2, "a race lasts for a time; nothing is asserted of it"],
  ["examples/github-actions.test.ts", "setTimeout", 1, "the runner kills a cancelled step after a time"],
  ["fixture/faults.test.ts", "setInterval", 4, "moves a clock while clients wait; its pace does not matter"],
  ["handlers/listing/listing.test.ts", "setInterval", 1, "counts turns of the event loop"],
  ["handlers/uploads/upload.test.ts", "setInterval", 1, "keeps a process alive until it is killed"],
  ["support/http2-reports.ts", "setTimeout", 1, "runs in a client on Node, and bounds a wait for its stream"],
  ["support/raw-client.ts", "setTimeout", 1, "bounds a wait that its events end"],
  ["support/steady-reader.ts", "setTimeout", 1, "is the pace of a slow reader"],
];

/** Where the machine is asked what it has, and tests are skipped. */
const NEEDS_HOME = "support/needs.ts";

/** Commands of every machine with Node and npm that has a shell; .ci/run installs the others. */
const COMMON_COMMANDS = ["bash", "node", "nohup", "npm", "npx"];

describe("tests wait for conditions and measure no time", () => {
  test("but where the budget gives a reason", () => {
    expect(timeFaults(sources, TIME_BUDGET)).toEqual([]);
  });

  test("a sleep, a timer and a clock in a test are faults, as is a budget that is not used up", () => {
    const uses = (text: string) => timeFaults([{ path: "a.test.ts", text }], []);
    expect(uses("await Bun.sleep(20);")).toEqual(["a.test.ts: Bun.sleep 1 times, 0 are allowed"]);
    expect(uses("setTimeout(call, 1); const a = performance.now();")).toHaveLength(2);
    expect(uses("const script = `setInterval(() => {}, 1000)`;")).toHaveLength(1);
    expect(uses("// Bun.sleep(20) would be too short.\n/** Not performance.now(). */")).toEqual([]);
    const budget = [["a.test.ts", "Bun.sleep", 2, "a reason"]] as const;
    expect(timeFaults([{ path: "a.test.ts", text: "Bun.sleep(1)" }], budget)).toEqual([
      "a.test.ts: Bun.sleep 1 times, 2 are allowed: lower the budget",
    ]);
  });
});

test("waiting for a condition has one home", () => {
  const homes = sources.filter(({ text }) => /\bfunction until\b|\buntil =/.test(text)).map(({ path }) => path);
  expect(homes).toEqual(["support/waiting.ts"]);
});

describe("a test that cannot run here", () => {
  test("is skipped in one place", () => {
    expect(skipFaults(sources)).toEqual([]);
  });

  test("a skip or a look at PATH elsewhere is a fault", () => {
    for (const text of ["test.skip(", "describe.skipIf(x)(", "test.todo(", "test.only(", 'Bun.which("x")']) {
      expect(skipFaults([{ path: "a.test.ts", text }])).toHaveLength(1);
    }
  });

  test("needs no command that .ci/run does not install", () => {
    const script = readFileSync(join(TOP, ".ci", "run"), "utf8");
    const installed = Array.from(script.matchAll(/(?<=^needs=\([^)]*)\b([\w-]+):[\w-]+/gm), ([, name]) => name);
    expect(installed).toContain("curl");
    const needed = sources.flatMap(({ text }) =>
      Array.from(text.matchAll(/\bneeds\(([^)]*)\)/g)).flatMap(([, list = ""]) =>
        Array.from(list.matchAll(/"([^"]+)"/g), ([, name = ""]) => name),
      ),
    );
    expect(needed).toContain("openssl");
    const missing = needed.filter((name) => !installed.includes(name) && !COMMON_COMMANDS.includes(name));
    expect(missing).toEqual([]);
  });
});

describe("the test runner", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "habits-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a test file of its own, with what runs before all of ours. */
  function runTests(text: string, env: Readonly<Record<string, string>> = {}) {
    const file = join(folder, "example.test.ts");
    writeFileSync(file, text);
    return run([process.execPath, "test", "--preload", join(SUPPORT, "leftovers.ts"), file], { cwd: folder, env });
  }

  const NEEDY = `
    import { needs, unless } from ${JSON.stringify(join(SUPPORT, "needs.ts"))};
    needs("no-such-command").describe("a group", () => {
      needs("sh").test("within", () => { throw new Error("ran"); });
    });
    needs("sh", "no-such-command").test("alone", () => { throw new Error("ran"); });
    needs(unless("the moon is full")).test("by night", () => { throw new Error("ran"); });
    needs("sh").test("with all it needs", () => {});
  `;

  test("skips what a machine cannot do, and says why", async () => {
    const { code, stderr } = await runTests(NEEDY, { CI: "" });
    expect(stderr).toContain("(skip) a group (skipped: no-such-command is not installed) > within");
    expect(stderr).toContain("(skip) alone (skipped: no-such-command is not installed)");
    expect(stderr).toContain("(skip) by night (skipped: the moon is full)");
    expect(stderr).toMatch(/ 1 pass\n 3 skip\n 0 fail\n/);
    expect(code).toBe(0);
  });

  test("skips nothing in CI for want of a command", async () => {
    const { code, stderr } = await runTests(NEEDY, { CI: "true" });
    expect(stderr).toContain("no-such-command is not installed; with CI=true nothing is skipped");
    expect(stderr).toMatch(/ 1 pass\n 1 skip\n 2 fail\n/);
    expect(code).toBe(1);
  });

  needs(linux).test("fails for a process that is left behind, names it and ends it", async () => {
    const { code, stderr } = await runTests(
      `import { test } from "bun:test";
      test("starts one whose parent ends", async () => {
        const shell = Bun.spawn(["sh", "-c", "sleep 4711 > /dev/null & echo $!"], { stdout: "pipe" });
        console.error("left behind:", (await shell.stdout.text()).trim());
      });`,
      { LEFTOVERS_END_MS: "100" },
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/the tests left processes behind:\n +\d+ sleep 4711\n/);
    expect(isRunning(Number(/left behind: (\d+)/.exec(stderr)?.[1]))).toBe(false);
  });
});

// Rules ------------------------------------------------------------------------------------------------------------

function timeFaults(modules: readonly Source[], budget: Budget): string[] {
  const faults: string[] = [];
  const allowed = new Map(budget.map(([path, word, uses]) => [`${path}: ${word}`, uses]));
  const found = new Map<string, number>();
  for (const { path, text } of modules) {
    if (path === "support/waiting.ts" || path === "tidy.test.ts") continue;
    for (const [, word] of withoutComments(text).matchAll(TIMES)) {
      const use = `${path}: ${word}`;
      found.set(use, (found.get(use) ?? 0) + 1);
    }
  }
  for (const use of new Set([...found.keys(), ...allowed.keys()])) {
    const [uses = 0, most = 0] = [found.get(use), allowed.get(use)];
    if (uses > most) faults.push(`${use} ${uses} times, ${most} are allowed`);
    if (uses < most) faults.push(`${use} ${uses} times, ${most} are allowed: lower the budget`);
  }
  return faults;
}

function skipFaults(modules: readonly Source[]): string[] {
  const words = /\b(?:test|describe|it)\.(?:skip|skipIf|todo|todoIf|only|if)\(|\bBun\.which\(/;
  return modules
    .filter(({ path, text }) => path !== NEEDS_HOME && words.test(withoutComments(text)))
    .map(({ path, text }) => `${path}: ${words.exec(withoutComments(text))?.[0]}`);
}

/** Lines that are a comment as a whole, and what stands behind code, are left out. Strings stay: scripts are code. */
function withoutComments(text: string): string {
  return text.replace(/^\s*(?:\/\/|\/?\*).*$|(?<=[;{,)]) \/\/ .*$/gm, "");
}
