/**
 * The connections to one upstream. A request that may be sent twice, here or by its sender, takes an idle connection. Any other request
 * takes a new one: an upstream may close an idle connection at the moment of its use, and the request could then not be sent again.
 *
 * The number of connections in use is bounded by the slots of the requests, that of idle ones here.
 */
import type { Clock } from "../exchange/clock.ts";
import type {
  ForwardedRequest,
  Upstream,
  UpstreamCall,
  UpstreamEvents,
  UpstreamListener,
} from "../exchange/upstream.ts";
import type { ContentFailure } from "../http/message.ts";
import { type ConnectionOwner, type Sending, UpstreamConnection } from "./upstream-connection.ts";

/** Idle connections to one upstream: more than the slots by default. */
export const IDLE_CONNECTIONS_MAX = 16;

/** Milliseconds until an idle connection is closed: less than the five seconds of Node's servers. */
export const IDLE_MS = 4000;

interface UpstreamPoolOptions {
  readonly clock: Pick<Clock, "nowMs">;
  readonly timeoutMs: number;
  /** Opens a connection that reports to `events`. */
  readonly connect: (events: UpstreamEvents) => void;
}

export class UpstreamPool implements Upstream, ConnectionOwner {
  readonly clock: Pick<Clock, "nowMs">;
  readonly timeoutMs: number;
  readonly #connect: (events: UpstreamEvents) => void;
  readonly #all = new Set<UpstreamConnection>();
  /** Idle connections; the one that was used last is at the end. */
  readonly #idle: UpstreamConnection[] = [];
  #hasEnded = false;

  constructor({ clock, timeoutMs, connect }: UpstreamPoolOptions) {
    this.clock = clock;
    this.timeoutMs = timeoutMs;
    this.#connect = connect;
  }

  call(request: ForwardedRequest, listener: UpstreamListener): UpstreamCall {
    const sending = new SentRequest(request, listener);
    const connection = request.mayRepeat || request.mayReuse ? this.#idle.pop() : undefined;
    if (connection === undefined) this.#open(sending);
    else connection.begin(sending);
    return sending;
  }

  repeat(sending: Sending): void {
    this.#open(sending);
  }

  #open(sending: Sending): void {
    const connection = new UpstreamConnection(this);
    this.#all.add(connection);
    connection.begin(sending);
    this.#connect(connection);
  }

  idle(connection: UpstreamConnection): void {
    if (this.#hasEnded || this.#idle.length >= IDLE_CONNECTIONS_MAX) connection.close();
    else this.#idle.push(connection);
  }

  gone(connection: UpstreamConnection): void {
    this.#all.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  /** Closes connections that were idle for too long, and tells the others the time. */
  tick(): void {
    for (const connection of this.#all) connection.tick();
    for (const connection of [...this.#idle]) if (connection.idleMs >= IDLE_MS) connection.close();
  }

  /** Closes idle connections, and each other one after its request. */
  end(): void {
    this.#hasEnded = true;
    for (const connection of [...this.#idle]) connection.close();
  }
}

/** One request, and the sink of its content. */
class SentRequest implements Sending, UpstreamCall {
  readonly request: ForwardedRequest;
  readonly listener: UpstreamListener;
  connection: UpstreamConnection | null = null;

  constructor(request: ForwardedRequest, listener: UpstreamListener) {
    this.request = request;
    this.listener = listener;
  }

  write(bytes: Uint8Array): boolean {
    return this.connection?.write(bytes) ?? true;
  }

  ended(): void {
    this.connection?.complete();
  }

  failed(reason: ContentFailure): void {
    this.connection?.breakOff(reason);
  }

  whenReady(resume: () => void): void {
    if (this.connection === null) queueMicrotask(resume);
    else this.connection.whenReady(resume);
  }

  hurry(ms: number): void {
    this.connection?.hurry(ms);
  }
}
