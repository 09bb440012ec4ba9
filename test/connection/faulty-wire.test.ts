/** What passes of an answer with a fault, to the byte and to the millisecond, and what becomes of the connection. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FaultyWire, GARBAGE, RATE_STEP_MS, RESET_GRACE_MS, type WireTime } from "../../src/connection/faulty-wire.ts";
import { parseFaultField } from "../../src/http/fault.ts";
import type { Response } from "../../src/http/message.ts";
import { ManualClock } from "../../src/server/time-source.ts";
import { textOf } from "../support/bytes.ts";
import {
  type FakeClient,
  FakeServer,
  FakeSource,
  get,
  Outcome,
  respondWith,
  type ServerOptions,
  WALL_MS,
} from "../support/conversation.ts";

/** A server whose requests for `/faulty…` get one fault each, on a clock that is moved by hand. */
class FaultyServer extends FakeServer {
  readonly time = new ManualClock(WALL_MS);
  /** Calls that were ordered, and have neither come nor been cancelled. */
  calls = 0;
  readonly #wireTime: WireTime;
  response: Response | null = null;

  constructor(fault: string, options: ServerOptions = {}) {
    super(options);
    const parsed = parseFaultField(fault);
    if (typeof parsed === "string") throw new Error(parsed);
    this.#wireTime = {
      nowMs: () => this.time.nowMs(),
      after: (ms, call) => {
        this.calls++;
        const cancel = this.time.after(ms, () => {
          this.calls--;
          this.#moveClock();
          call();
        });
        return () => {
          this.calls--;
          cancel();
        };
      },
    };
    this.handler.admit = (request) => {
      if (request.target.path.startsWith("/faulty")) request.fault = parsed;
      if (request.framing.kind !== "none") request.bodyBytesMax = 1000;
      return null;
    };
    this.handler.respond = (request) => this.response ?? respondWith(200, request.target.path);
  }

  connectFaulty(): FakeClient {
    return this.connect((transport) => new FaultyWire(transport, this.#wireTime));
  }

  /** Lets `ms` pass for the wires, and for the conversations' deadlines. */
  advance(ms: number): void {
    this.time.advance(ms);
    this.#moveClock();
    for (const connection of this.connections) connection.tick();
  }

  pardon(): void {
    for (const connection of this.connections) connection.pardon();
    for (const connection of this.connections) connection.release();
  }

  #moveClock(): void {
    this.clock.set(this.time.nowMs(), this.time.wallMs());
  }
}

const REQUEST = get("/faulty");

/** The whole answer to `request`, head and content, from a server without faults. */
function wholeAnswer(request = REQUEST, response: Response | null = null): { head: string; content: string } {
  const server = new FakeServer();
  if (response !== null) server.handler.respond = () => response;
  const text = server.connect().send(request).take();
  const end = text.indexOf("\r\n\r\n") + 4;
  return { head: text.slice(0, end), content: text.slice(end) };
}

const { head: HEAD, content: CONTENT } = wholeAnswer();
const WHOLE = HEAD + CONTENT;

/** What has come, and how the connection stands. */
function seen({ transport }: FakeClient): { sent: string; left: "fin" | "reset" | "open" } {
  return { sent: transport.sent, left: transport.wasReset ? "reset" : transport.finSent ? "fin" : "open" };
}

