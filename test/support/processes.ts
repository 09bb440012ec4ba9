/** The processes of this machine as /proc shows them; none where there is no /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** Characters of a command line in a message; a browser fills a page with its own. */
const COMMAND_CHARS_MAX = 300;

/** Ids of the processes that `pid` has started and that still run, and of those that these have started. */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const id of processIds()) {
    const { state, parent } = statOf(id);
    if (state !== "Z") children.set(parent, [...(children.get(parent) ?? []), id]);
  }
  const found: number[] = [];
  const visit = (parent: number) => {
    for (const child of children.get(parent) ?? []) {
      found.push(child);
      visit(child);
    }
  };
  visit(pid);
  return found;
}

/** Ids of the running processes with the variable `name=value` in their environment, also after their parent has ended. */
export function processesWith(name: string, value: string): number[] {
  const line = `\0${name}=${value}\0`;
  return processIds().filter(
    (pid) => statOf(pid).state !== "Z" && `\0${readText(`/proc/${pid}/environ`)}`.includes(line),
  );
}

/** False for a process that has ended, also while its parent has not asked for its exit code. */
export function isRunning(pid: number): boolean {
  return !["", "Z"].includes(statOf(pid).state);
}

/** True when the process waits, as in an open that blocks; also where there is no /proc to ask. */
export function isWaiting(pid: number): boolean {
  return !["R", "D"].includes(statOf(pid).state);
}

/** The command line, for messages. */
export function commandOf(pid: number): string {
  return readText(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim().slice(0, COMMAND_CHARS_MAX);
}

/** Kills the processes that are still there. */
export function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

function processIds(): number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** proc(5): the name in parentheses may itself have parentheses and spaces, so the fields are counted from the last one. */
function statOf(pid: number): { readonly state: string; readonly parent: number } {
  const stat = readText(`/proc/${pid}/stat`);
  const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state, parent: Number(parent) };
}

/** The empty text for a process that is gone, or another user's. */
function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
