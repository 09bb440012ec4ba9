import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { describeHttp2Error, ErrorCode, errorCodeName, Http2Error } from "../../src/http2/errors.ts";
import {
  blockHeadBytes,
  writeBlockHeads,
  writeFrameHead,
  writeGoAway,
  writePingAck,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from "../../src/http2/frame-writer.ts";
import { FRAME_HEAD_BYTES, FrameReader, FrameType, PeerSettings, SettingId } from "../../src/http2/frames.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { frame, framesOf, setting } from "../support/frames.ts";
import { frameRows, settingRows } from "./frame-rows.ts";

describe("a frame that is read", () => {
  for (const { section, name, bytes: text, frames } of frameRows) {
    const bytes = bytesOf(text);
    test(`${section}: ${name}`, () => {
      expect(framesOf(bytes, [bytes.length])).toEqual([...frames]);
    });

    // Longer rows have the same bytes many times over.
    const stops = bytes.length > 400 ? [1, 8, 9, 10, bytes.length - 1, bytes.length] : bytes.keys().map((i) => i + 1);
    test(`${section}: ${name}, byte by byte`, () => {
      expect(framesOf(bytes, [...stops])).toEqual([...frames]);
    });
  }

  test("is found behind other bytes of the buffer", () => {
    const bytes = bytesOf(`before${frame(FrameType.Data, 1, 1, "abc")}after`);
    const reader = new FrameReader();
    expect(reader.read(bytes, 6, bytes.length)).toBe(FRAME_HEAD_BYTES + 3);
    expect(textOf(bytes.subarray(reader.start, reader.end))).toBe("abc");
  });

  test("is refused by its head, before its payload has come", () => {
    const refused = frameRows.filter(({ frames }) => frames.length === 1 && frames[0] === "FrameTooLarge");
    expect(refused.length).toBeGreaterThan(4);
    for (const { bytes } of refused) {
      expect(new FrameReader().read(bytesOf(bytes), 0, FRAME_HEAD_BYTES)).toBe(Http2Error.FrameTooLarge);
    }
  });

  test("is as long as our SETTINGS_MAX_FRAME_SIZE allows", () => {
    const bytes = bytesOf(frame(FrameType.Data, 0, 1, "", 20_000));
    expect(new FrameReader(20_000).read(bytes, 0, bytes.length)).toBe(0);
    expect(new FrameReader(19_999).read(bytes, 0, bytes.length)).toBe(Http2Error.FrameTooLarge);
  });

  test("is the same frame however its bytes are cut", () => {
    const anyFrame = fc
      .tuple(
        fc.constantFrom(0, 1, 2, 3, 4, 6, 7, 8, 9, 16, 42),
        fc.nat(255),
        fc.nat(3),
        fc.uint8Array({ maxLength: 12 }),
      )
      .map(([type, flags, streamId, payload]) => frame(type, flags, streamId, textOf(payload)));
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 6 }), fc.array(fc.nat(200), { maxLength: 20 }), (frames, cuts) => {
        const bytes = bytesOf(frames.join(""));
        const stops = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        expect(framesOf(bytes, stops)).toEqual(framesOf(bytes, [bytes.length]));
      }),
    );
  });
});

