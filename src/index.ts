/**
 * The library's door: a server in this process, without module state, signal handlers or output.
 *
 *     await using server = await startServer({ port: 0, root: "fixtures" });
 *     await fetch(`${server.url}/index.html`);
 */
import { type Options, OptionsError, resolveOptions } from "./options.ts";
import type { AccessEntry, ServerLog } from "./server/access-log.ts";
import { Server, type StopOptions } from "./server/server.ts";
import { StartError } from "./server/start-error.ts";

export { type AccessEntry, type Options, OptionsError, type ServerLog, StartError, type StopOptions };

export interface StartOptions extends Partial<Options> {
  /** Receives request lines, warnings and failures; nothing is written anywhere without it. */
  log?: ServerLog;
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** For clients on this machine, without a slash at the end: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** One for each address that was bound: the loopback default also answers on `http://[::1]:8080`. */
  readonly urls: readonly string[];
  /** The port that was bound. */
  readonly port: number;
  /** Drains and closes; see `Server.stop`. Never rejects. */
  stop(options?: StopOptions): Promise<void>;
}

/** Starts a server and resolves when it listens. Rejects with an OptionsError or a StartError. */
export async function startServer(options: StartOptions = {}): Promise<RunningServer> {
  const { log = SILENT, ...given } = options;
  const server = new Server(resolveOptions(given), log);
  return {
    url: server.urls[0],
    urls: server.urls,
    port: server.port,
    stop: (stopOptions) => server.stop(stopOptions),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

const SILENT: ServerLog = { access: null, info() {}, detail: null, warn() {}, error() {} };
