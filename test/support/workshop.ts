/**
 * What the tests with other people's clients share: the compiled program, built once, beside a copy of the sample site and
 * generated files in a folder that goes afterwards.
 */
import { createHash, randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Binary, buildBinary, Program } from "./binary.ts";

const RESOURCES = join(import.meta.dir, "..", "..", "resources");

export class Workshop implements Disposable {
  /** The program's working directory; `uploads` appears in it. */
  readonly folder: string;
  /** The folder that is served. */
  readonly root: string;
  readonly #binary: Binary;

  /** Builds the program; give it BUILD_MS. */
  static async open(): Promise<Workshop> {
    const binary = await buildBinary();
    try {
      return new Workshop(binary);
    } catch (error) {
      binary[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(binary: Binary) {
    this.#binary = binary;
    this.folder = mkdtempSync(join(tmpdir(), "clients-"));
    this.root = join(this.folder, "resources");
    cpSync(RESOURCES, this.root, { recursive: true });
  }

  /** The path of the program. */
  get program(): string {
    return this.#binary.path;
  }

  /** A server on a free port, with further words on its command line. */
  start(...words: readonly string[]): Promise<Program> {
    return Program.start([this.#binary.path, "--port", "0", ...words], { cwd: this.folder });
  }

  /** Puts a file among those that are served, and returns its path. */
  add(name: string, content: string | Uint8Array): string {
    const path = join(this.root, name);
    writeFileSync(path, content);
    return path;
  }

  /** The path of a served file, or of an upload by the `filepath` that was answered. */
  path(name: string): string {
    return name.startsWith("/uploads/") ? join(this.folder, name) : join(this.root, name);
  }

  /** A new empty folder for what a client writes. */
  inbox(): string {
    return mkdtempSync(join(this.folder, "inbox-"));
  }

  [Symbol.dispose](): void {
    this.#binary[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Bytes of which no part is like another, so that a resumed download in the wrong place is noticed. */
export function noise(bytes: number): Uint8Array {
  return randomBytes(bytes);
}

export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

export function sha256OfFile(path: string): string {
  return sha256(readFileSync(path));
}
