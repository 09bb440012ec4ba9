/** Encodes the field blocks of a client, in any of the ways that HPACK has, and keeps the table that the server has to keep. */
import { encodeHuffman, huffmanLength } from "../../../src/http2/huffman.ts";
import { bytesOf } from "../../../test/support/bytes.ts";
import type { Random } from "../random.ts";
import { HpackReader, type Line } from "../wire/hpack-reader.ts";

/** Entries of the static table. */
const STATIC_COUNT = 61;

export class ClientEncoder {
  readonly #model = new HpackReader();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  encode(lines: readonly Line[]): Uint8Array {
    const random = this.#random;
    const block: number[] = [];
    if (random.oneIn(12)) {
      pushInteger(block, 0x20, 5, random.pick([0, 100, 1000, 4096, 4096]));
      this.#learn(block, 0);
    }
    for (const [name, value] of lines) {
      const start = block.length;
      const index = this.#model.table.findIndex(([n, v]) => n === name && v === value);
      if (index >= 0 && !random.oneIn(8)) pushInteger(block, 0x80, 7, STATIC_COUNT + 1 + index);
      else this.#pushLiteral(block, name, value);
      this.#learn(block, start);
    }
    return Uint8Array.from(block);
  }

  /** Has the model read what stands in the block from `start` on, so that the next reference fits. */
  #learn(block: readonly number[], start: number): void {
    const bytes = Uint8Array.from(block.slice(start));
    this.#model.read(bytes, 0, bytes.length);
  }

  #pushLiteral(block: number[], name: string, value: string): void {
    const [first, prefix] = this.#random.pick([
      [0x40, 6] as const,
      [0x40, 6] as const,
      [0, 4] as const,
      [0x10, 4] as const,
    ]);
    pushInteger(block, first, prefix, 0);
    this.#pushText(block, name);
    this.#pushText(block, value);
  }

  #pushText(block: number[], text: string): void {
    const isCoded = this.#random.oneIn(2);
    const coded = new Uint8Array(isCoded ? huffmanLength(text) : 0);
    if (isCoded) encodeHuffman(text, coded, 0);
    const bytes = isCoded ? coded : bytesOf(text);
    pushInteger(block, isCoded ? 0x80 : 0, 7, bytes.length);
    for (const byte of bytes) block.push(byte);
  }
}

/** Writes an integer whose prefix has `prefix` bits (RFC 7541 §5.1). */
export function pushInteger(block: number[], first: number, prefix: number, value: number): void {
  const mask = 2 ** prefix - 1;
  if (value < mask) {
    block.push(first | value);
    return;
  }
  block.push(first | mask);
  let rest = value - mask;
  for (; rest >= 128; rest >>>= 7) block.push((rest & 127) | 128);
  block.push(rest);
}
