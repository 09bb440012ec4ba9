import { describe, expect, test } from "bun:test";
import { Wait } from "../../src/exchange/deadline.ts";
import { Phase } from "../../src/exchange/exchange.ts";
import { ADMITTED, CERTAIN, refused } from "../../src/http/message.ts";
import { ParseError } from "../../src/http/parse-error.ts";
import { bytesOf } from "../support/bytes.ts";
import { collecting, FakeSource, Outcome, respondWith } from "../support/conversation.ts";
import { setting } from "../support/exchange.ts";

test("a request is answered at once where a slot is free and the handler need not wait", () => {
  const { server, open } = setting();
  const { exchange, carrier } = open();
  exchange.arrive(3, 0);
  const response = exchange.proceed();
  expect([response?.status, exchange.phase, exchange.lease.slot]).toEqual([200, Phase.Running, 1]);
  exchange.begin(respondWith(200, "a"));
  exchange.finish(Outcome.KeptAlive, null);
  expect([exchange.phase, exchange.response, carrier.calls]).toEqual([Phase.Done, null, []]);
  expect(server.observer.lines).toMatchObject([{ status: 200, slot: 1, bytes: 2, closing: null, fault: null }]);
});

test("several exchanges of one server live at a time, each with a slot of its own", async () => {
  const { server, open } = setting({ threads: 2 });
  const slow = Promise.withResolvers<void>();
  server.handler.respond = () => slow.promise.then(() => respondWith(200, "late"));
  const all = [open(), open(), open()];
  for (const { exchange } of all) {
    exchange.arrive(1, 0);
    expect(exchange.proceed()).toBeNull();
  }
  expect(all.map(({ exchange }) => exchange.phase)).toEqual([Phase.Running, Phase.Running, Phase.Waiting]);
  expect(all.map(({ exchange }) => exchange.lease.slot)).toEqual([1, 2, 0]);
  slow.resolve();
  await new Promise(setImmediate);
  expect(all.map(({ carrier }) => carrier.calls)).toEqual([["ready"], ["ready"], []]);
  all[0]?.exchange.lease.release();
  expect([all[2]?.carrier.calls, all[2]?.exchange.lease.slot]).toEqual([["ready"], 1]);
});

test("a refusal needs no slot", () => {
  const { server, open } = setting();
  server.handler.admit = () => refused(respondWith(403, "no"));
  const { exchange } = open();
  exchange.arrive(1, 0);
  expect([exchange.proceed()?.status, exchange.lease.slot, server.pool.active]).toEqual([403, 0, 0]);
});

test("a full queue turns a request away, and ends reading", () => {
  const { server, open } = setting({ threads: 1, queue: 0 });
  server.pool.take(1);
  const { exchange, carrier } = open();
  exchange.arrive(1, 0);
  expect([exchange.proceed()?.status, exchange.phase, carrier.calls]).toEqual([503, Phase.Receiving, ["stop reading"]]);
  expect(server.observer.events).toEqual(["turned away: queue full"]);
});

test("a request that gives up waiting leaves the queue", () => {
  const { server, open } = setting({ threads: 1 });
  server.pool.take(1);
  const { exchange } = open();
  exchange.arrive(1, 0);
  expect(exchange.proceed()).toBeNull();
  exchange.giveUp(Wait.Queue);
  expect([exchange.proceed()?.status, server.pool.queued]).toEqual([503, 0]);
});

test("an exchange whose lease is evicted asks its carrier to cut the response", () => {
  const { open } = setting();
  const { exchange, carrier } = open();
  exchange.lease.evict();
  expect(carrier.calls).toEqual(["abort: no slot to go on"]);
});

describe("a handler that fails", () => {
  test("at once, or late, is answered 500 and told of", async () => {
    const { server, open } = setting();
    for (const respond of [
      () => {
        throw new Error("at once");
      },
      () => Promise.reject(new Error("late")),
    ]) {
      server.handler.respond = respond;
      const { exchange } = open();
      exchange.arrive(1, 0);
      exchange.proceed();
      await new Promise(setImmediate);
      expect(exchange.proceed()?.status).toBe(500);
    }
    expect(server.observer.failures.map(String)).toEqual(["Error: at once", "Error: late"]);
  });
});

