/** A short slice of the simulator with fixed seeds, and what makes it worth running: it reaches what it must, and it can fail. */
import { describe, expect, test } from "bun:test";
import type { ConversationLimits } from "../src/exchange/context.ts";
import type { ContentSink } from "../src/http/message.ts";
import type { Http1Context } from "../src/http1/context.ts";
import { replay, trySeeds } from "../tools/fuzz/seeds.ts";
import { WatchedPool } from "../tools/fuzz/simulation/pool.ts";
import { mixedWorld, requestWorld, streamWorld } from "../tools/fuzz/simulation/run.ts";
import type { Spoil } from "../tools/fuzz/simulation/world.ts";

const SLICE = { seed: 20_260_315, count: 3000, seconds: 60 };

/** Seeds within which a broken server has to be found. */
const SPOILED_SLICE = { seed: 1, count: 2000, seconds: 60 };

const TIMEOUT_MS = 60_000;

/** A few of each kind of event, answer and fault; the run lists all. */
const MUST_HAPPEN = [
  "answer: 100",
  "answer: 200",
  "answer: 403",
  "answer: 408",
  "answer: 413",
  "answer: 417",
  "answer: 431",
  "answer: 500",
  "answer: 503",
  "answer: ends early",
  "client: FIN in the middle",
  "client: reset",
  "client: reset, not reported",
  "clock: exactly a timeout",
  "content: not read to its end",
  "content: skipped behind a slot",
  "content: skipped too slowly",
  "content: skipped, and broken off",
  "content: taken by chunked",
  "content: taken by length",
  "end: idle",
  "end: lingered",
  "end: too slow a reader",
  "event: deferred",
  "failure: body memory",
  "failure: broken chunk",
  "file: sent by the kernel",
  "handler: admits late",
  "handler: reject",
  "handler: throw",
  "handler: too late",
  "log: Aborted",
  "pool: closed while lending",
  "pool: evicted",
  "pool: finished after lending",
  "pool: granted after a wait",
  "pool: left the queue",
  "pool: lent",
  "pool: short after lending",
  "server: shut down",
  "sink: answered",
  "sink: client",
  "sink: ended",
  "sink: malformed",
  "sink: says no",
  "sink: timeout",
  "source: ends early",
  "transport: drains",
  "turned away: queue full",
  "turned away: queue timeout",
];

/** Events that the worlds with HTTP/2 streams must count at least once. */
const MUST_HAPPEN_ON_STREAMS = [
  "answer: 100",
  "answer: 200",
  "answer: 400",
  "answer: 403",
  "answer: 408",
  "answer: 413",
  "answer: 431",
  "answer: 500",
  "answer: 503",
  "client: FIN",
  "client: GOAWAY",
  "client: a mistake",
  "client: connects by HTTP/1",
  "client: reset",
  "client: resets a stream",
  "content: collected",
  "end: all clients finish",
  "end: in order",
  "end: reset by the server",
  "failure: body memory",
  "goaway: 0",
  "goaway: 1",
  "goaway: 11",
  "goaway: 3",
  "goaway: 4",
  "handler: admits late",
  "handler: early, live",
  "handler: too late",
  "live: is cut",
  "live: is over",
  "log: Aborted",
  "plain: 200",
  "pool: evicted",
  "pool: finished after lending",
  "pool: granted after a wait",
  "pool: left the queue",
  "pool: refused",
  "reset: 0",
  "reset: 1",
  "reset: 11",
  "reset: 2",
  "reset: 7",
  "server: shuts down",
  "sink: answered",
  "sink: ended",
  "sink: says no",
  "sink: timeout",
  "source: ends early",
  "transport: drains",
  "turned away",
  "window: connection",
  "window: stream",
];

