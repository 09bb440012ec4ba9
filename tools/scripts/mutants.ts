/**
 * Shows that the tests of four folders can fail: draws small changes of their source by a seed, and runs the tests that reach each change,
 * first those that mirror its file. A change that no test notices is a survivor. Without `--count`, 1,000 are drawn.
 *
 *     bun tools/scripts/mutants.ts --seed 1 --count 1000 [--only http1/outbox] [--seconds 600] [--jobs 2] [--score 85] [--list]
 *
 * `--only` keeps those of the drawn mutants whose place begins so. After `--seconds` no further one is tried. The exit code is 1 if a
 * folder has a lower score than `--score`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { draw } from "./mutants/draw.ts";
import { EQUIVALENTS } from "./mutants/equivalents.ts";
import { type Mutant, sitesOf } from "./mutants/sites.ts";
import { FOLDERS, type Folder, folderOf, isMirror, suitesOf } from "./mutants/suites.ts";
import { Workshop } from "./mutants/workshop.ts";

const SOURCE = join(import.meta.dir, "..", "..", "src");

/** CPU time of a changed run, in times of the unchanged one. */
const SLOWDOWN_MAX = 3;

/** Longest CPU time of an unchanged test file, in seconds. */
const UNCHANGED_SECONDS_MAX = 120;

/** Mutants between two lines of progress. */
const PROGRESS_STEP = 50;

type Outcome = "killed" | "stopped" | "survived" | "equivalent";

interface Suite {
  readonly test: string;
  readonly cpuSeconds: number;
  readonly reached: ReadonlySet<string>;
}

