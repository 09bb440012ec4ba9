import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseRange, RANGES_MAX, RangeVerdict } from "../../src/http/range.ts";

/** `first-last` of each range, or the verdict's name. */
function outcome(value: string, size: number): string {
  const ranges = parseRange(value, size);
  if (typeof ranges === "number") return RangeVerdict[ranges] ?? "";
  return ranges.map(({ first, last }) => `${first}-${last}`).join(" ");
}

function rangesOf(count: number): string {
  return Array.from({ length: count }, (_, i) => `${i * 2}-${i * 2}`).join(",");
}

const tables: Record<string, [value: string, size: number, expected: string][]> = {
  "one range": [
    ["bytes=0-499", 1000, "0-499"],
    ["bytes=500-999", 1000, "500-999"],
    ["bytes=0-0", 1000, "0-0"],
    ["bytes=999-999", 1000, "999-999"],
    ["bytes=5-5", 1000, "5-5"],
    ["bytes=000005-0006", 1000, "5-6"],
    ["bytes=500-", 1000, "500-999"],
    ["bytes=0-", 1000, "0-999"],
    ["bytes=0-", 1, "0-0"],
    ["bytes=-500", 1000, "500-999"],
    ["bytes=-1", 1000, "999-999"],
    ["BYTES=0-1", 1000, "0-1"],
    ["Bytes=0-1", 1000, "0-1"],
  ],
  "cut to the size": [
    ["bytes=500-5000", 1000, "500-999"],
    ["bytes=0-1000", 1000, "0-999"],
    ["bytes=-5000", 1000, "0-999"],
    ["bytes=0-99999999999999999999999999999999", 1000, "0-999"],
    ["bytes=-99999999999999999999999999999999", 1000, "0-999"],
    ["bytes=0-18446744073709551616", 1000, "0-999"],
    ["bytes=5-4294967296", 1000, "5-999"],
  ],
  "several, in the order asked": [
    ["bytes=0-1,5-6", 1000, "0-1 5-6"],
    ["bytes=5-6,0-1", 1000, "5-6 0-1"],
    ["bytes=0-0,-1", 1000, "0-0 999-999"],
    ["bytes=0-1, 5-6 ,\t8-9", 1000, "0-1 5-6 8-9"],
    ["bytes=,0-1", 1000, "0-1"],
    ["bytes=0-1,,, ,5-6,", 1000, "0-1 5-6"],
    ["bytes=0-10,5-15", 1000, "0-10 5-15"],
    [`bytes=${rangesOf(20)}`, 40, rangesOf(20).replaceAll(",", " ")],
    [`bytes=${rangesOf(256)}`, 512, rangesOf(256).replaceAll(",", " ")],
    [`bytes=${rangesOf(RANGES_MAX)}`, 200_000, rangesOf(RANGES_MAX).replaceAll(",", " ")],
    ["bytes=5-15,100-200,0-10", 1000, "5-15 100-200 0-10"],
  ],
  "what lies outside is dropped beside what does not": [
    ["bytes=0-1,1000-", 1000, "0-1"],
    ["bytes=5000-6000,-2", 1000, "998-999"],
    ["bytes=-0,3-4", 1000, "3-4"],
  ],
  "nothing satisfiable": [
    ["bytes=1000-", 1000, "Unsatisfiable"],
    ["bytes=1000-1001", 1000, "Unsatisfiable"],
    ["bytes=-0", 1000, "Unsatisfiable"],
    ["bytes=-000", 1000, "Unsatisfiable"],
    ["bytes=1000-,2000-,-0", 1000, "Unsatisfiable"],
    ["bytes=18446744073709551616-", 1000, "Unsatisfiable"],
    ["bytes=18446744073709551616-18446744073709551617", 1000, "Unsatisfiable"],
    ["bytes=0-", 0, "Unsatisfiable"],
    ["bytes=0-0", 0, "Unsatisfiable"],
    ["bytes=-0", 0, "Unsatisfiable"],
  ],
  "ignored: not bytes, or no valid set": [
    ["", 1000, "Ignore"],
    ["bytes", 1000, "Ignore"],
    ["bytes=", 1000, "Ignore"],
    ["bytes=,", 1000, "Ignore"],
    ["bytes=-", 1000, "Ignore"],
    ["bytes=--1", 1000, "Ignore"],
    ["bytes=5-2", 1000, "Ignore"],
    ["bytes=5-2,0-1", 1000, "Ignore"],
    ["bytes=0-1,5-2", 1000, "Ignore"],
    ["bytes=5000-2000", 1000, "Ignore"],
    ["bytes=0-1,x", 1000, "Ignore"],
    ["bytes=x-1", 1000, "Ignore"],
    ["bytes=1-x", 1000, "Ignore"],
    ["bytes=1", 1000, "Ignore"],
    ["bytes=0-1-2", 1000, "Ignore"],
    ["bytes=0-1;5-6", 1000, "Ignore"],
    ["bytes=0-1 5-6", 1000, "Ignore"],
    ["bytes=+0-1", 1000, "Ignore"],
    ["bytes=0x0-0x5", 1000, "Ignore"],
    ["bytes=0 -1", 1000, "Ignore"],
    ["bytes=0- 1", 1000, "Ignore"],
    ["bytes= 0-1", 1000, "Ignore"],
    ["bytes =0-1", 1000, "Ignore"],
    [" bytes=0-1", 1000, "Ignore"],
    ["bytes:0-1", 1000, "Ignore"],
    ["bytes=1.0-2", 1000, "Ignore"],
    ["bytes=１-２", 1000, "Ignore"],
    ["octets=0-1", 1000, "Ignore"],
    ["items=0-1", 1000, "Ignore"],
    ["0-1", 1000, "Ignore"],
    ["bytes=-5", 0, "Ignore"],
  ],
  "ignored: an unreasonable set": [
    [`bytes=${rangesOf(RANGES_MAX + 1)}`, 1_000_000, "Ignore"],
    [`bytes=${rangesOf(300)}`, 1000, "Ignore"],
    [`bytes=${"2000-,".repeat(RANGES_MAX + 1)}`, 1000, "Ignore"],
    ["bytes=0-,0-", 1000, "Ignore"],
    ["bytes=0-999,5-5", 1000, "Ignore"],
    ["bytes=0-10,5-15,12-20", 1000, "Ignore"],
    ["bytes=12-20,100-200,5-15,0-10", 1000, "Ignore"],
    ["bytes=0-100,5-6,50-51", 1000, "Ignore"],
    ["bytes=50-51,5-6,0-100", 1000, "Ignore"],
    ["bytes=0-0,0-0,0-0", 1000, "Ignore"],
    ["bytes=0-1,1-2,500-501,501-502", 1000, "Ignore"],
  ],
};

