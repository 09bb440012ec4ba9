/** The frames of each fault, byte by byte, and what they mean for their stream. Bits and lengths are those of RFC 9113. */
import { describe, expect, test } from "bun:test";
import { type BadFrame, type Fault, parseFaultField } from "../../src/http/fault.ts";
import { effectOf } from "../../src/http2/fault-frames.ts";
import { bytesOf } from "../support/bytes.ts";

const AT = { stream: 5, room: 3, frameSizeMax: 16_384, lastStreamMax: 9 };
const GARBAGE = bytesOf("\0\x01\x02\x03");
const GOES_ON = { windowBytes: 0, next: "goes on", lastStream: null, promised: 0, isLast: false } as const;

function verdictOf(order: string, at = AT) {
  const fault = parseFaultField(order);
  if (typeof fault === "string") throw new Error(fault);
  const { frames, ...rest } = effectOf(fault, at, GARBAGE);
  return { hex: Buffer.from(frames).toString("hex"), ...rest };
}

function hex(...parts: readonly string[]): string {
  return parts.join("").replaceAll(" ", "");
}

describe("a frame that breaks a rule, or seems to", () => {
  const rows: readonly [kind: BadFrame, frame: string][] = [
    ["stream-0", hex("000001 00 00 00000000", "00")],
    ["idle-stream", hex("000001 00 00 7fffffff", "00")],
    ["padding", hex("000002 00 08 00000005", "ff00")],
    ["length", hex("000007 06 00 00000000", "00".repeat(7))],
    ["continuation", hex("000000 09 04 00000005")],
    ["zero-increment", hex("000004 08 00 00000005", "00000000")],
    ["overflow", hex("000004 08 00 00000005", "7fffffff")],
    ["reserved-bit", hex("000004 08 00 80000005", "80000001")],
    ["unknown-type", hex("000008 fa ff 00000005", "00".repeat(8))],
  ];
  test.each(rows)("%s", (kind, frame) => {
    expect(verdictOf(`fault=bad-frame, frame=${kind}`)).toEqual({ hex: frame, ...GOES_ON });
  });

  test("oversize is one byte more than the peer takes, as far as a length can say", () => {
    const oversize = (frameSizeMax: number) =>
      verdictOf("fault=bad-frame, frame=oversize", { ...AT, frameSizeMax }).hex;
    expect(oversize(16_384)).toBe(hex("004001 00 00 00000005", "00".repeat(16_385)));
    expect(oversize(2 ** 24 - 1).slice(0, 18)).toBe(hex("ffffff 00 00 00000005"));
  });
});

describe("a fault of the connection", () => {
  const rows: readonly [order: string, frame: string, lastStream: number][] = [
    ["fault=goaway", hex("000008 07 00 00000000", "00000005 00000000"), 5],
    ["fault=goaway, last=3, code=11", hex("000008 07 00 00000000", "00000003 0000000b"), 3],
    ["fault=goaway, last=11", hex("000008 07 00 00000000", "00000009 00000000"), 9],
  ];
  test.each(rows)("%s", (order, frame, lastStream) => {
    expect(verdictOf(order)).toEqual({ ...GOES_ON, hex: frame, lastStream });
  });

  test("settings are those of the order", () => {
    const two = hex("00000c 04 00 00000000", "0003 00000007", "0005 00000001");
    expect(verdictOf("fault=settings, max-concurrent-streams=7, max-frame-size=1")).toEqual({ ...GOES_ON, hex: two });
  });

  test("the last request is a note alone", () => {
    expect(verdictOf("fault=last")).toEqual({ ...GOES_ON, hex: "", isLast: true });
  });

  test("a push is promised on the next even stream, and taken back", () => {
    const block = hex("82 86 04 07", hexOf("/pushed"), "01 09", hexOf("localhost"));
    const promise = hex("00001a 05 04 00000005", "00000006", block);
    const reset = hex("000004 03 00 00000006", "00000008");
    expect(verdictOf("fault=push")).toEqual({ ...GOES_ON, hex: promise + reset, promised: 6 });
  });
});

describe("a fault that ends its stream", () => {
  const rst = (code: string) => hex("000004 03 00 00000005", code);
  const garbage = hex("00000b 01 05 00000005", "00 07", hexOf("garbage"), "01", hexOf("1"));
  const rows: readonly [order: string, frame: string, next: "is closed" | "is done" | "hangs"][] = [
    ["fault=reset", rst("00000002"), "is closed"],
    ["fault=reset-request", rst("00000002"), "is closed"],
    ["fault=reset-stream", rst("00000002"), "is closed"],
    ["fault=reset-stream, code=REFUSED_STREAM", rst("00000007"), "is closed"],
    ["fault=truncate", rst("00000008"), "is closed"],
    ["fault=bad-hpack", hex("000001 01 05 00000005", "80"), "is closed"],
    ["fault=hang", "", "hangs"],
    ["fault=stall, after=1", "", "hangs"],
    ["fault=half-close", hex("000000 00 01 00000005"), "is done"],
    ["fault=garbage", garbage, "is done"],
  ];
  test.each(rows)("%s", (order, frame, next) => {
    expect(verdictOf(order)).toEqual({ ...GOES_ON, hex: frame, next });
  });

  test("garbage after content is DATA, as far as the windows let it pass", () => {
    expect(verdictOf("fault=garbage, after=0")).toEqual({
      ...GOES_ON,
      hex: hex("000003 00 01 00000005", "000102"),
      next: "is done",
      windowBytes: 3,
    });
  });
});

test("a fault without values of HTTP/2 has those of the table", () => {
  const plain = (kind: Fault["kind"]) => ({ ...(parseFaultField("fault=hang") as Fault), kind, http2: null });
  const frames = (kind: Fault["kind"]) => Buffer.from(effectOf(plain(kind), AT, GARBAGE).frames).toString("hex");
  expect(frames("goaway")).toBe(hex("000008 07 00 00000000", "00000005 00000000"));
  expect(frames("settings")).toBe(hex("000000 04 00 00000000"));
  expect(frames("reset-stream")).toBe(hex("000004 03 00 00000005", "00000002"));
  expect(frames("bad-frame").slice(0, 18)).toBe(hex("004001 00 00 00000005"));
});

function hexOf(text: string): string {
  return Buffer.from(text).toString("hex");
}
