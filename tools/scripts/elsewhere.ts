/**
 * The tests that macOS and Windows skip, each with its reason: `bun tools/scripts/elsewhere.ts` writes docs/tests-elsewhere.md.
 * With `--run` it runs the other tests, which need nothing of the system: `bun run test:pure`.
 */
import { join } from "node:path";
import { testFiles } from "../../test/support/elsewhere.ts";

const TOP = join(import.meta.dir, "..", "..");
export const ELSEWHERE_PAGE = join(TOP, "docs", "tests-elsewhere.md");

/** Returns the page with every file and its reasons. */
export function renderElsewherePage(): string {
  const files = testFiles();
  const everywhere = files.filter(({ reasons }) => reasons.length === 0);
  const linuxOnly = files.filter(({ reasons }) => reasons.length > 0);
  const needy = everywhere.flatMap(({ path, needy: tests }) => tests.map(([need, title]) => [path, need, title]));
  return [
    "# Tests on macOS and Windows",
    "",
    "<!-- Written by `bun tools/scripts/elsewhere.ts` from the test files. -->",
    "",
    "`bun run test:pure` runs the files of the first list on every system. The files of the second list are run on Linux alone. Each reason says",
    "what a file relies on. Some of its tests may pass on other systems too; they have not been tried there. A test that a system cannot run at all is",
    "skipped by its name (`needs(…)` in `test/support/needs.ts`), which tells the reason.",
    "",
    `## Run everywhere: ${everywhere.length} files`,
    "",
    ...foldersOf(everywhere.map(({ path }) => path)),
    "",
    "Of these, single tests are skipped:",
    "",
    "| file | test | skipped without |",
    "| --- | --- | --- |",
    ...needy.map(([path, need, title]) => `| \`${path}\` | ${escaped(title ?? "")} | ${escaped(need ?? "")} |`),
    "",
    `## Run on Linux alone: ${linuxOnly.length} files`,
    "",
    "- **the program**: starts the executable or a script, reads its exit code, and ends it by a signal",
    "- **other programs**, or their names: starts them; Windows has other ones of the same name",
    "- **signals**: sends them; Windows has none",
    "- **`/proc`, `/dev`**: reads them, or makes a FIFO; neither system has `/proc`, and Windows has no `/dev`",
    "- **sockets**: expects Linux's order of events and its error codes",
    "- **files**: makes folders, links, modes or times; a link needs a privilege on Windows, and both systems ignore case",
    "- **the source tree**: reads this project's files by paths with `/`",
    "",
    "| file | what it relies on |",
    "| --- | --- |",
    ...linuxOnly.map(({ path, reasons }) => `| \`${path}\` | ${escaped(reasons.join("; "))} |`),
    "",
  ].join("\n");
}

/** Returns a line for each folder with its files. */
function foldersOf(paths: readonly string[]): string[] {
  const byFolder = Map.groupBy(paths, (path) => path.slice(0, path.lastIndexOf("/")));
  return Array.from(byFolder, ([folder, inside]) => {
    const names = inside.map((path) => path.slice(folder.length + 1).replace(".test.ts", ""));
    return `- \`${folder}/\`: ${names.join(", ")}`;
  });
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|");
}

if (import.meta.main) {
  if (process.argv[2] === "--run") {
    const files = testFiles().flatMap(({ path, reasons }) => (reasons.length === 0 ? [`./${path}`] : []));
    const words = [process.execPath, "test", "--timeout", "20000", ...process.argv.slice(3), ...files];
    const { exitCode } = Bun.spawnSync(words, { cwd: TOP, stdio: ["inherit", "inherit", "inherit"] });
    process.exitCode = exitCode;
  } else await Bun.write(ELSEWHERE_PAGE, renderElsewherePage());
}
