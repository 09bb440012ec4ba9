/**
 * Faults that a test orders, and rules for the requests that get one: three spellings, read by one parser.
 *
 *     X-Fixture: delay=200ms, fault=truncate, after=1024                        one request's own
 *     GET /app.js reset after=1024 times=2 query.page=2                         a rule on the command line
 *     {"match":{"method":"GET","path":"/app.js"},"fault":"reset","after":1024}  a rule in JSON
 *
 * The two tables below are the whole vocabulary. Any other word is refused with its place: a misspelled fault that is ignored would
 * make a test prove nothing.
 */
import { ERROR_CODE_NAMES } from "./error-codes.ts";
import { describeMatch, HEAD_CONDITIONS, type Match, problemOfMethod, problemOfPath, readMatch } from "./match.ts";
import type { PieceKind } from "./pieces.ts";
import { formatDuration, formatSize, GIB, HOUR, MIB, parseDuration, parseSize } from "./units.ts";

/** Immutable, because the fault of one rule may be on many responses at the same time. */
export interface Fault {
  readonly kind: FaultKind;
  /** Bytes of content after the head, with `reset-request` of the request's; null: before the first byte of the response. */
  readonly afterBytes: number | null;
  /** Pieces of content after the head, in place of `afterBytes`: events of an event stream, else lines; null: bytes count. */
  readonly afterEvents: number | null;
  /** Delay of the first byte of the response. */
  readonly delayMs: number;
  /** Time in which the head or the content is sent. */
  readonly durationMs: number;
  /** Number of equal parts of the content, or the kind of its own parts. */
  readonly pieces: number | PieceKind;
  readonly bytesPerSecond: number;
  /** Status of the response, 0 for other kinds than `status`. */
  readonly status: number;
  /** Value of the field Retry-After; null: no such field. */
  readonly retryAfterSeconds: number | null;
  /** Value of Content-Length; null: one more than the content has. */
  readonly lengthBytes: number | null;
  /** Values of a fault that only HTTP/2 has; null for other kinds. */
  readonly http2: Http2Values | null;
}

/** Values of the kinds that only HTTP/2 has. */
export interface Http2Values {
  /** Error code of GOAWAY or RST_STREAM (RFC 9113 §7). */
  readonly code: number;
  /** Last stream that GOAWAY names; null: the one with the fault. */
  readonly lastStream: number | null;
  /** Bytes by which the window of the stream opens after its first size; null: as far as the content is taken. */
  readonly windowBytes: number | null;
  readonly frame: BadFrame;
  /** Identifiers and values of SETTINGS. */
  readonly settings: readonly (readonly [id: number, value: number])[];
}

/** The kinds of frames that break a rule, or seem to. */
export const BAD_FRAMES = [
  "oversize",
  "stream-0",
  "idle-stream",
  "padding",
  "length",
  "continuation",
  "zero-increment",
  "overflow",
  "reserved-bit",
  "unknown-type",
] as const;

export type BadFrame = (typeof BAD_FRAMES)[number];

/** Identifiers of the settings (RFC 9113 §6.5.2). */
const SETTING_IDS = {
  "header-table-size": 1,
  "enable-push": 2,
  "max-concurrent-streams": 3,
  "initial-window-size": 4,
  "max-frame-size": 5,
  "max-header-list-size": 6,
} as const;

type SettingName = keyof typeof SETTING_IDS;

const SETTING_NAMES = Object.keys(SETTING_IDS) as readonly SettingName[];

/** A fault for the requests that match. It has no condition on their content, which comes after the decision. */
export interface FaultRule extends Match {
  readonly fault: Fault;
  /** Requests that match and get no fault, before the first one that does. */
  readonly skip: number;
  /** Number of faults; null: no end. */
  readonly times: number | null;
}

type Unit = "size" | "duration" | "seconds" | "count" | "pieces" | "status" | "code" | "frame";

interface Parameter {
  readonly unit: Unit;
  readonly min: number;
  readonly max: number;
}

const UINT32_MAX = 2 ** 32 - 1;

