/**
 * Takes the framing off a request's content: by length (RFC 9112 §6.2) or chunked (§7.1). It holds its state itself, so the
 * caller keeps no bytes between calls, and content is handed out as runs inside the bytes that came in, never copied.
 *
 * Strategy: one small state machine per byte of framing, whole runs for content. Trailers are read by the field grammar,
 * bounded, and dropped: they never become fields (RFC 9110 §6.5.1).
 *
 * Rule it guards: framing is exact or the connection ends. RFC 9112 §7.1.1 lets a recipient tolerate white space around an
 * extension's ";" and "=" (BWS); we refuse it, since that tolerance is where parsers differ.
 */
import {
  BACKSLASH,
  CLASS,
  COLON,
  CR,
  DQUOTE,
  EQUALS,
  FIELD_BYTE,
  HEX_DIGIT,
  HEX_VALUE,
  LF,
  LOWER,
  latin1Text,
  QUOTED_TEXT,
  SEMICOLON,
  TCHAR,
} from "../http/ascii.ts";
import { ParseError } from "../http/parse-error.ts";
import { Framing } from "./framing.ts";
import { fieldNameError } from "./request-head.ts";

/** Longest chunk size, hexadecimal digits with leading zeros: room for any 64-bit number, as senders that pad it write. */
const CHUNK_SIZE_DIGITS_MAX = 16;

/** All chunk extensions of one body, bytes: signed uploads carry about 85 a chunk, and ours end at 10 MB. */
export const CHUNK_EXTENSION_BYTES_MAX = 16 * 1024;

/** Bytes of framing (sizes, extensions, line ends) that content of any size may have. */
export const CHUNK_OVERHEAD_BYTES_BASE = 16 * 1024 + 1024;

/** Further bytes of framing for each byte of content: a chunk of one byte has at least 5, and padded ones more. */
const CHUNK_OVERHEAD_PER_CONTENT_BYTE = 8;

/** All trailer lines of one body, with their line ends and the last empty one, bytes. */
export const TRAILER_BYTES_MAX = 4096;

/** Trailer lines of one body. */
export const TRAILER_FIELDS_MAX = 32;

enum State {
  Done = 0,
  Length,
  SizeStart,
  Size,
  ExtensionName,
  ExtensionNameMore,
  ExtensionValue,
  ExtensionToken,
  ExtensionQuoted,
  ExtensionQuotedPair,
  ExtensionQuotedEnd,
  SizeLf,
  Data,
  DataCr,
  DataLf,
  TrailerStart,
  TrailerName,
  TrailerValue,
  TrailerLf,
  EndLf,
}

/** One per connection, `reset` for each request. After a ParseError it must be reset before the next step. */
export class BodyDecoder {
  /** The run of content that the last `step` found, as offsets into its bytes; empty when the two are equal. */
  contentStart!: number;
  contentEnd!: number;
  /** The whole body, framing included, has been consumed. */
  done!: boolean;
  /** Bytes of content so far. */
  received!: number;
  #state!: State;
  /** Bytes of content still to come in this chunk, or in the body where its length was given. */
  #remaining!: number;
  #sizeDigits!: number;
  #extensionBytes!: number;
  /** Bytes of chunk framing so far, without trailers. */
  #overheadBytes!: number;
  #trailerBytes!: number;
  #trailerFields!: number;
  /** The trailer's name so far, in lower case; a longer one is none of the forbidden. */
  readonly #name = new Uint8Array(FORBIDDEN_NAME_BYTES_MAX);
  #nameLength!: number;

  constructor() {
    this.reset(NO_CONTENT);
  }

  /** Begins the body of one request. It is done at once when there is none. */
  reset(framing: Framing): void {
    this.contentStart = 0;
    this.contentEnd = 0;
    this.received = 0;
    this.#remaining = framing.contentLength;
    this.#sizeDigits = 0;
    this.#extensionBytes = 0;
    this.#overheadBytes = 0;
    this.#trailerBytes = 0;
    this.#trailerFields = 0;
    this.#nameLength = 0;
    if (framing.kind === "chunked") this.#state = State.SizeStart;
    else this.#state = framing.contentLength > 0 ? State.Length : State.Done;
    this.done = this.#state === State.Done;
  }

