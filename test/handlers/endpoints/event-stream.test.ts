/** Events on their way to somebody who reads them fast, slowly, or not at all. */

import { describe, expect, test } from "bun:test";
import { EventStream, streamEvent } from "../../../src/handlers/endpoints/event-stream.ts";
import { ADMITTED } from "../../../src/http/message.ts";
import { textOf } from "../../support/bytes.ts";
import { CONTROL, FakeServer, get } from "../../support/conversation.ts";
import { answerOf } from "../../support/site.ts";

const KIB = 1024;

/** Reads as a connection does: what was taken decides where it goes on. */
class Reader {
  readonly stream: EventStream;
  position = 0;

  constructor(stream: EventStream) {
    this.stream = stream;
  }

  /** What there is, at most `limit` bytes, of which all are taken, or only the first `taken`. */
  read(limit = Number.MAX_SAFE_INTEGER, taken = limit): string {
    const into = new Uint8Array(Math.min(limit, 1024 * KIB) + 4);
    const count = this.stream.read(this.position, into, 2, into.length - 4);
    expect([...into.subarray(0, 2), ...into.subarray(2 + count, 4 + count)]).toEqual([0, 0, 0, 0]);
    const kept = Math.min(count, taken);
    this.position += kept;
    return textOf(into.subarray(2, 2 + kept));
  }

  /** Until there is nothing more, in pieces of `limit` bytes. */
  readAll(limit = Number.MAX_SAFE_INTEGER): string {
    let text = "";
    for (let piece = this.read(limit); piece !== ""; piece = this.read(limit)) text += piece;
    return text;
  }
}

function open() {
  const closed: EventStream[] = [];
  const stream = new EventStream((which) => closed.push(which));
  return { stream, reader: new Reader(stream), closed };
}

/** Tells a browser that this was all. */
const GOODBYE = "event: end\ndata: {}\n\n";

/** The data of each event in `content`, which has whole events; "goodbye" for the last one. */
function eventsOf(content: string): string[] {
  expect(content === "" || content.endsWith("\n\n")).toBe(true);
  return content
    .split(/(?<=\n\n)/)
    .filter((event) => event !== "")
    .map((event) => /^data: (.*)\n\n$/.exec(event)?.[1] ?? (event === GOODBYE ? "goodbye" : `no event: ${event}`));
}

describe("the answer", () => {
  test("has no end, is the last on its connection, and is not cached", () => {
    const { stream } = open();
    const { status, fields, response } = answerOf({ ...stream.response, content: null });
    expect([status, response.isLast]).toEqual([200, true]);
    expect(fields).toEqual({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    });
  });
});

describe("events", () => {
  test("are UTF-8", () => {
    const { stream, reader } = open();
    stream.send(streamEvent('{"path":"/ä→😀"}'));
    expect(reader.readAll()).toBe(textOf(new TextEncoder().encode('data: {"path":"/ä→😀"}\n\n')));
  });

  test("arrive whole whatever pieces they are read in, and whatever part of a piece is taken", () => {
    for (const limit of [1, 2, 3, 7, 64]) {
      const { stream, reader } = open();
      for (const data of ["first", "second", "third"]) stream.send(streamEvent(data));
      stream.end();
      expect([limit, eventsOf(reader.readAll(limit))]).toEqual([limit, ["first", "second", "third", "goodbye"]]);
    }
    const { stream, reader } = open();
    for (const data of ["first", "second", "third"]) stream.send(streamEvent(data));
    let text = "";
    for (let piece = reader.read(9, 4); piece !== ""; piece = reader.read(9, 4)) text += piece;
    expect(eventsOf(text)).toEqual(["first", "second", "third"]);
  });

  test("that are not there yet are no bytes, and whoever reads is called when there are", () => {
    const { stream, reader } = open();
    let calls = 0;
    stream.whenMore(() => calls++);
    expect([reader.read(), stream.isOver, calls]).toEqual(["", false, 0]);
    stream.send(streamEvent("one"));
    expect(calls).toBe(1);
    expect(eventsOf(reader.readAll())).toEqual(["one"]);
    expect(reader.read()).toBe("");
    stream.end();
    expect([stream.isOver, eventsOf(reader.readAll())]).toEqual([true, ["goodbye"]]);
    expect(calls).toBeGreaterThan(1);
  });

  test("do not call a reader that has not come for the event before", () => {
    const { stream, reader } = open();
    let calls = 0;
    stream.whenMore(() => calls++);
    for (const data of ["one", "two", "three"]) stream.send(streamEvent(data));
    expect(calls).toBe(1);
    expect(eventsOf(reader.readAll())).toEqual(["one", "two", "three"]);
    stream.send(streamEvent("four"));
    expect(calls).toBe(2);
  });

  test("after the end are none, and there is one end", () => {
    const { stream, reader } = open();
    stream.end();
    stream.send(streamEvent("late"));
    stream.end();
    expect(eventsOf(reader.readAll())).toEqual(["goodbye"]);
  });
});

