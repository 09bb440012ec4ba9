import { expect, test } from "bun:test";
import { Layout, OfThread, Place, type SharedSizes, Sum } from "../../src/exchange/shared-layout.ts";

const LINE = 16;

const SIZES: readonly SharedSizes[] = [
  { threads: 1, slots: 1, queueMax: 0, lendersMax: 0 },
  { threads: 2, slots: 16, queueMax: 15, lendersMax: 3 },
  { threads: 3, slots: 17, queueMax: 16, lendersMax: 3 },
  { threads: 4, slots: 1000, queueMax: 10_000, lendersMax: 3 },
];

test.each(SIZES)("words of different writers are on different lines: %o", (sizes) => {
  const layout = new Layout(sizes);
  const threads = Array.from({ length: sizes.threads }, (_, thread) => thread);
  const places = [Place.Balance, Place.Orphans, Place.Vacant, Place.Tickets, Place.Lenders];
  const sums = Array.from({ length: Sum.Count }, (_, sum) => layout.sum(sum));
  const own = threads.map((thread) => layout.ofThread(thread, OfThread.Queue));
  const first = [...places, ...sums, ...own, layout.slot(1), ...threads.map((thread) => layout.ticket(thread, 0))];
  const lines = first.map((word) => Math.floor(word / LINE));
  expect(lines).toEqual([...new Set(lines)].toSorted((a, b) => a - b));
  expect(first.map((word) => word % LINE)).toEqual(first.map(() => 0));
  expect(first[0]).toBe(LINE);
});

test.each(SIZES)("all words have places of their own, and no more are taken: %o", (sizes) => {
  const layout = new Layout(sizes);
  const words: number[] = [];
  for (let slot = 1; slot <= sizes.slots; slot++) words.push(layout.slot(slot));
  for (let thread = 0; thread < sizes.threads; thread++) {
    for (const word of [OfThread.Queue, OfThread.Tail, OfThread.Bell, OfThread.Stalled]) {
      words.push(layout.ofThread(thread, word));
    }
    for (let index = 0; index <= sizes.queueMax; index++) words.push(layout.ticket(thread, index));
  }
  expect(new Set(words).size).toBe(words.length);
  const last = Math.max(...words);
  expect(last).toBeLessThan(layout.length);
  expect(layout.length - last).toBeLessThanOrEqual(Math.max(LINE, layout.ticketsMax));
});

test("a thread's tickets are as many as may wait, rounded up to a power of two, and the places are used again", () => {
  const ticketsMax = (queueMax: number) => new Layout({ ...(SIZES[0] as SharedSizes), queueMax }).ticketsMax;
  expect([0, 1, 2, 3, 4, 7, 8, 1000].map(ticketsMax)).toEqual([1, 2, 4, 4, 8, 8, 16, 1024]);
  const layout = new Layout({ threads: 2, slots: 1, queueMax: 30, lendersMax: 0 });
  expect(layout.ticket(1, 33) - layout.ticket(1, 0)).toBe(1);
  expect(layout.ticket(1, -1) - layout.ticket(1, 0)).toBe(31);
  expect(layout.ticket(1, 0) - layout.ticket(0, 0)).toBe(32);
});