describe("content", () => {
  test("is collected up to the bound, and refused above it", () => {
    const { server, open } = setting();
    server.handler.admit = () => collecting(4);
    const { exchange, carrier } = open();
    exchange.arrive(1, 0);
    expect(exchange.take(bytesOf("abcd"), 0, 4, 4, null)).toBe(true);
    expect(exchange.request?.buffer.length).toBe(4);
    expect(exchange.take(bytesOf("e"), 0, 1, 5, null)).toBe(false);
    expect([exchange.proceed()?.status, carrier.calls]).toEqual([413, ["stop reading"]]);
  });

  test("that all requests together may not keep is refused", () => {
    const { server, open } = setting({ bodyMemoryBytes: 3 });
    server.handler.admit = () => collecting(10);
    const { exchange } = open();
    exchange.arrive(1, 0);
    expect(exchange.take(bytesOf("abcd"), 0, 4, 4, null)).toBe(false);
    expect(exchange.proceed()?.status).toBe(503);
  });

  test("without use is dropped within a bound, and does not keep the request from being answered", () => {
    const { open } = setting({ limits: { unwantedBodyBytesMax: 3 } });
    const { exchange, carrier } = open();
    exchange.arrive(1, 0);
    expect(exchange.take(bytesOf("abc"), 0, 3, 3, null)).toBe(true);
    expect(exchange.take(bytesOf("d"), 0, 1, 4, null)).toBe(false);
    expect([exchange.proceed()?.status, carrier.calls]).toEqual([200, ["stop reading"]]);
  });
});

describe("a malformed request", () => {
  test("whose end is known may be followed by another", () => {
    const { open } = setting();
    const { exchange, carrier } = open();
    exchange.arrive(1, ParseError.HostMissing);
    expect([exchange.proceed()?.status, exchange.admission.host]).toEqual([400, "missing"]);
    expect(carrier.calls).toEqual([]);
  });

  test("whose head could not be read ends reading, whatever was wrong", () => {
    const { open } = setting();
    const { exchange, carrier } = open();
    exchange.refuseMalformed(ParseError.HostMissing);
    expect([exchange.proceed()?.status, carrier.calls]).toEqual([400, ["stop reading"]]);
  });
});

describe("an exchange that is abandoned", () => {
  test("reports a response that was under way as cut, and closes its content once", () => {
    const { server, open } = setting();
    const source = new FakeSource(100);
    const { exchange } = open();
    exchange.arrive(1, 0);
    exchange.proceed();
    exchange.begin(respondWith(200, source));
    exchange.abandon("client");
    exchange.abandon("client");
    expect(source.closes).toBe(1);
    expect(server.observer.lines).toMatchObject([{ outcome: Outcome.Aborted, closing: "client", bytes: 1 }]);
  });

  test("closes the content of a response that was never sent, and reports nothing", () => {
    const { server, open } = setting();
    const source = new FakeSource(100);
    server.handler.respond = () => respondWith(200, source);
    const { exchange } = open();
    exchange.arrive(1, 0);
    exchange.proceed();
    exchange.abandon("client");
    expect([source.closes, exchange.phase, server.observer.lines]).toEqual([1, Phase.Receiving, []]);
  });

  test("leaves the queue", () => {
    const { server, open } = setting({ threads: 1 });
    server.pool.take(1);
    const { exchange } = open();
    exchange.arrive(1, 0);
    exchange.proceed();
    exchange.abandon("client");
    expect(server.pool.queued).toBe(0);
  });
});

test("a phase that does not follow is our own mistake", () => {
  const { open } = setting();
  const { exchange } = open();
  expect(() => exchange.renew()).toThrow("no way from phase Receiving to Receiving");
});

test("a request for an endpoint of the server takes no slot and is not reported", () => {
  const { server, open } = setting({ threads: 1, queue: 0 });
  server.pool.take(1);
  server.handler.admit = () => ({ ...ADMITTED, isControl: true });
  const { exchange } = open();
  exchange.arrive(1, 0);
  expect(exchange.proceed()?.status).toBe(200);
  exchange.begin(respondWith(200, "a"));
  expect(exchange.work()).toBeNull();
  exchange.finish(Outcome.KeptAlive, null);
  expect(server.observer.lines).toEqual([]);
});

