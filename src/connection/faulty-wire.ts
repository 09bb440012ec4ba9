/**
 * A transport that lets answers go wrong on their way, in front of the real one of a fixture server. To the state machine it is
 * a peer that reads slowly: it takes what may pass now, and calls `drained` when there is more. Where the answer is cut,
 * `fate` says what becomes of the connection.
 *
 * The rule it guards: what passes is a function of the fault, the answer's own bytes and the time alone, never of how they were cut
 * into writes; what was sent before the answer passes untouched.
 *
 * A reset discards what the kernels on both sides still hold. So that the peer sees the bytes before it, they get RESET_GRACE_MS
 * to be read; a peer that does not read may lose them all the same.
 */
import type { Fault, FaultKind } from "../http/fault.ts";
import { type AnswerBytes, Fate, type Gate, type Suspended, type Transport } from "./transport.ts";

/** Milliseconds between the last byte that passes and the reset. */
export const RESET_GRACE_MS = 20;

/** Milliseconds from one write to the next where a rate is kept. */
export const RATE_STEP_MS = 20;

/** Milliseconds until what the kernel did not take of the garbage is offered again. */
const RETRY_MS = 20;

/** What sums of fractions may be off by: a call that was ordered for a moment finds that it has come. */
const ROUNDING_MS = 1e-6;

/** What no HTTP client takes for an answer: no letter, no line end, the same in each run (xorshift32, seed 1). */
export const GARBAGE: Uint8Array = makeGarbage(256);

/** Time as the gate needs it; whoever keeps it has moved the conversations' clock before `call` is called. */
export interface WireTime {
  nowMs(): number;
  /** Calls once, `ms` milliseconds from now. The returned function cancels it. */
  after(ms: number, call: () => void): () => void;
}

/** How an answer that is cut goes on. */
enum Ending {
  /** Not cut at all. */
  None = 0,
  Fin,
  Reset,
  Hang,
  /** Garbage, then FIN. */
  Garbage,
}

const ENDINGS: { readonly [Kind in FaultKind]?: Ending } = {
  empty: Ending.Fin,
  truncate: Ending.Fin,
  "half-close": Ending.Fin,
  reset: Ending.Reset,
  "reset-request": Ending.Reset,
  hang: Ending.Hang,
  stall: Ending.Hang,
  garbage: Ending.Garbage,
};

/** Of `bytes` behind the first `from` of the answer, one of `pieces` equal parts passes at the end of each step of the time. */
interface Pace {
  readonly from: number;
  readonly bytes: number;
  readonly pieces: number;
  readonly durationMs: number;
}

/** One answer's. All positions are from its first byte. */
interface Plan {
  readonly sender: Suspended;
  /** When the first byte may pass. */
  readonly startMs: number;
  readonly pace: Pace | null;
  readonly kind: FaultKind;
  readonly ending: Ending;
  /** Bytes that pass in all. */
  readonly cutAt: number;
  /** Bytes of the answer that have passed; below 0 while those before it have not. */
  passed: number;
  garbageSent: number;
}

export class FaultyWire implements Transport, Gate {
  readonly #transport: Transport;
  readonly #time: WireTime;
  #plan: Plan | null = null;
  #cancelCall: (() => void) | null = null;

  constructor(transport: Transport, time: WireTime) {
    this.#transport = transport;
    this.#time = time;
  }

  get gate(): Gate {
    return this;
  }

  impose(fault: Fault, answer: AnswerBytes, sender: Suspended): void {
    const ending = ENDINGS[fault.kind] ?? Ending.None;
    this.#plan = {
      sender,
      startMs: this.#time.nowMs() + fault.delayMs,
      pace: paceOf(fault, answer),
      kind: fault.kind,
      ending,
      cutAt: ending === Ending.None ? answer.headBytes + answer.contentBytes : cutOf(fault, answer),
      passed: -answer.pendingBytes,
      garbageSent: 0,
    };
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    const plan = this.#plan;
    if (plan === null) return this.#transport.write(bytes, offset, length);
    const count = Math.min(length, this.#mayPass(plan) - plan.passed);
    const written = count === 0 ? 0 : this.#transport.write(bytes, offset, count);
    if (written < 0) return written;
    plan.passed += written;
    if (plan.passed === plan.cutAt && plan.ending === Ending.None) this.#forget();
    else if (written === count && count < length && !this.#isCut(plan)) {
      this.#callAt(this.#nextMs(plan), () => plan.sender.drained());
    }
    return written;
  }

