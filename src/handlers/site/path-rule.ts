/**
 * Paths of rules: `/news/:year/*` matches a path segment by segment. `:name` is one or more characters within a segment, `*` (the splat) any
 * number of characters, slashes included. A template puts their values into a target or a field. Pure.
 *
 * The rules it guards: a match takes time in proportion to the path, so a segment has at most one placeholder, and a path one splat. And a
 * value is escaped where it is put, so that a request can add neither a query, nor a host, nor a second field.
 */
import { encodeName } from "../../http/escape.ts";
import { escapePath } from "../../http/uri.ts";

/** Values of placeholders by their names, decoded. That of the splat is called `splat`. */
export type Values = ReadonlyMap<string, string>;

/** Text before and after a placeholder, decoded. Without a placeholder, all is in `before`. */
interface Segment {
  readonly before: string;
  readonly name: string | null;
  readonly after: string;
}

const SPLAT = "splat";

const PLACEHOLDER = /:([A-Za-z]\w*)/g;

export class PathRule {
  /** The path as one text, if it has neither placeholder nor splat; else null. */
  readonly literal: string | null;
  readonly names: ReadonlySet<string>;
  /** Text with which every path that matches begins. */
  readonly #start: string;
  readonly #head: readonly Segment[];
  /** Segments from the splat on; null without a splat. */
  readonly #tail: readonly Segment[] | null;

  constructor(head: readonly Segment[], tail: readonly Segment[] | null) {
    const names = [...head, ...(tail ?? [])].flatMap(({ name }) => (name === null ? [] : [name]));
    this.#head = head;
    this.#tail = tail;
    this.names = new Set(tail === null ? names : [...names, SPLAT]);
    this.literal = this.names.size > 0 ? null : head.map(({ before }) => before).join("/");
    const first = head.findIndex(({ name }) => name !== null);
    const fixed = first < 0 ? head : head.slice(0, first + 1);
    this.#start = fixed.map(({ before }) => before).join("/");
  }

