/**
 * Signs a Mach-O executable ad hoc, as Apple's linker does: without a certificate, with a hash for each page.
 *
 * Bun signs what it compiles for arm64. In a file for x64 it leaves the signature of its own runtime, which does not fit the new pages, and
 * which asks macOS to enforce it. Pure.
 */
import { createHash } from "node:crypto";

const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;

const EMBEDDED_SIGNATURE = 0xfade0cc0;
const CODE_DIRECTORY = 0xfade0c02;
/** Oldest version of the directory that knows executable segments. */
const DIRECTORY_VERSION = 0x20400;
/** Ad hoc, and signed by a linker (cs_blobs.h). */
const FLAGS = 0x20002;
const MAIN_BINARY = 1n;
const SHA256 = 2;
const PAGE_SHIFT = 12;
const PAGE_BYTES = 1 << PAGE_SHIFT;
const HASH_BYTES = 32;

/** Bytes before the directory, and of its own head. */
const INDEX_BYTES = 20;
const HEAD_BYTES = 88;

const IDENTIFIER = new TextEncoder().encode("httpserver\0");

/** Places in the file that describe the signature. */
interface Places {
  /** Load command of the signature. */
  readonly command: number;
  /** Command of the segment that ends with the signature. */
  readonly linkedit: number;
  /** Size of the code segment. */
  readonly textBytes: bigint;
}

/** Returns the executable with a new signature in place of its old one. Throws if it has none. */
export function signAdHoc(executable: Uint8Array): Uint8Array<ArrayBuffer> {
  const { command, linkedit, textBytes } = placesIn(executable);
  const start = viewOf(executable).getUint32(command + 8, true);
  const pages = Math.ceil(start / PAGE_BYTES);
  const bytes = INDEX_BYTES + HEAD_BYTES + IDENTIFIER.length + HASH_BYTES * pages;
  const signed = new Uint8Array(start + bytes);
  signed.set(executable.subarray(0, start));
  const view = viewOf(signed);
  view.setUint32(command + 12, bytes, true);
  const segmentBytes = BigInt(signed.length) - view.getBigUint64(linkedit + 40, true);
  view.setBigUint64(linkedit + 48, segmentBytes, true);
  const memoryBytes = view.getBigUint64(linkedit + 32, true);
  if (segmentBytes > memoryBytes) view.setBigUint64(linkedit + 32, roundUp(segmentBytes), true);
  writeDirectory(view, start, { bytes, pages, textBytes });
  const hashes = start + INDEX_BYTES + HEAD_BYTES + IDENTIFIER.length;
  signed.set(IDENTIFIER, start + INDEX_BYTES + HEAD_BYTES);
  for (let page = 0; page < pages; page++) {
    const content = signed.subarray(page * PAGE_BYTES, Math.min((page + 1) * PAGE_BYTES, start));
    signed.set(createHash("sha256").update(content).digest(), hashes + HASH_BYTES * page);
  }
  return signed;
}

function placesIn(executable: Uint8Array): Places {
  const view = viewOf(executable);
  let [command, linkedit, textBytes] = [-1, -1, 0n];
  let at = 32;
  for (let index = 0; index < view.getUint32(16, true); index++) {
    const kind = view.getUint32(at, true);
    if (kind === LC_CODE_SIGNATURE) command = at;
    if (kind === LC_SEGMENT_64) {
      const name = new TextDecoder().decode(executable.subarray(at + 8, at + 24)).replaceAll("\0", "");
      if (name === "__LINKEDIT") linkedit = at;
      if (name === "__TEXT") textBytes = view.getBigUint64(at + 48, true);
    }
    at += view.getUint32(at + 4, true);
  }
  if (command < 0 || linkedit < 0) throw new Error("the executable has no room for a signature");
  return { command, linkedit, textBytes };
}

/** Writes an index with one blob, and the head of that blob, the directory. Numbers of both have the highest byte first. */
function writeDirectory(
  view: DataView,
  start: number,
  { bytes, pages, textBytes }: { readonly bytes: number; readonly pages: number; readonly textBytes: bigint },
): void {
  const index = [EMBEDDED_SIGNATURE, bytes, 1, 0, INDEX_BYTES];
  const head = [
    CODE_DIRECTORY,
    bytes - INDEX_BYTES,
    DIRECTORY_VERSION,
    FLAGS,
    HEAD_BYTES + IDENTIFIER.length,
    HEAD_BYTES,
    0, // Special slots.
    pages,
    start,
    (HASH_BYTES << 24) | (SHA256 << 16) | PAGE_SHIFT,
    0, // Spare, scatter, team, spare, and a limit of 64 bits: unused.
    0,
    0,
    0,
    0,
    0,
  ];
  [...index, ...head].forEach((value, place) => {
    view.setUint32(start + 4 * place, value >>> 0);
  });
  const segment = start + INDEX_BYTES + 4 * head.length;
  view.setBigUint64(segment, 0n);
  view.setBigUint64(segment + 8, textBytes);
  view.setBigUint64(segment + 16, MAIN_BINARY);
}

function roundUp(bytes: bigint): bigint {
  const page = BigInt(PAGE_BYTES);
  return ((bytes + page - 1n) / page) * page;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
