import type { Handler } from "../http/message.ts";
import type { Scratch } from "../http1/outbox.ts";
import type { ExchangePool } from "../http1/request.ts";
import type { HeadStarts } from "../http1/response-head.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import type { Clock } from "./clock.ts";
import type { Answered, Observer } from "./observer.ts";
import type { Pool } from "./pool.ts";

/** The options a conversation goes by, and the bounds that have no flag. Milliseconds and bytes, as their names say. */
export interface ConversationLimits
  extends Pick<
    ServerSettings,
    "keepAliveTimeoutMs" | "maxRequests" | "headerTimeoutMs" | "stallTimeoutMs" | "minRateBytes" | "queueTimeoutMs"
  > {
  /** Most that is read and thrown away of content nobody wants, so that the connection can persist. */
  readonly unwantedBodyBytesMax: number;
  /** Received bytes that may wait while an answer is under way; then the peer is paused. Bounds pipelining. */
  readonly receiveBytesMax: number;
  /** How long we wait for more, and for the peer's FIN, after ours, so that a reset does not destroy the answer. */
  readonly lingerMs: number;
  /** And how long in all. */
  readonly lingerTotalMs: number;
  /** And for how many bytes, those included that came while the answer was under way. */
  readonly lingerBytesMax: number;
  /** How long a peer is given, when the server ends, for what may be on its way. */
  readonly shutdownGraceMs: number;
  /** File content read and offered at a time. */
  readonly sliceBytes: number;
}

/** A conversation, or a part of one, that asked for another turn. */
export interface Resumable {
  resumed(): void;
}

/** The parts that all conversations of one server share. */
export interface Context {
  readonly limits: ConversationLimits;
  readonly clock: Clock;
  readonly pool: Pool;
  /** Somebody has begun to wait for a slot: the pool is to be relieved from time to time. */
  readonly waiting: () => void;
  readonly handler: Handler;
  readonly observer: Observer;
  /** Filled in for each answer that the observer is told of. */
  readonly answered: Answered;
  readonly scratch: Scratch;
  readonly headStarts: HeadStarts;
  /** Of answers of the server's own endpoints. */
  readonly endpointHeadStarts: HeadStarts;
  readonly exchanges: ExchangePool;
  /** Calls `resumed` in a later turn of the event loop. */
  defer(sleeper: Resumable): void;
  /** True from the start of a shutdown: an answer is its connection's last, unless requests were pipelined behind it. */
  draining: boolean;
}
