/** Composes the parts that all HTTP/2 connections of one server share. Loaded with the first of them. */
import type { Fixture } from "../fixture/fixture.ts";
import { endpointFields, fixedFields, strictTransport } from "../handlers/fixed-fields.ts";
import type { Http1Context } from "../http1/context.ts";
import { Http2Connection } from "../http2/connection.ts";
import { type Http2Context, Scratch } from "../http2/context.ts";
import { RequestPool } from "../http2/request.ts";
import { limits } from "../settings/limits.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { isSecure, maxRequestsOf } from "./compose.ts";
import type { OpenHttp2 } from "./door.ts";

/** Room for the frames around a slice, and for the heads that go with it. */
const HEADS_BYTES = 65_536;

/** Returns the maker of HTTP/2 connections. They share handler, pool and limits with those of HTTP/1. `fixture` may be null. */
export async function openHttp2(
  settings: ServerSettings,
  http1: Http1Context,
  fixture: Fixture | null,
): Promise<OpenHttp2> {
  const gates = fixture === null ? null : await fixture.gates((await import("../http2/fault-frames.ts")).effectOf);
  const secureLines = isSecure(settings) ? strictTransport(settings) : [];
  const { clock, pool, peerMemory, waiting, handler, relays, observer, answered, drain } = http1;
  const context: Http2Context = {
    clock,
    pool,
    peerMemory,
    waiting,
    handler,
    relays,
    observer,
    answered,
    drain,
    defer: http1.defer,
    limits: { ...limits, ...settings, maxRequests: maxRequestsOf(settings, limits.http2RequestsUnaskedMax) },
    requests: new RequestPool(limits.fieldsMax, http1.requests.memory),
    gates,
    scratch: new Scratch(limits.sliceBytes + HEADS_BYTES),
    fixedFields: fixedFields(settings, secureLines),
    endpointFields: endpointFields(settings, secureLines),
  };
  return (transport, id, peer) => new Http2Connection(context, transport, id, peer);
}
