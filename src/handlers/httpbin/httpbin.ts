/**
 * The endpoints of go-httpbin, for clients that are tested against httpbin.org: an ordinary mount, so the pool, the log, the journal
 * and faults of a test see each request. Loaded only with `--httpbin`.
 *
 * Without a prefix, a path that is not an endpoint belongs to the served folder. Below a prefix, no file is served: such a path
 * is 404.
 */
import type { TimeSource } from "../../exchange/clock.ts";
import { isLoopbackAddress } from "../../http/ip-address.ts";
import { ADMITTED, type Admission, type Request, type Response, refused } from "../../http/message.ts";
import type { ServerSettings } from "../../settings/server-settings.ts";
import type { Mount } from "../mount.ts";
import { errorAnswer, JSON_TYPE, jsonText, KeptContent, textAnswer } from "./answers.ts";
import { type Bin, ENDPOINTS, type Endpoint } from "./endpoints.ts";
import { chance, type Seed } from "./numbers.ts";
import { Pauses } from "./pauses.ts";

export interface HttpbinOptions {
  readonly settings: Pick<ServerSettings, "httpbin" | "base" | "host" | "fixtureToken" | "maxBodyBytes">;
  readonly time: TimeSource;
}

/** Seed of the choices by weight. */
const CHOICES_SEED: Seed = { low: 1, high: 0 };

export class Httpbin implements Mount {
  readonly isControl = false;
  readonly #bin: Bin;
  /** Prefix of the paths, without that of `--base`, which stands in links alone. */
  readonly #prefix: string;
  readonly #admitted: Admission;
  #choices = 0;

  constructor({ settings, time }: HttpbinOptions) {
    const { httpbin, base, host, fixtureToken, maxBodyBytes } = settings;
    this.#admitted = { ...ADMITTED, content: { collectMax: maxBodyBytes } };
    this.#prefix = httpbin === "/" ? "" : httpbin;
    this.#bin = {
      prefix: base + this.#prefix,
      pauses: new Pauses(time),
      kept: new KeptContent(),
      mayRedirect: isLoopbackAddress(host) || fixtureToken !== "",
      nextPlace: () => chance(CHOICES_SEED, this.#choices++) / 2 ** 32,
    };
  }

  owns(path: string): boolean {
    const prefix = this.#prefix;
    if (prefix === "") return this.#find(path) !== null;
    return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
  }

  allow(path: string): string {
    return [...(this.#find(path)?.endpoint.methods ?? []), "OPTIONS"].join(", ");
  }

  admit({ head, target }: Request): Admission | null {
    if (head.methodText === "OPTIONS") return null;
    const found = this.#find(target.path);
    if (found === null) return refused(errorAnswer(404, `${this.#bin.prefix}/ lists the endpoints`));
    if (!found.endpoint.methods.includes(head.methodText)) return null;
    return found.endpoint.takesContent ? this.#admitted : ADMITTED;
  }

  respond(request: Request): Response | Promise<Response> {
    const found = this.#find(request.target.path);
    if (found === null) throw new Error("an endpoint that admitted a request is missing");
    return found.endpoint.answer(this.#bin, request, found.params);
  }

  /** Ends all pauses: the server drains. */
  drain(): void {
    this.#bin.pauses.end();
  }

  #find(path: string): { readonly endpoint: Endpoint; readonly params: readonly string[] } | null {
    const prefix = this.#prefix;
    const segments = path.slice(prefix.length + 1).split("/");
    if (prefix !== "" && segments.join("") === "") return { endpoint: INDEX, params: [] };
    for (const endpoint of BY_NAME.get(segments[0] ?? "") ?? []) {
      const params = paramsOf(endpoint.segments, segments);
      if (params !== null) return { endpoint, params };
    }
    return null;
  }
}

/** Endpoints by the first segment of their paths. */
const BY_NAME: ReadonlyMap<string, readonly Endpoint[]> = Map.groupBy(ENDPOINTS, ({ segments }) => segments[0] ?? "");

/** Lists the endpoints, at the prefix itself. Without a prefix, the folder's index stands there. */
const INDEX: Endpoint = {
  segments: [],
  methods: ["GET", "HEAD"],
  takesContent: false,
  answer: ({ prefix }) => {
    const endpoints = ENDPOINTS.map(({ segments }) => [prefix, ...segments].join("/"));
    return textAnswer(200, jsonText({ endpoints }), JSON_TYPE);
  },
};

/** Returns the segments that stand for `*`, or null if the path does not fit. */
function paramsOf(pattern: readonly string[], segments: readonly string[]): readonly string[] | null {
  if (pattern.at(-1) === "**") return [];
  if (pattern.length !== segments.length) return null;
  const params: string[] = [];
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? "";
    if (part === "*" && segment !== "") params.push(segment);
    else if (part !== segment) return null;
  }
  return params;
}