const PARAMETERS = {
  after: { unit: "size", min: 0, max: 1024 * GIB },
  delay: { unit: "duration", min: 0, max: HOUR },
  duration: { unit: "duration", min: 1, max: HOUR },
  pieces: { unit: "pieces", min: 1, max: 1_000_000 },
  events: { unit: "count", min: 0, max: 1_000_000_000 },
  rate: { unit: "size", min: 1, max: 1024 * MIB },
  status: { unit: "status", min: 400, max: 599 },
  "retry-after": { unit: "seconds", min: 0, max: HOUR },
  length: { unit: "size", min: 0, max: 1024 * GIB },
  code: { unit: "code", min: 0, max: UINT32_MAX },
  last: { unit: "count", min: 0, max: 2 ** 31 - 1 },
  window: { unit: "size", min: 0, max: 1024 * MIB },
  frame: { unit: "frame", min: 0, max: BAD_FRAMES.length - 1 },
  // The table of the decoder does not grow: beyond its size, a client that obeys would break the connection.
  "header-table-size": { unit: "count", min: 0, max: 4096 },
  "enable-push": { unit: "count", min: 0, max: UINT32_MAX },
  "max-concurrent-streams": { unit: "count", min: 0, max: UINT32_MAX },
  "initial-window-size": { unit: "count", min: 0, max: UINT32_MAX },
  "max-frame-size": { unit: "count", min: 0, max: UINT32_MAX },
  "max-header-list-size": { unit: "count", min: 0, max: UINT32_MAX },
  skip: { unit: "count", min: 0, max: 1_000_000_000 },
  times: { unit: "count", min: 1, max: 1_000_000_000 },
} as const satisfies Readonly<Record<string, Parameter>>;

type ParameterName = keyof typeof PARAMETERS;
type Value = number | PieceKind;
type Values = { readonly [Name in ParameterName]?: Name extends "pieces" ? Value : number };

/**
 * Place where a kind of fault takes effect. A kind names its ending, and each other place has a switch of all its kinds, so
 * a kind without an effect does not compile.
 */
type FaultPlace =
  /** When the bytes of the response pass (`fixture/faulty-wire.ts`). */
  | "pace"
  /** How the connection ends (`fixture/faulty-wire.ts`). */
  | "ending"
  /** In the fields and the content of the response (`fixture/faulty-response.ts`). */
  | "response"
  /** In place of the handler's response (`fixture/faulty-handler.ts`). */
  | "handler"
  /** In the frames of an HTTP/2 connection (`fixture/faulty-stream.ts`). */
  | "frames";

/** State in which a fault leaves the connection. */
export type FaultEnding =
  | "fin"
  | "reset"
  /** Open, and nothing more is sent. */
  | "hang"
  /** FIN after bytes that are not HTTP. */
  | "garbage";

type KindRule = KindWords & (KindEnding | { readonly place: Exclude<FaultPlace, "ending"> });

interface KindEnding {
  readonly place: "ending";
  readonly ending: FaultEnding;
}

interface KindWords {
  readonly needs: readonly ParameterName[];
  readonly takes: readonly ParameterName[];
  /** `afterBytes` of a fault that does not say it. */
  readonly afterBytes: number | null;
}

/** Each kind also takes a delay. */
const KINDS = {
  delay: { place: "pace", needs: ["delay"], takes: [], afterBytes: null },
  "slow-headers": { place: "pace", needs: ["duration"], takes: [], afterBytes: null },
  drip: { place: "pace", needs: ["duration"], takes: ["pieces"], afterBytes: null },
  bandwidth: { place: "pace", needs: ["rate"], takes: [], afterBytes: null },
  status: { place: "handler", needs: ["status"], takes: ["retry-after"], afterBytes: null },
  empty: { place: "ending", ending: "fin", needs: [], takes: [], afterBytes: null },
  reset: { place: "ending", ending: "reset", needs: [], takes: ["after", "events"], afterBytes: null },
  hang: { place: "ending", ending: "hang", needs: [], takes: [], afterBytes: null },
  truncate: { place: "ending", ending: "fin", needs: [], takes: ["after", "events"], afterBytes: 0 },
  stall: { place: "ending", ending: "hang", needs: [], takes: ["after", "events"], afterBytes: 0 },
  "bad-chunk": { place: "response", needs: [], takes: ["after"], afterBytes: 0 },
  "bad-length": { place: "response", needs: [], takes: ["length"], afterBytes: null },
  garbage: { place: "ending", ending: "garbage", needs: [], takes: ["after"], afterBytes: null },
  "reset-request": { place: "ending", ending: "reset", needs: [], takes: ["after"], afterBytes: 0 },
  "half-close": { place: "ending", ending: "fin", needs: [], takes: ["after"], afterBytes: null },
  last: { place: "response", needs: [], takes: [], afterBytes: null },
  goaway: { place: "frames", needs: [], takes: ["last", "code", "after"], afterBytes: null },
  "reset-stream": { place: "frames", needs: [], takes: ["code", "after"], afterBytes: null },
  window: { place: "frames", needs: ["window"], takes: [], afterBytes: null },
  settings: { place: "frames", needs: [], takes: [...SETTING_NAMES, "after"], afterBytes: null },
  "bad-frame": { place: "frames", needs: ["frame"], takes: ["after"], afterBytes: 0 },
  "bad-hpack": { place: "frames", needs: [], takes: [], afterBytes: null },
  push: { place: "frames", needs: [], takes: [], afterBytes: null },
} as const satisfies Readonly<Record<string, KindRule>>;

