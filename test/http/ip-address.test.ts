/** Addresses and names that a server can bind. */
import { describe, expect, test } from "bun:test";
import { normalizeHost } from "../../src/http/ip-address.ts";

describe("a host to bind", () => {
  const cases: readonly [text: string, normalized: string | undefined][] = [
    ["127.0.0.1", "127.0.0.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["[::]", "::"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["[::1]", "::1"],
    ["FE80:0::1", "fe80::1"],
    ["fe80::1%eth0", "fe80::1%eth0"],
    ["localhost", "127.0.0.1"],
    ["LocalHost.", "127.0.0.1"],
    ["Files.Example.com", "files.example.com"],
    ["3com.example", "3com.example"],
    ["a".repeat(63), "a".repeat(63)],
    ["*", undefined],
    ["", undefined],
    ["0", undefined],
    ["127.1", undefined],
    ["2130706433", undefined],
    ["0x7f000001", undefined],
    ["a.0x7f", undefined],
    ["127.0.0.01", undefined],
    ["256.0.0.1", undefined],
    ["1.2.3.4.", undefined],
    ["1.2.3.4.5", undefined],
    ["[127.0.0.1]", undefined],
    ["[::1", undefined],
    ["::1]", undefined],
    ["::ffff:0.0.0.0", undefined],
    ["::1/x", undefined],
    ["host:80", undefined],
    ["-a", undefined],
    ["a-", undefined],
    ["a_b", undefined],
    ["a..b", undefined],
    ["1-2", undefined],
    ["a b", undefined],
    ["a\n", undefined],
    ["größe", undefined],
    ["a".repeat(64), undefined],
    ["a.".repeat(127), undefined],
  ];
  for (const [text, normalized] of cases) {
    test(`${JSON.stringify(text)} is ${normalized ?? "refused"}`, () => {
      expect(normalizeHost(text)).toBe(normalized as string);
    });
  }
});
