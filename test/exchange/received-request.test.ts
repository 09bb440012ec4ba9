import { expect, test } from "bun:test";
import { ContentMemory } from "../../src/exchange/content-buffer.ts";
import { directPeer } from "../../src/exchange/peer.ts";
import { ReceivedRequest } from "../../src/exchange/received-request.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

class Plain extends ReceivedRequest {}

function received() {
  const request = new Plain(new ContentMemory(100));
  const calls: string[] = [];
  return { request, calls, call: (name: string) => () => calls.push(name) };
}

test("a request has the addresses of its peer", () => {
  const { request } = received();
  expect([request.address, request.socketAddress, request.secure, request.relay]).toEqual(["", "", false, null]);
  request.lend({ ...directPeer("::1", 5, true), socketAddress: "::2" });
  expect([request.address, request.socketAddress, request.secure]).toEqual(["::1", "::2", true]);
});

test("a request has the content that its buffer has collected", () => {
  const { request } = received();
  request.buffer.append(bytesOf("abc"), 0, 3, 3);
  expect(textOf(request.content)).toBe("abc");
});

test("the call for a client that leaves comes when it leaves, or when it is set afterwards", () => {
  const { request, calls, call } = received();
  request.whenLeft(call("first"));
  expect(calls).toEqual([]);
  request.tellLeft();
  expect(calls).toEqual(["first"]);
  request.whenLeft(call("second"));
  expect(calls).toEqual(["first", "second"]);
});

test("the next request of a connection begins with neither a call nor a client that has left", () => {
  const { request, calls, call } = received();
  request.whenLeft(call("first"));
  request.tellLeft();
  request.lend(directPeer("::1", 5, false));
  request.whenLeft(call("second"));
  expect(calls).toEqual(["first"]);
  request.lend(directPeer("::1", 5, false));
  request.tellLeft();
  expect(calls).toEqual(["first"]);
});
