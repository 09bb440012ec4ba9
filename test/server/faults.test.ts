/** Faults on real sockets, byte by byte, on files and uploads as they are served; and that a server without them has none. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GARBAGE, RESET_GRACE_MS } from "../../src/connection/faulty-wire.ts";
import { ManualClock, OptionsError, type RunningServer, type StartOptions, startServer } from "../../src/index.ts";
import { textOf } from "../support/bytes.ts";
import { WALL_MS } from "../support/conversation.ts";
import { RawClient, request } from "../support/raw-client.ts";

/** More than the kernels on both sides take at once. */
const LARGE_BYTES = 32 * 1024 * 1024;

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "faults-"));
  mkdirSync(join(folder, "root"));
  writeFileSync(join(folder, "root", "a.txt"), "hello there");
  writeFileSync(join(folder, "root", "large.bin"), "");
  truncateSync(join(folder, "root", "large.bin"), LARGE_BYTES);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** On a clock that stands still, so that two answers are the same to the byte. */
async function start(more: StartOptions = {}): Promise<{ server: RunningServer; clock: ManualClock }> {
  const clock = new ManualClock(WALL_MS);
  const root = join(folder, "root");
  const server = await startServer({ port: 0, root, uploads: join(folder, "uploads"), fixture: true, clock, ...more });
  return { server, clock };
}

/** What came until the server left, or `bytes` had come. */
async function exchange(
  server: RunningServer,
  line: string,
  fields: string,
  act: (client: RawClient) => Promise<unknown>,
): Promise<{ text: string; ending: string | null }> {
  const ca = server.certificate?.pem;
  using client = await RawClient.connect(server.port, ca === undefined ? {} : { ca });
  client.send(request(server.port, line, fields));
  await act(client);
  return { text: client.text, ending: client.ending };
}

/** The head and the content of an answer without a fault. */
async function plain(server: RunningServer, path: string): Promise<{ head: string; content: string }> {
  using client = await RawClient.connect(server.port);
  const { head, text } = await client.send(request(server.port, `GET ${path}`)).answer();
  return { head: `${head}\r\n\r\n`, content: text };
}

