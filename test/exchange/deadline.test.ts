import { describe, expect, test } from "bun:test";
import { Clock } from "../../src/exchange/clock.ts";
import { Deadline, type DeadlineLimits, isForContent, Wait } from "../../src/exchange/deadline.ts";

const LIMITS: DeadlineLimits = {
  headerTimeoutMs: 10_000,
  keepAliveTimeoutMs: 30_000,
  queueTimeoutMs: 5000,
  stallTimeoutMs: 1000,
  lingerMs: 2000,
  restSilenceMs: 5000,
  minRateBytes: 100,
};

function make(): { deadline: Deadline; pass: (ms: number) => void } {
  const clock = new Clock(500, 0);
  return { deadline: new Deadline(LIMITS, clock), pass: (ms) => clock.set(clock.nowMs + ms, 0) };
}

test("nothing is over before a deadline is set", () => {
  const { deadline, pass } = make();
  pass(1e9);
  expect(deadline.isOver).toBe(false);
});

test.each<[wait: keyof typeof Wait, patienceMs: number]>([
  ["Handshake", 10_000],
  ["Idle", 30_000],
  ["Head", 10_000],
  ["Body", 1000],
  ["Queue", 5000],
  ["Send", 1000],
  ["Linger", 2000],
  ["Rest", 1000],
])("%s is over after %d ms, not a millisecond earlier", (wait, patienceMs) => {
  const { deadline, pass } = make();
  deadline.set(Wait[wait], 0);
  pass(patienceMs - 1);
  expect(deadline.isOver).toBe(false);
  pass(1);
  expect(deadline.isOver).toBe(true);
});

test("the same reason again does not push the deadline back", () => {
  const { deadline, pass } = make();
  deadline.set(Wait.Head, 0);
  pass(9999);
  deadline.set(Wait.Head, 5000);
  pass(1);
  expect(deadline.isOver).toBe(true);
});

test("another reason begins a time of its own, and none has no end", () => {
  const { deadline, pass } = make();
  deadline.set(Wait.Head, 0);
  pass(9999);
  deadline.set(Wait.Idle, 0);
  pass(29_999);
  expect(deadline.isOver).toBe(false);
  deadline.set(Wait.None, 0);
  pass(1e9);
  expect(deadline.isOver).toBe(false);
});

test("a deadline that was cleared begins anew, also for the same reason", () => {
  const { deadline, pass } = make();
  deadline.set(Wait.Idle, 0);
  pass(29_999);
  deadline.clear();
  pass(1e9);
  expect(deadline.isOver).toBe(false);
  deadline.set(Wait.Idle, 0);
  pass(29_999);
  expect(deadline.isOver).toBe(false);
});

test("an extended deadline stays before the latest moment that is given, and tells when it was extended", () => {
  const { deadline, pass } = make();
  deadline.set(Wait.Linger, 0);
  pass(1500);
  deadline.extend(2000, 2600);
  pass(10);
  expect([deadline.atMs, deadline.quietMs]).toEqual([2600, 10]);
});

describe("content", () => {
  test("that comes at the minimum rate gets window after window", () => {
    const { deadline, pass } = make();
    deadline.set(Wait.Body, 50);
    for (let bytes = 150; bytes < 1000; bytes += 100) {
      pass(1000);
      expect([deadline.isOver, deadline.extendBody(bytes), deadline.isOver]).toEqual([true, true, false]);
    }
  });

  test("that comes a byte too slowly misses the deadline", () => {
    const { deadline, pass } = make();
    deadline.set(Wait.Body, 50);
    pass(1000);
    expect([deadline.extendBody(149), deadline.isOver]).toEqual([false, true]);
  });

  test("is counted to the byte over a long window", () => {
    const extended = [2999, 3000].map((bytes) => {
      const deadline = new Deadline({ ...LIMITS, stallTimeoutMs: 30_000 }, new Clock(0, 0));
      deadline.set(Wait.Body, 0);
      return deadline.extendFor(bytes);
    });
    expect(extended).toEqual([false, true]);
  });

  test("has its whole window again, however short a silence of the rest may be", () => {
    const clock = new Clock(0, 0);
    const deadline = new Deadline({ ...LIMITS, restSilenceMs: 10 }, clock);
    deadline.set(Wait.Body, 0);
    clock.set(1000, 0);
    expect([deadline.extendFor(100), deadline.atMs]).toEqual([true, 2000]);
  });

  test("that has stopped misses the deadline, also without a minimum rate", () => {
    const deadline = new Deadline({ ...LIMITS, minRateBytes: 0 }, new Clock(0, 0));
    deadline.set(Wait.Body, 7);
    expect([deadline.extendBody(7), deadline.extendBody(8)]).toEqual([false, true]);
  });
});

