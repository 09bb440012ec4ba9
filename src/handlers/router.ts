/**
 * Chooses the mount that answers: the first one that owns the path. Some requests reach no mount: CONNECT and targets that
 * climb out of the root are refused, and untidy paths are redirected if the settings say so. OPTIONS is answered here, and a
 * method that the mount does not take gets 405.
 */
import type { FieldLines } from "../http/fields.ts";
import { type Admission, type Handler, type Request, type Response, refused } from "../http/message.ts";
import { Method } from "../http/method.ts";
import { cleanPath, type RequestTarget, Verdict } from "../http/target.ts";
import { escapeTarget, referenceTo } from "../http/uri.ts";
import { type ErrorExtras, type ErrorPages, wantsJson } from "./error-page.ts";
import { allowAnswer, type Mount } from "./mount.ts";
import { redirectTo } from "./redirect.ts";

/** Allow for the server as a whole (`OPTIONS *`), and for CONNECT. */
const SERVER_METHODS = "GET, HEAD, POST, OPTIONS";

export class Router implements Handler {
  readonly #mounts: readonly Mount[];
  readonly #pages: ErrorPages;
  readonly #cleanPaths: boolean;
  #lastPath: string | null = null;
  #lastMount: Mount | null = null;
  /** Answers to OPTIONS, by their Allow. */
  readonly #options = new Map<string, Admission>();

  /**
   * The last of `mounts` must own every path. If `cleanPaths` is set, a path with `.` segments or repeated slashes is
   * redirected to its clean form.
   */
  constructor(mounts: readonly Mount[], pages: ErrorPages, cleanPaths: boolean) {
    this.#mounts = mounts;
    this.#pages = pages;
    this.#cleanPaths = cleanPaths;
  }

  admit(request: Request): Admission {
    const { head, target } = request;
    // RFC 9110 §9.3.6: the client takes the bytes after a CONNECT for a tunnel, so the connection ends.
    if (head.method === Method.Connect) return this.#refuseMethod(request, SERVER_METHODS, true);
    if (target.form === "asterisk") return this.#answerOptions(SERVER_METHODS);
    const unclean = target.verdict === Verdict.Clean ? null : this.#admitUnclean(request);
    if (unclean !== null) return unclean;
    const mount = this.#mountOf(target.path);
    const admission = mount.admit(request);
    if (admission !== null) return admission;
    const allow = mount.allow(target.path);
    return head.method === Method.Options ? this.#answerOptions(allow) : this.#refuseMethod(request, allow, false);
  }

  respond(request: Request, admission: Admission): Response | Promise<Response> {
    return this.#mountOf(request.target.path).respond(request, admission);
  }

  failure(status: number, sentence: string, request: Request | null, fields: FieldLines = []): Response {
    // For a malformed request the parser has decided whether the connection closes. After a failure of ours it always does.
    const isJson = wantsJson(request) || (request !== null && this.#isControl(request.target));
    return this.#pages.answer(status, sentence, isJson, { fields, isLast: status >= 500 });
  }

  /** Returns true for the server's own endpoints, whose answers are JSON. The path of a target that could not be decoded is "". */
  #isControl({ path }: RequestTarget): boolean {
    return path !== "" && this.#mountOf(path).isControl;
  }

  /** Returns Allow of the target, for a preflight; null if other origins must not use it, or it is not a plain path. */
  allowFor({ form, path, verdict }: RequestTarget): string | null {
    if (form === "asterisk" || verdict > Verdict.RepeatedSlash) return null;
    const mount = this.#mountOf(path);
    return mount.isControl ? null : mount.allow(path);
  }

  /** Remembers the last path: `admit` and `respond` ask for the same one, and clients repeat theirs. */
  #mountOf(path: string): Mount {
    if (path === this.#lastPath) return this.#lastMount as Mount;
    for (const mount of this.#mounts) {
      if (!mount.owns(path)) continue;
      this.#lastPath = path;
      this.#lastMount = mount;
      return mount;
    }
    throw new Error("no mount owns the path");
  }

  #answerOptions(allow: string): Admission {
    let admission = this.#options.get(allow);
    if (admission === undefined) {
      admission = refused(allowAnswer(allow));
      this.#options.set(allow, admission);
    }
    return admission;
  }

  #refuseMethod(request: Request, allow: string, isLast: boolean): Admission {
    return this.#refuse(405, "That method cannot be used here.", request, { fields: [["Allow", allow]], isLast });
  }

  /** Decides about a path that is not clean; null lets it reach a mount as it is. */
  #admitUnclean(request: Request): Admission | null {
    const { path, query, verdict } = request.target;
    if (verdict <= Verdict.LeadingDoubleSlash && this.#cleanPaths) {
      return refused(redirectTo(referenceTo(cleanPath(path), query)));
    }
    if (verdict === Verdict.RepeatedSlash) return null;
    const admission = this.#refuse(403, "That path is not allowed.", request);
    // Clients such as apt and rclone send "." in good faith.
    return verdict === Verdict.CurrentSegment ? admission : asTraversal(admission, request);
  }

  #refuse(status: number, sentence: string, request: Request, extras: ErrorExtras = {}): Admission {
    return refused(this.#pages.answer(status, sentence, wantsJson(request), extras));
  }
}

/** Returns a refusal that is logged as a security event. */
export function asTraversal({ refusal }: Admission, { head }: Request): Admission {
  return refused({ ...(refusal as Response), incident: `path traversal: ${escapeTarget(head.targetText)}` });
}
