/** The frames of a fault, among those of its connection. */
import type { StreamGate, Verdict } from "../exchange/stream-gate.ts";
import type { Scratch } from "./context.ts";
import type { SendWindow } from "./flow-control.ts";

/** The connection, as a verdict sees it. */
export interface VerdictConnection {
  /** Window of the connection. */
  readonly sendWindow: SendWindow;
  /** Bytes of the largest payload that the peer takes. */
  readonly frameSizeMax: number;
  /** Largest stream that a further GOAWAY may name. */
  readonly lastStreamMax: number;
  /** Notes the last stream of a GOAWAY that a fault has written. */
  named(lastStream: number): void;
}

/** Writes the frames of the gate's verdict about a response that has come to `position`. Returns the verdict; null if it waits. */
export function judge(
  gate: StreamGate,
  position: number,
  { stream, sendWindow: own }: { readonly stream: number; readonly sendWindow: SendWindow },
  owner: VerdictConnection,
  out: Scratch,
): Verdict | null {
  const { sendWindow: shared, frameSizeMax, lastStreamMax } = owner;
  const room = Math.max(0, Math.min(own.size, shared.size, frameSizeMax));
  const verdict = gate.act(position, { stream, room, frameSizeMax, lastStreamMax });
  if (verdict === null) return null;
  const { frames, windowBytes, lastStream } = verdict;
  if (lastStream !== null) owner.named(lastStream);
  out.reserve(frames.length);
  out.bytes.set(frames, out.used);
  out.used += frames.length;
  own.spend(windowBytes);
  shared.spend(windowBytes);
  return verdict;
}
