import { describe, expect, test } from "bun:test";
import { ContentBuffer, ContentMemory } from "../../src/exchange/content-buffer.ts";
import { type Counter, LocalCounter } from "../../src/exchange/counter.ts";
import { PeerMemory } from "../../src/exchange/peer-memory.ts";
import { SharedMemory } from "../../src/exchange/shared-memory.ts";
import { Admission } from "../../src/server/admission.ts";

const SIZES = { threads: 2, slots: 3, queueMax: 100, lendersMax: 7 };

test("a thread that opens the memory knows the sizes", () => {
  const { buffer } = SharedMemory.create(SIZES);
  expect(new SharedMemory(buffer).sizes).toEqual(SIZES);
});

test.each([0, 1, 3, 1000, 100_000])("the words of a queue of %d do not overlap", (queueMax) => {
  const memory = SharedMemory.create({ ...SIZES, slots: 40, queueMax });
  const pools = [0, 1].map((thread) => memory.pool(thread, { wake: () => {}, relieve: () => {} }));
  const counters = [memory.connections, memory.bodyMemory, memory.peerMemory, ...Object.values(memory.uploads)];
  counters.forEach((counter, at) => {
    counter.add(2 ** 40 + at);
  });
  const waiter = { granted: () => {} };
  expect(pools[0]?.take(40)?.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
  const waiters = Array.from({ length: Math.min(queueMax, 50) }, () => ({ ...waiter }));
  for (const each of waiters) expect(pools[1]?.acquire(each)).toBe(0);
  expect(counters.map(({ value }) => value - 2 ** 40)).toEqual(counters.map((_, at) => at));
  for (const each of waiters) expect(pools[1]?.cancel(each)).toBe(true);
  for (let slot = 1; slot <= 40; slot++) pools[0]?.release(slot);
  expect(pools.map((pool) => [pool.active, pool.queued])).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

describe.each([
  ["one thread", () => new LocalCounter()],
  ["several threads", () => SharedMemory.create(SIZES).peerMemory],
])("a counter of %s", (_, make: () => Counter) => {
  test("takes up to its bound, all or nothing, beyond 32 bits", () => {
    const counter = make();
    expect([counter.take(3, 5), counter.take(3, 5), counter.take(2, 5), counter.take(1, 5)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    counter.add(-5);
    counter.add(2 ** 40);
    expect([counter.take(1, 2 ** 40), counter.take(1, Number.POSITIVE_INFINITY), counter.value]).toEqual([
      false,
      true,
      2 ** 40 + 1,
    ]);
  });
});

/** Two threads' views of one memory. */
function twoThreads(): [SharedMemory, SharedMemory] {
  const first = SharedMemory.create(SIZES);
  return [first, new SharedMemory(first.buffer)];
}

test("connections of all threads have one limit", () => {
  const [one, other] = twoThreads().map(({ connections }) => new Admission(2, 0, connections)) as [
    Admission,
    Admission,
  ];
  expect([one.enter("a"), other.enter("a")]).toEqual([null, null]);
  expect([one.enter("b")?.reason, other.enter("b")?.reason]).toEqual(["too many connections", "too many connections"]);
  other.leave("a");
  expect(one.enter("b")).toBeNull();
});

test("a connection that its address's limit refuses does not count for all threads", () => {
  const [memory] = twoThreads();
  const admission = new Admission(2, 1, memory.connections);
  expect([admission.enter("a"), admission.enter("a")?.reason]).toEqual([null, "too many from an address"]);
  expect(memory.connections.value).toBe(1);
});

test("the content of requests of all threads has one budget", () => {
  const [one, other] = twoThreads().map(({ bodyMemory }) => new ContentBuffer(new ContentMemory(100, bodyMemory)));
  const bytes = new Uint8Array(60);
  expect([one?.append(bytes, 0, 60, 60), other?.append(bytes, 0, 60, 60)]).toEqual([true, false]);
  one?.release();
  expect(other?.append(bytes, 0, 60, 60)).toBe(true);
});

describe("the budget of memory that is held for peers, over several threads", () => {
  /** Two threads that share 1,000 bytes, and the connections that they have cut. */
  function peers() {
    const cut: string[] = [];
    const due: PeerMemory[] = [];
    const told: PeerMemory[] = [];
    const threads: PeerMemory[] = twoThreads().map(
      ({ peerMemory }, own) =>
        new PeerMemory(1000, (sleeper) => due.push(sleeper), {
          total: peerMemory,
          threads: 2,
          tellOthers: () => told.push(threads[1 - own] as PeerMemory),
        }),
    );
    const run = () => {
      for (const sleeper of due.splice(0)) sleeper.resumed();
      for (const thread of told.splice(0)) thread.review();
    };
    const hold = (thread: number, name: string, bytes: number) =>
      threads[thread]?.hold({ abort: () => cut.push(name) }, bytes);
    return { cut, run, hold, used: () => threads.map(({ used }) => used) };
  }

  test("is one, and the thread that passes it cuts its own largest", () => {
    const { cut, run, hold, used } = peers();
    hold(0, "other", 400);
    hold(1, "large", 500);
    hold(1, "small", 150);
    run();
    expect([cut, used()]).toEqual([["large"], [550, 550]]);
  });

  test("is kept by the thread that holds more than its part, whichever passes it", () => {
    const { cut, run, hold, used } = peers();
    hold(0, "hog", 500);
    hold(0, "neighbour", 450);
    hold(1, "small", 100);
    run();
    expect([cut, used()]).toEqual([["hog"], [550, 550]]);
  });

  test("cuts no lender of any thread while it is not passed", () => {
    const { cut, run, hold } = peers();
    hold(0, "hog", 900);
    hold(1, "small", 100);
    run();
    expect(cut).toEqual([]);
  });
});
