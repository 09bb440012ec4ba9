import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ParseError } from "../../src/http/parse-error.ts";
import { decideFraming, Framing, type FramingKind } from "../../src/http1/framing.ts";
import { ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";

const LIMITS = { maxHeaderBytes: 4096, maxFields: 50, maxEmptyLines: 2 };

/** The decision for a request with these field lines; the head itself must be good. */
function decide(fields: readonly string[], version = "1.1"): { result: number; framing: Framing } {
  const text = `POST / HTTP/${version}\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n`;
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const head = new ParsedHead(LIMITS);
  expect(parseRequestHead(bytes, 0, bytes.length, head)).toBe(bytes.length);
  const framing = new Framing();
  framing.kind = "chunked";
  framing.persistent = true;
  return { result: decideFraming(head, framing), framing };
}

describe("content is delimited", () => {
  test.each<[string, string[], FramingKind, number]>([
    ["by nothing when nothing announces it", [], "none", 0],
    ["by length", ["Content-Length: 5"], "length", 5],
    ["by length 0", ["Content-Length: 0"], "length", 0],
    ["by a length with leading zeros", ["Content-Length: 00005"], "length", 5],
    ["by the largest length", ["Content-Length: 9007199254740991"], "length", Number.MAX_SAFE_INTEGER],
    ["by chunks", ["Transfer-Encoding: chunked"], "chunked", 0],
    ["by chunks in any case", ["TRANSFER-ENCODING: \tChunKED "], "chunked", 0],
  ])("%s", (_, fields, kind, contentLength) => {
    const { result, framing } = decide(fields);
    expect({ result, kind: framing.kind, contentLength: framing.contentLength }).toEqual({
      result: 0,
      kind,
      contentLength,
    });
  });

  test("by chunks in a later minor version", () => {
    expect(decide(["Transfer-Encoding: chunked"], "1.7").framing.kind).toBe("chunked");
  });
});

describe("framing in doubt is refused", () => {
  const E = ParseError;
  test.each<[string, string[], ParseError]>([
    ["an empty length", ["Content-Length:"], E.ContentLengthInvalid],
    ["a signed length", ["Content-Length: +5"], E.ContentLengthInvalid],
    ["a negative length", ["Content-Length: -5"], E.ContentLengthInvalid],
    ["a hexadecimal length", ["Content-Length: 0x5"], E.ContentLengthInvalid],
    ["a length with a fraction", ["Content-Length: 5.0"], E.ContentLengthInvalid],
    ["a length with an exponent", ["Content-Length: 5e1"], E.ContentLengthInvalid],
    ["a length with a space", ["Content-Length: 5 5"], E.ContentLengthInvalid],
    ["a length with a separator", ["Content-Length: 1_0"], E.ContentLengthInvalid],
    ["a list of equal lengths", ["Content-Length: 5, 5"], E.ContentLengthInvalid],
    ["a list of different lengths", ["Content-Length: 5,6"], E.ContentLengthInvalid],
    ["a length and an empty element", ["Content-Length: 5,"], E.ContentLengthInvalid],
    ["a length of other digits", ["Content-Length: \xb2"], E.ContentLengthInvalid],
    ["equal lengths", ["Content-Length: 5", "Content-Length: 5"], E.ContentLengthRepeated],
    ["different lengths", ["Content-Length: 5", "content-length: 6"], E.ContentLengthRepeated],
    ["a length beyond 2^53 - 1", ["Content-Length: 9007199254740992"], E.ContentLengthTooLarge],
    ["a length of 2^64 + 5", ["Content-Length: 18446744073709551621"], E.ContentLengthTooLarge],
    ["a length of too many digits", ["Content-Length: 00000000000000005"], E.ContentLengthTooLarge],
    ["a long list", ["Content-Length: 99999999999999999999,5"], E.ContentLengthInvalid],
    ["a coding and a length", ["Transfer-Encoding: chunked", "Content-Length: 5"], E.TransferEncodingWithLength],
    ["a length and a coding", ["Content-Length: 5", "Transfer-Encoding: chunked"], E.TransferEncodingWithLength],
    ["an unknown coding and a length", ["Content-Length: 5", "Transfer-Encoding: x"], E.TransferEncodingWithLength],
    ["an empty coding", ["Transfer-Encoding:"], E.TransferEncodingInvalid],
    ["chunked twice", ["Transfer-Encoding: chunked, chunked"], E.TransferEncodingInvalid],
    ["chunked in two fields", ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], E.TransferEncodingInvalid],
    ["two codings in two fields", ["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"], E.TransferEncodingInvalid],
    ["chunked not last", ["Transfer-Encoding: chunked, gzip"], E.TransferEncodingInvalid],
    ["chunked and identity", ["Transfer-Encoding: chunked, identity"], E.TransferEncodingInvalid],
    ["chunked with a parameter", ["Transfer-Encoding: chunked;a=b"], E.TransferEncodingInvalid],
    ["chunked in quotes", ['Transfer-Encoding: "chunked"'], E.TransferEncodingInvalid],
    ["chunked and an empty element", ["Transfer-Encoding: chunked,"], E.TransferEncodingInvalid],
    ["an empty element and chunked", ["Transfer-Encoding: ,chunked"], E.TransferEncodingInvalid],
    ["chunked and another word", ["Transfer-Encoding: chunked x"], E.TransferEncodingInvalid],
    ["an unknown coding", ["Transfer-Encoding: gzip"], E.TransferEncodingUnknown],
    ["an unknown coding before chunked", ["Transfer-Encoding: gzip, chunked"], E.TransferEncodingUnknown],
    ["identity", ["Transfer-Encoding: identity"], E.TransferEncodingUnknown],
    ["a coding that only looks like chunked", ["Transfer-Encoding: xchunked"], E.TransferEncodingUnknown],
    ["a connection option that is no token", ["Connection: clo se"], E.ConnectionInvalid],
    ["a connection option in quotes", ['Connection: "close"'], E.ConnectionInvalid],
    ["too many empty connection options", ["Connection: ,,,,,,,,,close"], E.ConnectionInvalid],
  ])("%s", (_, fields, error) => {
    const { result, framing } = decide(fields);
    expect(result).toBe(error);
    expect([framing.kind, framing.contentLength, framing.persistent]).toEqual(["none", 0, false]);
  });

  test("a coding in HTTP/1.0", () => {
    expect(decide(["Transfer-Encoding: chunked"], "1.0").result).toBe(E.TransferEncodingInHttp10);
  });
});

