/**
 * One response as frames: its head, its content a share at a time, and its end. `write` fills a buffer as far as the share, the room and
 * both windows let it, and says where it stopped. Which response is written next is decided by the sender.
 *
 * If a fault was ordered for the response, its gate keeps the response back, or has something happen at a place of it.
 */
import type { StreamGate, Verdict } from "../exchange/stream-gate.ts";
import type { Fault } from "../http/fault.ts";
import type { Content, LiveSource, Response } from "../http/message.ts";
import type { Http2Context, Scratch } from "./context.ts";
import type { SendWindow } from "./flow-control.ts";
import { blockHeadBytes, writeBlockHeads, writeFrameHead } from "./frame-writer.ts";
import { FLAG_END_STREAM, FRAME_HEAD_BYTES, FrameType } from "./frames.ts";
import type { HpackEncoder } from "./hpack-encoder.ts";
import { judge, type VerdictConnection } from "./judge.ts";

/** The connection, as its responses see it. */
export interface ResponseOwner extends VerdictConnection {
  readonly context: Http2Context;
  readonly encoder: HpackEncoder;
}

/** The stream, as its response sees it. */
interface ResponseStream {
  /** Identifier. */
  readonly stream: number;
  readonly sendWindow: SendWindow;
  /** Called when live content has more, in any turn. */
  more(): void;
  /** Called, outside of turns, when a fault lets more of the response pass. */
  proceed(): void;
}

/** The facts about a response that its request decides. */
export interface ResponseKind {
  readonly isHead: boolean;
  /** The response of an endpoint of the server. */
  readonly isControl: boolean;
  readonly fault: Fault | null;
}

/** How far `write` came. */
export enum Written {
  /** The last frame of the response is written. */
  Done = 0,
  /** A share is written, and there is more. */
  More,
  /** The window of the stream is empty. */
  StreamBlocked,
  /** The window of the connection is empty. */
  ConnectionBlocked,
  /** All there is was written, and there will be more: the source says when. */
  Waiting,
  /** There is no room for another frame. */
  Full,
  /** The content ends early. */
  Short,
  /** The place of a fault is reached: its verdict follows. */
  Cut,
}

/** Largest content of a response that needs no slot while it waits for the write of the turn. */
const LIGHT_BYTES_MAX = 65_536;

/** Payload of DATA below which a frame that the windows have cut short counts as a dribble, bytes. */
const DRIBBLE_BYTES = 64;

export class ResponseFrames {
  /** The response, as its fault has made it. */
  readonly response: Response;
  /** Bytes of the whole content; Number.MAX_SAFE_INTEGER if they are not known. */
  readonly size: number;
  /** Bytes of content in frames that were written. */
  position = 0;
  /** True if the window of the peer has cut the last frame to next to nothing. */
  isDribbling = false;
  /** Verdict of the fault whose place is reached; null before that. */
  verdict: Verdict | null = null;
  readonly #owner: ResponseOwner;
  readonly #stream: ResponseStream;
  readonly #isControl: boolean;
  /** Keeps a response with a fault back; else null. */
  #gate: StreamGate | null;
  #isHeadDue = true;
  #body: Content | null;
  /** Index of the piece of content that is being written. */
  #piece = 0;

  constructor(
    owner: ResponseOwner,
    stream: ResponseStream,
    made: Response,
    { isHead, isControl, fault }: ResponseKind,
  ) {
    this.#owner = owner;
    this.#stream = stream;
    this.#isControl = isControl;
    this.#gate = fault === null ? null : (owner.context.gates?.gate(fault, () => stream.proceed()) ?? null);
    this.response = this.#gate?.spoil(made, isHead) ?? made;
    this.#body = isHead ? null : this.response.content;
    this.size = this.#body === null ? 0 : sizeOf(this.#body);
  }

