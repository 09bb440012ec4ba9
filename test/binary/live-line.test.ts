/** `--live` on a terminal: the line stays below the log and disturbs none of it, and goes when the server goes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Binary, BUILD_MS, buildBinary, Program, run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { RawClient, request, stalledDownload } from "../support/raw-client.ts";
import { Terminal } from "../support/terminal.ts";
import { until } from "../support/waiting.ts";

const WIDE = 200;
const LINE = /^\d+\/\d+ slots \| \d+ queued \| .*\d+ req\/s \| p50 .*, p99 .* \| \d+ connections?$/;
const WARNING = "--live needs a terminal on stdout: the status line is not shown";

let binary: Binary;
let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "live-"));
  mkdirSync(join(folder, "resources"));
  writeFileSync(join(folder, "resources", "index.html"), "hello");
  writeFileSync(join(folder, "resources", "large.bin"), "");
  truncateSync(join(folder, "resources", "large.bin"), 32 * 1024 * 1024);
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => {
  binary[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

interface Starting {
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
}

function start(words: readonly string[], { columns = WIDE, env = {} }: Starting = {}): Terminal {
  return new Terminal([binary.path, "--port", "0", "--live", ...words], { cwd: folder, columns, env });
}

/** So many answers on one connection, then it goes. */
async function ask(port: number, count: number): Promise<void> {
  using client = await RawClient.connect(port);
  for (let i = 0; i < count; i++) await client.send(request(port, `GET /?${i}`)).answer();
}

/** What of the line is in a text that should have nothing of it. */
function traces(text: string): string[] {
  return ["\x1b", "\r", " slots"].filter((trace) => text.includes(trace));
}

