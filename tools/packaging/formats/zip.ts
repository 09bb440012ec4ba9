/**
 * Archives in the format of zip (PKWARE APPNOTE 6.3), bit for bit the same for the same content: entries in the order of their names, one
 * time for all. Without ZIP64, so an archive and each file in it is smaller than 4 GiB.
 */
import { crc32, deflateRaw } from "node:zlib";
import type { PackedFile } from "./tar.ts";

const LEVEL = 6;
const DEFLATED = 8;
/** Version 2.0, which knows folders and deflate. */
const VERSION = 20;
/** "Made by" a Unix system, so that the upper half of the attributes are mode bits. */
const MADE_BY = (3 << 8) | VERSION;
const REGULAR_FILE = 0o100000;
const BYTES_MAX = 0xffff_ffff;

/** Returns the archive. `dateMs` is the time of all entries, in milliseconds since 1970, which zip keeps in steps of 2 s, in UTC here. */
export async function zip(files: readonly PackedFile[], dateMs: number): Promise<Uint8Array<ArrayBuffer>> {
  const time = dosTime(new Date(dateMs));
  const pieces: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { path, content, mode = 0o644 } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    const name = new TextEncoder().encode(path);
    const packed = await deflated(content);
    if (content.length > BYTES_MAX || at + packed.length > BYTES_MAX) throw new Error(`${path} is too large for zip`);
    const common = numbers([
      [2, VERSION],
      [2, 0],
      [2, DEFLATED],
      [4, time],
      [4, crc32(content)],
      [4, packed.length],
      [4, content.length],
      [2, name.length],
      [2, 0],
    ]);
    const local = [numbers([[4, 0x04034b50]]), common, name, packed];
    const fields = numbers([
      [2, 0],
      [2, 0],
      [2, 0],
      [4, ((REGULAR_FILE | mode) << 16) >>> 0],
      [4, at],
    ]);
    const head = numbers([
      [4, 0x02014b50],
      [2, MADE_BY],
    ]);
    directory.push(head, common, fields, name);
    pieces.push(...local);
    at += local.reduce((sum, piece) => sum + piece.length, 0);
  }
  const directoryBytes = directory.reduce((sum, piece) => sum + piece.length, 0);
  const end = numbers([
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, files.length],
    [2, files.length],
    [4, directoryBytes],
    [4, at],
    [2, 0],
  ]);
  return Buffer.concat([...pieces, ...directory, end]);
}

function deflated(content: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    deflateRaw(content, { level: LEVEL }, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });
}

/** Returns a time as MS-DOS keeps it: the date in the upper half. */
function dosTime(date: Date): number {
  const day = ((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate();
  const time = (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1);
  return ((day << 16) | time) >>> 0;
}

/** Returns numbers in the byte order of zip, the lowest byte first, each with its number of bytes. */
function numbers(values: readonly (readonly [bytes: 2 | 4, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, [width]) => sum + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of values) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return bytes;
}
