import { describe, expect, test } from "bun:test";
import type { Stream } from "../../src/http2/stream.ts";
import { Closed, Streams } from "../../src/http2/streams.ts";

function streamOf(stream: number, activity: string | null = null): Stream {
  return { stream, exchange: { activity } } as unknown as Stream;
}

describe("the streams of a connection", () => {
  test("are found by their identifiers until they are closed", () => {
    const streams = new Streams(4);
    const [one, three] = [streamOf(1), streamOf(3)];
    streams.add(one);
    streams.add(three);
    expect([streams.size, streams.get(1), streams.get(3), streams.get(5), [...streams]]).toEqual([
      2,
      one,
      three,
      undefined,
      [one, three],
    ]);
    streams.close(1, Closed.Ended);
    expect([streams.size, streams.get(1), streams.closedBy(1)]).toEqual([1, undefined, Closed.Ended]);
  });

  test("are as far as the one that has come furthest", () => {
    const streams = new Streams(4);
    expect(streams.activity).toBeNull();
    for (const [id, activity] of [
      [1, null],
      [3, "waiting"],
      [5, "working"],
      [7, "sending"],
    ] as const) {
      streams.add(streamOf(id, activity));
      expect(streams.activity).toBe(activity);
    }
    streams.add(streamOf(9, "waiting"));
    expect(streams.activity).toBe("sending");
  });

  test("are idle above the last one; even ones above those that a fault has promised", () => {
    const streams = new Streams(4);
    streams.last = 5;
    expect([3, 5, 7, 2].map((id) => streams.isIdle(id))).toEqual([false, false, true, true]);
    streams.promise(4, Closed.ByUs);
    streams.promise(2, Closed.ByUs);
    expect([2, 4, 6, 7].map((id) => streams.isIdle(id))).toEqual([false, false, true, true]);
    expect(streams.closedBy(4)).toBe(Closed.ByUs);
  });
});

describe("a closed stream", () => {
  test("is remembered with the side that has closed it, among the last ones", () => {
    const streams = new Streams(3);
    streams.close(1, Closed.ByPeer);
    streams.close(3, Closed.ByUs);
    streams.close(5, Closed.Ended);
    expect([1, 3, 5, 7].map((id) => streams.closedBy(id))).toEqual([
      Closed.ByPeer,
      Closed.ByUs,
      Closed.Ended,
      Closed.Unknown,
    ]);
    streams.close(7, Closed.ByPeer);
    expect([1, 3, 5, 7].map((id) => streams.closedBy(id))).toEqual([
      Closed.Unknown,
      Closed.ByUs,
      Closed.Ended,
      Closed.ByPeer,
    ]);
    streams.close(9, Closed.ByUs);
    expect([3, 5, 9].map((id) => streams.closedBy(id))).toEqual([Closed.Unknown, Closed.Ended, Closed.ByUs]);
  });

  test("that is closed again takes no further place", () => {
    const streams = new Streams(2);
    streams.close(1, Closed.ByPeer);
    streams.close(3, Closed.ByPeer);
    streams.close(1, Closed.ByUs);
    streams.close(1, Closed.ByUs);
    expect([1, 3].map((id) => streams.closedBy(id))).toEqual([Closed.ByUs, Closed.ByPeer]);
  });
});

describe("priorities of idle streams", () => {
  test("are as many as the streams that may be open", () => {
    const streams = new Streams(4);
    streams.last = 1;
    streams.add(streamOf(1));
    expect([3, 5, 5, 7].map((id) => streams.prioritize(id, 3))).toEqual([true, true, true, false]);
  });

  test("do not count once the streams are used", () => {
    const streams = new Streams(4);
    expect([streams.prioritize(1, 2), streams.prioritize(3, 2)]).toEqual([true, true]);
    streams.last = 3;
    expect([streams.prioritize(1, 2), streams.prioritize(5, 2), streams.prioritize(7, 2)]).toEqual([true, true, true]);
    expect(streams.prioritize(9, 2)).toBe(false);
  });
});
