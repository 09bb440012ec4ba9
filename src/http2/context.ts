import type { Context, ConversationLimits } from "../exchange/context.ts";
import type { StreamGates } from "../exchange/stream-gate.ts";
import type { Fields } from "../http/fields.ts";
import type { limits } from "../settings/limits.ts";
import type { RequestPool } from "./request.ts";

/** The settings that an HTTP/2 conversation obeys, and its bounds without a flag. */
export interface Http2Limits
  extends ConversationLimits,
    Pick<
      { readonly [Name in keyof typeof limits]: number },
      Extract<keyof typeof limits, `http2${string}` | "fieldsMax">
    > {
  /** Bytes of a field section, as RFC 9113 §6.5.2 counts them. */
  readonly maxHeaderBytes: number;
}

/** One write buffer for all connections; empty between turns. It grows for a head that does not fit. */
export class Scratch {
  bytes: Uint8Array;
  used = 0;

  /** `size` is in bytes. */
  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  /** Makes room for `count` bytes after those that are used. */
  reserve(count: number): void {
    if (this.used + count <= this.bytes.length) return;
    const grown = new Uint8Array(2 * (this.used + count));
    grown.set(this.bytes.subarray(0, this.used));
    this.bytes = grown;
  }
}

/** The parts that all HTTP/2 connections of one server share. */
export interface Http2Context extends Context {
  readonly limits: Http2Limits;
  readonly requests: RequestPool;
  readonly scratch: Scratch;
  /** Makes responses fail on their streams; null without a fixture. */
  readonly gates: StreamGates | null;
  /** Fields of every response, and those of the server's own endpoints. */
  readonly fixedFields: Fields;
  readonly endpointFields: Fields;
}
