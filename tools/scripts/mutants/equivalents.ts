/** Mutants that change nothing that a test could see, each with its reason. They are counted by themselves. */

export interface Equivalent {
  readonly file: string;
  readonly before: string;
  readonly after: string;
  readonly reason: string;
}

export const EQUIVALENTS: readonly Equivalent[] = [];
