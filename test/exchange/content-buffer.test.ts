import { describe, expect, test } from "bun:test";
import { ContentBuffer, ContentMemory } from "../../src/exchange/content-buffer.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

const MIB = 1 << 20;

function opened(max = 1000) {
  const memory = new ContentMemory(max);
  return { memory, buffer: new ContentBuffer(memory) };
}

describe("content in one piece", () => {
  test("is a view of bytes of which it is half or more", () => {
    const { memory, buffer } = opened();
    const bytes = bytesOf("abcdef");
    expect(buffer.append(bytes, 2, 5, 3)).toBe(true);
    expect([textOf(buffer.content), buffer.length, memory.used]).toEqual(["cde", 3, 3]);
    expect(buffer.content.buffer).toBe(bytes.buffer);
  });

  test("is a copy of bytes of which it is less", () => {
    const { buffer } = opened();
    const bytes = bytesOf("abcdefg");
    buffer.append(bytes, 2, 5, 3);
    expect([textOf(buffer.content), buffer.content.buffer === bytes.buffer]).toEqual(["cde", false]);
  });

  test("that the budget has no room for is not kept", () => {
    const { memory, buffer } = opened(5);
    expect(buffer.append(bytesOf("abcdef"), 0, 6, 6)).toBe(false);
    expect([buffer.length, memory.used]).toEqual([0, 0]);
    expect(buffer.append(bytesOf("abcdef"), 0, 5, 6)).toBe(true);
  });
});

describe("content in several pieces", () => {
  test("is copied together, with room for as much again", () => {
    const { memory, buffer } = opened();
    const first = bytesOf("abc");
    buffer.append(first, 0, 3, 100);
    expect(buffer.append(bytesOf("-de-"), 1, 3, 100)).toBe(true);
    expect([textOf(buffer.content), buffer.length, memory.used]).toEqual(["abcde", 5, 10]);
    const { buffer: room } = buffer.content;
    expect(buffer.append(bytesOf("fghij"), 0, 5, 100)).toBe(true);
    expect([textOf(buffer.content), memory.used, buffer.content.buffer === room]).toEqual(["abcdefghij", 10, true]);
    expect(textOf(first)).toBe("abc");
  });

  test("is charged no more than it can have", () => {
    const { memory, buffer } = opened(8);
    buffer.append(bytesOf("abcde"), 0, 5, 8);
    expect(buffer.append(bytesOf("fg"), 0, 2, 8)).toBe(true);
    expect([textOf(buffer.content), memory.used]).toEqual(["abcdefg", 8]);
  });

  test("stays as it was when the budget has no room for more", () => {
    const { memory, buffer } = opened(8);
    buffer.append(bytesOf("abcde"), 0, 5, 100);
    expect(buffer.append(bytesOf("fg"), 0, 2, 100)).toBe(false);
    expect([textOf(buffer.content), memory.used]).toEqual(["abcde", 5]);
  });

  test("that is large is charged 2 MiB ahead, and has room for all of it at once", () => {
    const { memory, buffer } = opened(100 * MIB);
    const piece = new Uint8Array(2 * MIB);
    buffer.append(piece, 0, 2 * MIB, 64 * MIB);
    buffer.append(piece, 0, MIB, 64 * MIB);
    expect([buffer.length, memory.used, buffer.content.buffer.byteLength]).toEqual([3 * MIB, 5 * MIB, 64 * MIB]);
    const { buffer: room } = buffer.content;
    buffer.append(piece, 0, 2 * MIB, 64 * MIB);
    buffer.append(piece, 0, 1, 64 * MIB);
    expect([memory.used, buffer.content.buffer === room]).toEqual([7 * MIB + 1, true]);
  });
});

test("content of 2 MiB has room for as much again, and no more", () => {
  const { memory, buffer } = opened(100 * MIB);
  const piece = new Uint8Array(MIB);
  buffer.append(piece, 0, MIB, 64 * MIB);
  buffer.append(piece, 0, MIB, 64 * MIB);
  expect([memory.used, buffer.content.buffer.byteLength]).toEqual([4 * MIB, 4 * MIB]);
});

test("content gives its bytes back once, and the next begins at nothing", () => {
  const { memory, buffer } = opened();
  buffer.append(bytesOf("abc"), 0, 3, 3);
  buffer.release();
  buffer.release();
  expect([buffer.length, buffer.content.length, memory.used]).toEqual([0, 0, 0]);
  buffer.append(bytesOf("de"), 0, 2, 2);
  expect([textOf(buffer.content), memory.used]).toEqual(["de", 2]);
});
