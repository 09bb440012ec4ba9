/**
 * How many connections the process can hold. With no descriptor left the accept loop spins and no file opens, so connections
 * end below the process's limit, and a reserve stays for files, logs and the listeners.
 */
import { readFileSync } from "node:fs";

/** Where the limit cannot be read (no /proc): the usual soft limit. */
const USUAL_LIMIT = 1024;

/** Descriptors that are no connections: standard streams, event loop, listeners, log, and peers that are being turned away. */
const RESERVE_BASE = 64;

/** The most connections that leave room for `threads` requests with a file each. At least 1. */
export function connectionsMax(threads: number, fileLimit: number): number {
  // A request may hold a file while it is sent and another while it is written; a tight limit is shared half and half.
  const reserve = Math.min(RESERVE_BASE + 2 * threads, Math.ceil(fileLimit / 2));
  return Math.max(1, fileLimit - reserve - lendersMax(fileLimit));
}

/** Answers that may go on without a slot, each with a file of its own: an eighth of what there is. */
export function lendersMax(fileLimit: number): number {
  return Math.floor(fileLimit / 8);
}

/** The soft limit of open files of this process. */
export function readFileLimit(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return match?.[1] === undefined ? USUAL_LIMIT : Number(match[1]);
  } catch {
    return USUAL_LIMIT;
  }
}
