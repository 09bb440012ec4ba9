/**
 * Request line and field section (RFC 9112 §2 to §5), read in one pass into a reused ParsedHead that keeps offsets,
 * not text.
 *
 * Strategy: each call sees all bytes from the first one on, so the parser has no state between calls, and the same
 * bytes give the same result however they were split. Errors are found in the order of the bytes: the first byte that
 * no continuation could make right decides. Passing a limit is such an error too. So 414 and 431 win over mistakes
 * after the limit, and lose to mistakes before it. An unsupported version (505) is reported if the request line is
 * otherwise well-formed.
 *
 * The rule it guards: CR LF is the only line end, and nothing is repaired, because the next hop might read a repaired
 * message otherwise.
 */
import {
  BACKSLASH,
  CLASS,
  COLON,
  CR,
  DIGIT,
  DOT,
  FIELD_BYTE,
  HTAB,
  isSameText,
  LF,
  latin1Text,
  QUESTION,
  SLASH,
  SP,
  TARGET_CHAR,
  TCHAR,
} from "../http/ascii.ts";
import { FIELD_NAMES, Field } from "../http/field.ts";
import type { FieldLines } from "../http/fields.ts";
import type { RequestHead } from "../http/message.ts";
import { METHOD_NAMES, Method } from "../http/method.ts";
import { ParseError } from "../http/parse-error.ts";

/** Bounds of one head; all are inclusive. */
export interface HeadLimits {
  /** Bytes from the request line up to and including the empty line: 414 if the request line alone has more, else 431. */
  readonly maxHeaderBytes: number;
  /** Number of field lines; beyond it 431. */
  readonly maxFields: number;
  /** Empty lines skipped before the request line (RFC 9112 §2.2); beyond it 400. */
  readonly maxEmptyLines: number;
}

/** Longest method token; registered ones have up to 17 bytes (UPDATEREDIRECTREF). */
const METHOD_BYTES_MAX = 32;

/** First byte of a TLS ClientHello: content type handshake (RFC 8446 §5.1). No request line begins with it. */
const TLS_HANDSHAKE = 0x16;

/** Offsets per field line: nameStart, nameEnd, valueStart, valueEnd. */
const OFFSETS = 4;

/** Bytes at the end of a target by which most are told apart. */
const TELLING_BYTES = 8;

/** Longest request line that `requestLine` shows of a head that could not be read, bytes. */
const SHOWN_BYTES_MAX = 256;

/** One head as offsets into `bytes`. Made once per exchange and filled again by each parse; valid after a result > 0. */
export class ParsedHead implements RequestHead {
  readonly limits: HeadLimits;
  /** Bytes that the offsets refer to. They stay unchanged until the next parse, because `isAt` compares with them. */
  bytes!: Uint8Array;
  /** First byte of the request line, after any empty lines. */
  start!: number;
  /** Offset after the empty line; after a result <= 0, the end of the given bytes. */
  end!: number;
  method!: Method;
  methodStart!: number;
  methodEnd!: number;
  targetStart!: number;
  targetEnd!: number;
  /** Minor version as sent, 0 to 9; 2 to 9 are handled as 1 (RFC 9110 §2.5). */
  minorVersion!: number;
  fieldCount!: number;
  /** Four offsets per field line: nameStart, nameEnd, valueStart, valueEnd, white space around the value left out. */
  readonly offsets: Int32Array;
  /** known[field]: index + 1 of its first occurrence, 0 when absent. */
  readonly known: Uint16Array;
  /** Bit `field` is set when that field occurs more than once. */
  repeated!: number;
  /** The request line as text, once it was asked for. */
  #line!: string | null;

  constructor(limits: HeadLimits) {
    this.limits = limits;
    this.offsets = new Int32Array(limits.maxFields * OFFSETS);
    this.known = new Uint16Array(Field.Count);
    this.reset();
  }

  /** Forgets the last request and lets go of its bytes. */
  reset(): void {
    this.bytes = NO_BYTES;
    this.start = 0;
    this.end = 0;
    this.method = Method.Other;
    this.methodStart = 0;
    this.methodEnd = 0;
    this.targetStart = 0;
    this.targetEnd = 0;
    this.minorVersion = 1;
    this.fieldCount = 0;
    for (let field = 0; field < Field.Count; field++) this.known[field] = 0; // 22 stores beat a call of fill()
    this.repeated = 0;
    this.#line = null;
  }

