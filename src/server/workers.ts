/**
 * Several threads that serve as one server (`--workers`): one process, and one pool, log, port and drain. Loaded only for them.
 *
 * Strategy: the main thread is the first one, and serves as it does alone. Each other thread runs the same `Server` with an event loop,
 * listeners, connections and hot files of its own. Numbers that must hold for all of them are in shared memory; the rest are
 * messages (worker-messages.ts). The kernel spreads connections over the listeners (port-sharing.ts).
 *
 * The rule it guards: the threads live and end together. The server is ready when all of them listen, and a thread that ends by itself ends the
 * process.
 */
import { SharedMemory } from "../exchange/shared-memory.ts";
import type { Snapshot } from "../handlers/endpoints/status.ts";
import { ArchiveTurn } from "../handlers/listing/archive-turn.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { StartError } from "../settings/start-error.ts";
import type { ServerLog, ThreadedLog } from "./access-log.ts";
import { lendersMax, readFileLimit } from "./file-limit.ts";
import { LineBudget } from "./line-budget.ts";
import type { OtherThreads } from "./live-view.ts";
import { type LoadedParts, loadParts, loadTls } from "./parts.ts";
import { newInstance, Server, type StopOptions } from "./server.ts";
import type { CertificateInfo, Tls } from "./tls.ts";
import { type Begin, type LogWishes, SharedCells, sharedParts } from "./worker-messages.ts";
import { Thread } from "./worker-thread.ts";

/** The entry of a thread. In the one file, a module is named as it was when the file was built. */
const ENTRY = import.meta.url.includes("/$bunfs/") ? "./worker.ts" : new URL("../worker.ts", import.meta.url);

export interface WorkersOptions {
  /** At least 2. */
  readonly count: number;
  readonly settings: ServerSettings;
  readonly log: ServerLog | ThreadedLog;
  readonly tlsPassphrase: string;
  /** Module of the threads; a test hands in one of its own. */
  readonly entry?: string | URL;
}

/** Servers that listen on the same ports. */
export class Workers {
  /** Resolves with a sentence when a thread has ended by itself. The others continue until `stop`. */
  readonly failure: Promise<string>;
  readonly #server: Server;
  readonly #tls: Tls | null;
  readonly #threads: readonly Thread[];

  /** Resolves when every thread listens. Rejects with a StartError or an OptionsError, and then nothing is left. */
  static async start(options: WorkersOptions): Promise<Workers> {
    const { count, log, entry = ENTRY, tlsPassphrase } = options;
    const cells = SharedCells.memory(count);
    // They load their modules while this thread starts its server.
    const threads = Array.from(
      { length: count - 1 },
      (_, i) => new Thread(i + 1, entry, log, new SharedCells(cells, count)),
    );
    let server: Server | null = null;
    try {
      // Each thread has its part of the memory for files.
      const settings = { ...options.settings, fileCacheBytes: Math.floor(options.settings.fileCacheBytes / count) };
      const tls = await loadTls(settings, tlsPassphrase, (line) => log.warn(line));
      const memory = memoryFor(settings, count);
      const lineBudget = new SharedArrayBuffer(LineBudget.BYTES);
      const archiveTurn = new SharedArrayBuffer(ArchiveTurn.BYTES);
      const common = { memory: memory.buffer, cells, lineBudget, archiveTurn, instance: newInstance(), count };
      const shared = sharedParts({ ...common, index: 0 });
      const parts = await loadParts(settings);
      const first = new Server(settings, log, { ...parts, tls, shared, watch: watching(parts.watch, threads) });
      server = first;
      new SharedCells(cells, count).onWake(0, () => first.woken());
      if (!first.sharePorts()) throw new StartError(CANNOT_SHARE);
      const order: Omit<Begin, "index"> = {
        kind: "begin",
        settings: { ...settings, ...first.boundPorts },
        certified: tls?.certified ?? null,
        log: wishesOf(log),
        ...common,
      };
      for (const other of threads) other.begin(order, first);
      await Promise.all(threads.map((other) => other.listening));
      return new Workers(first, tls, threads);
    } catch (error) {
      await server?.stop({ force: true });
      await Promise.all(threads.map((other) => other.end()));
      throw error;
    }
  }

  private constructor(server: Server, tls: Tls | null, threads: readonly Thread[]) {
    this.#server = server;
    this.#tls = tls;
    this.#threads = threads;
    this.failure = Promise.race(threads.map((thread) => thread.ended));
  }

  /** Number of threads. */
  get workers(): number {
    return 1 + this.#threads.length;
  }

  get url(): string {
    return this.#server.urls[0];
  }

  get urls(): readonly string[] {
    return this.#server.urls;
  }

  get port(): number {
    return this.#server.port;
  }

  get redirectUrl(): string | null {
    return this.#server.redirectUrl;
  }

  get takesUploads(): boolean {
    return this.#server.takesUploads;
  }

  get certificate(): CertificateInfo | null {
    return this.#server.certificate;
  }

  /** Stubs mean one thread. */
  unreachedStubs(): readonly string[] {
    return [];
  }

  watch(see: (snapshot: Snapshot) => void): () => void {
    return this.#server.watch(see);
  }

  /** Reads certificate and key again, and resolves when all threads have them. Rejects with a StartError, and then the old ones stay. */
  async reload(): Promise<void> {
    if (this.#tls === null) return;
    await this.#tls.reload();
    const { certified } = this.#tls;
    await Promise.all(this.#threads.map((thread) => thread.renew(certified)));
  }

  /** Drains all threads at the same time, and ends them; see `Server.stop`. */
  async stop(options: StopOptions = {}): Promise<void> {
    await Promise.all([...this.#threads.map((thread) => thread.stop(options)), this.#server.stop(options)]);
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }
}

function memoryFor({ threads: slots, queue: queueMax }: ServerSettings, threads: number): SharedMemory {
  return SharedMemory.create({ threads, slots, queueMax, lendersMax: lendersMax(readFileLimit()) });
}

/** Returns the maker of the main thread's views, which also show the other threads; null without views. */
function watching(watch: LoadedParts["watch"], threads: readonly Thread[]): NonNullable<LoadedParts["watch"]> | null {
  if (!watch) return null;
  const others: OtherThreads = {
    watched: (isWatched) => {
      for (const thread of threads) thread.send({ kind: "watched", isWatched });
    },
    look: (isLast) => Promise.all(threads.map((thread) => thread.look(isLast))),
  };
  return (options) => watch({ ...options, others });
}

const CANNOT_SHARE = "--workers: this system cannot share a port between threads; use --workers 1";

function wishesOf(log: ServerLog | ThreadedLog): LogWishes {
  const format = "lineFormat" in log ? log.lineFormat : null;
  return { access: log.access === null ? "none" : (format ?? "entries"), detail: log.detail !== null };
}
