/** The right to send an archive, which one response of a server has at a time. All threads of a server share the memory of one. */
export class ArchiveTurn {
  /** Bytes of a turn in shared memory. */
  static readonly BYTES: number = Int32Array.BYTES_PER_ELEMENT;
  /** 1 while it is taken. */
  readonly #taken: Int32Array;

  /** `memory` is zero at first. */
  constructor(memory: ArrayBufferLike = new ArrayBuffer(ArchiveTurn.BYTES)) {
    this.#taken = new Int32Array(memory);
  }

  /** Returns false if another response has the turn. */
  take(): boolean {
    return Atomics.compareExchange(this.#taken, 0, 0, 1) === 0;
  }

  giveBack(): void {
    Atomics.store(this.#taken, 0, 0);
  }
}