test("a request of a pipeline goes on with the slot of the one before it", () => {
  const { server, open } = setting({ threads: 2 });
  const { exchange } = open();
  for (const position of [1, 2]) {
    exchange.arrive(position, 0);
    expect([exchange.proceed()?.status, exchange.lease.slot, server.pool.active]).toEqual([200, 1, 1]);
    exchange.begin(respondWith(200, "a"));
    exchange.finish(Outcome.KeptAlive, null);
    exchange.renew();
  }
});

test("a refusal of a head that never came is no work, though its connection has a slot", () => {
  const { open } = setting();
  const { exchange } = open();
  exchange.arrive(1, 0);
  exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
  exchange.finish(Outcome.KeptAlive, null);
  exchange.renew();
  exchange.giveUp(Wait.Head);
  exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
  expect([exchange.activity, exchange.lease.slot, exchange.work()]).toEqual(["sending", 1, null]);
});

test("content of a response that comes late is open until the response is out", async () => {
  const { server, open } = setting();
  const source = new FakeSource(10);
  server.handler.respond = () => Promise.resolve(respondWith(200, source));
  const { exchange } = open();
  exchange.arrive(1, 0);
  exchange.proceed();
  await new Promise(setImmediate);
  expect([exchange.response?.status, source.closes]).toEqual([200, 0]);
});

test("a handler at work is told that its connection ends", () => {
  const { server, open } = setting();
  server.handler.respond = () => new Promise(() => {});
  let told = 0;
  const { exchange } = open({ tellLeft: () => told++ });
  exchange.arrive(1, 0);
  exchange.proceed();
  exchange.tellGone("shutdown");
  expect(told).toBe(1);
});

describe("a request that is watched", () => {
  function watched() {
    const made = setting();
    const log: string[] = [];
    made.server.observer.steps = {
      opened: () => {},
      arrived: (connection, position, receivedMs) => {
        log.push(`${connection}.${position} at ${receivedMs}`);
        return {
          ended: (step) => log.push(step),
          finished: ({ response }) => log.push(`finished ${response.status}`),
          dropped: () => log.push("dropped"),
        };
      },
    };
    made.server.clock.set(50, 0);
    const { exchange } = made.open();
    const answer = () => {
      exchange.begin(exchange.proceed() as ReturnType<typeof respondWith>);
      exchange.finish(Outcome.KeptAlive, null);
      exchange.renew();
      return log.splice(0);
    };
    return { ...made, exchange, answer };
  }

  test("has each step noted when it ends, and its own content alone", () => {
    const { server, exchange, answer } = watched();
    exchange.arrive(1, 0);
    expect(answer()).toEqual(["7.1 at 50", "admit", "slot", "handler", "finished 200"]);
    server.handler.admit = () => collecting(10);
    exchange.arrive(2, 0);
    exchange.expect(1, false);
    exchange.take(bytesOf("a"), 0, 1, 1, 1);
    expect(answer()).toEqual(["7.2 at 50", "admit", "content", "slot", "handler", "finished 200"]);
    server.handler.admit = () => CERTAIN;
    exchange.arrive(3, 0);
    exchange.expect(1, false);
    expect(answer()).toEqual(["7.3 at 50", "admit", "slot", "handler", "finished 200"]);
  });

  test("is dropped where it is for an endpoint of the server, and where it ends without a response", () => {
    const { server, exchange, answer } = watched();
    server.handler.admit = () => ({ ...ADMITTED, isControl: true });
    exchange.arrive(1, 0);
    expect(answer()).toEqual(["7.1 at 50", "dropped"]);
    server.handler.admit = () => ADMITTED;
    server.handler.respond = () => new Promise(() => {});
    exchange.arrive(2, 0);
    exchange.proceed();
    exchange.abandon("client");
    exchange.arrive(3, ParseError.HostMissing);
    expect(answer()).toEqual(["7.2 at 50", "admit", "slot", "dropped", "7.3 at 50", "finished 400"]);
  });
});

test("a new exchange has no place, no request that is complete, and no response", () => {
  const { position, isHeadComplete, violation, response, responseBytes } = setting().open().exchange;
  expect([position, isHeadComplete, violation, response, responseBytes]).toEqual([0, false, 0, null, 0]);
});
