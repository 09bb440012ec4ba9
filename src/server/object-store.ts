/**
 * Opens the object store of `--uploads s3://bucket/prefix`, and loaded only with it: the variables that all S3 clients know, the
 * connections, and the store.
 *
 * The rule it guards: a secret is read here, signs requests, and stands in no message.
 */
import type { Clock, TimeSource } from "../exchange/clock.ts";
import type { UpstreamEvents } from "../exchange/upstream.ts";
import { S3Client, type S3Counts, type S3Target } from "../handlers/uploads/s3/client.ts";
import { PROBE_NAME } from "../handlers/uploads/s3/conditions.ts";
import { PART_LIMITS } from "../handlers/uploads/s3/parts.ts";
import { Signer } from "../handlers/uploads/s3/signature.ts";
import { S3Store } from "../handlers/uploads/s3/store.ts";
import { authorityOf, type ProxyOrigin, parseOrigin, urlOfOrigin } from "../http/proxy-rule.ts";
import { formatStoreUrl, parseStoreUrl, type StoreUrl } from "../http/store-url.ts";
import { SECOND } from "../http/units.ts";
import { UpstreamPool } from "../http1/upstream-pool.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { StartError } from "../settings/start-error.ts";
import type { ServerLog } from "./access-log.ts";
import { openUpstream } from "./upstream-socket.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface ObjectStoreOptions {
  readonly settings: Pick<ServerSettings, "uploads" | "uploadAny" | "uploadTimeoutMs">;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly time: TimeSource;
  /** Takes lines for the operator. */
  readonly log: Pick<ServerLog, "info" | "warn">;
}

/** Silences of a store within one wait for it: a connection that hangs leaves time for two others. */
const SILENCES = 3;

export class ObjectStore {
  readonly store: S3Store;
  readonly #client: S3Client;
  readonly #pool: UpstreamPool;

  /** Sends nothing yet. Throws a StartError, in one line for the operator, for variables that cannot be used. */
  constructor({ settings, environment, clock, time, log }: ObjectStoreOptions) {
    const url = parseStoreUrl(settings.uploads);
    if (url === undefined) throw new Error("unchecked URL of an object store"); // Our own mistake: the settings check it.
    const { origin, target } = findTarget(url, environment);
    const timeoutMs = settings.uploadTimeoutMs;
    this.#pool = new UpstreamPool({
      clock,
      timeoutMs: Math.max(SECOND, timeoutMs / SILENCES),
      connect: (events: UpstreamEvents) => void openUpstream(origin, events, clock),
    });
    this.#client = new S3Client({
      target,
      signer: new Signer(findCredentials(environment), regionOf(environment)),
      upstream: this.#pool,
      time,
      timeoutMs,
      random: Math.random,
      probeKey: url.prefix + PROBE_NAME,
      warn: (line) => log.warn(line),
    });
    this.store = new S3Store({
      client: this.#client,
      place: formatStoreUrl(url),
      prefix: url.prefix,
      hasNames: settings.uploadAny,
      limits: PART_LIMITS,
      time,
      info: (line) => log.info(line),
    });
  }

  get counts(): S3Counts {
    return this.#client.counts;
  }

  /** Looks at the time. */
  tick(): void {
    this.#pool.tick();
  }

  /** Closes connections that are idle, and each other one after its request. Requests are not tried again. */
  drain(): void {
    this.#client.end();
    this.#pool.end();
  }
}

/**
 * Returns the server of the store, and how its bucket is named. AWS has a host for each bucket. Elsewhere the bucket is the beginning
 * of the path, unless the host of the endpoint begins with its name.
 */
export function findTarget({ bucket }: StoreUrl, environment: Environment): { origin: ProxyOrigin; target: S3Target } {
  const variable = ENDPOINTS.find((name) => settingOf(environment, name) !== null);
  const isDotted = bucket.includes(".");
  const region = regionOf(environment);
  // The certificate of AWS is for names with one label before its own.
  const own = isDotted ? `https://s3.${region}.amazonaws.com` : `https://${bucket}.s3.${region}.amazonaws.com`;
  const endpoint = variable === undefined ? own : (settingOf(environment, variable) ?? own);
  const origin = parseOrigin(endpoint);
  if (typeof origin === "string") {
    throw new StartError(`${variable ?? "AWS_REGION"} cannot be used for --uploads: ${origin}`);
  }
  const isHost = origin.host.startsWith(`${bucket}.`);
  return {
    origin,
    target: {
      url: urlOfOrigin(origin),
      authority: authorityOf(origin),
      base: isHost ? "/" : `/${bucket}/`,
      bucket,
    },
  };
}

/** Variables of the endpoint, the most special one first. */
const ENDPOINTS = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"] as const;

function findCredentials(environment: Environment) {
  const accessKey = settingOf(environment, "AWS_ACCESS_KEY_ID");
  const secretKey = settingOf(environment, "AWS_SECRET_ACCESS_KEY");
  if (accessKey === null || secretKey === null) {
    const missing = accessKey === null ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY";
    throw new StartError(`--uploads s3://… needs ${missing} in the environment`);
  }
  const sessionToken = settingOf(environment, "AWS_SESSION_TOKEN");
  for (const [name, value] of [
    ["AWS_ACCESS_KEY_ID", accessKey],
    ["AWS_SESSION_TOKEN", sessionToken ?? ""],
  ] as const) {
    // They stand in field lines.
    if (!/^[!-~]*$/.test(value))
      throw new StartError(`${name} cannot be used for --uploads: it has spaces or other odd characters`);
  }
  return { accessKey, secretKey, sessionToken };
}

function regionOf(environment: Environment): string {
  const region = settingOf(environment, "AWS_REGION") ?? settingOf(environment, "AWS_DEFAULT_REGION") ?? "us-east-1";
  if (/^[a-z0-9-]+$/.test(region)) return region;
  throw new StartError("AWS_REGION cannot be used for --uploads: expected a region such as us-east-1");
}

/** Returns a variable without whitespace around it; null if it is not set, or is empty. */
function settingOf(environment: Environment, name: string): string | null {
  const value = environment[name]?.trim() ?? "";
  return value === "" ? null : value;
}