const SPOILS: Readonly<Record<string, Spoil>> = {
  "what was put off is forgotten": (context) => ({ ...context, defer: () => {} }),
  "a slot is never returned": changed((context) => {
    context.pool.release = () => {};
  }),
  "who is turned away stays in the queue": changed((context) => {
    context.pool.cancel = () => true;
  }),
  "nobody lends a slot": changed(({ pool }) => {
    pool.stalled = () => {};
  }),
  "who waits is not told of": (context) => ({ ...context, waiting: () => {} }),
  "slots are lent as soon as somebody waits": (context) => ({
    ...context,
    waiting: () => context.pool.relieve(context.clock.nowMs),
  }),
  "a reader is given no time": changed(({ pool }) => {
    pool.stalled = (sender, nowMs) => WatchedPool.prototype.stalled.call(pool, sender, nowMs - 2000);
  }),
  "a reader who goes on reading loses its slot": changed(({ pool }) => {
    pool.moving = () => {};
  }),
  "who finishes after lending is remembered": changed(({ pool }) => {
    pool.finished = () => {};
  }),
  "a reader is never returned": changed((context) => {
    context.requests.takeBack = () => {};
  }),
  "a request is handled twice": changed(({ handler }) => {
    const respond = handler.respond.bind(handler);
    handler.respond = (...admitted) => {
      respond(...admitted);
      return respond(...admitted);
    };
  }),
  "another request's answer is sent": changed(({ handler }) => {
    const respond = handler.respond.bind(handler);
    let last: ReturnType<typeof respond> | null = null;
    handler.respond = (...admitted) => {
      const given = last ?? respond(...admitted);
      last = respond(...admitted);
      return given;
    };
  }),
  "a sink that says no gets more": withSinks((sink) => {
    const write = sink.write.bind(sink);
    sink.write = (bytes) => write(bytes) || true;
  }),
  "a refusal waits for content": changed(({ handler }) => {
    const admit = handler.admit.bind(handler);
    handler.admit = (request) => {
      const admission = admit(request);
      return admission.content === "skip" ? { ...admission, content: "discard" } : admission;
    };
  }),
  "a sink is told of its end twice": withSinks((sink) => {
    const ended = sink.ended.bind(sink);
    sink.ended = () => {
      ended();
      ended();
    };
  }),
  "a sink whose content fails is not told of it": withSinks((sink) => {
    sink.failed = () => {};
  }),
  "time stands still": changed(({ clock }) => {
    clock.set = () => {};
  }),
  "one request more than allowed is taken": withLimits(({ maxRequests }) => ({ maxRequests: maxRequests + 1 })),
  "content that is skipped has no bound": withLimits(() => ({ unwantedBodyBytesMax: Number.POSITIVE_INFINITY })),
  "who is idle has no deadline": withLimits(() => ({ keepAliveTimeoutMs: Number.POSITIVE_INFINITY })),
  "who waits for a slot has no deadline": withLimits(() => ({ queueTimeoutMs: Number.POSITIVE_INFINITY })),
  "who does not read has no deadline": withLimits(() => ({ stallTimeoutMs: Number.POSITIVE_INFINITY })),
  "who sends half a head has no deadline": withLimits(() => ({ headerTimeoutMs: Number.POSITIVE_INFINITY })),
  "a deadline comes a millisecond early": withLimits(({ headerTimeoutMs }) => ({
    headerTimeoutMs: headerTimeoutMs - 1,
  })),
  "what waits behind an answer has no bound": withLimits(() => ({ receiveBytesMax: Number.POSITIVE_INFINITY })),
};

describe("simulation", () => {
  test(
    "every invariant holds in a short run, which reaches every kind of event",
    async () => {
      const { seeds, coverage, failure } = await trySeeds(SLICE, requestWorld());
      expect(failure && { ...failure, trace: failure.trace.slice(-40) }).toBeNull();
      expect(seeds).toBe(SLICE.count);
      expect(MUST_HAPPEN.filter((what) => coverage.of(what) === 0)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "every invariant holds in worlds with streams, which reach every kind of event",
    async () => {
      const { seeds, coverage, failure } = await trySeeds(SLICE, streamWorld);
      expect(failure && { ...failure, trace: failure.trace.slice(-40) }).toBeNull();
      expect(seeds).toBe(SLICE.count);
      expect(MUST_HAPPEN_ON_STREAMS.filter((what) => coverage.of(what) === 0)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test("the same seed gives the same events, another seed others", async () => {
    for (const seed of [7, 8]) {
      const first = await replay(seed, mixedWorld);
      expect(first.trace.length).toBeGreaterThan(10);
      expect((await replay(seed, mixedWorld)).trace).toEqual(first.trace);
      expect((await replay(seed + 2, mixedWorld)).trace).not.toEqual(first.trace);
    }
  });

  for (const [name, spoil] of Object.entries(SPOILS)) {
    test(
      `a server is found in which ${name}`,
      async () => {
        const { failure } = await trySeeds(SPOILED_SLICE, requestWorld(spoil));
        expect(failure?.violation ?? "").not.toBe("");
        expect(failure?.violation).not.toContain("not violated");
        expect(failure?.trace.some((line) => line.includes("VIOLATED"))).toBe(true);
        expect((await replay(failure?.seed ?? 0, requestWorld(spoil))).violation).toBe(failure?.violation ?? "");
      },
      TIMEOUT_MS,
    );
  }
});

function changed(change: (context: Http1Context) => void): Spoil {
  return (context) => {
    change(context);
    return context;
  };
}

/** Changes each sink of content. */
function withSinks(change: (sink: ContentSink) => void): Spoil {
  return changed(({ handler }) => {
    const admit = handler.admit.bind(handler);
    handler.admit = (request) => {
      const admission = admit(request);
      const use = admission.content;
      if (typeof use === "object" && "sink" in use) change(use.sink);
      return admission;
    };
  });
}

function withLimits(change: (limits: ConversationLimits) => Partial<ConversationLimits>): Spoil {
  return (context) => ({ ...context, limits: { ...context.limits, ...change(context.limits) } });
}
