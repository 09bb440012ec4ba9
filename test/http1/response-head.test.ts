import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DATE_LINE_BYTES } from "../../src/http/date.ts";
import { encodeAnswer, encodeFields, encodeLines } from "../../src/http/fields.ts";
import { reasonPhrase } from "../../src/http/status.ts";
import { HEAD_START_BYTES_MAX, HeadStarts } from "../../src/http1/response-head.ts";

const latin1 = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

describe("the fields of an answer", () => {
  test("are lines in their order, and the empty line", () => {
    const fields = encodeFields([
      ["Content-Type", "text/html; charset=utf-8"],
      ["Content-Length", "0"],
      ["X-Empty", ""],
    ]);
    expect(latin1(fields)).toBe("Content-Type: text/html; charset=utf-8\r\nContent-Length: 0\r\nX-Empty: \r\n\r\n");
  });

  test("carry a value's Latin-1 characters as one byte each", () => {
    expect(latin1(encodeFields([["X-Name", "caf\u00e9\t\u00ff"]]))).toBe("X-Name: caf\u00e9\t\u00ff\r\n\r\n");
  });

  test("lie before the content in one piece, each part a view of it", () => {
    const content = new TextEncoder().encode("hello");
    const { fields, body, joined } = encodeAnswer([["Content-Length", "5"]], content);
    expect(latin1(joined)).toBe("Content-Length: 5\r\n\r\nhello");
    expect([latin1(fields), latin1(body)]).toEqual(["Content-Length: 5\r\n\r\n", "hello"]);
    expect([fields.buffer, body.buffer]).toEqual([joined.buffer, joined.buffer]);
  });

  test("knows the registry's phrase of every code we send", () => {
    const codes = [
      100, 200, 201, 204, 206, 304, 308, 400, 403, 404, 405, 408, 411, 412, 413, 414, 415, 416, 417, 431, 500, 501, 503,
      505, 507,
    ];
    for (const code of codes) expect(reasonPhrase(code)).not.toBe("");
    expect([reasonPhrase(206), reasonPhrase(413), reasonPhrase(416)]).toEqual([
      "Partial Content",
      "Content Too Large",
      "Range Not Satisfiable",
    ]);
  });

  const badNames = ["", "a b", "a:", "a\r\n", "\u00e9", "\u0161", "a\0", "Date", "server", "CONNECTION", "Keep-Alive"];
  for (const name of badNames) {
    test(`are refused for the name ${JSON.stringify(name)}`, () => {
      expect(() => encodeFields([[name, "x"]])).toThrow("cannot be sent");
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
    test(`are refused for the value ${JSON.stringify(value)}`, () => {
      expect(() => encodeFields([["X-Name", value]])).toThrow("cannot be sent");
    });
  }

  test("read back as the fields they were made of", () => {
    const name = fc.stringMatching(/^X-[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/);
    const value = fc.stringMatching(/^(?:[!-~\u0080-\u00ff](?:[\t -~\u0080-\u00ff]{0,20}[!-~\u0080-\u00ff])?)?$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), (fields) => {
        const lines = latin1(encodeFields(fields)).split("\r\n");
        expect(lines).toEqual([...fields.map(([n, v]) => `${n}: ${v}`), "", ""]);
      }),
    );
  });
});

describe("the beginning of a head", () => {
  const DATE_LINE = new TextEncoder().encode("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");

  function write(starts: HeadStarts, status: number, persistent: boolean, requestsLeft: number, second = 1): string {
    const into = new Uint8Array(7 + HEAD_START_BYTES_MAX + 1).fill(0x23);
    const end = starts.append(into, 7, status, persistent, requestsLeft, second);
    expect(latin1(into.subarray(0, 7))).toBe("#######");
    expect(into.subarray(end).every((byte) => byte === 0x23)).toBe(true);
    return latin1(into.subarray(7, end));
  }

  const append = (persistent: boolean, keepAliveSeconds: number, requestsLeft: number) =>
    write(new HeadStarts(DATE_LINE, keepAliveSeconds), 200, persistent, requestsLeft);
  const start = (rest: string) => `HTTP/1.1 200 OK\r\nServer: httpserver\r\n${latin1(DATE_LINE)}${rest}`;
  const kept = (fields: string) => start(`Connection: keep-alive\r\nKeep-Alive: ${fields}\r\n`);

  test("says close on the last answer", () => {
    expect(append(false, 30, 5)).toBe(start("Connection: close\r\n"));
  });

  test("keeps the space before an unknown code's empty phrase", () => {
    expect(write(new HeadStarts(DATE_LINE, 30), 299, false, 0)).toStartWith("HTTP/1.1 299 \r\nServer: httpserver\r\n");
  });

  for (const status of [99, 1000, 200.5, Number.NaN]) {
    test(`is refused for the status ${status}`, () =>
      expect(() => write(new HeadStarts(DATE_LINE, 30), status, true, 1)).toThrow("three digits"));
  }

  test("has its own status, its own end and the date of its second, whatever was written before", () => {
    const dateLine = DATE_LINE.slice();
    const starts = new HeadStarts(dateLine, 30);
    const first = write(starts, 200, true, 9, 1);
    expect(write(starts, 200, false, 9, 1)).not.toBe(first);
    expect(write(starts, 404, true, 9, 1)).toBe(first.replace("200 OK", "404 Not Found"));
    expect(write(starts, 200, true, 9, 1)).toBe(first);
    dateLine.set(new TextEncoder().encode("Mon, 07"), 6);
    expect(write(starts, 200, true, 9, 2)).toBe(first.replace("Sun, 06", "Mon, 07"));
    expect(write(starts, 404, true, 9, 2)).toContain("Date: Mon, 07 Nov 1994");
  });

  const rows: [seconds: number, left: number, fields: string][] = [
    [30, 99, "timeout=30, max=99"],
    [30, 1, "timeout=30, max=1"],
    [30, 0, "timeout=30, max=0"],
    [30, 10, "timeout=30, max=10"],
    [30, 100, "timeout=30, max=100"],
    [5, 1_234_567, "timeout=5, max=1234567"],
    [0.5, 9, "timeout=0, max=9"],
    [29.999, 9, "timeout=29, max=9"],
    [3600, Number.POSITIVE_INFINITY, "timeout=3600"],
    [1e12, 1e12, "timeout=999999999, max=999999999"],
    [-1, -1, "timeout=0, max=0"],
    [Number.NaN, Number.NaN, "timeout=0, max=0"],
  ];
  for (const [seconds, left, fields] of rows) {
    test(`says ${fields} for ${seconds} seconds and ${left} requests left`, () => {
      expect(append(true, seconds, left)).toBe(kept(fields));
    });
  }

  test("has the lines that are the same on every answer, before what depends on the connection", () => {
    const lines = encodeLines([
      ["X-A", "b"],
      ["X-C", "d"],
    ]);
    const starts = new HeadStarts(DATE_LINE, 30, lines);
    expect(write(starts, 200, false, 9)).toBe(start("X-A: b\r\nX-C: d\r\nConnection: close\r\n"));
    expect(write(starts, 200, true, 9)).toBe(
      start("X-A: b\r\nX-C: d\r\nConnection: keep-alive\r\nKeep-Alive: timeout=30, max=9\r\n"),
    );
    expect(starts.bytesMax).toBe(HEAD_START_BYTES_MAX + lines.length);
    expect(new HeadStarts(DATE_LINE, 30).bytesMax).toBe(HEAD_START_BYTES_MAX);
  });

  test("is never longer than the bound", () => {
    expect(DATE_LINE.length).toBe(DATE_LINE_BYTES);
    for (let status = 100; status < 600; status++) {
      const longest = write(new HeadStarts(DATE_LINE, 1e12), status, true, 1e12);
      expect(longest.length).toBeLessThanOrEqual(HEAD_START_BYTES_MAX);
    }
  });

  test("spells every number, up to nine digits", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seconds, left) => {
        expect(append(true, seconds, left)).toBe(
          kept(`timeout=${Math.min(seconds, 999_999_999)}, max=${Math.min(left, 999_999_999)}`),
        );
      }),
    );
  });
});
