/** How a command ends that has no log: its text or its one line, and its exit code. */
import { escapeControls } from "../http/escape.ts";
import { Output } from "../server/output.ts";
import type { CommandLine } from "./command-line.ts";

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
export const EXIT_CANNOT_START = 3;

/** Milliseconds that log lines get to reach a slow reader before the process ends. */
export const LOG_SETTLE_MS = 500;

/** Text for a command that starts no server; returns the exit code. */
export async function say(
  answer:
    | Exclude<CommandLine, { kind: "serve" | "hash-password" }>
    | { readonly kind: "cannot-start"; readonly line: string },
): Promise<number> {
  const spoken = "text" in answer;
  const output = Output.descriptor(spoken ? 1 : 2, () => {});
  output.write(spoken ? answer.text : `${escapeControls(answer.line)}\n`);
  await output.settle(LOG_SETTLE_MS);
  return spoken ? EXIT_OK : answer.kind === "error" ? EXIT_USAGE : EXIT_CANNOT_START;
}

/** Loaded with the first warning: `node:tty` would take 4 ms of each start. */
export function isTerminal(descriptor: number): boolean {
  const { isatty } = require("node:tty") as typeof import("node:tty");
  return isatty(descriptor);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
