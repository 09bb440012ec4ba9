import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Clock } from "../../src/exchange/clock.ts";
import { ContentBuffer, ContentMemory } from "../../src/exchange/content-buffer.ts";
import { ReceiveBuffer } from "../../src/exchange/receive-buffer.ts";
import { Outbox, Progress, Scratch } from "../../src/http1/outbox.ts";
import { HeadStarts } from "../../src/http1/response-head.ts";
import { framed } from "../../src/http1/transfer-coding.ts";
import { limits } from "../../src/settings/limits.ts";
import { FakeSource, FakeTransport, respondWith } from "../support/conversation.ts";

const chunks = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 });

describe("a receive buffer", () => {
  test("gives back what was put in, in order, however it is consumed", () => {
    fc.assert(
      fc.property(chunks, fc.array(fc.nat(40)), (given, takes) => {
        const buffer = new ReceiveBuffer(new FakeTransport());
        const out: number[] = [];
        const take = (most: number) => {
          const count = Math.min(most, buffer.length);
          out.push(...buffer.bytes.subarray(buffer.start, buffer.start + count));
          if (count > 0) buffer.consume(count);
        };
        given.forEach((chunk, at) => {
          buffer.append(chunk);
          take(takes[at] ?? 0);
          buffer.regulate(1e9);
        });
        take(Number.POSITIVE_INFINITY);
        expect(out).toEqual(given.flatMap((chunk) => [...chunk]));
      }),
    );
  });

  test("never overwrites bytes that somebody may still look at", () => {
    fc.assert(
      fc.property(chunks, (given) => {
        const buffer = new ReceiveBuffer(new FakeTransport());
        const views: { view: Uint8Array; copy: number[] }[] = [];
        for (const chunk of given) {
          buffer.append(chunk);
          const view = buffer.bytes.subarray(buffer.start, buffer.end);
          views.push({ view, copy: [...view] });
          if (buffer.length > 60) buffer.consume(buffer.length - 7);
        }
        for (const { view, copy } of views) expect([...view]).toEqual(copy);
      }),
    );
  });

  test("lets go of a large array of which little is left", () => {
    const buffer = new ReceiveBuffer(new FakeTransport());
    buffer.append(new Uint8Array(100_000).fill(7));
    buffer.consume(99_990);
    buffer.regulate(1e9);
    expect(buffer.bytes.buffer.byteLength).toBe(10);
    expect([...buffer.bytes]).toEqual(new Array(10).fill(7));
  });
});

describe("a body buffer", () => {
  test("keeps content that comes in one piece as a view, without a copy", () => {
    const body = new ContentBuffer(new ContentMemory(1000));
    const received = new Uint8Array(100);
    body.append(received, 10, 60, 90);
    expect(body.content.buffer).toBe(received.buffer);
    expect(body.content.length).toBe(50);
  });

  test("joins pieces in order and never writes into received bytes", () => {
    fc.assert(
      fc.property(chunks, (given) => {
        const body = new ContentBuffer(new ContentMemory(10_000));
        const copies = given.map((chunk) => [...chunk]);
        for (const chunk of given) if (chunk.length > 0) body.append(chunk, 0, chunk.length, 10_000);
        expect([...body.content]).toEqual(copies.flat());
        expect(given.map((chunk) => [...chunk])).toEqual(copies);
      }),
    );
  });

  test("takes no more than the budget that all share, and gives everything back", () => {
    const memory = new ContentMemory(100);
    const [one, two] = [new ContentBuffer(memory), new ContentBuffer(memory)];
    expect(one.append(new Uint8Array(60), 0, 60, 60)).toBe(true);
    expect(two.append(new Uint8Array(60), 0, 60, 60)).toBe(false);
    one.release();
    one.release();
    expect(memory.used).toBe(0);
    expect(two.append(new Uint8Array(60), 0, 60, 60)).toBe(true);
  });

  test("is not refused for room that it cannot need: content as long as the whole budget fits into it", () => {
    fc.assert(
      fc.property(chunks, (given) => {
        const length = given.reduce((sum, chunk) => sum + chunk.length, 0);
        const memory = new ContentMemory(length);
        const body = new ContentBuffer(memory);
        for (const chunk of given) {
          if (chunk.length > 0) expect(body.append(chunk, 0, chunk.length, length)).toBe(true);
          expect(memory.used).toBeGreaterThanOrEqual(body.length);
        }
        expect(body.length).toBe(length);
      }),
    );
  });

  test("is charged for what has come and 2 MiB, when it has room for all that it can have", () => {
    const memory = new ContentMemory(100 << 20);
    const body = new ContentBuffer(memory);
    const piece = Uint8Array.from({ length: 500_000 }, (_, i) => i % 251);
    const rooms = new Set<ArrayBufferLike>();
    for (let i = 1; i <= 100; i++) {
      expect(body.append(piece, 0, piece.length, 64 << 20)).toBe(true);
      rooms.add(body.content.buffer);
      expect(memory.used).toBeGreaterThanOrEqual(body.length);
      expect(memory.used).toBeLessThanOrEqual(body.length + (2 << 20));
    }
    expect(rooms.size).toBeLessThan(6);
    for (let i = 0; i < 100; i++) {
      const { content } = body;
      if (!Buffer.from(content.buffer, i * piece.length, piece.length).equals(piece))
        throw new Error(`piece ${i} has changed`);
    }
    body.release();
    expect(memory.used).toBe(0);
  });

  test("grows by doubling, so that content in many pieces is not copied each time", () => {
    const memory = new ContentMemory(10_000);
    const body = new ContentBuffer(memory);
    const charges = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      body.append(new Uint8Array(7), 0, 7, 8000);
      charges.add(memory.used);
    }
    expect(charges.size).toBeLessThan(15);
    expect(memory.used).toBe(8000);
  });
});

describe("an outbox", () => {
  /** Sends a file of ten slices; each look at the clock finds `msPerLook` more. Returns the slices of the first turn. */
  function slicesOfATurn(msPerLook: number): number {
    let now = 0;
    const clock = new Clock(0, 0, { nowMs: () => (now += msPerLook) });
    const transport = new FakeTransport();
    const outbox = new Outbox(transport, new Scratch(4000), { ...limits, sliceBytes: 1000 }, clock);
    outbox.put(
      framed(respondWith(200, new FakeSource(10_000)), true),
      false,
      new HeadStarts(clock.dateLine, 30),
      true,
      1,
    );
    expect(outbox.pump()).toBe(Progress.Yield);
    return transport.writes.length;
  }

  test("sends eight slices of a file in a turn, then lets others have theirs", () => {
    expect(slicesOfATurn(0)).toBe(8);
  });

  test("ends the turn earlier when the disk is slow, though never before the first slice", () => {
    expect(slicesOfATurn(1)).toBe(3);
    expect(slicesOfATurn(50)).toBe(1);
  });
});