describe("a fault on a file", () => {
  const left = (client: RawClient) => client.left();

  const cuts: readonly [fault: string, sent: (head: string, content: string) => string, ending: "fin" | "reset"][] = [
    ["empty", () => "", "fin"],
    ["truncate", (head) => head, "fin"],
    ["truncate, after=1", (head) => `${head}h`, "fin"],
    ["truncate, after=4", (head) => `${head}hell`, "fin"],
    ["truncate, after=11", (head, content) => head + content, "fin"],
    ["truncate, after=1mb", (head, content) => head + content, "fin"],
    ["reset", () => "", "reset"],
    ["reset, after=0", (head) => head, "reset"],
    ["reset, after=4", (head) => `${head}hell`, "reset"],
    ["half-close, after=4", (head) => `${head}hell`, "fin"],
    ["garbage", () => textOf(GARBAGE), "fin"],
    ["garbage, after=4", (head) => `${head}hell${textOf(GARBAGE)}`, "fin"],
    ["reset-request", () => "", "reset"],
  ];
  for (const [fault, sent, ending] of cuts) {
    test(`${fault} is exactly these bytes, and the server leaves by ${ending}`, async () => {
      const { server, clock } = await start();
      await using _ = server;
      const { head, content } = await plain(server, "/a.txt");
      const bytes = sent(head, content);
      const came = await exchange(server, "GET /a.txt", `X-Fixture: fault=${fault}\r\n`, async (client) => {
        await client.received(bytes.length);
        const pass = setInterval(() => clock.advance(RESET_GRACE_MS), 5);
        await client.left().finally(() => clearInterval(pass));
      });
      expect(came).toEqual({ text: bytes, ending });
    });
  }

  for (const fault of ["hang", "stall, after=4", "delay, delay=1h"]) {
    test(`${fault} keeps the connection, and its slot until the client leaves`, async () => {
      const { server, clock } = await start({ threads: 1, queue: 0 });
      await using _ = server;
      const { head } = await plain(server, "/a.txt");
      using client = await RawClient.connect(server.port);
      client.send(request(server.port, "GET /a.txt", `X-Fixture: fault=${fault}\r\n`));
      const bytes = fault.startsWith("stall") ? `${head}hell` : "";
      await client.received(bytes.length);
      // Until its request has been read, others are served.
      while ((await statusOf(server, "/a.txt")) === 200);
      clock.advance(600_000);
      expect(await statusOf(server, "/a.txt")).toBe(503);
      expect([client.text, client.ending]).toEqual([bytes, null]);
      client.finish();
      await client.left();
      expect(await statusOf(server, "/a.txt")).toBe(200);
    });
  }

  test("large takes the kernel's back-pressure, and is cut at its byte", async () => {
    const { server } = await start();
    await using _ = server;
    using asking = await RawClient.connect(server.port);
    const { head } = await asking.send(request(server.port, "HEAD /large.bin")).answer("HEAD");
    using client = await RawClient.connect(server.port, { onlyCount: true });
    client.send(request(server.port, "GET /large.bin", `X-Fixture: fault=truncate, after=${LARGE_BYTES - 7}\r\n`));
    await client.received(1);
    client.pause();
    // The server has filled the kernels' buffers when it answers somebody else.
    await plain(server, "/a.txt");
    expect(client.receivedBytes).toBeLessThan(LARGE_BYTES / 2);
    client.resume();
    expect(await client.left()).toBe("fin");
    expect(client.receivedBytes).toBe(head.length + 4 + LARGE_BYTES - 7);
  });

  test("bad-chunk and bad-length are on the wire as they say", async () => {
    const { server } = await start();
    await using _ = server;
    const chunk = await exchange(server, "GET /a.txt", "X-Fixture: fault=bad-chunk, after=5\r\n", left);
    expect(chunk.text).toContain("\r\nTransfer-Encoding: chunked\r\n");
    expect(chunk.text.endsWith("\r\n\r\n5\r\nhello\r\nno chunk\r\n")).toBe(true);
    const length = await exchange(server, "GET /a.txt", "X-Fixture: fault=bad-length, length=100\r\n", left);
    expect(length.text).toContain("\r\nContent-Length: 100\r\n");
    expect(length.text.endsWith("\r\n\r\nhello there")).toBe(true);
    expect([chunk.ending, length.ending]).toEqual(["fin", "fin"]);
  });

  test("last says that the connection closes, and it does", async () => {
    const { server } = await start();
    await using _ = server;
    const came = await exchange(server, "GET /a.txt", "X-Fixture: fault=last\r\n", left);
    expect(came.text).toContain("\r\nConnection: close\r\n");
    expect([came.text.endsWith("hello there"), came.ending]).toEqual([true, "fin"]);
  });

  for (const fault of ["delay=200ms", "fault=drip, duration=200ms", "fault=slow-headers, duration=200ms", "rate=1kb"]) {
    test(`${fault} sends the same bytes, only later, and the connection persists`, async () => {
      const { server, clock } = await start();
      await using _ = server;
      const { head, content } = await plain(server, "/a.txt");
      using client = await RawClient.connect(server.port);
      client.send(request(server.port, "GET /a.txt", `X-Fixture: ${fault}\r\n`));
      const pass = setInterval(() => clock.advance(20), 1);
      await client.received(head.length + content.length).finally(() => clearInterval(pass));
      expect(client.text).toBe(head + content);
      client.send(request(server.port, "GET /a.txt"));
      await client.received(2 * (head.length + content.length));
    });
  }

  for (const [fault, ending] of [
    ["truncate, after=4", "fin"],
    ["reset, after=4", "reset"],
    ["reset", "reset"],
    ["garbage, after=4", "fin"],
  ] as const) {
    test(`${fault} over TLS is the same within it`, async () => {
      const { server, clock } = await start({ tlsSelfSigned: true });
      await using _ = server;
      const came = await exchange(server, "GET /a.txt", `X-Fixture: fault=${fault}\r\n`, async (client) => {
        const pass = setInterval(() => clock.advance(RESET_GRACE_MS), 5);
        await client.left().finally(() => clearInterval(pass));
      });
      const content = came.text.slice(came.text.indexOf("\r\n\r\n") + 4);
      const expected = fault.includes("after") ? `hell${fault.startsWith("garbage") ? textOf(GARBAGE) : ""}` : "";
      expect([content, came.ending]).toEqual([expected, ending]);
    });
  }
});

