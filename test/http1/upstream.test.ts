/** One request to an upstream, on a fake transport and by a clock that a test moves: both directions, their brakes, and each end. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type {
  ForwardedRequest,
  ForwardedResponse,
  UpstreamCall,
  UpstreamEvents,
  UpstreamFailure,
  UpstreamListener,
} from "../../src/exchange/upstream.ts";
import { EARLY_BYTES_MAX, WAITING_BYTES_MAX } from "../../src/http1/upstream-content.ts";
import { IDLE_CONNECTIONS_MAX, IDLE_MS, UpstreamPool } from "../../src/http1/upstream-pool.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { FakeTransport } from "../support/conversation.ts";

const TIMEOUT_MS = 30_000;

/** The upstream's side of one connection. */
class FakeSocket {
  readonly events: UpstreamEvents;
  readonly transport = new FakeTransport();

  constructor(events: UpstreamEvents) {
    this.events = events;
    this.transport.onClose = () => events.closed();
  }

  open(): this {
    this.events.opened(this.transport);
    return this;
  }

  send(text: string): this {
    this.events.received(bytesOf(text));
    return this;
  }

  /** Takes `bytes` more of the request. */
  take(bytes = Number.POSITIVE_INFINITY): void {
    this.transport.room = bytes;
    this.events.drained();
  }

  get sent(): string {
    return this.transport.sent;
  }
}

class FakeListener implements UpstreamListener {
  response: ForwardedResponse | null = null;
  failure: UpstreamFailure | null = null;
  content = "";
  readonly ends: boolean[] = [];

  answered(response: ForwardedResponse): void {
    if (this.response !== null || this.failure !== null) throw new Error("answered twice");
    this.response = response;
  }

  failed(failure: UpstreamFailure): void {
    if (this.response !== null || this.failure !== null) throw new Error("failed after an answer");
    this.failure = failure;
  }

  received(bytes: Uint8Array): void {
    this.content += textOf(bytes);
  }

  ended(isWhole: boolean): void {
    if (this.response === null) throw new Error("ended without an answer");
    this.ends.push(isWhole);
  }

  /** Reads `limit` bytes of the content from `position`; null if it breaks off there. */
  read(position: number, limit = 1_000_000): string | null {
    const into = new Uint8Array(limit);
    const content = this.response?.content;
    const count = content?.read(position, into, 0, limit) ?? 0;
    return count === 0 && content?.isCut === true ? null : textOf(into.subarray(0, count));
  }
}

class World {
  readonly clock = { nowMs: 0 };
  readonly sockets: FakeSocket[] = [];
  readonly pool = new UpstreamPool({
    clock: this.clock,
    timeoutMs: TIMEOUT_MS,
    connect: (events) => void this.sockets.push(new FakeSocket(events)),
  });

  call(request: Partial<ForwardedRequest> = {}): { call: UpstreamCall; listener: FakeListener } {
    const listener = new FakeListener();
    const whole = {
      method: "GET",
      target: "/x?y=z",
      lines: [["Host", "up.test"]],
      announced: "none",
      ...request,
    } as const;
    const mayRepeat = whole.announced === "none" && whole.method !== "POST";
    const call = this.pool.call({ mayRepeat, ...whole }, listener);
    if (whole.announced === "none") call.ended();
    return { call, listener };
  }

  socket(index = -1): FakeSocket {
    return this.sockets.at(index) as FakeSocket;
  }

  /** Lets `ms` milliseconds pass. */
  pass(ms: number): void {
    this.clock.nowMs += ms;
    this.pool.tick();
  }
}

const GET = "GET /x?y=z HTTP/1.1\r\nHost: up.test\r\n\r\n";
const HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello";
const POST: Partial<ForwardedRequest> = { method: "POST", announced: "unknown" };

/** A request that was answered on a connection which stays. */
function used(world: World): FakeSocket {
  world.call();
  return world.socket().open().send(HELLO);
}