  fate(): Fate {
    const plan = this.#plan;
    if (plan === null || !this.#isCut(plan)) return Fate.Goes;
    switch (plan.ending) {
      case Ending.None:
        return Fate.Goes;
      case Ending.Fin:
        this.#forget();
        return Fate.Ends;
      case Ending.Reset:
        this.#callAt(this.#time.nowMs() + RESET_GRACE_MS, () => plan.sender.cut());
        return Fate.Waits;
      case Ending.Hang:
        return Fate.Hangs;
      case Ending.Garbage:
        return this.#sendGarbage(plan);
    }
  }

  get holds(): boolean {
    const plan = this.#plan;
    if (plan === null) return false;
    // Garbage, offered again, waits for the kernel.
    if (this.#isCut(plan)) return plan.ending === Ending.Hang || plan.ending === Ending.Reset;
    return this.#cancelCall !== null;
  }

  closed(): void {
    this.#forget();
  }

  release(): void {
    const plan = this.#plan;
    if (plan === null) return;
    // There is no answer to a request that was not read to its end.
    const isLost = plan.ending === Ending.Hang || plan.kind === "reset-request" || this.#isCut(plan);
    this.#forget();
    if (isLost) plan.sender.cut();
    else plan.sender.drained();
  }

  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  shutdown(): void {
    this.#transport.shutdown();
  }

  end(): void {
    this.#transport.end();
  }

  terminate(): void {
    this.#transport.terminate();
  }

  /** Bytes of the answer that may have passed by now. */
  #mayPass(plan: Plan): number {
    const elapsedMs = this.#elapsedMs(plan);
    if (elapsedMs < 0) return 0;
    return Math.min(plan.cutAt, plan.pace === null ? plan.cutAt : pacedBytes(plan.pace, elapsedMs));
  }

  #isCut(plan: Plan): boolean {
    return plan.passed === plan.cutAt && this.#elapsedMs(plan) >= 0;
  }

  /** Milliseconds since the first byte might pass. */
  #elapsedMs({ startMs }: Plan): number {
    return this.#time.nowMs() - startMs + ROUNDING_MS;
  }

  /** When more may pass. */
  #nextMs(plan: Plan): number {
    const elapsedMs = this.#elapsedMs(plan);
    return plan.startMs + (elapsedMs < 0 || plan.pace === null ? 0 : nextStepMs(plan.pace, elapsedMs));
  }

  #sendGarbage(plan: Plan): Fate {
    const left = GARBAGE.length - plan.garbageSent;
    const written = this.#transport.write(GARBAGE, plan.garbageSent, left);
    if (written >= 0 && written < left) {
      plan.garbageSent += written;
      this.#callAt(this.#time.nowMs() + RETRY_MS, () => plan.sender.drained());
      return Fate.Waits;
    }
    this.#forget();
    return Fate.Ends;
  }

  /** One call waits at a time, and the first that was asked for stays. */
  #callAt(atMs: number, call: () => void): void {
    this.#cancelCall ??= this.#time.after(Math.max(0, atMs - this.#time.nowMs()), () => {
      this.#cancelCall = null;
      call();
    });
  }

  #forget(): void {
    this.#plan = null;
    this.#cancelCall?.();
    this.#cancelCall = null;
  }
}

/** Bytes of the answer that pass before it is cut: there is no further than its end. */
function cutOf(fault: Fault, { headBytes, contentBytes }: AnswerBytes): number {
  const { kind, afterBytes } = fault;
  // What this one counts are the request's.
  if (kind === "reset-request" || afterBytes === null) return 0;
  return headBytes + Math.min(afterBytes, contentBytes);
}

function paceOf(fault: Fault, { headBytes, contentBytes }: AnswerBytes): Pace | null {
  const { durationMs, pieces, bytesPerSecond } = fault;
  switch (fault.kind) {
    case "slow-headers":
      return { from: 0, bytes: headBytes, pieces: headBytes, durationMs };
    case "drip":
      return { from: headBytes, bytes: contentBytes, pieces, durationMs };
    case "bandwidth": {
      const bytes = headBytes + contentBytes;
      const neededMs = (bytes * 1000) / bytesPerSecond;
      return { from: 0, bytes, pieces: Math.ceil(neededMs / RATE_STEP_MS), durationMs: neededMs };
    }
    default:
      return null;
  }
}

/** The last piece brings everything behind it along. */
function pacedBytes(pace: Pace, elapsedMs: number): number {
  const steps = stepsIn(pace, elapsedMs);
  if (steps >= pace.pieces) return Number.POSITIVE_INFINITY;
  return pace.from + Math.floor((pace.bytes * steps) / pace.pieces);
}

/** Milliseconds from the start to the end of the step that is under way. */
function nextStepMs(pace: Pace, elapsedMs: number): number {
  return ((stepsIn(pace, elapsedMs) + 1) * pace.durationMs) / pace.pieces;
}

function stepsIn({ pieces, durationMs }: Pace, elapsedMs: number): number {
  return Math.floor((elapsedMs * pieces) / durationMs);
}

function makeGarbage(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    // 0x80 to 0xff: neither "HTTP/" nor a line end.
    bytes[i] = 0x80 | (state & 0x7f);
  }
  return bytes;
}
