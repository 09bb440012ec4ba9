import { describe, expect, test } from "bun:test";
import type { ConnectionState } from "../../src/exchange/carrier.ts";
import type { CloseReason } from "../../src/exchange/observer.ts";
import { ADMITTED, type Admission, CERTAIN, type Response, refused } from "../../src/http/message.ts";
import {
  type AnsweredLine,
  CONTROL,
  collecting,
  type FakeClient,
  FakeLiveSource,
  FakeServer,
  FakeSource,
  get,
  Outcome,
  respondWith,
  WALL_MS,
} from "../support/conversation.ts";
import { turns } from "../support/waiting.ts";

describe("a persistent connection", () => {
  test("answers one request in one write and stays open", () => {
    const server = new FakeServer();
    const client = server.connect().send(get("/a"));
    expect(client.take()).toBe(
      "HTTP/1.1 200 OK\r\nServer: httpserver\r\nDate: Sun, 15 Mar 2026 10:30:15 GMT\r\n" +
        "Connection: keep-alive\r\nKeep-Alive: timeout=30, max=99\r\nContent-Length: 2\r\n\r\n/a",
    );
    expect(client.transport.writes.length).toBe(1);
    expect(client.transport.isClosed).toBe(false);
    expect(server.pool.active).toBe(0);
  });

  test("answers a request that comes byte by byte as one that comes whole", () => {
    const server = new FakeServer();
    const whole = server.connect().send(get("/a")).take();
    expect(server.connect().sendBytewise(get("/a")).take()).toBe(whole);
  });

  test("closes with the answer to the last allowed request and counts down to it", () => {
    const server = new FakeServer();
    const client = server.connect();
    for (let left = 99; left >= 1; left--) {
      client.send(get("/"));
      expect(client.take()).toContain(`Keep-Alive: timeout=30, max=${left}\r\n`);
    }
    client.send(get("/"));
    const last = client.take();
    expect(last).toContain("Connection: close\r\n");
    expect(last).not.toContain("Keep-Alive:");
    expect(client.transport.finSent).toBe(true);
    client.send(get("/one-too-many"));
    expect(client.take()).toBe("");
  });

  test("has no limit of requests when the limit is 0", () => {
    const server = new FakeServer({ limits: { maxRequests: 0 } });
    const client = server.connect();
    for (let i = 0; i < 250; i++) client.send(get("/"));
    expect(client.statuses.length).toBe(250);
    expect(client.take()).toContain("Keep-Alive: timeout=30\r\n");
  });

  test("is closed by FIN after 30 s without a request, not a second earlier", () => {
    const server = new FakeServer();
    const client = server.connect().send(get("/"));
    server.pass(29_000);
    expect(client.transport.finSent).toBe(false);
    server.pass(1000);
    expect(client.transport.finSent).toBe(true);
    expect(client.statuses).toEqual([200]);
    server.pass(2000);
    expect(client.transport.isClosed).toBe(true);
    expect(client.transport.wasReset).toBe(false);
  });

  test("starts its idle time anew with each answer", () => {
    const server = new FakeServer();
    const client = server.connect();
    for (let i = 0; i < 4; i++) {
      client.send(get("/"));
      server.pass(29_000);
    }
    expect(client.transport.finSent).toBe(false);
  });

  test("that never sends a byte is closed silently", () => {
    const server = new FakeServer();
    const silent = server.connect();
    const gone = server.connect().finish();
    server.pass(32_000);
    expect([silent.transport.sent, gone.transport.sent]).toEqual(["", ""]);
    expect([silent.transport.isClosed, gone.transport.isClosed]).toEqual([true, true]);
    expect(server.observer.lines).toEqual([]);
  });

  test("ends with the answer when the client says close", () => {
    const server = new FakeServer();
    const client = server.connect().send(get("/", "Connection: close\r\n"));
    expect(client.take()).toContain("Connection: close\r\n");
    expect(client.transport.finSent).toBe(true);
    client.finish();
    expect(client.transport.isClosed).toBe(true);
  });

  test("persists in HTTP/1.0 only on request", () => {
    const server = new FakeServer();
    const plain = server.connect().send("GET / HTTP/1.0\r\n\r\n");
    expect(plain.take()).toContain("Connection: close\r\n");
    const kept = server.connect().send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(kept.take()).toContain("Connection: keep-alive\r\n");
    expect(kept.transport.finSent).toBe(false);
  });
});

describe("pipelined requests", () => {
  test("are answered in order, gathered into one write, on one slot", () => {
    const server = new FakeServer({ threads: 1, queue: 0 });
    const client = server.connect().send(get("/1") + get("/2") + get("/3"));
    expect(client.statuses).toEqual([200, 200, 200]);
    expect(client.transport.sent.match(/\/[123](?=HTTP|$)/g)).toEqual(["/1", "/2", "/3"]);
    expect(client.transport.writes.length).toBe(1);
    expect(server.observer.lines.map((line) => line.slot)).toEqual([1, 1, 1]);
    expect(server.pool.active).toBe(0);
  });

  test("wait while an earlier one is being worked on", async () => {
    const server = new FakeServer();
    const slow = Promise.withResolvers<void>();
    server.handler.respond = async (request) => {
      if (request.target.path === "/slow") await slow.promise;
      return respondWith(200, request.target.path);
    };
    const client = server.connect().send(get("/slow") + get("/fast"));
    await turns();
    expect(client.take()).toBe("");
    slow.resolve();
    await turns();
    expect(client.transport.sent.indexOf("/slow")).toBeLessThan(client.transport.sent.indexOf("/fast"));
    expect(client.statuses).toEqual([200, 200]);
  });

  test("pause a peer that sends far ahead of its answers, and let it go on", async () => {
    const server = new FakeServer();
    const slow = Promise.withResolvers<void>();
    server.handler.respond = async (request) => {
      await slow.promise;
      return respondWith(200, request.target.path);
    };
    const client = server.connect().send(get("/"));
    client.send(get("/").repeat(200));
    expect(client.transport.isPaused).toBe(true);
    slow.resolve();
    await turns();
    expect(client.transport.isPaused).toBe(false);
    expect(client.statuses.length).toBe(100);
  });

  test("get no further answers while the peer does not read, and all of them when it does", () => {
    const server = new FakeServer();
    const client = server.connect();
    client.transport.room = 100;
    client.send(get("/1") + get("/2"));
    client.send(get("/3"));
    expect(client.transport.sent.length).toBe(100);
    client.drain();
    expect(client.statuses).toEqual([200, 200, 200]);
    expect(server.pool.active).toBe(0);
  });
});