  /** Returns false if a head at `start` has another target than this one. Most targets differ in their last bytes, which are compared. */
  hasEndOfTarget(bytes: Uint8Array, start: number): boolean {
    const shift = start - this.start;
    for (let i = Math.max(this.start, this.targetEnd - TELLING_BYTES); i <= this.targetEnd; i++)
      if (this.bytes[i] !== bytes[i + shift]) return false;
    return true;
  }

  /**
   * Returns true if bytes[start, end) begin with this head, which was read without an error, so that reading them
   * would give the same result.
   */
  isAt(bytes: Uint8Array, start: number, end: number): boolean {
    const length = this.end - this.start;
    return end - start >= length && isSameText(bytes, start, this.bytes, this.start, length);
  }

  /**
   * Takes over a head at `start` that equals this one but for the target. Only the target is read, and the other parts move with its
   * length. This head was read without an error. Returns the bytes consumed; 0, without a change, if the head has to be read in whole.
   */
  takeOther(bytes: Uint8Array, start: number, end: number): number {
    const shift = start - this.start;
    for (let i = this.start; i < this.targetStart; i++) if (this.bytes[i] !== bytes[i + shift]) return 0;
    const restBytes = this.end - this.targetEnd;
    const stop = Math.min(end, start + this.limits.maxHeaderBytes) - restBytes;
    const targetStart = this.targetStart + shift;
    let pos = targetStart;
    while (pos < stop && ((CLASS[bytes[pos] as number] as number) & TARGET_CHAR) !== 0) pos++;
    if (pos === targetStart || pos > stop || bytes[pos] !== SP || bytes[pos + restBytes - 1] !== LF) return 0;
    if (!isSameText(bytes, pos, this.bytes, this.targetEnd, restBytes)) return 0;
    const moved = pos - this.targetEnd;
    this.bytes = bytes;
    this.start = start;
    this.end = pos + restBytes;
    this.methodStart = start;
    this.methodEnd += shift;
    this.targetStart = targetStart;
    this.targetEnd = pos;
    this.#line = null;
    for (let i = 0; i < this.fieldCount * OFFSETS; i++) this.offsets[i] = (this.offsets[i] as number) + moved;
    return this.end - start;
  }

  /** Refers to `bytes` from here on, in which the head lies `shift` bytes nearer to the start. Offsets that are not set stay 0. */
  moveTo(bytes: Uint8Array, shift: number): void {
    this.bytes = bytes;
    this.start = Math.max(0, this.start - shift);
    this.end = Math.max(0, this.end - shift);
    this.methodStart = Math.max(0, this.methodStart - shift);
    this.methodEnd = Math.max(0, this.methodEnd - shift);
    this.targetStart = Math.max(0, this.targetStart - shift);
    this.targetEnd = Math.max(0, this.targetEnd - shift);
    for (let i = 0; i < this.fieldCount * OFFSETS; i++) this.offsets[i] = (this.offsets[i] as number) - shift;
  }

  has(field: Field): boolean {
    return this.known[field] !== 0;
  }

  isRepeated(field: Field): boolean {
    return (this.repeated & (1 << field)) !== 0;
  }

  value(field: Field): string | null {
    const first = (this.known[field] as number) - 1;
    if (first < 0) return null;
    let text = this.fieldValue(first);
    if (!this.isRepeated(field)) return text;
    for (let i = this.next(field, first); i >= 0; i = this.next(field, i)) text += `, ${this.fieldValue(i)}`;
    return text;
  }

  /** Index of the field's next occurrence after line `index`, or -1. */
  next(field: Field, index: number): number {
    for (let i = index + 1; i < this.fieldCount; i++) {
      const at = i * OFFSETS;
      if (knownField(this.bytes, this.offsets[at] as number, this.offsets[at + 1] as number) === field) return i;
    }
    return -1;
  }

  valueStart(index: number): number {
    return this.offsets[index * OFFSETS + 2] as number;
  }

  valueEnd(index: number): number {
    return this.offsets[index * OFFSETS + 3] as number;
  }

  lines(): FieldLines {
    return Array.from({ length: this.fieldCount }, (_, index) => [this.fieldName(index), this.fieldValue(index)]);
  }

  /** Name of field line `index`, as sent. */
  fieldName(index: number): string {
    return latin1Text(this.bytes, this.offsets[index * OFFSETS] as number, this.offsets[index * OFFSETS + 1] as number);
  }

  /** Value of field line `index` as ISO-8859-1. */
  fieldValue(index: number): string {
    return latin1Text(this.bytes, this.valueStart(index), this.valueEnd(index));
  }

  get methodText(): string {
    return METHOD_NAMES[this.method] ?? latin1Text(this.bytes, this.methodStart, this.methodEnd);
  }

