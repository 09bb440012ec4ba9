/**
 * One simulated server whose clients speak HTTP/2, and some of them HTTP/1, from one seed: chosen limits, requests and order of events. Between
 * two events everything that must hold is held against the books. At the end everybody goes on until nothing is left to do; then
 * nobody does anything any more, and time alone has to end every conversation.
 */
import { ContentMemory } from "../../../src/exchange/content-buffer.ts";
import type { Resumable } from "../../../src/exchange/context.ts";
import { type Answered, BaseObserver, Outcome } from "../../../src/exchange/observer.ts";
import { directPeer, type Peer } from "../../../src/exchange/peer.ts";
import { PeerMemory } from "../../../src/exchange/peer-memory.ts";
import { Http1Connection } from "../../../src/http1/connection.ts";
import type { Http1Context } from "../../../src/http1/context.ts";
import { RequestPool as PlainRequests } from "../../../src/http1/request.ts";
import { Http2Connection } from "../../../src/http2/connection.ts";
import type { Http2Context } from "../../../src/http2/context.ts";
import { type Http2Request, RequestPool } from "../../../src/http2/request.ts";
import { WALL_MS } from "../../../test/support/conversation.ts";
import { FakeHttp2Server } from "../../../test/support/http2.ts";
import { Random } from "../random.ts";
import type { Coverage } from "../simulation/coverage.ts";
import { PlannedFailure } from "../simulation/handler.ts";
import { Referee } from "../simulation/referee.ts";
import { SHUTDOWN_GRACE_MS } from "../simulation/settings.ts";
import { Actor } from "./actor.ts";
import { StreamClient } from "./client.ts";
import type { StreamCourse } from "./course.ts";
import { addressOf, StreamHandler, type StreamHouse } from "./handler.ts";
import { PlainClient } from "./plain-client.ts";
import { BookedPool } from "./pool.ts";
import { chooseStreamSettings, type StreamSettings } from "./settings.ts";

/** Rounds without progress after which nothing is left to do, and rounds and windows that are far more than are needed. */
const IDLE_ROUNDS = 4;
const ROUNDS_MAX = 3000;
const WINDOWS_MAX = 60;

/** Ticks that a wait may be late: each ends one wait of a connection, and that for the second GOAWAY comes before those of streams. */
const LATE_TICKS_MAX = 1;

/** Microtasks until a settled promise has reached whoever waits for it. */
const SETTLE_TURNS = 4;

type AnyClient = StreamClient | PlainClient;

/** Requests of HTTP/2, counted. */
class CountedRequests extends RequestPool {
  taken = 0;

  override take(peer: Peer): Http2Request {
    this.taken++;
    return super.take(peer);
  }

  override takeBack(request: Http2Request): void {
    this.taken--;
    super.takeBack(request);
  }
}

export class StreamWorld extends BaseObserver implements StreamHouse {
  readonly random: Random;
  readonly referee: Referee<StreamSettings>;
  readonly memory: ContentMemory;
  readonly pending: (() => void)[] = [];
  /** Events so far. */
  events = 0;
  readonly #settings: StreamSettings;
  readonly #pool: BookedPool;
  readonly #peerMemory: PeerMemory;
  readonly #requests: CountedRequests;
  readonly #http2: Http2Context;
  readonly #http1: Http1Context;
  readonly #clients: AnyClient[] = [];
  readonly #actors = new Map<number, Actor>();
  #deferred: Resumable[] = [];
  #speaking: AnyClient | null = null;
  #isSettling = false;
  #isReliefDue = false;

