/** Content-Digest, with the examples of RFC 9530, appendix B and D. */
import { expect, test } from "bun:test";
import { parseContentDigest } from "../../src/http/digest-field.ts";

const SHA256 = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=";
const SHA512 = "YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==";

test("the digests that are known are taken, in their bytes", () => {
  const sha256 = { algorithm: "sha256", hex: Buffer.from(SHA256, "base64").toString("hex") } as const;
  const sha512 = { algorithm: "sha512", hex: Buffer.from(SHA512, "base64").toString("hex") } as const;
  expect(parseContentDigest(`sha-256=:${SHA256}:`)).toEqual([sha256]);
  expect(parseContentDigest(`sha-512=:${SHA512}:`)).toEqual([sha512]);
  expect(parseContentDigest(`sha-256=:${SHA256}:,\t sha-512=:${SHA512}:`)).toEqual([sha256, sha512]);
  expect(parseContentDigest(`sha-256=:${SHA256}:;a;b=1`)).toEqual([sha256]);
  expect(parseContentDigest(`md5=:AAAA:, sha-256=:${SHA256}:`)).toEqual([sha256]);
  expect(parseContentDigest("unixsum=:Fg==:")).toEqual([]);
});

test("a field that cannot be read is none", () => {
  for (const text of [
    "",
    SHA256,
    `sha-256=${SHA256}`,
    `sha-256=:${SHA256}`,
    `sha-256=:${SHA256.slice(0, 20)}:`,
    `sha-512=:${SHA256}:`,
    "sha-256=::",
    "sha-256=:====:",
    `SHA-256=:${SHA256}:`,
    `sha-256=:${SHA256}:,`,
    `sha-256 =:${SHA256}:`,
    "sha-256=1",
  ])
    expect([text, parseContentDigest(text)]).toEqual([text, null]);
});
