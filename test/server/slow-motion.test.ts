/** One request in slow motion: which request is watched, the times of its steps, and that nothing is watched without a page. */
import { describe, expect, test } from "bun:test";
import { EventStream } from "../../src/handlers/endpoints/event-stream.ts";
import type { StepsView } from "../../src/handlers/endpoints/status.ts";
import type { Response } from "../../src/http/message.ts";
import { SlowMotion } from "../../src/server/slow-motion.ts";
import { StepStreams } from "../../src/server/step-streams.ts";
import { ManualClock } from "../../src/server/time-source.ts";
import { textOf } from "../support/bytes.ts";
import { CONTROL, collecting, FakeLiveSource, FakeServer, get, respondWith, WALL_MS } from "../support/conversation.ts";
import { CountingClock } from "../support/counting-clock.ts";
import { FakeHttp2Server, get as getStream, HELLO } from "../support/http2.ts";
import { turns, until } from "../support/waiting.ts";

const MICROSECOND = 0.001;

/** Has a server be watched whose handler takes 30 µs to admit a request, and 500 µs to respond. */
function watch<Server extends FakeServer>(server: Server) {
  const time = new ManualClock(WALL_MS);
  const seen: StepsView[] = [];
  const { observer } = server.context;
  observer.steps = new SlowMotion(time, (view) => seen.push(view));
  const pass = (us: number) => {
    time.advance(us * MICROSECOND);
    server.clock.set(time.nowMs(), time.wallMs());
  };
  const { admit } = server.handler;
  server.handler.admit = (request) => {
    time.advance(30 * MICROSECOND);
    return admit.call(server.handler, request);
  };
  server.handler.respond = () => {
    time.advance(500 * MICROSECOND);
    return respondWith(200, "hello");
  };
  return { server, time, seen, observer, pass };
}

function stepsOf(view: StepsView | undefined): string {
  return view?.steps.map(({ name, us }) => `${name} ${us}`).join(", ") ?? "";
}

describe("the watched request", () => {
  test("has the microseconds of each step, its slot and its response", () => {
    const { server, seen, pass, observer } = watch(new FakeServer());
    observer.steps?.opened(1);
    pass(2000);
    server.connect().send(get("/a"));
    expect(seen).toHaveLength(1);
    expect(stepsOf(seen[0])).toBe("accept 2000, parse 0, admit 30, slot 0, handler 500, send 0");
    expect(seen[0]).toMatchObject({
      request: "GET /a HTTP/1.1",
      protocol: "1.1",
      stream: 0,
      slot: 1,
      status: 200,
      bytes: 5,
    });
    expect(seen[0]).toMatchObject({ fault: null, isAborted: false });
  });

  test("gives way, if it is never reported", () => {
    const { time, seen, observer } = watch(new FakeServer());
    observer.steps?.arrived(7, 1, time.nowMs())?.dropped();
    expect([seen.length, observer.steps?.arrived(7, 2, time.nowMs()) !== null]).toEqual([0, true]);
    expect(observer.steps?.arrived(8, 1, time.nowMs())).toBeNull();
  });

  test("waits for its content and then for its slot, and each has a time", async () => {
    const server = new FakeServer({ threads: 1 });
    const { promise, resolve } = Promise.withResolvers<Response>();
    server.handler.respond = () => promise;
    server.connect().send(get("/busy"));
    const { seen, pass } = watch(server);
    server.handler.admit = () => collecting(100);
    const client = server.connect().send("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n1");
    pass(700);
    client.send("2");
    pass(40);
    resolve(respondWith(200, "over"));
    await turns(2);
    expect(stepsOf(seen[0])).toBe("parse 0, admit 0, content 700, slot 40, handler 500, send 0");
  });

  test("is one a second: others pass unseen, and so do requests of the page itself", () => {
    const { server, seen, pass } = watch(new FakeServer());
    const client = server.connect();
    client.send(get("/1")).send(get("/2"));
    pass(999_000);
    client.send(get("/3"));
    pass(1000);
    const { admit } = server.handler;
    server.handler.admit = () => CONTROL;
    const { respond } = server.handler;
    server.handler.respond = () => respondWith(200, new FakeLiveSource());
    server.connect().send(get("/__server/steps"));
    Object.assign(server.handler, { admit, respond });
    client.send(get("/4"));
    expect(seen.map(({ request }) => request)).toEqual(["GET /1 HTTP/1.1", "GET /4 HTTP/1.1"]);
  });

  test("gives way after ten seconds, if it is still under way", () => {
    const { server, seen, pass } = watch(new FakeServer());
    server.handler.respond = () => new Promise(() => {});
    server.connect().send(get("/long"));
    server.handler.respond = () => respondWith(200, "short");
    server.connect().send(get("/1"));
    pass(10_000_000);
    server.connect().send(get("/2"));
    expect(seen.map(({ request }) => request)).toEqual(["GET /2 HTTP/1.1"]);
  });

  test("may be a stream of HTTP/2", () => {
    const { server, seen } = watch(new FakeHttp2Server());
    server.connectHttp2().send(HELLO, getStream(1, "/a"), getStream(3, "/b"));
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ request: "GET /a HTTP/2.0", protocol: "2", stream: 1, status: 200 });
    expect(stepsOf(seen[0])).toBe("parse 0, admit 30, slot 0, handler 500, send 0");
  });
});

describe("pages", () => {
  test("have the requests watched while one is open, and no longer", async () => {
    const server = new FakeServer();
    const { observer } = server.context;
    const time = new CountingClock(WALL_MS);
    const streams = new StepStreams({ time, observer: () => observer });
    const open = () => {
      const stream = new EventStream((closed) => streams.unwatch(closed));
      streams.watch(stream);
      return stream;
    };
    expect([time.timers, observer.steps]).toEqual([0, null]);
    const [one, other] = [open(), open()];
    await until(() => observer.steps !== null, "a watcher");
    server.connect().send(get("/a"));
    const bytes = new Uint8Array(4096);
    for (const stream of [one, other]) {
      const text = textOf(bytes.subarray(0, stream.read(0, bytes, 0, bytes.length)));
      expect(JSON.parse(text.slice("data: ".length))).toMatchObject({ request: "GET /a HTTP/1.1", status: 200 });
    }
    one.close();
    const seen = bytes.indexOf(0);
    time.advance(1000);
    expect(textOf(bytes.subarray(0, other.read(seen, bytes, 0, bytes.length)))).toBe(":\n\n");
    expect([time.timers, observer.steps === null]).toEqual([1, false]);
    other.close();
    expect([time.timers, observer.steps]).toEqual([0, null]);
  });

  test("that are closed before the code is there leave no watcher", async () => {
    const { observer } = new FakeServer().context;
    const streams = new StepStreams({ time: new ManualClock(WALL_MS), observer: () => observer });
    const stream = new EventStream((closed) => streams.unwatch(closed));
    streams.watch(stream);
    stream.close();
    await import("../../src/server/slow-motion.ts");
    expect(observer.steps).toBeNull();
  });
});
