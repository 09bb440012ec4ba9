/**
 * Somebody's project with one of our examples in it: a temporary folder that has the example's files as they stand, the built file,
 * what it serves, and the tools that this tree has installed. Only the port is another one, because a test never takes a fixed one.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Binary, type Finished, run } from "./binary.ts";
import { LOOPBACK } from "./needs.ts";

const TOP = join(import.meta.dir, "..", "..");
const EXAMPLES = join(TOP, "examples");

/** The port in the examples, and what finds it in a text. */
const EXAMPLE_PORT = /\b8080\b/g;

/** Milliseconds for a tool that starts Node, a browser, or both, on a busy machine; a test with one gets a little more. */
const TOOL_MS = 60_000;
export const TOOL_TEST_MS = 70_000;

type Environment = Readonly<Record<string, string>>;

export class Project implements Disposable {
  readonly folder: string;
  /** Stands for 8080 in every file. */
  readonly port: number;

  /** `example` is a folder or a file of `examples/`; a folder's content lies at the project's top, unless it `keepsFolder`. */
  constructor(binary: Binary, example: string, { keepsFolder = false } = {}) {
    this.folder = mkdtempSync(join(tmpdir(), "project-"));
    this.port = vacantPort();
    const isFile = lstatSync(join(EXAMPLES, example)).isFile();
    cpSync(join(EXAMPLES, example), isFile || keepsFolder ? this.path(example) : this.folder, { recursive: true });
    cpSync(join(EXAMPLES, "fixtures"), this.path("fixtures"), { recursive: true });
    this.#movePort();
    place(binary.path, this.path("httpserver"));
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  read(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }

  /** With the tools that this tree has installed, as `npm install` would bring them. */
  withTools(): this {
    symlinkSync(join(TOP, "node_modules"), this.path("node_modules"));
    return this;
  }

  /** With the Bun that runs here under its name, wherever the machine has it; for `PATH`. */
  withBun(): string {
    mkdirSync(this.path("bin"));
    symlinkSync(process.execPath, this.path("bin", "bun"));
    return `${this.path("bin")}:${process.env["PATH"]}`;
  }

  /** Puts a program in front of the built file: `script`, in which `./real` is that file. */
  wrapServer(script: string): void {
    linkSync(this.path("httpserver"), this.path("real"));
    rmSync(this.path("httpserver"));
    this.write("httpserver", script);
    chmodSync(this.path("httpserver"), 0o755);
  }

  /**
   * Runs a tool in the project to its end. A server that it should leave behind does not outlive the test by much, and the cache that
   * Playwright would leave among temporary files goes with the project.
   */
  run(words: readonly string[], env: Environment = {}): Promise<Finished> {
    const bounded = { HTTPSERVER_MAX_LIFETIME: `${TOOL_MS}ms`, PWTEST_CACHE_DIR: this.path("cache"), ...env };
    return run(words, { cwd: this.folder, env: bounded, timeoutMs: TOOL_MS });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #movePort(): void {
    for (const entry of readdirSync(this.folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      writeFileSync(path, readFileSync(path, "utf8").replace(EXAMPLE_PORT, String(this.port)));
    }
  }
}

/** The same file under another name; a copy where the file system cannot. */
function place(file: string, path: string): void {
  try {
    linkSync(file, path);
  } catch {
    copyFileSync(file, path);
  }
}

/**
 * Below the ports that the system gives to who asks for a free one (32768 on Linux, 49152 elsewhere), so that no other test is
 * given it before the server binds it.
 */
const VACANT_MIN = 20_000;
const VACANT_MAX = 32_000;
const VACANT_TRIES = 100;

/** A port on which nobody listens. */
export function vacantPort(): number {
  for (let tries = 0; tries < VACANT_TRIES; tries++) {
    const port = VACANT_MIN + Math.floor(Math.random() * (VACANT_MAX - VACANT_MIN));
    try {
      const listeners = LOOPBACK.map((hostname) =>
        Bun.listen({ hostname, port, exclusive: true, socket: { data() {} } }),
      );
      for (const listener of listeners) listener.stop(true);
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
  throw new Error(`no vacant port from ${VACANT_MIN} to ${VACANT_MAX}`);
}
