/** Knows the time and the rules in force, keeps the trace, and remembers the first invariant that was violated. */
import type { Clock } from "../../../src/exchange/clock.ts";
import type { Coverage } from "./coverage.ts";
import type { Settings } from "./settings.ts";

export class Referee<Rules = Settings> {
  readonly clock: Clock;
  readonly settings: Rules;
  readonly coverage: Coverage;
  /** What happened, or null: texts cost more than the events themselves, so only a replay writes them. */
  readonly trace: string[] | null;
  /** Of the first violation; "" while there is none. */
  violation = "";
  /** Each answer is its connection's last. */
  isDraining = false;
  /** Connections that were idle for SHUTDOWN_GRACE_MS were asked to shut down. */
  isInGrace = false;
  /** All were: none may be idle any more. */
  isShutDown = false;

  constructor(clock: Clock, settings: Rules, coverage: Coverage, trace: string[] | null) {
    this.clock = clock;
    this.settings = settings;
    this.coverage = coverage;
    this.trace = trace;
  }

  get nowMs(): number {
    return this.clock.nowMs;
  }

  /** `client` 0 stands for the server as a whole. */
  fail(client: number, sentence: string): void {
    this.note(client, `VIOLATED: ${sentence}`);
    if (this.violation === "") this.violation = client === 0 ? sentence : `client ${client}: ${sentence}`;
  }

  /** Whoever has to put a text together for it asks first whether there is a `trace`. */
  note(client: number, what: string): void {
    this.trace?.push(`${this.nowMs} ms  ${client === 0 ? "server" : `client ${client}`}  ${what}`);
  }
}
