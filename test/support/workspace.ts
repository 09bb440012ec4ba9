/**
 * The compiled program for a test file, built once, and for each of its tests a working directory of its own that has a root with
 * a page. All of it is removed afterwards.
 */
import { afterAll, beforeAll, beforeEach } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Binary, BUILD_MS, buildBinary, type Finished, Program, type RunOptions, run } from "./binary.ts";

type Environment = NonNullable<RunOptions["env"]>;

export class Workspace {
  /** Holds the working directories, and what the tests share. */
  top = "";
  /** The working directory of the test that runs. */
  folder = "";
  #binary: Binary | null = null;

  /** Registers the hooks of a test file. `fill` adds to the root of each test. */
  constructor(name: string, fill: (root: string) => void = () => {}) {
    beforeAll(async () => {
      this.top = mkdtempSync(join(tmpdir(), `${name}-`));
      this.#binary = await buildBinary();
    }, BUILD_MS);
    afterAll(() => {
      this.#binary?.[Symbol.dispose]();
      rmSync(this.top, { recursive: true, force: true });
    });
    beforeEach(() => {
      this.folder = mkdtempSync(join(this.top, "cwd-"));
      mkdirSync(this.root);
      writeFileSync(join(this.root, "index.html"), "page");
      fill(this.root);
    });
  }

  /** The path of the program. */
  get program(): string {
    return this.#binary?.path ?? "";
  }

  /** The folder that the program serves unless it is told otherwise. */
  get root(): string {
    return join(this.folder, "resources");
  }

  /** A path in the working directory. */
  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  /** Starts the program in the working directory, and resolves when it listens. */
  start(words: readonly string[], env: Environment = {}, cwd: string = this.folder): Promise<Program> {
    return Program.start([this.program, ...words], { cwd, env });
  }

  /** Runs the program to its end. */
  run(words: readonly string[], env: Environment = {}, cwd: string = this.folder): Promise<Finished> {
    return run([this.program, ...words], { cwd, env });
  }
}
