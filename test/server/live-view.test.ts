/** What somebody sees who looks at the server, and that nobody's not looking costs nothing. */
import { expect, test } from "bun:test";
import { newAnswered, Outcome } from "../../src/exchange/observer.ts";
import type { Snapshot } from "../../src/handlers/endpoints/status.ts";
import type { Http1Connection } from "../../src/http1/connection.ts";
import { LiveView } from "../../src/server/live-view.ts";
import { Metrics } from "../../src/server/metrics.ts";
import { CONTROL, FakeServer, get, respondWith } from "../support/conversation.ts";
import { CountingClock } from "../support/counting-clock.ts";

function start(threads = 2, queue = 100) {
  const server = new FakeServer({ threads, queue });
  const time = new CountingClock(1_000_000);
  const metrics = new Metrics();
  const reported: unknown[] = [];
  const live = new LiveView({
    instance: "i1",
    version: "1.2.3",
    pool: server.pool,
    metrics,
    time,
    connections: server.connections,
    connectionsMax: 50,
    moveClock: () => server.clock.set(time.nowMs(), time.wallMs()),
    report: (error) => reported.push(error),
  });
  const answer = (status: number, durationMs: number, slot = 1) => {
    const answered = { ...newAnswered(), response: respondWith(status, null), durationMs, slot, bytes: 10 };
    metrics.answered(answered);
    if (live.wantsAnswers) live.answered(answered);
  };
  return { server, time, metrics, live, answer, reported };
}

function watcher() {
  const seen: Snapshot[] = [];
  return { seen, see: (snapshot: Snapshot) => seen.push(snapshot) };
}

test("while nobody looks there is no timer, and no answer is wanted", () => {
  const { live, time } = start();
  expect([time.timers, live.wantsAnswers]).toEqual([0, false]);
  const one = watcher();
  const other = watcher();
  live.watch(one);
  live.watch(other);
  expect([time.timers, live.wantsAnswers]).toEqual([1, true]);
  live.unwatch(one);
  expect([time.timers, live.wantsAnswers]).toEqual([1, true]);
  live.unwatch(other);
  live.unwatch(other);
  expect([time.timers, live.wantsAnswers]).toEqual([0, false]);
  time.advance(10_000);
  expect([one.seen.length, other.seen.length]).toEqual([1, 1]);
});

test("whoever looks sees the server at once, and four times a second", () => {
  const { live, time } = start();
  const one = watcher();
  time.advance(100);
  live.watch(one);
  time.advance(1000);
  expect(one.seen.map(({ uptimeMs, intervalMs, atMs }) => [uptimeMs, intervalMs, atMs])).toEqual([
    [100, 0, 1_000_100],
    [350, 250, 1_000_350],
    [600, 250, 1_000_600],
    [850, 250, 1_000_850],
    [1100, 250, 1_001_100],
  ]);
});

test("each look tells what happened since the one before, the totals what happened since the start", () => {
  const { live, time, metrics, answer } = start();
  answer(200, 1);
  const one = watcher();
  live.watch(one);
  time.advance(250);
  answer(200, 5, 2);
  answer(503, 0, 0);
  metrics.turnedAway(1, "queue full");
  live.queued();
  time.advance(500);
  const [first, second, third, fourth] = one.seen as [Snapshot, Snapshot, Snapshot, Snapshot];
  for (const idle of [first, second, fourth]) {
    expect([idle.requests, idle.recent, idle.p50Ms, idle.refused, idle.queued, idle.answeredBySlot]).toEqual([
      0,
      [],
      null,
      0,
      0,
      [0, 0],
    ]);
  }
  expect([third.requests, third.contentBytes, third.refused, third.queued, third.answeredBySlot]).toEqual([
    2,
    20,
    1,
    1,
    [0, 1],
  ]);
  expect(third.recent.map(({ status, slot }) => [status, slot])).toEqual([
    [200, 2],
    [503, 0],
  ]);
  expect(third.p99Ms).toBeGreaterThan(4);
  expect(third.p99Ms).toBeLessThanOrEqual(5);
  expect(fourth.totals).toEqual({
    accepted: 0,
    requests: 3,
    contentBytes: 30,
    aborted: 0,
    statuses: { 200: 2, 503: 1 },
    refusals: { "queue full": 1 },
  });
});

