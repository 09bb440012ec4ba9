import { expect, test } from "bun:test";
import { Clock } from "../../src/exchange/clock.ts";
import { Farewell } from "../../src/http1/farewell.ts";
import { FakeTransport } from "../support/conversation.ts";

const ANSWER = new TextEncoder().encode("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n");

function begin() {
  const clock = new Clock(0, 0);
  const transport = new FakeTransport();
  const farewell = new Farewell(transport, ANSWER, clock, 2000);
  transport.onClose = () => farewell.closed();
  return { clock, transport, farewell };
}

test("a peer that is turned away gets the whole answer and our FIN at once, and may still send", () => {
  const { transport, farewell } = begin();
  expect(transport.writes).toEqual([ANSWER.length]);
  expect(transport.finSent).toBe(true);
  farewell.received(new Uint8Array(1000));
  expect(transport.isClosed).toBe(false);
});

test("it is over with the peer's FIN", () => {
  const { transport, farewell } = begin();
  farewell.ended();
  expect(transport.isClosed).toBe(true);
});

test("it is over when the time is, and not before", () => {
  const { clock, transport, farewell } = begin();
  clock.set(1999, 0);
  farewell.tick();
  expect(transport.isClosed).toBe(false);
  clock.set(2000, 0);
  farewell.tick();
  expect(transport.isClosed).toBe(true);
});

test("it is over for a peer that sends more than a request's worth", () => {
  const { transport, farewell } = begin();
  farewell.received(new Uint8Array(65_536));
  expect(transport.isClosed).toBe(false);
  farewell.received(new Uint8Array(1));
  expect(transport.isClosed).toBe(true);
});

test("nothing is done to a socket that is closed", () => {
  const { clock, transport, farewell } = begin();
  farewell.closed();
  clock.set(5000, 0);
  farewell.tick();
  farewell.end();
  farewell.received(new Uint8Array(100_000));
  expect(transport.isClosed).toBe(false);
});

test("it is over when the server shuts down, and nothing else of its socket matters", () => {
  const { transport, farewell } = begin();
  farewell.secured();
  farewell.drained();
  expect(transport.isClosed).toBe(false);
  farewell.shutDown();
  expect(transport.isClosed).toBe(true);
});
