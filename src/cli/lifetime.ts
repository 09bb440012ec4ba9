/** Reasons to stop without a signal: the lifetime is over, the parent process or standard input has ended. */
import { formatValue } from "../settings/kinds.ts";
import { type ProgramSettings, programTable } from "../settings/program-settings.ts";

/**
 * Milliseconds between two looks at the number of our parent. A look is one system call. Linux can send a signal instead (prctl,
 * PR_SET_PDEATHSIG), but Bun cannot ask for it.
 */
const PARENT_MS = 250;

/**
 * Resolves with a sentence that says why the program has to stop; never without one of the three flags. Time counts from the call.
 * A parent that ended before the call is not noticed, because another process has taken its place. The end of standard input is.
 */
export function lifetimeEnd({ maxLifetimeMs, exitWithParent, exitWithStdin }: ProgramSettings): Promise<string> {
  return new Promise((resolve) => {
    if (maxLifetimeMs > 0) {
      const text = formatValue(programTable.maxLifetimeMs, maxLifetimeMs);
      setTimeout(() => resolve(`--max-lifetime ${text} is over`), maxLifetimeMs);
    }
    if (exitWithStdin) {
      const ended = () => resolve("standard input has ended");
      // Its content is discarded.
      process.stdin.once("end", ended).once("error", ended).resume();
    }
    if (!exitWithParent) return;
    const parent = process.ppid;
    const timer = setInterval(() => {
      if (!hasParentEnded(parent, process.ppid, process.platform, isRunning)) return;
      clearInterval(timer);
      resolve("the parent process has ended");
    }, PARENT_MS);
  });
}

/**
 * Returns true if the process that was our parent at the start, `first`, has ended. The parent of an orphan is process 1, or a process that
 * collects orphans. On Windows an orphan keeps the number of its parent, so the process of that number is looked for.
 */
export function hasParentEnded(
  first: number,
  now: number,
  system: typeof process.platform,
  isAlive: (processNumber: number) => boolean,
): boolean {
  return now !== first || (system === "win32" && !isAlive(first));
}

/** Signal 0 is sent to no process, and fails if there is none. */
function isRunning(processNumber: number): boolean {
  try {
    process.kill(processNumber, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
