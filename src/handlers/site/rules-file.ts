/**
 * A rules file of the served folder: read at the start, and again when it has changed, before the request that it may concern.
 *
 * The rule it guards: a mistake never takes effect. At the start it ends the program; later the operator gets one line, and the rules
 * that were there stay.
 */
import { statSync } from "node:fs";
import { escapeControls } from "../../http/escape.ts";
import { StartError } from "../../settings/start-error.ts";
import { type DocumentRoot, errorCode, OpenFailure } from "../files/document-root.ts";
import { readWhole } from "../files/file-body.ts";
import { isUnchanged, type Stamp, stampOf } from "../stamp.ts";
import { RULES_FILE_BYTES_MAX, RuleMistake } from "./rule-lines.ts";

interface RulesFileOptions<Rules> {
  readonly root: DocumentRoot;
  /** Name of the file in the root. */
  readonly name: string;
  /** The file as the operator would write it, for messages. */
  readonly shown: string;
  /** Returns the rules in a file's bytes; a file without bytes has no rules. */
  readonly parse: (bytes: Uint8Array) => Rules | RuleMistake;
  /** Takes a line for the operator. */
  readonly warn: (line: string) => void;
}

/** Rules, and the bytes that they were made of. */
interface Held<Rules> {
  readonly bytes: Uint8Array;
  readonly rules: Rules;
}

export class RulesFile<Rules extends object> {
  readonly #options: RulesFileOptions<Rules>;
  #held: Held<Rules>;
  /** State when it was read last; null: it did not exist. */
  #stamp: Stamp | null;
  /** Mistake that the operator knows, or "". */
  #told = "";

  /** Reads the file. Throws a StartError, in one line for the operator, for a mistake in it. */
  constructor(options: RulesFileOptions<Rules>) {
    this.#options = options;
    this.#stamp = this.#look();
    const held = this.#read(null);
    if (held instanceof RuleMistake) throw new StartError(this.#line(held));
    this.#held = held;
  }

  /** Returns the rules in their present state. */
  current(): Rules {
    const stamp = this.#look();
    const isAsBefore = stamp === null ? this.#stamp === null : this.#stamp !== null && isUnchanged(this.#stamp, stamp);
    if (!isAsBefore) {
      this.#stamp = stamp;
      const held = this.#read(this.#held);
      if (held instanceof RuleMistake) this.#tell(held);
      else {
        this.#held = held;
        this.#told = "";
      }
    }
    return this.#held.rules;
  }

  /** Tells the operator of a mistake once, however many requests come before it is mended. */
  #tell(mistake: RuleMistake): void {
    const line = `${this.#line(mistake)}; the rules before this change stay`;
    if (line !== this.#told) this.#options.warn(line);
    this.#told = line;
  }

  /** Returns the state of the file, or null if there is none. A link that leads nowhere counts as none. */
  #look(): Stamp | null {
    const path = `${this.#options.root.realPath}/${this.#options.name}`;
    try {
      return statSync(path, { throwIfNoEntry: false }) === undefined ? null : stampOf(path);
    } catch {
      return null;
    }
  }

  /** Reads the file. A file that was changed just now is read for each request; if it has the bytes of `known`, it is not parsed again. */
  #read(known: Held<Rules> | null): Held<Rules> | RuleMistake {
    const bytes = this.#readBytes();
    if (bytes instanceof RuleMistake) return bytes;
    if (known !== null && Buffer.compare(bytes, known.bytes) === 0) return known;
    const rules = this.#options.parse(bytes);
    return rules instanceof RuleMistake ? rules : { bytes, rules };
  }

  /** Returns the bytes of the file, none if it does not exist. */
  #readBytes(): Uint8Array | RuleMistake {
    const { root, name } = this.#options;
    const opened = root.open(`/${name}`);
    if (opened === OpenFailure.Missing) return NO_BYTES;
    if (opened === OpenFailure.Outside)
      return new RuleMistake(0, "expected a file, got a link that leads out of the folder");
    if (typeof opened === "number")
      return new RuleMistake(0, `expected a file that can be read (${root.lastError || "EACCES"})`);
    using file = opened;
    if (!file.stats.isFile()) return new RuleMistake(0, "expected a file, got a folder");
    if (file.stats.size > RULES_FILE_BYTES_MAX) {
      return new RuleMistake(0, `expected at most ${RULES_FILE_BYTES_MAX} bytes, got ${file.stats.size}`);
    }
    try {
      return readWhole(file);
    } catch (error) {
      return new RuleMistake(0, `expected a file that can be read (${errorCode(error)})`);
    }
  }

  #line({ line, message }: RuleMistake): string {
    return escapeControls(`${this.#options.shown}${line === 0 ? "" : `:${line}`}: ${message}`);
  }
}

const NO_BYTES = new Uint8Array(0);
