/** Several threads as one server: in this process, with the real entry, and with entries that fail. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Snapshot } from "../../src/handlers/endpoints/status.ts";
import type { AccessEntry, ServerLog } from "../../src/server/access-log.ts";
import { type Certified, makeSelfSigned } from "../../src/server/self-signed.ts";
import { Workers, type WorkersOptions } from "../../src/server/workers.ts";
import { resolveServerSettings } from "../../src/settings/resolve.ts";
import type { ServerSettings } from "../../src/settings/server-settings.ts";
import { StartError } from "../../src/settings/start-error.ts";
import { readExposition, type Scrape } from "../support/exposition.ts";
import { needs, linux as onLinux } from "../support/needs.ts";
import { isRefused, RawClient, type RawClientOptions, request } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

/** More than the kernel's buffers on both sides take. */
const LARGE_BYTES = 32 * 1024 * 1024;

let folder = "";
const running: Workers[] = [];
const linux = needs(onLinux);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "workers-"));
  mkdirSync(join(folder, "root"));
  writeFileSync(join(folder, "root", "index.html"), "page");
  writeFileSync(join(folder, "root", "large.bin"), "");
  truncateSync(join(folder, "root", "large.bin"), LARGE_BYTES);
  mkdirSync(join(folder, "root", "files"));
  writeFileSync(join(folder, "root", "files", "large.bin"), "");
  truncateSync(join(folder, "root", "files", "large.bin"), 2 * LARGE_BYTES);
});

