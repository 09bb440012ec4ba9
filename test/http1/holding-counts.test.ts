/** The memory of one connection as it is counted, without a connection. */
import { expect, test } from "bun:test";
import type { Exchange } from "../../src/exchange/exchange.ts";
import type { PeerMemory } from "../../src/exchange/peer-memory.ts";
import type { ReceiveBuffer } from "../../src/exchange/receive-buffer.ts";
import { Holding } from "../../src/http1/holding.ts";
import type { Outbox } from "../../src/http1/outbox.ts";
import type { RequestReader } from "../../src/http1/request.ts";

function opened() {
  const calls: string[] = [];
  const memory = {
    hold: (_: unknown, bytes: number) => calls.push(`hold ${bytes}`),
    share: (_: unknown, content: ArrayBufferLike) => calls.push(`share ${content.byteLength}`),
    unshare: (_: unknown, content: ArrayBufferLike) => calls.push(`unshare ${content.byteLength}`),
  } as unknown as PeerMemory;
  const inbox = { heldBytes: 0, bytes: new Uint8Array(0) };
  const outbox = {
    accepted: 0,
    tailBytes: 0,
    liveBytes: 0,
    headBytes: 0,
    isEmpty: true,
    content: null as ArrayBuffer | null,
  };
  const head = { bytes: new Uint8Array(0), targetStart: 0, targetEnd: 0 };
  let trims = 0;
  const request = { head, trim: () => trims++ } as unknown as RequestReader;
  const holding = new Holding(
    memory,
    { abort: () => {} },
    inbox as unknown as ReceiveBuffer,
    outbox as unknown as Outbox,
  );
  const settle = (with_: RequestReader | null = null) => {
    holding.settle({ request: with_ } as Exchange<RequestReader>);
    return calls.splice(0);
  };
  return { calls, inbox, outbox, head, request, holding, settle, trims: () => trims };
}

test("a connection that holds nothing is not counted, and neither is one with less than 4 KiB", () => {
  const { inbox, outbox, settle, request, trims } = opened();
  expect(settle()).toEqual([]);
  inbox.heldBytes = 2000;
  outbox.tailBytes = 2000;
  outbox.liveBytes = 95;
  expect([settle(request), trims()]).toEqual([[], 1]);
  outbox.liveBytes = 96;
  expect([settle(request), settle(request)]).toEqual([["hold 4096"], []]);
  outbox.liveBytes = 0;
  expect([settle(), settle()]).toEqual([["hold 0"], []]);
});

test("progress of the peer counts its memory anew", () => {
  const { outbox, settle, request } = opened();
  outbox.tailBytes = 5000;
  expect(settle(request)).toEqual(["hold 5000"]);
  outbox.accepted = 10;
  expect([settle(request), settle(request)]).toEqual([["hold 5000"], []]);
});

test("content that waits is shared until other content, or none, waits", () => {
  const { outbox, settle, request, holding, calls } = opened();
  outbox.content = new ArrayBuffer(100);
  expect([settle(request), settle()]).toEqual([["share 100"], []]);
  outbox.accepted = 1;
  expect(settle()).toEqual(["share 100"]);
  outbox.content = new ArrayBuffer(200);
  expect(settle()).toEqual(["unshare 100", "share 200"]);
  outbox.content = null;
  expect([settle(), settle()]).toEqual([["unshare 200"], []]);
  outbox.content = new ArrayBuffer(300);
  outbox.tailBytes = 5000;
  settle(request);
  holding.release();
  expect(calls.splice(0)).toEqual(["hold 0", "unshare 300"]);
  holding.release();
  expect(calls).toEqual([]);
});

test("a long target counts twice besides its head, with the head of a response that is under way", () => {
  const { head, inbox, outbox, settle, request } = opened();
  head.bytes = new Uint8Array(6000);
  head.targetStart = 4;
  head.targetEnd = 4 + 4095;
  outbox.headBytes = 1;
  expect(settle(request)).toEqual(["hold 6000"]);
  outbox.isEmpty = false;
  expect(settle(request)).toEqual([`hold ${6000 + 2 * 4096}`]);
  inbox.bytes = head.bytes;
  expect(settle(request)).toEqual([`hold ${2 * 4096}`]);
});
