import { describe, expect, test } from "bun:test";
import { Drip, PacedText, Pauses } from "../../../src/handlers/httpbin/pauses.ts";
import { ManualClock } from "../../../src/server/time-source.ts";
import { readContent } from "../../support/live-content.ts";
import { makeRequest } from "../../support/site.ts";
import { turns } from "../../support/waiting.ts";
import { ask, makeBin } from "./bin.ts";

describe("a delay", () => {
  test("answers when its time has come, by the server's clock", async () => {
    const { clock, mount } = makeBin();
    let status = 0;
    void Promise.resolve(mount.respond(makeRequest("GET /delay/2.5"))).then((response) => (status = response.status));
    clock.advance(2499);
    await turns(2);
    expect(status).toBe(0);
    clock.advance(1);
    await turns(2);
    expect(status).toBe(200);
  });

  test("of 0 answers at once", () => {
    expect(makeBin().mount.respond(makeRequest("GET /delay/0"))).not.toBeInstanceOf(Promise);
  });

  test("ends when the client has left", async () => {
    const { mount } = makeBin();
    let leave = () => {};
    const request = { ...makeRequest("GET /delay/10"), whenLeft: (call: () => void) => (leave = call) };
    const response = mount.respond(request);
    leave();
    expect((await response).status).toBe(200);
  });

  test("ends when the server drains, and none begins afterwards", async () => {
    const { mount } = makeBin();
    const waiting = mount.respond(makeRequest("POST /delay/10"));
    mount.drain();
    expect((await waiting).status).toBe(200);
    expect(mount.respond(makeRequest("GET /delay/10"))).not.toBeInstanceOf(Promise);
  });
});

describe("a drip", () => {
  test("sends a byte, a pause, a byte, and nothing before its delay", async () => {
    const { clock, mount } = makeBin();
    const waiting = mount.respond(makeRequest("GET /drip?numbytes=3&duration=2&delay=1"));
    clock.advance(1000);
    const { content } = await waiting;
    if (content === null || !("whenMore" in content)) throw new Error("the content is not live");
    let calls = 0;
    content.whenMore(() => calls++);
    const into = new Uint8Array(10);
    expect(content.size).toBe(3);
    expect([content.read(0, into, 0, 10), content.read(1, into, 1, 9), calls]).toEqual([1, 0, 0]);
    clock.advance(999);
    expect([content.read(1, into, 1, 9), calls]).toEqual([0, 0]);
    clock.advance(1);
    expect([content.read(1, into, 1, 9), content.read(2, into, 2, 8), calls]).toEqual([1, 0, 1]);
    clock.advance(1000);
    expect([content.read(2, into, 2, 8), calls]).toEqual([1, 2]);
    expect(Buffer.from(into.subarray(0, 3)).toString()).toBe("***");
  });

  test("of a mebibyte takes as many reads as a socket takes, not as it has bytes", () => {
    const clock = new ManualClock();
    const drip = new Drip({ pauses: new Pauses(clock), count: 1_048_576, pauseMs: 10_000 / 1_048_575 }, 0x2a);
    expect(readContent(drip, () => clock.advance(1000), 65_536)).toHaveLength(1_048_576);
    expect(clock.nowMs()).toBe(10_000);
  });

  test("sends the rest at once when the server drains", async () => {
    const { mount } = makeBin();
    const { content } = await mount.respond(makeRequest("GET /drip?duration=10&delay=0"));
    mount.drain();
    expect(readContent(content, () => {})).toHaveLength(10);
  });

  test("that is closed holds no timer", async () => {
    const { clock, mount } = makeBin();
    const { content } = await mount.respond(makeRequest("GET /drip?duration=10&delay=0"));
    if (content === null || !("whenMore" in content)) throw new Error("the content is not live");
    let calls = 0;
    content.whenMore(() => calls++);
    content.read(1, new Uint8Array(1), 0, 1);
    content.close();
    clock.advance(20_000);
    expect(calls).toBe(0);
  });
});

describe("a stream of text", () => {
  test("makes each piece when it is due", () => {
    const clock = new ManualClock();
    const made: number[] = [];
    const text = new PacedText({ pauses: new Pauses(clock), count: 3, pauseMs: 100 }, (index) => {
      made.push(clock.nowMs());
      return `piece ${index};`;
    });
    expect(readContent(text, () => clock.advance(1), 5).toString()).toBe("piece 0;piece 1;piece 2;");
    expect(made).toEqual([0, 100, 200]);
  });

  test("of events takes its time from the server's clock", async () => {
    const { text, chunks } = await ask(makeBin(), "GET /sse?count=3&duration=4s&delay=1s");
    const times = Array.from(text.matchAll(/"timestamp":(\d+)/g), ([, time]) => Number(time));
    expect(times.map((time) => time - (times[0] ?? 0))).toEqual([0, 2000, 4000]);
    expect(chunks).toBe(3);
  });

  test("of lines has at most a hundred, each with the request", async () => {
    const { text, chunks } = await ask(makeBin(), "GET /stream/1000?a=b");
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, id) => id));
    expect(lines[99]).toMatchObject({ args: { a: ["b"] }, url: "http://bin.test/stream/1000?a=b" });
    expect(chunks).toBe(100);
  });
});