describe("half-close", () => {
  test("after a request still gets the answer", async () => {
    const server = new FakeServer();
    const slow = Promise.withResolvers<void>();
    server.handler.respond = async () => {
      await slow.promise;
      return respondWith(200, "late");
    };
    const client = server.connect().send(get("/")).finish();
    expect(client.transport.isClosed).toBe(false);
    slow.resolve();
    await turns();
    expect(client.statuses).toEqual([200]);
    expect(client.transport.isClosed).toBe(true);
  });

  test("after pipelined requests gets all answers, also when the kernel is slow to take them", () => {
    const server = new FakeServer();
    const client = server.connect();
    client.transport.room = 50;
    client.send(get("/1") + get("/2")).finish();
    expect(client.transport.isClosed).toBe(false);
    client.drain();
    expect(client.statuses).toEqual([200, 200]);
    expect(client.transport.isClosed).toBe(true);
  });

  test("behind the empty line of an old client closes in silence", () => {
    const client = new FakeServer()
      .connect()
      .send(`${get("/")}\r\n`)
      .finish();
    expect(client.statuses).toEqual([200]);
    expect(client.transport.isClosed).toBe(true);
  });

  test("in the middle of a head or a body is answered 400", () => {
    const server = new FakeServer();
    expect(server.connect().send("GET / HT").finish().statuses).toEqual([400]);
    const body = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345";
    expect(server.connect().send(body).finish().statuses).toEqual([400]);
  });
});

describe("deadlines", () => {
  test("a head has 10 s from its first byte, and dribbled bytes do not push that back", () => {
    const server = new FakeServer();
    const client = server.connect();
    server.pass(20_000);
    for (const character of "GET / HTTP") {
      client.send(character);
      server.pass(1000);
    }
    expect(client.statuses).toEqual([408]);
    expect(client.transport.finSent).toBe(true);
  });

  test("a body that stalls, or comes below the minimum rate, is answered 408", () => {
    const head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n";
    const server = new FakeServer({ limits: { unwantedBodyBytesMax: 1 << 20 } });
    const stalled = server.connect().send(head);
    const dribbling = server.connect().send(head);
    const slow = server.connect().send(head);
    for (let second = 0; second < 31; second++) {
      dribbling.send("x".repeat(100));
      slow.send("x".repeat(1100));
      server.pass(1000);
    }
    expect(stalled.statuses).toEqual([408]);
    expect(dribbling.statuses).toEqual([408]);
    expect(slow.statuses).toEqual([]);
  });

  test("an answer that stalls, or is read below the minimum rate, ends in a reset", () => {
    const server = new FakeServer();
    const sources: FakeSource[] = [];
    server.handler.respond = () => {
      const source = new FakeSource(900_000);
      sources.push(source);
      return respondWith(200, source);
    };
    const clients = [0, 100, 1100].map((rate) => ({ rate, client: server.connect() }));
    for (const { client } of clients) {
      client.transport.room = 0;
      client.send(get("/"));
    }
    for (let second = 0; second < 31; second++) {
      for (const { rate, client } of clients) if (rate > 0 && !client.transport.isClosed) client.drain(rate);
      server.pass(1000);
    }
    expect(clients.map(({ client }) => client.transport.wasReset)).toEqual([true, true, false]);
    expect(sources.map((source) => source.closes)).toEqual([1, 1, 0]);
    expect(server.pool.active).toBe(1);
  });

  test("an answer whose reader is fast enough on average may stand still for three windows more, not for four", () => {
    const server = new FakeServer();
    server.handler.respond = () => respondWith(200, new FakeSource(900_000));
    const [lumps, stalled] = [server.connect(), server.connect()];
    for (const client of [lumps, stalled]) {
      client.transport.room = 200_000;
      client.send(get("/"));
    }
    server.runDeferred();
    server.pass(149_000);
    expect([lumps.transport.wasReset, stalled.transport.wasReset]).toEqual([false, false]);
    lumps.drain(150_000);
    server.runDeferred();
    server.pass(1000);
    expect([lumps.transport.wasReset, stalled.transport.wasReset]).toEqual([false, true]);
  });

  test("a reader that took little and then nothing is not waited for longer than one window", () => {
    const server = new FakeServer();
    server.handler.respond = () => respondWith(200, new FakeSource(900_000));
    const client = server.connect();
    client.transport.room = 20_000;
    client.send(get("/"));
    server.runDeferred();
    server.pass(30_000);
    expect(client.transport.wasReset).toBe(true);
  });

  test("after our FIN a peer that keeps sending is read past for ten seconds in all", () => {
    const server = new FakeServer();
    const client = server.connect().send("NONSENSE\r\n\r\n");
    for (let second = 0; second < 9; second++) {
      client.send("x".repeat(100));
      server.pass(1000);
    }
    expect(client.transport.isClosed).toBe(false);
    client.send("x");
    server.pass(1000);
    expect(client.transport.isClosed).toBe(true);
    expect(client.transport.wasReset).toBe(false);
  });

  test("a peer that sends while its answer is blocked does not make us read the file again for each packet", () => {
    const server = new FakeServer();
    const source = new FakeSource(900_000);
    server.handler.respond = () => respondWith(200, source);
    const client = server.connect();
    client.transport.room = 5000;
    client.send(get("/"));
    const { reads } = source;
    client.sendBytewise(get("/next"));
    expect(source.reads).toBe(reads);
  });

  test("a transport that is gone without telling is let go of at the next write", () => {
    const server = new FakeServer();
    const source = new FakeSource(900_000);
    server.handler.respond = () => respondWith(200, source);
    const client = server.connect();
    client.transport.room = 5000;
    client.send(get("/"));
    client.transport.write = () => -1;
    client.drain();
    expect([source.closes, server.pool.active]).toEqual([1, 0]);
  });

  test("after our FIN a peer that goes on sending is read past, for a while", () => {
    const server = new FakeServer();
    const client = server.connect().send("NONSENSE\r\n\r\n");
    expect(client.statuses).toEqual([400]);
    client.send("x".repeat(5000));
    expect(client.transport.isClosed).toBe(false);
    server.pass(2000);
    expect(client.transport.isClosed).toBe(true);
    const chatty = server.connect().send("NONSENSE\r\n\r\n");
    chatty.send("x".repeat(10_001));
    expect(chatty.transport.isClosed).toBe(true);
  });
});

