import { describe, expect, test } from "bun:test";
import { LocalPool } from "../../src/exchange/local-pool.ts";
import { type Pool, QUEUED, REFUSED, type Sender, type Waiter } from "../../src/exchange/pool.ts";

class Recorder implements Waiter {
  readonly slots: number[] = [];

  granted(slot: number): void {
    this.slots.push(slot);
  }
}

test("slots are numbered from 1 and given until there are none", () => {
  const pool = new LocalPool(2, 0);
  const waiter = new Recorder();
  expect([pool.acquire(waiter), pool.acquire(waiter), pool.acquire(waiter)]).toEqual([1, 2, REFUSED]);
  expect(pool.active).toBe(2);
});

test("waiters get slots in the order they came, and the queue is bounded", () => {
  const pool = new LocalPool(1, 2);
  const [a, b, c] = [new Recorder(), new Recorder(), new Recorder()];
  pool.acquire(new Recorder());
  expect([pool.acquire(a), pool.acquire(b), pool.acquire(c)]).toEqual([QUEUED, QUEUED, REFUSED]);
  pool.release(1);
  expect([a.slots, b.slots]).toEqual([[1], []]);
  pool.release(1);
  expect(b.slots).toEqual([1]);
});

test("a newcomer does not overtake those who wait while a slot is on its way to them", () => {
  const pool = new LocalPool(1, 2);
  const second = new Recorder();
  let overtaken = 0;
  pool.acquire(new Recorder());
  pool.acquire({
    granted(slot) {
      // Finishes at once; between the release and the next grant somebody else asks.
      pool.release(slot);
      overtaken = pool.acquire(new Recorder());
    },
  });
  pool.acquire(second);
  pool.release(1);
  expect(overtaken).toBe(QUEUED);
  expect(second.slots).toEqual([1]);
});

test("ten thousand waiters that finish at once do not grow the stack", () => {
  const pool = new LocalPool(1, 10_000);
  let served = 0;
  pool.acquire(new Recorder());
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

test("who cancels is not granted, and a slot is not lost to a waiter that throws", () => {
  const pool = new LocalPool(1, 2);
  const gone = new Recorder();
  pool.acquire(new Recorder());
  pool.acquire(gone);
  expect([pool.cancel(gone), pool.cancel(gone)]).toEqual([true, false]);
  pool.acquire({
    granted() {
      throw new Error("broken waiter");
    },
  });
  expect(() => pool.release(1)).toThrow("broken waiter");
  const next = new Recorder();
  pool.acquire(next);
  pool.release(1);
  expect(next.slots).toEqual([1]);
});

/** Has a slot and sends; gives it back when asked to lend it. */
class SlowSender implements Sender {
  readonly pool: Pool;
  slot: number;
  isEvicted = false;

  constructor(pool: Pool) {
    this.pool = pool;
    this.slot = pool.acquire(new Recorder());
  }

  lend(): void {
    const slot = this.slot;
    this.slot = 0;
    this.pool.release(slot);
  }

  evict(): void {
    this.isEvicted = true;
  }
}

describe("a sender whose peer reads nothing", () => {
  test("keeps its slot as long as nobody waits, and lends it a second after somebody does", () => {
    const pool = new LocalPool(1, 5, 10);
    const sender = new SlowSender(pool);
    pool.stalled(sender, 0);
    pool.relieve(60_000);
    expect(sender.slot).toBe(1);
    const waiter = new Recorder();
    pool.acquire(waiter);
    pool.relieve(999);
    expect(waiter.slots).toEqual([]);
    pool.relieve(1000);
    expect([sender.slot, waiter.slots]).toEqual([0, [1]]);
  });

  test("is given less time the more wait, and the one that stalled first lends first", () => {
    const pool = new LocalPool(2, 5, 10);
    const [early, late] = [new SlowSender(pool), new SlowSender(pool)];
    pool.stalled(early, 0);
    pool.stalled(late, 100);
    const waiters = [new Recorder(), new Recorder(), new Recorder()];
    for (const waiter of waiters) pool.acquire(waiter);
    pool.relieve(249);
    expect([early.slot, late.slot]).toEqual([1, 2]);
    pool.relieve(250);
    expect([early.slot, late.slot]).toEqual([0, 2]);
    expect(waiters.map((waiter) => waiter.slots)).toEqual([[1], [], []]);
  });

  test("keeps its slot when it reads again in time", () => {
    const pool = new LocalPool(1, 5, 10);
    const sender = new SlowSender(pool);
    pool.stalled(sender, 0);
    pool.acquire(new Recorder());
    pool.moving(sender);
    pool.stalled(sender, 900);
    pool.relieve(1500);
    expect(sender.slot).toBe(1);
    pool.relieve(1900);
    expect(sender.slot).toBe(0);
  });

  test("is cut, the oldest first, when too many go on without a slot", () => {
    const pool = new LocalPool(3, 5, 1);
    const senders = [new SlowSender(pool), new SlowSender(pool), new SlowSender(pool)];
    for (const sender of senders) pool.stalled(sender, 0);
    for (let i = 0; i < 5; i++) pool.acquire(new Recorder());
    pool.relieve(10_000);
    expect(senders.map((sender) => [sender.slot, sender.isEvicted])).toEqual([
      [0, true],
      [0, true],
      [0, false],
    ]);
  });

  test("is forgotten when its answer is over, and then is not the oldest", () => {
    const pool = new LocalPool(2, 5, 1);
    const [done, other] = [new SlowSender(pool), new SlowSender(pool)];
    pool.stalled(done, 0);
    pool.acquire(new Recorder());
    pool.relieve(5000);
    pool.finished(done);
    pool.stalled(other, 5000);
    pool.acquire(new Recorder());
    pool.relieve(20_000);
    expect([done.isEvicted, other.isEvicted, other.slot]).toEqual([false, false, 0]);
  });

  test("keeps its slot, and waits for the send timeout, where nobody may go on without one", () => {
    const pool = new LocalPool(1, 5);
    const sender = new SlowSender(pool);
    pool.stalled(sender, 0);
    pool.acquire(new Recorder());
    pool.relieve(60_000);
    expect(sender.slot).toBe(1);
  });
});

describe("slots that are taken without work", () => {
  test("are as many as wanted, and come back one by one", () => {
    const pool = new LocalPool(3, 1);
    const taken = pool.take(2) ?? [];
    expect([taken.length, pool.free, pool.active]).toEqual([2, 1, 2]);
    const [slot, waiter] = [pool.acquire(new Recorder()), new Recorder()];
    expect(new Set([slot, ...taken])).toEqual(new Set([1, 2, 3]));
    expect(pool.acquire(waiter)).toBe(QUEUED);
    pool.release(taken[0] ?? 0);
    expect(waiter.slots).toEqual([taken[0] ?? 0]);
  });

  test("are none when fewer are free", () => {
    const pool = new LocalPool(3, 0);
    pool.acquire(new Recorder());
    expect(pool.take(3)).toBeNull();
    expect(pool.free).toBe(2);
  });

  test("are none while a freed one is on its way to somebody who waits", () => {
    const pool = new LocalPool(1, 2);
    let free = -1;
    pool.acquire(new Recorder());
    pool.acquire({
      granted(slot) {
        // Finishes at once: the slot is the next waiter's, though not yet in its hands.
        pool.release(slot);
        free = pool.take(1)?.length ?? pool.free;
      },
    });
    pool.acquire(new Recorder());
    pool.release(1);
    expect(free).toBe(0);
  });
});