describe("a request to an upstream", () => {
  test("is sent once the connection is open, and its response passed on", () => {
    const world = new World();
    const { listener } = world.call();
    expect(world.socket().sent).toBe("");
    expect(world.socket().open().sent).toBe(GET);
    world.socket().send(HELLO);
    expect(listener.response).toMatchObject({
      status: 200,
      length: 5,
      lines: [
        ["Content-Length", "5"],
        ["X", "y"],
      ],
    });
    expect([listener.read(0), listener.read(5), listener.response?.content?.isOver]).toEqual(["hello", "", true]);
    expect([listener.content, listener.ends]).toEqual(["hello", [true]]);
  });

  test("has the same response however it is cut", () => {
    const bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 6 }), (cuts) => {
        const world = new World();
        const { listener } = world.call();
        world.socket().open();
        const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        for (let i = 1; i < places.length; i++) {
          const piece = bytes.slice(places[i - 1], places[i]);
          if (piece !== "") world.socket().send(piece);
        }
        expect([listener.content, listener.ends, world.socket().transport.isClosed]).toEqual(["hello", [true], false]);
      }),
      { numRuns: 60 },
    );
  });

  test("fails if the connection cannot be opened", () => {
    const world = new World();
    const { listener } = world.call();
    world.socket().events.failed("cannot be reached (ECONNREFUSED)");
    expect(listener.failure).toEqual({ isLate: false, reason: "cannot be reached (ECONNREFUSED)" });
  });

  test("fails if the response breaks the rules, and nothing after it is read", () => {
    const world = new World();
    const { listener } = world.call();
    world.socket().open().send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello");
    expect(listener.failure?.reason).toContain("ContentLengthRepeated (RFC 9112 §6.3)");
    expect(world.socket().transport.wasReset).toBe(true);
    world.socket().send(HELLO);
    expect(listener.response).toBeNull();
  });

  for (const [name, bytes, content] of [
    ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "hello"],
    ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", "hello"],
    ["no more chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "hello"],
  ] as const) {
    test(`has content that breaks off if its upstream leaves within ${name}`, () => {
      const world = new World();
      const { listener } = world.call();
      world.socket().open().send(bytes).events.ended();
      expect([listener.read(0), listener.read(5), listener.response?.content?.isOver]).toEqual([content, null, false]);
      expect(listener.ends).toEqual([false]);
    });
  }

  test("has content that breaks off at a chunk without a size", () => {
    const world = new World();
    const { listener } = world.call();
    world.socket().open().send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").send("zz\r\n");
    expect([listener.read(0), listener.read(5), listener.ends]).toEqual(["hello", null, [false]]);
  });

  test("has content until the close, and it breaks off at a reset", () => {
    for (const isWhole of [true, false]) {
      const world = new World();
      const { listener } = world.call();
      const { events } = world.socket().open().send("HTTP/1.1 200 OK\r\n\r\nhello");
      if (isWhole) events.ended();
      events.closed();
      expect([listener.read(0), listener.read(5), listener.ends]).toEqual(["hello", isWhole ? "" : null, [isWhole]]);
    }
  });

  test("with content is framed as it was announced", () => {
    for (const [announced, framed] of [
      [6, "Content-Length: 6\r\n\r\nonetwo"],
      ["unknown", "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"],
    ] as const) {
      const world = new World();
      const { call, listener } = world.call({ method: "POST", announced });
      world.socket().open();
      for (const piece of ["one", "two"]) expect(call.write(bytesOf(piece))).toBe(true);
      call.ended();
      expect(world.socket().sent).toBe(`POST /x?y=z HTTP/1.1\r\nHost: up.test\r\n${framed}`);
      world.socket().send(HELLO);
      expect(listener.response?.status).toBe(200);
    }
  });

  test("says no to content while the upstream takes nothing", async () => {
    const world = new World();
    const { call } = world.call(POST);
    world.socket().open();
    world.socket().transport.room = 2;
    expect(call.write(bytesOf("hello"))).toBe(false);
    let isReady = false;
    call.whenReady(() => {
      isReady = true;
    });
    world.socket().take(3);
    expect(isReady).toBe(false);
    world.socket().take();
    expect([isReady, world.socket().sent.endsWith("5\r\nhello\r\n")]).toEqual([true, true]);
  });

  test("keeps an early response until its content is sent, unless that is a refusal", () => {
    for (const status of [200, 299, 300, 413]) {
      const world = new World();
      const { call, listener } = world.call(POST);
      world.socket().open();
      call.write(bytesOf("one"));
      world.socket().send(`HTTP/1.1 ${status} X\r\nContent-Length: 2\r\n\r\nhi`);
      expect(listener.response?.status ?? null).toBe(status < 300 ? null : status);
      if (status >= 300) call.failed("answered");
      else call.ended();
      expect([listener.response?.status, listener.ends]).toEqual([status, [true]]);
      // The rest of a refused request was not sent, so nothing may follow it.
      expect(world.socket().transport.isClosed).toBe(status >= 300);
    }
  });

  test("passes an early response on when it finds no more room", () => {
    const world = new World();
    const { call, listener } = world.call(POST);
    world.socket().open();
    call.write(bytesOf("one"));
    world.socket().send(`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(EARLY_BYTES_MAX)}`);
    expect(listener.response).toBeNull();
    world.socket().send("x");
    expect(listener.response?.status).toBe(200);
  });

  test("passes an early response on when the upstream leaves", () => {
    const world = new World();
    const { call, listener } = world.call(POST);
    world.socket().open();
    call.write(bytesOf("one"));
    world.socket().send(HELLO).events.ended();
    expect([listener.response?.status, listener.ends, call.write(bytesOf("two"))]).toEqual([200, [true], true]);
  });

  test("is cut if its content breaks off", () => {
    const world = new World();
    const { call, listener } = world.call(POST);
    world.socket().open();
    call.write(bytesOf("one"));
    call.failed("client");
    expect([world.socket().transport.wasReset, listener.failure?.isLate]).toEqual([true, false]);
  });

  test("is cut if the client closes the content", () => {
    const world = new World();
    const { listener } = world.call();
    world.socket().open().send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
    listener.response?.content?.close();
    expect([world.socket().transport.wasReset, listener.ends]).toEqual([true, [false]]);
  });
});

