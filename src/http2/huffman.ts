/**
 * The Huffman code of HPACK (RFC 7541 §5.2, appendix B).
 *
 * The code is canonical: a longer code is a larger number when both are written from the left, and among codes of one length a larger
 * symbol has the larger code. So the lengths alone define it. Decoding looks at twelve bits at a time, which hold the next one or two
 * symbols of ordinary text.
 */
import { Http2Error } from "./errors.ts";

const EOS = 256;
const LENGTH_MIN = 5;
const LENGTH_MAX = 30;

/** Bits of each symbol's code; the last one is EOS. */
// biome-ignore format: sixteen in a line
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

/** Symbols in the order of their codes. */
const ORDERED: readonly number[] = LENGTHS.map((_, symbol) => symbol).sort((a, b) => bitsOf(a) - bitsOf(b) || a - b);

/** Code of each symbol, in the lowest bits. */
const CODES: Uint32Array = new Uint32Array(LENGTHS.length);

/** First code that is longer than the index, written from the left in 32 bits; 2^32 if there is none. */
const LONGER: Float64Array = new Float64Array(LENGTH_MAX + 1);

/** Position in ORDERED of the first symbol whose code has the index as its length, less that code. */
const POSITIONS: Int32Array = new Int32Array(LENGTH_MAX + 1);

assignCodes();

/** Bits that one look at LOOKUP takes. */
const LOOKUP_BITS = 12;
const LOOKUP_MASK = (1 << LOOKUP_BITS) - 1;

/**
 * Meaning of the next LOOKUP_BITS bits: the first symbol (bits 0 to 7), the second one (8 to 15), the bits of the first code (16 to
 * 19) and of all complete codes (20 to 23). Equal counts mean one symbol. The entry is 0 if the first code is not complete.
 */
const LOOKUP: Uint32Array = buildLookup();

/** Returns the most bytes that `decodeHuffman` writes for `length` bytes. */
export function huffmanRoom(length: number): number {
  return Math.ceil((length * 8) / LENGTH_MIN) + 1;
}

/**
 * Decodes the string bytes[start, end) to the beginning of `into`, which has `huffmanRoom` bytes. Returns the count of bytes, or an
 * Http2Error for the symbol EOS and for an end that is not fewer than eight bits of it.
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let at = start;
  let count = 0;
  // The lowest `held` bits of `bits` are the next ones of the string.
  let bits = 0;
  let held = 0;
  for (;;) {
    while (held <= 24 && at < end) {
      bits = (bits << 8) | (bytes[at++] as number);
      held += 8;
    }
    if (held < LOOKUP_BITS) break;
    const entry = LOOKUP[(bits >>> (held - LOOKUP_BITS)) & LOOKUP_MASK] as number;
    if (entry === 0) {
      const symbol = longSymbol(bytes, at, end, held);
      if (symbol < 0) return symbol;
      into[count++] = symbol;
      held -= bitsOf(symbol);
      // A long code may reach beyond the bits that are held.
      while (held < 0) {
        bits = bytes[at++] as number;
        held += 8;
      }
      continue;
    }
    into[count] = entry;
    into[count + 1] = entry >>> 8;
    const used = entry >>> 20;
    count += used === ((entry >>> 16) & 15) ? 1 : 2;
    held -= used;
  }
  return decodeRest(bits, held, into, count);
}

/** Decodes the last bits, fewer than LOOKUP_BITS, with the start of EOS after them. Returns the count of bytes, or an Http2Error. */
function decodeRest(bits: number, bitCount: number, into: Uint8Array, offset: number): number {
  let count = offset;
  let held = bitCount;
  for (;;) {
    const missing = LOOKUP_BITS - held;
    const entry = LOOKUP[((bits << missing) | ((1 << missing) - 1)) & LOOKUP_MASK] as number;
    const used = (entry >>> 16) & 15;
    if (entry === 0 || used > held) break;
    into[count++] = entry;
    held -= used;
  }
  const ones = (1 << held) - 1;
  return held < 8 && (bits & ones) === ones ? count : Http2Error.HuffmanPadding;
}

/** Returns the symbol whose code begins `held` bits before bytes[at] and is longer than LOOKUP_BITS, or an Http2Error. */
function longSymbol(bytes: Uint8Array, at: number, end: number, held: number): number {
  const first = at * 8 - held;
  const octet = first >> 3;
  const skipped = first & 7;
  // The 32 bits from the code on. Beyond the end there are ones, which end no code but that of EOS.
  let code = 0;
  for (let i = octet; i < octet + 4; i++) code = (code << 8) | (i < end ? (bytes[i] as number) : 255);
  code = (code << skipped) | ((octet + 4 < end ? (bytes[octet + 4] as number) : 255) >> (8 - skipped));
  code >>>= 0;
  let length = LOOKUP_BITS + 1;
  while (length < LENGTH_MAX && code >= (LONGER[length] as number)) length++;
  const symbol = ORDERED[(POSITIONS[length] as number) + (code >>> (32 - length))] as number;
  if (first + length > end * 8) return Http2Error.HuffmanPadding;
  return symbol === EOS ? Http2Error.HuffmanEos : symbol;
}

/** Returns the bytes that the Latin-1 `text` takes in this code, padding included. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += bitsOf(text.charCodeAt(i));
  return (bits + 7) >> 3;
}

/** Writes the Latin-1 `text` in this code to `into` at `offset`, with the start of EOS as padding. Returns the offset after it. */
export function encodeHuffman(text: string, into: Uint8Array, offset: number): number {
  let at = offset;
  // The lowest `held` bits of `bits`, fewer than eight, are not written yet.
  let bits = 0;
  let held = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i);
    const code = CODES[symbol] as number;
    // In parts of eight bits at most, so that 32 bits are enough.
    for (let rest = bitsOf(symbol); rest > 0; ) {
      const part = Math.min(8, rest);
      rest -= part;
      bits = ((bits << part) | ((code >>> rest) & ((1 << part) - 1))) & 0xffff;
      held += part;
      if (held >= 8) {
        held -= 8;
        into[at++] = bits >>> held;
      }
    }
  }
  if (held > 0) into[at++] = (bits << (8 - held)) | ((1 << (8 - held)) - 1);
  return at;
}

function bitsOf(symbol: number): number {
  return LENGTHS[symbol] as number;
}

function assignCodes(): void {
  let code = 0;
  let length = LENGTH_MIN;
  ORDERED.forEach((symbol, position) => {
    for (; length < bitsOf(symbol); length++) {
      LONGER[length] = code * 2 ** (32 - length);
      code *= 2;
      POSITIONS[length + 1] = position - code;
    }
    if (position === 0) POSITIONS[length] = 0;
    CODES[symbol] = code++;
  });
  LONGER[LENGTH_MAX] = 2 ** 32;
}

function buildLookup(): Uint32Array {
  const table = new Uint32Array(1 << LOOKUP_BITS);
  for (const first of ORDERED) {
    const used = bitsOf(first);
    if (used > LOOKUP_BITS) break;
    const left = LOOKUP_BITS - used;
    const from = (CODES[first] as number) << left;
    table.fill(first | (used << 16) | (used << 20), from, from + (1 << left));
    for (const second of ORDERED) {
      const more = bitsOf(second);
      if (more > left) break;
      const at = from + ((CODES[second] as number) << (left - more));
      table.fill(first | (second << 8) | (used << 16) | ((used + more) << 20), at, at + (1 << (left - more)));
    }
  }
  return table;
}
