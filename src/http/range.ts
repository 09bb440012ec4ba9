/**
 * Range (RFC 9110 §14.1, §14.2): which parts of a representation a request asks for.
 *
 * A value that is not understood, is not valid, or asks for an unreasonable set is ignored as a whole. The answer is then the ordinary
 * 200, which is always correct (§14.2) and costs a sender less than a wrong part would. Numbers are read digit by digit and stop growing
 * at a bound, so no length of digits reaches inexact arithmetic.
 */
import { CLASS, COMMA, DIGIT, DIGIT_0, MINUS, skipWhitespace } from "./ascii.ts";

/** Positions of the first and the last byte, both inside the representation, first <= last, as in Content-Range. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

export enum RangeVerdict {
  /** Answer as if there were no Range: 200. */
  Ignore = 0,
  /** 416, with the size in Content-Range (RFC 9110 §15.5.17). */
  Unsatisfiable,
}

/**
 * Most ranges in one request, a bound on the work before the first byte: a thousand take some milliseconds. zsync asks for
 * twenty, Apache takes 200, nginx any number. The sum of a set bounds the cost of sending it.
 */
export const RANGES_MAX = 1000;

/** Bytes counted for the head of a part beside those of its range: delimiter, Content-Type and Content-Range. */
const PART_HEAD_BYTES = 128;

/** Bytes by which parts and their heads may be longer than the representation: the heads of 256 parts. */
const SPARE_BYTES = 256 * PART_HEAD_BYTES;

/** Positions from here on are all alike: 512 TiB, more than a file has, and ten times it is still exact in a double. */
const POSITION_MAX = 2 ** 49;

const UNIT = "bytes=";

/**
 * Returns the ranges of a representation of `size` bytes, at least one, in the requested order and each cut to the size; or a verdict.
 *
 * - Another unit, a set that breaks the grammar, a last position before the first: Ignore.
 * - A range that starts at or after the end, or a suffix of no bytes, is dropped; when nothing else was asked: Unsatisfiable.
 * - A suffix of an empty representation is satisfiable (§14.1.2), but no Content-Range could name its bytes: Ignore.
 * - More than RANGES_MAX ranges, more than two that overlap another, or more bytes in all than the representation has:
 *   Ignore (§17.15). Small parts in great number count too: heads of parts may add SPARE_BYTES to the representation.
 */
export function parseRange(value: string, size: number): readonly ByteRange[] | RangeVerdict {
  if (value.slice(0, UNIT.length).toLowerCase() !== UNIT) return RangeVerdict.Ignore;
  if (skipWhitespace(value, UNIT.length) > UNIT.length) return RangeVerdict.Ignore;
  const ranges: ByteRange[] = [];
  let asked = 0;
  let at = UNIT.length;
  while (at < value.length) {
    at = skipWhitespace(value, at);
    if (value.charCodeAt(at) === COMMA) {
      at++; // RFC 9110 §5.6.1.2: elements of a list may be empty
      continue;
    }
    const firstStart = at;
    const firstEnd = skipDigits(value, firstStart);
    const lastStart = firstEnd + 1;
    const lastEnd = skipDigits(value, lastStart);
    at = skipWhitespace(value, lastEnd);
    if (value.charCodeAt(firstEnd) !== MINUS || lastEnd === firstStart + 1) return RangeVerdict.Ignore;
    if (at < value.length && value.charCodeAt(at) !== COMMA) return RangeVerdict.Ignore;
    if (++asked > RANGES_MAX) return RangeVerdict.Ignore;

    const last = lastEnd > lastStart ? readPosition(value, lastStart, lastEnd) : POSITION_MAX;
    if (firstEnd > firstStart) {
      const first = readPosition(value, firstStart, firstEnd);
      if (last < first) return RangeVerdict.Ignore;
      if (first < size) ranges.push({ first, last: Math.min(last, size - 1) });
    } else if (last > 0) {
      if (size === 0) return RangeVerdict.Ignore;
      ranges.push({ first: Math.max(0, size - last), last: size - 1 });
    }
  }
  if (asked === 0) return RangeVerdict.Ignore;
  if (ranges.length === 0) return RangeVerdict.Unsatisfiable;
  return isReasonable(ranges, size) ? ranges : RangeVerdict.Ignore;
}

/** Returns false for a set that costs more than the whole representation, or whose ranges overlap without need. */
function isReasonable(ranges: readonly ByteRange[], size: number): boolean {
  if (ranges.length === 1) return true;
  let bytes = 0;
  for (const { first, last } of ranges) bytes += last - first + 1;
  if (bytes > size || bytes + ranges.length * PART_HEAD_BYTES > size + SPARE_BYTES) return false;
  return countOverlapping(ranges) <= 2;
}

/** Returns how many ranges share a byte with a different range of the set. */
function countOverlapping(ranges: readonly ByteRange[]): number {
  const sorted = ranges.toSorted((a, b) => a.first - b.first);
  let count = 0;
  /** Last byte of all ranges before this one. */
  let covered = -1;
  for (const [index, { first, last }] of sorted.entries()) {
    const next = sorted[index + 1];
    if (first <= covered || (next !== undefined && next.first <= last)) count++;
    covered = Math.max(covered, last);
  }
  return count;
}

function skipDigits(value: string, start: number): number {
  let at = start;
  while (isDigit(value.charCodeAt(at))) at++;
  return at;
}

function isDigit(code: number): boolean {
  return ((CLASS[code] ?? 0) & DIGIT) !== 0;
}

/** The number that the digits in [start, end) spell, or POSITION_MAX when it is more. */
function readPosition(value: string, start: number, end: number): number {
  let position = 0;
  for (let i = start; i < end && position < POSITION_MAX; i++) {
    position = position * 10 + value.charCodeAt(i) - DIGIT_0;
  }
  return Math.min(position, POSITION_MAX);
}
