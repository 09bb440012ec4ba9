/** The common part of commands with a server: a log, a start that fails in one line, and the announcement. */
import { type Stats, statSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { resolve } from "node:path";
import type { Snapshot } from "../handlers/endpoints/status.ts";
import { isStoreUrl } from "../http/store-url.ts";
import type { ServerLog } from "../server/access-log.ts";
import { ENVIRONMENT_PREFIX } from "../settings/kinds.ts";
import { type Settings, serverSettingsOf } from "../settings/resolve.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { MissingRootError, messageOf, OptionsError, StartError } from "../settings/start-error.ts";
import { readyLine, writeFiles } from "./announce.ts";
import type { Environment, ServeOrder } from "./command-line.ts";
import type { StartAdvice } from "./folder-form.ts";
import { Log } from "./log.ts";
import { columns, EXIT_FAILURE, EXIT_USAGE, isTerminal, LOG_SETTLE_MS, say } from "./say.ts";
import { networkUrls, surprises } from "./start-lines.ts";

/** The part of a server that the program needs. `startServer` returns it. */
export interface RunningServer {
  readonly url: string;
  readonly urls: readonly string[];
  readonly port: number;
  readonly redirectUrl: string | null;
  readonly takesUploads: boolean;
  readonly certificate: { readonly names: string; readonly validTo: Date; readonly fingerprint: string } | null;
  reload(): Promise<void>;
  watch(see: (snapshot: Snapshot) => void): () => void;
  unreachedStubs(): readonly string[];
  /** Resolves with a sentence when a part of the server has ended by itself; absent for a server of one thread. */
  readonly failure?: Promise<string>;
  /** Threads that serve; absent for one. */
  readonly workers?: number;
  stop(options?: { timeoutMs?: number; delayMs?: number; graceMs?: number; force?: boolean }): Promise<void>;
}

export type StartServer = (
  options: ServerSettings & { log: ServerLog; tlsPassphrase: string; shutDown: () => void },
) => Promise<RunningServer>;

/** A server that has been announced. */
interface Launched {
  readonly server: RunningServer;
  /** Withdraws the announcement, so that no new client comes. */
  withdraw(): void;
}

/**
 * Opens the log, does `work` with it, and waits until the last lines have reached their readers. Resolves with the exit code of
 * `work`. Information goes to `descriptor`, see `Log`.
 */
export async function withLog(
  { options, warnings }: Pick<ServeOrder, "options" | "warnings">,
  env: Environment,
  descriptor: 1 | 2,
  work: (log: Log) => Promise<number>,
): Promise<number> {
  let log: Log;
  try {
    log = new Log(options, { isTerminal, columns, isColored: !env["NO_COLOR"] && env["TERM"] !== "dumb" }, descriptor);
  } catch (error) {
    return say({
      kind: "cannot-start",
      line: `httpserver: cannot open --log-file ${options.logFile}: ${messageOf(error)}`,
    });
  }
  for (const line of warnings) log.warn(line);
  const code = await work(log).catch((error: unknown) => {
    log.error("unexpected failure, stopping", error);
    return EXIT_FAILURE;
  });
  await log.settle(LOG_SETTLE_MS);
  log.close();
  return code;
}

/** Passphrase of `--tls-key`. Every user of the machine can read a command line, so it is not a flag. */
const TLS_PASSPHRASE = `${ENVIRONMENT_PREFIX}TLS_PASSPHRASE`;

/**
 * Starts a server and announces it. If the start fails, logs the reason, leaves nothing that listens, and resolves with the exit
 * code. `shutDown` is called for `POST /__server/shutdown`. The server logs to `serverLog`.
 */
export async function launch(
  { options, advice }: Pick<ServeOrder, "options" | "advice">,
  env: Environment,
  log: Log,
  start: StartServer,
  shutDown: () => void,
  serverLog: ServerLog = log,
): Promise<Launched | number> {
  process.on("uncaughtException", (error) => log.error("unexpected failure, the server continues", error));
  process.on("unhandledRejection", (reason) => log.error("unexpected failure, the server continues", reason));
  let server: RunningServer | null = null;
  try {
    const begin = await startOf(options, log, start);
    server = await begin({
      ...serverSettingsOf(options),
      log: serverLog,
      tlsPassphrase: env[TLS_PASSPHRASE] ?? "",
      shutDown,
    });
    const withdraw = writeFiles(options, server);
    announce(options, server, log);
    return { server, withdraw };
  } catch (error) {
    await server?.stop({ force: true });
    return failStart(advised(error, options, advice), log);
  }
}

/** Returns the function that starts as many threads as the settings ask for, which is `start` for one. */
async function startOf(options: Settings, log: Log, start: StartServer): Promise<StartServer> {
  if (options.workers === 1) return start;
  const { workersOf } = await import("./workers.ts");
  return workersOf(options, (line) => log.warn(line)) ?? start;
}

/** Returns the error, with the advice in it if one fits. */
function advised(
  error: unknown,
  { root, host }: Settings,
  { missingRoot, fileRoot, folderHost }: StartAdvice,
): unknown {
  if (!(error instanceof StartError)) return error;
  if (error instanceof MissingRootError) return missingRoot === null ? error : new MissingRootError(root, missingRoot);
  if (folderHost !== null && statOf(host)?.isDirectory()) return new StartError(`${error.message}; ${folderHost}`);
  if (statOf(root)?.isFile()) return new StartError(`${root} is a file, not a folder; ${fileRoot}`);
  return error;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/**
 * Logs the ready line, then addresses and folders. In this order, because the first timestamp in local time makes the runtime load
 * its time zones, which takes 8 ms unless the machine is on UTC.
 */
function announce(options: Settings, server: RunningServer, log: Log): void {
  log.ready(readyLine(options.readyFormat, server));
  log.info(`Serving ${resolve(options.root)} on ${server.urls.join(" and ")}`);
  const others = networkUrls(options.host, server, { interfaces: networkInterfaces(), name: hostname() });
  if (others.length > 0) log.info(`Other addresses: ${others.join(" ")}`);
  if (server.certificate !== null) log.info(`Certificate: ${describeCertificate(server)}`);
  if (server.redirectUrl !== null) log.info(`Plain requests to ${server.redirectUrl} are sent to https`);
  if (options.uploads === "") log.info("Uploads are off; --uploads FOLDER turns them on");
  else if (server.takesUploads)
    log.info(`Uploads go to ${isStoreUrl(options.uploads) ? options.uploads : resolve(options.uploads)}`);
  if (options.stubs !== "") log.info(`Stubs come from ${resolve(options.stubs)}`);
  log.info(`Thread pool size: ${options.threads}, ${options.queue} more may wait`);
  if (server.workers !== undefined) log.info(`${server.workers} workers serve, each with an event loop of its own`);
  if (options.logFile !== "") log.info(`Requests are logged to ${resolve(options.logFile)}`);
  for (const { level, text } of surprises(options)) log[level](text);
}

export function describeCertificate({ certificate }: RunningServer): string {
  if (certificate === null) return "none";
  const { names, validTo, fingerprint } = certificate;
  return `${names}, until ${validTo.toISOString().slice(0, 10)}, SHA-256 ${fingerprint}`;
}

/** Logs one line for an error that the operator can remove, and a stack for an error of ours. Returns the exit code. */
function failStart(error: unknown, log: Log): number {
  const code = error instanceof OptionsError ? EXIT_USAGE : exitCodeOf(error);
  if (code === EXIT_FAILURE) log.error("the server could not start", error);
  else log.error(messageOf(error));
  return code;
}

/** Returns the `exitCode` of an error that is for the operator. */
function exitCodeOf(error: unknown): number {
  const code: unknown = error instanceof Error && "exitCode" in error ? error.exitCode : undefined;
  return typeof code === "number" ? code : EXIT_FAILURE;
}
