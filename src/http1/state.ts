/**
 * The two axes of one conversation: what is being read, and what is being written. A connection is always at one state of
 * each; every move goes through `assertEdge`, so an edge that is not in these tables is our own mistake, not a peer's.
 *
 *   read:   HEAD ──complete head──▶ BODY ──last byte──▶ DONE        any ──error, FIN, refusal──▶ CLOSED
 *           HEAD ──no body──▶ DONE ──next request──▶ HEAD
 *   write:  IDLE ──▶ WAITING ──slot──▶ RUNNING ──response──▶ SENDING ──all accepted──▶ DONE ──▶ IDLE | CLOSED
 *           IDLE ──slot at once──▶ RUNNING        IDLE, WAITING ──refusal──▶ SENDING        any ──▶ CLOSED
 *
 *   joint:  (DONE, DONE)   persistent, served < max → (HEAD, IDLE), and what is left over is parsed
 *           (DONE, DONE)   otherwise → FIN, bounded drain, (CLOSED, CLOSED)
 *           (CLOSED, DONE) → FIN, bounded drain, (CLOSED, CLOSED)
 *           (CLOSED, RUNNING | SENDING) → finish the answer, then as above
 */

export enum ReadState {
  Head = 0,
  Body = 1,
  Done = 2,
  Closed = 3,
}

export enum WriteState {
  Idle = 0,
  Waiting = 1,
  Running = 2,
  Sending = 3,
  Done = 4,
  Closed = 5,
}

/** READ_EDGES[from] has bit `to` set where the move is allowed. */
export const READ_EDGES: Uint8Array = edges(4, [
  [ReadState.Head, ReadState.Body],
  [ReadState.Head, ReadState.Done],
  [ReadState.Head, ReadState.Closed],
  [ReadState.Body, ReadState.Done],
  [ReadState.Body, ReadState.Closed],
  [ReadState.Done, ReadState.Head],
  [ReadState.Done, ReadState.Closed],
]);

/** WRITE_EDGES[from] has bit `to` set where the move is allowed. */
export const WRITE_EDGES: Uint8Array = edges(6, [
  [WriteState.Idle, WriteState.Waiting],
  [WriteState.Idle, WriteState.Running],
  [WriteState.Idle, WriteState.Sending],
  [WriteState.Waiting, WriteState.Running],
  [WriteState.Waiting, WriteState.Sending],
  [WriteState.Running, WriteState.Sending],
  [WriteState.Sending, WriteState.Done],
  [WriteState.Done, WriteState.Idle],
  [WriteState.Idle, WriteState.Closed],
  [WriteState.Waiting, WriteState.Closed],
  [WriteState.Running, WriteState.Closed],
  [WriteState.Sending, WriteState.Closed],
  [WriteState.Done, WriteState.Closed],
]);

/** Throws when `table` has no edge from `from` to `to`: an assertion, never reached by anything a peer sends. */
export function assertEdge(table: Uint8Array, from: number, to: number): void {
  if ((((table[from] ?? 0) >> to) & 1) === 0) throw new Error(`no edge from state ${from} to ${to}`);
}

function edges(states: number, pairs: readonly (readonly [from: number, to: number])[]): Uint8Array {
  const table = new Uint8Array(states);
  for (const [from, to] of pairs) table[from] = (table[from] ?? 0) | (1 << to);
  return table;
}