  constructor(seed: number, coverage: Coverage, trace: string[] | null) {
    super();
    this.random = new Random(seed);
    this.#settings = chooseStreamSettings(this.random);
    const { limits, http2, headLimits, scratchBytes, bodyMemoryBytes, peerMemoryBytes } = this.#settings;
    const server = new FakeHttp2Server({ limits, http2, scratchBytes });
    this.referee = new Referee(server.clock, this.#settings, coverage, trace);
    this.memory = new ContentMemory(bodyMemoryBytes);
    this.#pool = new BookedPool(this.referee, (id) => this.#actors.has(id));
    this.#peerMemory = new PeerMemory(peerMemoryBytes, (sleeper) => this.#deferred.push(sleeper));
    this.#requests = new CountedRequests(http2.fieldsMax, this.memory);
    const shared = {
      pool: this.#pool,
      peerMemory: this.#peerMemory,
      handler: new StreamHandler(this),
      observer: this,
      waiting: () => {
        this.#isReliefDue = true;
      },
      defer: (sleeper: Resumable) => this.#deferred.push(sleeper),
    };
    this.#http2 = { ...server.http2, ...shared, limits: http2, requests: this.#requests };
    this.#http1 = { ...server.context, ...shared, requests: new PlainRequests(headLimits, this.memory) };
    this.referee.note(0, JSON.stringify(this.#settings));
  }

  // For the handler, and what the server reports.

  override get wantsAnswers(): boolean {
    return true;
  }

  settling(): void {
    this.#isSettling = true;
  }

  courseOf(client: number, index: number): StreamCourse | undefined {
    return this.#clients[client - 1]?.courses[index];
  }

  coursesUnread(): readonly StreamCourse[] {
    const courses = this.#speaking?.courses ?? [];
    return courses.filter(
      ({ plan, isHeadDelivered, status }) => plan.fault === "large" && isHeadDelivered && status === 0,
    );
  }

  isBroken(course: StreamCourse): boolean {
    const client = this.#clients[course.plan.client - 1];
    return client instanceof StreamClient && client.isBroken;
  }

  isGone(course: StreamCourse): boolean {
    const client = this.#clients[course.plan.client - 1];
    return client?.isOpen !== true || course.isResetDelivered || course.resetCode >= 0;
  }

  override answered({ connection, stream, response, bytes, outcome }: Answered): void {
    const client = this.#clients[connection - 1];
    this.referee.coverage.count(`log: ${Outcome[outcome]}`);
    if (!(client instanceof StreamClient) || client.isBroken) return;
    const course = client.byStream.get(stream);
    if (course === undefined) {
      client.fail(`an answer on stream ${stream}, which is not there, in the log`);
      return;
    }
    if (++course.reports > 1) client.fail(`two answers on stream ${stream} in the log`);
    // A head that is too large is not kept, so any of them may have been refused.
    if (course.promised?.response !== response && course.plan.fault !== "large")
      client.fail(`another answer on stream ${stream} in the log`);
    if (outcome === Outcome.Aborted) return;
    if (!course.isEnded) client.fail(`stream ${stream} is whole in the log, and its client has not seen its end`);
    if (bytes !== course.readBytes)
      client.fail(`${bytes} bytes in the log for ${course.readBytes} on stream ${stream}`);
  }

  override turnedAway(connection: number): void {
    this.referee.coverage.count("turned away");
    // The one that is turned away is answered next: there is no other call in between that knows it.
    for (const course of this.#clients[connection - 1]?.courses ?? []) course.isTurnedAway ||= course.promised === null;
  }

  override failed(connection: number, error: unknown): void {
    if (error instanceof PlannedFailure) return;
    this.referee.fail(connection, `a failure of our own: ${error instanceof Error ? error.stack : error}`);
  }

  // The run.

  /** Returns what was violated, or "". */
  async run(): Promise<string> {
    const { referee, random } = this;
    for (let first = 1 + random.below(this.#settings.clients); first > 0; first--) this.#connect();
    while (this.events < this.#settings.events && referee.violation === "") {
      this.#happen();
      if (this.#isSettling) await this.#settled();
      this.#judge();
    }
    if (referee.violation === "" && !random.oneIn(3)) await this.#goOn();
    if (referee.violation === "") await this.#fallSilent();
    if (referee.violation === "") this.#closeBooks();
    return referee.violation;
  }

  #happen(): void {
    const { random } = this;
    const open = this.#clients.filter((client) => client.isOpen);
    this.events++;
    if (open.length === 0 && !this.#connect()) {
      this.events = this.#settings.events;
      return;
    }
    if (open.length === 0) return;
    const client = random.pick(open);
    const roll = random.below(100);
    if (this.#isReliefDue && random.oneIn(4)) this.#relieve(random.pick([0, 5, 5, 30, 125, 250, 500, 1000]));
    else if (roll < 56) this.#act(client);
    else if (roll < 66) this.#drain(client);
    else if (roll < 77) this.#settle();
    else if (roll < 82) this.#resume();
    else if (roll < 88) this.#passTime();
    else if (roll < 94) this.#connect();
    else if (roll < 96) this.#finish(client);
    else if (roll < 97) this.#break(client);
    else if (roll < 99) this.#shutDown();
    else if (random.oneIn(4)) this.#cut(client);
  }

  #connect(): boolean {
    const { random, referee } = this;
    const id = this.#clients.length + 1;
    if (id > this.#settings.clients || referee.isInGrace) return false;
    const room = random.oneIn(2) ? Number.POSITIVE_INFINITY : random.pick([0, 1, 100, 1000, 30_000]);
    const peer = directPeer(addressOf(id), 50_000, false);
    if (random.oneIn(4)) {
      const client = new PlainClient(id, room, referee, random);
      this.#clients.push(client);
      client.connection = new Http1Connection(this.#http1, client.transport, id, peer);
      referee.coverage.count("client: connects by HTTP/1");
      return true;
    }
    const client = new StreamClient(id, room, random.oneIn(5), referee);
    this.#clients.push(client);
    this.#actors.set(id, new Actor(client, random));
    referee.note(id, `connects, ${client.isHostile ? "hostile, " : ""}with room for ${room} bytes`);
    this.#during(client, () => {
      client.connection = new Http2Connection(this.#http2, client.transport, id, peer);
    });
    referee.coverage.count("client: connects by HTTP/2");
    return true;
  }

  #act(client: AnyClient): void {
    const { random } = this;
    if (client.hasFinished || client.transport.isDead) return;
    if (client instanceof PlainClient) {
      if (client.mayAsk) this.#receive(client, client.ask());
      return;
    }
    for (let acts = random.below(4); acts > 0; acts--) this.#actors.get(client.id)?.act();
    if (random.oneIn(6)) return;
    const most = random.pick([1, 9, 30, 200, 1000, 10_000, 100_000]);
    this.#deliver(client, random.oneIn(3) ? client.untilFrame : Math.min(client.queuedBytes, most));
  }

  #deliver(client: StreamClient, count: number): void {
    if (count <= 0 || client.transport.isPaused) return;
    this.referee.note(client.id, `sends ${count} bytes`);
    this.#receive(client, client.take(count));
  }

  #receive(client: AnyClient, bytes: Uint8Array): void {
    this.#during(client, () => client.connection?.received(bytes));
  }

  #drain(client: AnyClient): void {
    if (client.transport.isDead || !Number.isFinite(client.transport.room)) return;
    this.#giveRoom(client, this.random.pick([1, 40, 300, 5000, 70_000, Number.POSITIVE_INFINITY]));
  }

  #giveRoom(client: AnyClient, bytes: number): void {
    const { transport } = client;
    transport.room += bytes;
    this.referee.note(client.id, `has room for ${bytes} more`);
    if (!transport.isBlocked) return;
    transport.isBlocked = false;
    this.referee.coverage.count("transport: drains");
    this.#during(client, () => client.connection?.drained());
  }

  #settle(): void {
    const { pending, random } = this;
    if (pending.length === 0) return;
    const [chosen] = pending.splice(random.below(pending.length), 1);
    chosen?.();
  }

  #resume(): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const sleeper of deferred) sleeper.resumed();
  }

