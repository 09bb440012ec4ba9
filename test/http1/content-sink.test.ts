/** Content that goes to a sink while the handler works: the slot, the back-pressure, and one end of each content. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ADMITTED, CERTAIN, type ContentSink, type Response } from "../../src/http/message.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { type FakeClient, FakeServer, get, respondWith, type ServerOptions } from "../support/conversation.ts";

/** Takes as many pieces as a test lets it, and remembers everything. */
class FakeSink implements ContentSink {
  text = "";
  /** Pieces that it still takes before it says no. */
  room = Number.POSITIVE_INFINITY;
  /** `ended` or the reason of `failed`, each time. */
  readonly ends: string[] = [];
  waits = 0;
  #resume: (() => void) | null = null;
  #isReady = true;

  write(bytes: Uint8Array): boolean {
    if (!this.#isReady) throw new Error("written before it was ready");
    if (this.ends.length > 0) throw new Error("written after its end");
    if (bytes.length === 0) throw new Error("nothing was written");
    this.text += textOf(bytes);
    this.room--;
    this.#isReady = this.room > 0;
    return this.#isReady;
  }

  ended(): void {
    this.ends.push("ended");
  }

  failed(reason: string): void {
    this.ends.push(reason);
  }

  whenReady(resume: () => void): void {
    if (this.#isReady) throw new Error("it is ready");
    this.waits++;
    this.#resume = resume;
  }

  /** Takes `pieces` more. */
  ready(pieces = Number.POSITIVE_INFINITY): void {
    this.room = pieces;
    this.#isReady = true;
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }
}

/** A server whose uploads go to sinks, and are answered when a test settles them. */
class SinkServer extends FakeServer {
  readonly sinks: FakeSink[] = [];
  readonly settle: ((response: Response) => void)[] = [];

  constructor(options: ServerOptions = {}, room = Number.POSITIVE_INFINITY) {
    super(options);
    this.handler.admit = ({ head }) => {
      if (head.methodText !== "POST") return ADMITTED;
      const sink = new FakeSink();
      sink.room = room;
      this.sinks.push(sink);
      return { ...ADMITTED, content: { sink } };
    };
    this.handler.respond = (request) => {
      if (request.head.methodText !== "POST") return respondWith(200, request.target.path);
      return new Promise((resolve) => this.settle.push(resolve));
    };
  }

  get sink(): FakeSink {
    return this.sinks[0] as FakeSink;
  }

  /** The handler of upload `index` has its response. */
  async answer(response: Response, index = 0): Promise<void> {
    this.settle[index]?.(response);
    await new Promise(setImmediate);
  }
}

const POST = "POST /up HTTP/1.1\r\nHost: localhost\r\n";
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;
const sized = (length: number, fields = "") => `${POST}${fields}Content-Length: ${length}\r\n\r\n`;
const made = () => respondWith(201, "made");

describe("content for a sink", () => {
  test("takes its slot before it comes, and goes on piece by piece while the handler works", async () => {
    const server = new SinkServer();
    const client = server.connect().send(sized(6));
    expect([server.pool.active, server.settle.length]).toEqual([1, 1]);
    for (const [piece, text] of [
      ["on", "on"],
      ["et", "onet"],
    ] as const) {
      client.send(piece);
      expect([server.sink.text, server.sink.ends]).toEqual([text, []]);
    }
    client.send("wo");
    expect([server.sink.text, server.sink.ends]).toEqual(["onetwo", ["ended"]]);
    expect(client.statuses).toEqual([]);
    await server.answer(made());
    expect([client.statuses, server.pool.active, server.sink.ends]).toEqual([[201], 0, ["ended"]]);
  });

  test("that came with its head is there before the response", async () => {
    for (const text of [`${sized(5)}hello`, `${CHUNKED}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n`]) {
      const server = new SinkServer();
      const client = server.connect().send(`${text}${get("/next")}`);
      expect([server.sink.text, server.sink.ends]).toEqual(["hello", ["ended"]]);
      await server.answer(made());
      expect(client.statuses).toEqual([201, 200]);
      expect(client.transport.isClosed || client.transport.finSent).toBe(false);
    }
  });

  test("of no bytes has an end and no piece", async () => {
    for (const text of [sized(0), `${POST}\r\n`, `${CHUNKED}0\r\n\r\n`]) {
      const server = new SinkServer();
      const client = server.connect().send(text);
      expect([server.sink.text, server.sink.ends]).toEqual(["", ["ended"]]);
      await server.answer(made());
      expect(client.statuses).toEqual([201]);
    }
  });

  test("is not told to the sink until an admission that takes time has admitted the request", async () => {
    const server = new SinkServer();
    const { admit } = server.handler;
    const decided = Promise.withResolvers<void>();
    server.handler.admit = (request) => ({ ...CERTAIN, later: () => decided.promise.then(() => admit(request)) });
    const client = server.connect().send(`${sized(11)}hello `);
    expect([server.sinks, server.pool.active]).toEqual([[], 1]);
    decided.resolve();
    await new Promise(setImmediate);
    expect(server.sink.text).toBe("hello ");
    client.send("world");
    expect(server.sink.ends).toEqual(["ended"]);
    await server.answer(made());
    expect(client.statuses).toEqual([201]);
  });

  test("is the same however it is cut", () => {
    const body = "5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nT: x\r\n\r\n";
    fc.assert(
      fc.property(fc.array(fc.nat({ max: body.length }), { maxLength: 8 }), fc.boolean(), (cuts, isSlow) => {
        const server = new SinkServer({}, isSlow ? 1 : undefined);
        const client = server.connect().send(CHUNKED);
        const stops = [...cuts, body.length].sort((a, b) => a - b);
        let from = 0;
        for (const stop of stops) {
          if (stop > from) client.send(body.slice(from, stop));
          from = Math.max(from, stop);
          if (isSlow) server.sink.ready(1);
          server.runDeferred();
        }
        for (let i = 0; i < 3; i++) {
          if (server.sink.ends.length === 0) server.sink.ready(1);
          server.runDeferred();
        }
        expect([server.sink.text, server.sink.ends]).toEqual(["hello world", ["ended"]]);
      }),
    );
  });

  test("waits for a slot without being read, and is invited by 100 (Continue) only then", async () => {
    const server = new SinkServer({ threads: 1 });
    const first = server.connect().send(sized(1));
    const second = server.connect().send(sized(5, "Expect: 100-continue\r\n"));
    expect([second.take(), server.pool.queued, server.settle.length]).toEqual(["", 1, 1]);
    first.send("x");
    await server.answer(made());
    expect([second.take(), server.settle.length]).toEqual(["HTTP/1.1 100 Continue\r\n\r\n", 2]);
    second.send("hello");
    await server.answer(made(), 1);
    expect([server.sinks[1]?.text, second.take().slice(0, 12)]).toEqual(["hello", "HTTP/1.1 201"]);
  });

  test("is not waited for while the peer has not read the invitation, which has a deadline of its own", async () => {
    const server = new SinkServer();
    const client = server.connect();
    client.transport.room = 3;
    client.send(sized(5, "Expect: 100-continue\r\n"));
    server.pass(29_000);
    client.drain();
    expect(client.take()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    server.pass(29_000);
    expect(server.sink.ends).toEqual([]);
    client.send("hello");
    await server.answer(made());
    expect([client.statuses, server.sink.ends]).toEqual([[100, 201], ["ended"]]);
    const deaf = server.connect();
    deaf.transport.room = 3;
    deaf.send(sized(5, "Expect: 100-continue\r\n"));
    server.pass(31_000);
    expect([deaf.transport.wasReset, server.sinks[1]?.ends]).toEqual([true, ["cut"]]);
  });

  test("is not invited, and not taken, where the handler answers at once", () => {
    const server = new SinkServer();
    server.handler.respond = () => respondWith(507, "full");
    const client = server.connect().send(sized(5, "Expect: 100-continue\r\n"));
    expect([client.statuses, server.sink.text, server.sink.ends]).toEqual([[507], "", ["answered"]]);
    expect(client.transport.finSent).toBe(true);
  });

  test("of a request that is turned away is not told to the sink at all", () => {
    const server = new SinkServer({ threads: 1, queue: 0 });
    server.connect().send(sized(1));
    const client = server.connect().send(`${sized(5)}hello`);
    expect([client.statuses, server.sinks[1]?.text, server.sinks[1]?.ends]).toEqual([[503], "", []]);
  });
});

describe("a sink that says no", () => {
  function stalled(): { server: SinkServer; client: FakeClient } {
    const server = new SinkServer({}, 1);
    const client = server.connect().send(`${sized(9)}one`);
    return { server, client };
  }

  test("pauses the peer, and lets it go on when it is ready", async () => {
    const { server, client } = stalled();
    expect([client.transport.isPaused, server.sink.waits]).toEqual([true, 1]);
    // Bytes that were on their way wait.
    client.send("two");
    client.send("thr");
    expect(server.sink.text).toBe("one");
    server.sink.ready();
    expect([server.sink.text, client.transport.isPaused]).toEqual(["one", true]);
    server.runDeferred();
    expect([server.sink.text, client.transport.isPaused]).toEqual(["onetwothr", false]);
    expect(server.sink.ends).toEqual(["ended"]);
    await server.answer(made());
    expect(client.statuses).toEqual([201]);
  });

  test("is asked for each of its waits, and may say no many times", () => {
    const server = new SinkServer({}, 1);
    const client = server.connect().send(CHUNKED);
    for (let i = 0; i < 5; i++) {
      client.send("1\r\nx\r\n");
      expect([client.transport.isPaused, server.sink.waits]).toEqual([true, i + 1]);
      server.sink.ready(1);
      server.runDeferred();
      expect(client.transport.isPaused).toBe(false);
    }
    client.send("0\r\n\r\n");
    expect([server.sink.text, server.sink.ends]).toEqual(["xxxxx", ["ended"]]);
  });

  test("to the last piece is told of the end at once", async () => {
    const server = new SinkServer({}, 1);
    const client = server.connect().send(`${sized(3)}one${get("/next")}`);
    expect([server.sink.ends, client.transport.isPaused]).toEqual([["ended"], false]);
    await server.answer(made());
    expect(client.statuses).toEqual([201, 200]);
    // It is ready for nothing any more.
    server.sink.ready();
    server.runDeferred();
    expect(server.observer.failures).toEqual([]);
  });

  test("has no deadline of the peer's: its wait is ours, and afterwards the peer has a whole window", async () => {
    const { server, client } = stalled();
    server.pass(600_000);
    expect([client.statuses, server.sink.ends, client.transport.isClosed]).toEqual([[], [], false]);
    server.sink.ready();
    server.runDeferred();
    server.pass(29_000);
    expect(server.sink.ends).toEqual([]);
    server.pass(2_000);
    expect(server.sink.ends).toEqual(["timeout"]);
    await server.answer(made());
    expect(client.statuses).toEqual([408]);
  });

  test("reads no FIN as an end as long as bytes wait for it", async () => {
    const { server, client } = stalled();
    client.send("twothr").finish();
    expect([client.statuses, server.sink.ends]).toEqual([[], []]);
    server.sink.ready();
    server.runDeferred();
    expect([server.sink.text, server.sink.ends]).toEqual(["onetwothr", ["ended"]]);
    await server.answer(made());
    expect(client.statuses).toEqual([201]);
  });

  test("may have its response meanwhile, and is then told that nothing comes", async () => {
    const { server, client } = stalled();
    await server.answer(respondWith(507, "full"));
    expect([client.statuses, server.sink.ends]).toEqual([[507], ["answered"]]);
    expect([client.transport.finSent, client.transport.isPaused]).toEqual([true, false]);
    server.sink.ready();
    server.runDeferred();
    expect(server.sink.text).toBe("one");
  });

  test("of an earlier request says nothing to the next one", async () => {
    const server = new SinkServer({}, 1);
    const client = server.connect().send(`${sized(3)}one`);
    await server.answer(made());
    client.send(`${sized(6)}two`);
    expect(client.transport.isPaused).toBe(true);
    server.sinks[0]?.ready();
    server.runDeferred();
    expect([client.transport.isPaused, server.sinks[1]?.text]).toEqual([true, "two"]);
    server.sinks[1]?.ready();
    client.send("end");
    server.runDeferred();
    expect([client.transport.isPaused, server.sinks[1]?.text]).toEqual([false, "twoend"]);
  });
});

describe("content that fails", () => {
  const whole = { "at once": Number.POSITIVE_INFINITY, "while the sink says no": 1 };
  for (const [when, room] of Object.entries(whole)) {
    test(`because the peer leaves, ${when}, is told once, and all is given back when the handler has settled`, async () => {
      const server = new SinkServer({}, room);
      const client = server.connect().send(`${sized(9)}one`);
      client.transport.end();
      expect([server.sink.ends, server.pool.active]).toEqual([["client"], 1]);
      server.sink.ready();
      server.runDeferred();
      await server.answer(made());
      expect([server.sink.text, server.sink.ends, server.pool.active]).toEqual(["one", ["client"], 0]);
      expect([client.statuses, server.observer.failures]).toEqual([[], []]);
    });
  }

  test("because the peer has finished too early is 400, after the handler has settled", async () => {
    const server = new SinkServer();
    const client = server
      .connect()
      .send(`${sized(9)}one`)
      .finish();
    expect([server.sink.ends, client.statuses]).toEqual([["client"], []]);
    await server.answer(made());
    expect([client.statuses, server.sink.ends]).toEqual([[400], ["client"]]);
  });

  test("because its framing is broken is 400, and the handler's own response goes", async () => {
    const server = new SinkServer();
    const client = server.connect().send(`${CHUNKED}3\r\none\r\nno chunk\r\n`);
    expect([server.sink.text, server.sink.ends]).toEqual(["one", ["malformed"]]);
    await server.answer(made());
    expect([client.statuses, client.transport.finSent]).toEqual([[400], true]);
  });

  test("because it comes too slowly is 408", async () => {
    const server = new SinkServer();
    const client = server.connect().send(`${sized(9)}one`);
    server.pass(31_000);
    expect(server.sink.ends).toEqual(["timeout"]);
    await server.answer(respondWith(401, "no"));
    expect(client.statuses).toEqual([408]);
  });

  test("because the server ends, or we fail, is told as a cut", async () => {
    const server = new SinkServer();
    const client = server.connect().send(`${sized(9)}one`);
    client.connection.terminate();
    expect([server.sink.ends, client.transport.wasReset]).toEqual([["cut"], true]);
    await server.answer(made());
    expect(server.pool.active).toBe(0);
  });

  test("because the response came first closes the connection behind it", async () => {
    const server = new SinkServer();
    const client = server.connect().send(`${sized(9)}one`);
    await server.answer(respondWith(507, "full"));
    client.send("two");
    expect([client.statuses, server.sink.text, server.sink.ends]).toEqual([[507], "one", ["answered"]]);
    expect(client.transport.finSent).toBe(true);
  });

  test("is told also if the handler throws", () => {
    const server = new SinkServer();
    server.handler.respond = () => {
      throw new Error("early");
    };
    const client = server.connect().send(`${sized(9)}one`);
    expect([client.statuses, server.sink.ends, server.sink.text]).toEqual([[500], ["answered"], ""]);
  });
});

test("bytes that a sink gets are never changed afterwards", () => {
  const server = new SinkServer();
  const kept: Uint8Array[] = [];
  const client = server.connect().send(sized(8));
  server.sink.write = (bytes) => {
    kept.push(bytes);
    return true;
  };
  for (const piece of ["one", "two", "go"]) client.connection.received(bytesOf(piece));
  expect(kept.map((bytes) => textOf(bytes))).toEqual(["one", "two", "go"]);
});

describe("whatever happens in whatever order", () => {
  const CONTENTS = {
    length: { head: sized(11), body: "hello world" },
    chunked: { head: CHUNKED, body: "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n" },
    broken: { head: CHUNKED, body: "5\r\nhello\r\n6\r\n worldX0\r\n\r\n" },
  } as const;
  const event = fc.oneof(
    fc.record({ send: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ ready: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ passMs: fc.constantFrom(1000, 31_000) }),
    fc.constantFrom("turn", "answer", "refuse", "finish", "leave", "terminate", "other" as const),
  );

  test("a sink gets a beginning of the content and one end, and everything is given back", async () => {
    const runs = fc.tuple(
      fc.constantFrom(...(Object.keys(CONTENTS) as (keyof typeof CONTENTS)[])),
      fc.constantFrom(1, 2, 100),
      fc.array(event, { maxLength: 25 }),
    );
    await fc.assert(
      fc.asyncProperty(runs, async ([kind, room, events]) => {
        const server = new SinkServer({ threads: 1, queue: 1 }, room);
        const { head, body } = CONTENTS[kind];
        const client = server.connect().send(head);
        let sent = 0;
        let hasFinished = false;
        let isAnswered = false;
        const send = (count: number) => {
          if (hasFinished) return;
          const piece = body.slice(sent, sent + count);
          sent += piece.length;
          if (piece !== "") client.send(piece);
        };
        const answer = async (response: Response) => {
          isAnswered = true;
          await server.answer(response);
        };
        for (const happens of events) {
          if (happens === "turn") server.runDeferred();
          else if (happens === "answer") await answer(made());
          else if (happens === "refuse") await answer(respondWith(401, "no"));
          else if (happens === "finish") {
            hasFinished = true;
            if (!client.transport.isClosed) client.finish();
          } else if (happens === "leave") client.transport.end();
          else if (happens === "terminate") client.connection.terminate();
          else if (happens === "other") server.connect().send(get("/other")).transport.end();
          else if ("send" in happens) send(happens.send);
          else if ("ready" in happens) server.sink.ready(happens.ready);
          else server.pass(happens.passMs);
        }
        // Then all goes on to its end.
        for (let i = 0; i < 30; i++) {
          send(5);
          server.sink.ready(1);
          server.runDeferred();
        }
        if (sent < body.length && !client.transport.isClosed) client.finish();
        expect(server.sink.ends).toHaveLength(1);
        expect("hello world").toStartWith(server.sink.text);
        if (server.sink.ends[0] === "ended") expect(server.sink.text).toBe("hello world");
        if (!isAnswered) await answer(made());
        server.runDeferred();
        expect(client.statuses.length).toBeLessThanOrEqual(1);
        if (!client.transport.isClosed) expect(client.statuses).toHaveLength(1);
        client.transport.end();
        expect([server.pool.active, server.pool.queued, server.memory.used]).toEqual([0, 0, 0]);
        expect([server.observer.failures, server.context.scratch.used]).toEqual([[], 0]);
      }),
      { numRuns: 500 },
    );
  });
});
