import { describe, expect, test } from "bun:test";
import { Clock } from "../../src/exchange/clock.ts";
import { Closing, End } from "../../src/exchange/closing.ts";
import { Deadline, Wait } from "../../src/exchange/deadline.ts";
import type { Transport } from "../../src/exchange/transport.ts";
import { FakeServer } from "../support/conversation.ts";

/** Times of the fake server: 2 s of silence, 10 s in all, 10,000 bytes; 30 s to close. */
const { limits: LIMITS } = new FakeServer().context;

function opened() {
  const clock = new Clock(1000, 0);
  const deadline = new Deadline(LIMITS, clock);
  const calls: string[] = [];
  const note = (name: string) => () => calls.push(name);
  const transport = { shutdown: note("FIN"), end: note("end"), terminate: note("RST") } as unknown as Transport;
  const inbox = { pause: note("pause") };
  return { clock, deadline, calls, inbox, closing: new Closing(transport, deadline, LIMITS, clock) };
}

describe("a connection that lingers", () => {
  test("sends FIN and waits for the peer's", () => {
    const { closing, deadline, calls } = opened();
    closing.linger();
    expect([closing.end, deadline.wait, deadline.atMs, calls]).toEqual([End.Lingering, Wait.Linger, 3000, ["FIN"]]);
  });

  test("closes at once if the peer has sent its FIN", () => {
    const { closing, calls } = opened();
    closing.isPeerFinished = true;
    closing.linger();
    expect(calls).toEqual(["end"]);
  });

  test("has no deadline after a fault has sent FIN", () => {
    const { closing, deadline, inbox } = opened();
    closing.isHalfClosed = true;
    closing.linger();
    closing.discard(100, inbox);
    expect([deadline.wait, deadline.atMs]).toEqual([Wait.None, Number.POSITIVE_INFINITY]);
  });

  test("waits longer after each byte, up to its bound in time", () => {
    const { closing, clock, deadline, inbox } = opened();
    closing.linger();
    clock.set(2500, 0);
    closing.discard(1, inbox);
    expect(deadline.atMs).toBe(4500);
    clock.set(10_500, 0);
    closing.discard(1, inbox);
    expect(deadline.atMs).toBe(11_000);
  });

  test("reads past as many bytes as its bound, and closes at one more", () => {
    const { closing, calls, inbox } = opened();
    closing.linger();
    closing.discard(9999, inbox);
    closing.discard(1, inbox);
    expect([closing.end, calls]).toEqual([End.Lingering, ["FIN"]]);
    closing.discard(1, inbox);
    expect([closing.end, closing.reason, calls]).toEqual([End.Ending, "client", ["FIN", "end"]]);
  });
});

test("a peer that sends too much before our FIN is paused, and its deadline stays", () => {
  const { closing, deadline, calls, inbox } = opened();
  closing.discard(10_000, inbox);
  expect(calls).toEqual([]);
  closing.discard(1, inbox);
  expect([calls, closing.end, deadline.wait]).toEqual([["pause"], End.Open, Wait.None]);
});

test("bytes after the close are not counted", () => {
  const { closing, calls, inbox } = opened();
  closing.close("flood");
  closing.discard(1_000_000, inbox);
  expect([calls, closing.reason]).toEqual([["FIN", "end"], "flood"]);
});

describe("a close", () => {
  test("sends FIN first, and has a deadline for a peer that does not read", () => {
    const { closing, deadline, calls } = opened();
    closing.close("flood");
    expect([closing.end, closing.reason, calls]).toEqual([End.Ending, "flood", ["FIN", "end"]]);
    expect([deadline.wait, deadline.atMs]).toEqual([Wait.Linger, 31_000]);
  });

  test("of a connection that has sent FIN sends no other", () => {
    const { closing, calls } = opened();
    closing.linger();
    closing.close("client");
    expect(calls).toEqual(["FIN", "end"]);
  });

  test("that comes again resets the connection, and the first reason stays", () => {
    const { closing, calls } = opened();
    closing.close("flood");
    closing.close("shutdown");
    expect([closing.reason, calls]).toEqual(["flood", ["FIN", "end", "RST"]]);
  });
});

describe("an abort", () => {
  test("of an open connection sets the reason, also in place of one for the response", () => {
    const { closing, calls } = opened();
    Object.assign(closing, { reason: "last answer" });
    closing.abort("fault");
    expect([closing.end, closing.reason, calls]).toEqual([End.Ending, "fault", []]);
  });

  test("of one that lingers keeps its reason", () => {
    const { closing } = opened();
    closing.reason = "last answer";
    closing.linger();
    closing.abort("fault");
    expect([closing.end, closing.reason]).toEqual([End.Ending, "last answer"]);
  });
});

test("a transport that is closed ends everything; without a reason of ours it was the client", () => {
  const { closing, deadline } = opened();
  closing.linger();
  expect([closing.closed(), closing.end, deadline.wait]).toEqual(["client", End.Gone, Wait.None]);
  closing.reason = "flood";
  expect(closing.closed()).toBe("flood");
});

describe("a shutdown", () => {
  test.each<[name: string, wait: Wait, isSkipping: boolean, mayEnd: boolean]>([
    ["waits for a request", Wait.Idle, false, true],
    ["waits for a handshake", Wait.Handshake, false, true],
    ["reads past a content", Wait.Body, true, true],
    ["reads a content", Wait.Body, false, false],
    ["sends a response", Wait.Send, false, false],
  ])("of a connection that %s", (_, wait, isSkipping, mayEnd) => {
    const { closing, clock, deadline } = opened();
    deadline.set(wait, 0);
    clock.set(1249, 0);
    expect(closing.mayShutDown(isSkipping, 250, 5000)).toBe(false);
    clock.set(1250, 0);
    expect(closing.mayShutDown(isSkipping, 250, 5000)).toBe(mayEnd);
  });

  test("of a connection that lingers waits for both silences", () => {
    const { closing, clock } = opened();
    closing.linger();
    clock.set(1499, 0);
    expect([closing.mayShutDown(true, 250, 500), closing.mayShutDown(true, 500, 250)]).toEqual([false, false]);
    clock.set(1500, 0);
    expect([closing.mayShutDown(true, 250, 500), closing.mayShutDown(false, 500, 250)]).toEqual([true, true]);
  });
});