  /**
   * Reads on from bytes[pos, end), up to the end of the next run of content or of the body. Returns > 0: bytes consumed, with
   * the run in `contentStart` and `contentEnd`; 0: nothing was given, or the body is done; < 0: a ParseError.
   */
  step(bytes: Uint8Array, pos: number, end: number): number {
    this.contentStart = pos;
    this.contentEnd = pos;
    if (pos >= end || this.#state === State.Done) return 0;
    if (this.#state === State.Length) {
      const consumed = this.#takeContent(pos, end);
      if (this.#remaining === 0) this.#finish();
      return consumed;
    }
    let at = pos;
    while (at < end) {
      if (this.#state === State.Data) {
        at += this.#takeContent(at, end);
        if (this.#remaining === 0) this.#state = State.DataCr;
        return at - pos;
      }
      const error =
        this.#state < State.TrailerStart
          ? this.#chunkByte(bytes[at] as number)
          : this.#trailerByte(bytes[at] as number);
      if (error !== 0) return error;
      at++;
      if (this.done) break;
    }
    // Framing only: an empty run, placed where the next content may begin.
    this.contentStart = at;
    this.contentEnd = at;
    return at - pos;
  }

  /** Bytes of content that have come, with those that the length or the current chunk's size says will still come. */
  get announced(): number {
    const isWithinRun = this.#state === State.Data || this.#state === State.Length;
    return isWithinRun ? this.received + this.#remaining : this.received;
  }

  #takeContent(pos: number, end: number): number {
    const count = Math.min(end - pos, this.#remaining);
    this.contentStart = pos;
    this.contentEnd = pos + count;
    this.received += count;
    this.#remaining -= count;
    return count;
  }

  #finish(): void {
    this.#state = State.Done;
    this.done = true;
  }

  /** Takes one byte of a chunk's size line, or of the line end after its data. Returns 0 or a ParseError. */
  #chunkByte(byte: number): number {
    this.#overheadBytes++;
    switch (this.#state) {
      case State.SizeStart:
      case State.Size:
        if (((CLASS[byte] as number) & HEX_DIGIT) !== 0) return this.#sizeDigit(HEX_VALUE[byte] as number);
        if (this.#state === State.SizeStart) return byte === LF ? ParseError.BareLf : ParseError.ChunkSizeInvalid;
        return this.#afterExtension(byte, ParseError.ChunkSizeInvalid);
      case State.DataCr:
        if (byte !== CR) return byte === LF ? ParseError.BareLf : ParseError.ChunkDataUnterminated;
        this.#state = State.DataLf;
        return 0;
      case State.DataLf:
        if (byte !== LF) return ParseError.BareCr;
        this.#sizeDigits = 0;
        this.#state = State.SizeStart;
        return 0;
      case State.SizeLf:
        return byte === LF ? this.#sizeLineEnd() : ParseError.BareCr;
      default:
        return this.#extensionByte(byte);
    }
  }

  #sizeDigit(digit: number): number {
    // Asked before the arithmetic, so no size ever rounds or wraps.
    if (this.#sizeDigits === CHUNK_SIZE_DIGITS_MAX) return ParseError.ChunkSizeTooLarge;
    if (this.#remaining > (Number.MAX_SAFE_INTEGER - digit) / 16) return ParseError.ChunkSizeTooLarge;
    this.#sizeDigits++;
    this.#remaining = this.#remaining * 16 + digit;
    this.#state = State.Size;
    return 0;
  }

  /** Reads the byte after a complete size or extension: another extension or the line's end. */
  #afterExtension(byte: number, otherwise: ParseError): number {
    if (byte === SEMICOLON) this.#state = State.ExtensionName;
    else if (byte === CR) this.#state = State.SizeLf;
    else return byte === LF ? ParseError.BareLf : otherwise;
    return 0;
  }

  /** chunk-ext = *( ";" chunk-ext-name [ "=" ( token / quoted-string ) ] ), without BWS. */
  #extensionByte(byte: number): number {
    if (++this.#extensionBytes > CHUNK_EXTENSION_BYTES_MAX) return ParseError.ChunkExtensionsTooLong;
    const flags = CLASS[byte] as number;
    switch (this.#state) {
      case State.ExtensionName:
        if ((flags & TCHAR) === 0) break;
        this.#state = State.ExtensionNameMore;
        return 0;
      case State.ExtensionNameMore:
        if ((flags & TCHAR) !== 0) return 0;
        if (byte !== EQUALS) return this.#afterExtension(byte, ParseError.ChunkExtensionInvalid);
        this.#state = State.ExtensionValue;
        return 0;
      case State.ExtensionValue:
        if (byte === DQUOTE) this.#state = State.ExtensionQuoted;
        else if ((flags & TCHAR) !== 0) this.#state = State.ExtensionToken;
        else break;
        return 0;
      case State.ExtensionToken:
        if ((flags & TCHAR) !== 0) return 0;
        return this.#afterExtension(byte, ParseError.ChunkExtensionInvalid);
      case State.ExtensionQuoted:
        if ((flags & QUOTED_TEXT) !== 0) return 0;
        if (byte === DQUOTE) this.#state = State.ExtensionQuotedEnd;
        else if (byte === BACKSLASH) this.#state = State.ExtensionQuotedPair;
        else break;
        return 0;
      case State.ExtensionQuotedPair:
        if ((flags & FIELD_BYTE) === 0) break;
        this.#state = State.ExtensionQuoted;
        return 0;
      default:
        return this.#afterExtension(byte, ParseError.ChunkExtensionInvalid);
    }
    return byte === LF ? ParseError.BareLf : ParseError.ChunkExtensionInvalid;
  }

  /** Behind the CR LF of a size line: content, or the trailers of the last chunk. */
  #sizeLineEnd(): number {
    if (this.#overheadBytes > CHUNK_OVERHEAD_BYTES_BASE + CHUNK_OVERHEAD_PER_CONTENT_BYTE * this.received) {
      return ParseError.ChunkOverhead;
    }
    this.#state = this.#remaining > 0 ? State.Data : State.TrailerStart;
    return 0;
  }

  /** One byte of the trailer section: *( field-line CRLF ) CRLF. Returns 0 or a ParseError. */
  #trailerByte(byte: number): number {
    if (++this.#trailerBytes > TRAILER_BYTES_MAX) return ParseError.TrailersTooLarge;
    switch (this.#state) {
      case State.TrailerStart:
        if (byte === CR) {
          this.#state = State.EndLf;
          return 0;
        }
        if (((CLASS[byte] as number) & TCHAR) === 0) return fieldNameError(byte, true);
        if (++this.#trailerFields > TRAILER_FIELDS_MAX) return ParseError.TrailersTooLarge;
        this.#nameLength = 0;
        this.#nameByte(byte);
        this.#state = State.TrailerName;
        return 0;
      case State.TrailerName:
        if (byte === COLON) {
          this.#state = State.TrailerValue;
          return this.#isForbidden() ? ParseError.TrailerForbidden : 0;
        }
        if (((CLASS[byte] as number) & TCHAR) === 0) return fieldNameError(byte, false);
        this.#nameByte(byte);
        return 0;
      case State.TrailerValue:
        if (((CLASS[byte] as number) & FIELD_BYTE) !== 0) return 0;
        if (byte !== CR) return byte === LF ? ParseError.BareLf : ParseError.FieldValueInvalid;
        this.#state = State.TrailerLf;
        return 0;
      case State.TrailerLf:
        if (byte !== LF) return ParseError.BareCr;
        this.#state = State.TrailerStart;
        return 0;
      default:
        if (byte !== LF) return ParseError.BareCr;
        this.#finish();
        return 0;
    }
  }

  #nameByte(byte: number): void {
    if (this.#nameLength < FORBIDDEN_NAME_BYTES_MAX) this.#name[this.#nameLength] = LOWER[byte] as number;
    this.#nameLength++;
  }

  /** Allocates the name's text; trailers are rare. */
  #isForbidden(): boolean {
    const name = latin1Text(this.#name, 0, Math.min(this.#nameLength, FORBIDDEN_NAME_BYTES_MAX));
    if (name.startsWith("if-") || name.startsWith("proxy-") || name.startsWith("x-forwarded-")) return true;
    return this.#nameLength <= FORBIDDEN_NAME_BYTES_MAX && FORBIDDEN_NAMES.has(name);
  }
}

const NO_CONTENT = new Framing();

/** Longest name looked up in FORBIDDEN_NAMES. */
const FORBIDDEN_NAME_BYTES_MAX = 32;

/** RFC 9110 §6.5.1: framing, routing, authentication, request modifiers, response controls, and how content is to be read. */
const FORBIDDEN_NAMES: ReadonlySet<string> = new Set([
  "content-length",
  "transfer-encoding",
  "trailer",
  "te",
  "connection",
  "keep-alive",
  "upgrade",
  "http2-settings",
  "host",
  "forwarded",
  "origin",
  "referer",
  "max-forwards",
  "via",
  "authorization",
  "www-authenticate",
  "authentication-info",
  "cookie",
  "set-cookie",
  "cache-control",
  "expect",
  "pragma",
  "range",
  "prefer",
  "accept",
  "accept-encoding",
  "age",
  "date",
  "expires",
  "location",
  "retry-after",
  "vary",
  "warning",
  "content-type",
  "content-encoding",
  "content-range",
  "content-disposition",
]);
