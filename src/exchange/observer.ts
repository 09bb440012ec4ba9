/** The events of a connection, for logs, journal and metrics. Calls are synchronous, must not throw, and must not keep the request. */
import type { FaultKind } from "../http/fault.ts";
import { Fields } from "../http/fields.ts";
import { type HostVerdict, type Request, type Response, response } from "../http/message.ts";

/** End of a response. */
export enum Outcome {
  /** All accepted; the connection persists. */
  KeptAlive = 0,
  /** All accepted; the connection closes. */
  Closed = 1,
  /** The peer left or stalled, or the content ended early: the response is short. */
  Aborted = 2,
}

/** Reason why a connection ended: `client` is the peer's own doing, the others are ours. */
export type CloseReason =
  | "client"
  | "client asked"
  | "last request"
  | "last answer"
  | "idle timeout"
  | "handshake timeout"
  | "send timeout"
  | "short content"
  | "no slot to go on"
  | "no memory to go on"
  | "protocol error"
  | "flood"
  | "shutdown"
  | "fault"
  | "own failure";

/** Report of one response. The exchange fills in the same object for each, so an observer must not keep it. */
export interface Answered {
  connection: number;
  /** Number of the stream; 0 in HTTP/1. */
  stream: number;
  peer: string;
  /** Place of the request on its connection, from 1. */
  position: number;
  /** Null when nothing of a head has come. */
  request: Request | null;
  /** False: `request.head` has no more than the first bytes of the head. */
  isHeadComplete: boolean;
  response: Response;
  /** Outcome of the Host check. */
  host: HostVerdict;
  /** Rule of the wire that the request breaks, a ParseError, or 0. */
  violation: number;
  /** 0 for refusals. */
  slot: number;
  /** Milliseconds in the queue. */
  queuedMs: number;
  /** Content accepted by the kernel. */
  bytes: number;
  /** Milliseconds from the complete head. */
  durationMs: number;
  outcome: Outcome;
  /** Reason why the connection closes with this response; null when it persists. */
  closing: CloseReason | null;
  /** Fault that a test ordered for the response, or null. */
  fault: FaultKind | null;
}

/** Makes an empty report for a `Context`. */
export function newAnswered(): Answered {
  return {
    connection: 0,
    stream: 0,
    peer: "",
    position: 0,
    request: null,
    isHeadComplete: false,
    response: NOTHING,
    host: "-",
    violation: 0,
    slot: 0,
    queuedMs: 0,
    bytes: 0,
    durationMs: 0,
    outcome: Outcome.KeptAlive,
    closing: null,
    fault: null,
  };
}

const NOTHING = response(0, Fields.of([]), null, "");

/** Steps in the order in which they end. `content` is there for a request whose content is complete before its handler works. */
export type StepName = "accept" | "parse" | "admit" | "content" | "slot" | "handler" | "send";

/**
 * Takes the times of the steps of one request, for a person who watches it in slow motion. While there is no watcher, each step costs one
 * comparison with null.
 */
export interface StepWatcher {
  /** A connection was accepted. */
  opened(connection: number): void;
  /** Returns the record of a request whose head is complete now, and whose last bytes came at `receivedMs`; null if it is not watched. */
  arrived(connection: number, position: number, receivedMs: number): StepRecord | null;
}

export interface StepRecord {
  /** Notes that the step has ended now. */
  ended(step: StepName): void;
  /** Notes that the response has ended. */
  finished(answer: Answered): void;
  /** Forgets a request that no observer is told of. */
  dropped(): void;
}

export interface Observer {
  /** If false, `answered` need not be called. */
  readonly wantsAnswers: boolean;
  /** Takes the times of the steps of a request; null while no person watches. */
  steps: StepWatcher | null;
  opened(connection: number, peer: string): void;
  /** Called after `served` requests; `slot` is the one that the connection still has. */
  closed(connection: number, slot: number, served: number, reason: CloseReason): void;
  /** Called when a response has ended. */
  answered(answer: Answered): void;
  /** Reports a security event as a sentence. Wire bytes in it are escaped. */
  incident(connection: number, peer: string, sentence: string): void;
  /** Called when all slots are busy and the request waits. */
  queued(connection: number): void;
  /** Called when a waiting request has got `slot` after `waitedMs`. */
  dequeued(connection: number, slot: number, waitedMs: number): void;
  /** Called when a request is answered 503, because pool and queue were full or the wait was too long. */
  turnedAway(connection: number, reason: "queue full" | "queue timeout"): void;
  /** Called after a failure of ours: an assertion, or an exception of a handler. */
  failed(connection: number, error: unknown): void;
}

/** An observer that ignores every event. Extend it and override the events you need. */
export class BaseObserver implements Observer {
  steps: StepWatcher | null = null;

  get wantsAnswers(): boolean {
    return false;
  }

  opened(_connection: number, _peer: string): void {}

  closed(_connection: number, _slot: number, _served: number, _reason: CloseReason): void {}

  answered(_answer: Answered): void {}

  incident(_connection: number, _peer: string, _sentence: string): void {}

  queued(_connection: number): void {}

  dequeued(_connection: number, _slot: number, _waitedMs: number): void {}

  turnedAway(_connection: number, _reason: "queue full" | "queue timeout"): void {}

  failed(_connection: number, _error: unknown): void {}
}

/** Passes each event on to several observers. */
export class Observers implements Observer {
  steps: StepWatcher | null = null;
  readonly wantsAnswers: boolean;
  readonly #all: readonly Observer[];

  constructor(all: readonly Observer[]) {
    this.#all = all;
    this.wantsAnswers = all.some((observer) => observer.wantsAnswers);
  }

  opened(connection: number, peer: string): void {
    this.steps?.opened(connection);
    for (const observer of this.#all) observer.opened(connection, peer);
  }

  closed(connection: number, slot: number, served: number, reason: CloseReason): void {
    for (const observer of this.#all) observer.closed(connection, slot, served, reason);
  }

  answered(answer: Answered): void {
    for (const observer of this.#all) if (observer.wantsAnswers) observer.answered(answer);
  }

  incident(connection: number, peer: string, sentence: string): void {
    for (const observer of this.#all) observer.incident(connection, peer, sentence);
  }

  queued(connection: number): void {
    for (const observer of this.#all) observer.queued(connection);
  }

  dequeued(connection: number, slot: number, waitedMs: number): void {
    for (const observer of this.#all) observer.dequeued(connection, slot, waitedMs);
  }

  turnedAway(connection: number, reason: "queue full" | "queue timeout"): void {
    for (const observer of this.#all) observer.turnedAway(connection, reason);
  }

  failed(connection: number, error: unknown): void {
    for (const observer of this.#all) observer.failed(connection, error);
  }
}
