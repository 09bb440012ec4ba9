import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  appendConnectionFields,
  DATE_LINE_BYTES,
  encodeResponseHead,
  MAX_CONNECTION_FIELDS_BYTES,
} from "../../src/http/response.ts";
import { reasonPhrase } from "../../src/http/status.ts";

const latin1 = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

describe("the head of an answer", () => {
  test("is the status line, Server, and the fields in their order, without the empty line", () => {
    const head = encodeResponseHead(404, [
      ["Content-Type", "text/html; charset=utf-8"],
      ["Content-Length", "0"],
      ["X-Empty", ""],
    ]);
    expect(latin1(head)).toBe(
      "HTTP/1.1 404 Not Found\r\nServer: httpserver\r\n" +
        "Content-Type: text/html; charset=utf-8\r\nContent-Length: 0\r\nX-Empty: \r\n",
    );
  });

  test("keeps the space before an unknown code's empty phrase", () => {
    expect(latin1(encodeResponseHead(299, []))).toBe("HTTP/1.1 299 \r\nServer: httpserver\r\n");
  });

  test("carries a value's Latin-1 characters as one byte each", () => {
    const head = encodeResponseHead(200, [["X-Name", "caf\u00e9\t\u00ff"]]);
    expect(latin1(head)).toEndWith("\r\nX-Name: caf\u00e9\t\u00ff\r\n");
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
    test(`is refused for the name ${JSON.stringify(name)}`, () => {
      expect(() => encodeResponseHead(200, [[name, "x"]])).toThrow("cannot be sent");
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
    test(`is refused for the value ${JSON.stringify(value)}`, () => {
      expect(() => encodeResponseHead(200, [["X-Name", value]])).toThrow("cannot be sent");
    });
  }

  for (const status of [99, 1000, 200.5, Number.NaN]) {
    test(`is refused for the status ${status}`, () =>
      expect(() => encodeResponseHead(status, [])).toThrow("three digits"));
  }

  test("reads back as the fields it was made of", () => {
    const name = fc.stringMatching(/^X-[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/);
    const value = fc.stringMatching(/^(?:[!-~\u0080-\u00ff](?:[\t -~\u0080-\u00ff]{0,20}[!-~\u0080-\u00ff])?)?$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), (fields) => {
        const lines = latin1(encodeResponseHead(200, fields)).split("\r\n");
        expect(lines.slice(0, 2)).toEqual(["HTTP/1.1 200 OK", "Server: httpserver"]);
        expect(lines.slice(2)).toEqual([...fields.map(([n, v]) => `${n}: ${v}`), ""]);
      }),
    );
  });
});

describe("the connection's fields", () => {
  const DATE_LINE = new TextEncoder().encode("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");

  function append(persistent: boolean, keepAliveSeconds: number, requestsLeft: number): string {
    const into = new Uint8Array(7 + MAX_CONNECTION_FIELDS_BYTES + 1).fill(0x23);
    const end = appendConnectionFields(into, 7, DATE_LINE, persistent, keepAliveSeconds, requestsLeft);
    expect(latin1(into.subarray(0, 7))).toBe("#######");
    expect(into.subarray(end).every((byte) => byte === 0x23)).toBe(true);
    return latin1(into.subarray(7, end));
  }

  const kept = (fields: string) => `${latin1(DATE_LINE)}Connection: keep-alive\r\nKeep-Alive: ${fields}\r\n\r\n`;

  test("say close on the last answer", () => {
    expect(append(false, 30, 5)).toBe(`${latin1(DATE_LINE)}Connection: close\r\n\r\n`);
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
    test(`say ${fields} for ${seconds} seconds and ${left} requests left`, () => {
      expect(append(true, seconds, left)).toBe(kept(fields));
    });
  }

  test("are never longer than the bound, which the longest reach", () => {
    expect(DATE_LINE.length).toBe(DATE_LINE_BYTES);
    expect(append(true, 1e12, 1e12).length).toBe(MAX_CONNECTION_FIELDS_BYTES);
    fc.assert(
      fc.property(fc.boolean(), fc.double(), fc.double(), (persistent, seconds, left) => {
        return append(persistent, seconds, left).length <= MAX_CONNECTION_FIELDS_BYTES;
      }),
    );
  });

  test("spell every number, up to nine digits", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seconds, left) => {
        expect(append(true, seconds, left)).toBe(
          kept(`timeout=${Math.min(seconds, 999_999_999)}, max=${Math.min(left, 999_999_999)}`),
        );
      }),
    );
  });
});
