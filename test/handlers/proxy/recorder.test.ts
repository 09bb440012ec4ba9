/** Answers of an upstream as stub files: names, numbers, secrets, codings, and a replay that gives the same answers. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { Recorder } from "../../../src/handlers/proxy/recorder.ts";
import { StubFolder } from "../../../src/handlers/stubs/stub-folder.ts";
import type { FieldLines } from "../../../src/http/fields.ts";
import { parseProxyRule } from "../../../src/http/proxy-rule.ts";
import { StartError } from "../../../src/settings/start-error.ts";
import { bytesOf } from "../../support/bytes.ts";
import { makeRequest } from "../../support/site.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const rule = parseProxyRule("/** http://up.test:3000");
if (typeof rule === "string") throw new Error(rule);
const { origin } = rule;

interface Answer {
  readonly status?: number;
  readonly lines?: FieldLines;
  readonly content?: string | Uint8Array;
  readonly isWhole?: boolean;
}

class Recorded {
  readonly path = mkdtempSync(join(tmpdir(), "recorded-"));
  readonly warnings: string[] = [];
  readonly recorder: Recorder;

  constructor() {
    folders.push(this.path);
    this.recorder = new Recorder({ realPath: this.path, shown: "out", warn: (line) => this.warnings.push(line) });
  }

  /** Begins a request. The returned function ends it with an answer. */
  begin(line: string): (answer: Answer | string) => void {
    const recording = this.recorder.begin(makeRequest(line), origin);
    return (answer) => {
      const {
        status = 200,
        lines = [],
        content = "",
        isWhole = true,
      } = typeof answer === "string" ? { content: answer } : answer;
      const bytes = typeof content === "string" ? bytesOf(content) : content;
      recording?.answered({ status, lines, content: null, length: null });
      if (bytes.length > 0) recording?.received(bytes);
      recording?.ended(isWhole);
    };
  }

  record(line: string, answer: Answer | string = "x"): this {
    this.begin(line)(answer);
    return this;
  }

  /** All files by their paths, with their text. */
  files(): Record<string, string> {
    const paths = readdirSync(this.path, { recursive: true, encoding: "utf8" }).sort();
    const files = paths.map((path) => join(this.path, path)).filter((path) => statSync(path).isFile());
    return Object.fromEntries(files.map((path) => [relative(this.path, path), readFileSync(path, "latin1")]));
  }

  /** Contents by path. */
  contents(): Record<string, string> {
    return Object.fromEntries(
      Object.entries(this.files()).map(([path, text]) => [path, text.split("\n\n").slice(1).join("\n\n")]),
    );
  }
}

describe("an answer", () => {
  test("is one file for its method and path, whatever the query", () => {
    const recorded = new Recorded();
    recorded
      .record("GET /")
      .record("GET /api/orders?page=1", "a")
      .record("POST /api/orders/", { status: 201, content: "b" });
    recorded.record("GET /%C3%A4%20b");
    expect(recorded.files()).toEqual({
      "GET.http": "HTTP/1.1 200 OK\n\nx",
      "api/orders/GET.http": "HTTP/1.1 200 OK\n\na",
      "api/orders/POST.http": "HTTP/1.1 201 Created\n\nb",
      "ä b/GET.http": "HTTP/1.1 200 OK\n\nx",
    });
    expect(recorded.warnings).toEqual([]);
  });

  test("that differs gets a number, and equal ones before it do too", () => {
    const recorded = new Recorded();
    for (const content of ["a", "a", "b", "c", "c", "a", "a", "a"]) recorded.record("GET /n", content);
    expect(recorded.contents()).toEqual({
      "n/GET.1.http": "a",
      "n/GET.2.http": "a",
      "n/GET.3.http": "b",
      "n/GET.4.http": "c",
      "n/GET.5.http": "c",
      "n/GET.6.http": "a",
    });
    expect(recorded.warnings).toEqual([]);
  });

  test("that differs after a query is told of once", () => {
    const recorded = new Recorded();
    for (const page of [1, 2, 3]) recorded.record(`GET /n?page=${page}`, String(page));
    expect(recorded.warnings).toEqual([
      "--record: answers to GET /n differ, perhaps by query, which stubs do not look at; they are numbered in their order",
    ]);
  });

  test("has the place of its request, whenever it comes", () => {
    const recorded = new Recorded();
    const [first, second, third] = [recorded.begin("GET /n"), recorded.begin("GET /n"), recorded.begin("GET /n")];
    third("3");
    second({ content: "2", isWhole: false });
    expect(recorded.files()).toEqual({});
    first("1");
    expect(recorded.contents()).toEqual({ "n/GET.1.http": "1", "n/GET.2.http": "3" });
  });

  test("has no secret and nothing of the moment", () => {
    const recorded = new Recorded();
    recorded.record("GET /n", {
      lines: [
        ["Content-Type", "text/plain"],
        ["Set-Cookie", "sid=secret=x; Path=/; HttpOnly; Max-Age=60"],
        ["Set-Cookie", "secret; Path=/"],
        ["set-cookie", "sid=secret"],
        ["Cookie", "a=secret; b=secret"],
        ["Authorization", "Bearer secret"],
        ["Date", "Thu, 01 Jan 1970 00:00:00 GMT"],
        ["Age", "7"],
        ["Via", "1.1 other"],
        ["Server", "up"],
        ["Connection", "close, X-Hop"],
        ["X-Hop", "1"],
        ["Content-Length", "1"],
        ["Location", "http://up.test:3000/next"],
      ],
      content: "x",
    });
    expect(recorded.files()["n/GET.http"]).toBe(
      [
        "HTTP/1.1 200 OK",
        "Content-Type: text/plain",
        "Set-Cookie: sid=***; Path=/; HttpOnly; Max-Age=60",
        "Set-Cookie: ***; Path=/",
        "set-cookie: sid=***",
        "Cookie: a=***; b=***",
        "Authorization: Bearer ***",
        "Location: /next",
        "",
        "x",
      ].join("\n"),
    );
  });

  for (const [coding, encode] of [
    ["gzip", gzipSync],
    ["X-Gzip", gzipSync],
    ["deflate", deflateSync],
    ["deflate", deflateRawSync],
    ["br", brotliCompressSync],
    ["zstd", zstdCompressSync],
    ["identity", (bytes: Uint8Array) => bytes],
    ["deflate, gzip", (bytes: Uint8Array) => gzipSync(deflateSync(bytes))],
  ] as const) {
    test(`in the coding ${coding} is recorded without it`, () => {
      const recorded = new Recorded();
      const lines: FieldLines = [
        ["Content-Encoding", coding],
        ["Content-Digest", "sha-256=:x:"],
      ];
      recorded.record("GET /n", { lines, content: new Uint8Array(encode(bytesOf("hello"))) });
      expect(recorded.files()).toEqual({ "n/GET.http": "HTTP/1.1 200 OK\n\nhello" });
    });
  }

  test("to HEAD is recorded as long as GET has none", () => {
    const recorded = new Recorded();
    recorded.record("HEAD /a", "").record("GET /b").record("HEAD /b", "");
    expect(Object.keys(recorded.files())).toEqual(["a/HEAD.http", "b/GET.http"]);
  });
});

