/** Forms as browsers, curl and libraries send them, whole and cut anywhere; and everything that is none. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MultipartReader, type PartHead } from "../../src/http/multipart.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

interface Read {
  readonly parts: readonly (PartHead & { readonly content: string; readonly isWhole: boolean })[];
  readonly mistake: string | null;
}

/** Reads the pieces. Text has one character a byte. */
function read(pieces: readonly string[], boundary = "B", begin: (head: PartHead) => string | null = () => null): Read {
  const parts: (PartHead & { content: string; isWhole: boolean })[] = [];
  const last = () => parts.at(-1) as (typeof parts)[number];
  const reader = new MultipartReader(boundary, {
    begin: (head) => {
      parts.push({ ...head, content: "", isWhole: false });
      return begin(head);
    },
    content: (bytes) => {
      last().content += textOf(bytes);
    },
    end: () => {
      last().isWhole = true;
    },
  });
  for (const piece of pieces) {
    const mistake = reader.read(bytesOf(piece));
    if (mistake !== null) return { parts, mistake };
  }
  return { parts, mistake: reader.finish() };
}

/** A part whose Content-Disposition has these parameters. */
function part(parameters: string, content = "x"): string {
  return `--B\r\nContent-Disposition: form-data; ${parameters}\r\n\r\n${content}\r\n`;
}

const END = "--B--\r\n";

/** UTF-8 as one character a byte. */
function utf8(text: string): string {
  return textOf(new TextEncoder().encode(text));
}

