/** A stub folder on the disk, for tests. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A small answer: its status, and a word as its content. */
export function message(word: string, status = 200, fields = ""): string {
  return `HTTP/1.1 ${status} \n${fields}\n${word}`;
}

export class StubGround implements Disposable {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), "stubs-")));

  /** Writes files by name; a word alone becomes an answer with this content. */
  constructor(files: Readonly<Record<string, string>> = {}) {
    for (const [name, word] of Object.entries(files)) this.write(name, word);
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(this.at(name)), { recursive: true });
    writeFileSync(this.at(name), /^\w*$/.test(text) ? message(text) : text);
  }

  remove(name: string): void {
    rmSync(this.at(name), { recursive: true });
  }

  at(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
