/** The fields of one request as they are decoded, one by one. */
import { describe, expect, test } from "bun:test";
import { Field } from "../../src/http/field.ts";
import { Method } from "../../src/http/method.ts";
import { ParseError } from "../../src/http/parse-error.ts";
import { contentLengthOf, DecodedHead, judgeField, TrailerCheck } from "../../src/http2/request-head.ts";

type Pair = readonly [name: string, value: string];

const FIELDS_MAX = 4;

function take(head: DecodedHead, ...lines: readonly Pair[]): DecodedHead {
  for (const [name, value] of lines) head.field(name, value, judgeField(name, value));
  return head;
}

function headOf(...lines: readonly Pair[]): DecodedHead {
  return take(new DecodedHead(FIELDS_MAX), ...lines);
}

const GET: readonly Pair[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "a.test"],
  [":path", "/x"],
];

describe("a head", () => {
  test("has the pseudo-fields in places of their own, and the others as lines", () => {
    const head = headOf(...GET, ["accept", "*/*"], ["priority", "u=1"], ["x-any", "1"]);
    expect(head).toMatchObject({
      method: Method.Get,
      methodText: "GET",
      scheme: "http",
      authority: "a.test",
      path: "/x",
      priority: "u=1",
      error: 0,
      count: 3,
      requestLine: "GET /x HTTP/2.0",
    });
    expect([head.value(Field.Accept), head.has(Field.Accept), head.has(Field.Range)]).toEqual(["*/*", true, false]);
  });

  test("of a method that the server does not know has its text", () => {
    expect(headOf([":method", "BREW"])).toMatchObject({ method: Method.Other, methodText: "BREW", error: 0 });
  });

  test("has Host from :authority, and its own line besides", () => {
    const [plain, both, line, none] = [
      headOf(...GET),
      headOf(...GET, ["host", "b.test"]),
      headOf([":path", "/"], ["host", "b.test"]),
      headOf([":path", "/"]),
    ];
    expect(
      [plain, both, line, none].map((head) => [head.has(Field.Host), head.value(Field.Host), head.hostLine]),
    ).toEqual([
      [true, "a.test", null],
      [true, "a.test", "b.test"],
      [true, "b.test", "b.test"],
      [false, null, null],
    ]);
    expect([headOf([":authority", "a:1"]).targetText, none.targetText, headOf().targetText]).toEqual(["a:1", "/", ""]);
  });

  test("joins the lines of one field, and knows that they are several", () => {
    const head = headOf(["accept", "a"], ["range", "r"], ["accept", "b"]);
    expect([head.value(Field.Accept), head.isRepeated(Field.Accept)]).toEqual(["a, b", true]);
    expect([head.value(Field.Range), head.isRepeated(Field.Range)]).toEqual(["r", false]);
  });

  test("joins cookies in one line, which counts once", () => {
    const head = headOf(["cookie", "a=1"], ["accept", "*"], ["cookie", "b=2"], ["cookie", "c=3"]);
    expect([head.count, head.error]).toEqual([2, 0]);
    expect(head.lines().slice(0, 2)).toEqual([
      ["cookie", "a=1; b=2; c=3"],
      ["accept", "*"],
    ]);
  });

  test("has a bounded number of lines", () => {
    const lines = Array.from({ length: FIELDS_MAX }, (_, at): Pair => [`x-${at}`, ""]);
    expect([headOf(...lines).error, headOf(...lines).count]).toEqual([0, FIELDS_MAX]);
    const more = headOf(...lines, ["x-more", ""]);
    expect([more.error, more.count]).toEqual([ParseError.TooManyFields, FIELDS_MAX]);
  });

  test("that is reset knows nothing of the request before", () => {
    const head = headOf(...GET, ["cookie", "a=1"], ["priority", "u=1"], ["accept", "a"], ["accept", "b"], ["Bad", ""]);
    head.reset();
    const fresh = new DecodedHead(FIELDS_MAX);
    const known = ({ method, methodText, scheme, authority, path, priority, error, count }: DecodedHead) => ({
      method,
      methodText,
      scheme,
      authority,
      path,
      priority,
      error,
      count,
    });
    expect(known(head)).toEqual(known(fresh));
    expect([head.has(Field.Accept), head.isRepeated(Field.Accept), head.lines()]).toEqual([
      false,
      false,
      fresh.lines(),
    ]);
    take(head, ["x-first", "1"], ["cookie", "b=2"], ["accept", "c"]);
    expect(head.lines()).toEqual([
      ["x-first", "1"],
      ["cookie", "b=2"],
      ["accept", "c"],
    ]);
    expect(head.value(Field.Accept)).toBe("c");
  });
});

