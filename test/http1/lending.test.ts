/** Slots of responses whose clients read nothing. */
import { expect, test } from "bun:test";
import { FakeServer, FakeSource, get, Outcome, respondWith } from "../support/conversation.ts";

const SIZE = 1_000_000;

function opened() {
  const server = new FakeServer({ threads: 1, lenders: 2 });
  server.handler.respond = ({ target: { path } }) => respondWith(200, path === "/large" ? new FakeSource(SIZE) : path);
  return { server, sender: server.connect(), next: server.connect() };
}

test("a slot whose client reads nothing is lent to a request that waits, and the response goes on without one", () => {
  const { server, sender, next } = opened();
  sender.transport.room = 500;
  sender.send(get("/large"));
  next.send(get("/next"));
  expect([next.statuses, server.pool.queued]).toEqual([[], 1]);
  server.pool.relieve(60_000);
  expect([next.statuses, server.pool.queued]).toEqual([[200], 0]);
  sender.drain();
  server.runDeferred();
  expect(sender.transport.sent).toHaveLength(sender.transport.sent.indexOf("\r\n\r\n") + 4 + SIZE);
  expect(server.observer.lines).toMatchObject([{ bytes: 5 }, { bytes: SIZE, slot: 1, outcome: Outcome.KeptAlive }]);
});

test("a slot whose response moves is not lent, however long others wait", () => {
  const { server, sender, next } = opened();
  sender.send(get("/large"));
  expect(sender.connection.state).toBe("sending");
  next.send(get("/next"));
  server.pool.relieve(60_000);
  expect([next.statuses, server.pool.queued]).toEqual([[], 1]);
  server.runDeferred();
  expect(next.statuses).toEqual([200]);
});

test("a slot whose client reads again is not lent", () => {
  const { server, sender, next } = opened();
  sender.transport.room = 500;
  sender.send(get("/large"));
  sender.drain(20_000);
  sender.drain();
  next.send(get("/next"));
  server.pool.relieve(60_000);
  expect([next.statuses, server.pool.queued]).toEqual([[], 1]);
});

test("a response of which the kernel has taken nothing is reported with no bytes", () => {
  const { server, sender } = opened();
  sender.transport.room = 0;
  sender.send(get("/next"));
  sender.connection.terminate();
  expect(server.observer.lines).toMatchObject([{ bytes: 0, outcome: Outcome.Aborted }]);
});
