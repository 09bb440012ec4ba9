/** What a snapshot tells of the pool, and that it stays small whatever there is to tell. */
import { expect, test } from "bun:test";
import type { Snapshot } from "../../src/handlers/endpoints/status.ts";
import { LiveView } from "../../src/server/live-view.ts";
import { Metrics } from "../../src/server/metrics.ts";
import { ManualClock } from "../../src/server/time-source.ts";
import { type FakeClient, FakeServer, get, respondWith } from "../support/conversation.ts";

/** A pool whose answers are larger than what the kernel takes of them, so that they keep their slots. */
function start(threads: number) {
  const server = new FakeServer({ threads, queue: 100 });
  server.handler.respond = (request) =>
    request.target.path === "/slow" ? new Promise(() => {}) : respondWith(200, "x".repeat(100_000));
  const time = new ManualClock();
  const live = new LiveView({
    instance: "i1",
    version: "1.2.3",
    pool: server.pool,
    metrics: new Metrics(),
    time,
    connections: server.connections,
    connectionsMax: 50_000,
    moveClock: () => {},
    report: (error) => {
      throw error;
    },
  });
  const ask = (path: string): FakeClient => {
    const client = server.connect();
    client.transport.room = 1000;
    return client.send(get(path));
  };
  const look = (): Snapshot => {
    const seen: Snapshot[] = [];
    const watcher = { see: (snapshot: Snapshot) => seen.push(snapshot) };
    live.watch(watcher);
    live.unwatch(watcher);
    return seen[0] as Snapshot;
  };
  return { server, ask, look };
}

test("each slot's state is one character, Thread-1 first", () => {
  const { ask, look } = start(4);
  expect(look().slots).toBe("....");
  ask("/a");
  ask("/slow");
  const third = ask("/b");
  expect(look().slots).toBe("sws.");
  third.drain();
  expect(look().slots).toBe("sw..");
});

test("who waits longest is told of first, whoever's connection is older", () => {
  const { server, ask, look } = start(1);
  const old = server.connect();
  ask("/a");
  for (let i = 1; i <= 30; i++) ask(`/wait${i}`);
  old.send(get("/last"));
  const waiting = look().work.filter(({ phase }) => phase === "waiting");
  expect(waiting.map(({ request }) => request)).toEqual(
    Array.from({ length: 20 }, (_, i) => `GET /wait${i + 1} HTTP/1.1`),
  );
});

test("what is on its way counts until it is over", () => {
  const { ask, look } = start(2);
  const client = ask("/a");
  ask("/slow");
  const { sendingBytes, work } = look();
  expect(sendingBytes).toBeGreaterThan(500);
  expect(sendingBytes).toBe(work[0]?.sentBytes ?? 0);
  client.drain();
  expect(look().sendingBytes).toBe(0);
});

test("of a large pool at work and a flood of lent slots it stays within 64 KiB", () => {
  const { ask, look } = start(1024);
  const path = `/${"a".repeat(1000)}`;
  for (let i = 0; i < 100; i++) ask(path).connection.exchange.lease.lend();
  for (let i = 0; i < 1024 + 100; i++) ask(path);
  const snapshot = look();
  expect(snapshot.pool).toEqual({ size: 1024, active: 1024, queued: 100, queueMax: 100, lent: 100 });
  expect(snapshot.slots).toBe("s".repeat(1024));
  expect(snapshot.work).toHaveLength(64 + 20 + 20);
  for (const { request } of snapshot.work) expect(request).toBe(`GET ${path.slice(0, 196)}…`);
  expect(JSON.stringify(snapshot).length).toBeLessThan(65_536);
});