describe("a slow client", () => {
  test("pauses the upstream, which goes on when half is read", () => {
    const world = new World();
    const { listener } = world.call();
    const { transport } = world.socket().open().send("HTTP/1.1 200 OK\r\n\r\n");
    world.socket().send("x".repeat(WAITING_BYTES_MAX));
    expect(transport.isPaused).toBe(false);
    world.socket().send("x");
    expect(transport.isPaused).toBe(true);
    listener.read(0, WAITING_BYTES_MAX);
    expect(transport.isPaused).toBe(true);
    listener.read(WAITING_BYTES_MAX);
    expect(transport.isPaused).toBe(false);
  });

  test("has no deadline, and its upstream gets a whole one afterwards", () => {
    const world = new World();
    const { listener } = world.call();
    world
      .socket()
      .open()
      .send(`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(WAITING_BYTES_MAX + 1)}`);
    world.pass(10 * TIMEOUT_MS);
    expect(listener.ends).toEqual([]);
    listener.read(0);
    listener.read(WAITING_BYTES_MAX + 1);
    world.pass(TIMEOUT_MS - 1);
    expect(listener.ends).toEqual([]);
    world.pass(1);
    expect([listener.ends, listener.read(WAITING_BYTES_MAX + 1)]).toEqual([[false], null]);
  });

  test("does not keep the connection from the next request", () => {
    const world = new World();
    world.call();
    const socket = world.socket().open();
    socket.send(
      `HTTP/1.1 200 OK\r\nContent-Length: ${WAITING_BYTES_MAX + 2}\r\n\r\n${"x".repeat(WAITING_BYTES_MAX + 1)}`,
    );
    expect(socket.transport.isPaused).toBe(true);
    socket.send("x");
    expect(socket.transport.isPaused).toBe(false);
    const { listener } = world.call();
    expect([world.sockets.length, socket.send(HELLO), listener.content]).toEqual([1, socket, "hello"]);
  });
});

