/** Requests to stop, by a clock moved by hand. */
import { afterEach, expect, test } from "bun:test";
import { Signals, type StopSignal } from "../../src/cli/signals.ts";
import { turns } from "../support/waiting.ts";

const NAMES: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
const before = NAMES.map((name) => process.listeners(name));

afterEach(() => {
  for (const [i, name] of NAMES.entries()) {
    for (const listener of process.listeners(name)) {
      if (before[i]?.includes(listener) !== true) process.removeListener(name, listener as () => void);
    }
  }
});

/** Signals by a clock, and those that a caller has been told of. */
function listen() {
  const clock = { nowMs: 0 };
  const signals = new Signals(() => clock.nowMs);
  const told: StopSignal[] = [];
  const tellNext = (): Promise<void> =>
    signals.next().then((signal) => {
      told.push(signal);
      return tellNext();
    });
  return { clock, signals, told, tellNext };
}

test("a signal in the first quarter of a second is the first one once more, whichever it is", async () => {
  const { clock, told, tellNext } = listen();
  void tellNext();
  process.emit("SIGINT");
  process.emit("SIGINT");
  clock.nowMs = 249;
  process.emit("SIGTERM");
  await turns();
  expect(told).toEqual(["SIGINT"]);
  clock.nowMs = 250;
  process.emit("SIGTERM");
  await turns();
  expect(told).toEqual(["SIGINT", "SIGTERM"]);
});

test("signals that come before one is asked for are kept, in their order", async () => {
  const { clock, signals } = listen();
  process.emit("SIGTERM");
  clock.nowMs = 1000;
  process.emit("SIGINT");
  expect([await signals.next(), await signals.next()]).toEqual(["SIGTERM", "SIGINT"]);
});

test("SIGHUP is a request to stop only where it was asked for", async () => {
  const { signals, told, tellNext } = listen();
  expect(process.listenerCount("SIGHUP")).toBe(before[2]?.length ?? 0);
  signals.listen("SIGHUP");
  void tellNext();
  process.emit("SIGHUP");
  await turns();
  expect(told).toEqual(["SIGHUP"]);
});
