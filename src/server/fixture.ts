/**
 * What `--fixture` adds for tests: rooms below `/__server/` that tell what happened and say what shall happen. Without the flag
 * nothing of this is loaded, and not a byte of an answer differs.
 */
import type { Observer } from "../connection/observer.ts";
import { jsonAnswer, type Room } from "../handlers/reserved.ts";
import { readyRoom } from "../handlers/status.ts";
import type { Handler } from "../http/message.ts";
import type { TimeSource } from "./time-source.ts";
import { VERSION } from "./version.ts";

export interface FixtureOptions {
  /** Another one after each start. */
  readonly instance: string;
  readonly time: TimeSource;
  readonly port: () => number;
  readonly isDraining: () => boolean;
}

export class Fixture {
  /** To be told what conversations tell. */
  readonly observers: readonly Observer[] = [];
  readonly #options: FixtureOptions;

  constructor(options: FixtureOptions) {
    this.#options = options;
  }

  /** For `/__server/`. */
  rooms(): [name: string, room: Room][] {
    return [
      ["ready", readyRoom(this.#options)],
      ["info", this.#infoRoom()],
    ];
  }

  /** Stands between the conversations and what answers them. */
  wrap(handler: Handler): Handler {
    return handler;
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
