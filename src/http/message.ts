/**
 * The vocabulary that wire formats and handlers share: a wire format hands a Request to a Handler, and gets a Response. Nothing
 * here does work. Each sentence is a promise that one side relies on and the other keeps. No wire format is named here.
 */

import type { Fault } from "./fault.ts";
import type { Field } from "./field.ts";
import type { FieldLines, Fields } from "./fields.ts";
import type { Method } from "./method.ts";
import type { RequestTarget } from "./target.ts";

/** Outcome of the Host check, for the request's log line; `-` until it was made. */
export type HostVerdict = "ok" | "refused" | "missing" | "invalid" | "-";

/** Decision about a request whose head is complete. Immutable, so that a prepared one may serve many requests. */
export interface Admission {
  /** Response to a request that goes no further, or null. */
  readonly refusal: Response | null;
  /**
   * Use of the content that follows. `discard`: the request waits for its end, and is then answered. `skip`: the request is answered at
   * once, and the content is read past afterwards; every refusal skips. If more than `collectMax` bytes come or are announced, the answer
   * is 413. A sink gets the content while `respond` works, so such a request takes its slot before its content comes.
   */
  readonly content: "discard" | "skip" | { readonly collectMax: number } | { readonly sink: ContentSink };
  /** True for the server's own endpoints: such a request takes no slot and is neither logged nor counted. */
  readonly isControl: boolean;
  readonly host: HostVerdict;
  /** Fault that a test ordered for the answer; always null but in fixture servers. */
  readonly fault: Fault | null;
  /**
   * Decision that takes time, such as the check of a password, or null. The request takes its slot for it. Before its result takes the
   * place of this admission, nothing is answered and no content is taken; the fault stays. Called once at most.
   */
  readonly later: (() => Promise<Admission>) | null;
}

/** Admits a request whose content, if it has any, is of no use. */
export const ADMITTED: Admission = {
  refusal: null,
  content: "discard",
  isControl: false,
  host: "ok",
  fault: null,
  later: null,
};

/** Admits a request that will be refused whatever its content is, once the disk was asked. */
export const CERTAIN: Admission = { ...ADMITTED, content: "skip" };

/** Holds until a handler has decided. */
export const UNDECIDED: Admission = { ...ADMITTED, host: "-" };

/** Makes an admission that ends the request with `refusal`. */
export function refused(refusal: Response, host: HostVerdict = "ok"): Admission {
  return { refusal, content: "skip", isControl: false, host, fault: null, later: null };
}

/**
 * Method, target and fields of a request, as sent. HTTP/1 keeps offsets into the received bytes, HTTP/2 decoded pairs. Texts are
 * ISO-8859-1, one character a byte, and not escaped.
 */
export interface RequestHead {
  readonly method: Method;
  /** Name of the method, also of one that has no number. */
  readonly methodText: string;
  /** The request target, not decoded. */
  readonly targetText: string;
  /** Method, target and version in one line, for logs. If the head could not be read, its first bytes. */
  readonly requestLine: string;
  has(field: Field): boolean;
  isRepeated(field: Field): boolean;
  /**
   * Returns the field's value, or null when it is absent. Several lines are joined with ", " (RFC 9110 §5.3), also for a field
   * that is not a list: the result does not fit the grammar of that field, and its reader refuses it.
   */
  value(field: Field): string | null;
  /** Returns all field lines in their order, known or not. */
  lines(): FieldLines;
}

/**
 * One request as the handler sees it. The connection owns and reuses the object: it is valid from `admit` until the
 * response's last byte is sent, and must not be kept longer.
 */