for (const [name, rows] of Object.entries(tables)) {
  describe(name, () => {
    for (const [value, size, expected] of rows) {
      test(`${JSON.stringify(value)} of ${size} bytes`, () => expect(outcome(value, size)).toBe(expected));
    }
  });
}

describe("whatever is asked", () => {
  const position = fc.oneof(fc.nat(120).map(String), fc.constantFrom("", "99999999999999999999"));
  const spec = fc.oneof(
    fc.tuple(position, position).map(([first, last]) => `${first}-${last}`),
    fc.string({ maxLength: 4 }),
  );
  const value = fc.array(spec, { maxLength: 20 }).map((specs) => `bytes=${specs.join(",")}`);

  test("the parts lie inside the representation, and are no more than it", () => {
    fc.assert(
      fc.property(value, fc.nat(100), (text, size) => {
        const ranges = parseRange(text, size);
        if (typeof ranges === "number") return;
        const bytes = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
        expect(ranges.length).toBeGreaterThan(0);
        expect(ranges.length).toBeLessThanOrEqual(RANGES_MAX);
        expect(bytes).toBeLessThanOrEqual(size);
        for (const { first, last } of ranges) expect(0 <= first && first <= last && last < size).toBe(true);
      }),
    );
  });

  test("a set is ignored where more than two ranges overlap, in whatever order, and nowhere else", () => {
    const size = 100_000;
    const range = fc.tuple(fc.nat(3000), fc.nat(60)).map(([first, more]) => ({ first, last: first + more }));
    fc.assert(
      fc.property(fc.array(range, { minLength: 2, maxLength: 40 }), (ranges) => {
        const overlapping = ranges.filter((one) =>
          ranges.some((other) => other !== one && other.first <= one.last && one.first <= other.last),
        );
        const text = `bytes=${ranges.map(({ first, last }) => `${first}-${last}`).join(",")}`;
        expect(parseRange(text, size)).toEqual(overlapping.length > 2 ? RangeVerdict.Ignore : ranges);
      }),
    );
  });

  test("one valid range gives the bytes it names", () => {
    const size = 50;
    fc.assert(
      fc.property(fc.nat(size - 1), fc.nat(100), (first, more) => {
        const last = Math.min(first + more, size - 1);
        expect(parseRange(`bytes=${first}-${first + more}`, size)).toEqual([{ first, last }]);
      }),
    );
  });
});
