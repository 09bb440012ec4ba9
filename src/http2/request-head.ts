/**
 * The fields of a request (RFC 9113 §8.2, §8.3), taken from the decoder one by one and checked by every rule that a field or the
 * order of fields can break.
 *
 * Strategy: a rule that needs only one field is applied by `judgeField`, once for each literal, and its result, the mark, stays with
 * the entry of the dynamic table. So a field that a client repeats is one switch.
 *
 * The rule it guards: a field that means something to a connection of HTTP/1, or to the line of a request, never gets further than here
 * (smuggling by downgrade). Nothing is repaired.
 */
import { CLASS, DIGIT, FIELD_BYTE, isWhitespace, TCHAR } from "../http/ascii.ts";
import { FIELD_NAMES, Field } from "../http/field.ts";
import type { FieldLine, FieldLines } from "../http/fields.ts";
import type { RequestHead } from "../http/message.ts";
import { METHOD_NAMES, Method } from "../http/method.ts";
import { ParseError } from "../http/parse-error.ts";
import type { FieldSink } from "./hpack-decoder.ts";

/** Marks of fields that are more than a name and a value. Below them stand 0, for any field, and the numbers of `Field` plus 1. */
enum Mark {
  Cookie = 40,
  Priority,
  Method,
  Scheme,
  Authority,
  Path,
  /** Plus the number of a ParseError without its sign: the field breaks that rule. */
  Broken = 100,
}

/** Fields of a connection, which HTTP/2 does not have (RFC 9113 §8.2.2). */
const CONNECTION_NAMES: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

const MARKS: ReadonlyMap<string, number> = new Map<string, number>([
  ...FIELD_NAMES.map((name, field) => [name, field + 1] as const),
  ["cookie", Mark.Cookie],
  ["priority", Mark.Priority],
  [":method", Mark.Method],
  [":scheme", Mark.Scheme],
  [":authority", Mark.Authority],
  [":path", Mark.Path],
]);

/** Longest method token, as in HTTP/1. */
const METHOD_BYTES_MAX = 32;

/** Digits of the longest Content-Length; 2^53 - 1 has 16. */
const LENGTH_DIGITS_MAX = 16;

const METHODS: ReadonlyMap<string, Method> = new Map(
  METHOD_NAMES.flatMap((name, method) => (name === undefined ? [] : [[name, method as Method] as const])),
);

/** Judges a field by itself, as a `FieldCheck` of the decoder. */
export function judgeField(name: string, value: string): number {
  const mark = MARKS.get(name) ?? 0;
  const error = mark >= Mark.Method ? 0 : nameError(name);
  if (error !== 0) return Mark.Broken - error;
  if (!isFieldValue(value)) return Mark.Broken - ParseError.FieldValueInvalid;
  if (CONNECTION_NAMES.has(name) || (name === "te" && value.toLowerCase() !== "trailers")) {
    return Mark.Broken - ParseError.FieldOfConnection;
  }
  return mark;
}

/** Returns 0 for a token in lower case, or a ParseError. */
function nameError(name: string): number {
  if (name.charCodeAt(0) === 0x3a) return ParseError.PseudoFieldUnknown;
  if (name === "") return ParseError.FieldNameEmpty;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) return ParseError.FieldNameUpperCase;
    if ((((CLASS[code] as number) ?? 0) & TCHAR) === 0) return ParseError.FieldNameInvalid;
  }
  return 0;
}

/** Returns true for bytes that a field may have, without white space at the ends (RFC 9113 §8.2.1). */
function isFieldValue(value: string): boolean {
  const { length } = value;
  if (length === 0) return true;
  if (isWhitespace(value.charCodeAt(0)) || isWhitespace(value.charCodeAt(length - 1))) return false;
  for (let i = 0; i < length; i++) if (((CLASS[value.charCodeAt(i)] as number) & FIELD_BYTE) === 0) return false;
  return true;
}

/** One head as decoded pairs. Filled again for each request. */
export class DecodedHead implements RequestHead, FieldSink {
  method = Method.Other;
  methodText = "";
  /** Null: the request has no such field. */
  scheme: string | null = null;
  authority: string | null = null;
  path: string | null = null;
  /** Value of the field `priority` (RFC 9218), or null. */
  priority: string | null = null;
  /** First rule that a field breaks, a ParseError, or 0. */
  error = 0;
  /** Lines so far. */
  count = 0;
  readonly #max: number;
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  /** known[field]: index + 1 of its first line, 0 if there is none. */
  readonly #known = new Uint16Array(Field.Count);
  /** Bit `field` is set if that field has several lines. */
  #repeated = 0;
  /** Index of the line of cookies, or -1. */
  #cookies = -1;

  /** `fieldsMax` bounds the number of lines. */
  constructor(fieldsMax: number) {
    this.#max = fieldsMax;
  }

  reset(): void {
    this.method = Method.Other;
    this.methodText = "";
    this.scheme = null;
    this.authority = null;
    this.path = null;
    this.priority = null;
    this.error = 0;
    this.count = 0;
    this.#names.length = 0;
    this.#values.length = 0;
    this.#known.fill(0);
    this.#repeated = 0;
    this.#cookies = -1;
  }

