/** docs/compare.md is honest about us: what it says of this server is what this server does. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../../src/index.ts";
import { run } from "../support/binary.ts";
import { linux, needs } from "../support/needs.ts";
import { read, TOP } from "./documents.ts";

const rows = read("docs/compare.md")
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.slice(2, -2).split(" | "));

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "compare-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every cell says something, and one that was run here says so or names its source", () => {
  expect(rows.length).toBeGreaterThan(35);
  expect(rows.filter((cells) => cells.slice(1).some((cell) => cell.trim() === ""))).toEqual([]);
  const bare = rows.flatMap((cells) =>
    cells
      .slice(2)
      .filter((cell) => /^(?:yes|\*\*)/.test(cell) && !/®|\]\(/.test(cell))
      .map((cell) => `${cells[0]}: ${cell}`),
  );
  expect(bare).toEqual([]);
});

needs(linux).test(
  "the answers of this server are those that `ask` prints",
  async () => {
    const site = join(folder, "site");
    const script = [process.execPath, "tools/scripts/compare.ts"];
    expect((await run([...script, "make", site], { cwd: TOP })).code).toBe(0);
    const folderForm = { inline: true, listing: true, cleanPaths: true, uploads: "" };
    await using server = await startServer({ root: site, ...folderForm });
    const { stdout } = await run([...script, "ask", String(server.port)], { cwd: TOP });
    const answers = new Map(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => [line.slice(0, 26).trim(), line.slice(27)]),
    );
    const ours = (row: string) => rows.find(([name]) => name?.startsWith(row))?.[1]?.replace(" ®", "") ?? "no row";
    expect(answers.get("the last two bytes")).toBe(`${ours("the last two bytes")} "o\\n"`);
    expect(answers.get("two ranges")).toBe(`206 ${ours("two ranges")}`);
    expect(answers.get("POST to a file")).toBe(ours("POST to a file"));
    expect(answers.get("a foreign Host")).toBe(ours("a Host that is not ours"));
    expect(answers.get("a dotfile")).toBe(ours("a dotfile"));
    expect(answers.get("a link out of the folder")).toBe(ours("a link that leaves the folder"));
    expect([answers.get("a space before a colon"), answers.get("two lengths")]).toEqual(
      Array(2).fill(ours("a space before")),
    );
    expect(answers.get("HTTP/2 without TLS")).toBe(ours("HTTP/2 without TLS"));
  },
  60_000,
);
