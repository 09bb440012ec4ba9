/**
 * The folder as a host of static sites serves it: its `_redirects`, `_headers` and `404.html`, and pages without `.html` in their paths.
 * Loaded only with `--site`.
 *
 * A request that has passed every layer, and that no stub answers, gets the first of these:
 *
 *   1. 404 for the rules files themselves
 *   2. the first rule that matches its path, if that is a redirect
 *   3. the file of its path, or `x.html` for `/x`; `/x/` is redirected to `/x`
 *   4. the file that the rule leads to, if the rule is a rewrite; no further rule applies
 *   5. the answer of the files: a listing, the index for a route, or 404
 *
 * A 404 then gets the nearest page of the site, and an answer with a file the fields of `_headers`.
 */
import { join } from "node:path";
import { Fields } from "../../http/fields.ts";
import { type Admission, type Request, type Response, refused } from "../../http/message.ts";
import { Method } from "../../http/method.ts";
import type { ServerSettings } from "../../settings/server-settings.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import type { DocumentRoot } from "../files/document-root.ts";
import { isHidden, type StaticFiles } from "../files/files.ts";
import { Folder, resolve, type Substitute } from "../files/resolve.ts";
import { type FixedFieldsSettings, setByFlags } from "../fixed-fields.ts";
import type { Mount } from "../mount.ts";
import { redirectTo } from "../redirect.ts";
import { type HeaderRules, parseHeaders } from "./header-rules.ts";
import { notFoundPage } from "./not-found.ts";
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
const RULES_FILES = ["_redirects", "_headers"] as const;

/** Paths of the rules files, and of all files in a folder of that name. On some disks `_HEADERS` is the same file. */
const RULES_PATH = /^\/+_(?:redirects|headers)(?:\/|$)/iu;

export class Site {
  /** The root without the rules files: no name reaches them, whatever links there are. */
  readonly root: DocumentRoot;
  /** Paths of the rules files, for listings. */
  readonly rulesPaths: readonly string[] = RULES_FILES.map((name) => `/${name}`);
  readonly #index: string;
  readonly #redirects: RulesFile<RedirectRules>;
  readonly #headers: RulesFile<HeaderRules>;

  /** Reads the rules. Throws a StartError, in one line for the operator, for a mistake in them. */
  constructor({ root, shown, index, warn }: SiteOptions) {
    this.root = RULES_FILES.reduce((left, name) => left.without(join(root.realPath, name)), root);
    this.#index = index;
    const isFile = (path: string) => this.#fileAt(path) !== null;
    const file = (name: (typeof RULES_FILES)[number]) => ({
      root,
      name,
      shown: `${shown.replace(/\/$/, "")}/${name}`,
      warn,
    });
    this.#redirects = new RulesFile({ ...file("_redirects"), parse: (bytes) => parseRedirects(bytes, isFile) });
    this.#headers = new RulesFile({ ...file("_headers"), parse: parseHeaders });
  }

  /** Returns the mount that stands in the place of `files`. */
  mount(files: StaticFiles, pages: ErrorPages, settings: SiteSettings): SiteMount {
    return new SiteMount({ site: this, files, pages, settings });
  }

  /** Returns the rules for the fields of files. */
  get headers(): HeaderRules {
    return this.#headers.current();
  }

  /** Returns the redirect rule that decides about a path, or null. */
  redirectAt(path: string): RedirectMatch | null {
    const match = this.#redirects.current().find(path);
    return match === null || match.rule.isRewrite ? null : match;
  }

  /** Returns true if there is a page for a path without its extension, with or without a slash at its end. */
  hasPage(path: string): boolean {
    return this.#pageAt(path.replace(/\/+$/, "")) !== null;
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

type SiteSettings = FixedFieldsSettings & Pick<ServerSettings, "base">;

/** Kinds of responses that are not files of the folder. */
const WITHOUT_FILE: ReadonlySet<string> = new Set(["error", "listing", "tar", "redirect"]);

interface SiteMountOptions {
  readonly site: Site;
  readonly files: StaticFiles;
  readonly pages: ErrorPages;
  /** Fields that the operator sets for every response, and the path before those of the site. */
  readonly settings: SiteSettings;
}

/** Stands in the place of the files, and passes on to them. */
class SiteMount implements Mount {
  readonly isControl = false;
  readonly #site: Site;
  readonly #files: StaticFiles;
  readonly #pages: ErrorPages;
  /** Returns true for the name of a field, in lower case, that the rules do not set because a flag does. */
  readonly #isFixed: (name: string) => boolean;
  readonly #base: string;

  constructor({ site, files, pages, settings }: SiteMountOptions) {
    this.#site = site;
    this.#files = files;
    this.#pages = pages;
    const isFixed = setByFlags(settings);
    // Strict-Transport-Security must not be sent over plain HTTP (RFC 6797 §7.2), and outlives a test.
    this.#isFixed = (name) => name === "strict-transport-security" || isFixed(name);
    this.#base = settings.base;
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

  /** Returns true if the folder itself answers for `path`: by a file, a page, a redirect or a refusal, but not by a rewrite. */
  hasOwn(path: string): boolean {
    return (
      isRulesPath(path) || this.#site.redirectAt(path) !== null || this.#files.hasOwn(path) || this.#site.hasPage(path)
    );
  }

  /** Redirects any method but OPTIONS at once, by the head alone. */
  admit(request: Request): Admission | null {
    const { head, target } = request;
    if (head.method === Method.Options) return this.#files.admit(request);
    if (isRulesPath(target.path)) {
      return refused(this.#finished(this.#refuse(404, "There is no such file here.", request), request));
    }
    const match = this.#site.redirectAt(target.path);
    if (match !== null) return refused(this.#redirect(match, request));
    const admission = this.#files.admit(request);
    const refusal = admission?.refusal ?? null;
    return refusal === null ? admission : refused(this.#finished(refusal, request));
  }

  respond(request: Request): Response | Promise<Response> {
    const response = this.#files.respond(request);
    return response instanceof Promise
      ? response.then((settled) => this.#finished(settled, request))
      : this.#finished(response, request);
  }

  /** Returns the page of the site in place of a 404, and the fields of the rules with a file. */
  #finished(response: Response, { target }: Request): Response {
    const page = response.status === 404 ? notFoundPage(this.#site.root, target.path, response.isLast) : null;
    const answer = page ?? response;
    if (page === null && WITHOUT_FILE.has(response.kind)) return response;
    const isKept = (name: string) => this.#isKept(name.toLowerCase(), answer);
    const lines = this.#site.headers.apply(target.path, answer.fields.lines, isKept);
    return lines === null ? answer : { ...answer, fields: Fields.of(lines) };
  }

  /** Returns true for a field of this response that the rules do not change. `name` is in lower case. */
  #isKept(name: string, { status, fields }: Response): boolean {
    if (this.#isFixed(name)) return true;
    // RFC 9110 §15.4.5: a 304 tells nothing about content. The type of several ranges has their boundary.
    if (status === 304) return /^content-(?:type|disposition|language)$/.test(name);
    return status === 206 && name === "content-type" && fields.value(name)?.startsWith("multipart/") === true;
  }

  #redirect(match: RedirectMatch, request: Request): Response {
    const location = locationOf(match, request.target.query, this.#base);
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
