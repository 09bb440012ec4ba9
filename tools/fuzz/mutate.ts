/** Makes new inputs from kept ones: bytes changed, put in, taken out, repeated; tokens of the protocol; two inputs spliced. */
import type { Random } from "./random.ts";

/** Longest input, bytes: long enough for every limit of small things, short enough for many a second. */
export const INPUT_BYTES_MAX = 4096;

/** Bytes at which grammars turn. */
const TURNING_POINTS: readonly number[] = [
  0, 1, 8, 9, 10, 11, 12, 13, 31, 32, 33, 34, 44, 45, 46, 47, 48, 57, 58, 59, 61, 63, 64, 65, 91, 92, 93, 127, 128, 255,
];

/** A new input; `corpus` holds at least one. Never longer than INPUT_BYTES_MAX. */
export function mutated(corpus: readonly Uint8Array[], dictionary: readonly Uint8Array[], random: Random): Uint8Array {
  let input = random.pick(corpus);
  if (random.oneIn(8)) {
    const other = random.pick(corpus);
    input = joined(input.subarray(0, random.below(input.length + 1)), other.subarray(random.below(other.length + 1)));
  }
  // Mostly one change: most rules are about one byte, and more would hide it behind another error.
  for (let changes = random.pick([0, 1, 1, 1, 2, 3, 6]); changes > 0; changes--)
    input = changed(input, dictionary, random);
  return input.subarray(0, INPUT_BYTES_MAX);
}

function changed(input: Uint8Array, dictionary: readonly Uint8Array[], random: Random): Uint8Array {
  const at = random.below(input.length + 1);
  const before = input.subarray(0, at);
  const after = input.subarray(at);
  switch (random.below(8)) {
    case 0:
      return joined(before, Uint8Array.of(random.pick(TURNING_POINTS)), after);
    case 1:
      return joined(before, Uint8Array.of(random.pick(TURNING_POINTS)), after.subarray(1));
    case 2:
      return joined(before, Uint8Array.of((after[0] ?? 0) ^ (1 << random.below(8))), after.subarray(1));
    case 3:
      return joined(before, after.subarray(1 + random.below(4)));
    case 4:
      return joined(before, after.subarray(random.below(after.length + 1)));
    case 5:
      return joined(before, random.pick(dictionary), after);
    case 6: {
      const piece = after.subarray(0, 1 + random.below(24));
      return joined(
        before,
        ...Array.from({ length: 1 + random.below(random.oneIn(20) ? 200 : 4) }, () => piece),
        after,
      );
    }
    default:
      return joined(before, Uint8Array.of(random.below(256)), after.subarray(1));
  }
}

function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Lengths of pieces; single bytes are rare, since reading again with each of them takes time by the square. */
const PIECE_BYTES_MAX = [1, 7, 40, 40, 200, 200, 1000, 1000];

/** `input` in pieces of random lengths, none of them empty; one piece now and then. */
export function pieces(input: Uint8Array, random: Random): readonly Uint8Array[] {
  const cut: Uint8Array[] = [];
  const longest = random.pick(PIECE_BYTES_MAX);
  for (let at = 0; at < input.length; ) {
    const next = Math.min(input.length, at + 1 + random.below(longest));
    cut.push(input.subarray(at, next));
    at = next;
  }
  return cut;
}
