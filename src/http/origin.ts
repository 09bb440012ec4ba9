/** Origins of pages, as browsers write them in the field Origin (RFC 6454). */

/** Stands for every origin where a setting lists origins. */
export const ANY_ORIGIN = "*";

/**
 * Returns the one spelling of an origin (RFC 6454 §6.2): scheme, host in lower case, and the port unless it is the scheme's
 * default. Undefined for anything else; also for `null`, which any sandboxed page can claim.
 */
export function normalizeOrigin(text: string): string | undefined {
  if (text === ANY_ORIGIN) return text;
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s]+\/?$/i.test(text)) return undefined;
  const url = URL.parse(text);
  if (url === null) return undefined;
  // The URL standard gives schemes of extensions and apps no origin, but their pages send one.
  const origin = url.origin === "null" ? text.replace(/\/$/, "").toLowerCase() : url.origin;
  // A browser sends printable ASCII in Origin. An asterisk inside would look like a wildcard and match nothing.
  return /^[!-)+-~]+$/.test(origin) ? origin : undefined;
}
