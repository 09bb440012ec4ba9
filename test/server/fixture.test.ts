/** The rooms of `--fixture` on real sockets: what they tell, what they do, whom they refuse, and that nothing is there without them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Request, Response } from "../../src/http/message.ts";
import { type Options, OptionsError, resolveOptions } from "../../src/options.ts";
import type { ServerLog } from "../../src/server/access-log.ts";
import { Fixture } from "../../src/server/fixture.ts";
import { guardOf } from "../../src/server/fixture-guard.ts";
import type { RequestRecord } from "../../src/server/journal.ts";
import { Server, type ServerParts } from "../../src/server/server.ts";
import { ManualClock } from "../../src/server/time-source.ts";
import { type Answer, RawClient, request, until } from "../support/raw-client.ts";
import { makeRequest } from "../support/site.ts";

let folder = "";
let uploads = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fixture-"));
  mkdirSync(join(folder, "root"));
  writeFileSync(join(folder, "root", "index.html"), "the page");
  mkdirSync(join(folder, "shadow", "__server"), { recursive: true });
  writeFileSync(join(folder, "shadow", "index.html"), "the page");
  writeFileSync(join(folder, "shadow", "__server", "ready"), "a file");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SILENT: ServerLog = { access: null, info() {}, detail: null, warn() {}, error() {} };

interface Running extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  readonly fixture: Fixture;
  readonly uploads: string;
}

/** A fixture server with uploads of its own. */
function start(more: Partial<Options> = {}, parts: ServerParts = {}): Running {
  const folderOfUploads = join(folder, `uploads-${++uploads}`);
  const options = { port: 0, root: join(folder, "root"), uploads: folderOfUploads, fixture: true, ...more };
  let fixture: Fixture | null = null;
  const server = new Server(resolveOptions(options), SILENT, {
    fixture: (needed) => {
      fixture = new Fixture(needed);
      return fixture;
    },
    ...parts,
  });
  return {
    server,
    port: server.port,
    fixture: fixture as unknown as Fixture,
    uploads: folderOfUploads,
    [Symbol.asyncDispose]: () => server.stop({ force: true }),
  };
}

/** A request on a connection of its own, which stays away from the one that a test watches. */
async function ask(port: number, line: string, fields = "", body = ""): Promise<Answer> {
  using client = await RawClient.connect(port);
  const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
  return await client.send(request(port, line, length + fields, body)).answer(line.slice(0, line.indexOf(" ")));
}

/** A room is asked. */
async function room(port: number, line: string): Promise<Answer> {
  return await ask(port, line.replace(" ", " /__server/"));
}

/** A room is told something. */
async function tell(port: number, line: string, content: unknown): Promise<Answer> {
  const body = typeof content === "string" ? content : JSON.stringify(content);
  return await ask(port, line.replace(" ", " /__server/"), "Content-Type: application/json\r\n", body);
}

function json({ text }: Answer): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>;
}

function records(answer: Answer): RequestRecord[] {
  return json(answer)["requests"] as RequestRecord[];
}

async function upload(port: number, body: string): Promise<Answer> {
  return await ask(port, "POST /upload", "Content-Type: application/json\r\n", body);
}

describe("ready and info", () => {
  test("ready answers HEAD as GET, with the instance that info names", async () => {
    await using running = start();
    const got = await room(running.port, "GET ready");
    const head = await room(running.port, "HEAD ready");
    expect([got.status, head.status, head.text]).toEqual([200, 200, ""]);
    expect(head.fields.get("content-length")).toBe(String(got.text.length));
    expect(json(await room(running.port, "GET info"))["instance"]).toBe(json(got)["instance"]);
  });

  test("info names the process and what was set, without secrets", async () => {
    const time = new ManualClock();
    await using running = start({ threads: 3, fixtureToken: "secret", allowedHosts: ["a.test"] }, { time });
    time.advance(1234);
    const answer = await room(running.port, "GET info");
    expect(json(answer)).toMatchObject({
      pid: process.pid,
      port: running.port,
      urls: [...running.server.urls],
      uptimeMs: 1234,
      flags: { threads: "3", fixture: "on", "fixture-token": "***", "allowed-host": "a.test" },
    });
    expect(Object.keys(json(answer)["flags"] as object)).not.toContain("queue");
    expect(answer.text).not.toContain("secret");
  });

  test("info changes nothing when it is asked twice, and nothing of it is in the journal", async () => {
    await using running = start();
    for (const line of ["GET info", "GET ready", "GET requests", "GET nothing", "PUT info"])
      await room(running.port, line);
    expect(json(await room(running.port, "GET requests"))).toEqual({
      requests: [],
      last: 0,
      dropped: 0,
      isComplete: true,
    });
  });
});

