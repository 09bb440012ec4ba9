/** The vocabulary of the comparison: a case is a list of conversations, and a conversation is a list of steps on one connection. */

/**
 * One step of a client.
 *
 * send: one write of text that stands for bytes. apart: lets one turn of the event loop pass, so that pieces travel alone.
 * answers: waits for so many final answers, or for the end. heard: waits for anything. quiet: waits for a silence of so many
 * milliseconds and marks its place. finish: FIN.
 */
export type Step =
  | readonly [kind: "send", text: string]
  | readonly [kind: "apart"]
  | readonly [kind: "answers", count: number]
  | readonly [kind: "heard"]
  | readonly [kind: "quiet", ms: number]
  | readonly [kind: "finish"];

/**
 * Text may hold `{{etag:/path}}`, `{{location}}` (of the last answer on this connection that has one), `{{port}}` and
 * `{{play}}`, the number of times that the case was played before.
 */
export type Conversation = readonly Step[];

export interface Case {
  readonly id: string;
  /** Played in this order, each on a connection of its own. */
  readonly conversations: readonly Conversation[];
  /** The answers tell of times, counters and names of one run: these are blanked before the comparison. */
  readonly isVolatile?: boolean;
  /** Played while no other case is, because it reads or changes what all connections share. */
  readonly isSerial?: boolean;
}

/** One conversation as one server had it. */
export interface Transcript {
  /** One character for each byte, with `QUIET` where a silence was waited for. */
  readonly received: string;
  /** open: the server had not closed when the client's patience ended. */
  readonly end: "fin" | "reset" | "open";
}

/** Stands in a transcript where a silence was. No answer of ours contains it. */
export const QUIET = "\u2026";

/** A request whose answer shows that the connection persists, and which ends it. */
export const PROBE: Step = ["send", "GET /probe.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"];

/** One conversation in which each of `requests` waits for the answer to the one before. */
export function inTurn(...requests: readonly string[]): Conversation {
  return [
    ...requests.flatMap((text, index): Step[] => [
      ["send", text],
      ["answers", index + 1],
    ]),
    ["finish"],
  ];
}

/** A request to one of the server's own endpoints; `content` may hold `{{play}}`, which stands for one digit. */
export function postJson(endpoint: string, content: string): string {
  const { length } = content.replaceAll("{{play}}", "0");
  const fields = `Content-Type: application/json\r\nContent-Length: ${length}\r\n`;
  return `POST /__server/${endpoint} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n${content}`;
}
