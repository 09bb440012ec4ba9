/**
 * Response fields (RFC 9110 §5): immutable pairs, checked once, with their HTTP/1 bytes made once; and the check of the
 * operator's own field lines.
 */
import { CLASS, COLON, CR, FIELD_BYTE, isWhitespace, LF, SP, TCHAR } from "./ascii.ts";

/** Fields that each carrier writes itself: a second line of one would be our mistake. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["server", "date", "connection", "keep-alive"]);

export type FieldLine = readonly [name: string, value: string];
export type FieldLines = readonly FieldLine[];

/** Tells the client of a refusal that holds for a moment to come back (RFC 9110 §10.2.3). */
export const RETRY_SOON: FieldLines = [["Retry-After", "1"]];

/** Most bytes of fields and content in one array. Longer content is copied on its own: a second copy costs little then. */
const HELD_BYTES_MAX = 65_536;

/** Content that lies behind its fields' bytes. */
type Held = Uint8Array & { readonly brand: "held" };

const EMPTY_LINE_BYTES = 2;

/** The fields of one response, in the order in which they are sent. */
export class Fields {
  readonly lines: FieldLines;
  #bytes: Uint8Array | null;
  /** The view of `#whole` that is the content; null while no content is held. */
  #content: Uint8Array | null = null;
  #whole: Uint8Array | null = null;

  private constructor(lines: FieldLines, bytes: Uint8Array | null) {
    this.lines = lines;
    this.#bytes = bytes;
  }

  /**
   * Returns the given lines as fields. Values are Latin-1: one byte a character.
   *
   * Throws an Error for a name that is not a token, or that only the carrier writes. Throws one for a value with a control, a character
   * above U+00FF, or whitespace at an end (RFC 9110 §5.5). That is our own mistake: with a line break in a value a peer would write our
   * fields.
   */
  static of(lines: FieldLines): Fields {
    for (const [name, value] of lines) assertField(name, value);
    return new Fields(lines, null);
  }

  /** Returns the value of the first line with this name, in any case; null when there is none. */
  value(name: string): string | null {
    return this.lines.find((line) => isNamed(line, name))?.[1] ?? null;
  }

  /** Returns these fields with those of `rest` after them. Neither is checked or encoded again. */
  followedBy(rest: Fields): Fields {
    const first = this.http1(null);
    const second = rest.http1(null);
    const length = first.length - EMPTY_LINE_BYTES;
    const bytes = new Uint8Array(length + second.length);
    bytes.set(first);
    bytes.set(second, length);
    return new Fields([...this.lines, ...rest.lines], bytes);
  }

  /**
   * Lays a copy of `content` behind the fields' HTTP/1 bytes, so that both are sent with one copy. Returns that copy, which
   * takes the place of `content` in the response; or `content` itself when it is too long for that.
   */
  hold(content: Uint8Array): Uint8Array {
    const bytes = this.http1(null);
    const length = bytes.length;
    if (length + content.length > HELD_BYTES_MAX) return content;
    const whole = new Uint8Array(length + content.length);
    whole.set(bytes);
    whole.set(content, length);
    this.#whole = whole;
    this.#bytes = whole.subarray(0, length);
    this.#content = whole.subarray(length);
    return this.#content;
  }

  /** Returns true for the copy that `hold` returned. */
  holds(content: object): content is Held {
    return content === this.#content;
  }

  /** Returns the lines, each ended by CRLF, and the empty line; with `content` behind them if it is held. */
  http1(content: Held | null): Uint8Array {
    if (content !== null && this.holds(content)) return this.#whole as Uint8Array;
    this.#bytes ??= encode(this.lines);
    return this.#bytes;
  }
}

function encode(lines: FieldLines): Uint8Array {
  let length = EMPTY_LINE_BYTES;
  for (const [name, value] of lines) length += name.length + value.length + 4;
  const into = new Uint8Array(length);
  let at = 0;
  for (const [name, value] of lines) {
    at = writeText(name, into, at);
    into[at++] = COLON;
    into[at++] = SP;
    at = writeText(value, into, at);
    into[at++] = CR;
    into[at++] = LF;
  }
  into[at++] = CR;
  into[at] = LF;
  return into;
}

function isNamed([own]: FieldLine, name: string): boolean {
  return own.toLowerCase() === name.toLowerCase();
}

/**
 * Parses the operator's `Name: value` for every response. Returns name and value, or the mistake as the end of a
 * sentence.
 *
 * Refuses text that is not a field (RFC 9110 §5.1, §5.5; values are ASCII, whose meaning is beyond doubt). Also
 * refuses fields that are ours: those that frame a message or control the connection, and those that describe the
 * content of one response.
 */
export function parseFieldLine(line: string): readonly [name: string, value: string] | string {
  const colon = line.indexOf(":");
  if (colon <= 0) return "expected a field line, 'Name: value'";
  const name = line.slice(0, colon);
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
  if (!isFieldLine(name, value) || /[^\t -~]/.test(value)) {
    return "expected a field line, 'Name: value', of a token and printable ASCII";
  }
  const home = serverReason(name) ?? HOMES.get(name.toLowerCase());
  if (home !== undefined) return `${name} cannot be set: ${home}`;
  return [name, value];
}

const FRAMING = "it says where a message ends, which the server decides";
const CONNECTION = "it belongs to the connection, not to an answer";
const CONTENT = "it tells of one answer's content, and cannot be true of all";

/** Returns why the server alone writes a field, whatever the response; null for a field that others may write. */
export function serverReason(name: string): string | null {
  return SERVER_FIELDS.get(name.toLowerCase()) ?? null;
}

const SERVER_FIELDS: ReadonlyMap<string, string> = new Map([
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
]);

/** Further fields that no operator sets for every response. `Vary` is not among them: its lines add up (RFC 9110 §12.5.5). */
const HOMES: ReadonlyMap<string, string> = new Map([
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

/**
 * Returns true for a name that is a token and a value of field bytes without whitespace at its ends (RFC 9110 §5.1, §5.5): a line
 * that `Fields.of` takes, unless the carrier writes it.
 */
export function isFieldLine(name: string, value: string): boolean {
  let valid = name.length > 0;
  for (let i = 0; i < name.length; i++) valid &&= hasClass(name.charCodeAt(i), TCHAR);
  for (let i = 0; i < value.length; i++) valid &&= hasClass(value.charCodeAt(i), FIELD_BYTE);
  return valid && !isWhitespace(value.charCodeAt(0)) && !isWhitespace(value.charCodeAt(value.length - 1));
}

function hasClass(code: number, bit: number): boolean {
  return ((CLASS[code] ?? 0) & bit) !== 0;
}

function writeText(text: string, into: Uint8Array, offset: number): number {
  for (let i = 0; i < text.length; i++) into[offset + i] = text.charCodeAt(i);
  return offset + text.length;
}
