/**
 * How a request's content is delimited and whether the connection may persist (RFC 9112 §6.3, §9.3; RFC 9110 §7.6.1, §10.1.1).
 *
 * Rule it guards: there is exactly one way to read where a message ends. Whatever two readers could take differently (two
 * lengths, a length and a coding, a coding in HTTP/1.0) is refused, never chosen between.
 */
import { CLASS, COMMA, DIGIT, DIGIT_0, equalsIgnoringCase, HTAB, SP, TCHAR } from "../http/ascii.ts";
import { Field } from "../http/field.ts";
import { ParseError } from "../http/parse-error.ts";
import type { ParsedHead } from "./request-head.ts";

/** How the content is delimited (RFC 9112 §6). */
export type FramingKind = "none" | "length" | "chunked";

/** Longest Content-Length, digits. 2^53 - 1 has 16; leading zeros are within the grammar and count too. */
const LENGTH_DIGITS_MAX = 16;

/** Empty elements tolerated in a list (RFC 9110 §5.6.1.2: "a reasonable number"). */
const EMPTY_ELEMENTS_MAX = 8;

/** One per exchange, filled again for each request whose head is another than the last. */
export class Framing {
  kind: FramingKind;
  /** Bytes of content when `kind` is "length", else 0. */
  contentLength: number;
  /** True when the client lets the connection persist; false until a head was understood. */
  persistent: boolean;
  /** The client waits for 100 before it sends content. Only true when content is announced. */
  expectsContinue: boolean;

  constructor() {
    this.kind = "none";
    this.contentLength = 0;
    this.persistent = false;
    this.expectsContinue = false;
  }

  /** The content in words that every version of HTTP has. */
  get announced(): "none" | "unknown" | number {
    if (this.kind === "length") return this.contentLength;
    return this.kind === "none" ? "none" : "unknown";
  }

  reset(): void {
    this.kind = "none";
    this.contentLength = 0;
    this.persistent = false;
    this.expectsContinue = false;
  }
}

/**
 * Fills `framing` from a complete head. Returns 0, or a ParseError. After ExpectationUnknown `framing` is complete and valid;
 * after every other error it says "none" and not persistent.
 */
export function decideFraming(head: ParsedHead, framing: Framing): number {
  framing.reset();
  const delimited = decideDelimiting(head, framing);
  if (delimited < 0) return delimited;

  const persistent = decidePersistence(head);
  if (persistent < 0) {
    framing.reset();
    return persistent;
  }
  framing.persistent = persistent === 1;
  return decideExpectation(head, framing);
}

/**
 * Fills `framing` from the complete head of a response: its delimiting and its persistence, by the rules for requests. A response
 * without a length and without chunks has "none": then its status and its request say whether content follows. Returns 0 or a ParseError.
 */
export function decideResponseFraming(head: ParsedHead, framing: Framing): number {
  framing.reset();
  const delimited = decideDelimiting(head, framing);
  const persistent = delimited < 0 ? delimited : decidePersistence(head);
  if (persistent < 0) framing.reset();
  else framing.persistent = persistent === 1;
  return Math.min(persistent, 0);
}

function decideDelimiting(head: ParsedHead, framing: Framing): number {
  const known = head.known;
  if (known[Field.TransferEncoding] === 0) {
    return known[Field.ContentLength] === 0 ? 0 : readContentLength(head, framing);
  }
  // RFC 9112 §6.1: HTTP/1.0 has no transfer codings, and both fields together are a smuggling attempt: refuse, never choose.
  if (head.minorVersion === 0) return ParseError.TransferEncodingInHttp10;
  if (known[Field.ContentLength] !== 0) return ParseError.TransferEncodingWithLength;
  if (head.isRepeated(Field.TransferEncoding)) return ParseError.TransferEncodingInvalid;
  const index = (known[Field.TransferEncoding] as number) - 1;
  const start = head.valueStart(index);
  const end = head.valueEnd(index);
  if (!equalsIgnoringCase(head.bytes, start, end, "chunked")) return transferEncodingError(head.bytes, start, end);
  framing.kind = "chunked";
  return 0;
}

function readContentLength(head: ParsedHead, framing: Framing): number {
  if (head.isRepeated(Field.ContentLength)) return ParseError.ContentLengthRepeated;
  const index = (head.known[Field.ContentLength] as number) - 1;
  const start = head.valueStart(index);
  const end = head.valueEnd(index);
  if (start === end) return ParseError.ContentLengthInvalid;
  let length = 0;
  for (let pos = start; pos < end; pos++) {
    const byte = head.bytes[pos] as number;
    if (((CLASS[byte] as number) & DIGIT) === 0) return ParseError.ContentLengthInvalid;
    const digit = byte - DIGIT_0;
    // Asked before the arithmetic, so no length ever rounds or wraps.
    if (pos - start >= LENGTH_DIGITS_MAX || length > (Number.MAX_SAFE_INTEGER - digit) / 10) {
      return onlyDigits(head.bytes, pos, end) ? ParseError.ContentLengthTooLarge : ParseError.ContentLengthInvalid;
    }
    length = length * 10 + digit;
  }
  framing.kind = "length";
  framing.contentLength = length;
  return 0;
}

