/**
 * The methods of a fixture server over HTTP: one entry of a table each. `docs/fixture.md` describes the endpoints.
 *
 * Each question has a connection of its own, so none of ours is idle among those that a test counts and closes. And it has another
 * origin than the test's requests, because fetch keeps a pool of connections for each origin: ours must not use up the test's.
 */
import { join } from "node:path";
import { describeFaultRule, readFaultOrder } from "../http/fault.ts";
import { problemOfJson } from "../http/match.ts";
import { isStoreUrl } from "../http/store-url.ts";
import type {
  AddedStub,
  FaultOrder,
  FixtureServer,
  KeptUpload,
  RequestPage,
  RunningServer,
  StubOrder,
} from "../index.ts";
import { ANY_CLIENT } from "../settings/fixture-settings.ts";
import { messageOf } from "../settings/start-error.ts";

/** Names of the methods that a fixture adds to a server. */
type FixtureMethod = Exclude<keyof FixtureServer, keyof RunningServer>;

/** Methods of a fixture, each with a promise of its result. */
type RemoteMethods = {
  readonly [Name in FixtureMethod]: (
    ...given: Parameters<FixtureServer[Name]>
  ) => Promise<Awaited<ReturnType<FixtureServer[Name]>>>;
};

/** For each method, the function that asks the server. */
type Calls = {
  readonly [Name in FixtureMethod]: (
    server: Endpoints,
    ...given: Parameters<FixtureServer[Name]>
  ) => ReturnType<RemoteMethods[Name]>;
};

const CALLS: Calls = {
  requests: async (server, filter) => (await server.get<RequestPage>("requests", { ...filter, body: 1 })).requests,
  unmatched: async (server, filter) =>
    (await server.get<RequestPage>("requests/unmatched", { ...filter, body: 1 })).requests,
  waitForRequests: (server, filter, count = 1, timeoutMs) =>
    server.get("requests", {
      ...filter,
      body: 1,
      wait: count,
      ...(timeoutMs === undefined ? {} : { timeout: `${timeoutMs}ms` }),
    }),
  verify: (server, expectation) => server.post("requests/verify", expectation, 409),
  forgetRequests: (server) => server.delete("requests"),
  fault: async (server, rule, more) => (await server.post<{ id: string }>("faults", faultOf(rule, more))).id,
  removeFault: async (server, id) =>
    (await server.delete<{ removed?: number }>(`faults/${encodeURIComponent(id)}`, 404)).removed === 1,
  stub: async (server, order) => (await server.post<{ id: string }>("stubs", stubOf(order))).id,
  removeStub: async (server, id) =>
    (await server.delete<{ removed?: number }>(`stubs/${encodeURIComponent(id)}`, 404)).removed === 1,
  stubs: async (server) => (await server.get<{ stubs: readonly AddedStub[] }>("stubs")).stubs,
  hold: (server, slots) => server.post("hold", { slots }),
  release: async (server) => (await server.delete<{ released: number }>("hold")).released,
  connections: (server) => server.get("connections"),
  closeIdle: (server) => server.closeIdle(),
  uploads: async (server) => (await server.get<UploadList>("uploads")).uploads.map((upload) => server.kept(upload)),
  removeUploads: async (server) => (await server.delete<{ removed: number }>("uploads")).removed,
  reset: async (server) => (await server.post<{ sequence: number }>("reset", {})).sequence,
};

interface UploadList {
  readonly uploads: readonly ListedUpload[];
}

interface ListedUpload extends Omit<KeptUpload, "path" | "bytes"> {
  readonly size: number;
}

/** Returns the methods of a fixture server. */
export function remoteMethods(server: Endpoints): RemoteMethods {
  const methods = Object.entries(CALLS).map(([name, call]) => {
    const ask = call as (server: Endpoints, ...given: unknown[]) => unknown;
    // A mistake that is found before the question is a rejection too.
    return [name, async (...given: unknown[]) => await ask(server, ...given)];
  });
  return Object.fromEntries(methods) as RemoteMethods;
}

/** Returns a rule in JSON. Throws a RangeError that names the mistake. */
function faultOf(rule: string, more: FaultOrder | undefined): object {
  const read = readFaultOrder(rule, more);
  if (typeof read === "string") throw new RangeError(read);
  return describeFaultRule(read);
}

