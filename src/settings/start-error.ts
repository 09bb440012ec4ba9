/** Failures in the words that the operator reads. */

/** The server could not start, for a reason the operator can mend: the message is one line that says what to do. */
export class StartError extends Error {
  override readonly name = "StartError";
  /** The exit code of a program that gives up because of it. */
  readonly exitCode = 3;
}

/** A setting that cannot be used. The message is one line: which setting, what was expected, what was given. */
export class OptionsError extends Error {
  override readonly name = "OptionsError";
}

/** What a failure says, for a line that says what failed. Whatever was thrown, it says something. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