test("two who look see the same, and one that comes later sees nothing twice", () => {
  const { live, time, answer } = start();
  const early = watcher();
  const late = watcher();
  live.watch(early);
  time.advance(240);
  answer(200, 1);
  live.watch(late);
  answer(404, 1);
  time.advance(10);
  const sum = (snapshots: readonly Snapshot[]) => snapshots.reduce((all, { requests }) => all + requests, 0);
  expect([sum(early.seen), sum(late.seen)]).toEqual([2, 2]);
  expect(late.seen.map(({ recent, intervalMs }) => [recent.length, intervalMs])).toEqual([
    [0, 0],
    [2, 250],
  ]);
  expect(late.seen[1]).toEqual(early.seen[1] as Snapshot);
});

test("nothing that was seen is changed afterwards", () => {
  const { live, time, answer } = start();
  const one = watcher();
  live.watch(one);
  answer(200, 1);
  time.advance(250);
  const copies = structuredClone(one.seen);
  answer(200, 1);
  time.advance(250);
  expect(one.seen.slice(0, 2)).toEqual(copies);
});

test("what happened while nobody looked is in the totals alone", () => {
  const { live, time, answer } = start();
  const one = watcher();
  live.watch(one);
  answer(200, 1);
  live.unwatch(one);
  answer(200, 1);
  live.queued();
  const other = watcher();
  live.watch(other);
  time.advance(250);
  expect(other.seen.map(({ requests, recent, queued, totals }) => [requests, recent.length, queued, totals.requests])) //
    .toEqual([
      [0, 0, 0, 2],
      [0, 0, 0, 2],
    ]);
});

test("of a flood the first twenty answers are told one by one, and all are counted", () => {
  const { live, time, answer } = start();
  const one = watcher();
  live.watch(one);
  for (let i = 0; i < 10_000; i++) answer(200 + (i % 100), 1);
  time.advance(250);
  const last = one.seen[1] as Snapshot;
  expect([last.requests, last.recent.length, last.recent[19]?.status]).toEqual([10_000, 20, 219]);
  expect(last.answeredBySlot).toEqual([10_000, 0]);
});

test("an answer is told with its request, its connection and how it ended", () => {
  const { server, live, time } = start();
  const one = watcher();
  live.watch(one);
  server.handler.respond = (request) => {
    live.answered({
      ...newAnswered(),
      connection: 7,
      peer: "127.0.0.1:5",
      position: 3,
      request,
      response: respondWith(206, null),
      slot: 2,
      queuedMs: 12,
      bytes: 5,
      durationMs: 30,
      outcome: Outcome.Aborted,
    });
    return respondWith(200, "");
  };
  time.advance(5);
  server.connect().send(get("/a%20b"));
  time.advance(245);
  expect(one.seen[1]?.recent).toEqual([
    {
      atMs: 1_000_005,
      connection: 7,
      stream: 0,
      position: 3,
      peer: "127.0.0.1:5",
      request: "GET /a%20b HTTP/1.1",
      status: 206,
      bytes: 5,
      slot: 2,
      queuedMs: 12,
      durationMs: 30,
      isAborted: true,
    },
  ]);
});

