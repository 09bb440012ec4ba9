/** Commands in the documents are commands that work: the program accepts them, and what they name exists. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseRun, parseServe } from "../../src/cli/command-line.ts";
import { findCommand } from "../../src/cli/commands.ts";
import { parseHashPassword } from "../../src/cli/hash-password.ts";
import { parseProbe } from "../../src/cli/probe.ts";
import { makeFixture } from "../../src/fixture/endpoints.ts";
import { statusEndpoints } from "../../src/handlers/endpoints/status.ts";
import { resolveServerSettings } from "../../src/settings/resolve.ts";
import { commandsIn, documents, pages, programsIn, read, scriptsIn, TOP } from "./documents.ts";

const scripts = Object.keys((JSON.parse(read("package.json")) as { scripts: object }).scripts);

/** Our program, however a document calls it. */
const PROGRAM = /^(?:\.\/)?(?:httpserver|@httpserver\/httpserver|httpserver-VERSION-linux-x64\/httpserver)$/;

/** A word that stands for others: `[port]`, `SHELL`, `…`. Such a line shows a form, and is no command. */
const FORM = /^\[|…|^(?:FOLDER|SHELL|FILE|GROUP)$/;

interface Told {
  readonly path: string;
  readonly words: readonly string[];
}

const told: readonly Told[] = documents.flatMap((path) =>
  commandsIn(read(path))
    .flatMap(programsIn)
    .map((words) => ({ path, words })),
);

describe("commands in the documents", () => {
  const ours = told
    .map(({ path, words }) => ({ path, words: words[0] === "npx" || words[0] === "nohup" ? words.slice(1) : words }))
    .filter(({ words: [program = "", ...rest] }) => PROGRAM.test(program) && !rest.some((word) => FORM.test(word)));

  test("that start this program are accepted by it", () => {
    expect(ours.length).toBeGreaterThan(25);
    expect(ours.flatMap(({ path, words }) => refusals(words.slice(1)).map((line) => `${path}: ${line}`))).toEqual([]);
  });

  test("that it would refuse are found", () => {
    expect(refusals(["dist", "--lsiting"])[0]).toContain("--lsiting");
    expect(refusals(["run", "dist"])).toHaveLength(1);
    expect(refusals(["probe", "nonsense"])).toHaveLength(1);
    expect(programsIn("A=1 ./httpserver --a 'b c' > log 2>&1 & curl x | head -1")).toEqual([
      ["./httpserver", "--a", "b c"],
      ["curl", "x"],
      ["head", "-1"],
    ]);
  });

  test.each(pages)("%s names scripts of package.json", (path) => {
    expect(scriptsIn(read(path)).filter((name) => !scripts.includes(name))).toEqual([]);
  });

  test("that run a file of ours name one that exists, with flags that it reads", () => {
    const files = told.flatMap(({ path, words: [program, ...rest] }) => {
      const [file = "", ...words] = rest[0] === "run" ? rest.slice(1) : rest;
      return program === "bun" && file.endsWith(".ts") ? [{ path, file, words }] : [];
    });
    expect(files.length).toBeGreaterThan(10);
    const missing = files.filter(({ file }) => !existsSync(join(TOP, file)));
    expect(missing.map(({ path, file }) => `${path}: ${file}`)).toEqual([]);
    const strange = files.flatMap(({ path, file, words }) =>
      flagsOf(words).flatMap((flag) => (reads(file, flag) ? [] : [`${path}: ${file} --${flag}`])),
    );
    expect(strange).toEqual([]);
  });

  test("that run a script of package.json give flags that it reads", () => {
    const { scripts: lines } = JSON.parse(read("package.json")) as { scripts: Readonly<Record<string, string>> };
    const strange = told.flatMap(({ path, words: [program, run, name = "", ...words] }) => {
      const file = /^bun (\S+\.ts)$/.exec(lines[name] ?? "")?.[1];
      if (program !== "bun" || run !== "run" || file === undefined) return [];
      return flagsOf(words).flatMap((flag) => (reads(file, flag) ? [] : [`${path}: bun run ${name} --${flag}`]));
    });
    expect(strange).toEqual([]);
  });
});

test("endpoints that the documents name exist", () => {
  const source = { instance: "1" } as Parameters<typeof statusEndpoints>[0];
  const options = { settings: resolveServerSettings({ fixture: true }), time: { nowMs: () => 0 } };
  const endpoints = [
    ...statusEndpoints(source),
    ...makeFixture(options as Parameters<typeof makeFixture>[0]).endpoints,
  ].map(([name]) => name.replace(/\/:.*|\/\{.*/, ""));
  const named = documents.flatMap((path) =>
    Array.from(read(path).matchAll(/\/__server\/([a-z][a-z/-]*[a-z])/g), ([, name = ""]) => ({ path, name })),
  );
  expect(named.length).toBeGreaterThan(30);
  const unknown = named.filter(
    ({ name }) => !endpoints.some((known) => name === known || name.startsWith(`${known}/`)),
  );
  expect(unknown).toEqual([]);
});

interface Order {
  readonly kind: string;
  readonly line?: string;
  readonly text?: string;
}

const PARSERS: Readonly<Record<string, (words: readonly string[], env: object) => Order>> = {
  "": (words) => parseServe(words, {}),
  run: (words) => parseRun(words, {}),
  probe: (words) => parseProbe(words, {}),
  "hash-password": parseHashPassword,
};

/** Returns the line with which the program refuses the words, or none. */
function refusals(argv: readonly string[]): string[] {
  const { command, words } = findCommand(argv);
  const order: Order | undefined = PARSERS[command.name]?.(words, {});
  return order?.kind === "error" ? [`${argv.join(" ")}: ${order.line ?? order.text}`] : [];
}

function flagsOf(words: readonly string[]): string[] {
  return words.flatMap((word) => /^--([a-z][a-z-]*)/.exec(word)?.[1] ?? []);
}

/** Returns true if a script, or a module beside it, has the flag as a text. */
function reads(file: string, flag: string): boolean {
  const texts = [file, ...importsOf(file)].filter((path) => existsSync(join(TOP, path))).map(read);
  return texts.some((text) =>
    new RegExp(`["'\`-]${flag}\\b|\\b${flag.replace(/-(.)/g, (_, l: string) => l.toUpperCase())}:`).test(text),
  );
}

function importsOf(file: string): string[] {
  return Array.from(read(file).matchAll(/from "(\.[^"]+)"/g), ([, path = ""]) => join(file, "..", path));
}
