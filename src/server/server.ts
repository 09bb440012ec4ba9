/**
 * The life of one server: it composes its parts, listens, accepts, keeps time, drains, and stops. A server owns all its parts,
 * so any number of servers live side by side in one process.
 */
import type { Connection, Conversation } from "../exchange/carrier.ts";
import { Clock, type TimeSource } from "../exchange/clock.ts";
import type { Drain, Resumable } from "../exchange/context.ts";
import { LocalPool } from "../exchange/local-pool.ts";
import { type Observer, Observers } from "../exchange/observer.ts";
import { directPeer, type Peer } from "../exchange/peer.ts";
import { PeerMemory, type PeerShare } from "../exchange/peer-memory.ts";
import type { Pool } from "../exchange/pool.ts";
import type { SharedPool } from "../exchange/shared-pool.ts";
import type { Transport } from "../exchange/transport.ts";
import type { FixtureParts } from "../fixture/endpoints.ts";
import type { Fixture } from "../fixture/fixture.ts";
import { composeHandler } from "../handlers/compose.ts";
import type { Endpoints } from "../handlers/endpoints/endpoint.ts";
import type { Snapshot } from "../handlers/endpoints/status.ts";
import type { Httpbin } from "../handlers/httpbin/httpbin.ts";
import { createHttpsRedirect } from "../handlers/https-redirect.ts";
import type { Stubs } from "../handlers/stubs/stubs.ts";
import type { UploadStore } from "../handlers/uploads/store.ts";
import type { Handler } from "../http/message.ts";
import { Http1Connection } from "../http1/connection.ts";
import type { Http1Context } from "../http1/context.ts";
import { Farewell } from "../http1/farewell.ts";
import type { HeadStarts } from "../http1/response-head.ts";
import { limits } from "../settings/limits.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { OptionsError } from "../settings/start-error.ts";
import type { ServerLog } from "./access-log.ts";
import { plainAddress, urlOf } from "./address.ts";
import { Admission, type Refusal, UNKNOWN_ADDRESS } from "./admission.ts";
import { composeContext, connectionsAtOnce, plainHeadStarts, tickMs } from "./compose.ts";
import { Delay } from "./delay.ts";
import { Door, Doors } from "./door.ts";
import { lendersMax, readFileLimit } from "./file-limit.ts";
import { openFolders } from "./folders.ts";
import { type Acceptor, type Binding, type Listening, listen } from "./listen.ts";
import type { ObjectStore } from "./object-store.ts";
import type { ServerParts, SharedParts } from "./parts.ts";
import type { Announcements } from "./proxy-protocol.ts";
import { Reporter } from "./reporter.ts";
import { systemTime } from "./time-source.ts";
import type { CertificateInfo, Tls } from "./tls.ts";
import { NO_PROXY_HEADER, NOT_A_TRUSTED_PROXY, notTlsAnswer, refusalAnswer, TurnAway } from "./turn-away.ts";
import type { Upstreams } from "./upstreams.ts";
import type { ServerVitals } from "./vitals.ts";

/** Milliseconds between two searches for idle connections while the server drains. */
const SWEEP_MS = 50;

/** Milliseconds that the end of the server waits for the close of connections that were reset. */
const CUT_MS = 250;

/** Milliseconds between two checks of slots whose peer reads nothing, while a request waits for a slot. */
const RELIEF_MS = 5;

/** Ways to stop a server. Without options it drains, for as long as `shutdownTimeoutMs`. */
export interface StopOptions {
  /**
   * Milliseconds for a request that may be on its way, on connections that are new or were used just now; 0, the default,
   * closes them at once.
   */
  readonly graceMs?: number;
  /**
   * Milliseconds for which the server still takes connections, while `/__server/ready` says 503 and each response is its connection's last;
   * 0, the default, stops listening at once.
   */
  readonly delayMs?: number;
  /** Milliseconds for requests in progress; the server's `shutdownTimeoutMs` by default. */
  readonly timeoutMs?: number;
  /** Cuts everything at once. */
  readonly force?: boolean;
}

