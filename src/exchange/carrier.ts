/**
 * The seam between the life of a request (exchange.ts) and the wire that carries it. HTTP/1 carries one exchange at a time, so its
 * connection is the carrier; HTTP/2 carries a hundred at once, and each of its streams is one.
 *
 * A carrier works in turns: an event of its socket, of the clock or of its exchange begins one, and it asks the exchange for
 * the response (`Exchange.proceed`). An exchange never sends by itself, so a carrier decides alone about the order of its bytes.
 */
import type { RequestHead } from "../http/message.ts";
import type { CloseReason } from "./observer.ts";

/** The parts of a wire that an exchange asks for. */
export interface Carrier {
  /** Number of the connection since the server's start, from 1. */
  readonly id: number;
  /** Number of the stream on its connection; 0 in HTTP/1, which has none. */
  readonly stream: number;
  /** Numeric address and port of the peer, for logs. */
  readonly peer: string;
  /** Begins a turn: the exchange has its slot or its response, or its sink takes content again. Called outside of turns. */
  ready(): void;
  /** Ends reading: the rest of the request is not wanted. In HTTP/1 the response is the connection's last. */
  stopReading(): void;
  /** Cuts the response off. Called outside of turns. */
  abort(reason: CloseReason): void;
  /**
   * Returns how many bytes of the response's content the kernel has accepted. `isCut`: gathered bytes will not be
   * sent.
   */
  sentBytes(isCut: boolean): number;
}

/** The other side of a socket: a connection, or a farewell to a peer that was turned away. */
export interface Conversation {
  /** Called when the TLS handshake is done. `isHttp2`: the peer has chosen HTTP/2. */
  secured(isHttp2?: boolean): void;
  /** Takes bytes of the peer. The array must not be changed afterwards. */
  received(bytes: Uint8Array): void;
  /** Called when the transport accepts bytes again. */
  drained(): void;
  /** Called when the peer has sent FIN. */
  ended(): void;
  /** Called when the transport is closed. */
  closed(): void;
  /** Called when time has passed. */
  tick(): void;
  /**
   * Called while the server shuts down. Closes a connection that waits for its peer and has been quiet for `quietMs`; after its last
   * response, for `lingerMs` as well.
   */
  shutDown(quietMs: number, lingerMs: number): void;
}

/** A connection as the server, the live view and a fixture see it, whatever its wire format. */
export interface Connection extends Conversation {
  readonly id: number;
  readonly peer: string;
  /** Numeric address of the peer, IPv6 without brackets. */
  readonly address: string;
  /** Number of requests whose head was complete. */
  readonly served: number;
  readonly state: ConnectionState;
  /** Returns the requests that have a slot, lent one, or wait for one. */
  works(): readonly Work[];
  /** Ends the connection at once, in any state. */
  terminate(): void;
  /** Closes as when the idle timeout is over. If a request is under way, does nothing and returns false. Not within a turn. */
  closeIdle(): boolean;
  /** Drops faults that were ordered and have not begun. */
  pardon(): void;
  /**
   * Ends faults that have begun: a delayed response is sent in full, one that was cut short or hangs is closed with RST. Not within
   * a turn.
   */
  release(): void;
}

/** State of a request: `waiting` for a slot, `working` in its handler, `sending` its response. */
export type WorkPhase = "waiting" | "working" | "sending";

/** A request that has a slot, or waits for one. */
export interface Work {
  readonly connection: number;
  /** 0 in HTTP/1. */
  readonly stream: number;
  readonly peer: string;
  /** Valid as long as the request. */
  readonly head: RequestHead;
  readonly phase: WorkPhase;
  /** 0 while it waits, or has lent its slot. */
  readonly slot: number;
  /** Milliseconds since its head was complete. */
  readonly forMs: number;
  /** Bytes of the response's content. */
  readonly sentBytes: number;
  readonly totalBytes: number;
}

/** State of a connection: `idle` between requests, `closing` after its last response. */
export type ConnectionState = "idle" | "reading" | "closing" | WorkPhase;
