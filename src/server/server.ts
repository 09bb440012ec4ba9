/**
 * One server: composes the endpoints, listens, keeps time, and stops. Everything it owns hangs on this object, so any number of
 * servers live side by side in one process.
 */
import { lstatSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Connection, Conversation } from "../exchange/carrier.ts";
import type { TimeSource } from "../exchange/clock.ts";
import { Clock } from "../exchange/clock.ts";
import { ContentMemory } from "../exchange/content-buffer.ts";
import type { Drain, Resumable } from "../exchange/context.ts";
import { newAnswered, type Observer, Observers } from "../exchange/observer.ts";
import { Pool } from "../exchange/pool.ts";
import type { Transport } from "../exchange/transport.ts";
import type { FixtureParts } from "../fixture/endpoints.ts";
import type { Fixture, FixtureOptions } from "../fixture/fixture.ts";
import { composeHandler } from "../handlers/compose.ts";
import { type Endpoints, RESERVED_NAME } from "../handlers/endpoints/endpoint.ts";
import type { Snapshot } from "../handlers/endpoints/status.ts";
import { type DocumentRoot, FolderError, openDocumentRoot } from "../handlers/files/document-root.ts";
import { endpointFields, fixedFields } from "../handlers/fixed-fields.ts";
import { createHttpsRedirect } from "../handlers/https-redirect.ts";
import { type FolderStore, openFolderStore } from "../handlers/uploads/folder-store.ts";
import { type FieldLines, type Fields, RETRY_SOON } from "../http/fields.ts";
import type { Handler } from "../http/message.ts";
import { Http1Connection } from "../http1/connection.ts";
import type { Http1Context } from "../http1/context.ts";
import { Farewell } from "../http1/farewell.ts";
import { GATHER_BYTES_MAX, Scratch } from "../http1/outbox.ts";
import { RequestPool } from "../http1/request.ts";
import { HeadStarts } from "../http1/response-head.ts";
import { limits } from "../settings/limits.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { messageOf, OptionsError, StartError } from "../settings/start-error.ts";
import type { ServerLog } from "./access-log.ts";
import { Admission, type Refusal } from "./admission.ts";
import { connectionsMax, lendersMax, readFileLimit } from "./file-limit.ts";
import { type Acceptor, type Listening, listen } from "./listen.ts";
import { Reporter } from "./reporter.ts";
import { systemTime } from "./time-source.ts";
import type { CertificateInfo, Tls } from "./tls.ts";
import type { Vitals, VitalsOptions } from "./vitals.ts";

/** Longest and shortest time between two looks at the deadlines. The shortest timeout is kept within a quarter of itself. */
const TICK_MS_MAX = 1000;
const TICK_MS_MIN = 20;

/** Milliseconds between two looks for connections that have become idle while the server drains. */
const SWEEP_MS = 50;

/** Half for what a turn has gathered, the other for a slice, or a head and small content, behind it. */
const SCRATCH_BYTES = 2 * (limits.sliceBytes + GATHER_BYTES_MAX);

/** Milliseconds between two looks at slots that wait for a peer, while somebody waits for a slot. */
const RELIEF_MS = 5;

export interface StopOptions {
  /**
   * Milliseconds that connections which are new, or were used just now, are given for a request that may be on its way; 0, the
   * default, closes them at once.
   */
  readonly graceMs?: number;
  /** Milliseconds that requests in flight may take; the server's `shutdownTimeoutMs` by default. */
  readonly timeoutMs?: number;
  /** Cuts everything at once. */
  readonly force?: boolean;
}

/** What not every server needs; whoever makes one loads it only then. */
export interface ServerParts {
  /** Null: plain HTTP. */
  readonly tls?: Tls | null;
  readonly time?: TimeSource;
  /** Makes what somebody may look at; null when nobody does. */
  readonly watch?: ((options: VitalsOptions) => Vitals) | null;
  /** Makes what a test drives the server by; null when none does. */
  readonly fixture?: ((options: FixtureOptions) => FixtureParts) | null;
  /** What a test's wish to stop the server does; the server drains as by a signal unless this says otherwise. */
  readonly shutDown?: () => void;
}

