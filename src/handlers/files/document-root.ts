/**
 * A folder whose files may be served, and the rule it guards: nothing outside of it is ever read.
 *
 * Strategy: open first, check afterwards. Opening has no effect on the file (a FIFO does not block, a terminal does
 * not become ours). Then the kernel says where the opened file really is, and that must lie inside the folder's real
 * path. A rename or a new link in between cannot change an open descriptor, so there is no race to win.
 *
 * Links are followed as long as they stay inside. Hidden names are a rule about the requested path, not about the
 * disk, so an operator's link to a hidden place (as Kubernetes' volumes make them) works.
 */
import type { Stats } from "node:fs";
import { closeSync, constants, fstatSync, openSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { sep } from "node:path";
import { isAlias, isWithin } from "./system-names.ts";

/** Real path of an opened file or folder inside a document root. Only this file makes one. */
export type ContainedPath = string & { readonly brand: "contained" };

/**
 * An opened regular file or folder inside a root. One owner at a time holds it: `using` closes it at the end of the scope,
 * and `release` hands the descriptor to the next owner.
 */
export class OpenedFile implements Disposable {
  readonly stats: Stats;
  readonly path: ContainedPath;
  #descriptor: number;

  constructor(descriptor: number, stats: Stats, path: ContainedPath) {
    this.#descriptor = descriptor;
    this.stats = stats;
    this.path = path;
  }

  /** -1 after `close` and `release`. */
  get descriptor(): number {
    return this.#descriptor;
  }

  /** Returns the descriptor, which the caller closes from here on. */
  release(): number {
    const descriptor = this.#descriptor;
    this.#descriptor = NO_DESCRIPTOR;
    return descriptor;
  }

  /** Closes the descriptor, if this object still owns it. Never throws. */
  close(): void {
    if (this.#descriptor !== NO_DESCRIPTOR) closeDescriptor(this.release());
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Stands for a descriptor where nothing is open. */
export const NO_DESCRIPTOR = -1;

/** Reason why a file was not opened. No descriptor is held then. */
export enum OpenFailure {
  /** The path does not exist, is not a regular file or folder (FIFO, socket, device), or is a circle of links. */
  Missing = 1,
  /** It exists, but the process may not read it. */
  Forbidden,
  /** Its real path is not inside the root: a link leads out. */
  Outside,
  /** No descriptor or memory is left; the next try may work. */
  Busy,
  /** The disk failed: EIO, and every other error that is not about the name. */
  Broken,
}

/** A folder that the server cannot use: one line for the operator, naming the folder and the flag. */
export class FolderError extends Error {
  override readonly name = "FolderError";
  readonly isMissing: boolean;

  constructor(message: string, isMissing = false) {
    super(message);
    this.isMissing = isMissing;
  }
}

/**
 * Opens a folder as a root. Takes its real path once, so a root that is swapped later is not followed. `flag` names
 * the setting for the operator (`--root`). Returns the error as a value.
 */
export function openDocumentRoot(folder: string, flag: string): DocumentRoot | FolderError {
  try {
    const realPath = realpathSync(folder);
    if (!statSync(realPath).isDirectory())
      return new FolderError(`${folder} is not a folder; choose one with ${flag} <folder>`);
    return new DocumentRoot(realPath);
  } catch (error) {
    const code = errorCode(error);
    const isMissing = code === "ENOENT";
    const reason = isMissing ? "does not exist" : `cannot be used (${code})`;
    return new FolderError(
      `the folder ${folder} ${reason}; create it or choose another with ${flag} <folder>`,
      isMissing,
    );
  }
}

export class DocumentRoot {
  /** Absolute path without links, and without a "/" at the end unless it is the whole file system. */
  readonly realPath: string;
  /** Prefix of the real path of everything inside. Its separator keeps a sibling such as `/srv/www-backup` out. */
  readonly #inside: string;
  /** Real paths of folders that are not served, inside or not. */
  readonly #hidden: readonly string[];
  /** Text of the last failure that is not about the name, for the log. */
  lastError = "";

  constructor(realPath: string, hidden: readonly string[] = []) {
    this.realPath = realPath;
    this.#hidden = hidden;
    this.#inside = realPath.endsWith(sep) ? realPath : realPath + sep;
  }

  /** Returns this root without the folder `realPath`: no name reaches a file in it. */
  without(realPath: string): DocumentRoot {
    return new DocumentRoot(this.realPath, [...this.#hidden, realPath]);
  }

  /** Opens the file at `path`: decoded, "" or starting with "/", without dot segments and NUL. Never throws. */
  open(path: string): OpenedFile | OpenFailure {
    if (!IS_LINUX && isAlias(path, process.platform)) return OpenFailure.Missing;
    const opened = this.#openInside(path);
    const isHidden = opened === OpenFailure.Missing || opened === OpenFailure.Forbidden;
    return isHidden && this.#leavesRoot(path) ? OpenFailure.Outside : opened;
  }

  /**
   * Returns true when a folder on the way is outside, so that a client cannot learn which files exist behind a link
   * that leads out. Walks down from the root and stops at the first missing name: no more steps than the real tree is
   * deep.
   */
  #leavesRoot(path: string): boolean {
    for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1)) {
      if (path.charAt(end - 1) === "/") continue;
      const ancestor = this.#openInside(path.slice(0, end));
      if (typeof ancestor === "number") return ancestor === OpenFailure.Outside;
      ancestor.close();
    }
    return false;
  }

  #openInside(path: string): OpenedFile | OpenFailure {
    let descriptor: number;
    try {
      // Looks before opening, because an exception costs ten times as much and 404 is common. Also because opening has
      // effects on some files: the writer of a FIFO continues, a tape rewinds, a watchdog starts.
      const named = statSync(this.realPath + path, { throwIfNoEntry: false });
      if (named === undefined || !isServable(named)) return OpenFailure.Missing;
      descriptor = openSync(this.realPath + path, OPEN_FLAGS);
    } catch (error) {
      return this.#failureOf(error);
    }
    let failure: OpenFailure;
    try {
      const stats = fstatSync(descriptor);
      if (isServable(stats)) {
        const realPath = realPathOf(descriptor, this.realPath + path, stats);
        if (this.#isHidden(realPath)) {
          failure = OpenFailure.Missing;
        } else if (realPath === this.realPath || realPath.startsWith(this.#inside)) {
          return new OpenedFile(descriptor, stats, realPath as ContainedPath);
        } else failure = OpenFailure.Outside;
      } else {
        failure = OpenFailure.Missing;
      }
    } catch (error) {
      failure = this.#failureOf(error);
    }
    closeDescriptor(descriptor);
    return failure;
  }

  #isHidden(realPath: string): boolean {
    for (const hidden of this.#hidden) if (isWithin(realPath, hidden, process.platform)) return true;
    return false;
  }

  #failureOf(error: unknown): OpenFailure {
    const code = errorCode(error);
    const failure = FAILURES[code];
    if (failure !== undefined && failure !== OpenFailure.Busy) return failure;
    this.lastError = `${code} in ${this.realPath}`;
    return failure ?? OpenFailure.Broken;
  }
}

/** Closes a descriptor. Never throws: after EIO or EINTR it is closed as well (close(2)). */
export function closeDescriptor(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // The descriptor is gone either way.
  }
}

/** Returns the system's name of an error, such as ENOENT. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

function isServable(stats: Stats): boolean {
  return stats.isFile() || stats.isDirectory();
}

const IS_LINUX = process.platform === "linux";

/** Linux's O_CLOEXEC, which node:fs does not name: a child process must not inherit open files. */
const O_CLOEXEC = IS_LINUX ? 0o2000000 : 0;

const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0) | O_CLOEXEC;

