/** The content of one request, and the ways in which a request ends without its handler's response. */
import { describe, expect, test } from "bun:test";
import { Wait } from "../../src/exchange/deadline.ts";
import { type Exchange, Phase } from "../../src/exchange/exchange.ts";
import { TrustedProxies } from "../../src/exchange/forwarding.ts";
import type { Fault } from "../../src/http/fault.ts";
import { ADMITTED, type Admission, CERTAIN, type ContentSink, refused } from "../../src/http/message.ts";
import { ParseError } from "../../src/http/parse-error.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { CONTROL, collecting, FakeSource, Outcome, respondWith } from "../support/conversation.ts";
import { setting } from "../support/exchange.ts";
import { makeRequest } from "../support/site.ts";

const NEVER = new Promise<never>(() => {});

/** Waits until settled promises have called back. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Takes content while `isOpen`, and remembers what it was told. */
class FakeSink implements ContentSink {
  readonly calls: string[] = [];
  isOpen = true;
  resume: () => void = () => {};

  write(bytes: Uint8Array): boolean {
    this.calls.push(textOf(bytes));
    return this.isOpen;
  }

  ended(): void {
    this.calls.push("ended");
  }

  failed(reason: string): void {
    this.calls.push(`failed: ${reason}`);
  }

  whenReady(resume: () => void): void {
    this.resume = resume;
  }
}

function withFault(fault: Partial<Fault>): Admission {
  return { ...ADMITTED, fault: fault as Fault };
}

/** A request whose sink takes content while its handler works. */
function streaming(announced: "none" | "unknown" = "unknown") {
  const made = setting();
  const sink = new FakeSink();
  made.server.handler.admit = () => ({ ...ADMITTED, content: { sink } });
  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof respondWith>>();
  made.server.handler.respond = () => promise;
  const { exchange, carrier } = made.open({ announced });
  exchange.arrive(1, 0);
  const resume = () => {
    sink.resume();
    for (const sleeper of made.server.deferred.splice(0)) sleeper.resumed();
  };
  return { ...made, sink, exchange, carrier, resolve, resume };
}

describe("content for a sink", () => {
  test("comes while the handler works", () => {
    const { exchange, sink } = streaming();
    expect([exchange.isAhead, exchange.takesContent, exchange.skipsContent]).toEqual([true, false, false]);
    expect(exchange.proceed()).toBeNull();
    expect([exchange.phase, exchange.takesContent]).toEqual([Phase.Running, true]);
    expect(exchange.take(bytesOf("-abc-"), 1, 4, 10_000_000, null)).toBe(true);
    exchange.take(bytesOf("x"), 1, 1, 10_000_000, null);
    exchange.endContent();
    exchange.endContent();
    exchange.failContent("client");
    expect([sink.calls, exchange.takesContent]).toEqual([["abc", "ended"], false]);
  });

  test("stops while the sink is full, and goes on in a turn of its own", () => {
    const { exchange, carrier, sink, server } = streaming();
    exchange.proceed();
    sink.isOpen = false;
    expect(exchange.take(bytesOf("a"), 0, 1, 1, null)).toBe(true);
    expect([exchange.isStalled, exchange.takesContent, carrier.calls]).toEqual([true, false, []]);
    sink.resume();
    expect([exchange.isStalled, carrier.calls]).toEqual([true, []]);
    for (const sleeper of server.deferred.splice(0)) sleeper.resumed();
    expect([exchange.isStalled, exchange.takesContent, carrier.calls]).toEqual([false, true, ["ready"]]);
  });

  test("that has ended is not asked for again when the sink is ready", () => {
    const { exchange, carrier, sink, resume } = streaming();
    exchange.proceed();
    sink.isOpen = false;
    exchange.take(bytesOf("a"), 0, 1, 1, null);
    exchange.endContent();
    expect(exchange.isStalled).toBe(false);
    resume();
    expect(carrier.calls).toEqual([]);
  });

  test("that is none has ended at once", () => {
    const { exchange, sink } = streaming("none");
    exchange.proceed();
    expect(sink.calls).toEqual(["ended"]);
  });

  test("is no longer wanted once the response begins", () => {
    const { exchange, carrier, sink } = streaming();
    exchange.proceed();
    exchange.begin(respondWith(200, "early"));
    expect([sink.calls, carrier.calls]).toEqual([["failed: answered"], ["stop reading"]]);
  });

  test.each([
    ["client", "failed: client"],
    ["shutdown", "failed: cut"],
  ] as const)("fails when the connection ends for %s", (reason, call) => {
    const { exchange, sink } = streaming();
    exchange.proceed();
    exchange.tellGone(reason);
    expect(sink.calls).toEqual([call]);
  });

  test.each([
    [ParseError.IncompleteMessage, "failed: client", 400],
    [ParseError.ChunkSizeInvalid, "failed: malformed", 400],
  ])(
    "fails when the rest breaks rule %d, and the refusal takes the place of the response",
    async (error, call, status) => {
      const { exchange, carrier, sink, resolve } = streaming();
      exchange.proceed();
      exchange.refuseMalformed(error);
      expect([sink.calls, exchange.response, exchange.violation]).toEqual([[call], null, error]);
      const source = new FakeSource(10);
      resolve(respondWith(200, source));
      await settled();
      expect([exchange.proceed()?.status, source.closes]).toEqual([status, 1]);
      expect(carrier.calls).toEqual(["stop reading", "ready"]);
      exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
      exchange.finish(Outcome.Closed, null);
    },
  );

  test("that comes too slowly fails, and the request is refused when the handler has settled", async () => {
    const { exchange, sink, resolve } = streaming();
    exchange.proceed();
    exchange.giveUp(Wait.Body);
    exchange.refuse(400, "a second refusal does not count");
    resolve(respondWith(200, "late"));
    await settled();
    expect([sink.calls, exchange.proceed()?.status]).toEqual([["failed: timeout"], 408]);
  });
});

