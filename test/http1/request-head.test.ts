import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Field } from "../../src/http/field.ts";
import { Method } from "../../src/http/method.ts";
import { describeParseError, ParseError } from "../../src/http/parse-error.ts";
import { type HeadLimits, ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";
import { bytesOf } from "../support/bytes.ts";

const LIMITS: HeadLimits = { maxHeaderBytes: 200, maxFields: 6, maxEmptyLines: 2 };

/** What a receiver that gets the bytes in pieces that end at `stops` learns, and after how many bytes. */
function receive(bytes: Uint8Array, stops: readonly number[], head: ParsedHead): { result: number; at: number } {
  for (const at of stops) {
    const result = parseRequestHead(bytes, 0, at, head);
    if (result !== 0) return { result, at };
  }
  return { result: 0, at: bytes.length };
}

/** Asserts one result for the bytes whole, byte by byte, and split in two at every point. */
function expectResult(text: string, expected: number): ParsedHead {
  const bytes = bytesOf(text);
  const head = new ParsedHead(LIMITS);
  const each = Array.from(bytes, (_, i) => i + 1);
  expect({ how: "byte by byte", result: receive(bytes, each, head).result }).toEqual({
    how: "byte by byte",
    result: expected,
  });
  for (let split = 1; split < bytes.length; split++) {
    const result = receive(bytes, [split, bytes.length], head).result;
    expect({ split, result }).toEqual({ split, result: expected });
  }
  expect(parseRequestHead(bytes, 0, bytes.length, head)).toBe(expected);
  return head;
}

const REQUEST = "GET / HTTP/1.1\r\n";
const line = (field: string): string => `${REQUEST}${field}\r\n\r\n`;

describe("a head that is accepted", () => {
  const rows: [name: string, text: string][] = [
    ["a request line alone", "GET / HTTP/1.1\r\n\r\n"],
    ["one field", line("Host: a")],
    ["empty lines before it, within the bound", `\r\n\r\n${line("Host: a")}`],
    ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n"],
    ["a later minor version", "GET / HTTP/1.9\r\n\r\n"],
    ["an unknown method", "BREW / HTTP/1.1\r\n\r\n"],
    ["every token character in a method", "!#$%&'*+-.^_`|~9aZ / HTTP/1.1\r\n\r\n"],
    ["a method as long as allowed", `${"M".repeat(32)} / HTTP/1.1\r\n\r\n`],
    ["a request line as long as allowed", `GET /${"a".repeat(182)} HTTP/1.1\r\n\r\n`],
    ["an absolute target", "GET http://[::1]:80/?a=[b] HTTP/1.1\r\n\r\n"],
    ["an empty value", line("A:")],
    ["a value of white space", line("A: \t ")],
    ["white space and bytes above 0x7f in a value", line("A: b\t c\x80\xff")],
    ["as many fields as allowed", `${REQUEST}${"a:b\r\n".repeat(6)}\r\n`],
    ["a field line as long as allowed", line(`A:${"b".repeat(178)}`)],
    ["a head as long as allowed", `${REQUEST}A:${"b".repeat(96)}\r\nA:${"b".repeat(78)}\r\n\r\n`],
  ];
  test.each(rows)("%s", (_, text) => {
    expectResult(text, text.length);
  });

  test("leaves what follows it alone", () => {
    const text = line("Host: a");
    const head = new ParsedHead(LIMITS);
    expect(parseRequestHead(bytesOf(`xx${text}GET`), 2, text.length + 5, head)).toBe(text.length);
    expect(head.start).toBe(2);
    expect(head.end).toBe(2 + text.length);
  });

  test("gives its parts as text", () => {
    const head = expectResult(
      "\r\nPOST /a?b HTTP/1.0\r\nhOsT: \t a:1 \t\r\nAccept: x\r\nX: \x80\r\naccept:y\r\n\r\n",
      66,
    );
    expect(head.method).toBe(Method.Post);
    expect(head.minorVersion).toBe(0);
    expect(head.methodText).toBe("POST");
    expect(head.targetText).toBe("/a?b");
    expect(head.requestLine).toBe("POST /a?b HTTP/1.0");
    expect(head.fieldCount).toBe(4);
    expect(head.value(Field.Host)).toBe("a:1");
    expect(head.isRepeated(Field.Host)).toBe(false);
    expect(head.value(Field.Accept)).toBe("x, y");
    expect(head.isRepeated(Field.Accept)).toBe(true);
    expect(head.value(Field.Range)).toBeNull();
    expect(head.has(Field.Range)).toBe(false);
    expect(head.lines()).toEqual([
      ["hOsT", "a:1"],
      ["Accept", "x"],
      ["X", "\x80"],
      ["accept", "y"],
    ]);
  });

  test("forgets the head before it", () => {
    const head = new ParsedHead(LIMITS);
    const first = bytesOf(`${REQUEST}Host: a\r\nHost: b\r\n\r\n`);
    parseRequestHead(first, 0, first.length, head);
    const second = bytesOf("PUT / HTTP/1.0\r\n\r\n");
    parseRequestHead(second, 0, second.length, head);
    expect([head.has(Field.Host), head.isRepeated(Field.Host), head.fieldCount, head.method]).toEqual([
      false,
      false,
      0,
      Method.Put,
    ]);
  });

  test.each(["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"])(
    "knows the method %s, but not in lower case",
    (name) => {
      expect(expectResult(`${name} / HTTP/1.1\r\n\r\n`, name.length + 15).method).not.toBe(Method.Other);
      const lower = expectResult(`${name.toLowerCase()} / HTTP/1.1\r\n\r\n`, name.length + 15);
      expect(lower.method).toBe(Method.Other);
      expect(lower.methodText).toBe(name.toLowerCase());
    },
  );

  const fieldNames = Array.from({ length: Field.Count }, (_, field): [string, number] => [
    (Field[field] as string).replace(/(?<!^)[A-Z]/g, "-$&"),
    field,
  ]);
  test.each(fieldNames)("finds %s in any case, and not under a name one byte off", (name, field) => {
    for (const spelling of [name, name.toLowerCase(), name.toUpperCase()]) {
      expect(expectResult(line(`${spelling}: v`), 16 + spelling.length + 7).value(field)).toBe("v");
    }
    for (const other of [`${name}x`, name.slice(0, -1), `${name[0]}~${name.slice(2)}`]) {
      expect(expectResult(line(`${other}: v`), 16 + other.length + 7).has(field)).toBe(false);
    }
  });
});

describe("a head that is refused", () => {
  const E = ParseError;
  const rows: [name: string, text: string, error: ParseError][] = [
    ["too many empty lines", `\r\n\r\n\r\n${line("Host: a")}`, E.TooManyEmptyLines],
    ["CR without LF before the request line", "\rGET / HTTP/1.1\r\n\r\n", E.BareCr],
    ["LF before the request line", "\nGET / HTTP/1.1\r\n\r\n", E.BareLf],
    ["a TLS ClientHello", "\x16\x03\x01\x02\x00\x01", E.TlsHello],
    ["a handshake's byte behind a method", "GET\x16\x03\x01", E.MethodInvalid],
    ["a space first", " GET / HTTP/1.1\r\n\r\n", E.MethodInvalid],
    ["a method that is no token", "GE:T / HTTP/1.1\r\n\r\n", E.MethodInvalid],
    ["a tab behind the method", "GET\t/ HTTP/1.1\r\n\r\n", E.MethodInvalid],
    ["a method too long", `${"M".repeat(33)} / HTTP/1.1\r\n\r\n`, E.MethodTooLong],
    ["a method alone", "GET\r\n\r\n", E.RequestLineWithoutVersion],
    ["two spaces before the target", "GET  / HTTP/1.1\r\n\r\n", E.TargetEmpty],
    ["two spaces behind the target", "GET /  HTTP/1.1\r\n\r\n", E.VersionInvalid],
    ["a space in the target", "GET /a b HTTP/1.1\r\n\r\n", E.VersionInvalid],
    ["a fragment", "GET /#a HTTP/1.1\r\n\r\n", E.TargetCharacter],
    ["NUL in the target", "GET /\0 HTTP/1.1\r\n\r\n", E.TargetCharacter],
    ["a tab in the target", "GET /\t HTTP/1.1\r\n\r\n", E.TargetCharacter],
    ["a backslash", "GET /\\a HTTP/1.1\r\n\r\n", E.TargetCharacter],
    ["a backslash before a query", "GET /\\?\\ HTTP/1.1\r\n\r\n", E.TargetCharacter],
    ["a backslash before a query that a field has", "GET /\\ HTTP/1.1\r\nA: ?\r\n\r\n", E.TargetCharacter],
    ["a fragment behind a backslash", "GET /?\\#a HTTP/1.1\r\n\r\n", E.TargetCharacter],
    ["DEL behind a backslash", "GET /?\\\x7f HTTP/1.1\r\n\r\n", E.TargetCharacter],
    ["DEL in the target", "GET /\x7f HTTP/1.1\r\n\r\n", E.TargetCharacter],
    ["a request line too long by its version", `GET /${"a".repeat(185)} HTTP/1.1\r\n\r\n`, E.TargetTooLong],
    ["a request line too long by its target", `GET /${"a".repeat(200)} HTTP/1.1\r\n\r\n`, E.TargetTooLong],
    ["a request line too long, without an end", `GET /${"a".repeat(200)}`, E.TargetTooLong],
    [
      "a request line that leaves no room for the empty line",
      `GET /${"a".repeat(183)} HTTP/1.1\r\n\r\n`,
      E.FieldsTooLarge,
    ],
    ["HTTP/0.9's simple request", "GET /\r\n", E.RequestLineWithoutVersion],
    ["a space, but no version", "GET / \r\n", E.RequestLineWithoutVersion],
    ["HTTP/0.9 by name", "GET / HTTP/0.9\r\n\r\n", E.VersionUnsupported],
    ["HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", E.VersionUnsupported],
    ["a version in lower case", "GET / http/1.1\r\n\r\n", E.VersionInvalid],
    ["another protocol", "GET / HTTQ/1.1\r\n\r\n", E.VersionInvalid],
    ["a version of three digits", "GET / HTTP/1.10\r\n\r\n", E.VersionInvalid],
    ["a major version of two digits", "GET / HTTP/11.1\r\n\r\n", E.VersionInvalid],
    ["a version without minor", "GET / HTTP/1\r\n\r\n", E.VersionInvalid],
    ["a space behind the version", "GET / HTTP/1.1 \r\n\r\n", E.VersionInvalid],
    ["LF behind the version", "GET / HTTP/1.1\n\r\n", E.BareLf],
    ["CR without LF behind the version", "GET / HTTP/1.1\rHost: a\r\n\r\n", E.BareCr],
    ["LF as the empty line", `${REQUEST}Host: a\r\n\n`, E.BareLf],
    ["CR without LF as the empty line", `${REQUEST}\rX`, E.BareCr],
    ["white space before the first field", line(" Host: a"), E.FieldFolded],
    ["a folded line", line("A: b\r\n c"), E.FieldFolded],
    ["a line folded with a tab", line("A: b\r\n\tc"), E.FieldFolded],
    ["an empty name", line(": a"), E.FieldNameEmpty],
    ["a space before the colon", line("Host : a"), E.FieldSpaceBeforeColon],
    ["a tab before the colon", line("Host\t: a"), E.FieldSpaceBeforeColon],
    ["a name that is no token", line("Ho(st: a"), E.FieldNameInvalid],
    ["a name with NUL", line("Ho\0st: a"), E.FieldNameInvalid],
    ["a name with a byte above 0x7f", line("H\xf6st: a"), E.FieldNameInvalid],
    ["a line without a colon", line("Host"), E.FieldNameInvalid],
    ["a line without a colon, ended by LF", line("Host\nA: b"), E.BareLf],
    ["NUL in a value", line("A: b\0c"), E.FieldValueInvalid],
    ["DEL in a value", line("A: b\x7f"), E.FieldValueInvalid],
    ["another control in a value", line("A: b\x0bc"), E.FieldValueInvalid],
    ["LF in a value", line("A: b\nC: d"), E.BareLf],
    ["CR in a value", line("A: b\rc"), E.BareCr],
    ["two CR at a line's end", line("A: b\r"), E.BareCr],
    ["a field line too long", line(`A:${"b".repeat(179)}`), E.FieldsTooLarge],
    ["a field line too long, without an end", `${REQUEST}A:${"b".repeat(200)}`, E.FieldsTooLarge],
    ["a name too long, without an end", `${REQUEST}${"b".repeat(200)}`, E.FieldsTooLarge],
    ["a head too long", `${REQUEST}A:${"b".repeat(96)}\r\nA:${"b".repeat(79)}\r\n\r\n`, E.FieldsTooLarge],
    ["too many fields", `${REQUEST}${"a:b\r\n".repeat(7)}\r\n`, E.TooManyFields],
    ["a bad byte before a limit: the byte decides", `${REQUEST}A:\0${"b".repeat(200)}`, E.FieldValueInvalid],
    ["a bad byte behind a limit: the limit decides", `${REQUEST}A:${"b".repeat(200)}\0`, E.FieldsTooLarge],
  ];
  test.each(rows)("%s", (_, text, error) => {
    expectResult(text, error);
  });

  test.each<[string, string, number, ParseError]>([
    ["a TLS ClientHello at its first byte", "\x16\x03", 1, E.TlsHello],
    ["a request line too long at the first byte beyond", `GET /${"a".repeat(250)}`, 201, E.TargetTooLong],
    ["a version at its first wrong byte", "GET / XTTP/1.1", 7, E.VersionInvalid],
    ["a field line too long as soon as its end cannot fit", `${REQUEST}A:${"b".repeat(200)}`, 200, E.FieldsTooLarge],
  ])("is refused early: %s", (_, text, at, error) => {
    const bytes = bytesOf(text);
    const each = Array.from(bytes, (_byte, i) => i + 1);
    expect(receive(bytes, each, new ParsedHead(LIMITS))).toEqual({ result: error, at });
  });

  test("shows in its request line what came, for the log", () => {
    const head = expectResult("GET /a HTTP/3.0\r\nHost: a\r\n\r\n", E.VersionUnsupported);
    expect(head.requestLine).toBe("GET /a HTTP/3.0");
    expect(expectResult("\x16\x03\x01", E.TlsHello).requestLine).toBe("\x16\x03\x01");
  });
});

test("a CR as the last byte waits for the next read", () => {
  for (const text of ["\r", "GET / HTTP/1.1\r", `${REQUEST}A: b\r`, `${REQUEST}\r`]) expectResult(text, 0);
});

test("each prefix of a good head waits for more", () => {
  const text = `\r\n${line("Host: a\r\nAccept: b")}`;
  for (let length = 0; length < text.length; length++) expectResult(text.slice(0, length), 0);
});

test("every ParseError has its own row in the table", () => {
  const codes = Object.values(ParseError).filter((code): code is ParseError => typeof code === "number");
  expect(codes.length).toBeGreaterThan(40);
  for (const code of codes) {
    expect(code).toBeLessThan(0);
    expect(describeParseError(code).sentence).not.toBe(describeParseError(-1000).sentence);
    expect(describeParseError(code).status).toBeGreaterThanOrEqual(400);
  }
  expect(new Set(codes.map((code) => describeParseError(code).sentence)).size).toBe(codes.length);
  expect(describeParseError(ParseError.ExpectationUnknown).closes).toBe(false);
});

const PIECES = [
  "GET",
  "POST",
  " ",
  "/",
  "/a?b",
  "HTTP/1.1",
  "HTTP/1.0",
  "\r\n",
  "\r",
  "\n",
  ":",
  "Host: a\r\n",
  "A:b\r\n",
  "\t",
  "\0",
  "x",
  "\r\n\r\n",
];
const anyHead = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => bytesOf(pieces.join(""))),
  fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => bytesOf(REQUEST + pieces.join(""))),
);

