/**
 * Received bytes that are not consumed yet, and the brake on a peer that sends ahead of its responses.
 *
 * The rule it guards: received bytes are never overwritten. So offsets of a parsed head and views of a content stay valid without a
 * copy, and a later request can be compared with an earlier head. The first chunk is adopted as it is, because Bun hands over a
 * fresh array at each `data` (test/server/bun-facts.test.ts checks that). Only bytes that are left over when more arrive are copied.
 */
import type { Transport } from "./transport.ts";

const EMPTY = new Uint8Array(0);

export class ReceiveBuffer {
  /** Valid bytes are [start, end). */
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;
  readonly #transport: Pick<Transport, "pause" | "resume">;
  #isPaused = false;

  constructor(transport: Pick<Transport, "pause" | "resume">) {
    this.#transport = transport;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Bytes of memory that the waiting bytes take. */
  get heldBytes(): number {
    return this.start === this.end ? 0 : this.bytes.length;
  }

  append(chunk: Uint8Array): void {
    if (this.start === this.end) {
      this.bytes = chunk;
      this.start = 0;
      this.end = chunk.length;
      return;
    }
    const needed = this.length + chunk.length;
    if (this.end + chunk.length > this.bytes.length) {
      // Twice the needed size, so that a peer that sends single bytes costs amortised constant time.
      const grown = new Uint8Array(needed * 2);
      grown.set(this.bytes.subarray(this.start, this.end));
      this.end -= this.start;
      this.start = 0;
      this.bytes = grown;
    }
    this.bytes.set(chunk, this.end);
    this.end += chunk.length;
  }

  /** Drops the first `count` <= length bytes. */
  consume(count: number): void {
    this.start += count;
    if (this.start === this.end) this.bytes = EMPTY;
  }

  /** Drops all bytes; views that others hold stay intact. */
  clear(): void {
    this.bytes = EMPTY;
    this.start = 0;
    this.end = 0;
  }

  /** Ends a turn: waiting bytes take no more memory than they need, and a peer with more than `max` of them is paused. */
  regulate(max: number): void {
    const length = this.end - this.start;
    if (length === 0 && !this.#isPaused) return;
    this.#compact(length);
    if (length > max) this.pause();
    else if (this.#isPaused) {
      this.#isPaused = false;
      this.#transport.resume();
    }
  }

  /** Pauses the peer until `regulate` finds that it may continue. */
  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#transport.pause();
  }

  /** Drops a large array of which little is left. */
  #compact(length: number): void {
    if (this.bytes.length <= COMPACT_RATIO * length) return;
    this.bytes = this.bytes.slice(this.start, this.end);
    this.end -= this.start;
    this.start = 0;
  }
}

/** Equals the growth of `append`, so that bytes which dribble in are not copied each time. */
const COMPACT_RATIO = 2;
