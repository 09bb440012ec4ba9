/** Peers that make work, or wait, without end: each is cut off within its bound, and gives back everything. */
import { describe, expect, test } from "bun:test";
import type { Response } from "../../src/http/message.ts";
import { FrameType } from "../../src/http2/frames.ts";
import { collecting, FakeLiveSource, FakeSource, respondWith } from "../support/conversation.ts";
import {
  block,
  data,
  FakeHttp2Server,
  frame,
  get,
  getLines,
  HELLO,
  type Http2Client,
  type Http2ServerOptions,
  headers,
  PREFACE,
  ping,
  post,
  rst,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from "../support/http2.ts";
import { turns } from "../support/waiting.ts";

const CALM = "ENHANCE_YOUR_CALM";

function connected(server: FakeHttp2Server, hello = HELLO): Http2Client {
  return server.connectHttp2().send(hello);
}

/** Sends `make(i)` until the connection ends. Returns how often. */
function sendUntilEnd(client: Http2Client, make: (i: number) => string, max = 20_000): number {
  for (let i = 0; i < max; i++) {
    if (client.transport.finSent || client.transport.isClosed) return i;
    client.send(make(i));
  }
  return Number.POSITIVE_INFINITY;
}

describe("a flood", () => {
  const floods: readonly [name: string, max: number, make: (i: number) => string][] = [
    ["of streams that are reset at once (CVE-2023-44487)", 252, (i) => post(2 * i + 1) + rst(2 * i + 1)],
    ["of streams that we reset (CVE-2025-8671)", 252, (i) => post(2 * i + 1) + windowUpdate(2 * i + 1, 0)],
    ["of malformed requests", 252, (i) => headers(2 * i + 1, [[":method", "GET"]])],
    ["of heads that are too large", 252, (i) => get(2 * i + 1, "/", ["a", "x".repeat(16_300)])],
    ["of heads with too many fields", 252, (i) => get(2 * i + 1, "/", ...Array<[string, string]>(101).fill(["a", ""]))],
    ["of streams above the limit", 352, (i) => get(2 * i + 1, "/wait")],
    ["of SETTINGS (CVE-2019-9515)", 102, () => settings()],
    ["of PING (CVE-2019-9512)", 1002, () => ping()],
    ["of PING that answer nothing", 1002, () => ping("12345678", 1)],
    ["of PRIORITY (CVE-2019-9513)", 1002, () => frame(FrameType.Priority, 0, 1, "\0\0\0\0\0")],
    ["of frames of an unknown type", 1002, () => frame(0x40, 0, 0)],
    ["of empty DATA (CVE-2019-9518)", 1003, (i) => (i === 0 ? post(1) : data(1, ""))],
    ["of DATA with single bytes", 16_003, (i) => (i === 0 ? post(1) : data(1, "x"))],
    ["of acknowledgements", 1002, () => SETTINGS_ACK],
    ["of RST_STREAM for a stream that is closed", 1003, (i) => (i === 0 ? get(1) : rst(1))],
    ["of windows that widen for nothing", 1300, () => windowUpdate(0, 1)],
    [
      "of CONTINUATION (CVE-2024-27316)",
      66,
      (i) => (i === 0 ? frame(FrameType.Headers, 1, 1) : frame(FrameType.Continuation, 0, 1, "x")),
    ],
    [
      "of large CONTINUATION",
      6,
      (i) => frame(i === 0 ? FrameType.Headers : FrameType.Continuation, i === 0 ? 1 : 0, 1, "x".repeat(16_384)),
    ],
  ];
  for (const [name, max, make] of floods) {
    test(`${name} ends with ${CALM}`, () => {
      const server = new FakeHttp2Server({ threads: 200 });
      server.handler.respond = ({ target }) =>
        target.path === "/wait" ? new Promise(() => {}) : respondWith(200, "ok");
      const honest = connected(server);
      const client = connected(server);
      expect(sendUntilEnd(client, make)).toBeLessThanOrEqual(max);
      expect(client.ends).toEqual([CALM]);
      expect(server.observer.failures).toEqual([]);
      expect(honest.send(get(1)).stream(1).status).toBe(200);
    });
  }

  test("that is slow enough is none", () => {
    const server = new FakeHttp2Server();
    const client = connected(server);
    for (let second = 0; second < 25; second++) {
      for (let i = 0; i < 40; i++) {
        const id = 2 * (40 * second + i) + 1;
        client.send(post(id) + rst(id) + ping());
      }
      server.pass(1000);
    }
    expect(client.ends).toEqual([]);
  });

  test("is not what a browser does that leaves two pages, each with a hundred requests under way", () => {
    const server = new FakeHttp2Server({ threads: 300 });
    server.handler.respond = ({ target }) => (target.path === "/" ? respondWith(200, "ok") : new Promise(() => {}));
    const client = connected(server);
    for (const first of [0, 100]) {
      const ids = Array.from({ length: 100 }, (_, i) => 2 * (first + i) + 1);
      client.send(ids.map((id) => get(id, "/wait")).join(""));
      client.send(ids.map((id) => rst(id)).join(""));
    }
    expect([client.send(get(401)).stream(401).status, client.ends]).toEqual([200, []]);
  });

  test("of requests, each of which is answered, is none", () => {
    const client = connected(new FakeHttp2Server());
    expect(sendUntilEnd(client, (i) => get(2 * i + 1) + windowUpdate(0, 2), 3000)).toBe(Number.POSITIVE_INFINITY);
    expect(client.stream(5999).status).toBe(200);
  });

  test("is not a document that its client writes piece by piece", () => {
    const server = new FakeHttp2Server();
    server.handler.admit = () => collecting(100_000);
    server.handler.respond = (request) => respondWith(200, String(request.content.length));
    const client = connected(server).send(post(1));
    for (let i = 0; i < 6000; i++) client.send(data(1, i % 2 === 0 ? "1234" : ","));
    client.send(data(1, "]", true));
    expect([client.stream(1).body, client.ends]).toEqual(["15001", []]);
  });

  test("of single bytes that no one takes counts as one of empty frames", () => {
    const client = connected(new FakeHttp2Server());
    const refused = post(1, "/", ["a", "x".repeat(16_300)]);
    expect(sendUntilEnd(client, (i) => (i === 0 ? refused : data(1, "x")))).toBeLessThanOrEqual(1003);
    expect(client.ends).toEqual([CALM]);
  });

  test("of pings from a client that does not read is cut", () => {
    const server = new FakeHttp2Server({ http2: { http2PingsMax: 100_000 } });
    const client = connected(server);
    client.transport.room = 0;
    expect(sendUntilEnd(client, () => ping())).toBeLessThan(1100);
    expect(client.transport.wasReset).toBe(true);
    expect(server.observer.closeReasons).toEqual(["flood"]);
  });

  test("of tiny frames in a window of single bytes ends (CVE-2019-9511)", () => {
    const server = new FakeHttp2Server();
    server.handler.respond = () => respondWith(200, new FakeSource(1_000_000));
    const client = connected(server, PREFACE + settings([4, 1]) + SETTINGS_ACK).send(get(1));
    expect(sendUntilEnd(client, () => windowUpdate(1, 1))).toBeLessThanOrEqual(1100);
    expect(client.ends).toEqual([CALM]);
  });

  test("of blocks that refer to one large entry keeps within the field section", () => {
    const client = connected(new FakeHttp2Server());
    // An entry of 4,000 bytes, and 16,000 references to it: 64 MB of fields.
    const entry = `\x40\x01x${"\x7f"}${String.fromCharCode(0x80 | (3873 & 127), 3873 >> 7)}${"a".repeat(4000)}`;
    client.send(frame(FrameType.Headers, 5, 1, block(...getLines()) + entry));
    expect(client.stream(1).status).toBe(200);
    client.send(frame(FrameType.Headers, 5, 3, block(...getLines()) + "\xbe".repeat(16_000)));
    expect(client.stream(3).status).toBe(431);
    expect(client.send(get(5)).stream(5).status).toBe(200);
  });

  test("of such blocks ends with the second one", () => {
    const server = new FakeHttp2Server();
    const client = connected(server);
    const entry = `\x40\x01x\x7f\xa1\x1e${"a".repeat(4000)}`;
    client.send(frame(FrameType.Headers, 5, 1, block(...getLines()) + entry));
    client.send(frame(FrameType.Headers, 5, 3, block(...getLines()) + "\xbe".repeat(16_000)));
    server.pass(1000);
    client.send(frame(FrameType.Headers, 5, 5, block(...getLines()) + "\xbe".repeat(16_000)));
    expect(client.ends).toEqual([CALM]);
  });

  test("of trailers that are too large ends soon", () => {
    const client = connected(new FakeHttp2Server());
    const trailers = block(...Array<[string, string]>(80).fill(["a", "x".repeat(190)]));
    const make = (i: number) => post(2 * i + 1) + frame(FrameType.Headers, 5, 2 * i + 1, trailers);
    expect(sendUntilEnd(client, make)).toBeLessThanOrEqual(126);
    expect(client.ends).toEqual([CALM]);
  });
});

describe("a turn", () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => get(2 * i + 1)).join("");

  test("takes a bounded number of requests, and others come before the rest", () => {
    const server = new FakeHttp2Server({ http2: { http2StreamsMax: 400 } });
    const [busy, honest] = [connected(server), connected(server)];
    busy.send(many(300));
    const answered = () => [...busy.see().log.streams.values()].filter(({ status }) => status === 200).length;
    expect(answered()).toBeLessThan(150);
    expect(honest.send(get(1)).stream(1).status).toBe(200);
    busy.send(get(601));
    expect(answered()).toBeLessThan(150);
    server.runDeferred();
    expect(answered()).toBe(301);
    expect(busy.ends).toEqual([]);
  });

  test("pauses a peer that has sent much more, and lets it continue", () => {
    const server = new FakeHttp2Server();
    const client = connected(server).send(many(300));
    expect(client.transport.isPaused).toBe(true);
    server.runDeferred();
    expect(client.transport.isPaused).toBe(false);
  });

  test("is not the last one before a FIN", () => {
    const server = new FakeHttp2Server();
    const client = connected(server).send(many(300) + post(601));
    client.connection.ended();
    server.runDeferred();
    expect(client.stream(599).status).toBe(200);
    expect(client.stream(601).status).toBe(0);
    expect(client.transport.finSent || client.transport.isClosed).toBe(true);
  });

  test("is not the last one before the end of an idle connection, or of the server", () => {
    const server = new FakeHttp2Server();
    const client = connected(server).send(many(300));
    expect(client.connection.closeIdle()).toBe(false);
    client.connection.shutDown(0, 0);
    server.runDeferred();
    expect(client.stream(599).status).toBe(200);
  });

  test("takes a bounded number of field blocks", () => {
    const server = new FakeHttp2Server();
    const large = (id: number) =>
      headers(id, getLines("/", ...Array<[string, string]>(50).fill(["a", "x".repeat(200)])));
    const client = connected(server).send(large(1) + large(3) + large(5) + large(7) + large(9) + get(11));
    expect(client.stream(11).status).toBe(0);
    server.runDeferred();
    expect(client.stream(11).status).toBe(200);
  });

  test("takes a bounded number of small DATA frames", () => {
    const server = new FakeHttp2Server();
    server.handler.admit = () => collecting(100_000);
    server.handler.respond = (request) => respondWith(200, String(request.content.length));
    const client = connected(server).send(post(1) + data(1, "x".repeat(20)).repeat(1000) + data(1, "x", true));
    expect(client.stream(1).status).toBe(0);
    server.runDeferred();
    expect(client.stream(1).body).toBe("20001");
  });
});

