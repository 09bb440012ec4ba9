import { expect, test } from "bun:test";
import fc from "fast-check";
import { escapeTarget, referenceTo } from "../../src/http/uri.ts";

const URI = /^(?:[A-Za-z0-9._~!$&'()*+,;=:@/?#[\]-]|%[0-9A-Fa-f]{2})*$/;

test.each<[string, string]>([
  ["", ""],
  ["/a/b;c=d?e=/f&g[]=%2f%C3%BC", "/a/b;c=d?e=/f&g[]=%2f%C3%BC"],
  ["?q=50%", "?q=50%25"],
  ["?%zz%4%", "?%25zz%254%25"],
  ["?%%41", "?%25%41"],
  ['?filter={"a":1}', "?filter=%7B%22a%22:1%7D"],
  ["?p=C:\\x", "?p=C:%5Cx"],
  ["/a|b^c`<d>", "/a%7Cb%5Ec%60%3Cd%3E"],
  ["/\xc3\xbc?\xff", "/%C3%BC?%FF"],
  ["http://[::1]:80/{a}", "http://[::1]:80/%7Ba%7D"],
])("the target %j is written as %j", (raw, written) => {
  expect(escapeTarget(raw)).toBe(written);
});

test("a target that was escaped is a URI, stays as it is, and decodes to the same bytes", () => {
  const target = fc
    .array(fc.integer({ min: 0x21, max: 0xff }), { maxLength: 20 })
    .map((codes) => String.fromCharCode(...codes));
  fc.assert(
    fc.property(target, (raw) => {
      const written = escapeTarget(raw);
      expect(written).toMatch(URI);
      expect(escapeTarget(written)).toBe(written);
      expect(decoded(written)).toBe(decoded(raw));
    }),
    { numRuns: 2000 },
  );
});

test.each<[string, string, string]>([
  ["/", "", "/"],
  ["/a b?#%ä[1]|", "?x", "/a%20b%3F%23%25%C3%A4%5B1%5D%7C?x"],
  ["//evil.example/", "?//y", "/evil.example/?//y"],
  ["/a//b", '?"', "/a//b?%22"],
])("the path %j with the query %j is referred to as %s", (path, query, reference) => {
  expect(referenceTo(path, query)).toBe(reference);
});

/** Decodes escapes, and leaves a `%` that begins none. */
function decoded(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
