/** What is special about a connection over TLS: nothing is said before its handshake, and its end may have to be forced. */

import { describe, expect, test } from "bun:test";
import { directPeer } from "../../src/exchange/peer.ts";
import { ADMITTED } from "../../src/http/message.ts";
import { Http1Connection } from "../../src/http1/connection.ts";
import { FakeClient, FakeServer, FakeTransport, get } from "../support/conversation.ts";

/** A connection over TLS whose handshake is not over. */
function connectSecurely(server: FakeServer): FakeClient {
  const transport = new FakeTransport();
  const connection = new Http1Connection(server.context, transport, 1, directPeer("127.0.0.1", 50000, true));
  server.connections.add(connection);
  transport.onClose = () => {
    connection.closed();
    server.connections.delete(connection);
  };
  return new FakeClient(connection, transport);
}

describe("a handshake", () => {
  test("has the time of a head, and is cut without a word", () => {
    const server = new FakeServer({ limits: { headerTimeoutMs: 10_000 } });
    const client = connectSecurely(server);
    server.pass(9000);
    expect(client.transport.isClosed).toBe(false);
    server.pass(1000);
    expect(client.transport.wasReset).toBe(true);
    expect(client.transport.sent).toBe("");
  });

  test("that is done gives way to the idle time", () => {
    const server = new FakeServer({ limits: { headerTimeoutMs: 10_000, keepAliveTimeoutMs: 30_000 } });
    const client = connectSecurely(server);
    server.pass(9000);
    client.connection.secured();
    server.pass(29_000);
    expect(client.transport.finSent).toBe(false);
    expect(client.send(get("/a")).statuses).toEqual([200]);
  });

  test("says so to the handler", () => {
    const server = new FakeServer();
    const seen: boolean[] = [];
    server.handler.admit = (request) => {
      seen.push(request.secure);
      return ADMITTED;
    };
    const client = connectSecurely(server);
    client.connection.secured();
    client.send(get("/a"));
    server.connect().send(get("/a"));
    expect(seen).toEqual([true, false]);
  });

  test("that is under way when the server stops is given the grace of a new connection", () => {
    const server = new FakeServer();
    const client = connectSecurely(server);
    server.context.drain.hasBegun = true;
    client.connection.shutDown(250);
    client.drain(); // Bun tells of it behind each handshake.
    expect(client.transport.isClosed || client.transport.finSent).toBe(false);
    client.connection.secured();
    expect(client.send(get("/a")).statuses).toEqual([200]);
    expect(client.take()).toContain("Connection: close");
  });

  test("that is still under way when the grace is over is closed", () => {
    const server = new FakeServer();
    const client = connectSecurely(server);
    server.context.drain.hasBegun = true;
    client.connection.shutDown(0);
    expect(client.transport.isClosed).toBe(true);
  });
});

describe("an end that the transport puts off, because the peer does not read", () => {
  test("is waited for as long as an answer may stall, and then forced", () => {
    const server = new FakeServer({ limits: { lingerMs: 2000, stallTimeoutMs: 30_000 } });
    const client = connectSecurely(server);
    client.connection.secured();
    let ends = 0;
    client.transport.end = () => ends++;
    client.send(get("/a", "Connection: close\r\n"));
    server.pass(2000);
    expect(ends).toBe(1);
    server.pass(29_000);
    expect([ends, client.transport.isClosed]).toEqual([1, false]);
    server.pass(1000);
    expect([ends, client.transport.wasReset]).toEqual([1, true]);
    expect(server.connections.size).toBe(0);
  });
});
