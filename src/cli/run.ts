/**
 * `httpserver run [flags] -- command…`: a server for as long as a command runs, which is told where it is by variables. The
 * command has this process's stdin, stdout and stderr, and stays in its process group; so what we say goes to stderr, and is
 * little. Its exit code is ours.
 */

import { isUnexpected } from "../fixture/journal.ts";
import { escapeQuoted } from "../http/escape.ts";
import { startServer } from "../index.ts";
import type { AccessEntry, ServerLog } from "../server/access-log.ts";
import type { Settings } from "../settings/resolve.ts";
import { ANY_CLIENT } from "../settings/server-settings.ts";
import { messageOf } from "../settings/start-error.ts";
import { environmentOf } from "./announce.ts";
import type { Environment, RunOrder } from "./command-line.ts";
import { launch, type RunningServer, type StartServer, withLog } from "./launch.ts";
import { lifetimeEnd } from "./lifetime.ts";
import type { Log } from "./log.ts";
import { EXIT_OK, EXIT_UNEXPECTED, isTerminal } from "./say.ts";
import { isHangupIgnored, SIGNAL_NUMBERS, type StopSignal } from "./signals.ts";

/** As shells answer for a command that is not there, and for one that cannot be executed. */
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_EXECUTABLE = 126;

/**
 * Milliseconds that answers get which are on their way when the command has ended: it no longer waits for them, while what it
 * has started may.
 */
const DRAIN_MS = 250;

/** Serves while the command runs, and resolves with the exit code. */
export function run(order: RunOrder, env: Environment, start: StartServer = startServer): Promise<number> {
  return withLog(order, env, 2, (log) => work(order, env, log, start));
}

async function work({ options, command }: RunOrder, env: Environment, log: Log, start: StartServer): Promise<number> {
  const relay = new Relay();
  const end = lifetimeEnd(options);
  const unexpected = options.strict ? new Unexpected() : null;
  // Whoever shuts the server down has still a command that runs.
  const shutDown = () => void stop?.({ timeoutMs: DRAIN_MS });
  let stop: RunningServer["stop"] | null = null;
  const launched = await launch(options, env, log, start, shutDown, unexpected?.watch(log) ?? log);
  if (typeof launched === "number") return launched;
  const { server, withdraw } = launched;
  stop = server.stop;
  end.then((reason) => {
    log.warn(`${reason}: ending the command`);
    relay.pass("SIGTERM");
    // A command that does not listen would outlive what was to end it.
    setTimeout(() => relay.kill(), options.shutdownTimeoutMs);
  });
  const code = await relay.command(command, { ...env, ...variablesOf(server, options) }, log);
  withdraw();
  await server.stop({ timeoutMs: DRAIN_MS });
  unexpected?.tell(log);
  return code === EXIT_OK && unexpected !== null && unexpected.count > 0 ? EXIT_UNEXPECTED : code;
}

/** What the command is told of the server. */
function variablesOf(server: RunningServer, { fixtureToken }: Settings): Readonly<Record<string, string>> {
  return {
    ...environmentOf(server),
    ...(fixtureToken === "" || fixtureToken === ANY_CLIENT ? {} : { HTTPSERVER_FIXTURE_TOKEN: fixtureToken }),
  };
}

/** Passes signals on to the command, from before it is there. */
class Relay {
  #child: Bun.Subprocess | null = null;
  /** The first that came before the command. */
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

  /** To the command, or in its place when it has not been started; then it will not be. Nothing once it has ended. */
  pass(signal: StopSignal): void {
    if (this.#child === null) this.#early ??= signal;
    else this.#child.kill(signal);
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  /** Runs the command and resolves with its exit code, which for an end by a signal is 128 + its number. */
  async command(words: readonly string[], env: Environment, log: Log): Promise<number> {
    if (this.#early !== null) return 128 + SIGNAL_NUMBERS[this.#early];
    let child: Bun.Subprocess;
    try {
      child = Bun.spawn([...words], { env: { ...env }, stdio: ["inherit", "inherit", "inherit"] });
    } catch (error) {
      log.error(`cannot run ${words[0]}: ${messageOf(error)}`);
      const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
      return isMissing ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    }
    this.#child = child;
    return await child.exited;
  }
}

/** Unexpected requests that are shown, and characters of each request line. */
const SHOWN_MAX = 10;
const SHOWN_CHARS_MAX = 200;

/** Where `httpserver probe` asks first, whether or not the server answers there. */
const PROBED = /^(?:GET|HEAD) \/__server\/ready /;

/**
 * For `--strict`: requests that were answered 404, 405 or 5xx, and no fault is the cause, so that a test that asks for what is
 * not there does not pass by chance. Other refusals (400, 403, 413 …) are what tests ask for on purpose.
 */
class Unexpected {
  count = 0;
  readonly #shown: string[] = [];

  /** Goes between the server and `log`. */
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

  tell(log: Log): void {
    if (this.count === 0) return;
    log.error(`--strict: unexpected requests (answered 404, 405 or 5xx): ${this.count}`);
    for (const line of this.#shown) log.error(line);
    if (this.count > SHOWN_MAX) log.error(`and ${this.count - SHOWN_MAX} more`);
  }
}
