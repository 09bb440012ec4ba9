/** One response as frames, without a connection: where it stops, and why. */
import { describe, expect, test } from "bun:test";
import { Clock } from "../../src/exchange/clock.ts";
import { Fields } from "../../src/http/fields.ts";
import { type Response, response } from "../../src/http/message.ts";
import { Scratch } from "../../src/http2/context.ts";
import { SendWindow } from "../../src/http2/flow-control.ts";
import { HpackEncoder } from "../../src/http2/hpack-encoder.ts";
import { ResponseFrames, type ResponseKind, type ResponseOwner, Written } from "../../src/http2/response-frames.ts";
import { bytesOf } from "../support/bytes.ts";
import { FakeLiveSource, FakeSource, respondWith } from "../support/conversation.ts";
import { framesOf } from "../support/frames.ts";

const PLAIN: ResponseKind = { isHead: false, isControl: false, fault: null };
const WIDE = 1_000_000;

function opened(
  made: Response,
  kind: Partial<ResponseKind> = {},
  windows: readonly [own: number, shared: number] = [WIDE, WIDE],
) {
  const [own, shared] = windows.map((size) => new SendWindow(size)) as [SendWindow, SendWindow];
  const owner = {
    context: {
      clock: new Clock(0, 0),
      gates: null,
      fixedFields: Fields.of([]),
      endpointFields: Fields.of([["X-Endpoint", "1"]]),
    },
    encoder: new HpackEncoder(),
    sendWindow: shared,
    frameSizeMax: 16_384,
    lastStreamMax: 0,
    named: () => {},
  };
  const calls: string[] = [];
  const stream = { stream: 5, sendWindow: own, more: () => calls.push("more"), proceed: () => calls.push("proceed") };
  const frames = new ResponseFrames(owner as unknown as ResponseOwner, stream, made, { ...PLAIN, ...kind });
  const out = new Scratch(400_000);
  /** Writes once. Returns how far it came, and the frames without the fields of a head. */
  const write = (share = WIDE, limit = 400_000) => {
    const start = out.used;
    const outcome = Written[frames.write(out, share, limit)];
    const bytes = out.bytes.subarray(start, out.used);
    const lines = framesOf(bytes, [bytes.length]).map((line) =>
      line.replace(/^Headers 5: [\s\S]*?( whole)?( last)?$/, "head$1$2"),
    );
    return [outcome, ...lines];
  };
  return { frames, owner, own, shared, out, write, calls };
}

describe("a response", () => {
  test("is its head and its content, the last frame with the end of the stream", () => {
    const { write, frames, own, shared } = opened(respondWith(200, "hello"));
    expect([frames.size, frames.hasBegun, frames.hasContent, frames.position]).toEqual([5, false, true, 0]);
    expect(write()).toEqual(["Done", "head whole", "Data 5 of 5: hello last"]);
    expect([frames.hasBegun, frames.position, own.spent, shared.spent]).toEqual([true, 5, 5, 5]);
  });

  test.each([
    ["of no content", respondWith(204, null), {}],
    ["of empty content", respondWith(200, ""), {}],
    ["to HEAD", respondWith(200, "hello"), { isHead: true }],
  ])("%s is its head alone", (_, made, kind) => {
    const { write, frames } = opened(made, kind);
    expect(write()).toEqual(["Done", "head whole last"]);
    expect([frames.size, frames.hasContent, frames.content]).toEqual([0, false, null]);
  });

  test("of an endpoint has its fields too", () => {
    const [plain, control] = [{}, { isControl: true }].map((kind) => {
      const made = opened(respondWith(204, null), kind);
      made.write();
      return made.out.used;
    }) as [number, number];
    expect(control).toBeGreaterThan(plain);
  });

  test("goes share by share, and the memory of its content is known until it is dropped", () => {
    const content = bytesOf("abcdefgh");
    const { write, frames } = opened(response(200, Fields.of([["Content-Length", "8"]]), content, "test"));
    expect([frames.content, frames.heldBytes]).toEqual([content.buffer, 0]);
    expect(write(3)).toEqual(["More", "head whole", "Data 5 of 3: abc"]);
    expect(write(3)).toEqual(["More", "Data 5 of 3: def"]);
    expect(write(3)).toEqual(["Done", "Data 5 of 2: gh last"]);
    frames.drop();
    expect([frames.content, frames.hasContent]).toEqual([null, false]);
  });

  test("has frames as large as the peer takes", () => {
    const { write, owner } = opened(respondWith(200, new FakeSource(10)));
    owner.frameSizeMax = 4;
    expect(write().filter((line) => line.startsWith("Data"))).toEqual([
      "Data 5 of 4: abcd",
      "Data 5 of 4: efgh",
      "Data 5 of 2: ij last",
    ]);
  });

  test("has frames of its pieces, and none with bytes of two", () => {
    const pieces = { bytes: bytesOf("abcde"), ends: [2, 2, 5] };
    const { write, frames } = opened(response(200, Fields.of([]), pieces, "test"));
    expect([frames.size, frames.content]).toEqual([5, pieces.bytes.buffer]);
    expect(write(3)).toEqual(["More", "head whole", "Data 5 of 2: ab", "Data 5 of 1: c"]);
    expect(write()).toEqual(["Done", "Data 5 of 2: de last"]);
  });

  test("that ends before its length is short", () => {
    const { write } = opened(respondWith(200, new FakeSource(10, 4)));
    expect(write()).toEqual(["Short", "head whole", "Data 5 of 4: abcd"]);
  });
});

