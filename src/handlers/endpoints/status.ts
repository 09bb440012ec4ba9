/** The endpoints of `--status`: readiness, numbers for a monitoring system, and a page that shows the pool at work. */
import type { WorkPhase } from "../../exchange/carrier.ts";
import type { StepName } from "../../exchange/observer.ts";
import type { Request, Response } from "../../http/message.ts";
import { type Endpoint, jsonAnswer, ownAnswer } from "./endpoint.ts";
import { EventStream } from "./event-stream.ts";
import livePageText from "./live-page.html" with { type: "text" };
import slowMotionText from "./slow-motion.html" with { type: "text" };

/** Bun's types take every `.html` for a bundle, but imported as text it is a string. */
const pageText = livePageText as unknown as string;
const slowText = slowMotionText as unknown as string;

/** A request that has a slot, or waits for one. */
export interface WorkView {
  /** Number of the connection, from 1. */
  readonly connection: number;
  /** Number of the stream on it; 0 in HTTP/1. */
  readonly stream: number;
  /** Address and port of the client. */
  readonly peer: string;
  /** First bytes of the request line as received, in ISO-8859-1. The page that shows them escapes them. */
  readonly request: string;
  /** `sending` without a slot is a response that continues with its slot lent (docs/decisions/0005). */
  readonly phase: WorkPhase;
  /** 0 while it has no slot. */
  readonly slot: number;
  /** Milliseconds since the request was complete. */
  readonly forMs: number;
  /** Bytes of the response's content that were sent. */
  readonly sentBytes: number;
  /** Length of the response's content. */
  readonly totalBytes: number;
}

/** A request that was answered. */
export interface AnswerView {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Number of the connection, from 1. */
  readonly connection: number;
  /** Number of the stream on it; 0 in HTTP/1. */
  readonly stream: number;
  /** Position of the request on its connection, from 1. */
  readonly position: number;
  /** Address and port of the client. */
  readonly peer: string;
  /** First bytes of the request line, escaped. */
  readonly request: string;
  /** Status of the response. */
  readonly status: number;
  /** Bytes of content that were sent. */
  readonly bytes: number;
  /** Number of its slot; 0 for none. */
  readonly slot: number;
  /** Milliseconds for which it waited for a slot. */
  readonly queuedMs: number;
  /** Milliseconds from the complete head to the last byte of the response. */
  readonly durationMs: number;
  /** True if the response was not sent to its end. */
  readonly isAborted: boolean;
}

/** A thread of a server that has several. */
export interface WorkerView {
  /** Open connections. */
  readonly connections: number;
  /** Requests answered since the start. */
  readonly requests: number;
}

/** State of the server at this moment, and counts since the last snapshot or (`totals`) since the start. */
export interface Snapshot {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Milliseconds since the start. */
  readonly uptimeMs: number;
  /** Differs after each start. */
  readonly instance: string;
  /** Version of the server. */
  readonly version: string;
  /** Milliseconds since the last snapshot. */
  readonly intervalMs: number;
  /** The pool of slots, and its queue. */
  readonly pool: {
    /** Slots. */
    readonly size: number;
    /** Slots that are taken. */
    readonly active: number;
    /** Requests that wait for a slot. */
    readonly queued: number;
    /** Requests that may wait. */
    readonly queueMax: number;
    /** Responses that continue with their slots lent. */
    readonly lent: number;
  };
  /** One character for each slot, Thread-1 first: `.` free, `w` working, `s` sending. */
  readonly slots: string;
  /**
   * Work of the first slots, of the requests that wait longest, and of some that have lent their slots: a bounded
   * number of each.
   */
  readonly work: readonly WorkView[];
  /** Requests answered by each slot, Thread-1 first. Most requests are over long before they can be seen in `work`. */
  readonly answeredBySlot: readonly number[];
  /** Connections, and their limit. */
  readonly connections: {
    /** Open connections. */
    readonly open: number;
    /** Most that may be open. */
    readonly max: number;
  };
  /** The threads of a server that has several; absent for one. */
  readonly workers?: readonly WorkerView[];
  /** Answered requests. */
  readonly requests: number;
  /** Bytes of content of the answered requests. */
  readonly contentBytes: number;
  /** Bytes sent so far of responses in progress; `contentBytes` counts them when they are complete. */
  readonly sendingBytes: number;
  /** Requests that had to wait for a slot. */
  readonly queued: number;
  /** Requests and connections that were turned away. */
  readonly refused: number;
  /** Median time of the answered requests; null when there was none. */
  readonly p50Ms: number | null;
  /** Time that 99 of 100 answered requests did not exceed; null when there was none. */
  readonly p99Ms: number | null;
  /** First of the answered requests; `requests` counts all of them. */
  readonly recent: readonly AnswerView[];
  /** Counts since the start. */
  readonly totals: {
    /** Connections that were accepted. */
    readonly accepted: number;
    /** Answered requests. */
    readonly requests: number;
    /** Bytes of their content. */
    readonly contentBytes: number;
    /** Responses that were not sent to their end. */
    readonly aborted: number;
    /** Responses by status. */
    readonly statuses: Readonly<Record<string, number>>;
    /** Refusals by reason. */
    readonly refusals: Readonly<Record<string, number>>;
  };
}

