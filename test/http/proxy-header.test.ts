/** The header of the PROXY protocol: each version, whole and byte by byte. */
import { describe, expect, test } from "bun:test";
import { parseProxyHeader } from "../../src/http/proxy-header.ts";
import { bytesOf } from "../support/bytes.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";

/** Client in short; `local`, or the problem. */
function found(bytes: Uint8Array): string {
  const header = parseProxyHeader(bytes);
  if (header === null) return "needs more";
  if (typeof header === "string") return header;
  const { length, client } = header;
  if (client === null) return `${length} local`;
  return `${length} ${client.address} ${client.port}${client.secure ? " secure" : ""}`;
}

/** Hands over one byte more each time, as a connection does. */
function bytewise(bytes: Uint8Array): string {
  for (let end = 0; end <= bytes.length; end++) {
    const result = found(bytes.subarray(0, end));
    if (result !== "needs more") return result;
  }
  return "needs more";
}

function uint16(value: number): string {
  return String.fromCharCode(value >> 8, value & 255);
}

/** A part of a header of version 2. */
function part(type: number, value: string): string {
  return String.fromCharCode(type) + uint16(value.length) + value;
}

/** A header of version 2: version and command, family and transport, what follows. */
function binary(command: number, kind: number, rest: string, length = rest.length): string {
  return SIGNATURE + String.fromCharCode(command, kind) + uint16(length) + rest;
}

const IPV4 = `\xc0\x00\x02\x01\x0a\x00\x00\x01${uint16(4711)}${uint16(80)}`;
const IPV6 = `\x20\x01\x0d\xb8${"\0".repeat(11)}\x01\x20\x01\x0d\xb8${"\0".repeat(11)}\x02${uint16(65_535)}${uint16(443)}`;
const MAPPED = `${"\0".repeat(10)}\xff\xff\xc0\x00\x02\x07${"\0".repeat(16)}${uint16(1)}${uint16(2)}`;
const UNIX = `/run/a${"\0".repeat(102)}/run/b${"\0".repeat(102)}`;
const TLS = part(0x20, `\x01\0\0\0\0${part(0x21, "TLSv1.3")}`);
const NO_TLS = part(0x20, "\x06\0\0\0\0");

const NONE = "the first bytes are no PROXY header";
const MALFORMED = "the line is malformed";
const NO_END = "the line does not end with CR LF";
const UNKNOWN_KIND = "the family or the protocol is not known";