export interface Request {
  readonly head: RequestHead;
  /** The request target, decoded once (RFC 9112 §3.2). */
  readonly target: RequestTarget;
  /** Version of HTTP that the request was sent in. "1.1" stands for later minor versions too (RFC 9110 §2.5). */
  readonly protocol: "1.0" | "1.1" | "2";
  /**
   * Numeric address of the client, IPv6 without brackets. If a proxy that the operator trusts does not give it, it is `unknown`, or a name
   * that begins with `_` (RFC 7239 §6).
   */
  readonly address: string;
  /** Numeric address of the other side of the socket: the client's, or a proxy's. */
  readonly socketAddress: string;
  /** True when the client has used https. */
  readonly secure: boolean;
  /** Proxy whose word counts for `address`, `secure` and the authority of the target; null: the client is the peer itself. */
  readonly relay: Relay | null;
  /** Content that follows the head: none, some of unknown length, or a number of bytes, which may be 0. */
  readonly announced: "none" | "unknown" | number;
  /** Content as received, framing removed; empty unless its admission says to collect it. */
  readonly content: Uint8Array;
  /**
   * Calls `call` if the client leaves, or ends its side of the connection, before the response is there. Only for a handler that
   * answers with a promise, whose `call` may come at any time, even at once. A later `whenLeft` replaces an earlier one.
   */
  whenLeft(call: () => void): void;
}

/** A trusted proxy in front of this server that has named the client of the request. */
export interface Relay {
  /** Its numeric address. */
  readonly address: string;
  /** True when it has used https itself. */
  readonly secure: boolean;
  /** Host as the client sent it, if the proxy says so; else null. The Host rule accepts it. */
  readonly host: string | null;
}

/** Why a request's content will never be complete. */
export type ContentFailure =
  /** The peer left, or sent FIN too early. */
  | "client"
  /** The framing is in doubt. */
  | "malformed"
  | "timeout"
  /** The response came before the content had ended. */
  | "answered"
  /** We cut the connection: a fault, a failure of ours, the end of the server. */
  | "cut";

/**
 * Takes the content of one request piece by piece, and says when it has to wait (docs/decisions/0013). It holds nothing before
 * its first call. Once `respond` was called, it gets exactly one `ended` or `failed`, and then no further call. No method throws.
 */
export interface ContentSink {
  /**
   * Takes a piece, which never changes afterwards, so the sink may keep it. Returns false if the next piece has to wait: then
   * `whenReady` follows.
   */
  write(bytes: Uint8Array): boolean;
  /** The content is complete. */
  ended(): void;
  /** The content will never be complete: the sink gives back everything it holds. */
  failed(reason: ContentFailure): void;
  /** Calls `resume` once, when `write` may be called again. Never calls it before `whenReady` has returned. */
  whenReady(resume: () => void): void;
}

/** Content that is not in memory. The receiver of a Response with it calls `close` exactly once. */
export interface ContentSource {
  /** Bytes in all; never changes. */
  readonly size: number;
  /**
   * Copies up to `limit` bytes of the content, from `position`, to `into` at `offset`.
   * Returns the count; 0 means that the content ended early or can no longer be read. Never throws.
   */
  read(position: number, into: Uint8Array, offset: number, limit: number): number;
  /** The memory that `read` copies from, if there is any: it is held until `close`. */
  readonly memory?: Uint8Array | null;
  /**
   * Returns the part of an open file that the content consists of from `position` on; null if other bytes follow there. Absent in content
   * that is never in a file.
   */
  fileAt?(position: number): FilePart | null;
  /** Gives the descriptor back. Never throws. */
  close(): void;
}

/** A part of an open file. Its source owns the descriptor, which is valid until the source is closed or the turn ends. */
export interface FilePart {
  readonly descriptor: number;
  readonly offset: number;
  readonly size: number;
}

/**
 * Content in memory that is sent piece by piece, as a server sends it that makes one piece after the other. The carrier frames it,
 * so its response has no Content-Length.
 */
export interface Pieces {
  readonly bytes: Uint8Array;
  /** End of each piece in `bytes`, ascending; the last is the end of the content. */
  readonly ends: readonly number[];
}

