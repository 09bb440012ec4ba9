/**
 * A request on its way to an upstream: its head as bytes, its content framed by length or by chunks (RFC 9112 §6, §7.1), and the bytes
 * that the kernel has not taken. Its writer waits until nothing is left, so at most one piece waits here.
 */
import type { Transport } from "../exchange/transport.ts";
import type { ForwardedRequest } from "../exchange/upstream.ts";
import { isFieldLine } from "../http/fields.ts";

const LINE_END = Uint8Array.of(0x0d, 0x0a);
const LAST_CHUNK = bytesOf("0\r\n\r\n");

/** Pieces up to this size are copied between their framing, which saves two writes. */
const COPIED_BYTES_MAX = 16_384;

export class UpstreamOutbox {
  /** True when the kernel took less than it was offered. The connection resets it when the kernel takes bytes again. */
  isBlocked = false;
  /** Called once, when nothing is left. */
  whenEmpty: (() => void) | null = null;
  readonly #queue: Uint8Array[] = [];
  /** Bytes of the first array that were taken. */
  #taken = 0;
  #isChunked = false;

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  putHead({ method, target, lines, announced }: ForwardedRequest): void {
    this.#isChunked = announced === "unknown";
    let text = `${method} ${target} HTTP/1.1\r\n`;
    for (const [name, value] of lines) {
      // Our own mistake: the fields were read by the same grammar. A line break here would be a second request.
      if (!isFieldLine(name, value)) throw new Error(`field line cannot be sent on: ${JSON.stringify(name)}`);
      text += `${name}: ${value}\r\n`;
    }
    if (this.#isChunked) text += "Transfer-Encoding: chunked\r\n";
    else if (announced !== "none") text += `Content-Length: ${announced}\r\n`;
    this.#queue.push(bytesOf(`${text}\r\n`));
  }

  putContent(bytes: Uint8Array): void {
    if (!this.#isChunked) {
      this.#queue.push(bytes);
      return;
    }
    const size = bytesOf(`${bytes.length.toString(16)}\r\n`);
    if (bytes.length > COPIED_BYTES_MAX) this.#queue.push(size, bytes, LINE_END);
    else this.#queue.push(Buffer.concat([size, bytes, LINE_END]));
  }

  /** Ends the content. */
  putEnd(): void {
    if (this.#isChunked) this.#queue.push(LAST_CHUNK);
  }

  /** Offers the waiting bytes to the kernel. Returns true if it took some. */
  flush(transport: Transport): boolean {
    let hasMoved = false;
    while (!this.isBlocked && this.#queue.length > 0) {
      const bytes = this.#queue[0] as Uint8Array;
      const left = bytes.length - this.#taken;
      const taken = transport.write(bytes, this.#taken, left);
      // If the connection is gone, its close follows.
      this.isBlocked = taken < left;
      if (taken > 0) hasMoved = true;
      this.#taken += Math.max(0, taken);
      if (this.#taken < bytes.length) break;
      this.#queue.shift();
      this.#taken = 0;
    }
    if (this.#queue.length === 0) this.#tellEmpty();
    return hasMoved;
  }

  /** Drops the bytes that were not sent. */
  drop(): void {
    this.#queue.length = 0;
    this.#taken = 0;
    this.#tellEmpty();
  }

  #tellEmpty(): void {
    const call = this.whenEmpty;
    this.whenEmpty = null;
    call?.();
  }
}

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
