/** Folders for a server inside a test: files from memory to be served, uploads that nobody keeps; they go with the server. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { OptionsError } from "../options.ts";

/** Content by path, `/images/logo.png`; text is sent as UTF-8. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

export class TemporaryFolders {
  readonly root: string;
  readonly uploads: string;
  readonly #folder: string;

  /** Throws an OptionsError for a path that is no file's, and what the disk throws; then nothing is left. */
  constructor(files: Files) {
    this.#folder = mkdtempSync(join(tmpdir(), "httpserver-"));
    this.root = join(this.#folder, "root");
    this.uploads = join(this.#folder, "uploads");
    try {
      mkdirSync(this.root);
      for (const [path, content] of Object.entries(files)) this.#write(path, content);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Safe to call twice. */
  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #write(path: string, content: string | Uint8Array): void {
    const segments = path.replace(/^\//, "").split("/");
    if (segments.some((segment) => segment === "" || segment === "." || segment === ".." || segment.includes("\0"))) {
      throw new OptionsError(`files: expected a path such as "/images/logo.png", got ${JSON.stringify(path)}`);
    }
    const file = join(this.root, ...segments);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}
