/** The text of the status line, whatever the width of the terminal; and when it changes. */
import { describe, expect, test } from "bun:test";
import { type LiveFigures, LiveLine, renderLiveLine } from "../../src/cli/live-line.ts";
import type { Snapshot } from "../../src/handlers/endpoints/status.ts";

const FIGURES: LiveFigures = {
  active: 8,
  size: 10,
  queued: 0,
  refused: 0,
  requestsPerSecond: 1234.5,
  p50Ms: 0.42,
  p99Ms: 12.3,
  connections: 56,
};

const CALM = "8/10 slots | 0 queued | 1235 req/s | p50 0.42 ms, p99 12 ms | 56 connections";
const BUSY: LiveFigures = { ...FIGURES, active: 10, queued: 7, refused: 31 };
const WIDE = 200;

describe("the line", () => {
  test("says how busy the pool is, how fast it answers and to how many", () => {
    expect(renderLiveLine(FIGURES, WIDE, true)).toBe(CALM);
    expect(renderLiveLine({ ...FIGURES, connections: 1 }, WIDE, false)).toEndWith(" | 1 connection");
    const shared = { ...FIGURES, connections: 12, connectionsByWorker: [5, 7] };
    expect(renderLiveLine(shared, WIDE, false)).toEndWith(" | 12 connections (5+7)");
  });

  test("has refusals once there were any, and colours for what is full", () => {
    const figures = "1235 req/s | p50 0.42 ms, p99 12 ms | 56 connections";
    expect(renderLiveLine(BUSY, WIDE, false)).toBe(`10/10 slots | 7 queued | 31 x 503 | ${figures}`);
    expect(renderLiveLine(BUSY, WIDE, true)).toBe(
      `\x1b[33m10/10 slots\x1b[39m | \x1b[33m7 queued\x1b[39m | \x1b[31m31 x 503\x1b[39m | ${figures}`,
    );
  });

  test("is never longer than the terminal is wide, and never ends within a number", () => {
    const whole = renderLiveLine(BUSY, WIDE, false);
    for (let columns = 0; columns <= whole.length + 1; columns++) {
      const line = renderLiveLine(BUSY, columns, false);
      const end = whole.slice(line.length);
      expect([columns, line.length <= columns, whole.startsWith(line)]).toEqual([columns, true, true]);
      if (columns >= "10/10 slots".length)
        expect([columns, end === "" || end.startsWith(" | ")]).toEqual([columns, true]);
      expect(Bun.stripANSI(renderLiveLine(BUSY, columns, true))).toBe(line);
    }
    expect(renderLiveLine(BUSY, whole.length, false)).toBe(whole);
    expect(renderLiveLine(BUSY, 5, true)).toBe("\x1b[33m10/10\x1b[39m");
    expect(renderLiveLine(BUSY, -1, false)).toBe("");
  });

  const durations: readonly [ms: number | null, text: string][] = [
    [null, "-"],
    [0, "0.00 ms"],
    [0.994, "0.99 ms"],
    [0.995, "1.0 ms"],
    [9.94, "9.9 ms"],
    [9.95, "10 ms"],
    [999.4, "999 ms"],
    [999.5, "1.0 s"],
    [9949, "9.9 s"],
    [9950, "10 s"],
    [80_000, "80 s"],
  ];
  for (const [ms, text] of durations) {
    test(`shows ${ms} ms as ${text}`, () => {
      expect(renderLiveLine({ ...FIGURES, p50Ms: ms }, WIDE, false)).toContain(`p50 ${text}, p99 `);
    });
  }
});

/** A look at a server of two slots. */
function look(more: Partial<Snapshot> = {}): Snapshot {
  return {
    atMs: 0,
    uptimeMs: 0,
    instance: "i1",
    version: "1",
    intervalMs: 250,
    pool: { size: 2, active: 0, queued: 0, queueMax: 5, lent: 0 },
    slots: "..",
    sendingBytes: 0,
    work: [],
    answeredBySlot: [0, 0],
    connections: { open: 1, max: 9 },
    requests: 0,
    contentBytes: 0,
    queued: 0,
    refused: 0,
    p50Ms: null,
    p99Ms: null,
    recent: [],
    totals: { accepted: 0, requests: 0, contentBytes: 0, aborted: 0, statuses: {}, refusals: {} },
    ...more,
  };
}

function start() {
  const shown: string[] = [];
  let columns = 100;
  const line = new LiveLine(
    (text) => shown.push(text),
    () => columns,
    false,
  );
  const resize = (width: number) => {
    columns = width;
    line.draw();
  };
  return { line, resize, last: () => shown.at(-1) ?? "", shown };
}

describe("looks at the server", () => {
  test("become one line each", () => {
    const { line, shown } = start();
    line.see(look({ intervalMs: 0 }));
    line.see(look({ pool: { size: 2, active: 2, queued: 3, queueMax: 5, lent: 0 }, connections: { open: 5, max: 9 } }));
    expect(shown).toEqual([
      "0/2 slots | 0 queued | 0 req/s | p50 -, p99 - | 1 connection",
      "2/2 slots | 3 queued | 0 req/s | p50 -, p99 - | 5 connections",
    ]);
  });

  test("give the rate of the last second, whatever their intervals", () => {
    const { line, last } = start();
    const rate = () => Number(/(\d+) req\/s/.exec(last())?.[1]);
    const rates: number[] = [];
    for (const [requests, intervalMs] of [
      [0, 0],
      [10, 250],
      [10, 250],
      [0, 250],
      [0, 250],
      [0, 250],
      [0, 250],
      [8, 4000],
      [0, 250],
    ] as const) {
      line.see(look({ requests, intervalMs, p50Ms: requests > 0 ? 1 : null }));
      rates.push(rate());
    }
    expect(rates).toEqual([0, 10, 20, 20, 20, 10, 0, 2, 2]);
  });

  test("keep the percentiles of the last answers while the rate tells of them", () => {
    const { line, last } = start();
    line.see(look({ requests: 5, p50Ms: 3, p99Ms: 4 }));
    for (let i = 0; i < 3; i++) {
      line.see(look());
      expect(last()).toContain("5 req/s | p50 3.0 ms, p99 4.0 ms");
    }
    line.see(look());
    expect(last()).toContain("0 req/s | p50 -, p99 -");
  });

  test("count everybody who was turned away since the start", () => {
    const { line, last } = start();
    const refusals = { "queue full": 2, "too many connections": 3 };
    line.see(look({ totals: { ...look().totals, refusals } }));
    expect(last()).toContain("| 5 x 503 |");
  });
});

test("a terminal of another width gets another line, with the last column free", () => {
  const { line, resize, last, shown } = start();
  resize(50);
  expect(shown).toEqual([]); // Nothing was seen yet.
  line.see(look());
  expect(last()).toBe("0/2 slots | 0 queued | 0 req/s | p50 -, p99 -");
  resize(46);
  expect(last()).toBe("0/2 slots | 0 queued | 0 req/s | p50 -, p99 -");
  resize(45);
  expect(last()).toBe("0/2 slots | 0 queued | 0 req/s");
});
