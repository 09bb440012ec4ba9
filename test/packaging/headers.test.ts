/**
 * Headers of executables, read from this machine's own and from small ones that are made here. `tools/packaging/release.test.ts` reads
 * those of every system.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { compareVersions, readElf } from "../../tools/packaging/headers/elf.ts";
import { readMachO } from "../../tools/packaging/headers/macho.ts";
import { readPe } from "../../tools/packaging/headers/pe.ts";
import { signAdHoc } from "../../tools/packaging/headers/sign-macho.ts";
import { checkHeaders } from "../../tools/packaging/parts/check-headers.ts";
import { linux, needs } from "../support/needs.ts";

const PAGE_BYTES = 4096;

describe("ELF", () => {
  needs(linux).test("of the program that runs this: processor, loader, libraries", () => {
    const elf = readElf(new Uint8Array(readFileSync(process.execPath)));
    expect(elf?.cpu as string).toBe(process.arch);
    expect(elf?.interpreter).toMatch(/^\/lib/);
    expect(elf?.needed.some((name) => name.startsWith("libc."))).toBe(true);
  });

  needs(linux).test("for another machine is refused", () => {
    const bytes = new Uint8Array(readFileSync(process.execPath));
    const other = process.arch === "x64" ? "arm64" : "x64";
    const libc = readElf(bytes)?.glibc === "" ? "musl" : "glibc";
    expect(checkHeaders({ os: "linux", cpu: process.arch as "x64", libc }, bytes)).toStartWith("ELF, ");
    expect(() => checkHeaders({ os: "linux", cpu: other, libc }, bytes)).toThrow(`is for ${process.arch}`);
    const wrong = libc === "musl" ? "glibc" : "musl";
    expect(() => checkHeaders({ os: "linux", cpu: process.arch as "x64", libc: wrong }, bytes)).toThrow("is loaded by");
    expect(() => checkHeaders({ os: "darwin", cpu: "x64" }, bytes)).toThrow("not a Mach-O file");
    expect(() => checkHeaders({ os: "win32", cpu: "x64" }, bytes)).toThrow("not a PE file");
  });

  test.each([
    ["2.17", "2.9", 1],
    ["2.17", "2.17", 0],
    ["2.17", "2.17.1", -1],
  ])("version %s beside %s", (a, b, order) => {
    expect(Math.sign(compareVersions(a, b))).toBe(order);
  });
});

describe("Mach-O", () => {
  test("signed ad hoc has a valid signature, and none after a byte has changed", () => {
    const signed = signAdHoc(madeMachO());
    expect(readMachO(signed)).toEqual({
      cpu: "x64",
      isExecutable: true,
      oldestSystem: "13.0",
      libraries: ["/usr/lib/libSystem.B.dylib"],
      signature: "valid",
    });
    expect(checkHeaders({ os: "darwin", cpu: "x64" }, signed)).toStartWith("Mach-O, macOS 13.0 or later");
    signed[PAGE_BYTES + 7] = 1;
    expect(readMachO(signed)?.signature).toBe("broken");
    expect(() => checkHeaders({ os: "darwin", cpu: "x64" }, signed)).toThrow("signature that is broken");
  });

  test("a signature of other pages is broken", () => {
    expect(readMachO(madeMachO())?.signature).toBe("broken");
  });
});

test("a file of no such format has no header", () => {
  for (const read of [readElf, readMachO, readPe]) {
    expect(read(new Uint8Array(0))).toBeNull();
    expect(read(new Uint8Array(500))).toBeNull();
    expect(read(new TextEncoder().encode("MZ".padEnd(500, "x")))).toBeNull();
  }
});

/** A Mach-O executable for x64 with two pages of code, and room for a signature that is not written yet. */
function madeMachO(): Uint8Array {
  const bytes = new Uint8Array(2 * PAGE_BYTES + 16);
  const view = new DataView(bytes.buffer);
  const end = 2 * PAGE_BYTES;
  const commands = [
    segment("__TEXT", 0, PAGE_BYTES),
    segment("__LINKEDIT", PAGE_BYTES, PAGE_BYTES + 16),
    command(0xc, [24, 0, 0, 0], "/usr/lib/libSystem.B.dylib"),
    command(0x32, [1, 13 << 16, 0, 0]),
    command(0x1d, [end, 16]),
  ];
  const commandBytes = commands.reduce((sum, one) => sum + one.length, 0);
  [0xfeedfacf, 0x01000007, 3, 2, commands.length, commandBytes, 0, 0].forEach((value, place) => {
    view.setUint32(4 * place, value, true);
  });
  let at = 32;
  for (const one of commands) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
}

function command(kind: number, numbers: readonly number[], text = ""): Uint8Array {
  const bytes = new Uint8Array(8 + 4 * numbers.length + Math.ceil((text.length + 1) / 8) * 8 * Math.sign(text.length));
  const view = new DataView(bytes.buffer);
  [kind, bytes.length, ...numbers].forEach((value, place) => {
    view.setUint32(4 * place, value, true);
  });
  bytes.set(new TextEncoder().encode(text), 8 + 4 * numbers.length);
  return bytes;
}

function segment(name: string, offset: number, size: number): Uint8Array {
  const bytes = new Uint8Array(72);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x19, true);
  view.setUint32(4, 72, true);
  bytes.set(new TextEncoder().encode(name), 8);
  [offset, size, offset, size].forEach((value, place) => {
    view.setBigUint64(24 + 8 * place, BigInt(value), true);
  });
  return bytes;
}
