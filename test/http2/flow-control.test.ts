import { describe, expect, test } from "bun:test";
import { ReceiveWindow, SendWindow } from "../../src/http2/flow-control.ts";
import { WINDOW_MAX } from "../../src/http2/frames.ts";

describe("the window for bytes that we send", () => {
  test("shrinks by what is sent, and counts it", () => {
    const window = new SendWindow(10);
    window.spend(4);
    window.spend(5);
    expect([window.size, window.spent]).toEqual([1, 9]);
  });

  test("is widened up to 31 bits, and may fall below zero", () => {
    const window = new SendWindow(10);
    expect([window.widen(-15), window.size]).toEqual([true, -5]);
    expect([window.widen(WINDOW_MAX + 6), window.size]).toEqual([false, -5]);
    expect([window.widen(WINDOW_MAX + 5), window.size]).toEqual([true, WINDOW_MAX]);
    expect([window.widen(1), window.size]).toEqual([false, WINDOW_MAX]);
  });
});

describe("the window for bytes that the peer sends", () => {
  test("takes frames up to its size, and none that is larger", () => {
    const window = new ReceiveWindow(10, 10);
    expect([window.take(11), window.left, window.take(10), window.left, window.take(1)]).toEqual([
      false,
      10,
      true,
      0,
      false,
    ]);
  });

  test("is given back when half of it was consumed, all at once", () => {
    const window = new ReceiveWindow(10, 10);
    window.take(10);
    expect([window.consume(4), window.consume(1), window.left]).toEqual([0, 5, 5]);
    expect([window.consume(4), window.consume(1), window.left]).toEqual([0, 5, 10]);
  });

  test("that begins smaller than its size is opened by the difference", () => {
    const window = new ReceiveWindow(10, 100);
    expect([window.consume(0), window.left, window.consume(0)]).toEqual([90, 100, 0]);
  });

  test("opens by no more than a fault allows, until the fault ends", () => {
    const window = new ReceiveWindow(10, 10);
    window.restrict(7);
    window.take(10);
    expect([window.consume(5), window.isShut]).toEqual([5, false]);
    window.take(5);
    expect([window.consume(5), window.isShut, window.left]).toEqual([2, false, 2]);
    window.take(2);
    expect([window.consume(2), window.isShut, window.left]).toEqual([0, true, 0]);
    expect([window.release(), window.isShut, window.consume(0), window.left]).toEqual([true, false, 5, 5]);
  });

  test("that a fault has not kept closed is released without a word", () => {
    const window = new ReceiveWindow(10, 10);
    expect([window.isShut, window.release()]).toEqual([false, false]);
    window.restrict(0);
    window.take(4);
    expect([window.consume(4), window.isShut, window.release()]).toEqual([0, false, false]);
  });
});
