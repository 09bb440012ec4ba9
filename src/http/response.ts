/**
 * Response heads as bytes (RFC 9112 §4, RFC 9110 §5), in two parts. What depends on the moment and on the connection
 * comes first: status line, `Server`, `Date`, `Connection`, `Keep-Alive`, written by `HeadStarts` for every answer. The
 * fields that depend on the answer follow, encoded once by `encodeFields`, with the content behind them in one piece
 * where it is in memory: so a prepared answer is two copies, whatever it consists of.
 */
import { CLASS, COLON, CR, DIGIT_0, FIELD_BYTE, HTAB, LF, SP, TCHAR } from "./ascii.ts";
import { IMF_DATE_BYTES } from "./date.ts";
import { reasonPhrase } from "./status.ts";

/** Bytes of `Date: `, an IMF-fixdate and CRLF. */
export const DATE_LINE_BYTES = 6 + IMF_DATE_BYTES + 2;

const SERVER_LINE = "Server: httpserver\r\n";

/** Fields that are written here, so that each has one home; a second line of one would be our mistake. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["server", "date", "connection", "keep-alive"]);

const KEEP_ALIVE_MAX = asciiBytes(", max=");

/** Nine digits are enough for a timeout in seconds and for a count of requests; more is written as this. */
const NUMBER_MAX = 999_999_999;

const NO_LINES = new Uint8Array(0);

const STATUS_MIN = 100;
const STATUS_MAX = 999;

/** Longest reason phrase of a status that we send. */
const REASON_BYTES_MAX = 40;

/** The most that `HeadStarts.append` writes, without further lines. */
export const HEAD_START_BYTES_MAX =
  "HTTP/1.1 200 \r\n".length +
  REASON_BYTES_MAX +
  SERVER_LINE.length +
  DATE_LINE_BYTES +
  "Connection: keep-alive\r\nKeep-Alive: timeout=".length +
  9 +
  KEEP_ALIVE_MAX.length +
  9 +
  2;

export type FieldLines = readonly (readonly [name: string, value: string])[];

/** The parts of a prepared answer that lie in memory. */
export interface EncodedAnswer {
  /** Field lines and the empty line. */
  readonly fields: Uint8Array;
  readonly body: Uint8Array;
  /** Both, one behind the other. */
  readonly joined: Uint8Array;
}

/**
 * The given fields in their order, each line ended by CRLF, and the empty line. Values are Latin-1: one byte a character.
 *
 * Throws an Error, which is our own mistake and no peer's, for a name that is no token or is written by this module itself,
 * and a value with a control, a character above U+00FF, or whitespace at an end (RFC 9110 §5.5): a line break in a value would
 * let a peer write our fields.
 */
export function encodeFields(fields: FieldLines): Uint8Array {
  const into = new Uint8Array(fieldsLength(fields));
  writeFields(fields, into);
  return into;
}

/** The same with the content behind it. Throws as `encodeFields` does. */
export function encodeAnswer(fields: FieldLines, content: Uint8Array): EncodedAnswer {
  const length = fieldsLength(fields);
  const joined = new Uint8Array(length + content.length);
  writeFields(fields, joined);
  joined.set(content, length);
  return { fields: joined.subarray(0, length), body: joined.subarray(length), joined };
}

function fieldsLength(fields: FieldLines): number {
  let length = 2;
  for (const [name, value] of fields) length += name.length + value.length + 4;
  return length;
}

function writeFields(fields: FieldLines, into: Uint8Array): void {
  let at = 0;
  for (const [name, value] of fields) {
    assertField(name, value);
    at = writeText(name, into, at);
    into[at++] = COLON;
    into[at++] = SP;
    at = writeText(value, into, at);
    into[at++] = CR;
    into[at++] = LF;
  }
  into[at++] = CR;
  into[at] = LF;
}

/** One beginning of a head, ready but for the count of requests left. */
interface HeadStart {
  readonly bytes: Uint8Array;
  readonly dateAt: number;
  /** The second whose date stands in it. */
  second: number;
}

