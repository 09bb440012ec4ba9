/** `tools/scripts/mutants.ts` takes minutes; which changes it makes, and which of them it draws, is checked here. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { draw } from "../../tools/scripts/mutants/draw.ts";
import { EQUIVALENTS } from "../../tools/scripts/mutants/equivalents.ts";
import { type Mutant, mutate, sitesOf } from "../../tools/scripts/mutants/sites.ts";
import { suitesOf } from "../../tools/scripts/mutants/suites.ts";

const SOURCE = join(import.meta.dir, "..", "..", "src");

/** Changed lines of a text of one line. */
function changesOf(text: string): string[] {
  return sitesOf("http/a.ts", text).mutants.map(({ after }) => after);
}

describe("the mutants of a snippet", () => {
  test.each([
    ["a bound", "f(a < b);", [";", "f(a <= b);"]],
    ["an equality", "f(a !== b);", [";", "f(a === b);"]],
    ["a connective and a negation", "const x = a && !b;", ["const x = a || !b;", "const x = a && b;"]],
    ["a sum", "const x = a + b;", ["const x = a - b;"]],
    ["a count", "const x = i++;", ["const x = i--;"]],
    ["a constant", "const x = 1_000;", ["const x = 1001;", "const x = 999;"]],
    ["no constant below zero", "const x = 0;", ["const x = 1;"]],
    ["the sign of none", "const x = -1;", ["const x = 1;"]],
    ["a number on the wire", "enum A { B = 0xa }", ["enum A { B = 11 }", "enum A { B = 9 }"]],
    ["a truth", "const x = true;", ["const x = false;"]],
    ["a word", `const x = ["a", ""];`, [`const x = ["", ""];`, `const x = ["a", "x"];`]],
    ["a default", "const x = f() ?? g;", ["const x = f();"]],
    ["a choice", "const x = a ? b : c;", ["const x = !(a) ? b : c;"]],
    ["a smallest value", "const x = Math.min(a, b);", ["const x = Math.max(a, b);"]],
    ["a loop", "while (a) f();", ["while (false) f();", "while (a) ;"]],
    ["a branch of one statement", "if (a) f();", ["if (true) f();", "if (a) ;"]],
    [
      "a branch of several",
      "if (a) { f(); g(); }",
      ["if (true) { f(); g(); }", "if (false) { f(); g(); }", "if (a) { ; g(); }", "if (a) { f(); ; }"],
    ],
    [
      "another branch",
      "if (a) f(); else g();",
      ["if (true) f(); else g();", "if (a) f(); else {}", "if (a) ; else g();", "if (a) f(); else ;"],
    ],
    [
      "an early return, not the last one",
      "function f() { if (a) return b; return c; }",
      ["function f() { if (true) return b; return c; }", "function f() { if (a) ; return c; }"],
    ],
    ["an assignment", "class A { m() { this.x = y; } }", ["class A { m() { ; } }"]],
  ])("change %s", (_, text, changes) => {
    expect(changesOf(text)).toEqual(changes);
  });

  test.each([
    ["a type", `type A = "a" | 1; interface B { c: true }`],
    ["the type of a value", `const x = y as "a";`],
    ["the numbers of names", "enum A { B = 1, C = -2, D }"],
    ["an import", `import { a } from "./a.ts";`],
    ["a comment", "// a < b\n/* a < b */"],
    ["a sentence", `const x = "The request has too many fields.";`],
    ["an assertion", `if (a < b) throw new Error("a slot was lost");`],
    ["a default that the compiler wants", "const x = y[z] ?? [];"],
    ["the parts of a text", "const x = `a` + y;"],
  ])("leave %s alone", (_, text) => {
    expect(changesOf(text)).toEqual([]);
  });

  test("of a long table are a part, from all of it", () => {
    const changes = changesOf(`const x = [${Array.from({ length: 500 }, (_, at) => at).join(", ")}];`);
    expect(changes).toHaveLength(24);
    expect(changes.some((line) => line.includes("[1, 1,"))).toBe(true);
    expect(changes.at(-1)).toContain("[0, 1,");
  });

  test("are applied where they stand, and name their line and block", () => {
    const text = "const a = 0;\nfunction f() {\n  return a < 1;\n}\n";
    const mutant = sitesOf("http/a.ts", text).mutants.find(({ after }) => after === "return a <= 1;") as Mutant;
    expect([mutant.line, mutant.before, mutant.block]).toEqual([3, "return a < 1;", 0]);
    expect(mutate(text, mutant)).toBe("const a = 0;\nfunction f() {\n  return a <= 1;\n}\n");
    expect(sitesOf("http/a.ts", text).mutants[0]?.block).toBe(-1);
  });
});

describe("a draw", () => {
  const folders = [made("http", 3000), made("http2", 1000)];

  test("of the same seed is the same, of another is another", () => {
    expect(draw(folders, 1, 100)).toEqual(draw(folders, 1, 100));
    expect(draw(folders, 1, 100)).not.toEqual(draw(folders, 2, 100));
  });

  test("shares one half equally and the other by size", () => {
    const drawn = draw(folders, 1, 400);
    expect(drawn.filter(({ file }) => file === "http")).toHaveLength(250);
    expect(drawn.filter(({ file }) => file === "http2")).toHaveLength(150);
  });

  test("takes one of each stretch, and no mutant twice", () => {
    const stretches = draw([made("http", 3000)], 1, 300).map(({ line }) => Math.floor(line / 10));
    expect(stretches.slice(0, 30).some((stretch) => stretch > 150)).toBe(true);
    expect(stretches.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, at) => at));
    expect(draw([made("http", 30)], 1, 300)).toHaveLength(30);
  });
});

test("a file is tried by the tests of its folder, and by others if none has its name or notices it", () => {
  expect(suitesOf("http1/framing.ts").own).toContain("test/http1/framing.test.ts");
  expect(suitesOf("http1/framing.ts").own).toContain("test/conformance/parser.test.ts");
  expect(suitesOf("http/range.ts").own).not.toContain("test/handlers/router.test.ts");
  expect(suitesOf("http/range.ts").further).toContain("test/handlers/router.test.ts");
  expect(suitesOf("http/status.ts").own).toContain("test/handlers/router.test.ts");
});

test("each equivalent mutant still exists, and has a reason", () => {
  const files = [...new Set(EQUIVALENTS.map(({ file }) => file))];
  const mutants = files.flatMap((file) => sitesOf(file, readFileSync(join(SOURCE, file), "utf8")).mutants);
  const known = new Set(mutants.map(({ file, before, after }) => `${file}: ${before} → ${after}`));
  expect(EQUIVALENTS.filter(({ file, before, after }) => !known.has(`${file}: ${before} → ${after}`))).toEqual([]);
  expect(EQUIVALENTS.filter(({ reason }) => reason.length < 10)).toEqual([]);
});

/** Mutants of one file, each on its own line. */
function made(file: string, count: number): Mutant[] {
  return Array.from({ length: count }, (_, line) => ({
    file,
    line,
    start: 0,
    end: 0,
    replacement: "",
    before: "",
    after: "",
    block: -1,
  }));
}