describe("the room", () => {
  test("is asked for a head behind other bytes, and made for the first", () => {
    const { write, out } = opened(respondWith(200, "hello"));
    out.used = 10;
    expect(write(WIDE, 50)).toEqual(["Full"]);
    expect(out.used).toBe(10);
    out.used = 0;
    expect(write(WIDE, 50)).toEqual(["Full", "head whole"]);
    const { used } = out;
    expect(write(WIDE, used + 9)).toEqual(["Full"]);
    expect(write(WIDE, used + 9 + 2)).toEqual(["Full", "Data 5 of 2: he"]);
    expect(write(WIDE, used + 9 + 2 + 9 + 3)).toEqual(["Done", "Data 5 of 3: llo last"]);
  });

  test("is enough for a head behind other bytes, if it is what the head may take", () => {
    const { write, out, owner, frames } = opened(respondWith(204, null));
    const { fixedFields } = owner.context;
    const bytesMax = 9 + owner.encoder.headBytesMax(fixedFields, frames.response.fields);
    out.used = 10;
    expect(write(WIDE, 9 + bytesMax)).toEqual(["Full"]);
    expect(write(WIDE, 10 + bytesMax)).toEqual(["Done", "head whole last"]);
  });
});

describe("a window", () => {
  test("of the stream stops it, and so does that of the connection", () => {
    const { write, own, shared } = opened(respondWith(200, "hello"), {}, [2, 3]);
    expect(write()).toEqual(["StreamBlocked", "head whole", "Data 5 of 2: he"]);
    expect(write()).toEqual(["StreamBlocked"]);
    own.widen(10);
    expect(write()).toEqual(["ConnectionBlocked", "Data 5 of 1: l"]);
    shared.widen(1);
    expect(write()).toEqual(["ConnectionBlocked", "Data 5 of 1: l"]);
    shared.widen(1);
    expect(write()).toEqual(["Done", "Data 5 of 1: o last"]);
  });

  test("that cuts a frame to next to nothing is a dribble, and the end of the content is none", () => {
    for (const [window, length, isDribbling] of [
      [63, 100, true],
      [64, 100, false],
      [63, 63, false],
      [100, 63, false],
    ] as const) {
      const { write, frames, own } = opened(respondWith(200, new FakeSource(length)), {}, [window, WIDE]);
      write();
      expect(frames.isDribbling).toBe(isDribbling);
      own.widen(WIDE);
      write();
      expect(frames.isDribbling).toBe(false);
    }
  });
});

describe("a light response", () => {
  test.each([
    ["has no content", respondWith(204, null), WIDE, true],
    ["is small and in memory", respondWith(200, "x".repeat(65_536)), WIDE, true],
    ["is not larger", respondWith(200, "x".repeat(65_537)), WIDE, false],
    ["fits its window", respondWith(200, "hello"), 5, true],
    ["does not wait for its window", respondWith(200, "hello"), 4, false],
    ["comes from no source", respondWith(200, new FakeSource(5)), WIDE, false],
  ])("%s", (_, made, window, isLight) => {
    const { frames } = opened(made, {}, [window, WIDE]);
    expect(frames.isLight).toBe(isLight);
  });

  test("is none once it is begun", () => {
    const { frames, write } = opened(respondWith(200, "hello"));
    write(1);
    expect([frames.isLight, frames.isHeld, frames.open()]).toEqual([false, false, null]);
  });
});

describe("live content", () => {
  test("waits for more, and ends with a frame of its own", () => {
    const source = Object.assign(new FakeLiveSource(), { heldBytes: 70 });
    const { write, frames, calls } = opened(respondWith(200, source));
    frames.begin();
    expect([frames.heldBytes, frames.content, write()]).toEqual([70, null, ["Waiting", "head whole"]]);
    source.add("abc");
    expect([calls, write()]).toEqual([["more"], ["Waiting", "Data 5 of 3: abc"]]);
    source.add("d");
    source.finish();
    expect(write()).toEqual(["Done", "Data 5 of 1: d", "Data 5 of 0:  last"]);
  });

  test("that is cut is short", () => {
    const source = new FakeLiveSource();
    const { write } = opened(respondWith(200, source));
    source.add("abc");
    source.fail();
    expect(write()).toEqual(["Short", "head whole", "Data 5 of 3: abc"]);
  });

  test("of a known length is not whole before it", () => {
    for (const [size, outcome] of [
      [4, "Short"],
      [3, "Done"],
    ] as const) {
      const source = Object.assign(new FakeLiveSource(), { size });
      const { write } = opened(response(200, Fields.of([]), source, "test"));
      source.add("abc");
      source.finish();
      expect(write()[0]).toBe(outcome);
    }
  });

  test("that is over ends also in a window that is shut, and waits there if it has more", () => {
    for (const [text, lines] of [
      ["", ["Done", "head whole", "Data 5 of 0:  last"]],
      ["a", ["StreamBlocked", "head whole"]],
    ] as const) {
      const source = new FakeLiveSource();
      const { write } = opened(respondWith(200, source), {}, [0, WIDE]);
      source.add(text);
      source.finish();
      expect(write()).toEqual([...lines]);
    }
    const source = new FakeLiveSource();
    expect(opened(respondWith(200, source), {}, [WIDE, 0]).write()).toEqual(["ConnectionBlocked", "head whole"]);
    source.add("a");
    source.finish();
    expect(opened(respondWith(200, source), {}, [WIDE, 0]).write()).toEqual(["ConnectionBlocked", "head whole"]);
  });
});
