/** A thread beside the main one, as the main one sees it: its messages, its parts of views and log, and its end. */
import { Worker } from "node:worker_threads";
import type { Snapshot } from "../handlers/endpoints/status.ts";
import { StartError } from "../settings/start-error.ts";
import type { ServerLog, ThreadedLog } from "./access-log.ts";
import type { RemotePart } from "./live-view.ts";
import { Metrics } from "./metrics.ts";
import type { Certified } from "./self-signed.ts";
import type { Server, StopOptions } from "./server.ts";
import { passOn } from "./worker-log.ts";
import type { Begin, FromWorker, SharedCells, ToWorker } from "./worker-messages.ts";

export class Thread {
  /** From 1; 0 is the main thread. */
  readonly #index: number;
  /** Resolves when the thread's server listens; rejects with a StartError if it cannot. */
  readonly listening: Promise<void>;
  /** Resolves with a sentence when the thread has ended before it was told to. */
  readonly ended: Promise<string>;
  readonly #worker: Worker;
  readonly #log: ServerLog | ThreadedLog;
  readonly #cells: SharedCells;
  /** Error that the thread did not catch. */
  #error: Error | null = null;
  #isEnding = false;
  #hasExited = false;
  readonly #listens = Promise.withResolvers<void>();
  readonly #hasEnded = Promise.withResolvers<string>();
  readonly #hasStopped = Promise.withResolvers<void>();
  #hasRenewed = Promise.withResolvers<void>();
  /** The server of the main thread; null before `begin`. */
  #server: Server | null = null;
  /** Ends the snapshots for the thread's live pages; null without pages. */
  #unwatch: (() => void) | null = null;
  /** Questions for the thread's part, oldest first. */
  readonly #looks: ((part: RemotePart) => void)[] = [];
  /** The last part, which a thread that has ended still counts with; null before the first look. */
  #part: RemotePart | null = null;

  constructor(index: number, entry: string | URL, log: ServerLog | ThreadedLog, cells: SharedCells) {
    this.#index = index;
    this.listening = this.#listens.promise;
    this.ended = this.#hasEnded.promise;
    this.#log = log;
    this.#cells = cells;
    this.#worker = new Worker(entry);
    this.#worker.on("message", (message: FromWorker) => this.#hear(message));
    this.#worker.on("error", (error: Error) => {
      this.#error = error;
    });
    this.#worker.on("exit", (code) => this.#exited(code));
    // The error is that of `start`, which may not have come to wait for it.
    this.listening.catch(() => {});
  }

  /** Starts the thread's server, which sees the others by `server`, that of the main thread. */
  begin(order: Omit<Begin, "index">, server: Server): void {
    this.#server = server;
    this.send({ ...order, index: this.#index });
  }

  send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case "listening":
        this.#listens.resolve();
        break;
      case "failed":
        this.#listens.reject(this.#startError(message.reason, message.isOurs));
        break;
      case "log":
        this.#cells.addLogged(this.#index, -message.chars);
        passOn(message.lines, this.#log);
        break;
      case "renewed":
        this.#hasRenewed.resolve();
        break;
      case "stopped":
        this.#hasStopped.resolve();
        break;
      case "part":
        this.#part = message.part;
        this.#looks.shift()?.(message.part);
        break;
      case "watch":
        this.#watch(message.isWatching);
        break;
      case "metrics":
        void this.#server?.renderMetrics().then((text) => this.send({ kind: "metrics", text }));
        break;
    }
  }

  /** Sends snapshots to the thread while it has live pages. */
  #watch(isWatching: boolean): void {
    this.#unwatch?.();
    const see = (snapshot: Snapshot) => this.send({ kind: "snapshot", snapshot });
    this.#unwatch = isWatching ? (this.#server?.watch(see) ?? null) : null;
  }

  /** Resolves with the thread's part of a snapshot. `isLast`: the thread forgets its answers afterwards. */
  look(isLast: boolean): Promise<RemotePart> {
    return new Promise((resolve) => {
      if (this.#hasExited) resolve(this.#lastPart());
      else {
        this.#looks.push(resolve);
        this.send({ kind: "look", isLast });
      }
    });
  }

  /** Returns the counters of a thread that has ended, with nothing open. */
  #lastPart(): RemotePart {
    const nothing = {
      connections: 0,
      slots: "",
      sendingBytes: 0,
      lent: 0,
      work: [],
      answeredBySlot: [],
      queued: 0,
      recent: [],
    };
    return { ...nothing, metrics: this.#part?.metrics ?? new Metrics() };
  }

  #startError(reason: string, isOurs: boolean): Error {
    return isOurs ? new StartError(`worker ${this.#index + 1} could not start: ${reason}`) : new StartError(reason);
  }

  #exited(code: number): void {
    const reason = this.#error === null ? `exit code ${code}` : this.#error.message;
    this.#listens.reject(this.#startError(reason, true));
    this.#hasExited = true;
    this.#hasStopped.resolve();
    this.#hasRenewed.resolve();
    this.#unwatch?.();
    for (const resolve of this.#looks.splice(0)) resolve(this.#lastPart());
    if (!this.#isEnding) this.#hasEnded.resolve(`worker ${this.#index + 1} has ended (${reason}): the server ends`);
  }

  /** Resolves when the thread has the certificate. */
  renew(certified: Certified): Promise<void> {
    this.#hasRenewed = Promise.withResolvers();
    this.send({ kind: "renew", certified });
    return this.#hasRenewed.promise;
  }

  /** Resolves when the thread's connections are closed, and its part of the log is here. */
  stop(options: StopOptions): Promise<void> {
    this.send({ kind: "stop", options });
    return this.#hasStopped.promise;
  }

  /** Ends the thread at once. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#worker.terminate();
  }
}
