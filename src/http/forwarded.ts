/**
 * Fields in which a proxy names the client of a request: Forwarded (RFC 7239), and the older X-Forwarded-For, -Proto and -Host.
 *
 * Strategy: both kinds become a list of hops, the nearest last. The client is the rightmost hop whose address is not trusted, and scheme
 * and host are those that the same hop has seen.
 *
 * The rule it guards: each proxy adds to the right of what it received, so a hop is believed only if all hops to its right are trusted.
 * Text that a client has sent stands further left. If both kinds are present, each must say the same.
 */
import { isWhitespace, skipWhitespace } from "./ascii.ts";
import { Authority, formatPeer, type HostAndPort, parseAuthority } from "./authority.ts";
import { parseAddress } from "./ip-address.ts";
import { ParseError } from "./parse-error.ts";

/** Values of the fields; null: absent. Several lines of one field are joined with commas (RFC 9110 §5.3). */
interface ForwardingFields {
  readonly forwarded: string | null;
  readonly xFor: string | null;
  readonly xProto: string | null;
  readonly xHost: string | null;
}

/** A client as the proxies describe it. */
export interface ForwardedClient {
  readonly node: ForwardedNode;
  /** True for https, false for http; null if no hop says, or it is another scheme. */
  readonly secure: boolean | null;
  /** Host as the client sent it, or null. */
  readonly host: ForwardedHost | null;
}

/** The other side of a hop (RFC 7239 §6). */
interface ForwardedNode {
  /** Numeric address, IPv6 without brackets and IPv4 that is mapped into it as IPv4; `unknown`; or a name that begins with `_`. */
  readonly address: string;
  /** Address, with its port if that is known, for logs. */
  readonly text: string;
}

interface ForwardedHost extends HostAndPort {
  /** Text as sent. */
  readonly text: string;
}

/** The word of one proxy about the request that it received. */
interface Hop {
  readonly node: ForwardedNode | null;
  readonly secure: boolean | null;
  readonly host: ForwardedHost | null;
}

/** Node of a hop that does not name its client. */
const UNKNOWN: ForwardedNode = { address: "unknown", text: "unknown" };

/**
 * Finds the client in the fields of a request from a trusted proxy. `isTrusted` tells whether a numeric address is that of a trusted proxy.
 * Returns null if no field is there, and a ParseError if one is malformed, or the two kinds differ.
 */
export function findClient(
  fields: ForwardingFields,
  isTrusted: (address: string) => boolean,
): ForwardedClient | ParseError | null {
  const { forwarded, xFor, xProto, xHost } = fields;
  const hops = forwarded === null ? null : parseForwarded(forwarded);
  if (hops === undefined) return ParseError.ForwardedInvalid;
  const standard = hops === null ? null : clientOf(hops, isTrusted);
  if (xFor === null && xProto === null && xHost === null) return standard;
  const older = findOlder(xFor, xProto, xHost, isTrusted);
  if (older === undefined) return ParseError.XForwardedInvalid;
  return standard === null || isSame(standard, older) ? older : ParseError.ForwardedConflict;
}

function clientOf(hops: readonly Hop[], isTrusted: (address: string) => boolean): ForwardedClient {
  const { node, secure, host } = hops[placeOf(hops, isTrusted)] as Hop;
  return { node: node ?? UNKNOWN, secure, host };
}

/** Returns the place of the client in a list of hops, which is not empty. If all are trusted, the request began at the first one. */
function placeOf(hops: readonly Pick<Hop, "node">[], isTrusted: (address: string) => boolean): number {
  const place = hops.findLastIndex(({ node }) => node === null || !isTrusted(node.address));
  return Math.max(0, place);
}

/** Finds the client in the older fields. Returns undefined if one is malformed. */
function findOlder(
  xFor: string | null,
  xProto: string | null,
  xHost: string | null,
  isTrusted: (address: string) => boolean,
): ForwardedClient | undefined {
  const nodes = xFor === null ? [] : parseList(xFor, parseOlderNode);
  const schemes = xProto === null ? [] : parseList(xProto, (text) => (SCHEME.test(text) ? text : null));
  const hosts = xHost === null ? [] : parseList(xHost, parseHost);
  if (nodes === null || schemes === null || hosts === null) return undefined;
  const place = placeOf(
    nodes.map((node) => ({ node })),
    isTrusted,
  );
  const distance = Math.max(0, nodes.length - 1 - place);
  return {
    node: nodes[place] ?? UNKNOWN,
    secure: securityOf(fromRight(schemes, distance) ?? ""),
    host: fromRight(hosts, distance) ?? null,
  };
}

/**
 * Returns the item at `distance` from the right. A shorter list was begun by a nearer proxy, because most set scheme and host once
 * and leave them: then it is the first item.
 */
function fromRight<Item>(items: readonly Item[], distance: number): Item | undefined {
  return items[Math.max(0, items.length - 1 - distance)];
}

function isSame(one: ForwardedClient, other: ForwardedClient): boolean {
  return (
    one.node.address === other.node.address &&
    one.secure === other.secure &&
    one.host?.host === other.host?.host &&
    one.host?.port === other.host?.port
  );
}

/** Returns true for https, false for http, and null for another scheme, which says nothing to this server. */
function securityOf(scheme: string): boolean | null {
  const lower = scheme.toLowerCase();
  return lower === "https" ? true : lower === "http" ? false : null;
}

