/**
 * Heads of an archive in the format of tar: ustar (POSIX.1-1988), with a pax header (POSIX.1-2001) before an entry whose name, size or
 * time ustar has no room for. Pure: the same entry gives the same bytes.
 *
 * The rule it guards: the bytes of an entry are a multiple of 512, and their number follows from the entry alone. So the length of an
 * archive is known before a byte of it is read.
 */

/** Bytes of a block: each head is one, and content is filled up with zeros to the next. */
const BLOCK_BYTES = 512;

/** The end of an archive: two blocks of zeros. */
export const END_BYTES: number = 2 * BLOCK_BYTES;

export interface TarEntry {
  /** Path in the archive, with "/" between names, and at the end of a folder's. */
  readonly path: string;
  /** Bytes of content; 0 for a folder. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  readonly isExecutable: boolean;
  /** Mode bits. Without them, a folder and an executable have 0755 and all else 0644. */
  readonly mode?: number;
}

/** Returns the bytes before the content of an entry: its head, behind a pax header if it needs one. */
export function tarHead(entry: TarEntry): Uint8Array {
  const { path, size, modifiedMs, isExecutable, mode } = entry;
  const split = splitName(path);
  const seconds = secondsOf(modifiedMs);
  const isFolder = path.endsWith("/");
  const head: Head = {
    // A reader without pax still gets the file, under the beginning of its name.
    name: split === null ? firstCharacters(ENCODER.encode(path)) : ENCODER.encode(path.slice(split)),
    prefix: split === null || split === 0 ? NOTHING : ENCODER.encode(path.slice(0, split - 1)),
    mode: mode ?? (isFolder || isExecutable ? 0o755 : 0o644),
    size: size > OCTAL_11_MAX ? 0 : size,
    seconds: Math.max(0, Math.min(seconds, OCTAL_11_MAX)),
    type: isFolder ? "5" : "0",
  };
  const pax = paxOf(entry);
  if (pax.length === 0) return ustarHead(head);
  const paxHead: Head = { ...head, name: PAX_NAME, prefix: NOTHING, mode: 0o644, size: pax.length, type: "x" };
  return joined([ustarHead(paxHead), pax, new Uint8Array(paddingOf(pax.length)), ustarHead(head)]);
}

/** Returns the number of bytes that an entry takes in an archive: head, content, and the zeros after it. */
export function tarBytes(entry: TarEntry): number {
  const pax = paxOf(entry).length;
  const paxBytes = pax === 0 ? 0 : BLOCK_BYTES + pax + paddingOf(pax);
  return paxBytes + BLOCK_BYTES + entry.size + paddingOf(entry.size);
}

/** Returns the number of zeros after content of `size` bytes. */
export function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

const ENCODER = new TextEncoder();
const NOTHING: Uint8Array = new Uint8Array(0);
const ASCII = /^[\0-\x7f]*$/;

/** Bytes of the fields for names. */
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/** Most that eleven octal digits hold: 8 GiB less one byte, or a time in the year 2242. */
const OCTAL_11_MAX = 0o77777777777;

/** Name of a pax header for readers that take it for a file. */
const PAX_NAME: Uint8Array = ENCODER.encode("pax header");

interface Head {
  readonly name: Uint8Array;
  readonly prefix: Uint8Array;
  readonly mode: number;
  readonly size: number;
  readonly seconds: number;
  readonly type: "0" | "5" | "x";
}

/**
 * Returns the place where the name of a path begins, after a slash that is left out; 0 if the whole path is the name, null if it fits
 * neither whole nor split. Names that are not ASCII have no place in ustar.
 */
function splitName(path: string): number | null {
  if (!ASCII.test(path)) return null;
  if (path.length <= NAME_BYTES) return 0;
  // The slash at the end of a folder's path is a part of the name, which must not be empty.
  const slash = path.indexOf("/", path.length - NAME_BYTES - 1);
  return slash > 0 && slash <= PREFIX_BYTES && slash < path.length - 1 ? slash + 1 : null;
}

/** Returns the time in whole seconds; 1970 for a time that is none. */
function secondsOf(modifiedMs: number): number {
  return Number.isFinite(modifiedMs) ? Math.floor(modifiedMs / 1000) : 0;
}

/**
 * Returns the lines of the pax header of an entry, empty if it needs none. Each line begins with its own length, whose digits
 * count too.
 */
function paxOf({ path, size, modifiedMs }: TarEntry): Uint8Array {
  const seconds = secondsOf(modifiedMs);
  const records: string[] = [];
  if (splitName(path) === null) records.push(`path=${path}`);
  if (size > OCTAL_11_MAX) records.push(`size=${size}`);
  if (seconds < 0 || seconds > OCTAL_11_MAX) records.push(`mtime=${seconds}`);
  if (records.length === 0) return NOTHING;
  return joined(
    records.map((record) => {
      const rest = ENCODER.encode(` ${record}\n`);
      let length = rest.length + 1;
      while (String(length).length + rest.length > length) length++;
      return joined([ENCODER.encode(String(length)), rest]);
    }),
  );
}

/** Writes a block of ustar. Its numbers are octal digits with NUL at the end of the field; owner and group are none. */
function ustarHead({ name, prefix, mode, size, seconds, type }: Head): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(name, 0);
  writeOctal(block, 100, 8, mode);
  writeOctal(block, 108, 8, 0);
  writeOctal(block, 116, 8, 0);
  writeOctal(block, 124, 12, size);
  writeOctal(block, 136, 12, seconds);
  block.fill(0x20, 148, 156);
  writeText(block, 156, type);
  writeText(block, 257, "ustar");
  writeText(block, 263, "00");
  writeOctal(block, 329, 8, 0);
  writeOctal(block, 337, 8, 0);
  block.set(prefix, 345);
  // Six digits, NUL and a space. While the bytes are added up, these eight count as spaces.
  let sum = 0;
  for (const byte of block) sum += byte;
  writeOctal(block, 148, 7, sum);
  return block;
}

function writeOctal(block: Uint8Array, at: number, bytes: number, value: number): void {
  writeText(block, at, value.toString(8).padStart(bytes - 1, "0"));
  block[at + bytes - 1] = 0;
}

function writeText(block: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) block[at + i] = text.charCodeAt(i);
}

/** Returns as many characters of UTF-8 text as fit in the field of the name. */
function firstCharacters(text: Uint8Array): Uint8Array {
  let end = Math.min(NAME_BYTES, text.length);
  while (end < text.length && ((text[end] as number) & 0xc0) === 0x80) end--;
  return text.subarray(0, end);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