describe("an answer that is cut", () => {
  const places: readonly [after: string, sent: string][] = [
    [", after=0", HEAD],
    [", after=1", HEAD + CONTENT.slice(0, 1)],
    [", after=6", HEAD + CONTENT.slice(0, 6)],
    [", after=7", WHOLE],
    [", after=1mb", WHOLE],
  ];
  const beforeAll: readonly [after: string, sent: string][] = [["", ""], ...places];

  for (const [after, sent] of [["", HEAD] as const, ...places]) {
    test(`by truncate${after} ends by FIN behind ${sent.length} bytes`, () => {
      const client = new FaultyServer(`fault=truncate${after}`).connectFaulty().send(REQUEST);
      expect(seen(client)).toEqual({ sent, left: "fin" });
    });

    test(`by stall${after} stays open behind ${sent.length} bytes, without an end`, () => {
      const server = new FaultyServer(`fault=stall${after}`);
      const client = server.connectFaulty().send(REQUEST);
      for (let i = 0; i < 10; i++) server.advance(3_600_000);
      expect(seen(client)).toEqual({ sent, left: "open" });
      expect(server.pool.active).toBe(1);
    });
  }

  for (const [after, sent] of beforeAll) {
    test(`by reset${after} is reset behind ${sent.length} bytes, and not before they were read`, () => {
      const server = new FaultyServer(`fault=reset${after}`);
      const client = server.connectFaulty().send(REQUEST);
      server.advance(RESET_GRACE_MS - 1);
      expect(seen(client)).toEqual({ sent, left: "open" });
      server.advance(1);
      expect(seen(client)).toEqual({ sent, left: "reset" });
    });

    test(`by half-close${after} sends FIN behind ${sent.length} bytes, and reads until the peer closes`, () => {
      const server = new FaultyServer(`fault=half-close${after}`);
      const client = server.connectFaulty().send(REQUEST);
      server.advance(3_600_000);
      client.send("more bytes");
      expect(seen(client)).toEqual({ sent, left: "fin" });
      expect(client.transport.isClosed).toBe(false);
      expect(server.pool.active).toBe(0);
      client.finish();
      expect([client.transport.isClosed, client.transport.wasReset]).toEqual([true, false]);
    });

    test(`by garbage${after} goes on behind ${sent.length} bytes with what is always the same, and FIN`, () => {
      const client = new FaultyServer(`fault=garbage${after}`).connectFaulty().send(REQUEST);
      expect(seen(client)).toEqual({ sent: sent + textOf(GARBAGE), left: "fin" });
    });
  }

  test("by empty ends by FIN before its first byte", () => {
    expect(seen(new FaultyServer("fault=empty").connectFaulty().send(REQUEST))).toEqual({ sent: "", left: "fin" });
  });

  test("by hang is nothing, and a peer that leaves gives its slot back", () => {
    const server = new FaultyServer("fault=hang");
    const client = server.connectFaulty().send(REQUEST);
    server.advance(3_600_000);
    expect(seen(client)).toEqual({ sent: "", left: "open" });
    client.finish();
    expect(client.transport.isClosed).toBe(true);
    expect([server.pool.active, server.observer.closeReasons]).toEqual([0, ["client"]]);
  });

  test("is cut at the same byte however little the kernel takes at a time", () => {
    for (const kind of ["truncate", "reset", "garbage", "stall", "half-close"]) {
      const server = new FaultyServer(`fault=${kind}, after=3`);
      const client = server.connectFaulty();
      client.transport.room = 0;
      client.send(REQUEST);
      for (let i = 0; i < 600; i++) client.drain(1);
      server.advance(100);
      const sent = HEAD + CONTENT.slice(0, 3) + (kind === "garbage" ? textOf(GARBAGE) : "");
      const left = kind === "stall" ? "open" : kind === "reset" ? "reset" : "fin";
      expect({ kind, ...seen(client) }).toEqual({ kind, sent, left });
    }
  });

  test("offers its garbage again to a kernel that does not tell of room", () => {
    const server = new FaultyServer("fault=garbage, after=7");
    const client = server.connectFaulty();
    client.transport.room = WHOLE.length + 100;
    client.send(REQUEST);
    expect(seen(client)).toEqual({ sent: WHOLE + textOf(GARBAGE.subarray(0, 100)), left: "open" });
    client.transport.room = 1000;
    server.advance(20);
    expect(seen(client)).toEqual({ sent: WHOLE + textOf(GARBAGE), left: "fin" });
  });

  test("may be a file of many slices", () => {
    for (const after of [0, 1, 999, 1000, 1001, 19_999, 20_000]) {
      const source = new FakeSource(50_000);
      const server = new FaultyServer(`fault=truncate, after=${after}`);
      server.response = respondWith(200, source);
      const client = server.connectFaulty().send(REQUEST);
      server.runDeferred();
      const { sent, left } = seen(client);
      expect([sent.length - sent.indexOf("\r\n\r\n") - 4, left, source.closes]).toEqual([after, "fin", 1]);
    }
  });

  test("behind a 100 (Continue) that the kernel takes in pieces is cut at its byte", () => {
    const server = new FaultyServer("fault=truncate, after=2");
    const client = server.connectFaulty();
    client.transport.room = 10;
    client.send("POST /faulty HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    client.drain(5).send("{}").drain();
    expect(seen(client)).toEqual({ sent: `HTTP/1.1 100 Continue\r\n\r\n${HEAD}${CONTENT.slice(0, 2)}`, left: "fin" });
  });

  test("to HEAD, and without content, is cut behind its head at the latest", () => {
    const request = "HEAD /faulty HTTP/1.1\r\nHost: localhost\r\n\r\n";
    expect(seen(new FaultyServer("fault=truncate, after=5").connectFaulty().send(request))).toEqual({
      sent: HEAD,
      left: "fin",
    });
    const server = new FaultyServer("fault=truncate, after=5");
    server.response = respondWith(304, null);
    expect(seen(server.connectFaulty().send(REQUEST)).sent).toBe(wholeAnswer(REQUEST, server.response).head);
  });

  test("to an upload may be lost although it was taken", () => {
    const server = new FaultyServer("fault=empty");
    const bodies: string[] = [];
    server.handler.respond = (request) => {
      bodies.push(textOf(request.body));
      return respondWith(201, "made");
    };
    const client = server
      .connectFaulty()
      .send("POST /faulty HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}");
    expect([bodies, seen(client)]).toEqual([["{}"], { sent: "", left: "fin" }]);
  });

  test("is cut behind the answers before it, and nothing behind it is answered", () => {
    for (const room of [Number.POSITIVE_INFINITY, 10]) {
      const server = new FaultyServer("fault=truncate, after=2");
      const client = server.connectFaulty();
      client.transport.room = room;
      client.send(get("/1") + get("/2") + REQUEST + get("/3"));
      for (let i = 0; i < 100; i++) client.drain(50);
      expect(client.statuses).toEqual([200, 200, 200]);
      expect([seen(client).left, client.transport.sent.endsWith("\r\n\r\n/f")]).toEqual(["fin", true]);
      expect(client.transport.sent).toContain("\r\n\r\n/2HTTP/1.1 200");
    }
  });

  test("that was small enough for one write is told with the bytes that were sent", () => {
    for (const [after, bytes] of [
      ["", 0],
      [", after=0", 0],
      [", after=3", 3],
      [", after=7", 7],
    ] as const) {
      const server = new FaultyServer(`fault=reset${after}`);
      server.connectFaulty().send(get("/1") + REQUEST);
      server.advance(RESET_GRACE_MS);
      expect(server.observer.lines.map((line) => line.bytes)).toEqual([2, bytes]);
    }
  });

  test("is told with its fault and the bytes that were sent, and ends the connection by it", () => {
    const told: readonly [fault: string, kind: string, bytes: number, outcome: Outcome][] = [
      ["fault=truncate, after=2", "truncate", 2, Outcome.Aborted],
      ["fault=truncate, after=7", "truncate", 7, Outcome.Closed],
      ["fault=reset, after=2", "reset", 2, Outcome.Aborted],
      ["fault=garbage, after=2", "garbage", 2, Outcome.Aborted],
      ["fault=half-close, after=2", "half-close", 2, Outcome.Aborted],
    ];
    for (const [fault, kind, bytes, outcome] of told) {
      const server = new FaultyServer(fault, { limits: { sliceBytes: 10 } });
      server.response = respondWith(200, new FakeSource(7));
      const client = server.connectFaulty().send(get("/plain"));
      server.runDeferred();
      server.response = respondWith(200, new FakeSource(7));
      client.send(REQUEST);
      server.advance(RESET_GRACE_MS);
      client.finish();
      const lines = server.observer.lines.map((line) => [line.fault, line.bytes, line.outcome] as const);
      expect(lines).toEqual([
        [null, 7, Outcome.KeptAlive],
        [kind, bytes, outcome],
      ] as never);
      expect(server.observer.closeReasons).toEqual(["fault"]);
      expect(server.observer.faults).toEqual([]);
    }
  });
});

describe("an answer that is slow", () => {
  test("by delay comes at once when its time has come, and the connection persists", () => {
    const server = new FaultyServer("delay=200ms");
    const client = server.connectFaulty().send(REQUEST);
    server.advance(199);
    expect(seen(client)).toEqual({ sent: "", left: "open" });
    server.advance(1);
    expect(seen(client)).toEqual({ sent: WHOLE, left: "open" });
    expect(client.send(get("/next")).statuses).toEqual([200, 200]);
  });

  test("by delay has no deadline, and keeps its slot from those who wait", () => {
    const server = new FaultyServer("delay=1h", { threads: 1, lenders: 10, limits: { queueTimeoutMs: 1_000_000_000 } });
    const client = server.connectFaulty().send(REQUEST);
    const other = server.connectFaulty().send(get("/other"));
    for (let i = 0; i < 59; i++) {
      server.advance(60_000);
      server.pool.relieve(server.clock.nowMs);
    }
    expect([seen(client).left, other.take()]).toEqual(["open", ""]);
    server.advance(60_000);
    expect([client.statuses, other.statuses]).toEqual([[200], [200]]);
  });

  test("by delay holds up those behind it in the pipeline, and none before it", () => {
    const server = new FaultyServer("delay=1s");
    const client = server.connectFaulty().send(get("/1") + REQUEST + get("/2"));
    expect(client.take().endsWith("/1")).toBe(true);
    server.advance(1000);
    expect(client.take()).toMatch(/^HTTP[\s\S]*\/faultyHTTP[\s\S]*\/2$/);
  });

  test("by delay goes wrong afterwards in every other way", () => {
    const cut: readonly [fault: string, sent: string, left: string][] = [
      ["fault=empty", "", "fin"],
      ["fault=reset", "", "reset"],
      ["fault=truncate, after=2", WHOLE.slice(0, HEAD.length + 2), "fin"],
      ["fault=half-close", "", "fin"],
      ["fault=garbage", textOf(GARBAGE), "fin"],
    ];
    for (const [fault, sent, left] of cut) {
      const server = new FaultyServer(`delay=1s, ${fault}`);
      const client = server.connectFaulty().send(REQUEST);
      server.advance(999);
      expect(seen(client)).toEqual({ sent: "", left: "open" });
      server.advance(1 + RESET_GRACE_MS);
      expect({ fault, ...seen(client) } as unknown).toEqual({ fault, sent, left });
    }
  });

  test("by slow-headers has its head spread over the time, and its content with the head's last byte", () => {
    const server = new FaultyServer("fault=slow-headers, duration=2s");
    const client = server.connectFaulty().send(REQUEST);
    for (let ms = 0; ms < 2000; ms += 50) {
      expect(client.transport.sent).toBe(HEAD.slice(0, Math.floor((HEAD.length * ms) / 2000)));
      server.advance(50);
    }
    expect(seen(client)).toEqual({ sent: WHOLE, left: "open" });
  });

  test("by drip has its content in equal pieces, the last at the end of the time", () => {
    const server = new FaultyServer("fault=drip, duration=1s, pieces=3");
    server.response = respondWith(200, "0123456789");
    const client = server.connectFaulty().send(REQUEST);
    const { head } = wholeAnswer(REQUEST, server.response);
    const bytesAt: readonly [ms: number, content: string][] = [
      [0, ""],
      [333, ""],
      [1, "012"],
      [332, "012"],
      [1, "012345"],
      [332, "012345"],
      [1, "0123456789"],
    ];
    for (const [ms, content] of bytesAt) {
      server.advance(ms);
      expect(client.transport.sent).toBe(head + content);
    }
    expect(client.send(get("/next")).statuses).toEqual([200, 200]);
  });

  test("by drip may have more pieces than bytes, and no content at all", () => {
    const server = new FaultyServer("fault=drip, duration=1s, pieces=1000");
    const client = server.connectFaulty().send(REQUEST);
    server.advance(143);
    expect(client.transport.sent).toBe(HEAD + CONTENT.slice(0, 1));
    server.advance(857);
    expect(client.transport.sent).toBe(WHOLE);
    server.response = respondWith(304, null);
    client.take();
    client.send(REQUEST);
    expect(client.take()).toMatch(/^HTTP\/1\.1 304/);
  });

  test("by bandwidth never is ahead of its rate, nor behind it by more than a step", () => {
    const server = new FaultyServer("rate=10000", { limits: { sliceBytes: 300 } });
    server.response = respondWith(200, new FakeSource(5000));
    const client = server.connectFaulty().send(REQUEST);
    const headBytes = wholeAnswer(REQUEST, respondWith(200, "x".repeat(5000))).head.length;
    const neededMs = ((headBytes + 5000) * 1000) / 10_000;
    for (let ms = 0; ms < neededMs; ms++) {
      const fair = ms * 10;
      expect(client.transport.sent.length).toBeLessThanOrEqual(fair);
      expect(client.transport.sent.length).toBeGreaterThanOrEqual(fair - 10 * RATE_STEP_MS - 1);
      server.advance(1);
      server.runDeferred();
    }
    server.advance(1);
    expect(client.transport.sent.length).toBe(headBytes + 5000);
    expect(seen(client).left).toBe("open");
  });

  test("waits for the kernel besides", () => {
    const server = new FaultyServer("fault=drip, duration=1s, pieces=2");
    const client = server.connectFaulty();
    client.transport.room = 10;
    client.send(REQUEST);
    server.advance(10_000);
    expect(client.transport.sent).toBe(WHOLE.slice(0, 10));
    client.drain();
    expect(client.transport.sent).toBe(WHOLE);
  });

  test("passes the same bytes at the same times from any clock", () => {
    // A start that is no whole number, as the machine's are.
    const server = new FaultyServer("fault=drip, duration=700ms, pieces=7");
    server.advance(234.567_891);
    const client = server.connectFaulty().send(REQUEST);
    for (let piece = 0; piece <= 7; piece++) {
      expect(client.transport.sent).toBe(HEAD + CONTENT.slice(0, piece));
      server.advance(100);
    }
  });
});

describe("a peer that finishes", () => {
  const held = [
    "delay=1h",
    "fault=drip, duration=1h",
    "fault=slow-headers, duration=1h",
    "rate=1",
    "delay=1h, fault=truncate",
    "delay=1h, fault=reset-request",
    "delay=1h, fault=hang",
    "fault=stall, after=2",
  ];
  for (const fault of held) {
    test(`while its answer is held has left, and gives the slot back: ${fault}`, () => {
      const server = new FaultyServer(fault, { threads: 1 });
      const client = server.connectFaulty().send(REQUEST);
      server.advance(1000);
      expect(seen(client).left).toBe("open");
      client.finish();
      expect([client.transport.isClosed, server.pool.active, server.calls]).toEqual([true, 0, 0]);
      expect(server.observer.closeReasons).toEqual(["client"]);
    });
  }

  test("gets an answer that is not held to its end", () => {
    for (const fault of ["fault=truncate, after=7", "fault=drip, duration=1s"]) {
      const server = new FaultyServer(fault);
      const client = server.connectFaulty();
      client.transport.room = 10;
      client.send(REQUEST);
      server.advance(1000);
      client.finish();
      expect(seen(client.drain()).sent).toBe(WHOLE);
    }
  });

  test("does not bring a reset forward", () => {
    const server = new FaultyServer("fault=reset, after=2");
    const client = server.connectFaulty().send(REQUEST).finish();
    server.advance(RESET_GRACE_MS - 1);
    expect(seen(client).left).toBe("open");
    server.advance(1);
    expect([seen(client).left, server.observer.closeReasons]).toEqual(["reset", ["fault"]]);
  });
});

describe("an answer with a fault that waits for its reader, and not for its time,", () => {
  const WAITING = { threads: 1, lenders: 10, limits: { sendTimeoutMs: 3000, queueTimeoutMs: 1e9 } };

  for (const fault of [
    "delay=1ms",
    "fault=drip, duration=1ms",
    "rate=1gb",
    "fault=stall, after=100",
    "fault=garbage, after=7",
  ]) {
    test(`has the deadline of every answer, and lends its slot: ${fault}`, () => {
      const server = new FaultyServer(fault, WAITING);
      const client = server.connectFaulty();
      client.transport.room = 10;
      client.send(REQUEST);
      const other = server.connectFaulty().send(get("/other"));
      server.advance(100);
      expect([client.transport.sent.length, other.take()]).toEqual([10, ""]);
      server.advance(1000);
      server.pool.relieve(server.clock.nowMs);
      expect([other.statuses, seen(client).left]).toEqual([[200], "open"]);
      server.advance(2000);
      expect(seen(client).left).toBe("reset");
      expect(server.observer.closeReasons).toEqual(["send timeout"]);
    });
  }

  test("has the deadline although its garbage is offered again and again", () => {
    const server = new FaultyServer("fault=garbage", WAITING);
    const client = server.connectFaulty();
    client.transport.room = 10;
    client.send(REQUEST);
    for (let ms = 0; ms < 3000; ms += 20) server.advance(20);
    expect([seen(client).left, server.observer.closeReasons]).toEqual(["reset", ["send timeout"]]);
  });

  test("has it too behind a pardon", () => {
    const server = new FaultyServer("delay=1h", WAITING);
    const client = server.connectFaulty();
    client.transport.room = 0;
    client.send(REQUEST);
    server.advance(1_800_000);
    expect(seen(client).left).toBe("open");
    server.pardon();
    server.advance(3000);
    expect([seen(client).left, server.observer.closeReasons]).toEqual(["reset", ["send timeout"]]);
  });
});

describe("a request that is reset", () => {
  const upload = "POST /faulty HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n";

  test("at its complete head never comes to the handler", () => {
    const server = new FaultyServer("fault=reset-request");
    server.handler.respond = () => {
      throw new Error("it did");
    };
    const client = server.connectFaulty().send(upload.slice(0, -1));
    expect(seen(client)).toEqual({ sent: "", left: "open" });
    client.send("\n");
    server.advance(RESET_GRACE_MS);
    expect(seen(client)).toEqual({ sent: "", left: "reset" });
    expect(server.observer.closeReasons).toEqual(["fault"]);
    expect(server.observer.lines.map((line) => line.fault)).toEqual(["reset-request"]);
  });

  test("after so many bytes of its content is not reset before them", () => {
    const server = new FaultyServer("fault=reset-request, after=4");
    const client = server.connectFaulty().send(`${upload}123`);
    server.advance(1000);
    expect(seen(client).left).toBe("open");
    client.send("4");
    server.advance(RESET_GRACE_MS);
    expect(seen(client)).toEqual({ sent: "", left: "reset" });
  });

  test("in chunks counts their content", () => {
    const server = new FaultyServer("fault=reset-request, after=4");
    const chunked = "POST /faulty HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    const client = server.connectFaulty().send(`${chunked}3\r\n123\r\n`);
    server.advance(1000);
    expect(seen(client).left).toBe("open");
    client.send("1\r\n4");
    server.advance(RESET_GRACE_MS);
    expect(seen(client).left).toBe("reset");
  });

  test("whose content ends before is reset then", () => {
    const server = new FaultyServer("fault=reset-request, after=100");
    const client = server.connectFaulty().send(`${upload}1234567890`);
    server.advance(RESET_GRACE_MS);
    expect(seen(client)).toEqual({ sent: "", left: "reset" });
  });
});

describe("a pardon", () => {
  test("lets what is delayed or spread go out at once", () => {
    for (const fault of ["delay=1h", "fault=drip, duration=1h", "fault=slow-headers, duration=1h", "rate=1"]) {
      const server = new FaultyServer(fault);
      const client = server.connectFaulty().send(REQUEST);
      server.advance(1000);
      server.pardon();
      expect(seen(client)).toEqual({ sent: WHOLE, left: "open" });
      expect(server.pool.active).toBe(0);
      expect(client.send(get("/next")).statuses).toEqual([200, 200]);
      server.advance(3_600_000);
    }
  });

  test("cuts what hangs by RST, now or behind its delay, and what is half closed", () => {
    for (const fault of [
      "fault=hang",
      "fault=stall, after=2",
      "delay=1h, fault=hang",
      "delay=1h, fault=reset-request",
      "fault=half-close",
      "fault=reset",
    ]) {
      const server = new FaultyServer(fault);
      const client = server.connectFaulty().send(REQUEST);
      server.pardon();
      expect([client.transport.wasReset, client.statuses]).toEqual([
        true,
        fault.startsWith("fault=stall") ? [200] : [],
      ]);
      expect([server.pool.active, server.observer.closeReasons]).toEqual([0, ["fault"]]);
    }
  });

  test("is for answers under way, not for those that come", () => {
    const server = new FaultyServer("fault=hang");
    const client = server.connectFaulty();
    server.pardon();
    expect(seen(client.send(REQUEST)).left).toBe("open");
  });

  test("is for those that wait for a slot or a handler as well", async () => {
    const server = new FaultyServer("fault=hang", { threads: 1 });
    const slow = Promise.withResolvers<Response>();
    server.handler.respond = () => slow.promise;
    const working = server.connectFaulty().send(REQUEST);
    const waiting = server.connectFaulty().send(REQUEST);
    server.pardon();
    slow.resolve(respondWith(200, "/faulty"));
    await Bun.sleep(0);
    expect([seen(working).sent, seen(waiting).sent]).toEqual([WHOLE, WHOLE]);
  });

  test("is for those that get the slot of one that hung", () => {
    const server = new FaultyServer("fault=hang", { threads: 1 });
    const hanging = server.connectFaulty().send(REQUEST);
    const waiting = server.connectFaulty().send(REQUEST);
    server.pardon();
    expect([seen(hanging).left, seen(waiting)]).toEqual(["reset", { sent: WHOLE, left: "open" }]);
    expect(server.pool.active).toBe(0);
  });

  test("is for a request whose content is not complete", () => {
    const server = new FaultyServer("fault=reset-request, after=2");
    const client = server
      .connectFaulty()
      .send("POST /faulty HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n1");
    server.pardon();
    expect(client.send("2").statuses).toEqual([200]);
  });

  test("lets an answer that is not cut yet go out whole", () => {
    const server = new FaultyServer("fault=truncate, after=2");
    const client = server.connectFaulty();
    client.transport.room = 10;
    client.send(REQUEST);
    server.pardon();
    expect(seen(client.drain())).toEqual({ sent: WHOLE, left: "open" });
  });

  test("has nothing to do with connections that are gone", () => {
    const server = new FaultyServer("delay=1s");
    const client = server.connectFaulty().send(REQUEST);
    expect(server.calls).toBe(1);
    client.transport.terminate();
    expect(server.calls).toBe(0);
    server.advance(5000);
    server.pardon();
    expect(seen(client).sent).toBe("");
    expect(server.observer.faults).toEqual([]);
  });
});

describe("whatever the kernel and the clock do", () => {
  type Event = readonly ["room" | "time", number];
  const events = fc.array(
    fc.tuple(fc.constantFrom("room" as const, "time" as const), fc.integer({ min: 0, max: 600 })),
    { maxLength: 40 },
  );

  /** A server with this fault and content of so many bytes, after the events and then for as long as it takes. */
  function outcome(fault: string, bytes: number, inMemory: boolean, happens: readonly Event[]) {
    const server = new FaultyServer(fault, {
      limits: { sliceBytes: 100, keepAliveTimeoutMs: 1e9, sendTimeoutMs: 1e9 },
    });
    const content = "x".repeat(bytes);
    server.handler.respond = () => respondWith(200, inMemory ? content : new FakeSource(bytes));
    const client = server.connectFaulty();
    const steps: { ms: number; sent: number }[] = [];
    client.transport.room = 0;
    client.send(get("/plain") + REQUEST);
    for (const [what, amount] of happens) {
      if (what === "room") client.drain(amount);
      else server.advance(amount);
      server.runDeferred();
      steps.push({ ms: server.time.nowMs(), sent: client.transport.sent.length });
    }
    client.drain();
    for (let i = 0; i < 5; i++) {
      server.runDeferred();
      server.advance(10_000);
    }
    // The head is made when there is room for it.
    const sent = client.transport.sent.replaceAll(/Date: [^\r]*/g, "Date: Sun, 15 Mar 2026 10:30:15 GMT");
    return { sent, left: seen(client).left, steps, faults: server.observer.faults };
  }

  const kinds = ["truncate", "reset", "stall", "half-close", "garbage"];
  test("a cut is at its byte, and what comes then is the same", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.nat(1200),
        fc.nat(1000),
        fc.boolean(),
        fc.nat(300),
        events,
        (kind, after, bytes, inMemory, delayMs, happens) => {
          const fault = `delay=${delayMs}ms, fault=${kind}, after=${after}`;
          const { sent, left, faults } = outcome(fault, bytes, inMemory, happens);
          const calm = outcome(fault, bytes, inMemory, []);
          expect(faults).toEqual([]);
          expect({ sent, left }).toEqual({ sent: calm.sent, left: calm.left });
          const passed = sent.length - textLength(kind) - sent.lastIndexOf("\r\n\r\n") - 4;
          expect(passed).toBe(Math.min(after, bytes));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a rate is never exceeded, and all of it comes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 5000 }),
        fc.nat(1000),
        fc.boolean(),
        events,
        (rate, bytes, inMemory, happens) => {
          const { sent, left, faults, steps } = outcome(`rate=${rate}`, bytes, inMemory, happens);
          const calm = outcome(`rate=${rate}`, bytes, inMemory, []);
          expect(faults).toEqual([]);
          expect({ sent, left }).toEqual({ sent: calm.sent, left: "open" });
          const before = sent.indexOf("HTTP/1.1", 10);
          for (const step of steps) expect(step.sent - before).toBeLessThanOrEqual((step.ms * rate) / 1000 + 1e-3);
        },
      ),
      { numRuns: 40 },
    );
  });

  function textLength(kind: string): number {
    return kind === "garbage" ? GARBAGE.length : 0;
  }
});

test("garbage begins like no answer, and has no line end", () => {
  expect(GARBAGE.length).toBe(256);
  expect(GARBAGE.every((byte) => byte >= 0x80)).toBe(true);
  expect(new Set(GARBAGE).size).toBeGreaterThan(64);
});

test("a fault without a gate changes nothing", () => {
  const server = new FaultyServer("fault=truncate");
  expect(server.connect().send(REQUEST).take()).toBe(WHOLE);
});
