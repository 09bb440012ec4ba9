/** Files that the operator names and that are read whole at the start: certificates, users, error pages. */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { readWhole } from "./files/file-body.ts";

/**
 * The bytes of a regular file of at most `bytesMax`. A FIFO or a device is refused rather than waited for: the program would
 * hang before it could be asked to stop. Throws an Error whose message says why, for a line that names the file.
 */
export function readSmallFile(path: string, bytesMax: number): Uint8Array {
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error("it is no file");
    if (stats.size > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`);
    return readWhole({ descriptor, stats });
  } finally {
    closeSync(descriptor);
  }
}

/** Why it could not be read, in a word or a few: `ENOENT`, `it is no file`. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error ? String(error.code) : error.message;
}
