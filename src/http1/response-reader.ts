/**
 * Reads the responses of one connection to an upstream: the mirror of the reader for requests. Status line, field section, framing and
 * content obey the same strict grammar (RFC 9112 §2.2, §4, §6, §7).
 *
 * The rule it guards: there is one way to read where a response ends. A response that two readers could end at two places (two lengths,
 * a length and chunks, a coding in HTTP/1.0, folded lines, a bare CR or LF) is refused, and nothing after it is read.
 */
import { CLASS, CR, DIGIT, DIGIT_0, FIELD_BYTE, LF, SP } from "../http/ascii.ts";
import { Field } from "../http/field.ts";
import type { FieldLines } from "../http/fields.ts";
import { ParseError, violationOf } from "../http/parse-error.ts";
import { limits } from "../settings/limits.ts";
import { BodyDecoder } from "./body-decoder.ts";
import { decideResponseFraming, Framing } from "./framing.ts";
import { ParsedHead, parseFields } from "./request-head.ts";

/** Mistakes that only a response can have. They lie below every ParseError. */
enum ResponseError {
  StatusLine = -1001,
  Status = -1002,
  Switching = -1003,
  Interim = -1004,
  ContentForbidden = -1005,
}

const SENTENCES: Readonly<Record<ResponseError, string>> = {
  [ResponseError.StatusLine]: "its status line is not one of HTTP/1.1 or HTTP/1.0 (RFC 9112 §4)",
  [ResponseError.Status]: "its status is not between 100 and 599 (RFC 9110 §15)",
  [ResponseError.Switching]: "it switches protocols, which was not asked for (RFC 9110 §15.2.2)",
  [ResponseError.Interim]: "too many interim responses come before it (RFC 9110 §15.2)",
  [ResponseError.ContentForbidden]: "it announces content under a status that has none (RFC 9112 §6.3)",
};

/** Returns the rule that a response breaks, for a line for the operator. */
export function describeResponseError(code: number): string {
  const own = SENTENCES[code as ResponseError];
  if (own !== undefined) return own;
  const violation = violationOf(code);
  return `${violation?.rule ?? "Unknown"} (${violation?.section ?? "RFC 9112"})`;
}

/** Bytes of a response head: twice the most that clients take by default (Node: 16 KiB). It leaves again in one write. */
export const RESPONSE_HEAD_BYTES_MAX = 32_768;

/** Interim responses (1xx) before the final one, which are read past. */
export const INTERIM_RESPONSES_MAX = 16;

const HEAD_LIMITS = { maxHeaderBytes: RESPONSE_HEAD_BYTES_MAX, maxFields: limits.fieldsMax, maxEmptyLines: 0 };

/** `HTTP/1.`, in front of the minor version. */
const VERSION = Uint8Array.of(0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e);

enum Part {
  Head = 0,
  /** Content by length or in chunks. */
  Content,
  /** Content until the upstream closes. */
  UntilClose,
  Done,
}

export class ResponseReader {
  /** Status of the final response; 0 until its head is complete. */
  status = 0;
  /** The run of content that the last `step` found, as offsets into its bytes; empty if the two are equal. */
  contentStart = 0;
  contentEnd = 0;
  readonly #head = new ParsedHead(HEAD_LIMITS);
  readonly #framing = new Framing();
  readonly #decoder = new BodyDecoder();
  #part = Part.Done;
  #isHead = false;
  #interim = 0;

  /** Begins the response to a request. `isHead`: its method is HEAD, so no content follows. */
  begin(isHead: boolean): void {
    this.status = 0;
    this.#part = Part.Head;
    this.#isHead = isHead;
    this.#interim = 0;
  }

  get isDone(): boolean {
    return this.#part === Part.Done;
  }

  /** True if the end of the connection is the end of the response. */
  get isUntilClose(): boolean {
    return this.#part === Part.UntilClose;
  }

