import { expect, test } from "bun:test";
import { parsePriority } from "../../src/http2/priority.ts";

test.each<[value: string, urgency: number, isIncremental: boolean]>([
  ["", 3, false],
  ["u=0", 0, false],
  ["u=7", 7, false],
  ["u=8", 3, false],
  ["u=10", 3, false],
  ["u=-1", 3, false],
  ["xu=1", 3, false],
  ["i", 3, true],
  ["i=?1", 3, true],
  ["i=?0", 3, false],
  ["i, i=?0", 3, false],
  ["i=?0, i", 3, true],
  ["i=1", 3, false],
  ["ii", 3, false],
  ["i, x=?0", 3, true],
  ["i, i=?0x", 3, true],
  ["u=5, i", 5, true],
  ["i,u=5", 5, true],
  ["u=5;x=1, i;y", 5, true],
  ["i=?0;x", 3, false],
  ["u=5, u=x", 5, false],
  [`u=5,${" ".repeat(60)}`, 5, false],
  [`u=5,${" ".repeat(61)}`, 3, false],
])("%p is urgency %d, incremental: %p", (value, urgency, isIncremental) => {
  expect(parsePriority(value)).toEqual({ urgency, isIncremental });
});
