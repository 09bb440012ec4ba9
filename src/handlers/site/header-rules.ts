/**
 * The rules of `_headers`: a path on a line of its own, and below it `Name: value` to set a field, or `! Name` to leave one out. All rules
 * whose path matches apply, in their order. docs/site.md has the grammar beside those of the hosts. Pure.
 *
 * The rule it guards: no file of the folder frames a message, ends a connection, or changes what conditions and ranges are compared with.
 */
import { quote } from "../../http/escape.ts";
import { type FieldLine, type FieldLines, isFieldLine, serverReason } from "../../http/fields.ts";
import { type PathRule, parsePathRule, Template, type Values } from "./path-rule.ts";
import { type RuleLine, RuleMistake, ruleLines } from "./rule-lines.ts";

/** Characters of a line: the bound of Cloudflare's documentation for this file. */
const LINE_CHARACTERS_MAX = 2000;

/** Paths without and with placeholders, as in `_redirects`. Cloudflare takes 100 in all, and Netlify names no bound. */
const STATIC_RULES_MAX = 2000;
const DYNAMIC_RULES_MAX = 100;

/** Characters of all lines that the rules set in one response: with the server's own fields, twice what clients take (Node: 16 KiB). */
const SET_CHARACTERS_MAX = 24_576;

interface HeaderRule {
  readonly path: PathRule;
  /** In lower case. */
  readonly left: string[];
  readonly set: { readonly name: string; readonly value: Template }[];
}

/** A rule that matches, with its values. */
interface Applied {
  readonly rule: HeaderRule;
  readonly values: Values;
}

export class HeaderRules {
  readonly #rules: readonly HeaderRule[];

  constructor(rules: readonly HeaderRule[]) {
    this.#rules = rules;
  }

  /**
   * Returns the lines of a response after the rules for a path, decoded; null if none matches. `isKept` tells whether a line with this name
   * is not the rules' to set. Lines beyond the bound are left out.
   */
  apply(path: string, lines: FieldLines, isKept: (name: string) => boolean): FieldLines | null {
    const segments = path.split("/");
    const applied: Applied[] = [];
    for (const rule of this.#rules) {
      const isOther = rule.path.literal !== null && rule.path.literal !== path;
      const values = isOther ? null : rule.path.match(path, segments);
      if (values !== null) applied.push({ rule, values });
    }
    return applied.length === 0 ? null : changed(lines, applied, isKept);
  }
}

function changed(lines: FieldLines, applied: readonly Applied[], isKept: (name: string) => boolean): FieldLines {
  let result: FieldLine[] = [...lines];
  let left = SET_CHARACTERS_MAX;
  const set = new Set<string>();
  for (const { rule, values } of applied) {
    result = result.filter(([name]) => !rule.left.includes(name.toLowerCase()) || isKept(name));
    for (const { name, value } of rule.set) {
      // A value that is empty may leave white space at an end, where a field has none (RFC 9110 §5.5).
      const filled = value.fill(values, left)?.trim() ?? null;
      if (filled === null || isKept(name)) continue;
      left -= name.length + filled.length;
      const key = name.toLowerCase();
      result = set.has(key) || key === "vary" ? joined(result, name, filled) : replaced(result, name, filled);
      set.add(key);
    }
  }
  return result;
}

/** Returns the lines with a new one in the place of all that have its name. */
function replaced(lines: readonly FieldLine[], name: string, value: string): FieldLine[] {
  return [...lines.filter(([other]) => other.toLowerCase() !== name.toLowerCase()), [name, value]];
}

/** Returns the lines with a further value. Each cookie has a line of its own (RFC 6265 §3); other values make a list. */
function joined(lines: readonly FieldLine[], name: string, value: string): FieldLine[] {
  const key = name.toLowerCase();
  const at = key === "set-cookie" ? -1 : lines.findIndex(([other]) => other.toLowerCase() === key);
  const first = lines[at];
  return first === undefined ? [...lines, [name, value]] : lines.with(at, [first[0], `${first[1]}, ${value}`]);
}