  get targetText(): string {
    return latin1Text(this.bytes, this.targetStart, this.targetEnd);
  }

  get requestLine(): string {
    if (this.#line !== null) return this.#line;
    const from = this.start;
    if (this.fieldCount > 0 || this.#isComplete()) {
      this.#line = latin1Text(this.bytes, from, this.targetEnd + " HTTP/1.1".length);
      return this.#line;
    }
    const stop = Math.min(this.end, this.bytes.length, from + SHOWN_BYTES_MAX);
    let to = from;
    while (to < stop && this.bytes[to] !== CR && this.bytes[to] !== LF) to++;
    return latin1Text(this.bytes, from, to);
  }

  #isComplete(): boolean {
    return this.targetEnd > 0 && this.bytes[this.targetEnd + " HTTP/1.1".length] === CR;
  }
}

/**
 * Reads one head from bytes[start, end). Returns one of three:
 *
 * - above 0: the bytes consumed from `start`, with empty lines before the request line. `head` is filled.
 * - 0: the bytes are right so far. Call again with the same bytes and more after them.
 * - below 0: a ParseError, which no further bytes can change.
 */
export function parseRequestHead(bytes: Uint8Array, start: number, end: number, head: ParsedHead): number {
  head.reset();
  head.bytes = bytes;
  head.start = start;
  head.end = end;

  const lineStart = skipEmptyLines(bytes, start, end, head.limits.maxEmptyLines);
  if (lineStart < 0) return lineStart;
  head.start = lineStart;

  const fieldsStart = parseRequestLine(bytes, lineStart, end, head);
  if (fieldsStart <= 0) return fieldsStart;
  if (fieldsStart - lineStart > head.limits.maxHeaderBytes) return ParseError.TargetTooLong;

  const bodyStart = parseFields(bytes, fieldsStart, end, head);
  if (bodyStart <= 0) return bodyStart;
  head.end = bodyStart;
  return bodyStart - start;
}

/** Returns the position after the empty lines that old clients send between requests (RFC 9112 §2.2), or a ParseError. */
function skipEmptyLines(bytes: Uint8Array, start: number, end: number, linesMax: number): number {
  let pos = start;
  for (let lines = 0; pos < end && bytes[pos] === CR; lines++) {
    if (lines === linesMax) return ParseError.TooManyEmptyLines;
    if (pos + 1 === end) return pos; // the LF may still come; the request line's parser waits at this CR
    if (bytes[pos + 1] !== LF) return ParseError.BareCr;
    pos += 2;
  }
  return pos;
}

/** Parses method SP request-target SP HTTP-version CRLF. Returns the position after it, 0 for "need more", or a ParseError. */
function parseRequestLine(bytes: Uint8Array, start: number, end: number, head: ParsedHead): number {
  let pos = start;
  const methodStop = Math.min(end, start + METHOD_BYTES_MAX + 1);
  while (pos < methodStop && ((CLASS[bytes[pos] as number] as number) & TCHAR) !== 0) pos++;
  if (pos - start > METHOD_BYTES_MAX) return ParseError.MethodTooLong;
  if (pos === end) return 0;
  const afterMethod = bytes[pos] as number;
  if (afterMethod !== SP || pos === start) {
    if (afterMethod === LF) return ParseError.BareLf;
    if (afterMethod !== CR) {
      return pos === start && afterMethod === TLS_HANDSHAKE ? ParseError.TlsHello : ParseError.MethodInvalid;
    }
    if (pos === start) return 0; // CR of an empty line whose LF has not come
    return ParseError.RequestLineWithoutVersion;
  }
  head.methodStart = start;
  head.methodEnd = pos;
  head.method = methodOf(bytes, start, pos);

  const targetStart = ++pos;
  const lineBytesMax = head.limits.maxHeaderBytes;
  const targetStop = Math.min(end, start + lineBytesMax + 1);
  while (pos < targetStop && ((CLASS[bytes[pos] as number] as number) & TARGET_CHAR) !== 0) pos++;
  if (bytes[pos] === BACKSLASH && pos < targetStop) pos = targetEndFrom(bytes, targetStart, pos, targetStop);
  if (pos - start > lineBytesMax) return ParseError.TargetTooLong;
  if (pos === end) return 0;
  const afterTarget = bytes[pos] as number;
  if (afterTarget !== SP) {
    if (afterTarget === LF) return ParseError.BareLf;
    return afterTarget === CR ? ParseError.RequestLineWithoutVersion : ParseError.TargetCharacter;
  }
  if (pos === targetStart) return ParseError.TargetEmpty;
  head.targetStart = targetStart;
  head.targetEnd = pos;
  return parseVersion(bytes, pos + 1, end, head);
}

