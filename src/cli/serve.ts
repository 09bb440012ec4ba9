/** A server as a process: it starts, says that it is ready, waits for a reason to stop, and drains. */
import { startServer } from "../index.ts";
import { limits } from "../settings/limits.ts";
import { messageOf, OptionsError } from "../settings/start-error.ts";
import type { Environment, ServeOrder } from "./command-line.ts";
import { describeCertificate, launch, type RunningServer, type StartServer, withLog } from "./launch.ts";
import { lentFolder } from "./lent-folder.ts";
import { lifetimeEnd } from "./lifetime.ts";
import type { Log } from "./log.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "./say.ts";
import { isHangupIgnored, renewsOnHangup, SIGNAL_NUMBERS, Signals } from "./signals.ts";

/** Milliseconds for cut connections to close properly after a second signal. */
const FORCE_MS = 1000;

/** Serves until there is a reason to stop, and resolves with the exit code. */
export function serve(order: ServeOrder, env: Environment, start: StartServer = startServer): Promise<number> {
  return withLog(order, env, 1, (log) => work(order, env, log, start));
}

/** A reason to stop, and the level of its line in the log. */
type Reason = readonly [level: "info" | "warn" | "error", sentence: string];

async function work(order: ServeOrder, env: Environment, log: Log, start: StartServer): Promise<number> {
  try {
    using folder = await lentFolder(order.options, env);
    return folder.isComplete ? await attend(order, env, log, start) : EXIT_OK;
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    log.error(error.message);
    return EXIT_USAGE;
  }
}

async function attend(order: ServeOrder, env: Environment, log: Log, start: StartServer): Promise<number> {
  const { options } = order;
  const signals = new Signals();
  let server: RunningServer | null = null;
  const hasCertificate = options.tlsCert !== "";
  if (renewsOnHangup(options.logFile !== "", hasCertificate, process.platform)) {
    process.on("SIGHUP", () => {
      log.reopen();
      if (hasCertificate && server !== null) renew(server, log);
    });
  } else if (!isHangupIgnored()) signals.listen("SIGHUP");
  const end = lifetimeEnd(options);

  const asked = Promise.withResolvers<void>();
  const launched = await launch(order, env, log, start, asked.resolve);
  if (typeof launched === "number") return launched;
  server = launched.server;
  log.info("Press Ctrl+C to stop");
  if (options.live) (await import("./live-line.ts")).keepLiveLine(server, log, env);

  const reasons: Promise<Reason>[] = [
    signals.next().then((signal) => ["info", `${signal} received`] as const),
    asked.promise.then(() => ["info", "POST /__server/shutdown received"] as const),
    end.then((sentence) => ["warn", sentence] as const), // A warning, so that --quiet shows it: the end comes unasked.
  ];
  if (server.failure !== undefined) reasons.push(server.failure.then((sentence) => ["error", sentence] as const));
  const [level, reason] = await Promise.race(reasons);
  if (level === "error") {
    log.error(reason);
    await Promise.race([server.stop({ force: true }), Bun.sleep(FORCE_MS)]);
    return EXIT_FAILURE;
  }
  const { shutdownTimeoutMs: timeoutMs, drainDelayMs: delayMs } = options;
  const delay = delayMs === 0 ? "" : `taking connections for ${delayMs / 1000} s, then `;
  log[level](`${reason}: ${delay}finishing requests in flight (at most ${timeoutMs / 1000} s), again to cut them`);
  launched.withdraw();
  const drain = { timeoutMs, delayMs, graceMs: limits.shutdownGraceMs };
  const drained = server.stop(drain).then(() => null);
  const second = await Promise.race([drained, signals.next()]);
  if (second === null) {
    log.info("Server stopped");
    return EXIT_OK;
  }
  log.warn(`${second} received again: cutting requests in flight`);
  await Promise.race([server.stop({ force: true }), Bun.sleep(FORCE_MS)]);
  return 128 + SIGNAL_NUMBERS[second];
}

/** Reads the certificate again, after SIGHUP. If it cannot be used, the old one stays in use. */
function renew(server: RunningServer, log: Log): void {
  server.reload().then(
    () => log.info(`Certificate read again: ${describeCertificate(server)}`),
    (error: unknown) => log.error(`the old certificate stays in use: ${messageOf(error)}`),
  );
}
