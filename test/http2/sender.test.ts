/** Bytes on their way to one peer, with streams that a test writes. */
import { describe, expect, test } from "bun:test";
import { type Http2Limits, Scratch } from "../../src/http2/context.ts";
import { Written } from "../../src/http2/response-frames.ts";
import { Pumped, Sender } from "../../src/http2/sender.ts";
import type { Stream } from "../../src/http2/stream.ts";
import { bytesOf } from "../support/bytes.ts";
import { FakeTransport } from "../support/conversation.ts";

const SLICE_BYTES = 262_144;
const URGENT = { urgency: 0, isIncremental: false };
const PLAIN = { urgency: 3, isIncremental: false };

/** Writes its name in each turn, as often as it has outcomes; the last one stays. */
class FakeStream {
  isScheduled = false;
  isLocalOpen = true;
  hasBegun = false;
  isDribbling = false;
  endsAt = 0;
  priority = PLAIN;
  readonly shares: number[] = [];
  readonly limits: number[] = [];
  readonly name: string;
  readonly outcomes: Written[];
  bytes: number;

  constructor(name: string, outcomes: Written[], bytes = 1) {
    this.name = name;
    this.outcomes = outcomes;
    this.bytes = bytes;
  }

  write(out: Scratch, share: number, limit: number): Written {
    this.shares.push(share);
    this.limits.push(limit);
    const outcome = (this.outcomes.length > 1 ? this.outcomes.shift() : this.outcomes[0]) as Written;
    if (outcome === Written.Full) return outcome;
    out.reserve(this.bytes);
    out.bytes.fill(this.name.charCodeAt(0), out.used, out.used + this.bytes);
    out.used += this.bytes;
    this.hasBegun = true;
    return outcome;
  }
}

function opened() {
  const transport = new FakeTransport();
  const told: string[] = [];
  const note = (event: string) => (stream: Stream) => told.push(`${event} ${(stream as unknown as FakeStream).name}`);
  const sender = new Sender(transport, new Scratch(400_000), { sliceBytes: SLICE_BYTES } as Http2Limits, {
    written: note("written"),
    sent: note("sent"),
    short: note("short"),
    blocked: note("blocked"),
  });
  const schedule = (...streams: FakeStream[]) => {
    for (const stream of streams) sender.schedule(stream as unknown as Stream);
  };
  const remove = (stream: FakeStream) => sender.remove(stream as unknown as Stream);
  const control = (text: string) => sender.short.put(bytesOf(text));
  const drained = (room = Number.POSITIVE_INFINITY) => {
    transport.room = room;
    sender.isBlocked = false;
    return sender.pump();
  };
  return { transport, told, sender, schedule, remove, control, drained };
}

describe("short frames", () => {
  test("go before responses, in one write, and are no progress", () => {
    const { transport, sender, schedule, control } = opened();
    schedule(new FakeStream("a", [Written.Done], 3));
    control("ping");
    control("ack");
    expect([sender.isFlushed, sender.short.used]).toEqual([false, 7]);
    expect(sender.pump()).toBe(Pumped.Sent);
    expect([transport.sent, transport.writes]).toEqual(["pingackaaa", [10]]);
    expect([sender.isFlushed, sender.short.used, sender.accepted, sender.progress]).toEqual([true, 0, 10, 3]);
  });

  test("that are many take memory until they are written", () => {
    const { transport, sender, control } = opened();
    control("x".repeat(64));
    expect(sender.heldBytes).toBe(0);
    control("y");
    expect([sender.heldBytes, sender.short.used]).toEqual([130, 65]);
    control("z".repeat(65));
    expect(sender.heldBytes).toBe(130);
    sender.pump();
    expect([transport.sent, sender.heldBytes]).toEqual([`${"x".repeat(64)}y${"z".repeat(65)}`, 0]);
  });
});

