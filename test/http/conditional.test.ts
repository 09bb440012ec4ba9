import { describe, expect, test } from "bun:test";
import { evaluatePreconditions, ifRangeHolds, Precondition, type Preconditions } from "../../src/http/conditional.ts";
import { imfDate } from "../../src/http/date.ts";
import { Method } from "../../src/http/method.ts";

const NOW = Date.UTC(2026, 2, 15, 10, 30, 15) / 1000;
const CHANGED = NOW - 3600;
const AT_CHANGE = imfDate(CHANGED);
const BEFORE = imfDate(CHANGED - 1);
const AFTER = imfDate(CHANGED + 1);
const ETAG = '"a1,b2"';

const { Proceed, NotModified, Failed } = Precondition;

function evaluate(fields: Partial<Preconditions>, method: Method = Method.Get, etag: string = ETAG): Precondition {
  const absent = { ifMatch: null, ifUnmodifiedSince: null, ifNoneMatch: null, ifModifiedSince: null };
  return evaluatePreconditions(method, { ...absent, ...fields }, etag, CHANGED, NOW);
}

function check(rows: [Partial<Preconditions>, Precondition][], method: Method = Method.Get): void {
  for (const [fields, expected] of rows) {
    test(`${JSON.stringify(fields)} gives ${Precondition[expected]}`, () => {
      expect(evaluate(fields, method)).toBe(expected);
    });
  }
}

describe("without preconditions", () => check([[{}, Proceed]]));

describe("If-Match compares strongly", () => {
  check([
    [{ ifMatch: "*" }, Proceed],
    [{ ifMatch: ETAG }, Proceed],
    [{ ifMatch: `"x", ${ETAG}` }, Proceed],
    [{ ifMatch: `"x",,\t,${ETAG} ,` }, Proceed],
    [{ ifMatch: '"x"' }, Failed],
    [{ ifMatch: '"A1,B2"' }, Failed],
    [{ ifMatch: `W/${ETAG}` }, Failed],
    [{ ifMatch: "" }, Failed],
  ]);
  test("a weak tag of ours never matches, not even itself", () => {
    expect(evaluate({ ifMatch: `W/${ETAG}` }, Method.Get, `W/${ETAG}`)).toBe(Failed);
    expect(evaluate({ ifMatch: ETAG }, Method.Get, `W/${ETAG}`)).toBe(Failed);
  });
});

describe("an If-Match that cannot be read fails", () => {
  check([
    [{ ifMatch: "a1" }, Failed],
    [{ ifMatch: `${ETAG}, *` }, Failed],
    [{ ifMatch: `* , ${ETAG}` }, Failed],
    [{ ifMatch: `${ETAG} "x"` }, Failed],
    [{ ifMatch: `${ETAG}"x"` }, Failed],
    [{ ifMatch: `${ETAG}, "x` }, Failed],
    [{ ifMatch: `${ETAG}, x` }, Failed],
    [{ ifMatch: `${ETAG}, "x y"` }, Failed],
    [{ ifMatch: `${ETAG}, "x\u007f"` }, Failed],
  ]);
});

describe("If-None-Match compares weakly", () => {
  check([
    [{ ifNoneMatch: "*" }, NotModified],
    [{ ifNoneMatch: ETAG }, NotModified],
    [{ ifNoneMatch: `W/${ETAG}` }, NotModified],
    [{ ifNoneMatch: `"x", W/"y" , W/${ETAG}` }, NotModified],
    [{ ifNoneMatch: `${ETAG}, "\u00e9"` }, NotModified],
    [{ ifNoneMatch: '"x"' }, Proceed],
    [{ ifNoneMatch: '"a1"' }, Proceed],
    [{ ifNoneMatch: '""' }, Proceed],
    [{ ifNoneMatch: "" }, Proceed],
  ]);
  test("a weak tag of ours matches too", () => {
    expect(evaluate({ ifNoneMatch: ETAG }, Method.Get, `W/${ETAG}`)).toBe(NotModified);
  });
  test("HEAD is answered as GET", () => expect(evaluate({ ifNoneMatch: ETAG }, Method.Head)).toBe(NotModified));
  test("any other method fails", () => {
    expect(evaluate({ ifNoneMatch: ETAG }, Method.Post)).toBe(Failed);
    expect(evaluate({ ifNoneMatch: "*" }, Method.Put)).toBe(Failed);
    expect(evaluate({ ifNoneMatch: '"x"' }, Method.Put)).toBe(Proceed);
  });
});

describe("an If-None-Match that cannot be read lets the request proceed", () => {
  check([
    [{ ifNoneMatch: "a1,b2" }, Proceed],
    [{ ifNoneMatch: `w/${ETAG}` }, Proceed],
    [{ ifNoneMatch: `W / ${ETAG}` }, Proceed],
    [{ ifNoneMatch: `${ETAG}, *` }, Proceed],
    [{ ifNoneMatch: `${ETAG};` }, Proceed],
    [{ ifNoneMatch: '"a1,b2' }, Proceed],
    [{ ifNoneMatch: "W/" }, Proceed],
  ]);
});

