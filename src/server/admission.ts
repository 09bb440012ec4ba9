/** Limits of connections: in all, and from one address if the operator sets that. */

export type RefusalReason = "too many connections" | "too many from an address";

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
  #count = 0;

  /** A `perHostMax` of 0 means no limit. */
  constructor(max: number, perHostMax: number) {
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
    if (this.#count >= this.#max) return this.#full;
    if (this.#perHostMax > 0) {
      const ofHost = this.#byHost.get(address) ?? 0;
      if (ofHost >= this.#perHostMax) return this.#hostFull;
      this.#byHost.set(address, ofHost + 1);
    }
    this.#count++;
    return null;
  }

  /** Counts the close of a connection that had entered from `address`. */
  leave(address: string): void {
    this.#count--;
    if (this.#perHostMax === 0) return;
    const ofHost = (this.#byHost.get(address) ?? 0) - 1;
    if (ofHost > 0) this.#byHost.set(address, ofHost);
    else this.#byHost.delete(address);
  }
}
