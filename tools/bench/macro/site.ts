/**
 * The folder that every server serves, made for a run and removed with it. Large parts are made when a scenario asks for
 * them: a folder of 100,000 files takes seconds.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const PAGE_BYTES = 1024;
export const MIB = 1024 * 1024;
export const MANY_FILES = 2_000;
export const FOLDER_FILES = 100_000;

export class Site {
  /** Everything of a run: the site, configurations, logs, uploads. */
  readonly work: string;
  readonly root: string;
  readonly #made = new Set<string>();
  #lastName = 0;

  constructor() {
    this.work = mkdtempSync(join(tmpdir(), "httpserver-bench-"));
    this.root = join(this.work, "root");
    mkdirSync(this.root);
    writeFileSync(join(this.root, "index.html"), page("index"));
    writeFileSync(join(this.root, "page.html"), page("page"));
  }

  /** A name in the run's folder that nothing has yet. */
  fresh(name: string): string {
    return join(this.work, `${++this.#lastName}-${name}`);
  }

  /** A file of its own for text: a configuration, a list. */
  write(name: string, text: string): string {
    const path = this.fresh(name);
    writeFileSync(path, text);
    return path;
  }

  /** `/large-<bytes>.bin`. Its bytes are not all alike, so that nothing can cheat. */
  large(bytes: number): string {
    const name = `large-${bytes}.bin`;
    this.#once(name, () => {
      const block = new Uint8Array(MIB);
      for (let i = 0; i < block.length; i++) block[i] = (i * 31 + (i >> 8)) & 0xff;
      const writer = Array.from({ length: bytes / MIB }, () => block);
      writeFileSync(join(this.root, name), Buffer.concat(writer));
    });
    return `/${name}`;
  }

  /** Targets of `count` pages of 1 KiB in one folder. */
  folder(count: number): readonly string[] {
    const name = `folder-${count}`;
    this.#once(name, () => {
      mkdirSync(join(this.root, name));
      for (let i = 0; i < count; i++) writeFileSync(join(this.root, name, `${i}.html`), page(`file ${i}`));
    });
    return Array.from({ length: count }, (_, i) => `/${name}/${i}.html`);
  }

  remove(): void {
    rmSync(this.work, { recursive: true, force: true });
  }

  #once(name: string, make: () => void): void {
    if (this.#made.has(name)) return;
    this.#made.add(name);
    make();
  }
}

/** 1 KiB of HTML. */
function page(title: string): string {
  const start = `<!doctype html><title>${title}</title><p>`;
  return start + "lorem ipsum ".repeat(PAGE_BYTES).slice(0, PAGE_BYTES - start.length);
}
