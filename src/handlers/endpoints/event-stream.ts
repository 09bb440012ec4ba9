/**
 * Server-sent events (HTML, "Server-sent events") as live content, one piece for each event. All streams share an event's bytes. A reader that is too slow misses events instead of filling our memory.
 */

import { Fields } from "../../http/fields.ts";
import { type LiveSource, type Response, response } from "../../http/message.ts";

const ENCODER = new TextEncoder();
const FIELDS = Fields.of([
  ["Content-Type", "text/event-stream; charset=utf-8"],
  ["Cache-Control", "no-store"],
  ["X-Content-Type-Options", "nosniff"],
]);

/** Bytes that wait for a slow reader: one or two snapshots of a busy pool. Beyond it all events but the current one are dropped. */
const WAITING_BYTES_MAX = 32 * 1024;

/** Returns one event for any number of streams. `data` has no line break. */
export function streamEvent(data: string, name = ""): Uint8Array {
  return ENCODER.encode(name === "" ? `data: ${data}\n\n` : `event: ${name}\ndata: ${data}\n\n`);
}

/** A browser does not tell a complete response from one that was cut. */
const END = streamEvent("{}", "end");

export class EventStream implements LiveSource {
  readonly size = Number.MAX_SAFE_INTEGER;
  readonly #onClose: (stream: EventStream) => void;
  #events: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Position of the first event's first byte. */
  #startPosition = 0;
  /** True when the reader has found nothing more, and is to be called. */
  #isAwaited = true;
  #isOver = false;
  #call: () => void = () => {};

  /** `onClose` is called once, when the reader has gone. */
  constructor(onClose: (stream: EventStream) => void) {
    this.#onClose = onClose;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Returns the response with this content. The connection ends with it, because a page that is left says nothing. */
  get response(): Response {
    return response(200, FIELDS, this, "events", true);
  }

  send(event: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#events.length > 1 && this.#waitingBytes + event.length > WAITING_BYTES_MAX) {
      this.#events.length = 1;
      this.#waitingBytes = this.#events[0]?.length ?? 0;
    }
    this.#add(event);
  }

  /** Ends the stream: the reader gets an event with the name `end`, and a complete response. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#add(END);
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    let first = this.#events[0];
    while (first !== undefined && position >= this.#startPosition + first.length) {
      this.#startPosition += first.length;
      this.#waitingBytes -= first.length;
      this.#events.shift();
      first = this.#events[0];
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

  #add(event: Uint8Array): void {
    this.#events.push(event);
    this.#waitingBytes += event.length;
    // A reader that has not fetched the bytes before these was called for them already.
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#call();
  }
}