describe("a setting of the peer", () => {
  for (const { section, name, pairs, result } of settingRows) {
    test(`${section}: ${name}`, () => {
      const settings = new PeerSettings();
      const bytes = bytesOf(`..${pairs}..`);
      const error = settings.apply(bytes, 2, bytes.length - 2);
      if (typeof result === "string") expect(Http2Error[error]).toBe(result);
      else expect({ error, ...settings }).toMatchObject({ error: 0, ...result });
    });
  }

  test("changes no other", () => {
    const fresh = { ...new PeerSettings() };
    const rows: readonly (readonly [id: number, value: number, change: Partial<PeerSettings>])[] = [
      [SettingId.HeaderTableSize, 100, { headerTableSize: 100, headerTableSizeMin: 100 }],
      [SettingId.EnablePush, 0, { isPushEnabled: false }],
      [SettingId.MaxConcurrentStreams, 1, { maxConcurrentStreams: 1 }],
      [SettingId.InitialWindowSize, 20_000, { initialWindowSize: 20_000 }],
      [SettingId.MaxFrameSize, 20_000, { maxFrameSize: 20_000 }],
      [SettingId.MaxHeaderListSize, 1, { maxHeaderListSize: 1 }],
      [SettingId.NoRfc7540Priorities, 1, { hasNoPriorities: true }],
      [0x7, 1, {}],
      [0xff, 1, {}],
    ];
    for (const [id, value, change] of rows) {
      const settings = new PeerSettings();
      const bytes = bytesOf(setting(id, value));
      expect(settings.apply(bytes, 0, bytes.length)).toBe(0);
      expect<object>({ ...settings }).toEqual({ ...fresh, ...change });
    }
  });

  test("keeps its value until it is set again", () => {
    const settings = new PeerSettings();
    for (const size of [100, 200, 300]) {
      const frame = new Uint8Array(15);
      writeSettings(frame, 0, [[SettingId.HeaderTableSize, size]]);
      expect(settings.apply(frame, FRAME_HEAD_BYTES, frame.length)).toBe(0);
    }
    expect(settings).toMatchObject({ headerTableSize: 300, headerTableSizeMin: 200, initialWindowSize: 65_535 });
  });
});

describe("a frame that is written", () => {
  const data = bytesOf("__12345678");
  test.each<[string, (into: Uint8Array, at: number) => number, string]>([
    ["a head", (into, at) => writeFrameHead(into, at, 0xab_cdef, 0x1f, 0x2e, 0xffff_fffe), "abcdef1f2efffffffe"],
    [
      "SETTINGS",
      (into, at) =>
        writeSettings(into, at, [
          [SettingId.MaxConcurrentStreams, 100],
          [0xabcd, 0xffff_ffff],
        ]),
      "00000c0400000000000003000000 64abcdffffffff",
    ],
    ["SETTINGS without a pair", (into, at) => writeSettings(into, at, []), "000000040000000000"],
    ["SETTINGS with ACK", writeSettingsAck, "000000040100000000"],
    ["PING with ACK", (into, at) => writePingAck(into, at, data, 2), "000008060100000000 3132333435363738"],
    [
      "GOAWAY",
      (into, at) => writeGoAway(into, at, 0x7fff_ffff, ErrorCode.NoError),
      "000008070000000000 7fffffff 00000000",
    ],
    [
      "GOAWAY with debug data",
      (into, at) => writeGoAway(into, at, 5, ErrorCode.EnhanceYourCalm, "bye"),
      "00000b070000000000 00000005 0000000b 627965",
    ],
    ["RST_STREAM", (into, at) => writeRstStream(into, at, 3, ErrorCode.Cancel), "000004030000000003 00000008"],
    ["WINDOW_UPDATE", (into, at) => writeWindowUpdate(into, at, 0, 0x7fff_ffff), "000004080000000000 7fffffff"],
  ])("%s", (_, write, hex) => {
    const expected = hex.replaceAll(" ", "");
    const into = new Uint8Array(60);
    expect(write(into, 3)).toBe(3 + expected.length / 2);
    expect(textOf(into)).toBe(`\0\0\0${textOf(Uint8Array.fromHex(expected))}`.padEnd(60, "\0"));
  });

  test.each<[string, number, boolean, string[]]>([
    ["an empty block", 0, true, ["Headers 1:  whole last"]],
    ["a block of one frame", 4, true, ["Headers 1: abcd whole last"]],
    ["a block without the end of its stream", 3, false, ["Headers 1: abc whole"]],
    ["a block of one byte more", 5, true, ["Headers 1: abcd last", "Continuation 1: e whole"]],
    ["a block of two full frames", 8, false, ["Headers 1: abcd", "Continuation 1: efgh whole"]],
    ["a block of three frames", 9, true, ["Headers 1: abcd last", "Continuation 1: efgh", "Continuation 1: i whole"]],
  ])("%s", (_, length, isLast, frames) => {
    const into = new Uint8Array(100);
    into.set(bytesOf("abcdefghi".slice(0, length)), 2 + FRAME_HEAD_BYTES);
    const end = writeBlockHeads(into, 2, length, 1, isLast, 4);
    expect(end).toBe(2 + blockHeadBytes(length, 4) + length);
    const bytes = into.slice(2, end);
    expect(framesOf(bytes, [bytes.length])).toEqual(frames);
  });
});

