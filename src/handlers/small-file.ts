/** Reads files that the operator names and that are read whole at the start: certificates, users, error pages. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { readWhole } from "./files/file-body.ts";

/**
 * Returns the bytes of a regular file of at most `bytesMax`. Refuses a FIFO or a device: waiting for one would hang
 * the program before it could be stopped. Refuses a file of /proc, whose size reads as 0: it may be the environment
 * of this process, or wait as a device does. Throws an Error whose message gives the reason, for a line that names the
 * file.
 */
export function readSmallFile(path: string, bytesMax: number): Uint8Array {
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error("it is not a file");
    if (stats.size > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`);
    if (stats.size === 0 && hasBytes(descriptor)) throw new Error("it is not a file on a disk");
    return readWhole({ descriptor, stats });
  } finally {
    closeSync(descriptor);
  }
}

/** Returns true if one byte can be read, or that fails. The descriptor is non-blocking, which files of /proc that wait obey. */
function hasBytes(descriptor: number): boolean {
  try {
    return readSync(descriptor, new Uint8Array(1), 0, 1, 0) > 0;
  } catch {
    return true;
  }
}

/** Returns the reason for a failure in a few words: `ENOENT`, `it is not a file`. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error ? String(error.code) : error.message;
}
