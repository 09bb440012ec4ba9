/** Cookies as go-httpbin reads and sets them (RFC 6265). */
import type { FieldLine } from "../../http/fields.ts";
import type { Request } from "../../http/message.ts";
import { sorted } from "./answers.ts";
import { utf8Of } from "./echo.ts";
import type { Values } from "./form.ts";

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Returns the cookies of a request. A pair whose name is not a token is left out, and the last of two counts. */
export function cookiesOf({ head }: Request): Readonly<Record<string, string>> {
  const cookies = new Map<string, string>();
  for (const [field, line] of head.lines()) {
    if (field.toLowerCase() !== "cookie") continue;
    for (const pair of line.split(";")) {
      const equals = pair.indexOf("=");
      const name = pair.slice(0, equals === -1 ? undefined : equals).trim();
      const value = equals === -1 ? "" : pair.slice(equals + 1).trim();
      if (TOKEN.test(name)) cookies.set(name, utf8Of(/^"(.*)"$/.exec(value)?.[1] ?? value));
    }
  }
  return sorted(cookies);
}

/** Time since which a deleted cookie is over: a year. */
const AGO_MS = 365 * 24 * 3_600_000;

/** Deletes cookies; `nowMs` is the time in milliseconds since 1970. */
interface Deletion {
  readonly nowMs: number;
}

/**
 * Returns a Set-Cookie line for each pair of a query, or the mistake in a name. Pairs such as `attr[Path]=/here` are attributes of all
 * of them.
 */
export function setCookies(args: Values, secure: boolean, deletion: Deletion | null): FieldLine[] | string {
  const attributes = attributesOf(args, secure, deletion);
  const lines: FieldLine[] = [];
  for (const [name, [value = ""]] of args) {
    if (ATTRIBUTE.test(name)) continue;
    if (!TOKEN.test(name)) return `invalid cookie name: expected letters, digits and any of !#$%&'*+-.^_\`|~`;
    lines.push(["Set-Cookie", `${name}=${cookieValue(value)}${attributes}`]);
  }
  return lines;
}

const ATTRIBUTE = /^attr\[(.*)\]$/;

function attributesOf(args: Values, secure: boolean, deletion: Deletion | null): string {
  const given = new Map<string, string>();
  for (const [name, [value = ""]] of args) {
    const attribute = ATTRIBUTE.exec(name)?.[1];
    if (attribute !== undefined) given.set(attribute.toLowerCase(), value);
  }
  const parts = [`; Path=${attributeValue(given.get("path") ?? "/")}`];
  const domain = attributeValue(given.get("domain") ?? "");
  if (domain !== "") parts.push(`; Domain=${domain}`);
  if (deletion !== null) parts.push(`; Expires=${new Date(deletion.nowMs - AGO_MS).toUTCString()}; Max-Age=0`);
  if (isOn(given.get("httponly"), true)) parts.push("; HttpOnly");
  if (isOn(given.get("secure"), secure)) parts.push("; Secure");
  const [, sameSite = ""] = /^(strict|lax|none)$/i.exec(given.get("samesite") ?? "") ?? [];
  if (sameSite !== "") parts.push(`; SameSite=${sameSite.charAt(0).toUpperCase()}${sameSite.slice(1).toLowerCase()}`);
  return parts.join("");
}

function isOn(value: string | undefined, otherwise: boolean): boolean {
  return value === undefined ? otherwise : value === "1" || value.toLowerCase() === "true";
}

/** Returns the characters that a cookie may have (RFC 6265 §4.1.1), as Go does; in quotes if a space or a comma is among them. */
function cookieValue(value: string): string {
  const allowed = value.replace(/[^\x20-\x7e]|["\\;]/g, "");
  return /[ ,]/.test(allowed) ? `"${allowed}"` : allowed;
}

function attributeValue(value: string): string {
  return value.replace(/[^\x20-\x7e]|;/g, "").trim();
}
