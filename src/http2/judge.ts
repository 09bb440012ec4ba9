/** The frames of a fault, among those of its connection. */
import type { StreamGate, Verdict } from "../exchange/stream-gate.ts";
import type { Scratch } from "./context.ts";
import type { SendWindow } from "./flow-control.ts";

/** Writes the frames of the gate's verdict about a response that has come to `position`. Returns the verdict; null if it waits. */
export function judge(
  gate: StreamGate,
  position: number,
  { stream, sendWindow: own }: { readonly stream: number; readonly sendWindow: SendWindow },
  { sendWindow: shared, frameSizeMax }: { readonly sendWindow: SendWindow; readonly frameSizeMax: number },
  out: Scratch,
): Verdict | null {
  const room = Math.max(0, Math.min(own.size, shared.size, frameSizeMax));
  const verdict = gate.act(position, { stream, room, frameSizeMax });
  if (verdict === null) return null;
  const { frames, windowBytes } = verdict;
  out.reserve(frames.length);
  out.bytes.set(frames, out.used);
  out.used += frames.length;
  own.spend(windowBytes);
  shared.spend(windowBytes);
  return verdict;
}