/** Returns the rules of a file, or the first mistake in it. */
export function parseHeaders(bytes: Uint8Array): HeaderRules | RuleMistake {
  const lines = ruleLines(bytes, LINE_CHARACTERS_MAX);
  if (lines instanceof RuleMistake) return lines;
  const rules: HeaderRule[] = [];
  let dynamicRules = 0;
  let pathLine: RuleLine | null = null;
  for (const line of lines) {
    const rule = rules.at(-1);
    if (!isPath(line.text)) {
      const mistake =
        rule === undefined ? "expected a path that begins with / before the first field" : addField(rule, line.text);
      if (mistake !== null) return new RuleMistake(line.number, mistake);
      continue;
    }
    if (rule !== undefined && isEmpty(rule)) return noField(pathLine);
    const path = /^\//.test(line.text) ? parsePathRule(line.text) : HOST_IN_PATH;
    if (typeof path === "string") return new RuleMistake(line.number, path);
    if (path.literal === null) dynamicRules++;
    if (dynamicRules > DYNAMIC_RULES_MAX || rules.length - dynamicRules >= STATIC_RULES_MAX) {
      return new RuleMistake(
        line.number,
        `expected at most ${STATIC_RULES_MAX} paths, and ${DYNAMIC_RULES_MAX} with * or a placeholder`,
      );
    }
    rules.push({ path, left: [], set: [] });
    pathLine = line;
  }
  const last = rules.at(-1);
  return last !== undefined && isEmpty(last) ? noField(pathLine) : new HeaderRules(rules);
}

const HOST_IN_PATH = "expected a path without a host: a rule is for every host that the site answers for";

function isPath(text: string): boolean {
  return /^(?:\/|[a-z][a-z0-9+.-]*:\/\/)/i.test(text);
}

function isEmpty({ left, set }: HeaderRule): boolean {
  return left.length + set.length === 0;
}

function noField(line: RuleLine | null): RuleMistake {
  return new RuleMistake(line?.number ?? 0, "expected a field below this path: Name: value, or ! Name");
}

/** Adds the field of a line to a rule. Returns the mistake in it, or null. */
function addField(rule: HeaderRule, text: string): string | null {
  const left = /^![ \t]+([^ \t:]+)$/.exec(text)?.[1];
  if (left !== undefined) {
    if (!isFieldLine(left, "")) return `expected the name of a field after !, got ${quote(left)}`;
    const reason = serverReason(left) ?? REASONS.get(left.toLowerCase());
    if (reason !== undefined) return `${left} cannot be left out: ${reason}`;
    rule.left.push(left.toLowerCase());
    return null;
  }
  const colon = text.indexOf(":");
  if (colon <= 0) return "expected a field line, 'Name: value', or '! Name'";
  const name = text.slice(0, colon).trimEnd();
  const value = text.slice(colon + 1).trimStart();
  if (!isFieldLine(name, value) || value === "" || /[^\t -~]/.test(value)) {
    return "expected a field line, 'Name: value', of a token and printable ASCII";
  }
  const reason = serverReason(name) ?? REASONS.get(name.toLowerCase()) ?? VALIDATOR_REASONS.get(name.toLowerCase());
  if (reason !== undefined) return `${name} cannot be set: ${reason}`;
  if (!rule.path.names.has("splat") && /:splat\b/.test(value)) return "expected * in the path: the value has :splat";
  rule.set.push({ name, value: new Template(value, rule.path.names, () => "plainest") });
  return null;
}

/** Fields that rules neither set nor leave out, beside those that only the server writes. Netlify ignores lines with them, too. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ["content-encoding", "--precompressed and --compress decide about it"],
  ["content-range", "it belongs to the part that was asked for"],
  ["location", "redirects are rules of _redirects"],
  ["allow", "it belongs to refused methods"],
  ["age", "it belongs to caches"],
  ["alt-svc", "it would lead clients to another server"],
  ["www-authenticate", "--basic-auth sends it"],
  ["proxy-authenticate", "this is no proxy"],
]);

/** Fields that rules may leave out, but not set. */
const VALIDATOR_REASONS: ReadonlyMap<string, string> = new Map([
  ["etag", "the server compares it with requests"],
  ["last-modified", "the server compares it with requests"],
  ["accept-ranges", "the server knows which ranges it serves"],
]);
