/** The faults of one server: which requests get one, and the wires on which they happen. */
import type { Connection } from "../connection/connection.ts";
import { FaultyWire, type WireTime } from "../connection/faulty-wire.ts";
import type { Transport } from "../connection/transport.ts";
import { FaultRules } from "../handlers/fault-rules.ts";
import { FaultyHandler } from "../handlers/faulty.ts";
import { parseFaultRule } from "../http/fault.ts";
import type { Handler } from "../http/message.ts";
import type { Options } from "../options.ts";
import { rightsOf } from "./fixture-guard.ts";
import type { TimeSource } from "./time-source.ts";

export interface FaultsOptions {
  readonly settings: Options;
  readonly time: TimeSource;
  /** To be called before a conversation goes on, so that it sees the time. */
  readonly moveClock: () => void;
  /** Those that are open. */
  readonly connections: ReadonlySet<Connection>;
  readonly isDraining: () => boolean;
}

export class Faults {
  readonly rules = new FaultRules();
  readonly #options: FaultsOptions;
  readonly #wireTime: WireTime;

  constructor(options: FaultsOptions) {
    const { settings, time, moveClock } = options;
    this.#options = options;
    for (const text of settings.faults) {
      const rule = parseFaultRule(text);
      if (typeof rule === "string") throw new Error(`a rule that nobody has checked: ${rule}`);
      this.rules.add(rule);
    }
    this.#wireTime = {
      nowMs: () => time.nowMs(),
      after: (ms, call) =>
        time.after(ms, () => {
          moveClock();
          call();
        }),
    };
  }

  /** What stands between the conversations and what answers them. */
  wrap(handler: Handler): Handler {
    return new FaultyHandler(handler, this.rules, rightsOf(this.#options.settings), this.#options.isDraining);
  }

  /** What stands between a conversation and its socket. */
  wire(transport: Transport): Transport {
    return new FaultyWire(transport, this.#wireTime);
  }

  /**
   * No fault under way: answers that wait go out whole, and those that are cut or hang are cut off by RST. Not within a
   * connection's turn, because it takes one of each.
   */
  pardon(): void {
    this.#options.moveClock();
    const connections = [...this.#options.connections];
    // First all of these: one that is released gives its slot to another that waits.
    for (const connection of connections) connection.pardon();
    for (const connection of connections) connection.release();
  }
}
