/** The answer of one stub: dropped fields, framing, and answers that cannot be. */
import { describe, expect, test } from "bun:test";
import { StubAnswer, StubMistake, stubAnswer } from "../../../src/handlers/stubs/answer.ts";
import type { FieldLines } from "../../../src/http/fields.ts";
import type { Response } from "../../../src/http/message.ts";
import { bytesOf, textOf } from "../../support/bytes.ts";
import { answerOf, makeRequest } from "../../support/site.ts";

function answer(status: number, lines: FieldLines, content = "") {
  const made = stubAnswer("a/GET.http", status, lines, bytesOf(content));
  if (made instanceof StubMistake) throw new Error(made.message);
  return made;
}

function mistake(status: number, lines: FieldLines, content = ""): string {
  const made = stubAnswer("a/GET.http", status, lines, bytesOf(content));
  return made instanceof StubAnswer ? "none" : `${made.line}: ${made.message}`;
}

/** Returns the pieces of a stream. */
function piecesIn({ content }: Response): string[] {
  if (content === null || !("ends" in content)) throw new Error("no stream");
  return content.ends.map((end, i) => textOf(content.bytes.subarray(content.ends[i - 1] ?? 0, end)));
}

const EVENT_STREAM: FieldLines = [["Content-Type", "text/event-stream"]];
const GET = makeRequest("GET /a");

describe("an answer", () => {
  test("has its own fields in their order, and the length of its content", () => {
    const { response, fields, text } = answerOf(
      answer(
        200,
        [
          ["B", "1"],
          ["A", "2"],
        ],
        "hi",
      ).respondTo(GET),
    );
    expect(Object.entries(fields)).toEqual([
      ["b", "1"],
      ["a", "2"],
      ["content-length", "2"],
    ]);
    expect([response.status, text, response.kind, response.stub, response.isLast]).toEqual([
      200,
      "hi",
      "stub",
      "a/GET.http",
      false,
    ]);
  });

  test("that was recorded loses the fields that the server writes itself", () => {
    const recorded: FieldLines = [
      ["Date", "Thu, 26 Nov 2026 00:00:00 GMT"],
      ["server", "nginx"],
      ["Content-Length", "999"],
      ["Transfer-Encoding", "chunked"],
      ["Connection", "close"],
      ["keep-alive", "timeout=5"],
      ["ETag", '"x"'],
    ];
    expect(answerOf(answer(200, recorded, "hi").respondTo(GET)).fields).toEqual({ etag: '"x"', "content-length": "2" });
  });

  test("without content has a length of 0, but 204 and 304 have none", () => {
    const lengthOf = (status: number) => answerOf(answer(status, []).respondTo(GET)).fields["content-length"];
    expect([200, 205, 404, 204, 304].map(lengthOf)).toEqual(["0", "0", "0", undefined, undefined]);
  });

  test("is the same object for every request", () => {
    const made = answer(200, [], "hi");
    expect(made.respondTo(GET)).toBe(made.respondTo(makeRequest("GET /b")));
  });

  test.each(["text/event-stream", "Text/Event-Stream; charset=utf-8", "application/x-ndjson"])(
    "of the type %s is sent in pieces, without a length",
    (type) => {
      const made = answer(200, [["Content-Type", type]], "data: 1\n\n").respondTo(GET);
      expect(answerOf(made).fields).toEqual({ "content-type": type });
      expect(piecesIn(made)).toEqual(type.endsWith("ndjson") ? ["data: 1\n", "\n"] : ["data: 1\n\n"]);
    },
  );

  test("of a stream without content has no piece", () => {
    expect(piecesIn(answer(200, EVENT_STREAM).respondTo(GET))).toEqual([]);
  });

  test("of a stream is the same object for every request", () => {
    const made = answer(200, EVENT_STREAM, "data: 1\n\ndata: 22\n\n");
    expect(piecesIn(made.respondTo(GET))).toEqual(["data: 1\n\n", "data: 22\n\n"]);
    expect(made.respondTo(makeRequest("GET /b"))).toBe(made.respondTo(GET));
  });

  describe("to a client that comes back", () => {
    const EVENTS = "id: 1\ndata: a\n\nid: 2\ndata: b\n\n";
    const made = answer(200, EVENT_STREAM, EVENTS);
    const after = (id: string) => makeRequest("GET /a", { "Last-Event-ID": id });

    test("has the events after the last one that the client has", () => {
      const response = made.respondTo(after("1"));
      expect(piecesIn(response)).toEqual(["id: 2\ndata: b\n\n"]);
      expect(response.fields).toBe(made.respondTo(GET).fields);
      expect(piecesIn(made.respondTo(after("2")))).toEqual([]);
    });

    test("has all events if the client's last one is not among them", () => {
      expect(made.respondTo(after("3"))).toBe(made.respondTo(GET));
      expect(made.respondTo(after(""))).toBe(made.respondTo(GET));
    });

    test("is whole if it is not an event stream", () => {
      const lines = answer(200, [["Content-Type", "application/x-ndjson"]], EVENTS);
      expect(lines.respondTo(after("1"))).toBe(lines.respondTo(GET));
      const text = answer(200, [["Content-Type", "text/plain"]], EVENTS);
      expect(text.respondTo(after("1"))).toBe(text.respondTo(GET));
    });
  });
});

describe("a mistake", () => {
  test.each<[string, number, FieldLines, string, string]>([
    [
      "an interim status",
      100,
      [],
      "",
      "1: expected a status from 200 to 599, got 100: an interim answer is not a whole one",
    ],
    ["a status that does not exist", 600, [], "", "1: expected a status from 200 to 599, got 600"],
    ["a status that is no whole number", 200.5, [], "", "1: expected a status"],
    [
      "a coded content",
      200,
      [
        ["A", "1"],
        ["content-encoding", "gzip"],
      ],
      "",
      "3: expected no Content-Encoding",
    ],
    ["content under 204", 204, [["A", "1"]], "x", "4: expected no content under 204, got some"],
    ["content under 205", 205, [], "x", "3: expected no content under 205"],
    ["content under 304", 304, [], "xy", "3: expected no content under 304"],
    ["a name that is not a token", 200, [["A B", "1"]], "", "2: expected a field line"],
    ["a line break in a value", 200, [["A", "1\r\nB: 2"]], "", "2: expected a field line"],
    ["a character above U+00FF in a value", 200, [["A", "✓"]], "", "2: expected a field line"],
    [
      "too many bytes of fields",
      200,
      [
        ["A", "1"],
        ["B", "2".repeat(33_000)],
      ],
      "",
      "3: expected at most 32768 bytes of fields",
    ],
  ])("names the line: %s", (_, status, lines, content, expected) => {
    expect(mistake(status, lines, content)).toStartWith(expected);
  });
});
