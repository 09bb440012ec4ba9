/**
 * Field blocks of requests (RFC 7541), decoded to names and values.
 *
 * Strategy: strings are made once. An entry of the dynamic table shares its strings with every field that refers to it, and so does
 * the mark, the caller's own judgement of a field. So a reference costs the same for an entry of any size, and the work for
 * a block is linear in its bytes. Each mistake is a COMPRESSION_ERROR of the connection (RFC 9113 §4.3), because the
 * tables of both sides are no longer the same.
 */
import { latin1Text } from "../http/ascii.ts";
import { Http2Error } from "./errors.ts";
import { decodeHuffman, huffmanRoom } from "./huffman.ts";
import { STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from "./static-table.ts";

/** Initial value of SETTINGS_HEADER_TABLE_SIZE, bytes (RFC 9113 §6.5.2). */
export const TABLE_BYTES = 4096;

/** Bytes that each field and each entry counts besides name and value (RFC 7541 §4.1, RFC 9113 §6.5.2). */
export const FIELD_OVERHEAD_BYTES = 32;

/** Changes of the table's size in one block: the smallest size, and the last one (RFC 7541 §4.2). */
const SIZE_UPDATES_MAX = 2;

/** Octets of an integer after the prefix. Four hold 28 bits: more than any string, index or table of ours. */
const INTEGER_OCTETS_MAX = 4;

/** Receiver of decoded fields. */
export interface FieldSink {
  /**
   * Takes a field of the block, in its order. Name and value are ISO-8859-1, one character a byte, as sent: nothing about them was
   * checked here. `mark` is the result of the decoder's `FieldCheck` for them.
   */
  field(name: string, value: string, mark: number): void;
}

/**
 * Judges a field by itself, by rules that are not HPACK's; the result can be any integer from 0 on. Called once for each literal and
 * each entry of the static table, not for each reference. Its result depends on name and value alone.
 */
type FieldCheck = (name: string, value: string) => number;

/** Marks of the static table, by the function that made them. */
const STATIC_MARKS = new WeakMap<FieldCheck, Int32Array>();

/** Decoded bytes of one string. All decoders share the buffer, which holds no state between two strings. */
let scratch = new Uint8Array(4096);

/** Decoder of one connection: the dynamic table of the peer's encoder. */
export class HpackDecoder {
  /** Count of changes of the dynamic table. If it is the same before and after two equal blocks, they are the same fields. */
  changes = 0;
  /** Bytes of the last block's fields, as RFC 9113 §6.5.2 counts them: with FIELD_OVERHEAD_BYTES for each. */
  sectionBytes = 0;
  readonly #check: FieldCheck;
  readonly #staticMarks: Int32Array;
  /** The dynamic table: a ring of entries, whose length is a power of two. */
  #names: string[] = [];
  #values: string[] = [];
  #marks: number[] = [];
  /** Position for the next entry. */
  #next = 0;
  #count = 0;
  #tableBytes = 0;
  /** Size that the peer has set. */
  #tableBytesMax = TABLE_BYTES;
  /** Our SETTINGS_HEADER_TABLE_SIZE. */
  #limit = TABLE_BYTES;
  /** True if the limit has fallen below the table's size, so that the next block has to begin with a new size. */
  #isUpdateDue = false;
  /** Offset after the last integer or string that was read. */
  #at = 0;

  constructor(check: FieldCheck) {
    this.#check = check;
    this.#staticMarks = staticMarks(check);
  }

  /** Sets our SETTINGS_HEADER_TABLE_SIZE, once the peer has acknowledged it. */
  setLimit(bytes: number): void {
    this.#limit = bytes;
    this.#isUpdateDue ||= bytes < this.#tableBytesMax;
  }

  /**
   * Decodes the complete block bytes[start, end), which HEADERS and CONTINUATION frames have brought. Returns 0 or an Http2Error.
   *
   * Gives the fields to `sink` until they are larger than `sectionBytesMax` together. The rest is decoded too, so that the table
   * stays that of the peer, but `sink` gets none of it; `sectionBytes` is then larger than the bound. The caller bounds the bytes of a
   * block. After an error the decoder is of no further use.
   */
  decode(bytes: Uint8Array, start: number, end: number, sectionBytesMax: number, sink: FieldSink): number {
    this.sectionBytes = 0;
    this.#at = start;
    const error = this.#readSizeUpdates(bytes, end);
    if (error < 0) return error;
    while (this.#at < end) {
      const first = bytes[this.#at] as number;
      let result: number;
      if (first >= 0x80) result = this.#readIndexed(bytes, end, sectionBytesMax, sink);
      else if (first >= 0x40) result = this.#readLiteral(bytes, end, 6, sectionBytesMax, sink);
      else if (first >= 0x20) result = Http2Error.TableSizeMisplaced;
      else result = this.#readLiteral(bytes, end, 4, sectionBytesMax, sink);
      if (result < 0) return result;
    }
    return 0;
  }

  /** Reads the changes of the table's size at the beginning of a block (RFC 7541 §4.2, §6.3). */
  #readSizeUpdates(bytes: Uint8Array, end: number): number {
    let count = 0;
    while (this.#at < end && ((bytes[this.#at] as number) & 0xe0) === 0x20) {
      if (++count > SIZE_UPDATES_MAX) return Http2Error.TableSizeRepeated;
      const size = this.#readInteger(bytes, end, 5);
      if (size < 0) return size;
      if (size > this.#limit) return Http2Error.TableSizeTooLarge;
      this.#isUpdateDue = false;
      this.#tableBytesMax = size;
      this.changes++;
      this.#evict(size);
    }
    return this.#isUpdateDue ? Http2Error.TableSizeMissing : 0;
  }

  /** Reads a reference to an entry (RFC 7541 §6.1). */
  #readIndexed(bytes: Uint8Array, end: number, sectionBytesMax: number, sink: FieldSink): number {
    const index = this.#readInteger(bytes, end, 7);
    if (index <= 0) return index < 0 ? index : Http2Error.IndexInvalid;
    if (index <= STATIC_COUNT) {
      const mark = this.#staticMarks[index] as number;
      this.#give(STATIC_NAMES[index] as string, STATIC_VALUES[index] as string, mark, sectionBytesMax, sink);
      return 0;
    }
    if (index > STATIC_COUNT + this.#count) return Http2Error.IndexInvalid;
    const at = this.#position(index);
    this.#give(this.#names[at] as string, this.#values[at] as string, this.#marks[at] as number, sectionBytesMax, sink);
    return 0;
  }

  /** Reads a literal field whose name may be a reference; with a prefix of six bits it becomes an entry (RFC 7541 §6.2). */
  #readLiteral(bytes: Uint8Array, end: number, prefix: number, sectionBytesMax: number, sink: FieldSink): number {
    const index = this.#readInteger(bytes, end, prefix);
    if (index < 0) return index;
    let name: string | number;
    if (index === 0) name = this.#readString(bytes, end);
    else if (index <= STATIC_COUNT) name = STATIC_NAMES[index] as string;
    else if (index <= STATIC_COUNT + this.#count) name = this.#names[this.#position(index)] as string;
    else return Http2Error.IndexInvalid;
    if (typeof name === "number") return name;
    const value = this.#readString(bytes, end);
    if (typeof value === "number") return value;
    const mark = this.#check(name, value);
    if (prefix === 6) this.#add(name, value, mark);
    this.#give(name, value, mark, sectionBytesMax, sink);
    return 0;
  }

  #give(name: string, value: string, mark: number, sectionBytesMax: number, sink: FieldSink): void {
    this.sectionBytes += name.length + value.length + FIELD_OVERHEAD_BYTES;
    if (this.sectionBytes <= sectionBytesMax) sink.field(name, value, mark);
  }

  /** Reads an integer whose prefix has `prefix` bits (RFC 7541 §5.1). Returns it, or an Http2Error. */
  #readInteger(bytes: Uint8Array, end: number, prefix: number): number {
    const mask = (1 << prefix) - 1;
    let value = (bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 7 * INTEGER_OCTETS_MAX; shift += 7) {
      if (this.#at >= end) return Http2Error.BlockTruncated;
      const octet = bytes[this.#at++] as number;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    return Http2Error.IntegerTooLarge;
  }

  /** Reads a string (RFC 7541 §5.2). Returns it, or an Http2Error. */
  #readString(bytes: Uint8Array, end: number): string | number {
    if (this.#at >= end) return Http2Error.BlockTruncated;
    const isHuffman = (bytes[this.#at] as number) >= 0x80;
    const length = this.#readInteger(bytes, end, 7);
    if (length < 0) return length;
    const start = this.#at;
    if (length > end - start) return Http2Error.BlockTruncated;
    this.#at = start + length;
    if (!isHuffman) return latin1Text(bytes, start, start + length);
    const room = huffmanRoom(length);
    if (scratch.length < room) scratch = new Uint8Array(room);
    const count = decodeHuffman(bytes, start, start + length, scratch);
    return count < 0 ? count : latin1Text(scratch, 0, count);
  }

  /** Adds an entry, for which older ones make room. One that is larger than the table empties it (RFC 7541 §4.4). */
  #add(name: string, value: string, mark: number): void {
    this.changes++;
    const size = name.length + value.length + FIELD_OVERHEAD_BYTES;
    if (size > this.#tableBytesMax) {
      this.#evict(0);
      return;
    }
    this.#evict(this.#tableBytesMax - size);
    if (this.#count === this.#names.length) this.#grow();
    const at = this.#next;
    this.#names[at] = name;
    this.#values[at] = value;
    this.#marks[at] = mark;
    this.#next = (at + 1) & (this.#names.length - 1);
    this.#count++;
    this.#tableBytes += size;
  }

  /** Removes the oldest entries until the others have at most `bytesMax`. */
  #evict(bytesMax: number): void {
    while (this.#tableBytes > bytesMax) {
      const at = this.#position(STATIC_COUNT + this.#count);
      this.#tableBytes -=
        (this.#names[at] as string).length + (this.#values[at] as string).length + FIELD_OVERHEAD_BYTES;
      // The ring would keep up to 4 KiB alive with each of its places.
      this.#names[at] = "";
      this.#values[at] = "";
      this.#count--;
    }
  }

  /** Returns the place in the ring of the entry with this index, which exists. */
  #position(index: number): number {
    return (this.#next + STATIC_COUNT - index) & (this.#names.length - 1);
  }

  /** Doubles the full ring, so that a connection has no more places than its peer uses. */
  #grow(): void {
    const length = Math.max(8, this.#names.length * 2);
    const order = Array.from({ length: this.#count }, (_, i) => this.#position(STATIC_COUNT + this.#count - i));
    this.#names = extended(
      order.map((at) => this.#names[at] as string),
      length,
      "",
    );
    this.#values = extended(
      order.map((at) => this.#values[at] as string),
      length,
      "",
    );
    this.#marks = extended(
      order.map((at) => this.#marks[at] as number),
      length,
      0,
    );
    this.#next = this.#count;
  }
}

function extended<Item>(items: Item[], length: number, fill: Item): Item[] {
  while (items.length < length) items.push(fill);
  return items;
}

function staticMarks(check: FieldCheck): Int32Array {
  let marks = STATIC_MARKS.get(check);
  if (marks === undefined) {
    marks = Int32Array.from(STATIC_NAMES, (name, index) => check(name, STATIC_VALUES[index] as string));
    STATIC_MARKS.set(check, marks);
  }
  return marks;
}
