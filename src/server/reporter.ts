/** Turns the events of connections into log lines. */
import { type Answered, type CloseReason, type Observer, Outcome, type StepWatcher } from "../exchange/observer.ts";
import type { Pool } from "../exchange/pool.ts";
import { escapeQuoted } from "../http/escape.ts";
import { Field } from "../http/field.ts";
import { violationOf } from "../http/parse-error.ts";
import type { ServerLog } from "./access-log.ts";
import { LineBudget } from "./line-budget.ts";

/** Milliseconds between two lines of pool status. */
const POOL_STATUS_MS = 30_000;

export class Reporter implements Observer {
  steps: StepWatcher | null = null;
  readonly wantsAnswers: boolean;
  readonly #narrates: boolean;
  readonly #log: ServerLog;
  readonly #wallMs: () => number;
  #lastPool = "";
  #lastPoolMs = Number.NEGATIVE_INFINITY;
  readonly #budget: LineBudget;

  /** `wallMs` is the coarse clock. */
  constructor(log: ServerLog, wallMs: () => number, budget: LineBudget = new LineBudget()) {
    this.#log = log;
    this.#wallMs = wallMs;
    this.#budget = budget;
    this.wantsAnswers = log.access !== null;
    this.#narrates = log.detail !== null;
  }

  opened(connection: number, peer: string): void {
    if (this.#narrates) this.step(connection, 0, `Connection from ${peer}`);
  }

  closed(connection: number, slot: number, served: number, reason: CloseReason): void {
    if (this.#narrates) this.step(connection, slot, `Connection closed after ${served} requests (${reason})`);
  }

  answered(answer: Answered): void {
    if (this.#narrates) this.#narrate(answer);
    const { request, response, outcome } = answer;
    this.#log.access?.({
      wallMs: this.#wallMs(),
      slot: answer.slot,
      peer: answer.peer,
      requestLine: request === null ? "" : request.head.requestLine,
      protocol: request === null ? null : request.protocol,
      stream: answer.stream,
      host: answer.host,
      status: response.status,
      bytes: answer.bytes,
      transfer: outcome === Outcome.Aborted ? `${response.kind}-aborted` : response.kind,
      durationMs: answer.durationMs,
      persistent: outcome === Outcome.KeptAlive,
      referer: request === null ? null : request.head.value(Field.Referer),
      userAgent: request === null ? null : request.head.value(Field.UserAgent),
      fault: answer.fault,
      stub: response.stub ?? null,
    });
  }

  incident(connection: number, peer: string, sentence: string): void {
    if (this.#mayTell()) this.#log.warn(`Security: ${sentence} (connection ${connection}, ${peer})`);
  }

  step(connection: number, slot: number, sentence: string): void {
    this.#log.detail?.(`${slot === 0 ? "[-]" : `[Thread-${slot}]`} #${connection} ${sentence}`);
  }

  queued(_connection: number): void {
    if (this.#mayTell()) this.#log.warn("Thread pool saturated, queuing request");
  }

  dequeued(_connection: number, slot: number, waitedMs: number): void {
    if (this.#mayTell())
      this.#log.info(`Request dequeued, assigned to Thread-${slot} after ${Math.round(waitedMs)} ms`);
  }

  turnedAway(connection: number, reason: "queue full" | "queue timeout"): void {
    if (this.#mayTell())
      this.#log.warn(`Thread pool saturated (${reason}), request of connection ${connection} refused with 503`);
  }

  failed(connection: number, error: unknown): void {
    this.#newSecond();
    if (this.#budget.mayTellFailure()) this.#log.error(`failure on connection ${connection}`, error);
  }

  /** Once a tick: logs the pool's status every 30 s while it changes, and the counts of a flood. Without a pool, the counts alone. */
  tick(pool: Pool | null, nowMs: number): void {
    this.#newSecond();
    if (pool === null) return;
    const status = `Thread pool status: ${pool.active}/${pool.size} active, ${pool.queuedInAll} queued`;
    if (status === this.#lastPool || nowMs - this.#lastPoolMs < POOL_STATUS_MS) return;
    const isFirst = this.#lastPool === "";
    this.#lastPool = status;
    this.#lastPoolMs = nowMs;
    if (!isFirst) this.#log.info(status);
  }

  /** The seeds' step-by-step lines. */
  #narrate({ connection, peer, request, response, host, violation, slot, bytes, outcome }: Answered): void {
    if (request !== null) {
      const { relay, head } = request;
      if (relay !== null) this.step(connection, slot, `Client: ${peer}, as the proxy ${relay.address} says`);
      this.step(connection, slot, `Request: ${escapeQuoted(head.requestLine)}`);
      this.step(connection, slot, `Host validation: ${relay?.host ?? head.value(Field.Host) ?? "(none)"} ${host}`);
    }
    const broken = violationOf(violation);
    if (broken !== null) {
      this.step(connection, slot, `Refused: ${broken.rule}, ${broken.section} (would allow: ${broken.attack})`);
    }
    this.step(connection, slot, `Sending ${response.kind}: ${bytes} bytes`);
    this.step(connection, slot, `Response: ${response.status}`);
    this.step(connection, slot, `Connection: ${outcome === Outcome.KeptAlive ? "keep-alive" : "close"}`);
  }

  #mayTell(): boolean {
    this.#newSecond();
    return this.#budget.mayTellRefusal();
  }

  #newSecond(): void {
    const untold = this.#budget.begin(this.#wallMs());
    if (untold > 0) this.#log.warn(`${untold} more lines like these in the last second`);
  }
}
