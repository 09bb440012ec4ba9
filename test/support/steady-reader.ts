/**
 * A client with a slow line: it asks for one file and reads it a portion at a time, again and again, so that the server always
 * has something to do for it. Its slot stays busy, where one that stops reading would lend it (docs/decisions/0005).
 */
import type { Socket } from "bun";
import { request } from "./raw-client.ts";

/** About 30 MB/s: the kernel's buffers have room again sooner than anybody loses patience. */
const PORTION_BYTES = 512 * 1024;
const PAUSE_MS = 15;

export class SteadyReader implements Disposable {
  readonly #socket: Socket;
  #timer: Timer | undefined;

  /** `path` is of a file that is long enough for as long as it shall read. */
  static async open(port: number, path: string): Promise<SteadyReader> {
    const opened = Promise.withResolvers<SteadyReader>();
    let reader: SteadyReader | null = null;
    let portion = 0;
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        binaryType: "uint8array",
        data(_, bytes) {
          if (portion === 0 && reader !== null) opened.resolve(reader);
          portion += bytes.length;
          if (portion < PORTION_BYTES) return;
          portion = 0;
          reader?.rest();
        },
        error() {},
      },
    });
    reader = new SteadyReader(socket);
    socket.write(request(port, `GET ${path}`));
    return await opened.promise;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  rest(): void {
    this.#socket.pause();
    this.#timer = setTimeout(() => this.#socket.resume(), PAUSE_MS);
  }

  /** Leaves in the middle. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#socket.terminate();
  }
}
