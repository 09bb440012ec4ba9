/**
 * Decides which test files run on macOS and Windows, and why the others do not. `bun tools/scripts/elsewhere.ts` writes
 * docs/tests-elsewhere.md from here, and with `--run` it runs the files that need nothing of the system.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const TOP = join(import.meta.dir, "..", "..");

/** Files and folders that were written for every system, though a rule below matches. */
const EVERYWHERE: readonly string[] = [
  "test/http/",
  "test/http1/",
  "test/http2/",
  "test/exchange/",
  "test/settings/",
  "test/conformance/parser.test.ts",
  "test/conformance/machine.test.ts",
  "test/simulate.test.ts",
  "test/fuzz.test.ts",
  "test/handlers/files/system-names.test.ts",
  "test/cli/lifetime.test.ts",
  "test/packaging/headers.test.ts",
];

/** Signs in the text of a test file that it relies on the system, each with the word for it in the page. */
const SIGNS: readonly (readonly [reason: string, sign: RegExp])[] = [
  ["the program", /support\/(?:binary|workshop|package|project)\.ts/],
  ["other programs", /Bun\.spawn|spawnSync/],
  ["signals", /\bSIG(?:TERM|KILL|HUP|INT)\b|process\.kill/],
  ["`/proc`, `/dev`", /\/proc\/|\/dev\/|mkfifo/],
  ["sockets", /startServer|new Server\(|Bun\.(?:listen|connect)|RawClient|raw-client/],
  ["files", /symlinkSync|chmodSync|linkSync|mkdtemp|[Ww]orkspace|mkdirSync|writeFileSync/],
  ["the source tree", /readTree|documents\.ts|readdirSync|tools\/scripts\//],
];

export interface TestFile {
  /** Path from the top of the project, with "/". */
  readonly path: string;
  /** Features of Linux that the file relies on; empty for a file that runs everywhere. */
  readonly reasons: readonly string[];
  /** Tests of the file that are skipped where a need is not met: the words of the need, and the title. */
  readonly needy: readonly (readonly [need: string, title: string])[];
}

/** Returns every test file of `test/`, in the order of the alphabet. */
export function testFiles(): TestFile[] {
  return readdirSync(join(TOP, "test"), { recursive: true, encoding: "utf8" })
    .map((path) => `test/${path.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".test.ts"))
    .sort()
    .map((path) => describeFile(path, readFileSync(join(TOP, path), "utf8")));
}

export function describeFile(path: string, text: string): TestFile {
  const isEverywhere = EVERYWHERE.some((place) => path.startsWith(place));
  const commands = new Set(
    Array.from(text.matchAll(/\bneeds\(([^)]*)\)/g)).flatMap(([, list = ""]) => commandsIn(list)),
  );
  const signs = SIGNS.filter(([, sign]) => sign.test(text)).map(([reason]) => reason);
  const reasons = commands.size === 0 ? signs : [[...commands].sort().join(", "), ...signs];
  const needy = Array.from(
    text.matchAll(/\bneeds\(([^)]*)\)\s*\.(?:test|describe)\(\s*(["'`])((?:\\.|(?!\2).)*)\2/g),
    ([, need = "", , title = ""]) => [need, title] as const,
  );
  return { path, reasons: isEverywhere ? [] : reasons, needy };
}

function commandsIn(list: string): string[] {
  return Array.from(list.matchAll(/"([^"]+)"/g), ([, name = ""]) => name);
}
