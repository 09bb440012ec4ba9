/** Content that is not in memory: may give less than it is asked for, may end early, and counts how often it is closed. */
import type { ContentSource, FilePart } from "../../../src/http/message.ts";
import type { Random } from "../random.ts";
import { contentAt } from "./content.ts";
import type { Referee } from "./referee.ts";

/** Sources that have a descriptor, by its number. Numbers are never used again, so that a late use shows. */
const FILES = new Map<number, WatchedSource>();

let lastDescriptor = 0;

/** Returns the content of an open file as the kernel reads it; null if nothing is open under that number. */
export function fileBytes(descriptor: number, offset: number, count: number): Uint8Array | null {
  return FILES.get(descriptor)?.bytesAt(offset, count) ?? null;
}

export class WatchedSource implements ContentSource {
  readonly size: number;
  readonly #client: number;
  readonly #place: number;
  readonly #available: number;
  readonly #random: Random;
  readonly #referee: Referee<unknown>;
  /** 0: the content is in no file. */
  readonly #descriptor: number;
  closes = 0;

  constructor(
    client: number,
    place: number,
    size: number,
    available: number,
    random: Random,
    referee: Referee<unknown>,
  ) {
    this.size = size;
    this.#client = client;
    this.#place = place;
    this.#available = available;
    this.#random = random;
    this.#referee = referee;
    this.#descriptor = random.oneIn(2) ? ++lastDescriptor : 0;
    if (this.#descriptor > 0) FILES.set(this.#descriptor, this);
  }

  fileAt(position: number): FilePart | null {
    if (this.closes > 0) this.#referee.fail(this.#client, "a source is asked for its file after its close");
    if (this.#descriptor === 0) return null;
    return { descriptor: this.#descriptor, offset: position, size: this.size - position };
  }

  bytesAt(offset: number, count: number): Uint8Array {
    return contentAt(this.#place + offset, Math.max(0, Math.min(count, this.#available - offset)));
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    if (this.closes > 0) this.#referee.fail(this.#client, "a source is read after its close");
    if (position < 0 || position >= this.size || limit <= 0 || offset + limit > into.length) {
      this.#referee.fail(
        this.#client,
        `a source is read at ${position}, ${limit} bytes to ${offset} of ${into.length}`,
      );
      return 0;
    }
    let count = Math.max(0, Math.min(limit, this.#available - position));
    if (count > 1 && this.#random.oneIn(8)) count = 1 + this.#random.below(count);
    if (count === 0) this.#referee.coverage.count("source: ends early");
    into.set(contentAt(this.#place + position, count), offset);
    return count;
  }

  close(): void {
    FILES.delete(this.#descriptor);
    if (++this.closes > 1) this.#referee.fail(this.#client, "a source is closed twice");
  }
}
