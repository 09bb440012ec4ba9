/**
 * The way of lines to a file, a pipe or a terminal.
 *
 * Lines are added to those of this turn of the event loop; the turn ends with one write. The write runs on Bun's thread pool
 * and there is one at a time: a reader that stops reading, a full disk or a slow one holds up that write and nothing else,
 * while the lines behind it gather for the next. What gathers is bounded: the oldest lines are dropped, counted, and the
 * count is reported.
 *
 * The rule it guards: logging never throws, never blocks the event loop, never grows without bound.
 */
import { closeSync, constants, openSync, write, writeSync } from "node:fs";
import { limits } from "../options.ts";

/** Lines that go out in one write. */
interface Batch {
  text: string;
  lines: number;
}

/** Characters in a batch; more per write is not faster. */
const BATCH_CHARS_MAX = 64 * 1024;

/** Milliseconds until a full non-blocking pipe, or an interrupted write, is tried again. */
const RETRY_MS = 20;

/** No reader will ever be there again. A file may get its space back, so it is not given up. */
const GONE = new Set(["EPIPE", "EBADF", "EIO", "ENXIO", "ECONNRESET"]);

/**
 * Lines on their way to a descriptor. Whoever opens one calls `close` when all is said, after `settle` or `flush`.
 *
 * `report` gets one line for the operator when lines begin to be lost, and their number when it is over.
 */
export class Output {
  readonly #path: string | null;
  readonly #memoryMax: number;
  readonly #report: (text: string) => void;
  #descriptor: number;
  /** The descriptor to go on with once the write in flight is over, or -1. */
  #successor = -1;
  /** Lines of this turn. */
  #text = "";
  #lines = 0;
  #turnScheduled = false;
  /** Full batches behind the write in flight, and their characters. */
  #batches: Batch[] = [];
  #batchChars = 0;
  /** The write in flight: its bytes, what of them is written, its lines. */
  #flight: Buffer | null = null;
  #flightOffset = 0;
  #flightLines = 0;
  /** Lines lost since the last report. */
  #lost = 0;
  /** True after a failed write was reported and before one succeeded. */
  #failing = false;
  /** True when a write failed in the middle of a line: the next one starts on a line of its own. */
  #torn = false;
  #gone = false;
  #waiting: (() => void)[] = [];

  /** An Output for a descriptor that belongs to someone else, such as 1 and 2. */
  static descriptor(descriptor: number, report: (text: string) => void, memoryBytesMax?: number): Output {
    return new Output(descriptor, null, report, memoryBytesMax ?? limits.logMemoryBytesMax);
  }

  /** An Output that appends to the file at `path`, created for its owner and group. Throws what `open` throws. */
  static file(path: string, report: (text: string) => void, memoryBytesMax?: number): Output {
    return new Output(openForAppend(path), path, report, memoryBytesMax ?? limits.logMemoryBytesMax);
  }

  private constructor(descriptor: number, path: string | null, report: (text: string) => void, memoryMax: number) {
    this.#descriptor = descriptor;
    this.#path = path;
    this.#report = report;
    this.#memoryMax = memoryMax;
  }

