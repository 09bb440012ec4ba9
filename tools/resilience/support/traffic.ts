/**
 * Mixed traffic: each kind is what one client does once, from its connection to its close, and says null when everything was
 * as it should be, or a sentence. Statuses and bytes are known beforehand, because the files are made here.
 */
import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../../fuzz/random.ts";
import { type Answer, Client, type Ending, request } from "./client.ts";
import { makeBody, readReceipt, sendUpload } from "./upload.ts";

const SMALL_FILES = 200;
const SMALL_BYTES_MAX = 8_192;
const LARGE_BYTES = 16 * 2 ** 20;
const RANGE_BYTES_MAX = 2 ** 20;

/** Largest upload. A soak is about what stays, not about the most. */
const UPLOAD_BYTES_MAX = 200_000;

/** A slow reader takes this much, then pauses: 16 MiB in about three seconds. */
const SLOW_READ_BYTES = 256 * 1024;
const SLOW_READ_PAUSE_MS = 50;

/** A slow head comes in pieces of so many bytes, with so many milliseconds between them. */
const SLOW_HEAD_BYTES = 8;
const SLOW_HEAD_PAUSE_MS = 200;

const IDLE_MS = 3_000;
const PIPELINE = 10;

interface Kind {
  readonly name: string;
  /** How often it begins. */
  readonly perSecond: number;
  readonly visit: (traffic: Traffic) => Promise<string | null>;
}

/** One connection that serves many visits, as a browser's does. */
const keptAlive: Kind["visit"] = async (traffic) => {
  const client = await traffic.shared();
  if (client === null) return REFUSED;
  await client.send(traffic.request("GET /"));
  const answer = await client.answer();
  const sentence = differs(answer, 200, traffic.page);
  if (sentence === null && typeof answer !== "string" && !answer.isLast) traffic.give(client);
  else client[Symbol.dispose]();
  return sentence;
};

const small: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    const [path, content] = traffic.anySmall();
    await client.send(traffic.request(`GET ${path}`));
    return differs(await client.answer(), 200, content);
  });

const head: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    const [path, content] = traffic.anySmall();
    await client.send(traffic.request(`HEAD ${path}`));
    const answer = await client.answer({ method: "HEAD" });
    if (typeof answer !== "string" && answer.fields.get("content-length") !== String(content.length)) {
      return `HEAD says ${answer.fields.get("content-length")} bytes of ${content.length}`;
    }
    return differs(answer, 200, EMPTY);
  });

const conditional: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    const [path, content] = traffic.anySmall();
    await client.send(traffic.request(`GET ${path}`));
    const first = await client.answer();
    if (typeof first === "string") return first;
    await client.send(traffic.request(`GET ${path}`, `If-None-Match: ${first.fields.get("etag")}\r\n`));
    return differs(first, 200, content) ?? differs(await client.answer(), 304, EMPTY);
  });

const missing: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    await client.send(traffic.request(`GET /missing-${traffic.random.below(1_000_000)}`));
    return differs(await client.answer(), 404);
  });

const pipelined: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    const files = Array.from({ length: PIPELINE }, () => traffic.anySmall());
    await client.send(files.map(([path]) => traffic.request(`GET ${path}`)).join(""));
    for (const [, content] of files) {
      const sentence = differs(await client.answer(), 200, content);
      if (sentence !== null) return sentence;
    }
    return null;
  });

const range: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    const first = traffic.random.below(LARGE_BYTES);
    const last = Math.min(LARGE_BYTES, first + 1 + traffic.random.below(RANGE_BYTES_MAX)) - 1;
    await client.send(traffic.request("GET /large.bin", `Range: bytes=${first}-${last}\r\n`));
    return differs(await client.answer(), 206, traffic.large.subarray(first, last + 1));
  });

const large: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    await client.send(traffic.request("GET /large.bin"));
    const comparison = new Comparison(traffic.large);
    return comparison.verdict(await client.answer({ sink: (bytes) => comparison.add(bytes) }));
  });

const slowReader: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    await client.send(traffic.request("GET /large.bin"));
    const comparison = new Comparison(traffic.large);
    let credit = SLOW_READ_BYTES;
    const answer = await client.answer({
      sink: (bytes) => {
        comparison.add(bytes);
        credit -= bytes.length;
        if (credit > 0) return;
        credit = SLOW_READ_BYTES;
        client.pause();
        setTimeout(() => client.resume(), SLOW_READ_PAUSE_MS * traffic.pace);
      },
    });
    return comparison.verdict(answer);
  });