describe("a fault on an upload", () => {
  const upload = (port: number, fault: string, body: string, length = body.length) =>
    request(
      port,
      "POST /upload",
      `Content-Type: application/json\r\nContent-Length: ${length}\r\nX-Fixture: ${fault}\r\n`,
      body,
    );

  test("of its answer leaves the upload where it is", async () => {
    const uploads = join(folder, "kept");
    const { server } = await start({ uploads });
    await using _ = server;
    using client = await RawClient.connect(server.port);
    client.send(upload(server.port, "fault=truncate, after=2", "[1]"));
    expect(await client.left()).toBe("fin");
    expect(client.text).toMatch(/^HTTP\/1\.1 201 [\s\S]*\r\n\r\n\{"$/);
    expect(readdirSync(uploads).length).toBe(1);
  });

  test("reset-request is a reset while it is sent, and a status is told; both keep nothing", async () => {
    const uploads = join(folder, "refused");
    const { server, clock } = await start({ uploads });
    await using _ = server;
    using sender = await RawClient.connect(server.port);
    sender.send(upload(server.port, "fault=reset-request, after=3", "[1,", 100));
    const pass = setInterval(() => clock.advance(RESET_GRACE_MS), 5);
    expect(await sender.left().finally(() => clearInterval(pass))).toBe("reset");
    expect(sender.receivedBytes).toBe(0);
    using refused = await RawClient.connect(server.port);
    const answer = await refused.send(upload(server.port, "status=507, retry-after=3s", "[1]")).answer();
    expect([answer.status, answer.fields.get("retry-after"), answer.fields.get("connection")]).toEqual([
      507,
      "3",
      "keep-alive",
    ]);
    expect(readdirSync(uploads)).toEqual([]);
  });
});

describe("rules", () => {
  test("make the first two fail and the third succeed, whoever asks", async () => {
    const { server } = await start();
    await using _ = server;
    const rule = { match: { method: "GET", path: "/a.txt" }, fault: "status", status: 503, times: 2 };
    const added = await fetch(`${server.url}/__server/faults`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(rule),
    });
    expect([added.status, await added.json()]).toEqual([201, { id: "f1" }]);
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push(await statusOf(server, "/a.txt"));
    expect(statuses).toEqual([503, 503, 200]);
    const listed = await (await fetch(`${server.url}/__server/faults`)).json();
    expect(listed).toEqual({ faults: [{ id: "f1", ...rule, matched: 2, applied: 2, left: 0 }] });
    const removed = await fetch(`${server.url}/__server/faults/f1`, { method: "DELETE" });
    expect(await removed.json()).toEqual({ removed: 1 });
  });

  test("may be there from the start", async () => {
    const { server } = await start({ faults: ["GET /a.txt status=500 times=1", "GET /large.* status=404"] });
    await using _ = server;
    const statuses = [
      await statusOf(server, "/a.txt"),
      await statusOf(server, "/a.txt"),
      await statusOf(server, "/large.bin"),
    ];
    expect(statuses).toEqual([500, 200, 404]);
  });

  test("are refused without a fixture server, and when they make no sense", async () => {
    await expect(start({ fixture: false, faults: ["GET /a reset"] })).rejects.toThrow(OptionsError);
    await expect(start({ faults: ["GET /a reset after=x"] })).rejects.toThrow(
      "faults: column 14 (after): expected bytes",
    );
    const many = Array<string>(1001).fill("GET /a reset");
    await expect(start({ faults: many })).rejects.toThrow("faults: expected at most 1000 rules, got 1001");
  });
});

describe("a fixture server that stops", () => {
  test("is not held up by what hangs, is late, or is half closed", async () => {
    const { server, clock } = await start();
    const clients: RawClient[] = [];
    for (const fault of ["hang", "stall, after=4", "half-close", "delay, delay=1h", "drip, duration=1h", "reset"]) {
      const client = await RawClient.connect(server.port);
      clients.push(client.send(request(server.port, "GET /a.txt", `X-Fixture: fault=${fault}\r\n`)));
    }
    // Sent after them, answered after them.
    expect(await statusOf(server, "/a.txt")).toBe(200);
    await server.stop();
    expect(clock.nowMs()).toBe(0);
    await Promise.all(clients.map((client) => client.left()));
    for (const client of clients) client[Symbol.dispose]();
    expect(clients.map((client) => client.text.endsWith("hello there"))).toEqual([
      false,
      false,
      false,
      true,
      true,
      false,
    ]);
  });
});

describe("a server without --fixture", () => {
  test("answers the same bytes whatever X-Fixture says", async () => {
    const { server } = await start({ fixture: false });
    await using _ = server;
    for (const line of ["GET /a.txt", "HEAD /a.txt", "GET /none", "GET /__server/faults", "DELETE /a.txt"]) {
      const texts: string[] = [];
      for (const fields of ["", "X-Fixture: fault=reset\r\n", "X-Fixture: delay=1h\r\n", "X-Fixture: nonsense\r\n"]) {
        using client = await RawClient.connect(server.port);
        client.send(request(server.port, line, `${fields}Connection: close\r\n`));
        await client.left();
        texts.push(client.text);
      }
      expect(texts[0]).toStartWith("HTTP/1.1 ");
      expect(new Set(texts).size).toBe(1);
    }
  });

  test("and one with it that is asked for no fault answer the same bytes", async () => {
    const clock = new ManualClock();
    const { server: without } = await start({ fixture: false, clock });
    await using _ = without;
    const { server: with_ } = await start({ clock });
    await using __ = with_;
    expect(await plain(with_, "/a.txt")).toEqual(await plain(without, "/a.txt"));
  });
});

async function statusOf(server: RunningServer, path: string): Promise<number> {
  using client = await RawClient.connect(server.port);
  return (await client.send(request(server.port, `GET ${path}`)).answer()).status;
}
