/**
 * The door of a connection: its first bytes, or the protocol that TLS has negotiated, decide whether it speaks HTTP/1 or HTTP/2.
 *
 * A connection begins as one of HTTP/1, with its deadlines. The door hears its socket until the decision, and no event after it. So a
 * request of HTTP/1 pays for nothing. HTTP/2 is loaded with the first connection that speaks it; bytes that come meanwhile wait.
 *
 * The rule it guards: without TLS the preface decides, all of it, and only as the first bytes (RFC 9113 §3.3). Over TLS the negotiation
 * decides (§3.2): a preface after another choice is a malformed request, and its absence is an error of HTTP/2.
 */
import type { Connection, Conversation, Work } from "../exchange/carrier.ts";
import type { Peer } from "../exchange/peer.ts";
import type { Transport } from "../exchange/transport.ts";
import type { Http1Connection } from "../http1/connection.ts";
import { converse } from "./listen.ts";

const PREFACE: Uint8Array = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Bytes of the preface that HTTP/1 may see before the decision: with one more they are a request line that it refuses. */
const SHOWN_BYTES_MAX = "PRI * HTTP/2.0\r".length;

/** Bytes that wait while HTTP/2 is loaded; at more, the peer is paused. */
const WAITING_BYTES_MAX = 65_536;

/** Makes the HTTP/2 connection of a peer whose door has decided. */
export type OpenHttp2 = (transport: Transport, id: number, peer: Peer) => Connection;

interface DoorsOptions {
  /** Loads HTTP/2. */
  readonly load: () => Promise<OpenHttp2>;
  /** Called when a connection takes the place of one that was not closed. */
  readonly replaced: (before: Connection, after: Connection) => void;
  /** Called when a connection is closed before HTTP/2 was loaded. */
  readonly lost: (connection: Connection) => void;
  /** Called when HTTP/2 could not be loaded. */
  readonly failed: (connection: number, error: unknown) => void;
}

/** The doors of one server. */
export class Doors {
  readonly options: DoorsOptions;
  #open: OpenHttp2 | null = null;
  #loading: Promise<OpenHttp2> | null = null;

  constructor(options: DoorsOptions) {
    this.options = options;
  }

  /** Returns the maker of HTTP/2 connections if it is loaded. */
  get loaded(): OpenHttp2 | null {
    return this.#open;
  }

  /** Loads HTTP/2, once. */
  load(): Promise<OpenHttp2> {
    this.#loading ??= this.options.load().then((open) => {
      this.#open = open;
      return open;
    });
    return this.#loading;
  }
}

export class Door implements Connection {
  readonly #doors: Doors;
  readonly #socket: Transport;
  readonly #wire: Transport;
  readonly #first: Http1Connection;
  readonly #from: Peer;
  /** Bytes of the preface that have come. */
  #matched = 0;
  /** Bytes that HTTP/1 has not seen, or that wait for HTTP/2. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isLoading = false;
  #isPeerFinished = false;
  #isClosed = false;

  /** `socket` reports to this door; `wire` is the socket, or the gate that a fixture has put before it. */
  constructor(doors: Doors, socket: Transport, wire: Transport, first: Http1Connection, peer: Peer) {
    this.#doors = doors;
    this.#socket = socket;
    this.#wire = wire;
    this.#first = first;
    this.#from = peer;
  }

  get id(): number {
    return this.#first.id;
  }

  get peer(): string {
    return this.#first.peer;
  }

  get address(): string {
    return this.#first.address;
  }

  /** The connection that the server knows while the door is undecided. */
  get connection(): Connection {
    return this.#isLoading ? this : this.#first;
  }

  secured(isHttp2: boolean): void {
    if (isHttp2) {
      this.#enter();
      return;
    }
    this.#leaveTo(this.#first);
    this.#first.secured();
  }

  received(bytes: Uint8Array): void {
    if (this.#isLoading) {
      this.#keep(bytes);
      return;
    }
    const count = Math.min(bytes.length, PREFACE.length - this.#matched);
    for (let i = 0; i < count; i++) {
      if (bytes[i] === PREFACE[this.#matched + i]) continue;
      this.#refuse();
      this.#first.received(bytes);
      return;
    }
    const shown = Math.max(0, Math.min(count, SHOWN_BYTES_MAX - this.#matched));
    this.#matched += count;
    if (this.#matched === PREFACE.length) {
      this.#waiting = [];
      this.#waitingBytes = 0;
      this.#keep(bytes.subarray(count));
      this.#enter();
      return;
    }
    if (shown > 0) this.#first.received(bytes.subarray(0, shown));
    if (shown < count) this.#keep(bytes.subarray(shown));
  }

  drained(): void {
    if (!this.#isLoading) this.#first.drained();
  }

  ended(): void {
    if (this.#isLoading) {
      this.#isPeerFinished = true;
      return;
    }
    this.#refuse();
    this.#first.ended();
  }

  closed(): void {
    this.#isClosed = true;
    if (this.#isLoading) this.#doors.options.lost(this);
    else this.#first.closed();
  }

  // While HTTP/2 is loaded.

  readonly served = 0;
  readonly state = "reading";

  works(): readonly Work[] {
    return [];
  }

  terminate(): void {
    this.#socket.terminate();
  }

  closeIdle(): boolean {
    return false;
  }

  tick(): void {}

  shutDown(): void {}

  pardon(): void {}

  release(): void {}

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#isLoading && this.#waitingBytes > WAITING_BYTES_MAX) this.#socket.pause();
  }

  /** Stays with HTTP/1. */
  #refuse(): void {
    this.#leaveTo(this.#first);
    for (const bytes of this.#waiting) this.#first.received(bytes);
  }

  #leaveTo(conversation: Conversation): void {
    converse(this.#socket, conversation);
  }

  /** Continues with HTTP/2, at once or when it is loaded. */
  #enter(): void {
    const { loaded } = this.#doors;
    this.#first.leave();
    if (loaded !== null) {
      this.#succeed(loaded, this.#first);
      return;
    }
    this.#isLoading = true;
    this.#doors.options.replaced(this.#first, this);
    this.#doors.load().then(
      (open) => this.#succeed(open, this),
      (error) => {
        this.#doors.options.failed(this.id, error);
        this.terminate();
      },
    );
  }

  #succeed(open: OpenHttp2, before: Connection): void {
    if (this.#isClosed) return;
    const connection = open(this.#wire, this.id, this.#from);
    this.#doors.options.replaced(before, connection);
    this.#leaveTo(connection);
    // The preface, as it came: the connection reads all bytes of its peer.
    if (this.#matched > 0) connection.received(PREFACE.slice());
    for (const bytes of this.#waiting) connection.received(bytes);
    this.#waiting = [];
    if (this.#isLoading && this.#waitingBytes > WAITING_BYTES_MAX) this.#socket.resume();
    if (this.#isPeerFinished) connection.ended();
  }
}
