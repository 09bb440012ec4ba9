/** Times and sizes as people write them. */
import { describe, expect, test } from "bun:test";
import { parseDuration, parseSize } from "../../src/http/units.ts";

describe("parseDuration", () => {
  const cases: readonly [text: string, milliseconds: number | undefined][] = [
    ["500ms", 500],
    ["30s", 30_000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["1.5s", 1500],
    ["0.001s", 1],
    ["30S", 30_000],
    ["30", 30_000],
    ["0", 0],
    ["", undefined],
    ["s", undefined],
    ["-1s", undefined],
    ["+1s", undefined],
    ["1 s", undefined],
    [" 1s", undefined],
    ["1s\n", undefined],
    ["1e3", undefined],
    ["0x10", undefined],
    ["1d", undefined],
    ["1m30s", undefined],
    ["0.5ms", undefined],
    ["Infinity", undefined],
    ["9999999999999s", undefined],
  ];
  for (const [text, milliseconds] of cases) {
    test(`${JSON.stringify(text)} is ${milliseconds ?? "refused"}`, () => {
      expect(parseDuration(text)).toBe(milliseconds as number);
    });
  }
});

describe("parseSize", () => {
  const cases: readonly [text: string, bytes: number | undefined][] = [
    ["512", 512],
    ["512b", 512],
    ["64kb", 65_536],
    ["64KB", 65_536],
    ["64k", 65_536],
    ["64KiB", 65_536],
    ["10mb", 10_485_760],
    ["10m", 10_485_760],
    ["1g", 1_073_741_824],
    ["2GB", 2_147_483_648],
    ["0", 0],
    ["", undefined],
    ["kb", undefined],
    ["-1", undefined],
    ["1.5mb", undefined],
    ["1 kb", undefined],
    ["1tb", undefined],
    ["1e3", undefined],
    ["999999999999999gb", undefined],
  ];
  for (const [text, bytes] of cases) {
    test(`${JSON.stringify(text)} is ${bytes ?? "refused"}`, () => {
      expect(parseSize(text)).toBe(bytes as number);
    });
  }
});
