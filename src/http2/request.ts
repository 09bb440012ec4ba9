/**
 * The request of one stream: its fields, and their meaning (RFC 9113 §8.3.1) by the same readers that HTTP/1 has. Requests are used
 * again, so a stream that repeats the path of an earlier one is compared, and not read.
 */
import type { ContentMemory } from "../exchange/content-buffer.ts";
import type { CollectingRequest } from "../exchange/exchange.ts";
import type { Peer } from "../exchange/peer.ts";
import { ReceivedRequest } from "../exchange/received-request.ts";
import { ASTERISK, BACKSLASH, CLASS, equalsIgnoringCase, QUESTION, SLASH, TARGET_CHAR } from "../http/ascii.ts";
import { Authority, effectivePort, parseAuthority } from "../http/authority.ts";
import { Field } from "../http/field.ts";
import { Method } from "../http/method.ts";
import { ParseError } from "../http/parse-error.ts";
import { PathMemo } from "../http/path-memo.ts";
import { parseTarget, Target } from "../http/target.ts";
import { contentLengthOf, DecodedHead } from "./request-head.ts";

/** Bytes of a text that is read as bytes. All requests share the buffer, which holds nothing between two texts. */
let scratch = new Uint8Array(1024);

export class Http2Request extends ReceivedRequest implements CollectingRequest {
  readonly head: DecodedHead;
  readonly target: Target;
  readonly protocol = "2";
  announced: "none" | "unknown" | number = "none";
  /** The client waits for 100 before it sends content. */
  expectsContinue = false;
  readonly #host = new Authority();
  /** The texts that `target` was read from, if they broke no rule. */
  #path: string | null = null;
  #authority: string | null = null;
  #hostLine: string | null = null;
  #method = Method.Other;

  constructor(fieldsMax: number, memory: ContentMemory, paths: PathMemo) {
    super(memory);
    this.head = new DecodedHead(fieldsMax);
    this.target = new Target(paths);
  }

  override lend(peer: Peer): void {
    super.lend(peer);
    this.announced = "none";
    this.expectsContinue = false;
    this.head.reset();
  }

  /** Reads the meaning of a complete head. `isLast`: no content follows. Returns 0 or a ParseError. */
  understand(isLast: boolean): number {
    const { head } = this;
    const error = head.error || this.#checkPseudo() || this.#readLength(isLast);
    if (error !== 0) return error;
    // The message is understood from here on: mistakes in the request itself are answered.
    return this.#readTarget() || this.#readExpectation(isLast);
  }

  #checkPseudo(): number {
    const { method, methodText, scheme, path, authority } = this.head;
    if (methodText === "") return ParseError.PseudoFieldMissing;
    // RFC 9113 §8.3.1: no user information.
    if (authority?.includes("@") === true) return ParseError.PseudoFieldInvalid;
    if (method === Method.Connect) {
      if (scheme !== null || path !== null) return ParseError.PseudoFieldInvalid;
      return authority === null ? ParseError.PseudoFieldMissing : 0;
    }
    if (scheme === null || path === null) return ParseError.PseudoFieldMissing;
    if (!isScheme(scheme)) return ParseError.PseudoFieldInvalid;
    if (path.charCodeAt(0) === SLASH) return 0;
    const isAsterisk = path.length === 1 && path.charCodeAt(0) === ASTERISK;
    return isAsterisk && method === Method.Options ? 0 : ParseError.PseudoFieldInvalid;
  }

  #readLength(isLast: boolean): number {
    const length = contentLengthOf(this.head);
    if (length < -1) return length + 1;
    if (isLast && length > 0) return ParseError.ContentLengthMismatch;
    this.announced = length >= 0 ? length : isLast ? "none" : "unknown";
    return 0;
  }

  #readTarget(): number {
    const { head } = this;
    const { path, authority, hostLine, method } = head;
    if (
      path === this.#path &&
      authority === this.#authority &&
      hostLine === this.#hostLine &&
      !head.isRepeated(Field.Host) &&
      method === this.#method
    ) {
      return 0;
    }
    this.#path = null;
    this.#method = Method.Other;
    const error = this.#readAuthority() || this.#parseTarget(path ?? authority ?? "");
    if (error !== 0) {
      this.target.reset();
      return error;
    }
    // The target of CONNECT is not kept: its text is that of `:authority`.
    if (method === Method.Connect) return 0;
    this.#path = path;
    this.#authority = authority;
    this.#hostLine = hostLine;
    this.#method = method;
    return 0;
  }

  /** Reads `:authority`, and Host where it is absent. If both are there, they agree (RFC 9113 §8.3.1). */
  #readAuthority(): number {
    const { head, target } = this;
    const { authority, hostLine, scheme } = head;
    target.authority.reset();
    const text = authority ?? hostLine;
    if (text === null) return ParseError.HostMissing;
    if (head.isRepeated(Field.Host)) return ParseError.HostRepeated;
    if (!readAuthority(text, target.authority)) return ParseError.HostInvalid;
    if (authority === null || hostLine === null || authority === hostLine) return 0;
    const host = this.#host;
    if (!readAuthority(hostLine, host)) return ParseError.HostInvalid;
    const known = isHttps(scheme) ? "https" : "http";
    const isSame =
      host.host === target.authority.host &&
      effectivePort(host.port, known) === effectivePort(target.authority.port, known);
    return isSame ? 0 : ParseError.AuthorityMismatch;
  }

  #parseTarget(text: string): number {
    const length = copy(text);
    let hasQuery = false;
    for (let i = 0; i < length; i++) {
      const byte = scratch[i] as number;
      if (byte === QUESTION) hasQuery = true;
      const isAllowed = ((CLASS[byte] as number) & TARGET_CHAR) !== 0 || (byte === BACKSLASH && hasQuery);
      if (!isAllowed) return ParseError.TargetCharacter;
    }
    return parseTarget(this.head.method, scratch, 0, length, this.target);
  }

  #readExpectation(isLast: boolean): number {
    const { head } = this;
    if (!head.has(Field.Expect)) return 0;
    for (const item of (head.value(Field.Expect) as string).split(",")) {
      const text = item.trim();
      const length = copy(text);
      if (!equalsIgnoringCase(scratch, 0, length, "100-continue")) return ParseError.ExpectationUnknown;
    }
    this.expectsContinue = !isLast && this.announced !== 0;
    return 0;
  }
}

