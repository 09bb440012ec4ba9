/**
 * A whole conversation: any bytes, in any pieces, with and without FIN. Properties: no failure of our own, answers that a
 * strict client can read, nothing written after the last one, the same answers whole and split, and every slot, byte of
 * content and open body given back.
 */

import { ADMITTED, refused } from "../../src/http/message.ts";
import { readAnswers } from "../../test/conformance/answers.ts";
import { textOf } from "../../test/support/bytes.ts";
import { collecting, FakeServer, FakeSource, respondWith } from "../../test/support/conversation.ts";
import { pieces } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

const server = new FakeServer({ limits: { unwantedBodyBytesMax: 300, receiveBytesMax: 65_536, sliceBytes: 100 } });
const sources: FakeSource[] = [];

server.handler.admit = (request) => {
  if (request.target.path === "/wanted") return collecting(200);
  return request.target.path === "/refused" ? refused(respondWith(403, "no")) : ADMITTED;
};
server.handler.respond = (request) => {
  if (request.target.path === "/large") {
    const source = new FakeSource(1500);
    sources.push(source);
    return respondWith(200, source);
  }
  return respondWith(200, `${request.head.methodText} ${request.target.path} ${request.content.length}`);
};

export const conversationTarget: FuzzTarget = {
  name: "conversation",
  dictionary: [
    "GET / HTTP/1.1\r\n",
    "POST /wanted HTTP/1.1\r\n",
    "GET /refused HTTP/1.1\r\n",
    "GET /large HTTP/1.1\r\n",
    "HEAD /large HTTP/1.1\r\n",
    "Host: localhost\r\n",
    "\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    "hello",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "HTTP/1.0",
    "12c\r\n",
  ],
  check(input, random) {
    const finishes = random.oneIn(2);
    const whole = converse([input], finishes);
    if (whole.fault !== "") return whole.fault;
    // What came together decides on 100 (Continue), so there whole and split may differ.
    if (/expect/i.test(textOf(input))) return "";
    const split = converse(pieces(input, random), finishes);
    if (split.fault !== "") return split.fault;
    if (whole.sent !== split.sent) return `whole and split differ: ${statuses(whole.sent)} and ${statuses(split.sent)}`;
    return whole.isClosed === split.isClosed ? "" : "whole and split differ in the connection's end";
  },
};

interface Outcome {
  readonly sent: string;
  readonly isClosed: boolean;
  readonly fault: string;
}

function converse(given: readonly Uint8Array[], finishes: boolean): Outcome {
  const { observer, pool, memory } = server;
  observer.lines.length = 0;
  observer.events.length = 0;
  sources.length = 0;
  const client = server.connect();
  const { connection, transport } = client;
  for (const piece of given) {
    if (!transport.isClosed) connection.received(piece.slice());
    server.runDeferred();
  }
  if (finishes && !transport.isClosed) client.finish();
  server.runDeferred();
  const isClosed = transport.finSent || transport.isClosed;
  const heads = observer.lines.map((line) => line.request.startsWith("HEAD "));
  // The scripted handler names no type, so only the framing of what came is read here.
  const reading = readAnswers(transport.sent, (index) => heads[index] === true);
  let fault = reading.fault;
  if (observer.failures.length > 0) fault = `our own failure: ${observer.failures.pop()}`;
  else if (finishes && !isClosed) fault = "open after FIN";
  if (!transport.isClosed) connection.terminate();
  if (fault === "" && pool.active + pool.queued > 0) fault = "a slot is kept";
  if (fault === "" && memory.used !== 0) fault = `${memory.used} bytes of content are kept`;
  if (fault === "" && sources.some((source) => source.closes !== 1)) fault = "a body is not closed once";
  return { sent: transport.sent, isClosed, fault };
}

function statuses(sent: string): string {
  return [...sent.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => match[1]).join(" ");
}
