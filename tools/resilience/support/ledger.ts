/**
 * What was sent to one uploads folder, what was promised about it, and whether the folder keeps the promises:
 * a file that can be seen is one of the bodies that were sent, whole; a body has one file at most; a file that a 201
 * named is there and holds what was sent for it; and no file changes once it was seen.
 *
 * A folder that is killed into a thousand times would fill the disk, so old files go, after one more look at their bytes.
 */
import { readdirSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { VIOLATIONS_MAX } from "./command.ts";
import type { Body, Receipt } from "./upload.ts";

/** Files that may stay in the folder: some rounds' worth. */
const FILES_MAX = 200;

const TEMPORARY = /^\.upload-[0-9a-f]+-(\d+)-\d+-[0-9a-f]+\.tmp$/;

export class Ledger {
  readonly violations: string[] = [];
  /** Answers 201 that came whole. */
  promised = 0;
  /** Files that were seen. */
  files = 0;
  bytes = 0;
  readonly #folder: string;
  /** Digests of the bodies whose first byte was about to be sent, each with the name of its file once that was seen. */
  readonly #sent = new Map<string, string | null>();
  /** Name and digest that a 201 promised since the last look. */
  #receipts: { readonly name: string; readonly sha256: string }[] = [];
  readonly #promisedNames = new Set<string>();
  /** Digest by name of the files that were seen and are still there, oldest first. */
  readonly #seen = new Map<string, string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Call it before the first byte goes. */
  sending(body: Body): void {
    this.#sent.set(body.sha256, null);
  }

  receipt(body: Body, receipt: Receipt | null): void {
    if (receipt === null) {
      this.violated("an upload was answered, but not by a 201 of the known form");
      return;
    }
    this.promised++;
    if (receipt.sha256 !== body.sha256 || receipt.bytes !== body.bytes.length) {
      this.violated(
        `the 201 for ${receipt.name} says ${receipt.bytes} bytes, ${receipt.sha256}; sent were ${body.bytes.length}, ${body.sha256}`,
      );
    }
    if (this.#promisedNames.has(receipt.name)) this.violated(`${receipt.name} was promised twice`);
    this.#promisedNames.add(receipt.name);
    this.#receipts.push({ name: receipt.name, sha256: body.sha256 });
  }

  violated(sentence: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(sentence);
  }

  /** Looks at every file that has become visible, and at every promise made since. Servers may go on meanwhile. */
  check(): void {
    const receipts = this.#receipts;
    this.#receipts = [];
    for (const name of readdirSync(this.#folder)) {
      if (!name.startsWith(".") && !this.#seen.has(name)) this.#see(name);
    }
    for (const { name, sha256 } of receipts) {
      const found = this.#seen.get(name);
      if (found === undefined) this.violated(`${name} was promised by a 201 and does not exist`);
      else if (found !== sha256) this.violated(`${name} was promised with ${sha256} and holds ${found}`);
    }
    while (this.#seen.size > FILES_MAX) this.#retire();
  }

  /** The last look at everything that is left. */
  finish(): void {
    this.check();
    while (this.#seen.size > 0) this.#retire();
  }

  /** Files that can be seen and were promised to nobody: the server was killed between the link and its answer. */
  get unpromised(): number {
    return this.files - this.promised;
  }

  #see(name: string): void {
    const sha256 = this.#digest(name);
    this.files++;
    this.#seen.set(name, sha256);
    const other = this.#sent.get(sha256);
    if (other === undefined) this.violated(`${name} can be seen and is none of the bodies that were sent`);
    else if (other !== null) this.violated(`${name} holds the same upload as ${other}`);
    else this.#sent.set(sha256, name);
  }

  #retire(): void {
    for (const [name, sha256] of this.#seen) {
      this.#seen.delete(name);
      const found = this.#digest(name);
      if (found !== sha256) this.violated(`${name} held ${sha256} when it was seen first, and then ${found}`);
      if (found !== MISSING) unlinkSync(join(this.#folder, name));
      return;
    }
  }

  #digest(name: string): string {
    try {
      const bytes = readFileSync(join(this.#folder, name));
      this.bytes += bytes.length;
      return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    } catch {
      return MISSING;
    }
  }
}

const MISSING = "nothing: the file is gone";

/** Names of the temporary files in a folder, made by the process `pid` or by any. */
export function temporaryFiles(folder: string, pid?: number): string[] {
  return readdirSync(folder).filter((name) => {
    const match = TEMPORARY.exec(name);
    return match !== null && (pid === undefined || Number(match[1]) === pid);
  });
}

/** Everything hidden, of whatever form: after a start that is alone in its folder there may be none. */
export function hiddenFiles(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith("."));
}
