/** What Linux says about another process, from proc(5). Each throws when there is no such process. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** proc(5) counts CPU time in ticks of sysconf(_SC_CLK_TCK), which is 100 a second on every Linux of today. */
const TICKS_PER_SECOND = 100;

/** Open descriptors of the process `pid`. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Resident memory in MiB; 0 of one that has ended and was not waited for yet. */
export function memoryOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kib ?? 0) / 1024;
}

/** CPU time that the process has used so far, user and system, in milliseconds. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // Behind the name, which may have anything in it but ends with the last parenthesis: field 3 and those that follow.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** Share of one CPU that the process uses over the next `ms`, in percent. */
export async function cpuPercentOf(pid: number, ms: number): Promise<number> {
  const cpuMs = cpuMsOf(pid);
  const startMs = performance.now();
  await Bun.sleep(ms);
  return ((cpuMsOf(pid) - cpuMs) * 100) / (performance.now() - startMs);
}

/** The port of 127.0.0.1 on which the process listens, or null; for a server whose ready line nobody can read. */
export function listeningPortOf(pid: number): number | null {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).map((descriptor) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
      } catch {
        return undefined; // Closed since.
      }
    }),
  );
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, "latin1").split("\n")) {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === TCP_LISTEN && sockets.has(inode)) return Number.parseInt(local.split(":")[1] ?? "", 16);
  }
  return null;
}

/** In the kernel's tables, as in its net/tcp_states.h. */
const TCP_LISTEN = "0A";

/** Returns the milliseconds for which the main thread of a process has run, and has been ready to run but waited for a processor. */
export function processorTimeOf(pid: number): { readonly ranMs: number; readonly waitedMs: number } {
  const [ran = 0, waited = 0] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ").map(Number);
  return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
}
