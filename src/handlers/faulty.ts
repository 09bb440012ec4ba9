/**
 * Stands between the conversations and what answers them in a fixture server: decides which request gets a fault, by its own
 * field X-Fixture or by the rules, and makes those faults that are in the answer itself. The others are for the wire, which
 * finds them in `request.fault`.
 *
 * The rule it guards: control requests never have a fault, or a server could not be asked to stop making them.
 */
import { type Fault, parseFaultField } from "../http/fault.ts";
import type { BodySource, Handler, Request, Response } from "../http/message.ts";
import { Field } from "../http/request-head.ts";
import type { FieldLines } from "../http/response.ts";
import type { FaultRules } from "./fault-rules.ts";
import { isReserved } from "./reserved.ts";

export class FaultyHandler implements Handler {
  readonly #inner: Handler;
  readonly #rules: FaultRules;
  readonly #mayOrder: (request: Request) => boolean;
  readonly #isDraining: () => boolean;

  /** `mayOrder`: whose X-Fixture counts. `isDraining`: the server stops, and nothing new is to hold it up. */
  constructor(inner: Handler, rules: FaultRules, mayOrder: (request: Request) => boolean, isDraining: () => boolean) {
    this.#inner = inner;
    this.#rules = rules;
    this.#mayOrder = mayOrder;
    this.#isDraining = isDraining;
  }

  admit(request: Request): Response | null {
    const refusal = this.#inner.admit(request);
    // The path, because whom a room refuses at its door, for the Host or the password, never comes to be its request.
    if (request.isControl || isReserved(request.target.path) || this.#isDraining()) return refusal;
    if (request.head.has(Field.XFixture) && !this.#mayOrder(request)) {
      return this.#inner.failure(403, "X-Fixture is for whom the rooms of the fixture are for.", request);
    }
    const fault = this.#choose(request);
    if (typeof fault === "string") return this.#inner.failure(400, `X-Fixture: ${fault}.`, request);
    request.fault = fault;
    if (fault?.kind === "status") return this.#statusAnswer(request, fault);
    return refusal === null ? null : spoil(refusal, fault);
  }

  respond(request: Request): Response | Promise<Response> {
    const { fault } = request;
    // Its content ended before the place for the fault: nothing may come of it all the same.
    if (fault?.kind === "reset-request") return this.#inner.failure(400, "The request is reset.", request);
    const response = this.#inner.respond(request);
    // While it was waited for, the fault may have been pardoned.
    return response instanceof Promise
      ? response.then((settled) => spoil(settled, request.fault))
      : spoil(response, fault);
  }

  failure(status: number, sentence: string, request: Request | null, fields?: FieldLines): Response {
    return spoil(this.#inner.failure(status, sentence, request, fields), request?.fault ?? null);
  }

  /** What is wrong with its X-Fixture, if anything is. A request's own word comes before the rules, which do not count it. */
  #choose({ head, target }: Request): Fault | string | null {
    const own = head.value(Field.XFixture);
    return own === null ? this.#rules.take(head.methodText(), target.path) : parseFaultField(own);
  }

  /** Instead of what would have been answered, and without what would have been done. The connection persists. */
  #statusAnswer(request: Request, { status, retryAfterSeconds }: Fault): Response {
    const fields: FieldLines = retryAfterSeconds === null ? [] : [["Retry-After", String(retryAfterSeconds)]];
    return { ...this.#inner.failure(status, "A test has asked for this answer.", request, fields), close: false };
  }
}

/** The answer with those faults that are in what it says, or as it was. */
function spoil(response: Response, fault: Fault | null): Response {
  switch (fault?.kind) {
    case "last":
      return { ...response, close: true };
    case "bad-length":
      return misstated(response, fault);
    case "bad-chunk":
      return brokenOff(response, fault);
    default:
      return response;
  }
}

const CONTENT_LENGTH = /^Content-Length: (\d+)\r\n/m;

/** A Content-Length that is not the content's; where there is none, as in 204, nothing but the end of the connection. */
function misstated(response: Response, { lengthBytes }: Fault): Response {
  const fields = replaceLine(response.fields, (length) => `Content-Length: ${lengthBytes ?? length + 1}\r\n`);
  return { ...response, fields, joined: null, close: true };
}

/** Chunked content that becomes nonsense where a chunk's size should be. */
function brokenOff(response: Response, { afterBytes }: Fault): Response {
  const { body } = response;
  if (body === null) return { ...response, close: true };
  const fields = replaceLine(response.fields, () => "Transfer-Encoding: chunked\r\n");
  return { ...response, fields, joined: null, body: new BrokenChunks(body, afterBytes ?? 0), close: true };
}

function replaceLine(fields: Uint8Array, line: (length: number) => string): Uint8Array {
  const text = Buffer.from(fields).toString("latin1");
  return Buffer.from(
    text.replace(CONTENT_LENGTH, (_whole, length: string) => line(Number(length))),
    "latin1",
  );
}

/** RFC 9112 §7.1: a chunk's size is hexadecimal. */
const NO_CHUNK = "no chunk\r\n";

/** The first bytes of some content as one chunk, and behind it what is no chunk. Owns the content. */
class BrokenChunks implements BodySource {
  readonly size: number;
  readonly #content: Uint8Array | BodySource;
  readonly #contentBytes: number;
  readonly #before: Uint8Array;
  readonly #behind: Uint8Array;

  /** Of `content` the first `bytesMax`. */
  constructor(content: Uint8Array | BodySource, bytesMax: number) {
    this.#content = content;
    this.#contentBytes = Math.min(bytesMax, "size" in content ? content.size : content.length);
    const hasChunk = this.#contentBytes > 0;
    this.#before = Buffer.from(hasChunk ? `${this.#contentBytes.toString(16)}\r\n` : "");
    this.#behind = Buffer.from(hasChunk ? `\r\n${NO_CHUNK}` : NO_CHUNK);
    this.size = this.#before.length + this.#contentBytes + this.#behind.length;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    const start = this.#before.length;
    if (position < start) return copy(this.#before, position, into, offset, limit);
    const behind = start + this.#contentBytes;
    if (position >= behind) return copy(this.#behind, position - behind, into, offset, limit);
    const wanted = Math.min(limit, behind - position);
    const content = this.#content;
    if ("size" in content) return content.read(position - start, into, offset, wanted);
    return copy(content, position - start, into, offset, wanted);
  }

  close(): void {
    if ("size" in this.#content) this.#content.close();
  }
}

function copy(from: Uint8Array, position: number, into: Uint8Array, offset: number, limit: number): number {
  const bytes = from.subarray(position, position + limit);
  into.set(bytes, offset);
  return bytes.length;
}
