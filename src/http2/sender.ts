/**
 * Bytes on their way to one peer: short frames of the connection first, then the responses, each a share at a time. The frames of one turn
 * gather in a scratch buffer that all connections share, and leave in one write. Bytes that the kernel does not take become the tail.
 *
 * Order: a response that is new goes before those that have had a share, so a large download holds up a small response for one share
 * at most. Those that are left take turns. The share of each depends on its priority (RFC 9218 §10): none waits for another to end.
 */
import type { Transport } from "../exchange/transport.ts";
import type { Http2Limits, Scratch } from "./context.ts";
import { Written } from "./response-frames.ts";
import { ShortFrames } from "./short-frames.ts";
import type { Stream } from "./stream.ts";

/** Bytes of content that a response of the lowest urgency sends before the next one has its turn: one frame of the usual size. */
const SHARE_BYTES = 16_384;

/** Bytes of the first batch for a peer, and of the smallest one for a peer that reads slowly: what it does not take is kept. */
const BATCH_BYTES_MIN = 65_536;
const SLOW_BATCH_BYTES = 32_768;

/** Batches of one turn before others get theirs. */
const BATCHES_PER_TURN = 4;

/** How far `pump` came. */
export enum Pumped {
  /** All that could be written was accepted by the kernel. */
  Sent = 0,
  /** The kernel is full: `drained` will come, or the deadline. */
  Blocked,
  /** A fair share was sent and more would be accepted: a later turn continues. */
  Yield,
  /** The connection is gone. */
  Gone,
}

/** The connection, as its sender sees it. */
export interface SenderEvents {
  /** The last frame of the response is written. */
  written(stream: Stream): void;
  /** The kernel has accepted the last byte of the response. */
  sent(stream: Stream): void;
  /** The content of the response ends early, or the place of a fault is reached. */
  short(stream: Stream): void;
  /** Windows of the peer keep the response back. */
  blocked(stream: Stream): void;
}

export class Sender {
  /** Bytes accepted by the kernel since the connection began. */
  accepted = 0;
  /** True when the kernel took less than it was offered. The connection resets it when the transport accepts bytes again. */
  isBlocked = false;
  /** True when responses wait for the window of the connection. */
  isWindowClosed = false;
  /** Shares of responses that were written, and those of them that the windows have cut short to next to nothing. */
  frames = 0;
  dribbles = 0;
  /** Frames of the connection that wait. */
  readonly short = new ShortFrames();
  readonly #transport: Transport;
  readonly #scratch: Scratch;
  readonly #limits: Http2Limits;
  readonly #events: SenderEvents;
  #tail: Uint8Array | null = null;
  #tailStart = 0;
  /** Bytes written so far, those included that the kernel has not accepted. */
  #written = 0;
  /** Responses that have not had a share, and those that have, in their order. */
  readonly #fresh: Stream[] = [];
  readonly #ring: Stream[] = [];
  /** Responses whose last frame is written, and not accepted. */
  readonly #ending: Stream[] = [];
  /** Responses whose content has ended early, or whose fault takes effect. */
  readonly #cut: Stream[] = [];
  #batchBytes = BATCH_BYTES_MIN;

  constructor(transport: Transport, scratch: Scratch, limits: Http2Limits, events: SenderEvents) {
    this.#transport = transport;
    this.#scratch = scratch;
    this.#limits = limits;
    this.#events = events;
  }

  /** True when nothing waits for the kernel. */
  get isFlushed(): boolean {
    return this.#tail === null && this.short.used === 0;
  }

  /** Bytes of responses that the kernel has accepted. Acknowledgements are none: a peer could ask for them and read nothing else. */
  get progress(): number {
    return this.accepted - this.short.written;
  }

