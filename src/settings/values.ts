/** Values of settings that have a grammar of their own: the problem in one, and its one spelling. */
import { formatFaultRule, parseFaultRule } from "../http/fault.ts";
import { parseFieldLine } from "../http/fields.ts";
import { formatStoreUrl, isStoreUrl, parseStoreUrl } from "../http/store-url.ts";

/** Returns the problem that a parser has returned in place of its result, or null. */
export function problemIn(parsed: string | object): string | null {
  return typeof parsed === "string" ? parsed : null;
}

/** Returns a value that can stand in a field (RFC 9110 §5.5), in ASCII, trimmed; undefined for anything else. */
export function normalizeFieldValue(text: string): string | undefined {
  const value = text.trim();
  return /^[ -~]+$/.test(value) ? value : undefined;
}

/** Returns the name of one file in a folder, or undefined. A dot in front would hide the file. */
export function normalizeFileName(text: string): string | undefined {
  return /^[^./\\][^/\\]{0,254}$/.test(text) ? text : undefined;
}

/** Returns a path that begins with a slash and does not end with one, or "/" for an empty one; undefined for anything else. */
export function normalizePrefix(text: string): string | undefined {
  if (text === "") return text;
  if (!/^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*){0,8}\/?$/.test(text) || text.length > PREFIX_CHARACTERS_MAX)
    return undefined;
  if (/^\/(?:upload|uploads|__server)(?:\/|$)/.test(text)) return undefined;
  return text.length > 1 && text.endsWith("/") ? text.slice(0, -1) : text;
}

/** Returns a prefix without a slash at its end, "" for "/"; undefined for anything else. */
export function normalizeBase(text: string): string | undefined {
  const prefix = normalizePrefix(text);
  return prefix === "/" ? "" : prefix;
}

const PREFIX_CHARACTERS_MAX = 100;

/** Returns `Name: value` with one space, as it is sent. */
export function normalizeFieldLine(line: string): string {
  const field = parseFieldLine(line);
  return typeof field === "string" ? line : field.join(": ");
}

/** Returns a rule with its parameters in one order and in their own units. */
export function normalizeFaultRule(text: string): string {
  const rule = parseFaultRule(text);
  return typeof rule === "string" ? text : formatFaultRule(rule);
}

/** Returns a folder as it is, and an object store in its one spelling; undefined for a URL that names none. */
export function normalizeUploads(text: string): string | undefined {
  if (!isStoreUrl(text)) return text;
  const url = parseStoreUrl(text);
  return url === undefined ? undefined : formatStoreUrl(url);
}
