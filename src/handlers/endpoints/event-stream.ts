/**
 * Server-sent events (HTML, "Server-sent events") as live content, one chunk for each event (RFC 9112 §7.1). A reader
 * that is too slow misses events instead of filling our memory.
 */

import { type FieldLines, Fields } from "../../http/fields.ts";
import { type LiveSource, type Response, response } from "../../http/message.ts";

/** Bytes that wait for a slow reader. Beyond it all events but the current one are dropped. */
const WAITING_BYTES_MAX = 256 * 1024;

const ENCODER = new TextEncoder();
const LINES: FieldLines = [
  ["Content-Type", "text/event-stream; charset=utf-8"],
  ["Cache-Control", "no-store"],
  ["X-Content-Type-Options", "nosniff"],
];
const CHUNKED_FIELDS = Fields.of([...LINES, ["Transfer-Encoding", "chunked"]]);
const PLAIN_FIELDS = Fields.of(LINES);

export class EventStream implements LiveSource {
  readonly size = Number.MAX_SAFE_INTEGER;
  readonly #isChunked: boolean;
  readonly #onClose: (stream: EventStream) => void;
  #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Position of the first chunk's first byte. */
  #startPosition = 0;
  #isOver = false;
  #call: () => void = () => {};

  /**
   * `isChunked` is false for HTTP/1.0, where the end of the connection is the end of the content (RFC 9112 §6.1,
   * §6.3). `onClose` is called once, when the reader has gone.
   */
  constructor(isChunked: boolean, onClose: (stream: EventStream) => void) {
    this.#isChunked = isChunked;
    this.#onClose = onClose;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Returns the response with this content. The connection ends with it, because a page that is left says nothing. */
  get response(): Response {
    return response(200, this.#isChunked ? CHUNKED_FIELDS : PLAIN_FIELDS, this, "events", true);
  }

  /** Sends one event. `data` has no line break. */
  send(data: string): void {
    this.#send(`data: ${data}\n\n`);
  }

  /** Ends the stream: the reader gets an event with the name `end`, and a complete response. */
  end(): void {
    if (this.#isOver) return;
    // A browser does not tell a complete response from one that was cut.
    this.#send("event: end\ndata: {}\n\n");
    this.#isOver = true;
    this.#add(this.#framed(""));
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    let first = this.#chunks[0];
    while (first !== undefined && position >= this.#startPosition + first.length) {
      this.#startPosition += first.length;
      this.#waitingBytes -= first.length;
      this.#chunks.shift();
      first = this.#chunks[0];
    }
    if (first === undefined) return 0;
    const from = position - this.#startPosition;
    const count = Math.min(limit, first.length - from);
    into.set(first.subarray(from, from + count), offset);
    return count;
  }

  whenMore(call: () => void): void {
    this.#call = call;
  }

  close(): void {
    this.#isOver = true;
    this.#call = () => {};
    this.#onClose(this);
  }

  #send(event: string): void {
    if (this.#isOver) return;
    if (this.#waitingBytes > WAITING_BYTES_MAX) {
      this.#chunks.length = 1;
      this.#waitingBytes = this.#chunks[0]?.length ?? 0;
    }
    this.#add(this.#framed(event));
  }

  #add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length;
    this.#call();
  }

  /** Returns the text as a chunk of its own; an empty text gives the last chunk. */
  #framed(text: string): Uint8Array {
    if (!this.#isChunked) return ENCODER.encode(text);
    return ENCODER.encode(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
  }
}