function onlyDigits(bytes: Uint8Array, start: number, end: number): boolean {
  for (let pos = start; pos < end; pos++) if (((CLASS[bytes[pos] as number] as number) & DIGIT) === 0) return false;
  return true;
}

/**
 * Returns the reason why a Transfer-Encoding is not `chunked`. It is 501 only for a well-formed list of plain codings with one that we do
 * not know and without a misplaced `chunked` (RFC 9112 §6.1). Parameters, empty elements and the like are 400, the strictest reading.
 */
function transferEncodingError(bytes: Uint8Array, start: number, end: number): ParseError {
  let pos = start;
  for (;;) {
    const codingStart = pos;
    while (pos < end && ((CLASS[bytes[pos] as number] as number) & TCHAR) !== 0) pos++;
    const codingEnd = pos;
    if (codingEnd === codingStart) return ParseError.TransferEncodingInvalid;
    pos = skipWhiteSpace(bytes, pos, end);
    if (pos === end) return ParseError.TransferEncodingUnknown;
    if (bytes[pos] !== COMMA) return ParseError.TransferEncodingInvalid;
    // RFC 9112 §6.3: chunked that is not the last coding leaves the end of the message unknown.
    if (equalsIgnoringCase(bytes, codingStart, codingEnd, "chunked")) return ParseError.TransferEncodingInvalid;
    pos = skipWhiteSpace(bytes, pos + 1, end);
  }
}

const SAW_CLOSE = 1;
const SAW_KEEP_ALIVE = 2;

/** 1 the connection may persist, 0 it may not (RFC 9112 §9.3: close wins), or a ParseError. */
function decidePersistence(head: ParsedHead): number {
  let seen = 0;
  for (let i = (head.known[Field.Connection] as number) - 1; i >= 0; ) {
    const options = readConnection(head.bytes, head.valueStart(i), head.valueEnd(i));
    if (options < 0) return options;
    seen |= options;
    i = head.isRepeated(Field.Connection) ? head.next(Field.Connection, i) : -1;
  }
  if ((seen & SAW_CLOSE) !== 0) return 0;
  return head.minorVersion >= 1 || (seen & SAW_KEEP_ALIVE) !== 0 ? 1 : 0;
}

/** Options of one Connection field line, a list of tokens (RFC 9110 §7.6.1), as bits; or a ParseError. */
function readConnection(bytes: Uint8Array, start: number, end: number): number {
  let seen = 0;
  let emptyElements = 0;
  let pos = start;
  for (;;) {
    pos = skipWhiteSpace(bytes, pos, end);
    const optionStart = pos;
    while (pos < end && ((CLASS[bytes[pos] as number] as number) & TCHAR) !== 0) pos++;
    if (pos === optionStart) {
      if (++emptyElements > EMPTY_ELEMENTS_MAX) return ParseError.ConnectionInvalid;
    } else if (equalsIgnoringCase(bytes, optionStart, pos, "close")) seen |= SAW_CLOSE;
    else if (equalsIgnoringCase(bytes, optionStart, pos, "keep-alive")) seen |= SAW_KEEP_ALIVE;
    pos = skipWhiteSpace(bytes, pos, end);
    if (pos === end) return seen;
    if (bytes[pos] !== COMMA) return ParseError.ConnectionInvalid;
    pos++;
  }
}

/** RFC 9110 §10.1.1: the one expectation there is; HTTP/1.0 has none, and without content there is nothing to wait for. */
function decideExpectation(head: ParsedHead, framing: Framing): number {
  if (head.minorVersion === 0) return 0;
  for (let i = (head.known[Field.Expect] as number) - 1; i >= 0; ) {
    if (!equalsIgnoringCase(head.bytes, head.valueStart(i), head.valueEnd(i), "100-continue")) {
      framing.expectsContinue = false;
      return ParseError.ExpectationUnknown;
    }
    framing.expectsContinue = framing.kind === "chunked" || framing.contentLength > 0;
    i = head.isRepeated(Field.Expect) ? head.next(Field.Expect, i) : -1;
  }
  return 0;
}

function skipWhiteSpace(bytes: Uint8Array, start: number, end: number): number {
  let pos = start;
  while (pos < end && (bytes[pos] === SP || bytes[pos] === HTAB)) pos++;
  return pos;
}
