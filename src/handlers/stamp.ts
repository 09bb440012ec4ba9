/**
 * The state of a file or folder on the disk, to tell whether it has changed since it was read.
 *
 * The rule it guards: a change is always seen. Two changes within one tick of the disk's clock leave the same times, so a
 * state that is younger than a tick is never trusted.
 */
import { type Stats, statSync } from "node:fs";

export interface Stamp {
  readonly mark: string;
  /** False: a further change may leave the same mark. */
  readonly isSettled: boolean;
  readonly stats: Stats;
}

/** Milliseconds after a change until its mark is trusted: the coarsest clock of a disk (FAT) ticks every two seconds. */
const SETTLED_MS = 2000;

/** Follows links. Throws as `statSync`. */
export function stampOf(path: string): Stamp {
  const stats = statSync(path);
  const { dev, ino, size, mtimeMs, ctimeMs } = stats;
  return {
    mark: `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`,
    // The machine's clock, because it dates the files; a test may move the server's.
    isSettled: Date.now() - Math.max(mtimeMs, ctimeMs) > SETTLED_MS,
    stats,
  };
}

/** Returns true if nothing can have changed between two stamps of one path. */
export function isUnchanged(before: Stamp, now: Stamp): boolean {
  return before.isSettled && before.mark === now.mark;
}
