/** Errors of a start, in words for the operator. */

/** The server could not start, for a reason that the operator can remove. The message is one line. */
export class StartError extends Error {
  /** Always `StartError`. */
  override readonly name = "StartError";
  /** Exit code of a program that ends with this error. */
  readonly exitCode = 3;
}

/** The served folder does not exist. `advice` is the end of the sentence: the program knows best which one helps. */
export class MissingRootError extends StartError {
  constructor(folder: string, advice: string) {
    super(`the folder ${folder} does not exist; ${advice}`);
  }
}

/** A setting that cannot be used. The message is one line with the setting, the expected value and the given one. */
export class OptionsError extends Error {
  /** Always `OptionsError`. */
  override readonly name = "OptionsError";
}

/** Returns the message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
