/**
 * Compares two builds of the server byte by byte: `bun tools/scripts/same-bytes.ts BEFORE AFTER`. Both are asked the same corpus:
 * every conformance row, generated conversations, the fixture's faults, and the server's own endpoints. Every difference is
 * listed with the request that caused it, grouped by its kind. Exit code 1 if one has no reason in `--reasons`.
 *
 * A case that differs is played again, alone. If the answers agree then, the case depends on chance and is listed as such.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Case } from "./same-bytes/case.ts";
import { Report } from "./same-bytes/report.ts";
import { type Compared, compareSetup } from "./same-bytes/runner.ts";
import { makeSetups, PARTS } from "./same-bytes/setups.ts";
import { makeSite } from "./same-bytes/site.ts";

/** A file that was written a moment ago may be written again, so a server keeps it in memory only after this time, ms. */
const SETTLED_MS = 2_200;

const USAGE = `Usage: bun tools/scripts/same-bytes.ts BEFORE AFTER [options]

  BEFORE, AFTER      two executables, or source files such as src/main.ts
  --only             parts of the corpus: ${PARTS.join(", ")}
  --conversations    how many are generated, 5000 by default
  --seed             of the generator, 1 by default
  --concurrent       cases at a time, 16 by default
  --every            plays one case of so many, for a quick look
  --reasons FILE     JSON: a part of a difference's label and the reason for it
  --report FILE      receives all differences in JSON, with what was sent and received
  --all              prints all cases of each difference, not the first three
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", default: PARTS.join(",") },
    conversations: { type: "string", default: "5000" },
    seed: { type: "string", default: "1" },
    concurrent: { type: "string", default: "16" },
    every: { type: "string", default: "1" },
    reasons: { type: "string" },
    report: { type: "string" },
    all: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const parts = values.only.split(",");
const [conversations, seed, concurrent, every] = [
  values.conversations,
  values.seed,
  values.concurrent,
  values.every,
].map(Number);
const [before, after] = positionals;
const isUsable =
  parts.every((part) => (PARTS as readonly string[]).includes(part)) &&
  [conversations, seed].every((value) => Number.isSafeInteger(value) && (value as number) >= 0) &&
  [concurrent, every].every((value) => Number.isSafeInteger(value) && (value as number) >= 1);
if (values.help || before === undefined || after === undefined || positionals.length > 2 || !isUsable) {
  (values.help ? process.stdout : process.stderr).write(USAGE);
  process.exit(values.help ? 0 : 2);
}

const reasons: Readonly<Record<string, string>> =
  values.reasons === undefined ? {} : JSON.parse(readFileSync(values.reasons, "utf8"));
const report = new Report(reasons);
using site = makeSite();
const folder = mkdtempSync(join(tmpdir(), "same-bytes-run-"));
const hash = new Bun.CryptoHasher("sha256");
try {
  const setups = await makeSetups(site, { parts, seed: seed as number, conversations: conversations as number });
  await Bun.sleep(SETTLED_MS);
  for (const setup of setups) {
    const cases = setup.cases.filter((_, index) => index % (every as number) === 0);
    for (const one of cases) hash.update(JSON.stringify(one satisfies Case));
    const startedMs = performance.now();
    const compared: Compared = await compareSetup({ ...setup, cases }, [before, after], {
      site,
      folder,
      concurrent: concurrent as number,
    });
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    report.add(setup.name, compared);
    process.stderr.write(`${setup.name}: ${compared.cases} cases, ${compared.differing.length} differ, ${seconds} s\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(
  `corpus ${hash.digest("hex").slice(0, 16)}: ${report.print(values.all ? Number.POSITIVE_INFINITY : 3)}`,
);
if (values.report !== undefined) writeFileSync(values.report, `${JSON.stringify(report.entries, null, 1)}\n`);
process.exitCode = report.unexplained > 0 ? 1 : 0;
