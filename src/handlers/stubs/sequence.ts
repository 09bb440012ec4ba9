/**
 * The answers of one method at one path. A file without a number answers every time; numbered ones answer in turn, and the last one
 * repeats.
 */

import type { Stamp } from "../stamp.ts";
import type { StubAnswer, StubMistake } from "./answer.ts";

/** One stub file as it was read last. */
export interface StubFile {
  /** Path below the stub folder: `api/orders/POST.1.http`. */
  readonly name: string;
  /** Place in its sequence, from 1; 0 for a file that stands alone. */
  readonly number: number;
  /** Path for the system. */
  readonly path: string;
  /** State of the file when it was read last, also if that was a mistake and the answer is an older one. */
  stamp: Stamp;
  /** Hash of the bytes that the answer was made of, and their number. */
  hash: bigint;
  bytes: number;
  answer: StubAnswer;
  /** Mistake of the file as it is now; null if the answer is made of it. */
  mistake: StubMistake | null;
  /** True once it has answered a request. */
  isReached: boolean;
}

export class Sequence {
  /** At least one, in order. */
  readonly files: readonly StubFile[];
  #next = 0;

  constructor(files: readonly StubFile[]) {
    this.files = files;
  }

  /** Returns the answer that is due, and makes the next one due. */
  take(): StubAnswer {
    const file = this.files[this.#next] as StubFile;
    file.isReached = true;
    this.#next = Math.min(this.#next + 1, this.files.length - 1);
    return file.answer;
  }

  /** Returns the answer that is due. */
  peek(): StubAnswer {
    return (this.files[this.#next] as StubFile).answer;
  }

  /** Begins again with the first file. */
  restart(): void {
    this.#next = 0;
  }
}
