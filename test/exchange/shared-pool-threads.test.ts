/** Real threads hammer one pool and its counters. The simulator tries every order of their steps; this one has the machine's. */
import { expect, test } from "bun:test";
import { SharedMemory } from "../../src/exchange/shared-memory.ts";
import { OWNERS, type Report, type Work } from "../support/pool-thread.ts";

const THREADS = 3;
const SLOTS = 2;
const QUEUE = 7;
const REQUESTS = 4000;

async function inThread<Result>(work: Work): Promise<Result> {
  const worker = new Worker(new URL("../support/pool-thread.ts", import.meta.url).href);
  try {
    return await new Promise<Result>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(work);
    });
  } finally {
    worker.terminate();
  }
}

test("three threads take, wait for, leave and give back the slots of one pool: none is lost or given twice", async () => {
  const memory = SharedMemory.create({ threads: THREADS, slots: SLOTS, queueMax: QUEUE, lendersMax: 0 });
  const words = new SharedArrayBuffer(4 * (OWNERS + SLOTS + 1));
  const reports = await Promise.all(
    Array.from({ length: THREADS }, (_, thread) =>
      inThread<Report>({ pool: memory.buffer, words, thread, requests: REQUESTS, parallel: 5 }),
    ),
  );
  expect(reports.flatMap(({ faults }) => faults)).toEqual([]);
  for (const { granted, left } of reports) {
    expect(granted + left).toBe(REQUESTS);
    expect(Math.min(granted, left)).toBeGreaterThan(1);
  }
  expect(reports.reduce((sum, { refused }) => sum + refused, 0)).toBeGreaterThan(0);
  expect(reports.reduce((sum, { woken }) => sum + woken, 0)).toBeGreaterThan(THREADS);
  expect(memory.connections.value).toBe(0);
  const pool = memory.pool(0, { wake: () => {}, relieve: () => {} });
  expect([pool.free, pool.queued, pool.take(SLOTS)?.sort()]).toEqual([SLOTS, 0, [1, 2]]);
});
