import { expect, test } from "bun:test";
import { Pool, QUEUED, REFUSED, type Waiter } from "../../src/connection/pool.ts";

class Recorder implements Waiter {
  readonly slots: number[] = [];

  granted(slot: number): void {
    this.slots.push(slot);
  }
}

test("slots are numbered from 1 and given until there are none", () => {
  const pool = new Pool(2, 0);
  const waiter = new Recorder();
  expect([pool.acquire(waiter), pool.acquire(waiter), pool.acquire(waiter)]).toEqual([1, 2, REFUSED]);
  expect(pool.active).toBe(2);
});

test("waiters get slots in the order they came, and the queue is bounded", () => {
  const pool = new Pool(1, 2);
  const [a, b, c] = [new Recorder(), new Recorder(), new Recorder()];
  pool.acquire(new Recorder());
  expect([pool.acquire(a), pool.acquire(b), pool.acquire(c)]).toEqual([QUEUED, QUEUED, REFUSED]);
  pool.release(1);
  expect([a.slots, b.slots]).toEqual([[1], []]);
  pool.release(1);
  expect(b.slots).toEqual([1]);
});

test("a newcomer does not overtake those who wait while a slot is on its way to them", () => {
  const pool = new Pool(1, 2);
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
  const pool = new Pool(1, 10_000);
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
  const pool = new Pool(1, 2);
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
