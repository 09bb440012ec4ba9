/**
 * Response heads as bytes (RFC 9112 §4, RFC 9110 §5), in two parts. `encodeResponseHead` makes what depends on the answer,
 * once per answer or once for many; `appendConnectionFields` adds, to every answer sent, what depends on the moment and
 * on the connection. Together they are a complete head.
 */
import { CLASS, COLON, CR, DIGIT_0, FIELD_BYTE, HTAB, LF, SP, TCHAR } from "./ascii.ts";
import { IMF_DATE_BYTES } from "./date.ts";
import { reasonPhrase } from "./status.ts";

/** Bytes of `Date: `, an IMF-fixdate and CRLF. */
export const DATE_LINE_BYTES = 6 + IMF_DATE_BYTES + 2;

const SERVER_LINE = "Server: httpserver\r\n";

/** Fields that are written here, so that each has one home; a second line of one would be our mistake. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["server", "date", "connection", "keep-alive"]);

const KEEP_ALIVE = asciiBytes("Connection: keep-alive\r\nKeep-Alive: timeout=");
const KEEP_ALIVE_MAX = asciiBytes(", max=");
const CLOSE = asciiBytes("Connection: close\r\n\r\n");

/** Nine digits are enough for a timeout in seconds and for a count of requests; more is written as this. */
const NUMBER_MAX = 999_999_999;

/** The most that `appendConnectionFields` writes. */
export const MAX_CONNECTION_FIELDS_BYTES = DATE_LINE_BYTES + KEEP_ALIVE.length + 9 + KEEP_ALIVE_MAX.length + 9 + 4;

/**
 * Status line, `Server`, and the given fields in their order, each line ended by CRLF, without the empty line. Values are
 * Latin-1: one byte a character.
 *
 * Throws an Error, which is our own mistake and no peer's, for a status that is not three digits, a name that is no token
 * or is written by this module itself, and a value with a control, a character above U+00FF, or whitespace at an end
 * (RFC 9110 §5.5): a line break in a value would let a peer write our fields.
 */
export function encodeResponseHead(
  status: number,
  fields: readonly (readonly [name: string, value: string])[],
): Uint8Array {
  if (!Number.isInteger(status) || status < 100 || status > 999)
    throw new Error(`status ${status} is not three digits`);
  const start = `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n${SERVER_LINE}`;
  let length = start.length;
  for (const [name, value] of fields) length += name.length + value.length + 4;

  const head = new Uint8Array(length);
  let at = writeText(start, head, 0);
  for (const [name, value] of fields) {
    assertField(name, value);
    at = writeText(name, head, at);
    head[at++] = COLON;
    head[at++] = SP;
    at = writeText(value, head, at);
    head[at++] = CR;
    head[at++] = LF;
  }
  return head;
}

/**
 * Writes the end of a head to `into` at `offset`: `dateLine` (ready, at most DATE_LINE_BYTES, with its CRLF), `Connection`,
 * `Keep-Alive` while the connection persists, and the empty line. At most MAX_CONNECTION_FIELDS_BYTES, which must fit.
 * Returns the offset after them.
 *
 * `keepAliveSeconds` is cut to a whole number, so that no client trusts the connection longer than we do. `requestsLeft`
 * counts the requests that may follow this one; Infinity leaves `max` out.
 */
export function appendConnectionFields(
  into: Uint8Array,
  offset: number,
  dateLine: Uint8Array,
  persistent: boolean,
  keepAliveSeconds: number,
  requestsLeft: number,
): number {
  into.set(dateLine, offset);
  let at = offset + dateLine.length;
  if (!persistent) {
    into.set(CLOSE, at);
    return at + CLOSE.length;
  }
  into.set(KEEP_ALIVE, at);
  at = writeDecimal(keepAliveSeconds, into, at + KEEP_ALIVE.length);
  if (requestsLeft !== Number.POSITIVE_INFINITY) {
    // Six bytes one by one: a call of `set` costs as much as about thirty.
    for (let i = 0; i < KEEP_ALIVE_MAX.length; i++) into[at + i] = KEEP_ALIVE_MAX[i] ?? 0;
    at = writeDecimal(requestsLeft, into, at + KEEP_ALIVE_MAX.length);
  }
  into[at++] = CR;
  into[at++] = LF;
  into[at++] = CR;
  into[at++] = LF;
  return at;
}

function assertField(name: string, value: string): void {
  let valid = name.length > 0 && !OWN_FIELDS.has(name.toLowerCase());
  for (let i = 0; i < name.length; i++) valid &&= hasClass(name.charCodeAt(i), TCHAR);
  for (let i = 0; i < value.length; i++) valid &&= hasClass(value.charCodeAt(i), FIELD_BYTE);
  valid &&= !isWhitespace(value.charCodeAt(0)) && !isWhitespace(value.charCodeAt(value.length - 1));
  if (!valid) throw new Error(`field line cannot be sent: ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
}

function hasClass(code: number, bit: number): boolean {
  return ((CLASS[code] ?? 0) & bit) !== 0;
}

function isWhitespace(code: number): boolean {
  return code === SP || code === HTAB;
}

function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeText(text, bytes, 0);
  return bytes;
}

function writeText(text: string, into: Uint8Array, offset: number): number {
  for (let i = 0; i < text.length; i++) into[offset + i] = text.charCodeAt(i);
  return offset + text.length;
}

/** Decimal digits of a number cut to a whole one between 0 and NUMBER_MAX. */
function writeDecimal(value: number, into: Uint8Array, offset: number): number {
  let rest = value > 0 ? (value < NUMBER_MAX ? value | 0 : NUMBER_MAX) : 0;
  let length = rest < 10 ? 1 : 2;
  for (let power = 100; power <= rest; power *= 10) length++;
  for (let i = offset + length - 1; i >= offset; i--) {
    const tens = (rest / 10) | 0;
    into[i] = DIGIT_0 + rest - tens * 10;
    rest = tens;
  }
  return offset + length;
}
