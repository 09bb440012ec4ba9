/**
 * Peers that are slow, broken or hostile, on real sockets: each loses its own connection, and nobody else anything: no
 * answer, no memory, no descriptor, no slot.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock, type RunningServer, type ServerLog, type StartOptions, startServer } from "../../src/index.ts";
import { linux, needs } from "../support/needs.ts";
import { getRaw, RawClient, request } from "../support/raw-client.ts";
import { steady, turns, until } from "../support/waiting.ts";

const MIB = 1024 * 1024;
const LARGE_BYTES = 512 * MIB;

/** More than the kernel's buffers on both sides take. */
const MEDIUM_BYTES = 32 * MIB;

/** Long enough that a write of it does not end in one slice. */
const PAGE = "page ".repeat(20_000);

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hostile-"));
  mkdirSync(join(folder, "root"));
  writeFileSync(join(folder, "root", "index.html"), PAGE);
  writeFileSync(join(folder, "root", "large.bin"), "");
  writeFileSync(join(folder, "root", "medium.bin"), "");
  // Sparse: they take no space.
  truncateSync(join(folder, "root", "large.bin"), LARGE_BYTES);
  truncateSync(join(folder, "root", "medium.bin"), MEDIUM_BYTES);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function options(more: StartOptions = {}): StartOptions {
  return { port: 0, root: join(folder, "root"), uploads: join(folder, "uploads"), maxRequests: 0, ...more };
}

/** The same bytes in every run: a linear congruential generator. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 8;
  }
}

/** A well-behaved client that asks until it is told to stop; every answer must be the page. Returns how many came. */
async function askUntil(port: number, isOver: () => boolean): Promise<number> {
  using client = await RawClient.connect(port);
  for (let count = 0; ; count++) {
    if (isOver()) return count;
    const answer = await client.send(request(port, "GET /")).answer();
    if (answer.status !== 200 || answer.text !== PAGE)
      throw new Error(`answer ${count} was not the page: ${answer.head}`);
  }
}

/** Asks for a large file and reads no more than its beginning; resolves when the kernel takes nothing more of it. */
async function stall(server: RunningServer, client: RawClient, name = "large.bin"): Promise<void> {
  await client.send(request(server.port, `GET /${name}`)).received(1);
  client.pause();
  await turns(100); // More than it takes to fill the kernel's buffers, a slice in a turn.
}

/** The well-behaved client beside `attack`. */
async function beside(server: RunningServer, attack: () => Promise<void>): Promise<void> {
  let isOver = false;
  const good = askUntil(server.port, () => isOver);
  try {
    await attack();
  } finally {
    isOver = true;
  }
  expect(await good).toBeGreaterThan(0);
}

describe("no other client notices", () => {
  test("random bytes", async () => {
    await using server = await startServer(options());
    const random = numbers(1);
    await beside(server, async () => {
      let answered = 0;
      for (let round = 0; round < 40; round++) {
        using client = await RawClient.connect(server.port);
        const length = 1 + (random.next().value % 3000);
        client.send(Uint8Array.from({ length }, () => random.next().value)).finish();
        await client.left();
        if (client.receivedBytes === 0) continue;
        answered++;
        expect(client.text).toMatch(/^HTTP\/1\.1 [45]\d\d /);
      }
      expect(answered).toBeGreaterThan(0);
    });
  });

  test("half heads and half bodies, followed by a reset", async () => {
    await using server = await startServer(options());
    const whole = request(
      server.port,
      "POST /upload",
      "Content-Type: application/json\r\nContent-Length: 9\r\n",
      '{"a": 12}',
    );
    await beside(server, async () => {
      for (let length = 0; length < whole.length; length += 3) {
        using client = await RawClient.connect(server.port);
        client.send(whole.slice(0, length));
        if (length % 2 === 0) await turns(2);
        client.reset();
      }
    });
    expect(existsSync(join(folder, "uploads"))).toBe(false);
  });

  test("resets in the middle of answers", async () => {
    await using server = await startServer(options({ threads: 4 }));
    await beside(server, async () => {
      for (let round = 0; round < 40; round++) {
        using client = await RawClient.connect(server.port, { onlyCount: true });
        client.send(request(server.port, "GET /large.bin").repeat(1 + (round % 3)));
        await client.received(round * 10_000);
        client.reset();
      }
    });
  });
});