describe("a kernel that is full", () => {
  test("gets the rest when it has room, and then what came meanwhile", () => {
    const { transport, sender, schedule, control, drained } = opened();
    transport.room = 2;
    schedule(new FakeStream("a", [Written.Done], 5));
    expect(sender.pump()).toBe(Pumped.Blocked);
    expect([sender.isBlocked, sender.isFlushed, sender.heldBytes, sender.accepted]).toEqual([true, false, 3, 2]);
    control("ping");
    expect([sender.pump(), transport.writes]).toEqual([Pumped.Blocked, [2]]);
    expect(drained(2)).toBe(Pumped.Blocked);
    expect([transport.sent, sender.heldBytes]).toEqual(["aaaa", 3]);
    expect(drained()).toBe(Pumped.Sent);
    expect([transport.sent, sender.isFlushed, sender.heldBytes]).toEqual(["aaaaaping", true, 0]);
  });

  test("makes the next batches smaller, one that takes all makes them larger, up to the slice", () => {
    const { transport, schedule, drained, sender } = opened();
    const stream = new FakeStream("a", [Written.More, Written.More, Written.StreamBlocked], 10);
    schedule(stream);
    transport.room = 0;
    expect(sender.pump()).toBe(Pumped.Blocked);
    drained();
    for (let turn = 0; turn < 5; turn++) {
      schedule(stream);
      sender.pump();
    }
    expect([...new Set(stream.limits)]).toEqual([65_536, 32_768, 131_072, 262_144]);
  });

  test("that is gone ends the turn, with bytes of a new batch or of an old one", () => {
    const { transport, sender, control, drained } = opened();
    control("ping");
    transport.room = 1;
    sender.pump();
    transport.isClosed = true;
    expect(drained()).toBe(Pumped.Gone);
    const other = opened();
    other.control("ping");
    other.transport.isClosed = true;
    expect(other.sender.pump()).toBe(Pumped.Gone);
  });
});

describe("responses", () => {
  test("take turns, and a new one goes before those that have had a share", () => {
    const { transport, sender, schedule } = opened();
    const [a, b] = [
      new FakeStream("a", [Written.More, Written.Done]),
      new FakeStream("b", [Written.More, Written.Done]),
    ];
    schedule(a, b);
    schedule(a);
    sender.pump();
    expect(transport.sent).toBe("abab");
    const [c, d] = [
      new FakeStream("c", [Written.More, Written.Full, Written.Done]),
      new FakeStream("d", [Written.Done]),
    ];
    schedule(c);
    const limited = c.outcomes;
    expect(limited).toHaveLength(3);
    sender.pump();
    schedule(d);
    sender.pump();
    expect(transport.sent).toBe("ababccd");
    expect(sender.frames).toBe(4 + 3 + 1);
  });

  test("that have no room keep their place: a new one before the others, an old one among them", () => {
    const { transport, sender, schedule } = opened();
    const fresh = new FakeStream("f", [Written.Full, Written.Done]);
    const other = new FakeStream("o", [Written.Done]);
    schedule(fresh, other);
    sender.schedule(fresh as unknown as Stream);
    expect([sender.pump(), transport.sent, fresh.isScheduled]).toEqual([Pumped.Sent, "", true]);
    sender.pump();
    expect([transport.sent, fresh.isScheduled]).toEqual(["fo", false]);
  });

  test("have shares by their priority", () => {
    const { sender, schedule } = opened();
    const streams = [{ urgency: 7, isIncremental: false }, PLAIN, URGENT, { urgency: 0, isIncremental: true }].map(
      (priority) => Object.assign(new FakeStream("a", [Written.Done]), { priority }),
    );
    schedule(...streams);
    sender.pump();
    expect(streams.map(({ shares }) => shares)).toEqual([[16_384], [81_920], [131_072], [65_536]]);
  });

  test("are told of when their last frame is written, and when the kernel has taken it", () => {
    const { transport, sender, schedule, told, drained } = opened();
    transport.room = 4;
    schedule(new FakeStream("a", [Written.Done], 3), new FakeStream("b", [Written.Done], 3));
    sender.pump();
    expect(told).toEqual(["written a", "written b", "sent a"]);
    drained(1);
    expect(told).toEqual(["written a", "written b", "sent a"]);
    drained();
    expect(told).toEqual(["written a", "written b", "sent a", "sent b"]);
  });

  test("behind a closed window are told of; that of the connection keeps all but new ones back", () => {
    const { transport, sender, schedule, told } = opened();
    const shut = new FakeStream("a", [Written.ConnectionBlocked]);
    const ring = new FakeStream("b", [Written.More, Written.ConnectionBlocked]);
    schedule(shut, ring, new FakeStream("c", [Written.StreamBlocked]));
    sender.pump();
    expect(told.slice(0, 2)).toEqual(["blocked a", "blocked c"]);
    expect([transport.sent.slice(0, 3), sender.isWindowClosed, shut.isScheduled]).toEqual(["abc", true, true]);
  });

  test("that wait for their content, or whose last frame is written, are not in line", () => {
    const { transport, sender, schedule } = opened();
    const waiting = new FakeStream("w", [Written.Waiting, Written.Done]);
    const closed = Object.assign(new FakeStream("x", [Written.Done]), { isLocalOpen: false });
    schedule(waiting, closed);
    sender.pump();
    sender.pump();
    expect([transport.sent, waiting.isScheduled]).toEqual(["w", false]);
    schedule(waiting);
    sender.pump();
    expect(transport.sent).toBe("ww");
  });

  test.each([Written.Short, Written.Cut])("that are cut (%d) are told of once what they had is written", (outcome) => {
    const { transport, sender, schedule, told } = opened();
    schedule(new FakeStream("a", [outcome], 2));
    expect([sender.pump(), transport.sent, told]).toEqual([Pumped.Sent, "aa", ["short a"]]);
    schedule(new FakeStream("b", [outcome], 0));
    expect([sender.pump(), told]).toEqual([Pumped.Sent, ["short a", "short b"]]);
  });

  test("that dribble are counted", () => {
    const { sender, schedule } = opened();
    schedule(
      Object.assign(new FakeStream("a", [Written.Done]), { isDribbling: true }),
      new FakeStream("b", [Written.Done]),
    );
    sender.pump();
    expect([sender.frames, sender.dribbles]).toEqual([2, 1]);
  });

  test("of a fifth batch wait for another turn", () => {
    const { sender, schedule, transport } = opened();
    const stream = new FakeStream("a", [Written.More, Written.Full, Written.More, Written.Full], 1000);
    stream.outcomes.push(
      Written.More,
      Written.Full,
      Written.More,
      Written.Full,
      Written.More,
      Written.Full,
      Written.Done,
    );
    schedule(stream);
    expect(sender.pump()).toBe(Pumped.Yield);
    expect(transport.writes).toEqual([1000, 1000, 1000, 1000, 1000]);
    expect(sender.pump()).toBe(Pumped.Sent);
  });
});

