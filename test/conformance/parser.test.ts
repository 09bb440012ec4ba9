/** Every row on the parsers alone: the same reading whole, byte by byte, and cut in two at each place. */
import { describe, expect, test } from "bun:test";
import { bytesOf } from "../support/bytes.ts";
import { cases } from "./cases.ts";
import { bytewise, ParserFloor, parserDifference, splitPoints } from "./floors.ts";
import { parity } from "./parity.ts";
import type { Row } from "./row.ts";

const floor = new ParserFloor();

for (const [title, rows] of [
  ["the parsers, case by case", cases],
  ["the parsers, each malformed byte in each place", parity],
] as const) {
  describe(title, () => {
    for (const row of rows) {
      test(`${row.section}: ${row.name}`, () => run(row));
      test(`${row.section}: ${row.name}, cut in two`, () => runCut(row));
    }
  });
}

function run(row: Row): void {
  const bytes = bytesOf(row.raw);
  const whole = floor.read([bytes]);
  expect(parserDifference(row, whole)).toBe("");
  expect(floor.read(bytewise(bytes))).toEqual(whole);
}

function runCut(row: Row): void {
  const bytes = bytesOf(row.raw);
  const whole = floor.read([bytes]);
  for (const at of splitPoints(bytes.length)) {
    const split = floor.read([bytes.subarray(0, at), bytes.subarray(at)]);
    if (!Bun.deepEquals(split, whole)) expect({ at, ...split }).toEqual({ at, ...whole });
  }
}