describe("the rest of a content", () => {
  function waiting() {
    const clock = new Clock(500, 0);
    const deadline = new Deadline({ ...LIMITS, stallTimeoutMs: 30_000 }, clock);
    deadline.set(Wait.Rest, 100);
    return { deadline, pass: (ms: number) => clock.set(clock.nowMs + ms, 0) };
  }

  test("may be silent for its own time, from its last byte on", () => {
    const { deadline, pass } = waiting();
    pass(4999);
    deadline.set(Wait.Rest, 101);
    pass(4999);
    deadline.set(Wait.Rest, 101);
    expect(deadline.isOver).toBe(false);
    pass(1);
    expect([deadline.isOver, deadline.extendFor(101), deadline.isOver]).toEqual([true, false, true]);
  });

  test("may not be silent for longer because its last window was fast enough", () => {
    const { deadline, pass } = waiting();
    for (let second = 1; second <= 30; second++) {
      pass(1000);
      deadline.set(Wait.Rest, 100 + 200 * second);
    }
    expect([deadline.isOver, deadline.extendFor(6100)]).toEqual([true, true]);
    pass(4999);
    expect(deadline.isOver).toBe(false);
    pass(1);
    expect(deadline.isOver).toBe(true);
  });

  test.each([
    ["at the minimum rate gets window after window", 500, 120],
    ["a byte at a time misses the deadline of its first window", 1, 30],
  ])("that comes %s", (_, bytesEach, seconds) => {
    const { deadline, pass } = waiting();
    let bytes = 100;
    let passed = 0;
    for (let isMissed = false; !isMissed && passed < 120; passed++) {
      pass(1000);
      if (passed % 4 === 0) bytes += bytesEach;
      deadline.set(Wait.Rest, bytes);
      isMissed = deadline.isOver && !deadline.extendFor(bytes);
    }
    expect(passed).toBe(seconds);
  });
});

