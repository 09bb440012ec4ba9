/** The server's pool and exchanges, each with a second set of books: what was given, to whom, and in which order. */
import type { ContentMemory } from "../../../src/exchange/content-buffer.ts";
import { LocalPool } from "../../../src/exchange/local-pool.ts";
import type { Peer } from "../../../src/exchange/peer.ts";
import { QUEUED, REFUSED, type Sender, type Waiter } from "../../../src/exchange/pool.ts";
import { RequestPool, type RequestReader } from "../../../src/http1/request.ts";
import type { HeadLimits } from "../../../src/http1/request-head.ts";
import type { Client } from "./client.ts";
import type { Referee } from "./referee.ts";

export interface Desk {
  readonly referee: Referee;
  /** The one whose conversation goes on right now. */
  readonly speaking: Client | null;
  clientOf(party: Waiter | Sender): Client;
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

/** Stands for a connection that may lend its slot, so that the loan is seen, and its end by force. */
class Loan implements Sender {
  readonly client: Client;
  readonly sender: Sender;
  /** The pool takes the client for one that goes on without a slot. */
  isLent = false;
  readonly #books: { lend(loan: Loan): void; evict(loan: Loan): void };

  constructor(client: Client, sender: Sender, books: { lend(loan: Loan): void; evict(loan: Loan): void }) {
    this.client = client;
    this.sender = sender;
    this.#books = books;
  }

  lend(): void {
    this.#books.lend(this);
  }

  evict(): void {
    this.#books.evict(this);
  }
}

/** Milliseconds that a reader who takes nothing keeps its slot, halved by each one who waits for one. */
const PATIENCE_MS = 2000;

export class WatchedPool extends LocalPool {
  readonly #desk: Desk;
  readonly #lendersMax: number;
  readonly #holders = new Map<number, Client>();
  readonly #loans = new Map<Sender, Loan>();
  /** In the order in which they lent. */
  #lenders: Client[] = [];
  /** Whom the pool has been told of, and not told that it is over. */
  readonly #known = new Set<Loan>();
  #waiting: Ticket[] = [];
  #isRelieving = false;

  constructor(size: number, queueMax: number, lendersMax: number, desk: Desk) {
    super(size, queueMax, lendersMax);
    this.#lendersMax = lendersMax;
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
    client.slotGiven(slot);
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

  /** Senders that lent their slots and have something left to send, the longest first. */
  get lenders(): readonly Client[] {
    this.#lenders = this.#lenders.filter((client) => client.isLending);
    return this.#lenders;
  }

  override stalled(sender: Sender, nowMs: number): void {
    const loan = this.#loanOf(sender);
    const { client } = loan;
    if (client.slot === 0 || !client.transport.isBlocked) client.fail("is said to wait for its peer with a slot");
    super.stalled(loan, nowMs);
    if (this.#lendersMax > 0) this.#known.add(loan);
  }

  override moving(sender: Sender): void {
    const loan = this.#loanOf(sender);
    super.moving(loan);
    // Who lends is known until its answer is over.
    if (!loan.isLent) this.#known.delete(loan);
  }

  override finished(sender: Sender): void {
    const loan = this.#loanOf(sender);
    super.finished(loan);
    loan.isLent = false;
    this.#known.delete(loan);
  }

  /** Between events: the pool remembers nobody without a reason. */
  judgeKnown(): void {
    for (const { client, isLent } of this.#known) {
      if (isLent && !client.isLending) client.fail("is taken for one that goes on without a slot, and is not");
      if (!isLent && (client.slot === 0 || !client.transport.isBlocked))
        client.fail("is taken for one that reads nothing, and is not");
    }
  }

  /** Clients that the pool remembers as readers who take nothing, or as lenders. */
  get known(): number {
    return this.#known.size;
  }

  #loanOf(sender: Sender): Loan {
    let loan = this.#loans.get(sender);
    if (loan === undefined) {
      loan = new Loan(this.#desk.clientOf(sender), sender, {
        lend: (lent) => this.#lend(lent),
        evict: (lent) => this.#evict(lent),
      });
      this.#loans.set(sender, loan);
    }
    return loan;
  }

