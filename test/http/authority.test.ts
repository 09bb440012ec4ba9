import { describe, expect, test } from "bun:test";
import { isIPv6 } from "node:net";
import fc from "fast-check";
import { Authority, effectivePort, parseAuthority } from "../../src/http/authority.ts";
import { ParseError } from "../../src/http/parse-error.ts";
import { ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";
import { decideHost } from "../../src/http1/request-target.ts";
import { bytesOf } from "../support/bytes.ts";

/** [host, port], or null when refused. Between other bytes, so that reading beyond the bounds shows. */
function parse(text: string, authority = new Authority()): [string, number] | null {
  const bytes = bytesOf(`x:9${text}9:x`);
  return parseAuthority(bytes, 3, 3 + text.length, authority) ? [authority.host, authority.port] : null;
}

describe("an authority is brought to one spelling", () => {
  test.each<[string, string, number]>([
    ["localhost", "localhost", -1],
    ["LocalHost:8080", "localhost", 8080],
    ["example.com.", "example.com", -1],
    ["example.com.:80", "example.com", 80],
    ["a_b-c.~d", "a_b-c.~d", -1],
    ["host:", "host", -1],
    ["host:0", "host", 0],
    ["host:00080", "host", 80],
    ["host:65535", "host", 65535],
    ["127.0.0.1:1", "127.0.0.1", 1],
    ["256.1.1.1", "256.1.1.1", -1],
    ["%41%2f", "%41%2f", -1],
    ["[::]", "[::]", -1],
    ["[::1]:8080", "[::1]", 8080],
    ["[::1]:", "[::1]", -1],
    ["[0:0:0:0:0:0:0:1]", "[::1]", -1],
    ["[0000:0::0001]", "[::1]", -1],
    ["[2001:DB8::A]", "[2001:db8::a]", -1],
    ["[1::]", "[1::]", -1],
    ["[1:0:0:2:0:0:0:3]", "[1:0:0:2::3]", -1],
    ["[1:0:0:2:3:0:0:4]", "[1::2:3:0:0:4]", -1],
    ["[1:0:2:3:4:5:6:7]", "[1:0:2:3:4:5:6:7]", -1],
    ["[1::3:4:5:6:7:8]", "[1:0:3:4:5:6:7:8]", -1],
    ["[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]", -1],
    ["[::FFFF:7f00:1]", "[::ffff:127.0.0.1]", -1],
    ["[::1.2.3.4]", "[::102:304]", -1],
    ["[1:2:3:4:5:6:1.2.3.4]", "[1:2:3:4:5:6:102:304]", -1],
  ])("%s", (text, host, port) => {
    expect(parse(text)).toEqual([host, port]);
  });
});

describe("an authority is refused", () => {
  test.each([
    "",
    ".",
    "a..",
    ":80",
    "user@host",
    "user:pw@host",
    "@host",
    "a b",
    "a\tb",
    "a,b",
    "a, b",
    "a/b",
    "a/",
    "a?b",
    "a#b",
    "http://a",
    "a\\b",
    "a\0",
    "a\x7f",
    "\xe4",
    "a<b",
    'a"b',
    "a^b",
    "a|b",
    "a%",
    "a%4",
    "a%zz",
    "host:x",
    "host:80x",
    "host:+80",
    "host:-1",
    "host:65536",
    "host:000080",
    "host:8 0",
    "host: 80",
    "host:80:80",
    "::1",
    "1:2:3",
    "a[::1]",
    "[",
    "[]",
    "[::1",
    "::1]",
    "[::1]x",
    "[::1]80",
    "[::1]:x",
    "[::1].",
    "[:]",
    "[:::]",
    "[1]",
    "[:1]",
    "[1:]",
    "[1:2:3:4:5:6:7]",
    "[1:2:3:4:5:6:7:]",
    "[:2:3:4:5:6:7:8]",
    "[1:2:3:4:5:6:7:8:9]",
    "[1::2::3]",
    "[1:::2]",
    "[1:2:3:4:5:6:7:8::]",
    "[1:2:3:4::5:6:7:8]",
    "[12345::]",
    "[g::]",
    "[::1%25eth0]",
    "[fe80::1%eth0]",
    "[v1.a]",
    "[127.0.0.1]",
    "[::1.2.3]",
    "[::1.2.3.4.5]",
    "[::1.2.3.256]",
    "[::01.2.3.4]",
    "[::1.2.3.4:5]",
    "[1:2:3:4:5:6:7:1.2.3.4]",
    "[::1.2.3.]",
    "[localhost]",
    "a".repeat(262),
  ])("%p", (text) => {
    expect(parse(text)).toBeNull();
  });

  test("and leaves nothing of the one before it", () => {
    const authority = new Authority();
    expect(parse("host:80", authority)).toEqual(["host", 80]);
    expect(parse("host:80x", authority)).toBeNull();
    expect([authority.host, authority.port]).toEqual(["", -1]);
  });
});

test("a repeated authority reads the same, another one differently", () => {
  const authority = new Authority();
  for (const text of ["Host:80", "Host:80", "Host:81", "host:8", "[::1]", "Host:80"]) {
    expect(parse(text, authority)).toEqual(parse(text));
  }
});

test("an absent port is the scheme's own", () => {
  expect([
    effectivePort(-1, "http"),
    effectivePort(-1, "https"),
    effectivePort(8080, "http"),
    effectivePort(0, "https"),
  ]).toEqual([80, 443, 8080, 0]);
});

test.each<[string, string, string, number, string]>([
  ["one Host", "1.1", "Host: A:1\r\n", 0, "a"],
  ["no Host", "1.1", "", ParseError.HostMissing, ""],
  ["no Host in HTTP/1.0", "1.0", "", 0, ""],
  ["a Host in HTTP/1.0", "1.0", "Host: a\r\n", 0, "a"],
  ["two", "1.1", "Host: a\r\nHost: b\r\n", ParseError.HostRepeated, ""],
  ["two equal ones", "1.1", "Host: a\r\nX: y\r\nhost: a\r\n", ParseError.HostRepeated, ""],
  ["two in HTTP/1.0", "1.0", "Host: a\r\nHost: a\r\n", ParseError.HostRepeated, ""],
  ["an empty one", "1.1", "Host:\r\n", ParseError.HostInvalid, ""],
  ["an empty one in HTTP/1.0", "1.0", "Host: \r\n", ParseError.HostInvalid, ""],
  ["a malformed one", "1.1", "Host: a/b\r\n", ParseError.HostInvalid, ""],
])("the Host field: %s", (_, version, fields, expected, host) => {
  const bytes = bytesOf(`GET / HTTP/${version}\r\n${fields}\r\n`);
  const head = new ParsedHead({
    maxHeaderBytes: 500,
    maxFields: 9,
    maxEmptyLines: 0,
  });
  expect(parseRequestHead(bytes, 0, bytes.length, head)).toBe(bytes.length);
  const authority = new Authority();
  authority.set(bytesOf("old"), 0, 3, "old", 7);
  expect([decideHost(head, authority), authority.host]).toEqual([expected, host]);
});

test("the IPv6 addresses accepted are the system's, in the URL standard's spelling, and that one stays", () => {
  const piece = fc.constantFrom("0", "1", "f", "00", ":", "::", ".", "1.2.3.4", "ffff", "abcd");
  const anything = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(fc.ipV6(), anything), (address) => {
      const mine = parse(`[${address}]`);
      expect(mine !== null).toBe(isIPv6(address));
      if (mine === null) return;
      expect(parse(mine[0])).toEqual(mine);
      // Bun 1.4.5's URL refuses some valid addresses that end in IPv4 ("1:2:3::4:1.2.3.4"); our own spelling of them it reads.
      // It writes IPv4-mapped addresses in hexadecimal, RFC 5952 §5 in decimal.
      if (!mine[0].startsWith("[::ffff:")) expect(new URL(`http://${mine[0]}/`).hostname).toBe(mine[0]);
    }),
    { numRuns: 2000 },
  );
});

test("any bytes: no throw, and what is accepted is accepted again in its one spelling", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."aA.:[]1%4@,/ \0\x80"), maxLength: 12 }), (text) => {
      const first = parse(text);
      if (first === null) return;
      expect(parse(first[1] < 0 ? first[0] : `${first[0]}:${first[1]}`)).toEqual(first);
    }),
    { numRuns: 2000 },
  );
});
