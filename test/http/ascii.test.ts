/** The tables of bytes, compared with the grammars of the RFCs. */
import { expect, test } from "bun:test";
import * as ascii from "../../src/http/ascii.ts";
import { bytesOf } from "../support/bytes.ts";

const ALL = Array.from({ length: 256 }, (_, byte) => byte);

function matching(pattern: RegExp): number[] {
  return ALL.filter((byte) => pattern.test(String.fromCharCode(byte)));
}

test.each<[name: string, bit: number, pattern: RegExp]>([
  ["tchar", ascii.TCHAR, /[!#$%&'*+\-.^_`|~0-9A-Za-z]/],
  ["a byte of a field value", ascii.FIELD_BYTE, /[\t\x20-\x7e\x80-\xff]/],
  ["a byte of a target", ascii.TARGET_CHAR, /[!"$-[\]-~\x80-\xff]/],
  ["a hexadecimal digit", ascii.HEX_DIGIT, /[0-9a-fA-F]/],
  ["a digit", ascii.DIGIT, /[0-9]/],
  ["a byte of a registered name", ascii.URI_HOST_CHAR, /[A-Za-z0-9\-._~!$&'()*+,;=%]/],
  ["qdtext", ascii.QUOTED_TEXT, /[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]/],
])("the bytes that are %s", (_, bit, pattern) => {
  expect(ALL.filter((byte) => ((ascii.CLASS[byte] as number) & bit) !== 0)).toEqual(matching(pattern));
});

test("each class has a bit of its own", () => {
  const { TCHAR, FIELD_BYTE, TARGET_CHAR, HEX_DIGIT, DIGIT, URI_HOST_CHAR, QUOTED_TEXT } = ascii;
  const bits = [TCHAR, FIELD_BYTE, TARGET_CHAR, HEX_DIGIT, DIGIT, URI_HOST_CHAR, QUOTED_TEXT];
  expect(bits.map((bit) => Math.log2(bit)).toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("each byte with a name is that byte", () => {
  const { HTAB, LF, CR, SP, DQUOTE, HASH, PERCENT, ASTERISK, PLUS, COMMA, MINUS, DOT, SLASH, DIGIT_0, COLON } = ascii;
  const { SEMICOLON, EQUALS, QUESTION, LBRACKET, BACKSLASH, RBRACKET, DEL } = ascii;
  expect(
    String.fromCharCode(HTAB, LF, CR, SP, DQUOTE, HASH, PERCENT, ASTERISK, PLUS, COMMA, MINUS, DOT, SLASH, DIGIT_0),
  ).toBe('\t\n\r "#%*+,-./0');
  expect(String.fromCharCode(COLON, SEMICOLON, EQUALS, QUESTION, LBRACKET, BACKSLASH, RBRACKET, DEL)).toBe(
    ":;=?[\\]\x7f",
  );
});

test("the values of hexadecimal digits, and the lower case of letters", () => {
  const values = ALL.map((byte) => {
    const character = String.fromCharCode(byte);
    return /[0-9a-fA-F]/.test(character) ? Number.parseInt(character, 16) : 255;
  });
  expect([...ascii.HEX_VALUE]).toEqual(values);
  const lower = ALL.map((byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte));
  expect([...ascii.LOWER]).toEqual(lower);
});

test("text is compared without case, to its whole length", () => {
  const bytes = bytesOf("xChUnKeDx");
  expect(ascii.equalsIgnoringCase(bytes, 1, 8, "chunked")).toBe(true);
  expect(ascii.equalsIgnoringCase(bytes, 1, 7, "chunked")).toBe(false);
  expect(ascii.equalsIgnoringCase(bytes, 1, 7, "chunke")).toBe(true);
  for (const other of ["xhunked", "chunkex", "chuxked"]) {
    expect(ascii.equalsIgnoringCase(bytes, 1, 8, other)).toBe(false);
  }
});

test("bytes are the same text whole and in part", () => {
  const [one, other] = [bytesOf("abcdef"), bytesOf("xabcdxx")];
  expect(ascii.isSameText(one, 0, other, 1, 4)).toBe(true);
  expect(ascii.isSameText(one, 0, other, 1, 5)).toBe(false);
  expect(ascii.isSameText(one, 1, other, 2, 3)).toBe(true);
  expect(ascii.isSameText(one, 0, bytesOf("abcdef"), 0, 6)).toBe(true);
  expect(ascii.isSameText(one, 0, bytesOf("abcdex"), 0, 6)).toBe(false);
  expect(ascii.isSameText(one, 2, other, 0, 0)).toBe(true);
});

test("text of bytes is UTF-8 or ISO-8859-1", () => {
  const bytes = bytesOf("a\xc3\xa9b\x80");
  expect([ascii.utf8Text(bytes, 0, 4), ascii.utf8Text(bytes, 0, 1), ascii.utf8Text(bytes, 2, 2)]).toEqual([
    "aéb",
    "a",
    "",
  ]);
  expect(ascii.utf8Text(bytesOf("\xef\xbb\xbfa"), 0, 4)).toBe("\ufeffa");
  expect(ascii.latin1Text(bytes, 1, 5)).toBe("\xc3\xa9b\x80");
});

test("whitespace is SP and HTAB", () => {
  expect(ALL.filter(ascii.isWhitespace)).toEqual([9, 32]);
  expect([ascii.skipWhitespace("a \t b", 1), ascii.skipWhitespace("a ", 1), ascii.skipWhitespace("a", 0)]).toEqual([
    4, 2, 0,
  ]);
});
