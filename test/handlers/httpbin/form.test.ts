import { describe, expect, test } from "bun:test";
import { parseMultipart, parseQuery, parseUrlencoded } from "../../../src/handlers/httpbin/form.ts";
import { Random } from "../../../tools/fuzz/random.ts";

const pairs = (values: ReadonlyMap<string, readonly string[]> | string) =>
  typeof values === "string" ? values : [...values].map(([name, list]) => [name, ...list]);

describe("a query", () => {
  const rows: readonly (readonly [query: string, pairs: readonly (readonly string[])[]])[] = [
    ["", []],
    ["?", []],
    [
      "?a=1&b=2&a=3",
      [
        ["a", "1", "3"],
        ["b", "2"],
      ],
    ],
    ["?a", [["a", ""]]],
    [
      "?=v&&a==",
      [
        ["", "v"],
        ["a", "="],
      ],
    ],
    ["?a+b=%20%2B", [["a b", " +"]]],
    ["?%zz=1&b=%&c=%4&d=1", [["d", "1"]]],
    ["?a=%C3%A4\xc3\xa4", [["a", "ää"]]],
    ["?a=%FF", [["a", "\ufffd"]]],
    ["?a=1;b=2", [["a", "1;b=2"]]],
  ];
  for (const [query, expected] of rows) {
    test(JSON.stringify(query), () => {
      expect(pairs(parseQuery(query))).toEqual(expected.map((pair) => [...pair]));
    });
  }
});

test("an urlencoded content is read as a query, but a broken escape is a mistake", () => {
  expect(pairs(parseUrlencoded(Buffer.from("a=1&b=%C3%A4")))).toEqual([
    ["a", "1"],
    ["b", "ä"],
  ]);
  expect(parseUrlencoded(Buffer.from("a=%zz"))).toBe("a % that begins no escape");
});

describe("a multipart", () => {
  const part = (disposition: string, content: string) => `Content-Disposition: ${disposition}\r\n\r\n${content}`;
  const whole = (parts: readonly string[]) => `${parts.map((text) => `--b\r\n${text}\r\n`).join("")}--b--\r\n`;
  const read = (content: string, type = "multipart/form-data; boundary=b") => {
    const parsed = parseMultipart(Buffer.from(content), type);
    return typeof parsed === "string" ? parsed : { form: pairs(parsed.form), files: pairs(parsed.files) };
  };

  test("has fields, and files with a file name", () => {
    const content = whole([
      part('form-data; name="a"', "1"),
      part("form-data; name=a", "2"),
      part('form-data; name="f"; filename="x.txt"', "line\r\n--c\r\n\r\nrest"),
      part("form-data; name=f; filename*=UTF-8''%c3%a4", ""),
    ]);
    expect(read(content)).toEqual({ form: [["a", "1", "2"]], files: [["f", "line\r\n--c\r\n\r\nrest", ""]] });
  });

  test("has names in quotes, with escapes and beyond ASCII", () => {
    expect(read(whole([part('form-data; name="a\\"b;ä"', "1")]))).toEqual({ form: [['a"b;ä', "1"]], files: [] });
  });

  test("has a boundary in quotes", () => {
    const content = whole([part("form-data; name=a", "1")]).replaceAll("--b", "--b c");
    expect(read(content, 'Multipart/Form-Data; charset=utf-8; Boundary="b c"')).toEqual({
      form: [["a", "1"]],
      files: [],
    });
  });

  test("of no parts is a form of no fields", () => {
    expect(read("--b--\r\n")).toEqual({ form: [], files: [] });
  });

  test("a part without a name, and one of another kind, is left out", () => {
    expect(read(whole([part("form-data", "1"), part("attachment; name=a", "2"), "X: y\r\n\r\n3"]))).toEqual({
      form: [],
      files: [],
    });
  });

  test("never throws and never hangs, whatever its bytes are", () => {
    const pieces = ["--b", "--b--", "\r\n", "\n", "\r", ":", "Content-Disposition: form-data; name=a", '"', "x", "\0"];
    const random = new Random(1);
    for (let round = 0; round < 5000; round++) {
      let content = "--b\r\n";
      for (let count = random.below(20); count > 0; count--) content += pieces[random.below(pieces.length)];
      const parsed = read(content);
      expect(typeof parsed === "string" || Array.isArray(parsed.form)).toBe(true);
    }
  });
});
