/** Fields of proxies: the grammar of each, and the client that they name. */
import { describe, expect, test } from "bun:test";
import { findClient } from "../../src/http/forwarded.ts";
import { ParseError } from "../../src/http/parse-error.ts";

const { ForwardedInvalid, XForwardedInvalid, ForwardedConflict } = ParseError;

/** Proxies of the tests. */
const TRUSTED: ReadonlySet<string> = new Set(["10.0.0.1", "10.0.0.2", "2001:db8::f"]);

/** Client in short: its text, then scheme and host if they are known. */
type Found = string | ParseError | null;

/** Returns the client that the fields name; `older` is X-Forwarded-For, -Proto and -Host. */
function found(forwarded: string | null, ...[xFor = null, xProto = null, xHost = null]: (string | null)[]): Found {
  const client = findClient({ forwarded, xFor, xProto, xHost }, (address) => TRUSTED.has(address));
  if (client === null || typeof client === "number") return client;
  const { node, secure, host } = client;
  const scheme = secure === null ? [] : [secure ? "https" : "http"];
  return [node.text, ...scheme, ...(host === null ? [] : [`${host.host} ${host.port}`])].join(" ");
}

describe("Forwarded", () => {
  const rows: readonly [value: string, client: Found][] = [
    // RFC 7239 §4, §6.3 and §7.1: its own examples.
    ['for="_gazonk"', "_gazonk"],
    ['For="[2001:db8:cafe::17]:4711"', "[2001:db8:cafe::17]:4711"],
    ["for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60 http"],
    ["for=192.0.2.43, for=198.51.100.17", "198.51.100.17"],
    ["for=_hidden, for=_SEVKISEK", "_SEVKISEK"],
    ['for=192.0.2.43,for="[2001:db8:cafe::17]",for=unknown', "unknown"],
    ['for=192.0.2.43, for="[2001:db8:cafe::17]"', "[2001:db8:cafe::17]"],
    // The client is the rightmost address that is not trusted.
    ["for=192.0.2.1, for=10.0.0.1", "192.0.2.1"],
    ["for=203.0.113.9, for=192.0.2.1, for=10.0.0.2, for=10.0.0.1", "192.0.2.1"],
    ["for=10.0.0.2, for=10.0.0.1", "10.0.0.2"],
    ['for=192.0.2.1, for="[2001:db8::f]"', "192.0.2.1"],
    ['for=192.0.2.1, for="[::ffff:10.0.0.1]"', "192.0.2.1"],
    ['for="[::ffff:192.0.2.1]"', "192.0.2.1"],
    ["for=192.0.2.1, for=unknown, for=10.0.0.1", "unknown"],
    ["for=192.0.2.1, for=_proxy, for=10.0.0.1", "_proxy"],
    ["for=192.0.2.1, proto=https, for=10.0.0.1", "unknown https"],
    ["proto=https", "unknown https"],
    // Scheme and host are those that the hop of the client has seen.
    ["for=192.0.2.1;proto=https;host=a.test, for=10.0.0.1;proto=http;host=b.test", "192.0.2.1 https a.test -1"],
    ["for=192.0.2.1, for=10.0.0.1;proto=https", "192.0.2.1"],
    ["for=6.6.6.6;proto=https;host=evil.test, for=192.0.2.1", "192.0.2.1"],
    ['for=192.0.2.1;host="A.test.:8443";proto=HTTPS', "192.0.2.1 https a.test 8443"],
    ['for=192.0.2.1;host="[2001:DB8::1]:80"', "192.0.2.1 [2001:db8::1] 80"],
    ["for=192.0.2.1;proto=wss", "192.0.2.1"],
    // Ports and obfuscated ports.
    ['for="192.0.2.43:47011"', "192.0.2.43:47011"],
    ['for="192.0.2.43:0"', "192.0.2.43:0"],
    ['for="192.0.2.43:_port"', "192.0.2.43:_port"],
    ['for="unknown:80"', "unknown:80"],
    ['for="_a.b-c:_d"', "_a.b-c:_d"],
    ['for="[2001:db8::1]:_x"', "[2001:db8::1]:_x"],
    ["for=UNKNOWN", "unknown"],
    // Quoted strings, extensions, empty members and empty pairs.
    ['for="192.0.2.\\1"', "192.0.2.1"],
    ['for=192.0.2.1;ext="a,b;for=6.6.6.6\\"";proto=http', "192.0.2.1 http"],
    ['for=192.0.2.1;ext=""', "192.0.2.1"],
    [", ,\tfor=192.0.2.1\t,,", "192.0.2.1"],
    [";for=192.0.2.1;;proto=http;", "192.0.2.1 http"],
    [";", "unknown"],
    ["secret=x", "unknown"],
    // Malformed.
    ["", ForwardedInvalid],
    [", ,", ForwardedInvalid],
    ["for", ForwardedInvalid],
    ["for=", ForwardedInvalid],
    ["=1", ForwardedInvalid],
    ["for =192.0.2.1", ForwardedInvalid],
    ["for= 192.0.2.1", ForwardedInvalid],
    ["for=192.0.2.1; proto=http", ForwardedInvalid],
    ["for=192.0.2.1 ;proto=http", ForwardedInvalid],
    ["for=192.0.2.1 for=10.0.0.1", ForwardedInvalid],
    ["for=192.0.2.1;for=192.0.2.2", ForwardedInvalid],
    ["for=192.0.2.1;FOR=192.0.2.1", ForwardedInvalid],
    ["ext=1;ext=1", ForwardedInvalid],
    ["for=192.0.2.1:80", ForwardedInvalid],
    ["for=[2001:db8::1]", ForwardedInvalid],
    ['for="2001:db8::1"', ForwardedInvalid],
    ['for="[192.0.2.1]"', ForwardedInvalid],
    ['for="[::1"', ForwardedInvalid],
    ['for="[::1]x"', ForwardedInvalid],
    ['for="[fe80::1%eth0]"', ForwardedInvalid],
    ["for=192.0.2.256", ForwardedInvalid],
    ["for=192.0.2.01", ForwardedInvalid],
    ['for="192.0.2.1:"', ForwardedInvalid],
    ['for="192.0.2.1:123456"', ForwardedInvalid],
    ['for="192.0.2.1:65536"', ForwardedInvalid],
    ['for="192.0.2.1:_"', ForwardedInvalid],
    ["for=client.test", ForwardedInvalid],
    ["for=_", ForwardedInvalid],
    ['for="_a b"', ForwardedInvalid],
    ['for=""', ForwardedInvalid],
    ['for="192.0.2.1', ForwardedInvalid],
    ['for="192.0.2.1\\"', ForwardedInvalid],
    ['for=192.0.2.1"', ForwardedInvalid],
    ["for=192.0.2.1;by=proxy", ForwardedInvalid],
    ['for=192.0.2.1;host=""', ForwardedInvalid],
    ['for=192.0.2.1;host="a/b"', ForwardedInvalid],
    ['for=192.0.2.1;host="a:99999"', ForwardedInvalid],
    ["for=192.0.2.1;proto=1", ForwardedInvalid],
    ['for=192.0.2.1;proto="https://"', ForwardedInvalid],
    ["for=bad, for=192.0.2.1", ForwardedInvalid],
    ["for=192.0.2.1\u00e9", ForwardedInvalid],
  ];
  for (const [value, client] of rows) {
    test(`${JSON.stringify(value)} is ${shown(client)}`, () => expect(found(value)).toBe(client));
  }
});

