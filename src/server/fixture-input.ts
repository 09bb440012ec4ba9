/**
 * What a test says to a fixture's rooms, read strictly: a member that nobody knows, or a value of another kind, is a sentence that
 * names it, never ignored.
 */
import { parseDuration, quote } from "../options.ts";

/** What a member of a JSON object, or a parameter of a query, may be. */
export interface Kind<Value> {
  /** For "expected …". */
  readonly what: string;
  /** The value itself, or what it stands for; undefined when it is none. */
  ofJson(value: unknown): Value | undefined;
  /** The same for a text in a query. */
  ofText(text: string): Value | undefined;
}

/** The kinds of all members of `Shape`, each of which may be absent. */
export type Kinds<Shape> = { readonly [Name in keyof Shape]-?: Kind<NonNullable<Shape[Name]>> };

/** The members of one JSON object; of no content at all, none. Or the sentence that says what is wrong. */
export function readContent<Shape extends object>(content: Uint8Array, kinds: Kinds<Shape>): Shape | string {
  const value = readObject(content);
  return typeof value === "string" ? value : readMembers(value, kinds);
}

/** One JSON object, whatever its members; of no content at all, one without any. Or the sentence. */
export function readObject(content: Uint8Array): object | string {
  if (content.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
  } catch {
    return "The content is not valid JSON in UTF-8.";
  }
  return isObject(value) ? value : "The content is not a JSON object.";
}

/** The parameters of a query, "" or with its "?". */
export function readQuery<Shape extends object>(query: string, kinds: Kinds<Shape>): Shape | string {
  const parameters = [...new URLSearchParams(query)];
  const names = parameters.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `parameter ${quote(twice)} is there twice`;
  return readEach(parameters, kinds, "parameter", (kind, text) => kind.ofText(text));
}

/** The members of an object that was read. */
export function readMembers<Shape extends object>(value: object, kinds: Kinds<Shape>): Shape | string {
  return readEach(Object.entries(value), kinds, "member", (kind, member) => kind.ofJson(member));
}

function readEach<Shape extends object, Given>(
  given: readonly (readonly [name: string, value: Given])[],
  kinds: Kinds<Shape>,
  noun: string,
  read: (kind: Kind<unknown>, value: Given) => unknown,
): Shape | string {
  const values: Record<string, unknown> = {};
  for (const [name, value] of given) {
    if (!Object.hasOwn(kinds, name)) {
      const known = Object.keys(kinds).join(", ");
      return `unknown ${noun} ${quote(name)}; ${known === "" ? "there is none" : `known: ${known}`}`;
    }
    const kind: Kind<unknown> = kinds[name as keyof Shape];
    values[name] = read(kind, value);
    if (values[name] === undefined) return `${noun} ${quote(name)}: expected ${kind.what}, got ${quote(value)}`;
  }
  return values as Shape; // Each has the kind that the shape says.
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An object, to be read by `readMembers`; never in a query. */
export const object: Kind<object> = {
  what: "an object",
  ofJson: (value) => (isObject(value) ? value : undefined),
  ofText: () => undefined,
};

/** A whole number from `min` to `max`. */
export function count(min: number, max: number = Number.MAX_SAFE_INTEGER): Kind<number> {
  const fits = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
  return {
    what: max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`,
    ofJson: (value) => (fits(value) ? (value as number) : undefined),
    ofText: (text) => (/^[0-9]{1,16}$/.test(text) && fits(Number(text)) ? Number(text) : undefined),
  };
}

/** A text that is not empty, which matches `pattern`. */
export function text(what: string, pattern: RegExp = /^.+$/s): Kind<string> {
  const ofText = (value: string) => (pattern.test(value) ? value : undefined);
  return { what, ofText, ofJson: (value) => (typeof value === "string" ? ofText(value) : undefined) };
}

/** Milliseconds of `500ms`, `5s`, `2m`, up to `maxMs`. */
export function duration(maxMs: number): Kind<number> {
  const ofText = (value: string) => {
    const ms = parseDuration(value);
    return ms !== undefined && ms <= maxMs ? ms : undefined;
  };
  return {
    what: `a time up to ${maxMs / 1000}s such as 500ms or 5s`,
    ofText,
    ofJson: (value) => (typeof value === "string" ? ofText(value) : undefined),
  };
}
