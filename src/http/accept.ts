/**
 * Proactive negotiation (RFC 9110 §12): lists whose members carry a weight, and the one question that error answers ask.
 *
 * A list that breaks the grammar or is longer than any honest one names nothing, so the caller's default stands.
 */
import {
  BACKSLASH,
  CLASS,
  COMMA,
  DQUOTE,
  EQUALS,
  isWhitespace,
  QUOTED_TEXT,
  SEMICOLON,
  SLASH,
  skipWhitespace,
  TCHAR,
} from "./ascii.ts";

/** One member: `name` is a token or a media range in lower case; `quality` its weight in thousandths, 0 to 1000. */
export interface QualityItem {
  readonly name: string;
  readonly quality: number;
}

/** Most members of one list; browsers send about ten. */
export const QUALITY_ITEMS_MAX = 64;

const HTML = "text/html";
const QUALITY_DEFAULT = 1000; // RFC 9110 §12.4.2
const QUALITY_VALUE = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/**
 * True when the request would rather have JSON than HTML (RFC 9110 §12.5.1). HTML is the default: a lone wildcard gets it,
 * and so does a tie, unless JSON is named by more than a wildcard and HTML is not, which is how scripts ask.
 */
export function prefersJson(accept: string | null): boolean {
  if (accept === null) return false;
  const items = parseQualityList(accept);
  const html = rank(items, HTML);
  return rank(items, "application/json") > html || rank(items, "application/problem+json") > html;
}

/** Returns true if the field accepts HTML by its own name, not only by a wildcard, as a browser does for a page. */
export function namesHtml(accept: string | null): boolean {
  return accept !== null && parseQualityList(accept).some(({ name, quality }) => name === HTML && quality > 0);
}

/** How welcome a media type is: by its quality, then by how exactly it is named; 0 is not at all. */
function rank(items: readonly QualityItem[], mediaType: string): number {
  const anySubtype = `${mediaType.slice(0, mediaType.indexOf("/"))}/*`;
  let exactness = 0;
  let quality = 0;
  for (const item of items) {
    const itemExactness = item.name === mediaType ? 3 : item.name === anySubtype ? 2 : item.name === "*/*" ? 1 : 0;
    if (itemExactness <= exactness) continue; // RFC 9110 §12.5.1: the most specific range that matches decides
    exactness = itemExactness;
    quality = item.quality;
  }
  return quality === 0 ? 0 : quality * 4 + exactness;
}

/**
 * Members of `#( name [ parameters ] [ weight ] )` in the order given, where a name is a token or `type/subtype`: Accept,
 * Accept-Encoding, Accept-Language, TE. Parameters other than the weight are checked and left out: no answer here differs
 * by one. The weight is read wherever it stands among them (§12.5.1). Empty when the value is malformed or too long.
 */
export function parseQualityList(value: string): readonly QualityItem[] {
  const items: QualityItem[] = [];
  let at = 0;
  while (at < value.length) {
    const code = value.charCodeAt(at);
    if (code === COMMA || isWhitespace(code)) {
      at++; // RFC 9110 §5.6.1.2: elements of a list may be empty
      continue;
    }
    const nameStart = at;
    at = skipToken(value, at);
    if (at === nameStart) return [];
    if (value.charCodeAt(at) === SLASH) {
      const subtypeStart = at + 1;
      at = skipToken(value, subtypeStart);
      if (at === subtypeStart) return [];
    }
    const name = value.slice(nameStart, at).toLowerCase();

    let quality = QUALITY_DEFAULT;
    at = skipWhitespace(value, at);
    while (value.charCodeAt(at) === SEMICOLON) {
      const parameterStart = skipWhitespace(value, at + 1);
      const equals = skipToken(value, parameterStart);
      at = equals;
      if (equals > parameterStart) {
        if (value.charCodeAt(equals) !== EQUALS) return [];
        at = skipParameterValue(value, equals + 1);
        if (at < 0) return [];
        const isWeight = value.slice(parameterStart, equals).toLowerCase() === "q";
        if (isWeight) quality = parseQuality(value.slice(equals + 1, at));
        if (quality < 0) return [];
      } // RFC 9110 §5.6.6: a semicolon may have no parameter after it
      at = skipWhitespace(value, at);
    }
    if (at < value.length && value.charCodeAt(at) !== COMMA) return [];
    if (items.length === QUALITY_ITEMS_MAX) return [];
    items.push({ name, quality });
  }
  return items;
}

/** Thousandths of a qvalue, `0` to `1` with up to three decimals (RFC 9110 §12.4.2), or -1. */
function parseQuality(text: string): number {
  return QUALITY_VALUE.test(text) ? Math.round(Number(text) * 1000) : -1;
}

/** Returns the offset after the token or quoted string at `start` (RFC 9110 §5.6.6), or -1. */
function skipParameterValue(value: string, start: number): number {
  if (value.charCodeAt(start) !== DQUOTE) {
    const end = skipToken(value, start);
    return end > start ? end : -1;
  }
  for (let at = start + 1; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code === DQUOTE) return at + 1;
    if (code === BACKSLASH)
      at++; // quoted-pair, RFC 9110 §5.6.4
    else if (((CLASS[code] ?? 0) & QUOTED_TEXT) === 0) return -1;
  }
  return -1;
}

function skipToken(value: string, start: number): number {
  let at = start;
  while (((CLASS[value.charCodeAt(at)] ?? 0) & TCHAR) !== 0) at++;
  return at;
}
