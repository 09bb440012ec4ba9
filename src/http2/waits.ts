/**
 * The waits of one connection that only its peer can end, each with its own bound: the rest of a frame, the acknowledgement of our
 * settings, a request, and windows for responses that are ready. `over` says which of them has lasted too long; the connection acts.
 *
 * The rule it guards: no wait begins anew because a peer repeats its first step. A frame that dribbles in keeps its deadline, and so do
 * responses behind a closed window, also if the peer resets their streams and asks again on others.
 */
import type { Clock } from "../exchange/clock.ts";
import { type Deadline, Wait } from "../exchange/deadline.ts";
import type { Http2Limits } from "./context.ts";
import type { Receiver } from "./receiver.ts";
import type { Sender } from "./sender.ts";
import type { StreamsNow } from "./streams.ts";

/**
 * Windows in which a kernel that was fast before may take nothing. RFC 9113 §5.2.2 says that an endpoint reads what has come: one that
 * pauses a response closes a window of it. So these are half of those in HTTP/1, for readers as slow as `curl --limit-rate`.
 */
const SILENT_WINDOWS_MAX = 2;

/** The wait that has lasted too long. */
export enum Over {
  None = 0,
  /** The peer reads nothing, or opens no window. */
  Send,
  Frame,
  Settings,
  /** No request has come. */
  Idle,
}

export class Waits {
  readonly #limits: Http2Limits;
  readonly #clock: Clock;
  readonly #receiver: Receiver;
  readonly #sender: Sender;
  /** Deadline of responses that the peer does not read. */
  readonly #deadline: Deadline;
  /** Monotonic milliseconds at which each wait is over. */
  #idleEndMs = Number.POSITIVE_INFINITY;
  #frameEndMs = Number.POSITIVE_INFINITY;
  #settingsEndMs: number;
  #idleSinceMs: number;
  /** Frames that were complete when the deadline of the current one was set. */
  #completed = 0;
  #isSending = false;
  /** Milliseconds for which a window has kept a response back, and the content that was sent before them, in bytes. */
  #shutMs = 0;
  #contentBefore = 0;
  /** Beginning of that state, or of the last look at it; infinite while no window does so. */
  #shutSinceMs = Number.POSITIVE_INFINITY;
  /** True if the peer has reset such a response since. */
  #isReplaced = false;

  constructor(limits: Http2Limits, clock: Clock, receiver: Receiver, sender: Sender, deadline: Deadline) {
    this.#limits = limits;
    this.#clock = clock;
    this.#receiver = receiver;
    this.#sender = sender;
    this.#deadline = deadline;
    this.#settingsEndMs = clock.nowMs + limits.headerTimeoutMs;
    this.#idleSinceMs = clock.nowMs;
  }

  /** Milliseconds since the last stream has ended. */
  get idleMs(): number {
    return this.#clock.nowMs - this.#idleSinceMs;
  }

  settingsTaken(): void {
    this.#settingsEndMs = Number.POSITIVE_INFINITY;
  }

  /** Notes a request. If it is answered within one turn, it leaves no other trace of the connection's use. */
  requested(): void {
    this.#idleEndMs = Number.POSITIVE_INFINITY;
  }

  /** The peer has reset a stream whose response a window has kept back. */
  replaced(): void {
    this.#isReplaced = true;
  }

  /** We have reset such a stream. If it is the first, others get as much time again. */
  cut(): void {
    if (!this.#isReplaced) this.#shutMs = 0;
    this.#isReplaced = true;
  }

  /** Ends a turn: sets the deadline of each wait that has begun. */
  arm(streams: StreamsNow, contentBytes: number): void {
    this.#armFrame();
    this.#armIdle(streams.count);
    this.#armSend(streams.isSending || !this.#sender.isFlushed);
    this.#measure(contentBytes);
    if (streams.isShut && streams.isSending) this.#shutSinceMs = this.#clock.nowMs;
  }

  #armFrame(): void {
    const receiver = this.#receiver;
    if (!receiver.isBeginning && !receiver.isWithinFrame) this.#frameEndMs = Number.POSITIVE_INFINITY;
    else if (receiver.completed !== this.#completed || this.#frameEndMs === Number.POSITIVE_INFINITY) {
      this.#frameEndMs = this.#clock.nowMs + this.#limits.headerTimeoutMs;
    }
    this.#completed = receiver.completed;
  }

  #armIdle(streams: number): void {
    if (streams > 0) this.#idleEndMs = Number.POSITIVE_INFINITY;
    else if (this.#idleEndMs === Number.POSITIVE_INFINITY) {
      this.#idleSinceMs = this.#clock.nowMs;
      this.#idleEndMs = this.#idleSinceMs + this.#limits.keepAliveTimeoutMs;
    }
  }

  #armSend(isSending: boolean): void {
    const sender = this.#sender;
    if (isSending && !this.#isSending) this.#deadline.beginResponse(sender.progress);
    this.#isSending = isSending;
    if (isSending && (sender.isBlocked || sender.isWindowClosed)) this.#deadline.set(Wait.Send, sender.progress);
    else this.#deadline.clear();
  }

  /** Adds the time since the last look. A peer that lets enough content pass begins anew. */
  #measure(contentBytes: number): void {
    const { nowMs } = this.#clock;
    this.#shutMs += Math.max(0, nowMs - this.#shutSinceMs);
    this.#shutSinceMs = Number.POSITIVE_INFINITY;
    const { minRateBytes, stallTimeoutMs } = this.#limits;
    const moved = contentBytes - this.#contentBefore;
    if (moved === 0 || moved * 1000 < minRateBytes * Math.min(this.#shutMs, stallTimeoutMs)) return;
    this.#shutMs = 0;
    this.#contentBefore = contentBytes;
    this.#isReplaced = false;
  }

  /** Returns the wait that has lasted too long. A peer that is fast enough gets another window. */
  over(contentBytes: number): Over {
    const { nowMs } = this.#clock;
    if ((this.#deadline.isOver && !this.#extendSend()) || this.#isStarved(contentBytes)) return Over.Send;
    if (nowMs >= this.#frameEndMs) return Over.Frame;
    if (nowMs >= this.#settingsEndMs) return Over.Settings;
    return nowMs >= this.#idleEndMs ? Over.Idle : Over.None;
  }

  /** Begins the next window of a peer that is fast enough. Kernels hold megabytes, so one window of their silence is not a stall yet. */
  #extendSend(): boolean {
    const { progress, isBlocked } = this.#sender;
    return isBlocked ? this.#deadline.extendSend(progress, SILENT_WINDOWS_MAX) : this.#deadline.extendBody(progress);
  }

  /** Returns true if the peer has replaced responses that its windows keep back, for as long as one of them may stall. */
  #isStarved(contentBytes: number): boolean {
    const isShut = this.#shutSinceMs !== Number.POSITIVE_INFINITY;
    this.#measure(contentBytes);
    if (isShut) this.#shutSinceMs = this.#clock.nowMs;
    return this.#isReplaced && this.#shutMs >= this.#limits.stallTimeoutMs;
  }
}
