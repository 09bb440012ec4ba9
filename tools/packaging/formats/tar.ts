/**
 * Archives in the format of tar, bit for bit the same for the same content: entries in the order of their names, owner 0, one time for all.
 * Heads are those of the server's own archives (`src/http/tar.ts`). Pure.
 */
import { END_BYTES, paddingOf, tarHead } from "../../../src/http/tar.ts";

/** A file of an archive. A folder needs no entry, unless its mode is another than 0755. */
export interface PackedFile {
  /** Path with "/" between names. That of a folder ends with one. */
  readonly path: string;
  readonly content: Uint8Array;
  /** Mode bits; without them, 0644 for a file and 0755 for a folder. */
  readonly mode?: number;
}

/** Returns the file of a text. */
export function textFile(path: string, text: string, mode?: number): PackedFile {
  return { path, content: new TextEncoder().encode(text), ...(mode !== undefined && { mode }) };
}

/** Returns the archive. `dateMs` is the time of all entries, in milliseconds since 1970. Throws for two entries of one name. */
export function tar(files: readonly PackedFile[], dateMs: number): Uint8Array<ArrayBuffer> {
  const entries = sortedEntries(files);
  const pieces: Uint8Array[] = [];
  for (const { path, content, mode } of entries) {
    const entry = { path, size: content.length, modifiedMs: dateMs, isExecutable: false };
    pieces.push(
      tarHead({ ...entry, ...(mode !== undefined && { mode }) }),
      content,
      new Uint8Array(paddingOf(content.length)),
    );
  }
  return Buffer.concat([...pieces, new Uint8Array(END_BYTES)]);
}

/** Returns the files, and a folder for each path that leads to one, in the order of their names. */
export function sortedEntries(files: readonly PackedFile[]): readonly PackedFile[] {
  const entries = new Map<string, PackedFile>();
  for (const file of files) {
    if (entries.has(file.path)) throw new Error(`two entries of the name ${file.path}`);
    entries.set(file.path, file);
  }
  for (const { path } of files) {
    for (let slash = path.indexOf("/"); slash >= 0 && slash < path.length - 1; slash = path.indexOf("/", slash + 1)) {
      const folder = path.slice(0, slash + 1);
      if (!entries.has(folder)) entries.set(folder, { path: folder, content: NOTHING });
    }
  }
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

const NOTHING: Uint8Array = new Uint8Array(0);
