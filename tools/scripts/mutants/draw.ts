/** Draws mutants by a seed, a share for each folder, spread over its files by their size. */
import { Random } from "../../fuzz/random.ts";
import type { Mutant } from "./sites.ts";

/**
 * Draws `count` mutants. Half of them are shared equally between the folders, half by the number of their mutants. Their order is mixed, so
 * that a run which is stopped has seen a part of everything.
 */
export function draw(folders: readonly (readonly Mutant[])[], seed: number, count: number): Mutant[] {
  const all = folders.reduce((sum, { length }) => sum + length, 0);
  const drawn = folders.flatMap((mutants, at) => {
    const share = Math.round(count / folders.length / 2 + (count * mutants.length) / all / 2);
    return spread(mutants, new Random(seed + at), Math.min(share, mutants.length));
  });
  const random = new Random(seed);
  for (let left = drawn.length; left > 1; left--) {
    const at = random.below(left);
    [drawn[at], drawn[left - 1]] = [drawn[left - 1] as Mutant, drawn[at] as Mutant];
  }
  return drawn;
}

/** Picks one mutant of each of `count` equal stretches, so that a file gets its share and no two picks are neighbours often. */
function spread(mutants: readonly Mutant[], random: Random, count: number): Mutant[] {
  return Array.from({ length: count }, (_, at) => {
    const from = Math.floor((at * mutants.length) / count);
    const to = Math.floor(((at + 1) * mutants.length) / count);
    return mutants[from + random.below(to - from)] as Mutant;
  });
}
