/**
 * Fields as literals (RFC 7541 §6), which are the same for all connections: written once, kept with the fields, and sent often.
 */
import type { FieldLines, Fields } from "../http/fields.ts";
import { FIELD_OVERHEAD_BYTES, TABLE_BYTES } from "./hpack-decoder.ts";
import { encodeHuffman, huffmanLength } from "./huffman.ts";
import { staticFieldIndex, staticNameIndex } from "./static-table.ts";

/** The encoder's view of a name. */
enum Kind {
  Plain = 0,
  /** Has one value, or a few, in all responses of a server, and no request decides about it: an entry for the tables. */
  Shared,
  /** Has values that no table may keep, also not that of a proxy on the way (RFC 7541 §7.1.3). */
  Secret,
  /** Is a field that HTTP/2 does not have (RFC 9113 §8.2.2), and is left out. */
  Dropped,
}

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ["accept-ranges", Kind.Shared],
  ["cache-control", Kind.Shared],
  ["content-encoding", Kind.Shared],
  ["content-security-policy", Kind.Shared],
  ["content-type", Kind.Shared],
  ["cross-origin-embedder-policy", Kind.Shared],
  ["cross-origin-opener-policy", Kind.Shared],
  ["cross-origin-resource-policy", Kind.Shared],
  ["permissions-policy", Kind.Shared],
  ["referrer-policy", Kind.Shared],
  ["server", Kind.Shared],
  ["strict-transport-security", Kind.Shared],
  ["vary", Kind.Shared],
  ["x-content-type-options", Kind.Shared],
  ["x-frame-options", Kind.Shared],
  ["authorization", Kind.Secret],
  ["cookie", Kind.Secret],
  ["proxy-authorization", Kind.Secret],
  ["set-cookie", Kind.Secret],
  ["connection", Kind.Dropped],
  ["keep-alive", Kind.Dropped],
  ["proxy-connection", Kind.Dropped],
  ["transfer-encoding", Kind.Dropped],
  ["upgrade", Kind.Dropped],
]);

/** Different shared fields; further ones are literals. A server has some dozens. */
const SHARED_FIELDS_MAX = 256;

/** Largest entry of the table: a longer field would push out many others. */
const SHARED_BYTES_MAX = TABLE_BYTES / 4;

/** Names whose properties are kept. A server has some dozens; an upstream could send any number. */
const NAMES_MAX = 512;

/** First byte of each representation (RFC 7541 §6). */
const INDEXED = 0x80;
const LITERAL_INDEXED = 0x40;
const LITERAL_SECRET = 0x10;
const LITERAL = 0x00;

/** Bits of the prefix of an index. */
const INDEXED_BITS = 7;
const LITERAL_INDEXED_BITS = 6;
const LITERAL_BITS = 4;

/** Most bytes of an integer of up to 28 bits. */
export const INTEGER_BYTES_MAX = 6;

/** Most bytes of a literal besides name and value: an index and two lengths. */
const LITERAL_BYTES_MAX = 3 * INTEGER_BYTES_MAX;

/** All that a name decides. */
interface Name {
  /** The name in lower case. */
  readonly text: string;
  readonly kind: Kind;
  /** Index of the name in the static table, or 0. */
  readonly index: number;
}

/** A field for the dynamic tables of all connections. */
export interface SharedField {
  /** Number of the field, from 0 on. */
  readonly id: number;
  /** The literal that makes it an entry. */
  readonly literal: Uint8Array;
  /** Size of the entry. */
  readonly tableBytes: number;
}

/** Fields of a response, prepared for all connections. */
export interface EncodedFields {
  readonly shared: readonly SharedField[];
  /** All other fields, as literals that enter no table. */
  readonly literals: Uint8Array;
  /** Most bytes that the fields take. */
  readonly bytesMax: number;
}

/** Names as they are written by the code that makes the fields. */
const NAMES = new Map<string, Name>();

/** Literals while they are written. Holds nothing between two calls. */
let scratch = new Uint8Array(1024);

/** Encoded fields of all connections of a process. A test has its own, because the number of shared fields is bounded. */
export class FieldLiterals {
  readonly #encoded = new WeakMap<Fields, EncodedFields>();
  /** Fields for the tables, by name and value. */
  readonly #shared = new Map<Name, Map<string, SharedField>>();
  #sharedCount = 0;
  /** The field `server` of every response. */
  readonly server: SharedField = this.#share(nameOf("server"), "httpserver") as SharedField;