describe("X-Forwarded-For, -Proto and -Host", () => {
  const rows: readonly [values: (string | null)[], client: Found][] = [
    [[null, null, null], null],
    [["192.0.2.1"], "192.0.2.1"],
    [["192.0.2.1, 10.0.0.1"], "192.0.2.1"],
    [["6.6.6.6, 192.0.2.1,10.0.0.2\t, 10.0.0.1"], "192.0.2.1"],
    [["10.0.0.2, 10.0.0.1"], "10.0.0.2"],
    [["192.0.2.1:4711"], "192.0.2.1:4711"],
    [["2001:DB8::1"], "[2001:db8::1]"],
    [["[2001:db8::1]"], "[2001:db8::1]"],
    [["[2001:db8::1]:80"], "[2001:db8::1]:80"],
    [["::ffff:192.0.2.1"], "192.0.2.1"],
    [["192.0.2.1, unknown"], "unknown"],
    [["_hidden"], "_hidden"],
    [[",192.0.2.1,,"], "192.0.2.1"],
    [["192.0.2.1", "https", "a.test:8443"], "192.0.2.1 https a.test 8443"],
    [[null, "https"], "unknown https"],
    [[null, null, "a.test"], "unknown a.test -1"],
    // A list of schemes or hosts belongs to the list of addresses, counted from the right.
    [["192.0.2.1, 10.0.0.1", "https"], "192.0.2.1 https"],
    [["192.0.2.1, 10.0.0.1", "https, http", "a.test, b.test"], "192.0.2.1 https a.test -1"],
    [["6.6.6.6, 192.0.2.1", "https, http"], "192.0.2.1 http"],
    [["192.0.2.1", "https, http", "evil.test, b.test"], "192.0.2.1 http b.test -1"],
    [["192.0.2.1, 10.0.0.2, 10.0.0.1", "https, http"], "192.0.2.1 https"],
    [["192.0.2.1", "wss"], "192.0.2.1"],
    ...[
      "",
      ",",
      "client.test",
      "192.0.2.1 10.0.0.1",
      "192.0.2.256",
      "192.0.2.1, x",
      "::g",
      "[::1",
      "fe80::1%eth0",
      "192.0.2.1:",
    ].map((value): [string[], Found] => [[value], XForwardedInvalid]),
    ...["", "http/1.1", "https:", "ht tp", "1http"].map((value): [string[], Found] => [
      ["192.0.2.1", value],
      XForwardedInvalid,
    ]),
    ...["", "a b", "a/b", "a:x", "user@a", "a.test, a/b"].map((value): [string[], Found] => [
      ["192.0.2.1", "https", value],
      XForwardedInvalid,
    ]),
    [["192.0.2.1\u00a0"], XForwardedInvalid],
  ];
  for (const [values, client] of rows) {
    test(`${JSON.stringify(values)} is ${shown(client)}`, () => expect(found(null, ...values)).toBe(client));
  }

  test("white space of the longest head takes no time", () => {
    expect(found(null, `1${" ".repeat(1 << 20)}1`)).toBe(XForwardedInvalid);
    expect(found(`for=1${" ".repeat(1 << 20)}1`)).toBe(ForwardedInvalid);
  });
});

