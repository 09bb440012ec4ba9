/**
 * The command `httpserver` of the npm package: runs the executable of this machine with the same standard streams, passes signals on, and
 * ends as it does.
 */
import { spawn } from "node:child_process";
import { isatty } from "node:tty";
import { findExecutable } from "../../../src/client/executable.ts";
import { messageOf, StartError } from "../../../src/settings/start-error.ts";

/** Exit code of a program that cannot be run, as in shells. */
const EXIT_NOT_EXECUTABLE = 126;

function launch(): void {
  let program: string;
  try {
    program = findExecutable();
  } catch (error) {
    process.stderr.write(`httpserver: ${messageOf(error)}\n`);
    process.exit(error instanceof StartError ? error.exitCode : 1);
  }
  // If this process is killed, no signal can be passed on.
  const env = { HTTPSERVER_EXIT_WITH_PARENT: "true", ...process.env };
  const child = spawn(program, process.argv.slice(2), { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      // A terminal sends Ctrl+C to its whole foreground group, so the executable has it already. A second one would cut requests.
      if (signal !== "SIGINT" || !isatty(0)) child.kill(signal);
    });
  }
  child.on("error", (error) => {
    process.stderr.write(`httpserver: cannot run ${program}: ${error.message}\n`);
    process.exit(EXIT_NOT_EXECUTABLE);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

launch();
