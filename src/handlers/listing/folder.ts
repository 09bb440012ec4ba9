/**
 * Reads the entries of one opened folder that may be listed.
 *
 * Strategy: all names are read at once, on another thread, because Bun's opendir holds this thread for the whole folder.
 * Then the first names are chosen, and each is described, in steps short enough that other requests run between them.
 * The rule it guards: a listing never names an entry that GET would refuse: hidden names, links that lead out of the root,
 * hidden folders, devices. The opened folder itself is read, so replacing the folder during the read changes nothing.
 */
import { constants, existsSync, type Stats } from "node:fs";
import { limits } from "../../settings/limits.ts";
import { type DocumentRoot, errorCode, type OpenedFile, OpenFailure } from "../files/document-root.ts";
import { nextTurn } from "../next-turn.ts";
import type { Entry } from "./view.ts";

export interface FolderReaderOptions {
  readonly root: DocumentRoot;
  /** Paths, such as `/upload`, that another mount answers, whatever has that name in the folder. */
  readonly shadowed: readonly string[];
  /** Shadowed paths that GET answers as folders, if these exist. */
  readonly mounts: readonly { readonly path: string; readonly root: DocumentRoot }[];
}

/** Which names of a folder are wanted. */
interface Selection {
  /** Names up to this one, in code unit order, are on earlier pages; "" for the first page. */
  readonly after: string;
  /** Returns true for a name that is wanted. */
  readonly isWanted: (name: string) => boolean;
}

/** Entries of one page, in no particular order. */
export interface FolderContent {
  readonly entries: readonly Entry[];
  /** Number of entries before those of this page. */
  readonly before: number;
  /**
   * Number of entries of the folder, the same on each page. A folder of several pages counts all names, because it is not known
   * which of the others GET would refuse.
   */
  readonly total: number;
  /** True: another page follows. */
  readonly hasNext: boolean;
  /** Last name of this page in code unit order: the next page begins after it. */
  readonly last: string;
}

/** Reads folders of one root. */
export class FolderReader {
  readonly #root: DocumentRoot;
  readonly #shadowed: ReadonlySet<string>;
  readonly #mounts: FolderReaderOptions["mounts"];
  /** Settles when the last large folder that was requested has been read. */
  #large: Promise<unknown> = Promise.resolve();

  constructor(options: FolderReaderOptions) {
    this.#root = options.root;
    this.#shadowed = new Set(options.shadowed);
    this.#mounts = options.mounts;
  }

  /**
   * Reads `folder`, whose path below the root is `path`, with "/" at its end. `isShown` decides by the name of a file.
   * Returns the failure of the disk as a value; never rejects. The caller closes `folder`.
   */
  async read(
    path: string,
    folder: OpenedFile,
    isShown: (fileName: string) => boolean,
    selection: Selection,
  ): Promise<FolderContent | OpenFailure> {
    try {
      const { names, before, total } = await this.#readNames(path, folder, selection);
      const found = await this.describe(path, folder, names);
      const files = found.filter((entry) => entry.type === "directory" || isShown(entry.name));
      const mounts = path === "/" ? this.#mountEntries(selection) : [];
      const last = names.at(-1) ?? selection.after;
      if (names.length === total) return pageOfAll([...files, ...mounts], selection.after, last);
      const isFirst = selection.after === "";
      return {
        entries: isFirst ? [...files, ...mounts] : files,
        before: isFirst ? 0 : before + mounts.length,
        total: total + mounts.length,
        hasNext: before + names.length < total,
        last,
      };
    } catch (error) {
      return this.#failureOf(error, folder);
    }
  }

