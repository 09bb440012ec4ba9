/**
 * Fields that every answer has, whatever it is: the operator's own, the security preset, what CORS says to everybody. They
 * become part of the prepared beginnings of heads (`HeadStarts`), so a request pays for their bytes alone.
 */
import { type FieldLines, Fields, parseFieldLine } from "../http/fields.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { corsFields } from "./cors.ts";

/** Returns them in the order in which they are sent, with `further` lines behind them. */
export function fixedFields(settings: FixedFieldsSettings, further: FieldLines = []): Fields {
  return Fields.of([...linesOf(settings), ...further]);
}

/**
 * Returns the fields of the server's own endpoints: all but a policy for scripts and styles. The operator wrote that for the
 * site's pages, and our pages bring their own. A browser would keep to both.
 */
export function endpointFields(settings: FixedFieldsSettings, further: FieldLines): Fields {
  const lines = linesOf(settings).filter(([name]) => name.toLowerCase() !== "content-security-policy");
  return Fields.of([...lines, ...further]);
}

type FixedFieldsSettings = Pick<ServerSettings, "headers" | "securityHeaders" | "cors">;

/** A field of the operator's takes the place of the preset's of the same name. */
function linesOf(settings: FixedFieldsSettings): FieldLines {
  const own = settings.headers.map(fieldOf);
  const names = new Set(own.map(([name]) => name.toLowerCase()));
  const preset = settings.securityHeaders ? SECURITY_FIELDS.filter(([name]) => !names.has(name.toLowerCase())) : [];
  return [...own, ...preset, ...corsFields(settings.cors)];
}

/**
 * What protects every site and breaks no ordinary one: other sites cannot show ours in a frame and have it clicked (the old
 * field for browsers before 2018), and learn the origin alone of a page that links to them.
 *
 * Left out on purpose: a policy for scripts and styles, which only the site's author can write (`--header`);
 * Cross-Origin-Resource-Policy and -Embedder-Policy, which stop pictures that are shown elsewhere or come from there;
 * Cross-Origin-Opener-Policy, of which browsers complain on each page without TLS; Permissions-Policy, because what it
 * would take from frames of other sites they do not have by default, and a map may ask where its reader is;
 * X-XSS-Protection, which is dead.
 */
const SECURITY_FIELDS: FieldLines = [
  ["Content-Security-Policy", "frame-ancestors 'self'"],
  ["X-Frame-Options", "SAMEORIGIN"],
  ["Referrer-Policy", "strict-origin-when-cross-origin"],
];

function fieldOf(line: string): FieldLines[number] {
  const field = parseFieldLine(line);
  if (typeof field === "string") throw new Error(`unchecked field line: ${field}`); // Our own mistake: `resolveServerSettings` checks.
  return field;
}
