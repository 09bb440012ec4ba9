/** Composes the parts that all connections of one server share from its settings. */
import type { Clock } from "../exchange/clock.ts";
import { ContentMemory } from "../exchange/content-buffer.ts";
import type { Context } from "../exchange/context.ts";
import type { Counter } from "../exchange/counter.ts";
import { newAnswered } from "../exchange/observer.ts";
import { endpointFields, fixedFields, strictTransport } from "../handlers/fixed-fields.ts";
import type { Fields } from "../http/fields.ts";
import type { Http1Context } from "../http1/context.ts";
import { GATHER_BYTES_MAX, Scratch } from "../http1/outbox.ts";
import { RequestPool } from "../http1/request.ts";
import { HeadStarts } from "../http1/response-head.ts";
import { limits } from "../settings/limits.ts";
import { type ServerSettings, UNASKED } from "../settings/server-settings.ts";
import { connectionsMax } from "./file-limit.ts";

/** Most bytes of a head that stand for one byte of the request: a redirect writes a byte that no URI may have as `%XX`. */
const ESCAPED_BYTES = 3;

/** The parts of a context that the server makes itself. */
type OwnParts = Omit<Context, "limits" | "answered"> & {
  /** Counts the bytes of request content in all threads; undefined: there is one thread. */
  readonly bodyMemory: Counter | undefined;
};

/** Makes the context of HTTP/1 connections. */
export function composeContext(settings: ServerSettings, { bodyMemory, ...own }: OwnParts): Http1Context {
  const secureLines = isSecure(settings) ? strictTransport(settings) : [];
  const headLimits = {
    maxHeaderBytes: settings.maxHeaderBytes,
    maxFields: limits.fieldsMax,
    maxEmptyLines: limits.emptyLinesMax,
  };
  const headStarts = headStartsOf(settings, own.clock, fixedFields(settings, secureLines));
  return {
    ...own,
    limits: { ...limits, ...settings, maxRequests: maxRequestsOf(settings, limits.requestsUnaskedMax) },
    answered: newAnswered(),
    scratch: new Scratch(scratchBytes(settings, headStarts)),
    headStarts,
    endpointHeadStarts: headStartsOf(settings, own.clock, endpointFields(settings, secureLines)),
    requests: new RequestPool(headLimits, new ContentMemory(limits.bodyMemoryBytesMax, bodyMemory)),
  };
}

/** Returns true for a server that speaks TLS. */
export function isSecure({ tlsCert, tlsSelfSigned }: ServerSettings): boolean {
  return tlsCert !== "" || tlsSelfSigned;
}

/** One half is for the bytes gathered in a turn, the other for a slice, or for a head and small content. */
function scratchBytes({ maxHeaderBytes }: ServerSettings, { bytesMax }: HeadStarts): number {
  return 2 * (Math.max(limits.sliceBytes, bytesMax + ESCAPED_BYTES * maxHeaderBytes) + GATHER_BYTES_MAX);
}

/** Makes beginnings of heads for plain HTTP, which must not have Strict-Transport-Security (RFC 6797 §7.2). */
export function plainHeadStarts(settings: ServerSettings, clock: Clock): HeadStarts {
  return headStartsOf(settings, clock, fixedFields(settings));
}

/** Returns the most requests on one connection, `unasked` without a setting; 0: no limit. */
export function maxRequestsOf({ maxRequests }: ServerSettings, unasked: number): number {
  return maxRequests === UNASKED ? unasked : maxRequests;
}

/** Returns the most connections at a time. Warns if the file limit is below the setting. */
export function connectionsAtOnce(settings: ServerSettings, fileLimit: number, warn: (text: string) => void): number {
  const affordable = connectionsMax(settings.threads, fileLimit);
  if (settings.maxConnections > affordable) {
    warn(`--max-connections ${settings.maxConnections} is more than the file limit allows; using ${affordable}`);
  }
  return Math.min(settings.maxConnections === 0 ? limits.connectionsUnaskedMax : settings.maxConnections, affordable);
}

function headStartsOf(settings: ServerSettings, clock: Clock, fields: Fields): HeadStarts {
  return new HeadStarts(clock.dateLine, settings.keepAliveTimeoutMs / 1000, fields);
}

/** Longest and shortest time between two checks of the deadlines. The shortest timeout is kept to within a quarter. */
const TICK_MS_MAX = 1000;
const TICK_MS_MIN = 20;

/** Returns the milliseconds between two checks of the deadlines. */
export function tickMs(options: ServerSettings): number {
  const shortest = Math.min(
    options.keepAliveTimeoutMs,
    options.headerTimeoutMs,
    options.stallTimeoutMs,
    options.queueTimeoutMs,
    options.proxyTimeoutMs,
    options.uploadTimeoutMs,
  );
  return Math.max(TICK_MS_MIN, Math.min(TICK_MS_MAX, shortest / 4));
}
