/**
 * Conditions on a request, and the comparison of a request with them. Faults, stubs and the journal share their words:
 *
 *     {"method":"POST","path":"/api/orders/*","query":{"page":"2"},"fields":{"Accept":"text/html"},"json":{"qty":1}}
 *
 * The rule it guards: a condition that no request can meet is refused with its place. If it were taken, a test would prove nothing.
 */
import { quote } from "./escape.ts";
import { type FieldLines, isFieldLine } from "./fields.ts";
import { parseJson } from "./json.ts";
import { METHOD_NAMES } from "./method.ts";
import { problemOfPattern } from "./path-pattern.ts";
import { escapeTarget } from "./uri.ts";

/** Texts by name. */
export type NamedTexts = Readonly<Record<string, string>>;

/** Conditions on everything but the path. One that is absent holds for every request. */
export interface Conditions {
  /** Method as sent, or `*` for every method. */
  readonly method?: string;
  /** Parameters of the query, decoded as a form is. Of a repeated parameter one has to be equal. */
  readonly query?: NamedTexts;
  /** Values of request fields. Case counts in the value, and not in the name. Of several lines one has to be equal. */
  readonly fields?: NamedTexts;
  /** Part of the JSON in the content: members of objects may be left out, arrays have the same length. */
  readonly json?: unknown;
}

/** Conditions on one request. */
export interface Match extends Conditions {
  readonly method: string;
  /** A pattern (`path-pattern.ts`) of the decoded path. */
  readonly path: string;
}

type Condition = keyof Match;

/** Conditions that a request's head decides. */
export const HEAD_CONDITIONS: readonly Condition[] = ["method", "path", "query", "fields"];
const ALL_CONDITIONS: readonly Condition[] = [...HEAD_CONDITIONS, "json"];

/** Rules of one kind at the same time. A request is compared with all of them. */
export const RULES_MAX = 1000;

/** Names in one `query` or `fields`; a head has at most as many field lines. */
const NAMES_MAX = 100;

/** Arrays and objects inside each other in the `json` of a rule. The comparison goes as deep as the rule does. */
const DEPTH_MAX = 100;

/** Reads `match` of a rule in JSON; `known` are the conditions that it may have. Returns the mistake as a text. */
export function readMatch(given: unknown, known: readonly Condition[] = ALL_CONDITIONS): Match | string {
  if (given === undefined) return { method: "*", path: "/**" };
  if (!isObject(given))
    return `match: expected an object such as {"method":"GET","path":"/app.js"}, got ${quote(given)}`;
  // Only an object of this process can have an undefined member, and it means a missing one.
  const told = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const stray = Object.keys(told).find((name) => !known.includes(name as Condition));
  if (stray !== undefined) return `match: unknown member ${quote(stray)}; known: ${known.join(", ")}`;
  const { method = "*", path = "/**" } = told;
  if (typeof method !== "string") return `match.method: expected text, got ${quote(method)}`;
  if (typeof path !== "string") return `match.path: expected text, got ${quote(path)}`;
  const problem = placed("match.method", problemOfMethod(method)) ?? placed("match.path", problemOfPath(path));
  if (problem !== null) return problem;
  const further = readConditions(told, "match.");
  return typeof further === "string" ? further : { method, path, ...further };
}

/** Reads `query`, `fields` and `json` of `told`. `place` stands before their names in a message. */
export function readConditions(
  told: { readonly query?: unknown; readonly fields?: unknown; readonly json?: unknown },
  place: string,
): Pick<Conditions, "query" | "fields" | "json"> | string {
  const read: { query?: NamedTexts; fields?: NamedTexts; json?: unknown } = {};
  for (const name of ["query", "fields"] as const) {
    if (told[name] === undefined) continue;
    const texts = readTexts(told[name], `${place}${name}`, name === "fields" ? problemOfField : null);
    if (typeof texts === "string") return texts;
    read[name] = texts;
  }
  if (told.json === undefined) return read;
  const problem = problemOfJson(told.json, `${place}json`);
  if (problem !== null) return problem;
  // A copy, so that a later change of the caller's object does not change the rule.
  return { ...read, json: JSON.parse(JSON.stringify(told.json)) };
}

/** Returns null for a method that a request can have, or `*`; else an advice. */
export function problemOfMethod(method: string): string | null {
  if (!METHOD.test(method)) return "expected a method such as GET, or * for every one";
  const capitals = method.toUpperCase();
  if (method === capitals || !METHOD_NAMES.includes(capitals)) return null;
  return `expected ${capitals}, for case counts in a method, got ${quote(method)}`;
}

/** Returns null for a path, or a pattern of paths, that a request can have; else an advice. */
export function problemOfPath(path: string): string | null {
  if (path.includes("?")) return "a path has no query; use query";
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) return "expected a path such as /app.js, without scheme and host";
  if (/[\0\r\n]/.test(path) || !path.isWellFormed()) return "expected a path in UTF-8, without NUL, CR and LF";
  return problemOfPattern(path, "a path, * and ** as wildcards, such as /app.js or /images/**");
}

/** RFC 9110 §5.6.2; `*` is a token too. */
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/;

type Check = (name: string, value: string) => string | null;

function readTexts(given: unknown, place: string, check: Check | null): NamedTexts | string {
  if (!isObject(given)) return `${place}: expected an object of texts such as {"page":"2"}, got ${quote(given)}`;
  const entries = Object.entries(given);
  if (entries.length > NAMES_MAX) return `${place}: expected at most ${NAMES_MAX} names, got ${entries.length}`;
  for (const [name, value] of entries) {
    const problem = typeof value === "string" ? (check?.(name, value) ?? null) : `expected text, got ${quote(value)}`;
    if (problem !== null) return `${within(place, name)}: ${problem}`;
  }
  return Object.fromEntries(entries) as NamedTexts;
}