describe("both kinds", () => {
  const rows: readonly [forwarded: string, older: (string | null)[], client: Found][] = [
    ["for=192.0.2.1", ["192.0.2.1"], "192.0.2.1"],
    ["for=192.0.2.1;proto=https;host=a.test", ["192.0.2.1, 10.0.0.1", "https", "A.test"], "192.0.2.1 https a.test -1"],
    ["for=unknown", ["unknown"], "unknown"],
    ["for=192.0.2.1", ["192.0.2.2"], ForwardedConflict],
    ["for=192.0.2.1;proto=https", ["192.0.2.1", "http"], ForwardedConflict],
    ["for=192.0.2.1;proto=https", ["192.0.2.1"], ForwardedConflict],
    ["for=192.0.2.1", ["192.0.2.1", null, "a.test"], ForwardedConflict],
    ["for=192.0.2.1;host=a.test", ["192.0.2.1", null, "a.test:80"], ForwardedConflict],
    ["for=192.0.2.1", [null, "https"], ForwardedConflict],
    ["for=192.0.2.1", ["bad"], XForwardedInvalid],
    ["for=bad", ["192.0.2.1"], ForwardedInvalid],
  ];
  for (const [forwarded, older, client] of rows) {
    test(`${forwarded} and ${JSON.stringify(older)} is ${shown(client)}`, () => {
      expect(found(forwarded, ...older)).toBe(client);
    });
  }
});

function shown(client: Found): string {
  return typeof client === "number" ? (ParseError[client] as string) : (client ?? "nothing");
}
