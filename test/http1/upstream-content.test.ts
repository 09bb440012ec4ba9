/** Content of an upstream between both connections, without either. */
import { expect, test } from "bun:test";
import { EARLY_BYTES_MAX, UpstreamContent, WAITING_BYTES_MAX } from "../../src/http1/upstream-content.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

function opened(length: number | null = null) {
  const calls: string[] = [];
  const content = new UpstreamContent(
    {
      pause: () => calls.push("pause"),
      resume: () => calls.push("resume"),
      dropped: () => calls.push("dropped"),
    },
    length,
  );
  content.whenMore(() => calls.push("more"));
  const read = (position: number, limit = 100) => {
    const into = new Uint8Array(limit + 1);
    return textOf(into.subarray(1, 1 + content.read(position, into, 1, limit)));
  };
  return { content, calls, read };
}

test("its size is the announced one, or not known", () => {
  expect([opened(7).content.size, opened(0).content.size, opened().content.size]).toEqual([
    7,
    0,
    Number.MAX_SAFE_INTEGER,
  ]);
});

test("pieces are read from any place that was not read past, again and across their borders", () => {
  const { content, calls, read } = opened();
  for (const piece of ["abc", "de", "fgh"]) content.add(bytesOf(piece));
  expect([read(0), read(0, 4), read(2, 4), read(2, 1), content.heldBytes]).toEqual([
    "abcdefgh",
    "abcd",
    "cdef",
    "c",
    8,
  ]);
  expect([read(3), content.heldBytes, read(7), content.heldBytes, read(8), content.heldBytes]).toEqual([
    "defgh",
    5,
    "h",
    3,
    "",
    0,
  ]);
  expect(calls).toEqual(["more", "more", "more"]);
});

test("the end is told, whole or cut, and a paused upstream goes on", () => {
  for (const isWhole of [true, false]) {
    const { content, calls } = opened();
    content.answered();
    content.add(new Uint8Array(WAITING_BYTES_MAX + 1));
    content.end(isWhole);
    expect([content.isOver, content.isCut, content.isPaused]).toEqual([isWhole, !isWhole, false]);
    expect(calls).toEqual(["pause", "more", "resume", "more"]);
    content.close();
    expect([content.heldBytes, calls.length]).toEqual([0, 4]);
  }
});

test("the upstream is paused above one bound before the answer and above another after it, and goes on at half", () => {
  const { content, calls, read } = opened();
  content.add(new Uint8Array(EARLY_BYTES_MAX));
  expect(content.isPaused).toBe(false);
  content.add(new Uint8Array(1));
  expect(content.isPaused).toBe(true);
  expect(calls).toEqual(["more", "pause", "more"]);
  read(EARLY_BYTES_MAX);
  expect(content.isPaused).toBe(false);
  content.answered();
  const start = EARLY_BYTES_MAX + 1;
  read(start);
  const half = WAITING_BYTES_MAX / 2;
  content.add(new Uint8Array(half));
  content.add(new Uint8Array(1));
  content.add(new Uint8Array(half - 1));
  expect(content.isPaused).toBe(false);
  content.add(new Uint8Array(1));
  expect(content.isPaused).toBe(true);
  read(start + half);
  expect([content.isPaused, content.heldBytes]).toEqual([true, half + 1]);
  read(start + half + 1);
  expect([content.isPaused, content.heldBytes]).toEqual([false, half]);
});

test("closed content takes nothing more, and its rest is dropped once", () => {
  const { content, calls } = opened();
  content.add(bytesOf("abc"));
  content.close();
  content.close();
  content.add(bytesOf("def"));
  expect([content.heldBytes, calls]).toEqual([0, ["more", "dropped"]]);
});

test("both bounds are those of the documents", () => {
  expect([WAITING_BYTES_MAX, EARLY_BYTES_MAX]).toEqual([262_144, 1_048_576]);
});
