/** A request on its way to an upstream, as the writes that the kernel sees. */
import { describe, expect, test } from "bun:test";
import type { ForwardedRequest } from "../../src/exchange/upstream.ts";
import { UpstreamOutbox } from "../../src/http1/upstream-outbox.ts";
import { bytesOf } from "../support/bytes.ts";
import { FakeTransport } from "../support/conversation.ts";

const REQUEST = {
  method: "POST",
  target: "/a",
  lines: [["Host", "a"]],
  announced: "unknown",
} as unknown as ForwardedRequest;
const HEAD = "POST /a HTTP/1.1\r\nHost: a\r\n";

function opened(announced: ForwardedRequest["announced"] = "unknown") {
  const outbox = new UpstreamOutbox();
  const transport = new FakeTransport();
  outbox.putHead({ ...REQUEST, announced });
  return { outbox, transport };
}

test.each([
  ["unknown", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"],
  [3, "Content-Length: 3\r\n", "abc"],
  [0, "Content-Length: 0\r\n", ""],
  ["none", "", ""],
] as const)("content of announced size %p is framed by its field", (announced, field, content) => {
  const { outbox, transport } = opened(announced);
  if (content !== "") outbox.putContent(bytesOf("abc"));
  outbox.putEnd();
  expect([outbox.isEmpty, outbox.flush(transport), outbox.isEmpty]).toEqual([false, true, true]);
  expect(transport.sent).toBe(`${HEAD}${field}\r\n${content}`);
});

test("a request of another connection is not framed as the one before", () => {
  const outbox = new UpstreamOutbox();
  outbox.putEnd();
  outbox.putContent(bytesOf("a"));
  const transport = new FakeTransport();
  outbox.flush(transport);
  expect(transport.sent).toBe("a");
});

test("a small piece leaves with its framing in one write, and a large one from its own place", () => {
  for (const [length, writes] of [
    [16_384, 1],
    [16_385, 3],
  ] as const) {
    const { outbox, transport } = opened();
    outbox.flush(transport);
    const before = transport.writes.length;
    outbox.putContent(new Uint8Array(length));
    outbox.flush(transport);
    expect(transport.writes.length - before).toBe(writes);
  }
});

describe("a kernel that is full", () => {
  test("gets the rest later, each byte once, and is not asked before", () => {
    const { outbox, transport } = opened();
    outbox.putContent(bytesOf("abc"));
    outbox.putEnd();
    transport.room = 0;
    expect([outbox.flush(transport), outbox.isBlocked, outbox.flush(transport)]).toEqual([false, true, false]);
    expect(transport.writes).toEqual([0]);
    for (let turn = 0; !outbox.isEmpty && turn < 100; turn++) {
      transport.room = 5;
      outbox.isBlocked = false;
      expect(outbox.flush(transport)).toBe(true);
    }
    expect(transport.sent).toBe(`${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`);
  });

  test("has the writer told once, when nothing is left or all is dropped", () => {
    for (const end of ["sent", "dropped"]) {
      const { outbox, transport } = opened();
      let calls = 0;
      outbox.whenEmpty = () => calls++;
      transport.room = 10;
      outbox.flush(transport);
      expect(calls).toBe(0);
      outbox.isBlocked = false;
      transport.room = Number.POSITIVE_INFINITY;
      if (end === "sent") outbox.flush(transport);
      else outbox.drop();
      outbox.drop();
      expect<unknown[]>([calls, outbox.isEmpty, outbox.whenEmpty]).toEqual([1, true, null]);
      outbox.putContent(bytesOf("abcdefghijkl"));
      outbox.flush(transport);
      expect(transport.sent.endsWith("c\r\nabcdefghijkl\r\n")).toBe(true);
    }
  });

  test("and is gone takes nothing, and loses nothing before its close is told", () => {
    const { outbox, transport } = opened();
    transport.isClosed = true;
    expect([outbox.flush(transport), outbox.isBlocked, outbox.isEmpty]).toEqual([false, true, false]);
  });
});
