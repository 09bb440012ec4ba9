/** The parts of compose.ts: a mount owns paths and answers for them; a layer stands around all mounts. */

import { type FieldLines, Fields } from "../http/fields.ts";
import { type Admission, type Handler, type Request, type Response, response } from "../http/message.ts";

export interface Mount {
  /** True for the server's own endpoints, which no other origin may use. */
  readonly isControl: boolean;
  /** Returns whether this mount answers for `path`, decoded and without dot segments. */
  owns(path: string): boolean;
  /** Returns the methods of `path`, which this mount owns, as the value of Allow. */
  allow(path: string): string;
  /** Decides by the head alone, as a Handler does. Returns null for a method that `allow` does not name, and for an OPTIONS that names the methods. */
  admit(request: Request): Admission | null;
  /** Answers a request that was admitted, as a Handler does. `admission` is the one of `admit`, as the layers have changed it. */
  respond(request: Request, admission: Admission): Response | Promise<Response>;
}

/** Wraps a handler in a layer. */
export type Layer = (inner: Handler) => Handler;

/** A handler that passes everything on. A layer extends it and overrides the calls that it decides. */
export class LayerHandler implements Handler {
  protected readonly inner: Handler;

  constructor(inner: Handler) {
    this.inner = inner;
  }

  admit(request: Request): Admission {
    return this.inner.admit(request);
  }

  respond(request: Request, admission: Admission): Response | Promise<Response> {
    return this.inner.respond(request, admission);
  }

  failure(status: number, sentence: string, request: Request | null, fields?: FieldLines): Response {
    return this.inner.failure(status, sentence, request, fields);
  }
}

/** Changes a response by its request, which is null if its head could not be read. */
type Mark = (request: Request | null, response: Response) => Response;

/** Makes a layer that changes every response. */
export function markingLayer(mark: Mark): Layer {
  return (inner) => new MarkingLayer(inner, mark);
}

class MarkingLayer extends LayerHandler {
  readonly #mark: Mark;

  constructor(inner: Handler, mark: Mark) {
    super(inner);
    this.#mark = mark;
  }

  override admit(request: Request): Admission {
    return this.#marked(request, this.inner.admit(request));
  }

  #marked(request: Request, admission: Admission): Admission {
    const { refusal, later } = admission;
    if (later !== null) return { ...admission, later: async () => this.#marked(request, await later()) };
    return refusal === null ? admission : { ...admission, refusal: this.#mark(request, refusal) };
  }

  override respond(request: Request, admission: Admission): Response | Promise<Response> {
    const response = this.inner.respond(request, admission);
    if (!(response instanceof Promise)) return this.#mark(request, response);
    return response.then((settled) => this.#mark(request, settled));
  }

  override failure(status: number, sentence: string, request: Request | null, fields?: FieldLines): Response {
    return this.#mark(request, this.inner.failure(status, sentence, request, fields));
  }
}

/** Answers OPTIONS with the methods of a path (RFC 9110 §9.3.7). 204 has no Content-Length (§8.6). */
export function allowAnswer(allow: string): Response {
  return response(204, Fields.of([["Allow", allow]]), null, "options");
}
