/**
 * Server-sent events (HTML, "Server-sent events") as live content, one chunk for each event (RFC 9112 §7.1). All streams share an
 * event's bytes. A reader that is too slow misses events instead of filling our memory.
 */

import { type FieldLines, Fields } from "../../http/fields.ts";
import { type LiveSource, type Response, response } from "../../http/message.ts";

const ENCODER = new TextEncoder();
const LINES: FieldLines = [
  ["Content-Type", "text/event-stream; charset=utf-8"],
  ["Cache-Control", "no-store"],
  ["X-Content-Type-Options", "nosniff"],
];
const CHUNKED_FIELDS = Fields.of([...LINES, ["Transfer-Encoding", "chunked"]]);
const PLAIN_FIELDS = Fields.of(LINES);

/** Bytes that wait for a slow reader: one or two snapshots of a busy pool. Beyond it all events but the current one are dropped. */
const WAITING_BYTES_MAX = 32 * 1024;

/** One event for any number of streams. Its bytes are made once. */
export class StreamEvent {
  readonly #text: string;
  #plain: Uint8Array | null = null;
  #chunk: Uint8Array | null = null;

  /** `data` has no line break. */
  constructor(data: string, name = "") {
    this.#text = name === "" ? `data: ${data}\n\n` : `event: ${name}\ndata: ${data}\n\n`;
  }

  /** Returns the event, as a chunk of its own if `isChunked`. */
  bytes(isChunked: boolean): Uint8Array {
    this.#plain ??= ENCODER.encode(this.#text);
    if (!isChunked) return this.#plain;
    this.#chunk ??= ENCODER.encode(`${this.#plain.length.toString(16)}\r\n${this.#text}\r\n`);
    return this.#chunk;
  }
}

/** A browser does not tell a complete response from one that was cut. */
const END = new StreamEvent("{}", "end");

const CHUNKED_END = Buffer.concat([END.bytes(true), ENCODER.encode("0\r\n\r\n")]);

export class EventStream implements LiveSource {
  readonly size = Number.MAX_SAFE_INTEGER;
  readonly #isChunked: boolean;
  readonly #onClose: (stream: EventStream) => void;
  #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Position of the first chunk's first byte. */
  #startPosition = 0;
  /** True when the reader has found nothing more, and is to be called. */
  #isAwaited = true;
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

  send(event: StreamEvent): void {
    if (this.#isOver) return;
    const bytes = event.bytes(this.#isChunked);
    if (this.#chunks.length > 1 && this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.#chunks.length = 1;
      this.#waitingBytes = this.#chunks[0]?.length ?? 0;
    }
    this.#add(bytes);
  }

  /** Ends the stream: the reader gets an event with the name `end`, and a complete response. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#add(this.#isChunked ? CHUNKED_END : END.bytes(false));
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    let first = this.#chunks[0];
    while (first !== undefined && position >= this.#startPosition + first.length) {
      this.#startPosition += first.length;
      this.#waitingBytes -= first.length;
      this.#chunks.shift();
      first = this.#chunks[0];
    }
    this.#isAwaited = first === undefined;
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

  #add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length;
    // A reader that has not come for what was there has been called already.
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#call();
  }
}
