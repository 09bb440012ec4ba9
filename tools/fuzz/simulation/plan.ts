/**
 * What one client will send, written down before it is sent: valid requests of every kind, broken ones, content that looks like
 * requests, and a last request that may be cut off. Everything that the server has to do about a request follows from its
 * plan, so nothing has to be guessed from the bytes.
 */
import type { FramingKind } from "../../../src/http1/framing.ts";
import type { Random } from "../random.ts";
import { LARGE_CONTENT_BYTES, type Settings, SMALL_CONTENT_BYTES_MAX } from "./settings.ts";

/** What is wrong with a request, and what has to be answered. */
interface Fault {
  readonly name: string;
  /**
   * line: the head cannot be read. framing: it can, and its end of message is in doubt. request: it can, and the connection
   * may persist. content: the head is sound, and its content is not.
   */
  readonly place: "line" | "framing" | "request" | "content";
  readonly status: number;
}

/** What the handler answers. */
export interface PlannedAnswer {
  /**
   * admit: a refusal without a slot. throw, reject: a failure of ours. now, settled, later: with a slot, at once or by a promise.
   * streamed, early: the content goes to a sink, and the answer comes behind its end, or perhaps before that.
   */
  readonly way: "admit" | "now" | "settled" | "later" | "throw" | "reject" | "streamed" | "early";
  readonly form: "none" | "memory" | "held" | "source";
  readonly status: number;
  readonly length: number;
  /** Bytes that there really are; fewer than `length` when the content ends early. */
  readonly available: number;
  /** The answer shall be its connection's last. */
  readonly close: boolean;
}

export interface Plan {
  readonly client: number;
  readonly index: number;
  /** Offsets in all that the client sends: first byte, behind any empty lines before it, behind the head, behind the content. */
  readonly start: number;
  readonly lineStart: number;
  readonly headEnd: number;
  readonly end: number;
  readonly fault: Fault | null;
  readonly method: "GET" | "HEAD" | "POST";
  /** The client lets the connection persist. */
  readonly persistent: boolean;
  readonly framing: FramingKind;
  /** Without its framing. */
  readonly content: Uint8Array;
  /** Expect: 100-continue, with content behind it. */
  readonly expects: boolean;
  /** Such a client waits for 100 or the final answer before it sends its content. */
  readonly patient: boolean;
  /** The most that the handler takes; 0: it does not want content. */
  readonly bodyBytesMax: number;
  /** The answer does not wait for the content, which is read past afterwards. */
  readonly skips: boolean;
  /** The admission takes time. */
  readonly takesTime: boolean;
  readonly answer: PlannedAnswer;
}

export interface Script {
  readonly plans: readonly Plan[];
  readonly bytes: Uint8Array;
}

const ENCODER = new TextEncoder();

/** Bodies are runs of this: where one is taken for a request, it is a request that nobody planned. */
const DECOY = "GET /evil HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(12);

