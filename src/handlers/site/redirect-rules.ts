/**
 * The rules of `_redirects`: `from to [code]`, one a line. The first rule whose path matches decides. A rule with 200 is a rewrite: the file
 * at `to` answers. The others are redirects. docs/site.md has the grammar beside those of the hosts. Pure.
 *
 * The rule it guards: a redirect leads to another host only if its line names that host. The text of a request goes into the path, the query
 * or the fragment of a target, and a path on this server never begins with two slashes.
 */
import { quote } from "../../http/escape.ts";
import { escapeReference, escapeTarget } from "../../http/uri.ts";
import { hasPlaceholder, type PathRule, parsePathRule, Template, type Values } from "./path-rule.ts";
import { type RuleLine, RuleMistake, ruleLines } from "./rule-lines.ts";

/** Characters of a line, and rules in a file without and with placeholders: the bounds of Cloudflare's documentation. */
const LINE_CHARACTERS_MAX = 1000;
const STATIC_RULES_MAX = 2000;
const DYNAMIC_RULES_MAX = 100;

/** Characters of a Location, and of a path to rewrite to. Clients take heads of 16 KiB, and a target may have many placeholders. */
const TARGET_CHARACTERS_MAX = 8192;

const REWRITE = 200;
const CODES: ReadonlySet<number> = new Set([REWRITE, 301, 302, 303, 307, 308]);
const DEFAULT_CODE = 302;

/** Value of every placeholder in the search for loops. No rule is likely to have it as text. */
const PROBE = "value-of-a-placeholder";

/** One line. */
interface RedirectRule {
  /** Number of its line. */
  readonly line: number;
  readonly from: PathRule;
  readonly code: number;
  readonly isRewrite: boolean;
  /** The path on this server that it leads to, decoded; null for another host, and for text that no request path has. */
  readonly path: Template | null;
  /** Target as it is sent: up to the fragment, and the fragment. */
  readonly reference: Template;
  readonly fragment: Template;
  /** True if the target has a query, so that the request's is left out. */
  readonly hasQuery: boolean;
}

/** A rule that matches a path. */
export interface RedirectMatch {
  readonly rule: RedirectRule;
  readonly values: Values;
}

export class RedirectRules {
  readonly #literal = new Map<string, RedirectRule>();
  readonly #patterns: readonly RedirectRule[];

  constructor(rules: readonly RedirectRule[]) {
    for (const rule of rules) if (rule.from.literal !== null) this.#literal.set(rule.from.literal, rule);
    this.#patterns = rules.filter(({ from }) => from.literal === null);
  }

  /** Returns the first rule that matches a path, decoded; null if none does. */
  find(path: string): RedirectMatch | null {
    const literal = this.#literal.get(path) ?? null;
    const segments = this.#patterns.length === 0 ? [] : path.split("/");
    for (const rule of this.#patterns) {
      if (literal !== null && literal.line < rule.line) break;
      const values = rule.from.match(path, segments);
      if (values !== null) return { rule, values };
    }
    return literal === null ? null : { rule: literal, values: NO_VALUES };
  }
}

const NO_VALUES: Values = new Map();

/**
 * Returns the Location of a redirect for a request with this query, as sent. `base` stands before a path on this server. Returns null if it
 * would be too long.
 */
export function locationOf({ rule, values }: RedirectMatch, query: string, base: string): string | null {
  const filled = rule.reference.fill(values, TARGET_CHARACTERS_MAX);
  const fragment = rule.fragment.fill(values, TARGET_CHARACTERS_MAX);
  if (filled === null || fragment === null) return null;
  const kept = rule.hasQuery ? "" : escapeTarget(query);
  const reference = filled.startsWith("/") ? base + withoutRepeatedSlashes(filled) : filled;
  const location = reference + kept + fragment;
  return location.length > TARGET_CHARACTERS_MAX + kept.length ? null : location;
}

/** A slash that a request adds in front would make the name of another host of the path. */
function withoutRepeatedSlashes(reference: string): string {
  const query = reference.indexOf("?");
  const end = query < 0 ? reference.length : query;
  return reference.slice(0, end).replace(/\/{2,}/g, "/") + reference.slice(end);
}

