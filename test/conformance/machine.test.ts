/** Every row in the state machine with the real handler: whole, byte by byte, and cut in two at each place. */
import { afterAll, describe, expect, test } from "bun:test";
import { bytesOf } from "../support/bytes.ts";
import { cases } from "./cases.ts";
import { bytewise, MachineFloor, splitPoints } from "./floors.ts";
import { parity } from "./parity.ts";
import type { Row } from "./row.ts";
import { filledIn, makeConformanceSite } from "./site.ts";

const site = makeConformanceSite();
afterAll(() => site[Symbol.dispose]());
const floor = new MachineFloor(site);
const etag = await floor.etag("/data.txt");

for (const [title, rows] of [
  ["the machine, case by case", cases],
  ["the machine, each malformed byte in each place", parity],
] as const) {
  describe(title, () => {
    for (const row of rows) test(`${row.section}: ${row.name}`, () => run(row));
  });
}

async function run(row: Row): Promise<void> {
  const bytes = bytesOf(filledIn(row.raw, etag));
  expect(await floor.run(row, [bytes])).toBe("");
  if (row.whole) return;
  expect(await floor.run(row, bytewise(bytes))).toBe("");
  for (const at of splitPoints(bytes.length)) {
    const difference = await floor.run(row, [bytes.subarray(0, at), bytes.subarray(at)]);
    if (difference !== "") expect(`cut at ${at}: ${difference}`).toBe("");
  }
}