  #passTime(): void {
    const { random } = this;
    const { limits, http2 } = this.#settings;
    this.#resume();
    const exact = random.pick([
      limits.keepAliveTimeoutMs,
      limits.headerTimeoutMs,
      limits.stallTimeoutMs,
      limits.queueTimeoutMs,
      limits.lingerMs,
      http2.http2RestMs,
    ]);
    this.#move(random.pick([0, 1, 10, 10, 40, 200, exact, exact - 1, exact + 1, 3 * exact]));
    if (random.oneIn(2)) this.#relieve(0);
    if (!random.oneIn(4)) this.#tick();
    if (random.oneIn(2)) this.#sweep();
  }

  #relieve(ms: number): void {
    if (!this.#isReliefDue) return;
    this.referee.note(0, "relieves the pool");
    this.#isReliefDue = false;
    this.#move(ms);
    this.#pool.relieve(this.referee.nowMs);
    if (this.#pool.queued > 0) this.#isReliefDue = true;
  }

  #move(ms: number): void {
    const nowMs = this.referee.nowMs + ms;
    this.#http2.clock.set(nowMs, WALL_MS + nowMs);
  }

  #tick(): void {
    const { referee } = this;
    referee.note(0, `ticks at ${referee.nowMs}`);
    for (const client of this.#clients) {
      client.beforeTick();
      if (client.isOpen) this.#during(client, () => client.connection?.tick());
    }
    for (const client of this.#clients) client.judgeDeadlines();
    for (const ticket of this.#pool.waiting) {
      if (referee.nowMs - ticket.sinceMs < this.#settings.limits.queueTimeoutMs) continue;
      if (++ticket.lateTicks > LATE_TICKS_MAX) referee.fail(ticket.connection, "waits in the queue for too long");
    }
  }

  #finish(client: AnyClient): void {
    const { transport } = client;
    if (client.hasFinished || transport.isPaused || transport.isDead || this.random.oneIn(2)) return;
    this.referee.coverage.count("client: FIN");
    this.referee.note(client.id, "sends FIN");
    client.hasFinished = true;
    this.#during(client, () => client.connection?.ended());
  }

  #break(client: AnyClient): void {
    const { transport } = client;
    if (transport.isDead) return;
    client.isCut = true;
    transport.isDead = true;
    this.referee.note(client.id, "resets");
    this.referee.coverage.count("client: reset");
    if (!transport.isPaused && !this.random.oneIn(3)) this.#during(client, () => transport.close());
  }

  #cut(client: AnyClient): void {
    const { connection } = client;
    if (connection === null) return;
    if (this.random.oneIn(2)) {
      client.isCut = true;
      this.#during(client, () => connection.terminate());
    } else if (client instanceof StreamClient) {
      client.isLeaving = true;
      this.#during(client, () => connection.closeIdle());
    }
    this.referee.coverage.count("server: cuts");
  }

  #sweep(): void {
    const { referee } = this;
    if (!referee.isInGrace) return;
    const quietMs = referee.isShutDown ? 0 : SHUTDOWN_GRACE_MS;
    for (const client of this.#clients)
      if (client.isOpen) this.#during(client, () => client.connection?.shutDown(quietMs, quietMs));
  }

  #shutDown(): void {
    const { referee } = this;
    if (!this.#settings.drains || this.events * 3 < this.#settings.events || referee.isShutDown) return;
    referee.coverage.count("server: shuts down");
    referee.note(0, "shuts down");
    referee.isDraining = true;
    this.#http2.drain.hasBegun = true;
    this.#http1.drain.hasBegun = true;
    referee.isShutDown = referee.isInGrace;
    referee.isInGrace = true;
    this.#sweep();
  }

  #during(client: AnyClient, turn: () => void): void {
    const before = this.#speaking;
    this.#speaking = client;
    turn();
    this.#speaking = before;
  }

  async #settled(): Promise<void> {
    while (this.#isSettling) {
      this.#isSettling = false;
      for (let turn = 0; turn < SETTLE_TURNS; turn++) await null;
    }
  }

  // The ends.

  /** Everybody sends and reads what is left; then no answer may be owed. */
  async #goOn(): Promise<void> {
    const { referee } = this;
    referee.coverage.count("end: all clients finish");
    referee.note(0, "all clients finish");
    for (const { isOpen, transport } of this.#clients) if (isOpen && transport.isDead) transport.close();
    for (let round = 0, idle = 0; referee.violation === "" && idle < IDLE_ROUNDS; round++) {
      if (round === ROUNDS_MAX) {
        referee.fail(0, "nothing comes to an end");
        return;
      }
      this.events++;
      let isAtWork = this.pending.length > 0 || this.#deferred.length > 0;
      this.#resume();
      this.#relieve(5);
      while (this.pending.length > 0) this.#settle();
      if (this.#isSettling) await this.#settled();
      for (const client of this.#clients)
        if (client.isOpen && !client.transport.isDead) isAtWork = this.#goOnWith(client) || isAtWork;
      this.#judge();
      idle = isAtWork ? 0 : idle + 1;
    }
    if (referee.violation !== "") return;
    for (const client of this.#clients) {
      // Somebody who has sent FIN, or breaks rules, may hold the slot until a deadline.
      const isWaiting = this.#pool.waiting.some(({ connection }) => connection === client.id);
      if (!client.transport.isDead && !isWaiting) client.judgeSettled();
    }
  }

  /** Returns true if there was something to do. */
  #goOnWith(client: AnyClient): boolean {
    const hadRoom = !Number.isFinite(client.transport.room);
    if (!hadRoom) this.#giveRoom(client, Number.POSITIVE_INFINITY);
    if (client instanceof PlainClient || client.hasFinished || !client.isOpen) return !hadRoom;
    const hasMore = this.#actors.get(client.id)?.goOn() === true;
    const { queuedBytes } = client;
    this.#deliver(client, queuedBytes);
    return !hadRoom || hasMore || (queuedBytes > 0 && !client.transport.isPaused);
  }

  /** Nobody sends, reads or closes any more; handlers finish their work, and time passes. */
  async #fallSilent(): Promise<void> {
    const { referee } = this;
    const { limits, http2 } = this.#settings;
    const longestMs = Math.max(
      limits.keepAliveTimeoutMs,
      limits.headerTimeoutMs,
      limits.stallTimeoutMs,
      limits.queueTimeoutMs,
      limits.lingerTotalMs,
      http2.http2RestMs,
    );
    referee.note(0, "nothing happens any more");
    for (let window = 0; referee.violation === ""; ) {
      this.#resume();
      while (this.pending.length > 0) this.#settle();
      if (this.#isSettling) await this.#settled();
      const open = this.#clients.filter((client) => client.isOpen);
      const isAtWork = this.#deferred.length > 0 || this.pending.length > 0 || this.#isSettling;
      if (open.length === 0 && !isAtWork) return;
      if (window === WINDOWS_MAX) {
        open[0]?.fail("is never closed: it waits without a deadline");
        return;
      }
      if (!isAtWork) {
        window++;
        this.#move(longestMs);
        this.#relieve(0);
        this.#tick();
        this.#sweep();
      }
      this.events++;
      this.#judge();
    }
  }

  #judge(): void {
    const { referee, memory } = this;
    const pool = this.#pool;
    if (this.#http2.scratch.used !== 0 || this.#http1.scratch.used !== 0) referee.fail(0, "bytes stay in a scratch");
    if (memory.used < 0 || memory.used > memory.max)
      referee.fail(0, `${memory.used} of ${memory.max} bytes of content`);
    if (this.#peerMemory.used < 0) referee.fail(0, `${this.#peerMemory.used} bytes are counted for peers`);
    if (pool.active !== pool.held.size || pool.queued !== pool.waiting.length)
      referee.fail(0, "the pool has miscounted");
    if (pool.waiting.length > 0 && !this.#isReliefDue) referee.fail(0, "somebody waits, and nobody looks for a slot");
    if (pool.waiting.length > 0 && pool.held.size < pool.size) referee.fail(0, "somebody waits, and a slot is free");
    this.#judgeSlots();
  }

  /** Each slot that is taken belongs to a request that is under way, and no request waits on its connection for nothing. */
  #judgeSlots(): void {
    const { referee } = this;
    const pool = this.#pool;
    const slots = new Set<number>();
    let others = 0;
    for (const client of this.#clients) {
      if (client.isOpen) for (const { slot } of client.connection?.works() ?? []) if (slot > 0) slots.add(slot);
      if (client instanceof PlainClient) others++;
      for (const course of client.courses) {
        if (course.isRunning || (course.isAdmittedLate && course.reports === 0)) others++;
      }
      if (client instanceof StreamClient) client.observe();
      if (!(client instanceof StreamClient) || client.connection?.isOpen !== true || client.isExcused) continue;
      if (this.#deferred.includes(client.connection)) continue;
      const isWaiting = pool.waiting.some(({ connection }) => connection === client.id);
      if (!isWaiting && client.courses.some((course) => isReady(course) && !this.isGone(course)))
        client.fail("a request is held back for nothing");
    }
    if (pool.held.size > slots.size + others)
      referee.fail(0, `${pool.held.size} slots are taken, ${slots.size} in use`);
  }

  /** All connections are closed: nothing of them may be left. */
  #closeBooks(): void {
    const { referee, memory } = this;
    const pool = this.#pool;
    if (pool.active !== 0) referee.fail(0, `${pool.active} slots are kept`);
    if (pool.queued !== 0) referee.fail(0, `${pool.queued} wait, and nobody is there`);
    if (pool.known.size !== 0)
      referee.fail(0, `${pool.known.size} are remembered for their slots, and nobody is there`);
    if (memory.used !== 0) referee.fail(0, `${memory.used} bytes of content are kept`);
    if (this.#peerMemory.used !== 0) referee.fail(0, `${this.#peerMemory.used} bytes are counted for peers`);
    if (this.#requests.taken !== 0) referee.fail(0, `${this.#requests.taken} requests are kept`);
    for (const client of this.#clients) for (const course of client.courses) closeCourse(client, course);
  }
}

/** The request is whole, and waits for nothing but a slot. */
function isReady({ plan, admits, responds, promised }: StreamCourse): boolean {
  return admits === 1 && plan.length < 0 && !plan.takesTime && responds === 0 && promised === null;
}

function closeCourse(client: AnyClient, { plan, source, sink, reports, isEnded, status }: StreamCourse): void {
  if (source !== null && source.closes !== 1) client.fail(`a source is closed ${source.closes} times`);
  if (sink?.isInUse && sink.end === "") client.fail("a sink is told of no end");
  if (client instanceof PlainClient || client.isBroken) return;
  if ((isEnded || status !== 0) && reports !== 1) client.fail(`request ${plan.index} is ${reports} times in the log`);
}
