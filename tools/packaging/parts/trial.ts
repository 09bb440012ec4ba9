/** Runs the executables that this machine can run: its own, and with an emulator or another C library those of others. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { smoke } from "../../../build.ts";
import type { Target } from "../../../src/client/targets.ts";

/** Result of a trial: how the executable was run, or the reason why it was not. */
export type Trial = { readonly ran: string } | { readonly notRun: string };

/** Files of the packages qemu-user, libc6-arm64-cross and musl of Debian. */
const ARM64_ROOT = "/usr/aarch64-linux-gnu";
const MUSL_LOADER = "/lib/ld-musl-x86_64.so.1";
const LIBSTDCXX = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6";
const LIBGCC = "/lib/x86_64-linux-gnu/libgcc_s.so.1";

/** Starts an executable, asks it for a page, and ends it. Throws if it can be run here and fails. */
export async function tryOut(target: Target, file: string): Promise<Trial> {
  const { os, cpu, libc } = target;
  if (os !== process.platform) return { notRun: `there is no ${os === "win32" ? "Windows" : "macOS"} here` };
  if (libc === "musl") {
    return cpu === "x64" && process.arch === "x64" ? await tryMusl(file) : { notRun: "there is no musl for it here" };
  }
  if (cpu === process.arch) {
    await smoke([file]);
    return { ran: `${os} on ${cpu}` };
  }
  const emulator = Bun.which("qemu-aarch64");
  if (cpu !== "arm64" || emulator === null || !existsSync(ARM64_ROOT)) return { notRun: "there is no emulator here" };
  await smoke([emulator, "-L", ARM64_ROOT, file]);
  return { ran: `qemu-user on ${process.arch}, with Debian's libc6 for ${cpu}` };
}

/**
 * Runs an executable on musl. It needs libstdc++, which Debian has for glibc alone, so a small library stands in for the few functions of
 * glibc that libstdc++ asks for.
 */
async function tryMusl(file: string): Promise<Trial> {
  const compiler = Bun.which("cc");
  if (!existsSync(MUSL_LOADER) || !existsSync(LIBSTDCXX) || compiler === null)
    return { notRun: "musl is not installed" };
  const folder = mkdtempSync(join(tmpdir(), "musl-"));
  try {
    const shim = join(folder, "libshim.so");
    const source = join(import.meta.dir, "musl-shim.c");
    run([compiler, "-shared", "-nostdlib", "-fPIC", "-o", shim, source]);
    // libstdc++ names glibc's loader as a library.
    run([compiler, "-shared", "-nostdlib", "-x", "c", "/dev/null", "-o", join(folder, "ld-linux-x86-64.so.2")]);
    for (const library of [LIBSTDCXX, LIBGCC]) run(["cp", "-L", library, folder]);
    await smoke([file], { LD_LIBRARY_PATH: folder, LD_PRELOAD: shim });
    return { ran: "musl of Debian on x64, with libstdc++ of glibc" };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(words: readonly string[]): void {
  const child = Bun.spawnSync([...words]);
  if (!child.success) throw new Error(`${words.join(" ")}: ${child.stderr.toString()}`);
}