const slowHead: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    const text = traffic.request("GET /");
    for (let i = 0; i < text.length; i += SLOW_HEAD_BYTES) {
      await client.send(text.slice(i, i + SLOW_HEAD_BYTES));
      await Bun.sleep(SLOW_HEAD_PAUSE_MS * traffic.pace);
    }
    return differs(await client.answer(), 200, traffic.page);
  });

const idle: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    await Bun.sleep(IDLE_MS * traffic.pace);
    return client.ending === null ? null : `an idle connection was closed early: ${client.ending}`;
  });

/** The file goes once it was compared, so that the disk does not fill. */
const upload: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    const body = makeBody(traffic.random, UPLOAD_BYTES_MAX);
    await sendUpload(client, traffic.port, body, traffic.random);
    const answer = await client.answer();
    if (typeof answer === "string") return answer;
    const receipt = readReceipt(answer);
    if (receipt === null) return `an upload was answered ${answer.status}`;
    const path = join(traffic.folder, "uploads", receipt.name);
    const found = readFileSync(path);
    unlinkSync(path);
    return found.equals(body.bytes) && receipt.sha256 === body.sha256 ? null : `${receipt.name} is not what was sent`;
  });

const abortedUpload: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    const fields = "Content-Type: application/json\r\nContent-Length: 100000\r\n";
    await client.send(traffic.request("POST /upload", fields) + "[".repeat(1 + traffic.random.below(50_000)));
    await Bun.sleep(traffic.random.below(50));
    if (traffic.random.oneIn(2)) client.end();
    return null;
  });

const abortedDownload: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    await client.send(traffic.request("GET /large.bin"));
    await Bun.sleep(traffic.random.below(20));
    if (traffic.random.oneIn(2)) client.end();
    return client.ending === "reset" ? "a download was reset" : null;
  });

const malformed: Kind["visit"] = (traffic) =>
  traffic.with(async (client) => {
    const [bytes, status] = traffic.random.pick(MALFORMED);
    await client.send(bytes.replaceAll("HOST", `localhost:${traffic.port}`));
    return differs(await client.answer(), status);
  });

