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

/** By order: curl's exit code and words, and status, bytes and code of RST_STREAM in Node; null: Node waits for ever. */
const REPORTS: readonly [order: string, code: number, words: RegExp, node: string | null][] = [
  ["delay=50ms", 0, /^$/, WHOLE],
  ["fault=drip, duration=50ms", 0, /^$/, WHOLE],
  ["fault=empty", 92, /CANCEL \(err 8\)/, "null 0 rst=8"],
  ["fault=reset", 92, /INTERNAL_ERROR \(err 2\)/, "null 0 rst=2"],
  ["fault=truncate, after=100", 92, /CANCEL \(err 8\)/, "200 100 rst=8"],
  ["fault=half-close, after=100", 92, /PROTOCOL_ERROR \(err 1\)/, "200 100 rst=1"],
  ["fault=garbage", 92, /PROTOCOL_ERROR \(err 1\)/, "null 0 rst=1"],
  ["fault=reset-stream, code=CANCEL, after=100", 92, /CANCEL \(err 8\)/, "200 100 rst=8"],
  ["fault=reset-stream, code=REFUSED_STREAM", 56, /tried 5 times/, "null 0 rst=7"],
  ["fault=bad-length", 92, /PROTOCOL_ERROR \(err 1\)/, "200 20000 rst=1"],
  ["fault=last", 0, /^$/, WHOLE],
  ["fault=goaway", 0, /^$/, WHOLE],
  ["fault=goaway, last=0, code=INTERNAL_ERROR", 16, /framing layer/, "null 0 rst=2"],
  ["fault=settings, max-frame-size=1", 52, /Empty reply/, "null 0 rst=2"],
  ["fault=settings, initial-window-size=0", 0, /^$/, WHOLE],
  ["frame=oversize", 18, /bytes remaining/, null],
  ["frame=stream-0", 18, /bytes remaining/, null],
  ["frame=idle-stream", 18, /bytes remaining/, null],
  ["frame=padding", 18, /bytes remaining/, null],
  ["frame=length", 18, /bytes remaining/, null],
  ["frame=continuation", 18, /bytes remaining/, null],
  ["frame=zero-increment", 18, /bytes remaining/, "200 0 rst=2"],
  ["frame=overflow", 92, /FLOW_CONTROL_ERROR \(err 3\)/, "200 0 rst=2"],
  ["fault=bad-hpack", 52, /Empty reply/, null],
  ["fault=push", 52, /Empty reply/, WHOLE],
  ["frame=unknown-type", 0, /^$/, WHOLE],
  ["frame=reserved-bit", 0, /^$/, WHOLE],
];

/** Asks for each order on a connection of its own, after the plain file. Prints a line for both. */
const NODE = `
import http2 from "node:http2";
const ask = (session, order) => new Promise((resolve) => {
  const stream = session.request({ ":path": "/a.txt", ...(order === null ? {} : { "x-fixture": order }) });
  let status = null;
  let bytes = 0;
  stream.on("response", (fields) => { status = fields[":status"]; });
  stream.on("data", (chunk) => { bytes += chunk.length; });
  stream.on("error", () => {});
  stream.on("close", () => resolve(status + " " + bytes + " rst=" + stream.rstCode));
});
for (const order of process.argv.slice(2)) {
  const session = http2.connect(process.argv[1]);
  session.on("error", () => {});
  await new Promise((resolve) => session.on("connect", resolve));
  console.log((await Promise.all([ask(session, null), ask(session, order)])).join(" | "));
  session.destroy();
}
`;

needs("curl").test("curl reports each fault", async () => {
  for (const [order, code, words] of REPORTS) {
    const url = `${server.url}/a.txt`;
    const done = await curl("--http2-prior-knowledge", "--output", "/dev/null", "--header", `X-Fixture: ${order}`, url);
    expect({ order, code: done.code }).toEqual({ order, code });
    expect(done.stderr).toMatch(words);
  }
});

needs("node").test("Node reports each fault, and the stream before it is whole", async () => {
  const reports = REPORTS.flatMap(([order, , , node]) => (node === null ? [] : [[order, node] as const]));
  const orders = reports.map(([order]) => order);
  const words = ["node", "--input-type=module", "--eval", NODE, server.url, ...orders];
  const { stdout, stderr } = await run(words, { cwd: tmpdir() });
  expect(stderr).toBe("");
  expect(stdout.trim().split("\n")).toEqual(reports.map(([, node]) => `${WHOLE} | ${node}`));
});

test("a fault that the version does not have is 501", async () => {
  for (const order of ["fault=goaway", "fault=push"]) {
    const answer = await fetch(`${server.url}/a.txt`, { headers: { "X-Fixture": order } });
    expect([answer.status, await answer.text()]).toEqual([501, expect.stringContaining("is a fault of HTTP/2")]);
  }
});
