/**
 * Keeps uploads in a folder, one file of exactly the received bytes each.
 *
 * Strategy: a temporary file in the same folder is written and flushed, then linked to its final name. link(2) never overwrites. Then
 * the temporary name is removed and the folder is flushed, once for all uploads that wait for it. So a final
 * name always has the whole content, also after a power cut, and a failed upload leaves nothing. Leftovers of a killed process
 * go at the next start (leftovers.ts).
 *
 * A folder that is missing is made by the first upload. Its place is known from the start, so it is hidden from its first moment.
 * Each upload holds the folder open (held-folder.ts), so a link that takes its place later is not followed.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  realpathSync,
  statfsSync,
  statSync,
  unlinkSync,
} from "node:fs";
import type { link, mkdir, open, rename, unlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type ContentDigest, randomHex } from "../digest.ts";
import { DocumentRoot, errorCode, FolderError } from "../files/document-root.ts";
import { flushesFolders } from "../files/system-names.ts";
import { HeldFolder } from "./held-folder.ts";
import { isOwnTemporary, sweepLeftovers, temporaryName } from "./leftovers.ts";
import { jsonName, NAME_BYTES_MAX } from "./names.ts";
import { PieceSink } from "./piece-sink.ts";
import type { Room, StoredUpload, UploadSink, UploadStore } from "./store.ts";

/** Calls that change the folder. A test hands in some that fail. */
export interface UploadDisk {
  readonly mkdir: typeof mkdir;
  readonly open: typeof open;
  readonly link: typeof link;
  readonly rename: typeof rename;
  readonly unlink: typeof unlink;
}

interface FolderStoreOptions {
  readonly folder: string;
  /** Setting that names the folder, for the operator (`--uploads`). */
  readonly flag: string;
  /** True: the operator has not named the folder. If it is missing, the start leaves no trace, and asks access(2) alone. */
  readonly isDefault?: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly disk?: UploadDisk;
}

/**
 * Opens the folder, proves that files can be made in it, and removes leftovers of a killed server. A missing folder stays missing
 * until the first upload: here, the nearest folder above it must take files. Returns the error as a value.
 */
export function openFolderStore(options: FolderStoreOptions): FolderStore | FolderError {
  const { folder, flag, now } = options;
  const place = findPlace(folder);
  if (place.isMade ? !statSync(place.path).isDirectory() : isLink(folder)) {
    return new FolderError(`${folder} is not a folder; choose one with ${flag} <folder>`);
  }
  try {
    if (place.isMade || options.isDefault !== true) proveWritable(place.existing);
    else accessSync(place.existing, constants.W_OK | constants.X_OK);
    if (place.isMade) sweepLeftovers(place.path, now());
  } catch (error) {
    const verb = place.isMade ? "write to" : "make";
    return new FolderError(
      `cannot ${verb} the folder ${folder} (${errorCode(error)}); choose another with ${flag} <folder>`,
    );
  }
  return new FolderStore(new DocumentRoot(place.path), { ...options, isMade: place.isMade });
}

/** Returns a store whose uploads fail until its folder can be used. Nothing is proved. */
export function unprovedFolderStore(options: FolderStoreOptions): FolderStore {
  const place = findPlace(options.folder);
  return new FolderStore(new DocumentRoot(place.path), { ...options, isMade: place.isMade });
}

interface Place {
  /** Real path that the folder has, or will have. */
  readonly path: string;
  readonly isMade: boolean;
  /** The folder itself, or the nearest one above it that exists. */
  readonly existing: string;
}

function findPlace(folder: string): Place {
  let existing = resolve(folder);
  let missing = "";
  for (;;) {
    try {
      existing = realpathSync(existing);
      return { path: join(existing, missing), isMade: missing === "", existing };
    } catch {
      missing = join(basename(existing), missing);
      existing = dirname(existing);
    }
  }
}

/** Returns true for a link that leads nowhere, because the folder is missing. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

/** Makes a file and removes it. access(2) is not enough: some file systems refuse to root a write that it grants. Throws the disk's error. */
function proveWritable(folder: string): void {
  const probe = join(folder, temporaryName());
  closeSync(openSync(probe, CREATE_FLAGS, FILE_MODE));
  unlinkSync(probe);
}