  /** Returns the fields as they are encoded for all connections. */
  of(fields: Fields): EncodedFields {
    let encoded = this.#encoded.get(fields);
    if (encoded === undefined) {
      encoded = this.#encode(fields.lines);
      this.#encoded.set(fields, encoded);
    }
    return encoded;
  }

  #encode(lines: FieldLines): EncodedFields {
    reserve(lines);
    const shared: SharedField[] = [];
    let sharedBytes = 0;
    let at = 0;
    for (const [text, value] of lines) {
      const name = nameOf(text);
      const field = name.kind === Kind.Shared ? this.#share(name, value) : null;
      if (field === null) at = writeLine(scratch, at, name, value);
      else {
        shared.push(field);
        sharedBytes += field.literal.length;
      }
    }
    return { shared, literals: scratch.slice(0, at), bytesMax: sharedBytes + at };
  }

  /** Returns the field for the tables, or null if it is too long, or if there are too many. */
  #share(name: Name, value: string): SharedField | null {
    let values = this.#shared.get(name);
    if (values === undefined) {
      values = new Map();
      this.#shared.set(name, values);
    }
    const known = values.get(value);
    if (known !== undefined) return known;
    const tableBytes = name.text.length + value.length + FIELD_OVERHEAD_BYTES;
    if (tableBytes > SHARED_BYTES_MAX || this.#sharedCount >= SHARED_FIELDS_MAX) return null;
    const field = { id: this.#sharedCount++, literal: entryLiteral(name.text, value), tableBytes };
    values.set(value, field);
    return field;
  }
}

/**
 * Returns field lines as a block that uses the static table alone, so that any decoder reads it at any moment. Names become lower
 * case, also those of pseudo-fields. Fields of HTTP/1 alone are left out.
 */
export function encodeLines(lines: FieldLines): Uint8Array {
  reserve(lines);
  let at = 0;
  for (const [name, value] of lines) at = writeLine(scratch, at, nameOf(name), value);
  return scratch.slice(0, at);
}

/** Returns a literal that makes the field an entry. The name is in lower case. */
export function entryLiteral(name: string, value: string): Uint8Array {
  const into = new Uint8Array(LITERAL_BYTES_MAX + name.length + value.length);
  const index = staticNameIndex(name);
  return into.slice(0, writeLiteral(into, 0, LITERAL_INDEXED, LITERAL_INDEXED_BITS, name, index, value));
}

/** Writes an integer after the bits of `firstByte` (RFC 7541 §5.1). Returns the offset after it. */
export function writeInteger(
  into: Uint8Array,
  offset: number,
  firstByte: number,
  prefix: number,
  value: number,
): number {
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

/** Makes room in `scratch` for all lines as literals. */
function reserve(lines: FieldLines): void {
  let room = 0;
  for (const [name, value] of lines) room += LITERAL_BYTES_MAX + name.length + value.length;
  if (scratch.length < room) scratch = new Uint8Array(room);
}

function writeLine(into: Uint8Array, at: number, { text, kind, index }: Name, value: string): number {
  if (kind === Kind.Dropped) return at;
  if (kind === Kind.Secret) return writeLiteral(into, at, LITERAL_SECRET, LITERAL_BITS, text, index, value);
  const field = index === 0 ? 0 : staticFieldIndex(index, text, value);
  if (field !== 0) return writeInteger(into, at, INDEXED, INDEXED_BITS, field);
  return writeLiteral(into, at, LITERAL, LITERAL_BITS, text, index, value);
}

function writeLiteral(
  into: Uint8Array,
  offset: number,
  firstByte: number,
  prefix: number,
  name: string,
  index: number,
  value: string,
): number {
  const at = writeInteger(into, offset, firstByte, prefix, index);
  return writeString(into, index === 0 ? writeString(into, at, name) : at, value);
}

/** Writes a string, in the Huffman code if that is shorter (RFC 7541 §5.2). */
function writeString(into: Uint8Array, offset: number, text: string): number {
  const length = huffmanLength(text);
  if (length < text.length) return encodeHuffman(text, into, writeInteger(into, offset, 0x80, 7, length));
  const at = writeInteger(into, offset, 0, 7, text.length);
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i);
  return at + text.length;
}

function nameOf(text: string): Name {
  const known = NAMES.get(text);
  if (known !== undefined) return known;
  const lower = text.toLowerCase();
  // Names that differ in case alone share their entries.
  const name =
    lower === text ? { text, kind: KINDS.get(text) ?? Kind.Plain, index: staticNameIndex(text) } : nameOf(lower);
  if (NAMES.size < NAMES_MAX) NAMES.set(text, name);
  return name;
}
