/** The program: finds the command and performs it, or prints the answer to a question such as `--help`. */
import type { Environment } from "./command-line.ts";
import { COMMANDS, findCommand, type Outcome } from "./commands.ts";
import type { StartServer } from "./launch.ts";
import { type Answer, say } from "./say.ts";

/**
 * Runs the program and resolves with its exit code: 0 after help, version or a drain, 1 after a failure of ours, 2 for bad words, 3
 * when the server cannot start. A second SIGINT, SIGTERM or SIGHUP cuts responses short and gives 130, 143 or 129. `run` gives the
 * code of its command, or 4, 126 or 127; `probe` gives 0 or 1.
 */
export async function main(argv: readonly string[], env: Environment, start?: StartServer): Promise<number> {
  const { command, words } = findCommand(argv);
  const outcome = await command.perform(words, env, start);
  return typeof outcome === "number" ? outcome : say(await answerOf(outcome));
}

/** Answers a question. The help is loaded only for one. */
async function answerOf(outcome: Exclude<Outcome, number>): Promise<Answer> {
  if (!("kind" in outcome)) return outcome;
  switch (outcome.kind) {
    case "help":
      return { text: (await import("./help.ts")).renderHelp(outcome.topic, COMMANDS) };
    case "version":
      return { text: (await import("./help.ts")).renderVersion() };
    case "settings":
      return { text: (await import("./help.ts")).renderSettings(outcome.settings, outcome.labels) };
    default:
      return outcome;
  }
}
