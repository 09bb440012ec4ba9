/**
 * Conditional requests (RFC 9110 §13): decides from the precondition fields and our validators whether to proceed, to
 * answer 304, or to answer 412.
 *
 * A malformed list of entity tags names none. So an unparsable If-Match fails: the peer asked for protection, and 412
 * gives it. An unparsable If-None-Match lets the request proceed, because 200 is always correct.
 */
import { COMMA, DEL, DQUOTE, isWhitespace, skipWhitespace } from "./ascii.ts";
import { parseHttpDate } from "./date.ts";
import { isRead, type Method } from "./method.ts";

/** Field values as received, lines of the same name joined by ", "; null for a field that is absent. */
export interface Preconditions {
  readonly ifMatch: string | null;
  readonly ifUnmodifiedSince: string | null;
  readonly ifNoneMatch: string | null;
  readonly ifModifiedSince: string | null;
}

export enum Precondition {
  Proceed = 0,
  /** 304, with the fields that a 200 would carry (RFC 9110 §15.4.5). */
  NotModified,
  /** 412. */
  Failed,
}

const EXCLAMATION = 0x21;
const LATIN1_MAX = 0xff;
const WEAK = "W/"; // case-sensitive, RFC 9110 §8.8.3

/**
 * RFC 9110 §13.2.2, steps 1 to 4. `etag` is the representation's entity tag as it would be sent, quotes and any `W/`
 * included; `lastModified` the epoch seconds of its Last-Modified. A date that cannot be read is as if absent.
 * Ask only when the answer without preconditions would be 2xx (§13.2.1).
 */
export function evaluatePreconditions(
  method: Method,
  preconditions: Preconditions,
  etag: string,
  lastModified: number,
  nowSeconds: number,
): Precondition {
  const { ifMatch, ifUnmodifiedSince, ifNoneMatch, ifModifiedSince } = preconditions;
  const isReading = isRead(method);

  if (ifMatch !== null) {
    if (ifMatch !== "*" && !listHasStrong(ifMatch, etag)) return Precondition.Failed;
  } else if (ifUnmodifiedSince !== null) {
    const date = parseHttpDate(ifUnmodifiedSince, nowSeconds);
    if (date >= 0 && lastModified > date) return Precondition.Failed;
  }

  // §13.1.3: If-Modified-Since is ignored where If-None-Match stands, even an unparsable one.
  if (ifNoneMatch !== null) {
    if (ifNoneMatch === "*" || listHasWeak(ifNoneMatch, etag)) {
      return isReading ? Precondition.NotModified : Precondition.Failed;
    }
  } else if (ifModifiedSince !== null && isReading) {
    const date = parseHttpDate(ifModifiedSince, nowSeconds);
    if (date >= 0 && lastModified <= date) return Precondition.NotModified;
  }
  return Precondition.Proceed;
}

/**
 * Returns true if a Range may be honoured (RFC 9110 §13.1.5). An entity tag must be equal by strong comparison. A date must be exactly
 * Last-Modified, at least a whole second ago (§8.8.2.2): within that second the bytes may change again and the date stay. Anything else
 * is false, so the answer is the whole representation.
 */
export function ifRangeHolds(value: string, etag: string, lastModified: number, nowSeconds: number): boolean {
  // §13.1.5: a DQUOTE among the first three characters tells an entity tag from a date.
  if (value.slice(0, 3).includes('"')) return entityTagEnd(value, 0) === value.length && strongEquals(value, etag);
  const date = parseHttpDate(value, nowSeconds);
  return date >= 0 && date === lastModified && nowSeconds - lastModified >= 1;
}

/** Strong comparison (RFC 9110 §8.8.3.2): equal, and neither is weak. */
function listHasStrong(list: string, etag: string): boolean {
  return listHas(list, etag, false);
}

/** Weak comparison (RFC 9110 §8.8.3.2): the opaque tags are equal. */
function listHasWeak(list: string, etag: string): boolean {
  return listHas(list, etag, true);
}

/** True when the whole value is a list of entity tags, empty elements allowed (RFC 9110 §5.6.1.2), and one of them is equal. */
function listHas(list: string, etag: string, weakly: boolean): boolean {
  let found = false;
  let at = 0;
  while (at < list.length) {
    const code = list.charCodeAt(at);
    if (code === COMMA || isWhitespace(code)) {
      at++;
      continue;
    }
    const end = entityTagEnd(list, at);
    if (end < 0) return false;
    const tag = list.slice(at, end);
    found ||= weakly ? opaqueTag(tag) === opaqueTag(etag) : strongEquals(tag, etag);
    at = skipWhitespace(list, end);
    if (at < list.length && list.charCodeAt(at) !== COMMA) return false;
  }
  return found;
}

function strongEquals(tag: string, etag: string): boolean {
  return tag === etag && !tag.startsWith(WEAK);
}

function opaqueTag(tag: string): string {
  return tag.startsWith(WEAK) ? tag.slice(WEAK.length) : tag;
}

/** Offset after the entity tag that starts at `start`, or -1 (RFC 9110 §8.8.3: no escapes; a comma may stand inside). */
function entityTagEnd(text: string, start: number): number {
  let at = text.startsWith(WEAK, start) ? start + WEAK.length : start;
  if (text.charCodeAt(at) !== DQUOTE) return -1;
  for (at++; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === DQUOTE) return at + 1;
    if (code < EXCLAMATION || code === DEL || code > LATIN1_MAX) return -1;
  }
  return -1;
}