describe("an upstream that is late", () => {
  test("cannot be reached in time", () => {
    const world = new World();
    const { listener } = world.call();
    world.pass(TIMEOUT_MS);
    expect(listener.failure).toEqual({ isLate: true, reason: "cannot be reached in time" });
    // A connection that opens afterwards is closed.
    expect(world.socket().open().transport.wasReset).toBe(true);
  });

  test("sends nothing, or takes nothing", () => {
    for (const announced of ["none", "unknown"] as const) {
      const world = new World();
      const { call, listener } = world.call({ announced });
      world.socket().open();
      world.socket().transport.room = 0;
      call.write(bytesOf("hello"));
      world.pass(TIMEOUT_MS - 1);
      expect(listener.failure).toBeNull();
      world.pass(1);
      expect(listener.failure).toEqual({ isLate: true, reason: "is silent" });
    }
  });

  test("drips its head: a complete interim response gives it more time, and further bytes do not", () => {
    const world = new World();
    const { listener } = world.call();
    const socket = world.socket().open();
    world.pass(TIMEOUT_MS - 1);
    socket.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n");
    world.pass(TIMEOUT_MS - 1);
    socket.send("X: a");
    expect(listener.failure).toBeNull();
    world.pass(1);
    expect(listener.failure?.isLate).toBe(true);
  });

  test("has no deadline while the client owes content", () => {
    const world = new World();
    const { call, listener } = world.call(POST);
    world.socket().open();
    world.pass(10 * TIMEOUT_MS);
    expect(listener.failure).toBeNull();
    call.ended();
    world.pass(TIMEOUT_MS);
    expect(listener.failure?.isLate).toBe(true);
  });

  test("gets a short time for a client that may have left, and none for one that has", () => {
    const world = new World();
    const { call, listener } = world.call();
    world.socket().open();
    call.hurry(1000);
    world.pass(999);
    expect(listener.failure).toBeNull();
    call.hurry(1000);
    world.pass(0);
    expect(listener.failure?.isLate).toBe(true);
  });
});

