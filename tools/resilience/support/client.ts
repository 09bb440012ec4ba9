/**
 * A client that never tries twice: one socket, requests as bytes, and for each the truth about what became of it as a value.
 * So a loop that breaks servers can tell an answer from a connection that was refused, closed or reset, and can say whether
 * all of a request had been handed to the kernel before.
 */
import type { Socket } from "bun";

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  /** All of it, or empty where a sink took it. */
  readonly body: Uint8Array;
  /** The server will close behind it (RFC 9112 §9.6). */
  readonly isLast: boolean;
}

/**
 * What came in place of an answer. fin: the server closed in order; reset: it cut; late: nothing for `waitMs`; garbled: what
 * came is no answer that Content-Length frames.
 */
export type Ending = "fin" | "reset" | "late" | "garbled";

/** Takes a body piece by piece. */
type Sink = (bytes: Uint8Array) => void;

interface AnswerOptions {
  /** HEAD has no body. */
  readonly method?: string;
  readonly sink?: Sink;
  /** Longest silence, ms. */
  readonly waitMs?: number;
}

/** Longest silence before a client gives up, ms. */
const WAIT_MS = 10_000;

/** Bytes of a head; the server's own are a few hundred. */
const HEAD_BYTES_MAX = 16_384;

const EMPTY = new Uint8Array(0);

export class Client implements Disposable {
  /** How the server left, or null. */
  ending: "fin" | "reset" | null = null;
  /** Bytes of the current answer that came: 0 tells "no answer" from "a part of one". */
  begunBytes = 0;
  readonly #socket: Socket<Client | null>;
  #chunks: Uint8Array[] = [];
  #unsent: Uint8Array = EMPTY;
  #wake: () => void = () => {};
  #wakeWriter: () => void = () => {};

  /** Null when the connection was refused. */
  static async connect(port: number): Promise<Client | null> {
    let socket: Socket<Client | null>;
    // What comes before the connect's promise is heard belongs to the client too.
    const early: Client[] = [];
    try {
      socket = await Bun.connect<Client | null>({
        hostname: "127.0.0.1",
        port,
        allowHalfOpen: true,
        data: null,
        socket: {
          binaryType: "uint8array",
          open(opened) {
            opened.data = new Client(opened);
            early.push(opened.data);
          },
          data({ data }, bytes) {
            if (data !== null) data.#received(bytes);
          },
          drain({ data }) {
            if (data !== null) data.#flush();
          },
          end({ data }) {
            if (data !== null) data.#left("fin");
          },
          // After our own FIN the server's is told by `close` alone, without an error.
          close({ data }, error) {
            if (data !== null) data.#left(error === undefined ? "fin" : "reset");
          },
          error() {},
        },
      });
    } catch {
      return null;
    }
    const client = early[0] ?? new Client(socket);
    // Where nobody listens on it any more, the kernel may give us the very port we connect to, and us ourselves as the peer.
    if (socket.localPort === port) {
      client[Symbol.dispose]();
      return null;
    }
    return client;
  }

  private constructor(socket: Socket<Client | null>) {
    this.#socket = socket;
  }

  /** Resolves with true when the kernel has taken all of it, with false when the connection ended before. One at a time. */
  async send(content: string | Uint8Array): Promise<boolean> {
    this.#unsent = typeof content === "string" ? Buffer.from(content, "latin1") : content;
    this.#flush();
    while (this.#unsent.length > 0) {
      if (this.ending !== null) return false;
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
    return true;
  }

  /** Takes the next answer. What is behind it stays for the next call. */
  async answer(options: AnswerOptions = {}): Promise<Answer | Ending> {
    const { method = "GET", sink, waitMs = WAIT_MS } = options;
    this.begunBytes = this.#waitingBytes();
    let head: Head | null = null;
    for (;;) {
      head = this.#takeHead();
      if (head !== null || this.ending !== null) break;
      if (this.#waitingBytes() > HEAD_BYTES_MAX) return "garbled";
      if (!(await this.#more(waitMs))) return "late";
    }
    if (head === null) return this.ending ?? "garbled";
    if (!head.isFramed) return "garbled";
    const length = method === "HEAD" || head.status === 204 || head.status === 304 ? 0 : head.contentLength;
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const bytes = this.#chunks.shift();
      if (bytes === undefined) {
        if (this.ending !== null) return this.ending;
        if (!(await this.#more(waitMs))) return "late";
        continue;
      }
      const part = bytes.length > left ? bytes.subarray(0, left) : bytes;
      if (bytes.length > left) this.#chunks.unshift(bytes.subarray(left));
      left -= part.length;
      if (sink === undefined) parts.push(part);
      else sink(part);
    }
    const body = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    return { status: head.status, fields: head.fields, body, isLast: head.isLast };
  }

  /** Waits until the server has left. */
  async left(waitMs = WAIT_MS): Promise<"fin" | "reset" | "late"> {
    while (this.ending === null) if (!(await this.#more(waitMs))) return "late";
    return this.ending;
  }

  /** Stops and restarts reading, so that the server feels a slow reader. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** FIN, in order. */
  end(): void {
    this.#socket.end();
  }

  /** RST, whatever is on its way. */
  reset(): void {
    this.#socket.terminate();
  }

  [Symbol.dispose](): void {
    this.reset();
  }

  #waitingBytes(): number {
    return this.#chunks.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  #takeHead(): Head | null {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    const [bytes] = this.#chunks;
    if (bytes === undefined) return null;
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const end = view.indexOf("\r\n\r\n");
    if (end === -1) return null;
    this.#chunks = end + 4 < bytes.length ? [bytes.subarray(end + 4)] : [];
    return readHead(view.toString("latin1", 0, end));
  }

  /** False when nothing happened for `waitMs`. */
  async #more(waitMs: number): Promise<boolean> {
    return await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), waitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  #received(bytes: Uint8Array): void {
    this.begunBytes += bytes.length;
    this.#chunks.push(bytes);
    this.#wake();
  }

  #left(ending: "fin" | "reset"): void {
    if (this.ending === null && ending === "fin") this.#socket.end();
    this.ending ??= ending;
    this.#wake();
    this.#wakeWriter();
  }

  #flush(): void {
    if (this.#unsent.length === 0) return;
    const written = this.#socket.write(this.#unsent);
    if (written < 0) this.#left("reset");
    else this.#unsent = this.#unsent.subarray(written);
    if (this.#unsent.length === 0) this.#wakeWriter();
  }
}

interface Head {
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly contentLength: number;
  readonly isFramed: boolean;
  readonly isLast: boolean;
}

function readHead(text: string): Head {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const fields = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1] ?? Number.NaN);
  const isBodiless = status === 204 || status === 304;
  const contentLength = isBodiless ? 0 : Number(fields.get("content-length") ?? Number.NaN);
  return {
    status,
    fields,
    contentLength,
    isFramed: status >= 200 && contentLength >= 0,
    isLast: fields.get("connection")?.toLowerCase() === "close",
  };
}

/** A request with its Host: `line` is method and target, `fields` are lines ended by CRLF. */
export function request(port: number, line: string, fields = ""): string {
  return `${line} HTTP/1.1\r\nHost: localhost:${port}\r\n${fields}\r\n`;
}
