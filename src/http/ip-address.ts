/**
 * Addresses and names of hosts: their grammar and one spelling, which ones a server can bind, and which ones only this machine
 * reaches.
 */
import { CLASS, COLON, DOT, HEX_DIGIT, HEX_VALUE, latin1Text } from "./ascii.ts";

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

/** Returns true for an IP literal of an authority (RFC 3986 §3.2.2) in its one spelling, IPv6 in brackets. */
export function isIpLiteral(host: string): boolean {
  return host.startsWith("[") || IPV4.test(host);
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
  const bytes = new TextEncoder().encode(match[1]);
  const address = parseIpv6(bytes, 0, bytes.length);
  return address === null || address.startsWith("::ffff:") ? undefined : `${address}${match[2] ?? ""}`;
}

const GROUPS = 8;

/** Groups before those of an IPv4 address that is mapped into IPv6 (RFC 4291 §2.5.5.2). */
const MAPPED: readonly number[] = [0, 0, 0, 0, 0, 0xffff];

/** A numeric address in its one spelling. */
export interface NumericAddress {
  /** IPv6 without brackets, as RFC 5952 writes it. */
  readonly text: string;
  /** Eight groups of 16 bits; those of IPv4 as if it were mapped into IPv6. */
  readonly groups: readonly number[];
  readonly isIpv4: boolean;
}

/**
 * Reads a numeric address, IPv6 without brackets. An IPv4 address that is mapped into IPv6 is that IPv4 address. Returns null for
 * anything else.
 */
export function parseAddress(text: string): NumericAddress | null {
  const groups = text.includes(":") ? readIpv6(new TextEncoder().encode(text), 0, text.length) : ipv4Groups(text);
  if (groups === null) return null;
  const isIpv4 = MAPPED.every((group, i) => groups[i] === group);
  return { text: isIpv4 ? formatIpv4(groups) : formatIpv6(groups), groups, isIpv4 };
}

function ipv4Groups(text: string): number[] | null {
  if (!IPV4.test(text)) return null;
  const [a = 0, b = 0, c = 0, d = 0] = text.split(".").map(Number);
  return [...MAPPED, a * 256 + b, c * 256 + d];
}

/**
 * Returns the IPv6address of RFC 3986 §3.2.2 in bytes[start, end) as RFC 5952 writes it, or null when it is malformed. Zone
 * identifiers and IPvFuture are refused: neither means anything to a server.
 */
export function parseIpv6(bytes: Uint8Array, start: number, end: number): string | null {
  const groups = readIpv6(bytes, start, end);
  return groups === null ? null : formatIpv6(groups);
}

/** Returns the eight groups of the IPv6address in bytes[start, end), or null. */
function readIpv6(bytes: Uint8Array, start: number, end: number): number[] | null {
  const groups: number[] = [];
  let gapAt = -1;
  let pos = start;
  if (bytes[pos] === COLON) {
    if (pos + 1 >= end || bytes[pos + 1] !== COLON) return null;
    gapAt = 0;
    pos += 2;
  }
  // Each turn reads one group; behind a group stands the end, or a colon that another group or a "::" must follow.
  while (pos < end) {
    const groupStart = pos;
    let value = 0;
    while (pos < end && pos - groupStart < 4 && ((CLASS[bytes[pos] as number] as number) & HEX_DIGIT) !== 0) {
      value = value * 16 + (HEX_VALUE[bytes[pos] as number] as number);
      pos++;
    }
    if (pos === groupStart || groups.length === GROUPS) return null;
    if (pos < end && bytes[pos] === DOT) {
      if (!readIpv4(bytes, groupStart, end, groups)) return null;
      pos = end;
      break;
    }
    groups.push(value);
    if (pos === end) break;
    if (bytes[pos] !== COLON) return null;
    pos++;
    if (pos === end) return null;
    if (bytes[pos] === COLON) {
      if (gapAt >= 0) return null;
      gapAt = groups.length;
      pos++;
    }
  }
  if (gapAt < 0 ? groups.length !== GROUPS : groups.length >= GROUPS) return null;
  while (groups.length < GROUPS) groups.splice(gapAt, 0, 0);
  return groups;
}

/** Reads the IPv4 address in bytes[start, end) as two more groups. Returns false when it is malformed or has no room. */
function readIpv4(bytes: Uint8Array, start: number, end: number, groups: number[]): boolean {
  const text = latin1Text(bytes, start, end);
  const mapped = ipv4Groups(text);
  if (mapped === null) return false;
  groups.push(...mapped.slice(MAPPED.length));
  return groups.length <= GROUPS;
}

/** Writes eight groups as RFC 5952 §4 does, and §5 for addresses that hold an IPv4 one. */
export function formatIpv6(groups: readonly number[]): string {
  if (MAPPED.every((group, i) => groups[i] === group)) return `::ffff:${formatIpv4(groups)}`;
  // The longest run of two or more zero groups becomes "::", the first of equals.
  let longestAt = -1;
  let longest = 1;
  for (let i = 0; i < GROUPS; i++) {
    let length = 0;
    while (i + length < GROUPS && groups[i + length] === 0) length++;
    if (length > longest) {
      longest = length;
      longestAt = i;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (longestAt < 0) return hex.join(":");
  return `${hex.slice(0, longestAt).join(":")}::${hex.slice(longestAt + longest).join(":")}`;
}

/** Writes the IPv4 address in the last two groups. */
function formatIpv4(groups: readonly number[]): string {
  const [high = 0, low = 0] = groups.slice(MAPPED.length);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
