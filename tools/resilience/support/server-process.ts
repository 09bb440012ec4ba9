/**
 * The compiled server as the operating system sees it: started in a folder of its own, ended by a signal to its own number.
 * Whatever happens to the loop that started it, none outlives this process.
 */
import { join } from "node:path";

/** Where `bun build.ts` puts the program. */
export const BINARY = join(import.meta.dir, "..", "..", "..", "httpserver");

/** Longest wait for the ready line, ms. It comes after some 30; a busy machine takes its time. */
const READY_MS = 20_000;

/** Characters kept of what it prints, for the message when something is wrong. */
const PRINTED_MAX = 16_384;

const READY = /^Listening on port (\d+) \(http:[^)]+\) pid=\d+$/m;

const running = new Set<ServerProcess>();

process.on("exit", () => {
  for (const server of running) server.signal("SIGKILL");
});

/** How a process ended: its exit code, or the signal that ended it. */
type Exit = number | NodeJS.Signals;

export class ServerProcess {
  readonly pid: number;
  /** 0 before it is ready. */
  port = 0;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  #printed = "";

  /** Resolves when it listens. Rejects with what it printed when it ends before, or says nothing for READY_MS. */
  static async start(binary: string, words: readonly string[], folder: string): Promise<ServerProcess> {
    const server = new ServerProcess(binary, words, folder);
    const timer = setTimeout(() => server.signal("SIGKILL"), READY_MS);
    try {
      await server.#ready();
      return server;
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor(binary: string, words: readonly string[], folder: string) {
    this.#child = Bun.spawn([binary, "--port", "0", ...words], {
      cwd: folder,
      env: environment(),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.pid = this.#child.pid;
    running.add(this);
    this.#child.exited.finally(() => running.delete(this));
  }

  async #ready(): Promise<void> {
    this.#read(this.#child.stderr, () => {});
    await new Promise<void>((resolve, reject) => {
      const read = this.#read(this.#child.stdout, () => {
        const match = this.port === 0 ? READY.exec(this.#printed) : null;
        if (match === null) return;
        this.port = Number(match[1]);
        resolve();
      });
      read.then(() => reject(new Error(`the server ended before it listened: ${this.#printed}`)));
    });
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, changed: () => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      this.#printed = (this.#printed + decoder.decode(bytes, { stream: true })).slice(-PRINTED_MAX);
      changed();
    }
  }

  /** The end of what it printed, on both outputs. */
  get printed(): string {
    return this.#printed;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Resolves when it has ended. Rejects, and kills it, after `waitMs`. */
  async ended(waitMs: number): Promise<Exit> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.signal("SIGKILL");
    }, waitMs);
    await this.#child.exited;
    clearTimeout(timer);
    if (isLate) throw new Error(`the server still ran ${waitMs} ms later: ${this.#printed}`);
    return this.#child.signalCode ?? this.#child.exitCode ?? -1;
  }
}

/** Ours without what would set the server up. */
function environment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HTTPSERVER_")));
}
