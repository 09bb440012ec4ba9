/** A thread beside the main one: a server that joins its ports, and obeys its messages (workers.ts). */
import { type MessagePort, parentPort } from "node:worker_threads";
import { messageOf, StartError } from "../settings/start-error.ts";
import { loadParts } from "./parts.ts";
import { Server } from "./server.ts";
import type { Tls } from "./tls.ts";
import { WorkerLog } from "./worker-log.ts";
import { type Begin, type FromWorker, SharedCells, sharedParts, type ToWorker } from "./worker-messages.ts";

/** Serves until the process ends. Called once in a thread. */
export function serveInThread(): void {
  const port = parentPort as MessagePort;
  let working: Promise<WorkerServer> | null = null;
  port.on("message", (message: ToWorker) => {
    if (message.kind !== "begin") {
      void working?.then((worker) => worker.obey(message));
      return;
    }
    const send = (answer: FromWorker) => port.postMessage(answer);
    working = WorkerServer.begin(message, send);
    working.catch((error: unknown) => {
      const isOurs = !(error instanceof StartError);
      const reason = isOurs && error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
      send({ kind: "failed", reason, isOurs });
    });
  });
}

class WorkerServer {
  readonly #server: Server;
  readonly #tls: Tls | null;
  readonly #log: WorkerLog;
  readonly #send: (message: FromWorker) => void;

  /** Resolves when the server listens. Rejects if it cannot. */
  static async begin(order: Begin, send: (message: FromWorker) => void): Promise<WorkerServer> {
    const { settings, index, count, certified } = order;
    const cells = new SharedCells(order.cells, count);
    const log = new WorkerLog({
      wishes: order.log,
      send: (lines, chars) => send({ kind: "log", lines, chars }),
      addPending: (chars) => cells.addLogged(index, chars),
    });
    process.on("uncaughtException", (error) => log.error("unexpected failure, going on", error));
    process.on("unhandledRejection", (reason) => log.error("unexpected failure, going on", reason));
    const tls = certified === null ? null : (await import("./tls.ts")).Tls.of(settings, certified);
    const server = new Server(settings, log, {
      ...(await loadParts(settings)),
      tls,
      shared: sharedParts(order),
    });
    cells.onWake(index, () => server.woken());
    log.isMuted = false;
    send({ kind: "listening" });
    return new WorkerServer(server, tls, log, send);
  }

  private constructor(server: Server, tls: Tls | null, log: WorkerLog, send: (message: FromWorker) => void) {
    this.#server = server;
    this.#tls = tls;
    this.#log = log;
    this.#send = send;
  }

  async obey(message: Exclude<ToWorker, Begin>): Promise<void> {
    switch (message.kind) {
      case "renew":
        await this.#tls?.renew(message.certified);
        this.#send({ kind: "renewed" });
        break;
      case "stop":
        await this.#server.stop(message.options);
        this.#log.flush();
        this.#send({ kind: "stopped" });
        break;
    }
  }
}
