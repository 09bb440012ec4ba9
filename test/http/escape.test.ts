import { describe, expect, test } from "bun:test";
import { encodeName, escapeControls, escapeQuoted, quote } from "../../src/http/escape.ts";

describe("text between quotes", () => {
  test("keeps printable ASCII but quotes and backslashes", () => {
    for (let code = 0; code < 256; code++) {
      const character = String.fromCharCode(code);
      const plain = code >= 0x20 && code < 0x7f ? character : `\\x${code.toString(16).padStart(2, "0")}`;
      const escaped = character === '"' || character === "\\" ? `\\${character}` : plain;
      expect(escapeQuoted(`ab${character}cd`)).toBe(`ab${escaped}cd`);
    }
  });

  test("has characters beyond a byte with four digits", () => {
    expect(escapeQuoted("a\u202eb\u0100")).toBe("a\\u202eb\\u0100");
  });
});

describe("a message", () => {
  test("keeps all but controls, and what reorders or hides text", () => {
    const ranges = [
      [0x00, 0x1f],
      [0x7f, 0x9f],
      [0x61c, 0x61c],
      [0xfeff, 0xfeff],
      [0x200b, 0x200f],
      [0x2028, 0x202e],
      [0x2066, 0x2069],
    ] as const;
    const kept: number[] = [];
    for (let code = 0; code <= 0xffff; code++) {
      const text = String.fromCharCode(code);
      const isKept = escapeControls(text) === text;
      if (isKept === ranges.some(([from, to]) => code >= from && code <= to)) kept.push(code);
    }
    expect(kept).toEqual([]);
  });

  test("is the same text around what is escaped", () => {
    expect(escapeControls("né\x1b[1m\u202eb\n")).toBe("né\\x1b[1m\\u202eb\\x0a");
    expect(escapeControls("\x07a\u061c")).toBe("\\x07a\\u061c");
  });
});

test("a name in a URI keeps unreserved characters alone", () => {
  expect(encodeName("aZ0-._~ /?#é!'()*%")).toBe("aZ0-._~%20%2F%3F%23%C3%A9%21%27%28%29%2A%25");
});

test("a quoted value is short, on one line and printable", () => {
  expect(quote("a\nb\x7f\x9bé")).toBe('"a\\nb\\u007f\\u009b\\u00e9"');
  expect(quote("x".repeat(78))).toBe(`"${"x".repeat(78)}"`);
  expect(quote("x".repeat(79))).toBe(`"${"x".repeat(76)}...`);
  expect([quote(undefined), quote(1), quote({ a: [true] })]).toEqual(["undefined", "1", '{"a":[true]}']);
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  expect([quote(circle), quote(1n)]).toEqual(["[object Object]", "[object BigInt]"]);
});