export class Server {
  readonly #options: ServerSettings;
  readonly #log: ServerLog;
  readonly #context: Http1Context;
  /** Null without HTTP/2. */
  readonly #doors: Doors | null;
  /** Context of the plain port beside a TLS one; else null. */
  readonly #redirectContext: Http1Context | null;
  readonly #plainHeadStarts: HeadStarts;
  readonly #tls: Tls | null;
  readonly #time: TimeSource;
  readonly #clock: Clock;
  readonly #pool: Pool;
  /** The pool, if other threads have slots of it too; else null. */
  readonly #sharedPool: SharedPool | null;
  readonly #peerMemory: PeerMemory;
  readonly #reporter: Reporter;
  readonly #connections = new Set<Connection>();
  /** Null without --status and --live. */
  readonly #vitals: ServerVitals | null;
  /** Null without --fixture. */
  readonly #fixture: FixtureParts | null;
  /** Null without --httpbin. */
  readonly #httpbin: Httpbin | null;
  /** Null without --proxy. */
  readonly #upstreams: Upstreams | null;
  readonly #admission: Admission;
  /** Null without --proxy-protocol. */
  readonly #announcements: Announcements | null;
  readonly #turnAway: TurnAway;
  /** Null without an object store. */
  #objectStore: ObjectStore | null = null;
  /** Null until the folders are opened. */
  #uploads: UploadStore | null = null;
  #takesUploads = false;
  #stubs: Stubs | null = null;
  readonly #binding: Binding;
  readonly #listening: Listening;
  readonly #redirecting: Listening | null;
  /** Ends the ticking. */
  readonly #endTicks: () => void;
  readonly #drain: Drain = { hasBegun: false };
  #deferred: Resumable[] = [];
  /** Number of the last connection, and the difference to the next: numbers differ in all threads. */
  #lastId: number;
  readonly #idStep: number;
  #cancelRelief: (() => void) | null = null;
  #stopping: Promise<void> | null = null;
  readonly #delay: Delay;
  #whenEmpty: (() => void) | null = null;
  /** Cancels the last wait, for connections that were reset. */
  #cancelWait: (() => void) | null = null;

