/** Frames without content that wait for the end of a turn, and the buffer that they leave by. */
import { expect, test } from "bun:test";
import { Scratch } from "../../src/http2/context.ts";
import { ErrorCode } from "../../src/http2/errors.ts";
import { SettingId } from "../../src/http2/frames.ts";
import { HpackEncoder } from "../../src/http2/hpack-encoder.ts";
import { ShortFrames } from "../../src/http2/short-frames.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { frame, goAway, int32, ping, rst, SETTINGS_ACK, settings, windowUpdate } from "../support/http2.ts";

function opened(size = 1000) {
  const frames = new ShortFrames();
  const out = new Scratch(size);
  const sent = () => {
    frames.gather(out);
    const text = textOf(out.bytes.subarray(0, out.used));
    out.used = 0;
    return text;
  };
  return { frames, out, sent };
}

test("frames leave in the order in which they were written, and are counted", () => {
  const { frames, sent } = opened();
  expect([frames.used, frames.written, frames.heldBytes, sent()]).toEqual([0, 0, 0, ""]);
  frames.settings([
    [SettingId.EnablePush, 0],
    [SettingId.MaxFrameSize, 20_000],
  ]);
  frames.settingsAck();
  frames.windowUpdate(3, 9);
  frames.reset(5, ErrorCode.Cancel);
  frames.pingAck(bytesOf("..abcdefgh.."), 2);
  frames.goAway(7, ErrorCode.ProtocolError, "why");
  frames.put(bytesOf("a whole frame"));
  const text =
    settings([SettingId.EnablePush, 0], [SettingId.MaxFrameSize, 20_000]) +
    SETTINGS_ACK +
    windowUpdate(3, 9) +
    rst(5) +
    ping("abcdefgh", 1) +
    frame(7, 0, 0, `${int32(7)}${int32(1)}why`) +
    "a whole frame";
  expect([frames.used, frames.heldBytes > 0]).toEqual([text.length, true]);
  expect(sent()).toBe(text);
  expect([frames.used, frames.written, frames.heldBytes, sent()]).toEqual([0, text.length, 0, ""]);
});

test("a PING of ours has eight zeros, whatever stood in the buffer before", () => {
  const { frames, sent } = opened();
  frames.put(bytesOf("x".repeat(64)));
  expect([frames.heldBytes, sent()]).toEqual([0, "x".repeat(64)]);
  frames.ping();
  expect(sent()).toBe(ping("\0".repeat(8)));
});

test("an interim response is a head that does not end its stream", () => {
  const { frames, sent } = opened();
  frames.interim(new HpackEncoder(), 3, 16_384);
  const text = sent();
  expect([text.charCodeAt(3), text.charCodeAt(4), text.charCodeAt(8)]).toEqual([1, 4, 3]);
  expect(text.length).toBe(9 + text.charCodeAt(2));
});

test("frames that are dropped are not counted as written", () => {
  const { frames, sent } = opened();
  frames.put(bytesOf("x".repeat(65)));
  expect(frames.heldBytes).toBe(130);
  frames.clear();
  expect([frames.used, frames.written, frames.heldBytes, sent()]).toEqual([0, 0, 0, ""]);
  frames.goAway(0, ErrorCode.NoError, "");
  expect(sent()).toBe(goAway());
});

test("the buffer grows for what does not fit, and keeps what it has", () => {
  const { frames, out } = opened(10);
  out.bytes.set(bytesOf("abcd"));
  out.used = 4;
  out.reserve(6);
  expect(out.bytes.length).toBe(10);
  frames.put(bytesOf("efghijk"));
  frames.gather(out);
  expect([textOf(out.bytes.subarray(0, out.used)), out.bytes.length]).toEqual(["abcdefghijk", 22]);
});
