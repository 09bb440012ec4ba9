/**
 * Small files kept ready to be sent: head encoded, content in memory, under a bound of bytes.
 *
 * The rule it guards: who changes a file and then asks for it gets the change. So an entry is compared with the disk
 * (mtime, ctime, size, inode; those of the files beside it too, where they decide what is sent) before it is used. Only
 * in a flood, when the looks of this millisecond are used up, one that was compared within `maxAgeMs` is sent
 * unchecked: the bound on staleness under load.
 * Eviction is second chance: an entry used since the last look is passed over once, so a hit costs one store.
 */
import { lstatSync, realpathSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import type { ContentCoding } from "../../http/accept-encoding.ts";
import type { Response } from "../../http/message.ts";

/** What tells one state of a file from another. */
export type FileState = Pick<Stats, "mtimeMs" | "ctimeMs" | "size" | "ino" | "dev">;

/** A file as it was when it was read. */
export interface Snapshot {
  readonly stats: FileState;
  /** How `content` is coded; null when it is the file itself. */
  readonly coding: ContentCoding | null;
  /** All of it, or null when it is too large for memory. */
  readonly content: Uint8Array | null;
  /** With its quotes. */
  readonly etag: string;
  /** Seconds since 1970, not later than when it was read. */
  readonly lastModified: number;
}

export interface HotFile extends Snapshot {
  readonly isAbsent: false;
  readonly content: Uint8Array;
  /** The answer to a plain GET. */
  readonly whole: Response;
  /** The answer to one who has it already. */
  readonly notModified: Response;
}

/** Stands under a name for which there is nothing to send: a file in a coding in which it cannot be had. */
export interface AbsentFile {
  readonly isAbsent: true;
  /** Of the file whose change would be a reason to look again. */
  readonly stats: FileState;
}

/** Another file in the same folder on which an entry depends. */
export interface Neighbour {
  /** Its real path. */
  readonly path: string;
  /** Null: the entry holds as long as there is none. */
  readonly stats: FileState | null;
}

/** A folder that holds hot files: its own real path. */
interface Folder {
  readonly path: string;
  /** The millisecond in which it was last seen in its place. */
  checkedMs: number;
  /** Entries in it. */
  files: number;
}

interface Entry {
  readonly file: HotFile | AbsentFile;
  readonly path: string;
  readonly neighbours: readonly Neighbour[];
  readonly folder: Folder;
  readonly bytes: number;
  checkedMs: number;
  isUsed: boolean;
}

/**
 * Looks at the disk, in each millisecond, that are made whatever an entry's age. Four take 4 to 8 µs, less than
 * a percent of the time, and twice that where each has a neighbour; a client that waits for each answer never asks as
 * often, one that pipelines may.
 */
const LOOKS_PER_MS = 4;

/** At least as many large files fit into the memory, or none is kept: one of them may not drive out all small ones. */
const LARGE_FILES_MIN = 16;

/** Names remembered of files that were asked for once. */
const SEEN_MAX = 1000;

/**
 * What an entry costs besides its bytes: map slot, objects, strings, the head of its 304. Measured: 100,000 entries
 * with 364 bytes of head and content each took 1,749 bytes of resident memory an entry.
 */
const ENTRY_BYTES = 1536;

/** What a neighbour costs besides its path's characters: two objects and their numbers, rather too many. */
const NEIGHBOUR_BYTES = 512;

const NO_NEIGHBOURS: readonly Neighbour[] = [];

export interface HotFilesOptions {
  /** Most memory that the files may take, content and everything else; 0 keeps none. */
  readonly bytesMax: number;
  /** Longest time, in milliseconds, that a file is sent without a look at the disk in a flood of requests; 0 always looks. */
  readonly maxAgeMs: number;
  /** Milliseconds. */
  readonly now: () => number;
}

export class HotFiles {
  readonly #bytesMax: number;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #folders = new Map<string, Folder>();
  /** Names of larger files that were asked for lately, oldest first. */
  readonly #seen = new Set<string>();
  #bytes = 0;
  #millisecond = 0;
  /** Looks at the disk in this millisecond. */
  #looks = 0;

  constructor(options: HotFilesOptions) {
    this.#bytesMax = options.bytesMax;
    this.#maxAgeMs = options.maxAgeMs;
    this.#now = options.now;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The file that `name` stood for and, as the disk says, still stands for; null when that is not known. */
  get(name: string): HotFile | AbsentFile | null {
    const entry = this.#entries.get(name);
    if (entry === undefined) return null;
    if (!this.#isCurrent(entry)) {
      this.#remove(name, entry);
      return null;
    }
    entry.isUsed = true;
    return entry.file;
  }

  /**
   * Keeps `file`, opened as `path`, whose real path is `realPath`, under `name`, as long as `neighbours` are as they are. A file
   * behind a link is not kept: the link may lead elsewhere the next time, and only opening it tells.
   */
  set(name: string, path: string, realPath: string, file: HotFile | AbsentFile, neighbours = NO_NEIGHBOURS): void {
    if (path !== realPath) return;
    let bytes = ENTRY_BYTES + 2 * (name.length + path.length);
    if (!file.isAbsent) bytes += file.content.length + file.whole.fields.http1(null).length;
    for (const neighbour of neighbours) bytes += NEIGHBOUR_BYTES + 2 * neighbour.path.length;
    if (bytes > this.#bytesMax) return;
    const old = this.#entries.get(name);
    if (old !== undefined) this.#remove(name, old);
    this.#makeRoom(bytes);
    this.#entries.set(name, {
      file,
      path,
      neighbours,
      folder: this.#join(dirname(path)),
      bytes,
      checkedMs: this.#now(),
      isUsed: false,
    });
    this.#bytes += bytes;
  }

  /** Notes a request for a file of `size` bytes, too large to be kept at its first one. Returns true from the second on, if it has room. */
  noteRequest(name: string, size: number): boolean {
    if (size > this.#bytesMax / LARGE_FILES_MIN) return false;
    if (this.#seen.delete(name)) return true;
    this.#seen.add(name);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= SEEN_MAX) break;
      this.#seen.delete(oldest);
    }
    return false;
  }

  #isCurrent(entry: Entry): boolean {
    const now = this.#now();
    const millisecond = Math.floor(now);
    if (millisecond !== this.#millisecond) {
      this.#millisecond = millisecond;
      this.#looks = 0;
    }
    const age = now - entry.checkedMs;
    // A clock that was set back makes no entry young.
    if (this.#looks >= LOOKS_PER_MS && age >= 0 && age < this.#maxAgeMs) return true;
    this.#looks++;
    entry.checkedMs = now;
    try {
      if (!isSame(lstatSync(entry.path), entry.file.stats)) return false;
      for (const { path, stats } of entry.neighbours) {
        const found = lstatSync(path, { throwIfNoEntry: false });
        if (found === undefined ? stats !== null : stats === null || !isSame(found, stats)) return false;
      }
      return this.#isInPlace(entry.folder, millisecond);
    } catch {
      // Missing, or a folder on the way is no folder any more, or may not be entered: opening it again says which.
      return false;
    }
  }

  /** A folder on the way may have become a link; asked for once in a millisecond for all its files. Throws what the disk says. */
  #isInPlace(folder: Folder, millisecond: number): boolean {
    if (folder.checkedMs === millisecond) return true;
    if (realpathSync.native(folder.path) !== folder.path) return false;
    folder.checkedMs = millisecond;
    return true;
  }

  #makeRoom(bytes: number): void {
    if (this.#bytes + bytes <= this.#bytesMax) return;
    for (const [name, entry] of this.#entries) {
      this.#entries.delete(name);
      if (entry.isUsed) {
        entry.isUsed = false;
        this.#entries.set(name, entry); // to the end, where this loop meets it again at the earliest after all others
        continue;
      }
      this.#remove(name, entry);
      if (this.#bytes + bytes <= this.#bytesMax) return;
    }
  }

  #remove(name: string, entry: Entry): void {
    this.#entries.delete(name);
    this.#bytes -= entry.bytes;
    if (--entry.folder.files === 0) this.#folders.delete(entry.folder.path);
  }

  #join(path: string): Folder {
    let folder = this.#folders.get(path);
    if (folder === undefined) {
      folder = { path, checkedMs: Number.NaN, files: 0 };
      this.#folders.set(path, folder);
    }
    folder.files++;
    return folder;
  }
}

function isSame(found: FileState, known: FileState): boolean {
  return (
    found.mtimeMs === known.mtimeMs &&
    found.ctimeMs === known.ctimeMs &&
    found.size === known.size &&
    found.ino === known.ino &&
    found.dev === known.dev
  );
}
