/** The parts that threads give to snapshots, and that they keep nothing while there is no live page. */
import { describe, expect, test } from "bun:test";
import { newAnswered } from "../../src/exchange/observer.ts";
import type { EventStream } from "../../src/handlers/endpoints/event-stream.ts";
import type { AnswerView, Snapshot, WorkView } from "../../src/handlers/endpoints/status.ts";
import { joined, type ThreadPart } from "../../src/server/thread-view.ts";
import { WorkerVitals } from "../../src/server/worker-vitals.ts";
import { FakeServer, respondWith } from "../support/conversation.ts";
import { CountingClock } from "../support/counting-clock.ts";

function part(more: Partial<ThreadPart>): ThreadPart {
  const nothing = { connections: 0, sendingBytes: 0, lent: 0, work: [], queued: 0, recent: [] };
  return { slots: "....", answeredBySlot: [0, 0, 0, 0], ...nothing, ...more };
}

function work(connection: number, phase: WorkView["phase"], slot: number, forMs = 0): WorkView {
  return { connection, stream: 0, peer: "", request: "", phase, slot, forMs, sentBytes: 0, totalBytes: 0 };
}

describe("the parts of several threads", () => {
  test("are one, with the state of each slot from the thread that has it", () => {
    const first = part({ slots: "s..w", connections: 3, answeredBySlot: [1, 0, 0, 2], queued: 1, lent: 1 });
    const second = part({ slots: ".w..", connections: 4, answeredBySlot: [0, 5, 0, 1], queued: 2, sendingBytes: 9 });
    expect(joined([first, second])).toEqual({
      connections: 7,
      slots: "sw.w",
      sendingBytes: 9,
      lent: 1,
      work: [],
      answeredBySlot: [1, 5, 0, 3],
      queued: 3,
      recent: [],
    });
  });

  test("of a thread that has ended count with nothing", () => {
    const ended = part({ slots: "", answeredBySlot: [] });
    expect(joined([part({ slots: "s...", answeredBySlot: [1, 0, 0, 0] }), ended])).toEqual(
      part({ slots: "s...", answeredBySlot: [1, 0, 0, 0] }),
    );
  });

  test("name the requests that wait longest, whatever their thread, and stay bounded", () => {
    const waiting = (thread: number) =>
      Array.from({ length: 20 }, (_, i) => work(2 * i + thread, "waiting", 0, 100 - i - thread / 2));
    const all = joined([part({ work: waiting(0) }), part({ work: waiting(1) })]).work;
    expect(all.map(({ connection }) => connection)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  test("have the first answers of all of them, in their order", () => {
    const answers = (atMs: readonly number[]) => atMs.map((at) => ({ atMs: at }) as AnswerView);
    const { recent } = joined([part({ recent: answers([1, 4, 6]) }), part({ recent: answers([2, 3, 5]) })]);
    expect(recent.map(({ atMs }) => atMs)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

function start() {
  const server = new FakeServer({ threads: 2, queue: 10 });
  const time = new CountingClock(1_000_000);
  const said: (boolean | string)[] = [];
  const vitals = new WorkerVitals(
    {
      instance: "i1",
      pool: server.pool,
      time,
      connections: server.connections,
      connectionsMax: 50,
      moveClock: () => {},
      report: () => {},
      isDraining: () => false,
      observer: () => server.context.observer,
    },
    {
      watch: (isWatching) => said.push(isWatching),
      metrics: () => Promise.resolve("metrics"),
    },
  );
  const answer = () => {
    const answered = { ...newAnswered(), response: respondWith(200, null), durationMs: 1, slot: 2, bytes: 10 };
    for (const observer of vitals.observers) if (observer.wantsAnswers) observer.answered(answered);
  };
  return { vitals, said, time, answer };
}

/** A live page that keeps its events. */
function page(): EventStream & { readonly events: string[] } {
  const events: string[] = [];
  return { events, send: (event: Uint8Array) => events.push(new TextDecoder().decode(event)) } as never;
}

const SNAPSHOT = { requests: 7, answeredBySlot: [3, 4], recent: [], p50Ms: 2 } as unknown as Snapshot;

describe("a thread beside the main one", () => {
  test("counts always, keeps answers only while they are watched, and has no timer", () => {
    const { vitals, time, answer } = start();
    answer();
    expect(vitals.look(true)).toMatchObject({ recent: [], answeredBySlot: [0, 0], metrics: { requests: 1 } });
    vitals.watched(true);
    answer();
    expect(vitals.look(false)).toMatchObject({
      recent: [{ slot: 2 }],
      answeredBySlot: [0, 1],
      metrics: { requests: 2 },
    });
    expect(vitals.look(true).recent).toHaveLength(1);
    expect(vitals.look(true).recent).toHaveLength(0);
    vitals.watched(false);
    answer();
    expect(vitals.look(true)).toMatchObject({ recent: [], metrics: { requests: 3 } });
    expect(time.timers).toBe(0);
  });

  test("asks for snapshots while it has a live page, and shows them on each", () => {
    const { vitals, said } = start();
    const [first, second] = [page(), page()];
    vitals.see(SNAPSHOT);
    vitals.watch(first);
    vitals.see(SNAPSHOT);
    vitals.watch(second);
    expect(said).toEqual([true]);
    expect(first.events.map((event) => event.includes('"requests":7'))).toEqual([true]);
    // The second page has counts from its second snapshot on.
    expect(second.events.map((event) => event.includes('"requests":0,'))).toEqual([true]);
    vitals.see(SNAPSHOT);
    expect([first.events.length, second.events.length]).toEqual([2, 2]);
    vitals.unwatch(first);
    expect(said).toEqual([true]);
    vitals.unwatch(second);
    vitals.unwatch(second);
    expect(said).toEqual([true, false]);
  });
});
