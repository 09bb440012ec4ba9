/**
 * The observed side of a server in a thread beside the main one. It counts for itself, and gives its part to the main thread, which makes
 * snapshots and metrics of all threads. Its endpoints answer with those.
 */
import type { Observer } from "../exchange/observer.ts";
import type { Endpoint } from "../handlers/endpoints/endpoint.ts";
import type { EventStream } from "../handlers/endpoints/event-stream.ts";
import { type Snapshot, type StatusSource, statusEndpoints } from "../handlers/endpoints/status.ts";
import { type RemotePart, withoutCounts } from "./live-view.ts";
import { Metrics } from "./metrics.ts";
import { StepStreams } from "./step-streams.ts";
import { ThreadView } from "./thread-view.ts";
import { eventOf, type ServerVitals, type VitalsOptions } from "./vitals.ts";

/** The main thread, as the others see it. */
interface MainThread {
  /** Says whether there are live pages here. While there are, the main thread calls `see`. */
  watch(isWatching: boolean): void;
  /** Resolves with the metrics of all threads. */
  metrics(): Promise<string>;
}

class WatchedView extends ThreadView {
  watched = false;

  override get isWatched(): boolean {
    return this.watched;
  }
}

export class WorkerVitals implements StatusSource, ServerVitals {
  readonly instance: string;
  readonly metrics = new Metrics();
  readonly observers: readonly Observer[];
  readonly #options: VitalsOptions;
  readonly #main: MainThread;
  readonly #view: WatchedView;
  /** Open live pages. */
  readonly #streams = new Set<EventStream>();
  readonly steps: StepStreams;
  /** The last snapshot, for pages that are opened before the next one; null without pages. */
  #last: Snapshot | null = null;

  constructor(options: VitalsOptions, main: MainThread) {
    this.#options = options;
    this.#main = main;
    this.instance = options.instance;
    this.steps = new StepStreams(options);
    this.#view = new WatchedView(options);
    this.observers = [this.metrics, this.#view];
  }

  endpoints(): [name: string, endpoint: Endpoint][] {
    return statusEndpoints(this);
  }

  isDraining(): boolean {
    return this.#options.isDraining();
  }

  renderMetrics(): Promise<string> {
    return this.#main.metrics();
  }

  watch(stream: EventStream): void {
    this.#streams.add(stream);
    if (this.#streams.size === 1) this.#main.watch(true);
    else if (this.#last !== null) stream.send(eventOf(withoutCounts(this.#last)));
  }

  unwatch(stream: EventStream): void {
    if (!this.#streams.delete(stream) || this.#streams.size > 0) return;
    this.#last = null;
    this.#main.watch(false);
  }

  /** Shows a snapshot of the main thread on the live pages. */
  see(snapshot: Snapshot): void {
    if (this.#streams.size === 0) return;
    this.#last = snapshot;
    const event = eventOf(snapshot);
    for (const stream of this.#streams) stream.send(event);
  }

  /** Notes whether the main thread has watchers. */
  watched(isWatched: boolean): void {
    this.#view.watched = isWatched;
    this.#view.forget();
  }

  /** Returns the part of this thread. `isLast`: forgets the answers afterwards. */
  look(isLast: boolean): RemotePart {
    this.#options.moveClock();
    const part = { ...this.#view.part(), metrics: this.metrics };
    if (isLast) this.#view.forget();
    return part;
  }

  /** The program's status line and the library's watchers are in the main thread. */
  show(): () => void {
    return () => {};
  }

  drain(): void {
    for (const stream of this.#streams) stream.end();
    this.steps.drain();
  }

  end(): void {}
}