/**
 * Field lines that are the same on every answer, for `HeadStarts`: each ended by CRLF, and no empty line. Throws as
 * `encodeFields`.
 */
export function encodeLines(fields: FieldLines): Uint8Array {
  return encodeFields(fields).subarray(0, -2);
}

/** Beginnings of heads, kept by status and patched with the date when the second has changed. */
export class HeadStarts {
  /** The most that `append` writes. */
  readonly bytesMax: number;
  readonly #dateLine: Uint8Array;
  readonly #keepAliveSeconds: number;
  readonly #extraLines: Uint8Array;
  readonly #persistent: (HeadStart | undefined)[] = [];
  readonly #last: (HeadStart | undefined)[] = [];

  /**
   * `dateLine` is `Date: …` with its CRLF, DATE_LINE_BYTES long, and is looked at again in each new second.
   * `keepAliveSeconds` is cut to a whole number, so that no client trusts the connection longer than we do.
   * `extraLines`, from `encodeLines`, become part of each head, so that they cost a request nothing but their bytes;
   * `fixedLines` of handlers/headers.ts says which there are.
   */
  constructor(dateLine: Uint8Array, keepAliveSeconds: number, extraLines: Uint8Array = NO_LINES) {
    this.#dateLine = dateLine;
    this.#keepAliveSeconds = keepAliveSeconds;
    this.#extraLines = extraLines;
    this.bytesMax = HEAD_START_BYTES_MAX + extraLines.length;
  }

