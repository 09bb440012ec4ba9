/**
 * Snapshots of the server, several a second, for the live page, the status line of a terminal, and watchers of the
 * library. While there are no watchers, it runs no timer and keeps nothing of a request.
 *
 * With several workers the main thread makes the snapshots. It asks the others for their parts (worker-views.ts).
 */

import type { Snapshot, WorkerView } from "../handlers/endpoints/status.ts";
import { Metrics, type MetricsCounts, percentile } from "./metrics.ts";
import { joined, type ThreadPart, ThreadView, type ThreadViewOptions } from "./thread-view.ts";

/** Milliseconds between two looks: fast enough for the eye. */
const INTERVAL_MS = 250;

export interface LiveViewOptions extends ThreadViewOptions {
  /** Differs after each start. */
  readonly instance: string;
  readonly version: string;
  readonly metrics: Metrics;
  readonly connectionsMax: number;
  /** Calls the coarse clock to the present. */
  readonly moveClock: () => void;
  /** Takes an error that a watcher has thrown. */
  readonly report: (error: unknown) => void;
  /** The other threads of the server; null or absent if there are none. */
  readonly others?: OtherThreads | null;
}

/** Part of another thread, with its counters since the start. */
export interface RemotePart extends ThreadPart {
  readonly metrics: MetricsCounts;
}

/** The other threads, as the one that makes the snapshots sees them. */
export interface OtherThreads {
  /** Says whether there are watchers. */
  watched(isWatched: boolean): void;
  /** Resolves with a part of each, in their order. `isLast`: the thread forgets its answers afterwards. Never rejects. */
  look(isLast: boolean): Promise<readonly RemotePart[]>;
}

/** Takes snapshots. */
export interface Watcher {
  readonly see: (snapshot: Snapshot) => void;
}

export class LiveView extends ThreadView {
  readonly #options: LiveViewOptions;
  readonly #others: OtherThreads | null;
  readonly #watchers = new Set<Watcher>();
  #cancel: (() => void) | null = null;
  readonly #startMs: number;
  /** Parts of the other threads at the last look. */
  #parts: readonly RemotePart[] = [];
  /** True while the other threads are asked for the next snapshot. */
  #isLooking = false;
  /** The counters at the last look. */
  #lastMs = 0;
  #lastRequests = 0;
  #lastContentBytes = 0;
  #lastRefused = 0;
  #lastDurations: Float64Array;

  constructor(options: LiveViewOptions) {
    super(options);
    this.#options = options;
    this.#others = options.others ?? null;
    this.#startMs = options.time.nowMs();
    this.#lastDurations = options.metrics.durations.counts.slice();
  }

  override get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  /** `watcher` sees the server now, or as soon as the other threads have answered, and from then on. */
  watch(watcher: Watcher): void {
    const isFirst = this.#watchers.size === 0;
    if (isFirst) {
      this.#remember();
      this.#others?.watched(true);
      this.#cancel = this.#options.time.every(INTERVAL_MS, () => this.#look());
    }
    this.#watchers.add(watcher);
    if (this.#others === null) {
      watcher.see(this.first());
      return;
    }
    void this.#others.look(false).then((parts) => {
      this.#parts = parts;
      if (isFirst) this.#remember();
      if (this.#watchers.has(watcher)) this.#show(watcher, this.first());
    });
  }

  /** Returns a snapshot for a new watcher, which gets counts from its second one on. */
  first(): Snapshot {
    return withoutCounts(this.#snapshot());
  }

  /** Safe to call twice. */
  unwatch(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return;
    this.#cancel?.();
    this.#cancel = null;
    this.#others?.watched(false);
    this.forget();
  }

  /** Ends all views after the server has stopped. */
  end(): void {
    for (const watcher of this.#watchers) this.unwatch(watcher);
  }

  #look(): void {
    if (this.#others === null) {
      this.#seen([]);
      return;
    }
    // A thread that is busy for longer than an interval makes the others wait, and no second question.
    if (this.#isLooking) return;
    this.#isLooking = true;
    void this.#others.look(true).then((parts) => {
      this.#isLooking = false;
      this.#seen(parts);
    });
  }

  #seen(parts: readonly RemotePart[]): void {
    this.#parts = parts;
    this.#options.moveClock();
    const snapshot = this.#snapshot();
    this.#remember();
    for (const watcher of this.#watchers) this.#show(watcher, snapshot);
  }

  /** Passes a snapshot to one watcher. An error in it does not affect the others. */
  #show(watcher: Watcher, snapshot: Snapshot): void {
    try {
      watcher.see(snapshot);
    } catch (error) {
      this.#options.report(error);
    }
  }

  /** Returns the counters of all threads. */
  #totals(): Metrics {
    const { metrics } = this.#options;
    return this.#others === null ? metrics : Metrics.sum([metrics, ...this.#parts.map((part) => part.metrics)]);
  }

  #snapshot(): Snapshot {
    const { instance, version, pool, time, connectionsMax } = this.#options;
    const own = this.part();
    const { slots, sendingBytes, lent, work, answeredBySlot, connections, queued, recent } = joined([
      own,
      ...this.#parts,
    ]);
    const metrics = this.#totals();
    const nowMs = time.nowMs();
    return {
      atMs: time.wallMs(),
      uptimeMs: nowMs - this.#startMs,
      instance,
      version,
      intervalMs: nowMs - this.#lastMs,
      pool: {
        size: pool.size,
        active: pool.active,
        queued: pool.queuedInAll,
        queueMax: pool.queueMax,
        lent,
      },
      slots,
      work,
      answeredBySlot,
      connections: { open: connections, max: connectionsMax },
      ...(this.#others === null ? {} : { workers: this.#workers(own) }),
      requests: metrics.requests - this.#lastRequests,
      contentBytes: metrics.contentBytes - this.#lastContentBytes,
      sendingBytes,
      queued,
      refused: sum(metrics.refusals) - this.#lastRefused,
      p50Ms: percentile(metrics.durations, this.#lastDurations, 0.5),
      p99Ms: percentile(metrics.durations, this.#lastDurations, 0.99),
      recent,
      totals: {
        accepted: metrics.accepted,
        requests: metrics.requests,
        contentBytes: metrics.contentBytes,
        aborted: metrics.aborted,
        statuses: Object.fromEntries(metrics.statuses),
        refusals: Object.fromEntries(metrics.refusals),
      },
    };
  }

  #workers(own: ThreadPart): readonly WorkerView[] {
    const all = [{ ...own, metrics: this.#options.metrics }, ...this.#parts];
    return all.map(({ connections, metrics }) => ({ connections, requests: metrics.requests }));
  }

  /** Keeps the counts that the next snapshot is compared with. */
  #remember(): void {
    const metrics = this.#totals();
    this.#lastMs = this.#options.time.nowMs();
    this.#lastRequests = metrics.requests;
    this.#lastContentBytes = metrics.contentBytes;
    this.#lastRefused = sum(metrics.refusals);
    this.#lastDurations = metrics.durations.counts.slice();
    this.forget();
  }
}

/** Returns a snapshot without the counts since the one before. */
export function withoutCounts(snapshot: Snapshot): Snapshot {
  return {
    ...snapshot,
    intervalMs: 0,
    answeredBySlot: snapshot.answeredBySlot.map(() => 0),
    requests: 0,
    contentBytes: 0,
    queued: 0,
    refused: 0,
    p50Ms: null,
    p99Ms: null,
    recent: [],
  };
}

function sum(counts: ReadonlyMap<unknown, number>): number {
  let all = 0;
  for (const count of counts.values()) all += count;
  return all;
}
