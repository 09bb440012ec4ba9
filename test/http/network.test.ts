/** Networks in CIDR notation, and the addresses that lie in them. */
import { describe, expect, test } from "bun:test";
import { parseAddress } from "../../src/http/ip-address.ts";
import { formatNetwork, isWithin, type Network, parseNetwork } from "../../src/http/network.ts";

describe("a network", () => {
  const rows: readonly [text: string, spelling: string, inside: string[], outside: string[]][] = [
    [
      "10.0.0.0/8",
      "10.0.0.0/8",
      ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
      ["11.0.0.0", "9.255.255.255", "::1"],
    ],
    ["192.0.2.7", "192.0.2.7", ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]],
    ["192.0.2.7/32", "192.0.2.7", ["192.0.2.7"], ["192.0.2.6"]],
    ["172.16.0.0/12", "172.16.0.0/12", ["172.16.0.1", "172.31.255.255"], ["172.32.0.0", "172.15.255.255"]],
    ["0.0.0.0/0", "0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "2001:db8::1"]],
    ["255.255.255.254/31", "255.255.255.254/31", ["255.255.255.255"], ["255.255.255.253"]],
    ["::1", "::1", ["::1", "0:0:0:0:0:0:0:1"], ["::", "127.0.0.1"]],
    ["2001:DB8::/32", "2001:db8::/32", ["2001:db8::", "2001:db8:ffff::1"], ["2001:db9::", "10.0.0.1"]],
    ["fe80::/10", "fe80::/10", ["fe80::1", "febf::1"], ["fec0::1"]],
    ["::/0", "::/0", ["::", "2001:db8::1"], ["10.0.0.1", "::ffff:10.0.0.1"]],
    ["2001:db8::1/128", "2001:db8::1", ["2001:db8::1"], ["2001:db8::2"]],
  ];
  for (const [text, spelling, inside, outside] of rows) {
    test(`${text} is written ${spelling}, with ${inside.length} inside and ${outside.length} outside`, () => {
      const network = parseNetwork(text) as Network;
      expect(formatNetwork(network)).toBe(spelling);
      for (const address of inside) expect([address, lies(address, network)]).toEqual([address, true]);
      for (const address of outside) expect([address, lies(address, network)]).toEqual([address, false]);
    });
  }

  const problems: readonly [text: string, problem: string][] = [
    ["10.1.2.3/8", "expected 10.0.0.0/8"],
    ["10.0.0.1/31", "expected 10.0.0.0/31"],
    ["2001:db8::1/32", "expected 2001:db8::/32"],
    ["10.0.0.0/33", "expected at most 32 bits"],
    ["2001:db8::/129", "expected at most 128 bits"],
    ["::ffff:10.0.0.7", "expected 10.0.0.7, as IPv4"],
    ["::ffff:10.0.0.0/104", "expected 10.0.0.0/8, as IPv4"],
    ["::ffff:0:0/96", "expected 0.0.0.0/0, as IPv4"],
    ["::ffff:0:0/95", "expected 0.0.0.0, as IPv4"],
    ...[
      "",
      "10",
      "10.0.0.0/",
      "10.0.0.0/08",
      "10.0.0/8",
      "10.0.0.0/8/8",
      "[::1]",
      "::1%lo",
      "::g",
      "/8",
      "localhost",
      "*",
    ].map((text): [string, string] => [text, "expected an address, or a network such as 10.0.0.0/8"]),
  ];
  for (const [text, problem] of problems) {
    test(`${JSON.stringify(text)} is none: ${problem}`, () => expect(parseNetwork(text)).toBe(problem));
  }
});

function lies(text: string, network: Network): boolean {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return isWithin(address, network);
}
