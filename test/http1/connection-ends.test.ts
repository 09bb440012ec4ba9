/** The first and the last moment of a connection. */
import { expect, test } from "bun:test";
import { FakeServer, get } from "../support/conversation.ts";

test("a connection is told of as it opens, with its number and its peer", () => {
  const server = new FakeServer();
  const log: unknown[] = [];
  server.observer.opened = (...event: unknown[]) => log.push(event);
  const client = server.connect();
  expect(log).toEqual([[client.connection.id, client.connection.peer]]);
});

test("a connection that leaves its socket to another conversation holds nothing, takes nothing and reports no end", () => {
  const server = new FakeServer();
  const client = server.connect();
  client.send(get("/").slice(0, 10));
  client.connection.leave();
  client.send(get("/a"));
  client.connection.tick();
  client.connection.closed();
  expect([client.transport.sent, client.transport.isClosed, server.context.peerMemory.used]).toEqual(["", false, 0]);
  expect([client.connection.exchange.request, server.observer.closeReasons]).toEqual([null, []]);
});
