/** What the operator reads, from a process of its own: the log writes to descriptors 1 and 2. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "log-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Settings {
  quiet?: boolean;
  verbose?: boolean;
  logFile?: string;
  color?: boolean;
  descriptor?: 1 | 2;
}

/** Runs `body` with a `log` and an access `entry`; returns what came out, timestamps checked and removed. */
async function run(body: string, settings: Settings = {}): Promise<{ stdout: string; stderr: string }> {
  const { color = false, descriptor = 1, ...given } = settings;
  const script = join(folder, "script.ts");
  const options = { quiet: false, verbose: false, logFormat: "pretty", logFile: "", ...given };
  writeFileSync(
    script,
    `import { Log } from ${JSON.stringify(join(import.meta.dir, "..", "..", "src", "cli", "log.ts"))};
    const log = new Log(${JSON.stringify(options)}, { isTerminal: () => ${color}, isColored: ${color}, columns: () => 80 }, ${descriptor});
    const entry = { wallMs: Date.now(), slot: 1, peer: "127.0.0.1:5", requestLine: "GET / HTTP/1.1", host: "ok", status: 200,
      bytes: 1, transfer: "html", durationMs: 1, persistent: true, referer: null, userAgent: null, fault: null };
    ${body}
    await log.settle(2000);
    log.close();`,
  );
  await using child = Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "pipe", cwd: folder });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(await child.exited).toBe(0);
  return { stdout: withoutStamps(stdout), stderr: withoutStamps(stderr) };
}

function withoutStamps(text: string): string {
  return text.replace(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] /gm, "T ");
}

const EVERYTHING = `log.info("info"); log.detail?.("detail"); log.warn("warn"); log.error("error"); log.access?.(entry); log.ready("ready");`;
const REQUEST = 'T [Thread-1] 127.0.0.1:5 "GET / HTTP/1.1" host=ok 200 1 html 1.00ms keep-alive\n';

test("information goes to stdout, warnings and errors to stderr, in the order they were said", async () => {
  expect(await run(EVERYTHING)).toEqual({
    stdout: `T info\n${REQUEST}ready\n`,
    stderr: "T warning: warn\nT error: error\n",
  });
});

test("--verbose adds the steps", async () => {
  expect((await run(EVERYTHING, { verbose: true })).stdout).toBe(`T info\nT detail\n${REQUEST}ready\n`);
});

test("--quiet leaves the ready line, warnings and errors", async () => {
  expect(await run(EVERYTHING, { quiet: true })).toEqual({
    stdout: "ready\n",
    stderr: "T warning: warn\nT error: error\n",
  });
});

test("request lines go to the log file, also with --quiet", async () => {
  const logFile = join(folder, "access.log");
  expect((await run(EVERYTHING, { quiet: true, logFile })).stdout).toBe("ready\n");
  expect(withoutStamps(readFileSync(logFile, "utf8"))).toBe(REQUEST);
});

test("beside a command all goes to stderr, and request lines only with --verbose or to a file", async () => {
  const [info, warnings] = ["T info\n", "T warning: warn\nT error: error\n"];
  expect(await run(EVERYTHING, { descriptor: 2 })).toEqual({ stdout: "", stderr: `${info}${warnings}ready\n` });
  expect(await run(EVERYTHING, { descriptor: 2, verbose: true })).toEqual({
    stdout: "",
    stderr: `${info}T detail\n${warnings}${REQUEST}ready\n`,
  });
  const logFile = join(folder, "beside.log");
  expect(await run(EVERYTHING, { descriptor: 2, quiet: true, logFile })).toEqual({
    stdout: "",
    stderr: `${warnings}ready\n`,
  });
  expect(withoutStamps(readFileSync(logFile, "utf8"))).toBe(REQUEST);
});

test("nothing is made for a log that nobody reads", async () => {
  expect((await run(`log.ready(String(log.access) + " " + String(log.detail))`, { quiet: true })).stdout).toBe(
    "null null\n",
  );
});

test("text from the wire cannot end a line or steer a terminal", async () => {
  const { stderr } = await run(`log.warn("a\\n[2026-01-01 00:00:00] forged\\x1b[2J\\u009b")`);
  expect(stderr).toBe("T warning: a\\x0a[2026-01-01 00:00:00] forged\\x1b[2J\\x9b\n");
});

test("an error is shown with its stack, indented, each line escaped", async () => {
  const { stderr } = await run(
    `const cause = new TypeError("bad\\x07 thing"); log.error("failure on connection 7", cause)`,
  );
  expect(stderr).toStartWith("T error: failure on connection 7\n    TypeError: bad\\x07 thing\n        at ");
  expect(
    stderr
      .split("\n")
      .slice(1, -1)
      .every((line) => line.startsWith("    ")),
  ).toBe(true);
});

test("the same line many times is said as many times", async () => {
  const { stderr } = await run(`for (let i = 0; i < 20; i++) log.warn("again")`);
  expect(stderr).toBe("T warning: again\n".repeat(20));
});

test("colours are used when asked for, and only on the word", async () => {
  expect((await run(`log.warn("w"); log.error("e")`, { color: true })).stderr).toBe(
    "T \x1b[33mwarning: \x1b[39mw\nT \x1b[31merror: \x1b[39me\n",
  );
});