test("any bytes: no throw, never more consumed than given, the same answer whole and split", () => {
  const whole = new ParsedHead(LIMITS);
  const split = new ParsedHead(LIMITS);
  fc.assert(
    fc.property(anyHead, (bytes) => {
      const result = parseRequestHead(bytes, 0, bytes.length, whole);
      expect(result).toBeLessThanOrEqual(bytes.length);
      const each = Array.from(bytes, (_, i) => i + 1);
      expect(receive(bytes, each, split).result).toBe(result);
      if (result <= 0) return;
      expect(Array.from(split.offsets.subarray(0, split.fieldCount * 4))).toEqual(
        Array.from(whole.offsets.subarray(0, whole.fieldCount * 4)),
      );
      expect(split.requestLine).toBe(whole.requestLine);
    }),
    { numRuns: 2000 },
  );
});

test.each([0, 1, 9])("the minor version %d is known", (minor) => {
  const bytes = bytesOf(`GET / HTTP/1.${minor}\r\n\r\n`);
  const head = new ParsedHead(LIMITS);
  expect([head.minorVersion, parseRequestHead(bytes, 0, bytes.length, head), head.minorVersion]).toEqual([
    1,
    bytes.length,
    minor,
  ]);
});

test("a head that is moved says the same of the bytes in their new place, and an offset that is not set stays 0", () => {
  const text = "..........GET /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
  const bytes = bytesOf(text);
  const head = new ParsedHead(LIMITS);
  parseRequestHead(bytes, 10, bytes.length, head);
  const said = () => [head.methodText, head.targetText, head.value(Field.Host), head.fieldName(1), head.fieldValue(1)];
  const before = said();
  head.moveTo(bytes.slice(7), 7);
  expect(said()).toEqual(before);
  const { start, end, methodStart, methodEnd, targetStart, targetEnd } = head;
  expect([start, end, methodStart, methodEnd, targetStart, targetEnd]).toEqual([3, text.length - 7, 3, 6, 7, 11]);
  parseRequestHead(bytesOf("......PUT"), 6, 9, head);
  head.moveTo(bytesOf("PUT"), 6);
  expect([head.start, head.targetStart, head.targetEnd]).toEqual([0, 0, 0]);
});