/** Returns a stub in JSON. Throws a RangeError for a value that JSON would leave out. */
function stubOf({ match, answer, ...counts }: StubOrder): object {
  if (typeof answer === "function") {
    throw new RangeError("answer: a function needs a server in the test's own process, under Bun; expected an object");
  }
  for (const [place, value] of [["match.json", match?.json] as const, ["answer.json", answer?.json] as const]) {
    const problem = value === undefined ? null : problemOfJson(value, place);
    if (problem !== null) throw new RangeError(problem);
  }
  return { match, answer, ...counts };
}

/** The function of this moment: a test may replace it later, to watch the code under test. */
const { fetch: ask } = globalThis;

interface EndpointsOptions {
  readonly url: string;
  /** Token of the fixture, or "". */
  readonly token: string;
  /** Path of the folder for uploads. */
  readonly uploads: string;
  /** Returns the reason why the server has ended, or null. */
  readonly end: () => string | null;
}

/** Two spellings of one address. A machine without IPv6 cannot reach the second one. */
const LOOPBACK = "http://127.0.0.1:";
const MAPPED_LOOPBACK = "http://[::ffff:127.0.0.1]:";

/** The endpoints of one server. A question rejects with a RangeError if the server refuses it as a mistake of the caller. */
export class Endpoints {
  readonly #options: EndpointsOptions;

  /** Origins to try: the first that can be reached stays the only one. */
  #origins: readonly string[];

  constructor(options: EndpointsOptions) {
    this.#options = options;
    const { url } = options;
    this.#origins = url.startsWith(LOOPBACK) ? [url.replace(LOOPBACK, MAPPED_LOOPBACK), url] : [url];
  }

  get<Answer>(endpoint: string, parameters: object = {}): Promise<Answer> {
    const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
    const query = String(
      new URLSearchParams(given.map(([name, value]): [string, string] => [name, textOf(name, value)])),
    );
    return this.#ask("GET", query === "" ? endpoint : `${endpoint}?${query}`);
  }

  /** `taken` is the status of a refusal whose content is an answer. */
  post<Answer>(endpoint: string, content: object, taken?: number): Promise<Answer> {
    return this.#ask("POST", endpoint, JSON.stringify(content), taken);
  }

  delete<Answer>(endpoint: string, taken?: number): Promise<Answer> {
    return this.#ask("DELETE", endpoint, undefined, taken);
  }

  async closeIdle(): Promise<number> {
    return (await this.post<{ closed: number }>("connections", { close: "idle" })).closed;
  }

  async unreachedStubs(): Promise<readonly string[]> {
    return (await this.get<{ unreached: readonly string[] }>("stubs")).unreached;
  }

  /** Returns an upload as it is in its place: the endpoint does not tell where that is. */
  kept({ size, ...upload }: ListedUpload): KeptUpload {
    const { uploads } = this.#options;
    const path = isStoreUrl(uploads) ? `${uploads}/${upload.name}` : join(uploads, upload.name);
    return { ...upload, bytes: size, path };
  }

  async #ask<Answer>(method: string, endpoint: string, content?: string, taken?: number): Promise<Answer> {
    const { token } = this.#options;
    const headers: Record<string, string> = { connection: "close", accept: "application/json" };
    if (token !== "" && token !== ANY_CLIENT) headers["authorization"] = `Bearer ${token}`;
    if (content !== undefined) headers["content-type"] = "application/json";
    const request = { method, headers, ...(content && { body: content }) };
    let answer: Answer & { readonly message?: string };
    let response: Response;
    try {
      response = await this.#reach(`/__server/${endpoint}`, request);
      answer = (await response.json()) as typeof answer;
    } catch (error) {
      throw new Error(`no answer to ${method} /__server/${endpoint}: ${this.#options.end() ?? reasonOf(error)}`);
    }
    if (response.ok || response.status === taken) return answer;
    throw new RangeError(answer.message ?? `${method} /__server/${endpoint} was answered with ${response.status}`);
  }

  async #reach(target: string, request: RequestInit): Promise<Response> {
    const [origin = "", ...others] = this.#origins;
    try {
      const response = await ask(`${origin}${target}`, request);
      this.#origins = [origin];
      return response;
    } catch (error) {
      if (others.length === 0) throw error;
      this.#origins = others;
      return this.#reach(target, request);
    }
  }
}

/** Writes a parameter: conditions that are objects, and `json` of any kind, are JSON. */
function textOf(name: string, value: unknown): string {
  return typeof value === "string" && name !== "json" ? value : JSON.stringify(value);
}

/** Returns the message of an error, with the reason that fetch puts behind it. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)}, ${messageOf(cause)}`;
}
