/**
 * Walks a folder and all folders in it, in the order of names, and finds the entries that listings show.
 *
 * Strategy: a level of the stack holds the names of its folder, and describes some at a time (folder.ts). No folder stays open
 * between two steps: it is opened again by its path, and contained again. So a deep tree costs no descriptors.
 *
 * The rule it guards: the walk has an end. A link to a folder is followed, unless the link is inside that folder, or is itself
 * found behind a link to a folder. Without the second condition, ten folders with links to each other would have millions of paths.
 */
import { limits } from "../../settings/limits.ts";
import { type DocumentRoot, type OpenedFile, OpenFailure } from "../files/document-root.ts";
import type { FolderReader } from "./folder.ts";
import type { Entry } from "./view.ts";

/** A file or folder that was found. */
export interface Found {
  /** Path below the root, with "/" at the end of a folder's. */
  readonly path: string;
  /** Bytes; 0 for a folder. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

interface FolderWalkOptions {
  readonly root: DocumentRoot;
  readonly reader: FolderReader;
  /** Decides by the name of a file. */
  readonly isShown: (fileName: string) => boolean;
}

/** Names described in one step. */
const STEP_NAMES = 64;

/** A folder on the way from the first one to the current one. */
interface Level {
  /** Path below the root, with "/" at its end. */
  readonly path: string;
  readonly realPath: string;
  readonly isBehindLink: boolean;
  readonly names: readonly string[];
  /** Index of the first name that is not described. */
  next: number;
  /** Described entries that are not visited yet, the last one first. */
  entries: Entry[];
}

export class FolderWalk {
  readonly #options: FolderWalkOptions;
  readonly #levels: Level[] = [];

  constructor(options: FolderWalkOptions) {
    this.#options = options;
  }

  /**
   * Begins with `folder`, whose path below the root is `path`, with "/" at its end. The caller closes `folder`. Returns the failure of the
   * disk, or null.
   */
  begin(path: string, folder: OpenedFile): Promise<OpenFailure | null> {
    return this.#push(path, folder, false);
  }

  /** Returns the next entries, at least one; null after the last one, and a failure of the disk that ends the walk. */
  async next(): Promise<readonly Found[] | OpenFailure | null> {
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      if (level.entries.length === 0) {
        const failure = await this.#describe(level);
        if (failure !== null) return failure;
        if (level.entries.length > 0) continue;
        if (level.next >= level.names.length) this.#levels.pop();
        continue;
      }
      const found = await this.#visit(level);
      if (typeof found === "number" || found.length > 0) return found;
    }
    return null;
  }

  /** Takes entries of a level up to its next folder, whose own entries come after it. */
  async #visit(level: Level): Promise<readonly Found[] | OpenFailure> {
    const found: Found[] = [];
    for (let entry = level.entries.pop(); entry !== undefined; entry = level.entries.pop()) {
      const { name, type, size, modifiedMs } = entry;
      if (type === "directory") {
        const folder = await this.#enter(level, name);
        if (typeof folder === "number") return folder;
        if (folder === null) continue;
        found.push(folder);
        break;
      }
      // The size is null for a file that the server may not read.
      if (size === null || !this.#options.isShown(name)) continue;
      found.push({ path: level.path + name, size, modifiedMs: modifiedMs ?? 0 });
    }
    return found;
  }

  /** Makes a folder the current one. Returns null for a folder that is left out. */
  async #enter(parent: Level, name: string): Promise<Found | OpenFailure | null> {
    const { root } = this.#options;
    const path = `${parent.path}${name}/`;
    const opened = root.open(path);
    if (typeof opened === "number") return isFatal(opened) ? opened : null;
    using folder = opened;
    if (!folder.stats.isDirectory()) return null;
    const isLink = folder.path !== childOf(parent.realPath, name);
    if (isLink && (parent.isBehindLink || isInside(parent.realPath, folder.path))) return null;
    if (folder.stats.size > limits.listingFolderBytesMax) {
      root.lastError = `too many files in ${folder.path}`;
      return OpenFailure.Broken;
    }
    const failure = await this.#push(path, folder, parent.isBehindLink || isLink);
    return failure ?? { path, size: 0, modifiedMs: folder.stats.mtimeMs };
  }

  async #push(path: string, folder: OpenedFile, isBehindLink: boolean): Promise<OpenFailure | null> {
    const names = await this.#options.reader.allNames(path, folder);
    if (typeof names === "number") return isFatal(names) ? names : null;
    this.#levels.push({ path, realPath: folder.path, isBehindLink, names, next: 0, entries: [] });
    return null;
  }

  /** Describes the next names of a level. */
  async #describe(level: Level): Promise<OpenFailure | null> {
    const names = level.names.slice(level.next, level.next + STEP_NAMES);
    if (names.length === 0) return null;
    level.next += names.length;
    const opened = this.#options.root.open(level.path);
    if (typeof opened === "number") {
      // The folder has gone, and its other names with it.
      level.next = level.names.length;
      return isFatal(opened) ? opened : null;
    }
    using folder = opened;
    level.entries = (await this.#options.reader.describe(level.path, folder, names)).toReversed();
    return null;
  }
}

/** Returns true for a failure that is not about one name. */
export function isFatal(failure: OpenFailure): boolean {
  return failure === OpenFailure.Busy || failure === OpenFailure.Broken;
}

function childOf(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** Returns true if `path` is `folder`, or inside of it. */
function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(childOf(folder, ""));
}
