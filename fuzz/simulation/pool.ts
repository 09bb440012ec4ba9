/** The server's pool and exchanges, each with a second set of books: what was given, to whom, and in which order. */
import type { BodyMemory } from "../../src/connection/body-buffer.ts";
import { type Exchange, ExchangePool } from "../../src/connection/exchange.ts";
import { Pool, QUEUED, REFUSED, type Waiter } from "../../src/connection/pool.ts";
import type { HeadLimits } from "../../src/http/request-head.ts";
import type { Client } from "./client.ts";
import type { Referee } from "./referee.ts";

export interface Desk {
  readonly referee: Referee;
  clientOf(waiter: Waiter): Client;
  /** Calls `turn`, in which `client` is the one whose conversation goes on. */
  during(client: Client, turn: () => void): void;
}

/** Stands in the queue for a connection, so that the grant is seen. */
class Ticket implements Waiter {
  readonly client: Client;
  readonly waiter: Waiter;
  readonly sinceMs: number;
  readonly #granted: (ticket: Ticket, slot: number) => void;

  constructor(client: Client, waiter: Waiter, sinceMs: number, granted: (ticket: Ticket, slot: number) => void) {
    this.client = client;
    this.waiter = waiter;
    this.sinceMs = sinceMs;
    this.#granted = granted;
  }

  granted(slot: number): void {
    this.#granted(this, slot);
  }
}

export class WatchedPool extends Pool {
  readonly #desk: Desk;
  readonly #holders = new Map<number, Client>();
  #waiting: Ticket[] = [];

  constructor(size: number, queueMax: number, desk: Desk) {
    super(size, queueMax);
    this.#desk = desk;
  }

  get held(): number {
    return this.#holders.size;
  }

  get waiting(): readonly Ticket[] {
    return this.#waiting;
  }

  isWaiting(client: Client): boolean {
    return this.#waiting.some((ticket) => ticket.client === client);
  }

  override acquire(waiter: Waiter): number {
    const { referee } = this.#desk;
    const client = this.#desk.clientOf(waiter);
    const ticket = new Ticket(client, waiter, referee.nowMs, (granted, slot) => this.#grant(granted, slot));
    const { size, queueMax } = this;
    const isFull = this.#waiting.length >= queueMax;
    const isBusy = this.held === size || this.#waiting.length > 0;
    if (client.slot !== 0) referee.fail(client.id, "asks for a second slot");
    if (this.isWaiting(client)) referee.fail(client.id, "waits twice");
    const slot = super.acquire(ticket);
    if (slot === REFUSED) {
      referee.coverage.count("pool: refused");
      if (!isFull || !isBusy) referee.fail(client.id, "refused although there is room");
      client.wasRefused = true;
    } else if (slot === QUEUED) {
      referee.coverage.count("pool: queued");
      if (!isBusy) referee.fail(client.id, "waits although a slot is free");
      if (isFull) referee.fail(client.id, "the queue is longer than its bound");
      this.#waiting.push(ticket);
    } else {
      if (this.#waiting.length > 0) referee.fail(client.id, "overtakes those who wait");
      this.#hand(client, slot);
    }
    return slot;
  }

  #grant(ticket: Ticket, slot: number): void {
    const { referee } = this.#desk;
    referee.coverage.count("pool: granted after a wait");
    if (this.#waiting[0] !== ticket) referee.fail(ticket.client.id, "a slot is granted out of turn");
    this.#waiting = this.#waiting.filter((other) => other !== ticket);
    this.#hand(ticket.client, slot);
    this.#desk.during(ticket.client, () => ticket.waiter.granted(slot));
  }

  #hand(client: Client, slot: number): void {
    const { referee } = this.#desk;
    if (!Number.isInteger(slot) || slot < 1 || slot > this.size) referee.fail(client.id, `slot ${slot} does not exist`);
    if (this.#holders.has(slot)) referee.fail(client.id, `slot ${slot} is given twice`);
    this.#holders.set(slot, client);
    client.slot = slot;
    if (this.held === this.size) referee.coverage.count("pool: saturated");
    if (referee.trace) referee.note(client.id, `has slot ${slot}`);
  }

  override release(slot: number): void {
    const { referee } = this.#desk;
    const client = this.#holders.get(slot);
    if (client === undefined) referee.fail(0, `slot ${slot} is returned by nobody who has it`);
    else {
      if (referee.trace) referee.note(client.id, `returns slot ${slot}`);
      this.#holders.delete(slot);
      client.slotReturned();
    }
    super.release(slot);
  }

  override cancel(waiter: Waiter): boolean {
    const ticket = this.#waiting.find((waiting) => waiting.waiter === waiter);
    if (ticket === undefined) return false;
    this.#waiting = this.#waiting.filter((other) => other !== ticket);
    this.#desk.referee.coverage.count("pool: left the queue");
    return super.cancel(ticket);
  }
}

export class WatchedExchanges extends ExchangePool {
  readonly #referee: Referee;
  readonly #taken = new Set<Exchange>();

  constructor(headLimits: HeadLimits, memory: BodyMemory, referee: Referee) {
    super(headLimits, memory);
    this.#referee = referee;
  }

  /** Exchanges in use. */
  get taken(): number {
    return this.#taken.size;
  }

  override take(): Exchange {
    const exchange = super.take();
    if (this.#taken.has(exchange)) this.#referee.fail(0, "an exchange is given to two connections");
    this.#taken.add(exchange);
    return exchange;
  }

  override give(exchange: Exchange): void {
    if (!this.#taken.delete(exchange)) this.#referee.fail(0, "an exchange is returned twice");
    super.give(exchange);
  }
}
