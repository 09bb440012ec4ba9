/**
 * `--status` on real sockets: what a monitoring system and a live page are told is what a counted load did. Time is moved by
 * hand, so that no slot is lent and nothing times out before the test says so.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Snapshot } from "../../src/handlers/endpoints/status.ts";
import { type AccessEntry, type RunningServer, StartError, type StartOptions, startServer } from "../../src/index.ts";
import { CountingClock } from "../support/counting-clock.ts";
import { readExposition, type Scrape } from "../support/exposition.ts";
import { isRefused, RawClient, request } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

/** More than the kernel's buffers on both sides take. */
const LARGE_BYTES = 32 * 1024 * 1024;

const PAGE = "the page";

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "status-"));
  mkdirSync(join(folder, "root"));
  writeFileSync(join(folder, "root", "index.html"), PAGE);
  writeFileSync(join(folder, "root", "large.bin"), "");
  truncateSync(join(folder, "root", "large.bin"), LARGE_BYTES);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

class Rig implements AsyncDisposable {
  readonly server: RunningServer;
  readonly clock: CountingClock;
  readonly lines: AccessEntry[];
  readonly #clients: RawClient[] = [];

  static async start(more: StartOptions = {}): Promise<Rig> {
    const clock = new CountingClock();
    const lines: AccessEntry[] = [];
    const log = {
      access: (entry: AccessEntry) => lines.push({ ...entry }),
      info() {},
      detail: null,
      warn() {},
      error() {},
    };
    const given = { port: 0, root: join(folder, "root"), uploads: join(folder, "uploads"), status: true, clock, log };
    return new Rig(await startServer({ ...given, ...more }), clock, lines);
  }

  private constructor(server: RunningServer, clock: CountingClock, lines: AccessEntry[]) {
    this.server = server;
    this.clock = clock;
    this.lines = lines;
  }

  get port(): number {
    return this.server.port;
  }

  async connect(onlyCount = false): Promise<RawClient> {
    const client = await RawClient.connect(this.port, { onlyCount });
    this.#clients.push(client);
    return client;
  }

  /** A request on a connection of its own, whose answer is awaited. */
  async get(path: string) {
    using client = await RawClient.connect(this.port);
    return await client.send(request(this.port, `GET ${path}`)).answer();
  }

  async scrape(): Promise<Scrape> {
    const answer = await this.get("/__server/metrics");
    expect([answer.status, answer.fields.get("content-type")]).toEqual([
      200,
      "text/plain; version=0.0.4; charset=utf-8",
    ]);
    return readExposition(answer.text);
  }

  /** Scrapes until `condition` holds: a connection's end is seen a little later than its client sees it. */
  async scrapeUntil(condition: (scrape: Scrape) => boolean, what: string): Promise<Scrape> {
    let scrape = await this.scrape();
    await until(async () => {
      if (condition(scrape)) return true;
      scrape = await this.scrape();
      return false;
    }, what);
    return scrape;
  }

  /** A client whose large answer has begun and does not go on, because it does not read: it has a slot. */
  async stall(): Promise<RawClient> {
    const client = await this.connect(true);
    client.send(request(this.port, "GET /large.bin"));
    await client.received(1);
    return client.pause();
  }

  /** A request that waits for a slot. */
  async wait(): Promise<RawClient> {
    const before = (await this.scrape()).value("httpserver_queue_length");
    const client = (await this.connect()).send(request(this.port, "GET /"));
    await this.scrapeUntil((scrape) => scrape.value("httpserver_queue_length") > before, "a request in the queue");
    return client;
  }