describe("requests", () => {
  test("tells of each, with its place on its connection and how that went on", async () => {
    await using running = start();
    {
      using client = await RawClient.connect(running.port);
      await client.send(request(running.port, "GET /")).answer();
      await client.send(request(running.port, "GET /none", "Connection: close\r\n")).answer();
      await client.left();
    }
    await ask(running.port, "POST /upload", "Content-Type: application/json\r\nConnection: close\r\n", "nonsense");
    const all = records(await room(running.port, "GET requests?body=1"));
    expect(all).toMatchObject([
      { sequence: 1, connection: 1, position: 1, method: "GET", path: "/", status: 200, slot: 1, close: "keep-alive" },
      {
        sequence: 2,
        connection: 1,
        position: 2,
        path: "/none",
        status: 404,
        close: "client asked",
        bytes: expect.any(Number),
      },
      { sequence: 3, connection: 2, position: 1, path: "/upload", status: 400, body: { bytes: 8, text: "nonsense" } },
    ]);
    expect(records(await room(running.port, "GET requests"))[2]?.body).not.toHaveProperty("text");
  });

  test("shows content that is no text in Base64", async () => {
    await using running = start();
    await upload(running.port, "\xff\xfe");
    const [record] = records(await room(running.port, "GET requests?body=1"));
    expect(record).toMatchObject({ status: 400, body: { bytes: 2, base64: "//4=", isWhole: true } });
  });

  test("tells of what could not be read", async () => {
    await using running = start();
    using client = await RawClient.connect(running.port);
    await client.send("nonsense\r\n\r\n").answer();
    await client.left();
    const expected = { status: 400, method: null, malformed: "nonsense", close: "last answer" };
    expect(records(await room(running.port, "GET requests"))).toMatchObject([expected]);
  });

  test("tells of an answer that its client broke off", async () => {
    await using running = start();
    writeFileSync(join(folder, "root", "large.bin"), new Uint8Array(16 * 1024 * 1024));
    using client = await RawClient.connect(running.port, { onlyCount: true });
    client.send(request(running.port, "GET /large.bin", "Connection: close\r\n"));
    await client.received(1);
    client.reset();
    const { requests } = await running.fixture.waitForRequests({ path: "/large.bin" });
    expect(requests).toMatchObject([{ status: 200, close: "client" }]);
    expect(requests[0]?.bytes).toBeLessThan(16 * 1024 * 1024);
  });

  test("are found by path, method, status and number, and the newest of them are shown", async () => {
    await using running = start();
    for (const path of ["/", "/a", "/b", "/"]) await ask(running.port, `GET ${path}`);
    const paths = async (query: string) =>
      records(await room(running.port, `GET requests?${query}`)).map(({ path }) => path);
    expect(await paths("path=/")).toEqual(["/", "/"]);
    expect(await paths("status=404&method=GET")).toEqual(["/a", "/b"]);
    expect(await paths("status=4xx&since=2")).toEqual(["/b"]);
    expect(await paths("limit=1")).toEqual(["/"]);
    expect(await paths("path=%2F*&limit=3")).toEqual(["/a", "/b", "/"]);
  });

  test("are waited for until they are there", async () => {
    await using running = start({}, { time: new ManualClock() });
    await ask(running.port, "GET /a");
    const waiting = room(running.port, "GET requests?path=/a&wait=2");
    await until(() => running.fixture.journal.waiting === 1, "the wait to begin");
    await ask(running.port, "GET /b");
    expect(running.fixture.journal.waiting).toBe(1);
    await ask(running.port, "GET /a");
    const page = json(await waiting);
    expect(page).toMatchObject({ last: 3, isComplete: true, requests: [{ sequence: 1 }, { sequence: 3 }] });
  });

  test("are waited for no longer than is said", async () => {
    const time = new ManualClock();
    await using running = start({}, { time });
    const waiting = room(running.port, "GET requests?wait=1&timeout=20s");
    await until(() => running.fixture.journal.waiting === 1, "the wait to begin");
    time.advance(19_999);
    expect(running.fixture.journal.waiting).toBe(1);
    time.advance(1);
    expect(json(await waiting)).toMatchObject({ requests: [], isComplete: false });
  });

  test("are waited for no longer than until a reset, or the end of the server", async () => {
    await using running = start({}, { time: new ManualClock() });
    const first = room(running.port, "GET requests?wait=1");
    await until(() => running.fixture.journal.waiting === 1, "the wait to begin");
    await room(running.port, "POST reset");
    expect(json(await first)).toMatchObject({ isComplete: false });
    const second = room(running.port, "GET requests?wait=1");
    await until(() => running.fixture.journal.waiting === 1, "the wait to begin");
    await running.server.stop();
    const answer = await second;
    expect(json(answer)).toMatchObject({ isComplete: false });
    expect(answer.fields.get("connection")).toBe("close");
  });

  test("are not waited for once the server has stopped", async () => {
    await using running = start({}, { time: new ManualClock() });
    await running.server.stop();
    expect(await running.fixture.waitForRequests({})).toMatchObject({ requests: [], isComplete: false });
  });

  test("are waited for by a hundred at most, and one more ends the oldest wait", async () => {
    await using running = start({}, { time: new ManualClock() });
    const ended: number[] = [];
    const waits = Array.from({ length: 100 }, async (_, index) => {
      const page = await running.fixture.waitForRequests({});
      ended.push(index);
      return page;
    });
    const newest = room(running.port, "GET requests?wait=1");
    expect(await waits[0]).toMatchObject({ requests: [], isComplete: false });
    expect([ended, running.fixture.journal.waiting]).toEqual([[0], 100]);
    await ask(running.port, "GET /");
    expect(json(await newest)).toMatchObject({ requests: [{ sequence: 1 }], isComplete: true });
    expect(await Promise.all(waits)).toHaveLength(100);
  });

  test("are waited for by who comes, although a hundred clients have left", async () => {
    await using running = start({}, { time: new ManualClock() });
    const clients = await Promise.all(Array.from({ length: 100 }, () => RawClient.connect(running.port)));
    for (const client of clients) client.send(request(running.port, "GET /__server/requests?wait=1")).finish();
    await until(() => running.fixture.journal.waiting === 100, "the waits to begin");
    const newest = room(running.port, "GET requests?path=/a&wait=1");
    await Promise.race(clients.map((client) => client.left()));
    await ask(running.port, "GET /a");
    expect(json(await newest)).toMatchObject({ isComplete: true });
    for (const client of clients) client[Symbol.dispose]();
  });

  test("a client that leaves while it waits harms nobody", async () => {
    await using running = start({}, { time: new ManualClock() });
    using client = await RawClient.connect(running.port);
    client.send(request(running.port, "GET /__server/requests?wait=1"));
    await until(() => running.fixture.journal.waiting === 1, "the wait to begin");
    client.reset();
    await until(() => running.fixture.connections().open.length === 0, "its connection to close");
    expect((await ask(running.port, "GET /")).text).toBe("the page");
  });

  test("are forgotten on demand, and go on being counted", async () => {
    await using running = start();
    await ask(running.port, "GET /");
    expect(json(await room(running.port, "DELETE requests"))).toEqual({ last: 1 });
    await ask(running.port, "GET /");
    expect(json(await room(running.port, "GET requests"))).toMatchObject({
      last: 2,
      dropped: 0,
      requests: [{ sequence: 2 }],
    });
  });

  test("that nobody meant to make are a list of their own", async () => {
    await using running = start();
    for (const line of ["GET /", "GET /none", "DELETE /", "GET /../"]) await ask(running.port, line);
    expect(records(await room(running.port, "GET requests/unmatched"))).toMatchObject([
      { path: "/none", status: 404 },
      { method: "DELETE", status: 405 },
    ]);
    expect(records(await room(running.port, "GET requests/unmatched?method=DELETE"))).toHaveLength(1);
  });

  test("are verified", async () => {
    await using running = start();
    for (const path of ["/", "/", "/a"]) await ask(running.port, `GET ${path}`);
    const good = await tell(running.port, "POST requests/verify", { match: { method: "GET", path: "/" }, count: 2 });
    expect([good.status, json(good)["verified"]]).toEqual([200, true]);
    const bad = await tell(running.port, "POST requests/verify", { match: { path: "/a" }, atLeast: 2 });
    expect(bad.status).toBe(409);
    expect(json(bad)).toMatchObject({ verified: false, seen: 1, requests: [{ path: "/a" }] });
  });
});