describe("a client that does not read", () => {
  test("costs no memory, however large its file, and holds up nobody", async () => {
    await using server = await startServer(options());
    await askUntil(server.port, countdown(20));
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    const slow = await Promise.all(
      Array.from({ length: 8 }, () => RawClient.connect(server.port, { onlyCount: true })),
    );
    await Promise.all(slow.map((client) => stall(server, client)));
    await askUntil(server.port, countdown(50));
    Bun.gc(true);
    // Eight files of 512 MiB are on their way; one of them in memory would be seen.
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MIB);
    for (const client of slow) client.reset();
  });

  test("is cut after the send timeout, and its slot serves the next", async () => {
    await using server = await startServer(options({ threads: 1, stallTimeoutMs: 100 }));
    using slow = await RawClient.connect(server.port, { onlyCount: true });
    await stall(server, slow);
    expect(await askUntil(server.port, countdown(1))).toBe(1);
    expect(await slow.resume().left()).toBe("reset");
  });

  test("lends its slot to who waits, and still gets its file when it reads", async () => {
    const clock = new ManualClock();
    await using server = await startServer({ ...options({ threads: 1, queue: 5, clock }), fixture: true });
    using reluctant = await RawClient.connect(server.port, { onlyCount: true });
    await stall(server, reluctant, "medium.bin");
    using other = await RawClient.connect(server.port);
    other.send(request(server.port, "GET /"));
    await until(() => server.connections().open.some(({ state }) => state === "waiting"), "the queue");
    clock.advance(400);
    await turns(10);
    expect(other.receivedBytes).toBe(0);
    clock.advance(1000);
    expect((await other.answer()).status).toBe(200);
    expect((await other.send(request(server.port, "GET /")).answer()).status).toBe(200);
    reluctant.resume();
    await reluctant.received(MEDIUM_BYTES);
    expect(reluctant.ending).toBeNull();
  });

  test("and pipelines without end is stopped from sending, then gets every answer", async () => {
    await using server = await startServer(options());
    const count = 2000;
    using client = await RawClient.connect(server.port, { onlyCount: true });
    // 14 MB of requests: more than the kernel holds for both sides.
    client.pause().send(request(server.port, "GET /", `A: ${"a".repeat(7000)}\r\n`).repeat(count));
    expect(await steady(() => client.unsentBytes, "what the server does not take")).toBeGreaterThan(0);
    client.resume();
    await client.received(count * PAGE.length);
    expect(client.unsentBytes).toBe(0);
    expect(client.ending).toBeNull();
  });
});

describe("a client that sends slowly", () => {
  test("has a deadline for its head, which dribbled bytes do not move, and nobody waits for it", async () => {
    const clock = new ManualClock();
    await using server = await startServer(options({ clock, headerTimeoutMs: 10_000, threads: 1, queue: 0 }));
    const slow = await Promise.all(Array.from({ length: 30 }, () => RawClient.connect(server.port)));
    await beside(server, async () => {
      const head = request(server.port, "GET /", "A: b\r\n".repeat(20));
      for (let second = 0; second < 10; second++) {
        for (const client of slow) client.send(head.charAt(second));
        await turns(2);
        expect(slow.filter((client) => client.ending !== null)).toEqual([]);
        clock.advance(1000);
      }
      for (const client of slow) await client.left();
    });
    for (const client of slow) {
      expect(client.text).toStartWith("HTTP/1.1 408 ");
      expect(client.ending).toBe("fin");
    }
  });

  test("has a deadline for its body", async () => {
    await using server = await startServer(options({ stallTimeoutMs: 200 }));
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "POST /upload", "Content-Type: application/json\r\nContent-Length: 9\r\n", "{"));
    expect((await client.answer()).status).toBe(408);
    expect(await client.left()).toBe("fin");
    expect(existsSync(join(folder, "uploads"))).toBe(false);
  });
});

describe("an early refusal reaches a client that is still sending", () => {
  const json = "Content-Type: application/json\r\n";
  const cases: readonly [name: string, fields: string, status: number][] = [
    ["an upload announced too large", `${json}Content-Length: 20000000\r\n`, 413],
    ["an upload of the wrong type", "Content-Type: text/plain\r\nContent-Length: 20000000\r\n", 415],
    ["a chunked upload that is malformed", `${json}Transfer-Encoding: chunked\r\n`, 400],
  ];
  for (const [name, fields, status] of cases) {
    test(`${name}: ${status}, then FIN`, async () => {
      await using server = await startServer(options());
      for (let round = 0; round < 10; round++) {
        using client = await RawClient.connect(server.port);
        client.send(request(server.port, "POST /upload", fields)).send(new Uint8Array(768 * 1024).fill(120));
        expect((await client.answer("POST")).status).toBe(status);
        expect(await client.left()).toBe("fin");
      }
    });
  }
});