  /** Returns the values for a path, decoded; null if it does not match. `segments` are the path, split at its slashes. */
  match(path: string, segments: readonly string[]): Values | null {
    if (!path.startsWith(this.#start)) return null;
    const values = new Map<string, string>();
    const head = this.#head;
    if (this.#tail === null) {
      return segments.length === head.length && takeAll(head, segments, 0, values) ? values : null;
    }
    // The last segment before the splat and the first one after it share a segment with it, or with a part of it.
    const before = head.slice(0, -1);
    const after = this.#tail.slice(1);
    const last = segments.length - after.length;
    if (last <= before.length) return null;
    if (!takeAll(before, segments, 0, values) || !takeAll(after, segments, last, values)) return null;
    const middle = segments.slice(before.length, last).join("/");
    const start = head.at(-1)?.before ?? "";
    const end = this.#tail[0]?.before ?? "";
    if (middle.length < start.length + end.length || !middle.startsWith(start) || !middle.endsWith(end)) return null;
    return values.set(SPLAT, middle.slice(start.length, middle.length - end.length));
  }
}

/** Returns true if the segments from `from` on are those of a rule, and adds their values. */
function takeAll(
  rule: readonly Segment[],
  segments: readonly string[],
  from: number,
  values: Map<string, string>,
): boolean {
  return rule.every(({ before, name, after }, index) => {
    const segment = segments[from + index] as string;
    if (name === null) return segment === before;
    const length = segment.length - before.length - after.length;
    if (length < 1 || !segment.startsWith(before) || !segment.endsWith(after)) return false;
    values.set(name, segment.slice(before.length, before.length + length));
    return true;
  });
}

/** Returns the path of a rule, or the mistake in it. */
export function parsePathRule(text: string): PathRule | string {
  if (!text.startsWith("/")) return "expected a path that begins with /";
  if (/[?#]/.test(text)) return "expected a path without a query and a fragment: rules match paths alone";
  const [first = "", ...others] = text.split("*");
  if (others.length > 1) return "expected at most one * in a path";
  const head = parseSegments(first);
  const tail = others[0] === undefined ? null : parseSegments(others[0]);
  if (typeof head === "string") return head;
  if (typeof tail === "string") return tail;
  if (tail !== null && (head.at(-1)?.name !== null || tail[0]?.name !== null)) {
    return "expected * and a placeholder in different segments";
  }
  const rule = new PathRule(head, tail);
  const named = [...head, ...(tail ?? [])].filter(({ name }) => name !== null).length + (tail === null ? 0 : 1);
  if (named > rule.names.size) return "expected a different name for each placeholder; that of * is splat";
  return mistakeInSegments(head, tail) ?? rule;
}

function parseSegments(text: string): readonly Segment[] | string {
  const segments: Segment[] = [];
  for (const segment of text.split("/")) {
    const [found, ...others] = segment.matchAll(PLACEHOLDER);
    if (others.length > 0) return "expected at most one placeholder in a segment";
    const before = decoded(found === undefined ? segment : segment.slice(0, found.index));
    const after = decoded(found === undefined ? "" : segment.slice(found.index + found[0].length));
    if (before === null || after === null) {
      return "expected escapes of UTF-8 such as %C3%A9, none for a slash, a backslash or a control; % itself is %25";
    }
    segments.push({ before, name: found?.[1] ?? null, after });
  }
  return segments;
}

/** Returns a part of a path without its escapes, or null if it has one that no request can have. */
function decoded(text: string): string | null {
  try {
    const plain = decodeURIComponent(text);
    return /[\p{Cc}/\\]/u.test(plain) ? null : plain;
  } catch {
    return null;
  }
}

/** Returns the mistake in a path that no request reaches, because the server refuses it or cleans it first; or null. */
function mistakeInSegments(head: readonly Segment[], tail: readonly Segment[] | null): string | null {
  const whole = tail === null ? head : [...head.slice(0, -1), ...tail.slice(1)];
  const isDots = whole.some(({ before, name }) => name === null && /^\.{1,2}$/.test(before));
  // An empty segment is a slash at the end, or the segment that a splat fills.
  const isEmpty = (segments: readonly Segment[]) =>
    segments.slice(1, -1).some(({ before, name }) => name === null && before === "");
  if (!isDots && !isEmpty(head) && !isEmpty(tail ?? [])) return null;
  return "expected a path without . segments and repeated slashes";
}

/** How a value is escaped: within a path, within a query or a field (where "/" stays), or not at all. */
type Escaping = "path" | "plainest" | "none";

/** Text with placeholders. */
export class Template {
  readonly #parts: readonly { readonly text: string; readonly name: string | null; readonly escaping: Escaping }[];

  /** `names` are placeholders; every other `:word` is text. `escapingAt` tells the escaping at a position of `text`. */
  constructor(text: string, names: ReadonlySet<string>, escapingAt: (position: number) => Escaping) {
    const parts: { text: string; name: string | null; escaping: Escaping }[] = [];
    let from = 0;
    for (const found of text.matchAll(PLACEHOLDER)) {
      const name = found[1] as string;
      if (!names.has(name)) continue;
      parts.push({ text: text.slice(from, found.index), name, escaping: escapingAt(found.index) });
      from = found.index + found[0].length;
    }
    this.#parts = [...parts, { text: text.slice(from), name: null, escaping: "none" }];
  }

  /** Returns the text with values; null if it is longer than `charactersMax`. */
  fill(values: Values, charactersMax: number): string | null {
    let filled = "";
    for (const { text, name, escaping } of this.#parts) {
      filled += name === null ? text : text + escaped(values.get(name) ?? "", escaping);
      if (filled.length > charactersMax) return null;
    }
    return filled;
  }
}

/** Returns true if a text has a placeholder of this name. */
export function hasPlaceholder(text: string, name: string): boolean {
  return [...text.matchAll(PLACEHOLDER)].some((found) => found[1] === name);
}

function escaped(value: string, escaping: Escaping): string {
  if (escaping === "none") return value;
  if (escaping === "path") return escapePath(value);
  return value.split("/").map(encodeName).join("/");
}