describe("content", () => {
  const wanting = (max: number) => {
    const server = new FakeServer();
    server.handler.admit = () => collecting(max);
    server.handler.respond = (request) => respondWith(201, request.content.slice());
    return server;
  };
  const post = (fields: string) => `POST / HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`;
  const chunked = "4\r\nWiki\r\n5;a=b\r\npedia\r\n0\r\n\r\n";

  test("of known length and chunked is collected, whole and byte by byte", () => {
    for (const [message, content] of [
      [`${post("Content-Length: 9\r\n")}Wikipedia`, "Wikipedia"],
      [post("Transfer-Encoding: chunked\r\n") + chunked, "Wikipedia"],
    ] as const) {
      expect(wanting(100).connect().send(message).take()).toEndWith(`\r\n\r\n${content}`);
      expect(wanting(100).connect().sendBytewise(message).take()).toEndWith(`\r\n\r\n${content}`);
    }
  });

  test("holds no slot while it comes", () => {
    const server = wanting(100);
    server.connect().send(`${post("Content-Length: 9\r\n")}Wiki`);
    expect(server.pool.active).toBe(0);
  });

  test("larger than wanted is answered 413 before it has all come, and the connection closes", () => {
    const client = wanting(8)
      .connect()
      .send(`${post("Transfer-Encoding: chunked\r\n")}9\r\nWikipedia`);
    expect(client.statuses).toEqual([413]);
    expect(client.transport.finSent).toBe(true);
  });

  test.each([
    ["its length", post("Content-Length: 9\r\n")],
    ["its length, behind an expectation", post("Content-Length: 9\r\nExpect: 100-continue\r\n")],
    ["a chunk's size", `${post("Transfer-Encoding: chunked\r\n")}9\r\n`],
    ["the size of a second chunk", `${post("Transfer-Encoding: chunked\r\n")}3\r\nWik\r\n6\r\n`],
  ])("announced as larger than wanted by %s is answered 413 before it comes", (_, message) => {
    const whole = wanting(8).connect().send(message);
    const split = wanting(8).connect().sendBytewise(message);
    for (const client of [whole, split]) {
      expect(client.statuses).toEqual([413]);
      expect(client.transport.finSent).toBe(true);
    }
  });

  test("of a chunk as large as wanted is waited for", () => {
    const client = wanting(8)
      .connect()
      .send(`${post("Transfer-Encoding: chunked\r\n")}8\r\n`);
    expect(client.statuses).toEqual([]);
    expect(client.send("Wikipedi\r\n0\r\n\r\n").statuses).toEqual([201]);
  });

  test("is asked for by 100 when it is wanted and has not come yet", () => {
    const server = wanting(100);
    const client = server.connect().send(post("Content-Length: 2\r\nExpect: 100-continue\r\n"));
    expect(client.take()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    client.send("ok");
    expect(client.take()).toStartWith("HTTP/1.1 201 ");
  });

  test("is not asked for by 100 when the request is refused: the refusal comes, and the connection closes", () => {
    const server = wanting(100);
    server.handler.admit = () => refused(respondWith(415, "no"));
    const client = server.connect().send(post("Content-Length: 2\r\nExpect: 100-continue\r\n"));
    expect(client.statuses).toEqual([415]);
    expect(client.transport.finSent).toBe(true);
  });

  test("of a request that was refused by its head is not waited for", () => {
    const server = wanting(100);
    server.handler.admit = (request) => (request.target.path === "/" ? refused(respondWith(404, "no")) : ADMITTED);
    for (const message of [post("Content-Length: 5\r\n"), post("Transfer-Encoding: chunked\r\n")]) {
      const client = server.connect().send(message);
      expect(client.take()).toContain("\r\nConnection: keep-alive\r\n");
      expect(server.observer.lines.at(-1)).toMatchObject({ status: 404, closing: null });
      const rest = message.includes("chunked") ? "5\r\nhello\r\n0\r\nX-Checked: yes\r\n\r\n" : "hello";
      client.sendBytewise(rest).send(get("/next"));
      expect(client.statuses).toEqual([404, 201]);
      expect(client.transport.finSent).toBe(false);
    }
  });

  test("of a request that is refused with a slot is not waited for either, and holds none while it comes", async () => {
    const server = new FakeServer();
    const asked = Promise.withResolvers<Response>();
    server.handler.admit = (request) => (request.target.path === "/" ? CERTAIN : ADMITTED);
    server.handler.respond = (request) => (request.target.path === "/" ? asked.promise : respondWith(200, "next"));
    const client = server.connect().send(`${post("Content-Length: 5\r\n")}he`);
    expect([server.pool.active, client.statuses]).toEqual([1, []]);
    asked.resolve(respondWith(404, "no"));
    await asked.promise;
    await new Promise(setImmediate);
    expect([server.pool.active, client.statuses]).toEqual([0, [404]]);
    expect(client.send(`llo${get("/next")}`).statuses).toEqual([404, 200]);
  });

  test("that is skipped ends the connection without a further answer where it is malformed or too much", () => {
    const server = wanting(100);
    server.handler.admit = () => refused(respondWith(404, "no"));
    for (const rest of ["+4\r\nWiki\r\n0\r\n\r\n", "3e9\r\n", "4\r\nWiki\r\n0\r\nContent-Length: 3\r\n\r\n"]) {
      const message = post("Transfer-Encoding: chunked\r\n") + rest;
      for (const client of [server.connect().send(message), server.connect().sendBytewise(message)]) {
        expect(client.statuses).toEqual([404]);
        expect(client.transport.finSent).toBe(true);
        expect(client.send(get("/next")).statuses).toEqual([404]);
      }
    }
  });

  test("that is skipped has the deadline of content, and no answer of its own when that is over", () => {
    const server = new FakeServer({ limits: { unwantedBodyBytesMax: 1 << 20 } });
    server.handler.admit = () => refused(respondWith(404, "no"));
    const [stalled, slow, both] = [server.connect(), server.connect(), server.connect()];
    for (const client of [stalled, slow, both]) client.send(post("Content-Length: 90000\r\n"));
    for (let second = 0; second < 31; second++) {
      slow.send("x".repeat(1100));
      if (second < 29) both.send("x".repeat(1100));
      server.pass(1000);
    }
    expect([stalled, slow, both].map((client) => client.transport.finSent)).toEqual([true, false, false]);
    expect([stalled, slow, both].map((client) => client.statuses)).toEqual([[404], [404], [404]]);
    server.pass(30_000);
    expect(both.transport.finSent).toBe(true);
    expect(server.observer.lines).toHaveLength(3);
  });

  test("that is skipped gives the next content a whole window", () => {
    const server = wanting(1000);
    server.handler.admit = (request) =>
      request.head.methodText === "PUT" ? refused(respondWith(405, "no")) : collecting(9);
    const client = server.connect().send("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n");
    server.pass(4000);
    client.send(`hello${post("Content-Length: 3\r\n")}`);
    server.pass(29_000);
    expect(client.send("abc").statuses).toEqual([405, 201]);
    server.pass(29_000);
    expect(client.transport.finSent).toBe(false);
    server.pass(1000);
    expect(client.transport.finSent).toBe(true);
  });

  test("that is skipped ends with the client's FIN, and with a shutdown", () => {
    const server = wanting(100);
    server.handler.admit = () => refused(respondWith(404, "no"));
    const finished = server
      .connect()
      .send(`${post("Content-Length: 5\r\n")}he`)
      .finish();
    expect([finished.statuses, finished.transport.isClosed]).toEqual([[404], true]);
    const open = server.connect().send(`${post("Content-Length: 5\r\n")}he`);
    open.connection.shutDown(250);
    expect(open.transport.finSent).toBe(false);
    server.pass(250);
    open.connection.shutDown(250);
    expect([open.transport.finSent, open.transport.isClosed]).toEqual([true, false]);
    open.connection.shutDown();
    expect(open.transport.isClosed).toBe(false);
    server.pass(250);
    open.connection.shutDown();
    expect([open.transport.isClosed, open.transport.wasReset, server.observer.closeReasons.at(-1)]).toEqual([
      true,
      false,
      "shutdown",
    ]);
  });

  test("that is skipped waits until the peer has taken its answer", () => {
    const server = new FakeServer({ limits: { unwantedBodyBytesMax: 10_000 } });
    server.handler.admit = (request) => (request.target.path === "/" ? refused(respondWith(404, "no")) : ADMITTED);
    const client = server.connect();
    client.transport.room = 20;
    client.send(post("Content-Length: 6000\r\n"));
    client.send("x".repeat(6000) + get("/next"));
    expect(client.transport.isPaused).toBe(true);
    client.drain();
    expect([client.statuses, client.transport.isPaused]).toEqual([[404, 200], false]);
  });

  test("of a refused request whose answer is the last is not read", () => {
    const server = wanting(100);
    server.handler.admit = () => refused(respondWith(404, "no"));
    for (const head of [post("Connection: close\r\nContent-Length: 5\r\n"), post("Content-Length: 1001\r\n")]) {
      const client = server.connect().send(head);
      expect(client.take()).toContain("\r\nConnection: close\r\n");
      expect([client.statuses, client.transport.finSent, client.transport.isClosed]).toEqual([[404], true, false]);
      expect(client.send("hello").finish().transport.wasReset).toBe(false);
    }
  });

  test("of a refused request is read past, so that the next request is understood", () => {
    const server = wanting(100);
    server.handler.admit = (request) => (request.target.path === "/" ? refused(respondWith(404, "no")) : ADMITTED);
    const client = server.connect().send(`${post("Content-Length: 18\r\n")}GET /x HTTP/1.1\r\n\r${get("/next")}`);
    expect(client.statuses).toEqual([404, 201]);
  });

  test("of a refused request ends with a FIN after five seconds without a byte", () => {
    const server = wanting(100);
    server.handler.admit = () => refused(respondWith(404, "no"));
    const client = server.connect().send(post("Content-Length: 18\r\n"));
    server.pass(4000);
    client.send("x");
    server.pass(4000);
    expect([client.statuses, client.transport.finSent]).toEqual([[404], false]);
    server.pass(1000);
    expect([client.transport.finSent, client.transport.wasReset]).toEqual([true, false]);
    server.pass(3000);
    expect(server.observer.closeReasons).toEqual(["last answer"]);
  });

  test("without use that is malformed closes the connection with 400", () => {
    const server = wanting(100);
    server.handler.admit = () => ADMITTED;
    const client = server.connect().send(`${post("Transfer-Encoding: chunked\r\n")}+4\r\nWiki\r\n0\r\n\r\n`);
    expect(client.statuses).toEqual([400]);
    expect(client.transport.finSent).toBe(true);
  });

  test("that nobody wants, and that is long, is answered at once and closes", () => {
    const server = new FakeServer();
    const known = server.connect().send(post("Content-Length: 1001\r\n"));
    expect(known.statuses).toEqual([200]);
    expect(known.transport.finSent).toBe(true);
    const counted = server.connect().send(`${post("Transfer-Encoding: chunked\r\n")}400\r\n${"x".repeat(1024)}`);
    expect(counted.statuses).toEqual([200]);
    expect(counted.transport.finSent).toBe(true);
  });

  test("is not taken, and not asked for, until an admission that takes time has admitted it", async () => {
    for (const head of [post("Content-Length: 9\r\n"), post("Content-Length: 9\r\nExpect: 100-continue\r\n")]) {
      const server = wanting(100);
      const decided = Promise.withResolvers<Admission>();
      server.handler.admit = () => ({ ...CERTAIN, later: () => decided.promise });
      const client = server.connect().send(head);
      expect([client.take(), server.pool.active]).toEqual(["", 1]);
      const isAsked = head.includes("Expect");
      if (!isAsked) client.send("Wiki");
      server.pass(31_000);
      expect([client.statuses, server.memory.used]).toEqual([[], 0]);
      decided.resolve(collecting(100));
      await turns();
      // While the rest comes, others may have the slot.
      expect([client.take(), server.pool.active]).toEqual([isAsked ? "HTTP/1.1 100 Continue\r\n\r\n" : "", 0]);
      expect(client.send(isAsked ? "Wikipedia" : "pedia").take()).toEndWith("\r\n\r\nWikipedia");
    }
  });

  test.each([
    ["its length", post("Content-Length: 101\r\n"), true],
    ["its length, behind an expectation", post("Content-Length: 5\r\nExpect: 100-continue\r\n"), true],
    ["nothing", post("Content-Length: 5\r\n"), false],
    ["a chunk's size", `${post("Transfer-Encoding: chunked\r\n")}65\r\n`, false],
  ])(
    "of a request that is refused after a time tells no bound, and ends the connection by %s",
    async (_, head, isLast) => {
      const server = new FakeServer({ limits: { unwantedBodyBytesMax: 100 } });
      server.handler.admit = () => ({ ...CERTAIN, later: async () => refused(respondWith(401, "no")) });
      const client = server.connect().send(head);
      await turns();
      expect(client.statuses).toEqual([401]);
      expect(client.transport.sent).toContain(isLast ? "\r\nConnection: close\r\n" : "\r\nConnection: keep-alive\r\n");
      expect(server.observer.lines).toMatchObject([{ status: 401, slot: 1 }]);
      expect(server.pool.active).toBe(0);
    },
  );

  test("of a request that is admitted after a time is refused by its length only then", async () => {
    const server = wanting(8);
    const decided = Promise.withResolvers<Admission>();
    server.handler.admit = () => ({ ...CERTAIN, later: () => decided.promise });
    const client = server.connect().send(post("Content-Length: 9\r\n"));
    expect(client.statuses).toEqual([]);
    decided.resolve(collecting(8));
    await turns();
    expect([client.statuses, client.transport.finSent]).toEqual([[413], true]);
  });

  test("of a request whose admission fails, or comes when the client has left, gives everything back", async () => {
    const server = wanting(8);
    const decided = Promise.withResolvers<Admission>();
    server.handler.admit = () => ({ ...CERTAIN, later: () => decided.promise });
    const [stays, finishes, leaves] = [server.connect(), server.connect(), server.connect()];
    for (const client of [stays, finishes, leaves]) client.send(`${post("Content-Length: 9\r\n")}Wiki`);
    finishes.finish();
    leaves.transport.terminate();
    decided.reject(new Error("no way to tell"));
    await turns();
    expect([stays, finishes, leaves].map(({ statuses }) => statuses)).toEqual([[500], [500], []]);
    server.handler.admit = () => ADMITTED;
    expect(stays.send(`pedia${get("/next")}`).statuses).toEqual([500, 201]);
    expect([server.pool.active, server.memory.used, server.context.scratch.used]).toEqual([0, 0, 0]);
  });

  test("beyond the memory that all connections share is answered 503, and the memory comes back", () => {
    const server = new FakeServer({ bodyMemoryBytes: 100 });
    server.handler.admit = () => collecting(1000);
    const first = server.connect().send(`${post("Content-Length: 90\r\n")}${"x".repeat(80)}`);
    const second = server.connect().send(`${post("Content-Length: 90\r\n")}${"x".repeat(80)}`);
    expect(second.take()).toContain("Retry-After: 1\r\n");
    expect(second.statuses).toEqual([503]);
    first.transport.terminate();
    second.transport.terminate();
    expect(server.memory.used).toBe(0);
  });
});

describe("the pool", () => {
  /** A handler whose answers wait for `finish`. */
  const holding = (threads: number, queue: number) => {
    const server = new FakeServer({ threads, queue });
    const held: (() => void)[] = [];
    server.handler.respond = (request) => {
      const path = request.target.path;
      return new Promise((resolve) => held.push(() => resolve(respondWith(200, path))));
    };
    const finish = async () => {
      held.shift()?.();
      await turns();
    };
    return { server, finish };
  };

  test("lets the request after the last slot wait, first come first served", async () => {
    const { server, finish } = holding(1, 2);
    const [a, b, c] = ["/a", "/b", "/c"].map((path) => server.connect().send(get(path)));
    expect([server.pool.active, server.pool.queued]).toEqual([1, 2]);
    server.pass(1000);
    await finish();
    expect([a?.statuses, b?.statuses, c?.statuses]).toEqual([[200], [], []]);
    await finish();
    await finish();
    expect([b?.statuses, c?.statuses]).toEqual([[200], [200]]);
    expect(server.pool.active).toBe(0);
    expect(server.observer.events).toEqual([
      "queued",
      "queued",
      "dequeued to 1 after 1000 ms",
      "dequeued to 1 after 1000 ms",
    ]);
  });

  test("answers 503 with Retry-After and closes when the queue is full", () => {
    const { server } = holding(1, 0);
    server.connect().send(get("/a"));
    const refused = server.connect().send(get("/b"));
    const answer = refused.take();
    expect(answer).toStartWith("HTTP/1.1 503 ");
    expect(answer).toContain("Retry-After: 1\r\n");
    expect(answer).toContain("Connection: close\r\n");
    expect(refused.transport.finSent).toBe(true);
    expect(server.observer.events).toEqual(["turned away: queue full"]);
  });

  test("answers 503 to a request that waited for the queue's timeout", () => {
    const { server } = holding(1, 1);
    server.connect().send(get("/a"));
    const waiting = server.connect().send(get("/b"));
    server.pass(29_000);
    expect(waiting.statuses).toEqual([]);
    server.pass(1000);
    expect(waiting.statuses).toEqual([503]);
    expect(server.pool.queued).toBe(0);
  });

  test("forgets a request whose client has gone, and keeps the slot of one at work until the work ends", async () => {
    const { server, finish } = holding(1, 1);
    const working = server.connect().send(get("/a"));
    const waiting = server.connect().send(get("/b"));
    waiting.transport.terminate();
    expect(server.pool.queued).toBe(0);
    working.transport.terminate();
    expect(server.pool.active).toBe(1);
    await finish();
    expect(server.pool.active).toBe(0);
  });

  test("gives back the slot of one that is cut at work, whether its transport tells of the close before, after or never", async () => {
    for (const close of ["at once", "late", "never"]) {
      const { server, finish } = holding(1, 1);
      const client = server.connect().send(get("/a"));
      if (close !== "at once") client.transport.terminate = () => {};
      client.connection.abort("no memory to go on");
      expect(server.pool.active).toBe(1);
      await finish();
      if (close === "late") client.connection.closed();
      expect([close, server.pool.active]).toEqual([close, 0]);
      expect(client.transport.sent).toBe("");
    }
  });

  test("holds a slot until the kernel has taken the last byte", () => {
    const server = new FakeServer({ threads: 1 });
    const client = server.connect();
    client.transport.room = 10;
    client.send(get("/"));
    expect(server.pool.active).toBe(1);
    client.drain();
    expect(server.pool.active).toBe(0);
  });

  test("is not asked for refusals", () => {
    const { server } = holding(1, 0);
    server.connect().send(get("/a"));
    server.handler.admit = () => refused(respondWith(403, "no"));
    expect(server.connect().send(get("/b")).statuses).toEqual([403]);
  });
});

describe("a file", () => {
  test("goes out in slices as the kernel takes them, every byte once and in order", () => {
    const server = new FakeServer();
    const source = new FakeSource(5500);
    server.handler.respond = () => respondWith(200, source);
    const client = server.connect();
    client.transport.room = 77;
    client.send(get("/"));
    for (const room of [1, 999, 1000, 1001, 2000, 10_000]) client.drain(room);
    const content = client.transport.sent.slice(client.transport.sent.indexOf("\r\n\r\n") + 4);
    expect(content.length).toBe(5500);
    expect([...content].every((character, at) => character.charCodeAt(0) === FakeSource.byteAt(at))).toBe(true);
    expect(source.closes).toBe(1);
  });

  test("gives other connections a turn after a fair share", () => {
    const server = new FakeServer();
    const source = new FakeSource(100_000);
    server.handler.respond = () => respondWith(200, source);
    const client = server.connect().send(get("/"));
    expect(server.deferred.length).toBe(1);
    expect(client.transport.sent.length).toBeLessThan(10_000);
    server.runDeferred();
    expect(client.transport.sent).toHaveLength(client.transport.sent.indexOf("\r\n\r\n") + 4 + 100_000);
    expect(server.observer.lines.map((line) => line.bytes)).toEqual([100_000]);
  });

  test("that ends early closes the connection, so that the client can tell", () => {
    const server = new FakeServer();
    const source = new FakeSource(5000, 2500);
    server.handler.respond = () => respondWith(200, source);
    const client = server.connect().send(get("/") + get("/next"));
    expect(client.statuses).toEqual([200]);
    expect(client.transport.finSent).toBe(true);
    expect(source.closes).toBe(1);
    expect(server.observer.lines.map(({ outcome, bytes }) => ({ outcome, bytes }))).toEqual([
      { outcome: Outcome.Aborted, bytes: 2500 },
    ]);
    expect(server.pool.active).toBe(0);
  });

  test("is closed when the client leaves in the middle, and the slot comes back", () => {
    const server = new FakeServer();
    const source = new FakeSource(50_000);
    server.handler.respond = () => respondWith(200, source);
    const client = server.connect();
    client.transport.room = 3000;
    client.send(get("/"));
    expect(server.pool.active).toBe(1);
    client.transport.terminate();
    expect(source.closes).toBe(1);
    expect(server.pool.active).toBe(0);
    expect(server.observer.lines[0]?.outcome).toBe(Outcome.Aborted);
  });

  test("is not sent in the answer to HEAD, whose head is that of GET, and is closed", () => {
    const server = new FakeServer();
    const source = new FakeSource(5000);
    server.handler.respond = () => respondWith(200, source);
    const client = server.connect().send(get("/").replace("GET", "HEAD"));
    expect(client.take()).toEndWith(
      "Date: Sun, 15 Mar 2026 10:30:15 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=30, max=99\r\nContent-Length: 5000\r\n\r\n",
    );
    expect(source.closes).toBe(1);
    expect(source.reads).toBe(0);
  });

  test("in memory and large is sent without being gathered", () => {
    const server = new FakeServer();
    server.handler.respond = () => respondWith(200, "x".repeat(100_000));
    const client = server.connect().send(get("/"));
    server.runDeferred();
    expect(client.transport.sent).toEndWith("x".repeat(100_000));
  });
});

describe("our own mistakes", () => {
  test("a handler that throws is answered 500, logged, and affects no other connection", async () => {
    const server = new FakeServer();
    server.handler.respond = () => {
      throw new Error("boom");
    };
    expect(server.connect().send(get("/")).statuses).toEqual([500]);
    server.handler.respond = () => Promise.reject(new Error("later"));
    const later = server.connect().send(get("/"));
    await turns();
    expect(later.statuses).toEqual([500]);
    server.handler.admit = () => {
      throw new Error("early");
    };
    const early = server.connect().send(get("/"));
    expect(early.statuses).toEqual([500]);
    expect(early.transport.finSent).toBe(true);
    expect(server.observer.failures.map(String)).toEqual(["Error: boom", "Error: later", "Error: early"]);
    expect(server.pool.active).toBe(0);
  });
});

describe("shutting down", () => {
  test("closes idle connections at once and busy ones with their answer", async () => {
    const server = new FakeServer();
    const slow = Promise.withResolvers<void>();
    server.handler.respond = async () => {
      await slow.promise;
      return respondWith(200, "late");
    };
    const idle = server.connect();
    const busy = server.connect().send(get("/"));
    server.context.drain.hasBegun = true;
    for (const connection of server.connections) connection.shutDown();
    expect([idle.transport.isClosed, busy.transport.isClosed]).toEqual([true, false]);
    slow.resolve();
    await turns();
    expect(busy.take()).toContain("Connection: close\r\n");
    expect(busy.transport.finSent).toBe(true);
  });
});

test("a grace lets new connections and those used just now send one more request, and closes those that were idle", () => {
  const server = new FakeServer();
  const idle = server.connect().send(get("/"));
  server.pass(1000);
  const used = server.connect().send(get("/"));
  const fresh = server.connect();
  server.pass(100);
  server.context.drain.hasBegun = true;
  for (const connection of server.connections) connection.shutDown(250);
  expect([idle, used, fresh].map((client) => client.transport.isClosed)).toEqual([true, false, false]);
  used.take();
  for (const client of [used, fresh]) {
    client.send(get("/"));
    expect(client.take()).toContain("Connection: close\r\n");
    expect(client.transport.finSent).toBe(true);
  }
});

test("an answer under way when the shutdown begins is the last, although its head had promised more", () => {
  const server = new FakeServer();
  server.handler.respond = () => respondWith(200, new FakeSource(5000));
  const client = server.connect();
  client.transport.room = 3000;
  client.send(get("/"));
  server.context.drain.hasBegun = true;
  for (const connection of server.connections) connection.shutDown();
  expect(client.transport.isClosed).toBe(false);
  client.drain();
  expect(client.take()).toContain("Connection: keep-alive\r\n");
  for (const connection of server.connections) connection.shutDown();
  expect(client.transport.isClosed).toBe(true);
});

test("a shutdown does not cut an answer that the peer has not read yet", () => {
  const server = new FakeServer({ limits: { maxRequests: 1 } });
  const client = server.connect().send(get("/"));
  expect(client.transport.finSent).toBe(true);
  for (const connection of server.connections) connection.shutDown();
  expect(client.transport.isClosed).toBe(false);
  server.clock.set(250, WALL_MS);
  for (const connection of server.connections) connection.shutDown();
  expect(client.transport.isClosed).toBe(true);
});

test("an empty line behind a request begins nothing: the connection is idle, and a shutdown closes it", () => {
  const server = new FakeServer();
  const client = server.connect().send(`${get("/")}\r\n`);
  client.take();
  server.pass(11_000);
  expect([client.take(), client.transport.isClosed, client.transport.finSent]).toEqual(["", false, false]);
  client.send(get("/again"));
  expect(client.take()).toEndWith("\r\n\r\n/again");
  client.send("\r\n");
  for (const connection of server.connections) connection.shutDown();
  expect(client.transport.isClosed).toBe(true);
});

test("a downloader that sends single bytes meanwhile gets no more turns than the others", () => {
  const server = new FakeServer();
  server.handler.respond = () => respondWith(200, new FakeSource(100_000));
  const client = server.connect().send(get("/"));
  const shares = client.transport.writes.length;
  for (let i = 0; i < 20; i++) client.send("G");
  expect(server.deferred.length).toBe(1);
  expect(client.transport.writes.length).toBe(shares);
});

test("what was pipelined before the shutdown is answered to its end, and only the last answer says so", () => {
  const server = new FakeServer();
  const client = server.connect();
  server.context.drain.hasBegun = true;
  client.send(get("/a") + get("/b") + get("/c"));
  const text = client.take();
  expect(Array.from(text.matchAll(/Connection: [a-z-]+/g), ([option]) => option)).toEqual(
    ["keep-alive", "keep-alive", "close"].map((option) => `Connection: ${option}`),
  );
  expect(text).toEndWith("\r\n\r\n/c");
  expect(client.transport.finSent).toBe(true);
});

test("the Date of an answer is the wall clock's second", () => {
  const server = new FakeServer();
  server.clock.set(0, WALL_MS + 1000);
  expect(server.connect().send(get("/")).take()).toContain("Date: Sun, 15 Mar 2026 10:30:16 GMT\r\n");
});

test("a security event is reported with its connection", () => {
  const server = new FakeServer();
  server.handler.admit = () => refused(respondWith(403, "no", { incident: "path traversal" }));
  server.connect().send(get("/"));
  expect(server.observer.events).toEqual(["incident: path traversal"]);
});

describe("a peer that does not read", () => {
  test("keeps its late answers to itself: nobody else gets them, and it gets them in order when it reads", async () => {
    const server = new FakeServer();
    const slow = Promise.withResolvers<void>();
    server.handler.respond = (request) =>
      request.target.path === "/slow"
        ? slow.promise.then(() => respondWith(200, "secret"))
        : respondWith(200, request.target.path);
    const reluctant = server.connect();
    reluctant.transport.room = 10;
    reluctant.send(get("/a") + get("/slow"));
    slow.resolve();
    await turns();
    const other = server.connect().send(get("/b"));
    expect(other.take()).toEndWith("\r\n\r\n/b");
    expect(other.take()).not.toContain("secret");
    reluctant.drain();
    expect(reluctant.take()).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\n\/aHTTP\/1\.1 200 OK[\s\S]*\r\n\r\nsecret$/);
  });

  test("is answered what became complete meanwhile as soon as it reads, and need not send more", () => {
    const server = new FakeServer();
    const client = server.connect();
    client.transport.room = 10;
    const [first, second] = [get("/a"), get("/b")];
    client.send(first + second.slice(0, 5));
    client.send(second.slice(5));
    client.drain();
    expect(client.take()).toEndWith("\r\n\r\n/b");
  });

  test("gets the whole answers before a file that turns out to be empty", () => {
    const server = new FakeServer();
    const source = new FakeSource(5000, 0);
    server.handler.respond = (request) =>
      respondWith(200, request.target.path === "/cut" ? source : request.target.path);
    const client = server.connect();
    client.transport.room = 10;
    client.send(get("/whole") + get("/cut"));
    client.drain();
    const text = client.take();
    expect(text).toContain("\r\n\r\n/wholeHTTP/1.1 200 OK\r\n");
    expect(text).toEndWith("Content-Length: 5000\r\n\r\n");
    expect(client.transport.finSent).toBe(true);
    expect(source.closes).toBe(1);
  });
});