describe("more connections than allowed", () => {
  test("get 503 and are closed, those before are served, and there is room again when one leaves", async () => {
    const warnings: string[] = [];
    const log: ServerLog = { access: null, info() {}, detail: null, warn: (text) => warnings.push(text), error() {} };
    await using server = await startServer(options({ maxConnections: 2, log }));
    using first = await RawClient.connect(server.port);
    const second = await RawClient.connect(server.port);
    expect((await first.send(request(server.port, "GET /")).answer()).status).toBe(200);
    for (let i = 0; i < 5; i++) {
      using third = await RawClient.connect(server.port);
      const answer = await third.answer();
      expect(answer.status).toBe(503);
      expect(answer.fields.get("retry-after")).toMatch(/^\d+$/);
      expect(answer.fields.get("connection")).toBe("close");
      expect(await third.left()).toBe("fin");
    }
    expect(warnings).toHaveLength(1);
    expect((await first.send(request(server.port, "GET /")).answer()).status).toBe(200);
    second.reset();
    await until(async () => (await getRaw(server.url)).status === 200, "room for another");
  });

  test("from one address get it where each has its own limit", async () => {
    await using server = await startServer(options({ maxConnectionsPerAddress: 1 }));
    using first = await RawClient.connect(server.port);
    using second = await RawClient.connect(server.port);
    const answer = await second.send(request(server.port, "GET /")).answer();
    expect([answer.status, answer.text]).toEqual([503, expect.stringContaining("from your address")]);
    expect((await first.send(request(server.port, "GET /")).answer()).status).toBe(200);
  });

  test("get it also when they have sent their request already", async () => {
    await using server = await startServer(options({ maxConnections: 1 }));
    using _first = await RawClient.connect(server.port);
    for (let i = 0; i < 30; i++) {
      using client = await RawClient.connect(server.port);
      client.send(request(server.port, "GET /"));
      expect((await client.answer()).status).toBe(503);
    }
  });
});

test("a target as long as --max-header allows is redirected, although each of its bytes becomes three", async () => {
  const maxHeaderBytes = MIB;
  await using server = await startServer(options({ maxHeaderBytes, cleanPaths: true }));
  using client = await RawClient.connect(server.port);
  const query = `?${"\xff".repeat(maxHeaderBytes - 100)}`;
  const head = `GET /.${query} HTTP/1.1\r\nHost: localhost:${server.port}\r\n\r\n`;
  const { status, fields } = await client.send(Buffer.from(head, "latin1")).answer();
  expect(status).toBe(308);
  expect(fields.get("location") === `/${query.replaceAll("\xff", "%FF")}`).toBe(true);
  expect((await client.send(request(server.port, "GET /")).answer()).text).toBe(PAGE);
});

needs(linux).test("aborted downloads leave no descriptor open", async () => {
  const descriptors = () => readdirSync("/proc/self/fd").length;
  await using server = await startServer(options({ threads: 4 }));
  const before = descriptors();
  for (let round = 0; round < 20; round++) {
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => RawClient.connect(server.port, { onlyCount: true })),
    );
    for (const client of clients) client.send(request(server.port, "GET /large.bin"));
    // Four are served and four wait in the queue.
    await until(() => clients.filter((client) => client.receivedBytes > 0).length >= 4, "the downloads");
    for (const client of clients) client.reset();
  }
  for (const line of ["HEAD /large.bin", "GET /none"]) {
    using client = await RawClient.connect(server.port);
    await client.send(request(server.port, line)).answer(line.split(" ")[0]);
  }
  for (const [fields, status] of [
    ["If-None-Match: *\r\n", 304],
    ["Range: bytes=999999999999-\r\n", 416],
    ['If-Match: "x"\r\n', 412],
  ] as const) {
    using client = await RawClient.connect(server.port);
    expect((await client.send(request(server.port, "GET /large.bin", fields)).answer()).status).toBe(status);
  }
  await until(() => descriptors() <= before, `${before} descriptors`);
});

/** False for `count` times, then true. */
function countdown(count: number): () => boolean {
  let left = count;
  return () => left-- === 0;
}

test("one peer's wrong passwords take not all the turns that passwords have", async () => {
  const hash = await Bun.password.hash("right", { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 });
  await using server = await startServer(options({ threads: 8, basicAuth: [`alice:${hash}`] }));
  const guess = async (number: number) => {
    const authorization = `Basic ${btoa(`alice:wrong ${number}`)}`;
    return (await fetch(server.url, { headers: { authorization, connection: "close" } })).status;
  };
  const statuses = await Promise.all(Array.from({ length: 7 }, (_, number) => guess(number)));
  expect(statuses.toSorted()).toEqual([401, 401, 401, 401, 401, 503, 503]);
});
