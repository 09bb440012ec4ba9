/** The frames of a fault among those of its connection, and the windows that they spend. */
import { expect, test } from "bun:test";
import type { Place, StreamGate, Verdict } from "../../src/exchange/stream-gate.ts";
import { Scratch } from "../../src/http2/context.ts";
import { SendWindow } from "../../src/http2/flow-control.ts";
import { judge } from "../../src/http2/judge.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

const VERDICT: Verdict = {
  frames: bytesOf("frames"),
  windowBytes: 3,
  next: "goes on",
  lastStream: null,
  promised: 0,
  isLast: false,
};

function judged(
  verdict: Verdict | null,
  windows: readonly [own: number, shared: number] = [10, 20],
  frameSizeMax = 100,
) {
  const [own, shared] = windows.map((size) => new SendWindow(size)) as [SendWindow, SendWindow];
  const named: number[] = [];
  const out = new Scratch(10);
  out.bytes.set(bytesOf("before"));
  out.used = 6;
  const seen: (number | Place)[] = [];
  const gate = {
    act: (position: number, at: Place) => {
      seen.push(position, at);
      return verdict;
    },
  } as unknown as StreamGate;
  const owner = { sendWindow: shared, frameSizeMax, lastStreamMax: 9, named: (last: number) => named.push(last) };
  const result = judge(gate, 4, { stream: 5, sendWindow: own }, owner, out);
  return { result, seen, named, text: textOf(out.bytes.subarray(0, out.used)), spent: [own.spent, shared.spent] };
}

test("the frames are written behind others, and both windows spend their content", () => {
  expect(judged(VERDICT)).toEqual({
    result: VERDICT,
    seen: [4, { stream: 5, room: 10, frameSizeMax: 100, lastStreamMax: 9 }],
    named: [],
    text: "beforeframes",
    spent: [3, 3],
  });
});

test("the last stream of a GOAWAY is named, also if it is 0", () => {
  for (const lastStream of [0, 7]) expect(judged({ ...VERDICT, lastStream }).named).toEqual([lastStream]);
});

test("a response that waits for its time writes nothing", () => {
  expect(judged(null)).toMatchObject({ result: null, named: [], text: "before", spent: [0, 0] });
});

test.each([
  [10, 20, 100, 10],
  [20, 10, 100, 10],
  [20, 30, 5, 5],
  [-5, 30, 5, 0],
])("windows of %d and %d and frames of %d leave room for %d", (own, shared, frameSizeMax, room) => {
  expect(judged(null, [own, shared], frameSizeMax).seen).toMatchObject([4, { room }]);
});
