/**
 * The content of an upload on its way to a store that takes it piece by piece, with a bounded amount waiting in between.
 *
 * The rule it guards: a store that keeps an upload has seen the end of its content. If the content breaks off, or is not wanted, the pieces
 * end with an error.
 */
import type { ContentFailure } from "../../http/message.ts";
import { ContentDigest } from "../digest.ts";
import type { StoredUpload, UploadSink } from "./store.ts";

/** Keeps an upload. Rejects with the error of the pieces, or of the store, once nothing is left of it. */
type Keep = (pieces: AsyncIterable<Uint8Array>, digest: ContentDigest) => Promise<StoredUpload>;

export class PieceSink implements UploadSink {
  readonly #keep: Keep;
  readonly #digest = new ContentDigest();
  #stored: Promise<StoredUpload> | null = null;
  #pieces: Uint8Array[] = [];
  /** Bytes that were taken and are not written. */
  #waitingBytes = 0;
  #isEnded = false;
  /** Error with which the upload ends, or null. */
  #failure: Error | null = null;
  /** Lets the file go on after an empty queue. */
  #wake: () => void = () => {};
  #resume: (() => void) | null = null;

  constructor(keep: Keep) {
    this.#keep = keep;
  }

  write(bytes: Uint8Array): boolean {
    // Nothing is written from here on: `commit` has rejected, or will.
    if (this.#failure !== null) return true;
    this.#begin();
    this.#digest.update(bytes);
    this.#pieces.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#wake();
    return !this.#isFull;
  }

  ended(): void {
    this.#isEnded = true;
    this.#begin();
    this.#wake();
  }

  failed(reason: ContentFailure): void {
    this.#end(new Error(`the content is not complete (${reason})`));
  }

  abort(): void {
    this.#end(new Error("the upload was not wanted"));
  }

  whenReady(resume: () => void): void {
    this.#resume = resume;
  }

  commit(): Promise<StoredUpload> {
    return this.#begin();
  }

  #begin(): Promise<StoredUpload> {
    if (this.#stored !== null) return this.#stored;
    this.#stored = this.#keep(this.#received(), this.#digest);
    // The caller of `commit` gets the error; without a caller, the file is removed as well.
    this.#stored.catch((error) => this.#end(error));
    return this.#stored;
  }

  #end(error: Error): void {
    this.#failure ??= error;
    this.#pieces = [];
    this.#wake();
  }

  async *#received(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      const piece = this.#nextPiece();
      if (piece !== null) {
        yield piece;
        this.#written(piece.length);
      } else if (this.#isEnded) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  /** Takes the first waiting piece, or joins several small ones: each write is a call of another thread. */
  #nextPiece(): Uint8Array | null {
    const pieces = this.#pieces;
    const [first = null] = pieces;
    if (first === null || first.length >= JOINED_BYTES_MAX || pieces.length === 1) {
      pieces.shift();
      return first;
    }
    let count = 0;
    let bytes = 0;
    for (const { length } of pieces) {
      if (bytes + length > JOINED_BYTES_MAX) break;
      bytes += length;
      count++;
    }
    const joined = pieces.splice(0, count);
    return joined.length === 1 ? first : Buffer.concat(joined, bytes);
  }

  get #isFull(): boolean {
    return this.#waitingBytes > WAITING_BYTES_MAX || this.#pieces.length > WAITING_PIECES_MAX;
  }

  #written(bytes: number): void {
    this.#waitingBytes -= bytes;
    if (this.#isFull) return;
    this.#resume?.();
    this.#resume = null;
  }
}

/** Bytes that wait for the disk before the writer has to: four pieces as a connection receives them. */
const WAITING_BYTES_MAX = 262_144;

/** Pieces that wait: a peer that sends single bytes makes a hundred bytes of memory of each. */
const WAITING_PIECES_MAX = 1024;

/** Bytes of small pieces that are written at once: 14 MB in chunks of 16 bytes took 30 s of CPU without. */
const JOINED_BYTES_MAX = 65_536;