describe("content that was announced", () => {
  test("as more than is collected is refused before it comes", () => {
    const { server, open } = setting();
    server.handler.admit = () => collecting(4);
    const { exchange, carrier } = open();
    exchange.arrive(1, 0);
    exchange.expect(4, false);
    expect([exchange.response, carrier.calls]).toEqual([null, []]);
    exchange.expect(5, false);
    expect([exchange.response?.status, carrier.calls]).toEqual([413, ["stop reading"]]);
  });

  test.each([
    [3, false, []],
    [4, false, ["stop reading"]],
    [0, true, ["stop reading"]],
  ])("without use as %d bytes, waiting for 100: %p, is read past or not", (length, waits, calls) => {
    const { open } = setting({ limits: { unwantedBodyBytesMax: 3 } });
    const { exchange, carrier } = open();
    exchange.arrive(1, 0);
    exchange.expect(length, waits);
    expect(carrier.calls).toEqual(calls);
  });

  test("by a client that waits for 100 is invited once", () => {
    const { server, open } = setting();
    server.handler.admit = () => collecting(10);
    const { exchange } = open();
    exchange.arrive(1, 0);
    expect(exchange.invite()).toBe(false);
    exchange.expect(5, true);
    expect([exchange.invite(), exchange.invite()]).toEqual([true, false]);
  });

  test("of any size for a sink is not refused", () => {
    const { exchange, carrier } = streaming();
    exchange.expect(1e12, true);
    expect([exchange.response, carrier.calls]).toEqual([null, []]);
  });
});

describe("content that is skipped", () => {
  test("does not hold up the response", () => {
    const { server, open } = setting();
    server.handler.admit = () => CERTAIN;
    const { exchange } = open();
    exchange.arrive(1, 0);
    expect([exchange.skipsContent, exchange.isAhead]).toEqual([true, true]);
  });

  test("is still counted for a fault that resets the connection within it", () => {
    const { server, open } = setting();
    server.handler.admit = () => ({ ...CERTAIN, fault: { kind: "reset-request" } as Fault });
    const { exchange } = open();
    exchange.arrive(1, 0);
    expect([exchange.skipsContent, exchange.isAhead]).toEqual([false, false]);
  });

  test("is decided on later if the admission takes time", () => {
    const { server, open } = setting();
    server.handler.admit = () => ({ ...CERTAIN, later: () => NEVER });
    const { exchange } = open();
    exchange.arrive(1, 0);
    expect([exchange.skipsContent, exchange.isAhead]).toEqual([false, true]);
  });
});

