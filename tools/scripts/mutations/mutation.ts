/** One weakened rule, as a change of one snippet of the source. */

export interface Mutation {
  /** Below src/. */
  readonly file: string;
  /** The rule that is gone. */
  readonly name: string;
  readonly original: string;
  readonly replacement: string;
}

/** Puts `replacement` in the place of the snippet. */
export function swap(file: string, name: string, original: string, replacement: string): Mutation {
  return { file, name, original, replacement };
}

/** The rule's line is left out, or `instead` stands there. */
export function gone(file: string, name: string, original: string, instead = ""): Mutation {
  return { file, name, original, replacement: instead };
}
