/**
 * The answer of one stub: status, fields and content, checked once and then given to any number of requests.
 *
 * The rule it guards: the server frames every message itself. Fields that frame a message or belong to a connection are dropped,
 * because recorded answers have them; an answer that no framing can carry is a mistake.
 */
import { type FieldLines, Fields, isFieldLine } from "../../http/fields.ts";
import type { Request, Response } from "../../http/message.ts";
import { eventsAfter, type PieceKind, pieceEnds, pieceKindOf } from "../../http/pieces.ts";

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

/** A mistake in a stub. */
export class StubMistake {
  /** Line of the message where it stands: the status line is 1, the field lines follow, then the empty line. 0: the whole of it. */
  readonly line: number;
  /** One line with the expected form. */
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
  readonly #answer: Response | Stream;

  /** Only `stubAnswer` calls it, with checked parts. */
  constructor(name: string, status: number, lines: FieldLines, content: Uint8Array) {
    this.name = name;
    const base = { status, isLast: false, kind: "stub", incident: null, stub: name };
    const kind = hasContent(status) ? pieceKindOf(valueNamed(lines, "content-type")) : null;
    this.#answer =
      kind === null
        ? { ...base, ...wholeContent(status, lines, content) }
        : new Stream({ ...base, fields: Fields.of(lines), content: null }, content, kind);
  }

  /** Returns the response to `request`. */
  respondTo(request: Request): Response {
    return this.#answer instanceof Stream ? this.#answer.respondTo(request) : this.#answer;
  }
}

/** An answer that is sent piece by piece. A client of an event stream that comes back gets the events after the last one that it has. */
class Stream {
  readonly #head: Response;
  readonly #content: Uint8Array;
  readonly #kind: PieceKind;
  /** Null before the first request: a start with many streams costs no search for their events. */
  #whole: Response | null = null;

  /** `head` has no content. */
  constructor(head: Response, content: Uint8Array, kind: PieceKind) {
    this.#head = head;
    this.#content = content;
    this.#kind = kind;
  }

  respondTo({ head }: Request): Response {
    const lastEventId = this.#kind === "events" ? (valueNamed(head.lines(), "last-event-id") ?? "") : "";
    const start = eventsAfter(this.#content, lastEventId);
    if (start > 0) return this.#from(start);
    this.#whole ??= this.#from(0);
    return this.#whole;
  }

  #from(start: number): Response {
    const bytes = this.#content.subarray(start);
    return { ...this.#head, content: { bytes, ends: pieceEnds(bytes, this.#kind) } };
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
      return new StubMistake(line, "expected no Content-Encoding: record without --compressed, and remove the field");
    }
    bytes += name.length + value.length + 4;
    if (bytes > FIELDS_BYTES_MAX) return new StubMistake(line, `expected at most ${FIELDS_BYTES_MAX} bytes of fields`);
  }
  if (content.length === 0 || hasContent(status)) return null;
  return new StubMistake(lines.length + 3, `expected no content under ${status}, got some`);
}

/** RFC 9110 §15.3.5, §15.3.6, §15.4.5. */
function hasContent(status: number): boolean {
  return status !== 204 && status !== 205 && status !== 304;
}

/** Returns the value of the first line with this name, which is in lower case; null if there is none. */
function valueNamed(lines: FieldLines, name: string): string | null {
  return lines.find(([own]) => own.toLowerCase() === name)?.[1] ?? null;
}

/** A 204 has no Content-Length (RFC 9110 §8.6), and that of a 304 would be the length of the 200. */
function wholeContent(status: number, lines: FieldLines, content: Uint8Array): Pick<Response, "fields" | "content"> {
  if (status === 204 || status === 304) return { fields: Fields.of(lines), content: null };
  const fields = Fields.of([...lines, ["Content-Length", String(content.length)]]);
  return { fields, content: fields.hold(content) };
}