describe("a fault that resets a request", () => {
  test("acts after its bytes of content", () => {
    const { server, open } = setting();
    server.handler.admit = () => withFault({ kind: "reset-request", afterBytes: 3 });
    const { exchange, carrier } = open();
    exchange.arrive(1, 0);
    expect([exchange.resetIfDue(2), exchange.response, carrier.calls]).toEqual([false, null, []]);
    expect([exchange.resetIfDue(3), exchange.response?.status]).toEqual([true, 400]);
    expect(carrier.calls).toEqual(["stop reading"]);
  });

  test("acts at once without a number of bytes; another fault never does", () => {
    const { server, open } = setting();
    server.handler.admit = () => withFault({ kind: "reset-request", afterBytes: null });
    const { exchange } = open();
    exchange.arrive(1, 0);
    expect(exchange.resetIfDue(0)).toBe(true);
    server.handler.admit = () => withFault({ kind: "reset", afterBytes: 0 });
    const other = open().exchange;
    other.arrive(1, 0);
    expect(other.resetIfDue(5)).toBe(false);
  });

  test("that was ordered and has not begun can be dropped", () => {
    const { server, open } = setting();
    server.handler.admit = () => withFault({ kind: "reset" });
    const { exchange } = open();
    exchange.arrive(1, 0);
    const { admission } = exchange;
    exchange.pardon();
    expect([exchange.admission.fault, admission.fault?.kind]).toEqual([null, "reset"]);
    const plain = exchange.admission;
    exchange.pardon();
    expect(exchange.admission).toBe(plain);
  });

  test("stays once the response is on its way, and is reported", () => {
    const { server, open } = setting();
    server.handler.admit = () => withFault({ kind: "reset" });
    const { exchange } = open();
    exchange.arrive(1, 0);
    exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
    exchange.pardon();
    exchange.finish(Outcome.Closed, "fault");
    expect(server.observer.lines).toMatchObject([{ fault: "reset", outcome: Outcome.Closed, closing: "fault" }]);
  });
});

describe("an admission that takes time", () => {
  function waiting(first: Partial<Admission> = {}) {
    const made = setting();
    const { promise, resolve, reject } = Promise.withResolvers<Admission>();
    made.server.handler.admit = () => ({ ...ADMITTED, later: () => promise, ...first });
    const opened = made.open();
    opened.exchange.arrive(1, 0);
    return { ...made, ...opened, resolve, reject };
  }

  test("has a slot, and then the request is as one whose head comes now", async () => {
    const { exchange, carrier, resolve } = waiting({ fault: { kind: "reset" } as Fault });
    expect([exchange.proceed(), exchange.phase, exchange.lease.slot]).toEqual([null, Phase.Running, 1]);
    resolve(collecting(10));
    await settled();
    expect([exchange.phase, carrier.calls, exchange.response]).toEqual([Phase.Receiving, ["ready"], null]);
    expect([exchange.admission.content, exchange.admission.fault?.kind]).toEqual([{ collectMax: 10 }, "reset"]);
    expect(exchange.proceed()?.status).toBe(200);
  });

  test("decides about the content that was announced before", async () => {
    const { exchange, carrier, resolve } = waiting();
    exchange.expect(0, true);
    exchange.proceed();
    expect(carrier.calls).toEqual([]);
    resolve(ADMITTED);
    await settled();
    expect(carrier.calls).toEqual(["stop reading", "ready"]);
  });

  test("decides nothing about content that does not follow", async () => {
    const { exchange, carrier, resolve } = waiting();
    exchange.proceed();
    resolve(ADMITTED);
    await settled();
    expect(carrier.calls).toEqual(["ready"]);
  });

  test("may be a refusal", async () => {
    const { exchange, resolve } = waiting();
    exchange.proceed();
    resolve(refused(respondWith(401, "no")));
    await settled();
    expect(exchange.proceed()?.status).toBe(401);
  });

  test("that fails is our failure", async () => {
    const { exchange, server, reject } = waiting();
    exchange.proceed();
    reject(new Error("broken"));
    await settled();
    expect([exchange.proceed()?.status, server.observer.failures.map(String)]).toEqual([500, ["Error: broken"]]);
  });

  test("gives way to a refusal that came meanwhile, once", async () => {
    const { exchange, resolve } = waiting();
    exchange.proceed();
    exchange.refuse(400, "broken meanwhile");
    resolve(ADMITTED);
    await settled();
    expect(exchange.proceed()?.status).toBe(400);
  });
});

