/**
 * Field blocks of HTTP/2. Properties: any bytes are a section or an error, within their bounds; the same decoder gives the same
 * fields for the same bytes; strings survive both ways; and a decoder reads what the encoder writes, whatever the table's size.
 */
import { imfDate } from "../../src/http/date.ts";
import { Fields, isFieldLine } from "../../src/http/fields.ts";
import { describeHttp2Error, ErrorCode } from "../../src/http2/errors.ts";
import { encodeLines, FieldLiterals } from "../../src/http2/field-literals.ts";
import { FIELD_OVERHEAD_BYTES, HpackDecoder, TABLE_BYTES } from "../../src/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack-encoder.ts";
import { decodeHuffman, encodeHuffman, huffmanLength, huffmanRoom } from "../../src/http2/huffman.ts";
import { bytesOf, textOf } from "../../test/support/bytes.ts";
import type { Random } from "./random.ts";
import type { FuzzTarget } from "./target.ts";

const SECTION_BYTES_MAX = 2000;

/** Bytes of which each has five bits is the most that a byte can become. */
const EXPANSION_MAX = 8 / 5;

export const hpackTarget: FuzzTarget = {
  name: "hpack",
  dictionary: [
    "\x82",
    "\xbe",
    "\xbf",
    "\x80",
    "\xff\x80\x80\x80\x01",
    "\x40\x01a\x01b",
    "\x00\x01a\x81\x1f",
    "\x10\x84\xff\xff\xff\xff",
    "\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
    "\x20",
    "\x3f\xe1\x1f",
    "\x3f\xe1\x20",
    "\x7f\xff",
    "cache-control",
    "\n",
  ],
  check(input, random) {
    return checkDecoder(input, random) || checkStrings(input) || checkEncoder(input, random);
  },
};

/** Returns the length of the field: enough to see that a mark goes with its field. */
function lengthOf(name: string, value: string): number {
  return name.length + value.length;
}

class Collector {
  readonly lines: [name: string, value: string][] = [];
  sectionBytes = 0;

  field(name: string, value: string, mark: number): void {
    if (mark !== lengthOf(name, value)) throw new Error(`${name} has the mark of another field`);
    this.lines.push([name, value]);
    this.sectionBytes += mark + FIELD_OVERHEAD_BYTES;
  }
}

/** Two blocks, cut anywhere, on two decoders. */
function checkDecoder(input: Uint8Array, random: Random): string {
  const cut = random.below(input.length + 1);
  const limit = random.pick([0, 64, TABLE_BYTES]);
  const results = [0, 1].map(() => {
    const decoder = new HpackDecoder(lengthOf);
    decoder.setLimit(limit);
    const collector = new Collector();
    const errors = [decoder.decode(input, 0, cut, SECTION_BYTES_MAX, collector)];
    if (errors[0] === 0) errors.push(decoder.decode(input, cut, input.length, SECTION_BYTES_MAX, collector));
    return { decoder, collector, errors };
  });
  const [first, second] = results as [(typeof results)[0], (typeof results)[0]];
  if (!Bun.deepEquals(first.collector.lines, second.collector.lines)) return "the fields are others";
  if (!Bun.deepEquals(first.errors, second.errors)) return "the errors are others";
  for (const error of first.errors) {
    if (error < 0 && describeHttp2Error(error).code !== ErrorCode.CompressionError) return `the error is ${error}`;
  }
  if (first.collector.sectionBytes > 2 * SECTION_BYTES_MAX) return "more fields were given than allowed";
  // A reference is a byte, and an entry is not larger than the table.
  const most = input.length * (EXPANSION_MAX + FIELD_OVERHEAD_BYTES + TABLE_BYTES);
  return first.decoder.sectionBytes <= most ? "" : "the section is larger than the block can make it";
}

function checkStrings(input: Uint8Array): string {
  const text = textOf(input);
  const length = huffmanLength(text);
  const coded = new Uint8Array(length);
  if (encodeHuffman(text, coded, 0) !== length) return "the code has another length than announced";
  const decoded = new Uint8Array(huffmanRoom(length));
  const count = decodeHuffman(coded, 0, length, decoded);
  if (textOf(decoded.subarray(0, Math.max(0, count))) !== text) return "the code is another string";
  const room = new Uint8Array(huffmanRoom(input.length));
  const other = decodeHuffman(input, 0, input.length, room);
  if (other < 0) return "";
  const again = new Uint8Array(input.length);
  encodeHuffman(textOf(room.subarray(0, other)), again, 0);
  return textOf(again) === text ? "" : "two codes are one string";
}

/** Lines of the input as responses of one connection, while the peer changes the size of its table. */
function checkEncoder(input: Uint8Array, random: Random): string {
  const lines = linesOf(input);
  const encoder = new HpackEncoder(new FieldLiterals());
  const decoder = new HpackDecoder(lengthOf);
  const extra = Fields.of([["X-Frame-Options", "DENY"]]);
  for (let round = 0; round < 4; round++) {
    for (let changes = random.below(3); changes > 0; changes--) {
      const size = random.pick([0, 1, 40, 100, 500, TABLE_BYTES, 65_536]);
      encoder.setLimit(size);
      decoder.setLimit(Math.min(size, TABLE_BYTES));
    }
    const fields = Fields.of(lines.filter(() => random.below(4) > 0));
    const second = random.below(3);
    const into = new Uint8Array(encoder.headBytesMax(extra, fields));
    const dateLine = bytesOf(`Date: ${imfDate(second)}\r\n`);
    const end = encoder.writeHead(into, 0, 200, second, dateLine, extra, fields);
    if (end > into.length) return "the block is longer than announced";
    const collector = new Collector();
    const error = decoder.decode(into, 0, end, Number.POSITIVE_INFINITY, collector);
    if (error !== 0) return `the block is an error: ${error}`;
    const expected = [[":status", "200"], ["server", "httpserver"], ["date", imfDate(second)], ...extra.lines];
    if (!sameLines(collector.lines, [...expected, ...fields.lines])) return "the block has other fields";
  }
  const block = encodeLines(lines);
  const collector = new Collector();
  if (decoder.decode(block, 0, block.length, Number.POSITIVE_INFINITY, collector) !== 0)
    return "the lines are an error";
  return sameLines(collector.lines, lines) ? "" : "the lines are others";
}

/** Each line of the input that can be a field of a response. */
function linesOf(input: Uint8Array): [name: string, value: string][] {
  const forbidden = /^(?:server|date|connection|keep-alive|proxy-connection|transfer-encoding|upgrade)$/i;
  return textOf(input)
    .split("\n")
    .map((line): [string, string] => [line.split(":")[0] ?? "", line.slice(line.indexOf(":") + 1).trim()])
    .filter(([name, value]) => isFieldLine(name, value) && !forbidden.test(name));
}

/** Compares without the order of different names, which has no meaning (RFC 9110 §5.3). */
function sameLines(found: readonly (readonly string[])[], expected: readonly (readonly string[])[]): boolean {
  const sorted = (lines: readonly (readonly string[])[]) =>
    lines.map(([name = "", value = ""]) => `${name.toLowerCase()}: ${value}`).sort();
  return Bun.deepEquals(sorted(found), sorted(expected));
}
