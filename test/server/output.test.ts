/** The way of lines to a descriptor: when it is slow, full, closed, rotated, or read by nobody. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  read,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Output } from "../../src/server/output.ts";
import { openBelow } from "../support/descriptors.ts";
import { linux, needs, posix } from "../support/needs.ts";
import { until } from "../support/waiting.ts";

let folder = "";
let path = "";
let reports: string[] = [];
const report = (text: string) => void reports.push(text);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "output-"));
  path = join(folder, "access.log");
  reports = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("writes the lines of a turn in their order", async () => {
  const output = Output.file(path, report);
  for (let i = 0; i < 20_000; i++) output.write(`${i}\n`);
  await output.settle(5000);
  output.close();
  expect(readFileSync(path, "utf8")).toBe(Array.from({ length: 20_000 }, (_, i) => `${i}\n`).join(""));
  expect(reports).toEqual([]);
});

test("a file that rests behind a write keeps nobody waiting who settles or closes", async () => {
  const output = Output.file(path, report);
  output.write("first\n");
  await until(() => statSync(path).size > 0, "the first line");
  output.write("gathered\n");
  await output.settle(2000);
  expect(readFileSync(path, "utf8")).toBe("first\ngathered\n");
  output.write("at the end\n");
  output.close();
  expect(readFileSync(path, "utf8")).toBe("first\ngathered\nat the end\n");
});

test("lines that gather while a file rests are written without anybody asking", async () => {
  const output = Output.file(path, report);
  output.write("first\n");
  await until(() => statSync(path).size > 0, "the first line");
  output.write("gathered\n");
  await until(() => readFileSync(path, "utf8") === "first\ngathered\n", "the gathered line");
  output.close();
});

test("appends, and makes a file that others cannot read", async () => {
  for (const line of ["first\n", "second\n"]) {
    const output = Output.file(path, report);
    output.write(line);
    await output.settle(2000);
    output.close();
  }
  expect(readFileSync(path, "utf8")).toBe("first\nsecond\n");
  expect(statSync(path).mode & 0o137).toBe(0);
});

test("goes on in a new file after a rotation", async () => {
  const output = Output.file(path, report);
  output.write("before\n");
  await output.settle(2000);
  renameSync(path, `${path}.1`);
  output.write("still the old file\n");
  await output.settle(2000);
  output.reopen();
  output.write("after\n");
  await output.settle(2000);
  output.close();
  expect(readFileSync(`${path}.1`, "utf8")).toBe("before\nstill the old file\n");
  expect(readFileSync(path, "utf8")).toBe("after\n");
});

test("keeps the old file when the new one cannot be opened", async () => {
  const inner = join(folder, "inner");
  await Bun.write(join(inner, "log"), "");
  const output = Output.file(join(inner, "log"), report);
  renameSync(inner, `${inner}.moved`);
  output.reopen();
  output.write("kept\n");
  await output.settle(2000);
  output.close();
  expect(readFileSync(join(`${inner}.moved`, "log"), "utf8")).toBe("kept\n");
  expect(reports).toHaveLength(1);
  expect(reports[0]).toContain("cannot reopen");
});

test("flush writes what waits before the turn ends", () => {
  const output = Output.file(path, report);
  output.write("last words\n");
  output.flush();
  expect(readFileSync(path, "utf8")).toBe("last words\n");
  output.close();
});

needs(linux).test("survives a full disk and says so once", async () => {
  const descriptor = openSync("/dev/full", "w");
  const output = Output.descriptor(descriptor, report);
  for (let i = 0; i < 3; i++) {
    output.write("lost\n");
    await output.settle(2000);
  }
  output.close();
  closeSync(descriptor);
  expect(reports).toEqual([
    `cannot write to descriptor ${descriptor} (ENOSPC); log lines are lost until it works again`,
  ]);
});

needs(posix).test("refuses a FIFO without a reader instead of waiting for one", () => {
  Bun.spawnSync(["mkfifo", path]);
  expect(() => Output.file(path, report)).toThrow("ENXIO");
});

needs(posix).test("drops and counts the oldest lines while the reader has stopped, and keeps the newest", async () => {
  Bun.spawnSync(["mkfifo", path]);
  const reader = openSync(path, "r+"); // Opens without waiting for a writer.
  const output = Output.file(path, report, 256 * 1024);
  const line = `${"x".repeat(1023)}\n`;
  for (let i = 0; i < 2000; i++) output.write(line);
  output.write("newest\n");
  await output.settle(100);
  let text = "";
  while (!text.endsWith("newest\n")) {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const buffer = Buffer.alloc(1 << 20);
    read(reader, buffer, 0, buffer.length, null, (error, count) =>
      error ? reject(error) : resolve(buffer.toString("latin1", 0, count)),
    );
    text += await promise;
  }
  await output.settle(2000);
  output.close();
  closeSync(reader);
  const arrived = text.split("\n").length - 2;
  expect(arrived).toBeLessThan(700);
  expect(reports).toEqual([`${2000 - arrived} log lines were lost on the way to ${path}`]);
});

needs(linux).test("writes to a pipe on the spot, and leaves what others share as it was", () => {
  Bun.spawnSync(["mkfifo", path]);
  const shared = openSync(path, constants.O_RDWR); // Opens both sides at once, so that opening does not wait.
  const output = Output.descriptor(shared, report);
  output.writeAlone("ready\n");
  const buffer = Buffer.alloc(100);
  expect(buffer.toString("latin1", 0, readSync(shared, buffer))).toBe("ready\n");
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${shared}`, "latin1"))?.[1] ?? "";
  expect(Number.parseInt(flags, 8) & constants.O_NONBLOCK).toBe(0);
  output.close();
  closeSync(shared);
});

needs(linux).test("gives its own descriptor of a pipe back", () => {
  Bun.spawnSync(["mkfifo", path]);
  const shared = openSync(path, constants.O_RDWR);
  expect(openBelow(path)).toHaveLength(1);
  const output = Output.descriptor(shared, report);
  expect(openBelow(path)).toHaveLength(2);
  output.close();
  expect(openBelow(path)).toHaveLength(1);
  closeSync(shared);
});

test("goes on where a file of someone else is, after what it holds", async () => {
  writeFileSync(path, "");
  const descriptor = openSync(path, "w");
  writeSync(descriptor, "theirs\n");
  const output = Output.descriptor(descriptor, report);
  output.write("ours\n");
  await output.settle(2000);
  output.close();
  closeSync(descriptor);
  expect(readFileSync(path, "utf8")).toBe("theirs\nours\n");
});

/** Runs `body` with an `output` for descriptor 1, which is a pipe of the shell or a socket of Bun. */
function runWithOutput(body: string, kind: "pipe" | "socket"): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const script = join(folder, "script.ts");
  const module = join(import.meta.dir, "..", "..", "src", "server", "output.ts");
  writeFileSync(
    script,
    `import { Output } from ${JSON.stringify(module)};
    const output = Output.descriptor(1, (text) => process.stderr.write(text));
    ${body}
    output.close();
    process.exit(0);`,
  );
  const words =
    kind === "socket" ? [process.execPath, script] : ["sh", "-c", '"$0" "$1" | cat', process.execPath, script];
  return Bun.spawn(words, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
}

