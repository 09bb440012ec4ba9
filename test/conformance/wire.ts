/** A row over a real socket: bytes out, bytes in, until the server closes; over plain TCP or TLS. */
import type { Socket } from "bun";
import { bytesOf } from "../support/bytes.ts";
import { judge } from "./floors.ts";
import type { Row } from "./row.ts";
import { PROBE_REQUEST } from "./site.ts";

/** Milliseconds after which a connection that should have closed counts as open. */
const PATIENCE_MS = 15_000;

/** Milliseconds in which a server that has something to say about an unfinished request would have said it. */
const QUIET_MS = 60;

/** Conversations at the same time. */
const CONCURRENT_MAX = 48;

interface Address {
  readonly hostname: string;
  readonly port: number;
  /** For TLS: the certificate to trust. */
  readonly tls?: { readonly ca: string };
}

/** Runs rows over sockets, many at a time, in the order given. Each result is what differs from the row, or "". */
export class WireFloor {
  readonly #address: Address;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(address: Address) {
    this.#address = address;
  }

  async run(row: Row, raw: string, isBytewise: boolean): Promise<string> {
    if (this.#running === CONCURRENT_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      const conversation = new Conversation(row, raw, isBytewise);
      return await conversation.result(this.#address);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  /** One request, and all that comes until the server closes. */
  async ask(raw: string): Promise<string> {
    const row = {
      name: "",
      section: "",
      raw,
      answers: [],
      end: "closed",
      error: null,
      finish: true,
      isEarly: false,
      whole: true,
    } as const;
    const conversation = new Conversation(row, raw, false);
    await conversation.result(this.#address);
    return conversation.received;
  }
}

class Conversation {
  received = "";
  readonly #row: Row;
  readonly #isBytewise: boolean;
  readonly #raw: string;
  /** What is still to be written; the kernel takes as much as it wants. */
  #unsent: Uint8Array = new Uint8Array(0);
  #isSent = false;
  #isProbed = false;
  #isOver = false;
  readonly #over = Promise.withResolvers<void>();
  /** Something has come. */
  readonly #heard = Promise.withResolvers<void>();
  /** Over TLS: nothing is sent before, or Bun would take a FIN behind it for the end. */
  readonly #shaken = Promise.withResolvers<void>();

  constructor(row: Row, raw: string, isBytewise: boolean) {
    this.#row = row;
    this.#raw = raw;
    this.#isBytewise = isBytewise;
  }

  async result(address: Address): Promise<string> {
    const socket = await Bun.connect({
      ...address,
      allowHalfOpen: true,
      socket: {
        binaryType: "buffer",
        data: (from, bytes) => {
          this.received += bytes.toString("latin1");
          this.#heard.resolve();
          this.#probe(from);
        },
        drain: (to) => this.#flush(to),
        handshake: () => this.#shaken.resolve(),
        end: () => this.#finish(),
        close: () => this.#finish(),
        error: () => this.#finish(),
      },
    });
    socket.setNoDelay(true);
    try {
      if (address.tls !== undefined) await this.#shaken.promise;
      if (this.#isBytewise) {
        for (const byte of bytesOf(this.#raw)) {
          if (this.#isOver) break;
          this.#write(socket, Uint8Array.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
      } else {
        this.#write(socket, bytesOf(this.#raw));
      }
      this.#isSent = true;
      if (this.#row.finish) socket.shutdown();
      // A server that was asked to say 100 must not see bytes before it has decided, so there the probe comes later.
      else if (!this.#raw.includes("100-continue") || this.received !== "") this.#probe(socket);
      const isClosed = await this.#wait();
      return this.#judge(isClosed);
    } finally {
      socket.terminate();
    }
  }

  #judge(isClosed: boolean): string {
    if (this.#row.end === "waits") return judge(this.#row, this.received, isClosed);
    return isClosed
      ? judge(this.#row, this.received, null)
      : `the connection stays open after ${this.received.length} bytes`;
  }

  #probe(socket: Socket<undefined>): void {
    if (!this.#isSent || this.#isProbed || this.#row.finish || this.#row.end === "waits") return;
    this.#isProbed = true;
    this.#write(socket, bytesOf(PROBE_REQUEST));
  }

  #write(socket: Socket<undefined>, bytes: Uint8Array): void {
    this.#unsent = this.#unsent.length === 0 ? bytes : Buffer.concat([this.#unsent, bytes]);
    this.#flush(socket);
  }

  #flush(socket: Socket<undefined>): void {
    if (this.#unsent.length === 0) return;
    const count = socket.write(this.#unsent);
    if (count > 0) this.#unsent = this.#unsent.subarray(count);
  }

  /** True when the server has closed in time. */
  async #wait(): Promise<boolean> {
    if (this.#row.end === "waits") {
      // On a busy machine the first answer takes longer than the silence that follows it.
      if (this.#row.answers.length > 0)
        await within(Promise.race([this.#heard.promise, this.#over.promise]), PATIENCE_MS);
      await within(this.#over.promise, QUIET_MS);
    } else await within(this.#over.promise, PATIENCE_MS);
    return this.#isOver;
  }

  #finish(): void {
    this.#isOver = true;
    this.#over.resolve();
    this.#shaken.resolve();
  }
}

/** Waits for `event`, at most so long. */
async function within(event: Promise<void>, waitMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs);
  });
  await Promise.race([event, late]);
  clearTimeout(timer);
}
