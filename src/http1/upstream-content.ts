/**
 * The content of an upstream's response on its way to the client: received pieces in order, kept until they are sent. If the client is
 * slow, the upstream is paused, so the pieces take a bounded amount of memory.
 */
import type { LiveSource } from "../http/message.ts";

/** Bytes that wait for the client before the upstream is paused. One read of the wire comes on top. */
export const WAITING_BYTES_MAX = 256 * 1024;

/** Bytes that wait while the request still has content to send: the answer to a small upload, however early it comes. */
export const EARLY_BYTES_MAX = 1024 * 1024;

/** Bytes that wait when the upstream may continue. */
const RESUME_BYTES = WAITING_BYTES_MAX / 2;

/** The connection that the content comes from. */
export interface ContentOrigin {
  pause(): void;
  resume(): void;
  /** The rest of the content is not wanted. */
  dropped(): void;
}

export class UpstreamContent implements LiveSource {
  readonly size: number;
  /** True when everything has come. */
  isOver = false;
  /** True when the rest will not come. */
  isCut = false;
  readonly #origin: ContentOrigin;
  readonly #pieces: Uint8Array[] = [];
  /** Position of the first piece in the content. */
  #start = 0;
  /** Bytes that have come and were not read past. */
  #waitingBytes = 0;
  #isClosed = false;
  #isPaused = false;
  #waitingMax = EARLY_BYTES_MAX;
  #call: () => void = () => {};

  constructor(origin: ContentOrigin, length: number | null) {
    this.#origin = origin;
    this.size = length ?? Number.MAX_SAFE_INTEGER;
  }

  get heldBytes(): number {
    return this.#waitingBytes;
  }

  add(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#pieces.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#regulate();
    this.#call();
  }

  /** The client gets the content from here on. */
  answered(): void {
    this.#waitingMax = WAITING_BYTES_MAX;
    this.#regulate();
  }

  #regulate(): void {
    if (this.#isPaused || this.isOver || this.isCut || this.#waitingBytes <= this.#waitingMax) return;
    this.#isPaused = true;
    this.#origin.pause();
  }

  /** `isWhole`: the content is complete; else it breaks off here. */
  end(isWhole: boolean): void {
    if (isWhole) this.isOver = true;
    else this.isCut = true;
    // The connection may be used for another request, which must not wait for the reader of this content.
    this.#goOn();
    this.#call();
  }

  /** True while the client, not the upstream, keeps the content back. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    this.#forget(position);
    let count = 0;
    let start = this.#start;
    for (const piece of this.#pieces) {
      if (count === limit) break;
      const from = Math.max(0, position - start);
      const bytes = piece.subarray(from, from + limit - count);
      into.set(bytes, offset + count);
      count += bytes.length;
      start += piece.length;
    }
    return count;
  }

  /** Drops pieces that end before `position`, and lets the upstream continue if few enough wait. */
  #forget(position: number): void {
    let first = this.#pieces[0];
    while (first !== undefined && this.#start + first.length <= position) {
      this.#start += first.length;
      this.#waitingBytes -= first.length;
      this.#pieces.shift();
      first = this.#pieces[0];
    }
    if (this.#waitingBytes <= RESUME_BYTES) this.#goOn();
  }

  #goOn(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#origin.resume();
  }

  whenMore(call: () => void): void {
    this.#call = call;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#call = () => {};
    this.#pieces.length = 0;
    this.#waitingBytes = 0;
    if (!this.isOver && !this.isCut) this.#origin.dropped();
  }
}
