/** Conversations: requests, content, windows, the order of responses, and the end. */
import { describe, expect, test } from "bun:test";
import { ADMITTED } from "../../src/http/message.ts";
import { SettingId } from "../../src/http2/frames.ts";
import { collecting, FakeLiveSource, FakeSource, respondWith } from "../support/conversation.ts";
import {
  data,
  FakeHttp2Server,
  get,
  getLines,
  HELLO,
  headers,
  PREFACE,
  ping,
  post,
  postLines,
  rst,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from "../support/http2.ts";

function connected(server: FakeHttp2Server) {
  return server.connectHttp2().send(HELLO);
}

describe("a request", () => {
  test("is answered on its stream", () => {
    const client = connected(new FakeHttp2Server()).send(get(1, "/a"));
    expect(client.stream(1)).toMatchObject({ status: 200, body: "/a", isEnded: true, reset: null });
  });

  test("may come byte by byte", () => {
    const client = new FakeHttp2Server().connectHttp2().sendBytewise(HELLO + get(1, "/a") + get(3, "/b"));
    expect(client.stream(1).body).toBe("/a");
    expect(client.stream(3).body).toBe("/b");
  });

  test("is logged with the version of HTTP/2", () => {
    const server = new FakeHttp2Server();
    connected(server).send(get(1, "/a?b"));
    expect(server.observer.lines).toMatchObject([{ request: "GET /a?b HTTP/2.0", status: 200, bytes: 2, slot: 1 }]);
    expect(server.pool.active).toBe(0);
  });

  test("many at a time leave in one write", () => {
    const client = connected(new FakeHttp2Server());
    const writes = client.transport.writes.length;
    client.send(Array.from({ length: 50 }, (_, i) => get(2 * i + 1, `/${i}`)).join(""));
    expect(client.transport.writes.length - writes).toBe(1);
    for (let i = 0; i < 50; i++) expect(client.stream(2 * i + 1).body).toBe(`/${i}`);
  });

  test("with content is answered after it", () => {
    const server = new FakeHttp2Server();
    server.handler.admit = () => collecting(1000);
    server.handler.respond = (request) => respondWith(200, request.content.slice());
    const client = connected(server).send(post(1), data(1, "abc"));
    expect(client.stream(1).status).toBe(0);
    client.send(data(1, "def", true));
    expect(client.stream(1)).toMatchObject({ status: 200, body: "abcdef" });
    expect(server.memory.used).toBe(0);
  });

  test("that is too large is answered 413 at once, and reset later", () => {
    const server = new FakeHttp2Server();
    server.handler.admit = () => collecting(10);
    const client = connected(server).send(post(1, "/", ["content-length", "2000000"]));
    expect(client.stream(1)).toMatchObject({ status: 413, isEnded: true, reset: null });
    client.send(data(1, "x".repeat(1000)));
    server.pass(2000);
    expect(client.stream(1).reset).toBe("NO_ERROR");
    client.send(data(1, "x".repeat(1000)), get(3));
    expect(client.stream(3).status).toBe(200);
  });

  test("HEAD has no content", () => {
    const client = connected(new FakeHttp2Server()).send(
      headers(1, [
        [":method", "HEAD"],
        [":scheme", "http"],
        [":authority", "localhost"],
        [":path", "/abc"],
      ]),
    );
    expect(client.stream(1)).toMatchObject({ status: 200, body: "", isEnded: true, frames: [] });
    expect(client.stream(1).fields.get("content-length")).toBe("4");
  });

  test("that waits for 100 gets it", () => {
    const server = new FakeHttp2Server();
    server.handler.admit = () => collecting(1000);
    const client = connected(server).send(post(1, "/", ["expect", "100-continue"]));
    expect(client.stream(1)).toMatchObject({ status: 0, interim: [100] });
    client.send(data(1, "a", true));
    expect(client.stream(1).status).toBe(200);
  });

  test("whose client goes away before the response leaves nothing behind", async () => {
    const server = new FakeHttp2Server();
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof respondWith>>();
    const source = new FakeSource(10);
    server.handler.respond = () => promise;
    const client = connected(server).send(get(1));
    expect(server.pool.active).toBe(1);
    client.connection.closed();
    resolve(respondWith(200, source));
    await promise;
    expect(server.pool.active).toBe(0);
    expect(source.closes).toBe(1);
  });
});

describe("a response", () => {
  test("waits for the window of its stream, and for that of the connection", () => {
    const server = new FakeHttp2Server();
    const source = new FakeSource(100_000);
    server.handler.respond = () => respondWith(200, source);
    const client = server.connectHttp2().send(PREFACE, settings([4, 10]), get(1));
    expect(client.stream(1)).toMatchObject({ status: 200, frames: [10] });
    client.send(windowUpdate(1, 5));
    expect(client.stream(1).frames).toEqual([10, 5]);
    client.send(windowUpdate(1, 200_000));
    expect(client.stream(1).body.length).toBe(65_535);
    client.send(windowUpdate(0, 100_000));
    expect(client.stream(1)).toMatchObject({ isEnded: true });
    expect(client.stream(1).body.length).toBe(100_000);
    expect(source.closes).toBe(1);
    expect(server.pool.active).toBe(0);
  });

  test("in a window that shrinks below zero waits until it is above", () => {
    const server = new FakeHttp2Server();
    server.handler.respond = () => respondWith(200, new FakeSource(1000));
    const client = server.connectHttp2().send(PREFACE, settings([4, 100]), get(1), settings([4, 10]));
    expect(client.stream(1).frames).toEqual([100]);
    client.send(windowUpdate(1, 90));
    expect(client.stream(1).frames).toEqual([100]);
    client.send(windowUpdate(1, 1));
    expect(client.stream(1).frames).toEqual([100, 1]);
  });

  test("that is large does not hold up a small one", () => {
    const server = new FakeHttp2Server();
    server.handler.respond = ({ target }) =>
      respondWith(200, target.path === "/large" ? new FakeSource(10_000_000) : "small");
    const client = connected(server);
    client.send(windowUpdate(0, 100_000_000), settings([4, 100_000_000]));
    client.transport.room = 300_000;
    client.send(get(1, "/large"));
    expect(client.stream(1).isEnded).toBe(false);
    client.send(get(3, "/small"));
    client.drain(200_000);
    expect(client.stream(3)).toMatchObject({ body: "small", isEnded: true });
    expect(client.stream(1).isEnded).toBe(false);
  });

  test("that comes into being while it is sent ends with an empty frame", () => {
    const server = new FakeHttp2Server();
    const source = new FakeLiveSource();
    server.handler.respond = () => respondWith(200, source);
    const client = connected(server).send(get(1));
    source.add("one");
    server.runDeferred();
    source.add("two");
    source.finish();
    server.runDeferred();
    expect(client.stream(1)).toMatchObject({ body: "onetwo", isEnded: true, frames: [3, 3, 0] });
    expect(source.closes).toBe(1);
  });

  test("ends once, although its content tells of its end again while the kernel is full", () => {
    const server = new FakeHttp2Server();
    const source = new FakeLiveSource();
    server.handler.respond = () => respondWith(200, source);
    const client = connected(server).send(get(1));
    client.transport.room = 0;
    source.finish();
    server.runDeferred();
    source.finish();
    server.runDeferred();
    client.drain().send(ping());
    expect(client.stream(1)).toMatchObject({ body: "", isEnded: true, frames: [0] });
    expect(server.observer.failures).toEqual([]);
    expect(source.closes).toBe(1);
  });

  test("whose content ends early is reset", () => {
    const server = new FakeHttp2Server();
    const source = new FakeSource(100, 40);
    server.handler.respond = () => respondWith(200, source);
    const client = connected(server).send(get(1));
    expect(client.stream(1)).toMatchObject({ status: 200, reset: "INTERNAL_ERROR", isEnded: false });
    expect(source.closes).toBe(1);
    expect(server.pool.active).toBe(0);
  });

  test("of a handler that fails is 500", () => {
    const server = new FakeHttp2Server();
    server.handler.respond = () => {
      throw new Error("a mistake");
    };
    const client = connected(server).send(get(1));
    expect(client.stream(1).status).toBe(500);
    expect(server.observer.failures).toHaveLength(1);
  });

  test("is written on as the kernel takes it", () => {
    const server = new FakeHttp2Server();
    server.handler.respond = () => respondWith(200, new FakeSource(60_000));
    const client = connected(server);
    client.transport.room = 100;
    client.send(get(1));
    for (let i = 0; i < 700 && !client.stream(1).isEnded; i++) client.drain(100);
    expect(client.stream(1).body.length).toBe(60_000);
    expect(client.stream(1).body.slice(0, 26)).toBe("abcdefghijklmnopqrstuvwxyz");
  });
});

describe("slots", () => {
  test("are taken by streams, and one request of a connection waits in the pool", () => {
    const server = new FakeHttp2Server({ threads: 2 });
    const settles: (() => void)[] = [];
    server.handler.respond = ({ target: { path } }) =>
      new Promise((resolve) => settles.push(() => resolve(respondWith(200, path))));
    const client = connected(server).send(...Array.from({ length: 10 }, (_, i) => get(2 * i + 1)));
    expect([server.pool.active, server.pool.queued]).toEqual([2, 1]);
    const other = connected(server).send(get(1));
    expect([server.pool.active, server.pool.queued]).toEqual([2, 2]);
    expect(client.connection.works()).toHaveLength(3);
    expect(other.connection.works()).toHaveLength(1);
  });

  test("go to connections in turn", async () => {
    const server = new FakeHttp2Server({ threads: 1 });
    const order: string[] = [];
    let settle = () => {};
    server.handler.respond = ({ target: { path } }) => {
      order.push(path);
      return new Promise((resolve) => {
        settle = () => resolve(respondWith(200, path));
      });
    };
    connected(server).send(...[1, 3, 5, 7].map((id) => get(id, `/a${id}`)));
    connected(server).send(...[1, 3].map((id) => get(id, `/b${id}`)));
    for (let i = 0; i < 6; i++) {
      settle();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(order).toEqual(["/a1", "/a3", "/b1", "/a5", "/b3", "/a7"]);
    expect([server.pool.active, server.pool.queued]).toEqual([0, 0]);
  });
});

describe("the end", () => {
  test("of an idle connection is GOAWAY and FIN", () => {
    const server = new FakeHttp2Server();
    const client = connected(server).send(get(1));
    server.pass(29_000);
    client.send(ping());
    expect(client.transport.finSent).toBe(false);
    server.pass(1000);
    expect(client.ends).toEqual(["NO_ERROR"]);
    expect(client.transport.finSent).toBe(true);
  });

  test("comes by itself if the peer never sends FIN", () => {
    const server = new FakeHttp2Server();
    const { transport } = connected(server);
    server.pass(30_000);
    expect(transport.finSent).toBe(true);
    server.pass(1000);
    expect(transport.isClosed).toBe(false);
    server.pass(1000);
    expect(transport.isClosed).toBe(true);
  });

  test("of a connection that asks all the time does not come", () => {
    const server = new FakeHttp2Server();
    const client = connected(server);
    for (let i = 0; i < 8; i++) {
      client.send(get(2 * i + 1));
      server.pass(10_000);
    }
    expect(client.ends).toEqual([]);
    server.pass(20_000);
    expect(client.ends).toEqual(["NO_ERROR"]);
  });

  test("of a server is GOAWAY in two steps", async () => {
    const server = new FakeHttp2Server();
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof respondWith>>();
    server.handler.respond = () => promise;
    const client = connected(server).send(get(1));
    client.connection.shutDown(250, 250);
    expect(client.see().log.goAways).toMatchObject([{ code: "NO_ERROR", last: 2 ** 31 - 1 }]);
    client.send(get(3), ping("\0\0\0\0\0\0\0\0", 1));
    expect(client.see().log.goAways).toMatchObject([{ last: 2 ** 31 - 1 }, { code: "NO_ERROR", last: 3 }]);
    client.send(get(5));
    expect(client.stream(5).reset).toBe("REFUSED_STREAM");
    resolve(respondWith(200, "late"));
    await promise;
    await new Promise((settled) => setImmediate(settled));
    expect(client.stream(1).body).toBe("late");
    expect(client.stream(3).body).toBe("late");
    expect(client.transport.finSent).toBe(true);
  });

  test("can be forced at any time", () => {
    for (const ms of [0, 30_000, 32_000, 40_000]) {
      const server = new FakeHttp2Server();
      server.handler.respond = () => respondWith(200, new FakeSource(100_000));
      const client = connected(server).send(get(1));
      client.transport.end = () => {}; // Over TLS the end can take its time.
      server.pass(ms);
      client.connection.terminate();
      expect(client.transport.wasReset).toBe(true);
      expect(server.observer.closeReasons).toHaveLength(1);
      expect(server.pool.active).toBe(0);
    }
  });

  test("comes after as many requests as are allowed", () => {
    const server = new FakeHttp2Server({ http2: { maxRequests: 2 } });
    const client = connected(server).send(get(1), get(3));
    expect(client.stream(3).status).toBe(200);
    client.send(ping("\0\0\0\0\0\0\0\0", 1));
    expect(client.see().log.goAways.map(({ last }) => last)).toEqual([2 ** 31 - 1, 3]);
    expect(client.transport.finSent).toBe(true);
  });

  test("of a client that has sent FIN comes after its responses", async () => {
    const server = new FakeHttp2Server();
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof respondWith>>();
    server.handler.respond = () => promise;
    const client = connected(server).send(get(1), post(3));
    client.connection.ended();
    expect(client.transport.isClosed).toBe(false);
    resolve(respondWith(200, "late"));
    await promise;
    await new Promise((settled) => setImmediate(settled));
    expect(client.stream(1).body).toBe("late");
    expect(client.transport.isClosed).toBe(true);
    expect(server.pool.active).toBe(0);
  });
});

test("content that no one takes stays within the windows", () => {
  const server = new FakeHttp2Server();
  server.handler.admit = () => ({ ...ADMITTED, content: { sink: NEVER_READY } });
  server.handler.respond = () => new Promise(() => {});
  const client = connected(server).send(headers(1, postLines("/"), 4));
  for (let i = 0; i < 64; i++) client.send(data(1, "x".repeat(16_384)));
  expect(client.stream(1).reset).toBeNull();
  client.send(data(1, "x"));
  expect(client.stream(1).reset).toBe("FLOW_CONTROL_ERROR");
});

const NEVER_READY = { write: () => false, ended() {}, failed() {}, whenReady() {} };

describe("streams that wait for a slot of their own connection", () => {
  function waiting() {
    const server = new FakeHttp2Server({ threads: 1 });
    const source = new FakeLiveSource();
    const asked: string[] = [];
    server.handler.respond = ({ target: { path } }) => {
      asked.push(path);
      return respondWith(200, path === "/live" ? source : "late");
    };
    const client = connected(server).send(get(1, "/live"), get(3, "/a"), get(5, "/b"));
    expect(asked).toEqual(["/live"]);
    return { server, source, asked, client };
  }

  test("are not answered when it is closed", () => {
    const { server, source, asked, client } = waiting();
    client.connection.terminate();
    expect(asked).toEqual(["/live"]);
    expect([source.closes, server.pool.active, server.pool.queued]).toEqual([1, 0, 0]);
  });

  test("are not answered when a deadline ends it", () => {
    const { server, source, asked, client } = waiting();
    client.send("\0");
    server.pass(11_000);
    expect(client.ends).toEqual(["ENHANCE_YOUR_CALM"]);
    expect(asked).toEqual(["/live"]);
    expect(server.observer.failures).toEqual([]);
    expect([source.closes, server.pool.active, server.pool.queued]).toEqual([1, 0, 0]);
  });

  test("are not turned away if their content brings them forward", () => {
    const server = new FakeHttp2Server({ threads: 1 });
    const sources = new Map(["/live", "/post"].map((path) => [path, new FakeLiveSource()]));
    const sink = { write: () => true, ended: () => {}, failed: () => {}, whenReady: () => {} };
    server.handler.admit = ({ target: { path } }) => (path === "/post" ? { ...ADMITTED, content: { sink } } : ADMITTED);
    server.handler.respond = ({ target: { path } }) => respondWith(200, sources.get(path) ?? "late");
    const client = connected(server).send(get(1, "/live"), get(3), get(5), post(7, "/post"), data(7, "x"));
    client.send(rst(3) + data(7, "y", true));
    sources.get("/live")?.finish();
    server.runDeferred();
    expect(client.stream(7).status).toBe(200);
    server.pass(31_000);
    sources.get("/post")?.finish();
    server.runDeferred();
    expect(server.observer.lines.map(({ status, request }) => [status, request.split(" ")[1]])).toEqual([
      [200, "/live"],
      [503, "/"],
      [200, "/post"],
    ]);
    expect(sources.get("/post")?.closes).toBe(1);
  });

  test("get the slot of one that is dropped because its client has sent FIN", () => {
    const server = new FakeHttp2Server({ threads: 1 });
    const client = server.connectHttp2().send(PREFACE + settings([SettingId.InitialWindowSize, 0]) + SETTINGS_ACK);
    client.send(get(1, "/a"), headers(3, [[":method", "HEAD"], ...getLines("/b").slice(1)]));
    client.connection.ended();
    server.runDeferred();
    expect(client.stream(3)).toMatchObject({ status: 200, isEnded: true });
  });
});

describe("the last stream of GOAWAY", () => {
  test("does not grow by streams that were refused", () => {
    const server = new FakeHttp2Server();
    server.handler.respond = () => new Promise(() => {});
    const client = connected(server).send(get(1));
    client.connection.shutDown(0, 0);
    server.pass(1000);
    client.send(get(3), settings([SettingId.EnablePush, 2]));
    expect(client.see().log.goAways.map(({ last }) => last)).toEqual([2 ** 31 - 1, 1, 1]);
  });
});