  /** Ends content that lasts until the upstream closes. */
  close(): void {
    if (this.#part === Part.UntilClose) this.#part = Part.Done;
  }

  /** Bytes of the content if they are announced, else null. */
  get length(): number | null {
    return this.#framing.kind === "length" ? this.#framing.contentLength : null;
  }

  /** True if the connection may be used again after the response. */
  get isPersistent(): boolean {
    return this.#framing.persistent && this.#part === Part.Done;
  }

  /** Returns the field lines of the final response. Valid until the bytes of its head are read past. */
  lines(): FieldLines {
    return this.#head.lines();
  }

  /**
   * Reads on from bytes[pos, end), which begin with all bytes of an incomplete head: up to the end of that head, of the next run of
   * content, or of the response. Returns > 0: bytes consumed; 0: more bytes are needed, or the response is done; < 0: an error.
   */
  step(bytes: Uint8Array, pos: number, end: number): number {
    this.contentStart = pos;
    this.contentEnd = pos;
    if (this.#part === Part.Done || pos >= end) return 0;
    if (this.#part === Part.Head) return this.#stepHead(bytes, pos, end);
    if (this.#part === Part.UntilClose) {
      this.contentEnd = end;
      return end - pos;
    }
    const decoder = this.#decoder;
    const consumed = decoder.step(bytes, pos, end);
    if (consumed <= 0) return consumed;
    this.contentStart = decoder.contentStart;
    this.contentEnd = decoder.contentEnd;
    if (decoder.done) this.#part = Part.Done;
    return consumed;
  }

  #stepHead(bytes: Uint8Array, pos: number, end: number): number {
    const head = this.#head;
    head.reset();
    head.bytes = bytes;
    head.start = pos;
    const line = parseStatusLine(bytes, pos, end, head);
    if (line <= 0) return line;
    const status = statusAt(bytes, pos);
    const after = parseFields(bytes, line, end, head);
    if (after <= 0) return after;
    head.end = after;
    const error = status < 200 ? this.#readInterim(status) : this.#readFinal(status);
    return error < 0 ? error : after - pos;
  }

  /** Reads past a 1xx. It has no content (RFC 9112 §6.3), and the fields of one are refused. */
  #readInterim(status: number): number {
    if (status === 101) return ResponseError.Switching;
    const head = this.#head;
    if (head.has(Field.ContentLength) || head.has(Field.TransferEncoding)) return ResponseError.ContentForbidden;
    this.#interim++;
    return this.#interim > INTERIM_RESPONSES_MAX ? ResponseError.Interim : 0;
  }

  #readFinal(status: number): number {
    const framing = this.#framing;
    const error = decideResponseFraming(this.#head, framing);
    if (error < 0) return error;
    // RFC 9110 §8.6, RFC 9112 §6.1: neither field belongs to a 204, and a length above 0 means that another reader takes content.
    if (status === 204 && (framing.kind === "chunked" || framing.contentLength > 0)) {
      return ResponseError.ContentForbidden;
    }
    this.status = status;
    this.#part = this.#partAfterHead(status);
    return 0;
  }

  #partAfterHead(status: number): Part {
    const framing = this.#framing;
    if (this.#isHead || status === 204 || status === 304) {
      // If the upstream sends that content against the rule, it must not become the response to another client.
      if (framing.kind === "chunked" || framing.contentLength > 0) framing.persistent = false;
      return Part.Done;
    }
    if (framing.kind === "none") {
      framing.persistent = false;
      return Part.UntilClose;
    }
    this.#decoder.reset(framing);
    return this.#decoder.done ? Part.Done : Part.Content;
  }
}

/** HTTP-version SP status-code [ SP reason-phrase ] CRLF. Position after it, 0 for "need more", or an error. */
function parseStatusLine(bytes: Uint8Array, start: number, end: number, head: ParsedHead): number {
  const stop = Math.min(end, start + RESPONSE_HEAD_BYTES_MAX);
  let pos = start;
  for (; pos < start + STATUS_LINE_BYTES_MIN; pos++) {
    if (pos >= end) return 0;
    if (!fitsStatusLine(bytes[pos] as number, pos - start)) return ResponseError.StatusLine;
  }
  head.minorVersion = (bytes[start + VERSION.length] as number) - DIGIT_0;
  const status = statusAt(bytes, start);
  if (status < 100 || status > 599) return ResponseError.Status;
  // Some servers leave the space before an empty reason phrase out.
  if (pos < stop && bytes[pos] === SP) {
    pos++;
    while (pos < stop && ((CLASS[bytes[pos] as number] as number) & FIELD_BYTE) !== 0) pos++;
  }
  if (pos >= stop) return unended(pos, start);
  if (bytes[pos] !== CR) return bytes[pos] === LF ? ParseError.BareLf : ResponseError.StatusLine;
  if (pos + 1 >= stop) return unended(pos + 1, start);
  return bytes[pos + 1] === LF ? pos + 2 : ParseError.BareCr;
}

function unended(pos: number, start: number): number {
  return pos - start < RESPONSE_HEAD_BYTES_MAX ? 0 : ParseError.FieldsTooLarge;
}

/** `HTTP/1.1 200` */
const STATUS_LINE_BYTES_MIN = VERSION.length + 5;

/** Returns true if `byte` may stand at `index` of a status line, up to its status. */
function fitsStatusLine(byte: number, index: number): boolean {
  if (index < VERSION.length) return byte === VERSION[index];
  return index === VERSION.length + 1 ? byte === SP : ((CLASS[byte] as number) & DIGIT) !== 0;
}

function statusAt(bytes: Uint8Array, start: number): number {
  const at = start + VERSION.length + 2;
  const digit = (index: number) => (bytes[at + index] as number) - DIGIT_0;
  return digit(0) * 100 + digit(1) * 10 + digit(2);
}
