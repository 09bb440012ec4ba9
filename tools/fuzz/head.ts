/** Request line and field section. Properties: consumed within given, whole equals split, a head that was read can be written and read again. */
import { decideFraming, Framing } from "../../src/http1/framing.ts";
import { ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";
import { bytesOf } from "../../test/support/bytes.ts";
import { pieces } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

const LIMITS = { maxHeaderBytes: 1024, maxFields: 12, maxEmptyLines: 2 };

const whole = new ParsedHead(LIMITS);
const other = new ParsedHead(LIMITS);
const framing = new Framing();
const otherFraming = new Framing();

export const headTarget: FuzzTarget = {
  name: "head",
  dictionary: [
    "\r\n",
    "\n",
    "\r",
    " ",
    ": ",
    "HTTP/1.1",
    "HTTP/1.0",
    "Host: a\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "X: \x80\r\n",
    "\r\n\r\n",
  ],
  check(input, random) {
    const result = parseRequestHead(input, 0, input.length, whole);
    if (result > input.length) return `consumed ${result} of ${input.length}`;
    if (!Number.isInteger(result)) return `result ${result}`;
    const seen = result > 0 ? view(whole) : "";
    const decided = result > 0 ? decideFraming(whole, framing) : 0;

    let end = 0;
    let split = 0;
    for (const piece of pieces(input, random)) {
      end += piece.length;
      split = parseRequestHead(input, 0, end, other);
      if (split !== 0) break;
    }
    if (split !== result) return `whole ${result}, split ${split} at ${end}`;
    if (result > 0 && view(other) !== seen) return "whole and split differ in what they read";

    const shifted = new Uint8Array(input.length + 3);
    shifted.set(input, 2);
    if (parseRequestHead(shifted, 2, 2 + input.length, other) !== result) return "another place, another result";
    if (result <= 0) return "";

    const written = bytesOf(seen);
    const again = parseRequestHead(written, 0, written.length, other);
    if (again !== written.length) return `written and read again: ${again} of ${written.length}`;
    if (view(other) !== seen) return "written and read again, it is another";
    const redecided = decideFraming(other, otherFraming);
    if (redecided !== decided) return `framing ${decided}, then ${redecided}`;
    if (!Bun.deepEquals(framing, otherFraming)) return "framing differs";
    if (framing.contentLength < 0 || !Number.isSafeInteger(framing.contentLength)) return "a length that is none";
    return "";
  },
};

/** What was read, as a head again. */
function view(head: ParsedHead): string {
  let text = `${head.methodText} ${head.targetText} HTTP/1.${head.minorVersion}\r\n`;
  for (let i = 0; i < head.fieldCount; i++) text += `${head.fieldName(i)}:${head.fieldValue(i)}\r\n`;
  return `${text}\r\n`;
}
