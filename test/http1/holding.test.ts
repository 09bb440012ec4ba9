/** Memory of one connection between turns, by the bytes that the budget counts. Each bound is in docs/operating.md. */
import { describe, expect, test } from "bun:test";
import { ADMITTED } from "../../src/http/message.ts";
import { CONTROL, collecting, FakeLiveSource, FakeServer, get, respondWith } from "../support/conversation.ts";

const KIB = 1024;

/** A server that refuses every path below /no, without a slot, and answers others with `content`. */
function serverOf(content: string | Uint8Array, options: { readonly peerMemoryBytes?: number } = {}): FakeServer {
  const server = new FakeServer({
    limits: { maxRequests: 0, receiveBytesMax: 64 * KIB },
    scratchBytes: 1 << 20,
    ...options,
  });
  const refusal = respondWith(403, "n".repeat(700));
  server.handler.admit = (request) =>
    request.target.path.startsWith("/no") ? { ...ADMITTED, refusal } : collecting(1000);
  server.handler.respond = () => respondWith(200, content);
  return server;
}

describe("a peer that does not read", () => {
  test("costs a tail of 25 KiB and its own requests, however many refusals it has pipelined", () => {
    const server = serverOf("");
    const client = server.connect();
    client.transport.room = 0;
    const requests = get("/no").repeat(2000);
    client.send(requests);
    expect(server.context.peerMemory.used).toBeLessThan(26 * KIB + requests.length);
    expect(server.context.peerMemory.used).toBeGreaterThan(24 * KIB);
  });

  test("gets all its answers once it reads, in order", () => {
    const server = serverOf("x".repeat(5000));
    const client = server.connect();
    client.transport.room = 0;
    client.send(`${get("/no")}${get("/a")}${get("/no")}${get("/b")}${get("/no")}`);
    for (let step = 0; step < 200; step++) client.drain(100);
    client.drain();
    expect(client.statuses).toEqual([403, 200, 403, 200, 403]);
    expect(client.transport.sent.match(/x{5000}(?=HTTP)/g)).toHaveLength(2);
    expect(server.context.peerMemory.used).toBe(0);
  });

  test("shares small content with all others that do not read it", () => {
    const page = new Uint8Array(60 * KIB).fill(120);
    const server = serverOf(page);
    for (let at = 0; at < 10; at++) {
      const client = server.connect();
      client.transport.room = 100;
      client.send(get("/"));
    }
    expect(server.context.peerMemory.used).toBe(60 * KIB);
  });

  test("gets a 100 (Continue) behind content that waits in its own place", () => {
    const server = serverOf("x".repeat(5000));
    const client = server.connect();
    client.transport.room = 50;
    client.send(get("/a"));
    client.send("POST /b HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    client.drain();
    client.send("abc");
    expect(client.statuses).toEqual([200, 100, 200]);
    expect(client.take()).toMatch(/x{5000}HTTP\/1\.1 100 /);
  });

  test("is cut when all that is held does not fit, the largest first, and the others stay", () => {
    const server = serverOf(new Uint8Array(0), { peerMemoryBytes: 200 * KIB });
    server.handler.respond = (request) =>
      respondWith(200, new Uint8Array(request.target.path === "/l" ? 150_000 : 30_000));
    const [small, large, late] = [server.connect(), server.connect(), server.connect()];
    for (const client of [small, large, late]) client.transport.room = 0;
    small.send(get("/s"));
    large.send(get("/l"));
    late.send(get("/s"));
    server.runDeferred();
    expect([small, large, late].map(({ transport }) => transport.wasReset)).toEqual([false, true, false]);
    expect(server.observer.closeReasons).toEqual(["no memory to go on"]);
    expect(small.drain().statuses).toEqual([200]);
  });

  test.each(["1.0", "1.1"])("is counted with the live content that waits for it: HTTP/%s", (version) => {
    const server = serverOf("", { peerMemoryBytes: 200 * KIB });
    const source = Object.assign(new FakeLiveSource(), { heldBytes: 0 });
    server.handler.respond = () => respondWith(200, source);
    const client = server.connect();
    client.transport.room = 0;
    client.send(`GET / HTTP/${version}\r\nHost: localhost\r\n\r\n`);
    source.heldBytes = 100 * KIB;
    source.add("x");
    server.runDeferred();
    expect(server.context.peerMemory.used).toBeGreaterThanOrEqual(100 * KIB);
    source.heldBytes = 300 * KIB;
    source.add("x");
    server.runDeferred();
    expect([client.transport.wasReset, server.context.peerMemory.used, source.closes]).toEqual([true, 0, 1]);
  });
});

describe("a request that is not complete", () => {
  test("does not keep the chunk that it came in while its content is awaited", () => {
    const server = serverOf("");
    const client = server.connect();
    client.send(
      `${get("/no", `X: ${"x".repeat(14_000)}\r\n`).repeat(25)}POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na`,
    );
    expect(server.context.peerMemory.used).toBe(0);
    client.send("bcdefghi");
    expect(client.statuses.at(-1)).toBe(200);
    expect(server.observer.lines.at(-1)?.request).toBe("POST / HTTP/1.1");
  });

  test("takes at most twice its bytes when it stops inside its head", () => {
    const server = serverOf("");
    const client = server.connect();
    const head = get("/no", `X: ${"x".repeat(14_000)}\r\n`);
    client.send(head.repeat(3) + head.slice(0, -2));
    expect(server.context.peerMemory.used).toBeLessThan(2 * head.length);
    client.send("\r\n");
    expect(client.statuses).toEqual([403, 403, 403, 403]);
    expect(server.context.peerMemory.used).toBe(0);
  });

  test("is named in the log as sent if the rest never comes, though its bytes have moved", () => {
    const server = serverOf("");
    const client = server.connect();
    client.send(`${get("/no/first", `X: ${"x".repeat(5000)}\r\n`)}GET /half HTTP/1.1\r\nHo`);
    server.pass(11_000);
    expect(client.statuses).toEqual([403, 408]);
    expect(server.observer.lines.map(({ request }) => request)).toEqual([
      "GET /no/first HTTP/1.1",
      "GET /half HTTP/1.1",
    ]);
  });

  test("is read as itself behind responses that wait, not as the request before it", () => {
    const server = serverOf("x".repeat(5000));
    server.handler.respond = (request) => respondWith(200, request.target.path.repeat(1000));
    const client = server.connect();
    client.transport.room = 10;
    client.send(get("/aaaa"));
    client.send(get("/bbbb") + get("/cccc").slice(0, 9));
    client.send(get("/cccc").slice(9));
    client.drain();
    expect(client.take().match(/(?:\/a{4}){1000}|(?:\/b{4}){1000}|(?:\/c{4}){1000}/g)).toHaveLength(3);
  });
});

test("a request for an endpoint, which has no slot, is counted and cut as all others", () => {
  const server = serverOf("", { peerMemoryBytes: 100 * KIB });
  server.handler.admit = () => CONTROL;
  server.handler.respond = () => respondWith(200, new Uint8Array(90_000));
  const clients = [server.connect(), server.connect(), server.connect()];
  for (const client of clients) {
    client.transport.room = 1000;
    client.send(get("/"));
    server.runDeferred();
  }
  expect(clients.map(({ transport }) => transport.wasReset)).toEqual([true, true, false]);
});

test("a connection that is lost gives its memory back", () => {
  const server = serverOf("x".repeat(30_000));
  const client = server.connect();
  client.transport.room = 100;
  client.send(get("/a"));
  expect(server.context.peerMemory.used).toBeGreaterThan(20_000);
  client.connection.terminate();
  expect(server.context.peerMemory.used).toBe(0);
});