describe("connections", () => {
  test("are told with their state, and the closed ones with the reason", async () => {
    await using running = start();
    using idle = await RawClient.connect(running.port);
    await idle.send(request(running.port, "GET /")).answer();
    using reading = await RawClient.connect(running.port);
    reading.send("GET / HT");
    {
      using gone = await RawClient.connect(running.port);
      await gone.send(request(running.port, "GET /", "Connection: close\r\n")).answer();
      await gone.left();
    }
    await until(() => running.fixture.connections().closed.length === 1, "the third to close");
    await until(
      () => running.fixture.connections().open.some(({ state }) => state === "reading"),
      "the second's bytes",
    );
    expect(json(await room(running.port, "GET connections"))).toMatchObject({
      open: [
        { connection: 1, peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/), served: 1, state: "idle" },
        { connection: 2, served: 0, state: "reading" },
        { connection: 4, served: 1, state: "working" },
      ],
      closed: [{ connection: 3, served: 1, reason: "client asked" }],
    });
  });

  test("that are idle close on demand, as by their timeout", async () => {
    await using running = start();
    using idle = await RawClient.connect(running.port);
    await idle.send(request(running.port, "GET /")).answer();
    using reading = await RawClient.connect(running.port);
    reading.send("GET / HT");
    await until(
      () => running.fixture.connections().open.some(({ state }) => state === "reading"),
      "the second's bytes",
    );
    expect(json(await tell(running.port, "POST connections", { close: "idle" }))).toEqual({ closed: 1 });
    expect(await idle.left()).toBe("fin");
    await reading.send(request(running.port, "").slice(" HT".length)).answer();
    await until(() => running.fixture.connections().closed.length > 1, "both to close");
    expect(running.fixture.connections().closed).toContainEqual(
      expect.objectContaining({ connection: 1, reason: "idle timeout" }),
    );
  });

  test("the last hundred that closed are told", async () => {
    await using running = start();
    for (let i = 0; i < 105; i++) {
      using client = await RawClient.connect(running.port);
      client.finish();
      await client.left();
    }
    await until(() => running.fixture.connections().open.length === 0, "all to close");
    const { closed } = running.fixture.connections();
    expect([closed.length, closed[0]?.connection, closed.at(-1)?.connection]).toEqual([100, 6, 105]);
  });
});

