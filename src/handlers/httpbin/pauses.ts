/**
 * Time for the endpoints that wait: pauses by the server's clock, and content that comes piece by piece.
 *
 * The rule it guards: a request never waits for longer than its client, or than the server. A pause ends when the client has left,
 * and all pauses end when the server drains: then the rest of each response follows at once.
 */
import type { TimeSource } from "../../exchange/clock.ts";
import type { LiveSource, Request, Response } from "../../http/message.ts";

/** The pauses of one server. */
export class Pauses {
  readonly #time: TimeSource;
  /** Ends of the pauses that have begun. */
  readonly #ends = new Set<() => void>();
  #areOver = false;

  constructor(time: TimeSource) {
    this.#time = time;
  }

  /** True once the server drains: no request waits any longer. */
  get areOver(): boolean {
    return this.#areOver;
  }

  nowMs(): number {
    return this.#time.nowMs();
  }

  wallMs(): number {
    return this.#time.wallMs();
  }

  /** Calls `call` once: after `ms` milliseconds, or when all pauses end. The returned function cancels it. */
  after(ms: number, call: () => void): () => void {
    const end = () => {
      cancel();
      call();
    };
    const cancelTimer = this.#time.after(ms, end);
    const cancel = () => {
      cancelTimer();
      this.#ends.delete(end);
    };
    this.#ends.add(end);
    return cancel;
  }

  /** Answers after `ms` milliseconds, or as soon as the client has left. Answers at once if there is nothing to wait for. */
  answerAfter(ms: number, request: Request, answer: () => Response | Promise<Response>): Response | Promise<Response> {
    if (ms <= 0 || this.#areOver) return answer();
    return new Promise<void>((resolve) => {
      const cancel = this.after(ms, resolve);
      request.whenLeft(() => {
        cancel();
        resolve();
      });
    }).then(answer);
  }

  /** Ends all pauses, and those to come. */
  end(): void {
    this.#areOver = true;
    for (const end of [...this.#ends]) end();
  }
}

/** A number of pieces with the same pause between each two. */
interface Pace {
  readonly pauses: Pauses;
  readonly count: number;
  readonly pauseMs: number;
}

/** Share of a pause that a clock may lack when its timer comes: products of fractions are not exact. */
const NEARLY = 1e-6;

abstract class PacedContent implements LiveSource {
  abstract readonly size: number;
  abstract readonly isOver: boolean;
  protected readonly pace: Pace;
  readonly #startMs: number;
  #call: () => void = () => {};
  #cancel: (() => void) | null = null;

  constructor(pace: Pace) {
    this.pace = pace;
    this.#startMs = pace.pauses.nowMs();
  }

  abstract read(position: number, into: Uint8Array, offset: number, limit: number): number;

  whenMore(call: () => void): void {
    this.#call = call;
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#call = () => {};
  }

  /** Returns how many pieces may have been sent by now. If piece `next`, from 0, is not among them, calls when it is due. */
  protected dueBy(next: number): number {
    const { pauses, count, pauseMs } = this.pace;
    if (pauseMs <= 0 || pauses.areOver) return count;
    const nowMs = pauses.nowMs();
    const due = Math.min(count, Math.floor((nowMs - this.#startMs) / pauseMs + NEARLY) + 1);
    if (next >= due && next < count && this.#cancel === null) {
      this.#cancel = pauses.after(this.#startMs + next * pauseMs - nowMs, () => {
        this.#cancel = null;
        this.#call();
      });
    }
    return due;
  }
}

/** Content of known length in which each byte is a piece. */
export class Drip extends PacedContent {
  readonly isOver = false;
  readonly #byte: number;

  constructor(pace: Pace, byte: number) {
    super(pace);
    this.#byte = byte;
  }

  get size(): number {
    return this.pace.count;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    const count = Math.min(limit, this.dueBy(position) - position);
    if (count <= 0) return 0;
    into.fill(this.#byte, offset, offset + count);
    return count;
  }
}

const ENCODER = new TextEncoder();

/** Text whose pieces are made when they are due. A reader that is slow costs one piece. */
export class PacedText extends PacedContent {
  readonly size = Number.MAX_SAFE_INTEGER;
  readonly #make: (index: number) => string;
  #made = 0;
  #isOver = false;
  #piece: Uint8Array = new Uint8Array(0);
  /** Position of the first byte of the piece. */
  #start = 0;

  constructor(pace: Pace, make: (index: number) => string) {
    super(pace);
    this.#make = make;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    if (position >= this.#start + this.#piece.length && !this.#next()) return 0;
    const from = position - this.#start;
    const count = Math.min(limit, this.#piece.length - from);
    into.set(this.#piece.subarray(from, from + count), offset);
    return count;
  }

  /** Makes the next piece. Returns false if none is due. */
  #next(): boolean {
    const index = this.#made;
    this.#isOver = index === this.pace.count;
    if (this.#isOver || index >= this.dueBy(index)) return false;
    this.#start += this.#piece.length;
    this.#piece = ENCODER.encode(this.#make(index));
    this.#made++;
    return true;
  }
}
