/** Request lines in each format. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { escapeControls, escapeQuoted } from "../../src/http/escape.ts";
import { type AccessEntry, AccessLog } from "../../src/server/access-log.ts";
import { Output } from "../../src/server/output.ts";
import type { LogFormat } from "../../src/settings/program-settings.ts";

let folder = "";
let path = "";
const report = (text: string) => {
  throw new Error(text);
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "access-log-"));
  path = join(folder, "access.log");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const wallMs = new Date(2026, 2, 15, 10, 30, 15, 7).getTime(); // local time
const entry: AccessEntry = {
  wallMs,
  slot: 1,
  peer: "127.0.0.1:50000",
  requestLine: "GET /logo.png HTTP/1.1",
  host: "ok",
  status: 200,
  bytes: 12_345,
  transfer: "binary",
  durationMs: 0.42,
  persistent: true,
  referer: null,
  userAgent: null,
  fault: null,
  stub: null,
  protocol: "1.1",
  stream: 0,
};

async function written(format: LogFormat, ...entries: AccessEntry[]): Promise<string> {
  const output = Output.file(path, report);
  const log = new AccessLog(format, output, null);
  for (const each of entries) log.write(each);
  await output.settle(2000);
  output.close();
  return readFileSync(path, "latin1");
}

describe("the short format of a terminal", () => {
  const line = async (columns: number, changed: Partial<AccessEntry> = {}, isColored = false): Promise<string> => {
    const output = Output.file(path, report);
    new AccessLog("auto", output, { columns: () => columns, isColored }).write({ ...entry, ...changed });
    await output.settle(2000);
    output.close();
    return `${readFileSync(path, "latin1").split("\n").at(-2)}\n`;
  };

  test("says when, the status, the request, how much and how long, with units", async () => {
    const nope = { requestLine: "GET /nope HTTP/1.1", status: 404, bytes: 785, durationMs: 0.7 };
    expect(await line(80, nope)).toBe("10:30:15 404 GET /nope 785 B 0.7 ms\n");
    expect(await line(80)).toBe("10:30:15 200 GET /logo.png 12 KB 0.4 ms\n");
    expect(await line(80, { requestLine: "GET / HTTP/1.0", durationMs: 1234 })).toBe(
      "10:30:15 200 GET / HTTP/1.0 12 KB 1.2 s\n",
    );
    expect(await line(80, { requestLine: "", bytes: 0 })).toBe("10:30:15 200 - 0 B 0.4 ms\n");
  });

  test("cuts the request, and is never wider than the terminal", async () => {
    const requestLine = `GET /${"a".repeat(300)} HTTP/1.1`;
    for (const columns of [80, 120, 40]) {
      const text = await line(columns, { requestLine });
      expect(text).toMatch(/^10:30:15 200 GET \/a+\.\.\. 12 KB 0\.4 ms\n$/);
      expect(text).toHaveLength(columns + 1);
    }
    expect(await line(10, { requestLine })).toBe("10:30:15 200 GET /... 12 KB 0.4 ms\n");
  });

  test("colours the status by its class, and nothing from the wire steers the terminal", async () => {
    const colored = async (status: number) => (await line(80, { status }, true)).split(" ")[1];
    expect(await colored(200)).toBe("\x1b[32m200\x1b[39m");
    expect(await colored(304)).toBe("\x1b[36m304\x1b[39m");
    expect(await colored(404)).toBe("\x1b[33m404\x1b[39m");
    expect(await colored(503)).toBe("\x1b[31m503\x1b[39m");
    expect(await line(80, { requestLine: "GET /\x1b[2J\x9b HTTP/1.1" })).toContain(" GET /\\x1b[2J\\x9b ");
  });

  test("is the pretty one where there is no terminal", async () => {
    const line = await written("auto", entry);
    expect(await written("pretty", entry)).toBe(line + line); // Both are appended to the file.
  });
});

describe("the pretty format", () => {
  test("says slot, peer, request line, Host verdict, status, bytes, kind, time and what becomes of the connection", async () => {
    expect(await written("pretty", entry)).toBe(
      '[2026-03-15 10:30:15] [Thread-1] 127.0.0.1:50000 "GET /logo.png HTTP/1.1" host=ok 200 12345 binary 0.42ms keep-alive\n',
    );
  });

  test("shows a refusal without slot and request line", async () => {
    const refusal = { ...entry, slot: 0, requestLine: "", host: "-", status: 400, persistent: false } as const;
    expect(await written("pretty", refusal)).toBe(
      '[2026-03-15 10:30:15] [-] 127.0.0.1:50000 "-" host=- 400 12345 binary 0.42ms close\n',
    );
  });

  test("takes a new timestamp with each second, and not before", async () => {
    const lines = await written(
      "pretty",
      entry,
      { ...entry, wallMs: wallMs + 900 },
      { ...entry, wallMs: wallMs + 1000 },
    );
    expect(lines.match(/^\[[^\]]+\]/gm)).toEqual([
      "[2026-03-15 10:30:15]",
      "[2026-03-15 10:30:15]",
      "[2026-03-15 10:30:16]",
    ]);
  });

  const durations: readonly [milliseconds: number, shown: string][] = [
    [0, "0.00ms"],
    [0.005, "0.01ms"],
    [0.999, "1.00ms"],
    [12.3, "12.30ms"],
    [30_000, "30000.00ms"],
    [-1, "0.00ms"],
  ];
  for (const [durationMs, shown] of durations) {
    test(`shows ${durationMs} ms as ${shown}`, async () => {
      expect(await written("pretty", { ...entry, durationMs })).toContain(` ${shown} keep-alive`);
    });
  }
});

describe("Apache's formats", () => {
  test("common has address, time with zone, request, status and bytes", async () => {
    expect(await written("common", entry)).toMatch(
      /^127\.0\.0\.1 - - \[15\/Mar\/2026:10:30:15 [+-]\d{4}\] "GET \/logo\.png HTTP\/1\.1" 200 12345\n$/,
    );
  });

  test("common gives an IPv6 address without brackets and port, and - for no content", async () => {
    const line = await written("common", { ...entry, peer: "[::1]:50000", bytes: 0, status: 304 });
    expect(line).toStartWith("::1 - - [");
    expect(line).toEndWith(" 304 -\n");
  });

  test("combined adds referer and user agent, - where there is none", async () => {
    expect(await written("combined", { ...entry, userAgent: 'a"b\\' })).toEndWith(' 200 12345 "-" "a\\"b\\\\"\n');
  });
});

describe("the json format", () => {
  test("is one object a line, time in UTC with milliseconds", async () => {
    const line = await written("json", { ...entry, referer: "http://a.test/" });
    expect(line.indexOf("\n")).toBe(line.length - 1);
    expect(JSON.parse(line)).toEqual({
      time: new Date(wallMs).toISOString(),
      slot: 1,
      peer: "127.0.0.1:50000",
      request: "GET /logo.png HTTP/1.1",
      protocol: "1.1",
      host: "ok",
      status: 200,
      bytes: 12_345,
      transfer: "binary",
      durationMs: 0.42,
      persistent: true,
      referer: "http://a.test/",
      userAgent: null,
    });
  });

  test("names version and stream in HTTP/2", async () => {
    const line = await written("json", { ...entry, protocol: "2", stream: 5 });
    expect(JSON.parse(line)).toMatchObject({ protocol: "2", stream: 5 });
  });

  test("names no version if no request has come", async () => {
    expect(JSON.parse(await written("json", { ...entry, protocol: null }))).toMatchObject({ protocol: null });
  });

  test("names the fault that a test has ordered, where there is one", async () => {
    expect(JSON.parse(await written("json", { ...entry, fault: "reset" }))).toMatchObject({ fault: "reset" });
  });

  test("gives back every byte from the wire, in ASCII", async () => {
    const everyByte = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
    const line = await written("json", { ...entry, requestLine: everyByte, userAgent: everyByte });
    expect(line).toMatch(/^[ -~]+\n$/);
    expect(JSON.parse(line)).toMatchObject({ request: everyByte, userAgent: everyByte });
  });
});

for (const format of ["pretty", "common", "combined", "json"] as const) {
  test(`${format}: a request line cannot forge a line, whatever byte it holds`, async () => {
    for (let byte = 0; byte < 256; byte++) {
      rmSync(path, { force: true });
      const hostile = `GET /${String.fromCharCode(byte)}[2026-01-01 00:00:00] HTTP/1.1`;
      expect(await written(format, { ...entry, requestLine: hostile })).toMatch(/^[ -~]+\n$/);
    }
  });
}

describe("escaping", () => {
  test("in quotes: printable ASCII stays, quote and backslash get a backslash, the rest is hexadecimal", () => {
    expect(escapeQuoted('a "b" \\ \r\n\x1b[1m\x7f\xe9')).toBe('a \\"b\\" \\\\ \\x0d\\x0a\\x1b[1m\\x7f\\xe9');
  });

  test("in a message: letters of every script stay, what steers a terminal or reorders text does not", () => {
    expect(escapeControls("größe 文件 \x1b[2J\x9b1m\u202egnp.exe\u2028\n")).toBe(
      "größe 文件 \\x1b[2J\\x9b1m\\u202egnp.exe\\u2028\\x0a",
    );
    expect(escapeControls("")).toBe("");
  });
});

test.each([
  ["UTC", "[2026-03-15 10:30:15]", "[15/Mar/2026:10:30:15 +0000]"],
  ["Etc/UTC", "[2026-03-15 10:30:15]", "[15/Mar/2026:10:30:15 +0000]"],
  ["Asia/Kolkata", "[2026-03-15 16:00:15]", "[15/Mar/2026:16:00:15 +0530]"],
  ["America/St_Johns", "[2026-03-15 08:00:15]", "[15/Mar/2026:08:00:15 -0230]"],
  ["Pacific/Kiritimati", "[2026-03-16 00:30:15]", "[16/Mar/2026:00:30:15 +1400]"],
])("timestamps are local time: TZ=%s", async (zone, pretty, combined) => {
  const script = `
    import { AccessLog } from ${JSON.stringify(join(import.meta.dir, "../../src/server/access-log.ts"))};
    const entry = ${JSON.stringify({ ...entry, wallMs: Date.UTC(2026, 2, 15, 10, 30, 15) })};
    for (const format of ["pretty", "combined"]) new AccessLog(format, { write: console.log }, null).write(entry);`;
  const child = Bun.spawn([process.execPath, "-e", script], { env: { ...process.env, TZ: zone }, stdout: "pipe" });
  const text = await new Response(child.stdout).text();
  expect(text).toContain(pretty);
  expect(text).toContain(combined);
});
