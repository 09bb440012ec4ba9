/** One function that is measured alone. */
export interface Micro {
  readonly name: string;
  /** Throws when the function does not give what it must. */
  verify(): void;
  /** Calls the function so often, and returns a sum over the results. */
  run(calls: number): number;
}

export function expectEqual(actual: unknown, expected: unknown): void {
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (got !== wanted) throw new Error(`expected ${wanted}, got ${got}`);
}