  /**
   * Returns all names of `folder` that a listing may show, in code unit order. Returns the failure of the disk as a value; never
   * rejects.
   */
  async allNames(path: string, folder: OpenedFile): Promise<readonly string[] | OpenFailure> {
    try {
      const all = await this.#inTurn(folder, () => disk().readdir(readablePath(folder)));
      return await sortNames(all, (name) => !this.#shadowed.has(path + name));
    } catch (error) {
      return this.#failureOf(error, folder);
    }
  }

  #failureOf(error: unknown, folder: OpenedFile): OpenFailure {
    const code = errorCode(error);
    if (code === "ENOENT") return OpenFailure.Missing;
    this.#root.lastError = `${code} in ${folder.path}`;
    return BUSY_CODES.has(code) ? OpenFailure.Busy : OpenFailure.Broken;
  }

  #mountEntries({ isWanted }: Selection): Entry[] {
    return this.#mounts
      .filter(({ path, root }) => isWanted(path.slice(1)) && existsSync(root.realPath))
      .map(({ path }) => ({ name: path.slice(1), type: "directory", size: null, modifiedMs: null }));
  }

  /**
   * Returns the names of a page, or all names if one page has room for them, and how many there are.
   */
  #readNames(path: string, folder: OpenedFile, { after, isWanted }: Selection): Promise<Names> {
    return this.#inTurn(folder, async () => {
      const all = await disk().readdir(readablePath(folder));
      const isListed = (name: string) => !this.#shadowed.has(path + name) && isWanted(name);
      const chosen = await chooseNames(all, limits.listingEntriesMax, { after, isWanted: isListed });
      if (chosen.before === 0 || chosen.total > limits.listingEntriesMax) return chosen;
      return chooseNames(all, limits.listingEntriesMax, { after: "", isWanted: isListed });
    });
  }

  /** Reads a folder now, or, if it is large, after the large ones that were requested before. */
  #inTurn<Read>(folder: OpenedFile, read: () => Promise<Read>): Promise<Read> {
    if (folder.stats.size <= limits.listingSharedBytesMax) return read();
    const result = this.#large.then(read);
    this.#large = result.catch(() => {});
    return result;
  }

  /**
   * Describes `names` of `folder`, whose path below the root is `path`, in their order. Leaves out those that GET would refuse or that
   * have gone. Never rejects.
   */
  async describe(path: string, folder: OpenedFile, names: readonly string[]): Promise<Entry[]> {
    const folderPath = readablePath(folder);
    const entries: Entry[] = [];
    for (let i = 0; i < names.length; i += DESCRIBED_AT_ONCE) {
      const step = names.slice(i, i + DESCRIBED_AT_ONCE);
      for (const entry of await Promise.all(step.map((name) => this.#describeOne(path, folderPath, name)))) {
        if (entry !== null) entries.push(entry);
      }
    }
    return entries;
  }

  async #describeOne(path: string, folderPath: string, name: string): Promise<Entry | null> {
    const unknown: Entry = { name, type: "file", size: null, modifiedMs: null };
    let stats: Stats;
    try {
      stats = await disk().lstat(`${folderPath}/${name}`);
      if (stats.isFile()) await disk().access(`${folderPath}/${name}`, constants.R_OK);
    } catch (error) {
      // ENOENT also covers a name that is not UTF-8: its replacement here names nothing, and no target could.
      return errorCode(error) === "ENOENT" ? null : unknown;
    }
    if (stats.isFile()) return { name, type: "file", size: stats.size, modifiedMs: stats.mtimeMs };
    if (!stats.isDirectory() && !stats.isSymbolicLink()) return null;
    // Only the root knows where a link leads, and whether a folder is hidden.
    const opened = this.#root.open(path + name);
    if (opened === OpenFailure.Missing || opened === OpenFailure.Outside) return null;
    if (typeof opened === "number") return { ...unknown, type: stats.isDirectory() ? "directory" : "file" };
    opened.close();
    const isFolder = opened.stats.isDirectory();
    const { size, mtimeMs } = opened.stats;
    return { name, type: isFolder ? "directory" : "file", size: isFolder ? null : size, modifiedMs: mtimeMs };
  }
}

/** Returns the entries after `after`, where `all` are the entries of the folder. */
function pageOfAll(all: readonly Entry[], after: string, last: string): FolderContent {
  const entries = all.filter(({ name }) => name > after);
  return { entries, before: all.length - entries.length, total: all.length, hasNext: false, last };
}

