/**
 * Connections of a balancer that announces each client, by the PROXY protocol. Loaded only with `--proxy-protocol`.
 *
 * The announcement stands before HTTP. While it comes, the socket reports to an `Announcement`; then the connection of its client takes
 * the place, and gets the bytes after it.
 *
 * The rule it guards: only trusted proxies are heard, and each of their connections must begin with an announcement. A connection without
 * one is closed, because its first bytes could be a client's, and the client would choose its own address.
 */
import type { Connection, Conversation, Work } from "../exchange/carrier.ts";
import type { Clock } from "../exchange/clock.ts";
import type { TrustedProxies } from "../exchange/forwarding.ts";
import type { Peer } from "../exchange/peer.ts";
import type { Transport } from "../exchange/transport.ts";
import { formatPeer } from "../http/authority.ts";
import { PROXY_HEADER_BYTES_MAX, type ProxyHeader, parseProxyHeader } from "../http/proxy-header.ts";
import { UNKNOWN_ADDRESS } from "./admission.ts";
import { converse } from "./listen.ts";

export interface AnnouncementsOptions {
  readonly relays: Pick<TrustedProxies, "has">;
  readonly clock: Clock;
  /** Milliseconds for a whole announcement. */
  readonly timeoutMs: number;
  /** Continues with the connection of the announced client, in place of `before`. Returns null if the client is refused and cut off. */
  readonly announced: (before: Announcement, peer: Peer) => Conversation | null;
  /** Closes a connection that has no announcement; `problem` is the end of a sentence. */
  readonly refused: (connection: Announcement, problem: string) => void;
}

/** Makes the first conversation of each connection. */
export class Announcements {
  readonly options: AnnouncementsOptions;

  constructor(options: AnnouncementsOptions) {
    this.options = options;
  }

  /** Returns true if `address` is one whose announcements count. */
  trusts(address: string): boolean {
    return this.options.relays.has(address);
  }

  /** Begins connection `id` of a trusted proxy. */
  begin(transport: Transport, id: number, address: string, port: number): Announcement {
    return new Announcement(this.options, transport, id, address, port);
  }
}

class Announcement implements Connection {
  readonly id: number;
  readonly peer: string;
  /** The client's is not known yet. */
  readonly address = UNKNOWN_ADDRESS;
  readonly transport: Transport;
  readonly served = 0;
  readonly state = "reading";
  readonly #options: AnnouncementsOptions;
  readonly #socketAddress: string;
  readonly #port: number;
  readonly #startedMs: number;
  #head: Uint8Array = new Uint8Array(0);
  /** True once the client was announced, or the connection is closing. */
  #isOver = false;

  constructor(options: AnnouncementsOptions, transport: Transport, id: number, address: string, port: number) {
    this.#options = options;
    this.transport = transport;
    this.id = id;
    this.#socketAddress = address;
    this.peer = formatPeer(address, port);
    this.#port = port;
    this.#startedMs = options.clock.nowMs;
  }

  received(bytes: Uint8Array): void {
    if (this.#isOver) return;
    const head = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes]);
    const header = parseProxyHeader(head.subarray(0, PROXY_HEADER_BYTES_MAX));
    if (header === null) this.#head = head;
    else if (typeof header === "string") this.#refuse(header);
    else this.#continue(header, head);
  }

  #continue({ length, client }: ProxyHeader, head: Uint8Array): void {
    this.#isOver = true;
    this.#head = new Uint8Array(0);
    const socketAddress = this.#socketAddress;
    const own = { address: socketAddress, port: this.#port, secure: false };
    const peer: Peer = { ...(client ?? own), socketAddress, isEncrypted: false };
    const next = this.#options.announced(this, peer);
    if (next === null) return;
    converse(this.transport, next);
    if (length < head.length) next.received(head.subarray(length));
  }

  /** Nothing is answered: the peer speaks another protocol, or is silent. */
  #refuse(problem: string): void {
    this.#isOver = true;
    this.#options.refused(this, problem);
  }

  ended(): void {
    // A health check that only connects sends nothing.
    if (this.#head.length > 0) this.#refuse("it ends before the header does");
    else this.terminate();
  }

  tick(): void {
    if (this.#isOver || this.#options.clock.nowMs - this.#startedMs < this.#options.timeoutMs) return;
    this.#refuse("the header is not complete in time");
  }

  shutDown(quietMs: number): void {
    if (this.#options.clock.nowMs - this.#startedMs >= quietMs) this.terminate();
  }

  terminate(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.transport.terminate();
  }

  closed(): void {
    this.#isOver = true;
  }

  // No request has come, so there is nothing else to do.

  secured(): void {}

  drained(): void {}

  works(): readonly Work[] {
    return [];
  }

  closeIdle(): boolean {
    return false;
  }

  pardon(): void {}

  release(): void {}
}