test("each byte of the version counts", () => {
  const version = "HTTP/1.1\r\n";
  for (let at = 0; at < version.length; at++) {
    for (const other of ["x", version[at - 1] ?? "x", version[at + 1] ?? "x"]) {
      if (other === version[at]) continue;
      const changed = `GET / ${version.slice(0, at)}${other}${version.slice(at + 1)}\r\n`;
      const result = parseRequestHead(bytesOf(changed), 0, changed.length, new ParsedHead(LIMITS));
      expect({ changed, isRefused: result < 0 }).toEqual({ changed, isRefused: true });
    }
  }
});

test("a head that is not complete has no fields of the one before it, and the line of a refused one is bounded", () => {
  const head = new ParsedHead({ ...LIMITS, maxHeaderBytes: 1000 });
  const whole = bytesOf(line("Host: a"));
  parseRequestHead(whole, 0, whole.length, head);
  expect(head.fieldCount).toBe(1);
  parseRequestHead(bytesOf("GET"), 0, 3, head);
  expect([head.fieldCount, head.has(Field.Host)]).toEqual([0, false]);
  const long = bytesOf(`GET /${"a".repeat(400)} HTTP/x`);
  expect(parseRequestHead(long, 0, long.length, head)).toBeLessThan(0);
  expect(head.requestLine.length).toBe(256);
});