/**
 * Returns the end of a target with a backslash at `pos`. In the query it is a byte like others. In the path it is not:
 * browsers send a slash in its place, so two readers of one target would disagree.
 */
function targetEndFrom(bytes: Uint8Array, start: number, pos: number, stop: number): number {
  const query = bytes.indexOf(QUESTION, start);
  if (query < 0 || query > pos) return pos;
  let end = pos;
  while (end < stop && (((CLASS[bytes[end] as number] as number) & TARGET_CHAR) !== 0 || bytes[end] === BACKSLASH))
    end++;
  return end;
}

/** Parses "HTTP/" DIGIT "." DIGIT CRLF, case-sensitive (RFC 9112 §2.3). Returns the position after it, 0 for "need more", or a ParseError. */
function parseVersion(bytes: Uint8Array, start: number, end: number, head: ParsedHead): number {
  if (isHttp11(bytes, start, end)) {
    head.minorVersion = 1;
    return start + VERSION_PATTERN.length;
  }
  for (let i = 0; i < VERSION_PATTERN.length; i++) {
    const pos = start + i;
    if (pos >= end) return 0;
    const byte = bytes[pos] as number;
    const wanted = VERSION_PATTERN[i] as number;
    if (wanted === DIGIT_HERE ? ((CLASS[byte] as number) & DIGIT) !== 0 : byte === wanted) continue;
    if (i === 0 && (byte === CR || byte === LF)) return ParseError.RequestLineWithoutVersion;
    if (byte === LF) return ParseError.BareLf;
    return wanted === LF ? ParseError.BareCr : ParseError.VersionInvalid;
  }
  if (bytes[start + MAJOR_AT] !== DIGIT_ONE) return ParseError.VersionUnsupported;
  head.minorVersion = (bytes[start + MINOR_AT] as number) - 0x30;
  return start + VERSION_PATTERN.length;
}

/** The one line end of a request line that nearly all have, whole. */
function isHttp11(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start >= 10 &&
    bytes[start] === 0x48 &&
    bytes[start + 1] === 0x54 &&
    bytes[start + 2] === 0x54 &&
    bytes[start + 3] === 0x50 &&
    bytes[start + 4] === SLASH &&
    bytes[start + 5] === DIGIT_ONE &&
    bytes[start + 6] === DOT &&
    bytes[start + 7] === DIGIT_ONE &&
    bytes[start + 8] === CR &&
    bytes[start + 9] === LF
  );
}

/**
 * Reads *( field-line CRLF ) CRLF into `head`, whose first line begins at `head.start`. Returns the position after the empty line, 0
 * for "need more", or a ParseError. Responses have the same fields.
 */
export function parseFields(bytes: Uint8Array, start: number, end: number, head: ParsedHead): number {
  const { maxHeaderBytes, maxFields } = head.limits;
  const sectionMax = head.start + maxHeaderBytes;
  // One bound for all loops: the bytes given, or those that a head may have.
  const stop = Math.min(end, sectionMax);
  const { offsets, known } = head;
  const classes = CLASS;
  let count = 0;
  let pos = start;
  for (;;) {
    const lineStart = pos;
    if (pos >= stop) return exhausted(pos, sectionMax);
    if (bytes[pos] === CR) {
      pos++;
      if (pos >= stop) return exhausted(pos, sectionMax);
      if (bytes[pos] !== LF) return ParseError.BareCr;
      head.fieldCount = count;
      return pos + 1;
    }
    if (count === maxFields) return ParseError.TooManyFields;

    while (pos < stop && ((classes[bytes[pos] as number] as number) & TCHAR) !== 0) pos++;
    if (pos >= stop) return exhausted(pos, sectionMax);
    const nameEnd = pos;
    if (bytes[pos] !== COLON || nameEnd === lineStart)
      return fieldNameError(bytes[pos] as number, nameEnd === lineStart);

    pos++;
    while (pos < stop && (bytes[pos] === SP || bytes[pos] === HTAB)) pos++;
    const valueStart = pos;
    while (pos < stop && ((classes[bytes[pos] as number] as number) & FIELD_BYTE) !== 0) pos++;
    if (pos >= stop) return exhausted(pos, sectionMax);
    let valueEnd = pos;
    if (bytes[pos] !== CR) return bytes[pos] === LF ? ParseError.BareLf : ParseError.FieldValueInvalid;
    pos++;
    if (pos >= stop) return exhausted(pos, sectionMax);
    if (bytes[pos] !== LF) return ParseError.BareCr;
    pos++;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--;

    const at = count * OFFSETS;
    offsets[at] = lineStart;
    offsets[at + 1] = nameEnd;
    offsets[at + 2] = valueStart;
    offsets[at + 3] = valueEnd;
    count++;
    const field = knownField(bytes, lineStart, nameEnd);
    if (field >= 0) {
      if (known[field] === 0) known[field] = count;
      else head.repeated |= 1 << field;
    }
  }
}