describe("uploads", () => {
  test("of this run are told and removed, and nothing else", async () => {
    await using running = start();
    writeFileSync(join(running.uploads, "upload_before.json"), "{}");
    const paths = [];
    for (const body of ["[1]", "[2,3]"]) paths.push(json(await upload(running.port, body))["filepath"]);
    const told = json(await room(running.port, "GET uploads"))["uploads"] as Record<string, unknown>[];
    const digest = new Bun.CryptoHasher("sha256").update("[2,3]").digest("hex");
    expect(told.map(({ name }) => `/uploads/${name}`)).toEqual(paths as string[]);
    expect(told[1]).toEqual({ name: expect.any(String), size: 5, sha256: digest, receivedMs: expect.any(Number) });
    expect(json(await room(running.port, "DELETE uploads"))).toEqual({ removed: 2 });
    expect(readdirSync(running.uploads)).toEqual(["upload_before.json"]);
    expect(json(await room(running.port, "GET uploads"))).toEqual({ uploads: [] });
  });

  test("that somebody has removed already are no mistake", async () => {
    await using running = start();
    await upload(running.port, "[1]");
    rmSync(running.fixture.uploads()[0]?.path ?? "");
    expect((await room(running.port, "DELETE uploads")).status).toBe(200);
  });
});

describe("faults", () => {
  const RULE = { match: { method: "GET", path: "/none" }, fault: "status", status: 503, skip: 1, times: 2 };

  test("are ordered, and shown with their counts as they can be ordered again", async () => {
    await using running = start();
    const added = await tell(running.port, "POST faults", RULE);
    expect([added.status, json(added)]).toEqual([201, { id: "f1" }]);
    for (const expected of [404, 503]) expect((await ask(running.port, "GET /none")).status).toBe(expected);
    const shown = { id: "f1", ...RULE, matched: 2, applied: 1, left: 1 };
    expect(json(await room(running.port, "GET faults"))).toEqual({ faults: [shown] });
    expect(json(await room(running.port, "GET faults/f1"))).toEqual(shown);
    expect((await room(running.port, "GET faults/f2")).status).toBe(404);
  });

  test("are withdrawn one by one, or all of them", async () => {
    await using running = start();
    for (const path of ["/a", "/b", "/c"]) running.fixture.fault(`GET ${path} status=500`);
    expect(json(await room(running.port, "DELETE faults/f2"))).toEqual({ removed: 1 });
    expect((await room(running.port, "DELETE faults/f2")).status).toBe(404);
    expect(json(await room(running.port, "GET faults"))).toMatchObject({ faults: [{ id: "f1" }, { id: "f3" }] });
    expect(json(await room(running.port, "DELETE faults"))).toEqual({ removed: 2 });
    expect(json(await room(running.port, "GET faults"))).toEqual({ faults: [] });
  });

  test("of the test before cannot be mistaken for those of the next", async () => {
    await using running = start();
    const before = running.fixture.fault("GET /a reset");
    running.fixture.reset();
    running.fixture.fault("GET /b reset");
    expect(running.fixture.removeFault(before)).toBe(false);
  });

  test.each<[line: string, content: unknown, status: number, sentence: string]>([
    ["POST faults", "{", 400, "not valid JSON in UTF-8"],
    ["POST faults", '{"fault":"\xff"}', 400, "not valid JSON in UTF-8"],
    ["POST faults", [], 400, "not a JSON object"],
    ["POST faults", {}, 400, "fault: expected one of"],
    ["POST faults", { fault: "reset", after: "many" }, 400, "after: expected bytes"],
    ["POST faults", `{"fault":"reset"${" ".repeat(17_000)}}`, 413, "larger than 16384 bytes"],
    ["POST faults/f1", { fault: "reset" }, 404, "no such rule"],
    ["DELETE faults", { id: "f1" }, 400, 'unknown member "id"'],
    ["DELETE faults/f1", { all: true }, 400, 'unknown member "all"'],
    ["DELETE faults/", "", 404, "no such room"],
    ["GET faults/", "", 404, "no such room"],
  ])("%s with %j is %p, and does nothing", async (line, content, status, sentence) => {
    await using running = start({ faults: ["GET /a reset"] });
    const answer = await tell(running.port, line, content);
    expect(answer.status).toBe(status);
    expect(status === 400 ? json(answer)["message"] : answer.text).toContain(sentence);
    expect(json(await room(running.port, "GET faults"))).toMatchObject({ faults: [{ id: "f1" }] });
  });

  test("are a thousand at most, whoever orders them", async () => {
    await using running = start({ faults: Array<string>(1000).fill("GET /a reset") });
    const refused = await tell(running.port, "POST faults", RULE);
    expect([refused.status, refused.text]).toEqual([409, expect.stringContaining("1000 rules already")]);
    expect(() => running.fixture.fault("GET /a reset")).toThrow(RangeError);
  });
});

