/** Every row of outcome.ts against a connection without a socket: whole, byte by byte, and cut in two at each place. */
import { describe, expect, test } from "bun:test";
import { type Http2Client, ping } from "../support/http2.ts";
import { type ConversationRow, THEN } from "./conversation-rows.ts";
import { allRows, makeRowServer, outcomeOf } from "./outcome.ts";

/** Rows up to this length are also cut in two at each place. */
const CUT_BYTES_MAX = 400;

describe("a conversation", () => {
  for (const row of allRows) {
    const parts = row.bytes.split(THEN);
    test(`${row.section}: ${row.name}`, () => {
      expect(converse(row, parts)).toBe(row.outcome);
      expect(converse(row, [...parts.join("")])).toBe(row.outcome);
    });
    if (parts.length > 1 || row.bytes.length > CUT_BYTES_MAX) continue;
    test(`${row.section}: ${row.name}, cut in two`, () => {
      for (let at = 1; at < row.bytes.length; at++) {
        expect(converse(row, [row.bytes.slice(0, at), row.bytes.slice(at)])).toBe(row.outcome);
      }
    });
  }
});

function converse({ name }: ConversationRow, pieces: readonly string[]): string {
  const server = makeRowServer();
  const client = server.connectHttp2().send(...pieces);
  const before = outcomeOf(client.see().log, client.connection, "");
  const outcome = `${before}${endOf(client)}`;
  client.connection.terminate();
  expect({ name, failures: server.observer.failures }).toEqual({ name, failures: [] });
  return outcome;
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
