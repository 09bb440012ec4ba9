/**
 * The vocabulary of the conformance table. A row is a name, the bytes a client sends, and what has to come back: every answer
 * in order, and what becomes of the connection. Text stands for bytes, one character each (ISO-8859-1).
 *
 * Rule it guards: a row says all of it. A further answer, a missing one, or a connection that persists where the framing is
 * in doubt makes the row red, so bytes of a body can never be taken for a request unseen.
 */
import type { ParseError } from "../../src/http/parse-error.ts";

/** What becomes of the connection behind the row's last byte. */
type End =
  /** It persists: the next request is answered. */
  | "open"
  /** It ends with the last answer, whatever follows. */
  | "closed"
  /** The request is not complete: the server waits for more, and has said no final word about it unless `isEarly`. */
  | "waits";

/** One answer. Names in `fields` are in lower case; null: must be absent. `body` is compared as a whole, or matched. */
export interface Expected {
  readonly status: number;
  readonly fields?: Readonly<Record<string, string | RegExp | null>>;
  readonly body?: string | RegExp;
  /** The answer to HEAD: its fields tell of content that does not follow. */
  readonly toHead?: true;
}

export interface RowBody {
  readonly name: string;
  /** `{{etag}}` and `{{modified}}` stand for the validators of /data.txt. */
  readonly raw: string;
  readonly answers: readonly Expected[];
  readonly end: End;
  /** The rule that the last answer names, where a parser refuses. */
  readonly error: ParseError | null;
  /** The client sends FIN behind `raw`. */
  readonly finish: boolean;
  /** The last answer comes before the end of its content, and leaves the connection open. */
  readonly isEarly: boolean;
  /** Only for rows that are about what came together with what, as with Expect: not to be split. */
  readonly whole: boolean;
}

export interface Row extends RowBody {
  /** As `RFC 9112 §3.2.1`. */
  readonly section: string;
}

/** Rows of one section. */
export function section(name: string, rows: readonly RowBody[]): readonly Row[] {
  return rows.map((row) => ({ ...row, section: name }));
}

/** The requests are answered and the connection persists. */
export function served(name: string, raw: string, ...answers: readonly (number | Expected)[]): RowBody {
  return row(name, raw, "open", null, answers);
}

/** The requests are answered, the last one with the connection's end. */
export function last(name: string, raw: string, ...answers: readonly (number | Expected)[]): RowBody {
  return row(name, raw, "closed", null, answers);
}

/** A parser refuses: `status`, behind the answers to what came `before`, and the connection ends. */
export function refused(
  name: string,
  raw: string,
  status: number,
  error: ParseError,
  ...before: readonly (number | Expected)[]
): RowBody {
  return row(name, raw, "closed", error, [...before, status]);
}

/** The last request is answered by its head. Then a parser refuses its content, and the connection ends without a further answer. */
export function brokenOff(
  name: string,
  raw: string,
  error: ParseError,
  ...answers: readonly (number | Expected)[]
): RowBody {
  return { ...row(name, raw, "closed", error, answers), isEarly: true };
}

/** The last request is answered by its head, and the rest of its content may come. `error`: the rule that the head breaks. */
export function early(name: string, raw: string, status: number, error: ParseError | null = null): RowBody {
  return { ...row(name, raw, "waits", error, [status]), isEarly: true };
}

/** A parser refuses, but where the message ends is known: the connection persists. */
export function declined(name: string, raw: string, status: number, error: ParseError): RowBody {
  return row(name, raw, "open", error, [status]);
}

/** Nothing is wrong so far, and more has to come. */
export function waits(name: string, raw: string, ...answers: readonly (number | Expected)[]): RowBody {
  return row(name, raw, "waits", null, answers);
}

/** The same row, followed by the client's FIN: whatever was open ends. */
export function finished(body: RowBody): RowBody {
  return { ...body, end: "closed", finish: true };
}

/** The same row, never split. */
export function unsplit(body: RowBody): RowBody {
  return { ...body, whole: true };
}

function row(
  name: string,
  raw: string,
  end: End,
  error: ParseError | null,
  answers: readonly (number | Expected)[],
): RowBody {
  const expected = answers.map((answer) => (typeof answer === "number" ? { status: answer } : answer));
  return { name, raw, answers: expected, end, error, finish: false, isEarly: false, whole: false };
}

const HOST = "Host: localhost";

/** A whole request without content: the line, the field lines, the empty line. */
export function request(line: string, ...fields: readonly string[]): string {
  return `${[line, ...fields].join("\r\n")}\r\n\r\n`;
}

/** GET of a target, with Host. */
export function get(target: string, ...fields: readonly string[]): string {
  return request(`GET ${target} HTTP/1.1`, HOST, ...fields);
}

/** HEAD of a target, with Host. */
export function head(target: string, ...fields: readonly string[]): string {
  return request(`HEAD ${target} HTTP/1.1`, HOST, ...fields);
}

/** POST /upload of JSON with these framing fields, and what follows the head. */
export function post(framing: readonly string[], content: string): string {
  return request("POST /upload HTTP/1.1", HOST, "Content-Type: application/json", ...framing) + content;
}

/** POST /upload, chunked; `content` is the framed content. */
export function chunked(content: string): string {
  return post(["Transfer-Encoding: chunked"], content);
}

/** A request whose answer would give a smuggled one away, wherever it is hidden. */
export const SMUGGLED = "GET /smuggled.html HTTP/1.1\r\nHost: localhost\r\n\r\n";
