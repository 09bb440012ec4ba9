import { expect, test } from "bun:test";
import { Clock } from "../../src/exchange/clock.ts";
import type { Http2Limits } from "../../src/http2/context.ts";
import { Burden, Guard } from "../../src/http2/guard.ts";

const LIMITS = {
  http2ResetsMax: 10,
  http2SettingsMax: 20,
  http2PingsMax: 30,
  http2IdleFramesMax: 40,
  http2DribblesMax: 50,
} as Http2Limits;

function opened() {
  const clock = new Clock(1000, 0);
  const guard = new Guard(LIMITS, clock);
  const countOf = (burden: Burden) => {
    for (let count = 0; ; count++) if (!guard.bears(burden)) return count;
  };
  return { guard, countOf, pass: (ms: number) => clock.set(clock.nowMs + ms, 0) };
}

test.each([
  [Burden.Reset, 10],
  [Burden.Settings, 20],
  [Burden.Ping, 30],
  [Burden.Idle, 40],
  [Burden.Dribble, 50],
])("burden %d is borne %d times, and the others stay as they were", (burden, max) => {
  const { countOf, guard } = opened();
  expect(countOf(burden)).toBe(max);
  for (const other of [0, 1, 2, 3, 4]) expect(guard.bears(other)).toBe(other !== burden);
});

test.each([
  [Burden.Reset, 10, 5000],
  [Burden.Settings, 20, 10_000],
  [Burden.Ping, 30, 10_000],
  [Burden.Idle, 40, 10_000],
  [Burden.Dribble, 50, 10_000],
])("burden %d has its allowance of %d again after %d ms, in proportion before", (burden, max, ms) => {
  const { countOf, pass } = opened();
  expect(countOf(burden)).toBe(max);
  pass(ms / 2);
  // The one that was refused counts too.
  expect(countOf(burden)).toBe(max / 2 - 1);
  pass(ms);
  expect(countOf(burden)).toBe(max - 1);
  pass(10 * ms);
  expect(countOf(burden)).toBe(max);
});

test("an allowance that is used up has room for one when one has filled again", () => {
  const { pass, guard } = opened();
  for (let count = 0; count < 10; count++) guard.bears(Burden.Reset);
  pass(500);
  expect([guard.bears(Burden.Reset), guard.bears(Burden.Reset)]).toEqual([true, false]);
});

test("a weight may leave less than none, at worst the allowance once more", () => {
  const { guard, pass, countOf } = opened();
  expect([guard.bears(Burden.Reset, 1000), guard.bears(Burden.Reset)]).toEqual([true, false]);
  pass(5000);
  expect(guard.bears(Burden.Reset)).toBe(false);
  pass(5000);
  expect(countOf(Burden.Reset)).toBeGreaterThanOrEqual(8);
});

test("half a burden leaves half", () => {
  const { guard, countOf } = opened();
  guard.bears(Burden.Reset, 0.5);
  guard.bears(Burden.Reset, 0.5);
  expect(countOf(Burden.Reset)).toBe(9);
});
