/**
 * Answers on the plain port beside a TLS one: a redirect to the same address with https (RFC 9110 §15.4.9), so that
 * the client sends the method and the content again.
 *
 * A proxy that the operator trusts may send requests of https here. Those are answered as on the TLS port, without a redirect.
 *
 * The rule it guards: Location is made of a host that passed the Host rule. Otherwise a page of another site could
 * make a browser come here and be sent wherever that page wants.
 */

import type { FieldLines } from "../http/fields.ts";
import {
  type Admission,
  type Handler,
  type HostVerdict,
  type Request,
  type Response,
  refused,
} from "../http/message.ts";
import { Method } from "../http/method.ts";
import { escapeTarget } from "../http/uri.ts";
import { type ErrorExtras, ErrorPages, wantsJson } from "./error-page.ts";
import { HostPolicy, type HostPolicyOptions, refuseHost } from "./host-policy.ts";
import { redirectTo } from "./redirect.ts";

interface HttpsRedirectOptions extends HostPolicyOptions {
  /** Port that speaks TLS. */
  readonly securePort: () => number;
  /** Answers requests that a proxy has received over https. */
  readonly secured: Handler;
}

/** Throws a RangeError, in one line for the operator, when an allowed host is malformed. */
export function createHttpsRedirect(options: HttpsRedirectOptions): Handler {
  return new HttpsRedirect(options);
}

class HttpsRedirect implements Handler {
  readonly #pages = new ErrorPages();
  readonly #hosts: HostPolicy;
  readonly #securePort: () => number;
  readonly #secured: Handler;

  constructor(options: HttpsRedirectOptions) {
    this.#hosts = new HostPolicy(options);
    this.#securePort = options.securePort;
    this.#secured = options.secured;
  }

  admit(request: Request): Admission {
    if (request.secure) return this.#secured.admit(request);
    const host = this.#hosts.judge(request);
    return refused(this.#answer(request, host), host);
  }

  respond(request: Request, admission: Admission): Response | Promise<Response> {
    return this.#secured.respond(request, admission);
  }

  #answer(request: Request, host: HostVerdict): Response {
    const { head, target } = request;
    if (host === "refused") return refuseHost(request, this.#hosts, this.#pages);
    // The bytes after a CONNECT are not HTTP (RFC 9110 §9.3.6), so the connection ends.
    if (head.method === Method.Connect)
      return this.#refuse(405, "That method cannot be used here.", request, ONLY_FILES);
    if (target.authority.host === "")
      return this.#refuse(400, "This port redirects to https, and the request names no host.", request);
    // A client that reached a proxy finds https there on its usual port.
    const port = request.relay !== null && request.relay.host !== null ? HTTPS_PORT : this.#securePort();
    const authority = port === HTTPS_PORT ? target.authority.host : `${target.authority.host}:${port}`;
    return redirectTo(`https://${authority}${pathAndQuery(request)}`);
  }

  failure(status: number, sentence: string, request: Request | null, fields: FieldLines = []): Response {
    return this.#pages.answer(status, sentence, wantsJson(request), { fields, isLast: status >= 500 });
  }

  #refuse(status: number, sentence: string, request: Request, extras: ErrorExtras = {}): Response {
    return this.#pages.answer(status, sentence, wantsJson(request), extras);
  }
}

const HTTPS_PORT = 443;

const ONLY_FILES: ErrorExtras = { fields: [["Allow", "GET, HEAD, POST, OPTIONS"]], isLast: true };

/** Returns path and query as sent. Nothing is decoded, and bytes that no URI may have are escaped. */
function pathAndQuery(request: Request): string {
  const { form } = request.target;
  if (form === "asterisk") return "/";
  const text = escapeTarget(request.head.targetText);
  if (form === "origin") return text;
  const rest = text.replace(/^[^:]*:\/\/[^/?]*/, "");
  return rest.startsWith("/") ? rest : `/${rest}`;
}
