/**
 * Reads the parts of a Mach-O executable (64 bits) that decide on which Mac it starts, and verifies its signature: macOS kills a program on
 * arm64 whose pages are not those that were signed. Pure.
 */
import { createHash } from "node:crypto";

interface MachO {
  readonly cpu: "x64" | "arm64" | "other";
  readonly isExecutable: boolean;
  /** Oldest macOS, such as "13.0"; "" if the file does not say. */
  readonly oldestSystem: string;
  readonly libraries: readonly string[];
  /** valid: each page has the hash that the signature names. */
  readonly signature: "valid" | "broken" | "none";
}

const CPUS: Readonly<Record<number, MachO["cpu"]>> = { 16777223: "x64", 16777228: "arm64" };
const MH_EXECUTE = 2;

/** Load commands (mach-o/loader.h). */
const LC_LOAD_DYLIB = 0xc;
const LC_CODE_SIGNATURE = 0x1d;
const LC_VERSION_MIN_MACOSX = 0x24;
const LC_BUILD_VERSION = 0x32;

/** Marks of a signature's blobs (cs_blobs.h), the highest byte first. */
const EMBEDDED_SIGNATURE = 0xfade0cc0;
const CODE_DIRECTORY = 0xfade0c02;
const SHA256 = 2;

/** Returns the parts, or null for a file of another format. */
export function readMachO(bytes: Uint8Array): MachO | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 32 || view.getUint32(0, true) !== 0xfeedfacf) return null;
  const libraries: string[] = [];
  let oldestSystem = "";
  let signature: MachO["signature"] = "none";
  let at = 32;
  for (let index = 0; index < view.getUint32(16, true); index++) {
    const command = view.getUint32(at, true);
    if (command === LC_LOAD_DYLIB) libraries.push(textAt(bytes, at + view.getUint32(at + 8, true)));
    else if (command === LC_BUILD_VERSION) oldestSystem = versionOf(view.getUint32(at + 12, true));
    else if (command === LC_VERSION_MIN_MACOSX) oldestSystem = versionOf(view.getUint32(at + 8, true));
    else if (command === LC_CODE_SIGNATURE) {
      signature = isSigned(bytes, view.getUint32(at + 8, true)) ? "valid" : "broken";
    }
    at += view.getUint32(at + 4, true);
  }
  return {
    cpu: CPUS[view.getUint32(4, true)] ?? "other",
    isExecutable: view.getUint32(12, true) === MH_EXECUTE,
    oldestSystem,
    libraries,
    signature,
  };
}

/** Returns true if each page before the signature has the hash that the signature's directory names for it. */
function isSigned(bytes: Uint8Array, start: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (start + 12 > bytes.length || view.getUint32(start) !== EMBEDDED_SIGNATURE) return false;
  for (let index = 0; index < view.getUint32(start + 8); index++) {
    const directory = start + view.getUint32(start + 12 + 8 * index + 4);
    if (view.getUint32(directory) !== CODE_DIRECTORY || bytes[directory + 37] !== SHA256) continue;
    const hashes = directory + view.getUint32(directory + 16);
    const pages = view.getUint32(directory + 28);
    const limit = view.getUint32(directory + 32);
    const pageBytes = 1 << (bytes[directory + 39] as number);
    if (limit !== start || pages !== Math.ceil(limit / pageBytes)) return false;
    for (let page = 0; page < pages; page++) {
      const content = bytes.subarray(page * pageBytes, Math.min((page + 1) * pageBytes, limit));
      const expected = bytes.subarray(hashes + 32 * page, hashes + 32 * page + 32);
      if (createHash("sha256").update(content).digest().compare(expected) !== 0) return false;
    }
    return true;
  }
  return false;
}

/** Returns a version that is packed into 16, 8 and 8 bits, without the last of them. */
function versionOf(packed: number): string {
  return `${packed >>> 16}.${(packed >>> 8) & 0xff}`;
}

function textAt(bytes: Uint8Array, at: number): string {
  return new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));
}
