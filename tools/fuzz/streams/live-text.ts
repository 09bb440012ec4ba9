/** Content that comes into being while it is sent: in pieces, with an end that may be told twice, or with none. */
import type { LiveSource } from "../../../src/http/message.ts";
import type { Random } from "../random.ts";
import { contentAt } from "../simulation/content.ts";
import type { Referee } from "../simulation/referee.ts";

export class LiveText implements LiveSource {
  readonly size = Number.MAX_SAFE_INTEGER;
  isOver = false;
  isCut = false;
  closes = 0;
  /** Bytes that are there. */
  bytes = 0;
  readonly #client: number;
  readonly #place: number;
  readonly #length: number;
  readonly #available: number;
  readonly #referee: Referee<unknown>;
  #call: (() => void) | null = null;

  constructor(client: number, place: number, length: number, available: number, referee: Referee<unknown>) {
    this.#client = client;
    this.#place = place;
    this.#length = length;
    this.#available = available;
    this.#referee = referee;
  }

  /** Adds a piece, or tells of the end. Returns false once there is nothing more to tell. */
  grow(random: Random): boolean {
    if (this.closes > 0) return false;
    const left = this.#available - this.bytes;
    if (left > 0) this.bytes += Math.min(left, 1 + random.below(random.pick([10, 300, 3000])));
    const wasOver = this.isOver || this.isCut;
    // The last piece and the end come together, or one after the other.
    if (this.bytes === this.#available && (left === 0 || random.oneIn(2))) {
      if (this.#available < this.#length) this.isCut = true;
      else this.isOver = true;
      this.#referee.coverage.count(this.isCut ? "live: is cut" : "live: is over");
    }
    this.#call?.();
    return !wasOver;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    if (this.closes > 0) this.#referee.fail(this.#client, "live content is read after its close");
    const count = Math.max(0, Math.min(limit, this.bytes - position));
    into.set(contentAt(this.#place + position, count), offset);
    return count;
  }

  whenMore(call: () => void): void {
    this.#call = call;
  }

  close(): void {
    if (++this.closes > 1) this.#referee.fail(this.#client, "live content is closed twice");
  }
}
