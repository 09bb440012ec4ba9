/**
 * Field blocks of responses (RFC 7541), encoded.
 *
 * Strategy: a response's fields are split once, when they are first sent, and the result is kept with them. Fields that many responses
 * share, such as `cache-control`, go to the dynamic table of each connection, and cost one byte from the second response on. All
 * others, such as `etag`, would only push those out of the table, so they are literals that never enter it, and their bytes are the
 * same on every connection. So the block of a kept response is a few bytes and one copy.
 */
import { IMF_DATE_BYTES } from "../http/date.ts";
import type { FieldLine, FieldLines, Fields } from "../http/fields.ts";
import { FIELD_OVERHEAD_BYTES, TABLE_BYTES } from "./hpack-decoder.ts";
import { encodeHuffman, huffmanLength } from "./huffman.ts";
import { STATIC_COUNT, staticFieldIndex, staticNameIndex } from "./static-table.ts";

/** Fields that have one value, or a few, in all responses of a server. No request decides about them. */
const SHARED_NAMES: ReadonlySet<string> = new Set([
  "accept-ranges",
  "cache-control",
  "content-encoding",
  "content-security-policy",
  "content-type",
  "cross-origin-embedder-policy",
  "cross-origin-opener-policy",
  "cross-origin-resource-policy",
  "permissions-policy",
  "referrer-policy",
  "server",
  "strict-transport-security",
  "vary",
  "x-content-type-options",
  "x-frame-options",
]);

/** Fields whose values no table may keep, also not that of a proxy on the way (RFC 7541 §7.1.3). */
const SECRET_NAMES: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization", "set-cookie"]);

/** Fields that HTTP/2 does not have (RFC 9113 §8.2.2). They are left out. */
const HTTP1_NAMES: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Different shared fields in the whole process; further ones are literals. A server has some dozens. */
const SHARED_FIELDS_MAX = 256;

/** Largest entry of the table: a longer field would push out many others. */
const SHARED_BYTES_MAX = TABLE_BYTES / 4;

/** First byte and bits of the prefix of each representation (RFC 7541 §6). */
const INDEXED = 0x80;
const LITERAL_INDEXED = 0x40;
const SIZE_UPDATE = 0x20;
const LITERAL_SECRET = 0x10;
const LITERAL = 0x00;

/** Most bytes of an integer of up to 28 bits. */
const INTEGER_BYTES_MAX = 6;

/** Most bytes that `writeHead` writes besides the fields: two changes of the table's size, `:status`, `server` and `date`. */
const HEAD_BYTES_MAX = 2 * INTEGER_BYTES_MAX + 8 + 16 + (2 + IMF_DATE_BYTES);

/** A field for the dynamic tables of all connections. */
interface SharedField {
  /** Number of the field, from 0 on. */
  readonly id: number;
  /** The literal that makes it an entry. */
  readonly literal: Uint8Array;
  /** Size of the entry. */
  readonly tableBytes: number;
}

/** Fields of a response, prepared for all connections. */
interface EncodedFields {
  readonly shared: readonly SharedField[];
  /** All other fields, as literals that enter no table. */
  readonly literals: Uint8Array;
  /** Most bytes that the fields take. */
  readonly bytesMax: number;
}

const SHARED = new Map<string, SharedField>();
const ENCODED = new WeakMap<Fields, EncodedFields>();

const SERVER = sharedField("server", "httpserver") as SharedField;

/** `:status` of each code, encoded. */
const STATUSES: (Uint8Array | undefined)[] = [];

/** Encoder of one connection: the dynamic table that the peer's decoder keeps. */
export class HpackEncoder {
  /** Bytes of the dynamic table: at most TABLE_BYTES, whatever the peer allows. */
  #bytesMax = TABLE_BYTES;
  /** Smallest `#bytesMax` since the last block, and the value that the peer knows. */
  #bytesMin = TABLE_BYTES;
  #announced = TABLE_BYTES;
  #tableBytes = 0;
  /** Entries that were ever made, and those of them that were removed: an entry is the count of those before it. */
  #made = 0;
  #removed = 0;
  /** Sizes of the entries from `#removed` on. */
  readonly #sizes: number[] = [];
  /** Entry of each shared field, by its number; -1 if it has none. */
  readonly #entries: number[] = [];
  /** The second whose date is an entry, and that entry. */
  #dateSecond = Number.NaN;
  #dateEntry = -1;