  /** Reads the live page's events as they come. */
  async watch(): Promise<{ client: RawClient; snapshots: () => Snapshot[]; isEnded: () => boolean }> {
    const client = (await this.connect()).send(request(this.port, "GET /__server/events"));
    const snapshots = () =>
      [...client.text.matchAll(/^data: (.*)\n\n\r$/gm)].map((match) => JSON.parse(match[1] ?? "") as Snapshot);
    await until(() => snapshots().length > 0, "the first event");
    return { client, snapshots, isEnded: () => client.text.endsWith("\r\n0\r\n\r\n") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client[Symbol.dispose]();
    await this.server.stop({ force: true });
  }
}

describe("ready", () => {
  test("is 200, and names another instance after each start", async () => {
    const instances = new Set<string>();
    for (let i = 0; i < 3; i++) {
      await using rig = await Rig.start();
      const { status, text } = await rig.get("/__server/ready");
      expect([status, JSON.parse(text).status]).toEqual([200, "ready"]);
      instances.add(JSON.parse(text).instance);
    }
    expect(instances.size).toBe(3);
  });

  test("is 503 while the server drains", async () => {
    await using rig = await Rig.start();
    const client = await rig.connect();
    client.send("GET /__server/ready HTTP/1.1\r\nHost: local");
    const stalled = await rig.stall(); // Also tells that the server has read the other's bytes.
    const stopped = rig.server.stop();
    await until(() => isRefused(rig.port), "the server to drain");
    const { status, text, fields } = await client.send(`host:${rig.port}\r\n\r\n`).answer();
    expect([status, JSON.parse(text).status, fields.get("connection")]).toEqual([503, "draining", "close"]);
    stalled.reset();
    await stopped;
  });
});

test("with the pool and the queue full, the server's own endpoints answer at once, and take no slot", async () => {
  await using rig = await Rig.start({ threads: 1, queue: 1 });
  await rig.stall();
  await rig.wait();
  expect((await rig.get("/")).status).toBe(503);
  for (const path of ["/__server/ready", "/__server/metrics", "/__server/"]) {
    expect([path, (await rig.get(path)).status]).toEqual([path, 200]);
  }
  const { snapshots } = await rig.watch();
  expect(snapshots()[0]?.pool).toEqual({ size: 1, active: 1, queued: 1, queueMax: 1, lent: 0 });
  const scrape = await rig.scrape();
  const gauges = ["slots", "slots_busy", "queue_length", "queue_limit"];
  expect(gauges.map((name) => scrape.value(`httpserver_${name}`))).toEqual([1, 1, 1, 1]);
});

test("the server's own endpoints are neither logged nor counted, whatever they answer", async () => {
  await using rig = await Rig.start();
  for (const path of ["", "/", "/ready", "/metrics", "/none"]) await rig.get(`/__server${path}`);
  using client = await RawClient.connect(rig.port);
  await client.send(request(rig.port, "POST /__server/ready", "Content-Length: 2\r\n", "{}")).answer();
  const { client: watching } = await rig.watch();
  watching.reset();
  await rig.get("/");
  expect(rig.lines.map(({ requestLine }) => requestLine)).toEqual(["GET / HTTP/1.1"]);
  const scrape = await rig.scrape();
  expect(scrape.values("httpserver_requests_total")).toEqual({ 200: 1 });
  expect(scrape.distribution("httpserver_request_duration_seconds").count).toBe(1);
});

describe("the counters equal a counted load:", () => {
  test("answers by status, and bytes of content", async () => {
    await using rig = await Rig.start();
    const client = await rig.connect();
    let bytes = 0;
    const ask = async (method: string, path: string, fields = "", body = "") => {
      const answer = await client.send(request(rig.port, `${method} ${path}`, fields, body)).answer(method);
      bytes += answer.body.length;
    };
    for (let i = 0; i < 20; i++) await ask("GET", "/");
    for (let i = 0; i < 5; i++) await ask("HEAD", "/");
    for (let i = 0; i < 7; i++) await ask("GET", "/none");
    for (let i = 0; i < 3; i++) await ask("OPTIONS", "/");
    await ask("GET", "/large.bin", "Range: bytes=0-999999\r\n");
    await ask("POST", "/upload", "Content-Type: application/json\r\nContent-Length: 2\r\n", "{}");
    await ask("PUT", "/");
    expect(bytes).toBeGreaterThan(1_000_000);
    const scrape = await rig.scrape();
    expect(scrape.values("httpserver_requests_total")).toEqual({ 200: 25, 201: 1, 204: 3, 206: 1, 404: 7, 405: 1 });
    expect(scrape.value("httpserver_response_content_bytes_total")).toBe(bytes);
    expect(scrape.distribution("httpserver_request_duration_seconds").count).toBe(38);
    expect(scrape.distribution("httpserver_queue_wait_seconds").count).toBe(0);
    expect(scrape.value("httpserver_answers_aborted_total")).toBe(0);
    expect(scrape.value("httpserver_failures_total")).toBe(0);
    expect(rig.lines).toHaveLength(38);
  });

  test("of pipelined requests and heads that are none, each one", async () => {
    await using rig = await Rig.start();
    const client = await rig.connect();
    client.send(request(rig.port, "GET /").repeat(10));
    for (let i = 0; i < 10; i++) await client.answer();
    client.send("rubbish\r\n\r\n");
    expect((await client.answer()).status).toBe(400);
    expect((await rig.scrape()).values("httpserver_requests_total")).toEqual({ 200: 10, 400: 1 });
  });

  test("refusals by reason, and waits", async () => {
    // All in less than the half second after which a slot would be lent.
    await using rig = await Rig.start({ threads: 1, queue: 2, queueTimeoutMs: 300 });
    const busy = await rig.stall();
    const patient = await rig.wait();
    rig.clock.advance(200);
    const late = await rig.wait();
    for (let i = 0; i < 4; i++) expect((await rig.get("/")).status).toBe(503);
    rig.clock.advance(100);
    expect((await patient.answer()).status).toBe(503);
    busy.reset();
    expect((await late.answer()).status).toBe(200);
    const scrape = await rig.scrape();
    expect(scrape.values("httpserver_refusals_total")).toEqual({
      "queue full": 4,
      "queue timeout": 1,
      "too many connections": 0,
      "too many from an address": 0,
    });
    expect(scrape.values("httpserver_requests_total")).toEqual({ 200: 2, 503: 5 });
    expect(scrape.value("httpserver_answers_aborted_total")).toBe(1);
    const { count, sum } = scrape.distribution("httpserver_queue_wait_seconds");
    expect([count, sum]).toEqual([1, 0.1]);
    expect(scrape.value("httpserver_slots_busy")).toBe(0);
  });

  test("connections turned away, which are no answers of the pool", async () => {
    await using rig = await Rig.start({ maxConnections: 2 });
    const first = await rig.connect();
    await first.send(request(rig.port, "GET /")).answer();
    await (await rig.connect()).send(request(rig.port, "GET /")).answer();
    for (let i = 0; i < 3; i++) expect((await rig.get("/")).status).toBe(503);
    const answer = await first.send(request(rig.port, "GET /__server/metrics")).answer();
    const scrape = readExposition(answer.text);
    expect(scrape.value("httpserver_refusals_total", "too many connections")).toBe(3);
    expect(scrape.values("httpserver_requests_total")).toEqual({ 200: 2 });
    expect(scrape.value("httpserver_connections_accepted_total")).toBe(2);
    expect(scrape.value("httpserver_connections")).toBe(2);
  });

  test("and those from one address", async () => {
    await using rig = await Rig.start({ maxConnectionsPerAddress: 1 });
    const client = await rig.connect();
    await client.send(request(rig.port, "GET /")).answer();
    expect((await rig.get("/")).status).toBe(503);
    const scrape = readExposition((await client.send(request(rig.port, "GET /__server/metrics")).answer()).text);
    expect(scrape.value("httpserver_refusals_total", "too many from an address")).toBe(1);
  });

  test("connections closed, by reason", async () => {
    await using rig = await Rig.start({ maxRequests: 2 });
    const twice = await rig.connect();
    await twice.send(request(rig.port, "GET /").repeat(2)).left();
    const asking = await rig.connect();
    await asking.send(request(rig.port, "GET /", "Connection: close\r\n")).left();
    const wrong = await rig.connect();
    await wrong.send("rubbish\r\n\r\n").left();
    const leaving = await rig.connect();
    await leaving.send(request(rig.port, "GET /")).answer();
    leaving.reset();
    const idle = await rig.connect();
    await idle.send(request(rig.port, "GET /")).answer();
    const stalled = await rig.stall();
    rig.clock.advance(30_000);
    await idle.left();
    // The kernels have taken more in the meantime, so the window that has begun is not a silent one; four follow it.
    rig.clock.advance(150_000);
    stalled.resume();
    await stalled.left();
    const scrape = await rig.scrapeUntil(
      (seen) => Object.keys(seen.values("httpserver_connections_closed_total")).length >= 6,
      "six reasons",
    );
    const { client, ...ours } = scrape.values("httpserver_connections_closed_total");
    expect(ours).toEqual({
      "last request": 1,
      "client asked": 1,
      "last answer": 1,
      "idle timeout": 1,
      "send timeout": 1,
    });
    expect(client).toBeGreaterThanOrEqual(1); // The scrapes' own connections leave as well.
  });
});

describe("the clock of a test", () => {
  test("closes an idle connection after 30 s, and not before", async () => {
    await using rig = await Rig.start();
    const client = await rig.connect();
    await client.send(request(rig.port, "GET /")).answer();
    rig.clock.advance(29_000);
    await client.send(request(rig.port, "GET /")).answer(); // Still there, and 30 s begin again.
    rig.clock.advance(29_999);
    await rig.get("/");
    expect(client.ending).toBeNull();
    rig.clock.advance(1001);
    expect(await client.left()).toBe("fin");
  });

  test("dates the answers", async () => {
    const clock = new CountingClock(Date.UTC(2026, 2, 15, 10, 30, 15));
    await using rig = await Rig.start({ clock });
    expect((await rig.get("/")).fields.get("date")).toBe("Sun, 15 Mar 2026 10:30:15 GMT");
    clock.advance(3_600_000);
    expect((await rig.get("/")).fields.get("date")).toBe("Sun, 15 Mar 2026 11:30:15 GMT");
  });
});

describe("live pages", () => {
  test("see the pool, its queue and its answers", async () => {
    await using rig = await Rig.start({ threads: 2, queue: 5 });
    const { snapshots } = await rig.watch();
    const [first] = snapshots();
    expect(first).toMatchObject({ requests: 0, work: [], recent: [], p50Ms: null, intervalMs: 0 });
    await rig.get("/");
    await rig.get("/none");
    await rig.stall();
    rig.clock.advance(250);
    await until(() => snapshots().length === 2, "the second event");
    const second = snapshots()[1] as Snapshot;
    expect(second.recent.map(({ request, status }) => [request, status])).toEqual([
      ["GET / HTTP/1.1", 200],
      ["GET /none HTTP/1.1", 404],
    ]);
    expect(second.work).toMatchObject([{ request: "GET /large.bin HTTP/1.1", phase: "sending", slot: 1 }]);
    expect(second.answeredBySlot).toEqual([2, 0]);
    expect([second.requests, second.totals.statuses]).toEqual([2, { 200: 1, 404: 1 }]);
    expect(second.contentBytes).toBe(rig.lines.reduce((sum, { bytes }) => sum + bytes, 0));
  });

  test("are told at once that this was all when the server stops", async () => {
    await using rig = await Rig.start();
    const watching = await Promise.all(Array.from({ length: 10 }, () => rig.watch()));
    await rig.server.stop();
    for (const { client, isEnded } of watching) {
      expect([await client.left(), isEnded()]).toEqual(["fin", true]);
    }
    expect(rig.clock.timers).toBe(0);
  });

  test("that come while it drains see one look and the end", async () => {
    await using rig = await Rig.start();
    const client = await rig.connect();
    client.send("GET /__server/events HTTP/1.1\r\nHost: local");
    const stalled = await rig.stall();
    const stopped = rig.server.stop();
    await until(() => isRefused(rig.port), "the server to drain");
    client.send(`host:${rig.port}\r\n\r\n`);
    expect(await client.left()).toBe("fin");
    expect(client.text).toEndWith("\r\n0\r\n\r\n");
    expect(client.text.match(/^data: \{"atMs"/gm)).toHaveLength(1);
    stalled.reset();
    await stopped;
  });

  test("two hundred that come and go leave nothing behind", async () => {
    await using rig = await Rig.start();
    await rig.get("/");
    const timers = rig.clock.timers;
    const watching = await Promise.all(Array.from({ length: 200 }, () => rig.watch()));
    expect(rig.clock.timers).toBe(timers + 1);
    rig.clock.advance(250);
    await until(() => watching.every(({ snapshots }) => snapshots().length === 2), "an event for everybody");
    for (const [i, { client }] of watching.entries()) i % 2 === 0 ? client.reset() : client[Symbol.dispose]();
    const left = await rig.scrapeUntil((scrape) => scrape.value("httpserver_connections") === 1, "all to be gone");
    expect(Object.keys(left.values("httpserver_connections_closed_total"))).toEqual(["client"]);
    expect(rig.clock.timers).toBe(timers);
    const { snapshots } = await rig.watch();
    expect(snapshots()[0]?.connections.open).toBe(1);
  });

  test("of one who does not read cost nobody else anything", async () => {
    await using rig = await Rig.start();
    const deaf = (await rig.connect(true)).send(request(rig.port, "GET /__server/events"));
    await deaf.received(1);
    deaf.pause();
    const { snapshots } = await rig.watch();
    for (let i = 0; i < 40; i++) {
      rig.clock.advance(250);
      await until(() => snapshots().length === i + 2, "the next event");
    }
    expect((await rig.get("/")).text).toBe(PAGE);
  });
});

describe("a root that has what the server calls its own", () => {
  for (const kind of ["folder", "file"]) {
    test(`as a ${kind} is refused, and nothing listens`, async () => {
      const root = mkdtempSync(join(folder, "taken-"));
      if (kind === "folder") mkdirSync(join(root, "__server"));
      else writeFileSync(join(root, "__server"), "");
      const before = await Rig.start();
      const { port } = before;
      await before[Symbol.asyncDispose]();
      const failure = await Rig.start({ root, port }).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(StartError);
      expect((failure as Error).message).toContain("__server");
      expect((failure as Error).message).toContain("--status");
      await using after = await Rig.start({ port });
      expect((await after.get("/")).text).toBe(PAGE);
      await using without = await Rig.start({ root, status: false });
      expect((await without.get("/__server/")).status).toBe(404);
    });
  }
});

test("uploads into a folder of that name are refused before it is made", async () => {
  const root = mkdtempSync(join(folder, "taken-"));
  const uploads = join(root, "__server", "uploads");
  expect(await Rig.start({ root, uploads }).catch((error: unknown) => error)).toBeInstanceOf(StartError);
  expect(existsSync(join(root, "__server"))).toBe(false);
});

describe("a program that has a server in it", () => {
  test("may watch it, with `live` and without any path of its own", async () => {
    await using rig = await Rig.start({ status: false, live: true });
    const seen: Snapshot[] = [];
    const leave = rig.server.watch((snapshot) => seen.push(snapshot));
    await rig.get("/__server/ready");
    rig.clock.advance(250);
    leave();
    rig.clock.advance(250);
    expect(seen.map(({ requests }) => requests)).toEqual([0, 1]);
    expect(seen[1]?.recent.map(({ status }) => status)).toEqual([404]);
  });

  test("is told which option it left out", async () => {
    await using rig = await Rig.start({ status: false });
    expect(() => rig.server.watch(() => {})).toThrow("started with `live` or `status`");
  });
});

test("without the flag nobody may look, and nothing is there", async () => {
  await using rig = await Rig.start({ status: false });
  for (const path of ["/__server", "/__server/", "/__server/ready", "/__server/metrics"]) {
    expect([path, (await rig.get(path)).status]).toEqual([path, 404]);
  }
  expect(rig.lines).toHaveLength(4);
});
