import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ParseError } from "../../src/http/parse-error.ts";
import {
  BodyDecoder,
  CHUNK_EXTENSION_BYTES_MAX,
  CHUNK_OVERHEAD_BYTES_BASE,
  TRAILER_BYTES_MAX,
  TRAILER_FIELDS_MAX,
} from "../../src/http1/body-decoder.ts";
import { Framing, type FramingKind } from "../../src/http1/framing.ts";
import { bytesOf } from "../support/bytes.ts";

interface Outcome {
  /** 0, or the ParseError that ended it. */
  error: number;
  content: string;
  done: boolean;
  /** Bytes of the body, or all that were given when it is not done. */
  consumed: number;
}

/** What a receiver learns from pieces of the bytes; each piece is a copy that is overwritten afterwards. */
function receive(
  bytes: Uint8Array,
  stops: readonly number[],
  kind: FramingKind = "chunked",
  contentLength = 0,
): Outcome {
  const framing = new Framing();
  framing.kind = kind;
  framing.contentLength = contentLength;
  const decoder = new BodyDecoder();
  decoder.reset(framing);
  let content = "";
  let from = 0;
  for (const to of stops) {
    const piece = bytes.slice(from, to);
    let pos = 0;
    while (pos < piece.length && !decoder.done) {
      const result = decoder.step(piece, pos, piece.length);
      if (result < 0) return { error: result, content, done: false, consumed: -1 };
      expect(result).toBeGreaterThan(0);
      expect(pos + result).toBeLessThanOrEqual(piece.length);
      expect(decoder.contentStart).toBeGreaterThanOrEqual(pos);
      expect(decoder.contentEnd).toBeLessThanOrEqual(pos + result);
      content += String.fromCharCode(...piece.subarray(decoder.contentStart, decoder.contentEnd));
      pos += result;
    }
    piece.fill(0);
    expect(decoder.received).toBe(content.length);
    if (decoder.done) return { error: 0, content, done: true, consumed: from + pos };
    from = to;
  }
  return { error: 0, content, done: decoder.done, consumed: from };
}

/** Asserts one outcome for the bytes whole, byte by byte, and split in two at every point. */
function expectOutcome(text: string, expected: Partial<Outcome>): void {
  const bytes = bytesOf(text);
  expect(receive(bytes, [bytes.length])).toMatchObject(expected);
  expect(
    receive(
      bytes,
      Array.from(bytes, (_, i) => i + 1),
    ),
  ).toMatchObject(expected);
  for (let split = 1; split < bytes.length; split++)
    expect(receive(bytes, [split, bytes.length])).toMatchObject(expected);
}

