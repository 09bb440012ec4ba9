/** Bytes of a client and the frames that a reader finds in them, section by section. docs/rfc.md quotes sections and names. */
import { FrameType, SettingId } from "../../src/http2/frames.ts";
import { frame, octets, setting } from "../support/frames.ts";

interface FrameRow {
  readonly section: string;
  readonly name: string;
  readonly bytes: string;
  /** One line for each frame, as `framesOf` writes them; an error is the last line, or has the frames after it. */
  readonly frames: readonly string[];
}

const { Data, Headers, Priority, RstStream, Settings, PushPromise, Ping, GoAway, WindowUpdate, Continuation } =
  FrameType;
const { PriorityUpdate } = FrameType;

const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;

const SIZE_MAX = 16_384;
const PING_FRAME = frame(Ping, 0, 0, "12345678");
const PING_LINE = "Ping: 12345678";
const OPEN_BLOCK = frame(Headers, 0, 1, "ab");
const OPEN_LINE = "Headers 1: ab";
const RESERVED = 0x8000_0000;

export const frameRows: readonly FrameRow[] = [
  ...section("RFC 9113 §4.1", [
    ["the nine octets before a payload", frame(Data, 0, 0x0102_0304, "abc"), ["Data 16909060 of 3: abc"]],
    ["an empty payload", frame(Data, 0, 1), ["Data 1 of 0: "]],
    [
      "several frames, and the start of one",
      `${frame(Data, 0, 1, "a")}${PING_FRAME}\0\0\x01`,
      ["Data 1 of 1: a", PING_LINE, "3 bytes wait"],
    ],
    ["a payload that has not come", frame(Data, 0, 1, "ab", 3), ["11 bytes wait"]],
    ["the reserved bit of a stream identifier", frame(Data, 0, RESERVED + 3, "a"), ["Data 3 of 1: a"]],
    ["the reserved bit alone is stream 0", frame(Data, 0, RESERVED, "a"), ["StreamIdMissing"]],
    ["flags that DATA does not have", frame(Data, 0xf6, 1, "a"), ["Data 1 of 1: a"]],
    ["flags that HEADERS does not have", frame(Headers, 0xd2 | END_HEADERS, 1, "a"), ["Headers 1: a whole"]],
    ["flags that SETTINGS does not have", frame(Settings, 0xfe, 0), ["Settings of 0"]],
    ["flags that PING does not have", frame(Ping, 0xfe, 0, "12345678"), [PING_LINE]],
    ["flags that RST_STREAM does not have", frame(RstStream, 0xff, 1, octets(8)), ["RstStream 1: code 8"]],
    ["flags that WINDOW_UPDATE does not have", frame(WindowUpdate, 0xff, 1, octets(8)), ["WindowUpdate 1: 8"]],
    ["a frame of an unknown type", frame(0x2a, 0xff, 7, "abc"), ["type 42 7: abc"]],
    ["a frame of an unknown type on stream 0", frame(0xff, 0, 0), ["type 255 0: "]],
  ]),
  ...section("RFC 9113 §4.2", [
    ["a frame of 16,384 bytes", frame(Data, 0, 1, "x".repeat(SIZE_MAX)), ["Data 1 of 16384: 16384 bytes"]],
    ["a DATA frame of 16,385 bytes", frame(Data, 0, 1, "", SIZE_MAX + 1), ["FrameTooLarge"]],
    ["a HEADERS frame of 16,385 bytes", frame(Headers, END_HEADERS, 1, "", SIZE_MAX + 1), ["FrameTooLarge"]],
    ["a SETTINGS frame of 16,386 bytes", frame(Settings, 0, 0, "", 16_386), ["FrameTooLarge"]],
    ["a frame of an unknown type of 16,385 bytes", frame(0x2a, 0, 0, "", SIZE_MAX + 1), ["FrameTooLarge"]],
    ["a frame of 2^24 - 1 bytes", frame(Data, 0, 1, "", 2 ** 24 - 1), ["FrameTooLarge"]],
    ["the length is checked before the stream", frame(Data, 0, 0, "", SIZE_MAX + 1), ["FrameTooLarge"]],
    ["DATA too short for its padding length", frame(Data, PADDED, 1), ["FrameTooShort"]],
    ["HEADERS too short for its padding length", frame(Headers, PADDED | END_HEADERS, 1), ["FrameTooShort"]],
    ["HEADERS too short for its priority", frame(Headers, PRIORITY | END_HEADERS, 1, "\0\0\0\0"), ["FrameTooShort"]],
    [
      "HEADERS too short for padding length and priority",
      frame(Headers, PADDED | PRIORITY | END_HEADERS, 1, "\0\0\0\0\0"),
      ["FrameTooShort"],
    ],
  ]),
  ...section("RFC 9113 §4.3", [
    ["a block in one frame", frame(Headers, END_HEADERS, 1, "ab") + PING_FRAME, ["Headers 1: ab whole", PING_LINE]],
    [
      "a block in three frames",
      OPEN_BLOCK + frame(Continuation, 0, 1, "c") + frame(Continuation, END_HEADERS, 1, "d") + PING_FRAME,
      [OPEN_LINE, "Continuation 1: c", "Continuation 1: d whole", PING_LINE],
    ],
    ["DATA within a block", OPEN_BLOCK + frame(Data, 0, 1, "x"), [OPEN_LINE, "ContinuationMissing"]],
    [
      "HEADERS of the same stream within a block",
      OPEN_BLOCK + frame(Headers, END_HEADERS, 1, "x"),
      [OPEN_LINE, "ContinuationMissing"],
    ],
    [
      "HEADERS of another stream within a block",
      OPEN_BLOCK + frame(Headers, END_HEADERS, 3, "x"),
      [OPEN_LINE, "ContinuationMissing"],
    ],
    [
      "CONTINUATION of another stream within a block",
      OPEN_BLOCK + frame(Continuation, END_HEADERS, 3, "x"),
      [OPEN_LINE, "ContinuationMissing"],
    ],
    ["PRIORITY within a block", OPEN_BLOCK + frame(Priority, 0, 1, "\0\0\0\0\0"), [OPEN_LINE, "ContinuationMissing"]],
    ["RST_STREAM within a block", OPEN_BLOCK + frame(RstStream, 0, 1, octets(8)), [OPEN_LINE, "ContinuationMissing"]],
    ["SETTINGS within a block", OPEN_BLOCK + frame(Settings, 0, 0), [OPEN_LINE, "ContinuationMissing"]],
    ["PING within a block", OPEN_BLOCK + PING_FRAME, [OPEN_LINE, "ContinuationMissing"]],
    [
      "GOAWAY within a block",
      OPEN_BLOCK + frame(GoAway, 0, 0, octets(0) + octets(0)),
      [OPEN_LINE, "ContinuationMissing"],
    ],
    [
      "WINDOW_UPDATE within a block",
      OPEN_BLOCK + frame(WindowUpdate, 0, 0, octets(1)),
      [OPEN_LINE, "ContinuationMissing"],
    ],
    ["an unknown type within a block", OPEN_BLOCK + frame(0x2a, 0, 1), [OPEN_LINE, "ContinuationMissing"]],
  ]),
  ...section("RFC 9113 §6.1", [
    ["the last DATA", frame(Data, END_STREAM, 1, "abc"), ["Data 1 of 3: abc last"]],
    ["padding", frame(Data, PADDED, 1, "\x02abc\0\0"), ["Data 1 of 6: abc"]],
    ["padding of no bytes", frame(Data, PADDED, 1, "\0abc"), ["Data 1 of 4: abc"]],
    ["padding of no bytes and nothing else", frame(Data, PADDED, 1, "\0"), ["Data 1 of 1: "]],
    ["padding and nothing else", frame(Data, PADDED, 1, "\x02\0\0"), ["Data 1 of 3: "]],
    [
      "255 bytes of padding",
      frame(Data, PADDED | END_STREAM, 1, `\xffa${"\0".repeat(255)}`),
      ["Data 1 of 257: a last"],
    ],
    ["padding as long as the payload", frame(Data, PADDED, 1, "\x03\0\0"), ["PaddingTooLong"]],
    ["padding longer than the payload", frame(Data, PADDED, 1, "\xff\0\0"), ["PaddingTooLong"]],
    ["padding that is not zero", frame(Data, PADDED, 1, "\x02a\0\x01"), ["PaddingNotZero"]],
    ["DATA on stream 0", frame(Data, 0, 0, "a"), ["StreamIdMissing"]],
  ]),
  ...section("RFC 9113 §6.2", [
    ["the only frame of a request", frame(Headers, END_HEADERS | END_STREAM, 1, "ab"), ["Headers 1: ab whole last"]],
    ["an empty block", frame(Headers, END_HEADERS, 1), ["Headers 1:  whole"]],
    ["a padded block", frame(Headers, END_HEADERS | PADDED, 1, "\x01ab\0"), ["Headers 1: ab whole"]],
    ["a block with priority", frame(Headers, END_HEADERS | PRIORITY, 3, `${octets(1)}\x10ab`), ["Headers 3: ab whole"]],
    [
      "a padded block with priority",
      frame(Headers, END_HEADERS | PADDED | PRIORITY, 3, `\x02${octets(RESERVED + 1)}\xffab\0\0`),
      ["Headers 3: ab whole"],
    ],
    [
      "a stream that depends on itself",
      frame(Headers, END_HEADERS | PRIORITY, 3, `${octets(3)}\x10ab`),
      ["Headers 3: ab whole"],
    ],
    ["padding that leaves no block", frame(Headers, END_HEADERS | PADDED, 1, "\x02\0\0"), ["Headers 1:  whole"]],
    ["padding longer than the block", frame(Headers, END_HEADERS | PADDED, 1, "\x03\0\0"), ["PaddingTooLong"]],
    [
      "padding longer than the block behind a priority",
      frame(Headers, END_HEADERS | PADDED | PRIORITY, 1, `\x02${octets(0)}\0\0`),
      ["PaddingTooLong"],
    ],
    ["padding of HEADERS that is not zero", frame(Headers, END_HEADERS | PADDED, 1, "\x01ab"), ["PaddingNotZero"]],
    ["HEADERS on stream 0", frame(Headers, END_HEADERS, 0, "a"), ["StreamIdMissing"]],
  ]),
  ...section("RFC 9113 §6.3", [
    ["a PRIORITY frame changes nothing", frame(Priority, 0, 5, `${octets(3)}\x10`), ["Priority 5: \0\0\0\x03\x10"]],
    ["PRIORITY that depends on itself", frame(Priority, 0, 3, `${octets(3)}\x10`), ["Priority 3: \0\0\0\x03\x10"]],
    ["PRIORITY of 4 bytes", frame(Priority, 0, 1, octets(0)) + PING_FRAME, ["PriorityLength", PING_LINE]],
    ["PRIORITY of 6 bytes", frame(Priority, 0, 1, `${octets(0)}\0\0`) + PING_FRAME, ["PriorityLength", PING_LINE]],
    ["PRIORITY without a payload", frame(Priority, 0, 1) + PING_FRAME, ["PriorityLength", PING_LINE]],
    ["PRIORITY on stream 0", frame(Priority, 0, 0, `${octets(1)}\x10`), ["StreamIdMissing"]],
  ]),
  ...section("RFC 9113 §6.4", [
    ["RST_STREAM", frame(RstStream, 0, 1, octets(8)), ["RstStream 1: code 8"]],
    ["RST_STREAM with an unknown code", frame(RstStream, 0, 1, octets(0xffff_ffff)), ["RstStream 1: code 4294967295"]],
    ["RST_STREAM of 3 bytes", frame(RstStream, 0, 1, "\0\0\0"), ["ResetLength"]],
    ["RST_STREAM of 5 bytes", frame(RstStream, 0, 1, "\0\0\0\0\0"), ["ResetLength"]],
    ["RST_STREAM without a payload", frame(RstStream, 0, 1), ["ResetLength"]],
    ["RST_STREAM on stream 0", frame(RstStream, 0, 0, octets(8)), ["StreamIdMissing"]],
  ]),
  ...section("RFC 9113 §6.5", [
    ["SETTINGS without a pair", frame(Settings, 0, 0), ["Settings of 0"]],
    [
      "SETTINGS with two pairs",
      frame(Settings, 0, 0, setting(SettingId.EnablePush, 0) + setting(0xffff, 1)),
      ["Settings of 12"],
    ],
    ["SETTINGS with ACK", frame(Settings, ACK, 0), ["Settings of 0 ack"]],
    ["SETTINGS with ACK and a pair", frame(Settings, ACK, 0, setting(SettingId.EnablePush, 0)), ["SettingsAckLength"]],
    ["SETTINGS with ACK and one byte", frame(Settings, ACK, 0, "a"), ["SettingsAckLength"]],
    ["SETTINGS of 5 bytes", frame(Settings, 0, 0, "12345"), ["SettingsLength"]],
    ["SETTINGS of 7 bytes", frame(Settings, 0, 0, "1234567"), ["SettingsLength"]],
    ["SETTINGS on a stream", frame(Settings, 0, 1), ["StreamIdUnwanted"]],
    ["SETTINGS with ACK on a stream", frame(Settings, ACK, 1), ["StreamIdUnwanted"]],
  ]),
  ...section("RFC 9113 §6.6", [
    ["PUSH_PROMISE of a client", frame(PushPromise, END_HEADERS, 1, `${octets(2)}\x82`), ["PushFromClient"]],
    [
      "PUSH_PROMISE of a client on stream 0",
      frame(PushPromise, END_HEADERS, 0, `${octets(2)}\x82`),
      ["PushFromClient"],
    ],
  ]),
  ...section("RFC 9113 §6.7", [
    ["PING", PING_FRAME, [PING_LINE]],
    ["PING with ACK", frame(Ping, ACK, 0, "12345678"), ["Ping: 12345678 ack"]],
    ["PING of 7 bytes", frame(Ping, 0, 0, "1234567"), ["PingLength"]],
    ["PING of 9 bytes", frame(Ping, 0, 0, "123456789"), ["PingLength"]],
    ["PING on a stream", frame(Ping, 0, 1, "12345678"), ["StreamIdUnwanted"]],
  ]),
  ...section("RFC 9113 §6.8", [
    ["GOAWAY", frame(GoAway, 0, 0, octets(7) + octets(2)), ["GoAway: last 7, code 2: "]],
    ["GOAWAY with debug data", frame(GoAway, 0, 0, `${octets(7)}${octets(2)}bye`), ["GoAway: last 7, code 2: bye"]],
    ["GOAWAY with an unknown code", frame(GoAway, 0, 0, octets(0) + octets(0xff)), ["GoAway: last 0, code 255: "]],
    [
      "GOAWAY with the reserved bit",
      frame(GoAway, 0, 0, octets(RESERVED + 7) + octets(0)),
      ["GoAway: last 7, code 0: "],
    ],
    ["GOAWAY of 7 bytes", frame(GoAway, 0, 0, "1234567"), ["GoAwayLength"]],
    ["GOAWAY on a stream", frame(GoAway, 0, 1, octets(7) + octets(2)), ["StreamIdUnwanted"]],
  ]),
  ...section("RFC 9113 §6.9", [
    ["WINDOW_UPDATE of a stream", frame(WindowUpdate, 0, 1, octets(1)), ["WindowUpdate 1: 1"]],
    ["WINDOW_UPDATE of the connection", frame(WindowUpdate, 0, 0, octets(2 ** 31 - 1)), ["WindowUpdate 0: 2147483647"]],
    ["WINDOW_UPDATE with the reserved bit", frame(WindowUpdate, 0, 1, octets(RESERVED + 5)), ["WindowUpdate 1: 5"]],
    [
      "an increment of 0 on a stream",
      frame(WindowUpdate, 0, 1, octets(0)) + PING_FRAME,
      ["StreamWindowIncrement", PING_LINE],
    ],
    ["an increment of the reserved bit alone", frame(WindowUpdate, 0, 1, octets(RESERVED)), ["StreamWindowIncrement"]],
    ["an increment of 0 on the connection", frame(WindowUpdate, 0, 0, octets(0)), ["ConnectionWindowIncrement"]],
    ["WINDOW_UPDATE of 3 bytes", frame(WindowUpdate, 0, 1, "\0\0\x01"), ["WindowUpdateLength"]],
    ["WINDOW_UPDATE of 5 bytes", frame(WindowUpdate, 0, 0, "\0\0\0\x01\0"), ["WindowUpdateLength"]],
  ]),
  ...section("RFC 9113 §6.10", [
    ["CONTINUATION without a block", frame(Continuation, END_HEADERS, 1, "a"), ["ContinuationUnexpected"]],
    [
      "CONTINUATION behind a whole block",
      frame(Headers, END_HEADERS, 1, "a") + frame(Continuation, END_HEADERS, 1, "b"),
      ["Headers 1: a whole", "ContinuationUnexpected"],
    ],
    [
      "CONTINUATION behind the end of a block",
      OPEN_BLOCK + frame(Continuation, END_HEADERS, 1, "b") + frame(Continuation, END_HEADERS, 1, "c"),
      [OPEN_LINE, "Continuation 1: b whole", "ContinuationUnexpected"],
    ],
    [
      "CONTINUATION behind DATA",
      frame(Data, 0, 1, "a") + frame(Continuation, END_HEADERS, 1, "b"),
      ["Data 1 of 1: a", "ContinuationUnexpected"],
    ],
    ["CONTINUATION on stream 0", frame(Continuation, END_HEADERS, 0, "a"), ["StreamIdMissing"]],
    [
      "CONTINUATION on stream 0 within a block",
      OPEN_BLOCK + frame(Continuation, END_HEADERS, 0, "a"),
      [OPEN_LINE, "ContinuationMissing"],
    ],
    ["an empty CONTINUATION", OPEN_BLOCK + frame(Continuation, END_HEADERS, 1), [OPEN_LINE, "Continuation 1:  whole"]],
    [
      "CONTINUATION has no padding",
      OPEN_BLOCK + frame(Continuation, END_HEADERS | PADDED, 1, "\x05ab"),
      [OPEN_LINE, "Continuation 1: \x05ab whole"],
    ],
  ]),
  ...section("RFC 9218 §7.1", [
    ["PRIORITY_UPDATE", frame(PriorityUpdate, 0, 0, `${octets(RESERVED + 5)}u=1, i`), ["PriorityUpdate 5: u=1, i"]],
    ["PRIORITY_UPDATE without a value", frame(PriorityUpdate, 0, 0, octets(5)), ["PriorityUpdate 5: "]],
    ["PRIORITY_UPDATE of 3 bytes", frame(PriorityUpdate, 0, 0, "\0\0\0"), ["PriorityUpdateLength"]],
    ["PRIORITY_UPDATE about stream 0", frame(PriorityUpdate, 0, 0, octets(0)), ["PriorityUpdateStream"]],
    ["PRIORITY_UPDATE about a push", frame(PriorityUpdate, 0, 0, octets(6)), ["PriorityUpdateStream"]],
    ["PRIORITY_UPDATE on a stream", frame(PriorityUpdate, 0, 5, octets(5)), ["StreamIdUnwanted"]],
  ]),
];

