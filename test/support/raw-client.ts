/**
 * A client that is nothing but a socket: it sends the bytes it is told to, well formed or not, reads or does not read, and
 * leaves by FIN or by reset. It answers a FIN with its own, as clients do. Every wait has an end: a test fails, and never hangs.
 */
import type { Socket } from "bun";
import { bytesOf, textOf } from "./bytes.ts";
import { WAIT_MS } from "./waiting.ts";

/** How the server left: it said so by FIN, or it cut. */
type Ending = "fin" | "reset";

export interface Answer {
  readonly status: number;
  /** Status line and field lines, as they came, without the empty line. */
  readonly head: string;
  /** Names in lower case; the last of a repeated one. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** The body, one character for each byte. */
  readonly text: string;
}

export interface RawClientOptions {
  readonly host?: string;
  /** Does not answer the server's FIN. */
  readonly staysOpen?: boolean;
  /** Counts what comes without keeping it, for downloads that would fill the memory. */
  readonly onlyCount?: boolean;
  /** For TLS: the certificate to trust. */
  readonly ca?: string;
}

export class RawClient implements Disposable {
  /** Bytes that came so far. */
  receivedBytes = 0;
  /** Null while the server has not left. */
  ending: Ending | null = null;
  readonly #socket: Socket<RawClient | null>;
  readonly #keeps: boolean;
  readonly #staysOpen: boolean;
  #chunks: Uint8Array[] = [];
  #unsent: Uint8Array[] = [];
  #watchers: (() => void)[] = [];

  static async connect(port: number, options: RawClientOptions = {}): Promise<RawClient> {
    // Over TLS nothing is sent before the handshake, or Bun would take a FIN behind it for the end.
    const shaken = Promise.withResolvers<void>();
    shaken.promise.catch(() => {}); // Without TLS nobody waits for it.
    const tls = options.ca === undefined ? {} : { tls: { ca: options.ca } };
    const socket = await Bun.connect<RawClient | null>({
      ...tls,
      hostname: options.host ?? "127.0.0.1",
      port,
      allowHalfOpen: true,
      data: null,
      socket: {
        binaryType: "uint8array",
        data({ data }, bytes) {
          if (data !== null) data.#received(bytes);
        },
        handshake(_socket, isDone, error) {
          if (isDone && error === null) shaken.resolve();
          else shaken.reject(error ?? new Error("no handshake"));
        },
        drain({ data }) {
          if (data !== null) data.#flush();
        },
        end({ data }) {
          if (data !== null) data.#ended();
        },
        // After our own FIN the server's is told by `close` alone, without an error.
        close({ data }, error) {
          shaken.reject(new Error("closed before the handshake"));
          if (data !== null) data.#closed(error === undefined ? "fin" : "reset");
        },
        error() {},
      },
    });
    const client = new RawClient(socket, options);
    socket.data = client;
    if (options.ca !== undefined) await shaken.promise;
    return client;
  }

  private constructor(socket: Socket<RawClient | null>, options: RawClientOptions) {
    this.#socket = socket;
    this.#keeps = options.onlyCount !== true;
    this.#staysOpen = options.staysOpen === true;
  }

  /** Port of this side, which is a part of `peer` in the server's journal. */
  get localPort(): number {
    return this.#socket.localPort;
  }

  /** Sends all of it, as fast as the server takes it. Text has one byte per character. */
  send(content: string | Uint8Array): this {
    this.#unsent.push(typeof content === "string" ? bytesOf(content) : content);
    this.#flush();
    return this;
  }

  /** FIN: nothing more will be sent, and what comes is still read. */
  finish(): this {
    this.#socket.shutdown();
    return this;
  }

  /** RST, whatever is on its way. */
  reset(): this {
    this.#socket.terminate();
    return this;
  }

  /** Stops reading, so that the server's answer fills the kernel's buffers and then waits. */
  pause(): this {
    this.#socket.pause();
    return this;
  }

  resume(): this {
    this.#socket.resume();
    // Bun may forget that a paused socket waits to write.
    this.#flush();
    return this;
  }

