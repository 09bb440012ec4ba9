/**
 * Passes requests on to servers behind this one. Loaded only with `--proxy`. It stands in the place of the served folder, behind the Host
 * rule, the credentials and the stubs, and passes a request without a rule on to the folder.
 * The first rule whose pattern matches the path decides: GET and HEAD go on if the folder has nothing, any other method always.
 *
 * The rule it guards: the operator names the servers, and a request cannot choose another. The target that is passed on begins with a slash,
 * and Host is the upstream's.
 */
import type { ForwardedRequest, ForwardedResponse, Upstream, UpstreamFailure } from "../../exchange/upstream.ts";
import { escapeControls } from "../../http/escape.ts";
import { Fields } from "../../http/fields.ts";
import {
  ADMITTED,
  type Admission,
  type ContentFailure,
  type ContentSink,
  type Request,
  type Response,
  refused,
} from "../../http/message.ts";
import { isRead, Method } from "../../http/method.ts";
import { fromRoot } from "../../http/path-pattern.ts";
import { type ProxyOrigin, parseProxyRule, urlOfOrigin } from "../../http/proxy-rule.ts";
import { escapeTarget } from "../../http/uri.ts";
import type { ServerSettings } from "../../settings/server-settings.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import { setByFlags } from "../fixed-fields.ts";
import type { Mount } from "../mount.ts";
import { askForWhole, isLoop, requestLines, responseLines } from "./fields.ts";
import type { Recorder } from "./recorder.ts";

/** Milliseconds that an upstream has for its response when the client sends nothing more: it may have left, or wait for the response. */
const LEFT_MS = 1000;

/** Methods that are passed on, as the value of Allow. TRACE would show the fields that the server adds. */
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** RFC 9110 §9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

interface ProxyOptions {
  readonly settings: ProxyMountSettings;
  /** Returns the connections to a server. Asked once for each. */
  readonly upstream: (origin: ProxyOrigin) => Upstream;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Takes a line for the operator. */
  readonly warn: (line: string) => void;
}

export type ProxyMountSettings = Pick<
  ServerSettings,
  "proxies" | "headers" | "securityHeaders" | "cors" | "basicAuth" | "authUploads"
>;

/** The mount of the served folder. */
interface ProxiedFolder extends Mount {
  /** Returns true if GET finds something of the folder itself at `path`: no listing, no route, no rewrite. */
  hasOwn(path: string): boolean;
  has(path: string): boolean;
}

interface Rule {
  readonly glob: Bun.Glob;
  readonly target: Target;
}

/** One server behind this one. */
interface Target {
  readonly origin: ProxyOrigin;
  readonly url: string;
  readonly upstream: Upstream;
  /** Reason of the last failure that the operator was told of; "" after a response. */
  told: string;
}

export class ProxyRules {
  /** Null without --record. */
  recorder: Recorder | null = null;
  readonly #options: ProxyOptions;
  readonly #rules: readonly Rule[];
  /** Tells this process from others in Via. */
  readonly instance = crypto.randomUUID().slice(0, 8);

  constructor(options: ProxyOptions) {
    this.#options = options;
    const targets = new Map<string, Target>();
    this.#rules = options.settings.proxies.map((text) => {
      const rule = parseProxyRule(text);
      if (typeof rule === "string") throw new Error(`unchecked proxy rule: ${rule}`); // Our own mistake: the settings check it.
      const { origin } = rule;
      const url = urlOfOrigin(origin);
      const target = targets.get(url) ?? { origin, url, upstream: options.upstream(origin), told: "" };
      targets.set(url, target);
      return { glob: new Bun.Glob(fromRoot(rule.pattern)), target };
    });
  }

  /** Returns the server for a path, or null. */
  find(path: string): Target | null {
    return this.#rules.find(({ glob }) => glob.match(path))?.target ?? null;
  }

  /** Returns the mount that stands in the place of `folder`. */
  mount(folder: ProxiedFolder, pages: ErrorPages): ProxyMount {
    return new ProxyMount(this, this.#options, folder, pages);
  }
}

/** Use of a request's content: it is passed on. Until `respond` it holds nothing. */
class Passage implements ContentSink {
  readonly target: Target;
  sink: ContentSink | null = null;

  constructor(target: Target) {
    this.target = target;
  }

  write(bytes: Uint8Array): boolean {
    return this.sink?.write(bytes) ?? true;
  }

  ended(): void {
    this.sink?.ended();
  }

  failed(reason: ContentFailure): void {
    this.sink?.failed(reason);
  }

  whenReady(resume: () => void): void {
    if (this.sink === null) queueMicrotask(resume);
    else this.sink.whenReady(resume);
  }
}

class ProxyMount implements Mount {
  readonly isControl = false;
  readonly #proxy: ProxyRules;
  readonly #options: ProxyOptions;
  readonly #folder: ProxiedFolder;
  readonly #pages: ErrorPages;
  readonly #isFixed: (name: string) => boolean;

