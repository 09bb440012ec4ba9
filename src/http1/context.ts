import type { Context } from "../exchange/context.ts";
import type { Scratch } from "./outbox.ts";
import type { RequestPool } from "./request.ts";
import type { HeadStarts } from "./response-head.ts";

/** The parts that all HTTP/1 connections of one server share. */
export interface Http1Context extends Context {
  readonly requests: RequestPool;
  readonly scratch: Scratch;
  readonly headStarts: HeadStarts;
  /** For responses of the server's own endpoints. */
  readonly endpointHeadStarts: HeadStarts;
}