for (const kind of ["pipe", "socket"] as const) {
  needs(posix).test(`carries megabytes through a ${kind} to its reader, without loss`, async () => {
    const child = runWithOutput(
      `for (let i = 0; i < 30000; i++) output.write(String(i).padStart(99, "0") + "\\n");
      await output.settle(4000);`,
      kind,
    );
    const [text, told] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    expect(told).toBe("");
    expect(text).toBe(Array.from({ length: 30_000 }, (_, i) => `${String(i).padStart(99, "0")}\n`).join(""));
  });
}

const ERASE = "\r\x1b[J";

test("a footer stays below the lines: each write erases it first and draws it again behind them", async () => {
  const output = Output.file(path, report);
  output.write("one\n");
  await output.settle(2000);
  output.setFooter("row");
  await output.settle(2000);
  output.write("two\n");
  output.write("three\n");
  await output.settle(2000);
  output.write("four\n");
  output.setFooter("other row");
  await output.settle(2000);
  const drawn = `one\nrow\r${ERASE}two\nthree\nrow\r${ERASE}four\nother row\r`;
  expect(readFileSync(path, "utf8")).toBe(drawn);
  output.close();
  expect(readFileSync(path, "utf8")).toBe(drawn + ERASE);
  expect(reports).toEqual([]);
});

test("a footer that does not change is not written again, and of many changes in a turn only the last is", async () => {
  const output = Output.file(path, report);
  for (const row of ["a", "b", "c"]) output.setFooter(row);
  await output.settle(2000);
  output.setFooter("c");
  await output.settle(2000);
  output.setFooter("d");
  output.setFooter("c");
  await output.settle(2000);
  expect(readFileSync(path, "utf8")).toBe("c\r");
  output.setFooter("");
  await output.settle(2000);
  output.write("plain\n");
  await output.settle(2000);
  output.close();
  expect(readFileSync(path, "utf8")).toBe(`c\r${ERASE}plain\n`);
});

test("a line that gets a write of its own has the footer below it too", async () => {
  const output = Output.file(path, report);
  output.setFooter("row");
  output.writeAlone("ready\n");
  output.write("next\n");
  await output.settle(2000);
  output.close();
  expect(readFileSync(path, "utf8")).toBe(`ready\nrow\r${ERASE}next\nrow\r${ERASE}`);
});

test("what waits at the very end is written without a footer, also when nobody waited for it", () => {
  const output = Output.file(path, report);
  output.setFooter("never seen");
  output.write("last\n");
  output.close();
  output.setFooter("late");
  expect(readFileSync(path, "utf8")).toBe("last\n");
});
