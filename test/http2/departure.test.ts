import { expect, test } from "bun:test";
import { Clock } from "../../src/exchange/clock.ts";
import { type Http2Limits, Scratch } from "../../src/http2/context.ts";
import { Departure } from "../../src/http2/departure.ts";
import { ErrorCode } from "../../src/http2/errors.ts";
import { ShortFrames } from "../../src/http2/short-frames.ts";
import { textOf } from "../support/bytes.ts";
import { frame, int32 } from "../support/http2.ts";

const GOAWAY = 7;
const PING = 6;

function opened() {
  const clock = new Clock(1000, 0);
  const frames = new ShortFrames();
  const out = new Scratch(200);
  const departure = new Departure(frames, { shutdownGraceMs: 250 } as Http2Limits, clock);
  const state = () => [departure.isAnnounced, departure.isFinal, departure.isDue, departure.reason];
  const sent = () => {
    frames.gather(out);
    return textOf(out.bytes.subarray(0, out.used));
  };
  return { clock, departure, state, sent };
}

const ANNOUNCED = frame(GOAWAY, 0, 0, int32(0x7fff_ffff) + int32(0)) + frame(PING, 0, 0, "\0".repeat(8));

test("nothing is announced at first, and nothing is due", () => {
  const { state, sent } = opened();
  expect([state(), sent()]).toEqual([[false, false, false, "client"], ""]);
});

test("the first step names no last stream, and asks for a round trip", () => {
  const { departure, state, sent, clock } = opened();
  departure.announce("shutdown");
  expect([state(), sent()]).toEqual([[true, false, false, "shutdown"], ANNOUNCED]);
  clock.set(1249, 0);
  expect(departure.isDue).toBe(false);
  clock.set(1250, 0);
  expect(departure.isDue).toBe(true);
});

test("the first step is taken once", () => {
  const { departure, state, sent } = opened();
  departure.announce("shutdown");
  departure.announce("last request");
  expect([state(), sent()]).toEqual([[true, false, false, "shutdown"], ANNOUNCED]);
});

test("the last step names the last stream, and then nothing is due", () => {
  const { departure, state, sent, clock } = opened();
  departure.announce("shutdown");
  clock.set(1250, 0);
  departure.finalize(5);
  departure.announce("last request");
  expect([state(), sent()]).toEqual([
    [false, true, false, "shutdown"],
    ANNOUNCED + frame(GOAWAY, 0, 0, int32(5) + int32(0)),
  ]);
});

test("after a mistake there is one step, with its code and its sentence", () => {
  const { departure, sent } = opened();
  departure.finalize(3, ErrorCode.FrameSizeError, "too large");
  expect([departure.isFinal, sent()]).toEqual([true, frame(GOAWAY, 0, 0, `${int32(3)}${int32(6)}too large`)]);
});

test("after a fault has sent GOAWAY the last step is silent", () => {
  const { departure, state, sent, clock } = opened();
  departure.announce("shutdown");
  departure.leave("fault");
  clock.set(5000, 0);
  expect([state(), sent()]).toEqual([[false, true, false, "fault"], ANNOUNCED]);
});
