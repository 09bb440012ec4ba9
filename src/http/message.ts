/**
 * The vocabulary both neighbours of floor 2 share: a conversation (`connection/`) hands a Request to a Handler, and gets a
 * Response. Nothing here does work; what is stated here is what one side may rely on and the other must keep.
 */

import type { Framing } from "../http1/framing.ts";
import type { RequestHead } from "../http1/request-head.ts";
import type { Fault } from "./fault.ts";
import type { Target } from "./target.ts";

/** What became of the Host check, for the request's log line; `-` until it was made. */
export type HostVerdict = "ok" | "refused" | "missing" | "invalid" | "-";

/**
 * One request as the handler sees it. The connection owns and reuses the object: it is valid from `admit` until the
 * response's last byte is sent, and must not be kept longer.
 */
export interface Request {
  /** Request line and fields, as offsets into received bytes. Valid as long as the request. */
  readonly head: RequestHead;
  /** How the body is delimited and whether the connection may persist (RFC 9112 §6, §9.3). */
  readonly framing: Framing;
  /** The request target, decoded once (RFC 9112 §3.2). */
  readonly target: Target;
  /** Numeric address of the peer, IPv6 without brackets. */
  readonly peer: string;
  /** True when the bytes came over TLS. */
  readonly secure: boolean;
  /** Content as received, framing removed; empty unless `bodyBytesMax` was set by `admit`. */
  readonly body: Uint8Array;
  /** Set by `admit` (ok, refused) or by the connection (missing, invalid). */
  hostVerdict: HostVerdict;
  /** Set by `admit`: > 0 when the handler wants the content, and the most it takes; longer is 413. */
  bodyBytesMax: number;
  /** Set by `admit`: true for the server's own rooms, which take no slot, and are neither logged nor counted. */
  isControl: boolean;
  /** Set by `admit`, in fixture servers alone: what shall go wrong with the answer. */
  fault: Fault | null;
}

/** Content that is not in memory. Whoever receives it in a Response calls `close` exactly once. */
export interface BodySource {
  /** Bytes in all; never changes. */
  readonly size: number;
  /**
   * Copies up to `limit` bytes of the content, from `position`, to `into` at `offset`.
   * Returns the count; 0 means that the content ended early or cannot be read any more. Never throws.
   */
  read(position: number, into: Uint8Array, offset: number, limit: number): number;
  /** Gives the descriptor back. Never throws. */
  close(): void;
}

/** Content that comes into being while it is sent, without an end that is known. */
export interface LiveSource extends BodySource {
  /** True when nothing will follow what there is. */
  readonly isOver: boolean;
  /** As of any source, but 0 means that there is nothing at the moment. What lies before `position` is not asked for again. */
  read(position: number, into: Uint8Array, offset: number, limit: number): number;
  /** `call` is called whenever there is more, or nothing will follow; not any more after `close`. */
  whenMore(call: () => void): void;
}

/** What is answered. Immutable, so a prepared answer may serve many requests. */
export interface Response {
  readonly status: number;
  /**
   * Field lines and the empty line; made by `encodeFields`. The connection writes the status line, `Server`, `Date`, `Connection`
   * and `Keep-Alive` before them.
   */
  readonly fields: Uint8Array;
  /** Content. The connection leaves it out in the answer to HEAD, so a handler answers HEAD exactly as GET. */
  readonly body: Uint8Array | BodySource | LiveSource | null;
  /** Fields and content in one piece, where they lie so in memory: then they are copied at once. */
  readonly joined: Uint8Array | null;
  /** True: this answer is the connection's last. */
  readonly close: boolean;
  /** What was sent, in a word or two for the request's log line: `html`, `binary`, `error`, … */
  readonly transfer: string;
  /** A security event to be logged as a warning, or null. Wire bytes in it are already escaped. */
  readonly incident: string | null;
}

/** What we answer. One per server; knows nothing of sockets, slots and time limits. */
export interface Handler {
  /**
   * The cheap look at a complete head: no I/O, no slot. Returns a refusal, or null to go on to `respond`; sets
   * `request.bodyBytesMax` when the content is wanted.
   */
  admit(request: Request): Response | null;
  /** Answers a complete request that holds a slot. Returns at once where nothing has to be waited for. */
  respond(request: Request): Response | Promise<Response>;
  /**
   * The answer for what the connection itself finds wrong (bad framing, too slow, too busy, our own failure).
   * `request` is null where the head could not be read. `fields` are further field lines, such as Retry-After.
   */
  failure(
    status: number,
    sentence: string,
    request: Request | null,
    fields?: readonly (readonly [name: string, value: string])[],
  ): Response;
}
