/**
 * The memory that one connection holds between its turns: received bytes, the head of the request, and bytes that wait to be sent.
 * It is trimmed at the end of a turn and counted against the budget of all connections (exchange/peer-memory.ts).
 */
import type { Exchange } from "../exchange/exchange.ts";
import type { Holder, PeerMemory } from "../exchange/peer-memory.ts";
import type { ReceiveBuffer } from "../exchange/receive-buffer.ts";
import type { Outbox } from "./outbox.ts";
import type { RequestReader } from "./request.ts";

/** Bytes below which a connection is not counted: about as much as its own objects take. */
const COUNTED_BYTES_MIN = 4096;

/** A long target, and the fields of a response that has it in them, are in memory this often besides the bytes that are counted. */
const TEXT_COPIES = 2;

export class Holding {
  readonly #memory: PeerMemory;
  readonly #holder: Holder;
  readonly #inbox: ReceiveBuffer;
  readonly #outbox: Outbox;
  /** Bytes counted, besides `#content`. */
  #bytes = 0;
  /** The memory of the content that waits to be sent, or null. */
  #content: ArrayBufferLike | null = null;
  /** Bytes that the kernel had accepted when this was last counted. */
  #accepted = 0;

  constructor(memory: PeerMemory, holder: Holder, inbox: ReceiveBuffer, outbox: Outbox) {
    this.#memory = memory;
    this.#holder = holder;
    this.#inbox = inbox;
    this.#outbox = outbox;
  }

  /** Ends a turn: trims the held memory, and counts it. */
  settle(exchange: Exchange<RequestReader>): void {
    const { request } = exchange;
    if (request === null && this.#bytes === 0 && this.#content === null) return;
    request?.trim(this.#inbox);
    const { accepted } = this.#outbox;
    const isMoving = accepted !== this.#accepted;
    this.#accepted = accepted;
    this.#count(this.#bytesHeld(request), isMoving);
    this.#send(this.#outbox.content, isMoving);
  }

  /** Counts nothing from here on: the connection has let go of everything. */
  release(): void {
    this.#count(0, false);
    this.#send(null, false);
  }

  #bytesHeld(request: RequestReader | null): number {
    const inbox = this.#inbox;
    const outbox = this.#outbox;
    let bytes = inbox.heldBytes + outbox.tailBytes + outbox.liveBytes;
    if (request !== null) {
      const { head } = request;
      if (head.bytes !== inbox.bytes) bytes += head.bytes.length;
      const textBytes = head.targetEnd - head.targetStart + (outbox.isEmpty ? 0 : outbox.headBytes);
      if (textBytes >= COUNTED_BYTES_MIN) bytes += TEXT_COPIES * textBytes;
    }
    return bytes < COUNTED_BYTES_MIN ? 0 : bytes;
  }

  #count(bytes: number, isMoving: boolean): void {
    if (bytes === this.#bytes && !(isMoving && bytes > 0)) return;
    this.#bytes = bytes;
    this.#memory.hold(this.#holder, bytes);
  }

  #send(content: ArrayBufferLike | null, isMoving: boolean): void {
    const held = this.#content;
    if (held !== content) {
      this.#content = content;
      if (held !== null) this.#memory.unshare(this.#holder, held);
    } else if (!isMoving) return;
    if (content !== null) this.#memory.share(this.#holder, content);
  }
}
