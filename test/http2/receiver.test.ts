/** Frames of one peer, cut and counted, without a connection. */
import { describe, expect, test } from "bun:test";
import { ReceiveBuffer } from "../../src/exchange/receive-buffer.ts";
import { Http2Error } from "../../src/http2/errors.ts";
import { FLAG_END_HEADERS, FLAG_PADDED, FrameType } from "../../src/http2/frames.ts";
import { type FrameHandler, Receiver } from "../../src/http2/receiver.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import {
  data,
  frame,
  goAway,
  HELLO,
  int32,
  PREFACE,
  ping,
  rst,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from "../support/http2.ts";

const LIMITS = {
  http2TurnWork: 10,
  http2TurnMs: 5,
  http2ContinuationsMax: 2,
  http2BlockBytesMax: 100,
  maxHeaderBytes: 10,
};

/** Remembers what it was told. A result other than 0 ends the connection. */
class Log implements FrameHandler {
  readonly calls: string[] = [];
  isOpen = true;
  result = 0;
  onBlock: () => void = () => {};

  #note(call: string): number {
    this.calls.push(call);
    return this.result;
  }

  block(id: number, isLast: boolean, bytes: Uint8Array, start: number, end: number): number {
    this.onBlock();
    return this.#note(`block ${id} ${isLast ? "last " : ""}${textOf(bytes.subarray(start, end))}`);
  }

  dataBegins(id: number, length: number, contentBytes: number, isLast: boolean): number {
    return this.#note(`data ${id}: ${contentBytes} of ${length}${isLast ? " last" : ""}`);
  }

  data(bytes: Uint8Array, start: number, end: number): void {
    this.#note(`bytes ${end - start > 9 ? end - start : textOf(bytes.subarray(start, end))}`);
  }

  dataEnds(): void {
    this.#note("data ends");
  }

  resetByPeer(id: number): number {
    return this.#note(`reset ${id}`);
  }

  settings(_bytes: Uint8Array, start: number, end: number): number {
    return this.#note(`settings of ${end - start}`);
  }

  settingsAcknowledged(): number {
    return this.#note("ack");
  }

  ping(bytes: Uint8Array, start: number, isAck: boolean): number {
    return this.#note(`ping ${textOf(bytes.subarray(start, start + 8))}${isAck ? " ack" : ""}`);
  }

  goAway(): number {
    return this.#note("goaway");
  }

  windowUpdate(id: number, increment: number): number {
    return this.#note(`window ${id} by ${increment}`);
  }

  priorityUpdate(id: number): number {
    return this.#note(`priority ${id}`);
  }

  ignored(): number {
    return this.#note("ignored");
  }

  streamError(id: number, error: number): number {
    return this.#note(`${Http2Error[error]} on ${id}`);
  }
}

function opened(first = HELLO) {
  const inbox = new ReceiveBuffer({ pause: () => {}, resume: () => {} });
  const log = new Log();
  const clock = { ms: 1000, elapsedMs: (since: number) => clock.ms - since };
  const receiver = new Receiver(inbox, log, LIMITS, clock);
  /** Takes bytes in one turn. Returns the calls of that turn. */
  const turn = (text = "") => {
    if (text !== "") inbox.append(bytesOf(text));
    const result = receiver.receive();
    return [...log.calls.splice(0), ...(result === 0 ? [] : [Http2Error[result]])];
  };
  if (first !== "") turn(first);
  return { inbox, log, clock, receiver, turn };
}

/** A frame of an unknown type, of `size` bytes with its head. */
function unknown(size: number): string {
  return frame(0xee, 0, 1, "x".repeat(size - 9));
}

