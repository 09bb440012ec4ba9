/**
 * The read state of an HTTP/1 connection. The other axis is the phase of its exchange (exchange/exchange.ts). Every move of
 * either goes through a table: an edge that the table lacks is our own mistake, not a peer's.
 *
 *   read:   HEAD ──complete head──▶ BODY ──last byte──▶ DONE        any ──error, FIN──▶ CLOSED
 *           HEAD ──no content──▶ DONE ──next request──▶ HEAD
 *           BODY ──refusal is out──▶ REST ──last byte──▶ HEAD
 *
 *   joint:  (DONE, exchange DONE)    persistent, served < max → (HEAD, RECEIVING), and the remaining bytes are parsed
 *           (BODY, exchange DONE)    persistent, served < max → (REST, RECEIVING): the rest of the content is read past
 *           (DONE, exchange DONE)    otherwise → FIN, bounded drain
 *           (CLOSED, exchange DONE)  → FIN, bounded drain
 *           (CLOSED, RUNNING or SENDING) → finish the response, then as above
 */

import { Wait } from "../exchange/deadline.ts";
import { Phase } from "../exchange/exchange.ts";
import type { CloseReason } from "../exchange/observer.ts";

export enum ReadState {
  Head = 0,
  Body,
  /** The rest of a content whose request was refused by its head; the response is out. */
  Rest,
  Done,
  Closed,
}

/** READ_EDGES[from] has bit `to` set where the move is allowed. */
const READ_EDGES: readonly number[] = [
  (1 << ReadState.Body) | (1 << ReadState.Done) | (1 << ReadState.Closed),
  (1 << ReadState.Rest) | (1 << ReadState.Done) | (1 << ReadState.Closed),
  (1 << ReadState.Head) | (1 << ReadState.Closed),
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

/**
 * Decides whether a response is the connection's last, and why. `left`: requests that may follow. `isDraining`: the server shuts down, and
 * nothing of the peer waits; requests that were pipelined before are answered, because after a last response they would be lost
 * (RFC 9112 §9.3.2). `isRead`: the end of the request is known. `isPersistent`: its client lets the connection persist. `isLast`: the
 * handler does not.
 */
export function reasonToClose(
  left: number,
  isDraining: boolean,
  isRead: boolean,
  isPersistent: boolean,
  isLast: boolean,
  hasFault: boolean,
): CloseReason | null {
  if (left <= 0) return "last request";
  if (isDraining) return "shutdown";
  if (isRead && !isPersistent) return "client asked";
  if (isRead && !isLast) return null;
  return hasFault ? "fault" : "last answer";
}

/**
 * Returns the event that an open connection waits for in this joint state. `takesContent`: content of the peer can be taken. `hasUnsent`:
 * gathered bytes wait for the kernel. `hasHead`: a part of a head is there. `isHeld`: the response waits for its source or its fault.
 */
export function waitIn(
  phase: Phase,
  read: ReadState,
  takesContent: boolean,
  hasUnsent: boolean,
  hasHead: boolean,
  isHeld: boolean,
): Wait {
  switch (phase) {
    case Phase.Receiving:
      if (hasUnsent) return Wait.Send;
      if (read === ReadState.Rest) return Wait.Rest;
      if (read === ReadState.Body) return Wait.Body;
      return hasHead ? Wait.Head : Wait.Idle;
    case Phase.Waiting:
      return Wait.Queue;
    case Phase.Running:
      // The peer has no deadline, unless it owes content that the handler could take.
      if (read !== ReadState.Body || !takesContent) return Wait.None;
      return hasUnsent ? Wait.Send : Wait.Body;
    default:
      return isHeld ? Wait.None : Wait.Send;
  }
}