describe("a chunked body that is accepted", () => {
  test.each<[string, string, string]>([
    ["empty", "0\r\n\r\n", ""],
    ["one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"],
    ["several chunks", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"],
    ["line ends as content", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"],
    ["hexadecimal digits in any case", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"],
    ["leading zeros", "0000000000000001\r\na\r\n000\r\n\r\n", "a"],
    ["an extension without value", "1;a\r\nx\r\n0\r\n\r\n", "x"],
    ["an extension with a token", "1;a=b;c=d\r\nx\r\n0;e\r\n\r\n", "x"],
    ["an extension with a quoted string", '1;a="b;\\"\\\\ c"\r\nx\r\n0\r\n\r\n', "x"],
    ["trailers", "0\r\nX-A: b\r\nDigest:\r\n\r\n", ""],
    ["a trailer with a name longer than any forbidden one", `0\r\n${"host".repeat(20)}: b\r\n\r\n`, ""],
  ])("%s", (_, text, content) => {
    expectOutcome(text, { error: 0, content, done: true, consumed: text.length });
    expectOutcome(`${text}GET / HTTP`, { error: 0, content, done: true, consumed: text.length });
    for (let length = 0; length < text.length; length++) {
      expect(receive(bytesOf(text.slice(0, length)), [length])).toMatchObject({ error: 0, done: false });
    }
  });
});

describe("a chunked body that is refused", () => {
  const E = ParseError;
  test.each<[string, string, ParseError]>([
    ["no size", "\r\na", E.ChunkSizeInvalid],
    ["a sign", "+1\r\na\r\n0\r\n\r\n", E.ChunkSizeInvalid],
    ["a minus", "-1\r\na\r\n0\r\n\r\n", E.ChunkSizeInvalid],
    ["0x", "0x1\r\na\r\n0\r\n\r\n", E.ChunkSizeInvalid],
    ["a space before the size", " 1\r\na\r\n0\r\n\r\n", E.ChunkSizeInvalid],
    ["a space behind the size", "1 \r\na\r\n0\r\n\r\n", E.ChunkSizeInvalid],
    ["a tab behind the size", "1\t\r\na\r\n0\r\n\r\n", E.ChunkSizeInvalid],
    ["a separator in the size", "1_0\r\na\r\n", E.ChunkSizeInvalid],
    ["no hexadecimal digit", "g\r\n", E.ChunkSizeInvalid],
    ["an extension instead of a size", ";a\r\n", E.ChunkSizeInvalid],
    ["too many digits", "00000000000000001\r\na\r\n", E.ChunkSizeTooLarge],
    ["a size of 2^53", "20000000000000\r\n", E.ChunkSizeTooLarge],
    ["a size of 2^64 - 1", "FFFFFFFFFFFFFFFF\r\n", E.ChunkSizeTooLarge],
    ["a size of 2^64 + 1", "10000000000000001\r\n", E.ChunkSizeTooLarge],
    ["LF behind the size", "1\na\r\n0\r\n\r\n", E.BareLf],
    ["CR alone behind the size", "1\ra\r\n0\r\n\r\n", E.BareCr],
    ["LF as the size line", "\n", E.BareLf],
    ["an empty extension", "1;\r\na\r\n0\r\n\r\n", E.ChunkExtensionInvalid],
    ["an extension ended by LF", "1;a\na\r\n0\r\n\r\n", E.BareLf],
    ["an empty extension ended by LF", "1;\na\r\n0\r\n\r\n", E.BareLf],
    ["CR alone behind an extension", "1;a\rx\r\n0\r\n\r\n", E.BareCr],
    ["a space before an extension", "1 ;a\r\na\r\n0\r\n\r\n", E.ChunkSizeInvalid],
    ["a space in front of an extension's name", "1; a\r\na\r\n0\r\n\r\n", E.ChunkExtensionInvalid],
    ["a space behind an extension's name", "1;a =b\r\na\r\n0\r\n\r\n", E.ChunkExtensionInvalid],
    ["an extension without name", "1;=b\r\na\r\n0\r\n\r\n", E.ChunkExtensionInvalid],
    ["an extension without its value", "1;a=\r\na\r\n0\r\n\r\n", E.ChunkExtensionInvalid],
    ["NUL in an extension's name", "1;a\0\r\na\r\n0\r\n\r\n", E.ChunkExtensionInvalid],
    ["a control in an extension's token", "1;a=b\x01\r\na\r\n", E.ChunkExtensionInvalid],
    ["CR LF in a quoted string", '1;a="b\r\n"\r\na\r\n0\r\n\r\n', E.ChunkExtensionInvalid],
    ["LF in a quoted string", '1;a="b\n"\r\na\r\n0\r\n\r\n', E.BareLf],
    ["CR behind a backslash", '1;a="\\\r\n"\r\na\r\n0\r\n\r\n', E.ChunkExtensionInvalid],
    ["more behind a quoted string", '1;a="b"c\r\na\r\n0\r\n\r\n', E.ChunkExtensionInvalid],
    ["content longer than its size", "1\r\nab\r\n0\r\n\r\n", E.ChunkDataUnterminated],
    ["LF behind content", "1\r\na\n0\r\n\r\n", E.BareLf],
    ["CR alone behind content", "1\r\na\r0\r\n\r\n", E.BareCr],
    ["LF as the last line", "0\r\n\n", E.BareLf],
    ["CR alone as the last line", "0\r\n\rX", E.BareCr],
    ["a trailer folded", "0\r\nA: b\r\n c\r\n\r\n", E.FieldFolded],
    ["a trailer without name", "0\r\n: b\r\n\r\n", E.FieldNameEmpty],
    ["a trailer with a space before its colon", "0\r\nA : b\r\n\r\n", E.FieldSpaceBeforeColon],
    ["a trailer that is no field", "0\r\nGET / HTTP/1.1\r\n\r\n", E.FieldSpaceBeforeColon],
    ["a trailer without colon", "0\r\nA\r\n\r\n", E.FieldNameInvalid],
    ["NUL in a trailer", "0\r\nA: \0\r\n\r\n", E.FieldValueInvalid],
    ["a trailer ended by LF", "0\r\nA: b\n\r\n", E.BareLf],
    ["a trailer with CR alone", "0\r\nA: b\rc\r\n\r\n", E.BareCr],
  ])("%s", (_, text, error) => {
    expectOutcome(text, { error });
  });

  test.each([
    "Content-Length",
    "transfer-encoding",
    "HOST",
    "Connection",
    "Authorization",
    "Content-Type",
    "Content-Encoding",
    "Content-Range",
    "Trailer",
    "TE",
    "Cache-Control",
    "Expect",
    "Max-Forwards",
    "Range",
    "If-Match",
    "If-Anything",
    "Cookie",
    "Set-Cookie",
    "Proxy-Authorization",
  ])("the trailer %s", (name) => {
    expectOutcome(`0\r\n${name}: 1\r\n\r\n`, { error: E.TrailerForbidden });
  });
});

describe("what no content pays for is bounded", () => {
  const outcome = (text: string): Outcome => receive(bytesOf(text), [text.length]);

  test("one long extension", () => {
    const fits = `1;${"a".repeat(CHUNK_EXTENSION_BYTES_MAX - 1)}\r\nx\r\n0\r\n\r\n`;
    expect(outcome(fits)).toMatchObject({ error: 0, done: true });
    expect(outcome(`1;${"a".repeat(CHUNK_EXTENSION_BYTES_MAX)}\r\nx`).error).toBe(ParseError.ChunkExtensionsTooLong);
  });

  test("many short extensions", () => {
    const chunk = `10;${"a".repeat(50)}\r\n${"x".repeat(16)}\r\n`;
    expect(outcome(`${chunk.repeat(300)}0\r\n\r\n`)).toMatchObject({ error: 0, done: true });
    expect(outcome(`${chunk.repeat(400)}0\r\n\r\n`).error).toBe(ParseError.ChunkExtensionsTooLong);
  });

  test("padded chunks of one byte, but not plain ones", () => {
    expect(outcome(`${"1\r\nx\r\n".repeat(10_000)}0\r\n\r\n`)).toMatchObject({ error: 0, done: true });
    const padded = "0000000000000001\r\nx\r\n";
    expect(outcome(`${padded.repeat(100)}0\r\n\r\n`)).toMatchObject({ error: 0, done: true });
    expect(outcome(padded.repeat(CHUNK_OVERHEAD_BYTES_BASE / 8)).error).toBe(ParseError.ChunkOverhead);
  });

  test("trailers, in bytes and in number", () => {
    expect(outcome(`0\r\nA:${"b".repeat(TRAILER_BYTES_MAX - 6)}\r\n\r\n`)).toMatchObject({ error: 0, done: true });
    expect(outcome(`0\r\nA:${"b".repeat(TRAILER_BYTES_MAX - 5)}\r\n\r\n`).error).toBe(ParseError.TrailersTooLarge);
    expect(outcome(`0\r\n${"A:b\r\n".repeat(TRAILER_FIELDS_MAX)}\r\n`)).toMatchObject({ error: 0, done: true });
    expect(outcome(`0\r\n${"A:b\r\n".repeat(TRAILER_FIELDS_MAX + 1)}\r\n`).error).toBe(ParseError.TrailersTooLarge);
  });
});

test("a body of known length ends where it should, whole and split", () => {
  const bytes = bytesOf("helloGET /");
  for (let split = 1; split < bytes.length; split++) {
    expect(receive(bytes, [split, bytes.length], "length", 5)).toEqual({
      error: 0,
      content: "hello",
      done: true,
      consumed: 5,
    });
  }
  expect(receive(bytes, [3], "length", 5)).toMatchObject({ content: "hel", done: false });
});

test.each<[FramingKind, number]>([
  ["none", 0],
  ["length", 0],
])("a body of kind %s and length %d is done at once and takes nothing", (kind, length) => {
  const framing = new Framing();
  framing.kind = kind;
  framing.contentLength = length;
  const decoder = new BodyDecoder();
  decoder.reset(framing);
  expect(decoder.done).toBe(true);
  expect(decoder.step(bytesOf("GET"), 0, 3)).toBe(0);
});

test("a reset forgets a body that ended anywhere", () => {
  const framing = new Framing();
  framing.kind = "chunked";
  const decoder = new BodyDecoder();
  for (const part of ["", "5", "5;a", '5;a="', "5\r\nab", "1\r\na\r", "0\r\nHos", "0\r\n\r", "zz"]) {
    decoder.reset(framing);
    decoder.step(bytesOf(part), 0, part.length);
    decoder.reset(framing);
    expect(decoder.step(bytesOf("2\r\nab"), 0, 5)).toBe(5);
    expect([decoder.received, decoder.contentStart, decoder.contentEnd]).toEqual([2, 3, 5]);
  }
});

const PIECES = [
  "0",
  "1",
  "a",
  "\r\n",
  "\r",
  "\n",
  ";",
  "=",
  '"',
  "\\",
  "x",
  ":",
  " ",
  "A:b\r\n",
  "1\r\nx\r\n",
  "0\r\n",
  "\r\n\r\n",
  "f",
];
test("any bytes: no throw, and the same outcome whole and byte by byte", () => {
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.array(fc.constantFrom(...PIECES), { maxLength: 14 }).map((pieces) => bytesOf(pieces.join(""))),
  );
  fc.assert(
    fc.property(any, (bytes) => {
      const bytewise = receive(
        bytes,
        Array.from(bytes, (_, i) => i + 1),
      );
      expect(receive(bytes, [bytes.length])).toEqual(bytewise);
    }),
    { numRuns: 2000 },
  );
});

test("content of any chunks comes out as it went in", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { maxLength: 6 }),
      fc.nat(200),
      (chunks, cut) => {
        const contents = chunks.map((chunk) => String.fromCharCode(...chunk));
        const text = `${contents.map((content) => `${content.length.toString(16)}\r\n${content}\r\n`).join("")}0\r\n\r\n`;
        const outcome = receive(bytesOf(text), [Math.min(cut, text.length), text.length]);
        expect(outcome).toEqual({ error: 0, content: contents.join(""), done: true, consumed: text.length });
      },
    ),
    { numRuns: 500 },
  );
});

