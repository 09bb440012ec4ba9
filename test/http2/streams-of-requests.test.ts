/** One stream and its connection: targets, clients that leave, faults of flow, and memory. */
import { expect, test } from "bun:test";
import { ADMITTED, type ContentSink } from "../../src/http/message.ts";
import { SettingId } from "../../src/http2/frames.ts";
import { FakeLiveSource, respondWith } from "../support/conversation.ts";
import {
  data,
  FakeHttp2Server,
  get,
  getLines,
  HELLO,
  headers,
  PREFACE,
  post,
  rst,
  settings,
} from "../support/http2.ts";

test("a Host that agrees with :authority in another spelling changes nothing", () => {
  const client = new FakeHttp2Server().connectHttp2().send(HELLO);
  client.send(headers(1, [...getLines("/a"), ["host", "LOCALHOST:80"]]));
  expect(client.stream(1)).toMatchObject({ status: 200, body: "/a" });
});

test("a handler at work is told that its client has reset the stream, once", () => {
  const server = new FakeHttp2Server();
  let told = 0;
  server.handler.respond = (request) => {
    request.whenLeft(() => told++);
    return new Promise(() => {});
  };
  const client = server.connectHttp2().send(HELLO, get(1), get(3));
  client.send(rst(3));
  expect(told).toBe(1);
  client.connection.terminate();
  expect(told).toBe(2);
});

test("an idle connection that is asked to close says so, and one with a stream stays", () => {
  const server = new FakeHttp2Server();
  server.handler.respond = () => new Promise(() => {});
  const [idle, busy] = [server.connectHttp2().send(HELLO), server.connectHttp2().send(HELLO, get(1))];
  expect([idle.connection.closeIdle(), busy.connection.closeIdle()]).toEqual([true, false]);
  expect(idle.see().log.goAways).toEqual([{ code: "NO_ERROR", last: 0, debug: "" }]);
  expect([idle.connection.closeIdle(), idle.connection.state, busy.connection.state]).toEqual([
    false,
    "closing",
    "working",
  ]);
});

test("more content than the window of the connection lets through ends the connection", () => {
  const server = new FakeHttp2Server({ http2: { http2WindowBytes: 65_535, http2StreamWindowBytes: 200_000 } });
  const sink: ContentSink = { write: () => false, ended: () => {}, failed: () => {}, whenReady: () => {} };
  server.handler.admit = () => ({ ...ADMITTED, content: { sink } });
  server.handler.respond = () => new Promise(() => {});
  const client = server.connectHttp2().send(HELLO, post(1), post(3));
  client.send(...[1, 3, 1, 3].map((id) => data(id, "x".repeat(16_000))));
  expect(client.see().log.goAways).toEqual([]);
  client.send(data(1, "x".repeat(1536)));
  expect(client.see().log.goAways).toMatchObject([{ code: "FLOW_CONTROL_ERROR" }]);
});

test("a response for which there is no memory is reset at once, also outside of a turn", () => {
  const server = new FakeHttp2Server({ peerMemoryBytes: 10_000 });
  server.handler.respond = () => respondWith(200, new Uint8Array(30_000));
  const client = server.connectHttp2().send(PREFACE, settings([SettingId.InitialWindowSize, 0]), get(1));
  expect(client.stream(1)).toMatchObject({ status: 200, reset: null });
  server.runDeferred();
  expect(client.stream(1).reset).toBe("ENHANCE_YOUR_CALM");
  expect([server.peerUsed, server.pool.active]).toEqual([0, 0]);
});

test("live content that waits for its client is counted for it, with content that came", () => {
  const server = new FakeHttp2Server();
  const source = Object.assign(new FakeLiveSource(), { heldBytes: 0 });
  server.handler.respond = () => respondWith(200, source);
  const client = server.connectHttp2().send(PREFACE, settings([SettingId.InitialWindowSize, 0]), get(1));
  source.heldBytes = 50_000;
  source.add("x");
  server.runDeferred();
  expect(server.peerUsed).toBeGreaterThanOrEqual(50_000);
  expect(server.peerUsed).toBeLessThan(60_000);
  client.connection.terminate();
  expect(server.peerUsed).toBe(0);
});

test("content may reach its length before the frame that ends it, and no byte further", () => {
  const server = new FakeHttp2Server();
  server.handler.admit = () => ({ ...ADMITTED, content: { collectMax: 10 } });
  const client = server.connectHttp2().send(HELLO);
  for (const id of [1, 3]) client.send(post(id, "/a", ["content-length", "3"]), data(id, "abc"));
  client.send(data(1, "", true), data(3, "d", true));
  expect([client.stream(1).status, client.stream(3).reset]).toEqual([200, "PROTOCOL_ERROR"]);
});
