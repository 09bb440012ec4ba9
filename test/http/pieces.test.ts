/** The pieces of a stream: where each event or line ends, and where a client that comes back goes on. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { eventsAfter, type PieceKind, pieceEnds, pieceKindOf } from "../../src/http/pieces.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

function piecesOf(text: string, kind: PieceKind, max?: number): string[] {
  const bytes = bytesOf(text);
  const ends = pieceEnds(bytes, kind, max);
  return ends.map((end, i) => textOf(bytes.subarray(ends[i - 1] ?? 0, end)));
}

const BOM = "\u00ef\u00bb\u00bf";

describe("an event", () => {
  const rows: readonly [name: string, pieces: readonly string[]][] = [
    ["ends with an empty line", ["data: 1\n\n", "data: 2\n\n"]],
    ["may have lines that end with CRLF", ["data: 1\r\n\r\n", "data: 2\r\n\r\n"]],
    ["may have lines that end with CR", ["data: 1\r\r", "data: 2\r\r"]],
    ["may mix line ends", ["data: 1\r\n\n", "data: 2\n\r\n", "data: 3\r\r\n", "data: 4\n\r"]],
    ["has all its lines", ["event: a\nid: 1\ndata: x\ndata: y\n\n", "data: 2\n\n"]],
    ["may have data without a value", ["data\n\n", "data:\n\n"]],
    ["has the comment before it", ["data: 1\n\n", ": ping\n\n: ping\n\ndata: 2\n\n"]],
    ["has the retry before it", ["retry: 100\n\ndata: 1\n\n", "data: 2\n\n"]],
    ["has the id before it, which dispatches nothing", ["id: 1\n\ndata: 1\n\n"]],
    ["has the empty lines before it", ["\n\n\r\ndata: 1\n\n", "\n\ndata: 2\n\n"]],
    ["is not made by another name that begins with data", ["data-x: 1\n\ndatas\n\n data: 1\n\ndata: 2\n\n"]],
    ["is not made by a comment that names data", [":data: 1\n\ndata: 2\n\n"]],
    ["may follow a byte order mark", [`${BOM}data: 1\n\n`, "data: 2\n\n"]],
    ["has a byte order mark of its own in a name", [`${BOM}${BOM}data: 1\n\ndata: 2\n\n`]],
    ["is not made by a byte order mark after the beginning", [`\n${BOM}data: 1\n\n\r${BOM}data: 1\n\ndata: 2\n\n`]],
    ["is not made by the beginning of a name", ["d\n\ndat\n\ndata: 1\n\n"]],
    ["that ends with CR may be followed by another", ["data: 1\r\r", "\rdata: 2\r\r", "\r\n\rdata: 3\n\n"]],
    ["may be cut off at the end", ["data: 1\n\n", "data: 2\n"]],
    ["may be cut off within a line", ["data: 1\n\n", "data: 2"]],
    ["leaves what comes after the last one as a piece", ["data: 1\n\n", ": the end\n\n"]],
    ["may be of any bytes", ["data: \u0000\u00ff\n\n", "data: \u0080\n\n"]],
    ["is nothing in nothing", []],
    ["is one piece if there is none", ["hello"]],
  ];
  test.each(rows)("%s", (_, pieces) => expect(piecesOf(pieces.join(""), "events")).toEqual([...pieces]));
});

describe("a line", () => {
  const rows: readonly [name: string, pieces: readonly string[]][] = [
    ["ends with LF", ['{"a":1}\n', '{"a":2}\n']],
    ["may have a CR before it", ['{"a":1}\r\n', '{"a":2}\r\n']],
    ["does not end with a CR, which is white space in JSON", ['{"a":\r1}\n', "2\n"]],
    ["may be empty", ["1\n", "\n", "2\n"]],
    ["may be cut off at the end", ["1\n", "2"]],
    ["is nothing in nothing", []],
  ];
  test.each(rows)("%s", (_, pieces) => expect(piecesOf(pieces.join(""), "lines")).toEqual([...pieces]));
});

test("if there are more pieces than asked for, the last has the rest", () => {
  expect(piecesOf("1\n2\n3\n4", "lines", 2)).toEqual(["1\n", "2\n3\n4"]);
  expect(piecesOf("data: 1\n\ndata: 2\n\ndata: 3\n\n", "events", 2)).toEqual(["data: 1\n\n", "data: 2\n\ndata: 3\n\n"]);
  expect(piecesOf("1\n2\n", "lines", 2)).toEqual(["1\n", "2\n"]);
  expect(piecesOf("1\n2\n", "lines", 1)).toEqual(["1\n2\n"]);
});

test("a stream is known by its type, in any case and with any parameters", () => {
  expect(pieceKindOf("text/event-stream")).toBe("events");
  expect(pieceKindOf("Text/Event-Stream ; charset=utf-8")).toBe("events");
  expect(pieceKindOf("application/x-ndjson")).toBe("lines");
  for (const type of [null, "", "text/plain", "text/event-streams", "application/json"]) {
    expect(pieceKindOf(type)).toBeNull();
  }
});

describe("a client that comes back", () => {
  const STREAM = "retry: 1\n\nid: 1\ndata: a\n\nid:2\ndata: b\n\ndata: c\n\nid: 3\n\ndata: d\n\nid: 2\ndata: e\n\n";
  const restAfter = (id: string, stream = STREAM) => stream.slice(eventsAfter(bytesOf(stream), id));

  const rows: readonly [name: string, id: string, rest: string][] = [
    ["gets the events after its id", "1", STREAM.slice(STREAM.indexOf("id:2"))],
    ["gets the events that have no id of their own again", "2", STREAM.slice(STREAM.indexOf("data: c"))],
    ["may have the id of a block without data", "3", STREAM.slice(STREAM.indexOf("data: d"))],
    ["with an id that no event has gets all", "4", STREAM],
    ["without an id gets all", "", STREAM],
  ];
  test.each(rows)("%s", (_, id, rest) => expect(restAfter(id)).toBe(rest));

  const single: readonly [name: string, stream: string, id: string, rest: string][] = [
    ["after the last event gets nothing", "id: 1\ndata: a\n\n", "1", ""],
    ["after a last event that ends with CR gets nothing", "id: 1\rdata: a\r\r", "1", ""],
    ["keeps its id although a line begins like one", "id: 1\ni\ndata: a\n\nx", "1", "x"],
    ["is not served from an event that was cut off", "data: a\n\nid: 1\ndata: b\n", "1", "data: a\n\nid: 1\ndata: b\n"],
    ["has the last of several ids of an event", "id: 1\nid: 2\ndata: a\n\nx", "2", "x"],
    ["never has the first of several ids of an event", "id: 1\nid: 2\ndata: a\n\nx", "1", "id: 1\nid: 2\ndata: a\n\nx"],
    ["never has an id with NUL, and keeps the one before", "id: 1\nid: 2\0\ndata: a\n\nx", "1", "x"],
    ["has an id without the white space that a field loses", "id: \t7 \ndata: a\n\nx", "7", "x"],
    ["may have an id in UTF-8", "id: \u00c3\u00a4\ndata: a\n\nx", "\u00c3\u00a4", "x"],
    ["loses its id by one without a value", "id: 1\nid\ndata: a\n\nx", "1", "id: 1\nid\ndata: a\n\nx"],
    ["may have an id right after a byte order mark", `${BOM}id: 1\ndata: a\n\nx`, "1", "x"],
    ["takes no other name for an id", "ids: 1\ndata: a\n\nx", "1", "ids: 1\ndata: a\n\nx"],
  ];
  test.each(single)("%s", (_, stream, id, rest) => expect(restAfter(id, stream)).toBe(rest));

  test("may have a very long id", () => {
    const id = "x".repeat(1_000_000);
    expect(restAfter(id, `id: ${id}\ndata: a\n\nrest`)).toBe("rest");
  });
});

describe("any content", () => {
  const word = fc.constantFrom("\n", "\r", "\r\n", "\n\n", "data", "data: 1", "id: 1", ":", " ", "x", "\0", BOM);
  const content = fc.array(word, { maxLength: 40 }).map((words) => words.join(""));
  const kind = fc.constantFrom<PieceKind[]>("events", "lines");

  test("is the same when its pieces are put together, and no piece is empty", () => {
    fc.assert(
      fc.property(content, kind, fc.integer({ min: 1, max: 10 }), (text, of, max) => {
        const pieces = piecesOf(text, of);
        expect(pieces.join("")).toBe(text);
        expect(pieces).not.toContain("");
        const few = piecesOf(text, of, max);
        expect(few.join("")).toBe(text);
        expect(few.slice(0, -1)).toEqual(pieces.slice(0, few.length - 1));
      }),
    );
  });

  test("that comes in two parts has the same pieces before the cut", () => {
    fc.assert(
      fc.property(content, kind, fc.nat(200), (text, of, at) => {
        const bytes = bytesOf(text);
        const cut = Math.min(at, bytes.length);
        const before = (ends: readonly number[]) => ends.filter((end) => end < cut);
        expect(before(pieceEnds(bytes.subarray(0, cut), of))).toEqual(before(pieceEnds(bytes, of)));
      }),
    );
  });

  test("has an event for each one that a client sees, and goes on after the first with its id", () => {
    fc.assert(
      fc.property(content, (text) => {
        const seen = parsed(text);
        const pieces = piecesOf(text, "events");
        // A byte order mark counts at the beginning of the stream alone.
        const dispatching = pieces.filter((piece, i) => parsed(i === 0 ? piece : `\n${piece}`).length > 0);
        expect(dispatching.length).toBe(seen.length);
        expect(pieces.length - dispatching.length).toBeLessThanOrEqual(1); // What follows the last event.
        for (const { id } of seen) {
          const start = eventsAfter(bytesOf(text), id);
          const rest = parsed(start === 0 ? text : `\n${text.slice(start)}`);
          const first = seen.findIndex((event) => event.id === id);
          // The block that sets the ID may be before the first event that has it.
          expect(rest.length).toBeGreaterThanOrEqual(seen.length - first - 1);
          if (id !== "") expect(rest.length).toBeLessThanOrEqual(seen.length - first);
        }
      }),
    );
  });
});

/** The data and the last event ID of each event that a client dispatches, by the steps of the HTML standard. */
function parsed(stream: string): { data: string; id: string }[] {
  const events: { data: string; id: string }[] = [];
  let data = "";
  let id = "";
  const lines = (stream.startsWith(BOM) ? stream.slice(BOM.length) : stream).split(/\r\n|\r|\n/);
  for (const line of lines.slice(0, -1)) {
    const [, name = "", value = ""] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line) ?? [];
    if (name === "data") data += `${value}\n`;
    else if (name === "id" && !value.includes("\0")) id = value.trim();
    else if (line === "") {
      if (data !== "") events.push({ data: data.slice(0, -1), id });
      data = "";
    }
  }
  return events;
}
