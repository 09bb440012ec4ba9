/**
 * Carries lines to a file, a pipe, a socket or a terminal.
 *
 * Lines gather during a turn of the event loop, which ends with one write; one write is in progress at a time. A pipe,
 * socket or terminal is made non-blocking and written to directly: 1 µs for a line, against 13 to 20 µs through Bun's
 * thread pool (a pipe with a reader, 2 cores). Bytes that it does not take are tried again a little later. A disk has
 * no such mode and may be slow, so a file is written on the thread pool, with a rest of some milliseconds after each
 * write. Further lines gather for the next write. That backlog is bounded: the oldest lines are dropped and counted,
 * and the count is reported.
 *
 * The rule it guards: logging never throws, never blocks the event loop, never grows without bound. A reader that
 * stopped reading holds no thread, because uploads need them: with two cores the pool has two, and two stalled pipes
 * took both.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, write, writeSync } from "node:fs";
import { limits } from "../settings/limits.ts";
import { messageOf } from "../settings/start-error.ts";

/** Lines that go out in one write. */
interface Batch {
  text: string;
  lines: number;
}

/** Destination of the bytes. */
interface Channel {
  readonly descriptor: number;
  /** True when this object closes the descriptor. */
  readonly owned: boolean;
  /** True when a write may wait for a disk or a reader, so that it has to run on the thread pool. */
  readonly blocks: boolean;
  /** Object that must live as long as the channel. */
  readonly keep?: unknown;
}

/** Characters in a batch; more per write is not faster. */
const BATCH_CHARS_MAX = 64 * 1024;

/**
 * Milliseconds until a full pipe, or an interrupted write, is tried again. The delay begins with the shortest and
 * doubles up to the longest. A pipe holds 64 KiB, so the shortest lets 64 MB/s through; the longest costs nothing
 * while no reader reads.
 */
const RETRY_MS_MIN = 1;
const RETRY_MS_MAX = 64;

/**
 * Milliseconds from the end of a write to a file to the next one, unless a whole batch waits. A write on the thread
 * pool costs 90 µs of CPU whatever its size. Without a rest a flood of requests made 1,500 a second, 13 % of the
 * process.
 */
const REST_MS = 10;

/** From the first column of a terminal's row: erases everything there and below (ECMA-48 CR, ED). */
const ERASE = "\r\x1b[J";

/** Errors after which there is no reader again. A full disk may get space, so a file is not given up. */
const GONE = new Set(["EPIPE", "EBADF", "EIO", "ENXIO", "ECONNRESET"]);

/**
 * Lines on their way to a descriptor. The owner calls `close` at the end, after `settle` or `flush`.
 *
 * `report` takes one line for the operator when lines begin to be lost, and their number when that is over.
 */
export class Output {
  readonly #path: string | null;
  /** Name of the channel in a report. */
  readonly #name: string;
  readonly #memoryMax: number;
  readonly #report: (text: string) => void;
  #channel: Channel;
  /** Channel that replaces this one after the write in progress. */
  #successor: Channel | null = null;
  /** Lines of this turn. */
  #text = "";
  #lines = 0;
  #turnScheduled = false;
  /** Full batches after the write in progress, and their characters. */
  #batches: Batch[] = [];
  #batchChars = 0;
  /** Write in progress: its bytes, the number of those written, and its lines. */
  #flight: Buffer | null = null;
  #flightOffset = 0;
  #flightLines = 0;
  #retryMs = RETRY_MS_MIN;
  /** Lines lost since the last report. */
  #lost = 0;
  /** True after a failed write was reported and before one succeeded. */
  #failing = false;
  /** True after a write failed in the middle of a line: the next line starts on a new one. */
  #torn = false;
  #gone = false;
  /** Row that is to stay below the lines, and the row that does; "" for none. */
  #footer = "";
  #shownFooter = "";
  #waiting: (() => void)[] = [];

  /** Returns an Output for a descriptor that belongs to another owner, such as 1 and 2. */
  static descriptor(descriptor: number, report: (text: string) => void): Output {
    const name = descriptor === 1 ? "stdout" : descriptor === 2 ? "stderr" : `descriptor ${descriptor}`;
    return new Output(openChannel(descriptor), null, name, report);
  }

  /**
   * Returns an Output that appends to the file at `path`, created for its owner and group. Throws the error of `open`.
   */
  static file(path: string, report: (text: string) => void, memoryBytesMax?: number): Output {
    return new Output(openForAppend(path), path, path, report, memoryBytesMax);
  }