describe("a reader that is too slow", () => {
  const event = (name: string) => name + "x".repeat(10 * KIB);
  const namesOf = (content: string) => eventsOf(content).map((data) => data.slice(0, 4).replaceAll("x", ""));

  test("misses whole events: what it gets can still be read, and ends with the newest", () => {
    const { stream, reader } = open();
    for (let i = 0; i < 100; i++) stream.send(streamEvent(event(`${i}`)));
    const names = namesOf(reader.readAll(1000));
    expect(names[0]).toBe("0");
    expect(names.at(-1)).toBe("99");
    expect(names.length).toBeLessThan(30);
    expect(names.map(Number)).toEqual(names.map(Number).toSorted((a, b) => a - b));
  });

  test("gets the rest of the event that it has begun to read", () => {
    const { stream, reader } = open();
    stream.send(streamEvent(event("old")));
    stream.send(streamEvent(event("mid")));
    let content = reader.read() + reader.read(100); // All of the first, the beginning of the second.
    for (let i = 0; i < 100; i++) stream.send(streamEvent(event(`${i}`)));
    content += reader.readAll();
    const names = namesOf(content);
    expect([names[0], names[1], names.at(-1)]).toEqual(["old", "mid", "99"]);
    expect(names.length).toBeLessThan(30);
  });

  test("costs a bounded memory, however long it takes", () => {
    const { stream, reader } = open();
    for (let i = 0; i < 10_000; i++) stream.send(streamEvent(event(`${i}`)));
    expect(reader.readAll().length).toBeLessThan(44 * KIB);
  });

  test("is told of the end", () => {
    const { stream, reader } = open();
    for (let i = 0; i < 100; i++) stream.send(streamEvent(event(`${i}`)));
    stream.end();
    expect(eventsOf(reader.readAll()).at(-1)).toBe("goodbye");
  });
});

test("whoever made it is told once that nobody reads it any more, and then nobody is called", () => {
  const { stream, closed } = open();
  let calls = 0;
  stream.whenMore(() => calls++);
  stream.close();
  expect(closed).toEqual([stream]);
  stream.send(streamEvent("late"));
  stream.end();
  expect([calls, stream.isOver]).toEqual([0, true]);
});

describe("on a connection", () => {
  function serve() {
    const server = new FakeServer({ threads: 1 });
    const { stream, closed } = open();
    server.handler.admit = (request) => (request.target.path === "/events" ? CONTROL : ADMITTED);
    const { respond } = server.handler;
    server.handler.respond = (request, admission) =>
      admission.isControl ? stream.response : respond(request, admission);
    const client = server.connect();
    return { server, client, stream, closed };
  }

  test("it goes on for as long as there is somebody, without a slot, a log line or a deadline", () => {
    const { server, client, stream } = serve();
    stream.send(streamEvent("first"));
    client.send(get("/events"));
    server.pass(600_000);
    stream.send(streamEvent("second"));
    server.runDeferred();
    expect(client.take()).toEndWith("\r\n\r\nd\r\ndata: first\n\n\r\ne\r\ndata: second\n\n\r\n");
    expect([server.pool.active, server.observer.lines.length, client.transport.isClosed]).toEqual([0, 0, false]);
    stream.end();
    server.runDeferred();
    expect(client.take()).toBe(`15\r\n${GOODBYE}\r\n0\r\n\r\n`);
    expect([client.transport.finSent, server.observer.lines.length]).toEqual([true, 0]);
  });

  test("it is over for whoever made it when the peer leaves", () => {
    const { client, closed } = serve();
    client.send(get("/events"));
    expect(closed).toHaveLength(0);
    client.transport.terminate();
    expect(closed).toHaveLength(1);
  });

  test("a peer that reads nothing is cut off by the send timeout", () => {
    const { server, client, stream, closed } = serve();
    client.transport.room = 0;
    client.send(get("/events"));
    for (let i = 0; i < 200 && !client.transport.isClosed; i++) {
      stream.send(streamEvent("x"));
      server.runDeferred();
      server.pass(1000);
    }
    expect([client.transport.wasReset, closed.length]).toEqual([true, 1]);
    expect(server.observer.closeReasons).toEqual(["send timeout"]);
  });

  test("behind another request of a pipeline it does not keep that one's slot", () => {
    const { server, client, stream } = serve();
    client.send(get("/file") + get("/events"));
    expect(client.take()).toContain("/file");
    expect(server.pool.active).toBe(0);
    const other = server.connect().send(get("/other"));
    expect(other.statuses).toEqual([200]);
    stream.send(streamEvent("still here"));
    server.runDeferred();
    expect(client.take()).toContain("still here");
  });

  test("HEAD gets the head alone, and the stream is closed", () => {
    const { client, closed } = serve();
    client.send(get("/events").replace("GET", "HEAD"));
    expect(client.take()).toEndWith("Transfer-Encoding: chunked\r\n\r\n");
    expect(closed).toHaveLength(1);
  });
});