const USAGE =
  "bun tools/scripts/mutants.ts [--seed 1] [--count 1000] [--only http1/outbox] [--seconds 600] [--jobs 2] [--score 85] [--list]";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1000" },
    only: { type: "string", multiple: true, default: [] },
    seconds: { type: "string", default: "Infinity" },
    jobs: { type: "string", default: "1" },
    score: { type: "string", default: "85" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const endMs = performance.now() + Number(values.seconds) * 1000;

const outcomes = new Map<Mutant, Outcome>();
/** Runs of a test file with a source file changed, and how many of them were red. */
const history = new Map<string, { runs: number; kills: number }>();

const all = FOLDERS.map((folder) => mutantsOf(folder));
const drawn = draw(all, Number(values.seed), Number(values.count)).filter(
  ({ file, line }) => values.only.length === 0 || values.only.some((start) => `${file}:${line}`.startsWith(start)),
);
if (values.help) say(USAGE);
else if (values.list) for (const mutant of drawn) say(describe(mutant));
else await tryAll();

function mutantsOf(folder: Folder): Mutant[] {
  const names = readdirSync(join(SOURCE, folder)).filter((name) => name.endsWith(".ts"));
  return names
    .sort()
    .flatMap((name) => sitesOf(`${folder}/${name}`, readFileSync(join(SOURCE, folder, name), "utf8")).mutants);
}

async function tryAll(): Promise<void> {
  const workshops = Array.from({ length: Number(values.jobs) }, () => new Workshop());
  try {
    const files = [...new Set(drawn.map(({ file }) => file))];
    const tests = [...new Set(files.map(suitesOf).flatMap(({ own, further }) => [...own, ...further]))];
    const suites = new Map<string, Suite>();
    for (const workshop of workshops) workshop.observe(files);
    await share(workshops, tests, async (workshop, test) => suites.set(test, await measure(workshop, test)));
    for (const workshop of workshops) workshop.restore(files);
    say(
      `${tests.length} test files in ${[...suites.values()].reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0).toFixed(0)} s of CPU time`,
    );
    await share(workshops, drawn, (workshop, mutant) => tryOut(workshop, mutant, suites));
  } finally {
    for (const workshop of workshops) workshop[Symbol.dispose]();
  }
  report();
}

/** Gives the items one by one to the workers that are free. */
async function share<Item>(
  workshops: readonly Workshop[],
  items: readonly Item[],
  work: (workshop: Workshop, item: Item) => Promise<unknown>,
): Promise<void> {
  const left = items.values();
  await Promise.all(
    workshops.map(async (workshop) => {
      for (const item of left) if (performance.now() < endMs) await work(workshop, item);
    }),
  );
}

async function measure(workshop: Workshop, test: string): Promise<Suite> {
  const { verdict, cpuSeconds, output } = await workshop.run(test, UNCHANGED_SECONDS_MAX);
  if (verdict !== "green") throw new Error(`${test} is ${verdict} without a change:\n${output}`);
  return { test, cpuSeconds, reached: workshop.reached() };
}

async function tryOut(workshop: Workshop, mutant: Mutant, suites: ReadonlyMap<string, Suite>): Promise<void> {
  if (isEquivalent(mutant)) {
    outcomes.set(mutant, "equivalent");
    return;
  }
  const reaching = reachingOf(mutant, suites);
  workshop.apply(mutant);
  let outcome: Outcome = "survived";
  for (const { test, cpuSeconds } of reaching) {
    const { verdict } = await workshop.run(test, SLOWDOWN_MAX * cpuSeconds);
    const { runs, kills } = historyOf(test, mutant);
    history.set(keyOf(test, mutant), { runs: runs + 1, kills: kills + (verdict === "green" ? 0 : 1) });
    if (verdict === "green") continue;
    outcome = verdict === "red" ? "killed" : "stopped";
    break;
  }
  workshop.restore([mutant.file]);
  outcomes.set(mutant, outcome);
  if (outcomes.size % PROGRESS_STEP === 0) say(`${outcomes.size} of ${drawn.length}`);
  if (outcome === "survived") say(`${describe(mutant)}${reaching.length === 0 ? "  (no test comes here)" : ""}`);
}

/** Returns the test files that come to the block of a mutant: those of its folder, then those of other folders, the best of each first. */
function reachingOf(mutant: Mutant, suites: ReadonlyMap<string, Suite>): Suite[] {
  const reach = (tests: readonly string[]) =>
    tests.flatMap((test) => {
      const suite = suites.get(test);
      return suite?.reached.has(`${mutant.file}#${mutant.block}`) ? [suite] : [];
    });
  const { own, further } = suitesOf(mutant.file);
  return [own, further].flatMap((tests) => reach(tests).sort((a, b) => worth(b, mutant) - worth(a, mutant)));
}

/** Kills that a second of this test file promises. */
function worth({ test, cpuSeconds }: Suite, mutant: Mutant): number {
  const { runs, kills } = historyOf(test, mutant);
  const first = isMirror(test, mutant.file) ? 3 : 0;
  return (kills + first + 0.2) / (runs + first + 1) / (cpuSeconds + 0.05);
}

function historyOf(test: string, mutant: Mutant): { runs: number; kills: number } {
  return history.get(keyOf(test, mutant)) ?? { runs: 0, kills: 0 };
}

function keyOf(test: string, { file }: Mutant): string {
  return `${test} ${file}`;
}

function isEquivalent({ file, before, after }: Mutant): boolean {
  return EQUIVALENTS.some((one) => one.file === file && one.before === before && one.after === after);
}

function describe({ file, line, before, after }: Mutant): string {
  return `src/${file}:${line}  ${before}  →  ${after}`;
}

function report(): void {
  say(`seed ${values.seed}, ${outcomes.size} of ${drawn.length} drawn mutants, of ${all.flat().length} mutants`);
  for (const folder of FOLDERS) {
    const own = [...outcomes].filter(([{ file }]) => folderOf(file) === folder).map(([, outcome]) => outcome);
    const count = (wanted: Outcome) => own.filter((outcome) => outcome === wanted).length;
    const score = (100 * (count("killed") + count("stopped"))) / (own.length - count("equivalent"));
    if (own.length === 0) continue;
    say(
      `${folder}: ${score.toFixed(1)} % of ${own.length}: ${count("killed")} killed, ${count("stopped")} stopped (endless, or waited for ever), ` +
        `${count("survived")} survived, ${count("equivalent")} equivalent and not counted`,
    );
    if (score < Number(values.score)) process.exitCode = 1;
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