const FAULTS: readonly (Fault & { readonly head: (target: string) => string })[] = [
  fault("two spaces", "line", 400, (target) => `GET  ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  fault("bare LF", "line", 400, (target) => `GET ${target} HTTP/1.1\nHost: localhost\n\n`),
  fault("no version", "line", 400, (target) => `GET ${target}\r\n\r\n`),
  fault("HTTP/2.0", "line", 505, (target) => `GET ${target} HTTP/2.0\r\nHost: localhost\r\n\r\n`),
  fault("long method", "line", 501, (target) => `${"G".repeat(33)} ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  fault("long target", "line", 414, (target) => `GET ${target}${"a".repeat(401)} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  fault("folded line", "line", 400, (target) => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n b\r\n\r\n`),
  fault("space before colon", "line", 400, (target) => `GET ${target} HTTP/1.1\r\nHost : localhost\r\n\r\n`),
  fault("control in value", "line", 400, (target) => `GET ${target} HTTP/1.1\r\nHost: local\0host\r\n\r\n`),
  fault("large field", "line", 431, (target) => `GET ${target} HTTP/1.1\r\nX: ${"a".repeat(401)}\r\n\r\n`),
  fault("many fields", "line", 431, (target) => `GET ${target} HTTP/1.1\r\n${"X: a\r\n".repeat(9)}\r\n`),
  fault("empty lines", "line", 400, (target) => `\r\n\r\n\r\nGET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  fault("TLS", "line", 400, () => "\x16\x03\x01\x02\0\x01\0\x01"),
  fault("two lengths", "framing", 400, (target) => withFields(target, "Content-Length: 3\r\nContent-Length: 3\r\n")),
  fault("length and coding", "framing", 400, (target) =>
    withFields(target, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
  ),
  fault("unknown coding", "framing", 501, (target) => withFields(target, "Transfer-Encoding: gzip\r\n")),
  fault("length with sign", "framing", 400, (target) => withFields(target, "Content-Length: +3\r\n")),
  fault("no Host", "request", 400, (target) => `GET ${target} HTTP/1.1\r\n\r\n`),
  fault("two Hosts", "request", 400, (target) => withFields(target, "Host: localhost\r\n")),
  fault("broken escape", "request", 400, (target) => withFields(`${target}%zz`, "")),
  fault("unknown expectation", "request", 417, (target) => withFields(target, "Expect: miracles\r\n")),
];

function fault(
  name: string,
  place: Fault["place"],
  status: number,
  head: (target: string) => string,
): Fault & { readonly head: (target: string) => string } {
  return { name, place, status, head };
}

function withFields(target: string, fields: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`;
}

/** Answers that do not depend on when the content comes. */
const WAYS_OF_TAKEN: readonly PlannedAnswer["way"][] = ["now", "settled", "later"];

const BROKEN_CHUNK: Fault = { name: "broken chunk", place: "content", status: 400 };

const PLAIN: PlannedAnswer = { way: "now", form: "memory", status: 200, length: 20, available: 20, close: false };

const NOTHING = {
  fault: null,
  method: "GET",
  persistent: true,
  framing: "none",
  content: new Uint8Array(0),
  expects: false,
  patient: false,
  bodyBytesMax: 0,
  skips: false,
  takesTime: false,
  answer: PLAIN,
} as const;

/** The plans are in the order in which they are sent; the last one stands for what is no complete request. */
export function writeScript(client: number, settings: Settings, random: Random): Script {
  const plans: Plan[] = [];
  const pieces: string[] = [];
  const count = random.pick([1, 1, 2, 2, 3, 4, 6, 8]);
  let at = 0;
  for (let index = 0; index < count; index++) {
    const { plan, text } = planRequest(client, index, at, settings, random);
    plans.push(plan);
    pieces.push(text);
    at += text.length;
  }
  plans.push(restOf(client, count, at));
  let text = pieces.join("");
  if (random.oneIn(6)) text = text.slice(0, random.below(text.length));
  else if (random.oneIn(10)) text += "\r\n";
  return { plans, bytes: ENCODER.encode(text) };
}

/** Whatever stands behind the last request: never a complete one. */
function restOf(client: number, index: number, at: number): Plan {
  return {
    ...NOTHING,
    client,
    index,
    start: at,
    lineStart: at + 2,
    headEnd: Number.POSITIVE_INFINITY,
    end: Number.POSITIVE_INFINITY,
  };
}

interface Written {
  readonly plan: Plan;
  readonly text: string;
}

function planRequest(client: number, index: number, at: number, settings: Settings, random: Random): Written {
  const target = `/${client}.${index}`;
  if (random.oneIn(14)) return planFault(client, index, at, target, random);
  const planned = planAnswer(random);
  const framing = random.pick<FramingKind>(["none", "none", "none", "length", "length", "chunked"]);
  const isStreamed = framing !== "none" && WAYS_OF_TAKEN.includes(planned.way) && random.oneIn(3);
  const answer: PlannedAnswer = isStreamed ? { ...planned, way: random.oneIn(3) ? "early" : "streamed" } : planned;
  const method = framing === "none" ? random.pick(["GET", "GET", "GET", "HEAD"] as const) : "POST";
  const wanted = framing !== "none" && !random.oneIn(3);
  const bodyBytesMax = wanted ? settings.bodyBytesMax : 0;
  const isRefused = answer.way === "admit";
  const skips = framing !== "none" && !isStreamed && (isRefused || (!wanted && random.oneIn(2)));
  const size =
    framing === "none" ? 0 : contentSize(wanted ? bodyBytesMax : settings.limits.unwantedBodyBytesMax, random);
  const decoyAt = random.below(40);
  const content = DECOY.slice(decoyAt, decoyAt + size);
  const isOld = framing !== "chunked" && random.oneIn(12);
  const expects = framing !== "none" && (framing === "chunked" || size > 0) && !isOld && random.oneIn(4);

  const says = random.below(10);
  const persistent = isOld ? says === 1 : says !== 0;
  let fields = random.oneIn(5) ? "User-Agent: simulated\r\nAccept: */*\r\n" : "";
  if (says === 0) fields += "Connection: close\r\n";
  else if (says === 1) fields += "Connection: keep-alive\r\n";
  if (expects) fields += "Expect: 100-continue\r\n";
  if (framing === "length") fields += `Content-Length: ${size}\r\n`;
  if (framing === "chunked") fields += "Transfer-Encoding: chunked\r\n";
  const isBroken = framing === "chunked" && random.oneIn(10);
  const body = framing === "chunked" ? inChunks(content, isBroken, random) : content;
  const emptyLines = random.oneIn(12) ? "\r\n" : "";
  const origin = !isOld && random.oneIn(12) ? "http://localhost" : "";
  const head = `${emptyLines}${method} ${origin}${target} HTTP/1.${isOld ? 0 : 1}\r\nHost: localhost\r\n${fields}\r\n`;
  const plan: Plan = {
    client,
    index,
    start: at,
    lineStart: at + emptyLines.length,
    headEnd: at + head.length,
    end: at + head.length + body.length,
    fault: isBroken ? BROKEN_CHUNK : null,
    method,
    persistent,
    framing,
    content: ENCODER.encode(content),
    expects,
    patient: expects && !random.oneIn(3),
    bodyBytesMax,
    skips,
    takesTime: random.oneIn(8),
    answer,
  };
  return { plan, text: head + body };
}

function planFault(client: number, index: number, at: number, target: string, random: Random): Written {
  const chosen = random.pick(FAULTS);
  const text = chosen.head(target);
  const end = at + text.length;
  const lineStart = at + (/^(?:\r\n)*/.exec(text)?.[0].length ?? 0);
  const plan: Plan = { ...NOTHING, client, index, start: at, lineStart, headEnd: end, end, fault: chosen };
  return { plan, text };
}

/** Around the limit that counts, mostly. */
function contentSize(limit: number, random: Random): number {
  if (random.oneIn(3)) return random.below(60);
  return Math.max(0, random.pick([limit, limit - 1, limit, limit + 1, limit + 30, limit + 120]));
}

function inChunks(content: string, isBroken: boolean, random: Random): string {
  let text = "";
  for (let at = 0; at < content.length; ) {
    const size = 1 + random.below(content.length - at);
    const extension = random.oneIn(6) ? ';a="b"' : "";
    text += `${size.toString(16)}${extension}\r\n${content.slice(at, at + size)}\r\n`;
    at += size;
  }
  if (isBroken) return `${text}${random.pick(["g\r\n", " 1\r\n", "\n", "0\n\r\n", "0\r\nContent-Length: 3\r\n\r\n"])}`;
  return `${text}0\r\n${random.oneIn(6) ? "X-Checked: yes\r\n" : ""}\r\n`;
}

function planAnswer(random: Random): PlannedAnswer {
  const roll = random.below(100);
  const close = random.oneIn(15);
  if (roll < 8) return { ...PLAIN, way: "admit", status: 403, close };
  if (roll < 11) return { ...PLAIN, way: "throw", status: 500 };
  const way = random.pick(["now", "now", "now", "now", "settled", "later", "later", "later"] as const);
  if (way === "later" && random.oneIn(8)) return { ...PLAIN, way: "reject", status: 500 };
  const shape = random.below(20);
  if (shape === 0) return { way, form: "none", status: 204, length: 0, available: 0, close };
  if (shape === 1) {
    const length = LARGE_CONTENT_BYTES + random.below(5000);
    return { way, form: random.oneIn(2) ? "memory" : "held", status: 200, length, available: length, close };
  }
  if (shape < 8) {
    const length = random.pick([0, 1, 64, 500, 3000, 12_000]) + random.below(30);
    const available = random.oneIn(5) ? random.below(length + 1) : length;
    return { way, form: "source", status: 200, length, available, close };
  }
  const length = random.below(SMALL_CONTENT_BYTES_MAX + 1);
  return { way, form: random.oneIn(2) ? "memory" : "held", status: 200, length, available: length, close };
}