/** Returns the path on this server that a match leads to, decoded; null if there is none, or if no request could name it. */
export function pathOf({ rule, values }: RedirectMatch): string | null {
  const filled = rule.path?.fill(values, TARGET_CHARACTERS_MAX) ?? null;
  const path = filled === null ? null : filled.replace(/\/{2,}/g, "/");
  return path === null || /\/\.{1,2}(?:\/|$)/.test(path) ? null : path;
}

/** Returns the rules of a file, or the first mistake in it. `isFile` tells whether a path is a file of the site. */
export function parseRedirects(bytes: Uint8Array, isFile: (path: string) => boolean): RedirectRules | RuleMistake {
  const lines = ruleLines(bytes, LINE_CHARACTERS_MAX);
  if (lines instanceof RuleMistake) return lines;
  const parsed: RedirectRule[] = [];
  const known = new Map<string, number>();
  let dynamicRules = 0;
  for (const line of lines) {
    const [from = "", ...others] = line.text.replace(/[ \t]+#.*$/, "").split(/[ \t]+/);
    const rule = parseRule(line, from, others);
    if (typeof rule === "string") return new RuleMistake(line.number, rule);
    const key = rule.from.literal ?? from;
    const first = known.get(key);
    if (first !== undefined)
      return new RuleMistake(line.number, `expected one rule for ${quote(from)}; line ${first} has it`);
    known.set(key, line.number);
    parsed.push(rule);
    if (rule.from.literal === null) dynamicRules++;
    if (dynamicRules > DYNAMIC_RULES_MAX) {
      return new RuleMistake(line.number, `expected at most ${DYNAMIC_RULES_MAX} rules with * or a placeholder`);
    }
    if (parsed.length - dynamicRules > STATIC_RULES_MAX) {
      return new RuleMistake(line.number, `expected at most ${STATIC_RULES_MAX} rules without * and placeholders`);
    }
  }
  const rules = new RedirectRules(parsed);
  return findLoop(parsed, rules, isFile) ?? rules;
}

function parseRule({ number }: RuleLine, from: string, words: readonly string[]): RedirectRule | string {
  const path = parsePathRule(from);
  if (/^https?:\/\//i.test(from)) return "expected a path in front: a rule is for every host that the site answers for";
  if (typeof path === "string") return path;
  const [to = "", code = String(DEFAULT_CODE), ...rest] = words;
  const isTarget = /^(?:\/|https?:\/\/)/i.test(to);
  if (!isTarget && to.includes("="))
    return "expected a target after the path: query parameters are Netlify's, and not taken";
  if (to === "" || /^[0-9]{3}!?$/.test(to)) return "expected a target after the path: FROM TO [CODE]";
  if (!isTarget) return "expected a target that begins with /, https:// or http://; a space in a path is %20";
  if (rest.length > 0 || code.includes("=")) {
    return "expected FROM TO [CODE], and no conditions such as Country or Role, which are Netlify's";
  }
  const status = codeOf(code);
  if (typeof status === "string") return status;
  const target = parseTarget(to, path.names, status);
  return typeof target === "string"
    ? target
    : { line: number, from: path, code: status, isRewrite: status === REWRITE, ...target };
}

/** Returns the status that a word stands for, or the mistake in it. */
function codeOf(word: string): number | string {
  const [, digits = "", force = ""] = /^([0-9]{3})(!?)$/.exec(word) ?? [];
  const code = Number(digits);
  if (code === 404)
    return "expected a code that both hosts take: 404 is Netlify's; a 404.html in the folder does the same";
  if (!CODES.has(code)) return `expected one of the codes ${[...CODES].join(", ")}, got ${quote(word)}`;
  if (force !== "" && code === REWRITE) return "expected 200: 200! is Netlify's, and a rewrite here never hides a file";
  return code;
}

type ParsedTarget = Pick<RedirectRule, "path" | "reference" | "fragment" | "hasQuery">;

function parseTarget(to: string, names: ReadonlySet<string>, status: number): ParsedTarget | string {
  const isLocal = to.startsWith("/");
  if (/^\/[/\\]/.test(to)) return "expected https:// before another host, or one slash before a path";
  const [, origin = "", path = "", query = "", fragment = ""] = TARGET.exec(to) ?? [];
  if (!isLocal && !(ORIGIN.test(origin) && URL.canParse(origin)))
    return "expected a host of letters, digits, dots and hyphens, without placeholders, and perhaps a port";
  if (!isLocal && status === REWRITE) {
    return "expected a path after a rewrite (200): it answers with a file of the folder, and cannot fetch from another host";
  }
  if (path.includes("\\")) return "expected / in place of \\ in a target";
  if (path.includes("*") && names.has("splat")) return "expected :splat in the target for the part that * matches";
  if (!names.has("splat") && hasPlaceholder(to, "splat")) return "expected * in the path: the target has :splat";
  if (status === REWRITE && query + fragment !== "") return "expected the path of a file after 200, without ? and #";
  const decoded = isLocal ? decodedText(path) : null;
  if (status === REWRITE && decoded === null)
    return "expected escapes of UTF-8 such as %C3%A9 in the target; % itself is %25";
  const written = escapeReference(origin + path);
  return {
    path: decoded === null ? null : new Template(decoded, names, () => "none"),
    reference: new Template(written + escapeReference(query), names, (at) =>
      at < written.length ? "path" : "plainest",
    ),
    fragment: new Template(escapeReference(fragment), names, () => "plainest"),
    hasQuery: query.length > 1,
  };
}

/** Origin, path, query and fragment of a target. */
const TARGET = /^([A-Za-z]+:\/\/[^/?#]*)?([^?#]*)(\?[^#]*)?(#.*)?$/s;

/** A scheme, a name or an address, and a port. */
const ORIGIN = /^https?:\/\/(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/i;

function decodedText(path: string): string | null {
  try {
    const text = decodeURIComponent(path);
    return /[\p{Cc}\\]/u.test(text) ? null : text;
  } catch {
    return null;
  }
}

/**
 * Returns the mistake of a rule that leads back to itself, or null: redirects without an end, and rewrites whose targets are not files. A
 * rewrite that matches its own target alone is not a mistake, because at most one applies to a request.
 */
function findLoop(
  list: readonly RedirectRule[],
  rules: RedirectRules,
  isFile: (path: string) => boolean,
): RuleMistake | null {
  /** Rules without placeholders that are known to lead to an end. */
  const ended = new Set<RedirectRule>();
  for (const start of list) {
    const way = [start];
    let match: RedirectMatch = { rule: start, values: new Map([...start.from.names].map((name) => [name, PROBE])) };
    for (;;) {
      const path = pathOf(match);
      if (path === null || (start.isRewrite && isFile(path))) break;
      const next = rules.find(path);
      if (next === null || next.rule.isRewrite !== start.isRewrite || ended.has(next.rule)) break;
      if (way.includes(next.rule)) {
        if (start.isRewrite && next.rule === match.rule) break;
        return loopMistake(way.slice(way.indexOf(next.rule)));
      }
      way.push(next.rule);
      match = next;
    }
    for (const rule of way) if (rule.from.literal !== null) ended.add(rule);
  }
  return null;
}

function loopMistake(loop: readonly RedirectRule[]): RuleMistake {
  const [{ line, isRewrite }] = loop as readonly [RedirectRule, ...RedirectRule[]];
  const kind = isRewrite ? "rewrites whose targets are not files" : "redirects";
  if (loop.length === 1)
    return new RuleMistake(line, "expected a target that this rule does not match: the redirect has no end");
  const lines = [...loop.slice(0, 4).map((rule) => rule.line), ...(loop.length > 4 ? ["…"] : [])].join(", ");
  return new RuleMistake(
    line,
    `expected a target at the end of the rules of lines ${lines}: these ${kind} lead in a circle`,
  );
}
