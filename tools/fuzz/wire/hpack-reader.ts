/**
 * A second decoder of field blocks (RFC 7541), to hold against the server's own in both directions. It is as plain as the RFC: a list
 * for the dynamic table, one bit of Huffman code at a time. It shares no more with the server than the static table.
 */
import { STATIC_NAMES, STATIC_VALUES } from "../../../src/http2/static-table.ts";

/** Bytes that an entry counts besides its name and value (RFC 7541 §4.1). */
const OVERHEAD_BYTES = 32;

/** Initial bytes of the table. */
const TABLE_BYTES = 4096;

/** Integers of more octets than this are a mistake here, as they are for the server. */
const OCTETS_MAX = 4;

const EOS = 256;

/** Bits of the code of each symbol, in base 36, the last one for EOS (RFC 7541 appendix B). */
const CODE_BITS =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6" +
  "f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu";

/** Symbols in the order of their codes, which is that of their lengths. */
const SYMBOLS: readonly number[] = Array.from(CODE_BITS, (_, symbol) => symbol).sort(
  (one, other) => bitsOf(one) - bitsOf(other) || one - other,
);

/** Number of codes of each length. */
const COUNTS: readonly number[] = Array.from(
  { length: 31 },
  (_, bits) => SYMBOLS.filter((symbol) => bitsOf(symbol) === bits).length,
);

function bitsOf(symbol: number): number {
  return Number.parseInt(CODE_BITS.charAt(symbol), 36);
}

export type Line = readonly [name: string, value: string];

/** A block that breaks a rule of HPACK. */
export class BlockError extends Error {}

export class HpackReader {
  /** Asks for a change of the table to the smallest limit since the last block, if there is one. */
  isStrict = false;
  /** The dynamic table, the newest entry first. */
  readonly table: Line[] = [];
  /** Bytes that the other side may use, as it has been told, and as it has chosen. */
  #limit = TABLE_BYTES;
  #max = TABLE_BYTES;
  #isUpdateDue = false;
  /** The smallest limit since the last block: an encoder has to go through it (RFC 7541 §4.2), though few decoders ask for that. */
  #smallest = Number.POSITIVE_INFINITY;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** Sets the largest table that the other side may choose. */
  setLimit(bytes: number): void {
    this.#limit = bytes;
    if (bytes >= this.#max) return;
    this.#isUpdateDue = true;
    this.#smallest = Math.min(this.#smallest, bytes);
  }

  /** Returns the fields of bytes[start, end), a complete block. Throws a BlockError. */
  read(bytes: Uint8Array, start: number, end: number, lines: Line[] = []): Line[] {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    for (let updates = 0; this.#at < end && this.#first >> 5 === 1; ) {
      if (++updates > 2) throw new BlockError("a third change of the table");
      this.#resize(this.#integer(5));
    }
    if (this.#isUpdateDue) throw new BlockError("no change of the table, which was due");
    while (this.#at < end) lines.push(this.#field());
    return lines;
  }

  get #first(): number {
    return this.#bytes[this.#at] as number;
  }

  #resize(max: number): void {
    if (max > this.#limit) throw new BlockError("a table that is too large");
    this.#isUpdateDue = false;
    if (this.isStrict && max > this.#smallest) throw new BlockError("the smallest table is left out");
    this.#smallest = Number.POSITIVE_INFINITY;
    this.#max = max;
    this.#evict(max);
  }

  #field(): Line {
    const first = this.#first;
    if (first >= 0x80) return this.#entry(this.#integer(7));
    if (first >> 5 === 1) throw new BlockError("a change of the table after a field");
    const isKept = first >= 0x40;
    const index = this.#integer(isKept ? 6 : 4);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    const line: Line = [name, this.#string()];
    if (isKept) this.#keep(line);
    return line;
  }

  #entry(index: number): Line {
    const dynamic = index - STATIC_NAMES.length;
    const line = dynamic < 0 ? ([STATIC_NAMES[index], STATIC_VALUES[index]] as Line) : this.table[dynamic];
    if (index === 0 || line === undefined) throw new BlockError(`no entry ${index}`);
    return line;
  }

  #keep(line: Line): void {
    const bytes = sizeOf(line);
    this.#evict(this.#max - bytes);
    if (bytes <= this.#max) this.table.unshift(line);
  }

  #evict(most: number): void {
    let bytes = this.table.reduce((sum, line) => sum + sizeOf(line), 0);
    while (this.table.length > 0 && bytes > most) bytes -= sizeOf(this.table.pop() as Line);
  }

  #integer(prefix: number): number {
    const mask = 2 ** prefix - 1;
    let value = this.#octet() & mask;
    if (value < mask) return value;
    for (let octets = 0; octets < OCTETS_MAX; octets++) {
      const octet = this.#octet();
      value += (octet & 0x7f) * 2 ** (7 * octets);
      if (octet < 0x80) return value;
    }
    throw new BlockError("an integer that is too large");
  }

  #octet(): number {
    if (this.#at >= this.#end) throw new BlockError("a block that ends early");
    return this.#bytes[this.#at++] as number;
  }

  #string(): string {
    if (this.#at >= this.#end) throw new BlockError("a block that ends early");
    const isCoded = this.#first >= 0x80;
    const length = this.#integer(7);
    if (length > this.#end - this.#at) throw new BlockError("a string that ends early");
    const start = this.#at;
    this.#at += length;
    if (isCoded) return decoded(this.#bytes, start, this.#at);
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, length).toString("latin1");
  }
}

function sizeOf([name, value]: Line): number {
  return name.length + value.length + OVERHEAD_BYTES;
}

/** Decodes a string of Huffman code, one bit at a time. */
function decoded(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let code = 0;
  let bits = 0;
  let firstCode = 0;
  let firstSymbol = 0;
  let isPadding = true;
  for (let at = start; at < end; at++) {
    for (let mask = 0x80; mask > 0; mask >>= 1) {
      const bit = ((bytes[at] as number) & mask) === 0 ? 0 : 1;
      isPadding &&= bit === 1;
      code = code * 2 + bit;
      firstCode *= 2;
      bits++;
      const count = COUNTS[bits] as number;
      if (code - firstCode < count) {
        const symbol = SYMBOLS[firstSymbol + code - firstCode] as number;
        if (symbol === EOS) throw new BlockError("the symbol EOS");
        text += String.fromCharCode(symbol);
        code = 0;
        bits = 0;
        firstCode = 0;
        firstSymbol = 0;
        isPadding = true;
        continue;
      }
      firstCode += count;
      firstSymbol += count;
    }
  }
  if (bits > 7 || !isPadding) throw new BlockError("a wrong end of a coded string");
  return text;
}
