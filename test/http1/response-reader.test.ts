/** Responses of an upstream as bytes: the ones that are read, the ones that are refused, whole and cut. */
import { describe, expect, test } from "bun:test";
import { ParseError } from "../../src/http/parse-error.ts";
import {
  describeResponseError,
  INTERIM_RESPONSES_MAX,
  RESPONSE_HEAD_BYTES_MAX,
  ResponseReader,
} from "../../src/http1/response-reader.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

interface Reading {
  readonly status: number;
  readonly content: string;
  readonly isDone: boolean;
  readonly isPersistent: boolean;
  readonly left: number;
  readonly error: number;
}

/** Reads `pieces` as a connection does: bytes of an incomplete head are given again with more behind them. */
function read(pieces: readonly string[], isHead = false): Reading {
  const reader = new ResponseReader();
  reader.begin(isHead);
  let rest = "";
  let content = "";
  let error = 0;
  for (const piece of pieces) {
    rest += piece;
    for (;;) {
      const bytes = bytesOf(rest);
      const consumed = reader.step(bytes, 0, bytes.length);
      if (consumed < 0) error = consumed;
      if (consumed <= 0) break;
      content += textOf(bytes.subarray(reader.contentStart, reader.contentEnd));
      rest = rest.slice(consumed);
    }
    if (error < 0) break;
  }
  const { status, isDone, isPersistent } = reader;
  return { status, content, isDone, isPersistent, left: rest.length, error };
}

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

interface Row {
  readonly name: string;
  readonly bytes: string;
  readonly isHead?: boolean;
  readonly content?: string;
  readonly status?: number;
  readonly isDone?: boolean;
  readonly isPersistent?: boolean;
  readonly left?: number;
}

