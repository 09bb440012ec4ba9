/**
 * The server's own endpoints, below one prefix that the served folder may not have: its status, and in a fixture server the
 * controls of a test. They are found by the decoded path after the traversal checks, so that no other spelling reaches or
 * avoids them. Requests to them take no slot, are neither logged nor counted, and obey the Host rule like all others.
 */

import { type FieldLines, Fields } from "../../http/fields.ts";
import { ADMITTED, type Admission, type Request, type Response, response } from "../../http/message.ts";
import { isRead } from "../../http/method.ts";
import { referenceTo } from "../../http/uri.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import { allowAnswer, type Mount } from "../mount.ts";

/** First segment of their paths. */
export const RESERVED_NAME = "__server";

const WITHOUT_SLASH = `/${RESERVED_NAME}`;
const PREFIX = `${WITHOUT_SLASH}/`;

/** One endpoint. Its path is the prefix and its name. */
export interface Endpoint {
  /** GET implies HEAD. */
  readonly methods: readonly ("GET" | "POST" | "DELETE")[];
  /** Most bytes of content that it takes; 0 for none. */
  readonly contentBytesMax: number;
  /** True: needs no password, even if the server has one. */
  readonly isOpen: boolean;
  /** True: has parts of its own, such as `faults/f1`. */
  readonly hasParts: boolean;
  /** Refuses clients that may not use it; null lets the request in. */
  readonly guard: ((request: Request) => Response | null) | null;
  /** `part` is the path after the endpoint's name and a slash, or "". */
  respond(request: Request, part: string): Response | Promise<Response>;
}

/** Endpoints by name, which may have a slash; "" is the prefix itself. */
export type Endpoints = ReadonlyMap<string, Endpoint>;

export class EndpointMount implements Mount {
  readonly isControl = true;
  readonly #endpoints: Endpoints;
  readonly #pages: ErrorPages;

  constructor(endpoints: Endpoints, pages: ErrorPages) {
    this.#endpoints = endpoints;
    this.#pages = pages;
  }

  owns(path: string): boolean {
    return isReserved(path);
  }

  allow(path: string): string {
    const found = this.#find(path);
    return found === null ? "OPTIONS" : allowed(found.endpoint);
  }

  /** Returns true for a path that needs no password. */
  isOpen(path: string): boolean {
    return isReserved(path) && this.#find(path)?.endpoint.isOpen === true;
  }

  /** Never returns null: the answers to other methods and to OPTIONS are those of a control request, too. */
  admit(request: Request): Admission {
    const found = this.#find(request.target.path);
    const refusal =
      found === null
        ? this.#refuse(404, "There is no such endpoint here.", request)
        : this.#refusal(request, found.endpoint);
    if (refusal !== null) return { ...CONTROL, refusal, content: "skip" };
    const collectMax = isRead(request.head.method) ? 0 : (found?.endpoint.contentBytesMax ?? 0);
    return collectMax === 0 ? CONTROL : { ...CONTROL, content: { collectMax } };
  }

  #refusal(request: Request, endpoint: Endpoint): Response | null {
    const method = request.head.methodText;
    if (method === "OPTIONS") return allowAnswer(allowed(endpoint));
    if (!endpoint.methods.includes((method === "HEAD" ? "GET" : method) as "GET")) {
      return this.#refuse(405, "That method cannot be used here.", request, [["Allow", allowed(endpoint)]]);
    }
    const refusal = endpoint.guard?.(request) ?? null;
    if (refusal !== null) return refusal;
    return request.target.path === WITHOUT_SLASH ? redirectTo(referenceTo(PREFIX, request.target.query)) : null;
  }

  respond(request: Request): Response | Promise<Response> {
    const found = this.#find(request.target.path);
    if (found === null) throw new Error("an endpoint that admitted a request is missing");
    return found.endpoint.respond(request, found.part);
  }

  #find(path: string): { readonly endpoint: Endpoint; readonly part: string } | null {
    const name = path.slice(PREFIX.length);
    const named = this.#endpoints.get(name);
    if (named !== undefined) return { endpoint: named, part: "" };
    const slash = name.indexOf("/");
    const endpoint = this.#endpoints.get(name.slice(0, slash));
    const part = name.slice(slash + 1);
    // `faults/` is neither the endpoint nor a part of it: a client that left the id out must not mean all of them.
    return slash > 0 && part !== "" && endpoint?.hasParts === true ? { endpoint, part } : null;
  }

  #refuse(status: number, sentence: string, request: Request, fields: FieldLines = []): Response {
    return this.#pages.answer(status, sentence, wantsJson(request), { fields });
  }
}

const CONTROL: Admission = { ...ADMITTED, isControl: true };

/** Returns true below the prefix. `path` is decoded and free of dot segments. */
export function isReserved(path: string): boolean {
  return path.startsWith(PREFIX) || path === WITHOUT_SLASH;
}

/** Makes a response with text of ours that must not be cached. */
export function ownAnswer(status: number, contentType: string, content: string, further: FieldLines = []): Response {
  const bytes = ENCODER.encode(content);
  const fields = Fields.of([
    ["Content-Type", contentType],
    ["Content-Length", String(bytes.length)],
    ["Cache-Control", "no-store"],
    ["X-Content-Type-Options", "nosniff"],
    ...further,
  ]);
  return response(status, fields, bytes, "own");
}

/** Makes a response with `value` as JSON, on one line with LF. */
export function jsonAnswer(status: number, value: unknown, further: FieldLines = []): Response {
  return ownAnswer(status, "application/json", `${JSON.stringify(value)}\n`, further);
}

/** Makes a response with one sentence, in the shape of all errors in JSON. */
export function errorAnswer(status: number, message: string, further: FieldLines = []): Response {
  return jsonAnswer(status, { status: "error", code: status, message }, further);
}

const ENCODER = new TextEncoder();

/** Redirects to a path and query of this server, never to another host. */
function redirectTo(location: string): Response {
  return ownAnswer(308, "text/plain; charset=utf-8", `${PREFIX}\n`, [["Location", location]]);
}

function allowed(endpoint: Endpoint): string {
  return [...endpoint.methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])), "OPTIONS"].join(
    ", ",
  );
}
