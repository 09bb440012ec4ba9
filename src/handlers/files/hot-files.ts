/**
 * Small files kept ready to be sent: head encoded, content in memory, within a bound of bytes.
 *
 * The rule it guards: a client that changes a file and then requests it gets the change. So each entry is compared
 * with the disk (mtime, ctime, size, inode; also those of neighbours that decide which file is sent) before it is
 * used. Only in a flood, when the checks of this millisecond are used up, an entry that was compared within `maxAgeMs`
 * is sent unchecked: that is the bound on staleness under load.
 *
 * Eviction is second chance: an entry that was used since the last pass is skipped once, so a hit costs one store.
 */
import { lstatSync, realpathSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import type { ContentCoding } from "../../http/accept-encoding.ts";
import type { Response } from "../../http/message.ts";

/** Properties that tell one state of a file from another. */
type FileState = Pick<Stats, "mtimeMs" | "ctimeMs" | "size" | "ino" | "dev">;

/** A file as it was when it was read. */
export interface Snapshot {
  readonly stats: FileState;
  /** Coding of `content`; null when it is the file itself. */
  readonly coding: ContentCoding | null;
  /** The whole content, or null when it is too large for memory. */
  readonly content: Uint8Array | null;
  /** With its quotes. */
  readonly etag: string;
  /** Seconds since 1970, not later than when it was read. */
  readonly lastModified: number;
}

export interface HotFile extends Snapshot {
  readonly isAbsent: false;
  readonly content: Uint8Array;
  /** Response to a GET without conditions. */
  readonly whole: Response;
  /** Response to a client that has this version. */
  readonly notModified: Response;
}

/** Marks a name without content: the file does not exist in that coding. */
export interface AbsentFile {
  readonly isAbsent: true;
  /** State of the file whose change makes the entry invalid. */
  readonly stats: FileState;
}

/** Another file in the same folder on which an entry depends. */
export interface Neighbour {
  /** Its real path. */
  readonly path: string;
  /** Null: the entry is valid as long as no such file exists. */
  readonly stats: FileState | null;
}

/** A folder that holds hot files, by its own real path. */
interface Folder {
  readonly path: string;
  /** Millisecond in which the folder was last found in its place. */
  checkedMs: number;
  /** Number of entries in it. */
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
 * Checks of the disk that are made in each millisecond, whatever an entry's age. Four take 4 to 8 µs, less than a
 * percent of the time, and twice that when each has a neighbour. A client that waits for each response never reaches
 * four; one that pipelines may.
 */
const LOOKS_PER_MS = 4;

/** Large files are kept only if this many fit into the memory, so that one of them cannot drive out all small ones. */
const LARGE_FILES_MIN = 16;

/** Remembered names of files that were requested once. */
const SEEN_MAX = 1000;

/**
 * Bytes of an entry besides its content: map slot, objects, strings, the head of its 304. Measured: 100,000 entries
 * with 364 bytes of head and content took 1,749 bytes of resident memory each. The pairs of their fields add 266.
 */
const ENTRY_BYTES = 1792;

/** Bytes of a neighbour besides its path's characters: two objects and their numbers, rounded up. */
const NEIGHBOUR_BYTES = 512;

const NO_NEIGHBOURS: readonly Neighbour[] = [];

/** Is told which memory the hot files keep. */
interface Keeper {
  kept(content: ArrayBufferLike): void;
  dropped(content: ArrayBufferLike): void;
}

export interface HotFilesOptions {
  readonly keeper?: Keeper;
  /** Most memory that the files may take, content and everything else; 0 keeps none. */
  readonly bytesMax: number;
  /** Longest time in milliseconds that a file is sent without a check in a flood of requests; 0 always checks. */
  readonly maxAgeMs: number;
  /** Milliseconds. */
  readonly now: () => number;
}

export class HotFiles {
  readonly #bytesMax: number;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  readonly #keeper: Keeper | null;
  readonly #entries = new Map<string, Entry>();
  readonly #folders = new Map<string, Folder>();
  /** Names of larger files that were requested recently, oldest first. */
  readonly #seen = new Set<string>();
  #bytes = 0;
  #millisecond = 0;
  /** Checks of the disk in this millisecond. */
  #looks = 0;

  constructor(options: HotFilesOptions) {
    this.#bytesMax = options.bytesMax;
    this.#maxAgeMs = options.maxAgeMs;
    this.#now = options.now;
    this.#keeper = options.keeper ?? null;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the kept file `name` if the disk still has it as it was; null when that is not known. */
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
   * Keeps `file` under `name`, valid while `neighbours` stay as they are. `path` was opened and `realPath` is its real
   * path. A file behind a link is not kept: the link may lead elsewhere next time, and only opening it tells.
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
    if (!file.isAbsent) this.#keeper?.kept(file.content.buffer);
  }

  /**
   * Notes a request for a file of `size` bytes that is too large to be kept at once. Returns true from the second
   * request on, if the file fits.
   */
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
    // After the clock was set back, no entry counts as recent.
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
      // The file is missing, or a folder on the way is not a folder or may not be entered. Opening it again tells
      // which.
      return false;
    }
  }

  /**
   * Returns false if a folder on the way has become a link. Checked once a millisecond for all files of a folder.
   * Throws the error of the disk.
   */
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
        this.#entries.set(name, entry); // moves to the end, where this loop meets it again only after all others
        continue;
      }
      this.#remove(name, entry);
      if (this.#bytes + bytes <= this.#bytesMax) return;
    }
  }

  #remove(name: string, entry: Entry): void {
    this.#entries.delete(name);
    this.#bytes -= entry.bytes;
    if (!entry.file.isAbsent) this.#keeper?.dropped(entry.file.content.buffer);
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