describe("a field is refused", () => {
  const rows: readonly (readonly [name: string, value: string, error: keyof typeof ParseError | null])[] = [
    ["", "a", "FieldNameEmpty"],
    [":status", "200", "PseudoFieldUnknown"],
    ["xA", "a", "FieldNameUpperCase"],
    ["xZ", "a", "FieldNameUpperCase"],
    ["x@", "a", "FieldNameInvalid"],
    ["x[", "a", "FieldNameInvalid"],
    ["x y", "a", "FieldNameInvalid"],
    ["x:", "a", "FieldNameInvalid"],
    ["xaz", "", null],
    ["x", " a", "FieldValueInvalid"],
    ["x", "a ", "FieldValueInvalid"],
    ["x", "a\t", "FieldValueInvalid"],
    ["x", "\n", "FieldValueInvalid"],
    ["x", "a\0b", "FieldValueInvalid"],
    ["x", "\0b", "FieldValueInvalid"],
    ["x", "b\r", "FieldValueInvalid"],
    ["x", "a b", null],
    [":path", "/ ", "FieldValueInvalid"],
    ["connection", "close", "FieldOfConnection"],
    ["keep-alive", "", "FieldOfConnection"],
    ["proxy-connection", "", "FieldOfConnection"],
    ["transfer-encoding", "chunked", "FieldOfConnection"],
    ["upgrade", "h2c", "FieldOfConnection"],
    ["te", "gzip", "FieldOfConnection"],
    ["te", "Trailers", null],
    [":method", "", "PseudoFieldInvalid"],
    [":method", "G T", "PseudoFieldInvalid"],
    [":method", "M".repeat(32), null],
    [":method", "M".repeat(33), "MethodTooLong"],
  ];
  test.each(rows)("%j: %j, by %p", (name, value, error) => {
    expect(headOf([name, value]).error).toBe(error === null ? 0 : ParseError[error]);
  });

  test.each(GET)("%s, if it comes twice or after another field", (name, value) => {
    expect(headOf([name, value], [name, value]).error).toBe(ParseError.PseudoFieldRepeated);
    expect(headOf(["accept", "*"], [name, value]).error).toBe(ParseError.PseudoFieldMisplaced);
  });

  test("by the first rule that it breaks, whatever follows", () => {
    expect(headOf(["X", ""], ["x", " "]).error).toBe(ParseError.FieldNameUpperCase);
  });
});

test("a content length is a number that is exact, or an error", () => {
  const lengthOf = (...values: string[]) =>
    contentLengthOf(headOf(...values.map((value): Pair => ["content-length", value])));
  expect([lengthOf(), lengthOf("0"), lengthOf("12"), lengthOf("9007199254740991")]).toEqual([
    -1, 0, 12, 9_007_199_254_740_991,
  ]);
  expect(lengthOf("0000000000000012")).toBe(12);
  const errors = ["", "1a", "-1", "9007199254740992", "00000000000000012"].map((value) => lengthOf(value) + 1);
  expect(errors).toEqual([
    ParseError.ContentLengthInvalid,
    ParseError.ContentLengthInvalid,
    ParseError.ContentLengthInvalid,
    ParseError.ContentLengthTooLarge,
    ParseError.ContentLengthTooLarge,
  ]);
  expect(lengthOf("5", "5") + 1).toBe(ParseError.ContentLengthRepeated);
});

describe("trailers", () => {
  function errorOf(...lines: readonly Pair[]): number {
    const check = new TrailerCheck();
    for (const [name, value] of lines) check.field(name, value, judgeField(name, value));
    return check.error;
  }
  const many = (count: number) => Array.from({ length: count }, (_, at): Pair => [`x-${at}`, ""]);

  test("are at most 32", () => {
    expect([errorOf(...many(32)), errorOf(...many(33))]).toEqual([0, ParseError.TrailersTooLarge]);
  });

  test.each([
    [":path", "/", "PseudoFieldMisplaced"],
    [":method", "GET", "PseudoFieldMisplaced"],
    ["content-length", "1", "TrailerForbidden"],
    ["host", "a", "TrailerForbidden"],
    ["x", " ", "FieldValueInvalid"],
  ] as const)("have no %s: %s", (name, value, error) => {
    expect(errorOf(["x", "1"], [name, value], ["Y", "2"])).toBe(ParseError[error]);
  });

  test("may have cookies and fields that any request has", () => {
    expect(errorOf(["cookie", "a"], ["priority", "u=1"], ["accept", "*"])).toBe(0);
  });
});
