/** Compares the header of an executable with its machine: an executable for another one is not a release. */

import type { Target } from "../../../src/client/targets.ts";
import { compareVersions, readElf } from "../headers/elf.ts";
import { readMachO } from "../headers/macho.ts";
import { readPe } from "../headers/pe.ts";

/** Newest glibc that an executable may ask for: that of CentOS 7, and of every Linux since. */
const GLIBC_MAX = "2.17";

/** Libraries that every system of the kind has, and the one that musl's users install. */
const LIBRARIES = {
  glibc: /^(?:ld-linux-(?:x86-64|aarch64)|lib(?:c|m|dl|pthread))\.so\.\d$/,
  musl: /^(?:libc\.musl-(?:x86_64|aarch64)\.so\.1|libstdc\+\+\.so\.6)$/,
  darwin: /^\/usr\/lib\/lib(?:icucore\.A|resolv\.9|c\+\+\.1|System\.B)\.dylib$/,
  win32: /^(?:ntdll|kernel32|bcryptprimitives|api-ms-win-core-[\w-]+)\.dll$/i,
};

/** Returns the line of the release notes about an executable. Throws if it is not one for `target`. */
export function checkHeaders(target: Target, bytes: Uint8Array): string {
  if (target.os === "linux") return checkElf(target, bytes);
  return target.os === "darwin" ? checkMachO(target, bytes) : checkPe(target, bytes);
}

function checkElf({ cpu, libc }: Target, bytes: Uint8Array): string {
  const elf = readElf(bytes);
  if (elf === null) throw new Error("not an ELF file");
  demand(elf.cpu === cpu, `is for ${elf.cpu}`);
  demand(elf.interpreter.includes("musl") === (libc === "musl"), `is loaded by ${elf.interpreter}`);
  demandLibraries(elf.needed, libc === "musl" ? LIBRARIES.musl : LIBRARIES.glibc);
  demand(elf.glibc === "" || compareVersions(elf.glibc, GLIBC_MAX) <= 0, `needs glibc ${elf.glibc}`);
  const version = elf.glibc === "" ? "musl" : `glibc ${elf.glibc} or later`;
  return `ELF, ${version}, ${elf.interpreter}, needs ${elf.needed.join(" ")}`;
}

function checkMachO({ cpu }: Target, bytes: Uint8Array): string {
  const macho = readMachO(bytes);
  if (macho === null) throw new Error("not a Mach-O file");
  demand(macho.cpu === cpu, `is for ${macho.cpu}`);
  demand(macho.isExecutable, "is not an executable");
  demand(macho.signature === "valid", `has a signature that is ${macho.signature}`);
  demandLibraries(macho.libraries, LIBRARIES.darwin);
  return `Mach-O, macOS ${macho.oldestSystem} or later, signed ad hoc, needs ${macho.libraries.join(" ")}`;
}

function checkPe({ cpu }: Target, bytes: Uint8Array): string {
  const pe = readPe(bytes);
  if (pe === null) throw new Error("not a PE file");
  demand(pe.cpu === cpu, `is for ${pe.cpu}`);
  demand(pe.hasConsole, "has no console");
  demandLibraries(pe.libraries, LIBRARIES.win32);
  return `PE, console, not signed, needs ${pe.libraries.join(" ")}`;
}

function demandLibraries(libraries: readonly string[], known: RegExp): void {
  const unknown = libraries.find((name) => !known.test(name));
  demand(unknown === undefined, `needs ${unknown}`);
}

function demand(isMet: boolean, fault: string): void {
  if (!isMet) throw new Error(`the executable ${fault}`);
}
