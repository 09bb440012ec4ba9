/** A server in the life of a process: it starts, says that it is ready, waits for a signal, drains. */
import { resolve } from "node:path";
import { Log } from "../log.ts";
import { ENVIRONMENT_PREFIX, limits, type Options, OptionsError } from "../options.ts";
import type { ServerLog } from "../server/access-log.ts";
import type { CommandLine, Environment } from "./command-line.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE, isTerminal, LOG_SETTLE_MS, messageOf, say } from "./say.ts";
import { isHangupIgnored, SIGNAL_NUMBERS, Signals } from "./signals.ts";

/** What `main` needs of a server; `startServer` gives it. */
export interface RunningServer {
  readonly url: string;
  readonly urls: readonly string[];
  readonly port: number;
  readonly redirectUrl: string | null;
  readonly certificate: { readonly names: string; readonly validTo: Date; readonly fingerprint: string } | null;
  reload(): Promise<void>;
  stop(options?: { timeoutMs?: number; graceMs?: number; force?: boolean }): Promise<void>;
}

export type StartServer = (options: Options & { log: ServerLog; tlsPassphrase: string }) => Promise<RunningServer>;

/** The server is loaded when it is needed: help, version and errors answer without it. */
const startWithLibrary: StartServer = async (options) => {
  const { startServer } = await import("../index.ts");
  return startServer(options);
};

/** Milliseconds that cut connections get to be closed properly after a second signal. */
const FORCE_MS = 1000;

/** What a server starts with: settings, and lines about what is odd with them. */
export type Order = Extract<CommandLine, { kind: "serve" }>;

/** Serves until it is told to stop, and resolves with the exit code. */
export async function serve(order: Order, env: Environment, start = startWithLibrary): Promise<number> {
  const { options } = order;
  let log: Log;
  try {
    log = new Log(options, () => !env["NO_COLOR"] && isTerminal(2));
  } catch (error) {
    return say({
      kind: "cannot-start",
      line: `httpserver: cannot open --log-file ${options.logFile}: ${messageOf(error)}`,
    });
  }
  for (const line of order.warnings) log.warn(line);
  const code = await run(options, env[TLS_PASSPHRASE] ?? "", log, start).catch((error: unknown) => {
    log.error("unexpected failure, stopping", error);
    return EXIT_FAILURE;
  });
  await log.settle(LOG_SETTLE_MS);
  log.close();
  return code;
}

/** The passphrase of `--tls-key`: never a word of the command line, which every user of the machine can read. */
const TLS_PASSPHRASE = `${ENVIRONMENT_PREFIX}TLS_PASSPHRASE`;

/** Starts, announces, waits for a signal, stops. Returns the exit code. */
async function run(options: Options, tlsPassphrase: string, log: Log, start: StartServer): Promise<number> {
  process.on("uncaughtException", (error) => log.error("unexpected failure, going on", error));
  process.on("unhandledRejection", (reason) => log.error("unexpected failure, going on", reason));
  const signals = new Signals();
  let server: RunningServer | null = null;
  const hasCertificate = options.tlsCert !== "";
  if (options.logFile !== "" || hasCertificate) {
    process.on("SIGHUP", () => {
      log.reopen();
      if (hasCertificate && server !== null) renew(server, log);
    });
  } else if (!isHangupIgnored()) signals.listen("SIGHUP");

  try {
    server = await start({ ...options, log, tlsPassphrase });
  } catch (error) {
    return failStart(error, log);
  }
  announce(options, server, log);

  const first = await signals.next();
  log.info(
    `${first} received: finishing requests in flight (at most ${options.shutdownTimeoutMs / 1000} s), again to cut them`,
  );
  const drain = { timeoutMs: options.shutdownTimeoutMs, graceMs: limits.shutdownGraceMs };
  const drained = server.stop(drain).then(() => null);
  const second = await Promise.race([drained, signals.next()]);
  if (second === null) {
    log.info("Server stopped");
    return EXIT_OK;
  }
  log.warn(`${second} received again: cutting what is in flight`);
  await Promise.race([server.stop({ force: true }), Bun.sleep(FORCE_MS)]);
  return 128 + SIGNAL_NUMBERS[second];
}

/** SIGHUP: a certificate that was renewed on disk is taken up; one that cannot be used leaves all as it is. */
function renew(server: RunningServer, log: Log): void {
  server.reload().then(
    () => log.info(`Certificate read again: ${describeCertificate(server)}`),
    (error: unknown) => log.error(`the old certificate stays in use: ${messageOf(error)}`),
  );
}

function describeCertificate({ certificate }: RunningServer): string {
  if (certificate === null) return "none";
  const { names, validTo, fingerprint } = certificate;
  return `${names}, until ${validTo.toISOString().slice(0, 10)}, SHA-256 ${fingerprint}`;
}

/** One line for what the operator can mend, a stack for what we have to. */
function failStart(error: unknown, log: Log): number {
  const code = error instanceof OptionsError ? EXIT_USAGE : exitCodeOf(error);
  if (code === EXIT_FAILURE) log.error("the server could not start", error);
  else log.error(messageOf(error));
  return code;
}

/** Errors that carry an `exitCode` are meant for the operator. */
function exitCodeOf(error: unknown): number {
  const code: unknown = error instanceof Error && "exitCode" in error ? error.exitCode : undefined;
  return typeof code === "number" ? code : EXIT_FAILURE;
}

/**
 * The ready line, whose words never change, because scripts wait for it; then what runs where. In this order, because the first
 * timestamp in local time makes the runtime load its time zones, which takes 8 ms.
 */
function announce(options: Options, server: RunningServer, log: Log): void {
  log.ready(`Listening on port ${server.port} (${server.url}) pid=${process.pid}`);
  log.info(`Serving ${resolve(options.root)} on ${server.urls.join(" and ")}`);
  if (server.certificate !== null) log.info(`Certificate: ${describeCertificate(server)}`);
  if (server.redirectUrl !== null) log.info(`Plain requests to ${server.redirectUrl} are sent to https`);
  log.info(`Uploads go to ${resolve(options.uploads)}`);
  log.info(`Thread pool size: ${options.threads}, ${options.queue} more may wait`);
  if (options.logFile !== "") log.info(`Requests are logged to ${resolve(options.logFile)}`);
  log.info("Press Ctrl+C to stop");
}
