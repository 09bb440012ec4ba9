/**
 * Field blocks of HTTP/2. An input is a row of blocks, each after one byte with its length. Properties: any bytes are a section or an
 * error, within their bounds, and those that a second decoder finds; strings survive both ways; and both decoders read what the encoder
 * writes, whatever the table's size.
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
import { Coverage } from "./simulation/coverage.ts";
import { pushInteger } from "./streams/encoder.ts";
import type { FuzzTarget } from "./target.ts";
import { BlockError, HpackReader, type Line } from "./wire/hpack-reader.ts";

const SECTION_BYTES_MAX = 2000;

/** Bytes of which each has five bits is the most that a byte can become. */
const EXPANSION_MAX = 8 / 5;

/** One input in so many is tried as strings, and as lines of responses too: these cost as much as all of its blocks. */
const OTHER_CHECKS = 8;

const BLOCKS_MADE = 24;

const parts = new Coverage();

export const hpackTarget: FuzzTarget = {
  name: "hpack",
  parts,
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
  make: makeBlocks,
  check(input, random) {
    const broken = checkDecoder(input, random);
    if (broken !== "" || !random.oneIn(OTHER_CHECKS)) return broken;
    return checkStrings(input) || checkEncoder(input, random);
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

/** The blocks of the input on one connection; after an error, another connection begins. */
function checkDecoder(input: Uint8Array, random: Random): string {
  let limit = random.pick([0, 64, TABLE_BYTES, TABLE_BYTES, TABLE_BYTES]);
  let pair = newPair(limit);
  let blocks = 0;
  let mistakes = 0;
  for (let at = 0; at < input.length; ) {
    const start = at + 1;
    const end = Math.min(input.length, start + (input[at] as number));
    if (random.oneIn(64)) {
      limit = random.pick([0, 40, 64, 300, TABLE_BYTES]);
      pair.decoder.setLimit(limit);
      pair.reader.setLimit(limit);
    }
    const result = checkBlock(pair.decoder, pair.reader, input, start, end);
    if (typeof result === "string") return result;
    if (result === 0) blocks++;
    else {
      mistakes++;
      pair = newPair(limit);
    }
    at = end;
  }
  parts.count("field blocks", blocks);
  parts.count("field blocks with a mistake", mistakes);
  return "";
}

function newPair(limit: number): { readonly decoder: HpackDecoder; readonly reader: HpackReader } {
  const pair = { decoder: new HpackDecoder(lengthOf), reader: new HpackReader() };
  pair.decoder.setLimit(limit);
  pair.reader.setLimit(limit);
  const update: number[] = [];
  pushInteger(update, 0x20, 5, limit);
  const block = Uint8Array.from(update);
  pair.decoder.decode(block, 0, block.length, SECTION_BYTES_MAX, new Collector());
  pair.reader.read(block, 0, block.length);
  return pair;
}

/** Decodes bytes[start, end) on both decoders. Returns the result of the server's, or the broken rule. */
function checkBlock(
  decoder: HpackDecoder,
  reader: HpackReader,
  bytes: Uint8Array,
  start: number,
  end: number,
): number | string {
  const collector = new Collector();
  const error = decoder.decode(bytes, start, end, SECTION_BYTES_MAX, collector);
  if (error < 0 && describeHttp2Error(error).code !== ErrorCode.CompressionError) return `the error is ${error}`;
  const lines: Line[] = [];
  let mistake = "";
  try {
    reader.read(bytes, start, end, lines);
  } catch (thrown) {
    if (!(thrown instanceof BlockError)) throw thrown;
    mistake = thrown.message;
  }
  if (error < 0 !== (mistake !== "")) return `the error is ${error}, and should be: "${mistake}"`;
  if (collector.sectionBytes > SECTION_BYTES_MAX) return "more fields were given than allowed";
  const section = lines.reduce((sum, [name, value]) => sum + lengthOf(name, value) + FIELD_OVERHEAD_BYTES, 0);
  if (decoder.sectionBytes !== section)
    return `the section has ${decoder.sectionBytes} bytes, and should have ${section}`;
  if (!isStartOf(collector.lines, lines)) return "the fields are others";
  if (section <= SECTION_BYTES_MAX && collector.lines.length < lines.length) return "a field is missing";
  // A reference is a byte, and an entry is not larger than the table.
  const most = (end - start) * (EXPANSION_MAX + FIELD_OVERHEAD_BYTES + TABLE_BYTES);
  return section <= most ? error : "the section is larger than the block can make it";
}

function isStartOf(start: readonly Line[], lines: readonly Line[]): boolean {
  return start.every(([name, value], i) => lines[i]?.[0] === name && lines[i]?.[1] === value);
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
  const reader = new HpackReader();
  const extra = Fields.of([["X-Frame-Options", "DENY"]]);
  for (let round = 0; round < 4; round++) {
    for (let changes = random.below(3); changes > 0; changes--) {
      const size = random.pick([0, 1, 40, 100, 500, TABLE_BYTES, 65_536]);
      encoder.setLimit(size);
      decoder.setLimit(Math.min(size, TABLE_BYTES));
      reader.setLimit(Math.min(size, TABLE_BYTES));
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
    if (!Bun.deepEquals(reader.read(into, 0, end), collector.lines)) return "the block has other fields for its reader";
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

const NAMES = [":method", ":path", ":authority", "accept", "cookie", "user-agent", "x-a", "x-b", "te", "A", ""];
const VALUES = ["", "GET", "/", "/index.html", "localhost", "gzip, deflate", "a=1; b=2", "\xff\0", "x".repeat(40)];

/** Makes blocks of one connection, most of them without a mistake. */
function makeBlocks(random: Random): Uint8Array {
  const bytes: number[] = [];
  for (let blocks = BLOCKS_MADE; blocks > 0; blocks--) {
    const block: number[] = [];
    if (random.oneIn(10)) pushInteger(block, 0x20, 5, random.pick([0, 40, 64, 300, 4096, 4096]));
    for (let fields = random.below(8); fields > 0 && block.length < 150; fields--) pushField(block, random);
    bytes.push(block.length, ...block);
  }
  return Uint8Array.from(bytes);
}

function pushField(block: number[], random: Random): void {
  if (random.oneIn(2)) {
    pushInteger(block, 0x80, 7, random.oneIn(40) ? random.below(300) : 1 + random.below(random.pick([61, 61, 63, 66])));
    return;
  }
  const [first, prefix] = random.pick([[0x40, 6] as const, [0x40, 6] as const, [0, 4] as const, [0x10, 4] as const]);
  const index = random.oneIn(2) ? 0 : 1 + random.below(random.pick([61, 61, 64]));
  pushInteger(block, first, prefix, index);
  if (index === 0) pushText(block, random.pick(NAMES), random);
  pushText(block, random.pick(VALUES), random);
}

function pushText(block: number[], text: string, random: Random): void {
  const isCoded = random.oneIn(2);
  const coded = new Uint8Array(isCoded ? huffmanLength(text) : 0);
  if (isCoded) encodeHuffman(text, coded, 0);
  const bytes = isCoded ? coded : bytesOf(text);
  pushInteger(block, isCoded ? 0x80 : 0, 7, bytes.length);
  block.push(...bytes);
}
