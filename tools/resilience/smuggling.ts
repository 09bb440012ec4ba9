/**
 * Requests that try to be read as other requests behind the proxy: random mixtures of the classes of request smuggling, through this server
 * to nginx. Both must see the same messages.
 *
 *     bun tools/resilience/smuggling.ts [--seed 1] [--count 30000]
 *
 * Each case is a connection with some bytes. This server's reader says which requests they are, and its journal which of them it has
 * passed on. nginx passes the ones that it reads to `node:http` in this process, which writes down method, target and content. Ends with
 * 1 if the two lists of a case differ.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { describeParseError } from "../../src/http/parse-error.ts";
import { Target } from "../../src/http/target.ts";
import { escapeTarget } from "../../src/http/uri.ts";
import { BodyDecoder } from "../../src/http1/body-decoder.ts";
import { decideFraming, Framing } from "../../src/http1/framing.ts";
import { ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";
import { readTarget } from "../../src/http1/request-target.ts";
import { type FixtureServer, type RequestRecord, startServer } from "../../src/index.ts";
import { bytesOf, textOf } from "../../test/support/bytes.ts";
import { HEAD_LIMITS } from "../../test/support/limits.ts";
import { RawClient } from "../../test/support/raw-client.ts";
import { until } from "../../test/support/waiting.ts";
import { mutated } from "../fuzz/mutate.ts";
import { Random } from "../fuzz/random.ts";

interface SmugglingReport {
  readonly cases: number;
  /** Requests that were passed on, and those that were refused. */
  readonly passed: number;
  readonly refused: number;
  /** Messages that only one of the two has seen. */
  readonly differences: readonly string[];
}

/** Cases at the same time. */
const CROWD = 16;