/** RFC 3986 §3.1. */
const SCHEME = /^[a-z][a-z0-9+.-]*$/i;

/** token "=" ( token / quoted-string ), from where `lastIndex` is (RFC 7239 §4, RFC 9110 §5.6.4). */
const PAIR =
  /([!#$%&'*+.^_`|~0-9a-z-]+)=(?:([!#$%&'*+.^_`|~0-9a-z-]+)|"((?:[\t !\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t -\x7e\x80-\xff])*)")/iy;

/** White space around a comma, and list members without content (RFC 9110 §5.6.1.2). */
const BETWEEN = /[ \t]*(?:,[ \t]*)*/y;

/** Parses 1#forwarded-element (RFC 7239 §4). Returns undefined if it is malformed. */
function parseForwarded(text: string): readonly Hop[] | undefined {
  const hops: Hop[] = [];
  let at = endOfGap(text, 0);
  while (at < text.length) {
    const pairs = new Map<string, string>();
    for (;;) {
      PAIR.lastIndex = at;
      const pair = PAIR.exec(text);
      if (pair !== null) {
        const name = (pair[1] as string).toLowerCase();
        // Each parameter occurs at most once in an element.
        if (pairs.has(name)) return undefined;
        pairs.set(name, pair[2] ?? (pair[3] as string).replace(/\\(.)/gs, "$1"));
        at = PAIR.lastIndex;
      }
      if (text[at] !== ";") break;
      at++;
    }
    const end = endOfGap(text, at);
    if (end < text.length && !text.slice(at, end).includes(",")) return undefined;
    const hop = hopOf(pairs);
    if (hop === undefined) return undefined;
    hops.push(hop);
    at = end;
  }
  return hops.length === 0 ? undefined : hops;
}

/** Returns the end of the commas and white space that begin at `at`. */
function endOfGap(text: string, at: number): number {
  BETWEEN.lastIndex = at;
  return BETWEEN.test(text) ? BETWEEN.lastIndex : at;
}

/** Reads the parameters of RFC 7239 §5; further ones are extensions (§5.5). Returns undefined if one is malformed. */
function hopOf(pairs: ReadonlyMap<string, string>): Hop | undefined {
  const by = pairs.get("by");
  const from = pairs.get("for");
  const scheme = pairs.get("proto");
  const authority = pairs.get("host");
  const node = from === undefined ? null : parseNode(from);
  const host = authority === undefined ? null : parseHost(authority);
  const isSound =
    (by === undefined || parseNode(by) !== null) &&
    (from === undefined || node !== null) &&
    (scheme === undefined || SCHEME.test(scheme)) &&
    (authority === undefined || host !== null);
  return isSound ? { node, secure: securityOf(scheme ?? ""), host } : undefined;
}

/** nodename [ ":" node-port ] (RFC 7239 §6); an IPv6 address stands in brackets. */
const NODE = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)|(unknown)|(_[0-9a-z._-]+))(?::([0-9]{1,5}|_[0-9a-z._-]+))?$/i;

const PORT_MAX = 65_535;

function parseNode(text: string): ForwardedNode | null {
  const [, ipv6, ipv4, unknown, name, port = ""] = NODE.exec(text) ?? [];
  if (Number(port) > PORT_MAX) return null;
  const numeric = ipv6 ?? ipv4;
  // The pattern lets an address without a colon into the brackets.
  if (numeric !== undefined) return ipv6?.includes(":") === false ? null : nodeOf(parseAddress(numeric)?.text, port);
  return nodeOf(unknown?.toLowerCase() ?? name, port);
}

/** No text of a node: it is malformed. An obfuscated port is shown as it is. */
function nodeOf(address: string | undefined, port: string): ForwardedNode | null {
  if (address === undefined) return null;
  const isName = port.startsWith("_");
  const text = formatPeer(address, port === "" || isName ? -1 : Number(port));
  return { address, text: isName ? `${text}:${port}` : text };
}

/** Parses a member of X-Forwarded-For, which has an IPv6 address with or without brackets. */
function parseOlderNode(text: string): ForwardedNode | null {
  const isBareIpv6 = text.indexOf(":") !== text.lastIndexOf(":") && !text.startsWith("[");
  return parseNode(isBareIpv6 ? `[${text}]` : text);
}

function parseHost(text: string): ForwardedHost | null {
  const bytes = new TextEncoder().encode(text);
  if (!parseAuthority(bytes, 0, bytes.length, authority)) return null;
  return { host: authority.host, port: authority.port, text };
}

/** Filled anew by each parse; it remembers the last text, because proxies repeat themselves. */
const authority = new Authority();

/** Parses members between commas, at least one. Returns null if one is malformed. */
function parseList<Item>(text: string, parse: (member: string) => Item | null): readonly Item[] | null {
  const items: Item[] = [];
  for (const member of text.split(",")) {
    const trimmed = trimSpace(member);
    if (trimmed === "") continue;
    const item = parse(trimmed);
    if (item === null) return null;
    items.push(item);
  }
  return items.length === 0 ? null : items;
}

/** A pattern would look for the end of each run of white space again and again. */
function trimSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isWhitespace(text.charCodeAt(end - 1))) end--;
  return text.slice(skipWhitespace(text, 0), end);
}
