/** The endpoints of `--status`: is the server ready, its numbers for a monitoring system, and its pool at work to look at. */
import type { Request, Response } from "../../http/message.ts";
import { type Endpoint, jsonAnswer, ownAnswer } from "./endpoint.ts";
import { EventStream } from "./event-stream.ts";
import livePageText from "./live-page.html" with { type: "text" };

/** Bun's types take every `.html` for a bundle; imported as text, it is one. */
const livePage = livePageText as unknown as string;

/** One request that has a slot, or waits for one. */
export interface WorkView {
  readonly connection: number;
  readonly peer: string;
  /** As received, in latin1, its beginning: whoever shows it escapes it. */
  readonly request: string;
  /** `sending` without a slot is an answer that goes on with its slot lent (docs/decisions/0005). */
  readonly phase: "waiting" | "working" | "sending";
  /** 0 while it has none. */
  readonly slot: number;
  /** Milliseconds since the request was complete. */
  readonly forMs: number;
  /** Of the answer's content. */
  readonly sentBytes: number;
  readonly totalBytes: number;
}

/** One request that was answered. */
export interface AnswerView {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly connection: number;
  /** Which request of its connection it was, from 1. */
  readonly position: number;
  readonly peer: string;
  readonly request: string;
  readonly status: number;
  readonly bytes: number;
  readonly slot: number;
  readonly queuedMs: number;
  readonly durationMs: number;
  readonly isAborted: boolean;
}

/** One look at the server. Everything since the last look, or at this moment, or (`totals`) since the start. */
export interface Snapshot {
  /** Milliseconds since 1970, and since the start. */
  readonly atMs: number;
  readonly uptimeMs: number;
  /** Another one after each start. */
  readonly instance: string;
  readonly version: string;
  /** Milliseconds since the last look. */
  readonly intervalMs: number;
  readonly pool: {
    readonly size: number;
    readonly active: number;
    readonly queued: number;
    readonly queueMax: number;
    /** Answers that go on with their slots lent. */
    readonly lent: number;
  };
  /** One character for each slot, Thread-1 first: `.` free, `w` working, `s` sending. */
  readonly slots: string;
  /** Of the first slots, of those who wait longest, and of some who have lent their slots; a bounded number of each. */
  readonly work: readonly WorkView[];
  /** Answers of each slot, Thread-1 first: most requests are over long before anybody can look. */
  readonly answeredBySlot: readonly number[];
  readonly connections: { readonly open: number; readonly max: number };
  readonly requests: number;
  readonly contentBytes: number;
  /** Content sent so far of answers that are under way: `contentBytes` has it when they are over. */
  readonly sendingBytes: number;
  /** Requests that had to wait, and that were turned away. */
  readonly queued: number;
  readonly refused: number;
  /** Of the requests answered; null when there was none. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** The first of those answered; `requests` counts all of them. */
  readonly recent: readonly AnswerView[];
  readonly totals: {
    readonly accepted: number;
    readonly requests: number;
    readonly contentBytes: number;
    readonly aborted: number;
    readonly statuses: Readonly<Record<string, number>>;
    readonly refusals: Readonly<Record<string, number>>;
  };
}

/** What the endpoints ask the server for. */
export interface StatusSource {
  readonly instance: string;
  isDraining(): boolean;
  /** In Prometheus's text format. */
  renderMetrics(): string;
  /** `stream` gets a Snapshot now and several times a second, until `unwatch`. */
  watch(stream: EventStream): void;
  unwatch(stream: EventStream): void;
}

export function statusEndpoints(source: StatusSource): [name: string, endpoint: Endpoint][] {
  return [
    ["ready", readyEndpoint(source)],
    ["metrics", endpointOf(() => ownAnswer(200, "text/plain; version=0.0.4; charset=utf-8", source.renderMetrics()))],
    ["events", endpointOf((request) => watchAnswer(source, request))],
    ["", livePageEndpoint()],
  ];
}

/** Answers 200 while the server takes requests, 503 when it drains: for whoever waits until it is there. */
export function readyEndpoint(source: Pick<StatusSource, "instance" | "isDraining">): Endpoint {
  const { instance } = source;
  const ready = jsonAnswer(200, { status: "ready", instance });
  const draining = jsonAnswer(503, { status: "draining", instance });
  return { ...endpointOf(() => (source.isDraining() ? draining : ready)), isOpen: true };
}

/** The live page, made when it is first asked for. */
function livePageEndpoint(): Endpoint {
  let answer: Response | null = null;
  return endpointOf(() => {
    answer ??= ownAnswer(200, "text/html; charset=utf-8", livePage, [["Content-Security-Policy", policyOf(livePage)]]);
    return answer;
  });
}

/**
 * The policy of a page whose only script and style are its own, and that talks to nobody but us: no text that finds its way into it can
 * do anything.
 */
function policyOf(page: string): string {
  return [
    "default-src 'none'",
    `script-src ${hashOf(page, "script")}`,
    `style-src ${hashOf(page, "style")}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
  ].join("; ");
}

/** Of what stands between the tags of `name`, of which there is one pair (CSP 3 §8.3). */
function hashOf(page: string, name: string): string {
  const content = page.slice(page.indexOf(`<${name}>`) + name.length + 2, page.indexOf(`</${name}>`));
  return `'sha256-${new Bun.CryptoHasher("sha256").update(content).digest("base64")}'`;
}

/** One that is read. */
function endpointOf(respond: (request: Request) => Response): Endpoint {
  return { methods: ["GET"], contentBytesMax: 0, isOpen: false, hasParts: false, guard: null, respond };
}

function watchAnswer(source: StatusSource, request: Request): Response {
  const stream = new EventStream(request.protocol === "1.1", (closed) => source.unwatch(closed));
  source.watch(stream);
  // The others were told when it began to drain.
  if (source.isDraining()) stream.end();
  return stream.response;
}