/** RFC 9110 §5.1, §5.5: values are compared as they arrive, one character a byte and without whitespace at their ends. */
function problemOfField(name: string, value: string): string | null {
  if (!isFieldLine(name, "")) return "expected the name of a field, such as Accept";
  if (isFieldLine(name, value)) return null;
  return `expected the value of a field, without control characters and spaces at its ends, got ${quote(value)}`;
}

/** Returns null for a value that JSON can express, else the mistake with its place. */
export function problemOfJson(value: unknown, place: string, depth = 0): string | null {
  if (value === null || typeof value === "string" || typeof value === "boolean") return null;
  if (typeof value === "number" && Number.isFinite(value)) return null;
  if (!Array.isArray(value) && !(isObject(value) && isPlain(value))) {
    return `${place}: expected JSON, got ${nameOf(value)}`;
  }
  if (depth === DEPTH_MAX) return `${place}: expected at most ${DEPTH_MAX} arrays and objects inside each other`;
  const items = Array.isArray(value)
    ? Array.from(value as unknown[], (item, i) => [i, item] as const)
    : Object.entries(value);
  for (const [key, item] of items) {
    const problem = problemOfJson(item, typeof key === "number" ? `${place}[${key}]` : within(place, key), depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}

/** Names a value that JSON cannot express. */
function nameOf(value: unknown): string {
  if (typeof value === "object" && value !== null) return `an object of the class ${quote(value.constructor?.name)}`;
  return typeof value === "function" ? "a function" : String(value);
}

/** Returns true for an object of no class. Another realm has another Object.prototype, which has no prototype either. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === null || Object.getPrototypeOf(prototype) === null) && !("toJSON" in value);
}

function within(place: string, name: string): string {
  return /^[\w-]+$/.test(name) ? `${place}.${name}` : `${place}[${quote(name)}]`;
}

function placed(place: string, problem: string | null): string | null {
  return problem === null ? null : `${place}: ${problem}`;
}

/** Writes conditions as `readMatch` reads them. */
export function describeMatch({ method, path, query, fields, json }: Match): Record<string, unknown> {
  return {
    method,
    path,
    ...(query === undefined ? {} : { query }),
    ...(fields === undefined ? {} : { fields }),
    ...(json === undefined ? {} : { json }),
  };
}

/** Parts of a request that conditions are about. */
interface CandidateParts {
  readonly method: string | null;
  /** Decoded path. */
  readonly path: string | null;
  /** Query as sent, or as `escapeTarget` writes it, with its "?"; or "". */
  readonly query: string | null;
  readonly lines: () => FieldLines;
  readonly content: Uint8Array | null;
}

/** One request as conditions see it. Query and content are decoded when the first condition asks, and once for all rules. */
export class Candidate {
  readonly method: string | null;
  /** Method whose rules are for this request too, or null. */
  readonly fallback: string | null;
  readonly path: string | null;
  readonly #parts: CandidateParts;
  #query: URLSearchParams | null = null;
  #lines: FieldLines | null = null;
  #json: { readonly value: unknown } | null = null;

  constructor(parts: CandidateParts, fallback: string | null = null) {
    this.method = parts.method;
    this.fallback = fallback;
    this.path = parts.path;
    this.#parts = parts;
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(escapeTarget(this.#parts.query ?? ""));
    return this.#query;
  }

  get lines(): FieldLines {
    this.#lines ??= this.#parts.lines();
    return this.#lines;
  }

  /** Value of the content; undefined if that is not JSON. */
  get json(): unknown {
    const { content } = this.#parts;
    this.#json ??= { value: content === null ? undefined : parseJson(content) };
    return this.#json.value;
  }
}

/** Returns whether the head of a request meets the conditions, apart from its path. */
export function headHolds({ method, query, fields }: Conditions, candidate: Candidate): boolean {
  return (
    (method === undefined || method === "*" || method === candidate.method || method === candidate.fallback) &&
    (query === undefined || queryHolds(query, candidate.query)) &&
    (fields === undefined || fieldsHold(fields, candidate.lines))
  );
}

/** Returns whether the content of a request meets the conditions. */
export function contentHolds({ json }: Conditions, candidate: Candidate): boolean {
  return json === undefined || jsonHolds(json, candidate.json);
}

function queryHolds(wanted: NamedTexts, query: URLSearchParams): boolean {
  return Object.entries(wanted).every(([name, value]) => query.has(name, value));
}

function fieldsHold(wanted: NamedTexts, lines: FieldLines): boolean {
  return Object.entries(wanted).every(([name, value]) => {
    const lower = name.toLowerCase();
    return lines.some((line) => line[1] === value && line[0].toLowerCase() === lower);
  });
}

/** Returns whether `value` contains `wanted`. It goes no deeper than `wanted`, which `problemOfJson` has bounded. */
function jsonHolds(wanted: unknown, value: unknown): boolean {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(value) || value.length !== wanted.length) return false;
    return wanted.every((item, i) => jsonHolds(item, (value as unknown[])[i]));
  }
  if (!isObject(wanted)) return wanted === value;
  if (!isObject(value)) return false;
  return Object.entries(wanted).every(([name, item]) => Object.hasOwn(value, name) && jsonHolds(item, value[name]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