describe("a request through a trusted proxy", () => {
  function relayed(fields: Record<string, string>) {
    const made = setting({ relays: new TrustedProxies(["127.0.0.1"]) });
    const seen: string[] = [];
    made.server.handler.respond = (request) => {
      seen.push(request.address);
      return respondWith(200, "a");
    };
    const { exchange } = made.open({ ...makeRequest("GET /a", fields) });
    return { ...made, exchange, seen };
  }

  test("is handled and reported as its client has sent it", () => {
    const { exchange, seen, server } = relayed({ "X-Forwarded-For": "192.0.2.1" });
    const peers: string[] = [];
    server.observer.answered = ({ peer, request }) => peers.push(`${peer} ${request?.address}`);
    exchange.arrive(1, 0);
    exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
    expect(exchange.work()?.peer).toBe("192.0.2.1");
    exchange.finish(Outcome.KeptAlive, null);
    expect([seen, peers]).toEqual([["192.0.2.1"], ["192.0.2.1 192.0.2.1"]]);
    exchange.renew();
    exchange.arrive(2, ParseError.HostMissing);
    expect(exchange.violation).toBe(ParseError.HostMissing);
  });

  test("without a word of the proxy has the peer of the connection", () => {
    const { exchange } = relayed({});
    exchange.arrive(1, 0);
    exchange.proceed();
    expect(exchange.work()?.peer).toBe("127.0.0.1:50000");
  });

  test("with malformed fields of the proxy is refused", () => {
    const { exchange, seen } = relayed({ Forwarded: "for=" });
    exchange.arrive(1, 0);
    expect([exchange.violation, exchange.proceed()?.status, seen]).toEqual([ParseError.ForwardedInvalid, 400, []]);
  });

  test("that is malformed itself is refused for that", () => {
    const { exchange } = relayed({ Forwarded: "for=" });
    exchange.arrive(1, ParseError.HostInvalid);
    expect([exchange.violation, exchange.admission.host]).toEqual([ParseError.HostInvalid, "invalid"]);
  });
});

test.each([
  [ParseError.HostMissing, "missing"],
  [ParseError.HostInvalid, "invalid"],
  [ParseError.HostRepeated, "invalid"],
  [ParseError.ContentLengthInvalid, "-"],
] as const)("the rule %d has this Host verdict: %s", (error, host) => {
  const { open } = setting();
  const { exchange } = open();
  exchange.arrive(1, error);
  expect(exchange.admission.host).toBe(host);
});

test("a request that was admitted and breaks a rule later keeps its verdict, and ends reading if its end is in doubt", () => {
  const { server, open } = setting();
  server.handler.admit = () => collecting(10);
  const { exchange, carrier } = open();
  exchange.arrive(1, 0);
  exchange.refuseMalformed(ParseError.ChunkSizeInvalid);
  expect([exchange.admission.host, exchange.proceed()?.status, carrier.calls]).toEqual(["ok", 400, ["stop reading"]]);
});

test.each([
  [Wait.Head, "The request was not complete in time."],
  [Wait.Body, "The request's content came too slowly."],
] as const)("a request whose wait %d is over is refused with 408 and its sentence", (wait, sentence) => {
  const { open } = setting();
  const { exchange, carrier } = open();
  exchange.giveUp(wait);
  expect([exchange.response?.status, textOf(exchange.response?.content as Uint8Array)]).toEqual([408, sentence]);
  expect(carrier.calls).toEqual(["stop reading"]);
});