describe("a form", () => {
  test("of a browser has its fields and its file, and nothing of the framing", () => {
    const boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
    const text =
      `--${boundary}\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n` +
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n` +
      `one\r\n--two\r\n--${boundary}--\r\n`;
    expect(read([text], boundary)).toEqual({
      parts: [
        { name: "note", fileName: null, content: "hello", isWhole: true },
        { name: "file", fileName: "a.txt", content: "one\r\n--two", isWhole: true },
      ],
      mistake: null,
    });
  });

  test("may end without a line end, and have parts that are empty", () => {
    const text = `${part('name="a"', "")}${part('name="b"; filename=""', "")}--B--`;
    expect(read([text]).parts.map(({ name, fileName, content }) => [name, fileName, content])).toEqual([
      ["a", null, ""],
      ["b", "", ""],
    ]);
    expect(read([text]).mistake).toBeNull();
  });

  test("keeps content that looks like the beginning of a boundary", () => {
    for (const content of ["\r\n", "\r\n--", "\r\r\n--", "\r\n-\r\n--A", "--B", "\n--B", "\r--B", "\r\n--b"]) {
      const text = part('name="file"', content) + END;
      expect([content, read([text]).parts[0]?.content]).toEqual([content, content]);
      expect(read([...text]).parts[0]?.content).toBe(content);
    }
  });

  test("is the same however it is cut", () => {
    const content = fc.array(fc.constantFrom("\r", "\n", "\r\n", "-", "--", "B", "\r\n--", "\r\n--B", "\0", "text"));
    fc.assert(
      fc.property(content, fc.array(fc.nat({ max: 120 }), { maxLength: 10 }), (items, cuts) => {
        const text = part('name="file"; filename="a"', items.join("")) + END;
        const stops = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        const pieces = stops.slice(1).map((stop, i) => text.slice(stops[i], stop));
        expect(read(pieces)).toEqual(read([text]));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("a file's name", () => {
  const rows: readonly [string, string][] = [
    ['filename="a b.txt"', "a b.txt"],
    ["filename=a.txt", "a.txt"],
    ['filename="say %22hi%22%0D%0A.txt"', 'say "hi"\r\n.txt'],
    ['filename="100%25%20.txt"', "100%25%20.txt"],
    ['filename="say \\"hi\\".txt"', 'say "hi".txt'],
    ['filename="a\\\\b"', "a\\b"],
    ['filename="C:\\dir\\a.txt"', "C:\\dir\\a.txt"],
    [`filename="${utf8("Grüße 你好 🎉.txt")}"`, "Grüße 你好 🎉.txt"],
    ["filename*=UTF-8''%e2%82%ac%20rates", "€ rates"],
    ["filename=\"EURO rates\"; filename*=utf-8'en'%e2%82%ac%20rates", "€ rates"],
    ["filename*=UTF-8''a; filename=b", "a"],
    ['filename="a;b=c"', "a;b=c"],
  ];
  for (const [parameters, name] of rows) {
    test(`${JSON.stringify(parameters)} is ${JSON.stringify(name)}`, () => {
      expect(read([part(`name="file"; ${parameters}`) + END]).parts[0]?.fileName).toBe(name);
    });
  }
});

describe("a mistake", () => {
  const head = (lines: string) => `--B\r\n${lines}\r\n\r\nx\r\n${END}`;
  const rows: readonly [name: string, text: string, mistake: string][] = [
    ["is content before the first boundary", `x\r\n${part('name="a"')}${END}`, "does not begin with its boundary"],
    ["is an empty line before the first boundary", `\r\n${part('name="a"')}${END}`, "does not begin with its boundary"],
    ["is another boundary", "--C\r\n", "does not begin with its boundary"],
    ["is a line that goes on after a boundary", `${part('name="a"')}--Bx`, "not followed by a line end"],
    ["is a space after a boundary", `${part('name="a"')}--B \r\n`, "not followed by a line end"],
    ["is a line feed alone after a boundary", "--B\nx", "not followed by a line end"],
    ["is one dash after a boundary", `${part('name="a"')}--B-\r\n`, "not followed by a line end"],
    ["is something after the last boundary", `${part('name="a"')}${END}x`, "after the last boundary"],
    ["is a line feed alone after the last boundary", `${part('name="a"')}--B--\n`, "after the last boundary"],
    ["is a form that is cut in its content", part('name="a"').slice(0, -3), "ends before its last boundary"],
    ["is a form that is cut in its boundary", `${part('name="a"')}--B`, "ends before its last boundary"],
    ["is a form without anything", "", "ends before its last boundary"],
    ["is a part without a head", "--B\r\n\r\nx\r\n--B--", "no Content-Disposition"],
    ["is a part of another kind", head('Content-Disposition: attachment; filename="a"'), "is malformed"],
    ["is a part without a name", head('Content-Disposition: form-data; filename="a"'), "is malformed"],
    ["is a name twice", head("Content-Disposition: form-data; name=a; name=b"), "is malformed"],
    ["is an open quote", head('Content-Disposition: form-data; name="a'), "is malformed"],
    ["is text after a quote", head('Content-Disposition: form-data; name="a"b'), "is malformed"],
    ["is a bad escape", head("Content-Disposition: form-data; name=a; filename*=UTF-8''%zz"), "is malformed"],
    ["is another charset", head("Content-Disposition: form-data; name=a; filename*=latin1''a"), "is malformed"],
    ["is not UTF-8 behind escapes", head("Content-Disposition: form-data; name=a; filename*=UTF-8''%ff"), "malformed"],
    ["is a name that is not UTF-8", head('Content-Disposition: form-data; name="\xff"'), "not valid UTF-8"],
    ["is a disposition twice", head(`${"Content-Disposition: form-data; name=a\r\n".repeat(2)}X: y`), "twice"],
    ["is a line without a colon", head("Content-Disposition: form-data; name=a\r\nx"), "line in the head"],
    ["is a folded line", head("Content-Disposition: form-data;\r\n name=a"), "line in the head"],
    ["is a control in a head", head("Content-Disposition: form-data; name=a\0"), "line in the head"],
    [
      "is a transfer encoding",
      head("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64"),
      "4.7",
    ],
    ["is a head without an end", `--B\r\n${"x".repeat(5000)}`, "larger than 4096"],
    ["is a crowd of parts", part("name=a", "").repeat(33) + END, "more than 32 parts"],
  ];
  for (const [name, text, mistake] of rows) {
    test(`${name}, whole or byte by byte`, () => {
      expect(read([text]).mistake).toContain(mistake);
      expect(read([...text])).toEqual(read([text]));
    });
  }

  test("of the receiver ends the reading", () => {
    const text = part("name=a") + part("name=b") + END;
    const refused = read([text], "B", ({ name }) => (name === "a" ? "not this one" : null));
    expect([refused.mistake, refused.parts.length]).toEqual(["not this one", 1]);
  });

  test("is not the encoding that says that there is none", () => {
    for (const encoding of ["binary", "8bit", "7BIT"])
      expect(
        read([head(`Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: ${encoding}`)]).mistake,
      ).toBeNull();
  });
});
