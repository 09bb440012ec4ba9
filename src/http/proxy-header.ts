/**
 * The header with which a proxy announces its client at the start of a connection. It is HAProxy's PROXY protocol, version 1 in text and
 * version 2 in bytes (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
 *
 * Strategy: the first byte decides between the versions, and a header that cannot become complete is refused with its first wrong byte. It
 * is read again from its start when more bytes come, because it is short and comes in one piece.
 *
 * The rule it guards: the bytes after the header are the client's own, so its end is never guessed.
 */
import { CR, LF, latin1Text } from "./ascii.ts";
import { formatIpv6, parseAddress } from "./ip-address.ts";

/** The announcement of a proxy. */
export interface ProxyHeader {
  /** Bytes of the header, with its end. */
  readonly length: number;
  /** Null for a connection of the proxy's own, such as a health check. */
  readonly client: AnnouncedClient | null;
}

interface AnnouncedClient {
  /** Numeric address, IPv6 without brackets; `unknown` if the proxy does not say. */
  readonly address: string;
  /** -1 if the proxy does not say. */
  readonly port: number;
  /** True if the proxy says that its client has used TLS. Version 1 cannot. */
  readonly secure: boolean;
}

/** Longest line of version 1 in bytes, with its end (§2.1). */
const LINE_BYTES_MAX = 107;

/** Longest header of version 2 in bytes. Addresses take 216, and a client's certificate some KiB. */
export const PROXY_HEADER_BYTES_MAX = 8192;

/** §2.2. No line of text begins with these bytes. */
const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const LINE_START = new TextEncoder().encode("PROXY ");

/**
 * Reads the header that bytes[0, length) begin with. Returns null if more bytes are needed, and the problem as the end of a sentence if no
 * header begins here.
 */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader | string | null {
  const start = bytes[0] === CR ? SIGNATURE : LINE_START;
  const count = Math.min(bytes.length, start.length);
  for (let i = 0; i < count; i++) if (bytes[i] !== start[i]) return "the first bytes are no PROXY header";
  if (bytes.length < start.length) return null;
  return start === SIGNATURE ? parseBinary(bytes) : parseLine(bytes);
}

/** "PROXY" SP family SP source SP destination SP port SP port, of which only the source counts. */
const LINE = /^PROXY TCP([46]) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})$/;

/** The rest of this line is ignored (§2.1). */
const UNKNOWN_LINE = /^PROXY UNKNOWN(?: [\t -~\x80-\xff]*)?$/;

const PORT_MAX = 65_535;

function parseLine(bytes: Uint8Array): ProxyHeader | string | null {
  const end = bytes.subarray(0, LINE_BYTES_MAX).indexOf(LF);
  if (end < 0) return bytes.length < LINE_BYTES_MAX ? null : `the line has more than ${LINE_BYTES_MAX} bytes`;
  if (bytes[end - 1] !== CR) return "the line does not end with CR LF";
  const text = latin1Text(bytes, 0, end - 1);
  const length = end + 1;
  if (UNKNOWN_LINE.test(text)) return { length, client: UNKNOWN };
  const [, family, source = "", destination = "", port, other] = LINE.exec(text) ?? [];
  const address = addressIn(source, family);
  const isSound = address !== null && addressIn(destination, family) !== null;
  if (!isSound || Number(port) > PORT_MAX || Number(other) > PORT_MAX) return "the line is malformed";
  return { length, client: { address, port: Number(port), secure: false } };
}

/** Returns a numeric address of the family `4` or `6` in its one spelling, or null. */
function addressIn(text: string, family: string | undefined): string | null {
  return text.includes(":") === (family === "6") ? (parseAddress(text)?.text ?? null) : null;
}

const UNKNOWN: AnnouncedClient = { address: "unknown", port: -1, secure: false };

const FIXED_BYTES = 16;

/** Commands: a connection of the proxy's own, and one of a client. */
const LOCAL = 0;
const PROXY = 1;

/** Bytes of both addresses and ports by family: unspecified, IPv4, IPv6, UNIX. Those of the first are not known. */
const ADDRESS_BYTES: readonly number[] = [0, 12, 36, 216];

/** Transports: unspecified, stream, datagram. */
const TRANSPORTS = 3;

/** Family and transport in one byte. */
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;

/** Version and command, family and protocol, length, addresses, further parts. */
function parseBinary(bytes: Uint8Array): ProxyHeader | string | null {
  const version = bytes[12] ?? 0x20;
  const command = version & 15;
  if (version >> 4 !== 2 || command > PROXY) return "the version or the command is not known";
  const kind = bytes[13] ?? 0;
  const family = kind >> 4;
  if (family >= ADDRESS_BYTES.length || (kind & 15) >= TRANSPORTS) return "the family or the protocol is not known";
  if (bytes.length < FIXED_BYTES) return null;
  const length = FIXED_BYTES + uint16(bytes, 14);
  if (length > PROXY_HEADER_BYTES_MAX) return `the header has more than ${PROXY_HEADER_BYTES_MAX} bytes`;
  const partsStart = FIXED_BYTES + (ADDRESS_BYTES[family] as number);
  if (command === PROXY && length < partsStart) return "the header is too short for its addresses";
  if (bytes.length < length) return null;
  // §2.2: the rest is to be ignored.
  if (command === LOCAL) return { length, client: null };
  if (family === 0) return { length, client: UNKNOWN };
  const secure = readParts(bytes, partsStart, length);
  if (secure === null) return "a part of the header ends after it";
  return { length, client: { ...sourceIn(bytes, kind), secure } };
}

/** Returns the source that follows the fixed part. Only one of TCP is a client's. */
function sourceIn(bytes: Uint8Array, kind: number): Pick<AnnouncedClient, "address" | "port"> {
  if (kind === TCP_OVER_IPV4) {
    return { address: bytes.subarray(FIXED_BYTES, FIXED_BYTES + 4).join("."), port: uint16(bytes, FIXED_BYTES + 8) };
  }
  if (kind !== TCP_OVER_IPV6) return UNKNOWN;
  const groups = Array.from({ length: 8 }, (_, i) => uint16(bytes, FIXED_BYTES + 2 * i));
  // An IPv4 address that is mapped into IPv6 is that IPv4 address.
  const address = parseAddress(formatIpv6(groups))?.text ?? UNKNOWN.address;
  return { address, port: uint16(bytes, FIXED_BYTES + 32) };
}

/** Type of the part about TLS (§2.2.5), and the bit of its first byte that says that the client has used it. */
const TLS_PART = 0x20;
const TLS_USED = 1;

/** Type and length before each part. */
const PART_HEAD_BYTES = 3;

/** Looks through the parts in bytes[start, end). Returns whether the client has used TLS, or null if a part does not end within. */
function readParts(bytes: Uint8Array, start: number, end: number): boolean | null {
  let secure = false;
  for (let at = start; at < end; ) {
    if (at + PART_HEAD_BYTES > end) return null;
    const valueStart = at + PART_HEAD_BYTES;
    const valueEnd = valueStart + uint16(bytes, at + 1);
    if (valueEnd > end) return null;
    if (bytes[at] === TLS_PART && valueEnd > valueStart) secure = ((bytes[valueStart] as number) & TLS_USED) !== 0;
    at = valueEnd;
  }
  return secure;
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
