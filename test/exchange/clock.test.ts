import { expect, test } from "bun:test";
import { Clock } from "../../src/exchange/clock.ts";
import { textOf } from "../support/bytes.ts";

const WALL_MS = Date.UTC(2026, 2, 15, 10, 30, 15);

/** A time source of a test, in monotonic milliseconds. */
function timed(startMs: number) {
  const time = { ms: startMs, nowMs: () => time.ms };
  return { time, clock: new Clock(startMs, WALL_MS, time) };
}

test("the Date line is that of the wall time, from the first moment on", () => {
  expect(textOf(new Clock(5, WALL_MS).dateLine)).toBe("Date: Sun, 15 Mar 2026 10:30:15 GMT\r\n");
});

test("the Date line stays the same array, and changes with the second", () => {
  const clock = new Clock(0, WALL_MS);
  const { dateLine } = clock;
  clock.set(999, WALL_MS + 999);
  expect([textOf(dateLine), clock.second]).toEqual(["Date: Sun, 15 Mar 2026 10:30:15 GMT\r\n", WALL_MS / 1000]);
  clock.set(1000, WALL_MS + 1000);
  expect([textOf(dateLine), clock.second]).toEqual(["Date: Sun, 15 Mar 2026 10:30:16 GMT\r\n", WALL_MS / 1000 + 1]);
  expect(clock.dateLine).toBe(dateLine);
});

test("a clock that moves by its source keeps the distance of wall time", () => {
  const { time, clock } = timed(500);
  time.ms = 2750;
  clock.move();
  expect([clock.nowMs, clock.wallMs]).toEqual([2750, WALL_MS + 2250]);
  clock.set(2750, WALL_MS + 10_000);
  time.ms = 2760;
  clock.move();
  expect([clock.nowMs, clock.wallMs]).toEqual([2760, WALL_MS + 10_010]);
});

test("a duration ends now by the source, though the clock has not moved", () => {
  const { time, clock } = timed(500);
  time.ms = 600;
  expect([clock.elapsedMs(450), clock.nowMs]).toEqual([150, 500]);
});

test("a clock without a source moves by hand alone", () => {
  const clock = new Clock(500, WALL_MS);
  clock.move();
  expect([clock.nowMs, clock.wallMs, clock.elapsedMs(450)]).toEqual([500, WALL_MS, 50]);
});
