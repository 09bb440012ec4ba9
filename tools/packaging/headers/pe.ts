/** Reads the parts of a PE executable (PE32+) that decide on which Windows it starts. Pure. */

interface PortableExecutable {
  readonly cpu: "x64" | "arm64" | "other";
  /** True for a program of the command line, which gets a console. */
  readonly hasConsole: boolean;
  /** Oldest Windows, such as "10.0" or "6.0". */
  readonly oldestSystem: string;
  readonly libraries: readonly string[];
}

const CPUS: Readonly<Record<number, PortableExecutable["cpu"]>> = { 34404: "x64", 43620: "arm64" };
const PE32_PLUS = 0x20b;
const CONSOLE = 3;

interface Section {
  readonly address: number;
  readonly size: number;
  readonly offset: number;
}

/** Returns the parts, or null for a file of another format. */
export function readPe(bytes: Uint8Array): PortableExecutable | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || view.getUint16(0) !== 0x4d5a) return null;
  const start = view.getUint32(60, true);
  if (start + 264 > bytes.length || view.getUint32(start) !== 0x50450000) return null;
  const optional = start + 24;
  if (view.getUint16(optional, true) !== PE32_PLUS) return null;
  const sections = sectionsOf(view, start);
  return {
    cpu: CPUS[view.getUint16(start + 4, true)] ?? "other",
    hasConsole: view.getUint16(optional + 68, true) === CONSOLE,
    oldestSystem: `${view.getUint16(optional + 48, true)}.${view.getUint16(optional + 50, true)}`,
    libraries: librariesOf(bytes, view, fileOffset(sections, view.getUint32(optional + 120, true)), sections),
  };
}

function sectionsOf(view: DataView, start: number): readonly Section[] {
  const table = start + 24 + view.getUint16(start + 20, true);
  return Array.from({ length: view.getUint16(start + 6, true) }, (_, index) => {
    const at = table + 40 * index;
    return {
      address: view.getUint32(at + 12, true),
      size: Math.max(view.getUint32(at + 8, true), view.getUint32(at + 16, true)),
      offset: view.getUint32(at + 20, true),
    };
  });
}

/** Returns the names in the directory of imports, which ends with an entry of zeros. */
function librariesOf(bytes: Uint8Array, view: DataView, directory: number, sections: readonly Section[]): string[] {
  const names: string[] = [];
  for (let at = directory; at >= 0 && view.getUint32(at + 12, true) !== 0; at += 20) {
    names.push(textAt(bytes, fileOffset(sections, view.getUint32(at + 12, true))));
  }
  return names;
}

/** Returns the place in the file of an address in memory, or -1. */
function fileOffset(sections: readonly Section[], address: number): number {
  const section = sections.find(({ address: start, size }) => address >= start && address < start + size);
  return section === undefined ? -1 : section.offset + address - section.address;
}

function textAt(bytes: Uint8Array, at: number): string {
  return new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));
}
