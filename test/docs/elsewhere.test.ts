/** docs/tests-elsewhere.md lists every test file that macOS and Windows skip, with what it relies on. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ELSEWHERE_PAGE, renderElsewherePage } from "../../tools/scripts/elsewhere.ts";
import { describeFile, testFiles } from "../support/elsewhere.ts";

test("docs/tests-elsewhere.md is what `bun tools/scripts/elsewhere.ts` writes", () => {
  expect(renderElsewherePage()).toBe(readFileSync(ELSEWHERE_PAGE, "utf8"));
});

test("a file that relies on the system says on what", () => {
  const reasons = (text: string) => describeFile("test/a.test.ts", text).reasons;
  expect(reasons(`needs("curl", linux).test("asks", () => {})`)).toEqual(["curl"]);
  expect(reasons(`process.kill(1, "SIGTERM")`)).toEqual(["signals"]);
  expect(reasons(`await startServer()`)).toHaveLength(1);
  expect(reasons(`expect(1).toBe(1)`)).toEqual([]);
  expect(describeFile("test/a.test.ts", `needs(linux).test("reads it", () => {})`).needy).toEqual([
    ["linux", "reads it"],
  ]);
});

test("most parts of the protocol are tried on every system", () => {
  const everywhere = testFiles().filter(({ reasons }) => reasons.length === 0);
  expect(everywhere.length).toBeGreaterThan(100);
});