describe("If-Unmodified-Since", () => {
  check([
    [{ ifUnmodifiedSince: AFTER }, Proceed],
    [{ ifUnmodifiedSince: AT_CHANGE }, Proceed],
    [{ ifUnmodifiedSince: BEFORE }, Failed],
    [{ ifUnmodifiedSince: "Sunday, 06-Nov-94 08:49:37 GMT" }, Failed],
    [{ ifUnmodifiedSince: "Sun Nov  6 08:49:37 1994" }, Failed],
    [{ ifUnmodifiedSince: "Fri, 01 Jan 1960 00:00:00 GMT" }, Failed],
    [{ ifUnmodifiedSince: "yesterday" }, Proceed],
    [{ ifUnmodifiedSince: `${BEFORE}, ${BEFORE}` }, Proceed],
  ]);
});

describe("If-Modified-Since", () => {
  check([
    [{ ifModifiedSince: AFTER }, NotModified],
    [{ ifModifiedSince: AT_CHANGE }, NotModified],
    [{ ifModifiedSince: BEFORE }, Proceed],
    [{ ifModifiedSince: imfDate(NOW + 86_400) }, NotModified],
    [{ ifModifiedSince: "Sunday, 06-Nov-94 08:49:37 GMT" }, Proceed],
    [{ ifModifiedSince: "tomorrow" }, Proceed],
  ]);
  test("it speaks to GET and HEAD only", () => {
    expect(evaluate({ ifModifiedSince: AFTER }, Method.Head)).toBe(NotModified);
    expect(evaluate({ ifModifiedSince: AFTER }, Method.Post)).toBe(Proceed);
    expect(evaluate({ ifModifiedSince: AFTER }, Method.Other)).toBe(Proceed);
  });
});

describe("the order is the RFC's", () => {
  check([
    [{ ifMatch: ETAG, ifUnmodifiedSince: BEFORE }, Proceed], // a tag that matches silences the date
    [{ ifMatch: '"x"', ifUnmodifiedSince: AFTER }, Failed],
    [{ ifMatch: '"x"', ifNoneMatch: ETAG }, Failed],
    [{ ifMatch: ETAG, ifNoneMatch: ETAG }, NotModified],
    [{ ifUnmodifiedSince: BEFORE, ifNoneMatch: ETAG }, Failed],
    [{ ifUnmodifiedSince: AFTER, ifNoneMatch: ETAG }, NotModified],
    [{ ifUnmodifiedSince: BEFORE, ifModifiedSince: AFTER }, Failed],
    [{ ifNoneMatch: '"x"', ifModifiedSince: AFTER }, Proceed],
    [{ ifNoneMatch: "unreadable", ifModifiedSince: AFTER }, Proceed],
    [{ ifNoneMatch: ETAG, ifModifiedSince: BEFORE }, NotModified],
    [{ ifMatch: ETAG, ifModifiedSince: AFTER }, NotModified],
  ]);
});

describe("If-Range", () => {
  const rows: [string, boolean][] = [
    [ETAG, true],
    ['"x"', false],
    [`W/${ETAG}`, false],
    [`${ETAG}, ${ETAG}`, false],
    [`${ETAG} `, false],
    ["*", false],
    ["", false],
    ["a1,b2", false],
    [AT_CHANGE, true],
    [AFTER, false],
    [BEFORE, false],
    ["soon", false],
  ];
  for (const [value, holds] of rows) {
    test(`${JSON.stringify(value)} ${holds ? "holds" : "does not hold"}`, () => {
      expect(ifRangeHolds(value, ETAG, CHANGED, NOW)).toBe(holds);
    });
  }

  test("a date in another form is the same date", () => {
    expect(ifRangeHolds("Sun Nov  6 08:49:37 1994", ETAG, 784_111_777, NOW)).toBe(true);
    expect(ifRangeHolds("Sunday, 06-Nov-94 08:49:37 GMT", ETAG, 784_111_777, NOW)).toBe(true);
  });
  test("our own tag does not hold when it is weak", () => {
    expect(ifRangeHolds(`W/${ETAG}`, `W/${ETAG}`, CHANGED, NOW)).toBe(false);
  });
  test("a date is weak until its second has passed", () => {
    expect(ifRangeHolds(imfDate(NOW), ETAG, NOW, NOW)).toBe(false);
    expect(ifRangeHolds(imfDate(NOW), ETAG, NOW, NOW + 0.9)).toBe(false);
    expect(ifRangeHolds(imfDate(NOW), ETAG, NOW, NOW + 1)).toBe(true);
  });
});
