import { describe, expect, test } from "bun:test";
import { LocalCounter } from "../../src/exchange/counter.ts";
import { type Holder, PeerMemory } from "../../src/exchange/peer-memory.ts";

/** A budget of 1,000 bytes, and the connections that it has cut. */
class Bench {
  readonly cut: string[] = [];
  readonly memory: PeerMemory;
  #due: PeerMemory[] = [];

  constructor() {
    this.memory = new PeerMemory(1000, (sleeper) => this.#due.push(sleeper));
  }

  holder(name: string): Holder {
    return { abort: () => this.cut.push(name) };
  }

  runDeferred(): void {
    for (const sleeper of this.#due.splice(0)) sleeper.resumed();
  }
}

describe("the budget of memory that is held for peers", () => {
  test("cuts the connection that holds most, and no others once the rest fits", () => {
    const bench = new Bench();
    bench.memory.hold(bench.holder("small"), 90);
    bench.memory.hold(bench.holder("large"), 600);
    bench.memory.hold(bench.holder("middle"), 250);
    bench.memory.hold(bench.holder("other"), 200);
    expect(bench.cut).toEqual([]);
    bench.runDeferred();
    expect(bench.cut).toEqual(["large"]);
    expect(bench.memory.used).toBe(540);
  });

  test("of two that hold about as much, cuts the one whose peer has made no progress for longer", () => {
    const bench = new Bench();
    const reader = bench.holder("reader");
    bench.memory.hold(reader, 400);
    bench.memory.hold(bench.holder("silent"), 400);
    bench.memory.hold(reader, 390);
    bench.memory.hold(bench.holder("third"), 300);
    bench.runDeferred();
    expect(bench.cut).toEqual(["silent"]);
  });

  test("counts content once, however many connections send it", () => {
    const bench = new Bench();
    const page = new ArrayBuffer(800);
    const readers = Array.from({ length: 50 }, (_, at) => bench.holder(`reader ${at}`));
    for (const reader of readers) bench.memory.share(reader, page);
    expect(bench.memory.used).toBe(800);
    const last = readers.pop() as Holder;
    for (const reader of readers) bench.memory.unshare(reader, page);
    expect(bench.memory.used).toBe(800);
    bench.memory.unshare(last, page);
    expect(bench.memory.used).toBe(0);
    bench.runDeferred();
    expect(bench.cut).toEqual([]);
  });

  test("weighs content by its size for each connection: a page with many readers stays, one with a single reader goes", () => {
    const bench = new Bench();
    const popular = new ArrayBuffer(700);
    for (let at = 0; at < 10; at++) bench.memory.share(bench.holder(`reader ${at}`), popular);
    bench.memory.share(bench.holder("alone"), new ArrayBuffer(400));
    bench.runDeferred();
    expect(bench.cut).toEqual(["alone"]);
  });

  test("counts 4 GiB as more than 500 bytes", () => {
    const bench = new Bench();
    bench.memory.hold(bench.holder("large"), 2 ** 32);
    bench.memory.hold(bench.holder("small"), 500);
    bench.runDeferred();
    expect(bench.cut).toEqual(["large"]);
    expect(bench.memory.used).toBe(500);
  });

  test("cuts all connections that send content which does not fit", () => {
    const bench = new Bench();
    const content = new ArrayBuffer(1200);
    bench.memory.share(bench.holder("one"), content);
    bench.memory.share(bench.holder("other"), content);
    bench.runDeferred();
    expect(bench.cut).toEqual(["one", "other"]);
    expect(bench.memory.used).toBe(0);
  });

  test("does not count content that a cache keeps, until it keeps it no longer", () => {
    const bench = new Bench();
    const [hot, cold] = [new ArrayBuffer(900), new ArrayBuffer(800)];
    bench.memory.kept(hot);
    bench.memory.share(bench.holder("reader of a hot file"), hot);
    bench.memory.share(bench.holder("other"), cold);
    expect(bench.memory.used).toBe(800);
    bench.memory.kept(cold);
    expect(bench.memory.used).toBe(0);
    bench.memory.dropped(cold);
    bench.memory.dropped(hot);
    expect(bench.memory.used).toBe(1700);
    bench.runDeferred();
    expect(bench.cut).toHaveLength(1);
  });

  test("forgets a connection that has let go before it was to be cut", () => {
    const bench = new Bench();
    const left = bench.holder("left");
    bench.memory.hold(left, 1100);
    bench.memory.hold(left, 0);
    bench.runDeferred();
    expect(bench.cut).toEqual([]);
    expect(bench.memory.used).toBe(0);
  });

  test("counts content again that is sent anew after its connections were cut", () => {
    const bench = new Bench();
    const content = new ArrayBuffer(1200);
    const one = bench.holder("one");
    bench.memory.share(one, content);
    bench.runDeferred();
    bench.memory.unshare(one, content);
    bench.memory.share(bench.holder("next"), content);
    expect(bench.memory.used).toBe(1200);
    bench.runDeferred();
    expect(bench.cut).toEqual(["one", "next"]);
  });
});

test("a budget that is passed again and again asks once for a turn of its own, and again after it", () => {
  let asked = 0;
  const memory = new PeerMemory(1000, () => asked++);
  const holder = { abort: () => {} };
  memory.hold(holder, 1000);
  expect(asked).toBe(0);
  memory.hold(holder, 1001);
  memory.hold(holder, 1002);
  expect(asked).toBe(1);
  memory.resumed();
  memory.hold(holder, 1001);
  expect([asked, memory.used]).toEqual([2, 1001]);
});

test("of three bytes and one, three go first", () => {
  const cut: string[] = [];
  const memory = new PeerMemory(3, () => {});
  memory.hold({ abort: () => cut.push("one") }, 1);
  memory.hold({ abort: () => cut.push("three") }, 3);
  memory.resumed();
  expect(cut).toEqual(["three"]);
});

test("a budget that is passed is looked at once, and other threads are told if it is passed still", () => {
  const calls: string[] = [];
  const share = { total: new LocalCounter(), threads: 2, tellOthers: () => calls.push("tell") };
  const memory = new PeerMemory(1000, () => calls.push("defer"), share);
  for (const name of ["one", "two", "three"]) memory.hold({ abort: () => calls.push(name) }, 600);
  expect(calls).toEqual(["defer"]);
  memory.resumed();
  expect(calls).toEqual(["defer", "one", "two"]);
  share.total.add(1000);
  memory.hold({ abort: () => calls.push("four") }, 1);
  memory.resumed();
  expect(calls.slice(3)).toEqual(["defer", "three", "tell"]);
});
