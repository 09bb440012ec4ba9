/**
 * `httpserver run [flags] -- command…`: a server for as long as a command runs. Variables tell the command its address. The command
 * has this process's stdin, stdout and stderr, and stays in its process group, so our few lines go to stderr. Its exit code is ours.
 */

import { isUnexpected } from "../fixture/record.ts";
import { escapeControls, escapeQuoted } from "../http/escape.ts";
import { startServer } from "../index.ts";
import type { AccessEntry, ServerLog } from "../server/access-log.ts";
import { ANY_CLIENT } from "../settings/fixture-settings.ts";
import type { Settings } from "../settings/resolve.ts";
import { messageOf } from "../settings/start-error.ts";
import { environmentOf } from "./announce.ts";
import type { Environment, RunOrder } from "./command-line.ts";
import { launch, type RunningServer, type StartServer, withLog } from "./launch.ts";
import { lifetimeEnd } from "./lifetime.ts";
import type { Log } from "./log.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_UNEXPECTED, isTerminal } from "./say.ts";
import { isHangupIgnored, SIGNAL_NUMBERS, type StopSignal } from "./signals.ts";

/** Exit codes of shells for a command that is missing, and for one that cannot be executed. */
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_EXECUTABLE = 126;

/**
 * Milliseconds for responses in flight when the command has ended. The command no longer waits for them, but a process that it has
 * started may.
 */
const DRAIN_MS = 250;

/** Serves while the command runs, and resolves with the exit code. */
export function run(order: RunOrder, env: Environment, start: StartServer = startServer): Promise<number> {
  return withLog(order, env, 2, (log) => work(order, env, log, start));
}

async function work(order: RunOrder, env: Environment, log: Log, start: StartServer): Promise<number> {
  const { options, command } = order;
  const relay = new Relay();
  const end = lifetimeEnd(options);
  const unexpected = options.strict ? new Unexpected() : null;
  // A client that shuts the server down does not end the command.
  const shutDown = () => void stop?.({ timeoutMs: DRAIN_MS });
  let stop: RunningServer["stop"] | null = null;
  const launched = await launch(order, env, log, start, shutDown, unexpected?.watch(log) ?? log);
  if (typeof launched === "number") return launched;
  const { server, withdraw } = launched;
  stop = server.stop;
  end.then((reason) => {
    log.warn(`${reason}: ending the command`);
    relay.pass("SIGTERM");
    // A command may ignore SIGTERM.
    setTimeout(() => relay.kill(), options.shutdownTimeoutMs);
  });
  let hasFailed = false;
  server.failure?.then((reason) => {
    hasFailed = true;
    log.error(reason);
    relay.pass("SIGTERM");
  });
  // With `--exit-with-stdin` this process reads its standard input, so the command has none.
  const stdin = options.exitWithStdin ? "ignore" : "inherit";
  const code = await relay.command(command, { ...env, ...variablesOf(server, options) }, stdin, log);
  withdraw();
  await server.stop({ timeoutMs: DRAIN_MS });
  if (hasFailed) return EXIT_FAILURE;
  if (unexpected === null) return code;
  const isStrict = [unexpected.tell(log), tellUnreached(server.unreachedStubs(), log)].includes(true);
  return code === EXIT_OK && isStrict ? EXIT_UNEXPECTED : code;
}

/** Returns the variables that tell the command about the server. */
function variablesOf(server: RunningServer, { fixtureToken }: Settings): Readonly<Record<string, string>> {
  return {
    ...environmentOf(server),
    ...(fixtureToken === "" || fixtureToken === ANY_CLIENT ? {} : { HTTPSERVER_FIXTURE_TOKEN: fixtureToken }),
  };
}

/** Passes signals on to the command. It listens before the command starts. */
class Relay {
  #child: Bun.Subprocess | null = null;
  /** The first signal that came before the command. */
  #early: StopSignal | null = null;

  constructor() {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      if (signal === "SIGHUP" && isHangupIgnored()) continue;
      process.on(signal, () => {
        // A terminal sends Ctrl+C to its whole foreground group, so the command has it already.
        if (signal !== "SIGINT" || this.#child === null || !isTerminal(0)) this.pass(signal);
      });
    }
  }

  /** Sends a signal to the command. Before its start, the signal is kept, and the command is not started. */
  pass(signal: StopSignal): void {
    if (this.#child === null) this.#early ??= signal;
    else this.#child.kill(signal);
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  /** Runs the command and resolves with its exit code. A signal that ended it counts as 128 + its number. */
  async command(words: readonly string[], env: Environment, stdin: "inherit" | "ignore", log: Log): Promise<number> {
    if (this.#early !== null) return 128 + SIGNAL_NUMBERS[this.#early];
    let child: Bun.Subprocess;
    try {
      child = Bun.spawn([...words], { env: { ...env }, stdio: [stdin, "inherit", "inherit"] });
    } catch (error) {
      log.error(`cannot run ${words[0]}: ${messageOf(error)}`);
      const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
      return isMissing ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    }
    this.#child = child;
    return await child.exited;
  }
}

/** Logs numbered stubs that no request has reached: the test is shorter than its script. Returns true if there are any. */
function tellUnreached(stubs: readonly string[], log: Log): boolean {
  if (stubs.length === 0) return false;
  log.error(`--strict: stubs that no request has reached: ${stubs.length}`);
  for (const name of stubs.slice(0, SHOWN_MAX)) log.error(escapeControls(name));
  if (stubs.length > SHOWN_MAX) log.error(`and ${stubs.length - SHOWN_MAX} more`);
  return true;
}

/** Unexpected requests that are shown, and characters of each request line. */
const SHOWN_MAX = 10;
const SHOWN_CHARS_MAX = 200;

/** Request line of `httpserver probe`, which is expected whatever the server answers. */
const PROBED = /^(?:GET|HEAD) \/__server\/ready /;

/**
 * Unexpected requests, for `--strict`: those answered with 404, 405 or 5xx, but not by a fault or a stub. So a test that asks for a missing file
 * does not pass by chance. Tests cause other refusals (400, 403, 413 …) on purpose.
 */
class Unexpected {
  count = 0;
  readonly #shown: string[] = [];

  /** Returns a log that counts requests and passes everything on to `log`. */
  watch(log: Log): ServerLog {
    return {
      access: (entry) => {
        this.#see(entry);
        log.access?.(entry);
      },
      detail: log.detail,
      info: (text) => log.info(text),
      warn: (text) => log.warn(text),
      error: (text, cause) => log.error(text, cause),
    };
  }

  #see(entry: AccessEntry): void {
    const { status, requestLine } = entry;
    if (!isUnexpected(entry) || PROBED.test(requestLine)) return;
    if (++this.count > SHOWN_MAX) return;
    this.#shown.push(`${status} "${escapeQuoted(requestLine.slice(0, SHOWN_CHARS_MAX))}"`);
  }

  /** Returns true if there were any. */
  tell(log: Log): boolean {
    if (this.count === 0) return false;
    log.error(`--strict: unexpected requests (answered 404, 405 or 5xx): ${this.count}`);
    for (const line of this.#shown) log.error(line);
    if (this.count > SHOWN_MAX) log.error(`and ${this.count - SHOWN_MAX} more`);
    return true;
  }
}
