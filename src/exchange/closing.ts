/**
 * The end of a connection over TCP (RFC 9112 §9.6). After the last response our FIN is sent, and bytes of the peer are read past until
 * its own FIN comes. If we closed at once, those bytes would reset the connection, and the reset would destroy the response on its
 * way. Silence, time and bytes bound how long that lasts.
 *
 *   OPEN ──linger: FIN──▶ LINGERING ──peer's FIN, silence, too many bytes──▶ ENDING ──▶ GONE        any ──RST──▶ GONE
 */
import type { Clock } from "./clock.ts";
import type { ConversationLimits } from "./context.ts";
import { type Deadline, Wait } from "./deadline.ts";
import type { CloseReason } from "./observer.ts";
import type { ReceiveBuffer } from "./receive-buffer.ts";
import type { Transport } from "./transport.ts";

export enum End {
  /** Requests are read and answered. */
  Open = 0,
  /** Our FIN is sent. */
  Lingering,
  /** The transport was told to close, and has not. */
  Ending,
  Gone,
}

export class Closing {
  end = End.Open;
  /** Reason why the connection ends with the current response, or has ended; null while it persists. */
  reason: CloseReason | null = null;
  /** True when the peer has sent its FIN. */
  isPeerFinished = false;
  /** True after a fault has sent our FIN; reading then continues for as long as the peer likes. */
  isHalfClosed = false;
  readonly #transport: Transport;
  readonly #deadline: Deadline;
  readonly #limits: ConversationLimits;
  readonly #clock: Clock;
  /** Bytes read past. */
  #discarded = 0;
  /** The latest moment at which lingering is over. */
  #latestMs = Number.POSITIVE_INFINITY;

  constructor(transport: Transport, deadline: Deadline, limits: ConversationLimits, clock: Clock) {
    this.#transport = transport;
    this.#deadline = deadline;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Sends FIN after the last accepted byte and waits for the peer's. */
  linger(): void {
    this.end = End.Lingering;
    this.#latestMs = this.#clock.nowMs + this.#limits.lingerTotalMs;
    this.#deadline.set(this.isHalfClosed ? Wait.None : Wait.Linger, 0);
    if (this.isPeerFinished) this.#transport.end();
    else this.#transport.shutdown();
  }

  /**
   * Returns whether a shutdown may end the connection now: it waits for a request, or for the rest of a content that is read past, and has
   * been quiet for `quietMs`. After our FIN it must also have been quiet for `lingerMs`: then closing cannot cause a reset that
   * destroys the last response.
   */
  mayShutDown(isSkipping: boolean, quietMs: number, lingerMs: number): boolean {
    const { wait, quietMs: isQuietForMs } = this.#deadline;
    if (this.end === End.Lingering) return isQuietForMs >= Math.max(quietMs, lingerMs);
    const isUnasked = isSkipping || wait === Wait.Idle || wait === Wait.Handshake;
    return isUnasked && isQuietForMs >= quietMs;
  }

  /** Reads past `count` bytes after the last request. If all of them are more than the bound, pauses the peer, or closes after our FIN. */
  discard(count: number, inbox: Pick<ReceiveBuffer, "pause">): void {
    this.#discarded += count;
    const isWithin = this.#discarded <= this.#limits.lingerBytesMax;
    if (this.end === End.Open) {
      if (!isWithin) inbox.pause();
    } else if (this.end === End.Lingering) {
      if (!isWithin) this.close("client");
      else if (!this.isHalfClosed) this.#deadline.extend(this.#limits.lingerMs, this.#latestMs);
    }
  }

  /**
   * Closes without a reset, so that the kernel can finish delivering to a slow reader. Over TLS, Bun waits until the
   * kernel has taken the encrypted bytes, and a peer that does not read would keep the socket for ever. So this has a
   * deadline too, followed by a reset. FIN goes first: after it, Bun closes at once if the kernel has taken all. Without it,
   * `end` over TLS waits some eleven seconds for the peer's close_notify, and `terminate` does not shorten that.
   */
  close(reason: CloseReason): void {
    this.reason ??= reason;
    if (this.end === End.Ending) {
      this.#transport.terminate();
      return;
    }
    if (this.end === End.Open) this.#transport.shutdown();
    this.end = End.Ending;
    this.#deadline.set(Wait.Linger, 0);
    this.#deadline.extend(this.#limits.stallTimeoutMs);
    this.#transport.end();
  }

  /** Ends reading and answering; the caller closes by RST. A connection that lingers keeps its reason. */
  abort(reason: CloseReason): void {
    if (this.end === End.Open) this.reason = reason;
    this.end = End.Ending;
  }

  /** Notes that the transport is closed. Returns the reason: the peer's own doing unless we had decided otherwise. */
  closed(): CloseReason {
    this.end = End.Gone;
    this.#deadline.clear();
    return this.reason ?? "client";
  }
}
