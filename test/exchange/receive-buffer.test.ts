import { expect, test } from "bun:test";
import { ReceiveBuffer } from "../../src/exchange/receive-buffer.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

/** A buffer, and what its transport was told. */
function opened() {
  const calls: string[] = [];
  const inbox = new ReceiveBuffer({ pause: () => calls.push("pause"), resume: () => calls.push("resume") });
  return { inbox, calls, text: () => textOf(inbox.bytes.subarray(inbox.start, inbox.end)) };
}

test("a new buffer is empty and holds nothing", () => {
  const { inbox } = opened();
  expect([inbox.start, inbox.end, inbox.length, inbox.heldBytes]).toEqual([0, 0, 0, 0]);
});

test("the first chunk is adopted, and later ones are put behind the bytes that are left", () => {
  const { inbox, text } = opened();
  const first = bytesOf("abcdef");
  inbox.append(first);
  expect(inbox.bytes).toBe(first);
  inbox.consume(4);
  inbox.append(bytesOf("ghij"));
  expect([text(), inbox.start, inbox.length, inbox.heldBytes]).toEqual(["efghij", 0, 6, 12]);
  expect(textOf(first)).toBe("abcdef");
  const { bytes } = inbox;
  inbox.consume(1);
  inbox.append(bytesOf("klmnop"));
  expect([text(), inbox.start, inbox.bytes === bytes]).toEqual(["fghijklmnop", 1, true]);
  inbox.append(bytesOf("q"));
  expect([text(), inbox.start, inbox.heldBytes]).toEqual(["fghijklmnopq", 0, 24]);
});

test("a buffer whose last byte is consumed lets go of its memory, and begins anew", () => {
  const { inbox, text } = opened();
  inbox.append(bytesOf("abc"));
  inbox.consume(3);
  expect([inbox.length, inbox.heldBytes, inbox.bytes.length]).toEqual([0, 0, 0]);
  inbox.append(bytesOf("de"));
  expect([text(), inbox.start, inbox.end]).toEqual(["de", 0, 2]);
  inbox.clear();
  expect([inbox.start, inbox.end, inbox.bytes.length]).toEqual([0, 0, 0]);
});

test("after a turn, few bytes do not keep a large array, and half of it do", () => {
  const { inbox, text } = opened();
  const whole = bytesOf(`${"x".repeat(96)}tail`);
  inbox.append(whole);
  inbox.consume(50);
  inbox.regulate(1000);
  expect([inbox.bytes === whole, inbox.start]).toEqual([true, 50]);
  inbox.consume(46);
  inbox.regulate(1000);
  expect([text(), inbox.heldBytes, inbox.start, inbox.end]).toEqual(["tail", 4, 0, 4]);
});

test("a peer with more bytes than the bound is paused, once, until no more than the bound are left", () => {
  const { inbox, calls } = opened();
  inbox.append(bytesOf("abcdef"));
  inbox.regulate(6);
  expect(calls).toEqual([]);
  inbox.regulate(5);
  inbox.regulate(5);
  expect(calls).toEqual(["pause"]);
  inbox.consume(1);
  inbox.regulate(5);
  inbox.regulate(5);
  expect(calls).toEqual(["pause", "resume"]);
});

test("a paused peer continues when all is consumed", () => {
  const { inbox, calls } = opened();
  inbox.append(bytesOf("abc"));
  inbox.pause();
  inbox.pause();
  inbox.consume(3);
  inbox.regulate(0);
  expect(calls).toEqual(["pause", "resume"]);
});
