/** Content whose pieces are chunks: the bytes on the wire however they are read, and where a part of the content lies among them. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Fields } from "../../src/http/fields.ts";
import {
  type ContentSource,
  type FramedResponse,
  type LiveSource,
  type Response,
  response,
} from "../../src/http/message.ts";
import { pieceEnds } from "../../src/http/pieces.ts";
import { ChunkedPieces, ChunkedSource, framed } from "../../src/http1/transfer-coding.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { unchunk } from "../support/live-content.ts";

/** Reads the source in slices of at most `limit` bytes, into a buffer that has other bytes around them. */
function readAll(source: ContentSource, limit: number, from = 0): string {
  const buffer = new Uint8Array(limit + 2).fill(0x21);
  let text = "";
  for (;;) {
    const count = source.read(from + text.length, buffer, 1, limit);
    if (count === 0) return text;
    text += textOf(buffer.subarray(1, 1 + count));
    expect([buffer[0], buffer[limit + 1]]).toEqual([0x21, 0x21]);
  }
}

function linesOf(text: string): ChunkedPieces {
  const content = bytesOf(text);
  return new ChunkedPieces({ bytes: content, ends: pieceEnds(content, "lines") });
}

describe("pieces", () => {
  test("are one chunk each, and the last chunk follows", () => {
    const long = `${"x".repeat(300)}\n`;
    expect(readAll(linesOf(`1\n${long}3`), 10_000)).toBe(`2\r\n1\n\r\n12d\r\n${long}\r\n1\r\n3\r\n0\r\n\r\n`);
  });

  test("of no content are the last chunk alone", () => {
    const source = linesOf("");
    expect([readAll(source, 100), source.size, source.wireBytes(0), source.wireBytes(1)]).toEqual([
      "0\r\n\r\n",
      5,
      0,
      5,
    ]);
  });

  test("are the same bytes in slices of any size", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.nat(40).map((length) => `${"x".repeat(length)}\n`),
          { maxLength: 8 },
        ),
        fc.integer({ min: 1, max: 60 }),
        (lines, limit) => {
          const source = linesOf(lines.join(""));
          const wire = `${lines.map((line) => `${line.length.toString(16)}\r\n${line}\r\n`).join("")}0\r\n\r\n`;
          expect(readAll(source, limit)).toBe(wire);
          expect(source.size).toBe(wire.length);
        },
      ),
    );
  });

  test("tell how many bytes on the wire carry a part of the content", () => {
    const source = linesOf("ab\ncdef\n");
    const wire = readAll(source, 100);
    expect(wire).toBe("3\r\nab\n\r\n5\r\ncdef\n\r\n0\r\n\r\n");
    const sent = Array.from({ length: 10 }, (_, count) => wire.slice(0, source.wireBytes(count)));
    expect(sent).toEqual([
      "",
      "3\r\na",
      "3\r\nab",
      "3\r\nab\n\r\n",
      "3\r\nab\n\r\n5\r\nc",
      "3\r\nab\n\r\n5\r\ncd",
      "3\r\nab\n\r\n5\r\ncde",
      "3\r\nab\n\r\n5\r\ncdef",
      "3\r\nab\n\r\n5\r\ncdef\n\r\n",
      wire,
    ]);
  });
});

/** Content that comes event by event, and says when there is more. */
class Events implements LiveSource {
  readonly size = Number.MAX_SAFE_INTEGER;
  isOver = false;
  isClosed = false;
  #events: { readonly start: number; readonly text: string }[] = [];
  #length = 0;
  #call = () => {};

  add(...texts: readonly string[]): this {
    for (const text of texts) {
      this.#events.push({ start: this.#length, text });
      this.#length += text.length;
    }
    this.#call();
    return this;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    const event = this.#events.findLast(({ start }) => start <= position);
    const bytes = bytesOf(event?.text.slice(position - event.start) ?? "").subarray(0, Math.max(0, limit));
    into.set(bytes, offset);
    return bytes.length;
  }

  whenMore(call: () => void): void {
    this.#call = call;
  }

  close(): void {
    this.isClosed = true;
  }
}

/** Reads as a connection does to a kernel that takes at most `taken` bytes of each slice of `limit` bytes. */
function readLive(source: LiveSource, limit: number, taken: number): string {
  const buffer = new Uint8Array(limit + 2).fill(0x21);
  let text = "";
  for (;;) {
    const count = source.read(text.length, buffer, 1, limit);
    if (count === 0) return text;
    text += textOf(buffer.subarray(1, 1 + Math.min(count, taken)));
    expect([buffer[0], buffer[limit + 1]]).toEqual([0x21, 0x21]);
  }
}

describe("live content", () => {
  const events = ["data: one\n\n", "x".repeat(300), "data: 3\n\n"];
  const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

  test("is one chunk for each event, and the last chunk after the end", () => {
    const source = new Events().add(...events);
    const coded = new ChunkedSource(source);
    expect(readLive(coded, 1000, 1000)).toBe(events.map(chunk).join(""));
    expect(coded.isOver).toBe(false);
    source.isOver = true;
    expect(readAll(coded, 1000, events.map(chunk).join("").length)).toBe("0\r\n\r\n");
    expect(coded.isOver).toBe(true);
  });

  test("is the same content whatever the slices are, and whatever part of one is taken", () => {
    for (const limit of [13, 14, 20, 64, 1000]) {
      for (const taken of [1, 2, 5, 13, 1000]) {
        const source = new Events().add(...events);
        source.isOver = true;
        const wire = readLive(new ChunkedSource(source), limit, taken);
        expect([limit, taken, unchunk(Buffer.from(wire)).content.toString()]).toEqual([limit, taken, events.join("")]);
        expect(wire).toEndWith("\r\n0\r\n\r\n");
      }
    }
  });

  test("passes the call for more on, and the close", () => {
    const source = new Events();
    const coded = new ChunkedSource(source);
    let calls = 0;
    coded.whenMore(() => calls++);
    expect([readLive(coded, 100, 100), coded.isOver]).toEqual(["", false]);
    source.add("a");
    expect([calls, readLive(coded, 100, 100)]).toEqual([1, "1\r\na\r\n"]);
    coded.close();
    expect(source.isClosed).toBe(true);
  });
});

describe("a response", () => {
  const fields = Fields.of([["Content-Type", "text/event-stream"]]);
  const pieces: Response = response(200, fields, { bytes: bytesOf("a\nb\n"), ends: [2, 4] }, "stub");
  const live: Response = response(200, fields, new Events(), "events");

  test("in HTTP/1.1 has chunks, and the fields are made once", () => {
    for (const made of [pieces, live]) {
      const { fields: coded, isLast } = framed(made, true);
      expect([coded.value("Transfer-Encoding"), coded.value("Content-Length"), isLast]).toEqual([
        "chunked",
        null,
        false,
      ]);
      expect(framed(made, true).fields).toBe(coded);
    }
  });

  test("in HTTP/1.0 has a length, or ends with the connection", () => {
    const whole = framed(pieces, false);
    expect([whole.fields.value("Content-Length"), whole.content, whole.isLast]).toEqual([
      "4",
      bytesOf("a\nb\n"),
      false,
    ]);
    const open = framed(live, false);
    expect([open.fields, open.content, open.isLast]).toEqual([fields, live.content as LiveSource, true]);
  });

  test("with content that has a length is the same object", () => {
    const made = response(200, fields, bytesOf("a"), "file");
    expect(framed(made, true)).toBe(made as FramedResponse);
    const none = response(204, fields, null, "options");
    expect(framed(none, false)).toBe(none as FramedResponse);
  });
});
