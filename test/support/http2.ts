/** One HTTP/2 conversation without a socket and without time: frames in, frames out, over the fake server of conversation.ts. */
import { newAnswered } from "../../src/exchange/observer.ts";
import { directPeer } from "../../src/exchange/peer.ts";
import { Fields } from "../../src/http/fields.ts";
import { Http2Connection } from "../../src/http2/connection.ts";
import { type Http2Context, type Http2Limits, Scratch } from "../../src/http2/context.ts";
import { errorCodeName } from "../../src/http2/errors.ts";
import { writeFrameHead } from "../../src/http2/frame-writer.ts";
import { FLAG_END_HEADERS, FLAG_END_STREAM, FrameType } from "../../src/http2/frames.ts";
import { HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { RequestPool } from "../../src/http2/request.ts";
import { limits } from "../../src/settings/limits.ts";
import { bytesOf, textOf } from "./bytes.ts";
import { emptied, FakeServer, FakeTransport, type ServerOptions } from "./conversation.ts";

export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

type Pair = readonly [name: string, value: string];

/** Returns a frame as text, one character a byte. */
export function frame(type: number, flags: number, streamId: number, payload = ""): string {
  const head = new Uint8Array(9);
  writeFrameHead(head, 0, payload.length, type, flags, streamId);
  return textOf(head) + payload;
}

/** Returns a number of 32 bits as four characters. */
export function int32(value: number): string {
  return String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

/** Returns a field block that uses no dynamic table. Unlike an encoder, it takes every name and value as it is. */
export function block(...lines: readonly Pair[]): string {
  return lines.map(([name, value]) => `\x00${literal(name)}${literal(value)}`).join("");
}

function literal(text: string): string {
  if (text.length < 127) return String.fromCharCode(text.length) + text;
  let rest = text.length - 127;
  let digits = "\x7f";
  for (; rest >= 128; rest >>>= 7) digits += String.fromCharCode(0x80 | (rest & 0x7f));
  return digits + String.fromCharCode(rest) + text;
}

/** The fields of a plain GET. */
export function getLines(path = "/", ...more: readonly Pair[]): Pair[] {
  return [[":method", "GET"], [":scheme", "http"], [":authority", "localhost"], [":path", path], ...more];
}

export function postLines(path = "/", ...more: readonly Pair[]): Pair[] {
  return [[":method", "POST"], [":scheme", "http"], [":authority", "localhost"], [":path", path], ...more];
}

export function headers(streamId: number, lines: readonly Pair[], flags = FLAG_END_HEADERS | FLAG_END_STREAM): string {
  return frame(FrameType.Headers, flags, streamId, block(...lines));
}

export function get(streamId: number, path = "/", ...more: readonly Pair[]): string {
  return headers(streamId, getLines(path, ...more));
}

/** A POST whose content follows. */
export function post(streamId: number, path = "/", ...more: readonly Pair[]): string {
  return headers(streamId, postLines(path, ...more), FLAG_END_HEADERS);
}

export function data(streamId: number, content: string, isLast = false): string {
  return frame(FrameType.Data, isLast ? FLAG_END_STREAM : 0, streamId, content);
}

export function settings(...pairs: readonly (readonly [id: number, value: number])[]): string {
  const payload = pairs.map(([id, value]) => String.fromCharCode(id >>> 8, id & 255) + int32(value)).join("");
  return frame(FrameType.Settings, 0, 0, payload);
}

export const SETTINGS_ACK: string = frame(FrameType.Settings, 1, 0);

/** Bytes with which a client begins. */
export const HELLO: string = PREFACE + settings() + SETTINGS_ACK;

export function ping(text = "12345678", flags = 0): string {
  return frame(FrameType.Ping, flags, 0, text);
}

export function windowUpdate(streamId: number, increment: number): string {
  return frame(FrameType.WindowUpdate, 0, streamId, int32(increment));
}

export function rst(streamId: number, code = 8): string {
  return frame(FrameType.RstStream, 0, streamId, int32(code));
}

export function goAway(lastStreamId = 0, code = 0): string {
  return frame(FrameType.GoAway, 0, 0, int32(lastStreamId) + int32(code));
}

interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: string;
}

/** A response as it came on one stream. */
interface SeenStream {
  status: number;
  interim: number[];
  fields: Map<string, string>;
  body: string;
  isEnded: boolean;
  /** Name of the code of RST_STREAM, or null. */
  reset: string | null;
  /** Lengths of DATA frames. */
  frames: number[];
}

/** Reads the frames of the server, and what they mean. Any rule that the server breaks throws. */
export class FrameLog {
  readonly frames: SeenFrame[] = [];
  readonly streams = new Map<number, SeenStream>();
  /** Names of the codes of GOAWAY, and their last streams. */
  readonly goAways: { code: string; last: number; debug: string }[] = [];
  readonly pings: string[] = [];
  settingsAcks = 0;
  /** Largest payload that the client takes. */
  frameSizeMax = 16_384;
  /** Settings of the server. */
  readonly settings = new Map<number, number>();
  /** Bytes by which the server has widened windows, by stream. */
  readonly widened = new Map<number, number>();
  readonly #decoder = new HpackDecoder(() => 0);
  #rest = "";
  #block: { stream: number; text: string; isLast: boolean } | null = null;

  take(text: string): void {
    this.#rest += text;
    for (;;) {
      if (this.#rest.length < 9) return;
      const length = (code(this.#rest, 0) << 16) | (code(this.#rest, 1) << 8) | code(this.#rest, 2);
      if (this.#rest.length < 9 + length) return;
      const seen = {
        type: code(this.#rest, 3),
        flags: code(this.#rest, 4),
        stream: number32(this.#rest, 5),
        payload: this.#rest.slice(9, 9 + length),
      };
      this.#rest = this.#rest.slice(9 + length);
      if (this.frames.length === 0 && (seen.type !== FrameType.Settings || seen.flags !== 0)) {
        throw new Error("the first frame of the server is not SETTINGS");
      }
      if (length > this.frameSizeMax) throw new Error("a frame of the server is too large");
      this.frames.push(seen);
      this.#read(seen);
    }
  }

  stream(id: number): SeenStream {
    let stream = this.streams.get(id);
    if (stream === undefined) {
      stream = { status: 0, interim: [], fields: new Map(), body: "", isEnded: false, reset: null, frames: [] };
      this.streams.set(id, stream);
    }
    return stream;
  }

  #read({ type, flags, stream, payload }: SeenFrame): void {
    if (this.#block !== null && type !== FrameType.Continuation) throw new Error("a frame within a field block");
    switch (type) {
      case FrameType.Data:
        this.#readData(this.stream(stream), payload, flags);
        break;
      case FrameType.Headers:
        this.#block = { stream, text: payload, isLast: (flags & FLAG_END_STREAM) !== 0 };
        if ((flags & FLAG_END_HEADERS) !== 0) this.#readBlock();
        break;
      case FrameType.Continuation:
        if (this.#block === null) throw new Error("CONTINUATION without a block");
        this.#block.text += payload;
        if ((flags & FLAG_END_HEADERS) !== 0) this.#readBlock();
        break;
      case FrameType.RstStream:
        if (this.stream(stream).reset !== null) throw new Error("a stream was reset twice");
        this.stream(stream).reset = codeName(number32(payload, 0));
        break;
      case FrameType.Settings:
        if ((flags & 1) !== 0) this.settingsAcks++;
        for (let at = 0; at < payload.length; at += 6) {
          this.settings.set((code(payload, at) << 8) | code(payload, at + 1), number32(payload, at + 2));
        }
        break;
      case FrameType.Ping:
        this.pings.push((flags & 1) !== 0 ? payload : `?${payload}`);
        break;
      case FrameType.GoAway:
        // RFC 9113 §6.8: a peer may have repeated the requests above the last one elsewhere.
        if (number32(payload, 0) > (this.goAways.at(-1)?.last ?? Number.POSITIVE_INFINITY)) {
          throw new Error("a GOAWAY names a later stream than the one before it");
        }
        this.goAways.push({
          code: codeName(number32(payload, 4)),
          last: number32(payload, 0),
          debug: payload.slice(8),
        });
        break;
      case FrameType.WindowUpdate:
        this.widened.set(stream, (this.widened.get(stream) ?? 0) + number32(payload, 0));
        break;
      default:
        throw new Error(`a frame of type ${type}`);
    }
  }

  #readData(seen: SeenStream, payload: string, flags: number): void {
    if (seen.status === 0) throw new Error("DATA before a response");
    if (seen.isEnded) throw new Error("DATA after END_STREAM");
    if (seen.reset !== null) throw new Error("DATA after RST_STREAM");
    seen.body += payload;
    seen.frames.push(payload.length);
    seen.isEnded = (flags & FLAG_END_STREAM) !== 0;
  }

  #readBlock(): void {
    const { stream, text, isLast } = this.#block as { stream: number; text: string; isLast: boolean };
    this.#block = null;
    const seen = this.stream(stream);
    if (seen.status !== 0) throw new Error("two responses on one stream");
    const lines: Pair[] = [];
    const bytes = bytesOf(text);
    const error = this.#decoder.decode(bytes, 0, bytes.length, Number.POSITIVE_INFINITY, {
      field: (name, value) => lines.push([name, value]),
    });
    if (error !== 0) throw new Error(`a field block of the server is malformed: ${error}`);
    const [first, ...others] = lines;
    if (first?.[0] !== ":status") throw new Error("a response does not begin with :status");
    for (const [name] of others) {
      if (name !== name.toLowerCase() || name.startsWith(":")) throw new Error(`a response has the field ${name}`);
      if (/^(?:connection|keep-alive|transfer-encoding|upgrade|proxy-connection)$/.test(name)) {
        throw new Error(`a response has the field ${name}`);
      }
    }
    const status = Number(first[1]);
    if (status < 200) {
      if (isLast) throw new Error("an interim response ends the stream");
      seen.interim.push(status);
      return;
    }
    seen.status = status;
    seen.fields = new Map(others);
    seen.isEnded = isLast;
  }
}

function code(text: string, at: number): number {
  return text.charCodeAt(at);
}

function number32(text: string, at: number): number {
  return ((code(text, at) << 24) | (code(text, at + 1) << 16) | (code(text, at + 2) << 8) | code(text, at + 3)) >>> 0;
}

function codeName(number: number): string {
  return errorCodeName(number);
}

export interface Http2ServerOptions extends ServerOptions {
  readonly http2?: Partial<Http2Limits>;
}

const SCRATCH = new Scratch(400_000);

/** The fake server with connections of HTTP/2. */
export class FakeHttp2Server extends FakeServer {
  readonly http2: Http2Context;
  #http2Id = 1000;

  constructor(options: Http2ServerOptions = {}) {
    super(options);
    const { limits: own, ...context } = this.context;
    const { clock, pool, peerMemory, handler, relays, observer, defer, waiting, drain } = context;
    this.http2 = {
      clock,
      pool,
      peerMemory,
      handler,
      relays,
      observer,
      defer,
      waiting,
      drain,
      answered: newAnswered(),
      limits: { ...limits, ...own, sliceBytes: 65_536, maxHeaderBytes: 16_384, maxRequests: 0, ...options.http2 },
      requests: new RequestPool(100, this.memory),
      gates: null,
      scratch: emptied(SCRATCH),
      fixedFields: Fields.of([]),
      endpointFields: Fields.of([]),
    };
  }

  /** Connects a client that has sent nothing. */
  connectHttp2(): Http2Client {
    const transport = new FakeTransport();
    const connection = new Http2Connection(
      this.http2,
      transport,
      ++this.#http2Id,
      directPeer("127.0.0.1", 50000, false),
    );
    this.http2Connections.add(connection);
    transport.onClose = () => {
      connection.closed();
      this.http2Connections.delete(connection);
    };
    return new Http2Client(connection, transport);
  }

  readonly http2Connections = new Set<Http2Connection>();

  /** Bytes that are counted as held for peers. */
  get peerUsed(): number {
    return this.http2.peerMemory.used;
  }

  override pass(ms: number): void {
    for (let left = ms; left > 0; left -= 1000) {
      const step = Math.min(1000, left);
      this.clock.set(this.clock.nowMs + step, this.clock.wallMs + step);
      for (const connection of this.http2Connections) connection.tick();
    }
  }
}

export class Http2Client {
  readonly connection: Http2Connection;
  readonly transport: FakeTransport;
  readonly log = new FrameLog();
  #read = 0;

  constructor(connection: Http2Connection, transport: FakeTransport) {
    this.connection = connection;
    this.transport = transport;
  }

  /** Sends bytes, if the connection is open, and reads what has come. */
  send(...texts: readonly string[]): this {
    for (const text of texts) if (!this.transport.isClosed) this.connection.received(bytesOf(text));
    return this.see();
  }

  sendBytewise(text: string): this {
    for (const character of text) this.send(character);
    return this;
  }

  /** Reads what has come. */
  see(): this {
    const { sent } = this.transport;
    this.log.take(sent.slice(this.#read));
    this.#read = sent.length;
    return this;
  }

  /** The kernel takes `bytes` more. */
  drain(bytes = Number.POSITIVE_INFINITY): this {
    this.transport.room = bytes;
    this.connection.drained();
    return this.see();
  }

  stream(id: number): SeenStream {
    return this.see().log.stream(id);
  }

  /** Names of the codes of GOAWAY. */
  get ends(): string[] {
    return this.see().log.goAways.map(({ code: name }) => name);
  }
}