  field(name: string, value: string, mark: number): void {
    if (mark >= Mark.Broken) this.#break(Mark.Broken - mark);
    else if (mark >= Mark.Method) this.#takePseudo(mark, value);
    else if (mark === Mark.Cookie && this.#cookies >= 0) {
      // RFC 9113 §8.2.3: a client may send each cookie in a line of its own.
      this.#values[this.#cookies] += `; ${value}`;
    } else this.#take(name, value, mark);
  }

  #take(name: string, value: string, mark: number): void {
    if (this.count === this.#max) {
      this.#break(ParseError.TooManyFields);
      return;
    }
    if (mark === Mark.Cookie) this.#cookies = this.count;
    else if (mark === Mark.Priority) this.priority = value;
    else if (mark > 0) {
      const field = mark - 1;
      if (this.#known[field] === 0) this.#known[field] = this.count + 1;
      else this.#repeated |= 1 << field;
    }
    this.#names.push(name);
    this.#values.push(value);
    this.count++;
  }

  #takePseudo(mark: number, value: string): void {
    if (this.count > 0) {
      this.#break(ParseError.PseudoFieldMisplaced);
      return;
    }
    switch (mark) {
      case Mark.Method:
        this.#takeMethod(value);
        break;
      case Mark.Scheme:
        if (this.scheme !== null) this.#break(ParseError.PseudoFieldRepeated);
        this.scheme = value;
        break;
      case Mark.Authority:
        if (this.authority !== null) this.#break(ParseError.PseudoFieldRepeated);
        this.authority = value;
        break;
      default:
        if (this.path !== null) this.#break(ParseError.PseudoFieldRepeated);
        this.path = value;
    }
  }

  #takeMethod(value: string): void {
    if (this.methodText !== "") this.#break(ParseError.PseudoFieldRepeated);
    else if (nameLength(value) !== value.length || value === "") this.#break(ParseError.PseudoFieldInvalid);
    else if (value.length > METHOD_BYTES_MAX) this.#break(ParseError.MethodTooLong);
    this.methodText = value;
    this.method = METHODS.get(value) ?? Method.Other;
  }

  #break(error: number): void {
    if (this.error === 0) this.error = error;
  }

  get targetText(): string {
    return this.path ?? this.authority ?? "";
  }

  get requestLine(): string {
    return `${this.methodText} ${this.targetText} HTTP/2.0`;
  }

  has(field: Field): boolean {
    return this.#known[field] !== 0 || (field === Field.Host && this.authority !== null);
  }

  isRepeated(field: Field): boolean {
    return (this.#repeated & (1 << field)) !== 0;
  }

  value(field: Field): string | null {
    if (field === Field.Host && this.authority !== null) return this.authority;
    const first = (this.#known[field] as number) - 1;
    if (first < 0) return null;
    const value = this.#values[first] as string;
    if (!this.isRepeated(field)) return value;
    const name = FIELD_NAMES[field];
    return this.#values.filter((_, line) => this.#names[line] === name).join(", ");
  }

  /** Returns the value of the line Host, whatever `:authority` says; null if there is none. */
  get hostLine(): string | null {
    const first = (this.#known[Field.Host] as number) - 1;
    return first < 0 ? null : (this.#values[first] as string);
  }

  /** Returns all lines. `:authority` stands in the place of Host, as a request of HTTP/1 has it (RFC 9113 §8.3.1). */
  lines(): FieldLines {
    const lines = this.#names.map((name, line): FieldLine => [name, this.#values[line] as string]);
    if (this.authority === null || this.hostLine !== null) return lines;
    return [["host", this.authority], ...lines];
  }
}

/** Returns the number of token characters that `text` begins with. */
function nameLength(text: string): number {
  let length = 0;
  while (length < text.length && ((CLASS[text.charCodeAt(length)] as number) & TCHAR) !== 0) length++;
  return length;
}

/** Returns the number that Content-Length says, -1 if there is none, or a ParseError less 1. */
export function contentLengthOf(head: DecodedHead): number {
  const text = head.value(Field.ContentLength);
  if (text === null) return -1;
  if (head.isRepeated(Field.ContentLength)) return ParseError.ContentLengthRepeated - 1;
  for (let i = 0; i < text.length; i++) {
    if (((CLASS[text.charCodeAt(i)] as number) & DIGIT) === 0) return ParseError.ContentLengthInvalid - 1;
  }
  if (text === "") return ParseError.ContentLengthInvalid - 1;
  const length = Number(text);
  const isTooLarge = text.length > LENGTH_DIGITS_MAX || length > Number.MAX_SAFE_INTEGER;
  return isTooLarge ? ParseError.ContentLengthTooLarge - 1 : length;
}

/** Lines of a trailer section, as in HTTP/1. */
const TRAILER_FIELDS_MAX = 32;

/** Checks the fields of a trailer section (RFC 9113 §8.1). They are dropped. */
export class TrailerCheck implements FieldSink {
  /** First rule that a field breaks, a ParseError, or 0. */
  error = 0;
  #count = 0;

  field(_name: string, _value: string, mark: number): void {
    if (this.error !== 0) return;
    if (mark >= Mark.Broken) this.error = Mark.Broken - mark;
    else if (mark >= Mark.Method) this.error = ParseError.PseudoFieldMisplaced;
    else if (mark === Field.ContentLength + 1 || mark === Field.Host + 1) this.error = ParseError.TrailerForbidden;
    else if (++this.#count > TRAILER_FIELDS_MAX) this.error = ParseError.TrailersTooLarge;
  }
}
