/**
 * Fields of a query and of the two content types of HTML forms, as lists of values by name.
 *
 * Strategy: bytes are decoded once, pair by pair, and text is made of each name and value alone. A multipart is cut at its
 * delimiters. The rule it guards: a form names at most so many fields, because each of them becomes an object.
 */
import { EQUALS, HEX_VALUE, PERCENT, PLUS, SP } from "../../http/ascii.ts";

/** Values by name, in the order of the request. */
export type Values = ReadonlyMap<string, readonly string[]>;

/** Fields of an urlencoded form, and parts of a multipart. Go's own bound for parts is 1,000. */
const FIELDS_MAX = 1000;

/** RFC 2046 §5.1.1 allows 70. */
const BOUNDARY_CHARACTERS_MAX = 200;

const AMPERSAND = 0x26;
const NOT_HEX = 255;

/** Returns the pairs of a query with its `?`, in ISO-8859-1, or of "". A pair with a broken escape is left out. */
export function parseQuery(query: string): Values {
  const pairs = readPairs(Buffer.from(query.slice(1), "latin1"), false);
  return typeof pairs === "string" ? new Map() : pairs;
}

/** Returns the pairs of an `application/x-www-form-urlencoded` content, or the mistake in it as a part of a sentence. */
export function parseUrlencoded(content: Uint8Array): Values | string {
  return readPairs(content, true);
}

function readPairs(bytes: Uint8Array, isStrict: boolean): Values | string {
  const pairs = new Map<string, string[]>();
  const scratch = Buffer.allocUnsafe(bytes.length);
  let count = 0;
  for (let start = 0; start < bytes.length; ) {
    const next = bytes.indexOf(AMPERSAND, start);
    const end = next === -1 ? bytes.length : next;
    if (end > start) {
      if (++count > FIELDS_MAX) return `more than ${FIELDS_MAX} fields`;
      const equals = bytes.subarray(start, end).indexOf(EQUALS);
      const nameEnd = equals === -1 ? end : start + equals;
      const name = decode(bytes, start, nameEnd, scratch);
      const value = equals === -1 ? "" : decode(bytes, nameEnd + 1, end, scratch);
      if (name !== null && value !== null) add(pairs, name, value);
      else if (isStrict) return "a % that begins no escape";
    }
    start = end + 1;
  }
  return pairs;
}

/** Returns the text of bytes[start, end) without escapes, or null if one is broken. `scratch` has room for as many bytes. */
function decode(bytes: Uint8Array, start: number, end: number, scratch: Buffer): string | null {
  let length = 0;
  for (let at = start; at < end; at++) {
    let byte = bytes[at] as number;
    if (byte === PLUS) byte = SP;
    else if (byte === PERCENT) {
      const high = at + 2 < end ? (HEX_VALUE[bytes[at + 1] as number] as number) : NOT_HEX;
      const low = at + 2 < end ? (HEX_VALUE[bytes[at + 2] as number] as number) : NOT_HEX;
      if (high === NOT_HEX || low === NOT_HEX) return null;
      byte = high * 16 + low;
      at += 2;
    }
    scratch[length++] = byte;
  }
  return scratch.toString("utf8", 0, length);
}

function add(values: Map<string, string[]>, name: string, value: string): void {
  const known = values.get(name);
  if (known === undefined) values.set(name, [value]);
  else known.push(value);
}

/** The two kinds of parts of a form: a file is one with a file name. */
interface Multipart {
  readonly form: Values;
  readonly files: Values;
}

/**
 * Returns the fields and files of a `multipart/form-data` content (RFC 7578), or the mistake in it as a part of a sentence. A part
 * without a name is left out. Lines may end with LF alone, as old clients write them.
 */
export function parseMultipart(bytes: Uint8Array, contentType: string): Multipart | string {
  const boundary = boundaryOf(contentType);
  if (boundary === null) return "no multipart boundary in Content-Type";
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const delimiter = `--${boundary}`;
  const form = new Map<string, string[]>();
  const files = new Map<string, string[]>();
  let at = firstDelimiter(content, delimiter);
  if (at < 0) return "no part";
  const lineEnd = content[at + delimiter.length] === 0x0a ? "\n" : "\r\n";
  for (let parts = 0; ; parts++) {
    at += delimiter.length;
    if (content.toString("latin1", at, at + 2) === "--") return { form, files };
    if (parts === FIELDS_MAX) return `more than ${FIELDS_MAX} parts`;
    const headStart = content.indexOf(lineEnd, at);
    const end = headStart < 0 ? -1 : content.indexOf(lineEnd + delimiter, headStart);
    if (end < 0) return "a multipart without its end";
    const headEnd = content.indexOf(lineEnd + lineEnd, headStart);
    if (headEnd < 0 || headEnd > end) return "a part without an empty line after its head";
    const { name, isFile } = dispositionOf(content.toString("utf8", headStart, headEnd));
    const value = content.toString("utf8", Math.min(headEnd + 2 * lineEnd.length, end), end);
    if (name !== "") add(isFile ? files : form, name, value);
    at = end + lineEnd.length;
  }
}

/** Returns the position of the first delimiter, which begins a line, or -1. */
function firstDelimiter(content: Buffer, delimiter: string): number {
  if (content.toString("latin1", 0, delimiter.length) === delimiter) return 0;
  const before = content.indexOf(`\n${delimiter}`);
  return before < 0 ? -1 : before + 1;
}

function boundaryOf(contentType: string): string | null {
  const [, quoted, token] = /;\s*boundary=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(contentType) ?? [];
  const boundary = quoted?.replace(/\\(.)/g, "$1") ?? token ?? "";
  return boundary === "" || boundary.length > BOUNDARY_CHARACTERS_MAX ? null : boundary;
}

/** Reads Content-Disposition in the head of a part: the name of the field, or "", and whether it is a file. */
function dispositionOf(head: string): { readonly name: string; readonly isFile: boolean } {
  const [, parameters = ""] = /^content-disposition[ \t]*:[ \t]*form-data[ \t]*(;.*)$/im.exec(head) ?? [];
  const [, quoted, token] = /;\s*name=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(parameters) ?? [];
  const name = quoted?.replace(/\\(.)/g, "$1") ?? token ?? "";
  const [, fileName] = /;\s*filename\*?=("")?/i.exec(parameters) ?? [null, '""'];
  return { name, isFile: fileName === undefined };
}