const served: readonly Row[] = [
  { name: "a length", bytes: `${OK}Content-Length: 5\r\n\r\nhello`, content: "hello", isPersistent: true },
  { name: "a length of nothing", bytes: `${OK}Content-Length: 0\r\n\r\n`, isPersistent: true },
  {
    name: "chunks",
    bytes: `${CHUNKED}2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: x\r\n\r\n`,
    content: "hello",
    isPersistent: true,
  },
  { name: "neither: content until the close", bytes: `${OK}\r\nhello`, content: "hello", isDone: false },
  { name: "HTTP/1.0", bytes: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", content: "hi" },
  {
    name: "HTTP/1.0 that stays open",
    bytes: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
    content: "hi",
    isPersistent: true,
  },
  { name: "close", bytes: `${OK}Connection: close\r\nContent-Length: 2\r\n\r\nhi`, content: "hi" },
  // A connection is not used again if content was announced that must not follow: some upstreams send it.
  { name: "HEAD with the length of GET", bytes: `${OK}Content-Length: 5\r\n\r\n`, isHead: true, isPersistent: false },
  { name: "HEAD with chunks", bytes: CHUNKED, isHead: true, isPersistent: false },
  { name: "HEAD with a length of nothing", bytes: `${OK}Content-Length: 0\r\n\r\n`, isHead: true, isPersistent: true },
  { name: "HEAD without a length", bytes: `${OK}\r\n`, isHead: true, isPersistent: true },
  {
    name: "304 with the length of the 200",
    bytes: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    status: 304,
    isPersistent: false,
  },
  { name: "304", bytes: "HTTP/1.1 304 Not Modified\r\n\r\n", status: 304, isPersistent: true },
  { name: "204", bytes: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, isPersistent: true },
  {
    name: "204 with a length of nothing",
    bytes: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    status: 204,
    isPersistent: true,
  },
  { name: "no reason phrase", bytes: "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", status: 404, isPersistent: true },
  {
    name: "no space before no reason phrase",
    bytes: "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n",
    status: 404,
    isPersistent: true,
  },
  {
    name: "interim responses first",
    bytes: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 2\r\n\r\nhi`,
    content: "hi",
    isPersistent: true,
  },
  {
    name: "bytes after the content",
    bytes: `${OK}Content-Length: 2\r\n\r\nhi!`,
    content: "hi",
    isPersistent: true,
    left: 1,
  },
  {
    name: "bytes after a 204",
    bytes: "HTTP/1.1 204 No Content\r\n\r\nhello",
    status: 204,
    isPersistent: true,
    left: 5,
  },
];

const refused: readonly (readonly [name: string, bytes: string])[] = [
  ["a length and chunks", `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["two lengths", `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
  ["one length twice", `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ["a list of lengths", `${OK}Content-Length: 5, 5\r\n\r\nhello`],
  ["a length with a sign", `${OK}Content-Length: +5\r\n\r\nhello`],
  ["a length with a point", `${OK}Content-Length: 5.0\r\n\r\nhello`],
  ["a length that no number holds", `${OK}Content-Length: 99999999999999999999\r\n\r\n`],
  ["an empty length", `${OK}Content-Length:\r\n\r\n`],
  ["another coding", `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ["chunks twice", `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["a chunk size that is no number", `${CHUNKED}x\r\n`],
  ["a chunk size with 0x", `${CHUNKED}0x5\r\nhello\r\n`],
  ["a chunk that is longer than its size", `${CHUNKED}2\r\nhello\r\n0\r\n\r\n`],
  ["a chunk that ends with LF", `${CHUNKED}2\r\nhi\n0\r\n\r\n`],
  ["a chunk size that ends with LF", `${CHUNKED}2\nhi\r\n0\r\n\r\n`],
  ["a trailer that frames", `${CHUNKED}0\r\nContent-Length: 5\r\n\r\n`],
  ["a folded field", `${OK}X: a\r\n b\r\n\r\n`],
  ["white space before the colon", `${OK}Content-Length : 5\r\n\r\nhello`],
  ["LF as line end", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"],
  ["LF after a field", `${OK}X: a\nContent-Length: 5\r\n\r\nhello`],
  ["CR within a field", `${OK}X: a\rb\r\n\r\n`],
  ["CR within the reason phrase", "HTTP/1.1 200 O\rK\r\n\r\n"],
  ["NUL within a field", `${OK}X: a\0b\r\n\r\n`],
  ["an empty line first", `\r\n${OK}\r\n`],
  ["HTTP/2", "HTTP/2 200 OK\r\n\r\n"],
  ["HTTP/0.9", "<h1>hello</h1>"],
  ["another protocol", "SSH-2.0-OpenSSH\r\n"],
  ["a name in small letters", "http/1.1 200 OK\r\n\r\n"],
  ["two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n"],
  ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["a status below 100", "HTTP/1.1 099 OK\r\n\r\n"],
  ["a status above 599", "HTTP/1.1 600 OK\r\n\r\n"],
  ["a switch of protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"],
  ["content in a 204", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"],
  ["chunks in a 204", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["content in an interim response", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello"],
  ["too many interim responses", "HTTP/1.1 100 Continue\r\n\r\n".repeat(INTERIM_RESPONSES_MAX + 1)],
  ["a head that is too long", `${OK}X: ${"a".repeat(RESPONSE_HEAD_BYTES_MAX)}\r\n\r\n`],
  ["a reason phrase that is too long", `HTTP/1.1 200 ${"a".repeat(RESPONSE_HEAD_BYTES_MAX)}`],
  ["too many fields", `${OK}${"X: a\r\n".repeat(101)}\r\n`],
];

/** The bytes whole, byte by byte, and cut at each of the first places. */
function cutsOf(text: string): string[][] {
  const places = Array.from({ length: Math.min(text.length, 120) }, (_, index) => index + 1);
  return [
    [text],
    ...(text.length < 4000 ? [[...text]] : []),
    ...places.map((at) => [text.slice(0, at), text.slice(at)]),
  ];
}

describe("a response", () => {
  for (const { name, bytes, isHead = false, ...wanted } of served) {
    test(`with ${name} is read, however it is cut`, () => {
      const { status = 200, content = "", isDone = true, isPersistent = false, left = 0 } = wanted;
      for (const pieces of cutsOf(bytes)) {
        expect(read(pieces, isHead)).toEqual({ status, content, isDone, isPersistent, left, error: 0 });
      }
    });
  }

  for (const [name, bytes] of refused) {
    test(`with ${name} is refused, however it is cut`, () => {
      const { error } = read([bytes]);
      expect(error).toBeLessThan(0);
      expect(describeResponseError(error)).toMatch(/\(RFC [0-9]+ §/);
      for (const pieces of cutsOf(bytes)) expect(read(pieces).error).toBe(error);
    });
  }

  test("until the close ends when the connection says so", () => {
    const reader = new ResponseReader();
    reader.begin(false);
    const bytes = bytesOf(`${OK}\r\n`);
    reader.step(bytes, 0, bytes.length);
    expect([reader.isUntilClose, reader.isDone]).toEqual([true, false]);
    reader.close();
    expect([reader.isDone, reader.isPersistent]).toEqual([true, false]);
  });
});

test("a rule that only responses have is named in words", () => {
  expect(describeResponseError(read(["HTTP/2.0 200\r\n"]).error)).toContain("RFC 9112 §4");
  expect(describeResponseError(read(["HTTP/1.1 600\r\n"]).error)).toContain("RFC 9110 §15");
});

test("a status line that ends wrongly is refused for its own reason", () => {
  expect(read(["HTTP/1.1 200 OK\n"]).error).toBe(ParseError.BareLf);
  expect(read(["HTTP/1.1 200 OK\rX"]).error).toBe(ParseError.BareCr);
  expect(describeResponseError(read(["HTTP/1.1 200 O\0K\r\n"]).error)).toContain("status line");
});
