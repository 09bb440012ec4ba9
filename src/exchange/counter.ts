/**
 * A number that several parts of a server change: open connections, bytes in memory. A server with one thread counts in a plain
 * number; the threads of a server that has several count in one number together (shared-memory.ts).
 */

export interface Counter {
  readonly value: number;
  /** Adds `amount`, which may be negative. */
  add(amount: number): void;
  /** Adds `amount` >= 0 and returns true if the sum is at most `max`. Else changes nothing and returns false. */
  take(amount: number, max: number): boolean;
}

export class LocalCounter implements Counter {
  value = 0;

  add(amount: number): void {
    this.value += amount;
  }

  take(amount: number, max: number): boolean {
    if (this.value + amount > max) return false;
    this.value += amount;
    return true;
  }
}

/** The books of uploads, in bytes (handlers/uploads/quota.ts). */
export interface UploadCounters {
  /** Bytes of all uploads that were kept, and of the allowances of those that are under way. */
  readonly committed: Counter;
  /** Bytes of all uploads that were kept. */
  readonly kept: Counter;
  /** Bytes that uploads have written or are about to write, those of dropped uploads included. */
  readonly written: Counter;
}
