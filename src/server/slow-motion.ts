/**
 * Watches one request after the other, and tells of the times of its steps. Loaded when a live page opens its slow motion, and in the
 * place of `Observer.steps` until the last one closes it. It has no timer, and is never at work on two requests.
 */
import type { TimeSource } from "../exchange/clock.ts";
import { type Answered, Outcome, type StepName, type StepRecord, type StepWatcher } from "../exchange/observer.ts";
import type { StepsView } from "../handlers/endpoints/status.ts";
import { shownRequest } from "./thread-view.ts";

/** Milliseconds from the end of a watched request to the next one: a page plays one for longer. */
const PAUSE_MS = 1000;

/** Milliseconds after which a request that is still under way gives way to another. */
const PATIENCE_MS = 10_000;

/** Connections whose time of acceptance is kept, until their first request comes. */
const ACCEPTED_MAX = 100;

export class SlowMotion implements StepWatcher {
  readonly #time: TimeSource;
  readonly #tell: (view: StepsView) => void;
  /** Time of acceptance of connections that have had no request. */
  readonly #acceptedMs = new Map<number, number>();
  #current: Watched | null = null;
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(time: TimeSource, tell: (view: StepsView) => void) {
    this.#time = time;
    this.#tell = tell;
  }

  opened(connection: number): void {
    if (this.#acceptedMs.size >= ACCEPTED_MAX) {
      for (const oldest of this.#acceptedMs.keys()) {
        this.#acceptedMs.delete(oldest);
        break;
      }
    }
    this.#acceptedMs.set(connection, this.#time.nowMs());
  }

  arrived(connection: number, position: number, receivedMs: number): StepRecord | null {
    const nowMs = this.#time.nowMs();
    const acceptedMs = position === 1 ? this.#acceptedMs.get(connection) : undefined;
    this.#acceptedMs.delete(connection);
    if (this.#current !== null && nowMs - this.#current.startMs < PATIENCE_MS) return null;
    if (nowMs < this.#nextMs) return null;
    const current = new Watched(this.#time, acceptedMs ?? receivedMs, (answer) => this.#finished(current, answer));
    if (acceptedMs !== undefined) current.add("accept", receivedMs);
    current.add("parse", nowMs);
    this.#current = current;
    return current;
  }

  #finished(watched: Watched, answer: Answered | null): void {
    // Another request has taken its place.
    if (this.#current !== watched) return;
    this.#current = null;
    if (answer === null) return;
    this.#nextMs = this.#time.nowMs() + PAUSE_MS;
    this.#tell({
      atMs: this.#time.wallMs(),
      connection: answer.connection,
      stream: answer.stream,
      peer: answer.peer,
      protocol: answer.request?.protocol ?? null,
      request: answer.request === null ? "" : shownRequest(answer.request.head),
      status: answer.response.status,
      bytes: answer.bytes,
      slot: answer.slot,
      fault: answer.fault,
      isAborted: answer.outcome === Outcome.Aborted,
      steps: watched.steps,
    });
  }
}

/** The request that is watched. */
class Watched implements StepRecord {
  readonly startMs: number;
  readonly steps: { readonly name: StepName; readonly us: number }[] = [];
  readonly #time: TimeSource;
  readonly #over: (answer: Answered | null) => void;
  #lastMs: number;

  constructor(time: TimeSource, startMs: number, over: (answer: Answered | null) => void) {
    this.#time = time;
    this.startMs = startMs;
    this.#lastMs = startMs;
    this.#over = over;
  }

  add(name: StepName, atMs: number): void {
    this.steps.push({ name, us: Math.round((atMs - this.#lastMs) * 1000) });
    this.#lastMs = atMs;
  }

  ended(step: StepName): void {
    this.add(step, this.#time.nowMs());
  }

  finished(answer: Answered): void {
    this.ended("send");
    this.#over(answer);
  }

  dropped(): void {
    this.#over(null);
  }
}
