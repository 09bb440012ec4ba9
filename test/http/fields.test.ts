import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Fields, parseFieldLine } from "../../src/http/fields.ts";

const latin1 = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
const encoded = (fields: Fields) => latin1(fields.http1(null));
const bytesOf = (text: string) => new TextEncoder().encode(text);

const PAIRS = [
  ["Content-Type", "text/html; charset=utf-8"],
  ["Content-Length", "5"],
  ["X-Empty", ""],
] as const;

describe("fields", () => {
  test("are lines in their order, and the empty line", () => {
    const text = "Content-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\nX-Empty: \r\n\r\n";
    expect(encoded(Fields.of(PAIRS))).toBe(text);
    expect(encoded(Fields.of([]))).toBe("\r\n");
  });

  test("carry a value's Latin-1 characters as one byte each", () => {
    expect(encoded(Fields.of([["X-Name", "caf\u00e9\t\u00ff"]]))).toBe("X-Name: caf\u00e9\t\u00ff\r\n\r\n");
  });

  test("have their bytes made once", () => {
    const fields = Fields.of(PAIRS);
    expect(fields.http1(null)).toBe(fields.http1(null));
  });

  test("tell the value of a name in any case", () => {
    const fields = Fields.of(PAIRS);
    expect([fields.value("content-length"), fields.value("X-Empty"), fields.value("ETag")]).toEqual(["5", "", null]);
  });

  test("followed by others have these after them, and both stay as they were themselves", () => {
    const fields = Fields.of(PAIRS);
    const first = Fields.of([
      ["X-First", "1"],
      ["Vary", "Origin"],
    ]);
    const before = encoded(fields);
    const both = first.followedBy(fields);
    expect(both.lines).toEqual([["X-First", "1"], ["Vary", "Origin"], ...PAIRS]);
    expect(encoded(both)).toBe(`X-First: 1\r\nVary: Origin\r\n${before}`);
    expect([encoded(fields), encoded(first)]).toEqual([before, "X-First: 1\r\nVary: Origin\r\n\r\n"]);
    expect(encoded(Fields.of([]).followedBy(Fields.of([])))).toBe("\r\n");
  });

  test("lies behind them in one piece, each part a view of it", () => {
    const fields = Fields.of([["Content-Length", "5"]]);
    const content = fields.hold(bytesOf("hello"));
    if (!fields.holds(content)) throw new Error("it is not held");
    expect(latin1(fields.http1(content))).toBe("Content-Length: 5\r\n\r\nhello");
    expect([encoded(fields), latin1(content)]).toEqual(["Content-Length: 5\r\n\r\n", "hello"]);
    expect([fields.http1(null).buffer, content.buffer]).toEqual([
      fields.http1(content).buffer,
      fields.http1(content).buffer,
    ]);
  });

  test("is that one array: other content of the same bytes is not held, nor is it by fields with others before them", () => {
    const fields = Fields.of([]);
    const content = fields.hold(bytesOf("hello"));
    expect([fields.holds(bytesOf("hello")), Fields.of(PAIRS).followedBy(fields).holds(content)]).toEqual([
      false,
      false,
    ]);
  });

  test("is at most 64 KiB with the fields", () => {
    const most = 65_536 - "\r\n".length;
    for (const [length, isHeld] of [
      [0, true],
      [most, true],
      [most + 1, false],
    ] as const) {
      const fields = Fields.of([]);
      const content = new Uint8Array(length);
      expect([length, fields.holds(fields.hold(content)), fields.hold(content) === content]).toEqual([
        length,
        isHeld,
        !isHeld,
      ]);
    }
  });
});

describe("a line that cannot be sent", () => {
  const badNames = ["", "a b", "a:", "a\r\n", "\u00e9", "\u0161", "a\0", "Date", "server", "CONNECTION", "Keep-Alive"];
  for (const name of badNames) {
    test(`has the name ${JSON.stringify(name)}`, () => {
      expect(() => Fields.of([[name, "x"]])).toThrow("cannot be sent");
    });
  }

  const badValues = [
    "a\r\nSet-Cookie: x",
    "a\r",
    "a\nb",
    "a\0b",
    "a\u001fb",
    "a\u007f",
    "\u0161",
    "\u{1f600}",
    " a",
    "a\t",
    " ",
  ];
  for (const value of badValues) {
    test(`has the value ${JSON.stringify(value)}`, () => {
      expect(() => Fields.of([["X-Name", value]])).toThrow("cannot be sent");
    });
  }
});

test("fields read back as the pairs they were made of", () => {
  const name = fc.stringMatching(/^X-[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/);
  const value = fc.stringMatching(/^(?:[!-~\u0080-\u00ff](?:[\t -~\u0080-\u00ff]{0,20}[!-~\u0080-\u00ff])?)?$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), (fields) => {
      const lines = latin1(Fields.of(fields).http1(null)).split("\r\n");
      expect(lines).toEqual([...fields.map(([n, v]) => `${n}: ${v}`), "", ""]);
    }),
  );
});

test("each field that belongs to the server, or to one response, is refused with its reason", () => {
  const reasons: Record<string, string[]> = {
    "it says where a message ends, which the server decides": ["Content-Length", "Transfer-Encoding", "Trailer"],
    "it belongs to the connection, not to an answer": ["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade"],
    "the server's clock writes it": ["Date"],
    "the server names itself": ["Server"],
    "it tells of one answer's content, and cannot be true of all": [
      "Content-Type",
      "Content-Encoding",
      "Content-Range",
      "Content-Disposition",
      "Content-Location",
      "Accept-Ranges",
      "ETag",
      "Last-Modified",
      "Age",
      "Expires",
    ],
    "--cache-control sets it": ["Cache-Control"],
    "--hsts sets it": ["Strict-Transport-Security"],
    "the server sends nosniff already": ["X-Content-Type-Options"],
    "it belongs to redirects and uploads": ["Location"],
    "it belongs to refused methods": ["Allow"],
    "it belongs to refused uploads": ["Accept", "Accept-Encoding"],
    "it belongs to refusals for a time": ["Retry-After"],
    "--basic-auth sends it": ["WWW-Authenticate"],
    "this is no proxy": ["Proxy-Authenticate"],
  };
  for (const [reason, names] of Object.entries(reasons)) {
    for (const name of names) expect(parseFieldLine(`${name}: x`)).toBe(`${name} cannot be set: ${reason}`);
  }
  expect(parseFieldLine("Vary: x")).toEqual(["Vary", "x"]);
});

test("a field line is a token, a colon and printable ASCII", () => {
  expect(parseFieldLine("A: \t b c \t")).toEqual(["A", "b c"]);
  expect(parseFieldLine("a:")).toEqual(["a", ""]);
  for (const line of ["a", ":a"]) expect(parseFieldLine(line)).toBe("expected a field line, 'Name: value'");
  for (const line of ["a b: c", "a: é", "a: \x7f", "a: \x01", "a : b"]) {
    expect(parseFieldLine(line)).toBe("expected a field line, 'Name: value', of a token and printable ASCII");
  }
});