  /** Bytes of memory that wait for the kernel. */
  get heldBytes(): number {
    return (this.#tail?.length ?? 0) + this.short.heldBytes;
  }

  /** Puts a response in line, unless its last frame is written: live content can tell of its end again while that waits for the kernel. */
  schedule(stream: Stream): void {
    if (stream.isScheduled || !stream.isLocalOpen) return;
    stream.isScheduled = true;
    this.#fresh.push(stream);
  }

  /** Forgets a stream that was reset: nothing more of it is written. */
  remove(stream: Stream): void {
    if (stream.isScheduled) {
      drop(this.#fresh, stream);
      drop(this.#ring, stream);
      stream.isScheduled = false;
    }
    drop(this.#ending, stream);
    drop(this.#cut, stream);
  }

  /** Drops everything unsent. */
  clear(): void {
    this.#tail = null;
    this.short.clear();
    this.#fresh.length = 0;
    this.#ring.length = 0;
    this.#ending.length = 0;
    this.#cut.length = 0;
  }

  /** Offers the waiting bytes in order, until all are accepted or an obstacle stops it. */
  pump(): Pumped {
    for (let batches = 0; ; batches++) {
      if (this.isBlocked) return Pumped.Blocked;
      if (this.#tail !== null) {
        const progress = this.#pumpTail(this.#tail);
        if (progress !== Pumped.Sent) return progress;
      }
      this.#gather();
      if (this.#scratch.used === 0 && this.#cut.length === 0) return Pumped.Sent;
      const progress = this.#pumpScratch();
      if (progress !== Pumped.Sent) return progress;
      if (batches === BATCHES_PER_TURN) return Pumped.Yield;
    }
  }

  #gather(): void {
    const out = this.#scratch;
    this.short.gather(out);
    // Short frames can follow from what is written: the end of a response, or its reset.
    this.#gatherResponses(out);
  }

  #gatherResponses(out: Scratch): void {
    const limit = Math.min(out.bytes.length, Math.max(this.#batchBytes, out.used));
    this.isWindowClosed = false;
    for (;;) {
      // With the window of the connection closed, a new response can still send its head.
      const stream = this.#fresh.shift() ?? (this.isWindowClosed ? undefined : this.#ring.shift());
      if (stream === undefined) return;
      stream.isScheduled = false;
      this.frames++;
      const written = stream.write(out, shareOf(stream), limit);
      if (written === Written.Full) {
        stream.isScheduled = true;
        (stream.hasBegun ? this.#ring : this.#fresh).unshift(stream);
        return;
      }
      this.#place(stream, written, out);
      // A fault takes effect before another response gets frames, however the requests came.
      if (written === Written.Cut) return;
    }
  }

  #place(stream: Stream, written: Exclude<Written, Written.Full>, out: Scratch): void {
    if (stream.isDribbling) this.dribbles++;
    switch (written) {
      case Written.Done:
        stream.endsAt = this.#written + out.used;
        this.#ending.push(stream);
        this.#events.written(stream);
        break;
      case Written.ConnectionBlocked:
        this.isWindowClosed = true;
        this.#wait(stream);
        this.#events.blocked(stream);
        break;
      case Written.More:
        this.#wait(stream);
        break;
      case Written.StreamBlocked:
        this.#events.blocked(stream);
        break;
      case Written.Waiting:
        break;
      case Written.Short:
      case Written.Cut:
        this.#cut.push(stream);
        break;
    }
  }

  #wait(stream: Stream): void {
    stream.isScheduled = true;
    this.#ring.push(stream);
  }

  #pumpTail(tail: Uint8Array): Pumped {
    const accepted = this.#offer(tail, this.#tailStart, tail.length - this.#tailStart);
    if (accepted < 0) return Pumped.Gone;
    this.#tailStart += accepted;
    if (!this.isBlocked) this.#tail = null;
    this.#tell();
    return this.isBlocked ? Pumped.Blocked : Pumped.Sent;
  }

  #pumpScratch(): Pumped {
    const out = this.#scratch;
    const { used } = out;
    this.#written += used;
    out.used = 0;
    const accepted = used === 0 ? 0 : this.#offer(out.bytes, 0, used);
    if (accepted < 0) return Pumped.Gone;
    if (this.isBlocked) {
      this.#tail = out.bytes.slice(accepted, used);
      this.#tailStart = 0;
      this.#batchBytes = SLOW_BATCH_BYTES;
    } else this.#batchBytes = Math.min(2 * this.#batchBytes, this.#limits.sliceBytes);
    this.#tell();
    return this.isBlocked ? Pumped.Blocked : Pumped.Sent;
  }

  /** Offers bytes[from, from + length) to the kernel. Returns how many it accepted, or -1 if the connection is gone. */
  #offer(bytes: Uint8Array, from: number, length: number): number {
    const accepted = this.#transport.write(bytes, from, length);
    if (accepted < 0) return -1;
    this.accepted += accepted;
    this.isBlocked = accepted < length;
    return accepted;
  }

  /** Tells of the responses that have ended. Their slots begin other work at once, so the scratch is empty by now. */
  #tell(): void {
    while ((this.#ending[0]?.endsAt ?? Number.POSITIVE_INFINITY) <= this.accepted) {
      this.#events.sent(this.#ending.shift() as Stream);
    }
    for (let stream = this.#cut.shift(); stream !== undefined; stream = this.#cut.shift()) this.#events.short(stream);
  }
}

/** Bytes of content that a stream sends before the next one has its turn. */
function shareOf({ priority: { urgency, isIncremental } }: Stream): number {
  const share = SHARE_BYTES * (8 - urgency);
  return isIncremental ? share / 2 : share;
}

function drop(streams: Stream[], stream: Stream): void {
  const at = streams.indexOf(stream);
  if (at >= 0) streams.splice(at, 1);
}
