/**
 * Number of connections that the process can hold. Without a free descriptor the accept loop spins and no file opens.
 * So connections end below the process's limit, and a reserve stays for files, logs and the listeners.
 */
import { readFileSync } from "node:fs";

/** Usual soft limit, for a system without /proc. */
const USUAL_LIMIT = 1024;

/**
 * Descriptors that are not connections: standard streams, event loop, listeners, log, and peers that are being turned
 * away.
 */
const RESERVE_BASE = 64;

/** Returns the most connections that leave descriptors for `threads` requests with a file each. At least 1. */
export function connectionsMax(threads: number, fileLimit: number): number {
  // A request may hold a file while it is sent and another while it is written, and an upload holds its folder and its file. A
  // tight limit is shared half and half.
  const reserve = Math.min(RESERVE_BASE + 2 * threads, Math.ceil(fileLimit / 2));
  return Math.max(1, fileLimit - reserve - lendersMax(fileLimit));
}

/**
 * Returns the number of responses that may continue without a slot, each with a file of its own: an eighth of the
 * limit.
 */
export function lendersMax(fileLimit: number): number {
  return Math.floor(fileLimit / 8);
}

/** Returns the soft limit of open files of this process. */
export function readFileLimit(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return match?.[1] === undefined ? USUAL_LIMIT : Number(match[1]);
  } catch {
    return USUAL_LIMIT;
  }
}
