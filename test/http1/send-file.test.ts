/** A file that the kernel reads itself is the file that a copy would send, whatever part of it each call takes. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ConversationLimits } from "../../src/exchange/context.ts";
import type { FilePart } from "../../src/http/message.ts";
import {
  type FakeClient,
  FakeServer,
  FakeSource,
  type FakeTransport,
  get,
  Outcome,
  respondWith,
} from "../support/conversation.ts";

const PROBE_BYTES = 50;
const DESCRIPTOR = 7;

/** A source whose bytes are in a file, but for `own` bytes before it and after it, as in a multipart. */
class FileContent extends FakeSource {
  readonly #own: number;

  constructor(size: number, available = size, own = 0) {
    super(size, available);
    this.#own = own;
  }

  fileAt(position: number): FilePart | null {
    if (this.closes > 0) throw new Error("asked for a file after close");
    const end = this.size - this.#own;
    if (position < this.#own || position >= end) return null;
    return { descriptor: DESCRIPTOR, offset: position, size: end - position };
  }
}

/** Returns the number of bytes that a call takes of `count`, below 1 for none. */
type Take = (count: number) => number;

const EVERYTHING: Take = (count) => count;

/** A transport that sends the file of `source`: as much as `take` says, there is room for, and the file has. */
function sendingFiles(source: FileContent, take: Take, calls: number[] = []) {
  return (transport: FakeTransport) => {
    const sendFile = (descriptor: number, offset: number, count: number): number => {
      if (descriptor !== DESCRIPTOR || source.closes > 0) throw new Error("sent from a descriptor that is closed");
      if (transport.finSent) throw new Error("sent after FIN");
      calls.push(count);
      if (transport.isClosed) return -1;
      const taken = Math.min(take(count), transport.room, Math.max(0, source.available - offset));
      for (let at = 0; at < taken; at++) transport.sent += String.fromCharCode(FakeSource.byteAt(offset + at));
      if (taken > 0) transport.room -= taken;
      return taken;
    };
    return Object.assign(transport, { sendFile });
  };
}

interface Download {
  readonly server: FakeServer;
  readonly client: FakeClient;
  /** Bytes that each call offered. */
  readonly calls: readonly number[];
}

/** A client that asks for `source`; the kernel takes `room` bytes at first. */
function download(source: FileContent, take: Take | null, room: number, limits: Partial<ConversationLimits> = {}) {
  const server = new FakeServer({ limits: { minRateBytes: 1, ...limits } });
  server.handler.respond = () => respondWith(200, source);
  const calls: number[] = [];
  const client = server.connect((transport) =>
    take === null ? transport : sendingFiles(source, take, calls)(transport as FakeTransport),
  );
  client.transport.room = room;
  client.send(get("/"));
  return { server, client, calls } satisfies Download;
}

/** Reads `rooms` bytes at a time until the response is over. */
function readOut({ server, client }: Download, rooms: readonly number[]): string {
  for (let at = 0; server.observer.lines.length === 0; at++) {
    server.runDeferred();
    if (server.observer.lines.length > 0) break;
    client.drain(rooms[at % rooms.length] as number);
  }
  return client.transport.sent;
}

test("a client gets the same bytes and the same line in the log, whatever parts of a file a call takes", () => {
  const parts = fc.array(fc.integer({ min: -1, max: 1500 }), { minLength: 1, maxLength: 12 });
  const rooms = fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 12 });
  const sizes = fc.record({
    size: fc.integer({ min: 1000, max: 20_000 }),
    cut: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 900 })),
    own: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 400 })),
  });
  fc.assert(
    fc.property(sizes, parts, rooms, ({ size, cut, own }, takes, room) => {
      let at = 0;
      const take: Take = (count) => Math.min(count, takes[at++ % takes.length] as number);
      const make = () => new FileContent(size, size - cut, own);
      const copied = download(make(), null, room[0] as number);
      const sent = download(make(), take, room[0] as number);
      expect(readOut(sent, room)).toBe(readOut(copied, [100_000]));
      expect(sent.server.observer.lines).toEqual(copied.server.observer.lines);
      expect(sent.server.observer.failures).toEqual([]);
    }),
  );
});

