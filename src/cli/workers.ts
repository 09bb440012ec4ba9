/** `--workers`: the number of threads that serve, and how they start. Loaded only if the flag asks for more than one. */
import { availableParallelism } from "node:os";
import type { ServerLog } from "../server/access-log.ts";
import { Workers } from "../server/workers.ts";
import { programTable } from "../settings/program-settings.ts";
import { type Settings, serverSettingsOf } from "../settings/resolve.ts";

/** Settings whose state is in one thread, and their flags. */
const SINGLE = [
  ["fixture", "--fixture"],
  ["stubs", "--stubs"],
  ["record", "--record"],
] as const;

/** The machine that the process runs on. */
export interface Machine {
  readonly platform: string;
  /** Processors that the process may use. */
  readonly processors: number;
}

/**
 * Returns the number of threads that serve: that of the settings, for `auto` that of the processors. If it has to be 1 nevertheless, calls
 * `warn` with one line.
 */
export function workerCount(
  settings: Pick<Settings, "workers" | (typeof SINGLE)[number][0]>,
  { platform, processors }: Machine,
  warn: (line: string) => void,
): number {
  const asked = settings.workers === 0 ? Math.min(processors, programTable.workers.max) : settings.workers;
  if (asked === 1) return 1;
  const [, flag] = SINGLE.find(([name]) => settings[name] !== false && settings[name] !== "") ?? [];
  if (flag !== undefined) warn(`--workers stays 1: ${flag} keeps its state in one thread`);
  else if (platform !== "linux") warn("--workers stays 1: only Linux spreads connections over threads");
  else return asked;
  return 1;
}

/** Returns a function that starts the threads of `options`, or null if one serves. */
export function workersOf(
  options: Settings,
  warn: (line: string) => void,
): ((given: { log: ServerLog; tlsPassphrase: string }) => Promise<Workers>) | null {
  const count = workerCount(options, { platform: process.platform, processors: availableParallelism() }, warn);
  if (count === 1) return null;
  const settings = serverSettingsOf(options);
  return ({ log, tlsPassphrase }) => Workers.start({ count, settings, log, tlsPassphrase });
}