/** Kind of fault; docs/fixture.md describes each. */
export type FaultKind = keyof typeof KINDS;

/** The kinds that take effect in `Place`. */
type FaultKindAt<Place extends FaultPlace> = {
  [Kind in FaultKind]: (typeof KINDS)[Kind]["place"] extends Place ? Kind : never;
}[FaultKind];

/** Returns true for a kind of fault that takes effect in `place`. */
export function isFaultAt<Place extends FaultPlace>(kind: FaultKind, place: Place): kind is FaultKindAt<Place> {
  return KINDS[kind].place === place;
}

/** Returns the ending of a connection whose response has a fault of this kind; null if the response is not cut. */
export function endingOf(kind: FaultKind): FaultEnding | null {
  const rule: KindRule = KINDS[kind];
  return rule.place === "ending" ? rule.ending : null;
}

/** Returns the reason why a request of this version of HTTP cannot have a fault of this kind, or null if it can. */
export function problemOfVersion(kind: FaultKind, protocol: "1.0" | "1.1" | "2"): string | null {
  const isHttp2 = protocol === "2";
  if (isHttp2 && kind === "bad-chunk") return "bad-chunk means nothing in HTTP/2, which has no chunks: use bad-frame";
  return !isHttp2 && isFaultAt(kind, "frames") ? `${kind} is a fault of HTTP/2, and this request is HTTP/1` : null;
}

/** Parameters that imply their kind. */
const TELLING: readonly (readonly [ParameterName, FaultKind])[] = [
  ["status", "status"],
  ["rate", "bandwidth"],
  ["window", "window"],
  ["frame", "bad-frame"],
  ["delay", "delay"],
];

const PIECES = 10;
const ONLY_OF_RULES: readonly string[] = ["skip", "times"];
export const FAULT_KINDS = Object.keys(KINDS) as readonly FaultKind[];
const PARAMETER_NAMES = Object.keys(PARAMETERS) as readonly ParameterName[];
const FAULT_PARAMETERS = PARAMETER_NAMES.filter((name) => !ONLY_OF_RULES.includes(name));

/** `key=value` with its place for messages. */
interface Word {
  readonly key: string;
  readonly value: string;
  readonly place: string;
}

/** Reads the value of an X-Fixture field. Returns the mistake as a text: the column, from 1, and the expected word. */
export function parseFaultField(text: string): Fault | string {
  const words: Word[] = [];
  for (const [part, column] of split(text, /[^,]+/g)) {
    const word = wordOf(part, column);
    if (typeof word === "string") return word;
    words.push(word);
  }
  // Two commas in a row, or one at an end: a word is missing.
  if (words.length === 0 || text.split(",").length !== words.length) {
    return "column 1: expected key=value, separated by single commas, such as fault=truncate, after=1024";
  }
  return readFault(words, FAULT_PARAMETERS);
}

/**
 * Reads `METHOD PATH [FAULT] [key=value…]`, where `query.page=2` is a condition on the query. Returns the mistake as a text.
 */
export function parseFaultRule(text: string): FaultRule | string {
  const [method, path, ...rest] = split(text, /\S+/g);
  if (method === undefined || path === undefined) return "expected METHOD PATH FAULT, such as GET /app.js reset";
  const words: Word[] = [];
  for (const [part, column] of rest) {
    const isKind = words.length === 0 && !part.includes("=");
    const word = isKind ? { key: "fault", value: part, place: `column ${column} (fault)` } : wordOf(part, column);
    if (typeof word === "string") return word;
    words.push(word);
  }
  const problem = placed(method[1], problemOfMethod(method[0])) ?? placed(path[1], problemOfPath(path[0]));
  if (problem !== null) return problem;
  const isOfQuery = ({ key }: Word) => key.startsWith(QUERY);
  const query = queryOf(words.filter(isOfQuery));
  if (typeof query === "string") return query;
  const match = { method: method[0], path: path[0], ...query };
  return readRule(
    match,
    words.filter((word) => !isOfQuery(word)),
  );
}