  /** Listens when it returns. Throws a StartError when a folder or the port cannot be used, an OptionsError for bad values. */
  constructor(options: ServerSettings, log: ServerLog, parts: ServerParts = {}) {
    const { tls = null, time = systemTime, shared = null } = parts;
    const { memory = null, thread = 0 } = shared ?? {};
    this.#options = options;
    this.#log = log;
    this.#tls = tls;
    this.#time = time;
    this.#delay = new Delay(time);
    const clock = new Clock(time.nowMs(), time.wallMs(), time);
    this.#clock = clock;
    this.#reporter = new Reporter(log, () => clock.wallMs, shared?.lineBudget);
    // Binds the port first, so that a second server that finds it taken leaves no folder behind. No connection is accepted
    // before the constructor returns.
    this.#binding = thread === 0 ? "alone" : "beside others";
    this.#listening = listen(
      options.host,
      options.port,
      "--port",
      this.#acceptor(() => this.#context, tls !== null),
      tls,
      this.#binding,
    );
    this.#redirecting = this.#listenForRedirects();
    const fileLimit = readFileLimit();
    const connectionsMax = connectionsAtOnce(options, fileLimit, (text) => log.warn(text));
    this.#idStep = memory?.sizes.threads ?? 1;
    this.#lastId = thread + 1 - this.#idStep;
    this.#admission = new Admission(connectionsMax, options.maxConnectionsPerAddress, memory?.connections);
    const defer = (sleeper: Resumable) => this.#defer(sleeper);
    this.#peerMemory = new PeerMemory(limits.peerMemoryBytesMax, defer, shared === null ? undefined : shareOf(shared));
    this.#announcements = this.#makeAnnouncements(parts);
    this.#turnAway = new TurnAway({ clock, warn: (text) => log.warn(text) });
    this.#sharedPool = shared === null ? null : this.#openShared(shared);
    this.#pool = this.#sharedPool ?? new LocalPool(options.threads, options.queue, lendersMax(fileLimit));
    const instance = shared?.instance ?? newInstance();
    this.#fixture = this.#makeFixture(instance, parts);
    this.#vitals = this.#makeVitals(instance, connectionsMax, parts);
    this.#httpbin = parts.httpbin?.({ settings: options, time }) ?? null;
    this.#upstreams = parts.proxy?.({ settings: options, clock, warn: (line) => log.warn(line) }) ?? null;
    this.#context = composeContext(options, {
      clock,
      pool: this.#pool,
      peerMemory: this.#peerMemory,
      waiting: () => this.#relieve(),
      handler: this.#makeHandler(parts),
      relays: parts.relays ?? null,
      observer: this.#observer(),
      defer,
      drain: this.#drain,
      bodyMemory: memory?.bodyMemory,
    });
    this.#doors = this.#makeDoors(options);
    this.#plainHeadStarts = tls === null ? this.#context.headStarts : plainHeadStarts(options, clock);
    this.#redirectContext = this.#redirecting === null ? null : this.#redirectTo(this.#redirecting);
    this.#endTicks = time.every(tickMs(options), () => this.#tick());
    void this.#objectStore?.store.open();
  }

  #openShared({ memory, thread, wake }: SharedParts): SharedPool {
    return memory.pool(thread, { wake, relieve: () => this.#relieve() });
  }

  /**
   * Looks for slots that other threads have promised to requests of this one, and for memory that this one holds beyond its part. Called in
   * a turn of its own, after a wake.
   */
  woken(): void {
    this.#clock.move();
    this.#sharedPool?.woken();
    this.#peerMemory.review();
  }

  #makeFixture(instance: string, { fixture = null, shutDown }: ServerParts): FixtureParts | null {
    if (fixture === null) return null;
    return fixture({
      instance,
      settings: this.#options,
      time: this.#time,
      pool: this.#pool,
      connections: this.#connections,
      port: () => this.port,
      urls: () => this.urls,
      moveClock: () => this.#clock.move(),
      isDraining: () => this.#drain.hasBegun,
      removeUpload: (name) => this.#uploads?.remove(name),
      restartStubs: () => this.#stubs?.restart(),
      unreachedStubs: () => this.unreachedStubs,
      shutDown: shutDown ?? (() => void this.stop({ graceMs: limits.shutdownGraceMs })),
    });
  }

  #makeVitals(instance: string, connectionsMax: number, { watch = null }: ServerParts): ServerVitals | null {
    const vitals = watch?.({
      instance,
      pool: this.#pool,
      time: this.#time,
      connections: this.#connections,
      observer: () => this.#context.observer,
      connectionsMax,
      moveClock: () => this.#clock.move(),
      report: (error) => this.#log.error("a watcher failed", error),
      isDraining: () => this.#drain.hasBegun,
      store: () => this.#objectStore?.counts ?? null,
    });
    return vitals ?? null;
  }

  /** Returns the side that a listener reports to. It asks for the context, which is made after the port is bound. */
  #acceptor(context: () => Http1Context | null, isSecure: boolean): Acceptor {
    return {
      accepted: (transport, address, port = 0) =>
        this.#accepted(context() as Http1Context, transport, address, port, isSecure),
      clock: this.#clock,
      closed: (conversation) => this.#closed(conversation),
      failedHandshake: (conversation, reason, isHttp) => {
        this.#reporter.step((conversation as Connection).id, 0, `TLS handshake failed: ${reason}`);
        return isHttp ? notTlsAnswer(this.#context.handler, this.#plainHeadStarts, this.#clock) : null;
      },
    };
  }

  /** Opens the folders and composes the handler. Throws as the constructor does, after it has closed the listeners. */
  #makeHandler(parts: ServerParts): Handler {
    const options = this.#options;
    const now = () => this.#clock.wallMs;
    const fixture = this.#fixture?.fixture ?? null;
    try {
      const endpoints = this.#endpoints();
      const warn = (line: string) => this.#log.warn(line);
      this.#objectStore =
        parts.objectStore?.({ settings: options, clock: this.#clock, time: this.#time, log: this.#log }) ?? null;
      const store = this.#objectStore?.store ?? null;
      const { root, uploads, takesUploads, stubs, record } = openFolders(options, endpoints !== null, store, now, warn);
      if (record !== null) this.#upstreams?.record({ realPath: record, shown: options.record, warn });
      this.#uploads = uploads;
      this.#takesUploads = takesUploads;
      this.#stubs = this.#openStubs(stubs, parts);
      return composeHandler({
        settings: options,
        root,
        uploads,
        anyUploads: parts.anyUploads ?? null,
        endpoints,
        httpbin: this.#httpbin,
        stubs: this.#stubs,
        proxy: this.#upstreams?.proxy ?? null,
        base: parts.base ?? null,
        credentials: parts.credentials ?? null,
        listing: parts.listing ?? null,
        site: parts.site?.({ root, shown: options.root, index: options.index, warn }) ?? null,
        port: () => this.port,
        now,
        log: (line) => this.#log.warn(line),
        fileCache: { bytesMax: options.fileCacheBytes, maxAgeMs: limits.fileCacheAgeMs, keeper: this.#peerMemory },
        faults: fixture === null ? null : (inner) => fixture.wrap(inner),
        uploadCounters: parts.shared?.memory.uploads,
        ...(parts.shared ? { archiveTurn: parts.shared.archiveTurn } : {}),
        uploaded: (upload) => fixture?.uploaded(upload),
      });
    } catch (error) {
      this.#listening.stop();
      this.#redirecting?.stop();
      // A value that has the right form and still cannot be used, such as an allowed host with a space.
      throw error instanceof RangeError ? new OptionsError(error.message) : error;
    }
  }

  #openStubs(realPath: string | null, { stubs = null }: ServerParts): Stubs | null {
    const rules = this.#fixture?.fixture.stubs ?? null;
    if (stubs === null || (realPath === null && rules === null)) return null;
    const warn = (line: string) => this.#log.warn(line);
    return stubs(realPath === null ? null : { realPath, shown: this.#options.stubs, warn }, rules);
  }

  /** Numbered stubs that have answered no request. */
  get unreachedStubs(): readonly string[] {
    return this.#stubs?.unreached() ?? [];
  }

  /** Returns the endpoints below `/__server/`, or null if there are none. */
  #endpoints(): Endpoints | null {
    const { status } = this.#options;
    if (!status && this.#fixture === null) return null;
    return new Map([...(status ? (this.#vitals?.endpoints() ?? []) : []), ...(this.#fixture?.endpoints ?? [])]);
  }

  #observer(): Observer {
    const further = [...(this.#vitals?.observers ?? []), ...(this.#fixture?.fixture.observers ?? [])];
    return further.length === 0 ? this.#reporter : new Observers([this.#reporter, ...further]);
  }

  /** Listens on the plain port beside the TLS one, on the same addresses; null if there is none. */
  #listenForRedirects(): Listening | null {
    const { host, httpsRedirectPort } = this.#options;
    if (this.#tls === null || httpsRedirectPort < 0) return null;
    const acceptor = this.#acceptor(() => this.#redirectContext, false);
    try {
      return listen(host, httpsRedirectPort, "--https-redirect", acceptor, null, this.#binding);
    } catch (error) {
      this.#listening.stop();
      throw error;
    }
  }

  #redirectTo(redirecting: Listening): Http1Context {
    const { host, allowedHosts, anyPort, fixture } = this.#options;
    const handler = createHttpsRedirect({
      boundHost: host,
      allowedHosts,
      anyPort: anyPort || fixture,
      port: () => redirecting.port,
      securePort: () => this.port,
      secured: this.#context.handler,
      now: () => this.#clock.wallMs,
      log: (line) => this.#log.warn(line),
    });
    return { ...this.#context, handler, headStarts: this.#plainHeadStarts };
  }

  /** Lets other threads bind the same ports. Returns false if the system refuses. */
  sharePorts(): boolean {
    return [this.#listening, this.#redirecting].every((listening) => listening?.share() !== false);
  }

  /** The settings of the ports, with the numbers that were bound. */
  get boundPorts(): Pick<ServerSettings, "port" | "httpsRedirectPort"> {
    return { port: this.port, httpsRedirectPort: this.#redirecting?.port ?? this.#options.httpsRedirectPort };
  }

  get port(): number {
    return this.#listening.port;
  }

  /** Controls of a test, or null. */
  get fixture(): Fixture | null {
    return this.#fixture?.fixture ?? null;
  }

  /** URLs at which a client on this machine reaches the server, one for each bound address. */
  get urls(): readonly [string, ...string[]] {
    const scheme = this.#tls === null ? "http" : "https";
    const [first = this.#options.host, ...others] = this.#listening.hosts;
    return [urlOf(scheme, first, this.port), ...others.map((host) => urlOf(scheme, host, this.port))];
  }

  /** False if no uploads are wanted, or their folder could not be used at the start. */
  get takesUploads(): boolean {
    return this.#takesUploads;
  }

  /** URL of the plain HTTP listener that redirects to https, or null. */
  get redirectUrl(): string | null {
    const listening = this.#redirecting;
    return listening === null ? null : urlOf("http", listening.hosts[0] ?? this.#options.host, listening.port);
  }

  /** Passes snapshots to `see` until the returned function is called. Throws an Error without `ServerParts.watch`. */
  watch(see: (snapshot: Snapshot) => void): () => void {
    if (this.#vitals === null) throw new Error("watch() needs a server that was started with `live` or `status`");
    return this.#vitals.show(see);
  }

  /** Returns the metrics of all threads in Prometheus's text format; "" without `ServerParts.watch`. */
  async renderMetrics(): Promise<string> {
    return (await this.#vitals?.renderMetrics()) ?? "";
  }

  /** The server's certificate, as clients see it; null without TLS. */
  get certificate(): CertificateInfo | null {
    return this.#tls?.certificate ?? null;
  }

  /** Reads certificate and key again, for new connections. Rejects with a StartError, and then the old ones stay. */
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
    const announcements = this.#announcements;
    if (announcements?.trusts(plain) === false) return this.#refuse(transport, NOT_A_TRUSTED_PROXY, true);
    const refusal = this.#admission.enter(announcements === null ? plain : UNKNOWN_ADDRESS);
    if (refusal !== null) return this.#refuse(transport, refusal, isSecure);
    this.#lastId += this.#idStep;
    const id = this.#lastId;
    if (announcements === null) return this.#begin(context, transport, id, directPeer(plain, port, isSecure));
    const announcement = announcements.begin(transport, id, plain, port);
    this.#connections.add(announcement);
    return announcement;
  }

  /** Turns a peer away. Without an answer, if `isSilent`. */
  #refuse(transport: Transport, refusal: Refusal, isSilent: boolean): Conversation | null {
    this.#vitals?.metrics.refused(refusal.reason);
    const answer = () => refusalAnswer(this.#context.handler, this.#plainHeadStarts, this.#clock, refusal.sentence);
    return this.#turnAway.refuse(transport, refusal, isSilent, answer);
  }

  #begin(context: Http1Context, transport: Transport, id: number, peer: Peer): Conversation {
    const wire = this.#fixture?.fixture.wire(transport) ?? transport;
    const connection = new Http1Connection(context, wire, id, peer);
    this.#connections.add(connection);
    // The plain port beside a TLS one only redirects.
    if (this.#doors === null || context !== this.#context) return connection;
    return new Door(this.#doors, transport, wire, connection, peer);
  }

  /** Returns the doors to HTTP/2, or null without it. */
  #makeDoors(options: ServerSettings): Doors | null {
    if (!options.http2) return null;
    return new Doors({
      load: async () => (await import("./http2.ts")).openHttp2(options, this.#context, this.#fixture?.fixture ?? null),
      replaced: (before, after) => {
        this.#connections.delete(before);
        this.#connections.add(after);
      },
      lost: ({ id }) => this.#context.observer.closed(id, 0, 0, "client"),
      failed: (id, error) => this.#context.observer.failed(id, error),
    });
  }

  #makeAnnouncements({ relays = null, announcements = null }: ServerParts): Announcements | null {
    if (relays === null || announcements === null) return null;
    return announcements({
      relays,
      clock: this.#clock,
      timeoutMs: this.#options.headerTimeoutMs,
      announced: (before, peer) => {
        this.#connections.delete(before);
        const refusal = this.#admission.identify(peer.address);
        if (refusal === null) return this.#begin(this.#context, before.transport, before.id, peer);
        this.#admission.leave(UNKNOWN_ADDRESS);
        return this.#refuse(before.transport, refusal, false);
      },
      refused: ({ id, peer, transport }, problem) => {
        this.#reporter.step(id, 0, `No PROXY header from ${peer}: ${problem}`);
        this.#refuse(transport, NO_PROXY_HEADER, true);
      },
    });
  }

  #closed(conversation: Conversation): void {
    if (conversation instanceof Farewell) {
      this.#turnAway.closed(conversation);
      return;
    }
    const connection = conversation instanceof Door ? conversation.connection : (conversation as Connection);
    if (!this.#connections.delete(connection)) return;
    this.#admission.leave(connection.address);
    if (this.#connections.size === 0) this.#whenEmpty?.();
  }

  /**
   * Stops accepting, lets requests in progress finish, and closes idle connections. Resolves when every connection is closed;
   * those that are not done in time are cut. May be called again, with `force` to cut at once.
   */
  stop(options: StopOptions = {}): Promise<void> {
    if (options.force) this.#cut();
    this.#delay.end();
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async #stop({ timeoutMs = this.#options.shutdownTimeoutMs, graceMs = 0, delayMs = 0 }: StopOptions): Promise<void> {
    this.#drain.hasBegun = true;
    if (delayMs > 0) await this.#delay.wait(delayMs);
    // Reads the bytes that have arrived first: a connection with a request on the wire is not idle.
    await nextTurn();
    this.#listening.stop();
    this.#redirecting?.stop();
    this.#turnAway.end();
    this.#vitals?.drain();
    this.#httpbin?.drain();
    this.#upstreams?.drain();
    this.#objectStore?.drain();
    this.#fixture?.fixture.end();
    this.#closeIdle(graceMs);
    if (this.#connections.size > 0) {
      // Not before: the last connection may have gone, and a new one come, while the bytes were read.
      const empty = new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
      });
      // By the machine's time: a test that moves a clock by hand waits for this to end.
      const begunMs = systemTime.nowMs();
      const endSweeps = systemTime.every(SWEEP_MS, () => {
        // A clock that stands still never tells how long a peer has been quiet.
        const isOver = this.#time !== systemTime && systemTime.nowMs() - begunMs >= limits.shutdownGraceMs;
        if (isOver) this.#closeIdle(0, 0);
        else this.#closeIdle(graceMs);
      });
      const cancelCut = systemTime.after(timeoutMs, () => this.#cut());
      await empty;
      endSweeps();
      cancelCut();
    }
    this.#cancelWait?.();
    this.#endTicks();
    this.#vitals?.end();
    this.#cancelRelief?.();
  }

  /** Closes connections that have been idle for `ms`, and that have lingered for `lingerMs`. */
  #closeIdle(ms: number, lingerMs: number = limits.shutdownGraceMs): void {
    this.#clock.move();
    for (const connection of this.#connections) connection.shutDown(ms, lingerMs);
  }

  /** Resets all connections. Bun may report the close of a TLS socket late, so the wait for it is bounded. */
  #cut(): void {
    for (const connection of this.#connections) connection.terminate();
    this.#cancelWait ??= systemTime.after(CUT_MS, () => this.#whenEmpty?.());
  }

  /** Relieves the pool from time to time while a request waits for a slot. */
  #relieve(): void {
    this.#cancelRelief ??= this.#time.after(RELIEF_MS, () => {
      this.#cancelRelief = null;
      this.#clock.move();
      this.#pool.relieve(this.#clock.nowMs);
      if (this.#pool.queued > 0) this.#relieve();
    });
  }

  #defer(sleeper: Resumable): void {
    if (this.#deferred.push(sleeper) === 1) setImmediate(() => this.#resume());
  }

  #resume(): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    this.#clock.move();
    for (const sleeper of deferred) sleeper.resumed();
  }

  #tick(): void {
    this.#clock.set(this.#time.nowMs(), this.#time.wallMs());
    for (const connection of this.#connections) connection.tick();
    // The numbers are those of all threads, so one of them tells.
    this.#reporter.tick(this.#binding === "alone" ? this.#pool : null, this.#clock.nowMs);
    this.#turnAway.tick();
    this.#upstreams?.tick();
    this.#objectStore?.tick();
  }
}

/** Returns a word that differs after each start, so that a client cannot take one server for the one before it. */
export function newInstance(): string {
  return crypto.randomUUID().slice(0, 8);
}

/** Returns the part of one thread in the memory that is held for peers. */
function shareOf({ memory, thread: own, wake }: SharedParts): PeerShare {
  const { threads } = memory.sizes;
  const tellOthers = () => {
    for (let thread = 0; thread < threads; thread++) if (thread !== own) wake(thread);
  };
  return { total: memory.peerMemory, threads, tellOthers };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