describe("a request that waits for a slot", () => {
  test("is told of, and its time is reported", () => {
    const { server, open } = setting({ threads: 1 });
    const waited: string[] = [];
    Object.assign(server.context, { waiting: () => waited.push("waiting") });
    const [slot] = server.pool.take(1) as number[];
    const { exchange, carrier } = open();
    exchange.arrive(1, 0);
    exchange.proceed();
    expect([server.observer.events, waited, exchange.activity]).toEqual([["queued"], ["waiting"], "waiting"]);
    expect(exchange.proceed()).toBeNull();
    server.clock.set(700, 0);
    server.pool.release(slot as number);
    expect(server.observer.events).toEqual(["queued", "dequeued to 1 after 700 ms"]);
    expect(carrier.calls).toEqual(["ready"]);
    exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
    exchange.finish(Outcome.KeptAlive, null);
    expect(server.observer.lines).toMatchObject([{ queuedMs: 700, durationMs: 700, slot: 1 }]);
    exchange.renew();
    expect(exchange.lease.queuedMs).toBe(0);
  });

  test("too long ends reading", () => {
    const { server, open } = setting({ threads: 1 });
    server.pool.take(1);
    const { exchange, carrier } = open();
    exchange.arrive(1, 0);
    exchange.proceed();
    exchange.giveUp(Wait.Queue);
    expect([carrier.calls, server.observer.events]).toEqual([
      ["stop reading"],
      ["queued", "turned away: queue timeout"],
    ]);
    expect(exchange.response?.fields.value("Retry-After")).not.toBeNull();
    exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
    exchange.finish(Outcome.Closed, "last answer");
    expect(server.observer.lines).toMatchObject([{ status: 503, slot: 0 }]);
  });
});

describe("a client that leaves", () => {
  function leaving() {
    const made = setting({ threads: 1 });
    made.server.handler.respond = () => NEVER;
    const told: string[] = [];
    const open = (name: string) => made.open({ tellLeft: () => told.push(name) }).exchange;
    return { ...made, told, open };
  }

  test("is told to a handler at work and to one that waits for a slot", () => {
    const { told, open } = leaving();
    const [working, waiting, coming] = [open("working"), open("waiting"), open("coming")] as [
      Exchange,
      Exchange,
      Exchange,
    ];
    for (const exchange of [working, waiting]) {
      exchange.arrive(1, 0);
      exchange.proceed();
    }
    for (const exchange of [working, waiting, coming]) exchange.tellLeft();
    expect(told).toEqual(["working", "waiting"]);
  });

  test("is not told once the response is on its way", () => {
    const { told, open } = leaving();
    const exchange = open("sending");
    exchange.arrive(1, 0);
    exchange.proceed();
    exchange.begin(respondWith(200, "a"));
    exchange.tellGone("client");
    expect(told).toEqual([]);
  });
});