needs("python3").describe("on a terminal", () => {
  test("the line stays below the log, whose lines are whole and in order, warnings among them", async () => {
    await using terminal = start(["--log-format", "pretty"]);
    const { port } = await terminal.ready();
    await until(() => LINE.test(terminal.lastLine), "the line");
    for (let i = 0; i < 5; i++) {
      await ask(port, 20);
      using evil = await RawClient.connect(port);
      await evil.send(`GET / HTTP/1.1\r\nHost: evil${i}.test\r\n\r\n`).answer();
    }
    await until(() => terminal.lines.filter((line) => line.includes('"GET /')).length === 105, "105 log lines");
    const [ready = "", ...lines] = terminal.lines;
    expect(ready).toMatch(/^Listening on port \d+ \(http:\/\/127\.0\.0\.1:\d+\) pid=\d+$/);
    expect(lines.pop()).toMatch(LINE);
    for (const line of lines) expect(line).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] [^|]+$/);
    expect(lines.filter((line) => line.includes("warning: refused a request for the host evil"))).toHaveLength(5);
    const asked = lines.flatMap((line) => /"GET \/\?(\d+) /.exec(line)?.[1] ?? []);
    expect(asked).toEqual(Array.from({ length: 100 }, (_, i) => String(i % 20)));
  });

  test("log lines longer than the terminal is wide are not touched either", async () => {
    await using terminal = start(["--log-format", "pretty"], { columns: 40 });
    const { port } = await terminal.ready();
    await ask(port, 30);
    await until(
      () => terminal.lines.filter((line) => / 200 5 html .*keep-alive$/.test(line)).length === 30,
      "30 lines",
    );
    expect(terminal.lastLine).toMatch(/^\d+\/10 slots \| 0 queued \| \d+ req\/s$/);
  });

  test("it shows the pool at work, its queue and its refusals", async () => {
    await using terminal = start(["--threads", "1", "--queue", "1", "--max-requests", "0"]);
    const { port } = await terminal.ready();
    await until(() => terminal.lastLine.startsWith("0/1 slots | 0 queued | 0 req/s"), "an idle pool");
    using _busy = await stalledDownload(port);
    await until(() => terminal.lastLine.startsWith("1/1 slots | 0 queued"), "a busy slot");
    using waiting = await RawClient.connect(port);
    waiting.send(request(port, "GET /"));
    for (let i = 0; i < 2; i++) {
      using refused = await RawClient.connect(port);
      expect((await refused.send(request(port, "GET /")).answer()).status).toBe(503);
    }
    await until(() => terminal.lastLine.includes(" | 2 x 503 | "), "two refusals");
    // The slot of who reads nothing is lent, and the line tells of that too.
    expect((await waiting.answer()).status).toBe(200);
    await until(async () => {
      await waiting.send(request(port, "GET /")).answer(); // Times are shown for a second.
      return /^0\/1 slots \| 0 queued .* p50 .*, p99 .* 2 connections$/.test(terminal.lastLine);
    }, "the end");
  });

  test("a warning that is shorter than the line leaves none of it behind", async () => {
    await using terminal = start(["--threads", "1", "--queue", "1"]);
    const { port } = await terminal.ready();
    using _busy = await stalledDownload(port);
    const queue = async (count: number) => {
      const client = (await RawClient.connect(port)).send(request(port, "GET /"));
      await until(() => warnings().length === count, "the warning");
      return client;
    };
    const warnings = () => terminal.lines.filter((line) => line.includes(" queuing request"));
    const waiting = await queue(1);
    for (let i = 0; i < 3; i++) await ask(port, 1);
    waiting.reset();
    const isLonger = () => LINE.test(terminal.lastLine) && terminal.lastLine.length > (warnings()[0] ?? "").length;
    await until(() => isLonger() && terminal.lastLine.includes(" | 3 x 503 | "), "a line longer than the warning");
    using _other = await queue(2);
    for (const line of warnings()) expect(line).toEndWith(" warning: Thread pool saturated, queuing request");
  });

  test("it is cut at the width of the terminal, also when that changes", async () => {
    await using terminal = start([]);
    await terminal.ready();
    await until(() => LINE.test(terminal.lastLine), "the line");
    terminal.resize(30);
    await until(() => terminal.lastLine === "0/10 slots | 0 queued", "a shorter line");
    terminal.resize(8);
    await until(() => terminal.lastLine === "0/10 sl", "what there is endpoint for");
    terminal.resize(WIDE);
    await until(() => LINE.test(terminal.lastLine), "the whole line");
    expect(terminal.lines.filter((line) => line.includes(" slots"))).toHaveLength(1);
  });

  test("nothing is written while nothing changes", async () => {
    await using terminal = start(["--status"]);
    const { port } = await terminal.ready();
    // The page of the server is told of each look, whatever the line makes of it.
    using page = await RawClient.connect(port);
    page.send(request(port, "GET /__server/events"));
    const looks = () => page.text.split("data: ").length;
    await until(() => / 0 req\/s .* 1 connection$/.test(terminal.lastLine), "a line that stays");
    const { written } = terminal;
    const before = looks();
    await until(() => looks() >= before + 3, "three looks");
    expect(terminal.written).toBe(written);
  });

  test("it goes with the server, after a signal", async () => {
    await using terminal = start([]);
    const { port } = await terminal.ready();
    await ask(port, 1);
    await until(() => LINE.test(terminal.lastLine), "the line");
    terminal.interrupt();
    expect(await terminal.ended()).toBe(0);
    expect(terminal.lastLine).toEndWith("Server stopped");
    expect(terminal.lines.filter((line) => line.includes(" slots"))).toEqual([]);
  });

  test("and after a second one that cuts what is in flight", async () => {
    await using terminal = start([]);
    const { port } = await terminal.ready();
    using _busy = await stalledDownload(port);
    terminal.interrupt();
    await until(() => terminal.lines.some((line) => line.includes("SIGINT received: ")), "the drain");
    // Too soon, a second one is the first once more.
    await until(() => {
      if (terminal.lines.some((line) => line.includes("SIGINT received again"))) return true;
      terminal.interrupt();
      return false;
    }, "the cut");
    expect(await terminal.ended()).toBe(130);
    expect(terminal.lines.filter((line) => line.includes(" slots"))).toEqual([]);
  });

  test("a server that cannot start shows none", async () => {
    await using taken = await Program.start([binary.path, "--port", "0"], { cwd: folder });
    await using terminal = start(["--port", String(taken.port)]);
    expect(await terminal.ended()).toBe(3);
    expect(terminal.lines).toHaveLength(1);
    expect(terminal.written).not.toContain("\x1b[J");
  });

  test("full slots are coloured, unless NO_COLOR is set", async () => {
    const colors = ["\x1b[33m1/1 slots\x1b[39m", "\x1b[31m1 x 503\x1b[39m"];
    for (const env of [{}, { NO_COLOR: "1" }]) {
      await using terminal = start(["--threads", "1", "--queue", "0"], { env });
      const { port } = await terminal.ready();
      using _busy = await stalledDownload(port);
      await ask(port, 1);
      await until(() => terminal.lastLine.startsWith("1/1 slots | 0 queued | 1 x 503"), "a full pool");
      const isColored = !("NO_COLOR" in env);
      expect(colors.map((text) => terminal.written.includes(text))).toEqual([isColored, isColored]);
      if (!isColored) expect(terminal.written.replaceAll("\x1b[J", "")).not.toContain("\x1b");
    }
  });

  test("--quiet leaves it alone with the ready line: it was asked for by name", async () => {
    await using terminal = start(["--quiet"]);
    const { port } = await terminal.ready();
    await ask(port, 3);
    await until(() => / [1-9]\d* req\/s /.test(terminal.lastLine), "a rate");
    expect(terminal.lines).toHaveLength(2);
  });

  test("warnings that go elsewhere have nothing of it", async () => {
    const errors = join(folder, "errors");
    const shell = ["sh", "-c", `exec "$0" "$@" 2> '${errors}'`, binary.path, "--port", "0", "--live"];
    await using terminal = new Terminal(shell, { cwd: folder, columns: WIDE });
    const { port } = await terminal.ready();
    using evil = await RawClient.connect(port);
    await evil.send("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n").answer();
    await until(() => readFileSync(errors, "utf8").includes("evil.test"), "the warning");
    await until(() => LINE.test(terminal.lastLine), "the line");
    expect(traces(readFileSync(errors, "utf8"))).toEqual([]);
    expect(terminal.lines.some((line) => line.includes("warning: "))).toBe(false);
  });

  test("one that cannot move its cursor is told so, and has the log alone", async () => {
    await using terminal = start([], { env: { TERM: "dumb" } });
    const { port } = await terminal.ready();
    await ask(port, 1);
    await until(() => terminal.lines.some((line) => line.includes(" GET /?0 ")), "the log line");
    expect(terminal.lines.filter((line) => line.includes(WARNING))).toHaveLength(1);
    expect(terminal.written).not.toContain("\x1b[J");
  });
});

test("without a terminal there is one warning, and not a byte of it on stdout", async () => {
  await using program = await Program.start([binary.path, "--port", "0", "--live"], { cwd: folder });
  await ask(program.port, 3);
  program.signal("SIGTERM");
  expect(await program.ended()).toBe(0);
  expect(traces(program.stdout)).toEqual([]);
  expect(program.stderr.split("\n").filter((line) => line.includes(WARNING))).toHaveLength(1);
});

test("help names it", async () => {
  const { stdout } = await run([binary.path, "--help", "all"], { cwd: folder });
  expect(stdout).toContain("--live ");
});