describe("a reader", () => {
  function responding(acceptedBefore: number) {
    const made = make();
    made.deadline.beginResponse(acceptedBefore);
    made.deadline.set(Wait.Send, acceptedBefore);
    return made;
  }

  test("that is fast enough may stand still for three windows, not for four", () => {
    const { deadline, pass } = responding(70);
    const extended: boolean[] = [];
    pass(1000);
    extended.push(deadline.extendSend(100_000));
    for (let window = 0; window < 4; window++) {
      pass(1000);
      extended.push(deadline.extendSend(100_000));
    }
    expect(extended).toEqual([true, true, true, true, false]);
  });

  test("that makes progress again has all its windows back", () => {
    const { deadline, pass } = responding(0);
    for (const bytes of [100_000, 100_000, 100_000, 100_000, 100_100, 100_100, 100_100, 100_100]) {
      pass(1000);
      expect(deadline.extendSend(bytes)).toBe(true);
    }
    pass(1000);
    expect(deadline.extendSend(100_100)).toBe(false);
  });

  test("below the minimum rate on average is not waited for", () => {
    const { deadline, pass } = responding(70);
    pass(1000);
    expect(deadline.extendSend(70 + 99)).toBe(false);
  });

  test("that has read nothing is not waited for, also without a minimum rate", () => {
    const deadline = new Deadline({ ...LIMITS, minRateBytes: 0 }, new Clock(0, 0));
    deadline.beginResponse(70);
    deadline.set(Wait.Send, 70);
    expect([deadline.extendSend(70), deadline.extendSend(71), deadline.extendSend(71)]).toEqual([false, true, true]);
  });

  test("at the minimum rate on average, to the byte, is waited for", () => {
    const { deadline, pass } = responding(70);
    pass(1000);
    expect(deadline.extendSend(70 + 200)).toBe(true);
    pass(1000);
    expect(deadline.extendSend(70 + 200)).toBe(true);
    pass(1000);
    expect(deadline.extendSend(70 + 201)).toBe(false);
  });

  test("is judged to the byte over a long response", () => {
    const extended = [1999, 2000].map((bytes) => {
      const { deadline, pass } = responding(0);
      pass(19_000);
      const isFast = deadline.extendSend(bytes);
      pass(1000);
      return [isFast, deadline.extendSend(bytes)];
    });
    expect(extended).toEqual([
      [true, false],
      [true, true],
    ]);
  });

  test("of the first response of a connection is judged from byte 0", () => {
    const deadline = new Deadline({ ...LIMITS, minRateBytes: 0 }, new Clock(0, 0));
    deadline.set(Wait.Send, 0);
    expect([deadline.extendSend(1), deadline.extendSend(1)]).toEqual([true, true]);
  });

  test("has all its silent windows again after another wait", () => {
    const { deadline, pass } = responding(0);
    const extend = (bytes: number) => {
      pass(1000);
      return deadline.extendSend(bytes);
    };
    expect([100_000, 100_000, 100_000, 100_000].map(extend)).toEqual([true, true, true, true]);
    deadline.set(Wait.Idle, 0);
    deadline.set(Wait.Send, 100_000);
    expect([100_000, 100_000, 100_000, 100_000].map(extend)).toEqual([true, true, true, false]);
  });

  test("is judged from the beginning of its response", () => {
    const { deadline, pass } = make();
    pass(1_000_000);
    deadline.beginResponse(0);
    deadline.set(Wait.Send, 0);
    pass(1000);
    expect([deadline.extendFor(150), deadline.extendFor(150)]).toEqual([true, true]);
  });

  test("has a window of its own after a silent one: the bytes of the silent one do not count again", () => {
    const { deadline, pass } = responding(0);
    pass(1000);
    const extended = [deadline.extendSend(100_000)];
    for (const bytes of [100_060, 100_120, 100_180, 100_240]) {
      pass(1000);
      extended.push(deadline.extendSend(bytes));
    }
    expect(extended).toEqual([true, true, true, true, false]);
  });

  test("that has read nothing is not waited for, whatever was accepted before", () => {
    const { deadline, pass } = responding(100_000);
    pass(1000);
    expect(deadline.extendSend(100_000)).toBe(false);
  });
});

test.each(["None", "Idle", "Head", "Queue", "Linger"] as const)("no progress extends the wait %s", (wait) => {
  const { deadline } = make();
  deadline.set(Wait[wait], 0);
  expect(deadline.extendFor(1_000_000)).toBe(false);
});

test("a peer has to send content in two of the waits", () => {
  const all = [
    Wait.None,
    Wait.Handshake,
    Wait.Idle,
    Wait.Head,
    Wait.Body,
    Wait.Rest,
    Wait.Queue,
    Wait.Send,
    Wait.Linger,
  ];
  expect(all.filter(isForContent)).toEqual([Wait.Body, Wait.Rest]);
});

test("content of a request gets its next window by the wait that is set", () => {
  const { deadline, pass } = make();
  deadline.set(Wait.Body, 0);
  pass(1000);
  expect([deadline.extendFor(100), deadline.isOver]).toEqual([true, false]);
});
