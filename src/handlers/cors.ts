/**
 * Decides which pages of other origins may read our responses (Fetch Standard §3.2, CORS).
 *
 * Strategy: fields that do not depend on the request stand on every response and cost nothing. With `*` all fields do,
 * so only preflights are examined. With a list of origins, the response to one of them names it in a line of its own.
 *
 * The rule it guards: an upload must be `application/json`, which a page cannot send to another origin without a
 * preflight, and only allowed origins get a preflight granted. Credentials that the browser keeps (Basic, cookies) are
 * never allowed: a page that knows a password sends it in Authorization itself.
 */

import { Field } from "../http/field.ts";
import { type FieldLines, Fields } from "../http/fields.ts";
import { type Admission, type Handler, type Request, type Response, refused, response } from "../http/message.ts";
import { Method } from "../http/method.ts";
import { ANY_ORIGIN } from "../http/origin.ts";
import { type Layer, LayerHandler, markingLayer } from "./mount.ts";
import type { Router } from "./router.ts";

/**
 * Returns the lines of every response. `Vary` also stands on responses to requests without Origin: a cache must not
 * give one of those to a page (Fetch §3.2.7). Without credentials `*` exposes all fields, ETag, Content-Range and
 * Location among them.
 */
export function corsFields(origins: readonly string[]): FieldLines {
  if (origins.length === 0) return [];
  const who: FieldLines[number] = origins.includes(ANY_ORIGIN)
    ? ["Access-Control-Allow-Origin", ANY_ORIGIN]
    : ["Vary", "Origin"];
  return [who, ["Access-Control-Expose-Headers", "*"]];
}

/** Origins that the operator allows, as `resolveServerSettings` writes them. */
export class AllowedOrigins {
  readonly #isAny: boolean;
  /** Each with the field that names it. */
  readonly #origins: ReadonlyMap<string, Fields>;

  constructor(origins: readonly string[]) {
    this.#isAny = origins.includes(ANY_ORIGIN);
    this.#origins = new Map(origins.map((origin) => [origin, Fields.of([["Access-Control-Allow-Origin", origin]])]));
  }

  /** True when responses name the origin one by one. */
  get areNamed(): boolean {
    return !this.#isAny;
  }

  /** Returns true for OPTIONS from an allowed origin that asks for a method (Fetch §4.8). */
  isPreflight({ head }: Request): boolean {
    if (head.method !== Method.Options || !head.has(Field.AccessControlRequestMethod)) return false;
    return head.has(Field.Origin) && (this.#isAny || this.#fieldFor(head.value(Field.Origin)) !== undefined);
  }

  /** Returns the response with a line that names the request's origin, if that is allowed. */
  mark(request: Request | null, response: Response): Response {
    if (request === null || !request.head.has(Field.Origin)) return response;
    const field = this.#fieldFor(request.head.value(Field.Origin));
    return field === undefined ? response : { ...response, fields: field.followedBy(response.fields) };
  }

  #fieldFor(origin: string | null): Fields | undefined {
    return origin === null ? undefined : this.#origins.get(origin);
  }
}

/**
 * Makes the answer to a preflight. `*` covers every field but Authorization, which has to be named. Says nothing about
 * private networks: browsers ask their user instead of the server.
 */
function preflightAnswer(methods: string): Response {
  const fields = Fields.of([
    ["Allow", methods],
    ["Access-Control-Allow-Methods", methods],
    ["Access-Control-Allow-Headers", "*, Authorization"],
    ["Access-Control-Max-Age", PREFLIGHT_SECONDS],
  ]);
  return response(204, fields, null, "preflight");
}

/** Ten minutes: a change of `--cors` takes effect soon, and a page asks once for many requests. */
const PREFLIGHT_SECONDS = "600";

/** Answers preflights of allowed origins. Stands before credentials: browsers send none with a preflight (Fetch §3.2.2). */
export function preflightLayer(origins: AllowedOrigins, router: Router): Layer {
  return (inner) => new PreflightLayer(inner, origins, router);
}

class PreflightLayer extends LayerHandler {
  readonly #origins: AllowedOrigins;
  readonly #router: Router;
  /** Keyed by the methods that they allow. */
  readonly #answers = new Map<string, Admission>();

  constructor(inner: Handler, origins: AllowedOrigins, router: Router) {
    super(inner);
    this.#origins = origins;
    this.#router = router;
  }

  override admit(request: Request): Admission {
    const methods = this.#origins.isPreflight(request) ? this.#router.allowFor(request.target) : null;
    return methods === null ? this.inner.admit(request) : this.#answerFor(methods);
  }

  #answerFor(methods: string): Admission {
    let answer = this.#answers.get(methods);
    if (answer === undefined) {
      answer = refused(preflightAnswer(methods));
      this.#answers.set(methods, answer);
    }
    return answer;
  }
}

/** Names the origin that asks in every answer to it. */
export function originLayer(origins: AllowedOrigins): Layer {
  return markingLayer((request, response) => origins.mark(request, response));
}
