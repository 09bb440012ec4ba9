/** What a fixture server remembers of connections: those that are open, and the last ones that closed, with the reason. */
import type { Connection, ConnectionState } from "../connection/connection.ts";
import { type CloseReason, Onlooker } from "../connection/observer.ts";
import type { TimeSource } from "./time-source.ts";

export interface OpenConnection {
  readonly connection: number;
  readonly peer: string;
  /** Milliseconds since 1970. */
  readonly openedMs: number;
  /** Requests whose head was complete, those for the server's own rooms among them. */
  readonly served: number;
  readonly state: ConnectionState;
}

export interface ClosedConnection extends Omit<OpenConnection, "state"> {
  readonly closedMs: number;
  /** `client`: the peer ended it. */
  readonly reason: CloseReason;
}

const CLOSED_MAX = 100;

export class ConnectionLog extends Onlooker {
  readonly #time: TimeSource;
  readonly #connections: ReadonlySet<Connection>;
  readonly #opened = new Map<number, { readonly peer: string; readonly openedMs: number }>();
  #closed: ClosedConnection[] = [];

  /** `connections`: those that are open. */
  constructor(time: TimeSource, connections: ReadonlySet<Connection>) {
    super();
    this.#time = time;
    this.#connections = connections;
  }

  open(): OpenConnection[] {
    return Array.from(this.#connections, ({ id, peer, served, state }) => {
      const openedMs = this.#opened.get(id)?.openedMs ?? 0;
      return { connection: id, peer, openedMs, served, state };
    });
  }

  /** The last ones, the newest last. */
  recentlyClosed(): ClosedConnection[] {
    return this.#closed.slice();
  }

  /** Forgets those that closed. */
  clear(): void {
    this.#closed = [];
  }

  override opened(connection: number, peer: string): void {
    this.#opened.set(connection, { peer, openedMs: this.#time.wallMs() });
  }

  override closed(connection: number, _slot: number, served: number, reason: CloseReason): void {
    const opened = this.#opened.get(connection);
    if (opened === undefined) return;
    this.#opened.delete(connection);
    this.#closed.push({ connection, ...opened, served, closedMs: this.#time.wallMs(), reason });
    if (this.#closed.length > CLOSED_MAX) this.#closed.shift();
  }
}
