/**
 * Response fields as bytes (RFC 9110 §5): field lines encoded once, and the operator's own field lines checked.
 */
import { CLASS, COLON, CR, FIELD_BYTE, HTAB, LF, SP, TCHAR } from "./ascii.ts";

/** Fields that are written here, so that each has one home; a second line of one would be our mistake. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["server", "date", "connection", "keep-alive"]);

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

/**
 * Field lines that are the same on every answer, for `HeadStarts`: each ended by CRLF, and no empty line. Throws as
 * `encodeFields`.
 */
export function encodeLines(fields: FieldLines): Uint8Array {
  return encodeFields(fields).subarray(0, -2);
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

function writeText(text: string, into: Uint8Array, offset: number): number {
  for (let i = 0; i < text.length; i++) into[offset + i] = text.charCodeAt(i);
  return offset + text.length;
}
