/** All rows that are conversations, their server, and the outcome of a conversation with it in words. */
import type { Http2Connection } from "../../src/http2/connection.ts";
import { describeHttp2Error, errorCodeName, Http2Error } from "../../src/http2/errors.ts";
import { FrameType } from "../../src/http2/frames.ts";
import { collecting, respondWith } from "../support/conversation.ts";
import { FakeHttp2Server, type FrameLog, frame, HELLO } from "../support/http2.ts";
import { type ConversationRow, conversationRows } from "./conversation-rows.ts";
import { frameRows, settingRows } from "./frame-rows.ts";

/** Rows of frames and settings that end a connection by themselves, or within a field block. A whole block would be decoded. */
const mistakes = [
  ...frameRows.map(({ section, name, bytes, frames }) => ({ section, name, bytes, frames })),
  ...settingRows.flatMap(({ section, name, pairs, result }) =>
    typeof result === "string"
      ? { section, name, bytes: frame(FrameType.Settings, 0, 0, pairs), frames: [result] }
      : [],
  ),
].flatMap(({ section, name, bytes, frames }): ConversationRow | never[] => {
  const error = Http2Error[frames.at(-1) as keyof typeof Http2Error];
  const isReached = frames
    .slice(0, -1)
    .every((line) => /^(?:Headers|Continuation|Settings|Ping)\b(?!.* whole)/.test(line));
  if (error === undefined || !isReached || !describeHttp2Error(error).isConnection) return [];
  const outcome = `GOAWAY ${errorCodeName(describeHttp2Error(error).code)}`;
  return { section, name: `alone: ${name}`, bytes: HELLO + bytes, outcome };
});

export const allRows: readonly ConversationRow[] = [...conversationRows, ...mistakes];

export function makeRowServer(): FakeHttp2Server {
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
  return server;
}

/** Returns the outcomes of streams, in their order, and `end` after them. */
export function outcomeOf(log: FrameLog, connection: Pick<Http2Connection, "works">, end: string): string {
  const streams = [...log.streams.keys()].map((id) => streamOutcome(log, id));
  const works = connection.works().filter(({ phase }) => phase !== "sending");
  const waiting = works.map(({ stream }) => `${stream} waits`);
  const all = [...new Set([...streams.filter((text) => text !== ""), ...waiting])].sort(byNumber);
  return [...all, end].join(", ");
}

function streamOutcome(log: FrameLog, id: number): string {
  const { status, body, isEnded, reset } = log.stream(id);
  if (reset !== null) return `${id} reset ${reset}`;
  if (status === 0) return "";
  if (!isEnded) return `${id} sends ${body.length}`;
  return `${id} is ${status}${body.includes("host: ") ? ` ${body}` : ""}`;
}

function byNumber(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10);
}