export class Server {
  readonly #options: ServerSettings;
  readonly #log: ServerLog;
  readonly #context: Http1Context;
  /** Of the plain port beside a TLS one; else null. */
  readonly #redirectContext: Http1Context | null;
  /** Without Strict-Transport-Security, which plain HTTP must not say. */
  readonly #plainHeadStarts: HeadStarts;
  readonly #tls: Tls | null;
  readonly #time: TimeSource;
  readonly #reporter: Reporter;
  readonly #connections = new Set<Connection>();
  /** Null unless somebody may want to look. */
  readonly #vitals: Vitals | null;
  /** Null unless a test drives the server. */
  readonly #fixture: Fixture | null;
  readonly #fixtureEndpoints: FixtureParts["endpoints"];
  /** Peers that are being turned away. */
  readonly #farewells = new Set<Farewell>();
  readonly #admission: Admission;
  /** Null until the folders are opened. */
  #uploads: FolderStore | null = null;
  readonly #listening: Listening;
  readonly #redirecting: Listening | null;
  /** Ends the ticking. */
  readonly #endTicks: () => void;
  readonly #drain: Drain = { hasBegun: false };
  #deferred: Resumable[] = [];
  /** Wall clock minus monotonic clock, corrected at each tick. */
  #wallOffsetMs: number;
  #lastId = 0;
  #cancelRelief: (() => void) | null = null;
  /** The refusal that the operator has been told of since the last tick without one. */
  #toldRefusal: Refusal | null = null;
  #hasRefused = false;
  #stopping: Promise<void> | null = null;
  #whenEmpty: (() => void) | null = null;

