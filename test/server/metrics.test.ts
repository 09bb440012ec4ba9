/** What is counted, and that a monitoring system reads the same numbers. */
import { describe, expect, test } from "bun:test";
import { type Answered, newAnswered, Outcome } from "../../src/exchange/observer.ts";
import { type Gauges, Histogram, Metrics, percentile } from "../../src/server/metrics.ts";
import { respondWith } from "../support/conversation.ts";
import { expositionFaults, readExposition } from "../support/exposition.ts";

const GAUGES: Gauges = {
  version: "1.2.3",
  slots: 10,
  slotsBusy: 3,
  queueLength: 2,
  queueMax: 100,
  connections: 7,
  startedMs: 1_500_000,
  store: null,
};

function answer(status: number, more: Partial<Answered> = {}): Answered {
  return { ...newAnswered(), response: respondWith(status, null), ...more };
}

const NOTHING = new Histogram().counts;

function histogramOf(...durations: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const ms of durations) histogram.add(ms);
  return histogram;
}

describe("a histogram", () => {
  test("counts each duration once, whatever it is", () => {
    const histogram = histogramOf(0, 0.01, 0.0101, 1, 1, 80_000, 80_001, 1e12);
    expect(histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(8);
    expect([histogram.count, histogram.sumMs]).toEqual([8, 1e12 + 160_003.0201]);
  });

  test("has a duration that is a bound in the bucket below it", () => {
    const scrape = scrapeOf((metrics) => metrics.durations.add(1));
    const { buckets } = scrape.distribution("httpserver_request_duration_seconds");
    expect(buckets.find(([, count]) => count === 1)).toEqual([0.001, 1]);
    const above = scrapeOf((metrics) => metrics.durations.add(1.0001));
    expect(above.distribution("httpserver_request_duration_seconds").buckets.find(([, count]) => count === 1)).toEqual([
      0.0025, 1,
    ]);
  });
});

describe("a percentile", () => {
  test("of nothing is none", () => {
    expect(percentile(new Histogram(), NOTHING, 0.5)).toBeNull();
    const histogram = histogramOf(1, 2, 3);
    expect(percentile(histogram, histogram.counts.slice(), 0.99)).toBeNull();
  });

  test("is as near as ten buckets to a decade allow", () => {
    const thousand = histogramOf(...Array.from({ length: 1000 }, (_, i) => i + 1));
    for (const share of [0.01, 0.1, 0.5, 0.9, 0.99, 1]) {
      const found = percentile(thousand, NOTHING, share) ?? 0;
      expect([share, Math.abs(found - share * 1000) / (share * 1000) < 0.27]).toEqual([share, true]);
    }
  });

  test("is of what was added since, and of nothing before", () => {
    const histogram = histogramOf(...Array<number>(1000).fill(5000));
    const before = histogram.counts.slice();
    histogram.add(1);
    const found = percentile(histogram, before, 0.5) ?? 0;
    expect(found).toBeGreaterThan(0.8);
    expect(found).toBeLessThanOrEqual(1);
  });

  test("rises with its share, and never beyond what there is", () => {
    const histogram = histogramOf(0.004, 0.3, 7, 7, 7, 200, 1e9);
    const found = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1].map((share) => percentile(histogram, NOTHING, share) ?? -1);
    expect(found).toEqual(found.toSorted((a, b) => a - b));
    expect(found.at(-1)).toBe(80_000); // Longer than the last bound is shown as that bound.
  });
});

function scrapeOf(act: (metrics: Metrics) => void) {
  const metrics = new Metrics();
  act(metrics);
  return readExposition(metrics.render(GAUGES));
}

