/**
 * Folders of a server inside a test: files from memory to be served, and a folder for uploads. Both are removed with
 * the server.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { errorCode } from "../handlers/files/document-root.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { messageOf, OptionsError, StartError } from "../settings/start-error.ts";

/** Content by path, `/images/logo.png`; text is sent as UTF-8. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/**
 * Errors of the disk for names that cannot exist together or are too long. They are the caller's mistake, not the
 * disk's.
 */
const NAME_ERRORS: Readonly<Record<string, string>> = {
  EEXIST: "is there already, as a file or a folder",
  EISDIR: "is a folder of another file",
  ENOTDIR: "has a file on its way",
  ENAMETOOLONG: "is too long",
};

/** Prefix of the names of temporary folders. */
const PREFIX = "httpserver-";

/** Options of a server that say where its folders are. */
interface FolderOptions extends Partial<Pick<ServerSettings, "root" | "uploads">> {
  readonly files?: Files;
}

/** Returns false if both folders of a server are the caller's. Throws an OptionsError for `files` together with `root`. */
export function needsFolders({ files, root, uploads }: FolderOptions): boolean {
  if (files !== undefined && root !== undefined) throw new OptionsError("files or root: give one of them");
  return files !== undefined || uploads === undefined;
}

export class TemporaryFolders {
  /** The folder that contains both. */
  readonly folder: string;
  /** The settings that name them; `root` only if there are files. */
  readonly settings: Pick<ServerSettings, "uploads"> & Partial<Pick<ServerSettings, "root">>;
  readonly #root: string;
  readonly #files: Files;

  /** Names the folders, and makes none. */
  constructor({ files }: FolderOptions) {
    this.folder = join(tmpdir(), `${PREFIX}${crypto.randomUUID()}`);
    this.#root = join(this.folder, "root");
    const uploads = join(this.folder, "uploads");
    this.settings = files === undefined ? { uploads } : { uploads, root: this.#root };
    this.#files = files ?? {};
  }

  /**
   * Makes the folders. Throws an OptionsError for a path or content that cannot be a file, and a StartError when the disk does not
   * take them. Then nothing is left behind.
   */
  make(): this {
    try {
      mkdirSync(this.folder, { mode: 0o700 });
    } catch (error) {
      throw unusable(error);
    }
    try {
      mkdirSync(this.#root);
      for (const [path, content] of Object.entries(this.#files)) this.#write(path, content);
    } catch (error) {
      this.remove();
      throw error instanceof OptionsError ? error : unusable(error);
    }
    return this;
  }

  /** Removes the folders. Safe to call twice. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #write(path: string, content: string | Uint8Array): void {
    const segments = path.replace(/^\//, "").split("/");
    if (!segments.every(isName)) {
      throw new OptionsError(`files: expected a path such as "/images/logo.png", got ${JSON.stringify(path)}`);
    }
    if (typeof content !== "string" && !(content instanceof Uint8Array)) {
      throw new OptionsError(`files: expected text or a Uint8Array as content of ${JSON.stringify(path)}`);
    }
    const file = join(this.#root, ...segments);
    try {
      mkdirSync(dirname(file), { recursive: true });
      // Two spellings of one path, "/a" and "a", are a mistake as well.
      writeFileSync(file, content, { flag: "wx" });
    } catch (error) {
      const reason = NAME_ERRORS[errorCode(error)];
      throw reason === undefined ? error : new OptionsError(`files: the path ${JSON.stringify(path)} ${reason}`);
    }
  }
}

/**
 * Returns a function that removes a folder of this kind that another process makes. Throws an OptionsError for any other path; `label` is
 * the name of its setting.
 */
export function folderRemover(label: string, path: string): () => void {
  if (dirname(path) !== tmpdir() || !basename(path).startsWith(PREFIX)) {
    const example = join(tmpdir(), `${PREFIX}1`);
    throw new OptionsError(`${label}: expected a folder such as ${example}, got ${JSON.stringify(path)}`);
  }
  return () => rmSync(path, { recursive: true, force: true });
}

/**
 * Returns false for a name that no request can have: `target.ts` refuses backslashes and controls, and half a
 * surrogate is not UTF-8.
 */
function isName(segment: string): boolean {
  return !["", ".", ".."].includes(segment) && !/[\\\p{Cc}]/u.test(segment) && segment.isWellFormed();
}

function unusable(error: unknown): StartError {
  return new StartError(`the temporary folder ${tmpdir()} cannot be used: ${messageOf(error)}`);
}
