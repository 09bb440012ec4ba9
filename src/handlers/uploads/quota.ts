/**
 * Bounds the bytes in the folder of uploads (`--uploads-max`).
 *
 * Strategy: when an upload begins, the folder or the disk is measured, and the upload gets an allowance: its announced length at once, or
 * as many bytes as come. Bytes are committed from their allowance on, and stay so when the upload is kept. A measurement says how many may be
 * committed: the ceiling. So two uploads cannot take the same room, nor can those of two threads, which have one set of books.
 *
 * A measurement that uploads of other threads overtake may be too strict, never too lax: the books are read before the folder or the disk.
 */
import { LocalCounter, type UploadCounters } from "../../exchange/counter.ts";
import { GIB } from "../../http/units.ts";
import type { Room } from "./store.ts";

/** Free bytes that stay on the disk if no bound was set: other programs write to it as well. */
const SPARE_BYTES = GIB;

/** Value of the setting that stands for the free space. */
const FREE_SPACE = -1;

export class Quota {
  readonly #room: Room | null;
  readonly #maxBytes: number;
  readonly #books: UploadCounters;
  /** Most bytes that may be committed, by the last measurement of this thread. */
  #ceiling = 0;
  /** Bytes of uploads that were kept before the last measurement of free space. */
  #keptBefore = 0;

  /** `maxBytes` of -1 stands for the free space. `room` is null for a place that bounds itself. `books` are those of all threads. */
  constructor(
    room: Room | null,
    maxBytes: number,
    books: UploadCounters = { committed: new LocalCounter(), kept: new LocalCounter(), written: new LocalCounter() },
  ) {
    this.#room = room;
    this.#maxBytes = maxBytes;
    this.#books = books;
  }

  /**
   * Returns an allowance for `announced` bytes, 0 if their number is not known; null if there is no room. Measuring a folder takes time,
   * asking for free space does not.
   */
  open(announced: number): Allowance | null | Promise<Allowance | null> {
    const room = this.#room;
    if (room === null) {
      this.#ceiling = Number.POSITIVE_INFINITY;
      return this.#grant(announced);
    }
    if (this.#maxBytes !== FREE_SPACE) return announced > this.#maxBytes ? null : this.#openMeasured(room, announced);
    this.#measureFree(room);
    return this.#grant(announced);
  }

  #measureFree(room: Room): void {
    const { written, kept } = this.#books;
    this.#keptBefore = kept.value;
    // In this order: bytes that are written meanwhile are no longer free, and are not in this sum.
    this.#ceiling = written.value + room.freeBytes() - SPARE_BYTES;
  }

  async #openMeasured(room: Room, announced: number): Promise<Allowance | null> {
    // An upload that is kept meanwhile may be measured or not. It counts as one that is not.
    const kept = this.#books.kept.value;
    this.#ceiling = this.#maxBytes - (await room.usedBytes()) + kept;
    return this.#grant(announced);
  }

  #grant(announced: number): Allowance | null {
    const allowance = new Allowance(this);
    return this.reserve(allowance, announced) ? allowance : null;
  }

  /** Gives an allowance more bytes. Returns false if they are not left. */
  reserve(allowance: Allowance, bytes: number): boolean {
    if (this.#commit(allowance, bytes)) return true;
    // The room of uploads that have ended since is seen by a new measurement.
    if (this.#room === null || this.#maxBytes !== FREE_SPACE || this.#books.kept.value === this.#keptBefore)
      return false;
    this.#measureFree(this.#room);
    return this.#commit(allowance, bytes);
  }

  #commit(allowance: Allowance, bytes: number): boolean {
    if (!this.#books.committed.take(bytes, this.#ceiling)) return false;
    allowance.reserved += bytes;
    return true;
  }

  /** Notes that `bytes` of an allowance are about to be written. */
  written(bytes: number): void {
    this.#books.written.add(bytes);
  }

  /** Ends an allowance, of which `kept` bytes stay in the folder. */
  settle({ reserved, taken }: Allowance, kept: number): void {
    // A measurement of free space counts all bytes that were ever written. So those of a dropped upload stay committed, as if it were kept.
    const committed = this.#maxBytes === FREE_SPACE ? taken : kept;
    this.#books.kept.add(committed);
    this.#books.committed.add(committed - reserved);
  }
}

/** Room for one upload. Ends by `kept` or `dropped`. */
export class Allowance {
  reserved = 0;
  /** Bytes that were written. */
  taken = 0;
  readonly #quota: Quota;
  #isOver = false;

  constructor(quota: Quota) {
    this.#quota = quota;
  }

  /** Takes room for bytes that are about to be written. Returns false, and takes none, if there is none. */
  take(bytes: number): boolean {
    const missing = this.taken + bytes - this.reserved;
    if (missing > 0 && !this.#quota.reserve(this, missing)) return false;
    this.taken += bytes;
    this.#quota.written(bytes);
    return true;
  }

  kept(): void {
    this.#settle(this.taken);
  }

  /** Gives the room back. Does nothing after `kept`. */
  dropped(): void {
    this.#settle(0);
  }

  #settle(kept: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#quota.settle(this, kept);
  }
}