  /** Adds `text`, one line or more, each ended by LF. Never throws. */
  write(text: string): void {
    if (this.#gone) return;
    this.#text += text;
    this.#lines++;
    if (this.#text.length >= BATCH_CHARS_MAX) this.#seal();
    if (this.#turnScheduled || this.#flight !== null) return; // the end of the turn or of the write takes it along
    this.#turnScheduled = true;
    setImmediate(this.#endTurn);
  }

  /** Adds `text`, which gets a write of its own, at once, so that a reader sees it as one piece (up to PIPE_BUF, 4096 bytes). */
  writeAlone(text: string): void {
    this.#seal();
    this.write(text);
    this.#seal();
    this.#next();
  }

  readonly #endTurn = (): void => {
    this.#turnScheduled = false;
    this.#next();
  };

  #seal(): void {
    if (this.#text === "") return;
    this.#batches.push({ text: this.#text, lines: this.#lines });
    this.#batchChars += this.#text.length;
    this.#text = "";
    this.#lines = 0;
    while (this.#batchChars > this.#memoryMax) {
      const oldest = this.#takeBatch();
      if (oldest === undefined) break;
      this.#lost += oldest.lines;
    }
  }

  #takeBatch(): Batch | undefined {
    const batch = this.#batches.shift();
    if (batch !== undefined) this.#batchChars -= batch.text.length;
    return batch;
  }

  /** Starts the next write, unless one is in flight. */
  #next(): void {
    if (this.#flight !== null || this.#gone) return;
    if (this.#successor !== -1) this.#succeed();
    if (this.#batches.length === 0) this.#seal();
    const batch = this.#takeBatch();
    if (batch === undefined) {
      for (const resolve of this.#waiting.splice(0)) resolve();
      return;
    }
    this.#flight = Buffer.from(this.#torn ? `\n${batch.text}` : batch.text);
    this.#flightOffset = 0;
    this.#flightLines = batch.lines;
    this.#attempt();
  }

  readonly #attempt = (): void => {
    const bytes = this.#flight;
    if (bytes === null) return;
    const offset = this.#flightOffset;
    write(this.#descriptor, bytes, offset, bytes.length - offset, null, this.#written);
  };

  readonly #written = (error: NodeJS.ErrnoException | null, count: number): void => {
    const bytes = this.#flight;
    if (bytes === null) return;
    if (!error) {
      this.#flightOffset += count;
      if (this.#flightOffset < bytes.length) {
        this.#attempt();
        return;
      }
      this.#torn = false;
      this.#reportRecovery();
    } else if (error.code === "EAGAIN" || error.code === "EINTR") {
      setTimeout(this.#attempt, RETRY_MS);
      return;
    } else {
      this.#fail(error.code ?? error.message);
    }
    this.#flight = null;
    this.#next();
  };

  #reportRecovery(): void {
    const lost = this.#lost;
    this.#failing = false;
    this.#lost = 0;
    if (lost > 0)
      this.#report(`${lost} log ${lost === 1 ? "line was" : "lines were"} lost on the way to ${this.#name()}`);
  }

  #fail(code: string): void {
    this.#lost += this.#flightLines;
    this.#torn ||= this.#flightOffset > 0;
    this.#gone = this.#path === null && GONE.has(code);
    if (!this.#failing) {
      this.#report(
        this.#gone
          ? `${this.#name()} is closed (${code}); what would go there is dropped`
          : `cannot write to ${this.#name()} (${code}); log lines are lost until it works again`,
      );
    }
    this.#failing = true;
    if (!this.#gone) return;
    this.#text = "";
    this.#batches = [];
    this.#batchChars = 0;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #name(): string {
    if (this.#path !== null) return this.#path;
    return this.#descriptor === 1 ? "stdout" : this.#descriptor === 2 ? "stderr" : `descriptor ${this.#descriptor}`;
  }

  /** Goes on in a new file of the same name, after a rotation moved the old one away. Keeps the old one if that fails. */
  reopen(): void {
    if (this.#path === null) return;
    let descriptor: number;
    try {
      descriptor = openForAppend(this.#path);
    } catch (error) {
      this.#report(`cannot reopen ${this.#path}, going on in the old file: ${errorText(error)}`);
      return;
    }
    if (this.#successor !== -1) closeSync(this.#successor);
    this.#successor = descriptor;
    if (this.#flight === null) this.#succeed();
  }

  #succeed(): void {
    closeQuietly(this.#descriptor);
    this.#descriptor = this.#successor;
    this.#successor = -1;
    this.#torn = false;
  }

  /** Resolves when everything is written, or given up, or `waitMs` have passed. */
  async settle(waitMs: number): Promise<void> {
    if (this.#gone || (this.#flight === null && this.#batches.length === 0 && this.#text === "")) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#next();
    });
  }

  /**
   * Writes what waits at once, for the last moment of a process. It cannot hang on a reader that stopped reading: then a
   * write is in flight, and what waits behind that one is left.
   */
  flush(): void {
    if (this.#flight !== null || this.#gone) return;
    this.#seal();
    try {
      for (let batch = this.#takeBatch(); batch !== undefined; batch = this.#takeBatch()) {
        const bytes = Buffer.from(batch.text);
        for (let offset = 0; offset < bytes.length; ) {
          offset += writeSync(this.#descriptor, bytes, offset, bytes.length - offset, null);
        }
      }
    } catch {
      // Nobody is left to be told.
    }
  }

  /** Flushes, and gives a file's descriptor back. Nothing may be written afterwards. */
  close(): void {
    this.flush();
    this.#gone = true;
    if (this.#successor !== -1) closeQuietly(this.#successor);
    // A number that a write still uses must not become another file's.
    if (this.#path !== null && this.#flight === null) closeQuietly(this.#descriptor);
  }
}

/**
 * O_NONBLOCK does nothing to a file; a FIFO without a reader is an error with it instead of a start that hangs. Windows
 * has no such flag.
 */
function openForAppend(path: string): number {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NONBLOCK ?? 0);
  return openSync(path, flags, 0o640);
}

function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // A descriptor is gone after close, whatever close says.
  }
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
