/** A copy of the tree in which one source file at a time is changed, and test files run. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mutant, mutate, sitesOf } from "./sites.ts";

const TOP = join(import.meta.dir, "..", "..", "..");
const COPIED = [
  "src",
  "test",
  "tools",
  "docs",
  "resources",
  "package.json",
  "bunfig.toml",
  "tsconfig.json",
  "bun.lock",
];

/** Folder with the unchanged source, in the copy. */
const PRISTINE = "pristine";

/** File with the reached blocks of a test run, one a line, in the copy. */
const REACHED = "reached.txt";

/** Without the search for processes that were left behind, a small test file runs in half the time. */
const BUNFIG = '[test]\nroot = "./test"\npreload = ["./preload.ts"]\n';

/** Runs before the tests: collects the blocks that they reach. */
const PRELOAD = `
import { afterAll } from "bun:test";
import { writeFileSync } from "node:fs";
globalThis.__reached = new Set();
afterAll(() => writeFileSync(${JSON.stringify(REACHED)}, [...globalThis.__reached].join("\\n")));
`;

/**
 * Rows of bytes run whole and byte by byte. Cut in two at each place, they take a hundred times as long and find little more. Tests that
 * break the source by themselves see each change of its text, and prove nothing about the change.
 */
const QUICK = "^(?!.*(, cut in two$| are found broken: ))";

/** A change may make an endless loop, or one that collects: both are a way of being noticed. */
const CPU_SECONDS_MIN = 2;
const WALL_MS_MAX = 600_000;
const TEST_MS_MAX = 60_000;
const RESIDENT_BYTES_MAX = 2 * 1024 ** 3;
const PAGE_BYTES = 4096;
const LOOK_MS = 250;

type Verdict = "green" | "red" | "stopped";

interface Run {
  readonly verdict: Verdict;
  readonly cpuSeconds: number;
  readonly output: string;
}

export class Workshop implements Disposable {
  readonly #top = mkdtempSync(join(tmpdir(), "mutants-"));

  constructor() {
    for (const name of COPIED) cpSync(join(TOP, name), join(this.#top, name), { recursive: true });
    cpSync(join(this.#top, "src"), join(this.#top, PRISTINE), { recursive: true });
    symlinkSync(join(TOP, "node_modules"), join(this.#top, "node_modules"));
    writeFileSync(join(this.#top, "preload.ts"), PRELOAD);
    writeFileSync(join(this.#top, "bunfig.toml"), BUNFIG);
    mkdirSync(join(this.#top, "tmp"));
  }

  [Symbol.dispose](): void {
    rmSync(this.#top, { recursive: true, force: true });
  }

  /** Makes every block of some files note that a test has reached it. */
  observe(files: readonly string[]): void {
    for (const file of files) {
      this.#change(file, (text) => {
        const notes = sitesOf(file, text).blocks.map((at, block) => ({ at, note: noteOf(`${file}#${block}`) }));
        // From the end, so that the positions before stay right.
        const noted = notes.reverse().reduce((all, { at, note }) => all.slice(0, at) + note + all.slice(at), text);
        return `${noted}\n${noteOf(`${file}#-1`)}\n`;
      });
    }
  }

  /** Puts files back as they were. */
  restore(files: readonly string[]): void {
    for (const file of files) this.#change(file, (text) => text);
  }

  apply(mutant: Mutant): void {
    this.#change(mutant.file, (text) => mutate(text, mutant));
  }

  /** Blocks that the last run reached. */
  reached(): ReadonlySet<string> {
    return new Set(readFileSync(join(this.#top, REACHED), "utf8").split("\n"));
  }

  /** Runs one test file up to its first failure. The limit of CPU time does not depend on the other work of the machine. */
  async run(test: string, cpuSecondsMax: number): Promise<Run> {
    const seconds = Math.ceil(Math.max(CPU_SECONDS_MIN, cpuSecondsMax));
    const command = `ulimit -t ${seconds}; exec bun test --bail --timeout ${TEST_MS_MAX} -t "${QUICK}" ./${test}`;
    const child = Bun.spawn(["sh", "-c", command], {
      cwd: this.#top,
      // A suite that is stopped at its first red row leaves its site behind; it goes with the copy.
      env: { ...process.env, TMPDIR: join(this.#top, "tmp") },
      stdout: "pipe",
      stderr: "pipe",
      timeout: WALL_MS_MAX,
      killSignal: "SIGKILL",
    });
    const look = setInterval(() => {
      if (residentBytes(child.pid) > RESIDENT_BYTES_MAX) child.kill("SIGKILL");
    }, LOOK_MS);
    const [output] = await Promise.all([new Response(child.stderr).text(), new Response(child.stdout).text()]);
    const code = await child.exited;
    clearInterval(look);
    const cpuSeconds = Number(child.resourceUsage()?.cpuTime.total ?? 0n) / 1e6;
    const isStopped = child.signalCode !== null || output.includes("this test timed out after");
    const verdict = isStopped ? "stopped" : code === 0 ? "green" : "red";
    return { verdict, cpuSeconds, output };
  }

  #change(file: string, change: (text: string) => string): void {
    writeFileSync(join(this.#top, "src", file), change(readFileSync(join(this.#top, PRISTINE, file), "utf8")));
  }
}

function noteOf(block: string): string {
  return `;globalThis.__reached?.add("${block}");`;
}

function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_BYTES;
  } catch {
    return 0; // It has ended.
  }
}
