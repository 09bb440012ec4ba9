/** A server behind a proxy that is nothing but sockets: it sends the bytes it is told to, well formed or not, and leaves by FIN or by reset. */
import type { Socket, TCPSocketListener } from "bun";
import { bytesOf, textOf } from "./bytes.ts";
import { until } from "./waiting.ts";

export class RawUpstream implements Disposable {
  /** In the order in which they were opened. */
  readonly connections: RawUpstreamConnection[] = [];
  readonly #listener: TCPSocketListener<RawUpstreamConnection>;

  constructor() {
    const { connections } = this;
    this.#listener = Bun.listen<RawUpstreamConnection>({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: {
        binaryType: "uint8array",
        open(socket) {
          socket.data = new RawUpstreamConnection(socket);
          connections.push(socket.data);
        },
        data({ data }, bytes) {
          data.text += textOf(bytes);
        },
        end({ data }) {
          data.hasEnded = true;
        },
        close({ data }) {
          data.hasEnded = true;
        },
        error() {},
      },
    });
  }

  get port(): number {
    return this.#listener.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves to connection `index`, from 0, when `text` has come on it. */
  async came(text: string, index = 0): Promise<RawUpstreamConnection> {
    await until(() => this.connections[index]?.text.includes(text) === true, `${text} at the upstream`);
    return this.connections[index] as RawUpstreamConnection;
  }

  [Symbol.dispose](): void {
    this.#listener.stop(true);
  }
}

class RawUpstreamConnection {
  /** Everything that has come, one character for each byte. */
  text = "";
  /** The proxy has left. */
  hasEnded = false;
  readonly #socket: Socket<RawUpstreamConnection>;

  constructor(socket: Socket<RawUpstreamConnection>) {
    this.#socket = socket;
  }

  send(text: string): this {
    this.#socket.write(bytesOf(text));
    return this;
  }

  finish(): void {
    this.#socket.shutdown();
  }

  reset(): void {
    this.#socket.terminate();
  }
}