describe("an answer that cannot be a stub", () => {
  test.each<[string, string, Answer, string]>([
    ["breaks off", "GET /n", { isWhole: false }, "it broke off"],
    ["is too large", "GET /n", { content: new Uint8Array(16 * 1024 * 1024 + 1) }, "it has more than 16 MB"],
    [
      "unpacks to too much",
      "GET /n",
      { lines: [["Content-Encoding", "gzip"]], content: new Uint8Array(gzipSync(new Uint8Array(20_000_000))) },
      "its content coding gzip cannot be undone",
    ],
    [
      "is in another coding",
      "GET /n",
      { lines: [["Content-Encoding", "compress"]], content: "x" },
      "its content coding compress is not known",
    ],
    [
      "is in a broken coding",
      "GET /n",
      { lines: [["Content-Encoding", "br"]], content: "x" },
      "its content coding br cannot be undone",
    ],
    ["has a path with a dot", "GET /.vite/x", {}, "a name that begins with a dot"],
    ["has a path that means any path", "GET /[id]", {}, "no literal name"],
    ["has a path with a part that is too long", `GET /${"a".repeat(256)}`, {}, "too long"],
    ["has a method in small letters", "get /n", {}, "expected a method in capital letters"],
    ["is for a path of the server", "GET /uploads/x", {}, "the server's own"],
  ])("because it %s is named once", (_, line, answer, reason) => {
    const recorded = new Recorded();
    recorded.record(line, answer).record(line, answer);
    expect(recorded.files()).toEqual({});
    expect(recorded.warnings).toEqual([expect.stringContaining(reason)]);
    expect(recorded.warnings[0]).toStartWith(`--record: ${line.split(" ")[0]} /`);
  });
});

test("more answers than a sequence has places are not recorded", () => {
  const recorded = new Recorded();
  for (let i = 0; i < 1003; i++) recorded.record("GET /n", String(i));
  expect(Object.keys(recorded.files())).toHaveLength(1000);
  expect(recorded.warnings).toEqual([expect.stringContaining("the folder would hold more than stubs may")]);
});

test("a folder that cannot be written is told of once", () => {
  const recorded = new Recorded();
  writeFileSync(join(recorded.path, "n"), "a file");
  recorded.record("GET /n/a").record("GET /n/b");
  expect(recorded.warnings).toEqual([expect.stringContaining("out cannot be written (")]);
});

test("a folder with stubs is refused, and one with notes is not", () => {
  const path = mkdtempSync(join(tmpdir(), "recorded-"));
  folders.push(path);
  writeFileSync(join(path, "notes.md"), "");
  writeFileSync(join(path, ".gitkeep"), "");
  const open = () => new Recorder({ realPath: path, shown: "out", warn: () => {} });
  open();
  mkdirSync(join(path, "api"));
  expect(open).toThrow(StartError);
  expect(open).toThrow("--record out has stubs already (api); expected an empty folder");
});

test("a replay gives the same answers in the same order, and the last one from then on", () => {
  const recorded = new Recorded();
  const answers = ["a", "a", "b", "a", "c", "c"];
  for (const content of answers) recorded.record("GET /n", content);
  const stubs = new StubFolder({ realPath: recorded.path, shown: "out", warn: () => {} });
  const replayed = [...answers, "c"].map(() => {
    const answer = stubs.take(stubs.find("/n"), "GET")?.respondTo(makeRequest("GET /n"));
    return Buffer.from(answer?.content as Uint8Array).toString();
  });
  expect(replayed).toEqual([...answers, "c"]);
});
