import { expect, test } from "bun:test";
import { isUtf8, utf8SequenceEnd } from "../../src/http/utf8.ts";

/** Bytes at the edges of all ranges of RFC 3629 §4. */
const EDGES = [
  0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
  0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
];

const decoder = new TextDecoder("utf-8", { fatal: true });

function isDecoded(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

test("all sequences of four bytes at the edges of the grammar are judged as the engine judges them", () => {
  const bytes = new Uint8Array(4);
  const different: string[] = [];
  for (const first of EDGES) {
    for (const second of EDGES) {
      for (const third of [0x7f, 0x80, 0xbf, 0xc0]) {
        for (const fourth of [0x7f, 0x80, 0xbf, 0xc0]) {
          bytes.set([first, second, third, fourth]);
          for (let end = 1; end <= 4; end++) {
            if (isUtf8(bytes, end) !== isDecoded(bytes.subarray(0, end))) different.push(`${bytes} to ${end}`);
          }
        }
      }
    }
  }
  expect(different).toEqual([]);
});

test("a character ends after its bytes, wherever it begins", () => {
  const bytes = new TextEncoder().encode("aé€😀");
  expect([1, 3, 6].map((start) => utf8SequenceEnd(bytes, start, bytes.length))).toEqual([3, 6, 10]);
  expect([2, 5, 9].map((end, at) => utf8SequenceEnd(bytes, [1, 3, 6][at] as number, end))).toEqual([-1, -1, -1]);
  expect(isUtf8(new Uint8Array(0), 0)).toBe(true);
});
