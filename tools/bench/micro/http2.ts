/** Frames and field blocks of HTTP/2: a browser's first and later heads, and the head of a page. */
import { imfDate } from "../../../src/http/date.ts";
import { type FieldLine, Fields } from "../../../src/http/fields.ts";
import { writeFrameHead } from "../../../src/http2/frame-writer.ts";
import { FRAME_HEAD_BYTES, FrameReader, FrameType } from "../../../src/http2/frames.ts";
import { HpackDecoder } from "../../../src/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../../src/http2/hpack-encoder.ts";
import { encodeHuffman, huffmanLength } from "../../../src/http2/huffman.ts";
import { BROWSER_FIELDS } from "../support/browser.ts";
import { expectEqual, type Micro } from "./case.ts";

const SECTION_BYTES_MAX = 16_384;

/** Fields of a browser's request for a page; `:method` and `:scheme` are in the static table. */
const REQUEST: readonly FieldLine[] = [
  [":authority", "127.0.0.1:8443"],
  [":path", "/page.html"],
  ...BROWSER_FIELDS.filter((line) => !line.startsWith("Connection")).map((line): FieldLine => {
    const colon = line.indexOf(": ");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
  }),
];

const STATIC_REFERENCES: readonly number[] = [0x82, 0x87];
const FIELD_COUNT = STATIC_REFERENCES.length + REQUEST.length;

/** Each field as a new entry, as browsers send their first head. */
const FIRST = Uint8Array.from([...STATIC_REFERENCES, ...REQUEST.flatMap((line) => [0x40, ...line.flatMap(coded)])]);

/** The same fields as references. The newest entry, index 62, is the last field. */
const LATER = Uint8Array.from([...STATIC_REFERENCES, ...REQUEST.map((_, i) => 0x80 | (61 + REQUEST.length - i))]);

const PAGE: readonly FieldLine[] = [
  ["ETag", '"hocxy4av87-sg"'],
  ["Last-Modified", "Sun, 15 Mar 2026 10:30:15 GMT"],
  ["Cache-Control", "no-cache"],
  ["Accept-Ranges", "bytes"],
  ["X-Content-Type-Options", "nosniff"],
  ["Content-Type", "text/html; charset=utf-8"],
  ["Content-Length", "1024"],
];

/** Returns a string in Huffman code, with its length before it. */
function coded(text: string): number[] {
  const bytes = new Uint8Array(huffmanLength(text));
  encodeHuffman(text, bytes, 0);
  return [...(bytes.length < 127 ? [0x80 | bytes.length] : [0xff, bytes.length - 127]), ...bytes];
}

function lengthOf(name: string, value: string): number {
  return name.length + value.length;
}

class Counter {
  fields = 0;

  field(): void {
    this.fields++;
  }
}

function decoding(name: string, block: Uint8Array, decoderOf: () => HpackDecoder): Micro {
  const counter = new Counter();
  const decode = (decoder: HpackDecoder) => decoder.decode(block, 0, block.length, SECTION_BYTES_MAX, counter);
  return {
    name: `HTTP/2: ${name}, ${block.length} bytes`,
    verify() {
      counter.fields = 0;
      expectEqual(decode(decoderOf()), 0);
      expectEqual(counter.fields, FIELD_COUNT);
    },
    run(calls) {
      for (let i = 0; i < calls; i++) decode(decoderOf());
      return counter.fields;
    },
  };
}

/** The head of a page that is sent again and again, on sixteen connections. */
function encoding(): Micro {
  const encoders = Array.from({ length: 16 }, () => new HpackEncoder());
  const dateLine = new TextEncoder().encode(`Date: ${imfDate(1)}\r\n`);
  const [none, fields] = [Fields.of([]), Fields.of(PAGE)];
  const into = new Uint8Array(1024);
  const encode = (i: number) => (encoders[i & 15] as HpackEncoder).writeHead(into, 0, 200, 1, dateLine, none, fields);
  return {
    name: "HTTP/2: the head of a page again",
    verify() {
      const decoder = new HpackDecoder(lengthOf);
      const counter = new Counter();
      for (const round of [1, 2]) {
        expectEqual(decoder.decode(into, 0, encode(0), SECTION_BYTES_MAX, counter), 0);
        expectEqual(counter.fields, round * (PAGE.length + 3));
      }
    },
    run(calls) {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += encode(i);
      return sum;
    },
  };
}

function reading(): Micro {
  const reader = new FrameReader();
  const bytes = new Uint8Array(FRAME_HEAD_BYTES + 1024);
  writeFrameHead(bytes, 0, 1024, FrameType.Data, 0, 1);
  return {
    name: "HTTP/2: read a DATA frame",
    verify() {
      expectEqual(reader.read(bytes, 0, bytes.length), bytes.length);
      expectEqual([reader.type, reader.streamId, reader.length], [FrameType.Data, 1, 1024]);
    },
    run(calls) {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += reader.read(bytes, 0, bytes.length) + reader.start;
      return sum;
    },
  };
}

const known = new HpackDecoder(lengthOf);
known.decode(FIRST, 0, FIRST.length, SECTION_BYTES_MAX, new Counter());

export const http2Micros: readonly Micro[] = [
  decoding("a browser's first head", FIRST, () => new HpackDecoder(lengthOf)),
  decoding("a browser's head again", LATER, () => known),
  encoding(),
  reading(),
];
