/**
 * Answers beside files: the mount for stubs, which stands before the mounts of the site. A request that has passed every layer gets
 * the first of these:
 *
 *   1. a rule that a test has added (stub-rules.ts)
 *   2. a stub file of the most specific path that has the method (stub-folder.ts)
 *   3. the answer of the mount behind, in which a file counts as GET and HEAD; its 404 becomes 405 where stubs have other methods
 *
 * The content of a request for 1 or 2 is collected, because a rule may look at it and the journal keeps it.
 */
import { Fields } from "../../http/fields.ts";
import {
  ADMITTED,
  type Admission,
  type Request,
  type RequestHead,
  type Response,
  refused,
} from "../../http/message.ts";
import { isRead, Method } from "../../http/method.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import { allowAnswer, type Mount } from "../mount.ts";
import { hasMethod, methodsOf, StubFolder, type StubFolderOptions, type StubPlaces } from "./stub-folder.ts";
import type { StubRules } from "./stub-rules.ts";

/** The mounts behind the stubs, and how a request for them is refused. */
interface StubsSite {
  /** In the order in which they are asked; the last owns every path. */
  readonly mounts: readonly Mount[];
  readonly pages: ErrorPages;
  /** Most bytes of content that are collected. */
  readonly maxBodyBytes: number;
  /** Returns true for the name of a field, in lower case, that a flag sets for every response: then a stub does not. */
  readonly isFixed: (name: string) => boolean;
  /** Returns true if GET finds a file at a path. */
  readonly hasFile: (path: string) => boolean;
  /** Returns true if requests for a path go to another server: those that no stub answers too. */
  readonly passes: (path: string) => boolean;
}

export interface Stubs {
  /** Restarts all sequences. */
  restart(): void;
  /** Returns numbered stub files that have answered no request. */
  unreached(): readonly string[];
  /** Returns the mount that answers with stubs, and with `site` where there are none. */
  mount(site: StubsSite): Mount;
}

/** Reads the stub folder; null: there are rules alone. Throws a StartError, in one line for the operator, for a mistake in it. */
export function openStubs(folder: StubFolderOptions | null, rules: StubRules | null): Stubs {
  const files = folder === null ? null : new StubFolder(folder);
  return {
    restart: () => files?.restart(),
    unreached: () => files?.unreached() ?? [],
    mount: (site) => new StubMount(files, rules, site),
  };
}

/** Use of a request's content: it is collected, for the stubs that were found by the head. */
class StubUse {
  readonly collectMax: number;
  readonly places: StubPlaces;

  constructor(collectMax: number, places: StubPlaces) {
    this.collectMax = collectMax;
    this.places = places;
  }
}

const NO_PLACES: StubPlaces = [];
const NO_METHODS: ReadonlySet<string> = new Set();

class StubMount implements Mount {
  readonly isControl = false;
  readonly #files: StubFolder | null;
  readonly #rules: StubRules | null;
  readonly #site: StubsSite;
  /** Responses without the fields that flags set, by the responses with them. */
  readonly #sentFor = new WeakMap<Response, Response>();

  constructor(files: StubFolder | null, rules: StubRules | null, site: StubsSite) {
    this.#files = files;
    this.#rules = rules;
    this.#site = site;
  }

  owns(): boolean {
    return true;
  }

