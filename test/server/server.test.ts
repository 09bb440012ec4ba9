/** The server's life on real sockets: where it listens, how it starts and refuses to, how it stops, and how it shares out. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ManualClock,
  OptionsError,
  type ServerLog,
  StartError,
  type StartOptions,
  startServer,
} from "../../src/index.ts";
import { ipv6, needs } from "../support/needs.ts";
import { isRefused, RawClient, request, stalledDownload } from "../support/raw-client.ts";
import { turns, until } from "../support/waiting.ts";

const MIB = 1024 * 1024;

/** A time that no test lives to see. */
const HOUR_MS = 3_600_000;

/** More than the kernel's buffers on both sides take, so that a client that does not read keeps its answer in flight. */
const LARGE_BYTES = 32 * MIB;

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "server-"));
  mkdirSync(join(folder, "root"));
  writeFileSync(join(folder, "root", "index.html"), "first site");
  writeFileSync(join(folder, "root", "large.bin"), "");
  truncateSync(join(folder, "root", "large.bin"), LARGE_BYTES);
  mkdirSync(join(folder, "other"));
  writeFileSync(join(folder, "other", "index.html"), "second site");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function options(more: StartOptions = {}): StartOptions {
  return { port: 0, root: join(folder, "root"), uploads: join(folder, "uploads"), ...more };
}

/** The page on `/`, on a connection of its own. */
async function page(port: number, host = "127.0.0.1"): Promise<string> {
  using client = await RawClient.connect(port, { host });
  return (await client.send(request(port, "GET /")).answer()).text;
}

/** What the failed start threw. */
async function startFailure(given: StartOptions): Promise<Error> {
  try {
    await using server = await startServer(given);
    return new Error(`it started on ${server.port}`);
  } catch (error) {
    return error as Error;
  }
}

describe("listening", () => {
  test("by default is on 127.0.0.1", async () => {
    await using server = await startServer(options());
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    expect(await page(server.port)).toBe("first site");
  });

  needs(ipv6).test("by default is on ::1 too, at the same port", async () => {
    await using server = await startServer(options());
    expect(server.urls).toEqual([`http://127.0.0.1:${server.port}`, `http://[::1]:${server.port}`]);
    expect(await page(server.port, "::1")).toBe("first site");
  });

  needs(ipv6).test("on ::1 alone leaves 127.0.0.1 to others", async () => {
    await using server = await startServer(options({ host: "::1" }));
    expect(server.url).toBe(`http://[::1]:${server.port}`);
    expect(await page(server.port, "::1")).toBe("first site");
    expect(await isRefused(server.port)).toBe(true);
  });

  needs(ipv6).test("does not start when the port is taken on ::1 only", async () => {
    await using taken = await startServer(options({ host: "::1" }));
    const error = await startFailure(options({ port: taken.port }));
    expect(error).toBeInstanceOf(StartError);
    expect(error.message).toContain(String(taken.port));
    expect(await isRefused(taken.port)).toBe(true);
  });

  test("on 0.0.0.0 answers to this machine's own address", async () => {
    await using server = await startServer(options({ host: "0.0.0.0" }));
    expect(await page(server.port)).toBe("first site");
  });

  test("two servers live side by side, and one outlives the other", async () => {
    await using first = await startServer(options());
    await using second = await startServer(options({ root: join(folder, "other") }));
    expect(first.port).not.toBe(second.port);
    expect([await page(first.port), await page(second.port)]).toEqual(["first site", "second site"]);
    await first.stop();
    expect(await page(second.port)).toBe("second site");
  });

  test("twenty servers start, answer and stop in parallel", async () => {
    const ports = await Promise.all(
      Array.from({ length: 20 }, async () => {
        await using server = await startServer(options());
        expect(await page(server.port)).toBe("first site");
        return server.port;
      }),
    );
    expect(await Promise.all(ports.map(isRefused))).toEqual(Array(20).fill(true));
  });
});

