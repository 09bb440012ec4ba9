/**
 * A served folder among things that must never be seen: canaries beside it, in hidden names, in the uploads folder inside it,
 * and behind links of every kind that lead out. The whole ground is removed when the scope ends.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerLog, StartOptions } from "../../src/index.ts";
import { type Answer, RawClient } from "../support/raw-client.ts";

/** In every file that may not be read, and in no name: an answer that repeats a path does not contain it. */
export const CANARY = "tweet-8f1c2e";

/** What the pages that may be read say. */
export const PAGE = "<!doctype html><title>inside</title>\n";

export const isLinux = process.platform === "linux";

export interface Ground extends Disposable {
  /** Real path of the temporary folder that holds the others. */
  readonly folder: string;
  readonly root: string;
  /** Holds the canaries, beside the root. */
  readonly outside: string;
  readonly options: StartOptions;
  /** Every warning of a server that was started with `options`. */
  readonly warnings: string[];
}

/** An empty root beside a folder with a canary. Everyone may enter, so that a test can give up its privileges. */
export function makeGround(uploads = "up"): Ground {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "containment-")));
  chmodSync(folder, 0o755);
  const root = join(folder, "www");
  const outside = join(folder, "outside");
  for (const path of [root, outside, join(outside, "sub")]) mkdirSync(path);
  for (const path of ["canary.txt", "index.html", "sub/canary.txt", "sub/index.html"]) {
    writeFileSync(join(outside, path), CANARY);
  }
  writeFileSync(join(root, "index.html"), PAGE);
  const warnings: string[] = [];
  const log: ServerLog = {
    access: null,
    info() {},
    detail: null,
    warn: (line) => warnings.push(line),
    error: (line) => warnings.push(line),
  };
  return {
    folder,
    root,
    outside,
    warnings,
    options: { port: 0, root, uploads: join(folder, uploads), maxRequests: 0, log },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Puts `files` below `folder`, by name and content. */
export function plant(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
  }
}

/** A link at `name` below `folder` that says `target`. */
export function link(folder: string, name: string, target: string): void {
  mkdirSync(join(folder, name, ".."), { recursive: true });
  symlinkSync(target, join(folder, name));
}

export function makeFifo(path: string): void {
  execFileSync("mkfifo", [path]);
}

/** One connection after the other: the next one when the server has closed the last. */
export class Lane implements Disposable {
  readonly #port: number;
  #client: RawClient | null = null;

  constructor(port: number) {
    this.#port = port;
  }

  /** `line` without the version; one byte for each character. */
  async ask(line: string, fields = ""): Promise<Answer> {
    if (this.#client === null || this.#client.ending !== null) {
      this.#client?.[Symbol.dispose]();
      this.#client = await RawClient.connect(this.#port);
    }
    const client = this.#client;
    client.send(`${line} HTTP/1.1\r\nHost: localhost:${this.#port}\r\n${fields}\r\n`);
    const answer = await client.answer(line.slice(0, line.indexOf(" ")));
    if (answer.fields.get("connection") === "close") {
      client[Symbol.dispose]();
      this.#client = null;
    }
    return answer;
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]();
  }
}