interface Names {
  readonly names: readonly string[];
  /** Number of names up to `after`. */
  readonly before: number;
  readonly total: number;
}

/**
 * Returns the first `most` names after `after` that a target can name and that are not hidden, in code unit order. Sorts
 * a few at a time and lets other requests run in between: sorting 100,000 at once would hold the thread for 40 ms.
 */
export async function chooseNames(
  all: readonly string[],
  most: number,
  { after, isWanted }: Selection,
): Promise<Names> {
  let names: string[] = [];
  let before = 0;
  let total = 0;
  for (let i = 0; i < all.length; i += CHOSEN_AT_ONCE) {
    if (i > 0) await nextTurn();
    const last = names.length === most ? names[most - 1] : undefined;
    const chosen = names.length;
    const end = Math.min(all.length, i + CHOSEN_AT_ONCE);
    for (let at = i; at < end; at++) {
      const name = all[at] as string;
      if (!isNameable(name) || !isWanted(name)) continue;
      total++;
      if (name <= after) before++;
      else if (last === undefined || name < last) names.push(name);
    }
    if (names.length > chosen) names = names.sort().slice(0, most);
  }
  return { names, before, total };
}

/** Returns the names that a target can name and that are wanted, in code unit order. Lets other requests run in between. */
export async function sortNames(
  all: readonly string[],
  isWanted: (name: string) => boolean,
  atOnce = CHOSEN_AT_ONCE,
): Promise<readonly string[]> {
  let runs: (readonly string[])[] = [];
  for (let i = 0; i < all.length; i += atOnce) {
    if (i > 0) await nextTurn();
    const run = all.slice(i, i + atOnce).filter((name) => isNameable(name) && isWanted(name));
    runs.push(run.sort());
  }
  while (runs.length > 1) {
    const merged: (readonly string[])[] = [];
    for (let i = 0; i < runs.length; i += 2) {
      merged.push(await mergeNames(runs[i] as readonly string[], runs[i + 1] ?? [], atOnce));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

/** Merges two sorted lists of names, `atOnce` of them in one turn. */
async function mergeNames(a: readonly string[], b: readonly string[], atOnce: number): Promise<readonly string[]> {
  if (b.length === 0) return a;
  const merged: string[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const isFirst = j >= b.length || (i < a.length && (a[i] as string) < (b[j] as string));
    merged.push((isFirst ? a[i++] : b[j++]) as string);
    if (merged.length % atOnce === 0) await nextTurn();
  }
  return merged;
}

/**
 * Returns false for hidden names, and for names whose target would be refused: controls, a backslash, half a surrogate
 * pair.
 */
function isNameable(name: string): boolean {
  return !name.startsWith(".") && !REFUSED.test(name) && name.isWellFormed();
}

/** Returns a path that is the opened folder itself, whatever its name means by now; its real path without /proc. */
function readablePath(folder: OpenedFile): string {
  return HAS_DESCRIPTOR_PATHS ? `/proc/self/fd/${folder.descriptor}` : folder.path;
}

const HAS_DESCRIPTOR_PATHS = process.platform === "linux" && existsSync("/proc/self/fd");

/** Names checked between two turns of the event loop: under a millisecond, two with the first sorting. */
const CHOSEN_AT_ONCE = 2000;

/** Calls to the disk in progress for one listing; more of them do not make it faster. */
const DESCRIBED_AT_ONCE = 32;

const BUSY_CODES: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

/** Characters outside SP to "~" and up to DEL, which `http/target.ts` refuses, and the separator of Windows. */
const REFUSED = /[^ -~\u{80}-\u{10ffff}]|\\/u;

/** Loaded with the first listing: `node:fs/promises` takes some tenths of a millisecond to load. */
function disk(): typeof import("node:fs/promises") {
  return require("node:fs/promises") as typeof import("node:fs/promises");
}
