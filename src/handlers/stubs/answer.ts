/**
 * The answer of one stub: status, fields and content, checked once and then given to any number of requests.
 *
 * The rule it guards: the server frames every message itself. Fields that frame a message or belong to a connection are dropped,
 * because recorded answers have them; an answer that no framing can carry is a mistake.
 */
import { type FieldLines, Fields, isFieldLine } from "../../http/fields.ts";
import type { Request, Response } from "../../http/message.ts";

/** Fields that the server writes itself. A recorded answer has them, so they are dropped and not refused. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "content-length",
  "transfer-encoding",
  "date",
  "server",
  "connection",
  "keep-alive",
]);

/** Bytes of field lines in an answer: twice the most that clients take by default (Node: 16 KiB). A head leaves in one write. */
const FIELDS_BYTES_MAX = 32_768;

/** Types whose content is sent chunked, as live streams are (RFC 9112 §7.1). */
const STREAM_TYPES: ReadonlySet<string> = new Set(["text/event-stream", "application/x-ndjson"]);

/** A mistake in a stub. */
export class StubMistake {
  /** Line of the message where it stands: the status line is 1, the field lines follow, then the empty line. 0: the whole of it. */
  readonly line: number;
  /** One line that says what is expected. */
  readonly message: string;

  constructor(line: number, message: string) {
    this.line = line;
    this.message = message;
  }
}

/** A checked answer. It makes the responses of any number of requests. */
export class StubAnswer {
  /** Name of the stub for journal and log: the path of its file, or the id of its rule. */
  readonly name: string;
  readonly #whole: Response;
  /** Response with chunked content; null for an answer that is not a stream. */
  readonly #chunked: Response | null;

  /** Only `stubAnswer` calls it, with checked parts. */
  constructor(name: string, status: number, lines: FieldLines, content: Uint8Array) {
    this.name = name;
    const base = { status, isLast: false, kind: "stub", incident: null, stub: name };
    this.#whole = { ...base, ...wholeContent(status, lines, content) };
    this.#chunked = isStream(lines) && hasContent(status) ? { ...base, ...chunkedContent(lines, content) } : null;
  }

  /** Returns the response to `request`. HTTP/1.0 has no chunks (RFC 9112 §7.1). */
  respondTo(request: Request): Response {
    return this.#chunked === null || request.protocol !== "1.1" ? this.#whole : this.#chunked;
  }
}

/** Returns the answer with these parts, or the mistake in them. `name` is that of the stub. Values are Latin-1: one byte a character. */
export function stubAnswer(
  name: string,
  status: number,
  lines: FieldLines,
  content: Uint8Array,
): StubAnswer | StubMistake {
  return (
    mistakeIn(status, lines, content) ??
    new StubAnswer(
      name,
      status,
      lines.filter(([field]) => !OWN_FIELDS.has(field.toLowerCase())),
      content,
    )
  );
}

function mistakeIn(status: number, lines: FieldLines, content: Uint8Array): StubMistake | null {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    const advice = status >= 100 && status < 200 ? "an interim answer is not a whole one; remove its head" : "";
    return new StubMistake(1, `expected a status from 200 to 599, got ${status}${advice && `: ${advice}`}`);
  }
  let bytes = 0;
  for (const [index, [name, value]] of lines.entries()) {
    const line = index + 2;
    if (!isFieldLine(name, value)) return new StubMistake(line, "expected a field line, 'Name: value'");
    if (name.toLowerCase() === "content-encoding") {
      return new StubMistake(line, "expected content without Content-Encoding; record it without --compressed codings");
    }
    bytes += name.length + value.length + 4;
    if (bytes > FIELDS_BYTES_MAX) return new StubMistake(line, `expected at most ${FIELDS_BYTES_MAX} bytes of fields`);
  }
  if (content.length === 0 || hasContent(status)) return null;
  return new StubMistake(lines.length + 3, `expected no content under ${status}, got some after the empty line`);
}

/** RFC 9110 §15.3.5, §15.3.6, §15.4.5. */
function hasContent(status: number): boolean {
  return status !== 204 && status !== 205 && status !== 304;
}

function isStream(lines: FieldLines): boolean {
  const type = lines.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  return STREAM_TYPES.has(type.replace(/[ \t]*;.*$/s, "").toLowerCase());
}

type Framed = Pick<Response, "fields" | "content">;

/** A 204 has no Content-Length (RFC 9110 §8.6), and that of a 304 would be the length of the 200. */
function wholeContent(status: number, lines: FieldLines, content: Uint8Array): Framed {
  if (status === 204 || status === 304) return { fields: Fields.of(lines), content: null };
  const fields = Fields.of([...lines, ["Content-Length", String(content.length)]]);
  return { fields, content: fields.hold(content) };
}

/** Frames the content as one chunk. */
function chunkedContent(lines: FieldLines, content: Uint8Array): Framed {
  const fields = Fields.of([...lines, ["Transfer-Encoding", "chunked"]]);
  const before = ENCODER.encode(content.length === 0 ? "" : `${content.length.toString(16)}\r\n`);
  const after = ENCODER.encode(content.length === 0 ? "0\r\n\r\n" : "\r\n0\r\n\r\n");
  const framed = new Uint8Array(before.length + content.length + after.length);
  framed.set(before);
  framed.set(content, before.length);
  framed.set(after, before.length + content.length);
  return { fields, content: fields.hold(framed) };
}

const ENCODER = new TextEncoder();
