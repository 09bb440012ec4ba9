import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { acceptedCodings, CONTENT_CODINGS } from "../../src/http/accept-encoding.ts";

describe("the codings that are accepted, best first, by", () => {
  const cases: [value: string | null, codings: string][] = [
    [null, ""],
    ["", ""],
    [" ", ""],
    [",", ""],
    ["identity", ""],
    ["identity;q=0", ""],
    ["*;q=0", ""],
    ["deflate, compress", ""],
    ["gzip", "gzip"],
    ["GZip", "gzip"],
    ["x-gzip", "gzip"],
    ["gzip;q=0", ""],
    ["gzip;q=0.000", ""],
    ["gzip;q=0.001", "gzip"],
    ["x-gzip;q=0, gzip", ""],
    // Browsers, curl --compressed, Python's requests.
    ["gzip, deflate, br, zstd", "br zstd gzip"],
    ["gzip, deflate, br", "br gzip"],
    ["deflate, gzip, br, zstd", "br zstd gzip"],
    ["gzip, deflate", "gzip"],
    // RFC 9110 §12.5.3's own examples.
    ["compress, gzip", "gzip"],
    ["*", "br zstd gzip"],
    ["compress;q=0.5, gzip;q=1.0", "gzip"],
    ["gzip;q=1.0, identity; q=0.5, *;q=0", "gzip"],
    // Weights, and what a wildcard leaves out.
    ["br;q=0.8, zstd;q=0.9, gzip;q=1.0", "gzip zstd br"],
    ["br;q=0.5, gzip;q=0.5", "br gzip"],
    ["*, br;q=0", "zstd gzip"],
    ["*;q=0.1, gzip;q=0.2", "gzip br zstd"],
    ["gzip;q=0, *", "br zstd"],
    // The identity, where it is weighed itself.
    ["gzip;q=0.5, identity", ""],
    ["gzip;q=0.5, identity;q=0.5", "gzip"],
    ["br, gzip;q=0.5, identity;q=0.7", "br"],
    ["gzip, identity;q=0", "gzip"],
    // Two lines, as they are joined.
    ["gzip, br", "br gzip"],
    ["gzip, , br;q=0", "gzip"],
    // Malformed: the identity, even when a part could be read.
    ["gzip;q=2", ""],
    ["gzip;q=0.5555", ""],
    ["gzip br", ""],
    ["gzip;q", ""],
    ["gzip, br;q=x", ""],
    ["gzip\0", ""],
    [`${"a,".repeat(64)}gzip`, ""],
  ];
  for (const [value, codings] of cases) {
    test(JSON.stringify(value), () => expect(acceptedCodings(value).join(" ")).toBe(codings));
  }
});

test("exactly those with a weight above 0 are accepted, and a heavier one comes earlier", () => {
  const weight = fc.integer({ min: 0, max: 1000 });
  fc.assert(
    fc.property(fc.tuple(weight, weight, weight), fc.boolean(), (weights, inReverse) => {
      const items = CONTENT_CODINGS.map((coding, index) => ({ coding, weight: weights[index] ?? 0 }));
      const written = items.map((item) => `${item.coding};q=${(item.weight / 1000).toFixed(3)}`);
      const codings = acceptedCodings((inReverse ? written.reverse() : written).join(", "));
      const weightOf = (name: string) => items.find(({ coding }) => coding === name)?.weight ?? 0;
      expect(new Set(codings)).toEqual(new Set(items.filter((item) => item.weight > 0).map((item) => item.coding)));
      const sent = codings.map(weightOf);
      expect(sent).toEqual(sent.toSorted((one, other) => other - one));
    }),
  );
});

test("whatever the text, no coding that it does not name is accepted, unless by a wildcard", () => {
  const part = fc.constantFrom(
    "gzip",
    "br",
    "zstd",
    "identity",
    "*",
    ";q=0",
    ";q=0.5",
    ";q=1",
    ",",
    " ",
    "=",
    '"',
    "é",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      const text = parts.join("");
      for (const coding of acceptedCodings(text)) expect(text.includes(coding) || text.includes("*")).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