/** Begins the key of a condition on one parameter of the query. */
const QUERY = "query.";

/** Returns the conditions on the query, or the mistake as a text. */
function queryOf(words: readonly Word[]): Pick<Match, "query"> | string {
  if (words.length === 0) return {};
  const twice = repeatedOf(words);
  if (twice !== undefined) return `${twice.place}: is here twice`;
  return { query: Object.fromEntries(words.map(({ key, value }) => [key.slice(QUERY.length), value])) };
}

/**
 * Reads a rule from JSON: `match` with the conditions on the head, `fault`, and the parameters as numbers or in their units.
 * Returns the mistake as a text.
 */
export function readFaultRule(given: unknown): FaultRule | string {
  if (!isObject(given)) return `expected an object such as {"match":{"path":"/app.js"},"fault":"reset"}`;
  const { match: conditions, ...rest } = given;
  if (isObject(conditions) && conditions["json"] !== undefined) {
    return "match.json: a fault is decided by the head, before the content comes";
  }
  const match = readMatch(conditions, HEAD_CONDITIONS);
  if (typeof match === "string") return match;
  const words: Word[] = [];
  for (const [key, value] of Object.entries(rest)) {
    // Only an object of this process can have it, and it means a missing member.
    if (value === undefined) continue;
    const place = isKey(key) ? key : JSON.stringify(key);
    if (typeof value !== "string" && typeof value !== "number") return `${place}: expected a text or a number`;
    words.push({ key, value: String(value), place });
  }
  return readRule(match, words);
}

/**
 * Reads a rule as a test in TypeScript writes it: `METHOD PATH FAULT key=value…`, or `METHOD PATH` with the rest in `more`, where `query`
 * and `fields` are conditions on the request. Returns the mistake as a text.
 */
export function readFaultOrder(rule: string, more?: object): FaultRule | string {
  const [method, path = "", ...rest] = rule.trim().split(/\s+/);
  const { query, fields, ...order }: { query?: unknown; fields?: unknown } = more ?? {};
  const read =
    more === undefined ? parseFaultRule(rule) : readFaultRule({ ...order, match: { method, path, query, fields } });
  if (typeof read === "string") return `${JSON.stringify(rule)}: ${read}`;
  if (more === undefined || rest.length === 0) return read;
  return `${JSON.stringify(rule)}: expected METHOD PATH alone, for there is an object as well`;
}

function readRule(match: Match, words: readonly Word[]): FaultRule | string {
  const fault = readFault(words, PARAMETER_NAMES);
  if (typeof fault === "string") return fault;
  const values = readValues(words) as Values; // `readFault` has read them.
  return { ...match, fault, skip: values.skip ?? 0, times: values.times ?? null };
}

function repeatedOf(words: readonly Word[]): Word | undefined {
  return words.find(({ key }, i) => words.slice(0, i).some((earlier) => earlier.key === key));
}

function readFault(words: readonly Word[], known: readonly ParameterName[]): Fault | string {
  const stray = words.find(({ key }) => key !== "fault" && !known.includes(key as ParameterName));
  if (stray !== undefined) return `${stray.place}: expected one of fault, ${known.join(", ")}`;
  const twice = repeatedOf(words);
  if (twice !== undefined) return `${twice.place}: is here twice`;
  const values = readValues(words);
  if (typeof values === "string") return values;
  const named = words.find(({ key }) => key === "fault");
  const kind = named?.value ?? TELLING.find(([name]) => values[name] !== undefined)?.[1];
  if (!isKind(kind)) return `${named?.place ?? "fault"}: expected one of ${FAULT_KINDS.join(", ")}`;
  const { needs, takes, afterBytes }: KindRule = KINDS[kind];
  const missing = needs.find((name) => values[name] === undefined);
  if (missing !== undefined) return `${named?.place ?? "fault"}: ${kind} needs ${missing}, ${expectationOf(missing)}`;
  const both = values.events === undefined ? undefined : words.find(({ key }) => key === "after");
  if (both !== undefined) return `${both.place}: cannot be given together with events`;
  const useful: readonly string[] = kind === "delay" ? needs : [...needs, ...takes, "delay"];
  const useless = words.find(({ key }) => !["fault", ...ONLY_OF_RULES, ...useful].includes(key));
  if (useless !== undefined) return `${useless.place}: means nothing to ${kind}, which takes ${useful.join(", ")}`;
  if (kind === "settings" && settingsOf(values).length === 0) {
    return `${named?.place ?? "fault"}: settings needs one of ${SETTING_NAMES.join(", ")}`;
  }
  return {
    kind,
    afterBytes: values.after ?? afterBytes,
    afterEvents: values.events ?? null,
    delayMs: values.delay ?? 0,
    durationMs: values.duration ?? 0,
    pieces: values.pieces ?? PIECES,
    bytesPerSecond: values.rate ?? 0,
    status: values.status ?? 0,
    retryAfterSeconds: values["retry-after"] === undefined ? null : values["retry-after"] / 1000,
    lengthBytes: values.length ?? null,
    http2: isFaultAt(kind, "frames") ? http2ValuesOf(kind, values) : null,
  };
}