describe("a start that fails says what to do", () => {
  test("when the port is in use", async () => {
    await using server = await startServer(options());
    const error = await startFailure(options({ port: server.port }));
    expect(error).toBeInstanceOf(StartError);
    expect(error.message).toContain(`port ${server.port}`);
    expect(error.message).toContain("in use");
    expect(await page(server.port)).toBe("first site");
  });

  test("when the address is not ours", async () => {
    const error = await startFailure(options({ host: "192.0.2.1" }));
    expect(error).toBeInstanceOf(StartError);
    expect(error.message).toContain("192.0.2.1");
  });

  test("when the root is missing", async () => {
    const error = await startFailure(options({ root: join(folder, "missing") }));
    expect(error).toBeInstanceOf(StartError);
    expect(error.message).toContain("--root");
    expect(error.message).toContain(join(folder, "missing"));
  });

  test("when the root is a file", async () => {
    expect(await startFailure(options({ root: join(folder, "root", "index.html") }))).toBeInstanceOf(StartError);
  });

  test("when the uploads folder cannot be made", async () => {
    const error = await startFailure(options({ uploads: join(folder, "root", "index.html", "uploads") }));
    expect(error).toBeInstanceOf(StartError);
    expect(error.message).toContain("--uploads");
  });

  test("when a value makes no sense", async () => {
    expect(await startFailure(options({ threads: 0 }))).toBeInstanceOf(OptionsError);
    expect(await startFailure(options({ allowedHosts: ["a:b:c"] }))).toBeInstanceOf(OptionsError);
  });
});

test("a start that fails because of the port leaves no folder behind", async () => {
  await using first = await startServer(options({}));
  const uploads = join(folder, "never");
  expect(await startFailure(options({ port: first.port, uploads }))).toBeInstanceOf(StartError);
  expect(existsSync(uploads)).toBe(false);
});

test("a start that fails because of a folder does not keep the port", async () => {
  await using first = await startServer(options({}));
  await first.stop();
  const error = await startFailure(options({ port: first.port, root: join(folder, "missing") }));
  expect(error.message).toContain("missing");
  await using again = await startServer(options({ port: first.port }));
  expect(again.port).toBe(first.port);
});

test("the uploads folder may not be the served one", async () => {
  const error = await startFailure(options({ uploads: join(folder, "root") }));
  expect(error).toBeInstanceOf(StartError);
  expect(error.message).toContain("--uploads");
});

test("uploads inside the served folder are read back by --serve-uploads alone", async () => {
  const uploads = join(folder, "root", "uploads");
  for (const [serveUploads, status] of [
    [false, 404],
    [true, 200],
  ] as const) {
    await using server = await startServer(options({ uploads, serveUploads }));
    const headers = { "Content-Type": "application/json" };
    const created = await fetch(`${server.url}/upload`, { method: "POST", headers, body: "[1]" });
    const { filepath } = (await created.json()) as { filepath: string };
    expect((await fetch(server.url + filepath)).status).toBe(status);
  }
});