test("content that is not wanted is read past within one window", () => {
  const server = new FakeHttp2Server({ threads: 1 });
  server.handler.admit = () => ({ ...collecting(0), content: "skip" });
  server.handler.respond = () => new Promise(() => {});
  const client = connected(server).send(get(1), post(3));
  for (let i = 0; i < 64; i++) client.send(data(3, "x".repeat(16_384)));
  expect(client.stream(3).reset).toBeNull();
  expect(client.log.widened.get(3)).toBeUndefined();
  expect(client.send(data(3, "x")).stream(3).reset).toBe("FLOW_CONTROL_ERROR");
});

describe("a peer that waits", () => {
  function stalled(options: Http2ServerOptions, hello: string, ...rest: readonly string[]) {
    const server = new FakeHttp2Server(options);
    server.handler.admit = () => collecting(100_000);
    server.handler.respond = () => respondWith(200, new FakeSource(1_000_000));
    return { server, client: connected(server, hello).send(...rest) };
  }

  test("before its preface is whole is cut with the time of a head", () => {
    const { server, client } = stalled({}, PREFACE.slice(0, 10));
    server.pass(9000);
    expect(client.ends).toEqual([]);
    server.pass(1000);
    expect(client.ends).toEqual([CALM]);
  });

  test("with an acknowledgement of our settings ends with SETTINGS_TIMEOUT", () => {
    const { server, client } = stalled({}, PREFACE + settings());
    client.send(get(1, "/a"));
    server.pass(10_000);
    expect(client.ends).toEqual(["SETTINGS_TIMEOUT"]);
  });

  test("within a field block is cut, whatever else it sends", () => {
    const { server, client } = stalled({}, HELLO, frame(FrameType.Headers, 1, 1, block(...getLines())));
    for (let i = 0; i < 9; i++) {
      server.pass(1000);
      client.send(frame(FrameType.Continuation, 0, 1, ""));
    }
    expect(client.ends).toEqual([]);
    server.pass(1000);
    expect(client.ends).toEqual([CALM]);
  });

  test("within a frame is cut, and one that is always within the next frame is not", () => {
    const { server, client } = stalled({}, HELLO, ping().slice(0, 12));
    for (let i = 0; i < 15; i++) {
      server.pass(1000);
      client.send(ping().slice(12) + ping().slice(0, 12));
    }
    expect(client.ends).toEqual([]);
    server.pass(10_000);
    expect(client.ends).toEqual([CALM]);
  });

  test("with its content gets 408, and other streams go on", () => {
    const { server, client } = stalled({}, HELLO, post(1), data(1, "abc"), post(3));
    for (let i = 0; i < 29; i++) {
      server.pass(1000);
      client.send(data(3, "x".repeat(i === 0 ? 2200 : 1100)));
    }
    server.pass(1000);
    expect(client.stream(1).status).toBe(408);
    expect(client.stream(3).status).toBe(0);
    server.pass(2000);
    expect(client.stream(1).reset).toBe("NO_ERROR");
  });

  test("with its content loses the connection too if it has no other request", () => {
    const { server, client } = stalled({}, HELLO, post(1), data(1, "abc"));
    server.pass(30_000);
    expect([client.stream(1).status, client.ends]).toEqual([408, []]);
    server.pass(6000);
    expect([client.stream(1).reset, client.ends]).toEqual(["NO_ERROR", ["NO_ERROR"]]);
    expect(client.transport.finSent).toBe(true);
  });

  test("with the window of one stream loses it, and keeps the connection", () => {
    const { server, client } = stalled({}, PREFACE + settings([4, 10]) + SETTINGS_ACK, get(1));
    server.handler.respond = () => respondWith(200, "ok");
    server.pass(20_000);
    client.send(get(3));
    expect(client.stream(3).status).toBe(200);
    client.send(post(5));
    server.pass(9000);
    client.send(data(5, "x".repeat(9000)));
    server.pass(1000);
    expect(client.stream(1).reset).toBe(CALM);
    expect(client.ends).toEqual([]);
    expect(server.pool.active).toBe(0);
  });

  test("with every window loses the connection", () => {
    const { server, client } = stalled({ threads: 200 }, PREFACE + settings([4, 0]) + SETTINGS_ACK);
    for (let i = 0; i < 100; i++) client.send(get(2 * i + 1));
    server.pass(30_000);
    expect(client.ends).toEqual([CALM]);
    expect(client.transport.finSent).toBe(true);
    expect(server.pool.active).toBe(0);
    expect(server.peerUsed).toBe(0);
  });

  test("with every window, and replaces its streams, loses the connection", () => {
    const { server, client } = stalled({}, PREFACE + settings([4, 0]) + SETTINGS_ACK, get(1));
    for (let i = 1; i < 30; i++) {
      server.pass(1000);
      client.send(rst(2 * i - 1));
      client.send(get(2 * i + 1));
    }
    expect(client.ends).toEqual([]);
    server.pass(1000);
    expect(client.ends).toEqual([CALM]);
    expect(server.pool.active).toBe(0);
  });

  test("with every window, replaces its streams and reads single bytes, loses the connection", () => {
    const { server, client } = stalled({}, PREFACE + settings([4, 1]) + SETTINGS_ACK, get(1));
    for (let i = 1; i < 32; i++) {
      server.pass(1000);
      client.send(rst(2 * i - 1));
      client.send(get(2 * i + 1));
    }
    expect(client.ends).toEqual([CALM]);
  });

  test("with the windows of new streams while we reset the old ones loses the connection", () => {
    const { server, client } = stalled({}, PREFACE + settings([4, 0]) + SETTINGS_ACK, get(1));
    for (let i = 1; i < 59; i++) {
      server.pass(1000);
      client.send(get(2 * i + 1));
    }
    expect(client.stream(1).reset).toBe(CALM);
    expect(client.ends).toEqual([]);
    server.pass(3000);
    expect(client.ends).toEqual([CALM]);
  });

  test("with one window, gives up and asks again, and reads other responses, stays", () => {
    const { server, client } = stalled({}, PREFACE + settings([4, 0]) + SETTINGS_ACK, get(1));
    for (let i = 1; i < 60; i++) {
      server.pass(1000);
      client.send(rst(4 * i - 3));
      client.send(get(4 * i + 1));
      client.send(get(4 * i + 3));
      client.send(windowUpdate(4 * i + 3, 2000) + windowUpdate(0, 2000));
      client.send(rst(4 * i + 3));
    }
    expect(client.log.goAways).toEqual([]);
  });

  test("with the window of the connection is cut", () => {
    const { server, client } = stalled({}, HELLO, get(1), get(3));
    server.pass(30_000);
    expect(client.ends).toEqual([CALM]);
    expect(client.transport.finSent).toBe(true);
    client.connection.ended();
    expect(server.observer.closeReasons).toEqual(["send timeout"]);
    expect(server.pool.active).toBe(0);
  });

  test("with the window of the connection is cut, also while it pings", () => {
    const { server, client } = stalled({}, HELLO, get(1));
    for (let i = 0; i < 29; i++) {
      client.send(ping().repeat(90));
      server.pass(1000);
    }
    expect(client.ends).toEqual([]);
    server.pass(1000);
    expect(client.ends).toEqual([CALM]);
  });

  test("with a kernel that is full is cut", () => {
    const server = new FakeHttp2Server();
    const source = new FakeSource(1_000_000);
    server.handler.respond = () => respondWith(200, source);
    const client = connected(server);
    client.transport.room = 100;
    client.send(get(1));
    server.pass(30_000);
    expect(client.transport.wasReset).toBe(true);
    expect(source.closes).toBe(1);
    expect(server.pool.active).toBe(0);
  });

  test("and reads a little all the time stays", () => {
    const { server, client } = stalled({}, HELLO, get(1));
    for (let i = 0; i < 60; i++) {
      server.pass(1000);
      client.send(windowUpdate(1, 2000) + windowUpdate(0, 2000));
    }
    expect(client.ends).toEqual([]);
    expect(client.stream(1).body.length).toBe(65_535 + 120_000);
  });

  test("for live content has no deadline", () => {
    const server = new FakeHttp2Server();
    const source = new FakeLiveSource();
    server.handler.respond = () => respondWith(200, source);
    const client = connected(server).send(get(1));
    server.pass(120_000);
    source.add("late");
    server.runDeferred();
    expect(client.stream(1).body).toBe("late");
  });

  test("in the queue gets 503, also if it waits in its own connection", () => {
    const server = new FakeHttp2Server({ threads: 1 });
    server.handler.respond = () => new Promise(() => {});
    const client = connected(server).send(get(1), get(3), get(5));
    server.pass(30_000);
    expect([client.stream(3).status, client.stream(5).status]).toEqual([503, 503]);
    expect(server.pool.queued).toBe(0);
  });

  test("for a slot has it if one that stalls loses it at the same moment", () => {
    const server = new FakeHttp2Server({ threads: 1 });
    const sources: FakeSource[] = [];
    server.handler.respond = () => {
      sources.push(new FakeSource(100_000));
      return respondWith(200, sources.at(-1) as FakeSource);
    };
    const client = connected(server, PREFACE + settings([4, 0]) + SETTINGS_ACK).send(get(1), get(3));
    server.pass(30_000);
    expect([client.stream(1).reset, client.stream(3).status]).toEqual([CALM, 200]);
    client.connection.terminate();
    expect([sources.map(({ closes }) => closes), server.pool.active]).toEqual([[1, 1], 0]);
  });

  test("for a slot counts as queued, also if it waits in its own connection", () => {
    const server = new FakeHttp2Server({ threads: 1 });
    server.handler.respond = () => new Promise(() => {});
    connected(server).send(get(1));
    const client = connected(server).send(get(1), get(3), get(5), get(7));
    expect([server.pool.queued, server.pool.queuedInAll]).toEqual([1, 4]);
    client.send(rst(5));
    expect(server.pool.queuedInAll).toBe(3);
    client.send(rst(1));
    expect([server.pool.queued, server.pool.queuedInAll]).toEqual([1, 2]);
    client.connection.terminate();
    expect([server.pool.queued, server.pool.queuedInAll]).toEqual([0, 0]);
  });

  test("for a slot knows for how long, also if it waits in its own connection", async () => {
    const server = new FakeHttp2Server({ threads: 1 });
    const slow = Promise.withResolvers<Response>();
    server.handler.respond = ({ target }) => (target.path === "/slow" ? slow.promise : respondWith(200, "ok"));
    connected(server).send(get(1, "/slow"));
    const client = connected(server).send(get(1), get(3));
    server.pass(2000);
    client.send(get(5));
    server.pass(1000);
    slow.resolve(respondWith(200, "late"));
    await turns();
    expect(client.see().log.streams.size).toBe(3);
    expect(server.observer.lines.map(({ queuedMs }) => queuedMs)).toEqual([0, 3000, 3000, 1000]);
    expect(server.pool.queuedInAll).toBe(0);
  });

  test("for a slot gets the one of a stream whose peer reads nothing", () => {
    const server = new FakeHttp2Server({ threads: 1, lenders: 5 });
    server.handler.respond = ({ target }) =>
      respondWith(200, target.path === "/large" ? new FakeSource(200_000) : "ok");
    const slow = connected(server).send(get(1, "/large"));
    const quick = connected(server).send(get(1));
    expect(quick.stream(1).status).toBe(0);
    server.pass(3000);
    server.pool.relieve(server.clock.nowMs);
    expect(quick.see().stream(1).status).toBe(200);
    slow.send(windowUpdate(0, 200_000) + windowUpdate(1, 200_000));
    expect(slow.stream(1).isEnded).toBe(true);
    expect(server.pool.active).toBe(0);
  });

  test("for a slot gets the one of a stream whose peer reads single bytes", () => {
    const server = new FakeHttp2Server({ threads: 1, lenders: 5 });
    server.handler.respond = ({ target }) =>
      respondWith(200, target.path === "/large" ? new FakeSource(200_000) : "ok");
    const slow = connected(server, PREFACE + settings([4, 1]) + SETTINGS_ACK).send(get(1, "/large"));
    const quick = connected(server).send(get(1));
    for (let i = 0; i < 3; i++) {
      server.pass(1000);
      slow.send(windowUpdate(1, 1));
      server.pool.relieve(server.clock.nowMs);
    }
    expect(slow.stream(1).body).toBe("abcd");
    expect(quick.see().stream(1).status).toBe(200);
  });
});

test("memory that a connection holds is counted, and the largest is cut", () => {
  const server = new FakeHttp2Server({ peerMemoryBytes: 600_000 });
  server.handler.admit = () => ({
    ...collecting(0),
    content: { sink: { write: () => false, ended() {}, failed() {}, whenReady() {} } },
  });
  server.handler.respond = () => new Promise(() => {});
  const small = connected(server).send(post(1), data(1, "x".repeat(10_000)));
  const large = connected(server).send(post(1), ...Array.from({ length: 50 }, () => data(1, "x".repeat(16_000))));
  server.runDeferred();
  expect(large.transport.wasReset).toBe(true);
  expect(small.transport.wasReset).toBe(false);
  expect(server.peerUsed).toBeLessThan(20_000);
});