export class FolderStore implements UploadStore, Room {
  readonly root: DocumentRoot;
  readonly room: Room = this;
  readonly #now: () => number;
  #loadedDisk: UploadDisk | null;
  /** The last flush of the folder that has begun; over, or in flight. */
  #flushing: Promise<void> = Promise.resolve();
  /** The flush that begins when that one is over; null when nothing waits for it. */
  #nextFlush: Promise<void> | null = null;

  /** The folder as it is being made, or has been; null while it is missing. */
  #made: Promise<void> | null;

  constructor(
    root: DocumentRoot,
    { now, disk, isMade = true }: Pick<FolderStoreOptions, "now" | "disk"> & { readonly isMade?: boolean },
  ) {
    this.root = root;
    this.#made = isMade ? Promise.resolve() : null;
    this.#now = now;
    this.#loadedDisk = disk ?? null;
  }

  get place(): string {
    return this.root.realPath;
  }

  create(name: string | null): UploadSink {
    if (name !== null && !isPlainName(name)) throw new RangeError(`${JSON.stringify(name)} is not a name of an upload`);
    return new PieceSink((pieces, digest) => this.#keep(name, pieces, digest));
  }

  has(name: string): boolean {
    if (!isPlainName(name)) return false;
    try {
      using folder = new HeldFolder(this.root.realPath);
      return lstatSync(folder.pathOf(name), { throwIfNoEntry: false }) !== undefined;
    } catch {
      // The folder is missing, or cannot be used: the upload itself fails then.
      return false;
    }
  }

  async usedBytes(): Promise<number> {
    const { readdir, lstat } = require("node:fs/promises") as typeof import("node:fs/promises");
    const { realPath } = this.root;
    const names = await readdir(realPath).catch((): string[] => []);
    let bytes = 0;
    for (let at = 0; at < names.length; at += MEASURED_AT_ONCE) {
      const some = names.slice(at, at + MEASURED_AT_ONCE).filter((name) => !isOwnTemporary(name));
      const sizes = some.map(async (name) => {
        const stats = await lstat(join(realPath, name)).catch(() => null);
        return stats?.isFile() ? stats.size : 0;
      });
      for (const size of await Promise.all(sizes)) bytes += size;
    }
    return bytes;
  }

  freeBytes(): number {
    try {
      const { bavail, bsize } = statfsSync(findPlace(this.root.realPath).existing);
      return bavail * bsize;
    } catch {
      // A file system that does not say how much is free is full when a write fails.
      return Number.POSITIVE_INFINITY;
    }
  }

  remove(name: string): void {
    if (!isPlainName(name)) return;
    try {
      using folder = new HeldFolder(this.root.realPath);
      unlinkSync(folder.pathOf(name));
    } catch {
      // It is gone already, or the folder is.
    }
  }

  /** Loaded with the first upload: `node:fs/promises` would take 1 ms of each start. */
  get #disk(): UploadDisk {
    this.#loadedDisk ??= require("node:fs/promises") as typeof import("node:fs/promises");
    return this.#loadedDisk;
  }

