/** `tools/scripts/mutate.ts` takes minutes; that its snippets still exist is checked here. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MEANING_MUTATIONS } from "../../tools/scripts/mutations/meaning.ts";
import type { Mutation } from "../../tools/scripts/mutations/mutation.ts";
import { PROXY_MUTATIONS } from "../../tools/scripts/mutations/proxies.ts";
import { WIRE_MUTATIONS } from "../../tools/scripts/mutations/wire.ts";

const SOURCE = join(import.meta.dir, "..", "..", "src");

test("the snippet of each mutation stands once in its file, and the mutation changes it", () => {
  const all = [...WIRE_MUTATIONS, ...MEANING_MUTATIONS, ...PROXY_MUTATIONS];
  expect(all.length).toBeGreaterThan(160);
  expect(all.filter((mutation) => !isFoundOnce(mutation)).map(({ file, name }) => `${file}: ${name}`)).toEqual([]);
});

test("a snippet that is gone, stands twice, or stays as it is, is found", () => {
  const file = "main.ts";
  expect(isFoundOnce({ file, name: "gone", original: "no such line", replacement: "" })).toBe(false);
  expect(isFoundOnce({ file, name: "twice", original: "e", replacement: "" })).toBe(false);
  expect(isFoundOnce({ file, name: "unchanged", original: "main", replacement: "main" })).toBe(false);
});

function isFoundOnce({ file, original, replacement }: Mutation): boolean {
  const parts = readFileSync(join(SOURCE, file), "utf8").split(original);
  return parts.length === 2 && original !== replacement;
}
