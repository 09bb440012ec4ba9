/** One conversation without a socket and without time: a fake transport, a clock moved by hand, and a handler that a test writes. */

import { Clock } from "../../src/exchange/clock.ts";
import { ContentMemory } from "../../src/exchange/content-buffer.ts";
import type { ConversationLimits, Resumable } from "../../src/exchange/context.ts";
import { LocalPool } from "../../src/exchange/local-pool.ts";
import {
  type Answered,
  type CloseReason,
  newAnswered,
  type Observer,
  Outcome,
  type StepWatcher,
} from "../../src/exchange/observer.ts";
import { directPeer } from "../../src/exchange/peer.ts";
import { PeerMemory } from "../../src/exchange/peer-memory.ts";
import type { Pool } from "../../src/exchange/pool.ts";
import type { Transport } from "../../src/exchange/transport.ts";
import { Fields } from "../../src/http/fields.ts";
import {
  ADMITTED,
  type Admission,
  type ContentSource,
  type Handler,
  type LiveSource,
  type Request,
  type Response,
  response,
} from "../../src/http/message.ts";
import { Http1Connection } from "../../src/http1/connection.ts";
import type { Http1Context } from "../../src/http1/context.ts";
import { Scratch } from "../../src/http1/outbox.ts";
import { RequestPool } from "../../src/http1/request.ts";
import { HeadStarts } from "../../src/http1/response-head.ts";
import { bytesOf, textOf } from "./bytes.ts";
import { HEAD_LIMITS } from "./limits.ts";

/** Sunday, 15 March 2026, 10:30:15 UTC. */
export const WALL_MS = Date.UTC(2026, 2, 15, 10, 30, 15);

const ENCODER = new TextEncoder();

/** Takes as many bytes as `room` says; remembers everything. */
export class FakeTransport implements Transport {
  sent = "";
  /** Lengths of the writes that were accepted in whole or in part. */
  readonly writes: number[] = [];
  room = Number.POSITIVE_INFINITY;
  isPaused = false;
  finSent = false;
  isClosed = false;
  wasReset = false;
  onClose: () => void = () => {};

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.finSent) throw new Error("written after FIN");
    if (this.isClosed) return -1;
    const taken = Math.min(length, this.room);
    this.room -= taken;
    this.sent += textOf(bytes.subarray(offset, offset + taken));
    this.writes.push(taken);
    return taken;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  shutdown(): void {
    this.finSent = true;
  }

  end(): void {
    this.#close();
  }

  terminate(): void {
    if (!this.isClosed) this.wasReset = true;
    this.#close();
  }

  /** Bun reports the close before `end` or `terminate` returns. */
  #close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.onClose();
  }
}

/** A body that is not in memory and counts its closes. `available` < size: it ends early. */
export class FakeSource implements ContentSource {
  readonly size: number;
  closes = 0;
  reads = 0;
  available: number;

  constructor(size: number, available = size) {
    this.size = size;
    this.available = available;
  }

  static byteAt(position: number): number {
    return 97 + (position % 26);
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    if (this.closes > 0) throw new Error("read after close");
    this.reads++;
    const count = Math.max(0, Math.min(limit, this.available - position));
    for (let i = 0; i < count; i++) into[offset + i] = FakeSource.byteAt(position + i);
    return count;
  }

  close(): void {
    this.closes++;
  }
}

/** Content that a test adds to while it is sent. */
export class FakeLiveSource implements LiveSource {
  readonly size = Number.MAX_SAFE_INTEGER;
  isOver = false;
  isCut = false;
  closes = 0;
  #text = "";
  #call = () => {};

  add(text: string): void {
    this.#text += text;
    this.#call();
  }

  finish(): void {
    this.isOver = true;
    this.#call();
  }

