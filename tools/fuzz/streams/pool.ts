/** The pool with a second set of books: which slots are taken, who waits, and in which order. */
import type { Exchange } from "../../../src/exchange/exchange.ts";
import { LocalPool } from "../../../src/exchange/local-pool.ts";
import { QUEUED, REFUSED, type Sender, type Waiter } from "../../../src/exchange/pool.ts";
import type { SlotLease } from "../../../src/exchange/slot-lease.ts";
import type { Referee } from "../simulation/referee.ts";
import type { StreamSettings } from "./settings.ts";

interface Ticket extends Waiter {
  readonly waiter: Waiter;
  readonly connection: number;
  readonly sinceMs: number;
  /** Ticks since its wait is over. */
  lateTicks: number;
}

/** Stands for a sender that may lend its slot, so that the loan and its end are seen. */
class Loan implements Sender {
  readonly sender: Sender;
  readonly #ended: (loan: Loan) => void;
  isLent = false;

  constructor(sender: Sender, ended: (loan: Loan) => void) {
    this.sender = sender;
    this.#ended = ended;
  }

  lend(): void {
    this.isLent = true;
    this.sender.lend();
  }

  evict(): void {
    this.#ended(this);
    this.sender.evict();
  }
}

export class BookedPool extends LocalPool {
  readonly held = new Set<number>();
  /** Senders that the pool has been told of, and not that it is over. */
  readonly known = new Set<Loan>();
  waiting: Ticket[] = [];
  readonly #loans = new Map<Sender, Loan>();
  readonly #referee: Referee<StreamSettings>;
  /** Returns true for a connection of HTTP/2. */
  readonly #hasStreams: (connection: number) => boolean;

  constructor(referee: Referee<StreamSettings>, hasStreams: (connection: number) => boolean) {
    const { threads, queue, lendersMax } = referee.settings;
    super(threads, queue, lendersMax);
    this.#referee = referee;
    this.#hasStreams = hasStreams;
  }

  override acquire(waiter: Waiter): number {
    const referee = this.#referee;
    const connection = connectionOf(waiter);
    const ticket: Ticket = {
      waiter,
      connection,
      sinceMs: referee.nowMs,
      lateTicks: 0,
      granted: (slot) => this.#grant(ticket, slot),
    };
    const isFull = this.waiting.length >= this.queueMax;
    const isBusy = this.held.size === this.size || this.waiting.length > 0;
    const slot = super.acquire(ticket);
    if (slot === REFUSED) {
      referee.coverage.count("pool: refused");
      if (!isFull || !isBusy) referee.fail(connection, "refused although there is room");
    } else if (slot === QUEUED) {
      referee.coverage.count("pool: queued");
      if (!isBusy) referee.fail(connection, "waits although a slot is free");
      if (this.#hasStreams(connection) && this.waiting.some((other) => other.connection === connection))
        referee.fail(connection, "has two places in the queue");
      this.waiting.push(ticket);
    } else {
      if (this.waiting.length > 0) referee.fail(connection, "overtakes those who wait");
      this.#hand(connection, slot);
    }
    return slot;
  }

  #grant(ticket: Ticket, slot: number): void {
    this.#referee.coverage.count("pool: granted after a wait");
    if (this.waiting[0] !== ticket) this.#referee.fail(ticket.connection, "a slot is granted out of turn");
    this.waiting = this.waiting.filter((other) => other !== ticket);
    this.#hand(ticket.connection, slot);
    ticket.waiter.granted(slot);
  }

  #hand(connection: number, slot: number): void {
    if (slot < 1 || slot > this.size || this.held.has(slot)) this.#referee.fail(connection, `slot ${slot} is given`);
    this.held.add(slot);
    if (this.#referee.trace) this.#referee.note(connection, `has slot ${slot}`);
  }

  override release(slot: number): void {
    if (!this.held.delete(slot)) this.#referee.fail(0, `slot ${slot} is returned, and was not taken`);
    if (this.#referee.trace) this.#referee.note(0, `has slot ${slot} back`);
    super.release(slot);
  }

  override cancel(waiter: Waiter): boolean {
    const ticket = this.waiting.find((waiting) => waiting.waiter === waiter);
    if (ticket === undefined) return false;
    this.waiting = this.waiting.filter((other) => other !== ticket);
    this.#referee.coverage.count("pool: left the queue");
    return super.cancel(ticket);
  }

  override stalled(sender: Sender, nowMs: number): void {
    const loan = this.#loanOf(sender);
    if ((sender as SlotLease).slot === 0) this.#referee.fail(connectionOf(sender), "stalls without a slot");
    super.stalled(loan, nowMs);
    if (this.#referee.settings.lendersMax > 0) this.known.add(loan);
  }

  override moving(sender: Sender): void {
    const loan = this.#loanOf(sender);
    super.moving(loan);
    if (!loan.isLent) this.known.delete(loan);
  }

  override finished(sender: Sender): void {
    const loan = this.#loanOf(sender);
    super.finished(loan);
    loan.isLent = false;
    this.known.delete(loan);
    this.#referee.coverage.count("pool: finished after lending");
  }

  #loanOf(sender: Sender): Loan {
    let loan = this.#loans.get(sender);
    if (loan === undefined) {
      loan = new Loan(sender, (evicted) => {
        evicted.isLent = false;
        this.known.delete(evicted);
        this.#referee.coverage.count("pool: evicted");
      });
      this.#loans.set(sender, loan);
    }
    return loan;
  }
}

function connectionOf(party: Waiter | Sender): number {
  return ((party as SlotLease).holder as Exchange).carrier.id;
}