test("without uploads, /upload is a path like all others: 404, or a file of that name", async () => {
  const root = join(folder, "without-uploads");
  mkdirSync(root);
  await using server = await startServer(options({ root, uploads: "" }));
  const upload = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };
  const first = await fetch(`${server.url}/upload`, upload);
  expect(first.status).toBe(404);
  writeFileSync(join(root, "upload"), "a file");
  const second = await fetch(`${server.url}/upload`, upload);
  expect([second.status, second.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
  expect(await (await fetch(`${server.url}/upload`)).text()).toBe("a file");
});

test("the uploads folder is made by the first upload", async () => {
  const uploads = join(folder, "new", "uploads");
  await using server = await startServer(options({ uploads }));
  expect(existsSync(join(folder, "new"))).toBe(false);
  const headers = { "Content-Type": "application/json" };
  expect((await fetch(`${server.url}/upload`, { method: "POST", headers, body: "{}" })).status).toBe(201);
  expect(existsSync(uploads)).toBe(true);
});

test("an uploads folder inside the served one is hidden from its first moment, made by an upload or by hand", async () => {
  const root = join(folder, "later");
  mkdirSync(root);
  writeFileSync(join(root, "a.txt"), "a");
  const uploads = join(root, "in", "uploads");
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  for (const serveUploads of [false, true]) {
    await using server = await startServer(options({ root, uploads, listing: true, serveUploads }));
    const namesIn = async (path: string) => {
      const response = await fetch(server.url + path, { headers: { Accept: "application/json" } });
      return response.ok ? JSON.stringify(await response.json()) : String(response.status);
    };
    expect(await namesIn("/")).not.toContain("uploads");
    mkdirSync(uploads, { recursive: true });
    writeFileSync(join(uploads, "secret.json"), "{}");
    for (const path of ["/in/uploads/secret.json", "/in/uploads/", "/in/uploads"]) {
      expect((await fetch(server.url + path)).status).toBe(404);
    }
    expect(await namesIn("/in/")).not.toContain("uploads");
    expect(await namesIn("/")).toContain(serveUploads ? '"uploads"' : '"in"');
    expect((await fetch(`${server.url}/upload`, { method: "POST", headers, body: "{}" })).status).toBe(201);
    rmSync(join(root, "in"), { recursive: true });
  }
});

test("the uploads folder may not contain the served one", async () => {
  const error = await startFailure(options({ uploads: folder }));
  expect(error).toBeInstanceOf(StartError);
  expect(error.message).toContain("contains the served folder");
});

describe("a connection", () => {
  test("answers pipelined requests in order, also when they come in odd pieces", async () => {
    await using server = await startServer(options());
    using client = await RawClient.connect(server.port);
    const wire = ["GET /", "GET /none", "HEAD /", "GET /"].map((line) => request(server.port, line)).join("");
    for (let at = 0; at < wire.length; at += 37) {
      client.send(wire.slice(at, at + 37));
      await turns(2); // The server reads each piece alone.
    }
    const statuses: number[] = [];
    for (const method of ["GET", "GET", "HEAD", "GET"]) statuses.push((await client.answer(method)).status);
    expect(statuses).toEqual([200, 404, 200, 200]);
    expect(client.text).toBe("");
  });

  test("gets the whole of a large answer after it has half-closed, then FIN", async () => {
    await using server = await startServer(options());
    using client = await RawClient.connect(server.port, { onlyCount: true });
    client.send(request(server.port, "GET /large.bin")).finish();
    expect(await client.left()).toBe("fin");
    expect(client.receivedBytes).toBeGreaterThan(LARGE_BYTES);
    expect(client.receivedBytes).toBeLessThan(LARGE_BYTES + 1000);
  });

  test("is closed by FIN when it has been idle, before a request and after one", async () => {
    const clock = new ManualClock();
    await using server = await startServer(options({ clock, keepAliveTimeoutMs: 30_000 }));
    using silent = await RawClient.connect(server.port);
    using client = await RawClient.connect(server.port);
    await client.send(request(server.port, "GET /")).answer();
    clock.advance(20_000);
    expect((await client.send(request(server.port, "GET /")).answer()).status).toBe(200);
    expect(silent.ending).toBeNull();
    clock.advance(11_000);
    expect(await silent.left()).toBe("fin");
    expect(silent.receivedBytes).toBe(0);
    expect(client.ending).toBeNull();
    clock.advance(20_000);
    expect(await client.left()).toBe("fin");
  });

  test("is told a keep-alive time in whole seconds", async () => {
    await using server = await startServer(options({ keepAliveTimeoutMs: 2500 }));
    using client = await RawClient.connect(server.port);
    const { fields } = await client.send(request(server.port, "GET /")).answer();
    expect(fields.get("keep-alive")).toBe("timeout=2, max=99");
  });
});

describe("the pool", () => {
  test("lets one wait, refuses the next, and serves the one that waited", async () => {
    const told: string[] = [];
    const log: ServerLog = {
      access: null,
      info: (text) => told.push(text),
      detail: null,
      warn: (text) => told.push(text),
      error() {},
    };
    await using server = await startServer(options({ threads: 1, queue: 1, log }));
    using slow = await stalledDownload(server.port);
    using waiting = await RawClient.connect(server.port);
    waiting.send(request(server.port, "GET /"));
    await until(() => told.includes("Thread pool saturated, queuing request"), "the queue");
    using refused = await RawClient.connect(server.port);
    const answer = await refused.send(request(server.port, "GET /")).answer();
    expect(answer.status).toBe(503);
    expect(answer.fields.get("retry-after")).toMatch(/^\d+$/);
    expect(answer.fields.get("connection")).toBe("close");
    expect(await refused.left()).toBe("fin");
    expect(waiting.receivedBytes).toBe(0);
    slow.resume();
    expect((await waiting.answer()).text).toBe("first site");
    expect(told.join("\n")).toMatch(/Request dequeued, assigned to Thread-1/);
    await slow.received(LARGE_BYTES);
  });

  test("gives the slot of a client that resets in the middle to the next", async () => {
    await using server = await startServer({ ...options({ threads: 1, queue: 1 }), fixture: true });
    const slow = await stalledDownload(server.port);
    using waiting = await RawClient.connect(server.port);
    waiting.send(request(server.port, "GET /"));
    await until(() => server.connections().open.some(({ state }) => state === "waiting"), "the queue");
    slow.reset();
    expect((await waiting.answer()).text).toBe("first site");
  });

  test("refuses what has waited for the queue's timeout", async () => {
    await using server = await startServer(options({ threads: 1, queue: 1, queueTimeoutMs: 100 }));
    using _slow = await stalledDownload(server.port);
    using waiting = await RawClient.connect(server.port);
    expect((await waiting.send(request(server.port, "GET /")).answer()).status).toBe(503);
    expect(await waiting.left()).toBe("fin");
    await server.stop({ force: true });
  });
});

describe("stopping", () => {
  test("closes idle connections at once, refuses new ones, and lets an answer in flight finish", async () => {
    const server = await startServer(options());
    using idle = await RawClient.connect(server.port);
    await idle.send(request(server.port, "GET /")).answer();
    using busy = await stalledDownload(server.port);
    let isStopped = false;
    const stopped = server.stop({ timeoutMs: HOUR_MS }).then(() => {
      isStopped = true;
    });
    expect(await idle.left()).toBe("fin");
    expect(await isRefused(server.port)).toBe(true);
    expect(isStopped).toBe(false);
    busy.resume();
    expect(await busy.left()).toBe("fin");
    expect(busy.receivedBytes).toBeGreaterThan(LARGE_BYTES);
    await stopped;
  });

  test("answers a request that is on the wire already, and says that it is the last", async () => {
    const server = await startServer(options());
    using client = await RawClient.connect(server.port);
    await client.send(request(server.port, "GET /")).answer();
    client.send(request(server.port, "GET /"));
    const stopped = server.stop();
    const answer = await client.answer();
    expect(answer.text).toBe("first site");
    expect(answer.fields.get("connection")).toBe("close");
    expect(await client.left()).toBe("fin");
    await stopped;
  });

  test("with a delay still takes connections, says so to a balancer, and keeps none of them", async () => {
    const clock = new ManualClock();
    const server = await startServer(options({ clock, status: true }));
    using idle = await RawClient.connect(server.port);
    await idle.send(request(server.port, "GET /")).answer();
    const stopped = server.stop({ delayMs: 2000 });
    using later = await RawClient.connect(server.port);
    expect((await later.send(request(server.port, "GET /__server/ready")).answer()).status).toBe(503);
    expect(await page(server.port)).toBe("first site");
    clock.advance(1999);
    const answer = await idle.send(request(server.port, "GET /")).answer();
    expect([answer.status, answer.fields.get("connection")]).toEqual([200, "close"]);
    clock.advance(1);
    await stopped;
    expect(await isRefused(server.port)).toBe(true);
  });

  test("with a delay, once more, ends the delay", async () => {
    const server = await startServer(options({ clock: new ManualClock() }));
    const stopped = server.stop({ delayMs: HOUR_MS });
    expect(await page(server.port)).toBe("first site");
    await server.stop({ force: true });
    await stopped;
    expect(await isRefused(server.port)).toBe(true);
  });

  test("cuts what is not done in time", async () => {
    const server = await startServer(options({ shutdownTimeoutMs: HOUR_MS }));
    using busy = await stalledDownload(server.port);
    await server.stop({ timeoutMs: 200 });
    expect(await busy.resume().left()).toBe("reset");
  });

  test("with force cuts at once, also in the middle of a drain", async () => {
    const server = await startServer(options());
    using busy = await stalledDownload(server.port);
    const drained = server.stop({ timeoutMs: HOUR_MS });
    await until(() => isRefused(server.port), "the drain");
    await server.stop({ force: true });
    await drained;
    expect(await busy.resume().left()).toBe("reset");
  });

  test("happens at the end of an await using", async () => {
    let port = 0;
    {
      await using server = await startServer(options());
      port = server.port;
      expect(await page(port)).toBe("first site");
    }
    expect(await isRefused(port)).toBe(true);
  });

  test("twice is stopping once", async () => {
    const server = await startServer(options());
    await Promise.all([server.stop(), server.stop()]);
    await server.stop({ force: true });
    expect(await isRefused(server.port)).toBe(true);
  });
});
