/**
 * Executables for machines that this one is not: compiled from the locked runtimes, and their headers read. Those that an emulator or
 * another C library can run here are run. `bun run test:packages` runs this file, and `.ci/run` does so too.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../build.ts";
import { executableOf, TARGETS, type Target } from "../../src/client/targets.ts";
import { readElf } from "./headers/elf.ts";
import { readMachO } from "./headers/macho.ts";
import { signAdHoc } from "./headers/sign-macho.ts";
import { checkHeaders } from "./parts/check-headers.ts";
import { libcFor } from "./parts/libc.ts";
import { tryOut } from "./parts/trial.ts";
import { installRuntimes, nameOf, runtimeOf } from "./release-targets.ts";

/** Milliseconds for the installation of eight runtimes, and for a trial in an emulator, on a busy machine. */
const TOOL_MS = 120_000;

let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "machines-"));
  await installRuntimes();
}, TOOL_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function made(target: Target): Promise<string> {
  const file = join(folder, `${nameOf(target)}-${executableOf(target)}`);
  await compile(file, runtimeOf(target));
  return file;
}

function bytesOf(file: string): Uint8Array {
  return new Uint8Array(readFileSync(file));
}

describe("an executable", () => {
  test.each(TARGETS.filter(({ os }) => os === "linux"))(
    "for $os on $cpu with $libc has its header, and serves where it can be run",
    async (target) => {
      const file = await made(target);
      expect(checkHeaders(target, bytesOf(file))).toStartWith("ELF, ");
      const trial = await tryOut(target, file);
      if (process.env["CI"] === "true" && process.arch === "x64" && nameOf(target) !== "linux-arm64-musl") {
        expect(Object.keys(trial)).toEqual(["ran"]);
      }
    },
    TOOL_MS,
  );

  test.each(TARGETS.filter(({ os }) => os === "win32"))(
    "for $os on $cpu has its header",
    async (target) => {
      expect(checkHeaders(target, bytesOf(await made(target)))).toStartWith("PE, console, ");
    },
    TOOL_MS,
  );

  test.each(TARGETS.filter(({ os }) => os === "darwin"))(
    "for $os on $cpu has its header once it is signed",
    async (target) => {
      const bytes = bytesOf(await made(target));
      const signed = signAdHoc(bytes);
      expect(checkHeaders(target, signed)).toStartWith("Mach-O, macOS ");
      // Bun signs for arm64 alone. When it does for x64 too, signAdHoc can go.
      expect(readMachO(bytes)?.signature).toBe(target.cpu === "arm64" ? "valid" : "broken");
      if (target.cpu === "arm64") expect(withoutIdentifier(signed)).toEqual(withoutIdentifier(bytes));
    },
    TOOL_MS,
  );

  /** Both signatures name the program, "a.out" and "httpserver". The hashes of all pages but the first follow from the pages alone. */
  function withoutIdentifier(bytes: Uint8Array): string {
    return Bun.SHA256.hash(bytes.subarray(bytes.length - 32 * 1000), "hex");
  }

  test(
    "for Linux with glibc gets the C library of its own processor into an image",
    async () => {
      for (const target of TARGETS.filter(({ libc }) => libc === "glibc")) {
        const elf = readElf(bytesOf(runtimeOf(target).file));
        if (elf === null) throw new Error("the runtime is not an ELF file");
        const libraries = libcFor(elf).files.filter(({ path }) => /\.so/.test(path));
        expect(libraries).toHaveLength(elf.needed.length);
        for (const { content } of libraries) expect(readElf(content)?.cpu).toBe(target.cpu);
      }
    },
    TOOL_MS,
  );
});
