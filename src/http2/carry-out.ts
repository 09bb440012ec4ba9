/** The effect of a fault on the streams of its connection, once its frames are written. */
import type { Verdict } from "../exchange/stream-gate.ts";
import type { Departure } from "./departure.ts";
import type { Stream, StreamOwner } from "./stream.ts";
import { Closed, type Streams } from "./streams.ts";

/** The connection, as a verdict is carried out on it. */
interface VerdictOwner extends Pick<StreamOwner, "schedule" | "wake"> {
  /** Closes a stream without a word. */
  drop(stream: Stream, reason: "fault"): void;
}

/** Has the verdict take effect. Call it within a turn, when no bytes of other connections are gathered. */
export function carryOut(
  verdict: Verdict,
  stream: Stream,
  streams: Streams,
  departure: Departure,
  connection: VerdictOwner,
): void {
  const { lastStream, promised } = verdict;
  if (verdict.isLast) departure.announce("last request");
  if (promised > 0) streams.promise(promised, Closed.ByUs);
  if (lastStream !== null) {
    departure.leave("fault");
    for (const other of [...streams]) if (other.stream > lastStream) connection.drop(other, "fault");
  }
  if (stream.isClosed) return;
  if (verdict.next === "is closed") {
    connection.drop(stream, "fault");
    return;
  }
  connection.schedule(stream);
  connection.wake(stream);
}