  /** Takes over the peer's SETTINGS_HEADER_TABLE_SIZE. The next block begins with the new size (RFC 7541 §4.2). */
  setLimit(bytes: number): void {
    this.#bytesMax = Math.min(bytes, TABLE_BYTES);
    this.#bytesMin = Math.min(this.#bytesMin, this.#bytesMax);
    this.#evict(this.#bytesMax);
  }

  /** Returns the most bytes that `writeHead` writes with these fields. */
  headBytesMax(extra: Fields, fields: Fields): number {
    return HEAD_BYTES_MAX + encodedFields(extra).bytesMax + encodedFields(fields).bytesMax;
  }

  /**
   * Writes the block of a response to `into` at `offset`, where `headBytesMax` must fit: `:status`, `server`, `date`, then `extra`,
   * which every response has, and `fields`. `dateLine` is `Date: …` with its CRLF, of the given second. Returns the offset after it.
   */
  writeHead(
    into: Uint8Array,
    offset: number,
    status: number,
    second: number,
    dateLine: Uint8Array,
    extra: Fields,
    fields: Fields,
  ): number {
    let at = this.writeStatus(into, offset, status);
    at = this.#writeShared(into, at, SERVER);
    at = this.#writeDate(into, at, second, dateLine);
    at = this.#writeFields(into, at, encodedFields(extra));
    return this.#writeFields(into, at, encodedFields(fields));
  }

  /** Writes a block with `:status` alone, at most 20 bytes: that of an interim response. Returns the offset after it. */
  writeStatus(into: Uint8Array, offset: number, status: number): number {
    return copy(statusBytes(status), into, this.#writeSizeUpdates(into, offset));
  }

  #writeSizeUpdates(into: Uint8Array, offset: number): number {
    if (this.#bytesMin === this.#announced && this.#bytesMax === this.#announced) return offset;
    let at = offset;
    if (this.#bytesMin < Math.min(this.#bytesMax, this.#announced)) {
      at = writeInteger(into, at, SIZE_UPDATE, 5, this.#bytesMin);
      this.#announced = this.#bytesMin;
    }
    if (this.#bytesMax !== this.#announced) at = writeInteger(into, at, SIZE_UPDATE, 5, this.#bytesMax);
    this.#announced = this.#bytesMax;
    this.#bytesMin = this.#bytesMax;
    return at;
  }

  #writeFields(into: Uint8Array, offset: number, { shared, literals }: EncodedFields): number {
    let at = offset;
    for (let i = 0; i < shared.length; i++) at = this.#writeShared(into, at, shared[i] as SharedField);
    return copy(literals, into, at);
  }

  #writeShared(into: Uint8Array, at: number, { id, literal, tableBytes }: SharedField): number {
    const entry = id < this.#entries.length ? (this.#entries[id] as number) : -1;
    if (entry >= this.#removed) return this.#writeIndex(into, at, entry);
    while (this.#entries.length <= id) this.#entries.push(-1);
    this.#entries[id] = this.#add(tableBytes);
    return copy(literal, into, at);
  }

  #writeDate(into: Uint8Array, at: number, second: number, dateLine: Uint8Array): number {
    if (second === this.#dateSecond && this.#dateEntry >= this.#removed) {
      return this.#writeIndex(into, at, this.#dateEntry);
    }
    const literal = dateLiteral(second, dateLine);
    this.#dateSecond = second;
    this.#dateEntry = this.#add("date".length + IMF_DATE_BYTES + FIELD_OVERHEAD_BYTES);
    return copy(literal, into, at);
  }

  #writeIndex(into: Uint8Array, at: number, entry: number): number {
    const index = STATIC_COUNT + this.#made - entry;
    if (index >= 127) return writeInteger(into, at, INDEXED, 7, index);
    into[at] = INDEXED | index;
    return at + 1;
  }

  /** Adds an entry as the peer will when it reads the literal (RFC 7541 §4.4). Returns it. */
  #add(tableBytes: number): number {
    if (tableBytes > this.#bytesMax) {
      this.#evict(0);
      return -1;
    }
    this.#evict(this.#bytesMax - tableBytes);
    this.#sizes.push(tableBytes);
    this.#tableBytes += tableBytes;
    return this.#made++;
  }

  #evict(bytesMax: number): void {
    while (this.#tableBytes > bytesMax) {
      this.#tableBytes -= this.#sizes.shift() as number;
      this.#removed++;
    }
  }
}

/**
 * Returns field lines as a block that uses the static table alone, so that any decoder reads it at any moment. Names become lower
 * case, also those of pseudo-fields. Fields of HTTP/1 alone are left out.
 */
