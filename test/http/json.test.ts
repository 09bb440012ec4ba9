import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { JsonCheck, JsonVerdict, NESTING_MAX } from "../../src/http/json.ts";
import { inSteps } from "../../tools/fuzz/json.ts";
import { bytesOf } from "../support/bytes.ts";

const { Valid, NotUtf8, NotJson, TooDeep } = JsonVerdict;

/** What the platform's own decoder and parser say; they have no bound for nesting. */
function platformTakes(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}

/** Texts by their verdict, one byte a character, so that bytes that are no UTF-8 can be written. */
const families: readonly [name: string, verdict: JsonVerdict, texts: readonly string[]][] = [
  ["a scalar alone", Valid, ["0", "-0", "1", '""', '"a"', "true", "false", "null"]],
  ["no value, or half of one", NotJson, ["", " ", "\n", ",", ":", "]", "}", "-", '"', "t", "nul", "fals", "[", "{"]],
  ["whitespace", Valid, [" 1", "1 ", "\t\n\r 1\t\n\r ", " [ ] ", '{ "a" : 1 , "b" : [ 1 , 2 ] } ', "[\r\n]"]],
  [
    "what is no whitespace",
    NotJson,
    ["\v1", "1\f", "[\0]", "1\0", "\xa01", "\xc2\xa01", "1\x08", "[\x1f]", "/**/1", "1//"],
  ],
  [
    "more than one value",
    NotJson,
    ["1 2", "[][]", "{}{}", '""""', "1,", ",1", "1]", "[]]", "{}}", "truefalse", "true1"],
  ],
  ["literals", Valid, ["[true,false,null]", '{"a":true}']],
  [
    "other literals",
    NotJson,
    ["True", "TRUE", "nULL", "nulll", "tru e", "NaN", "Infinity", "-Infinity", "undefined", "'a'"],
  ],
  ["integers", Valid, ["10", "-10", "123456789012345678901234567890", "-1", "[0,-0]"]],
  ["integers of another grammar", NotJson, ["01", "-01", "00", "+1", "--1", "0x1", "1_000", "- 1", "1a", "-a", "\xb9"]],
  ["fractions", Valid, ["0.0", "-0.10", "1.5", "123.456"]],
  ["fractions without digits", NotJson, [".5", "1.", "-.5", "1..2", "1.e5", "0.", "1.2.3", "[1.]"]],
  ["exponents", Valid, ["1e5", "1E5", "0e0", "1e+05", "1.5E-10", "1e999999999"]],
  ["exponents without digits", NotJson, ["1e", "1E+", "1e-", "e1", "1e+-1", "1e1.5", "1ee1", "[1e]"]],
  ["arrays", Valid, ["[]", "[1]", "[[],[[]]]", "[1,[2],{}]", "[{},[]]"]],
  [
    "arrays gone wrong",
    NotJson,
    ["[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1:2]", "[1}", "[", "[1", "[1,", "[[]", '["a":1]'],
  ],
  ["objects", Valid, ["{}", '{"":0}', '{"a":{}}', '{"a":1,"a":2}', '{"a":[{"b":[]}]}', '{"\\u0000":1}']],
  [
    "objects gone wrong",
    NotJson,
    [
      '{"a":1,}',
      '{,"a":1}',
      '{"a"}',
      '{"a",1}',
      '{"a":}',
      "{a:1}",
      "{1:1}",
      "{'a':1}",
      '{"a":1]',
      '{"a" 1}',
      '{"a":1 "b":2}',
    ],
  ],
  ["objects cut off", NotJson, ["{", '{"', '{"a', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,"b"', '{"a":1,"b":[']],
  ["brackets of an outer kind after an inner one", Valid, ['[{"a":[1]},2]', '{"a":[{}],"b":2}', '[[{"a":[]}],[{}]]']],
  [
    "brackets crossed",
    NotJson,
    ['[{"a":1]}', '{"a":[}]', "[{]}", '[{"a":[1}]', '{"a":[1],2}', '[{},"a":1]', '{"a":{},1}'],
  ],
  ["escapes", Valid, ['"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\u00e9\\uABCD\\uabcd"', '"\\\\"', '"\\\\\\""']],
  [
    "surrogates as escapes, alone or in disorder",
    Valid,
    ['"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00\\ud83d"', '"\\uDFAA"'],
  ],
  [
    "escapes that are none",
    NotJson,
    ['"\\a"', '"\\x41"', '"\\\'"', '"\\0"', '"\\U0041"', '"\\\n"', '"\\v"', '"\\\xe9"'],
  ],
  [
    "escapes cut off",
    NotJson,
    ['"\\', '"\\"', '"\\u"', '"\\u1"', '"\\u123"', '"\\u12g4"', '"\\u123', '"\\u1234', '"\\u 123"'],
  ],
  ["plain bytes in a string", Valid, ['" !#[]{},:/~"', '"\x7f"']],
  ["bare control characters in a string", NotJson, ['"\0"', '"\t"', '"\n"', '"\r"', '"\x1f"', '{"a\n":1}']],
  [
    "UTF-8 in a string",
    Valid,
    ['"\xc2\x80"', '"\xc3\xa9"', '"\xdf\xbf"', '"\xe0\xa0\x80"', '"\xed\x9f\xbf"', '"\xee\x80\x80"', '"\xef\xbf\xbf"'],
  ],
  [
    "four bytes, up to U+10FFFF",
    Valid,
    ['"\xf0\x90\x80\x80"', '"\xf0\x9f\x98\x80"', '"\xf4\x8f\xbf\xbf"', '{"\xf3\x80\x80\x80":1}'],
  ],
  ["a byte order mark inside a string, and line separators", Valid, ['"\xef\xbb\xbf"', '"\xe2\x80\xa8\xe2\x80\xa9"']],
  ["a byte order mark in front", Valid, ["\xef\xbb\xbf{}", "\xef\xbb\xbf 1 "]],
  [
    "a byte order mark alone, twice, elsewhere, cut, or of UTF-16",
    NotJson,
    [
      "\xef\xbb\xbf",
      "\xef\xbb\xbf\xef\xbb\xbf1",
      " \xef\xbb\xbf1",
      "1\xef\xbb\xbf",
      "\xef\xbb1",
      "\xefxx1",
      "x\xbb\xbf1",
      "\xefx\xbf1",
      "\xfe\xff\x001",
      "1\x00",
    ],
  ],
  [
    "bytes that begin nothing",
    NotUtf8,
    ['"\x80"', '"\xbf"', '"\xc0\x80"', '"\xc1\xbf"', '"\xf5\x80\x80\x80"', '"\xfe"', '"\xff"'],
  ],
  [
    "overlong forms",
    NotUtf8,
    ['"\xe0\x80\x80"', '"\xe0\x9f\xbf"', '"\xf0\x80\x80\x80"', '"\xf0\x8f\xbf\xbf"', '"\xc0\xaf"'],
  ],
  ["surrogates as bytes", NotUtf8, ['"\xed\xa0\x80"', '"\xed\xbf\xbf"', '"\xed\xa0\xbd\xed\xb8\x80"']],
  ["beyond U+10FFFF", NotUtf8, ['"\xf4\x90\x80\x80"', '"\xf7\xbf\xbf\xbf"']],
  [
    "sequences cut off",
    NotUtf8,
    [
      '"\xc3"',
      '"\xe2\x82"',
      '"\xf0\x9f\x98"',
      '"\xc3',
      '"\xe2\x82',
      '"\xf0\x9f\x98',
      '"\xe2\x82a"',
      '"\xf0\x9f\xff\x80"',
    ],
  ],
  ["bytes outside ASCII, outside of strings", NotJson, ["\xc3\xa9", "[\xc3\xa9]", "[1\xff]", '{"a":1}\xff', "\xff"]],
];

const isJson = (bytes: Uint8Array): JsonVerdict | null => new JsonCheck(bytes).advance(bytes.length);

describe("JSON by RFC 8259", () => {
  for (const [name, verdict, texts] of families) {
    test(`${name}: ${JsonVerdict[verdict]}`, () => {
      for (const text of texts) {
        const bytes = bytesOf(text);
        expect([text, isJson(bytes)]).toEqual([text, verdict]);
        expect([text, inSteps(bytes, 1).verdict]).toEqual([text, verdict]);
        expect([text, platformTakes(bytes)]).toEqual([text, verdict === Valid]);
      }
    });
  }

  test("every single byte, alone, in an array, in a string and behind a backslash, is judged as the platform judges it", () => {
    for (let byte = 0; byte < 256; byte++) {
      const character = String.fromCharCode(byte);
      for (const text of [
        character,
        `[${character}]`,
        `"${character}"`,
        `"\\${character}"`,
        `1${character}`,
        `"\\u${character}000"`,
      ]) {
        const bytes = bytesOf(text);
        expect([text, isJson(bytes) === Valid]).toEqual([text, platformTakes(bytes)]);
      }
    }
  });

  test("every two bytes in a string, alone and before further ones, are judged as the platform judges them", () => {
    for (let lead = 0x80; lead < 256; lead++) {
      for (let second = 0x70; second < 256; second++) {
        for (const rest of ["", "\x80", "\x80\x80"]) {
          const bytes = bytesOf(`"${String.fromCharCode(lead, second)}${rest}"`);
          if ((isJson(bytes) === Valid) !== platformTakes(bytes))
            throw new Error(`${[...bytes]} is judged differently`);
        }
      }
    }
  });

  test("a check in steps comes to the same verdict, and pauses about once a step", () => {
    const text = bytesOf(
      JSON.stringify(Array.from({ length: 1000 }, (_, i) => ({ id: i, names: ["a", { b: null }] }))),
    );
    const { verdict, pauses } = inSteps(text, 1000);
    expect(verdict).toBe(Valid);
    expect(pauses).toBeGreaterThan(text.length / 1100);
    expect(pauses).toBeLessThanOrEqual(text.length / 1000);
  });

  test("a step ends within a string, a name, a number and whitespace", () => {
    const long = 10_000;
    for (const text of [
      `"${"x".repeat(long)}"`,
      `{"${"\\n\xc3\xa9".repeat(long / 4)}":1}`,
      "1".repeat(long),
      `0.${"1".repeat(long)}`,
      `[1e-${"0".repeat(long)}]`,
      `[${" ".repeat(long)}]`,
      `1${"\n".repeat(long)}`,
    ]) {
      const { verdict, pauses } = inSteps(bytesOf(text), 1000);
      expect([text.slice(0, 4), verdict, pauses]).toEqual([text.slice(0, 4), Valid, 9]);
    }
  });

  test("a text that is cut off anywhere is not valid", () => {
    const text = new TextEncoder().encode('{"a":[1.5e3,true,null,"\\u00e9é😀"],"b":{"c":[]}}');
    expect(isJson(text)).toBe(Valid);
    for (let end = 0; end < text.length; end++) expect(isJson(text.subarray(0, end))).not.toBe(Valid);
  });
});

describe("nesting", () => {
  test("is taken up to its bound, and not beyond", () => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
      ['[{"":', "}]"],
    ] as const) {
      const perTurn = open === '[{"":' ? 2 : 1;
      const deepest = NESTING_MAX / perTurn;
      expect(isJson(bytesOf(`${open.repeat(deepest)}1${close.repeat(deepest)}`))).toBe(Valid);
      expect(isJson(bytesOf(`${open.repeat(deepest + 1)}1${close.repeat(deepest + 1)}`))).toBe(TooDeep);
    }
    expect(isJson(bytesOf(`${"[".repeat(NESTING_MAX)}${"]".repeat(NESTING_MAX)}`))).toBe(Valid);
  });

  test("counts what is open, not what was", () => {
    expect(isJson(bytesOf(`[${"[[]],{},".repeat(5000)}0]`))).toBe(Valid);
  });

  test("remembers at every depth what it closes", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 300 }), fc.nat(299), (kinds, at) => {
        const opening = kinds.map((isObject) => (isObject ? '{"a":' : "[")).join("");
        const closing = kinds.map((isObject) => (isObject ? "}" : "]")).reverse();
        expect(isJson(bytesOf(`${opening}1${closing.join("")}`))).toBe(Valid);
        if (at >= closing.length) return;
        closing[at] = closing[at] === "}" ? "]" : "}";
        expect(isJson(bytesOf(`${opening}1${closing.join("")}`))).toBe(NotJson);
      }),
    );
  });

  test("without end is refused at its bound, long before it costs anything", () => {
    const endless = new Uint8Array(10 << 20).fill(0x5b);
    expect(isJson(endless)).toBe(TooDeep);
    expect(new JsonCheck(endless).advance(NESTING_MAX)).toBe(TooDeep);
    expect(new JsonCheck(endless).advance(NESTING_MAX - 1)).toBeNull();
  });
});