  constructor(proxy: ProxyRules, options: ProxyOptions, folder: ProxiedFolder, pages: ErrorPages) {
    this.#proxy = proxy;
    this.#options = options;
    this.#folder = folder;
    this.#pages = pages;
    this.#isFixed = setByFlags(options.settings);
  }

  owns(): boolean {
    return true;
  }

  allow(path: string): string {
    return this.#proxy.find(path) === null ? this.#folder.allow(path) : METHODS;
  }

  /** Returns true if GET finds something at `path` in the folder. */
  has(path: string): boolean {
    return this.#folder.has(path);
  }

  /** Returns true if requests for `path` go on, but for those that the folder answers. */
  passes(path: string): boolean {
    return this.#proxy.find(path) !== null;
  }

  /** Looks at the folder for GET and HEAD, so that their content is passed on too. OPTIONS is the upstream's to answer. */
  admit(request: Request): Admission | null {
    const { head, target } = request;
    const found = this.#proxy.find(target.path);
    if (found === null || (isRead(head.method) && this.#folder.hasOwn(target.path))) return this.#folder.admit(request);
    if (head.method === Method.Trace) return null;
    if (isLoop(request, this.#proxy.instance)) {
      return refused(this.#refuse(508, "This request has come here before: a proxy leads back to itself.", request));
    }
    return { ...ADMITTED, content: { sink: new Passage(found) } };
  }

  respond(request: Request, admission: Admission): Response | Promise<Response> {
    const { content } = admission;
    // Layers copy an admission, but not the parts of it.
    const passage = typeof content === "object" && "sink" in content ? content.sink : null;
    if (!(passage instanceof Passage)) return this.#folder.respond(request, admission);
    return new Promise((resolve) => this.#pass(request, passage, resolve));
  }

  #pass(request: Request, passage: Passage, resolve: (response: Response) => void): void {
    const { target } = passage;
    const startedMs = this.#options.nowMs();
    const report = (status: number | null) => ({ url: target.url, ms: this.#options.nowMs() - startedMs, status });
    const recording = this.#proxy.recorder?.begin(request, target.origin) ?? null;
    let hasLeft = false;
    const call = target.upstream.call(this.#forwarded(request, target), {
      answered: (answer) => {
        target.told = "";
        recording?.answered(answer);
        const { status, content } = answer;
        const fields = this.#responseFields(answer, target);
        resolve({ status, fields, content, isLast: false, kind: "proxy", incident: null, upstream: report(status) });
      },
      failed: (failure) => {
        if (!hasLeft) this.#tell(target, failure);
        recording?.ended(false);
        resolve({ ...this.#failure(failure, request), upstream: report(null) });
      },
      received: (bytes) => recording?.received(bytes),
      ended: (isWhole) => recording?.ended(isWhole),
    });
    passage.sink = call;
    request.whenLeft(() => {
      hasLeft = true;
      call.hurry(LEFT_MS);
    });
  }

  #forwarded(request: Request, { origin }: Target): ForwardedRequest {
    const { head, announced } = request;
    const { basicAuth, authUploads } = this.#options.settings;
    const lines = requestLines(request, {
      origin,
      instance: this.#proxy.instance,
      passesCredentials: basicAuth.length === 0 || authUploads,
      prepare: this.#proxy.recorder === null ? null : askForWhole,
    });
    const mayRepeat = announced === "none" && IDEMPOTENT.has(head.methodText);
    return { method: head.methodText, target: originForm(head.targetText), lines, announced, mayRepeat };
  }

  #responseFields({ lines, length, status }: ForwardedResponse, { origin }: Target): Fields {
    const kept = responseLines(lines, origin, this.#isFixed);
    // RFC 9110 §8.6.
    if (length !== null && status !== 204) kept.push(["Content-Length", String(length)]);
    return Fields.of(kept);
  }

  /** Tells the operator why a server does not answer, once until it does. */
  #tell(target: Target, { reason }: UpstreamFailure): void {
    if (target.told === reason) return;
    target.told = reason;
    this.#options.warn(`--proxy: ${target.url} ${escapeControls(reason)}`);
  }

  #failure({ isLate }: UpstreamFailure, request: Request): Response {
    return isLate
      ? this.#refuse(504, "The server behind this one has not answered in time.", request)
      : this.#refuse(502, "The server behind this one gave no answer that can be passed on.", request);
  }

  #refuse(status: number, sentence: string, request: Request): Response {
    return this.#pages.answer(status, sentence, wantsJson(request));
  }
}

/** Returns a target in origin form (RFC 9112 §3.2.1). Its authority was compared with Host, and is not the upstream's. */
function originForm(target: string): string {
  const path = escapeTarget(target).replace(/^https?:\/\/[^/?]*/i, "");
  return path.startsWith("/") ? path : `/${path}`;
}
