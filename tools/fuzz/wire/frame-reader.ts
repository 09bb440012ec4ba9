/**
 * Reads the frames that a server sends as a strict client would (RFC 9113 §4, §6), and shares no code with the server's own reader. The
 * states of streams are those of whoever hears of the frames.
 */
import { BlockError, HpackReader, type Line } from "./hpack-reader.ts";

/** The client, as its reader sees it. `at` is the place of the frame's first byte in all that was received. */
export interface FrameEvents {
  /** A response, an interim response or trailers. */
  headers(stream: number, lines: readonly Line[], isLast: boolean, at: number): void;
  /** bytes[start, end) is the content. */
  data(stream: number, bytes: Uint8Array, start: number, end: number, isLast: boolean, at: number): void;
  reset(stream: number, code: number, at: number): void;
  settings(pairs: readonly (readonly [id: number, value: number])[]): void;
  settingsAcknowledged(): void;
  ping(isAck: boolean, data: string): void;
  goAway(lastStream: number, code: number, debug: string): void;
  windowUpdate(stream: number, increment: number, at: number): void;
  fail(sentence: string): void;
}

const HEAD_BYTES = 9;

/** Flags that each type may have: END_STREAM or ACK, and END_HEADERS. This server never pads. */
const FLAGS: readonly (number | undefined)[] = [1, 5, undefined, 0, 1, undefined, 1, 0, 0, 4];

export class FrameStream {
  /** Decoder of the server's field blocks. */
  readonly hpack = new HpackReader();
  /** Largest payload that the client takes. */
  sizeMax = 16_384;
  readonly #events: FrameEvents;
  #rest = new Uint8Array(0);
  /** Place of the first byte of `#rest` in all that was received. */
  #at = 0;
  #hasSettings = false;
  #block: {
    readonly stream: number;
    readonly isLast: boolean;
    readonly at: number;
    readonly parts: Uint8Array[];
  } | null = null;
  #isBroken = false;

  constructor(events: FrameEvents) {
    this.#events = events;
    this.hpack.isStrict = true;
  }

  /** True when no frame and no field block has begun that is not complete. */
  get isBetween(): boolean {
    return this.#rest.length === 0 && this.#block === null;
  }

  accept(bytes: Uint8Array, offset: number, length: number): void {
    const all = new Uint8Array(this.#rest.length + length);
    all.set(this.#rest);
    all.set(bytes.subarray(offset, offset + length), this.#rest.length);
    let at = 0;
    while (!this.#isBroken && all.length - at >= HEAD_BYTES) {
      const size = HEAD_BYTES + read(all, at, 3);
      if (all.length - at < size) break;
      this.#take(all, at, at + size);
      this.#at += size;
      at += size;
    }
    this.#rest = all.slice(at);
  }

  #fail(sentence: string): void {
    this.#isBroken = true;
    this.#events.fail(sentence);
  }

  #take(bytes: Uint8Array, at: number, end: number): void {
    const type = bytes[at + 3] as number;
    const flags = bytes[at + 4] as number;
    const stream = read(bytes, at + 5, 4);
    const start = at + HEAD_BYTES;
    const allowed = FLAGS[type];
    if (allowed === undefined) this.#fail(`a frame of type ${type}`);
    else if ((flags & ~allowed) !== 0) this.#fail(`flags ${flags} of a frame of type ${type}`);
    else if (end - start > this.sizeMax) this.#fail(`a frame of ${end - start} bytes`);
    else if (!this.#hasSettings && (type !== 4 || flags !== 0)) this.#fail("the first frame is not SETTINGS");
    else if (this.#block !== null && (type !== 9 || stream !== this.#block.stream)) this.#fail("a block is cut");
    else if (isMisplaced(type, stream)) this.#fail(`a frame of type ${type} on stream ${stream}`);
    else this.#read(type, flags, stream, bytes, start, end);
  }

  #read(type: number, flags: number, stream: number, bytes: Uint8Array, start: number, end: number): void {
    const events = this.#events;
    const length = end - start;
    switch (type) {
      case 0:
        events.data(stream, bytes, start, end, (flags & 1) !== 0, this.#at);
        return;
      case 1:
        this.#block = { stream, isLast: (flags & 1) !== 0, at: this.#at, parts: [] };
        this.#fragment(bytes.slice(start, end), (flags & 4) !== 0);
        return;
      case 3:
        if (length !== 4) this.#fail("RST_STREAM has another length");
        else events.reset(stream, read(bytes, start, 4), this.#at);
        return;
      case 4:
        this.#readSettings(flags, bytes, start, end);
        return;
      case 6:
        if (length !== 8) this.#fail("PING has another length");
        else events.ping(flags === 1, Buffer.from(bytes.slice(start, end)).toString("latin1"));
        return;
      case 7:
        if (length < 8) this.#fail("GOAWAY is too short");
        else events.goAway(read(bytes, start, 4), read(bytes, start + 4, 4), textOf(bytes, start + 8, end));
        return;
      case 8: {
        const increment = length === 4 ? read(bytes, start, 4) : 0;
        if (increment < 1 || increment > 0x7fff_ffff) this.#fail(`WINDOW_UPDATE of ${increment} in ${length} bytes`);
        else events.windowUpdate(stream, increment, this.#at);
        return;
      }
      default:
        if (this.#block === null) this.#fail("CONTINUATION without a block");
        else this.#fragment(bytes.slice(start, end), (flags & 4) !== 0);
    }
  }

  #readSettings(flags: number, bytes: Uint8Array, start: number, end: number): void {
    if (flags === 1) {
      if (start < end) this.#fail("an acknowledgement with settings");
      else this.#events.settingsAcknowledged();
      return;
    }
    if (this.#hasSettings || (end - start) % 6 !== 0) {
      this.#fail("a second SETTINGS, or one of a wrong length");
      return;
    }
    this.#hasSettings = true;
    const pairs: (readonly [number, number])[] = [];
    for (let at = start; at < end; at += 6) pairs.push([read(bytes, at, 2), read(bytes, at + 2, 4)]);
    this.#events.settings(pairs);
  }

  #fragment(bytes: Uint8Array, isEnd: boolean): void {
    const block = this.#block;
    if (block === null) return;
    block.parts.push(bytes);
    if (!isEnd) return;
    this.#block = null;
    const whole = Buffer.concat(block.parts);
    try {
      this.#events.headers(block.stream, this.hpack.read(whole, 0, whole.length), block.isLast, block.at);
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      this.#fail(`a field block that cannot be decoded: ${error.message}`);
    }
  }
}

/** Types of streams alone have one, types of the connection alone have none; WINDOW_UPDATE has either. */
function isMisplaced(type: number, stream: number): boolean {
  if (stream > 0x7fff_ffff) return true;
  if (type === 8) return false;
  return (stream === 0) !== (type === 4 || type === 6 || type === 7);
}

function read(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value = value * 256 + (bytes[at + i] as number);
  return value;
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
