/**
 * The compiled program as its users have it: built once for all test files, run in a folder of its own without any setting from
 * this process's environment, watched through its pipes, ended by its own id.
 */
import { chmodSync, copyFileSync, linkSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtProgram } from "./built.ts";
import { descendantsOf, killAll } from "./processes.ts";
import { until, WAIT_MS } from "./waiting.ts";

/** Milliseconds for a build with its smoke run, on a busy machine. */
export const BUILD_MS = 60_000;

/** The program in a folder that goes when it is disposed. */
export interface Binary extends Disposable {
  readonly path: string;
}

/** Kept for all files that this process runs. */
const shared = globalThis as { [BUILT]?: ReturnType<typeof builtProgram> };
const BUILT = Symbol.for("httpserver: the program under test");

/** Another name of the one program; a copy where the file system cannot, and where a run with other sources has removed its first name. */
export async function buildBinary(): Promise<Binary> {
  shared[BUILT] ??= builtProgram();
  const built = await shared[BUILT];
  const folder = mkdtempSync(join(tmpdir(), "binary-"));
  const path = join(folder, "httpserver");
  try {
    linkSync(built.path, path);
  } catch {
    copyFileSync(`/proc/self/fd/${built.descriptor}`, path);
    chmodSync(path, 0o755);
  }
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface RunOptions {
  /** The working directory. */
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What says on stdout that it listens: the first group is the port, the second the URL. The ready line without it. */
  readonly ready?: RegExp;
  /** Milliseconds until a program that ought to end by itself is killed; WAIT_MS without it. */
  readonly timeoutMs?: number;
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program that ends by itself. */
export async function run(words: readonly string[], options: RunOptions): Promise<Finished> {
  const child = Bun.spawn([...words], {
    cwd: options.cwd,
    env: environment(options),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: options.timeoutMs ?? WAIT_MS,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, stdout, stderr };
}

/** A server that listens. Disposing kills it, if it still runs. */
export class Program implements AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #stdout: Gathered;
  readonly #stderr: Gathered;

  /** Starts `words` and resolves with the ready line. Rejects with what was printed instead. */
  static async start(words: readonly string[], options: RunOptions): Promise<Program> {
    const child = Bun.spawn([...words], {
      cwd: options.cwd,
      env: environment(options),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const stdout = new Gathered(child.stdout);
    const stderr = new Gathered(child.stderr);
    try {
      const pattern = options.ready ?? READY;
      await until(() => pattern.test(stdout.text) || child.exitCode !== null, "the ready line");
      const ready = pattern.exec(stdout.text);
      if (ready === null) throw new Error(`it ended with ${child.exitCode}: ${stdout.text}${stderr.text}`);
      return new Program(child, Number(ready[1]), ready[2] ?? "", stdout, stderr);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  private constructor(
    child: Bun.Subprocess<"ignore", "pipe", "pipe">,
    port: number,
    url: string,
    stdout: Gathered,
    stderr: Gathered,
  ) {
    this.#child = child;
    this.pid = child.pid;
    this.port = port;
    this.url = url;
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  /** What was printed so far. */
  get stdout(): string {
    return this.#stdout.text;
  }

  get stderr(): string {
    return this.#stderr.text;
  }

  /** Standard output in the pieces in which it was read. */
  get stdoutPieces(): readonly string[] {
    return this.#stdout.pieces;
  }

  /** Resolves when standard output has `text`. */
  async says(text: string): Promise<void> {
    await until(() => this.stdout.includes(text), `"${text}" on stdout`);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The exit code, once it has ended and all it printed was read. */
  async ended(): Promise<number> {
    await until(() => this.#child.exitCode !== null || this.#child.signalCode !== null, "the program to end");
    await Promise.all([this.#stdout.complete, this.#stderr.complete]);
    return await this.#child.exited;
  }

  /** Kills it, and the processes that it has started. */
  async [Symbol.asyncDispose](): Promise<void> {
    killAll([...descendantsOf(this.pid), this.pid]);
    await this.#child.exited;
  }
}

const READY = /^Listening on port (\d+) \((https?:[^)]+)\) pid=\d+$/m;

/** Reads a pipe as it fills. */
class Gathered {
  readonly pieces: string[] = [];
  readonly complete: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.complete = this.#read(stream);
  }

  get text(): string {
    return this.pieces.join("");
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.pieces.push(decoder.decode(bytes, { stream: true }));
  }
}

/** Ours without what would set the program up, or what a test runner tells its workers, and with what the test adds. */
export function environment(options: RunOptions): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !name.startsWith("HTTPSERVER_") &&
      !/^(FORCE_COLOR|NO_COLOR|HTTPS?_PROXY|ALL_PROXY|JEST_WORKER_ID|BUN_TEST_WORKER_ID)$/i.test(name),
  );
  return { ...Object.fromEntries(inherited), ...options.env };
}

/** What curl got. `words` as on its command line; without progress, with an end. */
export async function curl(...words: readonly string[]): Promise<Finished> {
  return await run(["curl", "--silent", "--show-error", "--max-time", "12", ...words], { cwd: tmpdir() });
}

/** The status alone, and the content thrown away. */
export async function curlStatus(...words: readonly string[]): Promise<string> {
  return (await curl("--output", "/dev/null", "--write-out", "%{http_code}", ...words)).stdout;
}
