/**
 * A whole conversation in HTTP/2. The input is a script: each byte chooses a step, and the next one its argument, so that most frames are
 * valid and field blocks stay in step. Properties: no failure of our own; frames that a strict client can read, within its windows; the
 * same responses whole, split and byte by byte; one response or reset for each request, and one for each bystander on connections of
 * HTTP/1.1 and HTTP/2, which share the slots; bounded memory; and every slot, byte, request and open source given back.
 */
import { ADMITTED } from "../../src/http/message.ts";
import type { Http2Connection } from "../../src/http2/connection.ts";
import { FLAG_END_HEADERS, FLAG_END_STREAM, FrameType, SettingId } from "../../src/http2/frames.ts";
import { bytesOf, textOf } from "../../test/support/bytes.ts";
import { collecting, FakeLiveSource, FakeSource, respondWith } from "../../test/support/conversation.ts";
import {
  block,
  data,
  FakeHttp2Server,
  frame,
  get,
  getLines,
  goAway,
  HELLO,
  type Http2Client,
  headers,
  int32,
  PREFACE,
  ping,
  post,
  rst,
  settings,
  windowUpdate,
} from "../../test/support/http2.ts";
import { pieces } from "./mutate.ts";
import type { Random } from "./random.ts";
import { Coverage } from "./simulation/coverage.ts";
import type { FuzzTarget } from "./target.ts";

const STREAMS_MAX = 20;

/** Bytes that one connection may hold: its windows, a batch that the kernel does not take, and what is being received. */
const HELD_BYTES_MAX = 65_535 + 4 * 65_536;

/** Time that passes in a round at the end, milliseconds: all rounds together are longer than any deadline. */
const ROUND_MS = 10_000;

/** Steps of a script that is made; those of an input that is short are its own. */
const STEPS_MADE = 120;

/** The first steps of a script; more are cut off, since a byte can be a frame of some hundred bytes. */
const STEPS_MAX = 150;

const server = new FakeHttp2Server({
  threads: 3,
  limits: { unwantedBodyBytesMax: 300 },
  http2: {
    http2StreamsMax: STREAMS_MAX,
    http2StreamWindowBytes: 2000,
    http2WindowBytes: 70_000,
    http2ClosedStreamsMax: 30,
    // Some frames: a turn ends between others.
    http2TurnWork: 20,
  },
});
const sources: (FakeSource | FakeLiveSource)[] = [];
let requestsOut = 0;

const { requests } = server.http2;
const [take, takeBack] = [requests.take.bind(requests), requests.takeBack.bind(requests)];
requests.take = (peer) => {
  requestsOut++;
  return take(peer);
};
requests.takeBack = (request) => {
  requestsOut--;
  takeBack(request);
};

/** Content without the cost of letters. */
class PlainSource extends FakeSource {
  override read(position: number, into: Uint8Array, offset: number, limit: number): number {
    if (this.closes > 0) throw new Error("read after close");
    const count = Math.max(0, Math.min(limit, this.available - position));
    into.fill(0x61, offset, offset + count);
    return count;
  }
}

const PATHS = ["/", "/large", "/short", "/live", "/wanted", "/huge", "/empty", "//%"];

server.handler.admit = (request) => (request.target.path === "/wanted" ? collecting(500) : ADMITTED);
server.handler.respond = (request) => {
  const { path } = request.target;
  if (path === "/empty") return respondWith(204, null);
  if (path === "/large" || path === "/short" || path === "/huge") {
    const size = path === "/huge" ? 70_000 : 3000;
    return respondWith(200, opened(new PlainSource(size, path === "/short" ? 700 : size)));
  }
  if (path === "/live") return respondWith(200, opened(new FakeLiveSource()));
  return respondWith(200, `${request.head.methodText} ${path} ${request.content.length}`);
};

function opened<Source extends FakeSource | FakeLiveSource>(source: Source): Source {
  sources.push(source);
  return source;
}

/** Bytes for the server, or an event beside them. */
type Step = string | ((client: Http2Client) => void);