const FAILURES: Readonly<Record<string, OpenFailure | undefined>> = {
  ENOENT: OpenFailure.Missing,
  ENOTDIR: OpenFailure.Missing,
  ENAMETOOLONG: OpenFailure.Missing,
  ELOOP: OpenFailure.Missing,
  EINVAL: OpenFailure.Missing,
  EILSEQ: OpenFailure.Missing,
  // A socket in the file system, or a device without a driver, refuses to be opened.
  ENXIO: OpenFailure.Missing,
  ENODEV: OpenFailure.Missing,
  EACCES: OpenFailure.Forbidden,
  EPERM: OpenFailure.Forbidden,
  // Windows: another program has locked the file.
  EBUSY: OpenFailure.Busy,
  EMFILE: OpenFailure.Busy,
  ENFILE: OpenFailure.Busy,
  ENOMEM: OpenFailure.Busy,
};

/**
 * Returns the path of the opened file. Linux knows it for the descriptor; elsewhere the path must still name this
 * file.
 */
export function realPathOf(descriptor: number, path: string, stats: Stats): string {
  if (IS_LINUX) {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      // This container has no /proc, so the path is resolved, as on other systems.
    }
  }
  const realPath = realpathSync(path);
  const named = statSync(realPath);
  return named.dev === stats.dev && named.ino === stats.ino ? realPath : "";
}