const rows: readonly [name: string, raw: string, result: string][] = [
  // Version 1, §2.1.
  ["TCP over IPv4", "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n", "39 192.0.2.1 4711"],
  ["TCP over IPv6", "PROXY TCP6 2001:DB8::1 ::1 65535 0\r\n", "36 2001:db8::1 65535"],
  ["IPv4 that is mapped into IPv6", "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "37 192.0.2.1 1"],
  [
    "the longest line of IPv6",
    `PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`,
    `104 ${"ffff:".repeat(7)}ffff 65535`,
  ],
  ["an unknown client", "PROXY UNKNOWN\r\n", "15 unknown -1"],
  ["an unknown client, and more", "PROXY UNKNOWN 1 2 anything\r\n", "28 unknown -1"],
  ["the longest line", `PROXY UNKNOWN ${"f".repeat(91)}\r\n`, "107 unknown -1"],
  ["a request behind it", "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\nGET / HTTP/1.1\r\n", "35 192.0.2.1 1"],
  ["nothing", "", "needs more"],
  ["the start of a line", "PROXY", "needs more"],
  ["a line without its end", "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r", "needs more"],
  ["a line that is too long", `PROXY UNKNOWN ${"f".repeat(92)}\r\n`, "the line has more than 107 bytes"],
  ["a line that never ends", "PROXY ".padEnd(200, "x"), "the line has more than 107 bytes"],
  ["a line feed alone", "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n", NO_END],
  ["a request", "GET / HTTP/1.1\r\n\r\n", NONE],
  ["TLS", "\x16\x03\x01\x02\x00", NONE],
  ["lower case", "proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n", NONE],
  ["another family", "PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n", MALFORMED],
  ["UDP", "PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n", MALFORMED],
  ["an unknown client without a space", "PROXY UNKNOWNS\r\n", MALFORMED],
  ["the family in lower case", "PROXY tcp4 192.0.2.1 10.0.0.1 1 2\r\n", MALFORMED],
  ["two spaces", "PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n", MALFORMED],
  ["a space at the end", "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 \r\n", MALFORMED],
  ["a missing port", "PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n", MALFORMED],
  ["a port with a zero before it", "PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n", MALFORMED],
  ["a port too large", "PROXY TCP4 192.0.2.1 10.0.0.1 65536 2\r\n", MALFORMED],
  ["another port too large", "PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n", MALFORMED],
  ["a short address", "PROXY TCP4 127.1 10.0.0.1 1 2\r\n", MALFORMED],
  ["IPv6 for IPv4", "PROXY TCP4 ::1 ::1 1 2\r\n", MALFORMED],
  ["IPv4 for IPv6", "PROXY TCP6 192.0.2.1 ::1 1 2\r\n", MALFORMED],
  ["a destination that is malformed", "PROXY TCP4 192.0.2.1 10.0.0 1 2\r\n", MALFORMED],
  ["brackets", "PROXY TCP6 [::1] ::1 1 2\r\n", MALFORMED],
  ["a NUL", "PROXY UNKNOWN \0\r\n", MALFORMED],
  // Version 2, §2.2.
  ["2: TCP over IPv4", binary(0x21, 0x11, IPV4), "28 192.0.2.1 4711"],
  ["2: TCP over IPv6", binary(0x21, 0x21, IPV6), "52 2001:db8::1 65535"],
  ["2: IPv4 that is mapped into IPv6", binary(0x21, 0x21, MAPPED), "52 192.0.2.7 1"],
  ["2: UDP over IPv4", binary(0x21, 0x12, IPV4), "28 unknown -1"],
  ["2: a UNIX socket", binary(0x21, 0x31, UNIX), "232 unknown -1"],
  ["2: an unspecified family", binary(0x21, 0x00, ""), "16 unknown -1"],
  ["2: an unspecified family with bytes", binary(0x21, 0x00, "anything"), "24 unknown -1"],
  ["2: the proxy's own", binary(0x20, 0x00, ""), "16 local"],
  ["2: the proxy's own, with bytes", binary(0x20, 0x11, "short"), "21 local"],
  ["2: parts", binary(0x21, 0x11, IPV4 + part(4, "abc") + part(3, "\0\0\0\0")), "41 192.0.2.1 4711"],
  ["2: a client that used TLS", binary(0x21, 0x11, IPV4 + part(4, "") + TLS), "49 192.0.2.1 4711 secure"],
  ["2: a client that used none", binary(0x21, 0x11, IPV4 + NO_TLS), "36 192.0.2.1 4711"],
  ["2: an empty part about TLS", binary(0x21, 0x11, IPV4 + part(0x20, "")), "31 192.0.2.1 4711"],
  ["2: a request behind it", `${binary(0x21, 0x11, IPV4)}GET / HTTP/1.1\r\n`, "28 192.0.2.1 4711"],
  ["2: the largest", binary(0x21, 0x11, IPV4 + part(4, "x".repeat(8192 - 31))), "8192 192.0.2.1 4711"],
  ["2: the start", SIGNATURE, "needs more"],
  ["2: less than announced", binary(0x21, 0x11, IPV4, 13), "needs more"],
  ["2: an empty line", "\r\n\r\nGET", NONE],
  ["2: another signature", `${SIGNATURE.slice(0, -1)}\r`, NONE],
  ["2: another version", binary(0x31, 0x11, IPV4), "the version or the command is not known"],
  ["2: version 1", binary(0x11, 0x11, IPV4), "the version or the command is not known"],
  ["2: another command", binary(0x22, 0x11, IPV4), "the version or the command is not known"],
  ["2: another family", binary(0x21, 0x41, IPV4), UNKNOWN_KIND],
  ["2: another transport", binary(0x21, 0x13, IPV4), UNKNOWN_KIND],
  ["2: too large", binary(0x21, 0x11, "", 8177), "the header has more than 8192 bytes"],
  ["2: too short for IPv4", binary(0x21, 0x11, IPV4.slice(1)), "the header is too short for its addresses"],
  ["2: too short for IPv6", binary(0x21, 0x21, IPV4), "the header is too short for its addresses"],
  ["2: too short for UNIX", binary(0x21, 0x31, IPV6), "the header is too short for its addresses"],
  ["2: a part beyond the end", binary(0x21, 0x11, `${IPV4}\x04\0\x02x`), "a part of the header ends after it"],
  ["2: a part without its length", binary(0x21, 0x11, `${IPV4}\x04\0`), "a part of the header ends after it"],
];

describe("a PROXY header", () => {
  for (const [name, raw, result] of rows) {
    test(`${name}: ${result}`, () => {
      const bytes = bytesOf(raw);
      expect(found(bytes)).toBe(result);
      expect(bytewise(bytes)).toBe(result);
    });
  }
});

test.each(["PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", `${SIGNATURE}\x20\x00\x00\x00`])(
  "%p is no header if any of its first bytes is another",
  (text) => {
    expect(found(bytesOf(text))).not.toBe(NONE);
    for (let at = 0; at < (text.startsWith("P") ? 6 : 12); at++) {
      expect(found(bytesOf(`${text.slice(0, at)}#${text.slice(at + 1)}`))).toBe(NONE);
    }
  },
);
