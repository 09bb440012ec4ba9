/**
 * Temporary files of incomplete uploads, and how a start tells those of a killed server from those of a running one.
 *
 * Strategy: the name identifies the writer: boot, process namespace, process number, and time of its start. The rule
 * it guards: the file of a running server is never removed, even if servers share the folder.
 */
import { readdirSync, readFileSync, readlinkSync, statSync, unlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { randomHex, sha256Hex } from "../digest.ts";
import { errorCode } from "../files/document-root.ts";

/** Returns `.upload-<where>-<process>-<its start>-<random>.tmp`: a name with a dot, so it is never served. */
export function temporaryName(): string {
  return `${ownPrefix()}${randomHex(6)}.tmp`;
}

/** Returns true for a temporary file of this process. */
export function isOwnTemporary(name: string): boolean {
  return name.startsWith(ownPrefix());
}

function ownPrefix(): string {
  prefix ??= `.upload-${writerSpace()}-${process.pid}-${startTimeOf(process.pid)}-`;
  return prefix;
}

/** Beginning of the name that identifies the writer: this process. */
let prefix: string | undefined;

const TEMPORARY = /^\.upload-([0-9a-f]+)-(\d+)-(\d+)-[0-9a-f]+\.tmp$/;

/**
 * Removes temporary files without a writer. Two servers may share the folder, even from two containers or machines. A
 * file of our own machine and process namespace is removed if its writer does not run; a file from elsewhere is
 * removed if it is old.
 */
export function sweepLeftovers(folder: string, nowMs: number): void {
  const ownSpace = writerSpace();
  for (const name of readdirSync(folder)) {
    const match = TEMPORARY.exec(name);
    if (match === null) continue;
    const path = join(folder, name);
    try {
      const isOld = nowMs - statSync(path).mtimeMs > FOREIGN_LEFTOVER_MS;
      const isOrphan = match[1] === ownSpace && !isRunning(Number(match[2]), match[3] ?? "");
      if (isOld || isOrphan) unlinkSync(path);
    } catch {
      // Another process has removed it just now, or it is not ours to remove.
    }
  }
}

/**
 * A file is written as its content comes, and content that stalls is given up within seconds. Settings may allow an hour, so a file
 * that has not changed for an hour has no writer.
 */
const FOREIGN_LEFTOVER_MS = 3_600_000;

/** Names the set of processes among which a process number means something: this boot of this kernel, this namespace. */
function writerSpace(): string {
  knownSpace ??= sha256Hex(readSpace()).slice(0, 12);
  return knownSpace;
}

let knownSpace: string | null = null;

function readSpace(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1") + readlinkSync("/proc/self/ns/pid");
  } catch {
    // Not Linux: the machine's name has to do.
    return hostname();
  }
}

/** In the kernel's ticks since boot, which tells a process from a later one with its number; UNKNOWN where it cannot be read. */
function startTimeOf(processNumber: number): string {
  try {
    const text = readFileSync(`/proc/${processNumber}/stat`, "latin1");
    // proc(5): the 22nd field; the 2nd is in parentheses and may hold anything.
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}

const UNKNOWN = "0";

function isRunning(processNumber: number, startTime: string): boolean {
  try {
    process.kill(processNumber, 0);
  } catch (error) {
    if (errorCode(error) !== "EPERM") return false;
  }
  // Another user's process may be hidden (hidepid): in doubt its file stays, until it is old.
  const started = startTimeOf(processNumber);
  return started === startTime || started === UNKNOWN;
}