/** Rules whose breach makes a request malformed, so that its stream is reset (RFC 9113 §8.1.1). All others are answered. */
const MALFORMED: ReadonlySet<number> = new Set([
  ParseError.FieldNameEmpty,
  ParseError.FieldNameInvalid,
  ParseError.FieldValueInvalid,
  ParseError.ContentLengthInvalid,
  ParseError.ContentLengthRepeated,
  ParseError.ContentLengthTooLarge,
  ParseError.TrailerForbidden,
  ParseError.TrailersTooLarge,
  ParseError.PseudoFieldUnknown,
  ParseError.PseudoFieldRepeated,
  ParseError.PseudoFieldMissing,
  ParseError.PseudoFieldMisplaced,
  ParseError.PseudoFieldInvalid,
  ParseError.FieldNameUpperCase,
  ParseError.FieldOfConnection,
  ParseError.ContentLengthMismatch,
  ParseError.AuthorityMismatch,
]);

/** Returns true if a request that breaks this rule is malformed. */
export function isMalformed(error: number): boolean {
  return MALFORMED.has(error);
}

/** Requests that are not in use. Their number is bounded, so that a flood does not keep its memory for ever. */
export class RequestPool {
  readonly #fieldsMax: number;
  readonly #memory: ContentMemory;
  readonly #paths = new PathMemo();
  readonly #idle: Http2Request[] = [];

  /** `fieldsMax` bounds the lines of a head. */
  constructor(fieldsMax: number, memory: ContentMemory) {
    this.#fieldsMax = fieldsMax;
    this.#memory = memory;
  }

  /** Returns a request of `peer`. */
  take(peer: Peer): Http2Request {
    const request = this.#idle.pop() ?? new Http2Request(this.#fieldsMax, this.#memory, this.#paths);
    request.lend(peer);
    return request;
  }

  takeBack(request: Http2Request): void {
    request.head.reset();
    if (this.#idle.length < IDLE_REQUESTS_MAX) this.#idle.push(request);
  }
}

const IDLE_REQUESTS_MAX = 256;

/** Returns true for a scheme of ours, whose case does not count (RFC 9110 §4.2.3). A proxy that ends TLS sends `https` over a connection without it. */
function isScheme(text: string): boolean {
  return isHttps(text) || text === "http" || text.toLowerCase() === "http";
}

function isHttps(text: string | null): boolean {
  return text === "https" || text?.toLowerCase() === "https";
}

function readAuthority(text: string, into: Authority): boolean {
  return parseAuthority(scratch, 0, copy(text), into);
}

/** Copies the ISO-8859-1 `text` to the scratch. Returns its length. */
function copy(text: string): number {
  const { length } = text;
  if (scratch.length < length) scratch = new Uint8Array(2 * length);
  for (let i = 0; i < length; i++) scratch[i] = text.charCodeAt(i);
  return length;
}
