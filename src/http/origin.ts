/** Origins of pages, as browsers write them in the field Origin (RFC 6454). */
import { Authority, effectivePort, type HostAndPort, parseAuthority } from "./authority.ts";

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

/**
 * Returns true for the origin of pages that come from `authority`. A plain connection may be that of a proxy that speaks https to the
 * browser; a TLS one is https to both. `null` is the origin of any sandboxed page, and not ours.
 */
export function isOwnOrigin(origin: string, { host, port }: HostAndPort, secure: boolean): boolean {
  const [, scheme, authority = ""] = /^(https?):\/\/([^/?#@]+)$/.exec(origin) ?? [];
  if (host === "" || (scheme !== "https" && (scheme !== "http" || secure))) return false;
  const bytes = new TextEncoder().encode(authority);
  const own = new Authority();
  if (!parseAuthority(bytes, 0, bytes.length, own) || own.host !== host) return false;
  return effectivePort(own.port, scheme) === effectivePort(port, scheme);
}
