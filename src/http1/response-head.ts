/**
 * Response heads as bytes (RFC 9112 §4, RFC 9110 §5), in two parts. The first depends on the moment and the
 * connection: status line, `Server`, `Date`, `Connection`, `Keep-Alive`, written by `HeadStarts`. The fields of the
 * response follow (`Fields.http1`), with the content after them if they hold it. So a kept response is sent with two
 * copies, whatever its size.
 */
import { CR, DIGIT_0, LF } from "../http/ascii.ts";
import { DATE_LINE_BYTES } from "../http/date.ts";
import { Fields } from "../http/fields.ts";
import { reasonPhrase } from "../http/status.ts";

const SERVER_LINE = "Server: httpserver\r\n";

const KEEP_ALIVE_MAX = asciiBytes(", max=");

/** Nine digits are enough for a timeout in seconds and for a count of requests; more is written as this. */
const NUMBER_MAX = 999_999_999;

const NO_FIELDS = Fields.of([]);

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

/** One beginning of a head, ready but for the count of requests left. */
interface HeadStart {
  readonly bytes: Uint8Array;
  readonly dateAt: number;
  /** The second whose date stands in it. */
  second: number;
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
   * `extra` become part of each head, so that they cost a request nothing but their bytes; handlers/fixed-fields.ts says
   * which there are.
   */
  constructor(dateLine: Uint8Array, keepAliveSeconds: number, extra: Fields = NO_FIELDS) {
    this.#dateLine = dateLine;
    this.#keepAliveSeconds = keepAliveSeconds;
    // The empty line ends the answer's own fields, which come after these.
    this.#extraLines = extra.http1(null).subarray(0, -2);
    this.bytesMax = HEAD_START_BYTES_MAX + this.#extraLines.length;
  }

  /**
   * Writes the beginning of a head to `into` at `offset`: at most `bytesMax`, which must fit. Returns the offset
   * after it, where the answer's own fields belong. `second` says which second the date line is of; `requestsLeft` counts the
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