export function encodeLines(lines: FieldLines): Uint8Array {
  const parts = lines.map(([name, value]) => encodedLine(name.toLowerCase(), value));
  const block = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    block.set(part, at);
    at += part.length;
  }
  return block;
}

function encodedLine(name: string, value: string): Uint8Array {
  if (HTTP1_NAMES.has(name)) return new Uint8Array(0);
  const index = staticFieldIndex(name, value);
  if (index === 0) return literalOf(SECRET_NAMES.has(name) ? LITERAL_SECRET : LITERAL, 4, name, value);
  const into = new Uint8Array(INTEGER_BYTES_MAX);
  return into.slice(0, writeInteger(into, 0, INDEXED, 7, index));
}

function literalOf(firstByte: number, prefix: number, name: string, value: string): Uint8Array {
  const into = new Uint8Array(3 * INTEGER_BYTES_MAX + name.length + value.length);
  const index = staticNameIndex(name);
  let at = writeInteger(into, 0, firstByte, prefix, index);
  if (index === 0) at = writeString(into, at, name);
  return into.slice(0, writeString(into, at, value));
}

/** Writes an integer after the bits of `firstByte` (RFC 7541 §5.1). */
function writeInteger(into: Uint8Array, offset: number, firstByte: number, prefix: number, value: number): number {
  const mask = (1 << prefix) - 1;
  if (value < mask) {
    into[offset] = firstByte | value;
    return offset + 1;
  }
  into[offset] = firstByte | mask;
  let at = offset + 1;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) into[at++] = 0x80 | (rest & 0x7f);
  into[at++] = rest;
  return at;
}

/** Writes a string, in the Huffman code if that is shorter (RFC 7541 §5.2). */
function writeString(into: Uint8Array, offset: number, text: string): number {
  const length = huffmanLength(text);
  if (length < text.length) return encodeHuffman(text, into, writeInteger(into, offset, 0x80, 7, length));
  const at = writeInteger(into, offset, 0, 7, text.length);
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i);
  return at + text.length;
}

function encodedFields(fields: Fields): EncodedFields {
  let encoded = ENCODED.get(fields);
  if (encoded === undefined) {
    encoded = encodeFields(fields.lines);
    ENCODED.set(fields, encoded);
  }
  return encoded;
}

function encodeFields(lines: FieldLines): EncodedFields {
  const shared: SharedField[] = [];
  const others: FieldLine[] = [];
  for (const line of lines) {
    const field = sharedField(line[0].toLowerCase(), line[1]);
    if (field === null) others.push(line);
    else shared.push(field);
  }
  const literals = encodeLines(others);
  return { shared, literals, bytesMax: shared.reduce((sum, { literal }) => sum + literal.length, literals.length) };
}

/** Returns the field for the tables, or null if it is not one of those that many responses share. */
function sharedField(name: string, value: string): SharedField | null {
  if (!SHARED_NAMES.has(name)) return null;
  const tableBytes = name.length + value.length + FIELD_OVERHEAD_BYTES;
  if (tableBytes > SHARED_BYTES_MAX) return null;
  const key = `${name}\n${value}`;
  const known = SHARED.get(key);
  if (known !== undefined || SHARED.size >= SHARED_FIELDS_MAX) return known ?? null;
  const field = { id: SHARED.size, literal: literalOf(LITERAL_INDEXED, 6, name, value), tableBytes };
  SHARED.set(key, field);
  return field;
}

/** Copies all of `from`, which is often a byte or two: a call of `set` costs as much as about thirty. Returns the offset after it. */
function copy(from: Uint8Array, into: Uint8Array, at: number): number {
  const length = from.length;
  if (length < 8) for (let i = 0; i < length; i++) into[at + i] = from[i] as number;
  else into.set(from, at);
  return at + length;
}

function statusBytes(status: number): Uint8Array {
  STATUSES[status] ??= encodeLines([[":status", String(status)]]);
  return STATUSES[status];
}

/** The `date` field of one second, as an entry for the tables of all connections. */
let dateSecond = Number.NaN;
let dateBytes: Uint8Array = new Uint8Array(0);

function dateLiteral(second: number, dateLine: Uint8Array): Uint8Array {
  if (second !== dateSecond) {
    const value = String.fromCharCode(...dateLine.subarray("Date: ".length, "Date: ".length + IMF_DATE_BYTES));
    dateBytes = literalOf(LITERAL_INDEXED, 6, "date", value);
    dateSecond = second;
  }
  return dateBytes;
}