test("a head longer than what may wait behind an answer is still read to its end", () => {
  const server = new FakeServer({ limits: { receiveBytesMax: 1000 } });
  const head = get("/a").replace("\r\n\r\n", `\r\nX-Long: ${"x".repeat(5000)}\r\n\r\n`);
  const client = server.connect();
  for (let at = 0; at < head.length; at += 500) {
    client.send(head.slice(at, at + 500));
    expect(client.transport.isPaused).toBe(false);
  }
  expect(client.take()).toStartWith("HTTP/1.1 200 OK");
});

describe("a control request", () => {
  test("takes no slot, so a full pool can be looked at, and is not told of", () => {
    const server = new FakeServer({ threads: 1, queue: 0 });
    server.handler.respond = () => new Promise(() => {});
    server.connect().send(get("/work"));
    server.handler.admit = () => CONTROL;
    server.handler.respond = () => respondWith(200, "busy");
    const client = server.connect().send(get("/__server/ready")).send(get("/__server/ready"));
    expect(client.statuses).toEqual([200, 200]);
    expect(server.pool.active).toBe(1);
    expect(server.observer.lines).toEqual([]);
  });

  test("that is refused after a wait is none: it is told of, and takes no slot", async () => {
    const server = new FakeServer({ threads: 1, queue: 0 });
    server.handler.admit = () => ({ ...CONTROL, later: async () => refused(respondWith(401, "no")) });
    const client = server.connect().send(get("/__server/metrics"));
    await Promise.resolve();
    expect([client.statuses, server.pool.active]).toEqual([[401], 0]);
    expect(server.observer.lines).toMatchObject([{ status: 401, slot: 0 }]);
  });
});

