/** What a fuzz target is, and how one is run: seeded, bounded, and with the smallest input that still fails as its result. */
import { bytesOf } from "../../test/support/bytes.ts";
import { mutated } from "./mutate.ts";
import { Random } from "./random.ts";
import type { Coverage } from "./simulation/coverage.ts";

export interface FuzzTarget {
  /** Also the name of its file in corpus/, and the start of the names of its files in regressions/. */
  readonly name: string;
  readonly dictionary: readonly string[];
  /** The property that the input breaks, in a sentence; "" when it keeps them all. A throw is a broken property too. */
  check(input: Uint8Array, random: Random): string;
  /** Makes an input from nothing that has many parts, so that the cost of a case is shared by all of them. */
  readonly make?: (random: Random) => Uint8Array;
  /** Parts that the checks have read so far, each once, whatever the number of times that a check reads it again. */
  readonly parts?: Coverage;
}

interface FuzzBounds {
  readonly seed: number;
  /** Inputs; the run ends with the first bound that is reached. */
  readonly count: number;
  readonly seconds: number;
  /** Parts of inputs, of a target that counts them. */
  readonly parts?: number;
}

interface FuzzResult {
  readonly count: number;
  readonly failure: FuzzFailure | null;
}

export interface FuzzFailure {
  readonly input: Uint8Array;
  readonly sentence: string;
}

/** Inputs between two looks at the clock. */
const CLOCK_STRIDE = 16;

/** One input in so many comes from the corpus alone, if the target makes inputs of its own. */
const FROM_CORPUS = 4;

export function fuzz(target: FuzzTarget, corpus: readonly Uint8Array[], bounds: FuzzBounds): FuzzResult {
  const random = new Random(bounds.seed);
  const dictionary = target.dictionary.map(bytesOf);
  const deadline = performance.now() + bounds.seconds * 1000;
  const { parts = Number.POSITIVE_INFINITY } = bounds;
  let count = 0;
  for (; count < bounds.count && (target.parts?.total ?? 0) < parts; count++) {
    if (count % CLOCK_STRIDE === 0 && performance.now() > deadline) break;
    const isMade = target.make !== undefined && !random.oneIn(FROM_CORPUS);
    const input = mutated(isMade ? [target.make(random)] : corpus, dictionary, random);
    const sentence = judged(target, input, bounds.seed + count);
    if (sentence !== "") return { count, failure: smallest(target, { input, sentence }, bounds.seed + count) };
  }
  return { count, failure: null };
}

/** As `check`, with a throw as a sentence, and choices that depend on `seed` alone. */
export function judged(target: FuzzTarget, input: Uint8Array, seed: number): string {
  try {
    return target.check(input, new Random(seed));
  } catch (error) {
    return `throws ${error instanceof Error ? error.stack : error}`;
  }
}

/** Takes pieces away as long as it still fails. */
function smallest(target: FuzzTarget, failure: FuzzFailure, seed: number): FuzzFailure {
  let { input, sentence } = failure;
  for (let size = input.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at + size <= input.length; ) {
      const shorter = Uint8Array.of(...input.subarray(0, at), ...input.subarray(at + size));
      const found = judged(target, shorter, seed);
      if (found === "") at += size;
      else {
        input = shorter;
        sentence = found;
      }
    }
  }
  return { input, sentence };
}
