/**
 * The executable as a child process. It never outlives this process: an exit ends it, and after a kill its standard input ends, which
 * it takes for the order to stop.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { clearTimeout, setTimeout } from "node:timers";
import type { CertificateInfo } from "../server/tls.ts";
import { OptionsError, StartError } from "../settings/start-error.ts";

/** Longest time for a start, in milliseconds: dozens of servers may start at once on a busy machine. */
const START_MS = 60_000;

/** Milliseconds between the order to cut everything and SIGKILL. */
const CUT_MS = 2000;

/** Characters of the executable's messages that are kept for an error. */
const MESSAGES_MAX = 4096;

/** Exit code of the executable for a setting that cannot be used. */
const EXIT_USAGE = 2;

/** Content of the executable's ready line. */
export interface Ready {
  readonly port: number;
  readonly url: string;
  readonly urls: readonly string[];
  readonly redirectUrl: string | null;
  readonly certificate: CertificateInfo | null;
  readonly takesUploads: boolean;
}

/** Children that run. The first one registers the handler for the exit of this process. */
const running = new Set<Child>();

export class Child {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #whenGone: () => void;
  readonly #ended: Promise<void>;
  #messages = "";
  /** Reason why the process has ended, or null. */
  #end: string | null = null;
  #exitCode: number | null = null;
  #stopping: Promise<void> | null = null;

  /** Starts a program. `whenGone` is called once it has ended, or this process exits. */
  constructor(program: string, words: readonly string[], env: Readonly<Record<string, string>>, whenGone: () => void) {
    this.#whenGone = whenGone;
    this.#process = spawn(program, words, { env, stdio: ["pipe", "pipe", "pipe"], windowsHide: true });
    this.#process.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#messages = (this.#messages + text).slice(-MESSAGES_MAX);
    });
    // A pipe that breaks belongs to a process that has ended.
    const { stdin, stdout, stderr } = this.#process;
    for (const stream of [stdin, stdout, stderr]) stream.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      this.#process.on("error", ({ message }) => this.#finish(message, null, resolve));
      this.#process.on("close", (code, signal) => {
        this.#finish(signal === null ? `it exited with ${code}` : `${signal} ended it`, code, resolve);
      });
    });
    if (running.size === 0) process.on("exit", killAll);
    running.add(this);
  }

  /** Reason why the process has ended, with its last message; null while it runs. */
  get end(): string | null {
    const message = this.#messages.trim();
    return this.#end === null || message === "" ? this.#end : `${this.#end}: ${message}`;
  }

  /** Resolves with the ready line. Rejects with a StartError or an OptionsError if the process ends before, or takes too long. */
  ready(): Promise<Ready> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.kill();
        reject(new StartError(`the server did not listen within ${START_MS / 1000} s`));
      }, START_MS);
      let text = "";
      const { stdout } = this.#process;
      stdout.setEncoding("utf8").on("data", (piece: string) => {
        if (text.includes("\n")) return;
        text += piece;
        if (!text.includes("\n")) return;
        clearTimeout(timer);
        resolve(readReady(text));
      });
      this.#ended.then(() => {
        clearTimeout(timer);
        reject(this.#startError());
      });
    });
  }

  /** Writes a line to the standard input of the process. */
  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  /**
   * Asks the process to drain, cuts what is not done after `timeoutMs`, and resolves when it has ended. Of several calls, the first one
   * decides.
   */
  stop(timeoutMs: number): Promise<void> {
    this.#stopping ??= this.#stop(timeoutMs);
    return this.#stopping;
  }

  async #stop(timeoutMs: number): Promise<void> {
    if (this.#end !== null) return;
    this.#process.kill("SIGTERM");
    const cut = setTimeout(() => this.#process.kill("SIGTERM"), timeoutMs);
    const kill = setTimeout(() => this.#process.kill("SIGKILL"), timeoutMs + CUT_MS);
    await this.#ended;
    clearTimeout(cut);
    clearTimeout(kill);
  }

  /** Ends the process at once, and resolves when it has ended. */
  kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    return this.#ended;
  }

  /** Kills the process while this one exits: nothing later can run. */
  abandon(): void {
    this.#process.kill("SIGKILL");
    this.#whenGone();
  }

  #finish(reason: string, code: number | null, resolve: () => void): void {
    if (this.#end !== null) return;
    this.#end = reason;
    this.#exitCode = code;
    running.delete(this);
    if (running.size === 0) process.off("exit", killAll);
    this.#whenGone();
    resolve();
  }

  /** Returns the error of a start, in the words of the executable. */
  #startError(): Error {
    const line = this.#messages.trim().split("\n").at(-1) ?? "";
    const message = line.replace(/^\[[^\]]*\] error: |^httpserver: /, "");
    if (message === "") return new StartError(`the server did not start: ${this.#end}`);
    return this.#exitCode === EXIT_USAGE ? new OptionsError(message) : new StartError(message);
  }
}

function killAll(): void {
  for (const child of running) child.abandon();
}

function readReady(text: string): Ready {
  const { redirectUrl = null, certificate = null, ...place } = JSON.parse(text.slice(0, text.indexOf("\n")));
  return {
    ...place,
    redirectUrl,
    certificate: certificate === null ? null : { ...certificate, validTo: new Date(certificate.validTo) },
  };
}