test.each([1, 2, 3])("content of %d bytes by its length is content, and nothing after it is", (length) => {
  const bytes = bytesOf("abcdef");
  for (const stops of [[6], [1, 2, 3, 4, 5, 6]]) {
    expect(receive(bytes, stops, "length", length)).toEqual({
      error: 0,
      content: "abcdef".slice(0, length),
      done: true,
      consumed: length,
    });
  }
});

test("content of no bytes is done before it begins", () => {
  const decoder = new BodyDecoder();
  decoder.reset(new Framing());
  expect([decoder.done, decoder.announced, decoder.step(bytesOf("a"), 0, 1)]).toEqual([true, 0, 0]);
});

test("framing may have so many bytes for its content, to the byte", () => {
  // Each chunk of one byte has 20 bytes of framing, and 8 are free: 1,449 chunks leave 2 bytes of the base.
  const chunks = "0000000000000001\r\na\r\n".repeat(1448);
  const body = (extension: string) => bytesOf(`0000000000000001${extension}\r\na\r\n${chunks}0000000000000001\r\na`);
  expect([";a", ";ab"].map((extension) => receive(body(extension), [body(extension).length]).error)).toEqual([
    0,
    ParseError.ChunkOverhead,
  ]);
});

test.each([
  ..."content-length transfer-encoding trailer te connection keep-alive upgrade http2-settings host forwarded".split(
    " ",
  ),
  ..."origin referer max-forwards via authorization www-authenticate authentication-info cookie set-cookie".split(" "),
  ..."cache-control expect pragma range prefer accept accept-encoding age date expires location retry-after".split(" "),
  ..."vary warning content-type content-encoding content-range content-disposition".split(" "),
  ..."if-match proxy-any x-forwarded-for".split(" "),
])("a trailer %s is refused, and one that begins so is not", (name) => {
  const trailer = (text: string) => bytesOf(`0\r\n${text}: a\r\n\r\n`);
  const bytes = trailer(name.toUpperCase());
  expect(receive(bytes, [bytes.length]).error).toBe(ParseError.TrailerForbidden);
  const longer = trailer(`a-${name}`);
  expect(receive(longer, [longer.length])).toMatchObject({ error: 0, done: true });
});
