/** How a command ends that has no log: its text or its one line, and its exit code. */
import { escapeControls } from "../http/escape.ts";
import { Output } from "../server/output.ts";

export const EXIT_OK = 0;
/** Of a server: our own fault. Of `probe`: not ready. */
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
export const EXIT_CANNOT_START = 3;
/** `run --strict`. */
export const EXIT_UNEXPECTED = 4;

/** Milliseconds that log lines get to reach a slow reader before the process ends. */
export const LOG_SETTLE_MS = 500;

/** The exit code of what is said on stderr. */
const EXIT_CODES = { error: EXIT_USAGE, "cannot-start": EXIT_CANNOT_START, "not-ready": EXIT_FAILURE } as const;

/** What a command has to say that ends with it: a text for stdout, or a line without LF for stderr. */
export type Answer = { readonly text: string } | { readonly kind: keyof typeof EXIT_CODES; readonly line: string };

/** Says it, and resolves with the exit code. */
export async function say(answer: Answer): Promise<number> {
  const spoken = "text" in answer;
  const output = Output.descriptor(spoken ? 1 : 2, () => {});
  output.write(spoken ? answer.text : `${escapeControls(answer.line)}\n`);
  await output.settle(LOG_SETTLE_MS);
  return spoken ? EXIT_OK : EXIT_CODES[answer.kind];
}

/** Loaded with the first warning: `node:tty` would take 4 ms of each start. */
export function isTerminal(descriptor: number): boolean {
  const { isatty } = require("node:tty") as typeof import("node:tty");
  return isatty(descriptor);
}
