/**
 * The gate before one stream of a fixture, as HTTP/2 sees it: it holds a response back, and has something happen at a place of it
 * (fixture/faulty-stream.ts). Without a fixture there is none.
 */
import type { Fault } from "../http/fault.ts";
import type { Response } from "../http/message.ts";

/** Makes gates. */
export interface StreamGates {
  /** Returns the gate for one response with a fault. `proceed` is called, outside of turns, when more of it may pass. */
  gate(fault: Fault, proceed: () => void): StreamGate;
}

export interface StreamGate {
  /** True if something happens at a place of the response. Its end is then a frame of its own. */
  readonly hasPlace: boolean;
  /** True until that has happened. */
  readonly isPending: boolean;
  /** True while the gate keeps the response back. */
  readonly isHolding: boolean;
  /** Returns the response as the fault makes it. */
  spoil(response: Response, isHead: boolean): Response;
  /** Returns how many bytes of content after `position` may be written now; below 0: none, and the head neither. */
  passing(position: number): number;
  /** Notes that content of unknown size has ended. */
  contentEnds(position: number): void;
  /** Returns the effect of the fault after `position` bytes of content; null: the response waits for its time. */
  act(position: number, at: Place): Verdict | null;
  /** Ends the fault. Returns false if the response is to be cut off. */
  open(): boolean;
  /** Called when the stream is closed. */
  closed(): void;
}

/** The stream at the place of a fault. */
export interface Place {
  readonly stream: number;
  /** Bytes of DATA that the windows and the largest frame of the peer let pass. */
  readonly room: number;
  /** Bytes of the largest payload that the peer takes. */
  readonly frameSizeMax: number;
  /** Largest last stream that a further GOAWAY may name (RFC 9113 §6.8). */
  readonly lastStreamMax: number;
}

/** Something that happens at a place of a response. */
export interface Verdict {
  /** Frames to write there. */
  readonly frames: Uint8Array;
  /** Bytes of them that the windows count. */
  readonly windowBytes: number;
  /** The rest of the response follows, or never does; the frames were its end; or the stream is closed. */
  readonly next: "goes on" | "hangs" | "is done" | "is closed";
  /** Last stream of a GOAWAY among the frames, or null. */
  readonly lastStream: number | null;
  /** Stream that the frames have promised, or 0. */
  readonly promised: number;
  /** The connection ends after its streams, as after its last request. */
  readonly isLast: boolean;
}

/** Returns the effect of a fault at its place. `garbage` are bytes that no client takes for content. */
export type Effect = (fault: Fault, at: Place, garbage: Uint8Array) => Verdict;
