/** The limits of one simulated server: small, so that a short conversation reaches every one of them. */

import type { ConversationLimits } from "../../../src/exchange/context.ts";
import { GATHER_BYTES_MAX } from "../../../src/http1/outbox.ts";
import type { HeadLimits } from "../../../src/http1/request-head.ts";
import type { Random } from "../random.ts";

/** Milliseconds that a connection must have been idle to be closed when a shutdown begins; later all idle ones are. */
export const SHUTDOWN_GRACE_MS = 250;

export interface Settings {
  readonly threads: number;
  readonly queue: number;
  /** Senders that may go on without a slot; 0: none lends. */
  readonly lendersMax: number;
  readonly limits: ConversationLimits;
  readonly headLimits: HeadLimits;
  readonly scratchBytes: number;
  readonly bodyMemoryBytes: number;
  /** Most that the handler takes of content it wants. */
  readonly bodyBytesMax: number;
  readonly clients: number;
  /** Nobody reads all that is there. */
  readonly areSlow: boolean;
  /** Events before the end begins. */
  readonly events: number;
  /** The server is asked to shut down at some event. */
  readonly drains: boolean;
}

/** In-memory content that shares a write with its head: a few answers fill the smallest scratch. */
export const SMALL_CONTENT_BYTES_MAX = 700;

/** In-memory content that is sent from its own array. */
export const LARGE_CONTENT_BYTES = GATHER_BYTES_MAX + 1;

/** A head with its small content, bytes; half the scratch has to hold one. */
const GATHERED_BYTES_MAX = SMALL_CONTENT_BYTES_MAX + 500;

/** Milliseconds of silence in the rest of a content: more than the shortest window, less than the others. */
const REST_SILENCE_MS = 800;

export function chooseSettings(random: Random): Settings {
  const sliceBytes = random.pick([16, 64, 300, 1000]);
  const timeoutsMs = [100, 1000, 1500, 5000];
  const lingerMs = random.pick([50, 400]);
  const limits: ConversationLimits = {
    keepAliveTimeoutMs: random.pick(timeoutsMs),
    maxRequests: random.pick([0, 0, 0, 1, 2, 3, 5]),
    headerTimeoutMs: random.pick(timeoutsMs),
    stallTimeoutMs: random.pick(timeoutsMs),
    queueTimeoutMs: random.pick(timeoutsMs),
    minRateBytes: random.pick([1, 20, 1000]),
    unwantedBodyBytesMax: random.pick([0, 50, 200]),
    // Also less than one head: a head that is not complete does not wait behind anything.
    receiveBytesMax: random.pick([50, 300, 1000, 4000]),
    restSilenceMs: REST_SILENCE_MS,
    lingerMs,
    lingerTotalMs: lingerMs * random.pick([1, 3]),
    lingerBytesMax: random.pick([0, 200, 5000]),
    shutdownGraceMs: SHUTDOWN_GRACE_MS,
    sliceBytes,
    sendFileBytesMin: random.pick([0, 500, 2000]),
    sendFileProbeBytes: random.pick([1, 16, 100]),
  };
  return {
    threads: 1 + random.below(4),
    queue: random.below(5),
    lendersMax: random.pick([0, 1, 1, 2, 3]),
    limits,
    headLimits: { maxHeaderBytes: 400, maxFields: 8, maxEmptyLines: 2 },
    scratchBytes: 2 * (sliceBytes + GATHERED_BYTES_MAX) + random.pick([0, 1000, 20_000]),
    bodyMemoryBytes: random.pick([150, 1000, 100_000]),
    bodyBytesMax: random.pick([1, 100, 300]),
    clients: 1 + random.below(random.pick([3, 6, 12])),
    areSlow: random.oneIn(3),
    events: 20 + random.below(130),
    drains: random.oneIn(3),
  };
}