describe("the work of an exchange", () => {
  test("is none before its head is complete, and names phase, slot and time", () => {
    const { server, open } = setting();
    server.handler.respond = () => NEVER;
    const { exchange } = open();
    expect([exchange.work(), exchange.activity]).toEqual([null, null]);
    server.clock.set(100, 0);
    exchange.arrive(1, 0);
    expect(exchange.work()).toBeNull();
    exchange.proceed();
    server.clock.set(350, 0);
    expect(exchange.work()).toMatchObject({
      connection: 7,
      stream: 0,
      peer: "127.0.0.1:50000",
      phase: "working",
      slot: 1,
      forMs: 250,
      sentBytes: 0,
      totalBytes: 0,
    });
  });

  test("counts bytes while it sends", () => {
    const { open } = setting();
    const { exchange } = open();
    exchange.arrive(1, 0);
    exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
    expect(exchange.responseBytes).toBe(0);
    exchange.responseBytes = 9;
    expect(exchange.work()).toMatchObject({ phase: "sending", sentBytes: 2, totalBytes: 9 });
  });

  test("is told while it sends with a slot that was lent, not without any", () => {
    const { server, open } = setting();
    const { exchange } = open();
    exchange.arrive(1, 0);
    exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
    exchange.lease.lend();
    expect([exchange.work()?.slot, server.pool.active]).toEqual([0, 0]);
    exchange.finish(Outcome.KeptAlive, null);
    expect(server.observer.lines).toMatchObject([{ slot: 1 }]);
    expect(exchange.lease.lent).toBe(0);

    server.handler.admit = () => refused(respondWith(403, "no"));
    const other = open().exchange;
    other.arrive(1, 0);
    other.begin(other.proceed() as ReturnType<typeof respondWith>);
    expect(other.work()).toBeNull();
  });

  test("of an endpoint of the server is not told", () => {
    const { server, open } = setting();
    server.handler.admit = () => CONTROL;
    server.handler.respond = () => NEVER;
    const { exchange } = open();
    exchange.arrive(1, 0);
    exchange.proceed();
    expect([exchange.activity, exchange.work(), exchange.lease.slot]).toEqual(["working", null, 0]);
  });
});

describe("a report", () => {
  test("has the place of the request, its head and the rule that it broke", () => {
    const { server, open } = setting();
    const reports: unknown[] = [];
    server.observer.answered = ({ connection, stream, position, isHeadComplete, violation, host, request, response }) =>
      reports.push([
        connection,
        stream,
        position,
        isHeadComplete,
        violation,
        host,
        request?.head.methodText,
        response.status,
      ]);
    const { exchange } = open();
    exchange.arrive(4, ParseError.HostMissing);
    exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
    exchange.finish(Outcome.KeptAlive, null);
    expect(reports).toEqual([[7, 0, 4, true, ParseError.HostMissing, "missing", "GET", 400]]);
    const plain = open().exchange;
    plain.arrive(1, 0);
    plain.begin(plain.proceed() as ReturnType<typeof respondWith>);
    plain.finish(Outcome.KeptAlive, null);
    expect(reports[1]).toEqual([7, 0, 1, true, 0, "ok", "GET", 200]);
    exchange.renew();
    expect([exchange.violation, exchange.isHeadComplete, exchange.admission.host]).toEqual([0, false, "-"]);
  });

  test("of a head that never came has no duration", () => {
    const { server, open } = setting();
    const { exchange } = open();
    exchange.arrive(1, 0);
    exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
    exchange.finish(Outcome.KeptAlive, null);
    exchange.renew();
    server.clock.set(5000, 0);
    exchange.giveUp(Wait.Head);
    exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
    exchange.finish(Outcome.Closed, "client");
    expect(server.observer.lines).toMatchObject([
      { durationMs: 0 },
      { durationMs: 0, isHeadComplete: false, status: 408 },
    ]);
  });

  test("of a security event goes out with the response", () => {
    const { server, open } = setting();
    server.handler.respond = () => respondWith(404, "no", { incident: "a path that leaves the root" });
    const { exchange } = open();
    exchange.arrive(1, 0);
    exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
    exchange.finish(Outcome.KeptAlive, null);
    expect(server.observer.events).toEqual(["incident: a path that leaves the root"]);
  });
});

test("an exchange gives its content back for the next request, and announces nothing of it", async () => {
  const { server, open } = setting();
  server.handler.admit = () => collecting(10);
  const { exchange, carrier } = open();
  exchange.arrive(1, 0);
  exchange.expect(3, true);
  exchange.take(bytesOf("abc"), 0, 3, 3, 3);
  expect(server.memory.used).toBe(3);
  exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
  exchange.finish(Outcome.KeptAlive, null);
  exchange.renew();
  expect([server.memory.used, exchange.invite()]).toEqual([0, false]);
  server.handler.admit = () => ({ ...ADMITTED, later: async () => ADMITTED });
  exchange.arrive(2, 0);
  exchange.proceed();
  await settled();
  expect(carrier.calls).toEqual(["ready"]);
});