/** Returns the values that a parameter may have, in words. */
function expectationOf(name: ParameterName): string {
  const parameter: Parameter = PARAMETERS[name];
  return UNITS[parameter.unit].expected(parameter);
}

function http2ValuesOf(kind: FaultKind, values: Values): Http2Values {
  return {
    code: values.code ?? defaultCodeOf(kind),
    lastStream: values.last ?? null,
    windowBytes: values.window ?? null,
    frame: BAD_FRAMES[values.frame ?? 0] as BadFrame,
    settings: settingsOf(values),
  };
}

/** Returns NO_ERROR for GOAWAY, and INTERNAL_ERROR for RST_STREAM. */
function defaultCodeOf(kind: FaultKind): number {
  return kind === "goaway" ? 0 : 2;
}

function settingsOf(values: Values): (readonly [id: number, value: number])[] {
  return SETTING_NAMES.flatMap((name) => {
    const value = values[name];
    return value === undefined ? [] : [[SETTING_IDS[name], value] as const];
  });
}

/** Returns the numbers of all words but the kind, or the mistake as a text. */
function readValues(words: readonly Word[]): Values | string {
  const values: { [Name in ParameterName]?: Value } = {};
  for (const { key, value, place } of words) {
    if (key === "fault") continue;
    const name = key as ParameterName;
    const parameter: Parameter = PARAMETERS[name];
    const given = UNITS[parameter.unit].parse(value);
    const isOutside = typeof given === "number" && (given < parameter.min || given > parameter.max);
    if (given === undefined || isOutside) return `${place}: expected ${expectationOf(name)}`;
    values[name] = given;
  }
  return values as Values; // Only `pieces` has values that are words.
}

interface UnitRule {
  parse(text: string): Value | undefined;
  /** Form of the fault in JSON. */
  format(value: Value): string | number;
  expected(bounds: Parameter): string;
}

const DURATION: UnitRule = {
  parse: parseDuration,
  format: formatDuration,
  expected: ({ min, max }) => `a time from ${formatDuration(min)} to ${formatDuration(max)} such as 200ms or 2s`,
};

const COUNT = {
  parse: (text: string) => (/^[0-9]{1,15}$/.test(text) ? Number(text) : undefined),
  format: (value: Value) => value,
  expected: ({ min, max }: Parameter) => `a whole number from ${min} to ${max}`,
} satisfies UnitRule;

const UNITS: Readonly<Record<Unit, UnitRule>> = {
  duration: DURATION,
  count: COUNT,
  pieces: {
    ...COUNT,
    parse: (text) => (text === "events" || text === "lines" ? text : COUNT.parse(text)),
    expected: (bounds) => `${COUNT.expected(bounds)}, events or lines`,
  },
  status: { ...COUNT, expected: ({ min, max }) => `a status from ${min} to ${max}` },
  seconds: {
    ...DURATION,
    // RFC 9110 §10.2.3: Retry-After has whole seconds.
    parse: (text) => {
      const ms = parseDuration(text);
      return ms === undefined || ms % 1000 !== 0 ? undefined : ms;
    },
    expected: () => "a time in whole seconds such as 5s",
  },
  code: {
    parse: parseCode,
    format: (value) => ERROR_CODE_NAMES[value as number] ?? value,
    expected: (bounds) => `${COUNT.expected(bounds)}, or one of ${ERROR_CODE_NAMES.join(", ")}`,
  },
  frame: {
    parse: (text) => indexIn(BAD_FRAMES, text),
    format: (value) => BAD_FRAMES[value as number] as BadFrame,
    expected: () => `one of ${BAD_FRAMES.join(", ")}`,
  },
  size: {
    parse: parseSize,
    format: (value) => value,
    expected: ({ min, max }) => `bytes from ${min} to ${formatSize(max)} such as 1024 or 10kb`,
  },
};

