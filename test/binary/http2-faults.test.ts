/** Faults on streams of HTTP/2 as clients report them, on sockets: curl's exit code, and what Node's `http2` says. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { type FixtureServer, startServer } from "../../src/index.ts";
import { curl, run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";

const CONTENT = "x".repeat(20_000);
const WHOLE = "200 20000 rst=0";

let server: FixtureServer;

beforeAll(async () => {
  server = await startServer({ files: { "/a.txt": CONTENT }, fixture: true });
});

afterAll(() => server.stop());

/** By order: curl's exit code and words, and status, bytes and code of RST_STREAM in Node. */
const REPORTS: readonly [order: string, code: number, words: RegExp, node: string][] = [
  ["delay=50ms", 0, /^$/, WHOLE],
  ["fault=drip, duration=50ms", 0, /^$/, WHOLE],
  ["fault=empty", 92, /CANCEL \(err 8\)/, "null 0 rst=8"],
  ["fault=reset", 92, /INTERNAL_ERROR \(err 2\)/, "null 0 rst=2"],
  ["fault=truncate, after=100", 92, /CANCEL \(err 8\)/, "200 100 rst=8"],
  ["fault=half-close, after=100", 92, /PROTOCOL_ERROR \(err 1\)/, "200 100 rst=1"],
  ["fault=garbage", 92, /PROTOCOL_ERROR \(err 1\)/, "null 0 rst=1"],
  ["fault=reset-stream, code=CANCEL, after=100", 92, /CANCEL \(err 8\)/, "200 100 rst=8"],
  ["frame=unknown-type", 0, /^$/, WHOLE],
  ["frame=reserved-bit", 0, /^$/, WHOLE],
];

/** Asks for each order, and beside it on the same connection for the plain file. Prints a line for both. */
const NODE = `
import http2 from "node:http2";
const session = http2.connect(process.argv[1]);
const ask = (order) => new Promise((resolve) => {
  const stream = session.request({ ":path": "/a.txt", ...(order === null ? {} : { "x-fixture": order }) });
  let status = null;
  let bytes = 0;
  stream.on("response", (fields) => { status = fields[":status"]; });
  stream.on("data", (chunk) => { bytes += chunk.length; });
  stream.on("error", () => {});
  stream.on("close", () => resolve(status + " " + bytes + " rst=" + stream.rstCode));
});
for (const order of process.argv.slice(2)) console.log((await Promise.all([ask(order), ask(null)])).join(" | "));
session.close();
`;

needs("curl").test("curl reports each fault", async () => {
  for (const [order, code, words] of REPORTS) {
    const url = `${server.url}/a.txt`;
    const done = await curl("--http2-prior-knowledge", "--output", "/dev/null", "--header", `X-Fixture: ${order}`, url);
    expect({ order, code: done.code }).toEqual({ order, code });
    expect(done.stderr).toMatch(words);
  }
});

needs("node").test("Node reports each fault, and the stream beside it is whole", async () => {
  const orders = REPORTS.map(([order]) => order);
  const words = ["node", "--input-type=module", "--eval", NODE, server.url, ...orders];
  const { stdout, stderr } = await run(words, { cwd: tmpdir() });
  expect(stderr).toBe("");
  expect(stdout.trim().split("\n")).toEqual(REPORTS.map(([, , , node]) => `${node} | ${WHOLE}`));
});

test("a fault that the version does not have is 501", async () => {
  for (const order of ["fault=goaway", "fault=push"]) {
    const answer = await fetch(`${server.url}/a.txt`, { headers: { "X-Fixture": order } });
    expect([answer.status, await answer.text()]).toEqual([501, expect.stringContaining("is a fault of HTTP/2")]);
  }
});
