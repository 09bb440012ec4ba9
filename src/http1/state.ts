/**
 * The read state of an HTTP/1 connection. The other axis is the phase of its exchange (exchange/exchange.ts). Every move of
 * either goes through a table: an edge that the table lacks is our own mistake, not a peer's.
 *
 *   read:   HEAD ──complete head──▶ BODY ──last byte──▶ DONE        any ──error, FIN, refusal──▶ CLOSED
 *           HEAD ──no content──▶ DONE ──next request──▶ HEAD
 *
 *   joint:  (DONE, exchange DONE)    persistent, served < max → (HEAD, RECEIVING), and the remaining bytes are parsed
 *           (DONE, exchange DONE)    otherwise → FIN, bounded drain
 *           (CLOSED, exchange DONE)  → FIN, bounded drain
 *           (CLOSED, RUNNING or SENDING) → finish the response, then as above
 */

export enum ReadState {
  Head = 0,
  Body,
  Done,
  Closed,
}

/** READ_EDGES[from] has bit `to` set where the move is allowed. */
const READ_EDGES: readonly number[] = [
  (1 << ReadState.Body) | (1 << ReadState.Done) | (1 << ReadState.Closed),
  (1 << ReadState.Done) | (1 << ReadState.Closed),
  (1 << ReadState.Head) | (1 << ReadState.Closed),
  0,
];

/** Returns `to`. Throws an Error, our own mistake, if the table has no such edge. */
export function readEdge(from: ReadState, to: ReadState): ReadState {
  if ((((READ_EDGES[from] as number) >> to) & 1) === 0) {
    throw new Error(`no edge from ${ReadState[from]} to ${ReadState[to]}`);
  }
  return to;
}
