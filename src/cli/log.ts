/**
 * The server's voice to its operator: life cycle and steps to stdout, warnings and failures to stderr, request lines to
 * stdout or a file. One consola instance decides by its level what is said (`--quiet`, `--verbose`); its reporter gives a
 * line its form and an `Output` carries it, so that no reader, and no missing one, ever holds up the server.
 *
 * consola's core alone is loaded: its own reporters write to `process.stdout`, which neither survives a closed pipe
 * quietly nor keeps its order with the request lines.
 */
import { fstatSync } from "node:fs";
import { type ConsolaInstance, createConsola, type LogObject } from "consola/core";
import { escapeControls } from "../http/escape.ts";
import { type AccessEntry, AccessLog, formatStamp, type ServerLog } from "../server/access-log.ts";
import { Output } from "../server/output.ts";
import type { Settings } from "../settings/resolve.ts";

/** consola's levels: 1 warnings, 3 information, 4 debug. */
const LEVEL_QUIET = 1;
const LEVEL_NORMAL = 3;
const LEVEL_VERBOSE = 4;

/** The log of one process. */
export class Log implements ServerLog {
  readonly access: ((entry: AccessEntry) => void) | null;
  readonly detail: ((text: string) => void) | null;
  readonly #console: ConsolaInstance;
  readonly #stdout: Output;
  #stderr: Output;
  readonly #file: Output | null;

  /**
   * `colorsStderr`: whether warnings and errors are coloured, asked with each of them. Throws what `open` throws for a
   * `--log-file` that cannot be opened. `--quiet` silences stdout but not a log file, which was asked for by name.
   * `descriptor` 2 is for a process whose stdout is somebody else's: what would go there goes to stderr, and request lines only
   * with `--verbose`.
   */
  constructor(
    options: Pick<Settings, "quiet" | "verbose" | "logFormat" | "logFile">,
    colorsStderr: () => boolean,
    descriptor: 1 | 2 = 1,
  ) {
    this.#stderr = Output.descriptor(2, (text) => this.warn(text));
    this.#stdout = descriptor === 2 ? this.#stderr : Output.descriptor(1, (text) => this.warn(text));
    this.#console = createConsola({
      level: options.quiet ? LEVEL_QUIET : options.verbose ? LEVEL_VERBOSE : LEVEL_NORMAL,
      reporters: [{ log: (line) => this.#carry(line, colorsStderr) }],
      throttle: 0, // consola would swallow repeated lines for a second; the Output's bound is protection enough.
    });
    this.#file = options.logFile === "" ? null : Output.file(options.logFile, (text) => this.warn(text));
    const lines = new AccessLog(options.logFormat, this.#file ?? this.#stdout);
    const isSilent = options.quiet || (descriptor === 2 && !options.verbose);
    this.access = isSilent && this.#file === null ? null : (entry) => lines.write(entry);
    this.detail = options.verbose ? (text) => this.#console.debug(text) : null;
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

  /** The line that says that every socket listens: plain, in one write, also with `--quiet`. */
  ready(line: string): void {
    this.#stdout.writeAlone(`${line}\n`);
  }

  /**
   * Takes the last row of the terminal that stdout is, below all that is said; returns what sets its text, "" for none. What stderr
   * says on the same terminal goes the same way from now on, or the two would write into each other.
   */
  takeLastRow(): (text: string) => void {
    const stdout = this.#stdout;
    if (this.#stderr !== stdout && fstatSync(1).rdev === fstatSync(2).rdev) {
      this.#stderr.close();
      this.#stderr = stdout;
    }
    return (text) => stdout.setFooter(text);
  }

  #carry(line: LogObject, colorsStderr: () => boolean): void {
    const text = formatMessage(line, line.level <= LEVEL_QUIET && colorsStderr());
    (line.level <= LEVEL_QUIET ? this.#stderr : this.#stdout).write(text);
  }

  /** Goes on in a new log file, after a rotation. */
  reopen(): void {
    this.#file?.reopen();
  }

  /** Resolves when all is written, at the latest after `waitMs`: a reader that stopped reading must not keep the process. */
  async settle(waitMs: number): Promise<void> {
    await Promise.all([this.#file?.settle(waitMs), this.#stdout.settle(waitMs)]);
    await this.#stderr.settle(waitMs); // Last: the others report to it.
  }

  /** Writes what still waits, at the very end. */
  close(): void {
    this.#file?.close();
    this.#stdout.close();
    if (this.#stderr !== this.#stdout) this.#stderr.close();
  }
}

/** `[2026-03-15 10:30:15] warning: …`; the lines of a cause's stack follow, indented. */
function formatMessage(line: LogObject, color: boolean): string {
  const label = line.level === 0 ? "error: " : line.level === 1 ? "warning: " : "";
  const shown = color && label !== "" ? `\x1b[${line.level === 0 ? 31 : 33}m${label}\x1b[39m` : label;
  const [text, ...causes] = line.args as unknown[];
  return `${formatStamp(line.date.getTime())} ${shown}${escapeControls(String(text))}\n${causes.map(formatCause).join("")}`;
}

function formatCause(cause: unknown): string {
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return text
    .split("\n")
    .map((line) => `    ${escapeControls(line)}\n`)
    .join("");
}
