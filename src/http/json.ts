/**
 * Checks whether bytes are one JSON text in UTF-8 (RFC 8259), without making any value of it; `parseJson` makes one afterwards.
 *
 * The bytes are read once, up to the first mistake. There is no recursion, no text is decoded, and the only allocation
 * is 128 bytes that remember which open containers are objects. `JSON.parse` needs more than a second and hundreds of
 * megabytes for ten megabytes of `[[[…]]]`; here they end at the bound of nesting. Runs of plain string bytes and of
 * whitespace, which most content consists of, are read in loops of one table load or comparison a byte.
 *
 * The private functions return the position after the bytes they read, which is > 0, or a mistake, which is < 0.
 */
import {
  BACKSLASH,
  CLASS,
  COLON,
  COMMA,
  CR,
  DIGIT,
  DIGIT_0,
  DOT,
  DQUOTE,
  HEX_DIGIT,
  HTAB,
  LBRACKET,
  LF,
  MINUS,
  PLUS,
  RBRACKET,
  SP,
} from "./ascii.ts";
import { utf8SequenceEnd } from "./utf8.ts";

export enum JsonVerdict {
  Valid = 0,
  /** A string holds bytes that are not UTF-8 (RFC 3629). */
  NotUtf8 = -1,
  /** The grammar is broken. */
  NotJson = -2,
  /** More than NESTING_MAX containers are open at once. */
  TooDeep = -3,
}

/**
 * Most arrays and objects inside each other (RFC 8259 §9 allows a limit). Documents that people write stay below a
 * hundred. A deeper file would break its readers: they stop at 64 (.NET), 128 (serde), 512 (PHP), 1,000 (Python).
 */
export const NESTING_MAX = 1000;

/**
 * Checks one JSON text: a value with whitespace around it (RFC 8259 §2), and perhaps a byte order mark first. The verdict is about the first mistake. The
 * check runs in steps, because ten megabytes at once would block all other requests.
 */
export class JsonCheck {
  readonly #bytes: Uint8Array;
  /** A bit for each open container: set for an object. */
  readonly #objects = new Uint32Array((NESTING_MAX >> 5) + 1);
  #depth = 0;
  #inObject = false;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#at = afterWhitespace(bytes, afterByteOrderMark(bytes), bytes.length);
  }

  /** Checks about `count` more bytes, and the value behind them to its end. Null: there is more to check. */
  advance(count: number): JsonVerdict | null {
    const bytes = this.#bytes;
    const objects = this.#objects;
    const end = bytes.length;
    const pause = this.#at + count;
    let depth = this.#depth;
    let inObject = this.#inObject;
    let at = this.#at;
    for (;;) {
      if (at >= end) return JsonVerdict.NotJson;
      if (at > pause) break;
      const first = bytes[at] as number;
      if (first === LBRACKET || first === LBRACE) {
        if (depth === NESTING_MAX) return JsonVerdict.TooDeep;
        inObject = first === LBRACE;
        const word = depth >> 5;
        const bit = 1 << (depth & 31);
        objects[word] = inObject ? (objects[word] as number) | bit : (objects[word] as number) & ~bit;
        depth++;
        at = afterWhitespace(bytes, at + 1, end);
        const isEmpty = at < end && bytes[at] === (inObject ? RBRACE : RBRACKET);
        if (!isEmpty) {
          if (inObject) at = nameEnd(bytes, at, end);
          if (at < 0) return at;
          continue;
        }
      } else {
        at = scalarEnd(bytes, at, end);
        if (at < 0) return at;
      }
      // Behind a value, or before the bracket of an empty container: brackets close, until a comma leads to the next value.
      for (;;) {
        at = afterWhitespace(bytes, at, end);
        if (depth === 0) return at === end ? JsonVerdict.Valid : JsonVerdict.NotJson;
        if (at >= end) return JsonVerdict.NotJson;
        const byte = bytes[at++] as number;
        if (byte === COMMA) {
          at = afterWhitespace(bytes, at, end);
          if (inObject) at = nameEnd(bytes, at, end);
          if (at < 0) return at;
          break;
        }
        if (byte !== (inObject ? RBRACE : RBRACKET)) return JsonVerdict.NotJson;
        depth--;
        if (depth > 0) inObject = ((objects[(depth - 1) >> 5] as number) & (1 << ((depth - 1) & 31))) !== 0;
      }
    }
    this.#depth = depth;
    this.#inObject = inObject;
    this.#at = at;
    return null;
  }
}

/** Returns the value of one JSON text, or undefined if it is not JSON in UTF-8, or deeper than NESTING_MAX. */
export function parseJson(bytes: Uint8Array): unknown {
  if (new JsonCheck(bytes).advance(bytes.length + 1) !== JsonVerdict.Valid) return undefined;
  return JSON.parse(DECODER.decode(bytes)) as unknown;
}

/** Leaves out a byte order mark. */
const DECODER = new TextDecoder("utf-8");

