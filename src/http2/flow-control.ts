/**
 * Flow control (RFC 9113 §5.2, §6.9): how many bytes of DATA each side may still send, on a stream and on the connection. Both windows
 * count the payload of a frame, padding included, and nothing else.
 */
import { WINDOW_MAX } from "./frames.ts";

/** The bytes that we may send. The peer widens it as it reads. */
export class SendWindow {
  /** Below 0 after the peer has made its initial window smaller than what was sent (RFC 9113 §6.9.2). */
  size: number;
  /** Bytes that were sent. */
  spent = 0;

  constructor(size: number) {
    this.size = size;
  }

  spend(count: number): void {
    this.size -= count;
    this.spent += count;
  }

  /** Adds `change`, below 0 for a smaller window. Returns false, and changes nothing, if the window would be too large for its 31 bits. */
  widen(change: number): boolean {
    if (this.size + change > WINDOW_MAX) return false;
    this.size += change;
    return true;
  }
}

/**
 * The bytes that the peer may send. They are given back to it as the content is consumed, so that a handler which is slow slows its
 * peer down. An update is worth its frame when half of the window was consumed.
 */
export class ReceiveWindow {
  /** Bytes that may still come. */
  left: number;
  readonly #size: number;
  /** Bytes that were consumed, and not given back. */
  #consumed = 0;
  /** Bytes by which a fault lets the window open from now on. */
  #openMax = Number.POSITIVE_INFINITY;

  /** `left` is what the peer takes for granted, `size` what it gets in the end. */
  constructor(left: number, size: number) {
    this.left = left;
    this.#size = size;
    this.#consumed = size - left;
  }

  /** Takes the payload of a frame out of the window. Returns false if it is larger. */
  take(length: number): boolean {
    if (length > this.left) return false;
    this.left -= length;
    return true;
  }

  /** Notes that `length` bytes were consumed. Returns the increment that the peer is to be told of, or 0. */
  consume(length: number): number {
    this.#consumed += length;
    if (this.#consumed * 2 < this.#size) return 0;
    const increment = Math.min(this.#consumed, this.#openMax);
    this.#consumed -= increment;
    this.#openMax -= increment;
    this.left += increment;
    return increment;
  }

  /** True while a fault keeps the window closed. */
  get isShut(): boolean {
    return this.#openMax === 0 && this.#consumed * 2 >= this.#size;
  }

  /** Opens the window by no more than `bytes` from now on. */
  restrict(bytes: number): void {
    this.#openMax = bytes;
  }

  /** Ends the restriction. Returns true if it has kept the window closed. */
  release(): boolean {
    const wasShut = this.isShut;
    this.#openMax = Number.POSITIVE_INFINITY;
    return wasShut;
  }
}
