/** One planned request: what has become of it, and what is to be received for it. */
import type { Response } from "../../../src/http/message.ts";
import type { Plan } from "./plan.ts";
import type { ExpectedContent } from "./reader.ts";
import type { WatchedSink } from "./sink.ts";
import type { WatchedSource } from "./source.ts";

/** What is to be received as the answer of one request. */
export interface Promised {
  readonly response: Response;
  /** `<client>.<index>`, or "" where the server could not read whose request it was. */
  readonly id: string;
  readonly content: ExpectedContent;
  /** Whether content is left out cannot be told: the server may or may not have read the method HEAD. */
  readonly mayLackContent: boolean;
  readonly wasDraining: boolean;
  readonly atMs: number;
  /** Bytes that the client had received by then. */
  readonly behindBytes: number;
}

/** What has become of one planned request. */
export class Course {
  readonly plan: Plan;
  firstByteMs = Number.NaN;
  /** The same, of its request line: an empty line begins nothing, half of one may. */
  lineBegunMs = Number.NaN;
  /** The server has read the head, or given it up. */
  takenMs = Number.NaN;
  /** Nothing of the content had come with the head. */
  wasBare = false;
  /** The server does not read the content to its end, so the answer is the last. */
  stopsEarly = false;
  /** The content is skipped behind the answer, and is found to be malformed or too much there: nothing may follow. */
  breaksOff = false;
  /** When the answer was received to its end. */
  answeredMs = Number.NaN;
  /** The answer tells of something after which nothing may follow. */
  mustClose = false;
  isAdmitted = false;
  isResponding = false;
  isRunning = false;
  isTurnedAway = false;
  hasFailed = false;
  continues = 0;
  /** When the handler began to work. */
  runningMs = Number.NaN;
  promised: Promised | null = null;
  source: WatchedSource | null = null;
  sink: WatchedSink | null = null;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  get isWanted(): boolean {
    return this.plan.answer.way !== "admit" && (this.isStreamed || this.plan.bodyBytesMax > 0);
  }

  /** Offset of the byte from which on the request is answered. */
  get dueAt(): number {
    return this.plan.skips ? this.plan.headEnd : this.plan.end;
  }

  /** The content is for a sink. */
  get isStreamed(): boolean {
    return this.plan.answer.way === "streamed" || this.plan.answer.way === "early";
  }

  /** Since when the client is waited for, and nothing of ours: from the head on, or from when its sink could take something. */
  get readableMs(): number {
    return Math.max(this.takenMs, this.runningMs || 0, this.sink?.readyMs || 0, this.answeredMs || 0);
  }
}
