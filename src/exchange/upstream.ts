/**
 * The seam between a mount that passes requests on and the wire to the server behind this one. The mount knows no wire format, and the
 * wire knows no policy.
 */
import type { FieldLines } from "../http/fields.ts";
import type { ContentSink, LiveSource } from "../http/message.ts";
import type { Transport } from "./transport.ts";

/** A request as it is passed on. The wire adds the fields that frame it. */
export interface ForwardedRequest {
  readonly method: string;
  /** In the characters of RFC 3986, beginning with a slash. */
  readonly target: string;
  /** Values are Latin-1: one byte a character. */
  readonly lines: FieldLines;
  /** Content that follows: none, some of unknown length, or a number of bytes. */
  readonly announced: "none" | "unknown" | number;
  /** True if it may be sent twice: it is idempotent, and has no content. */
  readonly mayRepeat: boolean;
  /** True if its sender sends it again where that is needed. So it may take an idle connection, which the upstream may be closing. */
  readonly mayReuse?: boolean;
}

/** The head of a final response, and its content while that comes. */
export interface ForwardedResponse {
  readonly status: number;
  /** All field lines as they were sent. */
  readonly lines: FieldLines;
  /** Null if there is none. Its receiver calls `close` exactly once. */
  readonly content: LiveSource | null;
  /** Bytes of the content; null if they are not known. */
  readonly length: number | null;
}

/** Why there is no response that can be passed on. */
export interface UpstreamFailure {
  /** True: the upstream took too long. */
  readonly isLate: boolean;
  /** End of a sentence that begins with the upstream. */
  readonly reason: string;
  /** True: the connection had been idle, and ended without a byte in return. */
  readonly isStale?: boolean;
}

/** Receives the response to one request: `failed`, or else `answered` and then `ended`. */
export interface UpstreamListener {
  answered(response: ForwardedResponse): void;
  failed(failure: UpstreamFailure): void;
  /** Takes a piece of the content when it comes, possibly before `answered`. The piece never changes. */
  received(bytes: Uint8Array): void;
  /** `isWhole`: the content is complete. */
  ended(isWhole: boolean): void;
}

/** One request on its way. Its content comes through the sink. */
export interface UpstreamCall extends ContentSink {
  /** Fails unless the response is there within `ms` milliseconds. */
  hurry(ms: number): void;
}

/** A server behind this one. */
export interface Upstream {
  call(request: ForwardedRequest, listener: UpstreamListener): UpstreamCall;
}

/** The events of a connection that this side opens. */
export interface UpstreamEvents {
  /** The peer is there, but nothing may be sent yet: it has to prove its name. */
  reached(transport: Pick<Transport, "terminate">): void;
  opened(transport: Transport): void;
  /** The connection cannot be opened; `reason` is the end of a sentence. */
  failed(reason: string): void;
  received(bytes: Uint8Array): void;
  drained(): void;
  ended(): void;
  closed(): void;
}
