/** Addresses and names that a server can bind. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isIpLiteral, isLoopbackAddress, normalizeHost, parseAddress } from "../../src/http/ip-address.ts";

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

test("the addresses that only this machine reaches are ::1 and 127.0.0.0/8", () => {
  const addresses = ["::1", "127.0.0.1", "127.255.0.9"];
  const others = ["::2", "128.0.0.1", "127.0.0", "127.x", "1.127.0.0", "localhost", "", "[::1]"];
  expect([...addresses, ...others].filter(isLoopbackAddress)).toEqual(addresses);
});

test("an IP literal of an authority has brackets, or is four numbers", () => {
  expect(["[::1]", "1.2.3.4", "::1", "a.example", "1.2.3.256"].filter(isIpLiteral)).toEqual(["[::1]", "1.2.3.4"]);
});

describe("a numeric address", () => {
  test.each([
    ["1.2.3.4", "1.2.3.4", true],
    ["::ffff:1.2.3.4", "1.2.3.4", true],
    ["::FFFF:102:304", "1.2.3.4", true],
    ["::fffe:102:304", "::fffe:102:304", false],
    ["1::ffff:1.2.3.4", "1::ffff:102:304", false],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304", false],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", false],
    ["1:0:0:4:0:0:0:8", "1:0:0:4::8", false],
    ["1:0:0:4:5:0:0:8", "1::4:5:0:0:8", false],
    ["1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8", false],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", false],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8", false],
    ["::", "::", false],
  ])("%s is %s", (text, spelling, isIpv4) => {
    expect(parseAddress(text)).toMatchObject({ text: spelling, isIpv4 });
  });

  test("has eight groups", () => {
    expect(parseAddress("1.2.3.4")?.groups).toEqual([0, 0, 0, 0, 0, 0xffff, 0x102, 0x304]);
    expect(parseAddress("1::a:b")?.groups).toEqual([1, 0, 0, 0, 0, 0, 0xa, 0xb]);
  });

  test.each([
    ":",
    ":1",
    "1:",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1::2::3",
    ":::",
    "1:::2",
    "12345::",
    "g::",
    "::1.2.3",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1.2.3.4::",
    "::1%eth0",
  ])("is not %s", (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  test("is spelled as the engine spells it", () => {
    const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const text = groups.map((each) => each.toString(16)).join(":");
        const read = parseAddress(text);
        if (read?.isIpv4 === false) expect(`[${read.text}]`).toBe(new URL(`http://[${text}]`).hostname);
        expect(read?.groups).toEqual(groups);
      }),
    );
  });
});
