/**
 * Counts events of connections for `/__server/metrics` and the live page. Counters only grow: a rate or a percentile
 * of an interval is the difference of two readings.
 */
import { type Answered, BaseObserver, type CloseReason, Outcome } from "../exchange/observer.ts";
import type { WorkerView } from "../handlers/endpoints/status.ts";
import type { RefusalReason } from "./admission.ts";

/** Reason why a request or a connection was turned away. */
type Refused = "queue full" | "queue timeout" | RefusalReason;

/** Upper bounds of a histogram's buckets in milliseconds: ten to a decade (ISO 3, R10), from 10 µs to 80 s. */
const BOUNDS_MS: readonly number[] = [0.01, 0.1, 1, 10, 100, 1000, 10_000].flatMap((decade) =>
  [1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8].map((step) => Number((decade * step).toPrecision(3))),
);

/** Places of those that are exported: 1, 2.5 and 5 of each decade are enough for a dashboard. */
const isExported = (place: number) => place % 10 === 0 || place % 10 === 4 || place % 10 === 7;

/** Durations, counted by size. */
export class Histogram {
  /** One more than there are bounds: the last counts durations above all of them. */
  readonly counts: Float64Array = new Float64Array(BOUNDS_MS.length + 1);
  count = 0;
  sumMs = 0;

  add(ms: number): void {
    let low = 0;
    let high = BOUNDS_MS.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ms <= (BOUNDS_MS[middle] as number)) high = middle;
      else low = middle + 1;
    }
    this.counts[low] = (this.counts[low] as number) + 1;
    this.count++;
    this.sumMs += ms;
  }

  /** Adds the durations of another histogram. */
  join({ counts, count, sumMs }: HistogramCounts): void {
    for (let i = 0; i < counts.length; i++) this.counts[i] = (this.counts[i] as number) + (counts[i] as number);
    this.count += count;
    this.sumMs += sumMs;
  }
}

/**
 * Returns the duration in milliseconds that `share` (0 to 1) of the durations added since `before` did not exceed,
 * interpolated within its bucket; null when none was added. `before` holds counts of the same histogram.
 */
export function percentile(histogram: Histogram, before: Float64Array, share: number): number | null {
  const { counts } = histogram;
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += (counts[i] as number) - (before[i] as number);
  if (total === 0) return null;
  let left = share * total;
  for (let i = 0; i < counts.length; i++) {
    const here = (counts[i] as number) - (before[i] as number);
    if (left > here || here === 0) {
      left -= here;
      continue;
    }
    const lower = i === 0 ? 0 : (BOUNDS_MS[i - 1] as number);
    const upper = BOUNDS_MS[i] ?? lower;
    return lower + (upper - lower) * (left / here);
  }
  return BOUNDS_MS.at(-1) ?? 0;
}

/** The counters of one thread, as plain data. */
export type MetricsCounts = Pick<
  Metrics,
  "statuses" | "requests" | "contentBytes" | "aborted" | "refusals" | "accepted" | "closes" | "failures"
> & { readonly durations: HistogramCounts; readonly waits: HistogramCounts };

/** The counts of a histogram, as plain data. */
type HistogramCounts = Pick<Histogram, "counts" | "count" | "sumMs">;

/** Values of this moment that are not counted here. */
export interface Gauges {
  readonly version: string;
  readonly slots: number;
  readonly slotsBusy: number;
  readonly queueLength: number;
  readonly queueMax: number;
  readonly connections: number;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  /** Each thread of a server that has several; absent for one. */
  readonly workers?: readonly WorkerView[];
  /** Null without an object store. */
  readonly store: StoreCounts | null;
}

/** Requests to an object store. */
export interface StoreCounts {
  readonly requests: number;
  readonly failures: number;
  readonly retries: number;
  readonly sentBytes: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly isAway: boolean;
}

export class Metrics extends BaseObserver {
  /** Responses by status. */
  readonly statuses = new Map<number, number>();
  requests = 0;
  /** Bytes of content that the kernel has accepted. */
  contentBytes = 0;
  aborted = 0;
  readonly durations = new Histogram();
  /** Waits of requests for a slot. */
  readonly waits = new Histogram();
  readonly refusals = new Map<Refused, number>();
  accepted = 0;
  readonly closes = new Map<CloseReason, number>();
  failures = 0;

  /** Returns the counters of several threads together. */
  static sum(all: readonly MetricsCounts[]): Metrics {
    const metrics = new Metrics();
    for (const one of all) {
      metrics.requests += one.requests;
      metrics.contentBytes += one.contentBytes;
      metrics.aborted += one.aborted;
      metrics.accepted += one.accepted;
      metrics.failures += one.failures;
      metrics.durations.join(one.durations);
      metrics.waits.join(one.waits);
      joinCounts(metrics.statuses, one.statuses);
      joinCounts(metrics.refusals, one.refusals);
      joinCounts(metrics.closes, one.closes);
    }
    return metrics;
  }

  override opened(): void {
    this.accepted++;
  }

  override closed(_connection: number, _slot: number, _served: number, reason: CloseReason): void {
    increment(this.closes, reason);
  }

  override get wantsAnswers(): boolean {
    return true;
  }

  override answered({ response, bytes, durationMs, outcome }: Answered): void {
    this.requests++;
    increment(this.statuses, response.status);
    this.contentBytes += bytes;
    if (outcome === Outcome.Aborted) this.aborted++;
    this.durations.add(durationMs);
  }

  override dequeued(_connection: number, _slot: number, waitedMs: number): void {
    this.waits.add(waitedMs);
  }

  override turnedAway(_connection: number, reason: "queue full" | "queue timeout"): void {
    this.refused(reason);
  }

  refused(reason: Refused): void {
    increment(this.refusals, reason);
  }