  /** Fails: there will be no end. */
  fail(): void {
    this.isCut = true;
    this.#call();
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    const bytes = bytesOf(this.#text.slice(position, position + limit));
    into.set(bytes, offset);
    return bytes.length;
  }

  whenMore(call: () => void): void {
    this.#call = call;
  }

  close(): void {
    this.closes++;
  }
}

export function respondWith(
  status: number,
  body: string | Uint8Array | ContentSource | null,
  extra: Partial<Pick<Response, "isLast" | "incident">> = {},
): Response {
  const content = typeof body === "string" ? ENCODER.encode(body) : body;
  const length = content === null ? 0 : "size" in content ? content.size : content.length;
  const fields = content instanceof FakeLiveSource ? Fields.of([]) : Fields.of([["Content-Length", String(length)]]);
  return { ...response(status, fields, content, "test"), ...extra };
}

export interface AnsweredLine {
  readonly request: string;
  readonly status: number;
  readonly slot: number;
  readonly bytes: number;
  readonly outcome: Outcome;
  readonly fault: string | null;
  readonly durationMs: number;
  readonly queuedMs: number;
  readonly closing: CloseReason | null;
  readonly isHeadComplete: boolean;
}

class RecordingObserver implements Observer {
  steps: StepWatcher | null = null;
  readonly wantsAnswers = true;
  readonly lines: AnsweredLine[] = [];
  readonly events: string[] = [];
  readonly failures: unknown[] = [];
  readonly closeReasons: CloseReason[] = [];

  opened(): void {}

  closed(_connection: number, _slot: number, _served: number, reason: CloseReason): void {
    this.closeReasons.push(reason);
  }

  answered(answer: Answered): void {
    const { request, response, slot, bytes, durationMs, outcome, queuedMs, closing, isHeadComplete, fault } = answer;
    const line = request === null ? "" : request.head.requestLine;
    const { status } = response;
    this.lines.push({
      request: line,
      status,
      slot,
      bytes,
      outcome,
      durationMs,
      queuedMs,
      closing,
      isHeadComplete,
      fault,
    });
  }

  incident(_connection: number, _peer: string, sentence: string): void {
    this.events.push(`incident: ${sentence}`);
  }

  queued(): void {
    this.events.push("queued");
  }

  dequeued(_connection: number, slot: number, waitedMs: number): void {
    this.events.push(`dequeued to ${slot} after ${waitedMs} ms`);
  }

  turnedAway(_connection: number, reason: string): void {
    this.events.push(`turned away: ${reason}`);
  }

  failed(_connection: number, error: unknown): void {
    this.failures.push(error);
  }
}

/** Admits a request with up to `collectMax` bytes of content. */
export function collecting(collectMax: number): Admission {
  return { ...ADMITTED, content: { collectMax } };
}

/** Admits a request for an endpoint of the server. */
export const CONTROL: Admission = { ...ADMITTED, isControl: true };

/** Answers `200 <path>`; a test replaces what it is about. */
export class ScriptedHandler implements Handler {
  admit: (request: Request) => Admission = () => ADMITTED;
  respond: (request: Request, admission: Admission) => Response | Promise<Response> = (request) =>
    respondWith(200, request.target.path);

  failure(
    status: number,
    sentence: string,
    _request: Request | null,
    fields: readonly (readonly [string, string])[] = [],
  ): Response {
    const all = Fields.of([...fields, ["Content-Length", String(sentence.length)]]);
    return response(status, all, ENCODER.encode(sentence), "error");
  }
}

export interface ServerOptions {
  readonly threads?: number;
  readonly queue?: number;
  /** Senders that may go on without a slot. */
  readonly lenders?: number;
  readonly limits?: Partial<ConversationLimits>;
  /** Proxies that are trusted. */
  readonly relays?: Http1Context["relays"];
  readonly scratchBytes?: number;
  readonly bodyMemoryBytes?: number;
  /** Bytes that may be held for peers. */
  readonly peerMemoryBytes?: number;
}

const PEER = directPeer("127.0.0.1", 50000, false);

/** One for all servers, as all connections of a thread share one: to fill 400 KB with zeros costs more than most conversations. */
const SCRATCH = new Scratch(400_000);

/** Returns `scratch` without what a server before has left in it. */
export function emptied<Space extends { used: number }>(scratch: Space): Space {
  scratch.used = 0;
  return scratch;
}

/** Everything that connections of one server share, without the server. */
export class FakeServer {
  readonly clock = new Clock(0, WALL_MS);
  readonly handler = new ScriptedHandler();
  readonly observer = new RecordingObserver();
  readonly pool: Pool;
  readonly memory: ContentMemory;
  readonly context: Http1Context;
  readonly connections = new Set<Http1Connection>();
  readonly deferred: Resumable[] = [];
  #lastId = 0;

