/** Content that is not in memory: may give less than it is asked for, may end early, and counts how often it is closed. */
import type { ContentSource } from "../../../src/http/message.ts";
import type { Random } from "../random.ts";
import { contentAt } from "./content.ts";
import type { Referee } from "./referee.ts";

export class WatchedSource implements ContentSource {
  readonly size: number;
  readonly #client: number;
  readonly #place: number;
  readonly #available: number;
  readonly #random: Random;
  readonly #referee: Referee;
  closes = 0;

  constructor(client: number, place: number, size: number, available: number, random: Random, referee: Referee) {
    this.size = size;
    this.#client = client;
    this.#place = place;
    this.#available = available;
    this.#random = random;
    this.#referee = referee;
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
    if (++this.closes > 1) this.#referee.fail(this.#client, "a source is closed twice");
  }
}