  /** Makes a file of the pieces. Throws the error of the disk or of the pieces, after it has removed its files. */
  async #keep(name: string | null, pieces: AsyncIterable<Uint8Array>, digest: ContentDigest): Promise<StoredUpload> {
    await this.#folderMade();
    using folder = new HeldFolder(this.root.realPath);
    const temporary = folder.pathOf(temporaryName());
    const final = await this.#write(folder, temporary, name, pieces, digest);
    // Nothing depends on when the temporary name goes, so it goes while the folder is flushed.
    const removed = this.#unlink(temporary);
    try {
      await this.#folderFlushed();
      folder.check();
    } catch (error) {
      await this.#unlink(folder.pathOf(final));
      throw error;
    } finally {
      await removed;
    }
    const path = join(this.root.realPath, final);
    const { bytes } = digest;
    return { name: final, path, bytes, sha256: await digest.hex(), receivedMs: Math.round(this.#now()) };
  }

  /** Makes the folder if it was missing at the start. One that vanishes later is not made again: its disk may be gone. */
  #folderMade(): Promise<void> {
    this.#made ??= this.#makeFolder(this.root.realPath).catch((error: unknown) => {
      this.#made = null;
      throw error;
    });
    return this.#made;
  }

  /**
   * Makes a missing folder, after those above it, and flushes each folder that has got a new name. Throws if a link on the way leads
   * to another place: files there would not be hidden.
   */
  async #makeFolder(path: string): Promise<void> {
    const parent = dirname(path);
    if (!existsSync(parent)) await this.#makeFolder(parent);
    using above = new HeldFolder(parent);
    try {
      await this.#disk.mkdir(above.pathOf(basename(path)));
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
    await this.#flushFolder(parent);
  }

  /** Flushes the content first, then gives it its final name, which is returned. The temporary name stays, unless it failed. */
  async #write(
    folder: HeldFolder,
    temporary: string,
    name: string | null,
    pieces: AsyncIterable<Uint8Array>,
    digest: ContentDigest,
  ): Promise<string> {
    const handle = await this.#disk.open(temporary, CREATE_FLAGS, FILE_MODE);
    try {
      try {
        for await (const piece of pieces) await handle.writeFile(piece);
        await handle.sync();
      } finally {
        await handle.close();
      }
      // Before the file has its name, so that nothing can fail afterwards.
      await digest.hex();
      return await this.#publish(folder, temporary, name);
    } catch (error) {
      await this.#unlink(temporary);
      throw error;
    }
  }

  /** Gives the temporary file its final name: `name`, or one that is not taken. Returns it. */
  async #publish(folder: HeldFolder, temporary: string, name: string | null): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      const final = name ?? jsonName(this.#now(), randomHex(3));
      try {
        await this.#link(temporary, folder.pathOf(final));
        return final;
      } catch (error) {
        if (errorCode(error) !== "EEXIST" || name !== null || attempt === NAME_ATTEMPTS_MAX) throw error;
      }
    }
  }

  /** Throws EEXIST if the name is taken. */
  async #link(temporary: string, path: string): Promise<void> {
    try {
      await this.#disk.link(temporary, path);
    } catch (error) {
      if (!NO_LINKS.has(errorCode(error))) throw error;
      await this.#renameInstead(temporary, path);
    }
  }

  /**
   * For file systems without hard links (FAT, some network ones): an empty file made with O_EXCL takes the name, and
   * rename(2) replaces our own empty file by the whole one at once. The price: for that moment, and after a power cut in
   * it, an empty file may be seen. Throws EEXIST if the name is taken.
   */
  async #renameInstead(temporary: string, path: string): Promise<void> {
    const handle = await this.#disk.open(path, CREATE_FLAGS, FILE_MODE);
    await handle.close();
    try {
      await this.#disk.rename(temporary, path);
    } catch (error) {
      await this.#unlink(path);
      throw error;
    }
  }

  /**
   * Makes names that exist by now survive a power cut. One flush is in flight at a time. It may have begun before the
   * caller's name was made, so the caller shares the next one with all that come until that begins.
   */
  #folderFlushed(): Promise<void> {
    this.#nextFlush ??= this.#flushNext();
    return this.#nextFlush;
  }

  async #flushNext(): Promise<void> {
    // Its failure is told to those that wait for it.
    await this.#flushing.catch(() => {});
    this.#flushing = this.#flushFolder(this.root.realPath);
    this.#nextFlush = null;
    return this.#flushing;
  }

  /**
   * The folder is opened each time: a descriptor that is kept would go on flushing a folder that was moved away, and nothing
   * would close it. A file system that cannot flush folders says EINVAL, and that is not a failure.
   */
  async #flushFolder(path: string): Promise<void> {
    if (!flushesFolders(process.platform)) return;
    const handle = await this.#disk.open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } catch (error) {
      if (errorCode(error) !== "EINVAL" && errorCode(error) !== "ENOTSUP") throw error;
    } finally {
      await handle.close();
    }
  }

  async #unlink(path: string): Promise<void> {
    try {
      await this.#disk.unlink(path);
    } catch {
      // Renamed, or never made. If the disk cannot even remove it, the next start does.
    }
  }
}

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
const FILE_MODE = 0o644;

/** Errors by which file systems without hard links refuse one. */
const NO_LINKS: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

/** 16 million names a second: a second collision is unlikely, an eighth is a failure of ours. */
const NAME_ATTEMPTS_MAX = 8;

/** Files whose size is asked for at the same time. */
const MEASURED_AT_ONCE = 64;

function isPlainName(name: string): boolean {
  return /^[^./\\\0][^/\\\0]*$/.test(name) && Buffer.byteLength(name) <= NAME_BYTES_MAX;
}