describe("hold", () => {
  test("makes the next request wait, until the slots are given back", async () => {
    const time = new ManualClock();
    await using running = start({ threads: 2, queue: 1 }, { time });
    expect(json(await tell(running.port, "POST hold", { slots: 2 }))).toMatchObject({ held: 2, free: 0 });
    const waiting = ask(running.port, "GET /");
    await until(() => running.fixture.connections().open.some(({ state }) => state === "waiting"), "it to wait");
    expect(json(await room(running.port, "GET hold"))).toEqual({ slots: 2, free: 0, held: 2, queued: 1 });
    const refused = await ask(running.port, "GET /");
    expect([refused.status, refused.fields.get("retry-after"), refused.fields.get("connection")]).toEqual([
      503,
      "1",
      "close",
    ]);
    time.advance(400);
    expect(json(await room(running.port, "DELETE hold"))).toEqual({ released: 2 });
    expect((await waiting).text).toBe("the page");
    expect(running.fixture.requests()).toMatchObject([
      { status: 503, slot: 0, queuedMs: 0 },
      { status: 200, slot: expect.any(Number), queuedMs: 400 },
    ]);
    expect(json(await room(running.port, "GET hold"))).toEqual({ slots: 2, free: 2, held: 0, queued: 0 });
  });

  test("given back in this process tells how long it was waited for, to the millisecond", async () => {
    const time = new ManualClock();
    await using running = start({ threads: 1 }, { time });
    running.fixture.hold(1);
    const waiting = ask(running.port, "GET /");
    await until(() => running.fixture.connections().open.some(({ state }) => state === "waiting"), "it to wait");
    time.advance(7);
    expect(running.fixture.release()).toBe(1);
    await waiting;
    expect(running.fixture.requests()).toMatchObject([{ queuedMs: 7 }]);
  });

  test("takes all or none", async () => {
    await using running = start({ threads: 3 });
    expect((await tell(running.port, "POST hold", { slots: 2 })).status).toBe(200);
    expect((await tell(running.port, "POST hold", { slots: 2 })).status).toBe(409);
    expect(json(await room(running.port, "GET hold"))).toMatchObject({ free: 1, held: 2 });
    expect(() => running.fixture.hold(2)).toThrow("2 slots were wanted and 1 are free");
    expect(() => running.fixture.hold(0)).toThrow(RangeError);
    expect(running.fixture.held).toBe(2);
  });

  test("gives slots back in turns of their own, also to whoever pipelined behind the wish", async () => {
    await using running = start({ threads: 1 });
    running.fixture.hold(1);
    const waiting = ask(running.port, "GET /");
    await until(() => running.fixture.connections().open.some(({ state }) => state === "waiting"), "it to wait");
    using client = await RawClient.connect(running.port);
    const ready = request(running.port, "GET /__server/ready");
    client.send(ready + request(running.port, "DELETE /__server/hold") + ready + request(running.port, "GET /"));
    for (const end of ["ready", "released", "ready"]) expect((await client.answer()).text).toContain(end);
    expect((await client.answer()).text).toBe("the page");
    expect((await waiting).text).toBe("the page");
  });

  test("does not hold up the end of the server", async () => {
    await using running = start({ threads: 1 }, { time: new ManualClock() });
    running.fixture.hold(1);
    const waiting = ask(running.port, "GET /");
    await until(() => running.fixture.connections().open.some(({ state }) => state === "waiting"), "it to wait");
    await running.server.stop();
    expect((await waiting).text).toBe("the page");
  });
});

test("no slot is held once the server stops", async () => {
  await using running = start({ threads: 2 });
  const hold = running.fixture.rooms().find(([name]) => name === "hold")?.[1];
  await running.server.stop();
  expect(() => running.fixture.hold(1)).toThrow(RangeError);
  const answer = await hold?.respond(makeRequest("POST /", {}, Buffer.from('{"slots":1}')), "");
  expect([answer?.status, running.fixture.held]).toEqual([409, 0]);
});

test("what was told of uploads and connections does not change afterwards", async () => {
  await using running = start();
  const before = { uploads: running.fixture.uploads(), closed: running.fixture.connections().closed };
  await upload(running.port, "[1]");
  await until(() => running.fixture.connections().closed.length === 1, "its connection to close");
  expect(before).toEqual({ uploads: [], closed: [] });
  expect(running.fixture.uploads()).toHaveLength(1);
});

describe("reset", () => {
  test("leaves nothing of the test before", async () => {
    await using running = start({ threads: 1 });
    await ask(running.port, "GET /none");
    await upload(running.port, "[1]");
    running.fixture.hold(1);
    const waiting = ask(running.port, "GET /");
    await until(() => running.fixture.connections().open.some(({ state }) => state === "waiting"), "it to wait");
    const { sequence } = json(await room(running.port, "POST reset"));
    expect((await waiting).status).toBe(200);
    expect(json(await room(running.port, "GET hold"))).toMatchObject({ held: 0, free: 1 });
    expect(json(await room(running.port, "GET requests"))).toEqual({
      requests: [],
      last: sequence,
      dropped: 0,
      isComplete: true,
    });
    expect(json(await room(running.port, "GET uploads"))).toEqual({ uploads: [] });
    expect(readdirSync(running.uploads)).toEqual([]);
    expect(running.fixture.connections().closed.length).toBeLessThan(5);
    await ask(running.port, "GET /");
    expect(running.fixture.requests({ since: sequence as number })).toHaveLength(1);
  });
});