describe("live content", () => {
  function liveServer(): { server: FakeServer; source: FakeLiveSource } {
    const server = new FakeServer();
    const source = new FakeLiveSource();
    server.handler.respond = () => respondWith(200, source);
    return { server, source };
  }

  test("is sent as it comes into being", () => {
    const { server, source } = liveServer();
    const client = server.connect().send(get("/"));
    expect(client.take()).toEndWith("\r\n\r\n");
    source.add("one");
    source.add("two");
    server.runDeferred();
    expect(client.take()).toBe("6\r\nonetwo\r\n");
    source.add("three");
    server.runDeferred();
    expect(client.take()).toBe("5\r\nthree\r\n");
  });

  test("may say nothing for as long as it likes", () => {
    const { server, source } = liveServer();
    const client = server.connect().send(get("/"));
    server.pass(600_000);
    expect(client.transport.isClosed).toBe(false);
    source.add("late");
    server.runDeferred();
    expect(client.take()).toEndWith("4\r\nlate\r\n");
  });

  test("is cut off when its reader takes nothing for the time of an answer", () => {
    const { server, source } = liveServer();
    const client = server.connect().send(get("/"));
    client.transport.room = 1;
    source.add("more than that");
    server.runDeferred();
    server.pass(151_000);
    expect(client.transport.wasReset).toBe(true);
    expect(server.observer.closeReasons).toEqual(["send timeout"]);
    expect(source.closes).toBe(1);
  });

  test("ends with what was there, and the connection goes on", () => {
    const { server, source } = liveServer();
    const client = server.connect().send(get("/"));
    source.add("last");
    source.finish();
    server.runDeferred();
    expect(client.take()).toEndWith("\r\n\r\n4\r\nlast\r\n0\r\n\r\n");
    expect(source.closes).toBe(1);
    server.handler.respond = () => respondWith(200, "next");
    expect(client.send(get("/")).take()).toEndWith("next");
  });

  test("to HTTP/1.0 has no framing, and ends with the connection", () => {
    const { server, source } = liveServer();
    const client = server.connect().send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(client.take()).toContain("Connection: close");
    source.add("last");
    source.finish();
    server.runDeferred();
    expect([client.take(), client.transport.finSent]).toEqual(["last", true]);
  });

  test.each(["1.0", "1.1"])("that fails is cut off by a reset, without the mark of an end: HTTP/%s", (version) => {
    const { server, source } = liveServer();
    const client = server.connect().send(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`);
    source.add("part");
    server.runDeferred();
    expect(client.take()).toContain("part");
    source.fail();
    server.runDeferred();
    expect([client.take(), client.transport.wasReset, source.closes]).toEqual(["", true, 1]);
    expect(server.observer.closeReasons).toEqual(["short content"]);
  });

  test("is closed with its reader", () => {
    const { server, source } = liveServer();
    const client = server.connect().send(get("/"));
    client.transport.end();
    expect(source.closes).toBe(1);
    expect(server.observer.closeReasons).toEqual(["client"]);
  });
});

describe("the reason for a close", () => {
  test.each<[reason: CloseReason, run: (server: FakeServer) => void]>([
    ["client", (server) => server.connect().send(get("/")).finish().transport.end()],
    ["client", (server) => leaveDuring(server, get("/", "Connection: close\r\n"))],
    ["client", (server) => leaveDuring(server, "nonsense\r\n\r\n")],
    ["client asked", (server) => server.connect().send(get("/", "Connection: close\r\n")).finish()],
    ["last request", (server) => server.connect().send(get("/").repeat(3)).finish()],
    ["last answer", (server) => server.connect().send("nonsense\r\n\r\n").finish()],
    ["idle timeout", (server) => server.connect().send(get("/")) && server.pass(33_000)],
    ["shutdown", (server) => server.connect().send(get("/")).connection.shutDown()],
    ["shutdown", (server) => server.connect().connection.terminate()],
    ["no slot to go on", (server) => server.connect().send(get("/")).connection.exchange.lease.evict()],
  ])("%s", (reason, run) => {
    const server = new FakeServer({ limits: { maxRequests: 3 } });
    run(server);
    expect(server.observer.closeReasons).toEqual([reason]);
  });
});

describe("a failure of ours", () => {
  test("while a response is begun resets the connection, and costs the others nothing", () => {
    const server = new FakeServer();
    server.handler.respond = () => respondWith(99, "no status");
    const client = server.connect().send(get("/"));
    expect([client.take(), client.transport.wasReset, server.pool.active]).toEqual(["", true, 0]);
    expect(server.observer.closeReasons).toEqual(["own failure"]);
    server.handler.respond = () => respondWith(200, "fine");
    expect(server.connect().send(get("/")).take()).toEndWith("fine");
  });

  test("when a deadline is over is answered 500 if there is still an answer to give, and else ends in a reset", () => {
    const server = new FakeServer();
    const { handler } = server;
    const failure = handler.failure.bind(handler);
    let failures = 1;
    handler.failure = (status, sentence, request, fields) => {
      if (failures-- > 0) throw new Error("no page");
      return failure(status, sentence, request, fields);
    };
    const answered = server.connect().send("GET / HT");
    server.pass(10_000);
    expect(answered.statuses).toEqual([500]);
    failures = 2;
    const reset = server.connect().send("GET / HT");
    server.pass(10_000);
    expect([reset.statuses, reset.transport.wasReset]).toEqual([[], true]);
  });
});

describe("the work of a connection", () => {
  test("is the request that has a slot, and nothing between requests", () => {
    const server = new FakeServer();
    server.handler.respond = () => new Promise(() => {});
    const client = server.connect();
    expect(client.connection.works()).toEqual([]);
    client.send(get("/slow"));
    server.pass(40);
    expect(client.connection.works()).toMatchObject([
      { connection: 1, peer: "127.0.0.1:50000", phase: "working", slot: 1, forMs: 40, sentBytes: 0, totalBytes: 0 },
    ]);
  });

  test("counts the bytes that the kernel has accepted", () => {
    const server = new FakeServer();
    server.handler.respond = () => respondWith(200, new FakeSource(5000));
    const client = server.connect();
    client.transport.room = 2000;
    client.send(get("/"));
    const [work] = client.connection.works();
    expect(work).toMatchObject({ phase: "sending", totalBytes: 5000 });
    expect(work?.sentBytes).toBe(client.take().split("\r\n\r\n")[1]?.length ?? 0);
  });
});

describe("the reason for a close is decided with the last response's head", () => {
  /** Sends half of the response, runs `meanwhile`, and lets the rest go out. */
  function halfwayThrough(fields: string, meanwhile: (server: FakeServer) => void): FakeServer {
    const server = new FakeServer();
    server.handler.respond = () => respondWith(200, new FakeSource(5000));
    const client = server.connect();
    client.transport.room = 3000;
    client.send(get("/", fields));
    meanwhile(server);
    client.drain();
    return server;
  }

  test("a client that asked for the close has done so, also where a drain begins meanwhile", () => {
    const server = halfwayThrough("Connection: close\r\n", ({ context }) => {
      context.drain.hasBegun = true;
    });
    expect(server.observer.lines.map(({ closing }) => closing)).toEqual(["client asked"]);
    for (const connection of server.connections) connection.shutDown(0, 0);
    expect(server.observer.closeReasons).toEqual(["client asked"]);
  });

  test("a connection that lingers keeps its reason when the server cuts it", () => {
    const server = halfwayThrough("Connection: close\r\n", () => {});
    for (const connection of server.connections) connection.terminate();
    expect(server.observer.closeReasons).toEqual(["client asked"]);
  });

  test("a response that was promised to persist ends with the drain", () => {
    const server = halfwayThrough("", ({ context }) => {
      context.drain.hasBegun = true;
    });
    expect(server.observer.lines.map(({ closing }) => closing)).toEqual([null]);
    for (const connection of server.connections) connection.shutDown();
    expect(server.observer.closeReasons).toEqual(["shutdown"]);
  });

  test("a drain is the reason where it began before the head was written", () => {
    const server = new FakeServer();
    server.context.drain.hasBegun = true;
    server.connect().send(get("/", "Connection: close\r\n"));
    expect(server.observer.lines.map(({ closing }) => closing)).toEqual(["shutdown"]);
  });

  test("a client that asked for the close with requests behind it has asked for it, drain or not", () => {
    const server = new FakeServer();
    server.context.drain.hasBegun = true;
    server.connect().send(get("/", "Connection: close\r\n") + get("/lost"));
    expect(server.observer.lines.map(({ closing }) => closing)).toEqual(["client asked"]);
  });
});

/** A client that leaves when one byte of its answer is out. */
function leaveDuring(server: FakeServer, text: string): void {
  const client = server.connect();
  client.transport.room = 1;
  client.send(text).transport.end();
}

describe("what is told of an answer", () => {
  /** The answer to the first request, which `run` has made. */
  function told(run: (server: FakeServer) => void): AnsweredLine {
    const server = new FakeServer();
    run(server);
    const [line] = server.observer.lines;
    if (line === undefined) throw new Error("nothing was told");
    return line;
  }

  /** A client whose answer has begun and does not go on. */
  function stalled(server: FakeServer, fields = "") {
    server.handler.respond = () => respondWith(200, new FakeSource(5000));
    const client = server.connect();
    client.transport.room = 1000;
    return client.send(get("/", fields));
  }

  test.each<[closing: CloseReason | null, name: string, run: (server: FakeServer) => void]>([
    [null, "the connection persists", (server) => server.connect().send(get("/"))],
    [null, "it is pipelined", (server) => server.connect().send(get("/").repeat(2))],
    ["client asked", "the client wants no more", (server) => server.connect().send(get("/", "Connection: close\r\n"))],
    ["last answer", "the head is nonsense", (server) => server.connect().send("nonsense\r\n\r\n")],
    ["client", "the client leaves in the middle", (server) => stalled(server).transport.end()],
    [
      "client",
      "the client leaves in the middle of what it wanted to be the last",
      (server) => stalled(server, "Connection: close\r\n").transport.end(),
    ],
    ["shutdown", "the server cuts it", (server) => stalled(server).connection.terminate()],
    [
      "send timeout",
      "the client does not read",
      (server) => {
        stalled(server);
        server.pass(200_000);
      },
    ],
    [
      "short content",
      "the file was cut meanwhile",
      (server) => {
        server.handler.respond = () => respondWith(200, new FakeSource(5000, 10));
        server.connect().send(get("/"));
      },
    ],
  ])("closes for the reason %p when %s", (closing, _name, run) => {
    expect(told(run).closing).toBe(closing);
  });

  test("says whether the head was read", () => {
    expect(told((server) => server.connect().send(get("/"))).isHeadComplete).toBe(true);
    expect(told((server) => server.connect().send("GET / HTTP/1.1\r\nno field\r\n\r\n")).isHeadComplete).toBe(false);
  });

  test("says how long a request waited in vain", () => {
    const server = new FakeServer({ threads: 1, limits: { queueTimeoutMs: 3000 } });
    stalled(server);
    server.connect().send(get("/"));
    server.pass(3000);
    expect(server.observer.lines).toMatchObject([{ status: 503, slot: 0, queuedMs: 3000 }]);
  });
});

describe("closing what is idle", () => {
  test("ends it as its timeout would", () => {
    const server = new FakeServer();
    const client = server.connect().send(get("/"));
    expect(client.connection.closeIdle()).toBe(true);
    expect([client.transport.finSent, client.transport.wasReset]).toEqual([true, false]);
    client.transport.end();
    expect(server.observer.closeReasons).toEqual(["idle timeout"]);
  });

  test.each<[state: ConnectionState, begin: (server: FakeServer) => FakeClient]>([
    ["reading", (server) => server.connect().send("GET / HT")],
    [
      "working",
      (server) => {
        server.handler.respond = () => new Promise(() => {});
        return server.connect().send(get("/"));
      },
    ],
    [
      "waiting",
      (server) => {
        server.handler.respond = () => new Promise(() => {});
        server.connect().send(get("/"));
        return server.connect().send(get("/"));
      },
    ],
    [
      "sending",
      (server) => {
        const client = server.connect();
        client.transport.room = 10;
        return client.send(get("/"));
      },
    ],
    ["closing", (server) => server.connect().send(get("/", "Connection: close\r\n"))],
  ])("leaves alone what is %s", (state, begin) => {
    const server = new FakeServer({ threads: 1 });
    const { connection, transport } = begin(server);
    const finBefore = transport.finSent;
    expect(connection.state).toBe(state);
    expect(connection.closeIdle()).toBe(false);
    expect([transport.finSent, transport.isClosed]).toEqual([finBefore, false]);
  });

  test("finds what is new, and what has been answered, idle", () => {
    const server = new FakeServer();
    expect([server.connect().connection.state, server.connect().send(get("/")).connection.state]).toEqual([
      "idle",
      "idle",
    ]);
  });

  test("counts requests", () => {
    const { connection } = new FakeServer().connect().send(get("/").repeat(3));
    expect(connection.served).toBe(3);
  });
});