/** Tries `count` cases. Needs nginx. */
export async function smuggle(seed: number, count: number): Promise<SmugglingReport> {
  const folder = mkdtempSync(join(tmpdir(), "smuggling-"));
  const witness = await Witness.start();
  const nginx = await startNginx(folder, witness.port);
  const differences: string[] = [];
  let passed = 0;
  let refused = 0;
  try {
    await using server = await startServer({
      files: {},
      uploads: "",
      proxies: [`/** http://127.0.0.1:${nginx.port}`],
      fixture: true,
      threads: 2 * CROWD,
      maxRequests: 0,
      anyPort: true,
    });
    // The look whether nginx listens was one request.
    witness.seen.length = 0;
    const random = new Random(seed);
    for (let done = 0; done < count; ) {
      const cases = Array.from({ length: Math.min(CROWD, count - done) }, (_, index) => makeCase(done + index, random));
      server.forgetRequests();
      const ports = await Promise.all(cases.map((bytes) => send(server, bytes)));
      await settle(server, witness);
      const records = server.requests();
      const ours = cases.flatMap((bytes, index) => {
        const own = records.filter(({ peer }) => peer.endsWith(`:${ports[index]}`));
        return passedOn(bytes, own);
      });
      const theirs = witness.seen.map(shown);
      passed += theirs.length;
      refused += records.length - ours.length;
      differences.push(...without(ours, theirs).map((request) => `seen by us alone: ${request}`));
      differences.push(...without(theirs, ours).map((request) => `seen by nginx alone: ${request}`));
      witness.seen.length = 0;
      done += cases.length;
    }
  } finally {
    await nginx.stop();
    witness.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return { cases: count, passed, refused, differences };
}

// Cases.

const FRAMINGS: readonly string[] = [
  "",
  "Content-Length: @\r\n",
  "Content-Length: 0\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: +@\r\n",
  "Content-Length: 0@\r\n",
  "Content-Length: @, @\r\n",
  "Content-Length : @\r\n",
  "Content-Length:\t@\r\n",
  "Content-Length: @\r\nContent-Length: 0\r\n",
  "Content-Length: 0\r\nContent-Length: @\r\n",
  "Content_Length: @\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: chunked\r\nContent-Length: @\r\n",
  "Content-Length: @\r\nTransfer-Encoding: chunked\r\n",
  "Transfer-Encoding: Chunked\r\n",
  "Transfer-Encoding: chunked \r\n",
  "Transfer-Encoding : chunked\r\n",
  "Transfer-Encoding:\tchunked\r\n",
  "Transfer-Encoding:\x0bchunked\r\n",
  "Transfer-Encoding: xchunked\r\n",
  "Transfer-Encoding: chunked, identity\r\n",
  "Transfer-Encoding: identity, chunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
  'Transfer-Encoding: "chunked"\r\n',
  "Transfer-Encoding:\r\n chunked\r\n",
  "Transfer_Encoding: chunked\r\n",
  "X: y\nTransfer-Encoding: chunked\r\n",
  "X: y\rTransfer-Encoding: chunked\r\n",
  "X: y\r\n\tTransfer-Encoding: chunked\r\n",
  "\0Transfer-Encoding: chunked\r\n",
];

const FURTHER: readonly string[] = [
  "",
  "",
  "",
  "Connection: close\r\n",
  "Connection: keep-alive, Content-Length\r\n",
  "Connection: Transfer-Encoding\r\n",
  "Connection: Host, Via\r\n",
  "Expect: 100-continue\r\n",
  "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
  "TE: trailers\r\nTrailer: Content-Length\r\n",
  "X-Forwarded-For: 1.2.3.4\r\n",
  "X-HTTP-Method-Override: DELETE\r\n",
];

/** Tokens that changes at random put in. `@` is the mark of the case. */
const DICTIONARY: readonly string[] = [
  "\r\n",
  "\n",
  "\r",
  "\r\n\r\n",
  "0\r\n\r\n",
  "Content-Length: 4\r\n",
  "Transfer-Encoding: chunked\r\n",
  "GET /@/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "Host: localhost\r\n",
  " HTTP/1.1",
  "5\r\nhello\r\n",
  ";a=b",
  "\t",
  " ",
];

/** A request that may hide another one in its content, mostly changed in one place, and an honest request after it. */
function makeCase(number: number, random: Random): Uint8Array {
  const mark = `/c${number}x`;
  const hidden = `GET ${mark}/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const content = contentOf(hidden, random);
  const method = random.pick(["POST", "POST", "PUT", "GET", "HEAD", "DELETE", "OPTIONS"]);
  const target = random.pick([`${mark}/a`, `${mark}/a?b=c`, `http://localhost${mark}/a`, `${mark}/%41`]);
  const version = random.oneIn(12) ? "1.0" : "1.1";
  const framing = random.pick(FRAMINGS).replaceAll("@", String(content.length));
  const fields = random.oneIn(2) ? framing + random.pick(FURTHER) : random.pick(FURTHER) + framing;
  const text = `${method} ${target} HTTP/${version}\r\nHost: localhost\r\n${fields}\r\n${content}`;
  const dictionary = DICTIONARY.map((token) => bytesOf(token.replaceAll("/@", mark)));
  const attack = random.oneIn(3) ? bytesOf(text) : mutated([bytesOf(text)], dictionary, random);
  return Buffer.concat([attack, bytesOf(`GET ${mark}/after HTTP/1.1\r\nHost: localhost\r\n\r\n`)]);
}

function contentOf(hidden: string, random: Random): string {
  const size = hidden.length.toString(16);
  return random.pick([
    "",
    "hello",
    hidden,
    `0\r\n\r\n${hidden}`,
    `${size}\r\n${hidden}\r\n0\r\n\r\n`,
    `${size};x="y"\r\n${hidden}\r\n0\r\nX: y\r\n\r\n`,
    `0${size}\r\n${hidden}\r\n00\r\n\r\n`,
    `0x${size}\r\n${hidden}\r\n0\r\n\r\n`,
    `${size}\n${hidden}\n0\n\n`,
    `1\r\nZ\r\nQ\r\n\r\n${hidden}`,
    `5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n${hidden}`,
    `5\r\nhello\r\n0\r\n${hidden}`,
  ]);
}

// The two readings.

interface Message {
  readonly method: string;
  readonly target: string;
  readonly content: string;
}

function shown({ method, target, content }: Message): string {
  return `${method} ${target} ${JSON.stringify(content)}`;
}

/** Returns the items of `list` that `other` lacks; of equal ones as many as it lacks. */
function without(list: readonly string[], other: readonly string[]): string[] {
  const left = [...other];
  return list.filter((item) => {
    const index = left.indexOf(item);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
}

/** Returns the requests of a case that were passed on and that nginx has passed on, as this server has read them. */
function passedOn(bytes: Uint8Array, records: readonly RequestRecord[]): string[] {
  const read = requestsIn(bytes);
  return records
    .filter(({ upstream }) => upstream?.status === 200)
    .map(({ position }) => shown(read[position - 1] ?? { method: "none", target: "", content: "" }));
}

/** Reads all whole requests, one after the other. */
function requestsIn(bytes: Uint8Array): Message[] {
  const requests: Message[] = [];
  const head = new ParsedHead(HEAD_LIMITS);
  const framing = new Framing();
  const target = new Target();
  const decoder = new BodyDecoder();
  for (let at = 0; at < bytes.length; ) {
    const consumed = parseRequestHead(bytes, at, bytes.length, head);
    if (consumed <= 0) break;
    at += consumed;
    const error = Math.min(decideFraming(head, framing), readTarget(head, target));
    if (error < 0 && describeParseError(error).closes) break;
    decoder.reset(framing);
    let content = "";
    while (!decoder.done) {
      const step = decoder.step(bytes, at, bytes.length);
      if (step <= 0) break;
      content += textOf(bytes.subarray(decoder.contentStart, decoder.contentEnd));
      at += step;
    }
    if (!decoder.done) break;
    const path = escapeTarget(head.targetText).replace(/^https?:\/\/[^/?]*/i, "");
    requests.push({ method: head.methodText, target: path, content });
    if (!framing.persistent) break;
  }
  return requests;
}

/** The server behind nginx, which writes down all that comes. */
class Witness {
  readonly port: number;
  readonly seen: Message[] = [];
  readonly stop: () => void;
  #open = 0;

  private constructor(port: number, stop: () => void) {
    this.port = port;
    this.stop = stop;
  }

  static async start(): Promise<Witness> {
    let witness: Witness | null = null;
    const node = createServer((request, response) => void witness?.take(request, response));
    await new Promise<void>((resolve) => node.listen(0, "127.0.0.1", resolve));
    witness = new Witness((node.address() as AddressInfo).port, () => {
      node.closeAllConnections();
      node.close();
    });
    return witness;
  }

  /** True while a request is on its way. */
  get isBusy(): boolean {
    return this.#open > 0;
  }

  async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#open++;
    let content = "";
    try {
      for await (const piece of request) content += (piece as Buffer).toString("latin1");
      this.seen.push({ method: request.method ?? "", target: request.url ?? "", content });
      response.end("seen");
    } finally {
      this.#open--;
    }
  }
}

/** Sends the bytes of a case, ends that side, and reads until the server leaves. Returns the port of that side. */
async function send(server: FixtureServer, bytes: Uint8Array): Promise<number> {
  using client = await RawClient.connect(server.port);
  const { localPort } = client;
  client.send(bytes).finish();
  await client.left();
  return localPort;
}

async function settle(server: FixtureServer, witness: Witness): Promise<void> {
  await until(() => server.connections().open.length === 0 && !witness.isBusy, "the end of all connections");
}

async function startNginx(folder: string, behind: number): Promise<{ port: number; stop: () => Promise<void> }> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const configuration = [
    ...(process.getuid?.() === 0 ? ["user root;"] : []),
    "daemon off; master_process off; worker_processes 1;",
    `pid ${folder}/pid; error_log ${folder}/error.log;`,
    "events { worker_connections 512; }",
    `http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}`,
    "underscores_in_headers on; ignore_invalid_headers off; keepalive_requests 1000000;",
    `upstream witness { server 127.0.0.1:${behind}; keepalive 32; keepalive_requests 1000000; }`,
    `server { listen 127.0.0.1:${port}; location / {`,
    `proxy_pass http://witness; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_next_upstream off;`,
    "} } }",
  ].join("\n");
  writeFileSync(join(folder, "nginx.conf"), configuration);
  const words = ["nginx", "-e", `${folder}/error.log`, "-c", join(folder, "nginx.conf")];
  const child = Bun.spawn(words, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const stop = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  const listens = () =>
    fetch(`http://127.0.0.1:${port}/c0x`).then(
      () => true,
      () => false,
    );
  try {
    await until(async () => child.exitCode !== null || (await listens()), "nginx");
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { seed: { type: "string", default: "1" }, count: { type: "string", default: "30000" } },
  });
  const startMs = performance.now();
  const report = await smuggle(Number(values.seed), Number(values.count));
  const { cases, passed, refused, differences } = report;
  for (const difference of differences.slice(0, 20)) process.stdout.write(`DIFFERENCE ${difference}\n`);
  const seconds = Math.round((performance.now() - startMs) / 1000);
  process.stdout.write(
    `${cases} cases, ${passed} requests passed on, ${refused} refused, ${differences.length} differences, ${seconds} s\n`,
  );
  process.exit(differences.length === 0 ? 0 : 1);
}
