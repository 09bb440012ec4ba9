import { describe, expect, test } from "bun:test";
import { Clock } from "../../src/exchange/clock.ts";
import { Deadline } from "../../src/exchange/deadline.ts";
import type { Http2Limits } from "../../src/http2/context.ts";
import type { Receiver } from "../../src/http2/receiver.ts";
import type { Sender } from "../../src/http2/sender.ts";
import type { StreamsNow } from "../../src/http2/streams.ts";
import { Over, Waits } from "../../src/http2/waits.ts";
import { FakeServer } from "../support/conversation.ts";

/** 10 s for a frame and for settings, 30 s without a request, 30 s for a response; 1,024 bytes a second. */
const LIMITS = new FakeServer().context.limits as unknown as Http2Limits;

const NONE: StreamsNow = { count: 0, isSending: false, isShut: false, heldBytes: 0 };
const SENDING: StreamsNow = { count: 1, isSending: true, isShut: false, heldBytes: 0 };
const SHUT: StreamsNow = { count: 1, isSending: true, isShut: true, heldBytes: 0 };

function opened() {
  const clock = new Clock(1000, 0);
  const receiver = { isBeginning: false, isWithinFrame: false, completed: 0 };
  const sender = { isBlocked: false, isWindowClosed: false, isFlushed: true, progress: 0 };
  const waits = new Waits(
    LIMITS,
    clock,
    receiver as unknown as Receiver,
    sender as unknown as Sender,
    new Deadline(LIMITS, clock),
  );
  const pass = (ms: number) => clock.set(clock.nowMs + ms, 0);
  return { waits, receiver, sender, pass };
}

describe("the acknowledgement of our settings", () => {
  test("is waited for, from the beginning on", () => {
    const { waits, pass } = opened();
    pass(9999);
    expect(waits.over(0)).toBe(Over.None);
    pass(1);
    expect(waits.over(0)).toBe(Over.Settings);
  });

  test("ends the wait", () => {
    const { waits, pass } = opened();
    waits.settingsTaken();
    pass(1e9);
    expect(waits.over(0)).toBe(Over.None);
  });
});

describe("a frame", () => {
  test.each(["isBeginning", "isWithinFrame"] as const)(
    "that has begun (%s) has its time, and bytes of it do not add to it",
    (state) => {
      const { waits, receiver, pass } = opened();
      waits.settingsTaken();
      receiver[state] = true;
      waits.arm(SENDING, 0);
      pass(9999);
      waits.arm(SENDING, 0);
      expect(waits.over(0)).toBe(Over.None);
      pass(1);
      expect(waits.over(0)).toBe(Over.Frame);
    },
  );

  test("after another has a time of its own", () => {
    const { waits, receiver, pass } = opened();
    waits.settingsTaken();
    receiver.isWithinFrame = true;
    waits.arm(SENDING, 0);
    pass(9999);
    receiver.completed++;
    waits.arm(SENDING, 0);
    pass(9999);
    waits.arm(SENDING, 0);
    expect(waits.over(0)).toBe(Over.None);
    pass(1);
    expect(waits.over(0)).toBe(Over.Frame);
  });

  test("that is complete is waited for no longer, and the next begins anew", () => {
    const { waits, receiver, pass } = opened();
    waits.settingsTaken();
    receiver.isWithinFrame = true;
    waits.arm(SENDING, 0);
    receiver.isWithinFrame = false;
    waits.arm(SENDING, 0);
    pass(20_000);
    expect(waits.over(0)).toBe(Over.None);
    receiver.isWithinFrame = true;
    waits.arm(SENDING, 0);
    pass(9999);
    expect(waits.over(0)).toBe(Over.None);
  });
});

describe("a request", () => {
  test("is waited for while no stream is open", () => {
    const { waits, pass } = opened();
    waits.settingsTaken();
    pass(500);
    waits.arm(NONE, 0);
    expect(waits.idleMs).toBe(0);
    pass(29_999);
    waits.arm(NONE, 0);
    expect([waits.over(0), waits.idleMs]).toEqual([Over.None, 29_999]);
    pass(1);
    expect(waits.over(0)).toBe(Over.Idle);
  });

  test("that is open, or was within the turn, ends the wait", () => {
    const { waits, pass } = opened();
    waits.settingsTaken();
    waits.arm(NONE, 0);
    pass(29_999);
    waits.requested();
    waits.arm(NONE, 0);
    pass(29_999);
    expect(waits.over(0)).toBe(Over.None);
    waits.arm({ ...NONE, count: 1 }, 0);
    pass(1e9);
    expect(waits.over(0)).toBe(Over.None);
  });

  test("was last there when the connection was opened, if none came", () => {
    const { waits, pass } = opened();
    pass(700);
    expect(waits.idleMs).toBe(700);
  });
});