describe("a connection to an upstream", () => {
  test("is used again by a request that may be sent twice, and by no other", () => {
    const world = new World();
    used(world);
    const { listener } = world.call({ method: "POST" });
    expect(world.sockets.length).toBe(2);
    world.socket().open().send(HELLO);
    expect(listener.content).toBe("hello");
    world.call();
    world.call();
    expect(world.sockets.length).toBe(2);
  });

  test("that was closed at its second use is replaced once", () => {
    const world = new World();
    used(world);
    const { listener } = world.call();
    world.socket(0).events.closed();
    expect([world.sockets.length, listener.failure]).toEqual([2, null]);
    world.socket(1).open().send(HELLO);
    expect([world.socket(1).sent, listener.content]).toEqual([GET, "hello"]);
    // The second is a new one, so its close is final.
    const second = world.call();
    world.socket(1).events.closed();
    world.socket(2).open().events.closed();
    expect(second.listener.failure).toEqual({ isLate: false, reason: "closed the connection" });
    expect(world.sockets.length).toBe(3);
  });

  test("that was idle is used by a request that its sender repeats, who is told if it was closed", () => {
    const world = new World();
    used(world);
    const { call, listener } = world.call({ method: "PUT", announced: 5, mayReuse: true });
    call.write(bytesOf("hello"));
    call.ended();
    expect(world.sockets.length).toBe(1);
    world.socket(0).events.closed();
    expect(listener.failure).toEqual({ isLate: false, reason: "closed the connection", isStale: true });
    // On a new connection, a close is a failure of the upstream.
    const second = world.call({ method: "PUT", announced: 0, mayReuse: true });
    second.call.ended();
    world.socket(1).open().events.closed();
    expect(second.listener.failure).toEqual({ isLate: false, reason: "closed the connection" });
  });

  test("that has sent a byte of the response is not replaced", () => {
    const world = new World();
    used(world);
    const { listener } = world.call();
    world.socket().send("H").events.closed();
    expect([world.sockets.length, listener.failure?.reason]).toEqual([1, "broke its response off"]);
  });

  for (const [name, bytes] of [
    ["bytes after its response", `${HELLO}HTTP/1.1 200 OK\r\n`],
    ["a response that is the last", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"],
    ["a response of HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
  ] as const) {
    test(`with ${name} is not used again`, () => {
      const world = new World();
      const { listener } = world.call();
      world.socket().open().send(bytes);
      const { isClosed, wasReset } = world.socket().transport;
      expect([listener.content, listener.ends, isClosed]).toEqual(["hello", [true], true]);
      // Only bytes that nothing has asked for are a reason to cut.
      expect(wasReset).toBe(bytes.startsWith(HELLO));
      world.call();
      expect(world.sockets.length).toBe(2);
    });
  }

  test("with a second response behind an early one is not used again, though its request is sent to the end", () => {
    const world = new World();
    const { call, listener } = world.call(POST);
    world.socket().open();
    call.write(bytesOf("one"));
    world.socket().send(HELLO).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    call.ended();
    expect([listener.content, listener.ends, world.socket().transport.isClosed]).toEqual(["hello", [true], true]);
    world.call();
    expect(world.sockets.length).toBe(2);
  });

  test("is cut if a response comes that nothing has asked for", () => {
    const world = new World();
    const socket = used(world).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    expect(socket.transport.wasReset).toBe(true);
    const { listener } = world.call();
    world.socket().open().send(HELLO);
    expect(listener.content).toBe("hello");
  });

  test("is closed when it was idle for too long, when there are too many, and at the end", () => {
    const world = new World();
    used(world);
    world.pass(IDLE_MS - 1);
    expect(world.socket().transport.isClosed).toBe(false);
    world.pass(1);
    expect(world.socket().transport.isClosed).toBe(true);
    for (let i = 0; i <= IDLE_CONNECTIONS_MAX; i++) world.call();
    for (const socket of world.sockets.slice(1)) socket.open();
    for (const socket of world.sockets.slice(1)) socket.send(HELLO);
    const open = () => world.sockets.filter(({ transport }) => !transport.isClosed).length;
    expect(open()).toBe(IDLE_CONNECTIONS_MAX);
    world.call();
    world.pool.end();
    expect(open()).toBe(1);
    world.sockets.find(({ transport }) => !transport.isClosed)?.send(HELLO);
    expect(open()).toBe(0);
  });
});

test("an idle connection that its upstream closes is not used again", () => {
  const world = new World();
  const socket = used(world);
  socket.events.ended();
  world.call();
  expect([world.sockets.length, socket.transport.isClosed]).toEqual([2, true]);
});

test("the silence of an upstream is counted from its request on, also where the kernel takes nothing of it", () => {
  const world = new World();
  const socket = used(world);
  world.pass(3000);
  socket.transport.room = 0;
  const { listener } = world.call();
  world.pass(TIMEOUT_MS - 1);
  expect(listener.failure).toBeNull();
  world.pass(1);
  expect(listener.failure?.isLate).toBe(true);
});

test("content behind the end of a request is not sent", () => {
  const world = new World();
  const { call } = world.call({ method: "POST", announced: 3 });
  world.socket().open();
  call.write(bytesOf("abc"));
  call.ended();
  expect([call.write(bytesOf("def")), world.socket().sent.endsWith("abc")]).toEqual([true, true]);
});

test("a connection that is reached or opened after its request has failed is cut at once", () => {
  for (const name of ["reached", "opened"] as const) {
    const world = new World();
    world.call();
    world.pass(TIMEOUT_MS);
    const socket = world.socket();
    socket.events[name](socket.transport);
    expect([socket.transport.wasReset, socket.sent]).toEqual([true, ""]);
  }
});
