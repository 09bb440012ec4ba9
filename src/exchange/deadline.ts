/**
 * The deadline of a connection or a stream: one number with one reason. It is set when the reason changes, so bytes that dribble in
 * do not push it back. Three of the reasons look at progress when their time is over, and a peer that is fast enough gets another
 * window:
 *
 *   Body   bytes received since the last look are at least the minimum rate
 *   Rest   the same, and no silence is longer than its own bound
 *   Send   bytes accepted since the last look are, or were on average since the response began
 */
import type { Clock } from "./clock.ts";
import type { ConversationLimits } from "./context.ts";

/** The settings that a deadline obeys. */
export type DeadlineLimits = Pick<
  ConversationLimits,
  | "headerTimeoutMs"
  | "keepAliveTimeoutMs"
  | "queueTimeoutMs"
  | "stallTimeoutMs"
  | "lingerMs"
  | "restSilenceMs"
  | "minRateBytes"
>;

/** Reason of a deadline: the event that is waited for. */
export enum Wait {
  /** Our own work: no deadline. */
  None = 0,
  Handshake,
  /** The first byte of a request. */
  Idle,
  /** The rest of a head. */
  Head,
  /** The rest of a request's content. */
  Body,
  /** The rest of the content of a request that was refused. */
  Rest,
  /** A slot. */
  Queue,
  /** The peer, to read its response. */
  Send,
  /** The peer's FIN after ours. */
  Linger,
}

/** Windows of the send timeout in which a reader that was fast enough before may show no progress. */
const SILENT_WINDOWS_MAX = 4;

export class Deadline {
  /** The one reason. */
  wait = Wait.None;
  /** The one number: monotonic milliseconds. */
  atMs = Number.POSITIVE_INFINITY;
  readonly #limits: DeadlineLimits;
  readonly #clock: Clock;
  #sinceMs = 0;
  /** Progress in bytes when the current window began. */
  #windowBytes = 0;
  /** End of the current window of the rest of a content, in monotonic milliseconds, and its bytes so far. */
  #windowEndMs = 0;
  #restBytes = 0;
  /** Windows in a row in which a reader made too little progress. */
  #silentWindows = 0;
  #responseStartMs = 0;
  /** Bytes accepted before the response began. */
  #responseStartBytes = 0;

  constructor(limits: DeadlineLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Milliseconds since the deadline was set, or last moved. */
  get quietMs(): number {
    return this.#clock.nowMs - this.#sinceMs;
  }

  get isOver(): boolean {
    return this.#clock.nowMs >= this.atMs;
  }

  /**
   * Sets the deadline for `wait`, unless that is already the reason. `bytes` is the progress so far, received or accepted. The silence of
   * the rest of a content begins anew if bytes of it have come.
   */
  set(wait: Wait, bytes: number): void {
    if (wait === this.wait) {
      if (wait === Wait.Rest && bytes > this.#restBytes) this.#hear(bytes);
      return;
    }
    this.wait = wait;
    this.#windowBytes = bytes;
    this.#silentWindows = 0;
    this.#sinceMs = this.#clock.nowMs;
    this.atMs = this.#sinceMs + patienceMs(wait, this.#limits);
    this.#windowEndMs = this.#sinceMs + this.#limits.stallTimeoutMs;
    this.#restBytes = bytes;
  }

  /** Drops the deadline. The next `set` begins a time of its own, also for the same reason. */
  clear(): void {
    this.wait = Wait.None;
    this.atMs = Number.POSITIVE_INFINITY;
  }

  /** Moves the deadline to `ms` milliseconds from now, but not beyond `latestMs`. */
  extend(ms: number, latestMs: number = Number.POSITIVE_INFINITY): void {
    this.#sinceMs = this.#clock.nowMs;
    this.atMs = Math.min(this.#sinceMs + ms, latestMs);
  }

  /** Notes that a response begins. `bytes` were accepted before it. */
  beginResponse(bytes: number): void {
    this.#responseStartMs = this.#clock.nowMs;
    this.#responseStartBytes = bytes;
  }

  /** Begins the next window of the current reason if the last one was fast enough. Returns false if the deadline is missed. */
  extendFor(bytes: number): boolean {
    switch (this.wait) {
      case Wait.Body:
        return this.extendBody(bytes);
      case Wait.Rest:
        // Within its window the rest has been silent for too long.
        if (this.#clock.nowMs < this.#windowEndMs || !this.extendBody(bytes)) return false;
        this.#windowEndMs = this.atMs;
        this.#hear(bytes);
        return true;
      case Wait.Send:
        return this.extendSend(bytes);
      default:
        return false;
    }
  }

  #hear(bytes: number): void {
    this.#restBytes = bytes;
    this.extend(this.#limits.restSilenceMs, this.#windowEndMs);
  }

  /** Begins the next window of a request's content if the last one was fast enough. Returns false if the deadline is missed. */
  extendBody(bytes: number): boolean {
    return this.#extendIfFast(bytes, this.#limits.stallTimeoutMs);
  }

  /**
   * Begins the next window of a response if its reader is fast enough. Returns false if the deadline is missed. The kernels between us
   * and a slow reader hold megabytes, and take more in lumps as large. So a window without progress is not a stall yet: a stall is
   * `silentMax` of them, or an average of the whole response below the minimum rate.
   */
  extendSend(bytes: number, silentMax = SILENT_WINDOWS_MAX): boolean {
    const { stallTimeoutMs, minRateBytes } = this.#limits;
    if (this.#extendIfFast(bytes, stallTimeoutMs)) {
      this.#silentWindows = 0;
      return true;
    }
    const sentBytes = bytes - this.#responseStartBytes;
    const elapsedMs = this.#clock.nowMs - this.#responseStartMs;
    const isOnAverage = sentBytes > 0 && sentBytes * 1000 >= minRateBytes * elapsedMs;
    if (!isOnAverage || ++this.#silentWindows >= silentMax) return false;
    this.#windowBytes = bytes;
    this.extend(stallTimeoutMs);
    return true;
  }

  #extendIfFast(bytes: number, windowMs: number): boolean {
    const moved = bytes - this.#windowBytes;
    if (moved === 0 || moved * 1000 < this.#limits.minRateBytes * windowMs) return false;
    this.#windowBytes = bytes;
    this.extend(windowMs);
    return true;
  }
}

/** Returns true if the peer has to send content. */
export function isForContent(wait: Wait): boolean {
  return wait === Wait.Body || wait === Wait.Rest;
}

function patienceMs(wait: Wait, limits: DeadlineLimits): number {
  switch (wait) {
    case Wait.None:
      return Number.POSITIVE_INFINITY;
    case Wait.Handshake:
    case Wait.Head:
      return limits.headerTimeoutMs;
    case Wait.Idle:
      return limits.keepAliveTimeoutMs;
    case Wait.Queue:
      return limits.queueTimeoutMs;
    case Wait.Body:
    case Wait.Send:
      return limits.stallTimeoutMs;
    case Wait.Rest:
      return Math.min(limits.restSilenceMs, limits.stallTimeoutMs);
    case Wait.Linger:
      return limits.lingerMs;
  }
}
