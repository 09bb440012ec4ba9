/**
 * Every row of outcome.ts over sockets, plain and with TLS, whole and byte by byte. Listener, door and connection are those of
 * the product; the handler is that of the rows.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import * as tls from "node:tls";
import { directPeer } from "../../src/exchange/peer.ts";
import { Http1Connection } from "../../src/http1/connection.ts";
import { Http2Connection } from "../../src/http2/connection.ts";
import { Door, Doors } from "../../src/server/door.ts";
import { type Acceptor, listen } from "../../src/server/listen.ts";
import { Tls } from "../../src/server/tls.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { type FakeHttp2Server, FrameLog, PREFACE, ping } from "../support/http2.ts";
import { until } from "../support/waiting.ts";
import { type ConversationRow, THEN } from "./conversation-rows.ts";
import { allRows, makeRowServer, outcomeOf } from "./outcome.ts";

/** Rows up to this length are also sent byte by byte. */
const BYTEWISE_LENGTH_MAX = 120;

/** Conversations at the same time. */
const CONCURRENT_MAX = 32;

/** A connection of the server, by the port of its client. */
interface Served {
  readonly server: FakeHttp2Server;
  readonly connection: Http2Connection;
}

const served = new Map<number, Served>();

const acceptor: Acceptor = {
  clock: { move() {} },
  closed() {},
  failedHandshake: () => null,
  accepted(transport, address, port = 0) {
    const server = makeRowServer();
    Object.assign(server.http2, { defer: (sleeper: { resumed(): void }) => setImmediate(() => sleeper.resumed()) });
    const peer = directPeer(address, port, false);
    const doors = new Doors({
      load: async () => (to, id, from) => {
        const connection = new Http2Connection(server.http2, to, id, from);
        served.set(port, { server, connection });
        return connection;
      },
      replaced() {},
      lost() {},
      failed: (_id, error) => server.observer.failures.push(error),
    });
    return new Door(doors, transport, transport, new Http1Connection(server.context, transport, 1, peer), peer);
  },
};

const secureSettings = {
  host: "127.0.0.1",
  tlsCert: "",
  tlsKey: "",
  tlsPassphraseFile: "",
  tlsSelfSigned: true,
  http2: true,
} as const;
const plain = listen("127.0.0.1", 0, "--port", acceptor, null);
const secure = listen("127.0.0.1", 0, "--port", acceptor, await Tls.load(secureSettings, "", () => {}));
afterAll(() => {
  plain.stop();
  secure.stop();
});

/** A client on a socket. */
class Client {
  readonly log = new FrameLog();
  /** A rule that the server has broken, or null. */
  broken: unknown = null;
  isEnded = false;
  readonly #socket: Socket;
  /** A socket that is closed has none. */
  readonly #port: number;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#port = socket.localPort as number;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Uint8Array) => {
      try {
        this.log.take(textOf(bytes));
      } catch (error) {
        this.broken = error;
      }
    });
    socket.on("end", () => {
      this.isEnded = true;
    });
    socket.on("error", () => {});
  }

  static async connect(isSecure: boolean): Promise<Client> {
    const socket = isSecure
      ? tls.connect({ host: "127.0.0.1", port: secure.port, rejectUnauthorized: false, ALPNProtocols: ["h2"] })
      : connect({ host: "127.0.0.1", port: plain.port });
    await new Promise((resolve, reject) =>
      socket.once(isSecure ? "secureConnect" : "connect", resolve).once("error", reject),
    );
    return new Client(socket);
  }

  get served(): Served {
    return served.get(this.#port) as Served;
  }

  send(text: string): void {
    this.#socket.write(bytesOf(text));
  }

  /** Waits until the server has answered a PING, and with it all that came before, or has ended. */
  async settle(): Promise<void> {
    // The answer to a PING goes before responses of its turn, so a second one is answered after them.
    for (let times = 0; times < 2; times++) {
      const before = this.log.pings.length;
      this.send(ping("are you?"));
      const isSettled = () => this.broken !== null || this.isEnded || this.log.pings.length > before;
      await until(isSettled, "the answer to a PING");
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Returns the outcome of a row, or the rule that the server has broken. */
async function converse(row: ConversationRow, isSecure: boolean, isBytewise: boolean): Promise<string> {
  using client = await Client.connect(isSecure);
  const parts = row.bytes.split(THEN);
  for (const [index, part] of parts.entries()) {
    if (index > 0) await client.settle();
    for (const piece of isBytewise ? part : [part]) client.send(piece);
  }
  await client.settle();
  if (client.broken !== null) return String(client.broken);
  const { server, connection } = client.served;
  const [end] = client.log.goAways;
  const outcome = outcomeOf(client.log, connection, end === undefined ? "open" : `GOAWAY ${end.code}`);
  return server.observer.failures.length === 0 ? outcome : `failed: ${String(server.observer.failures[0])}`;
}

/** On a plain port, other bytes than the preface are a request of HTTP/1 (test/server/door.test.ts). */
const ofHttp2 = allRows.filter(({ bytes }) => bytes.startsWith(PREFACE));
const short = ofHttp2.filter(({ bytes }) => bytes.length <= BYTEWISE_LENGTH_MAX);

describe("a socket, row by row", () => run(ofHttp2, false, false));
describe("a socket, byte by byte", () => run(short, false, true));
describe("a socket with TLS, row by row", () => run(allRows, true, false));
describe("a socket with TLS, byte by byte", () => run(short, true, true));

/** Many are on their way before the first is looked at. */
function run(rows: readonly ConversationRow[], isSecure: boolean, isBytewise: boolean): void {
  const results: Promise<string>[] = [];
  for (const [index, row] of rows.entries()) {
    const before = index < CONCURRENT_MAX ? Promise.resolve("") : (results[index - CONCURRENT_MAX] as Promise<string>);
    results.push(before.catch(() => "").then(() => converse(row, isSecure, isBytewise)));
  }
  for (const result of results) result.catch(() => {});
  for (const [index, row] of rows.entries()) {
    test(`${row.section}: ${row.name}`, async () => expect(await results[index]).toBe(row.outcome));
  }
}
