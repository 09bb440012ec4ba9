import type { Handler } from "../http/message.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import type { Clock } from "./clock.ts";
import type { TrustedProxies } from "./forwarding.ts";
import type { Answered, Observer } from "./observer.ts";
import type { PeerMemory } from "./peer-memory.ts";
import type { Pool } from "./pool.ts";

/** The settings that a conversation obeys, and its bounds without a flag. Milliseconds and bytes, as their names say. */
export interface ConversationLimits
  extends Pick<
    ServerSettings,
    "keepAliveTimeoutMs" | "maxRequests" | "headerTimeoutMs" | "stallTimeoutMs" | "minRateBytes" | "queueTimeoutMs"
  > {
  /** Most content that is read and dropped, so that the connection can persist. */
  readonly unwantedBodyBytesMax: number;
  /** Received bytes that may wait while a response is under way. At more, the peer is paused. Bounds pipelining. */
  readonly receiveBytesMax: number;
  /** Silence after our FIN until the connection closes, so that a reset does not destroy the response. */
  readonly lingerMs: number;
  readonly restSilenceMs: number;
  /** Time after our FIN until the connection closes, however much the peer still sends. */
  readonly lingerTotalMs: number;
  /** Bytes that are read past, those included that came while the response was under way. */
  readonly lingerBytesMax: number;
  /** Time that a peer is given, when the server ends, for bytes that may be on their way. */
  readonly shutdownGraceMs: number;
  /** Bytes of a file that are read and offered at a time. */
  readonly sliceBytes: number;
  /** Smallest content that the kernel reads from its file itself, where the transport has `sendFile`. */
  readonly sendFileBytesMin: number;
  /** Bytes of such a file that are read and written first, and whenever `sendFile` stops. */
  readonly sendFileProbeBytes: number;
}

/** A conversation, or a part of one, that asked for another turn. */
export interface Resumable {
  resumed(): void;
}

/** The end of one server. All its contexts share the object, so that it begins for all of them at once. */
export interface Drain {
  /** True from the start of a shutdown: a response is its connection's last, unless requests were pipelined behind it. */
  hasBegun: boolean;
}

/** The parts that all conversations of one server share, whatever their wire format. */
export interface Context {
  readonly limits: ConversationLimits;
  readonly clock: Clock;
  readonly pool: Pool;
  /** Counts the memory that is held for peers. */
  readonly peerMemory: PeerMemory;
  /** Called when a request begins to wait for a slot: the pool is to be relieved from time to time. */
  readonly waiting: () => void;
  readonly handler: Handler;
  /** Finds the clients of requests that come through proxies; null without --trusted-proxy. */
  readonly relays: Pick<TrustedProxies, "see"> | null;
  readonly observer: Observer;
  /** Filled in for each response that the observer is told of. */
  readonly answered: Answered;
  readonly drain: Drain;
  /** Calls `resumed` in a later turn of the event loop. */
  defer(sleeper: Resumable): void;
}
