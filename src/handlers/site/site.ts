/**
 * The folder as a host of static sites serves it: its `_redirects`, and pages without `.html` in their paths. Loaded only with `--site`.
 *
 * A request that has passed every layer, and that no stub answers, gets the first of these:
 *
 *   1. 404 for the rules file itself
 *   2. the first rule that matches its path, if that is a redirect
 *   3. the file of its path, or `x.html` for `/x`; `/x/` is redirected to `/x`
 *   4. the file that the rule leads to, if the rule is a rewrite; no further rule applies
 *   5. the answer of the files: a listing, the index for a route, or 404
 */
import { type Admission, type Request, type Response, refused } from "../../http/message.ts";
import { Method } from "../../http/method.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import type { DocumentRoot } from "../files/document-root.ts";
import { isHidden, type StaticFiles } from "../files/files.ts";
import { Folder, resolve, type Substitute } from "../files/resolve.ts";
import type { Mount } from "../mount.ts";
import { redirectTo } from "../redirect.ts";
import { locationOf, parseRedirects, pathOf, type RedirectMatch, type RedirectRules } from "./redirect-rules.ts";
import { RulesFile } from "./rules-file.ts";

export interface SiteOptions {
  readonly root: DocumentRoot;
  /** The root as the operator wrote it, for messages. */
  readonly shown: string;
  /** Name of the index file of a folder. */
  readonly index: string;
  /** Takes a line for the operator. */
  readonly warn: (line: string) => void;
}

/** Names of the rules files, in the root. */
const RULES_FILES = ["_redirects"] as const;

/** Paths of the rules files, and of what a folder of that name would hold. On some disks `_REDIRECTS` is the same file. */
const RULES_PATH = /^\/+_redirects(?:\/|$)/i;

export class Site {
  /** The root without the rules files: no name reaches them, whatever links there are. */
  readonly root: DocumentRoot;
  /** Paths of the rules files, for listings. */
  readonly rulesPaths: readonly string[] = RULES_FILES.map((name) => `/${name}`);
  readonly #index: string;
  readonly #redirects: RulesFile<RedirectRules>;

  /** Reads the rules. Throws a StartError, in one line for the operator, for a mistake in them. */
  constructor({ root, shown, index, warn }: SiteOptions) {
    this.root = RULES_FILES.reduce((left, name) => left.without(`${root.realPath}/${name}`), root);
    this.#index = index;
    const isFile = (path: string) => this.#fileAt(path) !== null;
    this.#redirects = new RulesFile({
      root,
      name: "_redirects",
      shown: `${shown.replace(/\/$/, "")}/_redirects`,
      parse: (bytes) => parseRedirects(bytes, isFile),
      warn,
    });
  }

  /** Returns the mount that stands in the place of `files`. */
  mount(files: StaticFiles, pages: ErrorPages): SiteMount {
    return new SiteMount(this, files, pages);
  }

  /** Returns the redirect rule that decides about a path, or null. */
  redirectAt(path: string): RedirectMatch | null {
    const match = this.#redirects.current().find(path);
    return match === null || match.rule.isRewrite ? null : match;
  }

  /** Returns the file in place of a path that is not a file: a page, or the target of a rewrite. */
  substitute(path: string): Substitute | null {
    const page = this.#pageAt(path);
    if (page !== null) return { name: page, isRedirect: false };
    const withoutSlash = path.replace(/\/+$/, "");
    if (withoutSlash !== path && this.#pageAt(withoutSlash) !== null) {
      return { name: withoutSlash, isRedirect: true };
    }
    if (this.#isFolderWithIndex(path)) return null;
    const match = this.#redirects.current().find(path);
    const target = match?.rule.isRewrite === true ? pathOf(match) : null;
    const file = target === null ? null : this.#fileAt(target);
    return file === null ? null : { name: file, isRedirect: false };
  }

  /** Returns the name of the file at a path: itself, a page, or the index of a folder, with or without its slash. */
  #fileAt(path: string): string | null {
    if (isRulesPath(path) || isHidden({ path, hasDotName: true })) return null;
    if (this.#isFile(path)) return path;
    return this.#pageAt(path) ?? (this.#isFolderWithIndex(path) ? `${path}/` : null);
  }

  #pageAt(path: string): string | null {
    const page = `${path}.html`;
    return !path.endsWith("/") && this.#isFile(page) ? page : null;
  }

  #isFile(name: string): boolean {
    const found = resolve(this.root, name, this.#index, false);
    if (typeof found === "number") return false;
    found.close();
    return true;
  }

  #isFolderWithIndex(path: string): boolean {
    if (path.endsWith("/")) return false;
    const found = resolve(this.root, path, this.#index, false);
    if (typeof found === "number") return found === Folder.WithoutSlash;
    found.close();
    return false;
  }
}

/** Stands in the place of the files, and passes on to them. */
class SiteMount implements Mount {
  readonly isControl = false;
  readonly #site: Site;
  readonly #files: StaticFiles;
  readonly #pages: ErrorPages;

  constructor(site: Site, files: StaticFiles, pages: ErrorPages) {
    this.#site = site;
    this.#files = files;
    this.#pages = pages;
  }

  owns(): boolean {
    return true;
  }

  allow(): string {
    return this.#files.allow();
  }

  /** Returns true if GET finds something at `path`, a redirect included. */
  has(path: string): boolean {
    return !isRulesPath(path) && (this.#site.redirectAt(path) !== null || this.#files.has(path));
  }

  /** Redirects any method but OPTIONS at once, by the head alone. */
  admit(request: Request): Admission | null {
    const { head, target } = request;
    if (head.method === Method.Options) return this.#files.admit(request);
    if (isRulesPath(target.path)) return refused(this.#refuse(404, "There is no such file here.", request));
    const match = this.#site.redirectAt(target.path);
    return match === null ? this.#files.admit(request) : refused(this.#redirect(match, request));
  }

  respond(request: Request): Response | Promise<Response> {
    return this.#files.respond(request);
  }

  #redirect(match: RedirectMatch, request: Request): Response {
    const location = locationOf(match, request.target.query, "");
    if (location === null) return this.#refuse(414, "The target of this redirect is too long.", request);
    return redirectTo(location, match.rule.code);
  }

  #refuse(status: number, sentence: string, request: Request): Response {
    return this.#pages.answer(status, sentence, wantsJson(request));
  }
}

function isRulesPath(path: string): boolean {
  return RULES_PATH.test(path);
}