/** Turns a script into steps, and keeps the client's account of them. */
class Script {
  readonly steps: Step[] = [HELLO];
  /** Requests without a mistake, by stream; true if the request is complete. */
  readonly requests = new Map<number, boolean>();
  /** Bytes of content that the server may send, by stream; 0 is the connection. */
  readonly windows = new Map<number, number>([[0, 65_535]]);
  frameSizeMax = 16_384;
  /** The order of what comes together decides, so whole and split may differ. */
  isRacing = false;
  /** Bytes that are not frames of the client's own making: its account is void. */
  isBroken = false;
  hasEnd = false;
  #next = 1;
  #flip = -1;
  #passedMs = 0;

  constructor(input: Uint8Array) {
    for (let at = 0; at + 1 < input.length && at < 2 * STEPS_MAX; at += 2) {
      const choice = (input[at] as number) % CHOICES.length;
      (CHOICES[choice] as Choice)(this, input[at + 1] as number);
    }
  }

  /** Adds bytes, damaged if the step before asked for it. */
  bytes(text: string): void {
    if (this.#flip < 0) this.steps.push(text);
    else {
      const bytes = bytesOf(text);
      const at = this.#flip % bytes.length;
      bytes[at] = (bytes[at] as number) ^ (1 << (this.#flip & 7));
      this.#flip = -1;
      this.steps.push(textOf(bytes));
    }
  }

  event(step: (client: Http2Client) => void): void {
    this.steps.push(step);
  }

  pass(ms: number): void {
    this.#passedMs += ms;
    // The connection may be idle for too long, and take nothing more.
    if (this.#passedMs > 9000) this.hasEnd = true;
    this.event(() => server.pass(ms));
  }

  flip(at: number): void {
    this.#flip = at;
    this.isBroken = true;
  }

  /** Opens a stream. */
  open(isComplete: boolean): number {
    const id = this.#next;
    this.#next += 2;
    this.requests.set(id, isComplete);
    if (this.requests.size > STREAMS_MAX) this.isRacing = true;
    return id;
  }

  /** Returns a stream that is used already, mostly one whose request is not complete. */
  used(argument: number): number {
    const open = [...this.requests].filter(([, isComplete]) => !isComplete);
    if (open.length > 0 && argument < 230) return (open[argument % open.length] as [number, boolean])[0];
    this.isRacing = true;
    this.isBroken = true;
    return 1 + 2 * (argument % Math.max(1, (this.#next + 1) / 2));
  }

  widen(id: number, bytes: number): void {
    this.windows.set(id, (this.windows.get(id) ?? 0) + bytes);
    this.bytes(windowUpdate(id, bytes));
  }
}

type Choice = (script: Script, argument: number) => void;

const OPEN = FLAG_END_HEADERS;
const pathOf = (argument: number) => PATHS[argument % PATHS.length] as string;

const CHOICES: readonly Choice[] = [
  // Requests.
  (script, argument) => script.bytes(headers(script.open(true), getLines(pathOf(argument)))),
  (script, argument) =>
    script.bytes(headers(script.open(true), getLines(pathOf(argument), ["priority", `u=${argument % 8}, i`]))),
  (script, argument) =>
    script.bytes(headers(script.open(true), [[":method", "HEAD"], ...getLines(pathOf(argument)).slice(1)])),
  (script, argument) => script.bytes(post(script.open(false), pathOf(argument))),
  (script, argument) => {
    script.bytes(post(script.open(false), pathOf(argument), ["content-length", String(argument & 31)]));
    // Whether it fits is left to the steps that follow.
    script.isRacing = true;
  },
  (script, argument) => {
    script.isRacing = true;
    script.bytes(post(script.open(false), pathOf(argument), ["expect", "100-continue"]));
  },
  (script, argument) => {
    const lines = block(...getLines(pathOf(argument), ["x-long", "x".repeat(argument)]));
    const cut = argument % lines.length;
    const id = script.open(true);
    script.bytes(frame(FrameType.Headers, FLAG_END_STREAM, id, lines.slice(0, cut)));
    script.bytes(frame(FrameType.Continuation, FLAG_END_HEADERS, id, lines.slice(cut)));
  },
  (script, argument) => {
    // Fields that make the request malformed, or that are refused.
    const wrong = [
      ["te", "gzip"],
      ["Upper", "1"],
      ["connection", "close"],
      [":late", "1"],
      ["host", "other"],
    ] as const;
    script.bytes(
      headers(script.open(true), getLines(pathOf(argument), wrong[argument % wrong.length] as [string, string])),
    );
  },
  // Content.
  (script, argument) => script.bytes(data(script.used(argument), "d".repeat(argument))),
  (script, argument) => {
    const id = script.used(argument);
    script.requests.set(id, true);
    script.bytes(data(id, "e".repeat(argument & 15), true));
  },
  (script, argument) => {
    const id = script.used(argument);
    script.requests.set(id, true);
    script.bytes(headers(id, [["x-sum", "1"]]));
  },
  (script, argument) => {
    const id = script.used(argument);
    script.bytes(
      frame(FrameType.Data, 8, id, `${String.fromCharCode(argument & 7)}padded${"\0".repeat(argument & 7)}`),
    );
  },
  (script, argument) => {
    script.isRacing = true;
    const id = 1 + 2 * (argument % Math.max(1, script.requests.size));
    script.requests.delete(id);
    script.bytes(rst(id, argument % 14));
    // A stream that was never opened breaks a rule.
    if (script.windows.get(id) === undefined) script.isBroken = true;
  },
  // Windows and settings.
  (script, argument) => {
    const ids = [...script.requests.keys()];
    const id = ids[argument % Math.max(1, ids.length)];
    if (id !== undefined) script.widen(id, 1 + argument * argument);
  },
  (script, argument) => script.widen(0, 1 + argument * argument),
  (script, argument) => {
    script.isRacing = true;
    const bytes = (argument & 15) * 500;
    script.bytes(settings([SettingId.InitialWindowSize, bytes]));
  },
  (script, argument) => script.bytes(settings([SettingId.HeaderTableSize, argument * 20], [0x99, argument])),
  (script, argument) => {
    script.frameSizeMax = Math.max(script.frameSizeMax, 16_384 + argument * 100);
    script.bytes(settings([SettingId.MaxFrameSize, 16_384 + argument * 100]));
  },
  // Frames beside requests.
  (script, argument) => script.bytes(ping("12345678", argument % 2)),
  (script, argument) => script.bytes(frame(0x40 + (argument & 15), argument, argument % 9, "unknown")),
  (script, argument) => script.bytes(frame(FrameType.Priority, 0, 1 + 2 * argument, `${int32(0)}\x10`)),
  (script, argument) => {
    script.hasEnd = true;
    script.bytes(goAway(0, argument % 14));
  },
  // Mistakes.
  (script, argument) => script.flip(argument),
  (script, argument) => {
    script.isBroken = true;
    script.bytes(String.fromCharCode(argument));
  },
  (script, argument) => {
    script.isBroken = true;
    script.bytes(headers(2 * argument, getLines(), OPEN));
  },
  // Events.
  (script, argument) =>
    script.event(({ transport }) => {
      transport.room = argument * 16;
    }),
  (script, argument) =>
    script.event((client) => {
      client.transport.room = argument > 127 ? Number.POSITIVE_INFINITY : argument * 64;
      client.connection.drained();
    }),
  (script, argument) => {
    script.pass(argument * (argument > 100 ? 200 : 5));
  },
  (script) => script.event(() => server.runDeferred()),
  (script, argument) => {
    // Which requests have a slot by now depends on those that came in the same turn.
    script.isRacing = true;
    script.event(() => {
      for (const source of [...sources]) {
        if (!(source instanceof FakeLiveSource) || source.closes > 0) continue;
        if (argument < 100) source.add("live".repeat(argument));
        else if (argument < 200) source.finish();
        else source.fail();
      }
    });
  },
  (script) => {
    script.hasEnd = true;
    script.event(({ connection }) => connection.ended());
  },
  (script, argument) => {
    script.hasEnd = true;
    script.event(({ connection }) => connection.shutDown(argument % 2 === 0 ? 0 : 1000, 250));
  },
  (script) => {
    script.hasEnd = true;
    script.event(({ connection }) => connection.closeIdle());
  },
];

/** Choices that open a request, use one that is not complete, complete it, and let time pass. */
const OPENING: readonly number[] = [3, 4, 5];
const USING: readonly number[] = [8, 9, 10, 11];
const COMPLETING: readonly number[] = [9, 10];
const PASSING = 27;

/** Choices after which the conversation ends, mostly: mistakes, GOAWAY, FIN and shutdowns. */
const ENDING: readonly number[] = [21, 22, 23, 24, 30, 31, 32];

const parts = new Coverage();

export const http2Target: FuzzTarget = {
  name: "http2",
  parts,
  make: makeScript,
  dictionary: Array.from({ length: CHOICES.length }, (_, choice) => String.fromCharCode(choice, 3 * choice)),
  check(input, random) {
    const script = new Script(input);
    const whole = converse(script, (bytes) => [bytes]);
    parts.count("frames of conversations", whole.frames);
    if (whole.broken !== "") return whole.broken;
    const cut = random.oneIn(4) ? bytewise : (bytes: Uint8Array) => pieces(bytes, random);
    const split = converse(script, cut);
    if (split.broken !== "") return `split: ${split.broken}`;
    if (script.isRacing || script.isBroken || script.hasEnd) return "";
    return whole.seen === split.seen ? "" : `whole and split differ: ${whole.seen} and ${split.seen}`;
  },
};

/** Chooses steps of which few end the conversation: the account of requests that are not complete is that of `Script`, roughly. */
function makeScript(random: Random): Uint8Array {
  const script = new Uint8Array(2 * STEPS_MADE);
  let open = 0;
  for (let at = 0; at < script.length; ) {
    const choice = random.below(CHOICES.length);
    if (USING.includes(choice) && open === 0) continue;
    if (ENDING.includes(choice) && !random.oneIn(STEPS_MADE)) continue;
    if (OPENING.includes(choice)) open++;
    if (COMPLETING.includes(choice)) open--;
    const isLarge = choice !== PASSING || random.oneIn(STEPS_MADE);
    script[at] = choice;
    script[at + 1] = random.below(isLarge ? 230 : 100);
    at += 2;
  }
  return script;
}

function bytewise(bytes: Uint8Array): readonly Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

interface Outcome {
  /** What came on each stream. */
  readonly seen: string;
  readonly broken: string;
  /** Frames that were taken by a connection which was still open after them. */
  readonly frames: number;
}

function converse(script: Script, cut: (bytes: Uint8Array) => readonly Uint8Array[]): Outcome {
  const { observer } = server;
  observer.lines.length = 0;
  observer.events.length = 0;
  observer.failures.length = 0;
  sources.length = 0;
  requestsOut = 0;
  const client = server.connectHttp2();
  client.log.frameSizeMax = script.isBroken ? Number.POSITIVE_INFINITY : script.frameSizeMax;
  let broken = "";
  let frames = 0;
  try {
    broken = played(script, client, cut, (count) => {
      frames += count;
    });
    const others = bystanders();
    broken ||= finished(script, client) || judgeWindows(script, client);
    if (!client.transport.isClosed) client.connection.terminate();
    broken ||= others();
  } catch (error) {
    // The strict client throws. The next conversation shall find nothing of this one.
    broken = error instanceof Error ? error.message : String(error);
  }
  if (!client.transport.isClosed) client.connection.terminate();
  server.runDeferred();
  broken = ownFailure() || broken || judgeRest();
  return { seen: described(client), broken, frames };
}

/** Returns what came on each stream. After a mistake of the client, the end alone is the same however its bytes were split. */
function described({ log }: Http2Client): string {
  const errors = log.goAways.filter(({ code }) => code !== "NO_ERROR");
  if (errors.length > 0) return errors.map(({ code, debug }) => `${code} ${debug}`).join(", ");
  return [...log.streams]
    .sort(([one], [other]) => one - other)
    .map(([id, { status, body, isEnded, reset }]) => `${id} ${status} ${body.length} ${isEnded} ${reset}`)
    .join(", ");
}

/** Plays the steps. Returns the broken rule. */
function played(
  script: Script,
  client: Http2Client,
  cut: (bytes: Uint8Array) => readonly Uint8Array[],
  taken: (frames: number) => void,
): string {
  const { connection, transport } = client;
  let broken = "";
  for (const step of merged(script.steps)) {
    if (transport.isClosed) break;
    if (typeof step !== "string") step(client);
    else {
      for (const piece of cut(bytesOf(step))) if (!transport.isClosed) connection.received(piece.slice());
      // Events between two turns for the bytes of one step are those of conversations that end.
      if (!script.hasEnd) catchUp(connection);
      if (!transport.isClosed && connection.isOpen) taken(framesIn(step));
    }
    broken ||= judgeBounds(client);
  }
  client.see();
  return broken;
}

/** Lets the connection take the bytes that wait for a later turn. */
function catchUp(connection: Http2Connection): void {
  const { deferred } = server;
  for (let at = deferred.indexOf(connection); at >= 0; at = deferred.indexOf(connection)) {
    deferred.splice(at, 1);
    connection.resumed();
  }
}

/** Returns the number of frames in `bytes`, by their heads. */
function framesIn(bytes: string): number {
  let frames = 0;
  for (let at = bytes.startsWith(PREFACE) ? PREFACE.length : 0; at + 9 <= bytes.length; frames++) {
    at += 9 + ((bytes.charCodeAt(at) << 16) | (bytes.charCodeAt(at + 1) << 8) | bytes.charCodeAt(at + 2));
  }
  return frames;
}

/** Connects two clients that ask for one small response each. Returns a function that ends them, and judges what they got. */
function bystanders(): () => string {
  const first = server.connect().send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const second = server.connectHttp2().send(HELLO, get(1));
  return () => {
    const status = second.stream(1).isEnded ? second.stream(1).status : 0;
    for (const { connection } of [first, second]) connection.terminate();
    if (first.statuses.join() !== "200") return `a bystander of HTTP/1.1 got "${first.statuses}"`;
    // It has waited for the deadline of the queue if others hold their slots for as long.
    return status === 200 || status === 503 ? "" : `a bystander of HTTP/2 got ${status}`;
  };
}

/** Puts bytes together that follow each other. */
function merged(steps: readonly Step[]): readonly Step[] {
  const all: Step[] = [];
  for (const step of steps) {
    const last = all.at(-1);
    if (typeof step === "string" && typeof last === "string") all[all.length - 1] = last + step;
    else all.push(step);
  }
  return all;
}

/** Lets everything come to its end: the client reads, opens its windows, and waits. Returns the broken rule. */
function finished(script: Script, client: Http2Client): string {
  const { transport, connection, log } = client;
  if (!transport.isClosed) client.drain();
  const isWhole = !script.isBroken && !script.hasEnd;
  if (isWhole && !transport.isClosed) {
    client.send(windowUpdate(0, 1 << 30), settings([SettingId.InitialWindowSize, 1 << 30]));
    script.windows.set(0, Number.POSITIVE_INFINITY);
  }
  // A response that ends gives its slot to the next one, whose content may be live too.
  for (let rounds = STREAMS_MAX; rounds > 0 && !transport.isClosed && !transport.finSent; rounds--) {
    for (const source of sources) if (source instanceof FakeLiveSource && source.closes === 0) source.finish();
    server.runDeferred();
    client.see();
    server.pass(ROUND_MS);
  }
  client.see();
  if (!transport.isClosed && !transport.finSent) return "open after every deadline";
  if (!transport.isClosed) connection.ended();
  if (!transport.isClosed) return "open after both FIN";
  const isError = log.goAways.some(({ code }) => code !== "NO_ERROR");
  if (!isWhole || isError || transport.wasReset) return "";
  for (const id of script.requests.keys()) {
    const seen = log.stream(id);
    if (!seen.isEnded && seen.reset === null) return `stream ${id} has neither a response nor a reset`;
  }
  return "";
}

function judgeBounds(client: Http2Client): string {
  if (client.connection.works().length > STREAMS_MAX) return "more streams than allowed";
  return server.peerUsed > HELD_BYTES_MAX ? `${server.peerUsed} bytes are held` : "";
}

/** The server keeps to the window of the connection. */
function judgeWindows(script: Script, { log }: Http2Client): string {
  if (script.isBroken) return "";
  const sent = [...log.streams.values()].reduce((sum, { body }) => sum + body.length, 0);
  return sent > (script.windows.get(0) as number) ? `${sent} bytes of content pass the window` : "";
}

function ownFailure(): string {
  const failure = server.observer.failures.pop();
  if (failure === undefined) return "";
  return `our own failure: ${failure instanceof Error ? failure.stack : failure}`;
}

/** Nothing is left of a connection that is closed. */
function judgeRest(): string {
  const { pool, memory } = server;
  if (pool.active + pool.queued > 0) return "a slot is kept";
  if (memory.used !== 0) return `${memory.used} bytes of content are kept`;
  if (server.peerUsed !== 0) return `${server.peerUsed} bytes are counted for the peer`;
  if (requestsOut !== 0) return `${requestsOut} requests are kept`;
  return sources.some((source) => source.closes !== 1) ? "a source is not closed once" : "";
}