describe("a response", () => {
  test.each(["isBlocked", "isWindowClosed"] as const)("that the peer does not take (%s) has its time", (state) => {
    const { waits, sender, pass } = opened();
    waits.settingsTaken();
    sender[state] = true;
    waits.arm(SENDING, 0);
    pass(29_999);
    waits.arm(SENDING, 0);
    expect(waits.over(0)).toBe(Over.None);
    pass(1);
    expect(waits.over(0)).toBe(Over.Send);
  });

  test("that moves has no deadline, nor has a connection that sends none", () => {
    const { waits, sender, pass } = opened();
    waits.settingsTaken();
    waits.arm(SENDING, 0);
    pass(1e6);
    expect(waits.over(0)).toBe(Over.None);
    sender.isBlocked = true;
    waits.arm({ ...NONE, count: 1 }, 0);
    pass(1e6);
    expect(waits.over(0)).toBe(Over.None);
  });

  test.each([
    [true, Over.None],
    [false, Over.Send],
  ])(
    "that was fast before may stand still for a window in a kernel (%p), not before a window of the peer",
    (isBlocked, over) => {
      const { waits, sender, pass } = opened();
      waits.settingsTaken();
      sender.progress = 5_000_000;
      waits.arm(SENDING, 0);
      Object.assign(sender, { isBlocked, isWindowClosed: !isBlocked });
      waits.arm(SENDING, 0);
      sender.progress += 10_000_000;
      pass(30_000);
      expect(waits.over(0)).toBe(Over.None);
      pass(30_000);
      expect(waits.over(0)).toBe(over);
      pass(30_000);
      expect(waits.over(0)).toBe(Over.Send);
    },
  );

  test("has both windows of a kernel again once enough was taken", () => {
    const { waits, sender, pass } = opened();
    waits.settingsTaken();
    waits.arm(SENDING, 0);
    sender.isBlocked = true;
    sender.progress = 4_000_000;
    waits.arm(SENDING, 0);
    const seen: Over[] = [];
    for (const bytes of [0, 30_720, 0, 0]) {
      pass(30_000);
      sender.progress += bytes;
      seen.push(waits.over(0));
    }
    expect(seen).toEqual([Over.None, Over.None, Over.None, Over.Send]);
  });

  test("is judged from its own beginning", () => {
    const { waits, sender, pass } = opened();
    waits.settingsTaken();
    waits.arm({ ...NONE, count: 1 }, 0);
    pass(1e6);
    sender.isBlocked = true;
    waits.arm(SENDING, 0);
    sender.progress = 40_000;
    pass(30_000);
    expect(waits.over(0)).toBe(Over.None);
    pass(1000);
    waits.arm(SENDING, 0);
    pass(29_000);
    expect(waits.over(0)).toBe(Over.Send);
  });
});

describe("responses that a window keeps back", () => {
  /** The peer opens no window, resets the stream and asks again. */
  function replacing(): ReturnType<typeof opened> {
    const made = opened();
    made.waits.settingsTaken();
    made.waits.arm(SHUT, 0);
    return made;
  }

  test("may be replaced for as long as one may stall", () => {
    const { waits, pass } = replacing();
    pass(15_000);
    waits.replaced();
    waits.arm(SHUT, 0);
    pass(14_999);
    expect(waits.over(0)).toBe(Over.None);
    pass(1);
    expect(waits.over(0)).toBe(Over.Send);
  });

  test("that are not replaced have deadlines of their own", () => {
    const { waits, pass } = replacing();
    pass(1e6);
    expect(waits.over(0)).toBe(Over.None);
  });

  test("have all their time again once enough content has passed", () => {
    const { waits, pass } = replacing();
    waits.replaced();
    pass(20_000);
    waits.arm(SHUT, 20_480);
    pass(29_999);
    expect(waits.over(20_480)).toBe(Over.None);
    pass(1);
    waits.replaced();
    expect(waits.over(20_480)).toBe(Over.Send);
  });

  test("do not have it again for a byte too few", () => {
    const { waits, pass } = replacing();
    waits.replaced();
    pass(20_000);
    waits.arm(SHUT, 20_479);
    pass(10_000);
    expect(waits.over(20_479)).toBe(Over.Send);
  });

  test("do not count while the window is open, or nothing is sent", () => {
    const { waits, pass } = replacing();
    waits.replaced();
    pass(10_000);
    waits.arm(SENDING, 0);
    pass(50_000);
    waits.arm({ ...SHUT, isSending: false }, 0);
    pass(50_000);
    waits.arm(SHUT, 0);
    pass(19_999);
    expect(waits.over(0)).toBe(Over.None);
    pass(1);
    expect(waits.over(0)).toBe(Over.Send);
  });

  test("that we have reset ourselves give the others as much time again, once", () => {
    const { waits, pass } = replacing();
    pass(30_000);
    waits.arm(SHUT, 0);
    waits.cut();
    expect(waits.over(0)).toBe(Over.None);
    pass(29_999);
    waits.arm(SHUT, 0);
    waits.cut();
    expect(waits.over(0)).toBe(Over.None);
    pass(1);
    expect(waits.over(0)).toBe(Over.Send);
  });
});

test("the waits have an order: a response, a frame, settings, a request", () => {
  const { waits, receiver, sender, pass } = opened();
  receiver.isWithinFrame = true;
  sender.isBlocked = true;
  waits.arm(NONE, 0);
  waits.arm({ ...SENDING, count: 0 }, 0);
  pass(1e6);
  expect(waits.over(0)).toBe(Over.Send);
  waits.arm(NONE, 0);
  expect(waits.over(0)).toBe(Over.Frame);
  receiver.isWithinFrame = false;
  waits.arm(NONE, 0);
  expect(waits.over(0)).toBe(Over.Settings);
  waits.settingsTaken();
  expect(waits.over(0)).toBe(Over.Idle);
});
