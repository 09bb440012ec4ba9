/** Heads and contents on their way to the kernel, without a connection. */
import { describe, expect, test } from "bun:test";
import { Clock } from "../../src/exchange/clock.ts";
import { Fields } from "../../src/http/fields.ts";
import { response } from "../../src/http/message.ts";
import { Outbox, Progress, Scratch } from "../../src/http1/outbox.ts";
import { HeadStarts } from "../../src/http1/response-head.ts";
import { framed } from "../../src/http1/transfer-coding.ts";
import { limits } from "../../src/settings/limits.ts";
import { bytesOf } from "../support/bytes.ts";
import { FakeSource, FakeTransport, respondWith } from "../support/conversation.ts";

function opened() {
  const clock = new Clock(0, 0);
  const transport = new FakeTransport();
  const outbox = new Outbox(transport, new Scratch(400_000), limits, clock);
  const starts = new HeadStarts(clock.dateLine, 30);
  const put = (answer: ReturnType<typeof respondWith>, isHead = false) =>
    outbox.put(framed(answer, true), isHead, starts, true, 1);
  const headBytes = () => transport.sent.lastIndexOf("\r\n\r\n") + 4;
  return { transport, outbox, put, headBytes };
}

describe("the size of a head", () => {
  test("is that of the bytes up to the empty line, whatever follows", () => {
    for (const content of ["", "abc", new FakeSource(5000), "x".repeat(100_000)]) {
      const { outbox, put, headBytes } = opened();
      put(respondWith(200, content));
      outbox.pump();
      expect(outbox.headBytes).toBe(headBytes());
    }
  });

  test("does not count content that is kept behind its fields", () => {
    const fields = Fields.of([["Content-Length", "3"]]);
    const content = fields.hold(bytesOf("abc"));
    const { transport, outbox, put, headBytes } = opened();
    expect(put(response(200, fields, content, "test"))).toBe(3);
    expect([outbox.pump(), transport.sent.slice(headBytes()), outbox.headBytes]).toEqual([
      Progress.Sent,
      "abc",
      headBytes(),
    ]);
  });

  test("is that of the last head only", () => {
    const { outbox, put, headBytes, transport } = opened();
    put(respondWith(200, "first"));
    put(respondWith(404, "second"));
    outbox.pump();
    expect(outbox.headBytes).toBe(headBytes() - transport.sent.indexOf("HTTP/1.1 404"));
  });
});

test("the length of a content is told, and that of a response to HEAD is none", () => {
  const { outbox, put, transport } = opened();
  expect([put(respondWith(200, "abc")), put(respondWith(200, "abcd"), true), put(respondWith(204, null))]).toEqual([
    3, 0, 0,
  ]);
  expect([outbox.isEmpty, outbox.pump(), outbox.isEmpty]).toEqual([false, Progress.Sent, true]);
  expect(transport.sent.endsWith("\r\n\r\n")).toBe(true);
  expect([transport.writes.length, outbox.accepted]).toEqual([1, transport.sent.length]);
});

test("a kernel that is full gets the rest, byte by byte, and every byte once", () => {
  for (const content of ["abc", "x".repeat(5000), "y".repeat(70_000), new FakeSource(3000)]) {
    const whole = opened();
    whole.put(respondWith(200, content instanceof FakeSource ? new FakeSource(3000) : content));
    whole.outbox.pump();
    const { transport, outbox, put } = opened();
    transport.room = 0;
    put(respondWith(200, content));
    let turns = 0;
    for (let progress = outbox.pump(); progress !== Progress.Sent; progress = outbox.pump()) {
      expect([progress, outbox.isBlocked]).toEqual([Progress.Blocked, true]);
      outbox.isBlocked = false;
      transport.room = 997;
      turns++;
    }
    expect(transport.sent).toBe(whole.transport.sent);
    expect(turns).toBe(Math.ceil(transport.sent.length / 997));
    expect(outbox.accepted).toBe(transport.sent.length);
  }
});

test("a connection that is gone ends the turn", () => {
  for (const content of ["abc", "y".repeat(70_000), new FakeSource(3000)]) {
    const { transport, outbox, put } = opened();
    put(respondWith(200, content));
    transport.isClosed = true;
    expect([outbox.pump(), outbox.gatheredBytes]).toEqual([Progress.Gone, 0]);
  }
});

test("content that ends before its length is short", () => {
  const { outbox, put } = opened();
  put(respondWith(200, new FakeSource(3000, 1000)));
  expect(outbox.pump()).toBe(Progress.Short);
});

test("gathered bytes are bounded to the byte, and dropped with the rest", () => {
  const { outbox } = opened();
  outbox.gather(new Uint8Array(24_576));
  expect([outbox.canGather, outbox.gatheredBytes]).toEqual([true, 24_576]);
  outbox.gather(new Uint8Array(1));
  expect(outbox.canGather).toBe(false);
  outbox.drop();
  expect([outbox.isEmpty, outbox.canGather, outbox.gatheredBytes, outbox.bodyLeft]).toEqual([true, true, 0, 0]);
});

test("content of 4,096 bytes waits in its own place, and a byte less in a copy", () => {
  for (const [length, isShared] of [
    [4095, false],
    [4096, true],
  ] as const) {
    const { transport, outbox, put } = opened();
    const content = new Uint8Array(length);
    transport.room = 0;
    put(respondWith(200, content));
    expect(outbox.pump()).toBe(Progress.Blocked);
    expect(outbox.content === content.buffer).toBe(isShared);
    expect(outbox.tailBytes).toBe(outbox.headBytes + (isShared ? 0 : length));
  }
});

test("responses that join a tail which is sent in part keep their order", () => {
  const [whole, part] = [opened(), opened()];
  for (const content of ["first", "second", "third"]) whole.put(respondWith(200, content));
  whole.outbox.pump();
  const { transport, outbox, put } = part;
  transport.room = 10;
  put(respondWith(200, "first"));
  outbox.pump();
  for (const content of ["second", "third"]) {
    outbox.isBlocked = false;
    transport.room = 7;
    expect(outbox.pump()).toBe(Progress.Blocked);
    put(respondWith(200, content));
    expect(outbox.pump()).toBe(Progress.Blocked);
  }
  outbox.isBlocked = false;
  transport.room = Number.POSITIVE_INFINITY;
  expect(outbox.pump()).toBe(Progress.Sent);
  expect([transport.sent, outbox.isEmpty, outbox.tailBytes]).toEqual([whole.transport.sent, true, 0]);
});

test("a connection that is gone after a part of the response ends the turn too", () => {
  for (const content of ["abc", "y".repeat(70_000), new FakeSource(3000)]) {
    const { transport, outbox, put } = opened();
    transport.room = 100;
    put(respondWith(200, content));
    expect([outbox.pump(), transport.writes]).toEqual([Progress.Blocked, [100]]);
    outbox.isBlocked = false;
    transport.isClosed = true;
    expect([outbox.pump(), outbox.gatheredBytes - outbox.tailBytes <= 0]).toEqual([Progress.Gone, true]);
  }
});
