/**
 * Accept-Encoding. Properties: only what we can send, each once and only if it is named; refusing one more coding takes away
 * that one and nothing else; empty elements between the lines change nothing.
 */
import { parseQualityList, QUALITY_ITEMS_MAX } from "../../src/http/accept.ts";
import { acceptedCodings, CONTENT_CODINGS } from "../../src/http/accept-encoding.ts";
import { textOf } from "../../test/support/bytes.ts";
import type { FuzzTarget } from "./target.ts";

export const acceptEncodingTarget: FuzzTarget = {
  name: "accept-encoding",
  dictionary: [
    "gzip",
    "x-gzip",
    "br",
    "zstd",
    "identity",
    "deflate",
    "*",
    ";q=0",
    ";q=1",
    ";q=0.5",
    ",",
    ";",
    " ",
    "\t",
  ],
  check(input, random) {
    const text = textOf(input);
    const codings = acceptedCodings(text);
    if (new Set(codings).size !== codings.length) return `${codings} has one twice`;
    const items = parseQualityList(text);
    for (const coding of codings) {
      if (!CONTENT_CODINGS.includes(coding)) return `${coding} cannot be sent`;
      const names = coding === "gzip" ? [coding, "x-gzip", "*"] : [coding, "*"];
      if (!items.some(({ name, quality }) => names.includes(name) && quality > 0)) return `${coding} is not accepted`;
    }
    if (!Bun.deepEquals(acceptedCodings(`, ${text} ,`), codings)) return "empty elements change it";
    // A list that is malformed, empty or full would not become another one by what is put in front.
    if (items.length === 0 || items.length === QUALITY_ITEMS_MAX) return "";
    const refused = random.pick(CONTENT_CODINGS);
    const rest = codings.filter((coding) => coding !== refused);
    return Bun.deepEquals(acceptedCodings(`${refused};q=0, ${text}`), rest) ? "" : `refusing ${refused} changes more`;
  },
};
