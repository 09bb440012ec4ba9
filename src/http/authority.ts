/**
 * Host and authority: uri-host [ ":" port ] (RFC 9110 §7.2, RFC 3986 §3.2), checked by its grammar and brought to one
 * spelling, so that comparing two is comparing text.
 *
 * Strategy: plain registered names and IPv4 addresses in one pass; brackets take the slow way through a full IPv6 parse. A
 * connection mostly repeats its Host, so an Authority remembers the bytes it was last made from and makes no new text for them.
 *
 * Rule it guards: a host that passes a check is the host that is used. Two spellings of one host, or lists, do not exist.
 */
import {
  CLASS,
  COLON,
  COMMA,
  DIGIT,
  DIGIT_0,
  DOT,
  HEX_DIGIT,
  LBRACKET,
  latin1Text,
  PERCENT,
  RBRACKET,
  URI_HOST_CHAR,
} from "./ascii.ts";
import { parseIpv6 } from "./ip-address.ts";

/** Longest uri-host with its port, bytes: a DNS name has at most 255, a port six with its colon. */
const AUTHORITY_BYTES_MAX = 261;

const PORT_DIGITS_MAX = 5;
const PORT_MAX = 65535;

/** A validated authority as its readers see it. */
export interface HostAndPort {
  /** In lower case, one trailing dot removed, IPv6 in brackets and as RFC 5952 writes it; "" when there is none. */
  readonly host: string;
  /** 0 to 65535, or -1 when absent or empty: the scheme's default. */
  readonly port: number;
}

/** A validated authority. One per target, filled again for each that is parsed. */
export class Authority implements HostAndPort {
  host: string;
  port: number;
  /** The bytes that `host` and `port` were made from, to recognise them; 0 of them when none. */
  readonly #raw: Uint8Array;
  #rawLength: number;

  constructor() {
    this.host = "";
    this.port = -1;
    this.#raw = new Uint8Array(AUTHORITY_BYTES_MAX);
    this.#rawLength = 0;
  }

  reset(): void {
    this.host = "";
    this.port = -1;
    this.#rawLength = 0;
  }

  /** Sets host and port from bytes[start, end), which were parsed. */
  set(bytes: Uint8Array, start: number, end: number, host: string, port: number): void {
    this.host = host;
    this.port = port;
    this.#rawLength = end - start;
    for (let i = 0; i < this.#rawLength; i++) this.#raw[i] = bytes[start + i] as number;
  }

  /** True when this authority was made from the very bytes in [start, end). */
  isMadeFrom(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length === 0 || length !== this.#rawLength) return false;
    for (let i = 0; i < length; i++) if (this.#raw[i] !== bytes[start + i]) return false;
    return true;
  }
}

/**
 * Reads uri-host [ ":" port ] from bytes[start, end). Returns false, and empties `authority`, when it is malformed. An empty
 * port ("host:") is within the grammar and means no port; a comma is too, but always is a list by mistake, so it is refused.
 * A percent escape must be complete and stays as it is: a host has no second spelling.
 */
export function parseAuthority(bytes: Uint8Array, start: number, end: number, authority: Authority): boolean {
  if (authority.isMadeFrom(bytes, start, end)) return true;
  authority.reset();
  if (start === end || end - start > AUTHORITY_BYTES_MAX) return false;
  const isLiteral = bytes[start] === LBRACKET;
  const hostEnd = isLiteral ? literalEnd(bytes, start, end) : regNameEnd(bytes, start, end);
  if (hostEnd <= start) return false;
  const port = readPort(bytes, hostEnd, end);
  if (port < -1) return false;
  const host = isLiteral ? literalText(bytes, start, hostEnd) : regNameText(bytes, start, hostEnd);
  if (host === null) return false;
  authority.set(bytes, start, end, host, port);
  return true;
}

/** Writes an address and its port as one text: `127.0.0.1:50000`, `[::1]:50000`. A port of -1 is not known, and left out. */
export function formatPeer(address: string, port: number): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return port < 0 ? host : `${host}:${port}`;
}

/** Returns the address in the result of `formatPeer`, without brackets. The port may be missing. */
export function addressOf(peer: string): string {
  if (peer.charCodeAt(0) === LBRACKET) return peer.slice(1, peer.indexOf("]"));
  const colon = peer.indexOf(":");
  return colon < 0 ? peer : peer.slice(0, colon);
}

/** Port that an authority means under a scheme (RFC 9110 §4.2.1, §4.2.2). */
export function effectivePort(port: number, scheme: "http" | "https"): number {
  return port >= 0 ? port : scheme === "https" ? 443 : 80;
}

/** End of a reg-name or IPv4 address: at the first colon or the end. -1 when another byte stands there. */
function regNameEnd(bytes: Uint8Array, start: number, end: number): number {
  let pos = start;
  for (; pos < end && bytes[pos] !== COLON; pos++) {
    const byte = bytes[pos] as number;
    if (((CLASS[byte] as number) & URI_HOST_CHAR) === 0 || byte === COMMA) return -1;
    if (byte === PERCENT && !isEscape(bytes, pos, end)) return -1;
  }
  return pos;
}

function isEscape(bytes: Uint8Array, pos: number, end: number): boolean {
  if (pos + 2 >= end) return false;
  return ((CLASS[bytes[pos + 1] as number] as number) & (CLASS[bytes[pos + 2] as number] as number) & HEX_DIGIT) !== 0;
}

/** In lower case without its trailing dot, or null when nothing is left or empty labels end it. */
function regNameText(bytes: Uint8Array, start: number, end: number): string | null {
  const last = bytes[end - 1] === DOT ? end - 1 : end;
  if (last === start || bytes[last - 1] === DOT) return null;
  return latin1Text(bytes, start, last).toLowerCase();
}

/** Behind the "]" that closes an IP literal, or -1. */
function literalEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let pos = start + 1; pos < end; pos++) if (bytes[pos] === RBRACKET) return pos + 1;
  return -1;
}

/** The IPv6 address in bytes[start, end) with its brackets, or null when it is malformed. */
function literalText(bytes: Uint8Array, start: number, end: number): string | null {
  const address = parseIpv6(bytes, start + 1, end - 1);
  return address === null ? null : `[${address}]`;
}

/** [ ":" *DIGIT ] up to the end. -1 when absent or empty, -2 when malformed. */
function readPort(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return -1;
  if (bytes[start] !== COLON || end - start - 1 > PORT_DIGITS_MAX) return -2;
  if (start + 1 === end) return -1;
  let port = 0;
  for (let pos = start + 1; pos < end; pos++) {
    const byte = bytes[pos] as number;
    if (((CLASS[byte] as number) & DIGIT) === 0) return -2;
    port = port * 10 + byte - DIGIT_0;
  }
  return port > PORT_MAX ? -2 : port;
}