  allow(path: string): string {
    const methods = this.#methods(path);
    if (methods.size === 0 || this.#site.passes(path)) return this.#behind(path).allow(path);
    return allowOf(this.#site.hasFile(path) ? new Set(["GET", ...methods]) : methods);
  }

  /** Looks at the stub folder, so that a stub that was added just now is found: only a request for a stub has its content collected. */
  admit(request: Request): Admission | null {
    const { head, target } = request;
    const places = this.#files?.find(target.path) ?? NO_PLACES;
    if (hasMethod(places, head.methodText) || this.#rules?.mayAnswer(request) === true) {
      return { ...ADMITTED, content: new StubUse(this.#site.maxBodyBytes, places) };
    }
    const isBehind = isRead(head.method) || this.#site.passes(target.path);
    const methods = isBehind ? NO_METHODS : this.#methods(target.path, places);
    // GET and HEAD are for the mount behind, which may have a file, and any other method if it is passed on.
    if (methods.size === 0) return this.#behind(target.path).admit(request);
    return isUnmet(head, methods) ? refused(this.#refuseUnmet(request)) : null;
  }

  respond(request: Request, admission: Admission): Response | Promise<Response> {
    // Layers copy an admission, but not the parts of it.
    if (!(admission.content instanceof StubUse)) return this.#respondBehind(request, admission);
    const ruled = this.#rules?.take(request) ?? null;
    if (ruled instanceof Promise) return ruled.then((response) => this.#sent(response));
    if (ruled !== null) return this.#sent(ruled);
    const stub = this.#files?.take(admission.content.places, request.head.methodText) ?? null;
    return stub === null ? this.#respondWithoutStub(request, admission) : this.#sent(stub.respondTo(request));
  }

  /** Returns the response of a stub as it is sent. A browser refuses an answer that names its origin or its frame policy twice. */
  #sent(response: Response): Response {
    const known = this.#sentFor.get(response);
    if (known !== undefined) return known;
    const lines = response.fields.lines.filter(([name]) => !this.#site.isFixed(name.toLowerCase()));
    const sent = lines.length === response.fields.lines.length ? response : { ...response, fields: Fields.of(lines) };
    this.#sentFor.set(response, sent);
    return sent;
  }

  /** Answers a request that a rule might have answered by its head. Its content is collected. */
  #respondWithoutStub(request: Request, { fault }: Admission): Response | Promise<Response> {
    const { head, target } = request;
    const methods = this.#methods(target.path);
    if (isRead(head.method) || methods.size === 0 || this.#site.passes(target.path)) {
      const admission = this.#behind(target.path).admit(request);
      if (admission !== null) return admission.refusal ?? this.#respondCollected(request, { ...admission, fault });
    }
    if (head.method === Method.Options) return allowAnswer(this.allow(target.path));
    return isUnmet(head, methods) ? this.#refuseUnmet(request) : this.#refuseMethod(request, this.allow(target.path));
  }

  /** Gives the content that was collected to the sink behind, if there is one. */
  #respondCollected(request: Request, admission: Admission): Response | Promise<Response> {
    const response = this.#respondBehind(request, admission);
    const { content } = admission;
    if (typeof content === "object" && "sink" in content) {
      if (request.content.length > 0) content.sink.write(request.content);
      content.sink.ended();
    }
    return response;
  }

  #respondBehind(request: Request, admission: Admission): Response | Promise<Response> {
    const response = this.#behind(request.target.path).respond(request, admission);
    return response instanceof Promise
      ? response.then((settled) => this.#corrected(request, settled))
      : this.#corrected(request, response);
  }

  /** Returns 405 in place of a missing file's 404, for a path that has stubs for other methods. */
  #corrected(request: Request, response: Response): Response {
    if (
      response.status !== 404 ||
      response.upstream !== undefined ||
      this.#behind(request.target.path) !== this.#site.mounts.at(-1)
    )
      return response;
    const methods = this.#methods(request.target.path);
    // A rule for GET that is not met leaves the 404.
    return methods.size === 0 || methods.has("GET") ? response : this.#refuseMethod(request, allowOf(methods));
  }

  #refuseUnmet(request: Request): Response {
    return this.#site.pages.answer(404, "No stub of this path matches the request.", wantsJson(request));
  }

  #refuseMethod(request: Request, allow: string): Response {
    const extras = { fields: [["Allow", allow]] } as const;
    return this.#site.pages.answer(405, "That method cannot be used here.", wantsJson(request), extras);
  }

  /** Returns the methods of all stubs whose path matches. */
  #methods(path: string, places = this.#files?.find(path) ?? NO_PLACES): ReadonlySet<string> {
    return new Set([...(this.#rules?.methods(path) ?? []), ...methodsOf(places)]);
  }

  #behind(path: string): Mount {
    const mount = this.#site.mounts.find((each) => each.owns(path));
    if (mount === undefined) throw new Error("no mount behind the stubs owns the path");
    return mount;
  }
}

/** Returns true if stubs have the method, so that only their rules are not met. The router answers OPTIONS. */
function isUnmet({ method, methodText }: RequestHead, methods: ReadonlySet<string>): boolean {
  return method !== Method.Options && methods.has(methodText);
}

/** GET implies HEAD, and every path answers OPTIONS (RFC 9110 §9.3.7). */
function allowOf(methods: ReadonlySet<string>): string {
  return [...new Set([...methods].flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]))), "OPTIONS"]
    .filter((method, index, all) => all.indexOf(method) === index)
    .join(", ");
}