/** One request with the times of its steps. */
export interface StepsView extends Pick<AnswerView, "atMs" | "connection" | "stream" | "peer" | "request"> {
  readonly protocol: Request["protocol"] | null;
  readonly status: number;
  readonly bytes: number;
  readonly slot: number;
  /** Fault that a test ordered, or null. */
  readonly fault: string | null;
  readonly isAborted: boolean;
  /** In their order, each with the microseconds since the end of the one before. */
  readonly steps: readonly { readonly name: StepName; readonly us: number }[];
}

/** Parts of the server that the endpoints read. */
export interface StatusSource {
  readonly instance: string;
  isDraining(): boolean;
  /** Returns the metrics in Prometheus's text format. */
  renderMetrics(): string | Promise<string>;
  /** Sends a Snapshot to `stream` now and several times a second, until `unwatch`. */
  watch(stream: EventStream): void;
  unwatch(stream: EventStream): void;
  /** Slow motion of this thread: sends a StepsView to a stream, at most once a second, until `unwatch`. */
  readonly steps: { watch(stream: EventStream): void; unwatch(stream: EventStream): void };
}

export function statusEndpoints(source: StatusSource): [name: string, endpoint: Endpoint][] {
  return [
    ["ready", readyEndpoint(source)],
    ["metrics", endpointOf(() => metricsAnswer(source.renderMetrics()))],
    ["events", endpointOf(() => watchAnswer(source, source))],
    ["steps", endpointOf(() => watchAnswer(source, source.steps))],
    ["", livePageEndpoint()],
  ];
}

/** Answers 200 while the server takes requests and 503 while it drains, for clients that wait until it is ready. */
export function readyEndpoint(source: Pick<StatusSource, "instance" | "isDraining">): Endpoint {
  const { instance } = source;
  const ready = jsonAnswer(200, { status: "ready", instance });
  const draining = jsonAnswer(503, { status: "draining", instance });
  return { ...endpointOf(() => (source.isDraining() ? draining : ready)), isOpen: true };
}

/** Makes the live page when it is first requested. */
function livePageEndpoint(): Endpoint {
  let answer: Response | null = null;
  return endpointOf(() => {
    const livePage = answer === null ? wholePage() : "";
    answer ??= ownAnswer(200, "text/html; charset=utf-8", livePage, [["Content-Security-Policy", policyOf(livePage)]]);
    return answer;
  });
}

/** Returns the page with its slow motion, which is a file of its own: style after style, script after script. */
function wholePage(): string {
  return pageText
    .replace("</style>", () => `${within(slowText, "style")}</style>`)
    .replace("  <!-- slow motion -->", () => `<section${within(slowText, "section")}</section>`)
    .replace("\nopen();\n</script>", () => `${within(slowText, "script")}\nopen();\n</script>`);
}

/** Returns the text between the first start tag of `name` and its end tag; a tag with attributes keeps them. */
function within(page: string, name: string): string {
  const text = page.slice(page.indexOf(`<${name}`) + name.length + 1, page.indexOf(`</${name}>`));
  return text.startsWith(">") ? text.slice(1) : text;
}

/**
 * Returns the policy of a page whose only script and style are its own, and that connects to this server alone: text
 * that finds its way into the page cannot do anything.
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

/** Returns the hash of the text between the tags of `name`, of which there is one pair (CSP 3 §8.3). */
function hashOf(page: string, name: string): string {
  const content = within(page, name);
  return `'sha256-${new Bun.CryptoHasher("sha256").update(content).digest("base64")}'`;
}

/** Makes an endpoint that is read with GET. */
function endpointOf(respond: (request: Request) => Response | Promise<Response>): Endpoint {
  return { methods: ["GET"], contentBytesMax: 0, isOpen: false, hasParts: false, guard: null, respond };
}

/** Waits only for metrics that other threads have a part of. */
function metricsAnswer(text: string | Promise<string>): Response | Promise<Response> {
  if (typeof text !== "string") return text.then(metricsAnswer);
  return ownAnswer(200, "text/plain; version=0.0.4; charset=utf-8", text);
}

function watchAnswer(source: StatusSource, views: StatusSource["steps"]): Response {
  const stream = new EventStream((closed) => views.unwatch(closed));
  views.watch(stream);
  // Streams that were open have been ended when the drain began.
  if (source.isDraining()) stream.end();
  return stream.response;
}
