/**
 * The log of a thread beside the main one. Only the main thread writes, so that lines stay whole; this one sends it lines, some
 * milliseconds' worth at a time, in their order.
 *
 * The rule it guards is that of `Output`: logging never throws, never blocks, never grows without bound. If the main thread does not come to
 * read, lines are dropped and counted.
 */
import { limits } from "../settings/limits.ts";
import { type AccessEntry, AccessLog, type ServerLog, type ThreadedLog } from "./access-log.ts";
import type { LogLine, LogWishes } from "./worker-messages.ts";

/** Milliseconds that lines gather: a message costs as much as ten lines. */
const GATHER_MS = 5;

/** Characters after which lines do not gather any longer. */
const GATHER_CHARS_MAX = 64 * 1024;

/** Characters that a line without a text is counted as. */
const ENTRY_CHARS = 256;

interface WorkerLogOptions {
  readonly wishes: LogWishes;
  readonly send: (lines: readonly LogLine[], chars: number) => void;
  /** Adds to the characters that were sent and not read yet, and returns their number before. */
  readonly addPending: (chars: number) => number;
}

export class WorkerLog implements ServerLog {
  readonly access: ((entry: AccessEntry) => void) | null;
  readonly detail: ((text: string) => void) | null;
  /** True while lines are dropped: those of the start come from the main thread. */
  isMuted = true;
  readonly #options: WorkerLogOptions;
  #lines: LogLine[] = [];
  #chars = 0;
  #timer: Timer | null = null;
  #lost = 0;

  constructor(options: WorkerLogOptions) {
    this.#options = options;
    const { access, detail } = options.wishes;
    this.access = this.#accessOf(access);
    this.detail = detail ? (text) => this.#add({ kind: "detail", text }, text.length) : null;
  }

  info(text: string): void {
    this.#add({ kind: "info", text }, text.length);
  }

  warn(text: string): void {
    this.#add({ kind: "warn", text }, text.length);
  }

  error(text: string, error?: unknown): void {
    // A stack is a text; the error itself may not be plain data.
    const cause =
      error === undefined ? undefined : error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#add({ kind: "error", text, cause }, text.length + (cause?.length ?? 0));
  }

  #accessOf(access: LogWishes["access"]): ((entry: AccessEntry) => void) | null {
    if (access === "none") return null;
    if (access === "entries") return (entry) => this.#add({ kind: "access", entry }, ENTRY_CHARS);
    const lines = new AccessLog(access, { write: (text) => this.#addRequest(text) }, null);
    return (entry) => lines.write(entry);
  }

  #addRequest(text: string): void {
    const last = this.#lines.at(-1);
    if (last?.kind !== "lines") {
      this.#add({ kind: "lines", text, count: 1 }, text.length);
      return;
    }
    last.text += text;
    last.count++;
    this.#grow(text.length);
  }

  #add(line: LogLine, chars: number): void {
    if (this.isMuted) return;
    this.#lines.push(line);
    this.#grow(chars);
  }

  #grow(chars: number): void {
    this.#chars += chars;
    if (this.#chars >= GATHER_CHARS_MAX) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** Sends the lines that have gathered. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    const chars = this.#chars;
    this.#lines = [];
    this.#chars = 0;
    if (this.#options.addPending(chars) > limits.logMemoryBytesMax) {
      this.#options.addPending(-chars);
      for (const line of lines) this.#lost += line.kind === "lines" ? line.count : 1;
      return;
    }
    this.#options.send(this.#lost === 0 ? lines : [this.#lossLine(), ...lines], chars);
  }

  #lossLine(): LogLine {
    const lost = this.#lost;
    this.#lost = 0;
    return {
      kind: "warn",
      text: `${lost} log ${lost === 1 ? "line was" : "lines were"} lost on the way to the main thread`,
    };
  }
}

/** Passes lines of another thread on to the log of this one. */
export function passOn(lines: readonly LogLine[], log: ServerLog | ThreadedLog): void {
  for (const line of lines) {
    switch (line.kind) {
      case "lines":
        if ("writeLines" in log) log.writeLines(line.text, line.count);
        break;
      case "access":
        log.access?.(line.entry);
        break;
      case "detail":
        log.detail?.(line.text);
        break;
      case "error":
        log.error(line.text, line.cause);
        break;
      default:
        log[line.kind](line.text);
    }
  }
}