/** Content in memory with the framing of its carrier in between. */
export interface FramedPieces extends ContentSource {
  /** The bytes without framing. */
  readonly memory: Uint8Array;
  /**
   * Returns the number of bytes on the wire that carry the first `count` bytes of the content. If a piece is complete with them, so is
   * its frame. The mark of the end is included only if `count` is more than the content has.
   */
  wireBytes(count: number): number;
}

/**
 * Content that comes into being while it is sent, without an end that is known. If the response has no Content-Length, the
 * carrier frames it: each read is a piece.
 */
export interface LiveSource extends ContentSource {
  /** True when nothing follows the bytes that are there. */
  readonly isOver: boolean;
  /**
   * True when the content will never be complete. The carrier then resets the connection, so that the client does not take a part for
   * the whole. Absent in content that cannot fail.
   */
  readonly isCut?: boolean;
  /** Bytes of memory that wait to be read, and that this content alone holds. Absent in content that holds next to none. */
  readonly heldBytes?: number;
  /**
   * Works as in any source, but 0 means that there is nothing at the moment. Bytes before `position` are not requested
   * again; those that it has returned once may be.
   */
  read(position: number, into: Uint8Array, offset: number, limit: number): number;
  /** Calls `call` whenever there is more, or nothing will follow; not after `close`. */
  whenMore(call: () => void): void;
}

/** Live content with the framing of its carrier in between. */
export interface FramedLive extends LiveSource {
  /** The content without framing. */
  readonly source: LiveSource;
}

export type Content = Uint8Array | ContentSource | LiveSource | Pieces;

/** The answer to one request, whatever carries it. Immutable, so that one made beforehand may serve many requests. */
export interface Response {
  readonly status: number;
  /** All but those that the carrier writes: `Server`, `Date`, and in HTTP/1 `Connection`, `Keep-Alive`, `Transfer-Encoding`. */
  readonly fields: Fields;
  /** The carrier leaves it out in the answer to HEAD, so a handler answers HEAD exactly as GET. */
  readonly content: Content | null;
  /** True: the connection ends with this answer. */
  readonly isLast: boolean;
  /** A word or two for the request's log line: `html`, `binary`, `error`, … */
  readonly kind: string;
  /** A security event to be logged as a warning, or null. Wire bytes in it are already escaped. */
  readonly incident: string | null;
  /** Name of the stub that it comes from, for journal and log; absent in all other responses. */
  readonly stub?: string;
  /** Content that a sink has taken for it, for the journal; absent in all other responses. */
  readonly received?: { readonly bytes: number; readonly sha256: string };
  /** Server that it comes from, for the journal; absent in all responses of our own. */
  readonly upstream?: UpstreamReport;
}

/** One request to a server behind this one. */
export interface UpstreamReport {
  /** URL of the request to it. */
  readonly url: string;
  /** Milliseconds until the head of its response, or until it failed. */
  readonly ms: number;
  /** Null if there was no response that could be passed on. */
  readonly status: number | null;
}

/** A response whose content is as its carrier sends it. */
export interface FramedResponse extends Response {
  readonly content: Exclude<Content, Pieces> | null;
}

/** Makes a response without an incident. */
export function response(
  status: number,
  fields: Fields,
  content: Content | null,
  kind: string,
  isLast = false,
): Response {
  return { status, fields, content, isLast, kind, incident: null };
}

/** Answers requests. One per server; knows nothing of sockets, slots and time limits. */
export interface Handler {
  /** Decides by the head alone, without I/O and without a slot. Never writes into the request. */
  admit(request: Request): Admission;
  /**
   * Answers a complete request that was admitted and holds a slot. `admission` is the one of `admit`, but for a fault that was
   * pardoned since. Returns at once if there is nothing to wait for.
   */
  respond(request: Request, admission: Admission): Response | Promise<Response>;
  /**
   * Answers for the connection, which found a mistake (bad framing, too slow, too busy, our own failure). `request` is
   * null if the head could not be read. `fields` are further field lines, such as Retry-After.
   */
  failure(status: number, sentence: string, request: Request | null, fields?: FieldLines): Response;
}