/** A value that a peer sets, and the result of it. */
interface SettingRow {
  readonly section: string;
  readonly name: string;
  readonly pairs: string;
  /** Members of PeerSettings after it, or the name of the error. */
  readonly result: Readonly<Record<string, unknown>> | string;
}

const { HeaderTableSize, EnablePush, MaxConcurrentStreams, InitialWindowSize, MaxFrameSize, MaxHeaderListSize } =
  SettingId;
const { NoRfc7540Priorities } = SettingId;

export const settingRows: readonly SettingRow[] = [
  setTo("no pair leaves the initial values", "", {
    headerTableSize: 4096,
    isPushEnabled: true,
    maxConcurrentStreams: Number.POSITIVE_INFINITY,
    initialWindowSize: 65_535,
    maxFrameSize: 16_384,
    maxHeaderListSize: Number.POSITIVE_INFINITY,
    hasNoPriorities: false,
  }),
  setTo("a table of 0 bytes", setting(HeaderTableSize, 0), { headerTableSize: 0, headerTableSizeMin: 0 }),
  setTo("a table of 2^32 - 1 bytes", setting(HeaderTableSize, 2 ** 32 - 1), {
    headerTableSize: 2 ** 32 - 1,
    headerTableSizeMin: 4096,
  }),
  setTo("a small table, then a large one", setting(HeaderTableSize, 100) + setting(HeaderTableSize, 8192), {
    headerTableSize: 8192,
    headerTableSizeMin: 100,
  }),
  setTo("ENABLE_PUSH 0", setting(EnablePush, 0), { isPushEnabled: false }),
  setTo("ENABLE_PUSH 1", setting(EnablePush, 0) + setting(EnablePush, 1), { isPushEnabled: true }),
  setTo("ENABLE_PUSH 2", setting(EnablePush, 2), "EnablePushInvalid"),
  setTo("no concurrent streams", setting(MaxConcurrentStreams, 0), { maxConcurrentStreams: 0 }),
  setTo("a window of 2^31 - 1", setting(InitialWindowSize, 2 ** 31 - 1), { initialWindowSize: 2 ** 31 - 1 }),
  setTo("a window of 2^31", setting(InitialWindowSize, 2 ** 31), "InitialWindowTooLarge"),
  setTo("a window of 2^32 - 1", setting(InitialWindowSize, 2 ** 32 - 1), "InitialWindowTooLarge"),
  setTo("frames of 16,384 bytes", setting(MaxFrameSize, 16_384), { maxFrameSize: 16_384 }),
  setTo("frames of 16,383 bytes", setting(MaxFrameSize, 16_383), "MaxFrameSizeInvalid"),
  setTo("frames of 2^24 - 1 bytes", setting(MaxFrameSize, 2 ** 24 - 1), { maxFrameSize: 2 ** 24 - 1 }),
  setTo("frames of 2^24 bytes", setting(MaxFrameSize, 2 ** 24), "MaxFrameSizeInvalid"),
  setTo("a field section of 0 bytes", setting(MaxHeaderListSize, 0), { maxHeaderListSize: 0 }),
  setTo("unknown settings", setting(0, 1) + setting(0x8, 7) + setting(0xffff, 2 ** 32 - 1), { headerTableSize: 4096 }),
  setTo("the last value of one setting counts", setting(InitialWindowSize, 1) + setting(InitialWindowSize, 2), {
    initialWindowSize: 2,
  }),
  setTo("a bad value among good ones", setting(InitialWindowSize, 1) + setting(EnablePush, 9), "EnablePushInvalid"),
  {
    ...setTo("NO_RFC7540_PRIORITIES 1", setting(NoRfc7540Priorities, 1), { hasNoPriorities: true }),
    section: "RFC 9218 §2.1",
  },
  {
    ...setTo("NO_RFC7540_PRIORITIES 2", setting(NoRfc7540Priorities, 2), "NoPrioritiesInvalid"),
    section: "RFC 9218 §2.1",
  },
];

function setTo(name: string, pairs: string, result: SettingRow["result"]): SettingRow {
  return { section: "RFC 9113 §6.5.2", name, pairs, result };
}

function section(title: string, rows: readonly (readonly [string, string, readonly string[]])[]): FrameRow[] {
  return rows.map(([name, bytes, frames]) => ({ section: title, name, bytes, frames }));
}
