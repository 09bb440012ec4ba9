/** Preconditions, If-Range and dates. Properties: a verdict for every text, a date that was read can be written and read again, a tag holds only where it stands. */
import { evaluatePreconditions, ifRangeHolds, Precondition } from "../../src/http/conditional.ts";
import { EPOCH_SECONDS_MAX, imfDate, parseHttpDate } from "../../src/http/date.ts";
import { Method } from "../../src/http/method.ts";
import { textOf } from "../../test/support/bytes.ts";
import type { FuzzTarget } from "./target.ts";

const ETAG = '"abc-1"';
const MODIFIED = 784_111_777;

export const conditionalTarget: FuzzTarget = {
  name: "conditional",
  dictionary: [
    ETAG,
    `W/${ETAG}`,
    '"',
    ",",
    "*",
    "W/",
    " ",
    "\t",
    "Sun, ",
    "06 Nov 1994",
    "08:49:37",
    " GMT",
    "Sunday, 06-Nov-94 ",
    "Sun Nov  6 ",
    "1994",
    "Feb",
    "29",
    "60",
  ],
  check(input, random) {
    const text = textOf(input);
    const now = random.pick([0, MODIFIED, MODIFIED + 1, 1_800_000_000, 4_102_444_800]);
    const date = parseHttpDate(text, now);
    if (!Number.isInteger(date) || date < -1 || date > EPOCH_SECONDS_MAX + 1) return `the date ${date}`;
    if (date >= 0 && date <= EPOCH_SECONDS_MAX && parseHttpDate(imfDate(date), now) !== date)
      return "written and read again, it is another date";

    const one = { ifMatch: null, ifUnmodifiedSince: null, ifNoneMatch: null, ifModifiedSince: null };
    const judge = (field: keyof typeof one, method: Method) =>
      evaluatePreconditions(method, { ...one, [field]: text }, ETAG, MODIFIED, now);
    const match = judge("ifMatch", Method.Get);
    const noneMatch = judge("ifNoneMatch", Method.Get);
    const holds = ifRangeHolds(text, ETAG, MODIFIED, now);
    if (match === Precondition.NotModified || noneMatch === Precondition.Failed) return "a verdict of the other field";
    if (match === Precondition.Proceed && text !== "*" && !text.includes(ETAG)) return "If-Match holds without the tag";
    if (noneMatch === Precondition.NotModified && text !== "*" && !text.includes(ETAG))
      return "If-None-Match finds no tag";
    if (match === Precondition.Proceed && noneMatch !== Precondition.NotModified)
      return "equal strongly and not weakly";
    if (holds && text !== ETAG && date !== MODIFIED) return "If-Range holds without the tag or the date";
    const since = judge("ifModifiedSince", Method.Get);
    const until = judge("ifUnmodifiedSince", Method.Get);
    if (date < 0 && (since !== Precondition.Proceed || until !== Precondition.Proceed))
      return "what is no date has an effect";
    if (date >= 0 && (since === Precondition.NotModified) !== MODIFIED <= date) return "If-Modified-Since is wrong";
    if (date >= 0 && (until === Precondition.Failed) !== MODIFIED > date) return "If-Unmodified-Since is wrong";
    if (judge("ifModifiedSince", Method.Post) !== Precondition.Proceed) return "If-Modified-Since acts on POST";
    return judge("ifNoneMatch", Method.Post) === Precondition.NotModified ? "304 to POST" : "";
  },
};
