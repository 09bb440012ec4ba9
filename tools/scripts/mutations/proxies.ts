/** Weakened rules about proxies in front. */
import { gone, type Mutation, swap } from "./mutation.ts";

const FORWARDED = "http/forwarded.ts";
const HEADER = "http/proxy-header.ts";
const NETWORK = "http/network.ts";
const FORWARDING = "exchange/forwarding.ts";

export const PROXY_MUTATIONS: readonly Mutation[] = [
  swap(FORWARDED, "the rightmost that is not trusted", "hops.findLastIndex(", "hops.findIndex("),
  swap(
    FORWARDED,
    "a hop without a client ends the search",
    "node === null || !isTrusted",
    "node !== null && !isTrusted",
  ),
  swap(FORWARDED, "both kinds agree", "standard === null || isSame(standard, older)", "true"),
  swap(FORWARDED, "both kinds agree about the scheme", "one.secure === other.secure &&", ""),
  gone(FORWARDED, "each parameter once", "if (pairs.has(name)) return undefined;"),
  swap(FORWARDED, "a comma between elements", '!text.slice(at, end).includes(",")', "false"),
  gone(FORWARDED, "a bound on ports", "if (Number(port) > PORT_MAX) return null;"),
  swap(FORWARDED, "IPv6 in brackets alone", 'ipv6?.includes(":") === false', "false"),
  swap(FORWARDED, "a list of schemes is counted from the right", "items.length - 1 - distance", "0"),
  swap(FORWARDED, "at least one element", "return hops.length === 0 ? undefined : hops;", "return hops;"),
  swap(FORWARDED, "by is a node", "(by === undefined || parseNode(by) !== null) &&", ""),
  swap(FORWARDING, "only trusted peers are heard", "if (!this.has(request.address)) return null;", ""),
  swap(NETWORK, "families are apart", "if (address.isIpv4 !== base.isIpv4) return false;", ""),
  swap(
    HEADER,
    "each byte of the start",
    'if (bytes[i] !== start[i]) return "the first bytes are no PROXY header";',
    "",
  ),
  swap(HEADER, "CR before LF", 'if (bytes[end - 1] !== CR) return "the line does not end with CR LF";', ""),
  swap(HEADER, "the family of an address", 'text.includes(":") === (family === "6")', "true"),
  swap(HEADER, "version 2 alone", "version >> 4 !== 2 || ", ""),
  swap(HEADER, "known commands", " || command > PROXY", ""),
  swap(HEADER, "a bound on the length", "if (length > PROXY_HEADER_BYTES_MAX)", "if (length < 0)"),
  gone(
    HEADER,
    "room for the addresses",
    'if (command === PROXY && length < partsStart) return "the header is too short for its addresses";',
  ),
  gone(HEADER, "parts end within", "if (valueEnd > end) return null;"),
];
