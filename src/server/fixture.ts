/**
 * What `--fixture` adds for tests: rooms below `/__server/` that tell what happened and say what shall happen. Without the flag
 * nothing of this is loaded, and not a byte of an answer differs.
 */
import type { Observer } from "../connection/observer.ts";
import type { Transport } from "../connection/transport.ts";
import { jsonAnswer, type Room } from "../handlers/reserved.ts";
import { readyRoom } from "../handlers/status.ts";
import type { Handler } from "../http/message.ts";
import { Faults, type FaultsOptions } from "./faults.ts";
import { VERSION } from "./version.ts";

export interface FixtureOptions extends FaultsOptions {
  /** Another one after each start. */
  readonly instance: string;
  readonly port: () => number;
}

export class Fixture {
  /** To be told what conversations tell. */
  readonly observers: readonly Observer[] = [];
  readonly #options: FixtureOptions;
  readonly #faults: Faults;

  constructor(options: FixtureOptions) {
    this.#options = options;
    this.#faults = new Faults(options);
  }

  /** What stands before a connection's socket, so that answers can go wrong on their way. */
  wire(transport: Transport): Transport {
    return this.#faults.wire(transport);
  }

  /** The server stops: what waits by a fault does not hold it up. */
  end(): void {
    this.#faults.pardon();
  }

  /** For `/__server/`. */
  rooms(): [name: string, room: Room][] {
    return [
      ["ready", readyRoom(this.#options)],
      ["info", this.#infoRoom()],
      ["faults", this.#faults.room()],
    ];
  }

  /** Stands between the conversations and what answers them. */
  wrap(handler: Handler): Handler {
    return this.#faults.wrap(handler);
  }

  #infoRoom(): Room {
    const { instance, port } = this.#options;
    return {
      methods: ["GET"],
      bodyBytesMax: 0,
      isOpen: false,
      hasParts: false,
      guard: null,
      respond: () => jsonAnswer(200, { pid: process.pid, version: VERSION, port: port(), instance }),
    };
  }
}
