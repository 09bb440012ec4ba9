/** Range. Properties: every range lies inside, the set is bounded, written and read again it is the same. */
import { type ByteRange, parseRange, RANGES_MAX, RangeVerdict } from "../../src/http/range.ts";
import { textOf } from "../../test/support/bytes.ts";
import type { FuzzTarget } from "./target.ts";

export const rangeTarget: FuzzTarget = {
  name: "range",
  dictionary: ["bytes=", "-", ",", "0", "9", "0-0", "-1", "5-", " ", "\t", "99999999999999999999", "9007199254740993"],
  check(input, random) {
    const size = random.pick([0, 1, 2, 10, 26, 1000, 2 ** 40, 2 ** 48 - 1]);
    const ranges = parseRange(textOf(input), size);
    if (typeof ranges === "number")
      return ranges === RangeVerdict.Ignore || ranges === RangeVerdict.Unsatisfiable ? "" : "no verdict";
    if (ranges.length === 0 || ranges.length > RANGES_MAX) return `${ranges.length} ranges`;
    let bytes = 0;
    for (const { first, last } of ranges) {
      if (!(Number.isSafeInteger(first) && Number.isSafeInteger(last))) return `${first}-${last} is inexact`;
      if (first < 0 || first > last || last >= size) return `${first}-${last} of ${size}`;
      bytes += last - first + 1;
    }
    if (ranges.length > 1 && bytes > size) return `${bytes} bytes in parts of ${size}`;
    const again = parseRange(written(ranges), size);
    return Bun.deepEquals(again, ranges) ? "" : "written and read again, it is another";
  },
};

function written(ranges: readonly ByteRange[]): string {
  return `bytes=${ranges.map(({ first, last }) => `${first}-${last}`).join(", ")}`;
}
