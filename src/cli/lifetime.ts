/** Ends that nobody signals: a time that is over, a parent that is gone. */
import { formatValue } from "../settings/kinds.ts";
import { type ProgramSettings, programTable } from "../settings/program-settings.ts";

/**
 * Milliseconds between two looks at who our parent is. Linux could send a signal (prctl, PR_SET_PDEATHSIG), which no runtime of
 * ours can ask for; a look is one system call.
 */
const PARENT_MS = 250;

/**
 * Resolves with a sentence that says why the program ought to end; never without `--max-lifetime` and `--exit-with-parent`.
 * Counts from the call. A parent that had ended before cannot be told from the one that took its place.
 */
export function lifetimeEnd({ maxLifetimeMs, exitWithParent }: ProgramSettings): Promise<string> {
  return new Promise((resolve) => {
    if (maxLifetimeMs > 0) {
      const text = formatValue(programTable.maxLifetimeMs, maxLifetimeMs);
      setTimeout(() => resolve(`--max-lifetime ${text} is over`), maxLifetimeMs);
    }
    if (!exitWithParent) return;
    const parent = process.ppid;
    const timer = setInterval(() => {
      // An orphan is given to process 1, or to one that collects orphans.
      if (process.ppid === parent) return;
      clearInterval(timer);
      resolve("the parent process has ended");
    }, PARENT_MS);
  });
}
