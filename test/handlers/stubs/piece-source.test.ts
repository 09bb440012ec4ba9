/** Content whose pieces are chunks: the bytes on the wire however they are read, and where a part of the content lies among them. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PieceSource } from "../../../src/handlers/stubs/piece-source.ts";
import { pieceEnds } from "../../../src/http/pieces.ts";
import { bytesOf, textOf } from "../../support/bytes.ts";

/** Reads the source in slices of at most `limit` bytes, into a buffer that has other bytes around them. */
function readAll(source: PieceSource, limit: number): string {
  const buffer = new Uint8Array(limit + 2).fill(0x21);
  let text = "";
  for (;;) {
    const count = source.read(text.length, buffer, 1, limit);
    if (count === 0) return text;
    text += textOf(buffer.subarray(1, 1 + count));
    expect([buffer[0], buffer[limit + 1]]).toEqual([0x21, 0x21]);
  }
}

function linesOf(text: string): PieceSource {
  const content = bytesOf(text);
  return new PieceSource(content, pieceEnds(content, "lines"));
}

describe("pieces", () => {
  test("are one chunk each, and the last chunk follows", () => {
    const long = `${"x".repeat(300)}\n`;
    expect(readAll(linesOf(`1\n${long}3`), 10_000)).toBe(`2\r\n1\n\r\n12d\r\n${long}\r\n1\r\n3\r\n0\r\n\r\n`);
  });

  test("of no content are the last chunk alone", () => {
    const source = linesOf("");
    expect([readAll(source, 100), source.size, source.wireBytes(0), source.wireBytes(1)]).toEqual([
      "0\r\n\r\n",
      5,
      0,
      5,
    ]);
  });

  test("are the same bytes in slices of any size", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.nat(40).map((length) => `${"x".repeat(length)}\n`),
          { maxLength: 8 },
        ),
        fc.integer({ min: 1, max: 60 }),
        (lines, limit) => {
          const source = linesOf(lines.join(""));
          const wire = `${lines.map((line) => `${line.length.toString(16)}\r\n${line}\r\n`).join("")}0\r\n\r\n`;
          expect(readAll(source, limit)).toBe(wire);
          expect(source.size).toBe(wire.length);
        },
      ),
    );
  });

  test("tell how many bytes on the wire carry a part of the content", () => {
    const source = linesOf("ab\ncdef\n");
    const wire = readAll(source, 100);
    expect(wire).toBe("3\r\nab\n\r\n5\r\ncdef\n\r\n0\r\n\r\n");
    const sent = Array.from({ length: 10 }, (_, count) => wire.slice(0, source.wireBytes(count)));
    expect(sent).toEqual([
      "",
      "3\r\na",
      "3\r\nab",
      "3\r\nab\n\r\n",
      "3\r\nab\n\r\n5\r\nc",
      "3\r\nab\n\r\n5\r\ncd",
      "3\r\nab\n\r\n5\r\ncde",
      "3\r\nab\n\r\n5\r\ncdef",
      "3\r\nab\n\r\n5\r\ncdef\n\r\n",
      wire,
    ]);
  });
});