  /**
   * Writes the beginning of a head to `into` at `offset`: at most `bytesMax`, which must fit. Returns the offset
   * behind it, where the answer's own fields belong. `second` says which second the date line is of; `requestsLeft` counts the
   * requests that may follow this one, and Infinity leaves `max` out.
   *
   * Throws an Error, which is our own mistake, for a status that is not three digits.
   */
  append(
    into: Uint8Array,
    offset: number,
    status: number,
    persistent: boolean,
    requestsLeft: number,
    second: number,
  ): number {
    const start = (persistent ? this.#persistent : this.#last)[status] ?? this.#make(status, persistent);
    if (start.second !== second) {
      start.second = second;
      start.bytes.set(this.#dateLine, start.dateAt);
    }
    into.set(start.bytes, offset);
    let at = offset + start.bytes.length;
    if (!persistent) return at;
    if (requestsLeft !== Number.POSITIVE_INFINITY) {
      // Six bytes one by one: a call of `set` costs as much as about thirty.
      for (let i = 0; i < KEEP_ALIVE_MAX.length; i++) into[at + i] = KEEP_ALIVE_MAX[i] as number;
      at = writeDecimal(requestsLeft, into, at + KEEP_ALIVE_MAX.length);
    }
    into[at++] = CR;
    into[at++] = LF;
    return at;
  }

  #make(status: number, persistent: boolean): HeadStart {
    if (!Number.isInteger(status) || status < STATUS_MIN || status > STATUS_MAX) {
      throw new Error(`status ${status} is not three digits`);
    }
    const before = `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n${SERVER_LINE}`;
    const date = " ".repeat(DATE_LINE_BYTES);
    const timeout = wholeNumber(this.#keepAliveSeconds);
    const after = persistent ? `Connection: keep-alive\r\nKeep-Alive: timeout=${timeout}` : "Connection: close\r\n";
    const bytes = joinBytes(asciiBytes(before + date), this.#extraLines, asciiBytes(after));
    const start = { bytes, dateAt: before.length, second: Number.NaN };
    (persistent ? this.#persistent : this.#last)[status] = start;
    return start;
  }
}

/**
 * The operator's `Name: value` for every answer, as name and value; or what is wrong with it, as the end of a sentence.
 *
 * Refused is what is no field (RFC 9110 §5.1, §5.5; of the values only ASCII, whose meaning everybody agrees on), and a field
 * that is ours: those that say where a message ends and what becomes of the connection, and those that tell of one
 * answer's content what cannot be true of every answer.
 */
export function parseFieldLine(line: string): readonly [name: string, value: string] | string {
  const colon = line.indexOf(":");
  if (colon <= 0) return "expected a field line, 'Name: value'";
  const name = line.slice(0, colon);
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
  if (!isFieldLine(name, value) || /[^\t -~]/.test(value)) {
    return "expected a field line, 'Name: value', of a token and printable ASCII";
  }
  const home = HOMES.get(name.toLowerCase());
  if (home !== undefined) return `${name} cannot be set: ${home}`;
  return [name, value];
}

const FRAMING = "it says where a message ends, which the server decides";
const CONNECTION = "it belongs to the connection, not to an answer";
const CONTENT = "it tells of one answer's content, and cannot be true of all";

/** Fields that no operator sets, each with the reason. `Vary` is not among them: its lines add up (RFC 9110 §12.5.5). */
const HOMES: ReadonlyMap<string, string> = new Map([
  ["content-length", FRAMING],
  ["transfer-encoding", FRAMING],
  ["trailer", FRAMING],
  ["connection", CONNECTION],
  ["keep-alive", CONNECTION],
  ["proxy-connection", CONNECTION],
  ["te", CONNECTION],
  ["upgrade", CONNECTION],
  ["date", "the server's clock writes it"],
  ["server", "the server names itself"],
  ["content-type", CONTENT],
  ["content-encoding", CONTENT],
  ["content-range", CONTENT],
  ["content-disposition", CONTENT],
  ["content-location", CONTENT],
  ["accept-ranges", CONTENT],
  ["etag", CONTENT],
  ["last-modified", CONTENT],
  ["age", CONTENT],
  ["expires", CONTENT],
  ["cache-control", "--cache-control sets it"],
  ["strict-transport-security", "--hsts sets it"],
  ["x-content-type-options", "the server sends nosniff already"],
  ["location", "it belongs to redirects and uploads"],
  ["allow", "it belongs to refused methods"],
  ["accept", "it belongs to refused uploads"],
  ["accept-encoding", "it belongs to refused uploads"],
  ["retry-after", "it belongs to refusals for a time"],
  ["www-authenticate", "--basic-auth sends it"],
  ["proxy-authenticate", "this is no proxy"],
]);

function assertField(name: string, value: string): void {
  if (isFieldLine(name, value) && !OWN_FIELDS.has(name.toLowerCase())) return;
  throw new Error(`field line cannot be sent: ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
}

function isFieldLine(name: string, value: string): boolean {
  let valid = name.length > 0;
  for (let i = 0; i < name.length; i++) valid &&= hasClass(name.charCodeAt(i), TCHAR);
  for (let i = 0; i < value.length; i++) valid &&= hasClass(value.charCodeAt(i), FIELD_BYTE);
  return valid && !isWhitespace(value.charCodeAt(0)) && !isWhitespace(value.charCodeAt(value.length - 1));
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

function joinBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function writeText(text: string, into: Uint8Array, offset: number): number {
  for (let i = 0; i < text.length; i++) into[offset + i] = text.charCodeAt(i);
  return offset + text.length;
}

/** Decimal digits of a number cut to a whole one between 0 and NUMBER_MAX. */
function writeDecimal(value: number, into: Uint8Array, offset: number): number {
  let rest = wholeNumber(value);
  let length = rest < 10 ? 1 : 2;
  for (let power = 100; power <= rest; power *= 10) length++;
  for (let i = offset + length - 1; i >= offset; i--) {
    const tens = (rest / 10) | 0;
    into[i] = DIGIT_0 + rest - tens * 10;
    rest = tens;
  }
  return offset + length;
}

function wholeNumber(value: number): number {
  return value > 0 ? (value < NUMBER_MAX ? value | 0 : NUMBER_MAX) : 0;
}
