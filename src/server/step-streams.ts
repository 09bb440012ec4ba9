/** Live pages of one thread that show a request in slow motion. While there are none, nothing is loaded, and no time is taken. */
import type { TimeSource } from "../exchange/clock.ts";
import type { Observer } from "../exchange/observer.ts";
import { type EventStream, streamEvent } from "../handlers/endpoints/event-stream.ts";

/** Milliseconds between two comments on every stream: a page that has gone is noticed when bytes are written to it. */
const BEAT_MS = 1000;
const BEAT = new TextEncoder().encode(":\n\n");

export interface StepStreamsOptions {
  readonly time: TimeSource;
  /** Returns the observer of the connections of this thread. */
  readonly observer: () => Observer;
}

export class StepStreams {
  readonly #options: StepStreamsOptions;
  readonly #streams = new Set<EventStream>();
  #cancelBeat: (() => void) | null = null;

  constructor(options: StepStreamsOptions) {
    this.#options = options;
  }

  /** Sends a StepsView to `stream` for one request after the other, until `unwatch`. */
  watch(stream: EventStream): void {
    this.#streams.add(stream);
    if (this.#streams.size > 1) return;
    this.#cancelBeat = this.#options.time.every(BEAT_MS, () => this.#send(BEAT));
    void this.#begin();
  }

  unwatch(stream: EventStream): void {
    if (!this.#streams.delete(stream) || this.#streams.size > 0) return;
    this.#cancelBeat?.();
    this.#cancelBeat = null;
    this.#options.observer().steps = null;
  }

  drain(): void {
    for (const stream of this.#streams) stream.end();
  }

  async #begin(): Promise<void> {
    const { SlowMotion } = await import("./slow-motion.ts");
    // The page may have been closed meanwhile.
    if (this.#streams.size === 0) return;
    const { time, observer } = this.#options;
    observer().steps = new SlowMotion(time, (view) => this.#send(streamEvent(JSON.stringify(view))));
  }

  #send(event: Uint8Array): void {
    for (const stream of this.#streams) stream.send(event);
  }
}
