/** The messages between the main thread and the others (workers.ts, worker.ts). All of them are plain data. */
import { SharedMemory } from "../exchange/shared-memory.ts";
import type { Snapshot } from "../handlers/endpoints/status.ts";
import { ArchiveTurn } from "../handlers/listing/archive-turn.ts";
import type { LogFormat } from "../settings/program-settings.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import type { AccessEntry } from "./access-log.ts";
import { LineBudget } from "./line-budget.ts";
import type { RemotePart } from "./live-view.ts";
import type { SharedParts } from "./parts.ts";
import type { Certified } from "./self-signed.ts";
import type { StopOptions } from "./server.ts";

/** Parts of the log that a thread has to write. */
export interface LogWishes {
  /** Request lines: none, as entries, or as lines of a format. */
  readonly access: "none" | "entries" | LogFormat;
  readonly detail: boolean;
}

/** The parts that all threads share, as they are handed to one of them. */
interface SharedOrder {
  /** Number of the thread, from 0, and of all threads. */
  readonly index: number;
  readonly count: number;
  readonly instance: string;
  readonly memory: SharedArrayBuffer;
  readonly cells: SharedArrayBuffer;
  readonly lineBudget: SharedArrayBuffer;
  readonly archiveTurn: SharedArrayBuffer;
}

/** Opens the shared parts in the thread that they were handed to. */
export function sharedParts(order: SharedOrder): SharedParts {
  const { index: thread, count, instance, memory, cells, lineBudget, archiveTurn } = order;
  const shared = new SharedCells(cells, count);
  return {
    memory: new SharedMemory(memory),
    thread,
    instance,
    lineBudget: new LineBudget(lineBudget),
    archiveTurn: new ArchiveTurn(archiveTurn),
    wake: (other) => shared.wake(other),
  };
}

/** All that a thread needs to serve. */
export interface Begin extends SharedOrder {
  readonly kind: "begin";
  /** The ports are those that the main thread has bound. */
  readonly settings: ServerSettings;
  readonly certified: Certified | null;
  readonly log: LogWishes;
}

/** Messages of the main thread. */
export type ToWorker =
  | Begin
  | { readonly kind: "renew"; readonly certified: Certified }
  | { readonly kind: "stop"; readonly options: StopOptions }
  /** Asks for the thread's part of a snapshot. `isLast`: its answers are told of. */
  | { readonly kind: "look"; readonly isLast: boolean }
  /** Says whether there are watchers. */
  | { readonly kind: "watched"; readonly isWatched: boolean }
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot }
  | { readonly kind: "metrics"; readonly text: string };

/** One line of the log, or several request lines. */
export type LogLine =
  | { readonly kind: "lines"; text: string; count: number }
  | { readonly kind: "access"; readonly entry: AccessEntry }
  | { readonly kind: "info" | "detail" | "warn"; readonly text: string }
  /** `cause` is a stack, or undefined. */
  | { readonly kind: "error"; readonly text: string; readonly cause: string | undefined };

/** Messages of another thread. */
export type FromWorker =
  | { readonly kind: "listening" }
  /** The thread cannot serve. `isOurs`: not for a reason that the operator can remove. */
  | { readonly kind: "failed"; readonly reason: string; readonly isOurs: boolean }
  | { readonly kind: "log"; readonly lines: readonly LogLine[]; readonly chars: number }
  | { readonly kind: "renewed" }
  /** Answers "look", in the order of the questions. */
  | { readonly kind: "part"; readonly part: RemotePart }
  /** Asks for snapshots, or for no more of them. */
  | { readonly kind: "watch"; readonly isWatching: boolean }
  /** Asks for the metrics of all threads. */
  | { readonly kind: "metrics" }
  | { readonly kind: "stopped" };

/** Numbers that the threads share, one of each kind for each thread. */
export class SharedCells {
  readonly #cells: Int32Array;
  readonly #count: number;

  /** Returns memory for `count` threads. */
  static memory(count: number): SharedArrayBuffer {
    return new SharedArrayBuffer(2 * count * Int32Array.BYTES_PER_ELEMENT);
  }

  constructor(memory: SharedArrayBuffer, count: number) {
    this.#cells = new Int32Array(memory);
    this.#count = count;
  }

  /** Wakes a thread that listens with `onWake`. */
  wake(thread: number): void {
    Atomics.add(this.#cells, thread, 1);
    Atomics.notify(this.#cells, thread);
  }

  /** Calls `woken` in a turn of its own after one wake of `thread`, or several. */
  onWake(thread: number, woken: () => void): void {
    const wait = (seen: number): void => {
      const waiting = Atomics.waitAsync(this.#cells, thread, seen);
      const look = () => {
        const now = Atomics.load(this.#cells, thread);
        if (now !== seen) woken();
        wait(now);
      };
      if (waiting.async) void waiting.value.then(look);
      else setImmediate(look);
    };
    wait(Atomics.load(this.#cells, thread));
  }

  /** Adds `chars` to the characters of `thread`'s log that are on their way. Returns the sum before. */
  addLogged(thread: number, chars: number): number {
    return Atomics.add(this.#cells, this.#count + thread, chars);
  }
}