  override relieve(nowMs: number): void {
    const { referee, speaking } = this.#desk;
    if (speaking !== null) referee.fail(speaking.id, "slots are lent in the middle of its turn");
    if (nowMs !== referee.nowMs) referee.fail(0, `slots are lent as if it were ${nowMs} ms`);
    this.#isRelieving = true;
    super.relieve(nowMs);
    this.#isRelieving = false;
    this.#judgeRelief();
  }

  #lend(loan: Loan): void {
    const { client, sender } = loan;
    const { referee } = this.#desk;
    const { slot, idleReaderMs } = client;
    referee.coverage.count("pool: lent");
    if (referee.trace) referee.note(client.id, `lends slot ${slot}`);
    if (this.#lendersMax === 0) client.fail("lends its slot, and nobody may");
    if (!this.#isRelieving) client.fail("lends its slot out of time");
    if (slot === 0) client.fail("lends a slot that it does not have");
    if (this.#waiting.length === 0) client.fail("lends its slot to nobody");
    if (!(referee.nowMs - idleReaderMs >= this.#patienceMs)) client.fail("lends its slot, and its peer may still read");
    for (const other of this.#holders.values()) {
      if (other.stalledMs < idleReaderMs) client.fail(`lends its slot before client ${other.id}, which waits longer`);
    }
    this.#lenders = [...this.lenders.filter((lender) => lender !== client), client];
    client.lends();
    loan.isLent = true;
    this.#desk.during(client, () => sender.lend());
    if (client.slot !== 0 || this.#holders.get(slot) === client) client.fail("lends its slot, and keeps it");
  }

  #evict(loan: Loan): void {
    const { client, sender } = loan;
    const { referee } = this.#desk;
    referee.coverage.count("pool: evicted");
    if (referee.trace) referee.note(client.id, "is evicted");
    const { lenders } = this;
    if (!this.#isRelieving) client.fail("is evicted out of time");
    if (!client.isLending) client.fail("is evicted, and goes on with nobody's slot");
    else if (lenders[0] !== client) client.fail(`is evicted before client ${lenders[0]?.id}, which lent first`);
    if (lenders.length <= this.#lendersMax) client.fail("is evicted although there is room");
    client.isEvicted = true;
    loan.isLent = false;
    this.#known.delete(loan);
    this.#desk.during(client, () => sender.evict());
    if (client.isOpen) client.fail("is evicted, and stays open");
  }

  /** Milliseconds of patience with a reader, by those who wait now. */
  get #patienceMs(): number {
    return PATIENCE_MS / 2 ** this.#waiting.length;
  }

  /** After all were looked at: no reader who takes nothing keeps from others what they have waited for long enough. */
  #judgeRelief(): void {
    const { referee } = this.#desk;
    if (this.#lendersMax === 0 || this.#waiting.length === 0) return;
    for (const client of this.#holders.values()) {
      if (referee.nowMs - client.stalledMs >= this.#patienceMs)
        client.fail("keeps its slot although its peer reads nothing and others wait");
    }
  }
}

export class WatchedRequests extends RequestPool {
  readonly #referee: Referee;
  readonly #taken = new Set<RequestReader>();

  constructor(headLimits: HeadLimits, memory: ContentMemory, referee: Referee) {
    super(headLimits, memory);
    this.#referee = referee;
  }

  /** Readers in use. */
  get taken(): number {
    return this.#taken.size;
  }

  override take(peer: Peer): RequestReader {
    const reader = super.take(peer);
    if (this.#taken.has(reader)) this.#referee.fail(0, "a reader is given to two connections");
    this.#taken.add(reader);
    return reader;
  }

  override takeBack(exchange: { request: RequestReader | null }): void {
    const { request } = exchange;
    if (request !== null && !this.#taken.delete(request)) this.#referee.fail(0, "a reader is returned twice");
    super.takeBack(exchange);
  }
}