describe("the platform's decoder and parser agree", () => {
  const agree = (bytes: Uint8Array) => {
    const verdict = isJson(bytes);
    expect(verdict === Valid).toBe(platformTakes(bytes));
    return verdict;
  };

  test("about every document", () => {
    const document = fc.json({ maxDepth: 8, stringUnit: "binary" });
    fc.assert(fc.property(document, (text) => expect(agree(new TextEncoder().encode(text))).toBe(Valid)));
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 1, max: 4 }), (value, indent) => {
        expect(agree(new TextEncoder().encode(JSON.stringify(value, null, indent)))).toBe(Valid);
      }),
    );
  });

  test("about documents with bytes changed, put in and taken out", () => {
    const turning = fc.constantFrom(
      ...bytesOf('"\\{}[]:,0-.eE+u \n\t\x00\x1f\x7f\x80\xbf\xc0\xc2\xe0\xed\xf0\xf4\xff'),
    );
    const change = fc.tuple(fc.nat(), fc.oneof(turning, fc.nat(255)), fc.nat(2), fc.nat(2));
    fc.assert(
      fc.property(fc.json(), fc.array(change, { minLength: 1, maxLength: 3 }), (text, changes) => {
        const bytes = [...new TextEncoder().encode(text)];
        for (const [where, byte, gone, copies] of changes) {
          bytes.splice(where % (bytes.length + 1), gone, ...new Array<number>(copies).fill(byte));
        }
        agree(Uint8Array.from(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  test("about bytes of the grammar in any order, and about any bytes", () => {
    const tokens = fc.constantFrom(
      "[",
      "]",
      "{",
      "}",
      ":",
      ",",
      '"',
      '"a"',
      "1",
      "-",
      "0",
      ".5",
      "e3",
      " ",
      "true",
      "\\",
      "\xe9",
    );
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 8 }), (given) => void agree(bytesOf(given.join("")))),
      { numRuns: 3000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => void agree(bytes)));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => void agree(Uint8Array.of(0x22, ...bytes, 0x22))),
    );
  });
});