describe("shutdown", () => {
  test("drains: the answer arrives, what is under way ends, nobody new is let in", async () => {
    await using running = start();
    const answer = await room(running.port, "POST shutdown");
    expect([answer.status, answer.fields.get("connection")]).toEqual([200, "close"]);
    await running.server.stop();
    await expect(RawClient.connect(running.port)).rejects.toThrow();
  });

  test("is the program's own affair where it says so", async () => {
    let asked = 0;
    await using running = start({}, { shutDown: () => asked++ });
    await room(running.port, "POST shutdown");
    expect(asked).toBe(1);
    expect((await ask(running.port, "GET /")).text).toBe("the page");
  });
});

describe("what is not understood", () => {
  const cases: readonly [line: string, content: unknown, status: number, sentence: string][] = [
    ["GET requests?form=1", null, 400, 'unknown parameter "form"; known: since, method,'],
    ["GET requests?since=x", null, 400, 'parameter "since": expected a whole number from 0, got "x"'],
    ["GET requests?since=1&since=2", null, 400, 'parameter "since" is there twice'],
    ["GET requests?status=9xx", null, 400, 'parameter "status": expected a status such as 404, or "4xx", got "9xx"'],
    ["GET requests?path=", null, 400, 'parameter "path": expected a path'],
    ["GET requests?limit=0", null, 400, 'parameter "limit": expected a whole number from 1 to 1000'],
    ["GET requests?wait=1001", null, 400, 'parameter "wait"'],
    ["GET requests?wait=1&timeout=11m", null, 400, 'parameter "timeout": expected a time up to 600s'],
    ["GET requests?timeout=1s", null, 400, 'parameter "timeout" is of use with "wait" alone'],
    ["GET requests/unmatched?wait=1", null, 400, 'unknown parameter "wait"'],
    ["POST hold", "{", 400, "not valid JSON"],
    ["POST hold", '{"slots":"\xff"}', 400, "not valid JSON in UTF-8"],
    ["POST hold", [], 400, "not a JSON object"],
    ["POST hold", "null", 400, "not a JSON object"],
    ["POST hold", {}, 400, 'member "slots" is missing'],
    ["POST hold", { slots: "1" }, 400, 'member "slots": expected a whole number from 1, got "1"'],
    ["POST hold", { slots: 1.5 }, 400, 'member "slots"'],
    ["POST hold", { slots: 0 }, 400, 'member "slots"'],
    ["POST hold", { slots: 11 }, 409, "10 are free, got 11; none was taken"],
    ["POST hold", { slot: 1 }, 400, 'unknown member "slot"; known: slots'],
    ["POST hold", '{"__proto__":1}', 400, 'unknown member "__proto__"'],
    ["POST connections", {}, 400, 'member "close" is missing'],
    ["POST connections", { close: "all" }, 400, 'member "close": expected "idle", got "all"'],
    ["POST reset", { all: true }, 400, 'unknown member "all"; there is none'],
    ["POST shutdown", { now: true }, 400, 'unknown member "now"'],
    ["DELETE hold", { slots: 1 }, 400, 'unknown member "slots"'],
    ["DELETE requests", { since: 1 }, 400, 'unknown member "since"'],
    ["POST requests/verify", { match: { paths: "/" } }, 400, 'unknown member "paths"'],
    ["POST requests/verify", { match: [] }, 400, 'member "match": expected an object'],
    ["POST requests/verify", { match: { status: "abc" } }, 400, 'member "status"'],
    ["POST requests/verify", { match: { status: [404] } }, 400, 'member "status": expected a status'],
    ["POST requests/verify", { match: { status: ["4xx"] } }, 400, 'member "status"'],
    ["POST requests/verify", { count: -1 }, 400, 'member "count"'],
    ["POST requests/verify", { count: 1, atMost: 2 }, 400, 'member "count" stands alone'],
    ["POST hold", `{"slots":1${" ".repeat(17_000)}}`, 413, "larger than 16384 bytes"],
    ["POST requests", {}, 405, "method"],
    ["GET reset", null, 405, "method"],
    ["DELETE requests/unmatched", null, 405, "method"],
    ["GET holds", null, 404, "no such room"],
    ["GET requests/none", null, 404, "no such room"],
  ];
  for (const [line, content, status, sentence] of cases) {
    const shown = content === null ? "" : ` with ${JSON.stringify(content).slice(0, 40)}`;
    test(`${line}${shown} is ${status}, and does nothing`, async () => {
      await using running = start({}, { shutDown: () => running.fixture.hold(1) });
      await ask(running.port, "GET /");
      const answer = content === null ? await room(running.port, line) : await tell(running.port, line, content);
      expect(answer.status).toBe(status);
      expect(status === 400 ? json(answer)["message"] : answer.text).toContain(sentence);
      expect([running.fixture.held, running.fixture.requests().length]).toEqual([0, 1]);
    });
  }
});

