/**
 * Fields that every response has: the operator's own, the security preset, and the part of CORS that is the same for
 * all. They become part of the prepared response heads (`HeadStarts`), so a request pays for their bytes alone.
 */
import { type FieldLines, Fields, parseFieldLine } from "../http/fields.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { corsFields } from "./cors.ts";
import { type Layer, markingLayer } from "./mount.ts";

/** Returns the fields in the order in which they are sent, followed by `further` lines. */
export function fixedFields(settings: FixedFieldsSettings, further: FieldLines = []): Fields {
  return Fields.of([...linesOf(settings), ...further]);
}

/**
 * Returns the fields of the server's own endpoints: all but a policy for scripts and styles. The operator wrote that
 * policy for the site's pages, and our pages bring their own. A browser would apply both.
 */
export function endpointFields(settings: FixedFieldsSettings, further: FieldLines): Fields {
  const lines = linesOf(settings).filter(([name]) => name.toLowerCase() !== "content-security-policy");
  return Fields.of([...lines, ...further]);
}

/**
 * Returns a test for the names of fields, in lower case, that a flag sets for every response: an answer that the operator has written
 * down does not send them again. Lines of Vary add up (RFC 9110 §12.5.5).
 */
export function setByFlags(settings: FixedFieldsSettings): (name: string) => boolean {
  const names = new Set(linesOf(settings).map(([name]) => name.toLowerCase()));
  names.delete("vary");
  const hasCors = settings.cors.length > 0;
  return (name) => names.has(name) || (hasCors && name.startsWith("access-control-"));
}

/** Returns the field with which a response over https asks for https in the future (RFC 6797 §6.1), if the settings want it. */
export function strictTransport({ hstsMs }: Pick<ServerSettings, "hstsMs">): FieldLines {
  return hstsMs === 0 ? [] : [["Strict-Transport-Security", `max-age=${Math.floor(hstsMs / 1000)}`]];
}

/**
 * Returns a layer that adds this field to responses on plain connections of a proxy, where the proxy says that its client has used https.
 * On connections over TLS every response has it.
 */
export function strictTransportLayer(settings: Pick<ServerSettings, "hstsMs" | "tlsCert" | "tlsSelfSigned">): Layer {
  const field = Fields.of(strictTransport(settings));
  const speaksTls = settings.tlsCert !== "" || settings.tlsSelfSigned;
  return markingLayer((request, response) => {
    if (request === null || !request.secure) return response;
    const hasIt = speaksTls && (request.relay === null || request.relay.secure);
    return hasIt ? response : { ...response, fields: field.followedBy(response.fields) };
  });
}

export type FixedFieldsSettings = Pick<ServerSettings, "headers" | "securityHeaders" | "cors">;

/** A field of the operator replaces the preset's field of that name. */
function linesOf(settings: FixedFieldsSettings): FieldLines {
  const own = settings.headers.map(fieldOf);
  const names = new Set(own.map(([name]) => name.toLowerCase()));
  const preset = settings.securityHeaders ? SECURITY_FIELDS.filter(([name]) => !names.has(name.toLowerCase())) : [];
  return [...own, ...preset, ...corsFields(settings.cors)];
}

/**
 * Protects every site and breaks no ordinary one. Other sites cannot show ours in a frame and have it clicked (the
 * older field is for browsers before 2018). They learn only the origin of a page that links to them.
 *
 * Left out on purpose: a policy for scripts and styles, which only the site's author can write (`--header`);
 * Cross-Origin-Resource-Policy and -Embedder-Policy, which stop pictures that are shown on or come from other sites;
 * Cross-Origin-Opener-Policy, about which browsers complain on each page without TLS; Permissions-Policy, because
 * frames of other sites do not have those permissions by default, and a map may ask for the reader's position;
 * X-XSS-Protection, which browsers no longer use.
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
