/** JSON. Properties: the platform's decoder and parser agree, but for the bound of nesting; whitespace at the ends and brackets around a text change nothing. */
import { JsonCheck, JsonVerdict, NESTING_MAX } from "../../src/http/json.ts";
import type { FuzzTarget } from "./target.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

export const jsonTarget: FuzzTarget = {
  name: "json",
  dictionary: [
    '"',
    "\\",
    "\\u00e9",
    "\\ud83d",
    '\\"',
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    '"a":',
    "[[[[[[[[[[[[[[[[",
    "]]]]]]]]]]]]]]]]",
    "true",
    "false",
    "null",
    "-0",
    "1.5",
    "e+10",
    "01",
    " \t\r\n",
    "\xc3\xa9",
    "\xf0\x9f\x98\x80",
    "\xed\xa0\x80",
    "\xc0\x80",
    "\xf4\x90\x80\x80",
    "\xef\xbb\xbf",
  ],
  check(input, random) {
    const verdict = isJson(input);
    if (inSteps(input, 1 + random.below(8)).verdict !== verdict) return "checked in steps, it has another verdict";
    switch (verdict) {
      case JsonVerdict.Valid:
        if (!isUtf8(input)) return "valid, and not UTF-8";
        if (!isParsed(input)) return "valid, and cannot be parsed";
        break;
      case JsonVerdict.NotUtf8:
        if (isUtf8(input)) return "UTF-8, and refused as not";
        break;
      case JsonVerdict.NotJson:
        if (isUtf8(input) && isParsed(input)) return "can be parsed, and refused";
        break;
      case JsonVerdict.TooDeep:
        return opened(input) > NESTING_MAX ? "" : `too deep with ${opened(input)} brackets that open`;
      default:
        return `the verdict ${verdict}`;
    }
    // Behind anything else, the mark is not one.
    if (hasByteOrderMark(input)) return "";
    if (isJson(Uint8Array.of(0x20, 0x0a, ...input, 0x09, 0x0d)) !== verdict) return "whitespace changes the verdict";
    if (verdict !== JsonVerdict.Valid) return "";
    const inBrackets = isJson(Uint8Array.of(0x5b, ...input, 0x5d));
    if (inBrackets !== JsonVerdict.Valid && inBrackets !== JsonVerdict.TooDeep) return "not valid in brackets";
    return "";
  },
};

function hasByteOrderMark(input: Uint8Array): boolean {
  return input[0] === 0xef && input[1] === 0xbb && input[2] === 0xbf;
}

function isJson(input: Uint8Array): JsonVerdict | null {
  return new JsonCheck(input).advance(input.length);
}

/** The verdict when the check pauses after every `step` bytes, and how often it paused. */
export function inSteps(input: Uint8Array, step: number): { verdict: JsonVerdict; pauses: number } {
  const check = new JsonCheck(input);
  for (let pauses = 0; ; pauses++) {
    const verdict = check.advance(step);
    if (verdict !== null) return { verdict, pauses };
  }
}

function isUtf8(input: Uint8Array): boolean {
  try {
    decoder.decode(input);
    return true;
  } catch {
    return false;
  }
}

function isParsed(input: Uint8Array): boolean {
  try {
    JSON.parse(decoder.decode(input));
    return true;
  } catch {
    return false;
  }
}

function opened(input: Uint8Array): number {
  return input.reduce((count, byte) => (byte === 0x5b || byte === 0x7b ? count + 1 : count), 0);
}
