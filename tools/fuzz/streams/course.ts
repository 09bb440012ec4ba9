/** One planned request: how far it was sent, what the server has done about it, and how far its answer has come. */
import type { Response } from "../../../src/http/message.ts";
import type { WatchedSink } from "../simulation/sink.ts";
import type { WatchedSource } from "../simulation/source.ts";
import type { LiveText } from "./live-text.ts";
import type { StreamPlan } from "./plan.ts";

/** What is to be received as the answer. */
interface PromisedAnswer {
  readonly response: Response;
  /** The first byte of its content in the text of content.ts. */
  readonly place: number;
  /** Bytes that the answer announces; -1 for live content. */
  readonly length: number;
  /** Bytes that there are. */
  readonly available: number;
}

export class StreamCourse {
  readonly plan: StreamPlan;
  readonly stream: number;

  // What is sent. Frames are queued first, and count as delivered once their last byte has reached the server.

  queuedBytes = 0;
  isEndQueued = false;
  isResetQueued = false;
  isHeadDelivered = false;
  headMs = Number.NaN;
  /** Streams that were open then. */
  streamsBefore = 0;
  deliveredBytes = 0;
  isWhole = false;
  isResetDelivered = false;
  /** Place in all that is received from which on no content of this stream may come; the client has reset it. */
  mutedFrom = Number.POSITIVE_INFINITY;
  /** Bytes that the client may send, and that the server may. */
  sendWindow = 0;
  window = 0;

  // What the server does.

  admits = 0;
  responds = 0;
  reports = 0;
  /** A promise of the handler has not settled. */
  isRunning = false;
  /** The admission took time, and is decided. */
  isAdmittedLate = false;
  hasFailed = false;
  isTurnedAway = false;
  /** Something was found wrong with it. */
  isRefused = false;
  promised: PromisedAnswer | null = null;
  source: WatchedSource | LiveText | null = null;
  sink: WatchedSink | null = null;

  // What is received.

  status = 0;
  continues = 0;
  readBytes = 0;
  isEnded = false;
  /** Code of the server's RST_STREAM, or -1. */
  resetCode = -1;

  constructor(plan: StreamPlan, stream: number) {
    this.plan = plan;
    this.stream = stream;
  }

  get id(): string {
    return `${this.plan.client}.${this.plan.index}`;
  }

  /** Bytes of content that the client has not queued. */
  get leftBytes(): number {
    return this.plan.length - this.queuedBytes;
  }

  /** The client may still send content or trailers. */
  get isUploading(): boolean {
    return !this.isEndQueued && !this.isResetQueued && this.resetCode < 0;
  }

  /** Neither side has ended it as far as the client knows. */
  get isOpen(): boolean {
    return this.resetCode < 0 && !this.isResetQueued && !(this.isEnded && this.isEndQueued);
  }

  /** It may count among the streams that the server has open. */
  get isOpenAtServer(): boolean {
    return this.isHeadDelivered && this.resetCode < 0 && !this.isResetDelivered && !(this.isEnded && this.isWhole);
  }

  /** The handler takes content. */
  get isWanted(): boolean {
    return this.plan.answer.way !== "admit" && (this.plan.use === "collect" || this.plan.use === "sink");
  }
}
