/** docs/README.md is the index: every document is found from it, once by its reader. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { documents, linksOf, pages, read, TOP } from "./documents.ts";

const INDEX = "docs/README.md";
const READERS = ["Serve a folder", "In tests", "In production", "How it works", "Contribute"];

test("the index has a section for each reader", () => {
  expect(Array.from(read(INDEX).matchAll(/^## (.+)$/gm), ([, title]) => title)).toEqual(READERS);
});

test("every document is in the index", () => {
  const listed = new Set(targetsOf(INDEX));
  expect(documents.filter((path) => path !== INDEX && !listed.has(path))).toEqual([]);
});

test("every page can be reached from README.md", () => {
  const reached = new Set(["README.md"]);
  for (const path of reached) if (path.endsWith(".md")) for (const target of targetsOf(path)) reached.add(target);
  expect(pages.filter((path) => !reached.has(path))).toEqual([]);
});

/** Returns the files that a page links to; of a folder, its README. */
function targetsOf(path: string): string[] {
  return linksOf(read(path)).map((link) => {
    const target = join(dirname(path), link.split("#")[0] || ".").replace(/\/$/, "");
    const readme = join(target, "README.md");
    return existsSync(join(TOP, readme)) ? readme : target;
  });
}
