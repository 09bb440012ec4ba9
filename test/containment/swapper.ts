/**
 * A worker that swaps what a name stands for, thousands of times a second, until it is told to stop: an attacker who may write in
 * the served folder and runs against the server's checks, or an owner who saves while others read.
 */
import { dlopen } from "bun:ffi";
import { renameSync, symlinkSync, writeFileSync } from "node:fs";
import { until } from "../support/waiting.ts";

/** How the name changes, in turn from the first state to the second and back. `name` and `rival` are absolute paths. */
export type Swap =
  /** The name and its rival change places in one step; where the system cannot do that, in three renames. */
  | { readonly kind: "exchange"; readonly name: string; readonly rival: string }
  /** A link under the name is replaced in one step by one that says the other target. */
  | { readonly kind: "relink"; readonly name: string; readonly states: readonly [string, string] }
  /** A file is replaced in one step by one with the other content. */
  | { readonly kind: "replace"; readonly name: string; readonly states: readonly [string, string] }
  /** A file is cut to nothing and written again with the other content. */
  | { readonly kind: "rewrite"; readonly name: string; readonly states: readonly [string, string] };

interface Order {
  readonly swap: Swap;
  /** Two numbers: 1 when it is over; swaps so far. */
  readonly counters: SharedArrayBuffer;
}

/** Milliseconds of a race, and what a busy machine gets until enough has happened. */
const RACE_MS = 200;
const PATIENCE_MS = 3500;

/** Starts a race; what it returns is true when the race is over: its time is up, and enough has happened. */
export function startRace(isEnough: () => boolean): () => boolean {
  const started = performance.now();
  return () => {
    const ms = performance.now() - started;
    return ms > RACE_MS && (isEnough() || ms > PATIENCE_MS);
  };
}

/** Swaps until it is disposed of. */
export class Swapping implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #counters: Int32Array;
  readonly #ended: Promise<void>;

  private constructor(swap: Swap) {
    const counters = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
    this.#counters = new Int32Array(counters);
    this.#worker = new Worker(import.meta.url);
    this.#ended = new Promise((resolve, reject) => {
      this.#worker.onmessage = () => resolve();
      this.#worker.onerror = (event) => reject(new Error(event.message));
    });
    this.#worker.postMessage({ swap, counters } satisfies Order);
  }

  /** Resolves when the first swaps were made. */
  static async start(swap: Swap): Promise<Swapping> {
    const swapping = new Swapping(swap);
    await Promise.race([until(() => swapping.swaps >= 10, "the first swaps"), swapping.#ended]);
    return swapping;
  }

  get swaps(): number {
    return Atomics.load(this.#counters, SWAPS);
  }

  /** Stops after a swap; the name then stands for what it stood for at first. */
  async stop(): Promise<void> {
    Atomics.store(this.#counters, IS_OVER, 1);
    await this.#ended;
    this.#worker.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

const IS_OVER = 0;
const SWAPS = 1;

/** renameat2(2): both names change places at once, and neither is ever missing. Null where there is no such call. */
function atomicExchange(): ((a: string, b: string) => void) | null {
  if (process.platform !== "linux") return null;
  try {
    const { symbols } = dlopen("libc.so.6", {
      renameat2: { args: ["i32", "cstring", "i32", "cstring", "u32"], returns: "i32" },
    });
    const bytes = new Map<string, Buffer>();
    const bytesOf = (path: string) => bytes.get(path) ?? bytes.set(path, Buffer.from(`${path}\0`)).get(path) ?? null;
    return (a, b) => {
      if (symbols.renameat2(AT_FDCWD, bytesOf(a), AT_FDCWD, bytesOf(b), RENAME_EXCHANGE) !== 0) exchangeInSteps(a, b);
    };
  } catch {
    return null; // Another C library.
  }
}

const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

function exchangeInSteps(a: string, b: string): void {
  renameSync(a, `${a}.spare`);
  renameSync(b, a);
  renameSync(`${a}.spare`, b);
}

/** Puts `state` under the name in one step. */
function replace(name: string, state: string, make: (state: string, path: string) => void): void {
  make(state, `${name}.next`);
  renameSync(`${name}.next`, name);
}

/** What is done for each of both states. */
function stepsOf(swap: Swap): readonly [() => void, () => void] {
  switch (swap.kind) {
    case "exchange": {
      const exchange = atomicExchange() ?? exchangeInSteps;
      const step = () => exchange(swap.name, swap.rival);
      return [step, step];
    }
    case "relink":
      return [
        () => replace(swap.name, swap.states[1], symlinkSync),
        () => replace(swap.name, swap.states[0], symlinkSync),
      ];
    case "replace": {
      const write = (state: string, path: string) => writeFileSync(path, state);
      return [() => replace(swap.name, swap.states[1], write), () => replace(swap.name, swap.states[0], write)];
    }
    case "rewrite":
      return [() => writeFileSync(swap.name, swap.states[1]), () => writeFileSync(swap.name, swap.states[0])];
  }
}

function run({ swap, counters: shared }: Order): void {
  const counters = new Int32Array(shared);
  const [there, back] = stepsOf(swap);
  // In pairs, so that it ends as it began.
  while (Atomics.load(counters, IS_OVER) === 0) {
    there();
    pause();
    back();
    pause();
    Atomics.add(counters, SWAPS, 2);
  }
}

/** Some microseconds, of another length each time: so that the swap meets every step of the other side in turn. */
function pause(): void {
  for (let left = Math.random() * 2000; left > 0; left--);
}

declare const self: Worker;

if (!Bun.isMainThread) {
  self.onmessage = (event: MessageEvent<Order>) => {
    run(event.data);
    postMessage("over");
  };
}
