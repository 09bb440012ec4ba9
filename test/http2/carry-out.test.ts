/** The effects of a fault on the streams of its connection, once the frames of the fault are written. */
import { expect, test } from "bun:test";
import type { Verdict } from "../../src/exchange/stream-gate.ts";
import { carryOut } from "../../src/http2/carry-out.ts";
import type { Departure } from "../../src/http2/departure.ts";
import type { Stream } from "../../src/http2/stream.ts";
import { Closed, Streams } from "../../src/http2/streams.ts";

const GOES_ON: Verdict = {
  frames: new Uint8Array(0),
  windowBytes: 0,
  next: "goes on",
  lastStream: null,
  promised: 0,
  isLast: false,
};

/** Carries a verdict out on stream 3 of 1, 3, 5. */
function carried(verdict: Partial<Verdict>) {
  const calls: string[] = [];
  const streams = new Streams(10);
  const all = [1, 3, 5].map((stream) => ({ stream, isClosed: false }) as unknown as Stream);
  for (const stream of all) streams.add(stream);
  const departure = {
    announce: (reason: string) => calls.push(`announce ${reason}`),
    leave: (reason: string) => calls.push(`leave ${reason}`),
  } as unknown as Departure;
  carryOut({ ...GOES_ON, ...verdict }, all[1] as Stream, streams, departure, {
    schedule: ({ stream }) => calls.push(`schedule ${stream}`),
    wake: ({ stream }) => calls.push(`wake ${stream}`),
    drop: (stream, reason) => {
      calls.push(`drop ${stream.stream} ${reason}`);
      stream.isClosed = true;
    },
  });
  return { calls, streams };
}

test("a response that goes on is written on", () => {
  expect(carried({}).calls).toEqual(["schedule 3", "wake 3"]);
});

test("a stream that is closed is dropped", () => {
  expect(carried({ next: "is closed" }).calls).toEqual(["drop 3 fault"]);
});

test("the last request is announced", () => {
  expect(carried({ isLast: true }).calls).toEqual(["announce last request", "schedule 3", "wake 3"]);
});

test("a promised stream is closed by us, and no other is known", () => {
  expect(carried({ promised: 4 }).streams.closedBy(4)).toBe(Closed.ByUs);
  expect(carried({}).streams.isIdle(2)).toBe(true);
});

test.each([
  [5, ["leave fault", "schedule 3", "wake 3"]],
  [3, ["leave fault", "drop 5 fault", "schedule 3", "wake 3"]],
  [1, ["leave fault", "drop 3 fault", "drop 5 fault"]],
  [0, ["leave fault", "drop 1 fault", "drop 3 fault", "drop 5 fault"]],
])("GOAWAY with the last stream %d closes those after it", (lastStream, calls) => {
  expect(carried({ lastStream }).calls).toEqual(calls);
});
