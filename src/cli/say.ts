/** The end of a command without a log: its text or its one line, and its exit code. */
import { fstatSync } from "node:fs";
import { escapeControls } from "../http/escape.ts";
import { Output } from "../server/output.ts";

export const EXIT_OK = 0;
/** A failure of the server itself. With `probe`: the server is not ready. */
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
const EXIT_CANNOT_START = 3;
/** `run --strict`: there were unexpected requests. */
export const EXIT_UNEXPECTED = 4;

/** Milliseconds for log lines to reach a slow reader before the process ends. */
export const LOG_SETTLE_MS = 500;

/** Exit codes of lines on stderr. */
const EXIT_CODES = { error: EXIT_USAGE, "cannot-start": EXIT_CANNOT_START, "not-ready": EXIT_FAILURE } as const;

/** A text for stdout, or a line without LF for stderr. The command ends with it. */
export type Answer = { readonly text: string } | { readonly kind: keyof typeof EXIT_CODES; readonly line: string };

/** Prints an answer, and resolves with the exit code. */
export async function say(answer: Answer): Promise<number> {
  const spoken = "text" in answer;
  const output = Output.descriptor(spoken ? 1 : 2, () => {});
  output.write(spoken ? answer.text : `${escapeControls(answer.line)}\n`);
  await output.settle(LOG_SETTLE_MS);
  return spoken ? EXIT_OK : EXIT_CODES[answer.kind];
}

/**
 * Returns true for a terminal. `node:tty` is loaded for a device alone: it would take 4 ms of each start. A descriptor that is
 * closed is not a terminal.
 */
export function isTerminal(descriptor: number): boolean {
  try {
    if (!fstatSync(descriptor).isCharacterDevice()) return false;
  } catch {
    return false;
  }
  const { isatty } = require("node:tty") as typeof import("node:tty");
  return isatty(descriptor);
}

/** Columns of a terminal whose width is unknown. */
const COLUMNS = 80;

/** Returns the width that the terminal at a descriptor has now. */
export function columns(descriptor: number): number {
  return (descriptor === 1 ? process.stdout : process.stderr).columns || COLUMNS;
}