describe("a file that the kernel sends", () => {
  test("follows a write of the head and its first bytes, and needs no other copy", () => {
    const source = new FileContent(5000);
    const { client, server, calls } = download(source, EVERYTHING, Number.POSITIVE_INFINITY);
    const [first, ...others] = client.transport.writes;
    expect(first).toBe(client.transport.sent.length - 5000 + PROBE_BYTES);
    expect([others, source.reads, calls]).toEqual([[], 1, [1000, 1000, 1000, 1000, 950]]);
    expect(server.observer.lines[0]).toMatchObject({ bytes: 5000, outcome: Outcome.KeptAlive });
    expect(source.closes).toBe(1);
  });

  test("is followed by an ordinary write when the kernel is full, so that drained comes", () => {
    const { client, calls } = download(new FileContent(5000), (count) => Math.min(count, 300), 10_000);
    expect(client.transport.writes.slice(1).every((bytes) => bytes === PROBE_BYTES)).toBe(true);
    expect(calls.length).toBeGreaterThan(3);
    const { client: full, calls: stopped } = download(new FileContent(5000), EVERYTHING, 1000);
    expect(full.transport.writes.at(-1)).toBe(0);
    expect(stopped.length).toBe(1);
    full.drain(0);
    expect([full.transport.writes.at(-1), stopped.length]).toEqual([0, 2]);
  });

  test("takes eight slices of a turn, then lets others have theirs", () => {
    const { server, calls } = download(new FileContent(20_000), EVERYTHING, Number.POSITIVE_INFINITY);
    expect([calls.length, server.deferred.length]).toEqual([7, 1]);
    server.runDeferred();
    expect(server.observer.lines[0]).toMatchObject({ bytes: 20_000 });
  });

  test("is copied from the fourth call on that fails while the kernel is not full", () => {
    const source = new FileContent(9000);
    const { server, calls } = download(source, () => -1, Number.POSITIVE_INFINITY);
    server.runDeferred();
    expect(calls.length).toBe(4);
    expect(server.observer.lines[0]).toMatchObject({ bytes: 9000, outcome: Outcome.KeptAlive });
  });

  test("is not copied for failures that do not follow each other", () => {
    let at = 0;
    const take: Take = (count) => (at++ % 2 === 0 ? -1 : Math.min(count, 100));
    const { server, calls } = download(new FileContent(9000), take, Number.POSITIVE_INFINITY);
    server.runDeferred();
    expect(calls.length).toBeGreaterThan(80);
    expect(server.observer.lines[0]).toMatchObject({ bytes: 9000 });
  });

  test("is tried again for the next response of a connection", () => {
    const server = new FakeServer();
    server.handler.respond = () => respondWith(200, new FileContent(9000));
    let calls = 0;
    const fails = () => -Math.sign(++calls);
    const client = server.connect((transport) => Object.assign(transport, { sendFile: fails }));
    for (let response = 1; response <= 2; response++) {
      client.send(get("/"));
      server.runDeferred();
      expect([calls, server.observer.lines.length]).toEqual([4 * response, response]);
    }
  });

  test("goes on after failures that a full kernel explains", () => {
    const source = new FileContent(9000);
    let fails = true;
    const take: Take = (count) => (fails ? -1 : count);
    const made = download(source, take, 250);
    for (let drains = 0; drains < 10; drains++) made.client.drain(0);
    fails = false;
    made.client.drain();
    made.server.runDeferred();
    expect(made.calls.length).toBeGreaterThan(15);
    expect(made.server.observer.lines[0]).toMatchObject({ bytes: 9000 });
  });

  test("ends the connection where the file was cut meanwhile", () => {
    const { client, server } = download(new FileContent(9000, 3210), EVERYTHING, Number.POSITIVE_INFINITY);
    expect(client.transport.sent.length - client.transport.sent.indexOf("\r\n\r\n") - 4).toBe(3210);
    expect(server.observer.lines[0]).toMatchObject({ bytes: 3210, outcome: Outcome.Aborted, closing: "short content" });
    expect(client.transport.finSent).toBe(true);
  });

  test("is not asked for again after the connection was closed", () => {
    const source = new FileContent(9000);
    const { client, calls, server } = download(source, EVERYTHING, 1500);
    const before = calls.length;
    client.transport.terminate();
    client.connection.drained();
    server.runDeferred();
    expect([calls.length, source.closes]).toEqual([before, 1]);
    expect(server.observer.lines[0]).toMatchObject({ outcome: Outcome.Aborted });
  });

  test("misses its deadline as a copy does when its reader does not read", () => {
    const { client, server } = download(new FileContent(9000), EVERYTHING, 1500, { stallTimeoutMs: 1000 });
    server.pass(10_000);
    expect([client.transport.wasReset, server.observer.closeReasons]).toEqual([true, ["send timeout"]]);
  });

  test("keeps its reader's connection while sendFile alone moves it fast enough", () => {
    const { client, server, calls } = download(new FileContent(90_000), EVERYTHING, 500, { stallTimeoutMs: 1000 });
    for (let window = 0; window < 20; window++) {
      server.pass(900);
      // Room for a part of a slice, and for none of the write that follows.
      client.drain(400);
    }
    expect([client.transport.isClosed, calls.length]).toEqual([false, 21]);
  });

  test("is read for no answer to HEAD", () => {
    const server = new FakeServer();
    const source = new FileContent(9000);
    const calls: number[] = [];
    server.handler.respond = () => respondWith(200, source);
    const client = server.connect((transport) => sendingFiles(source, EVERYTHING, calls)(transport as FakeTransport));
    client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect([calls, source.reads, source.closes]).toEqual([[], 0, 1]);
  });

  test.each([
    ["a small one", new FileContent(999)],
    ["content without a file", new FileContent(5000, 5000, 2500)],
  ])("is copied: %s", (_, source) => {
    const { calls, server } = download(source, EVERYTHING, Number.POSITIVE_INFINITY);
    expect(calls).toEqual([]);
    expect(server.observer.lines[0]).toMatchObject({ bytes: source.size });
  });
});