test.each<[string, string, string[], boolean]>([
  ["HTTP/1.1 persists", "1.1", [], true],
  ["HTTP/1.0 does not", "1.0", [], false],
  ["HTTP/1.0 persists with keep-alive", "1.0", ["Connection: Keep-Alive"], true],
  ["close ends it", "1.1", ["Connection: close"], false],
  ["close in any case", "1.1", ["Connection: CLOSE"], false],
  ["close in a list", "1.1", ["Connection: upgrade , \t, close"], false],
  ["close in a second field", "1.1", ["Connection: keep-alive", "X: y", "Connection: close"], false],
  ["close wins over keep-alive", "1.0", ["Connection: close, keep-alive"], false],
  ["close wins from behind", "1.0", ["Connection: keep-alive, close"], false],
  ["a longer word is not close", "1.1", ["Connection: closed, x-close"], true],
  ["an empty list says nothing", "1.1", ["Connection:"], true],
  ["a few empty elements are tolerated", "1.1", ["Connection: ,,keep-alive,,"], true],
  ["other options are ignored", "1.1", ["Connection: Upgrade, HTTP2-Settings"], true],
])("persistence: %s", (_, version, fields, persistent) => {
  const { result, framing } = decide(fields, version);
  expect([result, framing.persistent]).toEqual([0, persistent]);
});

test.each<[string, string, string[], number, boolean]>([
  ["waits for 100 before a length", "1.1", ["Expect: 100-continue", "Content-Length: 1"], 0, true],
  ["waits for 100 before chunks, in any case", "1.1", ["Expect: 100-Continue", "Transfer-Encoding: chunked"], 0, true],
  ["has nothing to wait for without content", "1.1", ["Expect: 100-continue"], 0, false],
  ["has nothing to wait for with length 0", "1.1", ["Expect: 100-continue", "Content-Length: 0"], 0, false],
  ["is ignored in HTTP/1.0", "1.0", ["Expect: 100-continue", "Content-Length: 1"], 0, false],
  ["is ignored in HTTP/1.0 whatever it says", "1.0", ["Expect: x"], 0, false],
  ["is refused when unknown", "1.1", ["Expect: x"], ParseError.ExpectationUnknown, false],
  ["is refused when empty", "1.1", ["Expect:"], ParseError.ExpectationUnknown, false],
  ["is refused with another one", "1.1", ["Expect: 100-continue, x"], ParseError.ExpectationUnknown, false],
  [
    "is refused when a second field is unknown",
    "1.1",
    ["Content-Length: 1", "Expect: 100-continue", "Expect: x"],
    ParseError.ExpectationUnknown,
    false,
  ],
])("an expectation %s", (_, version, fields, expected, waits) => {
  const { result, framing } = decide(fields, version);
  expect([result, framing.expectsContinue]).toEqual([expected, waits]);
});

test("an unknown expectation leaves the framing valid", () => {
  const { framing } = decide(["Expect: x", "Content-Length: 7"]);
  expect([framing.kind, framing.contentLength, framing.persistent]).toEqual(["length", 7, true]);
});

test("any field values: no throw, and a length only from digits", () => {
  const name = fc.constantFrom("Content-Length", "Transfer-Encoding", "Connection", "Expect");
  const value = fc.array(
    fc.constantFrom("chunked", "close", ",", " ", "5", "0", "+", ";", '"', "gzip", "100-continue"),
    { maxLength: 6 },
  );
  const field = fc.tuple(name, value).map(([fieldName, parts]) => `${fieldName}: ${parts.join("")}`);
  fc.assert(
    fc.property(fc.array(field, { maxLength: 4 }), (fields) => {
      const { result, framing } = decide(fields);
      expect(result).toBeLessThanOrEqual(0);
      if (framing.kind !== "length") return;
      const lengths = fields.filter((each) => each.startsWith("Content-Length"));
      expect(lengths.length).toBe(1);
      expect((lengths[0] as string).slice(15).trim()).toMatch(/^[0-9]+$/);
    }),
    { numRuns: 1000 },
  );
});
