/**
 * One test for both doors of the library: in the process, and with the executable beside it. Each result is awaited, which the types of
 * both allow.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as inProcess from "../../src/index.ts";
import * as beside from "../../src/node.ts";
import { type Binary, BUILD_MS, buildBinary } from "../support/binary.ts";
import { commandOf, killAll, processesWith } from "../support/processes.ts";
import { until } from "../support/waiting.ts";

const FILES = { "/a.txt": "hello", "/b.bin": new Uint8Array(100_000).fill(7) };

let binary: Binary;
/** Where the servers of this file make their folders. */
let folder = "";
const { TMPDIR, HTTPSERVER_BINARY } = process.env;

beforeAll(async () => {
  binary = await buildBinary();
  folder = mkdtempSync(join(tmpdir(), "doors-"));
  Object.assign(process.env, { TMPDIR: folder, HTTPSERVER_BINARY: binary.path });
}, BUILD_MS);

afterAll(() => {
  for (const [name, value] of Object.entries({ TMPDIR, HTTPSERVER_BINARY })) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  binary[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

type Door = typeof inProcess | typeof beside;

function get(url: string): Promise<Response> {
  return fetch(url, { headers: { Connection: "close" } });
}

function upload(url: string, content: string): Promise<Response> {
  const headers = { "Content-Type": "application/json", Connection: "close" };
  return fetch(`${url}/upload`, { method: "POST", headers, body: content });
}

test("both doors have the same names", () => {
  expect(Object.keys(beside).sort()).toEqual(Object.keys(inProcess).sort());
});

describe.each<[name: string, door: Door]>([
  ["in the process", inProcess],
  ["beside the process", beside],
])("%s", (_, { startServer, OptionsError, StartError }) => {
  test("faults are ordered and taken back, and the journal tells of them", async () => {
    await using server = await startServer({ files: FILES, fixture: true });
    await server.fault("GET /a.txt status=503 times=2");
    const id = await server.fault("GET /b.bin", { fault: "empty", query: { page: "2" } });
    expect(await server.removeFault(id)).toBe(true);
    expect(await server.removeFault(id)).toBe(false);
    const seen = [await get(`${server.url}/a.txt`), await get(`${server.url}/a.txt`), await get(`${server.url}/a.txt`)];
    expect(seen.map(({ status }) => status)).toEqual([503, 503, 200]);
    const requests = await server.requests({ path: "/a.txt", status: "5xx" });
    expect(requests.map(({ status, fault }) => [status, fault])).toEqual([
      [503, "status"],
      [503, "status"],
    ]);
    await (await get(`${server.url}/none`)).text();
    expect((await server.unmatched()).map(({ path }) => path)).toEqual(["/none"]);
    await server.forgetRequests();
    expect(await server.requests()).toEqual([]);
  });

  test("a question uses no connection of the test", async () => {
    await using server = await startServer({ files: FILES, fixture: true });
    for (let i = 0; i < 3; i++) {
      await (await fetch(`${server.url}/a.txt`)).text();
      await server.verify({ count: i + 1 });
    }
    const requests = await server.requests();
    expect(requests.map(({ position }) => position)).toEqual([1, 2, 3]);
    expect(await server.closeIdle()).toBe(1);
  });

  test("requests are waited for and verified, and uploads are told where they are", async () => {
    await using server = await startServer({ files: FILES, fixture: true });
    const waited = server.waitForRequests({ path: "/upload" }, 2, 10_000);
    await upload(server.url, '{"n":1}');
    await upload(server.url, '{"n":2}');
    const { requests, isComplete } = await waited;
    expect([requests.length, isComplete]).toEqual([2, true]);
    expect((await server.verify({ match: { method: "POST" }, count: 2 })).verified).toBe(true);
    expect((await server.verify({ match: { path: "/a.txt" } })).verified).toBe(false);
    expect(await server.requests({ json: { n: 2 }, fields: { "Content-Type": "application/json" } })).toHaveLength(1);
    expect((await server.verify({ match: { json: { n: 3 } } })).verified).toBe(false);
    const [first] = await server.uploads();
    expect([first?.bytes, await Bun.file(first?.path ?? "").text()]).toEqual([7, '{"n":1}']);
    expect(await server.removeUploads()).toBe(2);
    expect(await server.uploads()).toEqual([]);
  });

  test("a full pool is had on demand, and a reset gives it back", async () => {
    await using server = await startServer({ files: FILES, fixture: true, threads: 2, queue: 0 });
    await server.hold(1);
    await server.hold(1);
    expect((await get(`${server.url}/a.txt`)).status).toBe(503);
    expect(await server.release()).toBe(2);
    await server.hold(2);
    expect(await server.reset()).toBe(1);
    expect((await get(`${server.url}/a.txt`)).status).toBe(200);
    expect(await server.closeIdle()).toBe(0);
    expect((await server.connections()).open.filter(({ state }) => state === "idle")).toEqual([]);
  });

  test.each<[rule: string, more: object | undefined]>([
    ["GET /a.txt explode", undefined],
    ["GET /a.txt reset", { after: 1 }],
    ["GET /a.txt", { fault: "reset", afterwards: 1 }],
  ])("a mistake in a rule is a RangeError: %p %p", async (rule, more) => {
    await using server = await startServer({ files: FILES, fixture: true });
    await expect((async () => await server.fault(rule, more))()).rejects.toThrow(RangeError);
    await expect((async () => await server.hold(11))()).rejects.toThrow(RangeError);
  });

  test("stubs of a folder answer, and the numbered ones that were not reached are named", async () => {
    const stubs = mkdtempSync(join(tmpdir(), "stubs-"));
    for (const name of ["GET.1.http", "GET.2.http"]) {
      writeFileSync(join(stubs, name), `HTTP/1.1 200 OK\nContent-Type: text/plain\n\n${name}`);
    }
    try {
      await using server = await startServer({ files: FILES, fixture: true, stubs });
      const id = await server.stub({ match: { path: "/added" }, answer: { json: { id: 7 } }, times: 1 });
      expect(await (await get(`${server.url}/`)).text()).toBe("GET.1.http");
      expect(await (await get(`${server.url}/added`)).json()).toEqual({ id: 7 });
      expect(await server.unreachedStubs()).toEqual([expect.stringContaining("GET.2.http")]);
      expect(await server.stubs()).toMatchObject([{ id, matched: 1, left: 0 }]);
      expect(await server.removeStub(id)).toBe(true);
    } finally {
      rmSync(stubs, { recursive: true });
    }
  });

  test("settings arrive as they were given", async () => {
    await using server = await startServer({ files: FILES, headers: ["X-A: 1, 2", "X-B: 3"], inline: true });
    const { headers } = await get(`${server.url}/a.txt`);
    expect([headers.get("x-a"), headers.get("x-b"), headers.get("content-disposition")]).toEqual(["1, 2", "3", null]);
    expect("fault" in server).toBe(false);
  });

  test("a certificate is there for clients to trust", async () => {
    await using server = await startServer({ files: FILES, tlsSelfSigned: true });
    expect(server.certificate?.names).toContain("localhost");
    expect(server.certificate?.validTo.getTime()).toBeGreaterThan(Date.now());
    const tls = { ca: server.certificate?.pem ?? "" };
    expect(await (await fetch(`${server.url}/a.txt`, { tls })).text()).toBe("hello");
  });

  test.each<[options: inProcess.StartOptions, error: typeof StartError | typeof OptionsError, message: string]>([
    [{ root: "none" }, StartError, "the folder "],
    [{ threads: 0 }, OptionsError, "threads: expected a whole number from 1 to 1024, got 0"],
    [{ files: {}, root: "resources" }, OptionsError, "files or root: give one of them"],
    [{ files: { "../a": "" } }, OptionsError, 'files: expected a path such as "/images/logo.png", got "../a"'],
  ])("a start that fails says why and leaves nothing behind: %j", async (options, error, message) => {
    const failed = startServer(options);
    await expect(failed).rejects.toThrow(error);
    await expect(failed).rejects.toThrow(message);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("twenty servers live side by side, and leave no folder", async () => {
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        await using server = await startServer({ files: { "/n.txt": `server ${i}` }, fixture: true });
        expect(await (await get(`${server.url}/n.txt`)).text()).toBe(`server ${i}`);
      }),
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test("stopping twice is stopping once, and may be forced", async () => {
    const server = await startServer({ files: FILES, fixture: true });
    await server.fault("GET /a.txt hang");
    const hanging = get(`${server.url}/a.txt`).catch((error: unknown) => error);
    await until(async () => (await server.connections()).open.some(({ state }) => state === "sending"), "the request");
    await Promise.all([server.stop({ timeoutMs: 60_000 }), server.stop({ force: true })]);
    expect(await hanging).toBeInstanceOf(Error);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("beside the process", () => {
  test.each<[options: inProcess.StartOptions]>([
    [{ clock: new beside.ManualClock() }],
    [{ log: { access: null, info() {}, detail: null, warn() {}, error() {} } }],
    [{ shutDown() {} }],
  ])("what is a part of the test's process is refused: %j", async (options) => {
    const [name] = Object.keys(options);
    const failed = beside.startServer({ files: {}, ...options });
    await expect(failed).rejects.toThrow(beside.OptionsError);
    await expect(failed).rejects.toThrow(
      `${name} works only in Bun, where the server runs in the process of the test: `,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test("methods that need the server's process say so", async () => {
    await using server = await beside.startServer({ files: {} });
    await expect(server.watch(() => {})).rejects.toThrow("watch() works only in Bun");
    await expect(server.unreachedStubs()).rejects.toThrow(
      "unreachedStubs() of a server that is no fixture works only in Bun",
    );
    await expect(server.reload()).rejects.toThrow("reload() works only in Bun");
  });

  test("a server that was killed is named by the next question", async () => {
    const fixtureToken = crypto.randomUUID();
    const server = await beside.startServer({ files: {}, fixture: true, fixtureToken });
    killAll(processesWith("HTTPSERVER_FIXTURE_TOKEN", fixtureToken));
    await until(() => readdirSync(folder).length === 0, "its folder to be removed");
    await expect(server.requests()).rejects.toThrow(/^no answer to GET \/__server\/requests\S*: SIGKILL ended it$/);
    await server.stop();
  });

  test("the token is in the environment, which other users cannot read, and works", async () => {
    const fixtureToken = crypto.randomUUID();
    await using server = await beside.startServer({ files: {}, fixture: true, fixtureToken });
    expect(await server.requests()).toEqual([]);
    const [pid = 0] = processesWith("HTTPSERVER_FIXTURE_TOKEN", fixtureToken);
    expect(commandOf(pid)).toMatch(/httpserver --port 0 .* --fixture$/);
  });
});
