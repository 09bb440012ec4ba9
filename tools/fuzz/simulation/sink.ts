/** Sink of a request's content: says no from time to time, and holds each call against its contract (docs/decisions/0013). */
import type { ContentFailure, ContentSink } from "../../../src/http/message.ts";
import type { Random } from "../random.ts";
import type { Referee } from "./referee.ts";

interface SinkOptions {
  /** Number of the client that sends the content. */
  readonly client: number;
  /** Bytes that are to come. */
  readonly content: Uint8Array;
  readonly random: Random;
  readonly referee: Referee<unknown>;
  /** Calls at a time of the simulator's choice. */
  readonly later: (call: () => void) => void;
  /** Returns true if the client may have sent other content than was planned. */
  readonly isBroken?: () => boolean;
  /** Called at the end, of whatever kind. */
  readonly whenOver: () => void;
}

export class WatchedSink implements ContentSink {
  /** `ended`, the reason of a failure, or "" before that. */
  end: "" | "ended" | ContentFailure = "";
  /** Milliseconds at which it was ready again; NaN before that. */
  readyMs = Number.NaN;
  /** The handler was called, so there has to be an end. */
  isInUse = false;
  readonly #options: SinkOptions;
  #position = 0;
  #isReady = true;

  constructor(options: SinkOptions) {
    this.#options = options;
  }

  /** It has said no, and the content is not over. */
  get isStalled(): boolean {
    return !this.#isReady && this.end === "";
  }

  write(bytes: Uint8Array): boolean {
    const { content, random, referee } = this.#options;
    if (!this.isInUse) this.#fail("a sink gets content before its handler works");
    if (this.end !== "") this.#fail("a sink gets content after its end");
    if (!this.#isReady) this.#fail("a sink gets content before it is ready");
    const wanted = content.subarray(this.#position, this.#position + bytes.length);
    if (bytes.length === 0 || Buffer.compare(bytes, wanted) !== 0)
      this.#fail("a sink gets other content than was sent");
    this.#position += bytes.length;
    this.#isReady = !random.oneIn(3);
    if (!this.#isReady) referee.coverage.count("sink: says no");
    return this.#isReady;
  }

  ended(): void {
    if (this.#position !== this.#options.content.length) this.#fail("a sink is told of the end too early");
    this.#endBy("ended");
  }

  failed(reason: ContentFailure): void {
    this.#endBy(reason);
  }

  whenReady(resume: () => void): void {
    if (!this.isStalled) this.#fail("a sink is waited for, and need not be");
    this.#options.later(() => {
      this.#isReady = true;
      this.readyMs = this.#options.referee.nowMs;
      resume();
    });
  }

  #endBy(how: "ended" | ContentFailure): void {
    if (this.end !== "") this.#fail(`a sink is told of two ends: ${this.end}, ${how}`);
    if (!this.isInUse) this.#fail("a sink is told of an end before its handler works");
    this.end = how;
    this.#options.referee.coverage.count(`sink: ${how}`);
    this.#options.whenOver();
  }

  #fail(sentence: string): void {
    if (this.#options.isBroken?.() === true) return;
    this.#options.referee.fail(this.#options.client, sentence);
  }
}
