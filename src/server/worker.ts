/** A thread beside the main one: a server that joins its ports, and obeys its messages (workers.ts). */
import { type MessagePort, parentPort } from "node:worker_threads";
import { messageOf, StartError } from "../settings/start-error.ts";
import { loadParts } from "./parts.ts";
import { Server } from "./server.ts";
import type { Tls } from "./tls.ts";
import type { ServerVitals, VitalsOptions } from "./vitals.ts";
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

/** The parts of one thread. */
interface WorkerParts {
  readonly server: Server;
  readonly tls: Tls | null;
  /** Null without --status and --live. */
  readonly views: Views | null;
  readonly log: WorkerLog;
  readonly send: (message: FromWorker) => void;
}

class WorkerServer {
  readonly #own: WorkerParts;

  /** Resolves when the server listens. Rejects if it cannot. */
  static async begin(order: Begin, send: (message: FromWorker) => void): Promise<WorkerServer> {
    const { settings, index, count, certified } = order;
    const cells = new SharedCells(order.cells, count);
    const log = new WorkerLog({
      wishes: order.log,
      send: (lines, chars) => send({ kind: "log", lines, chars }),
      addPending: (chars) => cells.addLogged(index, chars),
    });
    process.on("uncaughtException", (error) => log.error("unexpected failure, the server continues", error));
    process.on("unhandledRejection", (reason) => log.error("unexpected failure, the server continues", reason));
    const tls = certified === null ? null : (await import("./tls.ts")).Tls.of(settings, certified);
    const parts = await loadParts(settings);
    const views = !parts.watch ? null : await loadViews(send);
    const server = new Server(settings, log, { ...parts, watch: views?.make ?? null, tls, shared: sharedParts(order) });
    cells.onWake(index, () => server.woken());
    log.isMuted = false;
    send({ kind: "listening" });
    return new WorkerServer({ server, tls, views, log, send });
  }

  private constructor(own: WorkerParts) {
    this.#own = own;
  }

  async obey(message: Exclude<ToWorker, Begin>): Promise<void> {
    const { server, tls, views, log, send } = this.#own;
    switch (message.kind) {
      case "renew":
        await tls?.renew(message.certified);
        send({ kind: "renewed" });
        break;
      case "stop":
        await server.stop(message.options);
        log.flush();
        send({ kind: "stopped" });
        break;
      default:
        views?.obey(message);
    }
  }
}

/** The views of a thread, and their messages. */
interface Views {
  readonly make: (options: VitalsOptions) => ServerVitals;
  obey(message: Extract<ToWorker, { kind: "look" | "watched" | "snapshot" | "metrics" }>): void;
}

/** Loads views that show the snapshots of the main thread. */
async function loadViews(send: (message: FromWorker) => void): Promise<Views> {
  const { WorkerVitals } = await import("./worker-vitals.ts");
  /** Questions for the metrics, oldest first. */
  const asked: ((text: string) => void)[] = [];
  const main = {
    watch: (isWatching: boolean) => send({ kind: "watch", isWatching }),
    metrics: () =>
      new Promise<string>((resolve) => {
        asked.push(resolve);
        send({ kind: "metrics" });
      }),
  };
  let vitals: InstanceType<typeof WorkerVitals> | null = null;
  return {
    make: (options) => {
      vitals = new WorkerVitals(options, main);
      return vitals;
    },
    obey: (message) => {
      if (message.kind === "metrics") asked.shift()?.(message.text);
      else if (message.kind === "snapshot") vitals?.see(message.snapshot);
      else if (message.kind === "watched") vitals?.watched(message.isWatched);
      else if (vitals !== null) send({ kind: "part", part: vitals.look(message.isLast) });
    },
  };
}
