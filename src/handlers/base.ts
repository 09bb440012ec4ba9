/**
 * Serves the site below a prefix, as a project page of a host does: `--base /repo/`. Loaded only with that flag.
 *
 * This mount stands in the place of all mounts of the site, and hands them the request with the path below the prefix. Endpoints and
 * uploads stand beside it, at the paths that they always have. The rule it guards: nothing of the site answers outside of the prefix.
 */
import { type Admission, type Request, type Response, refused } from "../http/message.ts";
import { Method } from "../http/method.ts";
import { RequestView } from "../http/request-view.ts";
import type { RequestTarget } from "../http/target.ts";
import { referenceTo } from "../http/uri.ts";
import { type ErrorPages, wantsJson } from "./error-page.ts";
import { FILE_METHODS } from "./files/refusal.ts";
import type { Mount } from "./mount.ts";
import { redirectTo } from "./redirect.ts";
import { asTraversal } from "./router.ts";

interface BaseOptions {
  /** Path before all paths of the site, without a slash at its end. */
  readonly base: string;
  /** Mounts of the site, in the order in which they are asked; the last owns every path. */
  readonly mounts: readonly Mount[];
  readonly pages: ErrorPages;
}

export class BaseMount implements Mount {
  readonly isControl = false;
  readonly #options: BaseOptions;

  constructor(options: BaseOptions) {
    this.#options = options;
  }

  owns(): boolean {
    return true;
  }

  allow(path: string): string {
    const below = this.#below(path);
    return below === null ? FILE_METHODS : this.#mountOf(below).allow(below);
  }

  admit(request: Request): Admission | null {
    const { base } = this.#options;
    const { path, query } = request.target;
    const below = this.#below(path);
    if (below === null) {
      if (request.head.method === Method.Options) return null;
      if (path === "/" || path === base) return refused(redirectTo(referenceTo(`${base}/`, query)));
      return this.#refuse(404, `This site begins at ${base}/.`, request);
    }
    // The router has looked at the whole path, where these slashes do not stand at the start.
    if (below.startsWith("//")) return asTraversal(this.#refuse(403, "That path is not allowed.", request), request);
    return this.#mountOf(below).admit(new RequestBelow(request, below));
  }

  respond(request: Request, admission: Admission): Response | Promise<Response> {
    const below = this.#below(request.target.path);
    if (below === null) throw new Error("a request outside of the base was admitted");
    return this.#mountOf(below).respond(new RequestBelow(request, below), admission);
  }

  /** Returns the path below the base, or null for a path outside. */
  #below(path: string): string | null {
    const { base } = this.#options;
    return path.startsWith(base) && path[base.length] === "/" ? path.slice(base.length) : null;
  }

  #mountOf(below: string): Mount {
    const mount = this.#options.mounts.find((each) => each.owns(below));
    if (mount === undefined) throw new Error("no mount of the site owns the path");
    return mount;
  }

  #refuse(status: number, sentence: string, request: Request): Admission {
    return refused(this.#options.pages.answer(status, sentence, wantsJson(request)));
  }
}

/** A request with another path. */
class RequestBelow extends RequestView {
  readonly #target: RequestTarget;

  constructor(request: Request, path: string) {
    super(request);
    const { form, query, scheme, authority, verdict } = request.target;
    this.#target = { form, path, query, scheme, authority, verdict, hasDotName: path.includes("/.") };
  }

  override get target(): RequestTarget {
    return this.#target;
  }
}
