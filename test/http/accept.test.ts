import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseQualityList, prefersJson, QUALITY_ITEMS_MAX } from "../../src/http/accept.ts";

describe("HTML is what is sent to", () => {
  const cases: (string | null)[] = [
    null,
    "",
    "*/*",
    "text/*, application/json;q=0.9",
    "text/html",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
    "application/json, text/html",
    "text/html, application/json",
    "application/json;q=0.5, text/html;q=0.8",
    "application/json;q=0",
    "application/json;q=0, */*",
    "application/xml",
    "json",
    "application/jsonx",
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", // an old Java client's, which is malformed
    "application/json;q=2",
    "application/json;q=0.5000",
    "application/json;q=",
    "application/json;q",
    "application/json text/html",
    'application/json;a="',
    "application/",
    "/json",
  ];
  for (const accept of cases) test(JSON.stringify(accept), () => expect(prefersJson(accept)).toBe(false));
});

describe("JSON is what is sent to", () => {
  const cases = [
    "application/json",
    "APPLICATION/JSON",
    "application/problem+json",
    "application/json; charset=utf-8",
    "application/json, text/plain, */*",
    "application/json, text/javascript, */*; q=0.01",
    "*/*;q=0.8, application/json",
    "application/*",
    "application/*, */*",
    "application/problem+json, text/html;q=0.5",
    "text/html;q=0, */*",
    "text/html;q=0.4, application/json;q=0.401",
    "application/json;q=0.9;v=1, text/html;q=0.8",
    'application/json;a="x,text/html;q=1\\"",text/html;q=0.1',
    "application/json;q=1.000, text/html;Q=0.9",
    ",, application/json ;; ,",
  ];
  for (const accept of cases) test(JSON.stringify(accept), () => expect(prefersJson(accept)).toBe(true));
});

describe("a list with weights", () => {
  test("serves codings as well as media types", () => {
    expect(parseQualityList("gzip, br;q=0.25 , *;q=0,ZSTD; q=1.0")).toEqual([
      { name: "gzip", quality: 1000 },
      { name: "br", quality: 250 },
      { name: "*", quality: 0 },
      { name: "zstd", quality: 1000 },
    ]);
  });

  test("names nothing when it is longer than the bound", () => {
    expect(parseQualityList("a,".repeat(QUALITY_ITEMS_MAX))).toHaveLength(QUALITY_ITEMS_MAX);
    expect(parseQualityList("a,".repeat(QUALITY_ITEMS_MAX + 1))).toEqual([]);
  });

  test("names nothing when any member is malformed", () => {
    for (const value of [
      "gzip, br;q=x",
      "gzip;q=1.001",
      "gzip;q=-1",
      "gzip;q=0.1.1",
      "gzip br",
      "gzip, é",
      "gzip; =1",
      "/html",
      "text/",
      ";q=1",
      "gzip;a b",
      "gzip;a b;c=1",
      'gzip;a="\x01"',
      'gzip;a="b',
    ]) {
      expect(parseQualityList(value)).toEqual([]);
    }
  });

  test("gives back what was put together", () => {
    const item = fc.record({ name: fc.constantFrom("*", "gzip", "text/html", "*/*", "a/*"), quality: fc.nat(1000) });
    fc.assert(
      fc.property(fc.array(item, { maxLength: QUALITY_ITEMS_MAX }), (items) => {
        const value = items.map(({ name, quality }) => `${name};q=${(quality / 1000).toFixed(3)}`).join(", ");
        expect(parseQualityList(value)).toEqual(items);
      }),
    );
  });

  test("never throws and never leaves the range of weights", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "/", ";", "q=", "0.5", '"', "\\", ",", " ", "=", "é")), (parts) => {
        return parseQualityList(parts.join("")).every(({ quality }) => quality >= 0 && quality <= 1000);
      }),
    );
  });
});
