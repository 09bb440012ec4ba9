/** Files and functions stay short enough to be read at once, and every exported name has a user. */
import { describe, expect, test } from "bun:test";
import { blank, isComment, type Module, readTree } from "./modules.ts";

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 600;

const source = readTree("src").filter(isTypeScript);
const tools = readTree("tools").filter(isTypeScript);
const tests = readTree("test").filter(isTypeScript);
const others = [...tools, ...tests, ...readTree("examples").filter(isTypeScript)];

describe("a file", () => {
  test(`has at most ${FILE_LINES_MAX} lines`, () => {
    expect(longFiles([...source, ...tools])).toEqual([]);
  });

  test("of one line more is found", () => {
    const text = (lines: number) => "\n".repeat(lines);
    expect(longFiles([made(text(FILE_LINES_MAX)), made(text(FILE_LINES_MAX + 1))])).toHaveLength(1);
  });
});

describe("a function", () => {
  test(`has at most ${FUNCTION_LINES_MAX} lines`, () => {
    expect(longFunctions([...source, ...tools])).toEqual([]);
  });

  test.each([
    ["a function", (body: string) => `export function f(): void {\n${body}}\n`],
    ["a method", (body: string) => `class A {\n  #m(\n    a: number,\n  ): void {\n${body}  }\n}\n`],
    ["an accessor", (body: string) => `class A {\n  get m(): number {\n${body}  }\n}\n`],
    ["an arrow", (body: string) => `const f = async (a: number) => {\n${body}};\n`],
  ])("of one line more is found: %s", (_, wrap) => {
    expect(longFunctions([made(wrap("    a();\n".repeat(FUNCTION_LINES_MAX - 5)))])).toEqual([]);
    expect(longFunctions([made(wrap("    a();\n".repeat(FUNCTION_LINES_MAX)))])).toHaveLength(1);
  });
});

describe("an exported name", () => {
  test("has a user in another file", () => {
    expect(unusedExports(source, others)).toEqual([]);
    expect(unusedExports(tools, [...source, ...tests], true)).toEqual([]);
  });

  test("that has none is found", () => {
    const text =
      "export const one = 1;\nexport const two = one;\nexport interface C {}\nexport function d(c: C): void {}\n";
    const user = { path: "src/b.ts", text: `import { d } from "./a.ts";\nd({}); // b\n` };
    const tested = { path: "test/a.test.ts", text: "one; two;" };
    const unused = (further: readonly Module[]) => unusedExports([{ path: "src/a.ts", text }, user], further);
    expect(unused([tested])).toEqual(["src/a.ts: two", "src/a.ts: C"]);
    expect(unused([])).toEqual(["src/a.ts: one", "src/a.ts: two", "src/a.ts: C"]);
  });
});

function made(text: string): Module {
  return { path: "src/a.ts", text };
}

function isTypeScript({ path }: Module): boolean {
  return path.endsWith(".ts");
}

function longFiles(modules: readonly Module[]): string[] {
  return modules.filter(({ text }) => text.split("\n").length - 1 > FILE_LINES_MAX).map(({ path }) => path);
}

/** Relies on the formatter: the head ends with "{", and the last line is a brace that is indented as the first line. */
function longFunctions(modules: readonly Module[]): string[] {
  const start =
    /^( *)(?:export )?(?:(?:async )?function\b|(?:override |static |async |get |set )*[#\w]+\(|(?:export )?const \w+ = (?:async )?\()/;
  const keywords = /^ *(?:if|for|while|switch|catch|return|throw|await|super|expect|test|describe)\b/;
  const found: string[] = [];
  for (const { path, text } of modules) {
    const lines = text.split("\n");
    lines.forEach((line, index) => {
      const indent = start.exec(line)?.[1];
      // A call with a callback ends as a function does.
      const isCall = line.includes("=> {") && !line.includes("const ");
      if (indent === undefined || isCall || keywords.test(line)) return;
      const isHead = (other: string) => other.startsWith(`${indent})`) && other.endsWith("{");
      const headEnd = line.endsWith("{")
        ? index
        : lines.findIndex((other, at) => at > index && !other.startsWith(`${indent} `));
      if (headEnd !== index && !(line.endsWith("(") && isHead(lines[headEnd] ?? ""))) return;
      const end = lines.findIndex((other, at) => at > headEnd && new RegExp(`^${indent}\\}[;,]?$`).test(other));
      if (end - index + 1 > FUNCTION_LINES_MAX) found.push(`${path}:${index + 1} has ${end - index + 1} lines`);
    });
  }
  return found;
}

/**
 * Returns exports without a user in another file. A name that its own file uses may be exported for a test. A name that only a test uses
 * is dead, unless the module is `forTests`.
 */
function unusedExports(modules: readonly Module[], further: readonly Module[], forTests = false): string[] {
  const users = usersOf([...modules, ...further]);
  const unused: string[] = [];
  for (const module of modules) {
    const { path, text } = module;
    // The doors of the program and of the library export for their users.
    if (["src/index.ts", "src/node.ts", "src/main.ts"].includes(path)) continue;
    const own = wordsOf(module);
    for (const [, name = ""] of text.matchAll(EXPORT)) {
      const { files = 0, program = 0 } = users.get(name) ?? {};
      const isInProgram = program > 1;
      const isInOwnFile = (own.get(name) ?? 0) > 1;
      if (!isInProgram && !((isInOwnFile || forTests) && files > 1)) unused.push(`${path}: ${name}`);
    }
  }
  return unused;
}

const EXPORT = /^export (?:async )?(?:abstract )?(?:function|class|const|let|enum|interface|type) (\w+)/gm;

/** Returns, for each word, the number of files with it, and of those that are not tests. */
function usersOf(modules: readonly Module[]): Map<string, { files: number; program: number }> {
  const users = new Map<string, { files: number; program: number }>();
  for (const module of modules) {
    const isProgram = !module.path.startsWith("test/");
    for (const word of wordsOf(module).keys()) {
      const { files, program } = users.get(word) ?? { files: 0, program: 0 };
      users.set(word, { files: files + 1, program: program + (isProgram ? 1 : 0) });
    }
  }
  return users;
}

const words = new WeakMap<Module, ReadonlyMap<string, number>>();

/** Returns each word of the code, with its count. */
function wordsOf(module: Module): ReadonlyMap<string, number> {
  const known = words.get(module);
  if (known !== undefined) return known;
  const counts = new Map<string, number>();
  for (const [word] of blank(module.text, isComment).matchAll(/\w+/g)) counts.set(word, (counts.get(word) ?? 0) + 1);
  words.set(module, counts);
  return counts;
}
