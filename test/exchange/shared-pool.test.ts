import { describe, expect, test } from "bun:test";
import { QUEUED, REFUSED, type Sender, type Waiter } from "../../src/exchange/pool.ts";
import type { SharedSizes } from "../../src/exchange/shared-layout.ts";
import { SharedMemory } from "../../src/exchange/shared-memory.ts";
import type { SharedPool } from "../../src/exchange/shared-pool.ts";

/** The pools of several threads over one memory. Wakes wait until the test delivers them. */
class Threads {
  readonly pools: readonly SharedPool[];
  /** Threads that are to be woken, in the order of the calls. */
  readonly wakes: number[] = [];
  /** Threads whose relief was started. */
  readonly reliefs: number[] = [];

  constructor(sizes: Partial<SharedSizes> = {}) {
    const { buffer } = SharedMemory.create({ threads: 2, slots: 1, queueMax: 5, lendersMax: 0, ...sizes });
    this.pools = Array.from({ length: sizes.threads ?? 2 }, (_, thread) =>
      new SharedMemory(buffer).pool(thread, {
        wake: (woken) => this.wakes.push(woken),
        relieve: () => this.reliefs.push(thread),
      }),
    );
  }

  pool(thread: number): SharedPool {
    return this.pools[thread] as SharedPool;
  }

  deliver(): void {
    for (const thread of this.wakes.splice(0)) this.pool(thread).woken();
  }
}

/** A request that notes its slot, and its place among all that got theirs. */
class Request implements Waiter {
  slot = 0;
  readonly #name: string;
  readonly #log: string[];

  constructor(name: string, log: string[] = []) {
    this.#name = name;
    this.#log = log;
  }

  granted(slot: number): void {
    this.slot = slot;
    this.#log.push(this.#name);
  }
}

describe("the slots of several threads", () => {
  test("are numbered from 1, and none is given twice, whichever thread asks", () => {
    const threads = new Threads({ slots: 3, queueMax: 0 });
    const slots = [0, 1, 0, 1].map((thread) => threads.pool(thread).acquire(new Request("")));
    expect(slots).toEqual([1, 2, 3, REFUSED]);
    expect(threads.pools.map(({ active, free, queued, size }) => [active, free, queued, size])).toEqual([
      [3, 0, 0, 3],
      [3, 0, 0, 3],
    ]);
  });

  test("are refused to the second request where one slot and no queue is wanted, whichever thread it reaches", () => {
    const threads = new Threads({ threads: 4, queueMax: 0 });
    expect([2, 0, 1, 3, 2].map((thread) => threads.pool(thread).acquire(new Request("")))).toEqual([1, -1, -1, -1, -1]);
    threads.pool(2).release(1);
    expect(threads.pool(3).acquire(new Request(""))).toBe(1);
  });

  test("one bound holds for the queues of all threads together", () => {
    const threads = new Threads({ threads: 3, queueMax: 2 });
    const results = [0, 0, 1, 2, 0].map((thread) => threads.pool(thread).acquire(new Request("")));
    expect(results).toEqual([1, QUEUED, QUEUED, REFUSED, REFUSED]);
    expect(threads.pool(2).queued).toBe(2);
  });

  test("requests that wait in their connections are counted for all threads, and are not bounded", () => {
    const threads = new Threads({ queueMax: 1 });
    threads.pool(0).acquire(new Request(""));
    threads.pool(0).acquire(new Request(""));
    threads.pool(0).holdBack(1);
    threads.pool(1).holdBack(2);
    threads.pool(1).holdBack(-1);
    expect(threads.pools.map(({ queued, queuedInAll }) => [queued, queuedInAll])).toEqual([
      [1, 3],
      [1, 3],
    ]);
  });

  test("go to the requests in the order in which they came, in whichever thread they wait", () => {
    const threads = new Threads({ threads: 3 });
    const log: string[] = [];
    threads.pool(0).acquire(new Request("first"));
    const order = [1, 2, 0, 1, 2];
    order.forEach((thread, at) => {
      threads.pool(thread).acquire(new Request(`${at} of ${thread}`, log));
    });
    let holder = 0;
    for (const thread of order) {
      threads.pool(holder).release(1);
      threads.deliver();
      holder = thread;
    }
    expect(log).toEqual(["0 of 1", "1 of 2", "2 of 0", "3 of 1", "4 of 2"]);
  });

  test("start a request of the releasing thread at once, and of another thread when it was woken", () => {
    const threads = new Threads();
    const [own, other] = [new Request("own"), new Request("other")];
    threads.pool(0).acquire(new Request("first"));
    threads.pool(0).acquire(own);
    threads.pool(1).acquire(other);
    threads.pool(0).release(1);
    expect([own.slot, threads.wakes]).toEqual([1, []]);
    threads.pool(0).release(1);
    expect([other.slot, threads.wakes]).toEqual([0, [1]]);
    threads.deliver();
    expect(other.slot).toBe(1);
  });
});

