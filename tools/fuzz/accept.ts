/** Accept and its like. Properties: bounded, weights within theirs, written and read again it is the same. */
import { parseQualityList, prefersJson, QUALITY_ITEMS_MAX } from "../../src/http/accept.ts";
import { textOf } from "../../test/support/bytes.ts";
import type { FuzzTarget } from "./target.ts";

export const acceptTarget: FuzzTarget = {
  name: "accept",
  dictionary: [
    "text/html",
    "application/json",
    "*/*",
    ";q=",
    "0.5",
    "1.000",
    ",",
    ";",
    "=",
    '"',
    "\\",
    " ",
    "\t",
    "text/*",
  ],
  check(input) {
    const text = textOf(input);
    const items = parseQualityList(text);
    if (items.length > QUALITY_ITEMS_MAX) return `${items.length} items`;
    for (const { name, quality } of items) {
      if (!Number.isInteger(quality) || quality < 0 || quality > 1000) return `the weight ${quality}`;
      if (name === "" || name !== name.toLowerCase()) return `the name ${name}`;
    }
    if (prefersJson(text) && !items.some((item) => item.quality > 0)) return "JSON is preferred by nobody";
    const written = items.map(({ name, quality }) => `${name};q=${(quality / 1000).toFixed(3)}`).join(", ");
    return Bun.deepEquals(parseQualityList(written), items) ? "" : "written and read again, it is another";
  },
};
