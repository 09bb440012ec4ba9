import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DATE_LINE_BYTES } from "../../src/http/date.ts";
import { Fields } from "../../src/http/fields.ts";
import { reasonPhrase } from "../../src/http/status.ts";
import { HEAD_START_BYTES_MAX, HeadStarts } from "../../src/http1/response-head.ts";

const latin1 = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

describe("the beginning of a head", () => {
  test("has the registry's phrase of every code that is sent here or can be ordered", () => {
    const codes = [
      100, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403,
      404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431,
      451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
    ];
    expect(codes.filter((code) => reasonPhrase(code) === "")).toEqual([]);
    expect([reasonPhrase(409), reasonPhrase(413), reasonPhrase(422)]).toEqual([
      "Conflict",
      "Content Too Large",
      "Unprocessable Content",
    ]);
  });

  test("has a phrase that fits, whatever the code", () => {
    const starts = new HeadStarts(DATE_LINE, 30);
    for (let status = 100; status < 600; status++) {
      const head = write(starts, status, true, 100);
      expect(head).toStartWith(`HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`);
      expect(head.length).toBeLessThanOrEqual(HEAD_START_BYTES_MAX);
    }
  });

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
    const fields = Fields.of([
      ["X-A", "b"],
      ["X-C", "d"],
    ]);
    const starts = new HeadStarts(DATE_LINE, 30, fields);
    expect(write(starts, 200, false, 9)).toBe(start("X-A: b\r\nX-C: d\r\nConnection: close\r\n"));
    expect(write(starts, 200, true, 9)).toBe(
      start("X-A: b\r\nX-C: d\r\nConnection: keep-alive\r\nKeep-Alive: timeout=30, max=9\r\n"),
    );
    expect(starts.bytesMax).toBe(HEAD_START_BYTES_MAX + "X-A: b\r\nX-C: d\r\n".length);
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
