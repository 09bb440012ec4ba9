/** Networks of addresses, in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3). */
import { formatIpv6, type NumericAddress, parseAddress } from "./ip-address.ts";

/** One network, IPv4 or IPv6. */
export interface Network {
  /** Its lowest address. */
  readonly base: NumericAddress;
  /** Leading bits that addresses in it share, of 128: IPv4 counts as mapped into IPv6. */
  readonly bits: number;
}

const IPV4_BITS = 32;
const IPV6_BITS = 128;

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32`, or one address. Returns the problem as the end of a sentence for anything else, also for a network
 * that is named by another address than its lowest.
 */
export function parseNetwork(text: string): Network | string {
  const [, name = "", length] = /^([0-9a-f:.]+)(?:\/(0|[1-9][0-9]{0,2}))?$/i.exec(text) ?? [];
  const base = parseAddress(name);
  if (base === null) return "expected an address, or a network such as 10.0.0.0/8";
  // A mapped network has to say 96 bits more than it means.
  if (base.isIpv4 && name.includes(":")) return `expected ${base.text}${ipv4Length(length)}, as IPv4`;
  const most = base.isIpv4 ? IPV4_BITS : IPV6_BITS;
  const own = length === undefined ? most : Number(length);
  if (own > most) return `expected at most ${most} bits`;
  const bits = own + IPV6_BITS - most;
  const lowest = base.groups.map((group, i) => group & maskOf(bits, i));
  if (lowest.some((group, i) => group !== base.groups[i])) return `expected ${named(lowest, base.isIpv4)}/${own}`;
  return { base, bits };
}

/** Returns the length of a mapped network as one of IPv4 writes it; nothing where there is none. */
function ipv4Length(length: string | undefined): string {
  const bits = length === undefined ? -1 : Number(length) - (IPV6_BITS - IPV4_BITS);
  return bits < 0 || bits > IPV4_BITS ? "" : `/${bits}`;
}

/** Writes a network in its one spelling; that of one address without its length. */
export function formatNetwork({ base, bits }: Network): string {
  return bits === IPV6_BITS ? base.text : `${base.text}/${base.isIpv4 ? bits - (IPV6_BITS - IPV4_BITS) : bits}`;
}

/** Returns true if `address` lies in `network`. IPv4 addresses lie in networks of IPv4 alone. */
export function isWithin(address: NumericAddress, { base, bits }: Network): boolean {
  if (address.isIpv4 !== base.isIpv4) return false;
  return base.groups.every((group, i) => ((address.groups[i] as number) & maskOf(bits, i)) === group);
}

/** Returns the bits of group `index` that belong to the first `bits` of an address. */
function maskOf(bits: number, index: number): number {
  const own = Math.max(0, Math.min(16, bits - 16 * index));
  return (0xffff << (16 - own)) & 0xffff;
}

function named(groups: readonly number[], isIpv4: boolean): string {
  const text = formatIpv6(groups);
  return isIpv4 ? text.slice("::ffff:".length) : text;
}
