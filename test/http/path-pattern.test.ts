import { expect, test } from "bun:test";
import { fromRoot, PATTERN_BOUND, problemOfPattern } from "../../src/http/path-pattern.ts";

test.each([
  "a",
  "*.js",
  "/a/**",
  "[ab]?",
  "[!a].txt",
  "*".repeat(8),
  `${"a".repeat(1016)}${"*".repeat(8)}`,
  "a".repeat(5000),
])("%s is a pattern", (pattern) => {
  expect(problemOfPattern(pattern, "a pattern")).toBeNull();
});

test.each([
  ["", "expected a pattern"],
  ["!a", "expected a pattern"],
  ["{a,b}", "expected a pattern"],
  ["a\\b", "expected a pattern"],
  ["[a", "expected a pattern"],
  ["[]", "expected a pattern"],
  ["*".repeat(9), `expected ${PATTERN_BOUND}`],
  [`${"a".repeat(1017)}${"*".repeat(8)}`, `expected ${PATTERN_BOUND}`],
])("%s is none", (pattern, problem) => {
  expect(problemOfPattern(pattern, "a pattern")).toBe(problem);
});

test("a pattern without a slash is a name in any folder, another starts at the root", () => {
  expect(["/a", "a/b", "a", "a/"].map(fromRoot)).toEqual(["/a", "/a/b", "/**/a", "/a/"]);
});