/** Returns the number of an error code: its name, or digits. */
function parseCode(text: string): number | undefined {
  return indexIn(ERROR_CODE_NAMES, text) ?? COUNT.parse(text);
}

function indexIn(names: readonly string[], name: string): number | undefined {
  const index = names.indexOf(name);
  return index < 0 ? undefined : index;
}

/** Returns `fault` and the parameters that differ from their defaults, in JSON's spelling. */
function entriesOf(fault: Fault): (readonly [key: string, value: string | number])[] {
  const { kind } = fault;
  const given: { readonly [Name in ParameterName]?: Value | null } = {
    after: fault.afterBytes === KINDS[kind].afterBytes ? null : fault.afterBytes,
    delay: fault.delayMs === 0 && kind !== "delay" ? null : fault.delayMs,
    duration: fault.durationMs || null,
    pieces: fault.pieces === PIECES ? null : fault.pieces,
    events: fault.afterEvents,
    rate: fault.bytesPerSecond || null,
    status: fault.status || null,
    "retry-after": fault.retryAfterSeconds === null ? null : fault.retryAfterSeconds * 1000,
    length: fault.lengthBytes,
    ...(fault.http2 === null ? {} : http2Entries(kind, fault.http2)),
  };
  const parameters = FAULT_PARAMETERS.flatMap((name) => {
    const value = given[name] ?? null;
    return value === null ? [] : [[name, UNITS[PARAMETERS[name].unit].format(value)] as const];
  });
  return [["fault", kind], ...parameters];
}

function http2Entries(kind: FaultKind, { code, lastStream, windowBytes, frame, settings }: Http2Values) {
  return {
    code: code === defaultCodeOf(kind) ? null : code,
    last: lastStream,
    window: windowBytes,
    frame: kind === "bad-frame" ? BAD_FRAMES.indexOf(frame) : null,
    ...Object.fromEntries(settings.map(([id, value]) => [SETTING_NAMES[id - 1], value])),
  };
}

/** Writes a rule that `parseFaultRule` has read as it reads it. */
export function formatFaultRule(rule: FaultRule): string {
  const query = Object.entries(rule.query ?? {}).map(([name, value]) => [QUERY + name, value] as const);
  const [, ...parameters] = [...entriesOf(rule.fault), ...countsOf(rule), ...query];
  return [rule.method, rule.path, rule.fault.kind, ...parameters.map((entry) => entry.join("="))].join(" ");
}

/** Writes a rule as `readFaultRule` reads it. */
export function describeFaultRule(rule: FaultRule): Record<string, unknown> {
  return { match: describeMatch(rule), ...Object.fromEntries([...entriesOf(rule.fault), ...countsOf(rule)]) };
}

function countsOf({ skip, times }: Pick<FaultRule, "skip" | "times">): (readonly [key: string, value: number])[] {
  return [...(skip === 0 ? [] : [["skip", skip] as const]), ...(times === null ? [] : [["times", times] as const])];
}

/** Returns the parts that `pattern` finds, trimmed, each with its column from 1. Empty ones are left out. */
function split(text: string, pattern: RegExp): (readonly [part: string, column: number])[] {
  return [...text.matchAll(pattern)].flatMap((found) => {
    const part = found[0].trim();
    return part === "" ? [] : [[part, found.index + found[0].indexOf(part) + 1] as const];
  });
}

function wordOf(part: string, column: number): Word | string {
  const equals = part.indexOf("=");
  if (equals <= 0) return `column ${column}: expected key=value`;
  const key = part.slice(0, equals).trimEnd();
  const place = isKey(key) ? `column ${column} (${key})` : `column ${column}`;
  return { key, value: part.slice(equals + 1).trimStart(), place };
}

function placed(column: number, problem: string | null): string | null {
  return problem === null ? null : `column ${column}: ${problem}`;
}

function isKey(key: string): boolean {
  return key === "fault" || Object.hasOwn(PARAMETERS, key);
}

function isKind(kind: string | undefined): kind is FaultKind {
  return kind !== undefined && Object.hasOwn(KINDS, kind);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
