/** docs/tour.md follows a real request: its bytes, positions, log lines, quoted code and names are those of the running server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decideFraming, Framing } from "../../src/http1/framing.ts";
import { ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";
import { ManualClock, startServer } from "../../src/index.ts";
import { bytesOf } from "../support/bytes.ts";
import { HEAD_LIMITS } from "../support/limits.ts";
import { RawClient } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

const TOP = join(import.meta.dir, "..", "..");
const page = readFileSync(join(TOP, "docs", "tour.md"), "utf8");

const HEX_LINE = /^([<>]) ((?:[0-9a-f]{2} ?)+?)(?: {3,}(\S.*))?$/;
const ETAG = /ETag: "[0-9a-z]+(?:-[0-9a-z]+){4}"/;
const NOW = Date.UTC(2026, 2, 15, 10, 30, 15);
const DAY = 86_400;

interface Line {
  readonly side: string;
  readonly text: string;
  readonly comment: string;
}

const lines: readonly Line[] = blocks("hex").flatMap((block) =>
  block.map((line) => {
    const [, side = "", hex = "", comment = ""] = HEX_LINE.exec(line) ?? [];
    if (side === "") throw new Error(`docs/tour.md has a line that is neither bytes nor their text: ${line}`);
    return { side, text: Buffer.from(hex.replaceAll(" ", ""), "hex").toString("latin1"), comment };
  }),
);
const request = textOf(">");
const response = textOf("<");

describe("docs/tour.md", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tour-"));
    writeFileSync(join(folder, "hello.txt"), "Hello\n");
    utimesSync(join(folder, "hello.txt"), NOW / 1000 - DAY, NOW / 1000 - DAY);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("writes beside the bytes the characters that they stand for", () => {
    expect(lines.length).toBe(19);
    for (const { text, comment } of lines) expect(text.trimEnd()).toBe(comment);
  });

  test("shows the response and the log lines of a server, up to the end of the connection", async () => {
    const steps: string[] = [];
    const clock = new ManualClock(NOW);
    const log = { access() {}, info() {}, detail: (line: string) => void steps.push(line), warn() {}, error() {} };
    const folderForm = { inline: true, listing: true, cleanPaths: true, anyPort: true, uploads: "" };
    await using server = await startServer({ root: folder, clock, log, ...folderForm });
    using client = await RawClient.connect(server.port);
    client.send(request);
    await until(() => client.text.endsWith("Hello\n"), "the response");
    expect(client.text).toMatch(ETAG);
    expect(client.text.replace(ETAG, "ETag")).toBe(response.replace(ETAG, "ETag"));
    expect(request.length).toBe(number(/curl writes (\d+) bytes/));
    expect(response.length).toBe(number(/This one has (\d+) bytes/));

    clock.advance(1000 * number(/Nothing comes for (\d+) seconds/) - 1);
    expect(steps.length).toBe(blocks("log")[0]?.length ?? 0);
    clock.advance(1001);
    await until(() => client.ending === "fin", "the server's FIN");
    client.finish();
    await until(() => steps.at(-1)?.includes("closed") === true, "the end of the connection");
    const shown = blocks("log").flat();
    expect(
      steps.map((step) => step.replace(/^\[.*?\] #1 /, "").replace(/from 127.0.0.1:\d+/, "from 127.0.0.1:50000")),
    ).toEqual(shown);
  });

  test("lists the positions that the parser finds", () => {
    const bytes = bytesOf(request);
    const head = new ParsedHead(HEAD_LIMITS);
    const framing = new Framing();
    expect(parseRequestHead(bytes, 0, bytes.length, head)).toBe(number(/(\d+) means: the head is complete/));
    expect(decideFraming(head, framing)).toBe(0);
    expect(framing).toMatchObject({ kind: "none", persistent: true });
    const found = [
      ["method", head.methodStart, head.methodEnd],
      ["target", head.targetStart, head.targetEnd],
      ...Array.from({ length: head.fieldCount }, (_, i) => [
        [`field ${i + 1}, name`, head.offsets[4 * i], head.offsets[4 * i + 1]],
        [`field ${i + 1}, value`, head.valueStart(i), head.valueEnd(i)],
      ]).flat(),
    ];
    const rows = Array.from(page.matchAll(/^\| ([a-z]+(?: \d, \w+)?) \| (\d+) \| (\d+) \| `(.*)` \|$/gm));
    expect(rows.map(([, part, from, to]) => [part, Number(from), Number(to)])).toEqual(found);
    for (const [, , from, to, text] of rows) expect(request.slice(Number(from), Number(to))).toBe(text ?? "");
    expect(parseRequestHead(bytes, 0, number(/only the first (\d+) bytes/), head)).toBe(0);
  });

  test("quotes lines of code in their order", () => {
    const quotes = blocks("ts");
    expect(quotes.length).toBeGreaterThan(5);
    for (const [first = "", ...quoted] of quotes) {
      const source = readFileSync(join(TOP, first.replace("// ", "")), "utf8").split("\n");
      let at = 0;
      for (const line of quoted) {
        const found = source.indexOf(line, at);
        expect(found < 0 ? `${first} has no line: ${line}` : "").toBe("");
        at = found + 1;
      }
    }
  });

  test("names functions and classes that their files declare", () => {
    const named = Array.from(page.matchAll(/\[`([\w.]+)`\]\(\.\.\/(src\/[^)]+)\)/g));
    expect(named.length).toBeGreaterThan(12);
    for (const [, name = "", path = ""] of named) {
      const source = readFileSync(join(TOP, path), "utf8");
      for (const part of name.split(".")) {
        expect(source).toMatch(new RegExp(`^\\s*(?:export )?(?:function |class |const )?${part}\\b[ (<]`, "m"));
      }
    }
  });
});

/** Returns the lines of each block of code in a language. */
function blocks(language: string): string[][] {
  const found = page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"));
  return Array.from(found, ([, block = ""]) => block.trimEnd().split("\n"));
}

function textOf(wanted: string): string {
  return lines.flatMap(({ side, text }) => (side === wanted ? [text] : [])).join("");
}

function number(pattern: RegExp): number {
  return Number(pattern.exec(page)?.[1]);
}
