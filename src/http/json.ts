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

/** The part of the grammar that comes next. */
enum Place {
  /** The rest of a string. No whitespace may stand before these two. */
  InName = 0,
  InString,
  Value,
  /** A value, or the end of an array that is empty. */
  First,
  Name,
  /** A name, or the end of an object that is empty. */
  FirstName,
  Colon,
  /** A comma, or the end of the container. The text may end from here on. */
  After,
  /** The rest of a number: digits before the point, a single zero, digits after the point, and digits of the exponent. */
  Integer,
  Zero,
  Fraction,
  Exponent,
}

/**
 * Checks one JSON text: a value with whitespace around it (RFC 8259 §2), and perhaps a byte order mark first. The verdict is about the first mistake. The
 * check runs in steps, because ten megabytes at once would block all other requests. A step also ends within a string, a number or
 * whitespace, however long they are.
 */
export class JsonCheck {
  readonly #bytes: Uint8Array;
  /** A bit for each open container: set for an object. */
  readonly #objects = new Uint32Array((NESTING_MAX >> 5) + 1);
  #depth = 0;
  #inObject = false;
  #at: number;
  #place = Place.Value;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#at = afterByteOrderMark(bytes);
  }

  /** Checks about `count` more bytes. Null: there is more to check. */
  advance(count: number): JsonVerdict | null {
    const bytes = this.#bytes;
    const end = bytes.length;
    const stop = Math.min(end, this.#at + count + 1);
    let place = this.#place;
    let at = this.#at;
    for (;;) {
      if (place >= Place.Value && place <= Place.After) at = afterWhitespace(bytes, at, stop);
      if (at >= stop) break;
      const byte = bytes[at] as number;
      switch (place) {
        case Place.Value:
        case Place.First:
          if (byte === DQUOTE) {
            place = Place.InString;
            at++;
          } else if (byte === LBRACE || byte === LBRACKET) {
            place = byte === LBRACE ? Place.FirstName : Place.First;
            at = this.#open(byte === LBRACE) ? at + 1 : JsonVerdict.TooDeep;
          } else if (byte === RBRACKET && place === Place.First) {
            place = this.#close();
            at++;
          } else if (byte === MINUS || (CLASS[byte] as number) & DIGIT) {
            at = digitEnd(bytes, byte === MINUS ? at + 1 : at);
            place = bytes[at - 1] === DIGIT_0 ? Place.Zero : Place.Integer;
          } else {
            place = Place.After;
            at = literalEnd(bytes, at);
          }
          break;
        case Place.FirstName:
        case Place.Name:
          place = byte === RBRACE && place === Place.FirstName ? this.#close() : Place.InName;
          at = byte === DQUOTE || place === Place.After ? at + 1 : JsonVerdict.NotJson;
          break;
        case Place.Colon:
          place = Place.Value;
          at = byte === COLON ? at + 1 : JsonVerdict.NotJson;
          break;
        case Place.After:
          if (this.#depth === 0) return JsonVerdict.NotJson;
          if (byte === COMMA) place = this.#inObject ? Place.Name : Place.Value;
          else if (byte === (this.#inObject ? RBRACE : RBRACKET)) place = this.#close();
          else return JsonVerdict.NotJson;
          at++;
          break;
        case Place.InName:
        case Place.InString:
          at = stringEnd(bytes, at, stop);
          if (at < 0 || at >= stop) break;
          place = place === Place.InName ? Place.Colon : Place.After;
          at++;
          break;
        default:
          if (place !== Place.Zero) at = afterDigits(bytes, at, stop);
          if (at >= stop) break;
          place = partAfter(place, bytes[at] as number);
          if (place !== Place.After) at = partBegin(bytes, at);
      }
      if (at < 0) return at;
    }
    this.#place = place;
    this.#at = at;
    if (at < end) return null;
    return this.#depth === 0 && place >= Place.After ? JsonVerdict.Valid : JsonVerdict.NotJson;
  }

  /** Returns false if too many containers are open. */
  #open(isObject: boolean): boolean {
    if (this.#depth === NESTING_MAX) return false;
    const objects = this.#objects;
    const word = this.#depth >> 5;
    const bit = 1 << (this.#depth & 31);
    objects[word] = isObject ? (objects[word] as number) | bit : (objects[word] as number) & ~bit;
    this.#inObject = isObject;
    this.#depth++;
    return true;
  }

  #close(): Place {
    const depth = --this.#depth;
    if (depth > 0) this.#inObject = ((this.#objects[(depth - 1) >> 5] as number) & (1 << ((depth - 1) & 31))) !== 0;
    return Place.After;
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

/**
 * RFC 8259 §7: reads the rest of a string from `start`. Returns the position of its closing quotation mark; or one from `stop` on, between
 * two characters, if the string continues there.
 */
function stringEnd(bytes: Uint8Array, start: number, stop: number): number {
  const end = bytes.length;
  let at = start;
  for (;;) {
    while (at < stop && PLAIN[bytes[at] as number] !== 0) at++;
    if (at >= stop) return at;
    const byte = bytes[at] as number;
    if (byte === DQUOTE) return at;
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

/** RFC 8259 §6: number = [ minus ] int [ frac ] [ exp ]. Returns its part after `place` if `byte` begins one, else the place after it. */
function partAfter(place: Place, byte: number): Place {
  if (byte === DOT && place <= Place.Zero) return Place.Fraction;
  return (byte === LOWER_E || byte === UPPER_E) && place <= Place.Fraction ? Place.Exponent : Place.After;
}

/** Returns the position after the point, or after the letter and the sign of an exponent, and one digit. */
function partBegin(bytes: Uint8Array, start: number): number {
  const sign = bytes[start + 1];
  const isSigned = bytes[start] !== DOT && (sign === PLUS || sign === MINUS);
  return digitEnd(bytes, isSigned ? start + 2 : start + 1);
}

/** Returns the position after the digit that each part of a number has. */
function digitEnd(bytes: Uint8Array, start: number): number {
  const isDigit = start < bytes.length && ((CLASS[bytes[start] as number] as number) & DIGIT) !== 0;
  return isDigit ? start + 1 : JsonVerdict.NotJson;
}

function afterDigits(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && ((CLASS[bytes[at] as number] as number) & DIGIT) !== 0) at++;
  return at;
}

/** RFC 8259 §3: `true`, `false` or `null`. */
function literalEnd(bytes: Uint8Array, start: number): number {
  const first = bytes[start];
  const literal = first === TRUE[0] ? TRUE : first === FALSE[0] ? FALSE : NULL;
  const behind = start + literal.length;
  if (behind > bytes.length) return JsonVerdict.NotJson;
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
