/**
 * The format of a stub file: one HTTP response as `curl -i` writes it (RFC 9112 §2.1). A status line, field lines, an empty line,
 * and everything after it is the content, byte by byte.
 *
 *     HTTP/1.1 201 Created
 *     Content-Type: application/json
 *
 *     {"id":7}
 *
 * A line ends with LF, as editors write it, or with CRLF, as curl does; all lines of one head end alike. `HTTP/2 200` and `HTTP/3 200`
 * are taken too, because curl writes them. The reason phrase is read past: the server writes its own. Pure.
 *
 * The rule it guards: nothing is repaired. Each mistake has the number of its line, and a message that was written here is read as
 * the same message.
 */
import { isWhitespace, latin1Text } from "../../http/ascii.ts";
import { type FieldLine, type FieldLines, isFieldLine } from "../../http/fields.ts";
import { reasonPhrase } from "../../http/status.ts";
import { StubMistake } from "./answer.ts";

/** A response in a file. Whether it can be an answer is for `stubAnswer` to decide. */
export interface StubMessage {
  readonly status: number;
  /** Values are Latin-1: one byte a character. */
  readonly lines: FieldLines;
  readonly content: Uint8Array;
}

/** Bytes of a head. A file that is not a message is refused without a search through all of it. */
const HEAD_BYTES_MAX = 65_536;

const STATUS_LINE = /^HTTP\/(?:1\.[01]|2|3) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;

const LF = 0x0a;

/** Reads the bytes of a file. Never throws. */
export function readStubMessage(bytes: Uint8Array): StubMessage | StubMistake {
  const encoding = encodingMistake(bytes);
  if (encoding !== null) return new StubMistake(1, encoding);
  const lines: FieldLine[] = [];
  let status = 0;
  let isCrlf = false;
  let at = 0;
  for (let number = 1; ; number++) {
    const end = bytes.subarray(0, HEAD_BYTES_MAX).indexOf(LF, at);
    if (end < 0) return new StubMistake(number, unendedHead(bytes, at));
    const text = latin1Text(bytes, at, end);
    if (number === 1) isCrlf = text.endsWith("\r");
    else if (text.endsWith("\r") !== isCrlf) return new StubMistake(number, MIXED_ENDS);
    const line = isCrlf ? text.slice(0, -1) : text;
    at = end + 1;
    if (number === 1) {
      status = Number(STATUS_LINE.exec(line)?.[1] ?? 0);
      if (status === 0) return new StubMistake(1, "expected a status line such as HTTP/1.1 200 OK");
    } else if (line === "") {
      const content = bytes.subarray(at);
      return isAnotherHead(status, lines, content)
        ? new StubMistake(number + 1, SECOND_HEAD)
        : { status, lines, content };
    } else {
      const field = fieldOf(line);
      if (typeof field === "string") return new StubMistake(number, field);
      lines.push(field);
    }
  }
}

const SECOND_HEAD =
  "expected one message, got another status line; record it without --location and without a proxy's head";

/** Returns true if the content is the next message of a recording: curl writes the heads of redirects and of a proxy first. */
function isAnotherHead(status: number, lines: readonly FieldLine[], content: Uint8Array): boolean {
  if (lines.length > 0 && (status < 300 || status > 399)) return false;
  const [line = ""] = latin1Text(content, 0, Math.min(content.length, STATUS_LINE_BYTES)).split(/\r?\n/);
  return STATUS_LINE.test(line);
}

/** Bytes in which a status line is looked for. */
const STATUS_LINE_BYTES = 256;

/** Returns the bytes of a file with this message, with LF as line end. Own fields are written too; a reader drops them. */
export function writeStubMessage({ status, lines, content }: StubMessage): Uint8Array {
  const fields = lines.map(([name, value]) => `${name}: ${value}\n`);
  const head = `HTTP/1.1 ${status} ${reasonPhrase(status)}\n${fields.join("")}\n`;
  const bytes = new Uint8Array(head.length + content.length);
  for (let i = 0; i < head.length; i++) bytes[i] = head.charCodeAt(i);
  bytes.set(content, head.length);
  return bytes;
}

const MIXED_ENDS = "expected one line end in the whole head, LF or CRLF, got both";

/** Returns the mistake of a file that an editor or a shell has saved in another encoding, or null. */
function encodingMistake(bytes: Uint8Array): string | null {
  const [first, second, third] = bytes;
  if (first === 0xef && second === 0xbb && third === 0xbf)
    return "expected no byte order mark; save the file as plain UTF-8";
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return "expected UTF-8, got UTF-16; save the file as plain UTF-8";
  }
  return null;
}

/** Returns the mistake of a head whose line at `at` has no end. */
function unendedHead(bytes: Uint8Array, at: number): string {
  if (bytes.length > HEAD_BYTES_MAX) return `expected an empty line within the first ${HEAD_BYTES_MAX} bytes`;
  if (bytes.length === 0) return "expected a status line such as HTTP/1.1 200 OK, got an empty file";
  return at === bytes.length
    ? "expected an empty line after the head"
    : "expected a line end, and an empty line after the head";
}

/** Reads one field line (RFC 9112 §5). Returns the mistake as a text. */
function fieldOf(line: string): FieldLine | string {
  if (line.startsWith(" ") || line.startsWith("\t"))
    return "expected a field on one line, got a line that begins with white space";
  const colon = line.indexOf(":");
  const name = colon < 0 ? line : line.slice(0, colon);
  if (colon < 0) return "expected a field line, 'Name: value', or an empty line before the content";
  if (/[ \t]$/.test(name)) return "expected no white space before the colon";
  const value = trimmed(line, colon + 1);
  return isFieldLine(name, value)
    ? [name, value]
    : "expected a field line, 'Name: value', of a token and printable characters";
}

/** Returns the text from `start` without the spaces and tabs around it. A regular expression takes quadratic time for spaces within. */
function trimmed(line: string, start: number): string {
  let end = line.length;
  while (start < end && isWhitespace(line.charCodeAt(start))) start++;
  while (end > start && isWhitespace(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}
