import { describe, expect, test } from "bun:test";
import { Clock } from "../../src/exchange/clock.ts";
import { LocalPool } from "../../src/exchange/local-pool.ts";
import { type Pool, QUEUED, REFUSED } from "../../src/exchange/pool.ts";
import { SlotLease } from "../../src/exchange/slot-lease.ts";

class Holder {
  grants = 0;
  evictions = 0;

  granted(): void {
    this.grants++;
  }

  evicted(): void {
    this.evictions++;
  }

  work(): null {
    return null;
  }
}

function setting({ size = 1, queue = 10, lenders = 1 } = {}) {
  const clock = new Clock(1000, 0);
  const pool = new LocalPool(size, queue, lenders);
  return {
    pool,
    pass(ms: number): void {
      clock.set(clock.nowMs + ms, 0);
    },
    relieve(): void {
      pool.relieve(clock.nowMs);
    },
    make(): { lease: SlotLease; holder: Holder } {
      const holder = new Holder();
      return { lease: new SlotLease(pool, clock, holder), holder };
    },
  };
}

test("a free slot is taken at once and given back once", () => {
  const { pool, make } = setting();
  const { lease } = make();
  expect([lease.take(), lease.slot, pool.active]).toEqual([1, 1, 1]);
  lease.release();
  lease.release();
  expect([lease.slot, pool.active]).toEqual([0, 0]);
});

test("a slot that is waited for comes with the time that it took", () => {
  const { make, pass } = setting();
  const [first, second] = [make(), make()];
  first.lease.take();
  expect([second.lease.take(), second.lease.slot]).toEqual([QUEUED, 0]);
  pass(70);
  first.lease.release();
  expect([second.lease.slot, second.lease.queuedMs, second.holder.grants]).toEqual([1, 70, 1]);
});

test("where the queue is full there is none", () => {
  const { make } = setting({ queue: 0 });
  make().lease.take();
  const { lease } = make();
  expect([lease.take(), lease.slot]).toEqual([REFUSED, 0]);
});

test("a cancelled wait is over, and its time is known", () => {
  const { pool, make, pass } = setting();
  const [first, second] = [make(), make()];
  first.lease.take();
  second.lease.take();
  pass(30);
  second.lease.cancel();
  pass(5);
  second.lease.cancel();
  first.lease.release();
  expect([pool.queued, pool.active, second.holder.grants, second.lease.queuedMs]).toEqual([0, 0, 0, 30]);
});

test("a new lease has no slot and no time in the queue", () => {
  const { lease } = setting().make();
  expect([lease.slot, lease.lent, lease.queuedMs, lease.isHeldBack]).toEqual([0, 0, 0, false]);
});

describe("a lease that its connection holds back", () => {
  test("counts for the pool until it is let go", () => {
    const { pool, make, pass } = setting();
    const { lease } = make();
    lease.holdBack();
    expect([lease.isHeldBack, pool.queued, pool.queuedInAll]).toEqual([true, 0, 1]);
    pass(40);
    lease.letGo();
    expect([lease.isHeldBack, pool.queuedInAll, lease.queuedMs]).toEqual([false, 0, 40]);
  });

  test("has that time in its own, also if it waits in the queue after that", () => {
    const { make, pass } = setting();
    const [first, second, third] = [make(), make(), make()];
    first.lease.take();
    second.lease.holdBack();
    pass(40);
    second.lease.letGo();
    second.lease.take();
    third.lease.take();
    pass(2);
    first.lease.release();
    second.lease.release();
    expect([second.lease.queuedMs, third.lease.queuedMs]).toEqual([42, 2]);
  });

  test("has it no more after it has got a slot at once", () => {
    const { make, pass } = setting();
    const [first, second] = [make(), make()];
    first.lease.holdBack();
    pass(40);
    first.lease.letGo();
    first.lease.take();
    second.lease.take();
    first.lease.release();
    first.lease.take();
    pass(3);
    second.lease.release();
    expect([second.lease.queuedMs, first.lease.queuedMs]).toEqual([0, 3]);
  });
});

describe("a stalled lease", () => {
  function stalled() {
    const given = setting({ lenders: 1 });
    const reader = given.make();
    reader.lease.take();
    reader.lease.stalled();
    const waiting = given.make();
    waiting.lease.take();
    return { ...given, reader, waiting };
  }

  test("lends its slot to a request that has waited for long enough, and remembers which it was", () => {
    const { reader, waiting, pass, relieve } = stalled();
    pass(1000);
    relieve();
    expect([reader.lease.slot, reader.lease.lent, waiting.lease.slot]).toEqual([0, 1, 1]);
  });

  test("keeps its slot when its peer reads again", () => {
    const { reader, waiting, pass, relieve } = stalled();
    reader.lease.moving();
    pass(1000);
    relieve();
    expect([reader.lease.slot, waiting.lease.slot]).toEqual([1, 0]);
  });

  test("keeps its slot when a handler begins to work", () => {
    const { reader, waiting, pass, relieve } = stalled();
    reader.lease.settle();
    pass(1000);
    relieve();
    expect([reader.lease.slot, waiting.lease.slot]).toEqual([1, 0]);
  });

  test("that is given back is not lent any more", () => {
    const { reader, waiting, pass, relieve } = stalled();
    reader.lease.release();
    pass(1000);
    relieve();
    expect([reader.lease.lent, waiting.lease.slot]).toEqual([0, 1]);
  });

  test("ends its holder when too many go on without a slot, unless its response is out", () => {
    const { reader, waiting, make, pass, relieve } = stalled();
    pass(1000);
    relieve();
    const third = make();
    waiting.lease.stalled();
    third.lease.take();
    pass(1000);
    relieve();
    expect([reader.holder.evictions, waiting.holder.evictions, third.lease.slot]).toEqual([1, 0, 1]);

    const other = stalled();
    other.pass(1000);
    other.relieve();
    other.reader.lease.repaid();
    expect(other.reader.lease.lent).toBe(0);
    other.waiting.lease.stalled();
    other.make().lease.take();
    other.pass(1000);
    other.relieve();
    expect([other.reader.holder.evictions, other.waiting.holder.evictions]).toEqual([0, 0]);
  });
});

test("a slot that is passed on belongs to the other request alone, and is lent until this response is out", () => {
  const calls: string[] = [];
  const pool = {
    acquire: () => 3,
    release: (slot: number) => calls.push(`release ${slot}`),
    stalled: () => calls.push("stalled"),
    moving: () => calls.push("moving"),
    finished: () => calls.push("finished"),
  } as unknown as Pool;
  const clock = new Clock(1000, 0);
  const holder = { granted: () => {}, evicted: () => {}, work: () => null };
  const [own, other] = [new SlotLease(pool, clock, holder), new SlotLease(pool, clock, holder)];
  own.take();
  own.stalled();
  own.pass(other);
  expect([own.slot, own.lent, other.slot, calls]).toEqual([0, 3, 3, ["stalled", "moving"]]);
  own.release();
  own.settle();
  own.settle();
  other.release();
  expect([own.lent, other.slot, calls.slice(2)]).toEqual([0, 0, ["finished", "release 3"]]);
});
