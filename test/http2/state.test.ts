/** The events and states that observers receive from a connection and its streams. */
import { expect, test } from "bun:test";
import { FakeSource, respondWith } from "../support/conversation.ts";
import { FakeHttp2Server, get, HELLO, PREFACE, post } from "../support/http2.ts";

const NEVER = new Promise<never>(() => {});

test("a connection is reading until its peer has said hello, then idle", () => {
  const client = new FakeHttp2Server().connectHttp2();
  expect(client.connection.state).toBe("reading");
  client.send(PREFACE);
  expect(client.connection.state).toBe("reading");
  client.send(HELLO.slice(PREFACE.length));
  expect(client.connection.state).toBe("idle");
  client.send(get(1));
  expect(client.connection.state).toBe("idle");
});

test("a connection is reading, waiting, working or sending as its streams are", () => {
  const server = new FakeHttp2Server({ threads: 1 });
  const reading = server.connectHttp2().send(HELLO, post(1));
  expect(reading.connection.state).toBe("reading");

  server.handler.respond = () => NEVER;
  const working = server.connectHttp2().send(HELLO, get(1));
  const waiting = server.connectHttp2().send(HELLO, get(1));
  expect([working, waiting].map(({ connection }) => connection.state)).toEqual(["working", "waiting"]);
  expect(working.connection.works()).toMatchObject([{ stream: 1, phase: "working", slot: 1 }]);
  expect(waiting.connection.works()).toMatchObject([{ stream: 1, phase: "waiting", slot: 0 }]);
  working.connection.terminate();

  server.handler.respond = () => respondWith(200, new FakeSource(1_000_000));
  const sending = new FakeHttp2Server();
  sending.handler.respond = server.handler.respond;
  const client = sending.connectHttp2().send(HELLO, get(1));
  expect(client.connection.state).toBe("sending");
  expect(client.connection.works()).toMatchObject([{ sentBytes: 65_535, totalBytes: 1_000_000 }]);
});

test("a connection that has sent its last frame is closing", () => {
  const client = new FakeHttp2Server().connectHttp2().send("no preface of HTTP/2, and long enough");
  expect([client.ends, client.connection.state]).toEqual([["PROTOCOL_ERROR"], "closing"]);
});

test("the reasons of the end are told: a peer that leaves, a server that is stopped", () => {
  const server = new FakeHttp2Server();
  const left = server.connectHttp2().send(HELLO);
  left.connection.closed();
  const stopped = server.connectHttp2().send(HELLO);
  stopped.connection.terminate();
  expect(server.observer.closeReasons).toEqual(["client", "shutdown"]);
});
