/**
 * Everything about one server that can be observed from outside: its counters, its live view, and the endpoints that
 * show them.
 */
import type { Observer } from "../exchange/observer.ts";
import type { Endpoint } from "../handlers/endpoints/endpoint.ts";
import { type EventStream, streamEvent } from "../handlers/endpoints/event-stream.ts";
import { type Snapshot, type StatusSource, statusEndpoints } from "../handlers/endpoints/status.ts";
import { VERSION } from "../settings/version.ts";
import { LiveView, type LiveViewOptions, type RemotePart, type Watcher } from "./live-view.ts";
import { Metrics, type StoreCounts } from "./metrics.ts";
import { StepStreams, type StepStreamsOptions } from "./step-streams.ts";

export interface VitalsOptions extends Omit<LiveViewOptions, "version" | "metrics">, StepStreamsOptions {
  readonly isDraining: () => boolean;
  /** Returns the numbers of the object store, or null; absent without one. */
  readonly store?: () => StoreCounts | null;
}

/** The observed side of a server: counters, views and endpoints. A thread beside the main one has `WorkerVitals`. */
export interface ServerVitals {
  readonly metrics: Metrics;
  /** Observers of connections. */
  readonly observers: readonly Observer[];
  /** Returns the endpoints below `/__server/`. */
  endpoints(): [name: string, endpoint: Endpoint][];
  renderMetrics(): string | Promise<string>;
  /** Passes a snapshot to `see` several times a second until the returned function is called. */
  show(see: (snapshot: Snapshot) => void): () => void;
  /** Tells live pages that the server begins to stop. */
  drain(): void;
  /** Ends all views after the server has stopped. */
  end(): void;
}

export class Vitals implements StatusSource, ServerVitals {
  readonly instance: string;
  readonly metrics = new Metrics();
  readonly observers: readonly Observer[];
  readonly #options: VitalsOptions;
  readonly #live: LiveView;
  readonly #startedMs: number;
  /** Open live pages. One watcher makes the events of all of them. */
  readonly #streams = new Set<EventStream>();
  readonly steps: StepStreams;
  readonly #watcher: Watcher = { see: (snapshot) => this.#show(snapshot) };
  /** Event for streams that were opened since the last look; null if there were none. */
  #first: Uint8Array | null = null;

  constructor(options: VitalsOptions) {
    this.#options = options;
    this.instance = options.instance;
    this.steps = new StepStreams(options);
    this.#startedMs = options.time.wallMs();
    this.#live = new LiveView({ ...options, version: VERSION, metrics: this.metrics });
    this.observers = [this.metrics, this.#live];
  }

  endpoints(): [name: string, endpoint: Endpoint][] {
    return statusEndpoints(this);
  }

  isDraining(): boolean {
    return this.#options.isDraining();
  }

  renderMetrics(): string | Promise<string> {
    const { others = null } = this.#options;
    return others === null ? this.#render([]) : others.look(false).then((parts) => this.#render(parts));
  }

  /** Renders the metrics of this thread and of `parts`. */
  #render(parts: readonly RemotePart[]): string {
    const { pool, connections } = this.#options;
    const all = [{ connections: connections.size, metrics: this.metrics }, ...parts];
    const workers = all.map((part) => ({ connections: part.connections, requests: part.metrics.requests }));
    return Metrics.sum(all.map(({ metrics }) => metrics)).render({
      version: VERSION,
      slots: pool.size,
      slotsBusy: pool.active,
      queueLength: pool.queuedInAll,
      queueMax: pool.queueMax,
      connections: workers.reduce((sum, worker) => sum + worker.connections, 0),
      startedMs: this.#startedMs,
      ...(parts.length === 0 ? {} : { workers }),
      store: this.#options.store?.() ?? null,
    });
  }

  watch(stream: EventStream): void {
    this.#streams.add(stream);
    if (this.#streams.size === 1) {
      this.#live.watch(this.#watcher);
      return;
    }
    this.#first ??= eventOf(this.#live.first());
    stream.send(this.#first);
  }

  unwatch(stream: EventStream): void {
    if (this.#streams.delete(stream) && this.#streams.size === 0) this.#live.unwatch(this.#watcher);
  }

  #show(snapshot: Snapshot): void {
    this.#first = null;
    const event = eventOf(snapshot);
    for (const stream of this.#streams) stream.send(event);
  }

  show(see: (snapshot: Snapshot) => void): () => void {
    const watcher = { see };
    this.#live.watch(watcher);
    return () => this.#live.unwatch(watcher);
  }

  drain(): void {
    for (const stream of this.#streams) stream.end();
    this.steps.drain();
  }

  end(): void {
    this.#live.end();
  }
}

/** Returns the event that shows a snapshot on live pages. */
export function eventOf(snapshot: Snapshot): Uint8Array {
  return streamEvent(JSON.stringify(snapshot));
}
