/** The file format of a stub: an HTTP message as `curl -i` writes it. */
import { describe, expect, test } from "bun:test";
import { StubMistake } from "../../../src/handlers/stubs/answer.ts";
import { readStubMessage, type StubMessage, writeStubMessage } from "../../../src/handlers/stubs/stub-message.ts";
import { bytesOf, textOf } from "../../support/bytes.ts";

/** Status, field lines and content in one line, or line and sentence of the mistake. */
function read(text: string): string {
  const message = readStubMessage(bytesOf(text));
  if (message instanceof StubMistake) return `${message.line}: ${message.message}`;
  return [message.status, ...message.lines.map((line) => line.join("=")), JSON.stringify(textOf(message.content))].join(
    " ",
  );
}

describe("a message", () => {
  test.each([
    ["of an editor", "HTTP/1.1 200 OK\nA: 1\n\nhi\n", '200 A=1 "hi\\n"'],
    ["of curl", "HTTP/1.1 200 OK\r\nA: 1\r\n\r\nhi", '200 A=1 "hi"'],
    ["of curl over HTTP/2", "HTTP/2 201 \r\nlocation: /7\r\n\r\n{}", '201 location=/7 "{}"'],
    ["of curl over HTTP/3", "HTTP/3 204 \r\n\r\n", '204 ""'],
    ["of an old server", "HTTP/1.0 404 Nothing Here\n\n", '404 ""'],
    ["without a reason phrase", "HTTP/1.1 299\n\n", '299 ""'],
    ["with white space around a value", "HTTP/1.1 200 OK\nA: \t 1 2 \t\nB:\n\n", '200 A=1 2 B= ""'],
    [
      "with white space within a value",
      `HTTP/1.1 200 OK\nA: a${" ".repeat(60_000)}b\n\n`,
      `200 A=a${" ".repeat(60_000)}b ""`,
    ],
    ["with bytes above ASCII", "HTTP/1.1 200 \xc3\x9c\nA: \xc3\xbc\n\n\xff\x00", '200 A=\xc3\xbc "\xff\\u0000"'],
    ["with a field twice", "HTTP/1.1 200 OK\nSet-Cookie: a\nSet-Cookie: b\n\n", '200 Set-Cookie=a Set-Cookie=b ""'],
    ["whose content has line ends of every kind", "HTTP/1.1 200 OK\n\na\r\nb\nc\r", '200 "a\\r\\nb\\nc\\r"'],
    ["whose content begins with an empty line", "HTTP/1.1 200 OK\n\n\n", '200 "\\n"'],
  ])("%s is read", (_, text, expected) => {
    expect(read(text)).toBe(expected);
  });

  test.each([
    ["an empty file", "", "1: expected a status line such as HTTP/1.1 200 OK, got an empty file"],
    ["content alone", '{"id":7}\n\n', "1: expected a status line such as HTTP/1.1 200 OK"],
    ["a request", "GET / HTTP/1.1\n\n", "1: expected a status line"],
    ["another version", "HTTP/1.2 200 OK\n\n", "1: expected a status line"],
    ["a status of two digits", "HTTP/1.1 20 OK\n\n", "1: expected a status line"],
    ["a status that begins with 0", "HTTP/1.1 004 OK\n\n", "1: expected a status line"],
    ["two spaces before the status", "HTTP/1.1  200 OK\n\n", "1: expected a status line"],
    ["a line before the status line", "\nHTTP/1.1 200 OK\n\n", "1: expected a status line"],
    ["a byte order mark", "\xef\xbb\xbfHTTP/1.1 200 OK\n\n", "1: expected no byte order mark"],
    ["UTF-16, as PowerShell writes it", "\xff\xfeH\0T\0T\0P\0", "1: expected UTF-8, got UTF-16"],
    ["no empty line", "HTTP/1.1 204 No Content\n", "2: expected an empty line after the head"],
    ["no line end", "HTTP/1.1 204 No Content", "1: expected a line end, and an empty line after the head"],
    ["a head that ends within a line", "HTTP/1.1 200 OK\nA: 1\nB: 2", "3: expected a line end"],
    [
      "CRLF after LF",
      "HTTP/1.1 200 OK\nA: 1\nB: 2\r\n\n",
      "3: expected one line end in the whole head, LF or CRLF, got both",
    ],
    ["LF after CRLF", "HTTP/1.1 200 OK\r\nA: 1\n\r\n", "2: expected one line end"],
    ["an empty line of the other kind", "HTTP/1.1 200 OK\r\nA: 1\r\n\n", "3: expected one line end"],
    ["a CR within a line", "HTTP/1.1 200 OK\nA: 1\r2\n\n", "2: expected a field line"],
    ["CR alone as line end", "HTTP/1.1 200 OK\rA: 1\r\r", "1: expected a line end"],
    [
      "a folded field",
      "HTTP/1.1 200 OK\nA: 1\n 2\n\n",
      "3: expected a field on one line, got a line that begins with white space",
    ],
    ["white space before the colon", "HTTP/1.1 200 OK\nA : 1\n\n", "2: expected no white space before the colon"],
    [
      "no colon",
      "HTTP/1.1 200 OK\nA: 1\n{}\n",
      "3: expected a field line, 'Name: value', or an empty line before the content",
    ],
    ["no name", "HTTP/1.1 200 OK\n: 1\n\n", "2: expected a field line"],
    ["a name that is not a token", "HTTP/1.1 200 OK\nA B: 1\n\n", "2: expected a field line"],
    ["a control in a value", "HTTP/1.1 200 OK\nA: \x07\n\n", "2: expected a field line"],
    [
      "a redirect's head before another",
      "HTTP/1.1 302 Found\nLocation: /b\n\nHTTP/1.1 200 OK\n\n",
      "4: expected one message",
    ],
    ["a proxy's head", "HTTP/1.1 200 Connection established\n\nHTTP/2 200\nA: 1\n\n", "3: expected one message"],
    ["NUL in the reason phrase", "HTTP/1.1 200 O\0K\n\n", "1: expected a status line"],
  ])("with a mistake names the line: %s", (_, text, expected) => {
    expect(read(text)).toStartWith(expected);
  });

  test("whose head never ends is refused after its first 64 KiB", () => {
    const lines = "A: 1\n".repeat(20_000);
    expect(read(`HTTP/1.1 200 OK\n${lines}`)).toContain("expected an empty line within the first 65536 bytes");
    expect(read(`HTTP/1.1 200 OK\nA: ${"1".repeat(70_000)}`)).toStartWith("2: expected an empty line within");
  });
});

test.each<[string, StubMessage]>([
  [
    "fields and content",
    {
      status: 201,
      lines: [
        ["Location", "/7"],
        ["X-Empty", ""],
      ],
      content: bytesOf('{"id":7}'),
    },
  ],
  ["neither", { status: 204, lines: [], content: bytesOf("") }],
  ["a status without a phrase", { status: 299, lines: [], content: bytesOf("\n\n") }],
  [
    "a message as its content",
    { status: 200, lines: [["Content-Type", "message/http"]], content: bytesOf("HTTP/1.1 200 OK\n\n") },
  ],
  ["every byte", { status: 200, lines: [["A", "\xff\t\xe9"]], content: Uint8Array.from({ length: 256 }, (_, i) => i) }],
])("a message that was written is read as the same message: %s", (_, message) => {
  expect(readStubMessage(writeStubMessage(message))).toEqual(message);
});
