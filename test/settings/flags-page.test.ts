/** docs/flags.md is what the tables of settings say. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { FLAGS_PAGE, renderFlagsPage } from "../../tools/scripts/flags.ts";

test("docs/flags.md is made from the tables of settings: bun tools/scripts/flags.ts", () => {
  expect(readFileSync(FLAGS_PAGE, "utf8")).toBe(renderFlagsPage());
});