  /** Begins to listen for more of live content. */
  begin(): void {
    const body = this.#body;
    if (body !== null && "whenMore" in body) (body as LiveSource).whenMore(() => this.#stream.more());
  }

  /** Bytes of memory that live content waits with. */
  get heldBytes(): number {
    const body = this.#body;
    return body !== null && "size" in body && "whenMore" in body ? (body.heldBytes ?? 0) : 0;
  }

  /** The memory of the content; null for none, and for a file. */
  get content(): ArrayBufferLike | null {
    const body = this.#body;
    if (body === null) return null;
    if (body instanceof Uint8Array) return body.buffer;
    if ("ends" in body) return body.bytes.buffer;
    return body.memory?.buffer ?? null;
  }

  get hasContent(): boolean {
    return this.#body !== null;
  }

  /** True if the head is written. */
  get hasBegun(): boolean {
    return !this.#isHeadDue;
  }

  /** True if the whole response is in memory, small, and within the window of its stream, and nothing of it is written. */
  get isLight(): boolean {
    const body = this.#body;
    if (!this.#isHeadDue || this.#gate !== null) return false;
    if (body === null) return true;
    return body instanceof Uint8Array && body.length <= LIGHT_BYTES_MAX && body.length <= this.#stream.sendWindow.size;
  }

  /** True while a fault keeps the response back. */
  get isHeld(): boolean {
    return this.#gate?.isHolding === true;
  }

  /** Writes frames of the response, up to `share` bytes of content and to `limit` bytes of `out`. */
  write(out: Scratch, share: number, limit: number): Written {
    this.isDribbling = false;
    const gate = this.#gate;
    if (gate === null) return this.#write(out, share, limit);
    const passing = gate.passing(this.position);
    if (passing < 0 || (passing === 0 && !this.#isHeadDue)) return this.#stop(gate, out);
    return this.#write(out, Math.min(share, passing), limit);
  }

  /** Waits at the gate, or does what its fault has happen here. */
  #stop(gate: StreamGate, out: Scratch): Written {
    const verdict = judge(gate, this.position, this.#stream, this.#owner, out);
    if (verdict === null || verdict.next === "hangs") return Written.Waiting;
    if (verdict.next === "is done") return Written.Done;
    this.verdict = verdict;
    return Written.Cut;
  }

  /** Writes END_STREAM alone, after all the content. */
  #writeEnd(out: Scratch): Written {
    out.used = writeFrameHead(out.bytes, out.used, 0, FrameType.Data, FLAG_END_STREAM, this.#stream.stream);
    return Written.Done;
  }

  #write(out: Scratch, share: number, limit: number): Written {
    if (this.#isHeadDue && !this.#writeHead(out, limit)) return Written.Full;
    const body = this.#body;
    const gate = this.#gate;
    if (gate?.hasPlace === true && this.position === this.size)
      return gate.isPending ? Written.More : this.#writeEnd(out);
    if (body === null) return Written.Done;
    const isLive = "whenMore" in body;
    const { sendWindow } = this.#owner;
    for (let left = share; left > 0; ) {
      const room = limit - out.used - FRAME_HEAD_BYTES;
      if (room <= 0) return Written.Full;
      const window = Math.min(this.#stream.sendWindow.size, sendWindow.size);
      if (window <= 0 && !(isLive && body.isOver)) {
        return this.#stream.sendWindow.size <= 0 ? Written.StreamBlocked : Written.ConnectionBlocked;
      }
      const wanted = Math.min(left, room, this.#owner.frameSizeMax, this.#nextEnd(body) - this.position);
      const count = this.#read(body, out, Math.min(wanted, Math.max(window, 1)));
      if (count <= 0) return this.#afterLast(body, out);
      if (window <= 0) return this.#stream.sendWindow.size <= 0 ? Written.StreamBlocked : Written.ConnectionBlocked;
      if (count < DRIBBLE_BYTES && count === window && count < wanted) this.isDribbling = true;
      left -= count;
      this.position += count;
      this.#stream.sendWindow.spend(count);
      sendWindow.spend(count);
      const isLast = this.position === this.size && gate?.isPending !== true;
      writeFrameHead(out.bytes, out.used, count, FrameType.Data, isLast ? FLAG_END_STREAM : 0, this.#stream.stream);
      out.used += FRAME_HEAD_BYTES + count;
      if (isLast) return Written.Done;
    }
    return Written.More;
  }

  /** Copies up to `count` bytes of content to the place of the next payload. Returns the number; 0 if there are none. */
  #read(body: Content, out: Scratch, count: number): number {
    const at = out.used + FRAME_HEAD_BYTES;
    if ("size" in body) return body.read(this.position, out.bytes, at, count);
    const bytes = body instanceof Uint8Array ? body : body.bytes;
    out.bytes.set(bytes.subarray(this.position, this.position + count), at);
    return count;
  }

  /** Returns the end of the piece that comes next: no frame has bytes of two pieces. */
  #nextEnd(body: Content): number {
    if (!("ends" in body)) return this.size;
    while ((body.ends[this.#piece] ?? this.size) <= this.position && this.#piece < body.ends.length) this.#piece++;
    return body.ends[this.#piece] ?? this.size;
  }

  /** Decides about a source that has nothing more, or nothing at the moment. */
  #afterLast(body: Content, out: Scratch): Written {
    if (!("whenMore" in body) || body.isCut === true) return Written.Short;
    if (!body.isOver) return Written.Waiting;
    if (this.#gate?.isPending === true) {
      this.#gate.contentEnds(this.position);
      return Written.More;
    }
    // A Content-Length that is not reached would make the response malformed.
    if (this.size !== Number.MAX_SAFE_INTEGER && this.position < this.size) return Written.Short;
    return this.#writeEnd(out);
  }

  /** Writes the head. Returns false if there is no room for it. */
  #writeHead(out: Scratch, limit: number): boolean {
    const { encoder, context, frameSizeMax } = this.#owner;
    const { status, fields } = this.response;
    const extra = this.#isControl ? context.endpointFields : context.fixedFields;
    const blockMax = encoder.headBytesMax(extra, fields);
    const bytesMax = blockMax + blockHeadBytes(blockMax, frameSizeMax);
    if (out.used > 0 && out.used + bytesMax > limit) return false;
    out.reserve(bytesMax);
    const start = out.used + FRAME_HEAD_BYTES;
    const { clock } = context;
    const end = encoder.writeHead(out.bytes, start, status, clock.second, clock.dateLine, extra, fields);
    const isLast = this.#body === null || (this.size === 0 && !("whenMore" in this.#body));
    if (isLast) this.#body = null;
    const hasEnd = isLast && this.#gate?.hasPlace !== true;
    out.used = writeBlockHeads(out.bytes, out.used, end - start, this.#stream.stream, hasEnd, frameSizeMax);
    this.#isHeadDue = false;
    return true;
  }

  /** Ends the fault. Returns false if the response is to be cut off; null if there is no fault. */
  open(): boolean | null {
    return this.#gate === null ? null : this.#gate.open();
  }

  /** Lets go of the content: nothing more of it is written. */
  drop(): void {
    this.#body = null;
  }

  closed(): void {
    this.#gate?.closed();
    this.#gate = null;
  }
}

function sizeOf(content: Content): number {
  if (content instanceof Uint8Array) return content.length;
  return "ends" in content ? content.bytes.length : content.size;
}
