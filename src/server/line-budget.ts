/**
 * Lines that a flood may log in a second. Further ones are counted, because they would cost more than all else. The threads of
 * a process share one budget.
 */

/** Refusals that get a line of their own, a second. */
const REFUSALS_PER_SECOND = 10;

/** Failures of ours, which have a stack, that get a line of their own, a second. */
const FAILURES_PER_SECOND = 5;

/** Places in the cells. */
const SECOND = 0;
const REFUSALS = 1;
const FAILURES = 2;
const UNTOLD = 3;
const CELLS = 4;

export class LineBudget {
  /** Bytes of a budget in shared memory. */
  static readonly BYTES: number = CELLS * Int32Array.BYTES_PER_ELEMENT;
  readonly #cells: Int32Array;

  /** `memory` is zero at first. Budgets with the same memory are one. */
  constructor(memory: ArrayBufferLike = new ArrayBuffer(LineBudget.BYTES)) {
    this.#cells = new Int32Array(memory);
  }

  /** Returns true if a refusal may have a line, and counts it otherwise. */
  mayTellRefusal(): boolean {
    return this.#mayTell(REFUSALS, REFUSALS_PER_SECOND);
  }

  /** Returns true if a failure may have a line. Failures have a bound of their own: a flood of refusals must not hide them. */
  mayTellFailure(): boolean {
    return this.#mayTell(FAILURES, FAILURES_PER_SECOND);
  }

  #mayTell(cell: number, max: number): boolean {
    if (Atomics.add(this.#cells, cell, 1) < max) return true;
    Atomics.add(this.#cells, UNTOLD, 1);
    return false;
  }

  /**
   * Begins the second of the wall clock `wallMs`. Returns the number of lines that the last second left untold: 0 for all
   * threads but the first that calls.
   */
  begin(wallMs: number): number {
    const second = Math.floor(wallMs / 1000) | 0;
    const last = Atomics.load(this.#cells, SECOND);
    if (second === last || Atomics.compareExchange(this.#cells, SECOND, last, second) !== last) return 0;
    Atomics.store(this.#cells, REFUSALS, 0);
    Atomics.store(this.#cells, FAILURES, 0);
    return Atomics.exchange(this.#cells, UNTOLD, 0);
  }
}