  constructor(options: ServerOptions = {}) {
    this.pool = new LocalPool(options.threads ?? 10, options.queue ?? 100, options.lenders);
    this.memory = new ContentMemory(options.bodyMemoryBytes ?? 1 << 20);
    const limits: ConversationLimits = {
      keepAliveTimeoutMs: 30_000,
      maxRequests: 100,
      headerTimeoutMs: 10_000,
      stallTimeoutMs: 30_000,
      minRateBytes: 1024,
      queueTimeoutMs: 30_000,
      unwantedBodyBytesMax: 1000,
      receiveBytesMax: 4096,
      lingerMs: 2000,
      restSilenceMs: 5000,
      lingerTotalMs: 10_000,
      lingerBytesMax: 10_000,
      shutdownGraceMs: 250,
      sliceBytes: 1000,
      sendFileBytesMin: 1000,
      sendFileProbeBytes: 50,
      ...options.limits,
    };
    const headStarts = new HeadStarts(this.clock.dateLine, limits.keepAliveTimeoutMs / 1000);
    this.context = {
      limits,
      clock: this.clock,
      pool: this.pool,
      peerMemory: new PeerMemory(options.peerMemoryBytes ?? 64 << 20, (sleeper) => this.deferred.push(sleeper)),
      handler: this.handler,
      relays: options.relays ?? null,
      observer: this.observer,
      answered: newAnswered(),
      headStarts,
      endpointHeadStarts: headStarts,
      scratch: options.scratchBytes === undefined ? emptied(SCRATCH) : new Scratch(options.scratchBytes),
      requests: new RequestPool(HEAD_LIMITS, this.memory),
      defer: (sleeper) => this.deferred.push(sleeper),
      waiting: () => {},
      drain: { hasBegun: false },
    };
  }

  /** `before` puts something between the conversation and its transport. */
  connect(before: (transport: Transport) => Transport = (transport) => transport): FakeClient {
    const transport = new FakeTransport();
    const connection = new Http1Connection(this.context, before(transport), ++this.#lastId, PEER);
    this.connections.add(connection);
    transport.onClose = () => {
      connection.closed();
      this.connections.delete(connection);
    };
    return new FakeClient(connection, transport);
  }

  /** Lets `ms` pass in steps of a second at the most, as the server's ticker does. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 1000) {
      const step = Math.min(1000, left);
      this.clock.set(this.clock.nowMs + step, this.clock.wallMs + step);
      for (const connection of this.connections) connection.tick();
    }
  }

  /** Runs what asked to come back in a later turn, until nothing does. */
  runDeferred(): void {
    for (let next = this.deferred.shift(); next !== undefined; next = this.deferred.shift()) next.resumed();
  }
}

export class FakeClient {
  readonly connection: Http1Connection;
  readonly transport: FakeTransport;
  #read = 0;

  constructor(connection: Http1Connection, transport: FakeTransport) {
    this.connection = connection;
    this.transport = transport;
  }

  send(text: string): this {
    if (!this.transport.isClosed) this.connection.received(bytesOf(text));
    return this;
  }

  sendBytewise(text: string): this {
    for (const character of text) this.send(character);
    return this;
  }

  /** FIN from the client. */
  finish(): this {
    this.connection.ended();
    return this;
  }

  /** The kernel takes `bytes` more. */
  drain(bytes = Number.POSITIVE_INFINITY): this {
    this.transport.room = bytes;
    this.connection.drained();
    return this;
  }

  /** What came since the last call. */
  take(): string {
    const text = this.transport.sent.slice(this.#read);
    this.#read = this.transport.sent.length;
    return text;
  }

  /** Status codes of everything that came so far. */
  get statuses(): number[] {
    return [...this.transport.sent.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
  }
}

export function get(path: string, fields = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`;
}

export { Outcome };
