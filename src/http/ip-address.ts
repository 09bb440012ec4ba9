/** Addresses and names of hosts as text: which ones a server can bind, and which ones only this machine reaches. */

const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;

/**
 * RFC 1123 §2.1, in lower case: labels of 1 to 63 letters, digits and inner hyphens, a dot at the end allowed. The last label
 * is not a decimal or hexadecimal number, because a resolver would take the whole for an IPv4 address.
 */
const HOST_NAME =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!(?:[0-9]+|0x[0-9a-f]*)\.?$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?$/;

/** Returns true for an address that only this machine reaches (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3), IPv6 without brackets. */
export function isLoopbackAddress(address: string): boolean {
  return address === "::1" || (address.startsWith("127.") && IPV4.test(address));
}

/**
 * Returns the one spelling of an address or name to bind, so that every later comparison is one of text; undefined for anything else.
 *
 * A resolver also takes `*`, `0`, `127.1` and `0x7f.1`, each for an address that it does not look like; those are refused.
 * IPv6 comes with or without brackets and leaves without, as RFC 5952 writes it. `localhost` binds one family by chance of
 * the resolver, while 127.0.0.1 is joined by ::1, so it means that.
 */
export function normalizeHost(text: string): string | undefined {
  if (text.includes(":")) return normalizeIpv6(/^\[.*\]$/.test(text) ? text.slice(1, -1) : text);
  if (IPV4.test(text)) return text;
  const name = text.toLowerCase();
  if (name === "localhost" || name === "localhost.") return "127.0.0.1";
  return HOST_NAME.test(name) && /[a-z]/.test(name) && name.length <= 253 ? name : undefined;
}

/**
 * Returns an IPv6 address without brackets as RFC 5952 writes it; a zone (RFC 4007 §11) stays. Undefined for anything else,
 * and for an IPv4 address mapped into IPv6.
 */
function normalizeIpv6(text: string): string | undefined {
  const match = /^([0-9a-f:.]+)(%[0-9a-z_.-]+)?$/i.exec(text);
  if (match === null) return undefined;
  const url = URL.parse(`http://[${match[1]}]`);
  const address = url?.hostname.slice(1, -1);
  return address === undefined || address.startsWith("::ffff:") ? undefined : `${address}${match[2] ?? ""}`;
}