  /** Bytes that the kernel has not taken yet, because the server does not read. */
  get unsentBytes(): number {
    return this.#unsent.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** What came and was not taken by `answer`, one character for each byte. */
  get text(): string {
    return textOf(this.#bytes());
  }

  /** Waits for `count` bytes in all, since the beginning. */
  async received(count: number): Promise<void> {
    await this.#until(() => this.receivedBytes >= count, `${count} bytes`, WAIT_MS);
  }

  /** Takes the next answer, as Content-Length frames it. `method` is the request's: HEAD has no body. */
  async answer(method = "GET", waitMs = WAIT_MS): Promise<Answer> {
    let taken: Answer | null = null;
    await this.#until(
      () => {
        taken ??= this.#take(method);
        return taken !== null;
      },
      "an answer",
      waitMs,
    );
    return taken as unknown as Answer;
  }

  /** Waits until the server has left, and says how. */
  async left(waitMs = WAIT_MS): Promise<Ending> {
    await this.#until(() => this.ending !== null, "the server to close", waitMs);
    return this.ending as Ending;
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }

  #received(bytes: Uint8Array): void {
    this.receivedBytes += bytes.length;
    if (this.#keeps) this.#chunks.push(bytes);
    this.#changed();
  }

  #ended(): void {
    this.ending ??= "fin";
    if (!this.#staysOpen) this.#socket.end();
    this.#changed();
  }

  #closed(ending: Ending): void {
    this.ending ??= ending;
    this.#changed();
  }

  #flush(): void {
    for (let first = this.#unsent[0]; first !== undefined; first = this.#unsent[0]) {
      const written = this.#socket.write(first);
      if (written < first.length) {
        if (written > 0) this.#unsent[0] = first.subarray(written);
        return;
      }
      this.#unsent.shift();
    }
  }

  #bytes(): Uint8Array {
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = joined.length === 0 ? [] : [joined];
    return joined;
  }

  #take(method: string): Answer | null {
    const bytes = this.#bytes();
    const headEnd = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf("\r\n\r\n");
    if (headEnd === -1) return null;
    const head = textOf(bytes.subarray(0, headEnd));
    const [statusLine = "", ...lines] = head.split("\r\n");
    const fields = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
    );
    const status = Number(statusLine.split(" ")[1]);
    const hasBody = method !== "HEAD" && status >= 200 && status !== 204 && status !== 304;
    const start = headEnd + 4;
    const end = start + (hasBody ? Number(fields.get("content-length")) : 0);
    if (!(bytes.length >= end)) return null;
    const body = bytes.subarray(start, end);
    this.#chunks = end < bytes.length ? [bytes.subarray(end)] : [];
    return {
      status,
      head,
      fields,
      body,
      get text() {
        return textOf(body);
      },
    };
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  async #until(condition: () => boolean, what: string, waitMs: number): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        this.#watchers = this.#watchers.filter((other) => other !== watcher);
      };
      const watcher = () => {
        if (!condition()) return;
        stop();
        resolve();
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`waited ${waitMs} ms for ${what}; ${this.#summary()}`));
      }, waitMs);
      this.#watchers.push(watcher);
    });
  }

  #summary(): string {
    const how = this.ending === null ? "still open" : `left by ${this.ending}`;
    return `${this.receivedBytes} bytes came, ${how}: ${JSON.stringify(textOf(this.#bytes().subarray(0, 300)))}`;
  }
}

/** A request with its Host, `method target` and further lines ended by CRLF. */
export function request(port: number, line: string, fields = "", body = ""): string {
  return `${line} HTTP/1.1\r\nHost: localhost:${port}\r\n${fields}\r\n${body}`;
}

/** Gets a URL of plain HTTP on a connection of its own. The URL names the host, unless one of the `fields` does. */
export async function getRaw(url: string, fields = ""): Promise<Answer> {
  const { hostname, host, port, pathname, search } = new URL(url);
  const hostLine = /^host:/im.test(fields) ? "" : `Host: ${host}\r\n`;
  using client = await RawClient.connect(Number(port), { host: hostname.replace(/^\[|\]$/g, "") });
  return await client.send(`GET ${pathname}${search} HTTP/1.1\r\n${hostLine}${fields}\r\n`).answer();
}

export async function statusOf(url: string, fields = ""): Promise<number> {
  return (await getRaw(url, fields)).status;
}

/** A download of `/large.bin` that has begun and does not go on, because its client does not read. It holds its slot. */
export async function stalledDownload(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port, { onlyCount: true });
  client.send(request(port, "GET /large.bin"));
  await client.received(1);
  return client.pause();
}

/** True when no program listens there. */
export async function isRefused(port: number): Promise<boolean> {
  try {
    using _client = await RawClient.connect(port);
    return false;
  } catch {
    return true;
  }
}
