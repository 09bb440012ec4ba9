/** The pool of several threads, step by step. */
import { PATIENCE_MS, QUEUED, REFUSED } from "../../../src/exchange/pool.ts";
import { type Layout, OfThread, Place, type SharedSizes } from "../../../src/exchange/shared-layout.ts";
import { type Steps, stepClass } from "./stepwise.ts";

/** `Words`, step by step. */
export interface StepWords {
  load(at: number): Steps<number>;
  store(at: number, value: number): Steps;
  add(at: number, amount: number): Steps<number>;
  exchange(at: number, value: number): Steps<number>;
  compareExchange(at: number, expected: number, value: number): Steps<number>;
  /** Reads without a step, for accessors. */
  peek(at: number): number;
}

export interface StepWaiter {
  granted(slot: number): Steps;
}

export interface StepSender {
  lend(): Steps;
  evict(): Steps;
}

/** `SharedPool`, step by step. */
export interface StepPool {
  readonly active: number;
  readonly free: number;
  readonly queued: number;
  acquire(waiter: StepWaiter): Steps<number>;
  take(count: number): Steps<number[] | null>;
  stalled(sender: StepSender, nowMs: number): Steps;
  moving(sender: StepSender): Steps;
  finished(sender: StepSender): Steps;
  relieve(nowMs: number): Steps;
  release(slot: number): Steps;
  cancel(waiter: StepWaiter): Steps<boolean>;
  woken(): Steps;
}

interface StepPoolOptions {
  readonly sizes: SharedSizes;
  readonly words: StepWords;
  readonly layout: Layout;
  readonly thread: number;
  readonly loop: { wake(thread: number): Steps; relieve(): Steps };
}

export type StepPoolClass = new (options: StepPoolOptions) => StepPool;

/** Makes the class. `change` alters the source before, to show that a broken pool is found. */
export async function stepPool(change: (source: string) => string = (source) => source): Promise<StepPoolClass> {
  const options = {
    path: "src/exchange/shared-pool.ts",
    name: "SharedPool",
    receivers: ["words", "#words", "#loop"],
    callbacks: ["granted", "lend", "evict"],
    imported: { QUEUED, REFUSED, PATIENCE_MS, OfThread, Place },
  };
  return (await stepClass(options, change)) as StepPoolClass;
}