/** Skips the mark that editors and shells of Windows write first; RFC 8259 §8.1 lets a reader ignore it. */
function afterByteOrderMark(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}

/** RFC 8259 §2: space, horizontal tab, line feed, carriage return. */
function afterWhitespace(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte > SP) break;
    if (byte !== SP && byte !== LF && byte !== CR && byte !== HTAB) break;
    at++;
  }
  return at;
}

/** RFC 8259 §4: a member's name, the colon, and the whitespace around it. */
function nameEnd(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || bytes[start] !== DQUOTE) return JsonVerdict.NotJson;
  let at = stringEnd(bytes, start + 1, end);
  if (at < 0) return at;
  at = afterWhitespace(bytes, at, end);
  if (at >= end || bytes[at] !== COLON) return JsonVerdict.NotJson;
  return afterWhitespace(bytes, at + 1, end);
}

/** Returns the end of a value that is not a container (RFC 8259 §3); `start` is before `end`. */
function scalarEnd(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start] as number;
  if (first === DQUOTE) return stringEnd(bytes, start + 1, end);
  if (first === MINUS || (CLASS[first] as number) & DIGIT) return numberEnd(bytes, start, end);
  if (first === TRUE[0]) return literalEnd(bytes, start, end, TRUE);
  if (first === FALSE[0]) return literalEnd(bytes, start, end, FALSE);
  if (first === NULL[0]) return literalEnd(bytes, start, end, NULL);
  return JsonVerdict.NotJson;
}

/** RFC 8259 §7: the rest of a string, behind its opening quotation mark. */
function stringEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  for (;;) {
    while (at < end && PLAIN[bytes[at] as number] !== 0) at++;
    if (at >= end) return JsonVerdict.NotJson;
    const byte = bytes[at] as number;
    if (byte === DQUOTE) return at + 1;
    if (byte >= 0x80) {
      at = utf8SequenceEnd(bytes, at, end);
      if (at < 0) return JsonVerdict.NotUtf8;
    } else {
      // A control character must be escaped.
      if (byte !== BACKSLASH) return JsonVerdict.NotJson;
      at = escapeEnd(bytes, at + 1, end);
      if (at < 0) return at;
    }
  }
}

/**
 * Returns the end of an escape, after its backslash. RFC 8259 §8.2: half of a surrogate pair alone is within the
 * grammar.
 */
function escapeEnd(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return JsonVerdict.NotJson;
  const byte = bytes[start] as number;
  if (byte !== LOWER_U) return ESCAPED[byte] === 0 ? JsonVerdict.NotJson : start + 1;
  const behind = start + 5;
  if (behind > end) return JsonVerdict.NotJson;
  for (let at = start + 1; at < behind; at++) {
    if (((CLASS[bytes[at] as number] as number) & HEX_DIGIT) === 0) return JsonVerdict.NotJson;
  }
  return behind;
}

/** RFC 8259 §6: [ minus ] int [ frac ] [ exp ], of which int has no zero in front of another digit. */
function numberEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = bytes[start] === MINUS ? start + 1 : start;
  at = at < end && bytes[at] === DIGIT_0 ? at + 1 : digitsEnd(bytes, at, end);
  if (at > 0 && at < end && bytes[at] === DOT) at = digitsEnd(bytes, at + 1, end);
  if (at > 0 && at < end && (bytes[at] === LOWER_E || bytes[at] === UPPER_E)) {
    at++;
    if (at < end && (bytes[at] === PLUS || bytes[at] === MINUS)) at++;
    at = digitsEnd(bytes, at, end);
  }
  return at;
}

/** At least one digit. */
function digitsEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && ((CLASS[bytes[at] as number] as number) & DIGIT) !== 0) at++;
  return at === start ? JsonVerdict.NotJson : at;
}

function literalEnd(bytes: Uint8Array, start: number, end: number, literal: Uint8Array): number {
  const behind = start + literal.length;
  if (behind > end) return JsonVerdict.NotJson;
  for (let i = 0; i < literal.length; i++) {
    if (bytes[start + i] !== literal[i]) return JsonVerdict.NotJson;
  }
  return behind;
}

const UPPER_E = 0x45;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
const LBRACE = 0x7b;
const RBRACE = 0x7d;

const TRUE = asciiBytes("true");
const FALSE = asciiBytes("false");
const NULL = asciiBytes("null");

/** PLAIN[byte]: 1 for ASCII that stands for itself in a string: all but controls, the quotation mark and the backslash. */
const PLAIN: Uint8Array = new Uint8Array(256).fill(1, SP, 0x80);
PLAIN[DQUOTE] = 0;
PLAIN[BACKSLASH] = 0;

/** ESCAPED[byte]: 1 for a byte that may follow a backslash alone. */
const ESCAPED: Uint8Array = new Uint8Array(256);
for (const byte of asciiBytes('"\\/bfnrt')) ESCAPED[byte] = 1;

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
