/** Turns the events of connections into log lines. */
import { type Answered, type CloseReason, type Observer, Outcome } from "../exchange/observer.ts";
import type { Pool } from "../exchange/pool.ts";
import { escapeQuoted } from "../http/escape.ts";
import { Field } from "../http/field.ts";
import { violationOf } from "../http/parse-error.ts";
import type { ServerLog } from "./access-log.ts";

/** Milliseconds between two lines of pool status. */
const POOL_STATUS_MS = 30_000;

/**
 * Refusals that get a line of their own, a second. The rest of a flood is counted, or the log would cost more than all
 * else.
 */
const REFUSALS_TOLD_PER_SECOND = 10;

/** Failures of ours, which have a stack, that get a line of their own, a second. */
const FAILURES_TOLD_PER_SECOND = 5;

export class Reporter implements Observer {
  readonly wantsAnswers: boolean;
  readonly #narrates: boolean;
  readonly #log: ServerLog;
  readonly #wallMs: () => number;
  #lastPool = "";
  #lastPoolMs = Number.NEGATIVE_INFINITY;
  #second = 0;
  #told = 0;
  #failuresTold = 0;
  #untold = 0;

  /** `wallMs` is the coarse clock. */
  constructor(log: ServerLog, wallMs: () => number) {
    this.#log = log;
    this.#wallMs = wallMs;
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

  /** Has a budget of its own: a flood of refusals must not hide our own failures. */
  failed(connection: number, error: unknown): void {
    this.#newSecond();
    if (this.#failuresTold < FAILURES_TOLD_PER_SECOND) {
      this.#failuresTold++;
      this.#log.error(`failure on connection ${connection}`, error);
    } else this.#untold++;
  }

  /** Once a tick: logs the pool's status every 30 s while it changes, and the counts of a flood. */
  tick(pool: Pool, nowMs: number): void {
    this.#newSecond();
    const status = `Thread pool status: ${pool.active}/${pool.size} active, ${pool.queued} queued`;
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
    if (this.#told < REFUSALS_TOLD_PER_SECOND) {
      this.#told++;
      return true;
    }
    this.#untold++;
    return false;
  }

  #newSecond(): void {
    const second = Math.floor(this.#wallMs() / 1000);
    if (second === this.#second) return;
    this.#second = second;
    this.#told = 0;
    this.#failuresTold = 0;
    if (this.#untold === 0) return;
    this.#log.warn(`${this.#untold} more lines like these in the last second`);
    this.#untold = 0;
  }
}