test("a thread that is about to look is not woken again", () => {
  const threads = new Threads({ slots: 2 });
  for (let i = 0; i < 2; i++) threads.pool(0).acquire(new Request(""));
  const requests = [new Request("a"), new Request("b")];
  for (const request of requests) threads.pool(1).acquire(request);
  threads.pool(0).release(1);
  threads.pool(0).release(2);
  expect(threads.wakes).toEqual([1]);
  threads.deliver();
  expect(requests.map(({ slot }) => slot).sort()).toEqual([1, 2]);
});

test("ten thousand waiters that finish at once do not grow the stack", () => {
  const threads = new Threads({ queueMax: 10_000 });
  const pool = threads.pool(0);
  let served = 0;
  pool.acquire(new Request(""));
  for (let i = 0; i < 10_000; i++) {
    pool.acquire({
      granted(slot) {
        served++;
        pool.release(slot);
      },
    });
  }
  pool.release(1);
  expect([served, pool.active, pool.queued]).toEqual([10_000, 0, 0]);
});

test("a waiter that throws loses no slot of the others", () => {
  const threads = new Threads({ slots: 2 });
  const [next] = [new Request("next")];
  for (let i = 0; i < 2; i++) threads.pool(0).acquire(new Request(""));
  threads.pool(1).acquire({
    granted() {
      throw new Error("broken waiter");
    },
  });
  threads.pool(1).acquire(next);
  for (const slot of [1, 2]) threads.pool(0).release(slot);
  expect(() => threads.deliver()).toThrow("broken waiter");
  threads.deliver();
  expect(next.slot).toBeGreaterThan(0);
});

describe("a request that leaves the queue", () => {
  test("gives its place in the bound back, and is not granted", () => {
    const threads = new Threads({ queueMax: 1 });
    const [gone, next] = [new Request("gone"), new Request("next")];
    threads.pool(0).acquire(new Request(""));
    threads.pool(1).acquire(gone);
    expect([threads.pool(1).cancel(gone), threads.pool(1).cancel(gone)]).toEqual([true, false]);
    expect(threads.pool(0).acquire(next)).toBe(QUEUED);
    threads.pool(0).release(1);
    threads.deliver();
    expect([gone.slot, next.slot]).toEqual([0, 1]);
  });

  test("while its slot is on the way passes it to the next, of another thread", () => {
    const threads = new Threads();
    const [gone, next] = [new Request("gone"), new Request("next")];
    threads.pool(0).acquire(new Request(""));
    threads.pool(1).acquire(gone);
    threads.pool(0).acquire(next);
    threads.pool(0).release(1);
    threads.pool(1).cancel(gone);
    threads.deliver();
    threads.deliver();
    expect([gone.slot, next.slot]).toEqual([0, 1]);
  });

  test("while its slot is on the way, as the last that waits, leaves the slot free", () => {
    const threads = new Threads();
    const gone = new Request("gone");
    threads.pool(0).acquire(new Request(""));
    threads.pool(1).acquire(gone);
    threads.pool(0).release(1);
    threads.pool(1).cancel(gone);
    threads.deliver();
    expect([threads.pool(0).free, threads.pool(0).acquire(new Request(""))]).toEqual([1, 1]);
  });
});

test("slots that are taken without work are as many as wanted, or none", () => {
  const threads = new Threads({ slots: 3 });
  threads.pool(1).acquire(new Request(""));
  expect(threads.pool(0).take(3)).toBeNull();
  expect(threads.pool(0).take(2)?.sort()).toEqual([2, 3]);
  expect([threads.pool(1).free, threads.pool(1).active]).toEqual([0, 3]);
});

/** Has a slot and sends; gives it back when asked to lend it. */
class SlowSender implements Sender {
  readonly pool: SharedPool;
  slot: number;
  isEvicted = false;

  constructor(pool: SharedPool) {
    this.pool = pool;
    this.slot = pool.acquire(new Request(""));
  }

  lend(): void {
    const { slot } = this;
    this.slot = 0;
    this.pool.release(slot);
  }

  evict(): void {
    this.isEvicted = true;
  }
}

