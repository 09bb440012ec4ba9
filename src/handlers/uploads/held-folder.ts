/**
 * A folder that stays open while something in it changes, and the rule it guards: nothing outside of the folder is changed.
 *
 * Strategy: open first, check afterwards, as for reading (document-root.ts). Linux then reaches the names in the folder through
 * its descriptor, which no rename and no new link can turn elsewhere. Other systems have the checks alone.
 */
import { closeSync, constants, existsSync, fstatSync, openSync } from "node:fs";
import { join } from "node:path";
import { FolderError, realPathOf } from "../files/document-root.ts";

export class HeldFolder implements Disposable {
  readonly #realPath: string;
  readonly #descriptor: number;
  /** Path under which the names in the folder are reached. */
  readonly #way: string;

  /** Opens the folder. Throws the error of the disk, or a FolderError if a link on the way leads to another place. */
  constructor(realPath: string) {
    this.#realPath = realPath;
    this.#descriptor = openSync(realPath, FOLDER_FLAGS);
    const way = `/proc/self/fd/${this.#descriptor}`;
    this.#way = existsSync(way) ? way : realPath;
    try {
      this.check();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Throws a FolderError if the folder no longer has the path under which it was opened. */
  check(): void {
    const path = realPathOf(this.#descriptor, this.#realPath, fstatSync(this.#descriptor));
    if (path === this.#realPath) return;
    throw new FolderError(`${this.#realPath} was moved or has become a link; put it back, or restart the server`);
  }

  /** Returns a path to the file or folder `name` in this folder, valid until the folder is disposed. */
  pathOf(name: string): string {
    return join(this.#way, name);
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}

/** 0 where the system has no such flag; opening a file then fails at its first name. */
const FOLDER_FLAGS = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0);