  private constructor(
    channel: Channel,
    path: string | null,
    name: string,
    report: (text: string) => void,
    memoryMax: number = limits.logMemoryBytesMax,
  ) {
    this.#channel = channel;
    this.#path = path;
    this.#name = name;
    this.#report = report;
    this.#memoryMax = memoryMax;
  }

  /** Adds `text`, one line or more, each ended by LF. `lines` is their number for a report of losses. Never throws. */
  write(text: string, lines = 1): void {
    if (this.#gone) return;
    this.#text += text;
    this.#lines += lines;
    if (this.#text.length >= BATCH_CHARS_MAX) this.#seal();
    this.#schedule();
  }

  /**
   * Adds `text` and writes it at once, in a write of its own, so that a reader sees one piece (up to PIPE_BUF, 4096
   * bytes).
   */
  writeAlone(text: string): void {
    this.#seal();
    this.write(text);
    this.#seal();
    this.#next();
  }

  /**
   * Keeps `row`, which fits into a row of the terminal, below all lines; "" removes it. The lines of a write and the
   * row below them are one piece. The cursor stays in the row's first column, so the next output replaces the row,
   * even if a terminal that became narrower has broken it in two.
   */
  setFooter(row: string): void {
    if (this.#gone || row === this.#footer) return;
    this.#footer = row;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#turnScheduled || this.#flight !== null) return; // the end of the turn, the rest or the write takes it along
    this.#turnScheduled = true;
    setImmediate(this.#endTurn);
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

  /**
   * Returns the piece of the next write: a batch with the old footer's end before it and the footer after it, or the
   * footers alone.
   */
  #takePiece(): Batch | undefined {
    const batch = this.#takeBatch();
    const footer = this.#footer;
    const erase = this.#shownFooter === "" ? "" : ERASE;
    if (batch === undefined && this.#shownFooter === footer) return undefined;
    this.#shownFooter = footer;
    if (batch !== undefined && erase === "" && footer === "") return batch;
    return { text: `${erase}${batch?.text ?? ""}${footer === "" ? "" : `${footer}\r`}`, lines: batch?.lines ?? 0 };
  }

  /** Starts the next write, unless one is in progress. */
  #next(): void {
    if (this.#flight !== null || this.#gone) return;
    if (this.#successor !== null) this.#succeed(this.#successor);
    if (this.#batches.length === 0) this.#seal();
    const batch = this.#takePiece();
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
    const { descriptor, blocks } = this.#channel;
    if (blocks) {
      write(descriptor, bytes, offset, bytes.length - offset, null, this.#written);
      return;
    }
    let count = 0;
    let failure: NodeJS.ErrnoException | null = null;
    try {
      count = writeSync(descriptor, bytes, offset, bytes.length - offset, null);
    } catch (error) {
      failure = error as NodeJS.ErrnoException; // node:fs throws nothing else for arguments that are right.
    }
    this.#written(failure, count);
  };

  readonly #written = (error: NodeJS.ErrnoException | null, count: number): void => {
    const bytes = this.#flight;
    if (bytes === null) return;
    if (!error) {
      this.#flightOffset += count;
      this.#retryMs = RETRY_MS_MIN;
      if (this.#flightOffset < bytes.length) {
        this.#attempt();
        return;
      }
      this.#torn = false;
      this.#reportRecovery();
    } else if (error.code === "EAGAIN" || error.code === "EINTR") {
      setTimeout(this.#attempt, this.#retryMs);
      this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS_MAX);
      return;
    } else {
      this.#fail(error.code ?? error.message);
    }
    this.#flight = null;
    // A caller that waits for the end of all writes does not wait for a rest, and neither does a backlog.
    if (!this.#channel.blocks || this.#waiting.length > 0 || this.#batches.length > 0) this.#next();
    else this.#rest();
  };

  /** Lets lines gather. Closing and settling do not wait for the end of the rest. */
  #rest(): void {
    this.#turnScheduled = true;
    setTimeout(this.#endTurn, REST_MS);
  }

  #reportRecovery(): void {
    const lost = this.#lost;
    this.#failing = false;
    this.#lost = 0;
    if (lost > 0)
      this.#report(`${lost} log ${lost === 1 ? "line was" : "lines were"} lost on the way to ${this.#name}`);
  }

  #fail(code: string): void {
    this.#lost += this.#flightLines;
    this.#torn ||= this.#flightOffset > 0;
    this.#gone = this.#path === null && GONE.has(code);
    if (!this.#failing) {
      this.#report(
        this.#gone
          ? `${this.#name} is closed (${code}); what would go there is dropped`
          : `cannot write to ${this.#name} (${code}); log lines are lost until it works again`,
      );
    }
    this.#failing = true;
    if (!this.#gone) return;
    this.#text = "";
    this.#batches = [];
    this.#batchChars = 0;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Opens a new file of the same name, after a rotation moved the old one away. Keeps the old one if that fails. */
  reopen(): void {
    if (this.#path === null) return;
    let channel: Channel;
    try {
      channel = openForAppend(this.#path);
    } catch (error) {
      this.#report(`cannot reopen ${this.#path}, going on in the old file: ${messageOf(error)}`);
      return;
    }
    if (this.#successor !== null) closeQuietly(this.#successor);
    this.#successor = channel;
    if (this.#flight === null) this.#succeed(channel);
  }

  #succeed(channel: Channel): void {
    closeQuietly(this.#channel);
    this.#channel = channel;
    this.#successor = null;
    this.#torn = false;
  }

  /** Resolves when everything is written or given up, or after `waitMs`. */
  async settle(waitMs: number): Promise<void> {
    const isIdle = this.#flight === null && this.#batches.length === 0 && this.#text === "";
    if (this.#gone || (isIdle && this.#shownFooter === this.#footer)) return;
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
   * Writes all waiting lines at once, for the last moment of a process. It cannot hang on a reader that stopped
   * reading: then a write is in progress, and the lines after it are left.
   */
  flush(): void {
    if (this.#flight !== null || this.#gone) return;
    this.#seal();
    try {
      for (let batch = this.#takePiece(); batch !== undefined; batch = this.#takePiece()) {
        const bytes = Buffer.from(batch.text);
        for (let offset = 0; offset < bytes.length; ) {
          offset += writeSync(this.#channel.descriptor, bytes, offset, bytes.length - offset, null);
        }
      }
    } catch {
      // No one is left to report to.
    }
  }

  /** Removes the footer, flushes, and closes a descriptor of ours. Nothing may be written afterwards. */
  close(): void {
    this.#footer = "";
    this.flush();
    this.#gone = true;
    if (this.#successor !== null) closeQuietly(this.#successor);
    // A number that a write still uses must not become another file's.
    if (this.#flight === null) closeQuietly(this.#channel);
  }
}

/**
 * Returns a way to write to `descriptor` without waiting, if there is one.
 *
 * A pipe or a terminal is opened once more: O_NONBLOCK belongs to the open file description, which others share (the
 * shell that started us, its other programs), so we take our own. A file stays as it is, because a second description
 * would start at its beginning.
 *
 * A socket (Node and Bun give their children a pair of them for a pipe) cannot be opened again, so the shared one is
 * switched, as Node and Bun do with theirs. Opening a FileSink does that; the kernel is asked whether it did.
 */
function openChannel(descriptor: number): Channel {
  try {
    const kind = fstatSync(descriptor);
    if (kind.isFIFO() || kind.isCharacterDevice()) {
      const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
      return { descriptor: openSync(`/proc/self/fd/${descriptor}`, flags), owned: true, blocks: false };
    }
    if (kind.isSocket()) {
      const keep = Bun.file(descriptor).writer();
      if (isNonBlocking(descriptor)) return { descriptor, owned: false, blocks: false, keep };
    }
  } catch {
    // No /proc, a terminal of another user, a pipe without a reader, or no descriptor at all: use the given one.
  }
  return { descriptor, owned: false, blocks: true };
}

/** Reads O_NONBLOCK from the flags that proc(5) shows in octal. Throws without /proc. */
function isNonBlocking(descriptor: number): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1"))?.[1] ?? "0";
  return (Number.parseInt(flags, 8) & constants.O_NONBLOCK) !== 0;
}

/**
 * Opens for appending. O_NONBLOCK has no effect on a file; with it a FIFO without a reader is an error instead of a
 * start that hangs. Windows lacks the flag.
 */
function openForAppend(path: string): Channel {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NONBLOCK ?? 0);
  return { descriptor: openSync(path, flags, 0o640), owned: true, blocks: true };
}

function closeQuietly(channel: Channel): void {
  if (!channel.owned) return;
  try {
    closeSync(channel.descriptor);
  } catch {
    // The descriptor is closed even if close fails.
  }
}