describe("the beginning", () => {
  test("is the preface and SETTINGS, however they are cut", () => {
    const { receiver, turn } = opened("");
    const calls = [...HELLO].flatMap((byte, at) => {
      const isBeginning = at < PREFACE.length + 9;
      expect([receiver.isBeginning, receiver.completed]).toEqual([isBeginning, isBeginning ? 0 : 1]);
      return turn(byte);
    });
    expect([calls, receiver.isBeginning]).toEqual([["settings of 0", "ack"], false]);
  });

  test.each([
    ["another first byte", "X", "PrefaceInvalid"],
    ["another last byte", `${PREFACE.slice(0, -1)}X`, "PrefaceInvalid"],
    ["another frame first", PREFACE + ping(), "SettingsExpected"],
    ["an acknowledgement first", PREFACE + SETTINGS_ACK, "SettingsExpected"],
    ["the head of DATA first", PREFACE + data(1, "abc").slice(0, 10), "SettingsExpected"],
    ["an increment of 0 first", PREFACE + windowUpdate(1, 0), "SettingsExpected"],
  ])("is not %s", (_, text, error) => {
    expect(opened("").turn(text)).toEqual([error]);
  });
});

describe("each frame", () => {
  const priority = frame(FrameType.PriorityUpdate, 0, 0, `${int32(7)}u=1`);
  const rows: readonly (readonly [text: string, call: string])[] = [
    [rst(3), "reset 3"],
    [settings([1, 2]), "settings of 6"],
    [SETTINGS_ACK, "ack"],
    [ping("abcdefgh"), "ping abcdefgh"],
    [ping("abcdefgh", 1), "ping abcdefgh ack"],
    [goAway(), "goaway"],
    [windowUpdate(0, 9), "window 0 by 9"],
    [priority, "priority 7"],
    [unknown(20), "ignored"],
    [frame(FrameType.Priority, 0, 1, "12345"), "ignored"],
    [frame(FrameType.Priority, 0, 1, "1234"), "PriorityLength on 1"],
    [windowUpdate(5, 0), "StreamWindowIncrement on 5"],
    [windowUpdate(0, 0), "ConnectionWindowIncrement"],
  ];
  test.each(rows)("%j is handed over", (text, call) => {
    expect(opened().turn(text)).toEqual([call]);
  });

  test("after one that breaks a rule of its stream is where its length says", () => {
    const { turn } = opened();
    expect(turn(frame(FrameType.Priority, 0, 1, "1234") + ping())).toEqual(["PriorityLength on 1", "ping 12345678"]);
  });

  test("that the handler refuses is the last", () => {
    const { log, turn } = opened();
    log.result = Http2Error.TooManyPings;
    expect(turn(ping() + ping())).toEqual(["ping 12345678", "TooManyPings"]);
    for (const text of [data(1, "a"), data(1, "abc").slice(0, 10), windowUpdate(1, 0)]) {
      const other = opened();
      other.log.result = Http2Error.StreamIdle;
      expect(other.turn(text + (text.length > 10 ? ping() : ""))).toHaveLength(2);
    }
  });

  test("is taken while the handler is open, and no longer", () => {
    const { log, turn } = opened();
    log.onBlock = () => {
      log.isOpen = false;
    };
    expect(turn(frame(FrameType.Headers, FLAG_END_HEADERS, 1, "a") + ping())).toEqual(["block 1 a"]);
    expect(turn(ping())).toEqual([]);
  });
});

describe("content", () => {
  test("of a whole frame is handed over at once, without its padding", () => {
    const { turn } = opened();
    expect(turn(frame(FrameType.Data, FLAG_PADDED | 1, 1, "\x02abc\0\0"))).toEqual([
      "data 1: 3 of 6 last",
      "bytes abc",
      "data ends",
    ]);
    expect(turn(data(1, ""))).toEqual(["data 1: 0 of 0", "data ends"]);
  });

  test("of a frame that has not come is handed over as it comes", () => {
    const { turn, receiver } = opened();
    const text = data(1, "abcdef", true);
    expect(turn(text.slice(0, 8))).toEqual([]);
    expect(receiver.isWithinFrame).toBe(true);
    expect(turn(text.slice(8, 9))).toEqual(["data 1: 6 of 6 last"]);
    expect(receiver.isWithinFrame).toBe(false);
    expect(turn(text.slice(9, 11))).toEqual(["bytes ab"]);
    expect(turn(text.slice(11) + ping())).toEqual(["bytes cdef", "data ends", "ping 12345678"]);
  });

  test("with padding waits for the whole frame", () => {
    const { turn } = opened();
    const text = frame(FrameType.Data, FLAG_PADDED, 1, "\x02abc\0\0");
    expect(turn(text.slice(0, -1))).toEqual([]);
    expect(turn(text.slice(-1))).toEqual(["data 1: 3 of 6", "bytes abc", "data ends"]);
  });
});

