/** Limits of connections: in all, and from one address if the operator sets that. Each thread counts addresses for itself. */
import { type Counter, LocalCounter } from "../exchange/counter.ts";

export type RefusalReason =
  | "too many connections"
  | "too many from an address"
  | "not a trusted proxy"
  | "no PROXY header";

/** Stands for the address of a client that a proxy has not announced yet. Its connection counts among all, but for no address. */
export const UNKNOWN_ADDRESS = "";

/** Refusal of a connection. The sentence is for the peer. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly sentence: string;
  /** Line for the operator, logged once until connections are accepted again. */
  readonly warning: string;
}

export class Admission {
  readonly #max: number;
  readonly #perHostMax: number;
  readonly #full: Refusal;
  readonly #hostFull: Refusal;
  /** Connections by address; empty without a limit per address. */
  readonly #byHost = new Map<string, number>();
  readonly #open: Counter;

  /** A `perHostMax` of 0 means no limit. `open` counts the connections of all threads. */
  constructor(max: number, perHostMax: number, open: Counter = new LocalCounter()) {
    this.#open = open;
    this.#max = max;
    this.#perHostMax = perHostMax;
    this.#full = {
      reason: "too many connections",
      sentence: "The server has too many connections.",
      warning: `${max} connections are open: refusing more with 503`,
    };
    this.#hostFull = {
      reason: "too many from an address",
      sentence: "The server has too many connections from your address.",
      warning: `${perHostMax} connections from one address are open: refusing more from it with 503`,
    };
  }

  /** Counts a connection from `address` and returns null, or returns the refusal. */
  enter(address: string): Refusal | null {
    if (this.#open.value >= this.#max) return this.#full;
    if (this.#isFull(address)) return this.#hostFull;
    // Another thread may have taken the last place since the first look.
    if (!this.#open.take(1, this.#max)) return this.#full;
    this.#count(address);
    return null;
  }

  /** Counts a connection that had entered with UNKNOWN_ADDRESS for `address` as well and returns null, or returns the refusal. */
  identify(address: string): Refusal | null {
    if (this.#isFull(address)) return this.#hostFull;
    this.#count(address);
    return null;
  }

  #isFull(address: string): boolean {
    if (this.#perHostMax === 0 || address === UNKNOWN_ADDRESS) return false;
    return (this.#byHost.get(address) ?? 0) >= this.#perHostMax;
  }

  #count(address: string): void {
    if (this.#perHostMax === 0 || address === UNKNOWN_ADDRESS) return;
    this.#byHost.set(address, (this.#byHost.get(address) ?? 0) + 1);
  }

  /** Counts the close of a connection that had entered from `address`. */
  leave(address: string): void {
    this.#open.add(-1);
    if (this.#perHostMax === 0 || address === UNKNOWN_ADDRESS) return;
    const ofHost = (this.#byHost.get(address) ?? 0) - 1;
    if (ofHost > 0) this.#byHost.set(address, ofHost);
    else this.#byHost.delete(address);
  }
}
