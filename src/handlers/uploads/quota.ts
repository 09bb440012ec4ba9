/**
 * Bounds the bytes in the folder of uploads (`--uploads-max`).
 *
 * Strategy: when an upload begins, the folder or the disk is measured, and the upload gets an allowance: its announced length at once, or
 * as many bytes as come. Uploads that are not kept yet count with their allowances, so two of them cannot take the same room.
 */
import { GIB } from "../../http/units.ts";
import type { Room } from "./store.ts";

/** Free bytes that stay on the disk if no bound was set: other programs write to it as well. */
const SPARE_BYTES = GIB;

/** Value of the setting that stands for the free space. */
const FREE_SPACE = -1;

export class Quota {
  readonly #room: Room | null;
  readonly #maxBytes: number;
  /** Bytes that no allowance has taken. */
  #leftBytes = 0;
  readonly #allowances = new Set<Allowance>();
  /** Bytes of all uploads that were kept. */
  #keptBytes = 0;

  /** `maxBytes` of -1 stands for the free space. `room` is null for a place that bounds itself. */
  constructor(room: Room | null, maxBytes: number) {
    this.#room = room;
    this.#maxBytes = maxBytes;
  }

  /**
   * Returns an allowance for `announced` bytes, 0 if their number is not known; null if there is no room. Measuring a folder takes time,
   * asking for free space does not.
   */
  open(announced: number): Allowance | null | Promise<Allowance | null> {
    if (this.#room === null) {
      this.#leftBytes = Number.POSITIVE_INFINITY;
      return this.#grant(announced);
    }
    if (this.#maxBytes === FREE_SPACE) {
      const unwritten = this.#sum((allowance) => allowance.reserved - allowance.taken);
      this.#leftBytes = this.#room.freeBytes() - SPARE_BYTES - unwritten;
      return this.#grant(announced);
    }
    return announced > this.#maxBytes ? null : this.#openMeasured(this.#room, announced);
  }

  async #openMeasured(room: Room, announced: number): Promise<Allowance | null> {
    const keptBefore = this.#keptBytes;
    const used = await room.usedBytes();
    // An upload that was kept meanwhile may have been measured or not.
    const keptMeanwhile = this.#keptBytes - keptBefore;
    this.#leftBytes = this.#maxBytes - used - keptMeanwhile - this.#sum((allowance) => allowance.reserved);
    return this.#grant(announced);
  }

  #grant(announced: number): Allowance | null {
    if (announced > this.#leftBytes) return null;
    const allowance = new Allowance(this);
    this.#allowances.add(allowance);
    this.reserve(allowance, announced);
    return allowance;
  }

  /** Gives an allowance more bytes. Returns false if they are not left. */
  reserve(allowance: Allowance, bytes: number): boolean {
    if (bytes > this.#leftBytes) return false;
    this.#leftBytes -= bytes;
    allowance.reserved += bytes;
    return true;
  }

  /** Ends an allowance of which `kept` bytes stay in the folder. */
  settle(allowance: Allowance, kept: number): void {
    if (!this.#allowances.delete(allowance)) return;
    this.#leftBytes += allowance.reserved - kept;
    this.#keptBytes += kept;
  }

  #sum(value: (allowance: Allowance) => number): number {
    let sum = 0;
    for (const allowance of this.#allowances) sum += value(allowance);
    return sum;
  }
}

/** Room for one upload. Ends by `kept` or `dropped`. */
export class Allowance {
  reserved = 0;
  /** Bytes that were written. */
  taken = 0;
  readonly #quota: Quota;

  constructor(quota: Quota) {
    this.#quota = quota;
  }

  /** Takes room for bytes that are about to be written. Returns false if there is none. */
  take(bytes: number): boolean {
    this.taken += bytes;
    const missing = this.taken - this.reserved;
    return missing <= 0 || this.#quota.reserve(this, missing);
  }

  kept(): void {
    this.#quota.settle(this, this.taken);
  }

  /** Gives the room back. Does nothing after `kept`. */
  dropped(): void {
    this.#quota.settle(this, 0);
  }
}