describe("a field block", () => {
  const begin = (text: string, flags = 0) => frame(FrameType.Headers, flags, 1, text);
  const go = (text: string, flags = 0) => frame(FrameType.Continuation, flags, 1, text);

  test("is handed over when it is complete, and counts as one frame", () => {
    const { receiver, turn } = opened();
    const before = receiver.completed;
    expect(turn(begin("abc", 1) + go(""))).toEqual([]);
    expect([receiver.completed - before, receiver.isWithinFrame, receiver.heldBytes]).toEqual([0, true, 6]);
    expect(turn(go("de", FLAG_END_HEADERS))).toEqual(["block 1 last abcde"]);
    expect([receiver.completed - before, receiver.isWithinFrame, receiver.heldBytes]).toEqual([1, false, 0]);
    expect(turn(begin("f", FLAG_END_HEADERS) + ping())).toEqual(["block 1 f", "ping 12345678"]);
    expect(receiver.completed - before).toBe(3);
  });

  test("has a bounded number of frames, each block anew", () => {
    const { turn } = opened();
    for (let round = 0; round < 2; round++) {
      expect(turn(begin("a") + go("b") + go("c", FLAG_END_HEADERS))).toEqual(["block 1 abc"]);
    }
    expect(turn(begin("a") + go("") + go("") + go("", FLAG_END_HEADERS))).toEqual(["TooManyContinuations"]);
  });

  test("has a bounded size, the larger one of two", () => {
    expect(opened().turn(begin("x".repeat(50)) + go("x".repeat(50), FLAG_END_HEADERS))).toHaveLength(1);
    expect(opened().turn(begin("x".repeat(50)) + go("x".repeat(51), FLAG_END_HEADERS))).toEqual(["BlockTooLarge"]);
  });
});

describe("one turn", () => {
  test("takes small frames by their bytes", () => {
    const { turn, receiver } = opened();
    // 64 bytes are as much work as a frame without any: five of these are a turn of 10.
    expect(turn(unknown(64).repeat(7))).toEqual(Array(5).fill("ignored"));
    expect(receiver.hasBacklog).toBe(true);
    expect([turn(), receiver.hasBacklog]).toEqual([["ignored", "ignored"], false]);
  });

  test("takes more DATA, whole or in parts", () => {
    const { turn } = opened();
    const whole = data(1, "x".repeat(2048 - 9));
    expect(turn(whole.repeat(6)).filter((call) => call === "data ends")).toHaveLength(5);
    expect(turn()).toHaveLength(3);
    const part = data(1, "x".repeat(4096));
    turn(part.slice(0, 9 + 2048));
    expect(turn(part.slice(9 + 2048) + unknown(64).repeat(5))).toEqual([
      "bytes 2048",
      "data ends",
      ...Array(4).fill("ignored"),
    ]);
  });

  test("takes few requests", () => {
    const { turn } = opened();
    const request = frame(FrameType.Headers, FLAG_END_HEADERS, 1, "x".repeat(64 - 9));
    expect(turn(request.repeat(3))).toHaveLength(2);
    expect(turn(unknown(64).repeat(2))).toHaveLength(3);
  });

  test("ends early after a request that has taken its time, and after no other frame", () => {
    const { turn, clock, log } = opened();
    const request = frame(FrameType.Headers, FLAG_END_HEADERS, 1, "x");
    log.onBlock = () => {
      clock.ms += 4;
    };
    expect(turn(request + ping())).toHaveLength(2);
    log.onBlock = () => {
      clock.ms += 5;
    };
    expect(turn(request + ping())).toHaveLength(1);
    expect(turn()).toEqual(["ping 12345678"]);
    expect(turn(request + ping())).toHaveLength(1);
  });
});
