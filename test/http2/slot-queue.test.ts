import { expect, test } from "bun:test";
import { Phase } from "../../src/exchange/exchange.ts";
import { SlotQueue } from "../../src/http2/slot-queue.ts";
import type { Stream } from "../../src/http2/stream.ts";

/** A request that waits for nothing yet. */
class FakeStream {
  isClosed = false;
  isLight = true;
  readonly exchange = {
    phase: Phase.Receiving,
    lease: {
      slot: 0,
      isHeldBack: false,
      holdBack() {
        this.isHeldBack = true;
      },
      letGo() {
        this.isHeldBack = false;
      },
      pass(other: { slot: number }) {
        other.slot = this.slot;
        this.slot = 0;
      },
    },
  };

  get isHeldBack(): boolean {
    return this.exchange.lease.isHeldBack;
  }

  constructor(phase = Phase.Receiving, slot = 0) {
    this.exchange.phase = phase;
    this.exchange.lease.slot = slot;
  }
}

function opened() {
  const pool = { queued: 0 };
  const queue = new SlotQueue(pool);
  const as = (stream: FakeStream) => stream as unknown as Stream;
  return {
    pool,
    queue,
    mayProceed: (stream: FakeStream) => queue.mayProceed(as(stream)),
    continued: (stream: FakeStream) => queue.continued(as(stream)),
    remove: (stream: FakeStream) => queue.remove(as(stream)),
    next: () => queue.next() as unknown as FakeStream | null,
  };
}

test("one request waits in the pool; the others wait here, in their order", () => {
  const { mayProceed, continued, next } = opened();
  const [first, second, third] = [new FakeStream(), new FakeStream(), new FakeStream()];
  expect(mayProceed(first)).toBe(true);
  first.exchange.phase = Phase.Waiting;
  continued(first);
  expect([mayProceed(first), mayProceed(second), mayProceed(third), mayProceed(second)]).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect([second.isHeldBack, third.isHeldBack, next()]).toEqual([true, true, null]);
  first.exchange.phase = Phase.Running;
  expect([next() === second, second.isHeldBack]).toEqual([true, false]);
  second.exchange.phase = Phase.Waiting;
  continued(second);
  expect(next()).toBeNull();
  second.isClosed = true;
  expect([next() === third, next()]).toEqual([true, null]);
});

test("a request with a slot is never held back", () => {
  const { mayProceed, continued } = opened();
  continued(new FakeStream(Phase.Waiting));
  expect(mayProceed(new FakeStream(Phase.Receiving, 3))).toBe(true);
});

test("a request that is removed waits no longer", () => {
  const { mayProceed, continued, remove, next } = opened();
  const first = new FakeStream(Phase.Waiting);
  continued(first);
  const [second, third, stranger] = [new FakeStream(), new FakeStream(), new FakeStream()];
  mayProceed(second);
  mayProceed(third);
  remove(stranger);
  remove(second);
  remove(second);
  first.isClosed = true;
  expect([second.isHeldBack, next() === third, next()]).toEqual([false, true, null]);
});

test("the slot of a response that is ready goes to the next request of the turn", () => {
  const { queue, mayProceed, continued } = opened();
  const first = new FakeStream(Phase.Sending, 4);
  continued(first);
  const [second, third] = [new FakeStream(), new FakeStream()];
  expect([mayProceed(second), second.exchange.lease.slot, first.exchange.lease.slot]).toEqual([true, 4, 0]);
  expect([mayProceed(third), third.exchange.lease.slot]).toEqual([true, 0]);
  first.exchange.lease.slot = 4;
  queue.endTurn();
  const fourth = new FakeStream();
  expect([mayProceed(fourth), fourth.exchange.lease.slot]).toEqual([true, 0]);
});

test.each<[string, (first: FakeStream, pool: { queued: number }) => void]>([
  ["is large", (first) => Object.assign(first, { isLight: false })],
  ["has no slot", (first) => Object.assign(first.exchange.lease, { slot: 0 })],
  ["is followed by requests of others that wait", (_, pool) => Object.assign(pool, { queued: 1 })],
])("a response that %s passes no slot on", (_, change) => {
  const { pool, mayProceed, continued } = opened();
  const first = new FakeStream(Phase.Sending, 4);
  continued(first);
  change(first, pool);
  const second = new FakeStream();
  mayProceed(second);
  expect(second.exchange.lease.slot).toBe(0);
});

test("a large response is not noted, whatever it becomes", () => {
  const { mayProceed, continued } = opened();
  const first = Object.assign(new FakeStream(Phase.Sending, 4), { isLight: false });
  continued(first);
  first.isLight = true;
  const second = new FakeStream();
  mayProceed(second);
  expect(second.exchange.lease.slot).toBe(0);
});