describe("an error", () => {
  test("has a row with all its parts, and no row is left over", () => {
    for (const [name, error] of Object.entries(Http2Error)) {
      if (typeof error === "string") continue;
      const { code, section, sentence, attack } = describeHttp2Error(error);
      expect({ name, known: code !== ErrorCode.InternalError }).toEqual({ name, known: true });
      expect(section).toMatch(/^RFC \d{4} §/);
      expect(sentence).toMatch(/^[A-Z].*\.$/);
      expect(attack.length).toBeGreaterThan(10);
    }
  });

  test.each<[Http2Error, ErrorCode, boolean]>([
    [Http2Error.FrameTooLarge, ErrorCode.FrameSizeError, true],
    [Http2Error.StreamIdMissing, ErrorCode.ProtocolError, true],
    [Http2Error.StreamIdUnwanted, ErrorCode.ProtocolError, true],
    [Http2Error.FrameTooShort, ErrorCode.FrameSizeError, true],
    [Http2Error.PaddingTooLong, ErrorCode.ProtocolError, true],
    [Http2Error.PriorityLength, ErrorCode.FrameSizeError, false],
    [Http2Error.ResetLength, ErrorCode.FrameSizeError, true],
    [Http2Error.SettingsLength, ErrorCode.FrameSizeError, true],
    [Http2Error.SettingsAckLength, ErrorCode.FrameSizeError, true],
    [Http2Error.PushFromClient, ErrorCode.ProtocolError, true],
    [Http2Error.PingLength, ErrorCode.FrameSizeError, true],
    [Http2Error.GoAwayLength, ErrorCode.FrameSizeError, true],
    [Http2Error.WindowUpdateLength, ErrorCode.FrameSizeError, true],
    [Http2Error.ConnectionWindowIncrement, ErrorCode.ProtocolError, true],
    [Http2Error.StreamWindowIncrement, ErrorCode.ProtocolError, false],
    [Http2Error.ContinuationMissing, ErrorCode.ProtocolError, true],
    [Http2Error.ContinuationUnexpected, ErrorCode.ProtocolError, true],
    [Http2Error.EnablePushInvalid, ErrorCode.ProtocolError, true],
    [Http2Error.InitialWindowTooLarge, ErrorCode.FlowControlError, true],
    [Http2Error.MaxFrameSizeInvalid, ErrorCode.ProtocolError, true],
  ])("%d is that of the RFC", (error, code, isConnection) => {
    expect(describeHttp2Error(error)).toMatchObject({ code, isConnection });
  });

  test("of a field block is always COMPRESSION_ERROR of the connection", () => {
    for (let error = Http2Error.BlockTruncated; error >= Http2Error.HuffmanPadding; error--) {
      expect(describeHttp2Error(error)).toMatchObject({ code: ErrorCode.CompressionError, isConnection: true });
    }
  });

  test("has the name of the RFC, or its number", () => {
    expect(errorCodeName(ErrorCode.NoError)).toBe("NO_ERROR");
    expect(errorCodeName(ErrorCode.Http11Required)).toBe("HTTP_1_1_REQUIRED");
    expect(errorCodeName(0xff)).toBe("0xff");
  });
});
