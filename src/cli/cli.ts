/**
 * The program: the words say what is to be done, and the module that does it is loaded for it alone. So help, errors and
 * `hash-password` start without the server, and the server without them.
 */
import { type Environment, parseCommandLine } from "./command-line.ts";
import type { StartServer } from "./launch.ts";
import { say } from "./say.ts";

/**
 * Runs the program and resolves with its exit code: 0 after help, version or a drain, 1 after a failure of ours, 2 for bad
 * words, 3 when the server cannot start, 130, 143 or 129 when a second SIGINT, SIGTERM or SIGHUP cut answers short. `run` has
 * those of its command, and 4, 126 and 127; `probe` 0 and 1.
 */
export async function main(argv: readonly string[], env: Environment, start?: StartServer): Promise<number> {
  if (argv[0] === "probe") return (await import("./probe.ts")).probe(argv.slice(1), env);
  const command = parseCommandLine(argv, env);
  if (command.kind === "serve") return (await import("./serve.ts")).serve(command, env, start);
  if (command.kind === "run") return (await import("./run.ts")).run(command, env, start);
  if (command.kind === "hash-password") return (await import("./hash-password.ts")).hashPassword(command.user);
  return say(command);
}