describe("a sender whose peer reads nothing", () => {
  test("lends its slot to a request of another thread, sooner the more wait in all threads", () => {
    const threads = new Threads({ threads: 3, lendersMax: 10 });
    const sender = new SlowSender(threads.pool(0));
    const first = new Request("first");
    threads.pool(0).stalled(sender, 0);
    threads.pool(0).relieve(60_000);
    expect(sender.slot).toBe(1);
    threads.pool(1).acquire(first);
    for (const thread of [2, 1]) threads.pool(thread).acquire(new Request(""));
    threads.pool(0).relieve(249);
    expect(sender.slot).toBe(1);
    threads.pool(0).relieve(250);
    threads.deliver();
    expect([sender.slot, first.slot]).toEqual([0, 1]);
  });

  test("has its thread woken when a request of another thread begins to wait, so that its relief starts", () => {
    const threads = new Threads({ lendersMax: 10 });
    const sender = new SlowSender(threads.pool(0));
    threads.pool(0).stalled(sender, 0);
    threads.pool(1).acquire(new Request(""));
    expect([threads.wakes, threads.reliefs]).toEqual([[0], []]);
    threads.deliver();
    expect(threads.reliefs).toEqual([0]);
    threads.pool(1).acquire(new Request(""));
    expect(threads.wakes).toEqual([]);
  });

  test("starts the relief of its thread when it stalls while others wait, and no thread is woken for one that reads again", () => {
    const threads = new Threads({ lendersMax: 10 });
    const sender = new SlowSender(threads.pool(0));
    const waiter = new Request("");
    threads.pool(1).acquire(waiter);
    threads.pool(0).stalled(sender, 0);
    expect(threads.reliefs).toEqual([0]);
    threads.pool(0).moving(sender);
    threads.pool(1).cancel(waiter);
    threads.pool(1).acquire(waiter);
    expect(threads.wakes).toEqual([]);
  });

  test("is cut, the oldest of its thread first, when too many of all threads go on without a slot", () => {
    const threads = new Threads({ slots: 3, lendersMax: 2 });
    const others = new SlowSender(threads.pool(1));
    const own = [new SlowSender(threads.pool(0)), new SlowSender(threads.pool(0))];
    for (let i = 0; i < 4; i++) threads.pool(1).acquire(new Request(""));
    threads.pool(1).stalled(others, 0);
    threads.pool(1).relieve(10_000);
    for (const sender of own) threads.pool(0).stalled(sender, 0);
    threads.pool(0).relieve(10_000);
    expect([others, ...own].map(({ isEvicted }) => isEvicted)).toEqual([false, true, false]);
    threads.pool(1).finished(others);
    const third = new SlowSender(threads.pool(0));
    expect(third.slot).toBe(QUEUED);
  });
});

test("a request that waits wakes the threads with stalled senders, and no thread that there is not", () => {
  const threads = new Threads({ slots: 8, lendersMax: 1 });
  threads.pool(0).take(8);
  threads.pool(0).acquire(new Request("waits"));
  expect(threads.wakes).toEqual([]);
  const sender = { lend: () => {}, evict: () => {} } as unknown as Sender;
  threads.pool(1).stalled(sender, 0);
  threads.pool(0).acquire(new Request("waits too"));
  expect(threads.wakes).toEqual([]);
});

test("a thread that is woken while no request waits does not relieve", () => {
  const threads = new Threads({ slots: 2, lendersMax: 1 });
  threads.pool(1).stalled({ lend: () => {}, evict: () => {} } as unknown as Sender, 0);
  threads.pool(1).woken();
  expect(threads.reliefs).toEqual([]);
  threads.pool(0).take(2);
  threads.pool(0).acquire(new Request("waits"));
  expect(threads.wakes).toEqual([1]);
  threads.deliver();
  expect(threads.reliefs).toEqual([1]);
});

test("requests keep their places in the line of all threads after others have left it", () => {
  const threads = new Threads();
  const log: string[] = [];
  const [own, other] = [threads.pool(0), threads.pool(1)];
  own.acquire(new Request("working"));
  const leaves = [new Request("leaves"), new Request("leaves too")];
  for (const request of leaves) own.acquire(request);
  for (const request of leaves) own.cancel(request);
  own.acquire(new Request("first", log));
  other.acquire(new Request("second", log));
  own.acquire(new Request("third", log));
  for (let turn = 0; turn < 3; turn++) {
    own.release(1);
    threads.deliver();
  }
  expect(log).toEqual(["first", "second", "third"]);
});

test("a thread without stalled senders does not relieve, nor does a pool that lends no slots", () => {
  const threads = new Threads({ slots: 1, lendersMax: 1 });
  threads.pool(0).acquire(new Request("working"));
  threads.pool(0).acquire(new Request("waits"));
  threads.pool(1).woken();
  expect(threads.reliefs).toEqual([]);
  const strict = new Threads({ slots: 1, lendersMax: 0 });
  const sender = new SlowSender(strict.pool(0));
  strict.pool(0).acquire(new Request("waits"));
  strict.pool(0).stalled(sender, 0);
  strict.pool(0).relieve(60_000);
  expect([strict.reliefs, sender.slot]).toEqual([[], 1]);
});