afterEach(async () => {
  for (const workers of running.splice(0)) await workers.stop({ force: true });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Keeps all that is logged. A step begins with the number of its connection, which says whose thread it is. */
class Lines implements ServerLog {
  readonly entries: AccessEntry[] = [];
  readonly lines: string[] = [];
  readonly steps: string[] = [];
  readonly access = (entry: AccessEntry) => void this.entries.push(entry);
  readonly detail = (text: string) => void this.steps.push(text);

  info(text: string): void {
    this.lines.push(text);
  }

  warn(text: string): void {
    this.lines.push(text);
  }

  error(text: string, cause?: unknown): void {
    this.lines.push(`${text} ${cause}`);
  }

  /** Number of each connection by the port of its peer. */
  get connections(): ReadonlyMap<number, number> {
    const opened = this.steps.map((step) => /^\[-\] #(\d+) Connection from .*:(\d+)$/.exec(step));
    return new Map(opened.flatMap((match) => (match === null ? [] : [[Number(match[2]), Number(match[1])]])));
  }
}

async function start(count: number, settings: Partial<ServerSettings> = {}, more: Partial<WorkersOptions> = {}) {
  const log = new Lines();
  const given = { port: 0, root: join(folder, "root"), uploads: join(folder, "uploads"), ...settings };
  const workers = await Workers.start({
    count,
    settings: resolveServerSettings(given),
    log,
    tlsPassphrase: "",
    ...more,
  });
  running.push(workers);
  return { workers, log, port: workers.port };
}

/** A connection in each of `count` threads, in their order, and after them those that were one too many. */
async function oneInEach(
  count: number,
  port: number,
  log: Lines,
  options: RawClientOptions = {},
): Promise<RawClient[]> {
  const clients = new Map<number, RawClient>();
  const others: RawClient[] = [];
  await until(async () => {
    const client = await RawClient.connect(port, options);
    await until(() => log.connections.has(client.localPort), "the connection in the log");
    const thread = ((log.connections.get(client.localPort) ?? 0) - 1) % count;
    if (clients.has(thread)) others.push(client);
    else clients.set(thread, client);
    return clients.size === count;
  }, "a connection in each thread");
  for (const client of others) client[Symbol.dispose]();
  return [...clients].sort(([a], [b]) => a - b).map(([, client]) => client);
}

/** Writes an entry of threads that do `script` with their messages, which `port` brings. */
function entryThat(script: string): URL {
  const path = join(folder, `${Bun.hash(script)}.ts`);
  writeFileSync(path, `import { parentPort as port } from "node:worker_threads";\n${script}\n`);
  return pathToFileURL(path);
}

linux.describe("threads of one server", () => {
  test("each serve some of the connections, on every address, and number them without a clash", async () => {
    const { workers, log, port } = await start(3);
    const hosts = workers.urls.map((url) => new URL(url).hostname.replace(/[[\]]/g, ""));
    for (const host of hosts) {
      const clients = await oneInEach(3, port, log, { host });
      for (const client of clients) {
        using _ = client;
        expect((await client.send(request(port, "GET /")).answer()).text).toBe("page");
      }
    }
    const numbers = [...log.connections.values()];
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  test("have one pool: with one slot and no queue the second request is refused wherever it lands", async () => {
    const { log, port } = await start(4, { threads: 1, queue: 0 });
    const clients = await oneInEach(4, port, log);
    const [holder, ...others] = clients as [RawClient, ...RawClient[]];
    holder.pause().send(request(port, "GET /large.bin"));
    // The first of them may come before the download has its slot, in another thread.
    const [first] = others as [RawClient];
    await until(async () => (await first.send(request(port, "GET /")).answer()).status === 503, "a busy pool");
    for (const other of others.slice(1)) {
      const answer = await other.send(request(port, "GET /")).answer();
      expect([answer.status, answer.fields.get("retry-after")]).toEqual([503, "1"]);
    }
    for (const client of clients) client[Symbol.dispose]();
  });

  test("hand a slot on to a request that waits in another thread", async () => {
    const { log, port } = await start(2, { threads: 1, queue: 10 });
    const [holder, waiter] = (await oneInEach(2, port, log)) as [RawClient, RawClient];
    holder.send(request(port, "GET /large.bin"));
    await holder.received(1);
    holder.pause();
    waiter.send(request(port, "GET /"));
    await until(() => log.lines.includes("Thread pool saturated, queuing request"), "a request that waits");
    holder[Symbol.dispose]();
    expect((await waiter.answer()).text).toBe("page");
    waiter[Symbol.dispose]();
    await until(() => log.lines.some((line) => line.startsWith("Request dequeued, assigned to Thread-1")), "its line");
  });

  test("have one limit of connections", async () => {
    const { log, port } = await start(3, { maxConnections: 6 });
    const clients: RawClient[] = [];
    for (let i = 0; i < 6; i++) clients.push(await RawClient.connect(port));
    await until(() => log.connections.size === 6, "six connections");
    for (let i = 0; i < 6; i++) {
      using refused = await RawClient.connect(port);
      expect((await refused.answer()).status).toBe(503);
    }
    for (const client of clients) client[Symbol.dispose]();
  });

  test("have one certificate, and the renewed one together", async () => {
    const [first, second] = [await makeSelfSigned([], Date.now()), await makeSelfSigned([], Date.now())];
    const install = ({ cert, key }: Certified) => {
      writeFileSync(join(folder, "live.pem"), cert);
      writeFileSync(join(folder, "live.key"), key);
    };
    install(first);
    const files = { tlsCert: join(folder, "live.pem"), tlsKey: join(folder, "live.key") };
    const { workers, log, port } = await start(3, { ...files, httpsRedirectPort: 0 });
    for (const { cert: ca } of [first, second]) {
      for (const client of await oneInEach(3, port, log, { ca })) {
        expect((await client.send(request(port, "GET /")).answer()).text).toBe("page");
        client[Symbol.dispose]();
      }
      install(second);
      await workers.reload();
    }
    const plain = Number(new URL(workers.redirectUrl ?? "").port);
    for (const client of await oneInEach(3, plain, log)) {
      const { status, fields } = await client.send(request(plain, "GET /")).answer();
      expect([status, fields.get("location")]).toEqual([308, `https://localhost:${port}/`]);
      client[Symbol.dispose]();
    }
  });

  test("send one archive at a time", async () => {
    const { log, port } = await start(2, { listing: true });
    const [holder, other] = (await oneInEach(2, port, log)) as [RawClient, RawClient];
    holder.send(request(port, "GET /files/?tar"));
    await holder.received(1);
    holder.pause();
    expect((await other.send(request(port, "GET /files/?tar")).answer()).status).toBe(503);
    holder[Symbol.dispose]();
    using later = await RawClient.connect(port);
    await until(
      async () => (await later.send(request(port, "HEAD /files/?tar")).answer("HEAD")).status === 200,
      "the next",
    );
    other[Symbol.dispose]();
  });

  test("drain together: a response under way in each of them is complete", async () => {
    const { workers, log, port } = await start(2, { shutdownTimeoutMs: 60_000 });
    const clients = await oneInEach(2, port, log, { onlyCount: true });
    for (const client of clients) client.pause().send(request(port, "GET /large.bin"));
    const stopped = workers.stop();
    await until(async () => await isRefused(port), "the end of listening");
    for (const client of clients) {
      expect(await client.resume().left()).toBe("fin");
      expect(client.receivedBytes).toBeGreaterThan(LARGE_BYTES);
    }
    await stopped;
  });

  test("are cut together by a forced stop", async () => {
    const { workers, log, port } = await start(2);
    const clients = await oneInEach(2, port, log);
    for (const client of clients) client.pause().send(request(port, "GET /large.bin"));
    const stopped = workers.stop();
    await until(async () => await isRefused(port), "the end of listening");
    await workers.stop({ force: true });
    await stopped;
    for (const client of clients) {
      client.resume();
      expect(await client.left()).toBe("reset");
    }
  });

  test("log every request, each thread's lines in their order, also those of the last moment", async () => {
    const { workers, log, port } = await start(2);
    const clients = await oneInEach(2, port, log);
    for (const [thread, client] of clients.entries()) {
      for (let i = 0; i < 50; i++) await client.send(request(port, `GET /?${thread}-${i}`)).answer();
    }
    await workers.stop();
    for (const thread of [0, 1]) {
      const lines = log.entries.filter(({ requestLine }) => requestLine.includes(`?${thread}-`));
      expect(lines.map(({ requestLine }) => requestLine)).toEqual(
        Array.from({ length: 50 }, (_, i) => `GET /?${thread}-${i} HTTP/1.1`),
      );
    }
    for (const client of clients) client[Symbol.dispose]();
  });

  test("say the warnings of the start once", async () => {
    const { log } = await start(3, { maxConnections: 1_000_000 });
    expect(log.lines.filter((line) => line.startsWith("--max-connections"))).toHaveLength(1);
  });

  test("have no part of another server's port, also if that one shares it", async () => {
    const other = Bun.listen({ hostname: "127.0.0.1", port: 0, reusePort: true, socket: { data() {} } } as never);
    try {
      await expect(start(2, { port: other.port })).rejects.toThrow(`port ${other.port} on 127.0.0.1 is in use`);
    } finally {
      other.stop(true);
    }
  });

  test("leave no room for another server on their port", async () => {
    const { port } = await start(2);
    await expect(start(2, { port })).rejects.toThrow(`port ${port} on 127.0.0.1 is in use`);
  });
});

linux.describe("the status of several threads", () => {
  const scrape = async (client: RawClient, port: number): Promise<Scrape> =>
    readExposition((await client.send(request(port, "GET /__server/metrics")).answer()).text);

  test("has the same sums in each of them, and they never go backwards", async () => {
    const { log, port } = await start(3, { status: true });
    const clients = await oneInEach(3, port, log);
    let last = 0;
    for (let round = 1; round <= 3; round++) {
      for (const client of clients) {
        await client.send(request(port, "GET /")).answer();
        await client.send(request(port, "GET /missing")).answer();
      }
      for (const client of clients) {
        const seen = await scrape(client, port);
        expect(seen.values("httpserver_requests_total")).toEqual({ 200: 3 * round, 404: 3 * round });
        expect(seen.distribution("httpserver_request_duration_seconds").count).toBe(6 * round);
        expect(seen.values("httpserver_worker_requests_total")).toEqual({ 1: 2 * round, 2: 2 * round, 3: 2 * round });
        const accepted = seen.value("httpserver_connections_accepted_total");
        expect(accepted).toBeGreaterThanOrEqual(last);
        last = accepted;
      }
    }
    await until(
      async () => (await scrape(clients[1] as RawClient, port)).value("httpserver_connections") === 3,
      "three",
    );
    const ready = new Set<string>();
    for (const client of clients) ready.add((await client.send(request(port, "GET /__server/ready")).answer()).text);
    expect(ready.size).toBe(1);
    for (const client of clients) client[Symbol.dispose]();
  });

  test("shows the work of all of them on the live page of each, and on the status line", async () => {
    const { workers, log, port } = await start(2, { status: true, threads: 4 });
    const clients = await oneInEach(2, port, log);
    for (const client of clients) {
      client.send(request(port, "GET /large.bin"));
      await client.received(1);
      client.pause();
    }
    const seen: Snapshot[] = [];
    const unwatch = workers.watch((snapshot) => seen.push(snapshot));
    await until(() => seen.some((snapshot) => sendersOf(snapshot) === 2), "both downloads on the status line");
    unwatch();
    const pages = await oneInEach(2, port, log);
    for (const page of pages) {
      page.send(request(port, "GET /__server/events"));
      await until(() => snapshotsOf(page).some((snapshot) => sendersOf(snapshot) === 2), "both downloads on a page");
      const last = snapshotsOf(page).at(-1) as Snapshot;
      expect(last.work.map((work) => work.request)).toEqual(Array(2).fill("GET /large.bin HTTP/1.1"));
      expect(last.connections.open).toBe(last.workers?.reduce((sum, { connections }) => sum + connections, 0) ?? 0);
    }
    for (const client of [...clients, ...pages]) client[Symbol.dispose]();
  });

  test("tells a live page of the requests that another thread answers", async () => {
    const { log, port } = await start(2, { status: true });
    for (const watching of [0, 1]) {
      const clients = await oneInEach(2, port, log);
      const [page, visitor] = [clients[watching], clients[1 - watching]] as [RawClient, RawClient];
      page.send(request(port, "GET /__server/events"));
      await until(() => snapshotsOf(page).length > 1, "two snapshots");
      await visitor.send(request(port, `GET /?${watching}`)).answer();
      const told = () => snapshotsOf(page).flatMap(({ recent }) => recent.map((answer) => answer.request));
      await until(() => told().includes(`GET /?${watching} HTTP/1.1`), "the request on the page");
      page[Symbol.dispose]();
      visitor[Symbol.dispose]();
    }
  });
});

/** Returns the number of slots that send. */
function sendersOf({ slots }: Snapshot): number {
  return slots.split("s").length - 1;
}

/** Returns the snapshots that came on a live page. */
function snapshotsOf(page: RawClient): Snapshot[] {
  return [...page.text.matchAll(/^data: (.*)\n\n\r$/gm)].map((match) => JSON.parse(match[1] ?? "") as Snapshot);
}

linux.describe("a thread that", () => {
  test("cannot be loaded ends the start, with its reason", async () => {
    const entry = entryThat("throw new Error('out of luck');");
    const failure = await start(2, {}, { entry }).then(
      () => null,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(StartError);
    expect((failure as Error).message).toStartWith("worker 2 could not start: ");
    expect((failure as Error).message).toContain("out of luck");
  });

  test("cannot serve ends the start, and the port is free", async () => {
    const { port } = await start(2);
    const [first] = running.splice(0);
    await first?.stop();
    const entry = entryThat(
      "port.on('message', () => port.postMessage({ kind: 'failed', reason: 'no', isOurs: false }));",
    );
    await expect(start(2, { port }, { entry })).rejects.toThrow(/^no$/);
    expect(await isRefused(port)).toBe(true);
  });

  test("ends by itself is told of, and the stop does not wait for it", async () => {
    const entry = entryThat("port.on('message', () => { port.postMessage({ kind: 'listening' }); process.exit(7); });");
    const { workers } = await start(2, {}, { entry });
    expect(await workers.failure).toBe("worker 2 has ended (exit code 7): the server ends");
    await workers.stop();
  });
});
