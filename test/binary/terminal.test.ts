/** The log as a person sees it: on a pseudo terminal, where each response is one short line. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { BUILD_MS } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { Terminal } from "../support/terminal.ts";
import { until } from "../support/waiting.ts";
import { Workshop } from "../support/workshop.ts";

const COLUMNS = 80;

let shop: Workshop;

beforeAll(async () => {
  shop = await Workshop.open();
}, BUILD_MS);

afterAll(() => shop[Symbol.dispose]());

function start(words: readonly string[], env: Readonly<Record<string, string>> = {}): Terminal {
  return new Terminal([shop.program, "--port", "0", ...words], { cwd: shop.folder, columns: COLUMNS, env });
}

/** Asks for a missing path, and returns the line of the response. */
async function lineOf(terminal: Terminal, path: string): Promise<string> {
  const { port } = await terminal.ready();
  using client = await RawClient.connect(port);
  expect((await client.send(request(port, `GET ${path}`)).answer()).status).toBe(404);
  await until(() => terminal.lines.some((line) => line.includes(" 404 ")), "the line");
  return terminal.lines.find((line) => line.includes(" 404 ")) ?? "";
}

needs("python3").describe("on a terminal", () => {
  test("a response is one short line in colour, and the zone of the times is named once", async () => {
    await using terminal = start([]);
    expect(await lineOf(terminal, "/nope")).toMatch(/^\d\d:\d\d:\d\d 404 GET \/nope \d+ B \d+(\.\d)? ms$/);
    expect(terminal.written).toContain("\x1b[33m404\x1b[39m");
    expect(terminal.lines[1]).toMatch(/^\d\d:\d\d:\d\d Times are in UTC/);
    expect(terminal.lines.filter((line) => line.includes("Times are in"))).toHaveLength(1);
  });

  test("a long request is cut at the width of the terminal", async () => {
    await using terminal = start([]);
    expect(await lineOf(terminal, `/${"long".repeat(100)}`)).toHaveLength(COLUMNS);
  });

  test("NO_COLOR leaves the line without colour", async () => {
    await using terminal = start([], { NO_COLOR: "1" });
    expect(await lineOf(terminal, "/nope")).toContain(" 404 GET /nope ");
    expect(terminal.written).not.toContain("\x1b");
  });

  test("--log-format pretty has the full line", async () => {
    await using terminal = start(["--log-format", "pretty"]);
    expect(await lineOf(terminal, "/nope")).toMatch(
      /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[.*\] .* "GET \/nope HTTP\/1\.1" /,
    );
  });
});