test("requests at work, sent and waiting are shown; of a long queue twenty, and its length", () => {
  const { server, live, time } = start(2, 100);
  const first = server.connect();
  first.transport.room = 150; // The head, and some of the content.
  server.handler.respond = (request) =>
    request.target.path === "/slow" ? new Promise(() => {}) : respondWith(200, "x".repeat(100_000));
  first.send(get("/large"));
  server.connect().send(get("/slow"));
  for (let i = 0; i < 30; i++) server.connect().send(get(`/wait${i}`));
  server.connect();
  const one = watcher();
  live.watch(one);
  time.advance(250);
  const { work, pool, connections } = one.seen[1] as Snapshot;
  expect(pool).toEqual({ size: 2, active: 2, queued: 30, queueMax: 100, lent: 0 });
  expect(connections).toEqual({ open: 33, max: 50 });
  expect(work.map(({ phase }) => phase)).toEqual(["sending", "working", ...Array<"waiting">(20).fill("waiting")]);
  const [sending, working, waiting] = work;
  expect(sending).toMatchObject({ request: "GET /large HTTP/1.1", slot: 1, forMs: 250, totalBytes: 100_000 });
  expect(sending?.sentBytes).toBeLessThan(150);
  expect(working).toMatchObject({ request: "GET /slow HTTP/1.1", slot: 2, sentBytes: 0, totalBytes: 0 });
  expect(waiting).toMatchObject({ request: "GET /wait0 HTTP/1.1", slot: 0, connection: 3 });
});

test("an answer whose slot was lent is shown as sent without one", () => {
  const { server, live } = start(1);
  const client = server.connect();
  client.transport.room = 150;
  server.handler.respond = () => respondWith(200, "x".repeat(100_000));
  client.send(get("/large"));
  client.connection.exchange.lease.lend();
  const one = watcher();
  live.watch(one);
  expect(one.seen[0]?.pool).toMatchObject({ active: 0, lent: 1 });
  expect(one.seen[0]?.work).toMatchObject([{ phase: "sending", slot: 0 }]);
});

test("the server's own endpoints are no work", () => {
  const { server, live } = start();
  server.handler.admit = () => CONTROL;
  server.handler.respond = () => new Promise(() => {});
  server.connect().send(get("/__server/slow"));
  const one = watcher();
  live.watch(one);
  expect(one.seen[0]?.work).toEqual([]);
});

test("one who looks may leave while it is shown something, and the others see it", () => {
  const { live, time } = start();
  const leaver = { see: () => live.unwatch(leaver) };
  const one = watcher();
  live.watch(leaver);
  live.watch(one);
  live.watch(leaver);
  time.advance(500);
  expect([one.seen.length, time.timers]).toEqual([3, 1]);
});

test("a thousand who come and go leave nothing behind", () => {
  const { live, time } = start();
  const many = Array.from({ length: 1000 }, watcher);
  for (const one of many) live.watch(one);
  time.advance(250);
  for (const one of many) live.unwatch(one);
  time.advance(250);
  expect([time.timers, live.wantsAnswers, new Set(many.map(({ seen }) => seen.length))]).toEqual([
    0,
    false,
    new Set([2]),
  ]);
});

test("a connection that is looked at is asked once a look", () => {
  const { server, live, time } = start();
  let asked = 0;
  const idle = {
    works() {
      asked++;
      return [];
    },
  };
  server.connections.add(idle as unknown as Http1Connection);
  const one = watcher();
  live.watch(one);
  time.advance(1000);
  expect(asked).toBe(5);
  live.unwatch(one);
  time.advance(1000);
  expect(asked).toBe(5);
});

test("what one watcher throws is reported, and keeps nothing from the others", () => {
  const { time, live, reported } = start();
  let isFirst = true;
  live.watch({
    see() {
      if (!isFirst) throw new Error("cannot look");
      isFirst = false;
    },
  });
  let seen = 0;
  live.watch({ see: () => seen++ });
  time.advance(750);
  expect([seen, reported.length]).toEqual([4, 3]);
});

test("at the end nobody looks any more, and there is no timer", () => {
  const { time, live } = start();
  let seen = 0;
  live.watch({ see: () => seen++ });
  live.watch({ see: () => seen++ });
  live.end();
  time.advance(1000);
  expect([seen, time.timers]).toEqual([2, 0]);
});