describe("the guard", () => {
  const open = resolveOptions({ fixture: true, host: "0.0.0.0", fixtureOpen: true });
  const closed = resolveOptions({ fixture: true });
  const withToken = resolveOptions({ fixture: true, host: "0.0.0.0", fixtureToken: "the-token" });

  /** The status of the refusal, or 0. */
  function verdict(options: Options, peer: string, fields: Record<string, string> = {}, line = "GET /"): number {
    const asked: Request = { ...makeRequest(line, fields), peer };
    return guardOf(options)(asked)?.status ?? 0;
  }

  test.each<[peer: string, closed: number, withToken: number, open: number]>([
    ["127.0.0.1", 0, 0, 0],
    ["127.8.8.8", 0, 0, 0],
    ["::1", 0, 0, 0],
    ["192.0.2.1", 403, 401, 0],
    ["127.0.0.1.evil.test", 403, 401, 0],
    ["::2", 403, 401, 0],
    ["fe80::1", 403, 401, 0],
  ])("of %p says %p, with a token %p, when it is open %p", (peer, ofClosed, ofToken, ofOpen) => {
    expect([closed, withToken, open].map((options) => verdict(options, peer))).toEqual([ofClosed, ofToken, ofOpen]);
  });

  test.each<[authorization: string, status: number]>([
    ["Bearer the-token", 0],
    ["bearer  the-token", 0],
    ["Bearer the-tokeN", 401],
    ["Bearer the-token-and-more", 401],
    ["Bearer the", 401],
    ["Bearer", 401],
    ["Basic the-token", 401],
    ["the-token", 401],
    ["Bearer the-token, Bearer the-token", 401],
  ])("of a peer elsewhere with %p says %p", (authorization, status) => {
    expect(verdict(withToken, "192.0.2.1", { Authorization: authorization })).toBe(status);
  });

  test("says how to be let in", () => {
    const answer = guardOf(withToken)({ ...makeRequest("GET /"), peer: "192.0.2.1" }) as Response;
    expect(Buffer.from(answer.fields).toString()).toContain("WWW-Authenticate: Bearer\r\n");
  });

  test.each<[fields: Record<string, string>, status: number]>([
    [{ Origin: "http://evil.test" }, 403],
    [{ Origin: "null" }, 403],
    [{ Origin: "http://127.0.0.1:8080" }, 403],
    [{ "Sec-Fetch-Site": "cross-site" }, 403],
    [{ "Sec-Fetch-Site": "same-site" }, 403],
    [{ "Sec-Fetch-Site": "Cross-Site" }, 403],
    [{ "Sec-Fetch-Site": "same-origin" }, 0],
    [{ "Sec-Fetch-Site": "none" }, 0],
  ])("of a browser's %j says %p, from wherever and with whatever it comes", (fields, status) => {
    const answers = [
      verdict(open, "192.0.2.1", fields),
      verdict(closed, "127.0.0.1", fields),
      verdict(withToken, "192.0.2.1", { ...fields, Authorization: "Bearer the-token" }),
    ];
    expect(answers).toEqual([status, status, status]);
  });

  test.each<[line: string, fields: Record<string, string>, status: number]>([
    ["POST /", {}, 0],
    ["DELETE /", { "Content-Length": "0" }, 0],
    ["POST /", { "Content-Type": "application/json", "Content-Length": "2" }, 0],
    ["POST /", { "Content-Type": "application/json; charset=utf-8", "Content-Length": "2" }, 0],
    ["POST /", { "Content-Length": "2" }, 415],
    ["POST /", { "Transfer-Encoding": "chunked" }, 415],
    ["POST /", { "Content-Type": "text/plain", "Content-Length": "2" }, 415],
    ["POST /", { "Content-Type": "application/x-www-form-urlencoded", "Content-Length": "0" }, 415],
    ["DELETE /", { "Content-Type": "text/plain" }, 415],
    ["GET /", { "Content-Type": "text/plain" }, 0],
  ])("of %p with %j says %p", (line, fields, status) => {
    expect(verdict(closed, "127.0.0.1", fields, line)).toBe(status);
  });

  test("stands before every room but ready, and answers in JSON", async () => {
    await using running = start({}, { shutDown: () => running.fixture.hold(1) });
    const names = running.fixture.rooms().filter(([name]) => name !== "ready");
    const lines = names.flatMap(([name, { methods }]) => methods.map((method) => `${method} /__server/${name}`));
    expect(lines.length).toBeGreaterThan(13);
    for (const line of lines) {
      const answer = await ask(running.port, line, "Origin: http://evil.test\r\n");
      expect([line, answer.status, json(answer)["code"]]).toEqual([line, 403, 403]);
    }
    expect((await ask(running.port, "GET /__server/ready", "Origin: http://evil.test\r\n")).status).toBe(200);
    expect(running.fixture.held).toBe(0);
  });

  test("is not asked for the server's password, which everything else needs", async () => {
    const hash = "$2b$04$abcdefghijklmnopqrstuuSDx0zTPZ8.t5y6pGLUJo/qHpGxcH5.W";
    await using running = start({ basicAuth: [`ann:${hash}`] });
    expect((await ask(running.port, "GET /")).status).toBe(401);
    expect((await room(running.port, "GET requests")).status).toBe(200);
  });

  test("comes behind the Host rule", async () => {
    await using running = start();
    using client = await RawClient.connect(running.port);
    client.send("GET /__server/info HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    expect((await client.answer()).status).toBe(403);
  });
});

describe("the Host rule of a fixture", () => {
  test("takes names of loopback with any port, for ports that are mapped", async () => {
    await using running = start();
    using client = await RawClient.connect(running.port);
    for (const host of ["localhost:49153", "127.0.0.1:1", "[::1]", "app.localhost:80"]) {
      client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect([host, (await client.answer()).status]).toEqual([host, 200]);
    }
  });

  test("takes no other name with another port", async () => {
    await using running = start({ allowedHosts: ["fixture:8080"] });
    using client = await RawClient.connect(running.port);
    for (const host of ["fixture:8081", "127.0.0.2:1", "localhost.evil.test:1"]) {
      client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect([host, (await client.answer()).status]).toEqual([host, 403]);
    }
  });
});

describe("settings that make no sense", () => {
  test.each<[given: Partial<Options>, message: string]>([
    [{ fixtureToken: "a" }, "fixtureToken needs fixture: there is nothing to guard"],
    [{ fixtureOpen: true }, "fixtureOpen needs fixture: there is nothing to guard"],
    [{ fixture: true, fixtureToken: "a", fixtureOpen: true }, "fixtureToken and fixtureOpen exclude each other"],
    [{ fixture: true, host: "0.0.0.0" }, "fixture on 0.0.0.0 would let the network steer this server"],
    [{ fixture: true, host: "::" }, "fixture on ::"],
    [{ fixture: true, host: "files.test" }, "fixture on files.test"],
    [{ fixture: true, fixtureToken: "two words" }, "fixtureToken: expected letters, digits"],
  ])("%j is refused", (given, message) => {
    expect(() => resolveOptions(given)).toThrow(OptionsError);
    expect(() => resolveOptions(given)).toThrow(message);
  });

  test("a token that cannot be used is not shown", () => {
    expect(() => resolveOptions({ fixture: true, fixtureToken: "two words" })).not.toThrow("two words");
  });

  test.each<[given: Partial<Options>]>([
    [{ fixture: true }],
    [{ fixture: true, host: "127.9.9.9" }],
    [{ fixture: true, host: "::1" }],
    [{ fixture: true, host: "0.0.0.0", fixtureToken: "abc-._~+/==" }],
    [{ fixture: true, host: "0.0.0.0", fixtureOpen: true }],
    [{ fixture: false, host: "0.0.0.0" }],
  ])("%j makes sense", (given) => {
    expect(resolveOptions(given)).toMatchObject(given);
  });

  test("a folder that the rooms would hide is refused at the start", () => {
    expect(() => start({ root: join(folder, "shadow") })).toThrow("would be hidden");
    expect(existsSync(join(folder, "shadow", "__server", "ready"))).toBe(true);
  });
});

describe("without the flag", () => {
  const NO_FILE = "There is no such file here.";
  const NO_METHOD = "That method cannot be used here.";
  const paths = "info requests requests/unmatched requests/verify connections uploads hold reset shutdown faults".split(
    " ",
  );
  const expected: readonly [line: string, status: number, content: string][] = [
    ["GET /", 200, "the page"],
    ["GET /__server", 404, NO_FILE],
    ["GET /__server/ready", 200, "a file"],
    ["HEAD /__server/ready", 200, ""],
    ["GET /%5F_server/ready", 200, "a file"],
    ...paths.flatMap((path): [string, number, string][] => [
      [`GET /__server/${path}`, 404, NO_FILE],
      [`POST /__server/${path}`, 404, NO_FILE],
      [`DELETE /__server/${path}`, 405, NO_METHOD],
    ]),
  ];

  test("the paths of the rooms are files' like all others", async () => {
    await using running = start({ root: join(folder, "shadow"), fixture: false }, { fixture: null });
    for (const [line, status, content] of expected) {
      const answer = await ask(running.port, line, "Content-Type: application/json\r\nOrigin: http://a.test\r\n");
      expect([line, answer.status]).toEqual([line, status]);
      expect(answer.text).toContain(content);
    }
  });

  test("X-Fixture changes not a byte", async () => {
    await using running = start({ root: join(folder, "shadow"), fixture: false }, { fixture: null });
    const bytes = async (line: string, fields: string) => {
      const { head, text } = await ask(running.port, line, fields);
      return `${head}\r\n\r\n${text}`.replace(/^Date: .*$/m, "");
    };
    for (const line of [...expected.map(([line]) => line), "GET /none", "OPTIONS *", "PUT /"]) {
      expect(await bytes(line, "X-Fixture: fault=reset\r\n")).toBe(await bytes(line, ""));
    }
  });

  test("names of loopback need our port", async () => {
    await using running = start({ fixture: false }, { fixture: null });
    using client = await RawClient.connect(running.port);
    client.send("GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n");
    expect((await client.answer()).status).toBe(403);
  });

  test("what is answered outside of the rooms is the same with it", async () => {
    await using without = start({ fixture: false }, { fixture: null });
    await using beside = start();
    for (const line of ["GET /", "HEAD /", "GET /none", "OPTIONS /", "DELETE /", "POST /upload", "GET /../x"]) {
      const [plain, fixture] = await Promise.all([without, beside].map(({ port }) => ask(port, line)));
      const shown = (answer: Answer | undefined) => `${answer?.head}\r\n\r\n${answer?.text}`.replace(/^Date: .*$/m, "");
      expect(shown(fixture)).toBe(shown(plain));
    }
  });
});