  /**
   * Listens when it returns. Throws a StartError when a folder or the port cannot be used, an
   * OptionsError for bad values.
   */
  constructor(options: ServerSettings, log: ServerLog, parts: ServerParts = {}) {
    const { tls = null, time = systemTime, watch = null, fixture = null } = parts;
    const { shutDown = () => void this.stop({ graceMs: limits.shutdownGraceMs }) } = parts;
    this.#options = options;
    this.#log = log;
    this.#tls = tls;
    this.#time = time;
    const now = time.nowMs();
    this.#wallOffsetMs = time.wallMs() - now;
    const clock = new Clock(now, now + this.#wallOffsetMs, () => time.nowMs());
    const wallMs = () => clock.wallMs;
    this.#reporter = new Reporter(log, wallMs);
    // First the port, so that a second server that finds it taken leaves no folder behind. Nobody is accepted before we return.
    this.#listening = listen(
      options.host,
      options.port,
      "--port",
      this.#acceptor(() => this.#context, tls !== null),
      tls,
    );
    this.#redirecting = this.#listenForRedirects();
    const fileLimit = readFileLimit();
    const affordable = connectionsMax(options.threads, fileLimit);
    if (options.maxConnections > affordable) {
      log.warn(`--max-connections ${options.maxConnections} is more than the file limit allows; using ${affordable}`);
    }
    const wanted = options.maxConnections === 0 ? limits.connectionsUnaskedMax : options.maxConnections;
    const connectionsAtOnce = Math.min(wanted, affordable);
    this.#admission = new Admission(connectionsAtOnce, options.maxConnectionsPerAddress);
    const pool = new Pool(options.threads, options.queue, lendersMax(fileLimit));
    const isDraining = () => this.#drain.hasBegun;
    // Another one after each start, so that nobody takes a server for the one before.
    const instance = crypto.randomUUID().slice(0, 8);
    const moveClock = () => this.#moveClock();
    const fixtureParts =
      fixture?.({
        instance,
        settings: options,
        time,
        pool,
        connections: this.#connections,
        port: () => this.port,
        urls: () => this.urls,
        moveClock,
        isDraining,
        removeUpload: (name) => this.#uploads?.remove(name),
        shutDown,
      }) ?? null;
    this.#fixture = fixtureParts?.fixture ?? null;
    this.#fixtureEndpoints = fixtureParts?.endpoints ?? [];
    this.#vitals =
      watch?.({
        instance,
        pool,
        time,
        connections: this.#connections,
        connectionsMax: connectionsAtOnce,
        moveClock,
        report: (error) => log.error("a watcher failed", error),
        isDraining,
      }) ?? null;
    const handler = this.#prepareHandler(wallMs);
    const headLimits = {
      maxHeaderBytes: options.maxHeaderBytes,
      maxFieldBytes: Math.min(limits.fieldBytesMax, options.maxHeaderBytes),
      maxFields: limits.fieldsMax,
      maxEmptyLines: limits.emptyLinesMax,
    };
    const secureLines = strictTransport(options);
    this.#context = {
      limits: { ...limits, ...options },
      clock,
      pool,
      waiting: () => this.#relieve(),
      handler,
      observer: this.#observer(),
      answered: newAnswered(),
      scratch: new Scratch(SCRATCH_BYTES),
      headStarts: this.#headStarts(clock, fixedFields(options, secureLines)),
      endpointHeadStarts: this.#headStarts(clock, endpointFields(options, secureLines)),
      requests: new RequestPool(headLimits, new ContentMemory(limits.bodyMemoryBytesMax)),
      defer: (sleeper) => this.#defer(sleeper),
      drain: this.#drain,
    };
    this.#plainHeadStarts = tls === null ? this.#context.headStarts : this.#headStarts(clock, fixedFields(options));
    this.#redirectContext = this.#redirecting === null ? null : this.#prepareRedirect(this.#redirecting, wallMs);
    this.#endTicks = time.every(tickMs(options), () => this.#tick());
  }

  /** Beginnings of heads with `lines` in each. */
  #headStarts(clock: Clock, fields: Fields): HeadStarts {
    return new HeadStarts(clock.dateLine, this.#options.keepAliveTimeoutMs / 1000, fields);
  }

  /** What a listener reports to. The context is asked for: it is made when the port is known to be ours. */
  #acceptor(context: () => Http1Context | null, isSecure: boolean): Acceptor {
    return {
      accepted: (transport, address, port) =>
        this.#accepted(context() as Http1Context, transport, address, port, isSecure),
      moveClock: () => this.#moveClock(),
      closed: (conversation) => this.#closed(conversation),
      failedHandshake: (conversation, reason, isHttp) => {
        this.#reporter.step((conversation as Connection).id, 0, `TLS handshake failed: ${reason}`);
        return isHttp ? this.#compose(this.#plainHeadStarts, 400, NOT_TLS, []) : null;
      },
    };
  }

  /** Opens the folders and composes what answers. Throws as the constructor does, and then nothing listens any more. */
  #prepareHandler(wallMs: () => number): Handler {
    const options = this.#options;
    try {
      const root = usable(openDocumentRoot(options.root, "--root"));
      const endpoints = this.#endpoints();
      if (endpoints !== null) refuseReservedName(root, options.uploads);
      const uploads = usable(openFolderStore({ folder: options.uploads, flag: "--uploads", now: wallMs }));
      this.#uploads = uploads;
      if (uploads.root.realPath === root.realPath) {
        throw new StartError(`--uploads ${options.uploads} is the served folder itself; choose another folder`);
      }
      const fixture = this.#fixture;
      return composeHandler({
        settings: options,
        // Uploads are read back by --serve-uploads alone, also when their folder lies in the served one.
        root: root.without(uploads.root.realPath),
        uploads,
        endpoints,
        port: () => this.port,
        now: wallMs,
        log: (line) => this.#log.warn(line),
        fileCache: { bytesMax: options.fileCacheBytes, maxAgeMs: limits.fileCacheAgeMs },
        faults: fixture === null ? null : (inner) => fixture.wrap(inner),
        uploaded: (upload) => fixture?.uploaded(upload),
      });
    } catch (error) {
      this.#listening.stop();
      this.#redirecting?.stop();
      // A value that has the right form and still makes no sense, such as an allowed host with a space.
      throw error instanceof RangeError ? new OptionsError(error.message) : error;
    }
  }

  /** What is below `/__server/`, or null when nothing is. */
  #endpoints(): Endpoints | null {
    const { status } = this.#options;
    if (!status && this.#fixture === null) return null;
    return new Map([...(status ? (this.#vitals?.endpoints() ?? []) : []), ...this.#fixtureEndpoints]);
  }

  #observer(): Observer {
    const further = [...(this.#vitals?.observers ?? []), ...(this.#fixture?.observers ?? [])];
    return further.length === 0 ? this.#reporter : new Observers([this.#reporter, ...further]);
  }

  /** The plain port beside the TLS one, on the same addresses; null when none is wanted. */
  #listenForRedirects(): Listening | null {
    const { host, httpsRedirectPort } = this.#options;
    if (this.#tls === null || httpsRedirectPort < 0) return null;
    try {
      return listen(
        host,
        httpsRedirectPort,
        "--https-redirect",
        this.#acceptor(() => this.#redirectContext, false),
        null,
      );
    } catch (error) {
      this.#listening.stop();
      throw error;
    }
  }

  #prepareRedirect(redirecting: Listening, now: () => number): Http1Context {
    const { host, allowedHosts } = this.#options;
    const handler = createHttpsRedirect({
      boundHost: host,
      allowedHosts,
      port: () => redirecting.port,
      securePort: () => this.port,
      now,
      log: (line) => this.#log.warn(line),
    });
    return { ...this.#context, handler, headStarts: this.#plainHeadStarts };
  }

  get port(): number {
    return this.#listening.port;
  }

  /** What a test drives the server by, or null. */
  get fixture(): Fixture | null {
    return this.#fixture;
  }

  /** Where a client on this machine reaches the server, one for each bound address. */
  get urls(): readonly [string, ...string[]] {
    const scheme = this.#tls === null ? "http" : "https";
    const [first = this.#options.host, ...others] = this.#listening.hosts;
    return [urlOf(scheme, first, this.port), ...others.map((host) => urlOf(scheme, host, this.port))];
  }

  /** Where plain requests are sent to https from, or null. */
  get redirectUrl(): string | null {
    const listening = this.#redirecting;
    return listening === null ? null : urlOf("http", listening.hosts[0] ?? this.#options.host, listening.port);
  }

  /**
   * Shows `see` a snapshot now and several times a second, until the returned function is called. Throws an Error without
   * `ServerParts.watch`.
   */
  watch(see: (snapshot: Snapshot) => void): () => void {
    if (this.#vitals === null)
      throw new Error("nobody was going to look at this server: start it with `live` or `status`");
    return this.#vitals.show(see);
  }

  /** What clients see of the server's certificate, or null without TLS. */
  get certificate(): CertificateInfo | null {
    return this.#tls?.certificate ?? null;
  }

  /**
   * Reads certificate and key again, for connections that come from now on. Rejects with a StartError, and then the old ones
   * stay. Does nothing without TLS.
   */
  async reload(): Promise<void> {
    await this.#tls?.reload();
  }

  #accepted(
    context: Http1Context,
    transport: Transport,
    address: string,
    port: number,
    isSecure: boolean,
  ): Conversation | null {
    const plain = plainAddress(address);
    const refusal = this.#admission.enter(plain);
    if (refusal !== null) return this.#turnAway(transport, refusal, isSecure);
    const wire = this.#fixture?.wire(transport) ?? transport;
    const connection = new Http1Connection(context, wire, ++this.#lastId, plain, port, isSecure);
    this.#connections.add(connection);
    return connection;
  }

  #moveClock(): void {
    const now = this.#time.nowMs();
    this.#context.clock.set(now, now + this.#wallOffsetMs);
  }

  #closed(conversation: Conversation): void {
    if (conversation instanceof Farewell) {
      this.#farewells.delete(conversation);
      return;
    }
    const connection = conversation as Connection;
    if (!this.#connections.delete(connection)) return;
    this.#admission.leave(connection.address);
    if (this.#connections.size === 0) this.#whenEmpty?.();
  }

  /**
   * Accepts nothing more, lets requests in flight finish, closes idle connections at once. Resolves when every connection is
   * closed; what is not done in time is cut. May be called again, with `force` to cut at once.
   */
  stop(options: StopOptions = {}): Promise<void> {
    if (options.force) this.#cut();
    this.#stopping ??= this.#stop(options.timeoutMs ?? this.#options.shutdownTimeoutMs, options.graceMs ?? 0);
    return this.#stopping;
  }

  async #stop(timeoutMs: number, graceMs: number): Promise<void> {
    this.#drain.hasBegun = true;
    // What has reached us already is read first: a request on the wire is not an idle connection.
    await nextTurn();
    this.#listening.stop();
    this.#redirecting?.stop();
    for (const farewell of this.#farewells) farewell.end();
    this.#vitals?.drain();
    this.#fixture?.end();
    this.#closeIdle(graceMs);
    if (this.#connections.size > 0) {
      // Only now: the last connection may have gone, and a new one come, while that was read.
      const empty = new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
      });
      // By the machine's time, because whoever moves a clock by hand waits for this to end.
      const begunMs = systemTime.nowMs();
      const endSweeps = systemTime.every(SWEEP_MS, () => {
        // A clock that stands still never says for how long a peer has been quiet.
        const isOver = this.#time !== systemTime && systemTime.nowMs() - begunMs >= limits.shutdownGraceMs;
        if (isOver) this.#closeIdle(0, 0);
        else this.#closeIdle(graceMs);
      });
      const cancelCut = systemTime.after(timeoutMs, () => this.#cut());
      await empty;
      endSweeps();
      cancelCut();
    }
    this.#endTicks();
    this.#vitals?.end();
    this.#cancelRelief?.();
  }

  /** Closes connections that have been idle for `ms`, and that have lingered for `lingerMs`. */
  #closeIdle(ms: number, lingerMs: number = limits.shutdownGraceMs): void {
    this.#moveClock();
    for (const connection of this.#connections) connection.shutDown(ms, lingerMs);
  }

  #cut(): void {
    for (const connection of this.#connections) connection.terminate();
  }

  /**
   * Above a cap: 503 and a short farewell, or closed at once where too many are on their way out, so that files can
   * still be opened and the accept loop never runs dry. Over TLS it is cut off: to be told it would have to shake hands
   * first, which is the dearest thing that a stranger can ask for.
   */
  #turnAway(transport: Transport, refusal: Refusal, isSecure: boolean): Farewell | null {
    this.#hasRefused = true;
    this.#vitals?.metrics.refused(refusal.reason);
    if (this.#toldRefusal !== refusal) this.#log.warn(refusal.warning);
    this.#toldRefusal = refusal;
    if (isSecure) {
      transport.terminate();
      return null;
    }
    const whole = this.#compose(this.#plainHeadStarts, 503, refusal.sentence, RETRY_SOON);
    const { clock } = this.#context;
    if (this.#farewells.size < limits.farewellsMax) {
      const farewell = new Farewell(transport, whole, clock, limits.lingerMs);
      this.#farewells.add(farewell);
      return farewell;
    }
    transport.write(whole, 0, whole.length);
    transport.end();
    return null;
  }

  /** A whole answer for a peer that has no conversation, the last one on its connection. */
  #compose(headStarts: HeadStarts, status: number, sentence: string, fields: FieldLines): Uint8Array {
    const { handler, clock } = this.#context;
    const response = handler.failure(status, sentence, null, fields);
    const { content } = response;
    // What a handler says about a failure is in memory.
    const rest = content instanceof Uint8Array ? content : NO_CONTENT;
    const fieldBytes = response.fields.http1(null);
    const answer = new Uint8Array(headStarts.bytesMax + fieldBytes.length + rest.length);
    const fieldsStart = headStarts.append(answer, 0, response.status, false, 0, clock.second);
    answer.set(fieldBytes, fieldsStart);
    answer.set(rest, fieldsStart + fieldBytes.length);
    return answer.subarray(0, fieldsStart + fieldBytes.length + rest.length);
  }

  /** While somebody waits for a slot. */
  #relieve(): void {
    this.#cancelRelief ??= this.#time.after(RELIEF_MS, () => {
      this.#cancelRelief = null;
      this.#moveClock();
      const { pool, clock } = this.#context;
      pool.relieve(clock.nowMs);
      if (pool.queued > 0) this.#relieve();
    });
  }

  #defer(sleeper: Resumable): void {
    if (this.#deferred.push(sleeper) === 1) setImmediate(() => this.#resume());
  }

  #resume(): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    this.#moveClock();
    for (const sleeper of deferred) sleeper.resumed();
  }

  #tick(): void {
    this.#wallOffsetMs = this.#time.wallMs() - this.#time.nowMs();
    this.#moveClock();
    for (const connection of this.#connections) connection.tick();
    this.#reporter.tick(this.#context.pool, this.#context.clock.nowMs);
    for (const farewell of this.#farewells) farewell.tick();
    if (!this.#hasRefused) this.#toldRefusal = null;
    this.#hasRefused = false;
  }
}

const NO_CONTENT = new Uint8Array(0);

const NOT_TLS = "This port speaks TLS, and a plain HTTP request came; use https:// instead of http://.";

/** RFC 6797 §6.1; for https alone (§7.2). */
function strictTransport(options: ServerSettings): FieldLines {
  return options.hstsMs === 0 ? [] : [["Strict-Transport-Security", `max-age=${Math.floor(options.hstsMs / 1000)}`]];
}

function urlOf(scheme: "http" | "https", host: string, port: number): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${scheme}://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

/** A file there would be shadowed: nobody could tell why it is not served. Nor may the uploads' folder, which is made, lie there. */
function refuseReservedName(root: DocumentRoot, uploads: string): void {
  const path = join(root.realPath, RESERVED_NAME);
  const advice = `would be hidden by the server's own /${RESERVED_NAME}/`;
  if (`${resolve(uploads)}/`.startsWith(`${path}/`)) {
    throw new StartError(`--uploads ${uploads} ${advice}; choose another folder`);
  }
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  } catch (error) {
    throw new StartError(`--root ${root.realPath}: ${messageOf(error)}`);
  }
  throw new StartError(`${path} ${advice}; rename it, or leave out --status and --fixture`);
}

function usable<Folder extends object>(folder: Folder | FolderError): Folder {
  if (folder instanceof FolderError) throw new StartError(folder.message);
  return folder;
}

function tickMs(options: ServerSettings): number {
  const shortest = Math.min(
    options.keepAliveTimeoutMs,
    options.headerTimeoutMs,
    options.stallTimeoutMs,
    options.queueTimeoutMs,
  );
  return Math.max(TICK_MS_MIN, Math.min(TICK_MS_MAX, shortest / 4));
}

/** An IPv4 peer of an IPv6 socket as the IPv4 address it is. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
