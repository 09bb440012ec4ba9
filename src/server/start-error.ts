/** The server could not start, for a reason the operator can mend: the message is one line that says what to do. */
export class StartError extends Error {
  override readonly name = "StartError";
  /** The exit code of a program that gives up because of it. */
  readonly exitCode = 3;
}
