/** What the three loops share as commands: flags, a sentence for a wrong word, a summary in a file, an exit code. */
import { writeFileSync } from "node:fs";
import { BINARY } from "./server-process.ts";

/** Flags of every loop, for `parseArgs`. */
export const LOOP_FLAGS = {
  seed: { type: "string", default: "1" },
  binary: { type: "string", default: BINARY },
  summary: { type: "string" },
} as const;

/** The flag of the loops that also try several threads. */
export const WORKERS_FLAG = { workers: { type: "string", default: "1" } } as const;

/** What every loop is told by them. */
interface LoopSettings {
  readonly binary: string;
  readonly seed: number;
  readonly progress: (line: string) => void;
}

/** Ends this process with 2 when the seed is no number from 0 on. */
export function loopSettings(values: { readonly seed: string; readonly binary: string }): LoopSettings {
  return { binary: values.binary, seed: numberFlag("seed", values.seed, 0), progress: say };
}

/** The number that a flag gives. Ends this process with 2 when it is none, or below `min`. */
export function numberFlag(name: string, text: string, min: number): number {
  const number = Number(text);
  if (number >= min) return number;
  process.stderr.write(`--${name} takes a number from ${min} on, not ${text}\n`);
  process.exit(2);
}

/** One line on standard output. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Says what was found, writes the report where a file is named, and sets the exit code: 1 when there are violations. */
export function conclude(report: { readonly violations: readonly string[] }, file: string | undefined): void {
  const { violations, ...figures } = report;
  say(JSON.stringify(figures, null, 2));
  for (const violation of violations) say(`VIOLATION ${violation}`);
  say(violations.length === 0 ? "all held" : `${violations.length} violations`);
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}

/** Violations that are kept; one fault may show a thousand times. */
export const VIOLATIONS_MAX = 100;