describe("the metrics", () => {
  test("of a server that did nothing can be read, and are zero", () => {
    const scrape = scrapeOf(() => {});
    expect(scrape.values("httpserver_requests_total")).toEqual({});
    expect(scrape.distribution("httpserver_request_duration_seconds").count).toBe(0);
    expect(scrape.values("httpserver_refusals_total")).toEqual({
      "queue full": 0,
      "queue timeout": 0,
      "too many connections": 0,
      "too many from an address": 0,
    });
  });

  test("are these families, whose names dashboards rely on", () => {
    expect(Object.fromEntries(scrapeOf(() => {}).types)).toEqual({
      httpserver_info: "gauge",
      httpserver_requests_total: "counter",
      httpserver_response_content_bytes_total: "counter",
      httpserver_answers_aborted_total: "counter",
      httpserver_failures_total: "counter",
      httpserver_request_duration_seconds: "histogram",
      httpserver_queue_wait_seconds: "histogram",
      httpserver_refusals_total: "counter",
      httpserver_slots: "gauge",
      httpserver_slots_busy: "gauge",
      httpserver_queue_length: "gauge",
      httpserver_queue_limit: "gauge",
      httpserver_connections: "gauge",
      httpserver_connections_accepted_total: "counter",
      httpserver_connections_closed_total: "counter",
      process_start_time_seconds: "gauge",
      process_cpu_seconds_total: "counter",
      process_resident_memory_bytes: "gauge",
    });
  });

  test("say of the moment what they are told", () => {
    const scrape = scrapeOf(() => {});
    expect(scrape.values("httpserver_info")).toEqual({ "1.2.3": 1 });
    const names = ["slots", "slots_busy", "queue_length", "queue_limit", "connections"];
    expect(names.map((name) => scrape.value(`httpserver_${name}`))).toEqual([10, 3, 2, 100, 7]);
    expect(scrape.value("process_start_time_seconds")).toBe(1500);
    expect(scrape.value("process_resident_memory_bytes")).toBeGreaterThan(1 << 20);
    expect(scrape.value("process_cpu_seconds_total")).toBeGreaterThan(0);
  });

  test("count answers by status, their content, their time, and which were cut short", () => {
    const scrape = scrapeOf((metrics) => {
      metrics.answered(answer(200, { bytes: 1000, durationMs: 20 }));
      metrics.answered(answer(404, { bytes: 30, durationMs: 0.5 }));
      metrics.answered(answer(200, { bytes: 7, durationMs: 4, outcome: Outcome.Aborted }));
      metrics.answered(answer(503, { outcome: Outcome.Closed }));
    });
    expect(scrape.values("httpserver_requests_total")).toEqual({ 200: 2, 404: 1, 503: 1 });
    expect(scrape.value("httpserver_response_content_bytes_total")).toBe(1037);
    expect(scrape.value("httpserver_answers_aborted_total")).toBe(1);
    const { count, sum } = scrape.distribution("httpserver_request_duration_seconds");
    expect([count, sum]).toEqual([4, 0.0245]);
  });

  test("count refusals, waits, connections and failures", () => {
    const scrape = scrapeOf((metrics) => {
      metrics.opened();
      metrics.opened();
      metrics.closed(1, 0, 5, "idle timeout");
      metrics.turnedAway(2, "queue full");
      metrics.turnedAway(2, "queue full");
      metrics.turnedAway(2, "queue timeout");
      metrics.refused("too many connections");
      metrics.dequeued(1, 1, 250);
      metrics.failed();
    });
    expect(scrape.value("httpserver_connections_accepted_total")).toBe(2);
    expect(scrape.values("httpserver_connections_closed_total")).toEqual({ "idle timeout": 1 });
    expect(scrape.values("httpserver_refusals_total")).toEqual({
      "queue full": 2,
      "queue timeout": 1,
      "too many connections": 1,
      "too many from an address": 0,
    });
    expect(scrape.distribution("httpserver_queue_wait_seconds").sum).toBe(0.25);
    expect(scrape.value("httpserver_failures_total")).toBe(1);
  });
});

test("the rules that metrics are checked by see what breaks them", () => {
  const good = new Metrics().render(GAUGES);
  expect(expositionFaults(good)).toEqual([]);
  const broken: Record<string, string> = {
    "the last line has no end": good.slice(0, -1),
    "HELP twice": good + good,
    "TYPE without HELP": good.replace("# HELP httpserver_slots Size of the pool.\n", ""),
    "no help": good.replace("httpserver_slots Size of the pool.", "httpserver_slots"),
    "no value": good.replace("httpserver_slots 10", "httpserver_slots ten"),
    "no sample": good.replace('{version="1.2.3"}', '{version="1"2.3"}'),
    "out of its family": good.replace("httpserver_slots 10", "httpserver_lots 10"),
    "_total is for counters": good.replaceAll("httpserver_failures_total", "httpserver_failures"),
    "bounds do not ascend": good.replace('_seconds_bucket{le="0.0001"}', '_seconds_bucket{le="9"}'),
    "buckets are not cumulative": good.replace('_bucket{le="0.0001"} 0', '_bucket{le="0.0001"} 3'),
    "the last bucket is not the count": good.replace("duration_seconds_count 0", "duration_seconds_count 1"),
    "no bucket for all": good.replace('httpserver_queue_wait_seconds_bucket{le="+Inf"} 0\n', ""),
    "no sum": good.replace("httpserver_queue_wait_seconds_sum 0\n", ""),
    twice: good.replace("httpserver_slots 10\n", "httpserver_slots 10\nhttpserver_slots 10\n"),
  };
  for (const [rule, text] of Object.entries(broken)) {
    expect([rule, expositionFaults(text).some((fault) => fault.startsWith(rule))]).toEqual([rule, true]);
  }
});

describe("the counters of several threads", () => {
  function thread(...statuses: readonly number[]): Metrics {
    const metrics = new Metrics();
    for (const status of statuses) metrics.answered(answer(status, { durationMs: status, bytes: 10 }));
    metrics.opened();
    metrics.closed(1, 0, 0, "client");
    metrics.turnedAway(1, "queue full");
    metrics.dequeued(1, 1, 5);
    metrics.failed();
    return metrics;
  }

  test("are added, whatever each has seen", () => {
    const whole = new Metrics();
    for (const status of [200, 404, 200, 500]) whole.answered(answer(status, { durationMs: status, bytes: 10 }));
    for (let i = 0; i < 2; i++) {
      whole.opened();
      whole.closed(1, 0, 0, "client");
      whole.turnedAway(1, "queue full");
      whole.dequeued(1, 1, 5);
      whole.failed();
    }
    const parts = [thread(200, 404), thread(200, 500)].map((metrics) => structuredClone({ ...metrics }));
    expect(Metrics.sum(parts)).toEqual(whole);
  });

  test("are named by worker, only if there are several", () => {
    const text = thread(200).render({
      ...GAUGES,
      workers: [
        { connections: 3, requests: 1 },
        { connections: 4, requests: 0 },
      ],
    });
    expect(expositionFaults(text)).toEqual([]);
    const scrape = readExposition(text);
    expect(scrape.values("httpserver_worker_connections")).toEqual({ 1: 3, 2: 4 });
    expect(scrape.values("httpserver_worker_requests_total")).toEqual({ 1: 1, 2: 0 });
    expect(thread(200).render(GAUGES)).not.toContain("worker");
  });
});
