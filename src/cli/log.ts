/**
 * The log for the operator: life cycle and steps to stdout, warnings and failures to stderr, request lines to stdout or a file.
 *
 * Strategy: the level of one consola instance decides which lines appear (`--quiet`, `--verbose`). Its reporter formats a line, and
 * an `Output` writes it, so that a slow or missing reader never holds up the server.
 *
 * Only consola's core is loaded. Its own reporters write to `process.stdout`, which fails on a closed pipe and does not keep the
 * order with request lines.
 */
import { fstatSync } from "node:fs";
import { type ConsolaInstance, createConsola, type LogObject } from "consola/core";
import { escapeControls } from "../http/escape.ts";
import {
  type AccessEntry,
  AccessLog,
  formatClock,
  formatStamp,
  localZone,
  type ThreadedLog,
} from "../server/access-log.ts";
import { Output } from "../server/output.ts";
import type { LogFormat } from "../settings/program-settings.ts";
import type { Settings } from "../settings/resolve.ts";

/** consola's levels: 1 warnings, 3 information, 4 debug. */
const LEVEL_QUIET = 1;
const LEVEL_NORMAL = 3;
const LEVEL_VERBOSE = 4;

/** The outputs of the process and the terminal behind them. */
interface Surroundings {
  readonly isTerminal: (descriptor: number) => boolean;
  /** Returns the width of the terminal at a descriptor. */
  readonly columns: (descriptor: number) => number;
  /** True unless the environment asks for no colour. */
  readonly isColored: boolean;
}

/** The log of one process. */
export class Log implements ThreadedLog {
  readonly access: ((entry: AccessEntry) => void) | null;
  readonly detail: ((text: string) => void) | null;
  readonly lineFormat: LogFormat | null;
  readonly #console: ConsolaInstance;
  readonly #stdout: Output;
  #stderr: Output;
  readonly #file: Output | null;
  readonly #surroundings: Surroundings;
  /** True: lines on a terminal are short. */
  readonly #isShort: boolean;
  /** Descriptor of information and steps. */
  readonly #descriptor: 1 | 2;

  /**
   * `--quiet` silences stdout but not a log file. With `descriptor` 2, stdout belongs to a command: information goes to stderr, and
   * request lines only with `--verbose`. Throws the error of `open` for a `--log-file` that cannot be opened.
   */
  constructor(
    options: Pick<Settings, "quiet" | "verbose" | "logFormat" | "logFile">,
    surroundings: Surroundings,
    descriptor: 1 | 2 = 1,
  ) {
    this.#surroundings = surroundings;
    this.#isShort = options.logFormat === "auto";
    this.#descriptor = descriptor;
    this.#stderr = Output.descriptor(2, (text) => this.warn(text));
    this.#stdout = descriptor === 2 ? this.#stderr : Output.descriptor(1, (text) => this.warn(text));
    this.#console = createConsola({
      level: options.quiet ? LEVEL_QUIET : options.verbose ? LEVEL_VERBOSE : LEVEL_NORMAL,
      reporters: [{ log: (line) => this.#carry(line) }],
      throttle: 0, // consola would swallow repeated lines for a second; the Output's bound is protection enough.
    });
    this.#file = options.logFile === "" ? null : Output.file(options.logFile, (text) => this.warn(text));
    const { columns, isColored, isTerminal } = surroundings;
    const terminal =
      this.#file === null && this.#isShort && isTerminal(descriptor)
        ? { columns: () => columns(descriptor), isColored }
        : null;
    this.lineFormat = terminal === null ? options.logFormat : null;
    const lines = new AccessLog(options.logFormat, this.#file ?? this.#stdout, terminal);
    const isSilent = options.quiet || (descriptor === 2 && !options.verbose);
    this.access = isSilent && this.#file === null ? null : (entry) => lines.write(entry);
    this.detail = options.verbose ? (text) => this.#console.debug(text) : null;
  }

  writeLines(text: string, count: number): void {
    (this.#file ?? this.#stdout).write(text, count);
  }

  info(text: string): void {
    this.#console.info(text);
  }

  warn(text: string): void {
    this.#console.warn(text);
  }

  error(text: string, cause?: unknown): void {
    if (cause === undefined) this.#console.error(text);
    else this.#console.error(text, cause);
  }

  /**
   * Writes the line that says that every socket listens: plain, in one write, also with `--quiet`. On a terminal, a second line
   * names the time zone of all further lines.
   */
  ready(line: string): void {
    this.#stdout.writeAlone(`${line}\n`);
    if (this.#surroundings.isTerminal(this.#descriptor)) this.info(`Times are in ${localZone()}`);
  }

  /**
   * Reserves the last row of the terminal on stdout, and returns a function that sets its text; "" clears it. If stderr is the same
   * terminal, its lines go through stdout from now on, because two writers would mix their bytes.
   */
  takeLastRow(): (text: string) => void {
    const stdout = this.#stdout;
    if (this.#stderr !== stdout && fstatSync(1).rdev === fstatSync(2).rdev) {
      this.#stderr.close();
      this.#stderr = stdout;
    }
    return (text) => stdout.setFooter(text);
  }

  #carry(line: LogObject): void {
    const isWarning = line.level <= LEVEL_QUIET;
    const { isColored, isTerminal } = this.#surroundings;
    const isOnTerminal = (isWarning || this.#isShort) && isTerminal(isWarning ? 2 : this.#descriptor);
    const stamp = isOnTerminal && this.#isShort ? formatClock : formatStamp;
    const text = formatMessage(line, stamp(line.date.getTime()), isWarning && isOnTerminal && isColored);
    (isWarning ? this.#stderr : this.#stdout).write(text);
  }

  /** Opens the log file again, after a rotation. */
  reopen(): void {
    this.#file?.reopen();
  }

  /** Resolves when all lines are written, or after `waitMs`: a reader that has stopped must not keep the process. */
  async settle(waitMs: number): Promise<void> {
    await Promise.all([this.#file?.settle(waitMs), this.#stdout.settle(waitMs)]);
    await this.#stderr.settle(waitMs); // Last, because the others report to it.
  }

  /** Writes the lines that still wait, and closes. */
  close(): void {
    this.#file?.close();
    this.#stdout.close();
    if (this.#stderr !== this.#stdout) this.#stderr.close();
  }
}

/** Returns `[2026-03-15 10:30:15] warning: …`; the lines of a cause's stack follow, indented. */
function formatMessage(line: LogObject, stamp: string, color: boolean): string {
  const label = line.level === 0 ? "error: " : line.level === 1 ? "warning: " : "";
  const shown = color && label !== "" ? `\x1b[${line.level === 0 ? 31 : 33}m${label}\x1b[39m` : label;
  const [text, ...causes] = line.args as unknown[];
  return `${stamp} ${shown}${escapeControls(String(text))}\n${causes.map(formatCause).join("")}`;
}

function formatCause(cause: unknown): string {
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return text
    .split("\n")
    .map((line) => `    ${escapeControls(line)}\n`)
    .join("");
}
