/** The machines of a release: names of their archives, and the locked runtime of each. */
import { join } from "node:path";
import type { Runtime } from "../../build.ts";
import { TARGETS, type Target } from "../../src/client/targets.ts";

const RUNTIMES = join(import.meta.dir, "runtimes");

/** Returns the name of a machine in archives: `linux-x64-musl`, `darwin-arm64`, `windows-x64`. */
export function nameOf({ os, cpu, libc }: Target): string {
  return `${os === "win32" ? "windows" : os}-${cpu}${libc === "musl" ? "-musl" : ""}`;
}

/** Returns the npm package with the runtime of a machine. */
export function runtimePackage({ os, cpu, libc }: Target): string {
  const system = os === "win32" ? "windows" : os;
  return `@oven/bun-${system}-${cpu === "arm64" ? "aarch64" : cpu}${libc === "musl" ? "-musl" : ""}`;
}

/** Installs the runtimes of all machines. Each has the checksum of `runtimes/bun.lock`, or the installation fails. */
export async function installRuntimes(): Promise<void> {
  const words = ["install", "--frozen-lockfile", "--ignore-scripts", "--os=*", "--cpu=*", "--libc=*"];
  const child = Bun.spawn([process.execPath, ...words], { cwd: RUNTIMES, stdout: "ignore", stderr: "pipe" });
  const [errors, code] = await Promise.all([child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`the runtimes cannot be installed: ${errors}`);
}

/** Returns the runtime of a machine in Bun's words. */
export function runtimeOf(target: Target): Runtime {
  const file = target.os === "win32" ? "bun.exe" : "bun";
  return {
    name: `bun-${nameOf(target)}` as Runtime["name"],
    file: join(RUNTIMES, "node_modules", runtimePackage(target), "bin", file),
  };
}

/** Returns the checksum of each runtime's package, as `runtimes/bun.lock` has it: `sha512-` and base64. */
export async function runtimeChecksums(): Promise<ReadonlyMap<string, string>> {
  const lock = await Bun.file(join(RUNTIMES, "bun.lock")).text();
  const entries = Array.from(lock.matchAll(/^ {4}"(@oven\/[^"]+)": \[.*"(sha512-[A-Za-z0-9+/=]+)"\],$/gm));
  const checksums = new Map(entries.map(([, name = "", checksum = ""]) => [name, checksum]));
  for (const target of TARGETS) {
    if (!checksums.has(runtimePackage(target)))
      throw new Error(`${runtimePackage(target)} is not in runtimes/bun.lock`);
  }
  return checksums;
}

/** Returns the name of the archive of a machine. */
export function archiveOf(target: Target, version: string): string {
  return `httpserver-${version}-${nameOf(target)}.${target.os === "win32" ? "zip" : "tar.gz"}`;
}
