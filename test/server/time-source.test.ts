/** Time that a test moves, and the machine's. */
import { expect, test } from "bun:test";
import { ManualClock, systemTime } from "../../src/server/time-source.ts";

/** A clock at wall time 1000 and what rings, each with its monotonic time. */
function start() {
  const clock = new ManualClock(1000);
  const rung: string[] = [];
  return { clock, rung, ring: (name: string) => () => rung.push(`${name} at ${clock.nowMs()}`) };
}

test("time stands still until it is moved, and both of its kinds move alike", () => {
  const { clock } = start();
  expect([clock.nowMs(), clock.wallMs()]).toEqual([0, 1000]);
  clock.advance(250);
  clock.advance(0.5);
  expect([clock.nowMs(), clock.wallMs()]).toEqual([250.5, 1250.5]);
});

test("what is due is called in its order, each at its own time", () => {
  const { clock, rung, ring } = start();
  clock.after(30, ring("c"));
  clock.after(10, ring("a"));
  clock.every(20, ring("b"));
  clock.advance(45);
  expect(rung).toEqual(["a at 10", "b at 20", "c at 30", "b at 40"]);
  expect(clock.nowMs()).toBe(45);
});

test("what is due at the same time is called in the order it was set", () => {
  const { clock, rung, ring } = start();
  clock.after(10, ring("first"));
  clock.every(5, ring("every"));
  clock.after(10, ring("second"));
  clock.advance(10);
  expect(rung).toEqual(["every at 5", "first at 10", "every at 10", "second at 10"]);
});

test("nothing is called before its time, and nothing twice but what repeats", () => {
  const { clock, rung, ring } = start();
  clock.after(10, ring("once"));
  clock.advance(9.9);
  expect(rung).toEqual([]);
  clock.advance(0.1);
  clock.advance(1000);
  expect(rung).toEqual(["once at 10"]);
});

test("what is set while time passes is called within the same step, if it is due", () => {
  const { clock, rung, ring } = start();
  clock.after(10, () => {
    ring("outer")();
    clock.after(5, ring("inner"));
    clock.after(50, ring("late"));
  });
  clock.advance(20);
  expect(rung).toEqual(["outer at 10", "inner at 15"]);
});

test("what is cancelled is not called, not even when it is due in the same step; cancelling twice does no harm", () => {
  const { clock, rung, ring } = start();
  const cancel = clock.every(10, ring("every"));
  const cancelOnce = clock.after(10, ring("once"));
  clock.after(5, cancelOnce);
  clock.after(25, () => {
    cancel();
    cancel();
  });
  clock.advance(100);
  expect(rung).toEqual(["every at 10", "every at 20"]);
  cancelOnce();
});

test("one that cancels itself is over", () => {
  const { clock, rung, ring } = start();
  const cancel = clock.every(10, () => {
    ring("every")();
    cancel();
  });
  clock.advance(100);
  expect(rung).toEqual(["every at 10"]);
});

test("an alarm that advances the clock itself does not send it back", () => {
  const { clock, rung, ring } = start();
  clock.after(10, () => clock.advance(100));
  clock.after(50, ring("middle"));
  clock.advance(20);
  expect(rung).toEqual(["middle at 50"]);
  expect(clock.nowMs()).toBe(110);
});

test("an interval of nothing would never end, so it is refused", () => {
  const { clock } = start();
  for (const ms of [0, -1, Number.NaN]) expect(() => clock.every(ms, () => {})).toThrow(RangeError);
});

test("the machine's time moves by itself, calls, and can be cancelled", async () => {
  const startMs = systemTime.nowMs();
  let calls = 0;
  const cancelled = systemTime.after(1, () => calls++);
  cancelled();
  await new Promise<void>((resolve) => {
    const end = systemTime.every(1, () => {
      if (++calls < 3) return;
      end();
      resolve();
    });
  });
  await new Promise<void>((resolve) => systemTime.after(5, resolve));
  expect(calls).toBe(3);
  expect(systemTime.nowMs() - startMs).toBeGreaterThan(5);
  const beforeMs = Date.now();
  const wallMs = systemTime.wallMs();
  expect([beforeMs <= wallMs, wallMs <= Date.now()]).toEqual([true, true]);
});