/** Returns the result when the bytes end inside a line. A limit that is reached is certain, anything else may still come. */
function exhausted(pos: number, sectionMax: number): number {
  return pos < sectionMax ? 0 : ParseError.FieldsTooLarge;
}

/** Why a field name ends wrongly with `byte`. Also for trailers, which have the same grammar. */
export function fieldNameError(byte: number, isFirst: boolean): ParseError {
  if (byte === LF) return ParseError.BareLf;
  if (byte === SP || byte === HTAB) return isFirst ? ParseError.FieldFolded : ParseError.FieldSpaceBeforeColon;
  if (byte === COLON) return ParseError.FieldNameEmpty;
  return ParseError.FieldNameInvalid;
}

/** Methods are case-sensitive (RFC 9110 §9.1): "get" is another method than "GET". */
function methodOf(bytes: Uint8Array, start: number, end: number): Method {
  const candidate =
    METHOD_BY_LENGTH_AND_SECOND[((end - start) << 5) | ((bytes[start + 1] as number) & 31)] ?? Method.Other;
  const name = METHOD_NAMES[candidate];
  if (name === undefined || name.length !== end - start) return Method.Other;
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name.charCodeAt(i)) return Method.Other;
  return candidate;
}

/** The slot of a field name, compared without case (RFC 9110 §5.1), or -1. One table load, then one compare. */
function knownField(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  // Among token characters, setting 0x20 makes letters lower case, and makes no letter and no "-" of anything else.
  const first = (bytes[start] as number) | 0x20;
  const last = (bytes[end - 1] as number) | 0x20;
  const field = (FIELD_BY_HASH[fieldHash(length, first, last)] as number) - 1;
  if (field < 0 || FIELD_LENGTHS[field] !== length) return -1;
  const name = field * FIELD_NAME_STRIDE;
  for (let i = 0; i < length; i++) {
    if (((bytes[start + i] as number) | 0x20) !== FIELD_NAME_BYTES[name + i]) return -1;
  }
  return field;
}

/** No two known names share a hash; the test asks for every one of them by name. */
function fieldHash(length: number, first: number, last: number): number {
  return (length + first * 14 + last) & (HASHES - 1);
}

const NO_BYTES = new Uint8Array(0);

/** Length and second letter tell the methods apart; 32 letters, lengths up to METHOD_BYTES_MAX. */
const METHOD_BY_LENGTH_AND_SECOND: Uint8Array = buildMethodTable();

/** Size of the table of hashes; a power of two. */
const HASHES = 128;
const FIELD_NAME_STRIDE = 32;
const FIELD_NAME_BYTES = new Uint8Array(FIELD_NAMES.length * FIELD_NAME_STRIDE);
const FIELD_LENGTHS = new Uint8Array(FIELD_NAMES.length);
const FIELD_BY_HASH: Uint8Array = buildFieldTable();

/** "HTTP/d.d" CR LF; DIGIT_HERE stands for any digit. */
const DIGIT_HERE = 0;
const DIGIT_ONE = 0x31;
const MAJOR_AT = 5;
const MINOR_AT = 7;
const VERSION_PATTERN = Uint8Array.of(0x48, 0x54, 0x54, 0x50, 0x2f, DIGIT_HERE, DOT, DIGIT_HERE, CR, LF);

function buildMethodTable(): Uint8Array {
  const table = new Uint8Array((METHOD_BYTES_MAX + 1) << 5);
  METHOD_NAMES.forEach((name, method) => {
    if (name !== undefined) table[(name.length << 5) | (name.charCodeAt(1) & 31)] = method;
  });
  return table;
}

function buildFieldTable(): Uint8Array {
  const table = new Uint8Array(HASHES);
  FIELD_NAMES.forEach((name, field) => {
    for (let i = 0; i < name.length; i++) FIELD_NAME_BYTES[field * FIELD_NAME_STRIDE + i] = name.charCodeAt(i);
    FIELD_LENGTHS[field] = name.length;
    table[fieldHash(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1))] = field + 1;
  });
  return table;
}