  override failed(): void {
    this.failures++;
  }

  /** Renders Prometheus's text format, version 0.0.4. */
  render(gauges: Gauges): string {
    const { rss } = memory();
    const cpu = process.cpuUsage();
    return [
      family("httpserver_info", "gauge", "The server's version.", [[`{version="${gauges.version}"}`, 1]]),
      family(
        "httpserver_requests_total",
        "counter",
        "Requests answered, by status.",
        labelled("status", [...this.statuses].sort()),
      ),
      single("httpserver_response_content_bytes_total", "counter", "Bytes of content sent.", this.contentBytes),
      single("httpserver_answers_aborted_total", "counter", "Answers that ended early.", this.aborted),
      single("httpserver_failures_total", "counter", "Failures of the server's own.", this.failures),
      histogram("httpserver_request_duration_seconds", "From the complete head to the last byte.", this.durations),
      histogram("httpserver_queue_wait_seconds", "Time in the queue of requests that left it for a slot.", this.waits),
      family(
        "httpserver_refusals_total",
        "counter",
        "Requests and connections turned away with 503, by reason.",
        labelled(
          "reason",
          REFUSALS.map((reason) => [reason, this.refusals.get(reason) ?? 0]),
        ),
      ),
      single("httpserver_slots", "gauge", "Size of the pool.", gauges.slots),
      single("httpserver_slots_busy", "gauge", "Slots in use.", gauges.slotsBusy),
      single("httpserver_queue_length", "gauge", "Requests that wait for a slot.", gauges.queueLength),
      single("httpserver_queue_limit", "gauge", "Requests that may wait.", gauges.queueMax),
      single("httpserver_connections", "gauge", "Open connections.", gauges.connections),
      single("httpserver_connections_accepted_total", "counter", "Connections accepted.", this.accepted),
      family(
        "httpserver_connections_closed_total",
        "counter",
        "Connections closed, by reason.",
        labelled("reason", [...this.closes]),
      ),
      ...workerFamilies(gauges.workers ?? []),
      ...storeFamilies(gauges.store),
      single("process_start_time_seconds", "gauge", "Start, in seconds since 1970.", gauges.startedMs / 1000),
      single("process_cpu_seconds_total", "counter", "Processor time.", (cpu.user + cpu.system) / 1e6),
      ...(rss === null ? [] : [single("process_resident_memory_bytes", "gauge", "Resident memory.", rss)]),
    ].join("");
  }
}

/** Renders the numbers of each thread, which are parts of the others; nothing for one thread. */
function workerFamilies(workers: readonly WorkerView[]): string[] {
  if (workers.length === 0) return [];
  const of = (value: (worker: WorkerView) => number) =>
    labelled(
      "worker",
      workers.map((worker, index) => [index + 1, value(worker)]),
    );
  return [
    family(
      "httpserver_worker_connections",
      "gauge",
      "Open connections, by worker.",
      of(({ connections }) => connections),
    ),
    family(
      "httpserver_worker_requests_total",
      "counter",
      "Requests answered, by worker.",
      of(({ requests }) => requests),
    ),
  ];
}

const REFUSALS: readonly Refused[] = [
  "queue full",
  "queue timeout",
  "too many connections",
  "too many from an address",
];

function storeFamilies(store: StoreCounts | null): string[] {
  if (store === null) return [];
  return [
    single("httpserver_store_requests_total", "counter", "Requests to the object store.", store.requests),
    single(
      "httpserver_store_failures_total",
      "counter",
      "Requests to the object store without a valid response.",
      store.failures,
    ),
    single(
      "httpserver_store_retries_total",
      "counter",
      "Requests to the object store that were repeated.",
      store.retries,
    ),
    single(
      "httpserver_store_sent_bytes_total",
      "counter",
      "Bytes of content in requests to the object store.",
      store.sentBytes,
    ),
    single(
      "httpserver_store_in_flight",
      "gauge",
      "Requests except reads that wait for the object store's response.",
      store.inFlight,
    ),
    single("httpserver_store_waiting", "gauge", "Requests that wait to be sent to the object store.", store.waiting),
    single("httpserver_store_away", "gauge", "1 while it is known to be away.", store.isAway ? 1 : 0),
  ];
}

type Sample = readonly [labels: string, value: number];

function family(name: string, type: "counter" | "gauge", help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labels} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function single(name: string, type: "counter" | "gauge", help: string, value: number): string {
  return family(name, type, help, [["", value]]);
}

/** Renders lines with a label. The values are words of ours, without anything to escape. */
function labelled(label: string, values: readonly (readonly [value: string | number, count: number])[]): Sample[] {
  return values.map(([value, count]) => [`{${label}="${value}"}`, count]);
}

function histogram(name: string, help: string, { counts, count, sumMs }: Histogram): string {
  let below = 0;
  let lines = "";
  for (const [i, bound] of BOUNDS_MS.entries()) {
    below += counts[i] as number;
    if (isExported(i)) lines += `${name}_bucket{le="${bound / 1000}"} ${below}\n`;
  }
  return (
    `# HELP ${name} ${help}\n# TYPE ${name} histogram\n${lines}${name}_bucket{le="+Inf"} ${count}\n` +
    `${name}_sum ${sumMs / 1000}\n${name}_count ${count}\n`
  );
}

function joinCounts<Key>(counts: Map<Key, number>, others: ReadonlyMap<Key, number>): void {
  for (const [key, count] of others) counts.set(key, (counts.get(key) ?? 0) + count);
}

function increment<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Returns null for the memory when no descriptor is left to read it with. */
function memory(): { readonly rss: number | null } {
  try {
    return { rss: process.memoryUsage.rss() };
  } catch {
    return { rss: null };
  }
}