/** Wrong requests and their statuses; HOST stands for the server's own authority. */
const MALFORMED: readonly (readonly [bytes: string, status: number])[] = [
  ["GET / HTTP/1.1\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: HOST\r\nX : y\r\n\r\n", 400],
  ["GET  / HTTP/1.1\r\nHost: HOST\r\n\r\n", 400],
  ["GET /%zz HTTP/1.1\r\nHost: HOST\r\n\r\n", 400],
  ["GET / HTTP/2.0\r\nHost: HOST\r\n\r\n", 505],
  ["GET /../etc/passwd HTTP/1.1\r\nHost: HOST\r\n\r\n", 403],
  ["GET / HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n", 403],
  ["DELETE / HTTP/1.1\r\nHost: HOST\r\n\r\n", 405],
  [`GET /${"x".repeat(17_000)} HTTP/1.1\r\nHost: HOST\r\n\r\n`, 414],
  [`GET / HTTP/1.1\r\nHost: HOST\r\nX: ${"y".repeat(20_000)}\r\n\r\n`, 431],
  ["POST /upload HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n\r\n", 411],
  ["POST /upload HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415],
  ["POST /upload HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{]", 400],
  ["POST /upload HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n", 413],
  [
    "POST /upload HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    400,
  ],
  ["GET / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
];

export const KINDS: readonly Kind[] = [
  { name: "kept alive", perSecond: 60, visit: keptAlive },
  { name: "small", perSecond: 30, visit: small },
  { name: "head", perSecond: 10, visit: head },
  { name: "conditional", perSecond: 10, visit: conditional },
  { name: "missing", perSecond: 5, visit: missing },
  { name: "pipelined", perSecond: 3, visit: pipelined },
  { name: "range", perSecond: 4, visit: range },
  { name: "large", perSecond: 0.5, visit: large },
  { name: "slow reader", perSecond: 0.3, visit: slowReader },
  { name: "slow head", perSecond: 0.5, visit: slowHead },
  { name: "idle", perSecond: 1, visit: idle },
  { name: "upload", perSecond: 5, visit: upload },
  { name: "aborted upload", perSecond: 2, visit: abortedUpload },
  { name: "aborted download", perSecond: 2, visit: abortedDownload },
  { name: "malformed", perSecond: 8, visit: malformed },
];

/** What the visits know: the server, its files, and their randomness. */
export class Traffic {
  readonly folder: string;
  readonly random: Random;
  /** What the waits of slow visits are multiplied by. */
  readonly pace: number;
  readonly page: Uint8Array;
  readonly large: Uint8Array;
  port = 0;
  readonly #small: (readonly [path: string, content: Uint8Array])[] = [];
  readonly #open = new Set<Client>();
  #free: Client[] = [];

  /** Makes the files in `folder`. */
  constructor(folder: string, random: Random, pace: number) {
    this.pace = pace;
    this.folder = folder;
    this.random = random;
    const resources = join(folder, "resources");
    mkdirSync(resources, { recursive: true });
    mkdirSync(join(folder, "uploads"));
    this.page = Buffer.from(`<!doctype html><title>soak</title>${"text ".repeat(200)}`);
    writeFileSync(join(resources, "index.html"), this.page);
    for (let i = 0; i < SMALL_FILES; i++) {
      const content = noise(1 + random.below(SMALL_BYTES_MAX), i);
      this.#small.push([`/small-${i}.html`, content]);
      writeFileSync(join(resources, `small-${i}.html`), content);
    }
    this.large = noise(LARGE_BYTES, SMALL_FILES);
    writeFileSync(join(resources, "large.bin"), this.large);
  }

  request(line: string, fields = ""): string {
    return request(this.port, line, fields);
  }

  anySmall(): readonly [path: string, content: Uint8Array] {
    return this.random.pick(this.#small);
  }

  /** A visit with a connection of its own. */
  async with(visit: (client: Client) => Promise<string | null>): Promise<string | null> {
    const client = await Client.connect(this.port);
    if (client === null) return REFUSED;
    try {
      return await visit(client);
    } finally {
      if (this.random.oneIn(2)) client.end();
      else client.reset();
    }
  }

  /** A connection that waits for its next request, or a new one. */
  async shared(): Promise<Client | null> {
    for (let client = this.#free.pop(); client !== undefined; client = this.#free.pop()) {
      if (client.ending === null) return client;
      this.#open.delete(client);
    }
    const client = await Client.connect(this.port);
    if (client !== null) this.#open.add(client);
    return client;
  }

  /** Keeps a shared connection for the next visit. */
  give(client: Client): void {
    this.#free.push(client);
  }

  /** Leaves every shared connection. */
  leave(): void {
    for (const client of this.#open) client[Symbol.dispose]();
    this.#open.clear();
    this.#free = [];
  }
}

/** Compares a body with what it should be as it comes. */
class Comparison {
  readonly #expected: Uint8Array;
  #position = 0;
  #isEqual = true;

  constructor(expected: Uint8Array) {
    this.#expected = expected;
  }

  add(bytes: Uint8Array): void {
    const end = this.#position + bytes.length;
    this.#isEqual &&= Buffer.compare(bytes, this.#expected.subarray(this.#position, end)) === 0;
    this.#position = end;
  }

  verdict(answer: Answer | Ending): string | null {
    if (typeof answer === "string") return `${answer} after ${this.#position} bytes`;
    if (answer.status !== 200) return `answered ${answer.status}`;
    return this.#isEqual && this.#position === this.#expected.length ? null : "the body is not the file";
  }
}

const REFUSED = "the connection was refused";
const EMPTY = new Uint8Array(0);

/** Null when it is an answer with `status`, and with `body` where one is given. */
function differs(answer: Answer | Ending, status: number, body?: Uint8Array): string | null {
  if (typeof answer === "string") return `${answer} instead of ${status}`;
  if (answer.status !== status) return `${answer.status} instead of ${status}`;
  if (body !== undefined && Buffer.compare(answer.body, body) !== 0) return `${status} with another body`;
  return null;
}

/** Bytes that no other seed gives, and that no slice of them repeats soon. */
function noise(length: number, seed: number): Uint8Array {
  const bytes = Buffer.alloc(length);
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
