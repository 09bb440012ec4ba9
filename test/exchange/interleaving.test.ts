/** A short slice of the simulator of several threads, with fixed seeds: the pool holds its rules, and a broken one is found. */
import { describe, expect, test } from "bun:test";
import { interleave } from "../../tools/fuzz/interleaving/run.ts";

const SLICE = { seed: 20_260_315, count: 1000, seconds: 60 };

/** Seeds within which a broken pool has to be found. */
const BROKEN_SLICE = { seed: 1, count: 20_000, seconds: 60 };

const TIMEOUT_MS = 60_000;

const MUST_HAPPEN = [
  "pool: evicted",
  "pool: granted after a wait",
  "pool: left the queue",
  "pool: lent",
  "pool: queued",
  "pool: refused",
  "pool: slots not taken",
  "pool: slots taken",
  "thread: starts to relieve",
  "thread: wakes another",
  "thread: wakes itself",
  "world: quiet",
];

/** Changes of the source, each with the rule that it breaks. The text before `=>` is in the source once. */
const BROKEN: readonly (readonly [rule: string, before: string, after: string])[] = [
  [
    "the bound holds: one more may wait",
    "balance <= 0 && -balance >= this.queueMax",
    "balance <= 0 && -balance > this.queueMax",
  ],
  [
    "the bound holds: look and change are one step",
    "if (this.#words.compareExchange(Place.Balance, balance, balance - 1) !== balance) continue;",
    "this.#words.store(Place.Balance, balance - 1);",
  ],
  [
    "no slot is given twice: the table is not asked",
    "while (this.#words.compareExchange(this.#layout.slot(slot), 0, this.#thread + 1) !== 0)",
    "while (this.#words.exchange(this.#layout.slot(slot), this.#thread + 1) > this.#threads)",
  ],
  [
    "a slot is free before it is promised",
    "    this.#words.store(this.#layout.slot(slot), 0);\n    this.#likely = slot;\n",
    "    this.#giveUp();\n    this.#words.store(this.#layout.slot(slot), 0);\n    if (this.#thread >= 0) return;\n",
  ],
  ["no slot is lost: who waits is not looked for", "if (balance < 0) this.#promise();", ""],
  [
    "each promise has one owner",
    "if (waiting <= 0 || this.#words.compareExchange(queue, waiting, waiting - 1) !== waiting) continue;",
    "this.#words.store(queue, waiting - 1);",
  ],
  [
    "a request announces itself, then looks for an orphan",
    "    if (this.#takeOne(Place.Orphans)) this.#promise();\n    this.#closeUp();\n",
    "    this.#closeUp();\n",
  ],
  [
    "a slot is an orphan before the thread looks again",
    "if (this.#next() < 0 && this.#words.load(Place.Vacant) <= 0) return;",
    "return;",
  ],
  ["an orphan has one owner", "if (!this.#takeOne(Place.Orphans)) return;", "this.#takeOne(Place.Orphans);"],
  [
    "a place that was left is not promised: the bringer looks",
    "if (this.#takeOne(Place.Vacant)) {",
    "if (this.#thread < 0) {",
  ],
  [
    "a place that was left is not promised: the bringer looks again",
    "if (this.#next() < 0 && this.#words.load(Place.Vacant) <= 0) return;",
    "if (this.#next() < 0) return;",
  ],
  [
    "a place that was left frees the queue",
    "      this.#words.add(Place.Vacant, 1);\n      this.#closeUp();\n      return true;",
    "      this.#words.add(Place.Vacant, 1);\n      return true;",
  ],
  [
    "a place that was left frees the queue, also for a request that has just lined up",
    "    if (this.#takeOne(Place.Orphans)) this.#promise();\n    this.#closeUp();\n",
    "    if (this.#takeOne(Place.Orphans)) this.#promise();\n",
  ],
  [
    "a place that could not be taken out of the balance stays vacant",
    "        this.#words.add(Place.Vacant, 1);\n      }\n",
    "      }\n",
  ],
  [
    "a slot whose request has left is passed on",
    "    // All places of this thread have promises, so one is left over.\n    this.#giveUp();",
    "",
  ],
  [
    "a thread listens before it looks",
    "    this.#words.store(this.#place(OfThread.Bell), 0);\n    this.#grant(false);\n",
    "    this.#grant(false);\n    this.#words.store(this.#place(OfThread.Bell), 0);\n",
  ],
  ["a thread listens again", "    this.#words.store(this.#place(OfThread.Bell), 0);\n", ""],
  [
    "a thread does not look for others",
    "if (thread === this.#thread && this.#granting) return;",
    "if (this.#granting) return;",
  ],
  [
    "a thread is woken for a slot that it promised to itself",
    "if (thread === this.#thread && this.#granting) return;",
    "if (thread === this.#thread) return;",
  ],
  [
    "all promises are honoured",
    "while (this.#queue.size > this.#words.load(this.#place(OfThread.Queue)))",
    "if (this.#queue.size > this.#words.load(this.#place(OfThread.Queue)))",
  ],
  [
    "the oldest of a thread goes first",
    "const [oldest] = this.#queue as Iterable<Waiter> as [Waiter];",
    "const oldest = [...this.#queue].pop() as Waiter;",
  ],
  [
    "the oldest of all threads goes first: the newest does",
    "((ticket - oldest) | 0) >= 0",
    "((ticket - oldest) | 0) <= 0",
  ],
  ["the oldest of all threads goes first: the first thread does", "((ticket - oldest) | 0) >= 0", "true"],
  ["the oldest of all threads goes first: tickets run over", "((ticket - oldest) | 0) >= 0", "ticket >= oldest"],
  ["the table has as many slots as were taken", "balance - count) === balance", "balance - 1) === balance"],
  ["a stalled sender hears of requests of other threads", "if (balance === 0) this.#callForRelief();", ""],
  [
    "a stalled sender hears of requests of other threads, when its thread is woken",
    "if (this.#stalled.size > 0 && this.queued > 0) this.#loop.relieve();",
    "",
  ],
  ["a sender that stalls while others wait is looked at", "    if (this.queued > 0) this.#loop.relieve();\n", ""],
  ["patience is for all who wait", "PATIENCE_MS / 2 ** waiting", "PATIENCE_MS / 2 ** this.#queue.size"],
  [
    "lenders are bounded over all threads",
    "this.#words.load(Place.Lenders) <= this.#lendersMax",
    "this.#lenders.size <= this.#lendersMax",
  ],
  [
    "lenders that are done do not count",
    "if (this.#lenders.delete(sender)) this.#words.add(Place.Lenders, -1);",
    "this.#lenders.delete(sender);",
  ],
];

describe("the pools of several threads", () => {
  test(
    "hold every rule in a short run, which reaches every kind of event",
    async () => {
      const { seeds, coverage, failure } = await interleave(SLICE);
      expect(failure && { ...failure, trace: failure.trace.slice(-60) }).toBeNull();
      expect(seeds).toBe(SLICE.count);
      expect(MUST_HAPPEN.filter((what) => coverage.of(what) === 0)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  for (const [rule, before, after] of BROKEN) {
    test(
      `are found broken: ${rule}`,
      async () => {
        const { failure } = await interleave(BROKEN_SLICE, (source) => {
          expect(source.split(before)).toHaveLength(2);
          return source.replace(before, () => after);
        });
        expect(failure?.violation ?? "").not.toBe("");
        expect(failure?.violation).not.toContain("not violated");
      },
      TIMEOUT_MS,
    );
  }
});