describe("a stream that is removed", () => {
  test("writes nothing more, new or not, and the others stay", () => {
    const { transport, sender, schedule, remove, drained } = opened();
    const [a, b, c] = ["a", "b", "c"].map((name) => new FakeStream(name, [Written.Done])) as [
      FakeStream,
      FakeStream,
      FakeStream,
    ];
    schedule(a, b, c);
    remove(b);
    remove(b);
    sender.pump();
    expect([transport.sent, b.isScheduled]).toEqual(["ac", false]);
    transport.room = 1;
    const ring = new FakeStream("r", [Written.More, Written.Full, Written.Done], 2);
    schedule(ring);
    sender.pump();
    remove(ring);
    drained();
    expect(transport.sent).toBe("acrr");
  });

  test("is not told of, though its last frame waits for the kernel", () => {
    const { transport, sender, schedule, remove, told, drained } = opened();
    transport.room = 0;
    const [a, b] = [new FakeStream("a", [Written.Done]), new FakeStream("b", [Written.Done])];
    schedule(a, b);
    sender.pump();
    remove(a);
    drained();
    expect(told).toEqual(["written a", "written b", "sent b"]);
  });
});

test("a sender that is cleared has nothing to send", () => {
  const { transport, sender, schedule, control, drained, told } = opened();
  transport.room = 1;
  const ring = new FakeStream("r", [Written.ConnectionBlocked]);
  schedule(new FakeStream("a", [Written.Done], 2), ring);
  sender.pump();
  control("ping");
  schedule(new FakeStream("f", [Written.Done]));
  sender.clear();
  told.length = 0;
  expect([sender.isFlushed, drained(), transport.sent, told]).toEqual([true, Pumped.Sent, "a", []]);
});
