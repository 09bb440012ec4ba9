/**
 * The table of commands: words, summary, and the module of each command. A module is loaded only for its command, so help, errors
 * and `hash-password` start without the server, and the server starts without them.
 */
import { type Environment, parseRun, parseServe, type Question } from "./command-line.ts";
import type { COMMAND_NAMES } from "./folder-form.ts";
import type { StartServer } from "./launch.ts";
import type { Answer } from "./say.ts";

/** The exit code of a command that has done its work, or an answer, or a question to answer, instead. */
export type Outcome = number | Answer | Question;

export interface Command {
  /** First word of the command line; "" for the command that needs none. */
  readonly name: (typeof COMMAND_NAMES)[number] | "";
  /** Words that may follow, for the help. */
  readonly words: string;
  readonly summary: string;
  /** True for a command that the short help leaves out. */
  readonly isRare?: true;
  /** Does the command with the words after its name. */
  perform(words: readonly string[], env: Environment, start: StartServer | undefined): Promise<Outcome>;
}

const SERVE: Command = {
  name: "",
  words: "[FOLDER] [port] [host] [threads] [flags]",
  summary: "",
  async perform(words, env, start) {
    const order = parseServe(words, env);
    return order.kind === "serve" ? (await import("./serve.ts")).serve(order, env, start) : order;
  },
};

const RUN: Command = {
  name: "run",
  words: "[FOLDER] [flags] -- command",
  summary: "serves while a command runs",
  async perform(words, env, start) {
    const order = parseRun(words, env);
    return order.kind === "run" ? (await import("./run.ts")).run(order, env, start) : order;
  },
};

const PROBE: Command = {
  name: "probe",
  words: "[URL]",
  summary: "waits for a ready server",
  perform: async (words, env) => (await import("./probe.ts")).probe(words, env),
};

const HASH_PASSWORD: Command = {
  name: "hash-password",
  words: "[USER]",
  summary: "prints the hash of a password",
  perform: async (words) => (await import("./hash-password.ts")).hashPassword(words),
};

const COMPLETIONS: Command = {
  name: "completions",
  words: "SHELL",
  summary: "prints completions for SHELL",
  isRare: true,
  perform: async (words) => (await import("./completions.ts")).completions(words, COMMANDS),
};

/** In the order of the help. */
export const COMMANDS: readonly Command[] = [SERVE, RUN, PROBE, HASH_PASSWORD, COMPLETIONS];

/** Returns the command that `argv` names, and the words for it. */
export function findCommand(argv: readonly string[]): { command: Command; words: readonly string[] } {
  const [first = ""] = argv;
  const command = COMMANDS.find(({ name }) => name !== "" && name === first);
  return command === undefined ? { command: SERVE, words: argv } : { command, words: argv.slice(1) };
}
