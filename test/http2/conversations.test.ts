/** Every row of conversation-rows.ts: whole, byte by byte, and cut in two at each place. */
import { describe, expect, test } from "bun:test";
import { collecting, respondWith } from "../support/conversation.ts";
import { FakeHttp2Server, type Http2Client, ping } from "../support/http2.ts";
import { type ConversationRow, conversationRows, THEN } from "./conversation-rows.ts";

/** Rows up to this length are also cut in two at each place. */
const CUT_BYTES_MAX = 400;

describe("a conversation", () => {
  for (const row of conversationRows) {
    const parts = row.bytes.split(THEN);
    test(`${row.section}: ${row.name}`, () => {
      expect(outcomeOf(row, parts)).toBe(row.outcome);
      expect(outcomeOf(row, [...parts.join("")])).toBe(row.outcome);
    });
    if (parts.length > 1 || row.bytes.length > CUT_BYTES_MAX) continue;
    test(`${row.section}: ${row.name}, cut in two`, () => {
      for (let at = 1; at < row.bytes.length; at++) {
        expect(outcomeOf(row, [row.bytes.slice(0, at), row.bytes.slice(at)])).toBe(row.outcome);
      }
    });
  }
});

function outcomeOf({ name }: ConversationRow, pieces: readonly string[]): string {
  const server = new FakeHttp2Server({ http2: { http2StreamsMax: 4 } });
  server.handler.admit = () => collecting(1000);
  server.handler.respond = ({ target: { path }, head }) => {
    switch (path) {
      case "/wait":
        return new Promise(() => {});
      case "/long":
        return respondWith(200, "x".repeat(1000));
      case "/empty":
        return respondWith(200, "");
      case "/fields":
        return respondWith(
          200,
          head
            .lines()
            .map((line) => line.join(": "))
            .join("|"),
        );
      default:
        return respondWith(200, "ok");
    }
  };
  const client = server.connectHttp2().send(...pieces);
  const streams = [...client.see().log.streams].sort(([a], [b]) => a - b).map(([id]) => streamOutcome(client, id));
  const works = client.connection.works().filter(({ phase }) => phase !== "sending");
  const waiting = works.map(({ stream }) => `${stream} waits`);
  const all = [...new Set([...streams.filter((text) => text !== ""), ...waiting])].sort(byNumber);
  const outcome = [...all, endOf(client)].join(", ");
  client.connection.terminate();
  expect({ name, failures: server.observer.failures }).toEqual({ name, failures: [] });
  return outcome;
}

function streamOutcome(client: Http2Client, id: number): string {
  const { status, body, isEnded, reset } = client.stream(id);
  if (reset !== null) return `${id} reset ${reset}`;
  if (status === 0) return "";
  if (!isEnded) return `${id} sends ${body.length}`;
  return `${id} is ${status}${body.includes("host: ") ? ` ${body}` : ""}`;
}

function endOf(client: Http2Client): string {
  const [end] = client.ends;
  if (end !== undefined) {
    // Nothing is read after the end.
    expect(client.transport.finSent).toBe(true);
    return `GOAWAY ${end}`;
  }
  const before = client.log.pings.length;
  client.send(ping("are you?"));
  expect(client.log.pings.slice(before)).toEqual(["are you?"]);
  return "open";
}

function byNumber(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10);
}
