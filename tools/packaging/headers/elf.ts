/** Reads the parts of an ELF executable (64 bits, little endian) that decide on which machine it starts. Pure. */

export interface Elf {
  readonly cpu: "x64" | "arm64" | "other";
  /** Program that loads it, such as `/lib64/ld-linux-x86-64.so.2`; "" for a static one. */
  readonly interpreter: string;
  /** Libraries that must be there, in the order of the file. */
  readonly needed: readonly string[];
  /** Newest version of glibc that it asks for, such as "2.17"; "" if it asks for none. */
  readonly glibc: string;
}

const MACHINES: Readonly<Record<number, Elf["cpu"]>> = { 62: "x64", 183: "arm64" };

/** Types of program headers, and tags of the dynamic section (System V ABI). */
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_VERNEED = 0x6ffffffe;
const DT_VERNEEDNUM = 0x6fffffff;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** Returns the parts, or null for a file of another format. */
export function readElf(bytes: Uint8Array): Elf | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Magic, ELFCLASS64, ELFDATA2LSB.
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return null;
  const segments = segmentsOf(view);
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const tags = dynamic === undefined ? [] : tagsOf(view, dynamic);
  const offsetOf = (tag: number): number => fileOffset(segments, tags.find(([name]) => name === tag)?.[1] ?? -1);
  const strings = offsetOf(DT_STRTAB);
  const versions = offsetOf(DT_VERNEED);
  const count = tags.find(([name]) => name === DT_VERNEEDNUM)?.[1] ?? 0;
  return {
    cpu: MACHINES[view.getUint16(18, true)] ?? "other",
    interpreter: interpreter === undefined ? "" : textAt(bytes, interpreter.offset),
    needed: tags.filter(([tag]) => tag === DT_NEEDED).map(([, value]) => textAt(bytes, strings + value)),
    glibc: versions < 0 ? "" : newestGlibc(versionsOf(bytes, view, versions, count, strings)),
  };
}

function segmentsOf(view: DataView): readonly Segment[] {
  const [start, size, count] = [number(view, 32), view.getUint16(54, true), view.getUint16(56, true)];
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    return {
      type: view.getUint32(at, true),
      offset: number(view, at + 8),
      address: number(view, at + 16),
      size: number(view, at + 32),
    };
  });
}

function tagsOf(view: DataView, { offset, size }: Segment): readonly (readonly [tag: number, value: number])[] {
  const tags: [number, number][] = [];
  for (let at = offset; at < offset + size && number(view, at) !== 0; at += 16) {
    tags.push([number(view, at), number(view, at + 8)]);
  }
  return tags;
}

/** Returns the place in the file of an address in memory, or -1. */
function fileOffset(segments: readonly Segment[], address: number): number {
  const segment = segments.find(
    ({ type, address: start, size }) => type === PT_LOAD && address >= start && address < start + size,
  );
  return segment === undefined ? -1 : segment.offset + address - segment.address;
}

/** Returns the names of all versions that the file asks libraries for. */
function versionsOf(bytes: Uint8Array, view: DataView, start: number, count: number, strings: number): string[] {
  const names: string[] = [];
  let at = start;
  for (let library = 0; library < count; library++) {
    let entry = at + view.getUint32(at + 8, true);
    for (let index = 0; index < view.getUint16(at + 2, true); index++) {
      names.push(textAt(bytes, strings + view.getUint32(entry + 8, true)));
      entry += view.getUint32(entry + 12, true);
    }
    at += view.getUint32(at + 12, true);
  }
  return names;
}

function newestGlibc(versions: readonly string[]): string {
  const numbers = versions.flatMap((name) => /^GLIBC_([\d.]+)$/.exec(name)?.[1] ?? []);
  return numbers.toSorted(compareVersions).at(-1) ?? "";
}

/** Compares two versions by their numbers. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split(".").map(Number), b.split(".").map(Number)];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function number(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function textAt(bytes: Uint8Array, at: number): string {
  return new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));
}
