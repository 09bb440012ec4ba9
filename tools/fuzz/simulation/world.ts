/**
 * One simulated server with all its clients, from one seed: chosen limits, chosen scripts, and a chosen order of events. Between two
 * events everything that must hold is held against the books; at the end either everybody goes on until nothing is left to do,
 * or nobody does anything any more, and time alone has to end every conversation.
 */
import { ContentMemory } from "../../../src/exchange/content-buffer.ts";
import type { Resumable } from "../../../src/exchange/context.ts";
import type { Exchange } from "../../../src/exchange/exchange.ts";
import { type Answered, type Observer, Outcome, type StepWatcher } from "../../../src/exchange/observer.ts";
import { directPeer } from "../../../src/exchange/peer.ts";
import type { Sender, Waiter } from "../../../src/exchange/pool.ts";
import type { SlotLease } from "../../../src/exchange/slot-lease.ts";
import { Http1Connection } from "../../../src/http1/connection.ts";
import type { Http1Context } from "../../../src/http1/context.ts";
import { FakeServer, WALL_MS } from "../../../test/support/conversation.ts";
import { Random } from "../random.ts";
import { Client, type Conversation, lengthOf } from "./client.ts";
import type { Coverage } from "./coverage.ts";
import { addressOf, type House, type Pending, PlannedFailure, PlannedHandler } from "./handler.ts";
import { writeScript } from "./plan.ts";
import { type Desk, WatchedPool, WatchedRequests } from "./pool.ts";
import { Referee } from "./referee.ts";
import { chooseSettings, type Settings, SHUTDOWN_GRACE_MS } from "./settings.ts";

/** Changes a server before it begins: how a test shows that a broken one is found. */
export type Spoil = (context: Http1Context) => Http1Context;

/** Rounds in which everybody does what is left to do, and windows in which nobody does anything; far more than are needed. */
const ROUNDS_MAX = 2000;
const WINDOWS_MAX = 60;

/** Microtasks until a settled promise has reached whoever waits for it. */
const SETTLE_TURNS = 4;

export class World implements Desk, House, Observer {
  readonly wantsAnswers = true;
  steps: StepWatcher | null = null;
  readonly random: Random;
  readonly referee: Referee;
  readonly memory: ContentMemory;
  readonly pending: Pending[] = [];
  speaking: Client | null = null;
  /** Events so far. */
  events = 0;
  readonly #settings: Settings;
  readonly #context: Http1Context;
  readonly #pool: WatchedPool;
  readonly #requests: WatchedRequests;
  readonly #clients: Client[] = [];
  #deferred: { readonly client: Client; readonly sleeper: Resumable }[] = [];
  /** Promises may have settled whose answers have not been seen. */
  #isSettling = false;
  /** The server's timer runs that relieves the pool. */
  #isReliefDue = false;

  constructor(seed: number, coverage: Coverage, trace: string[] | null, spoil: Spoil) {
    this.random = new Random(seed);
    this.#settings = chooseSettings(this.random);
    const { threads, queue, lendersMax, limits, headLimits, scratchBytes, bodyMemoryBytes } = this.#settings;
    const server = new FakeServer({ limits, scratchBytes });
    this.referee = new Referee(server.clock, this.#settings, coverage, trace);
    this.memory = new ContentMemory(bodyMemoryBytes);
    this.#pool = new WatchedPool(threads, queue, lendersMax, this);
    this.#requests = new WatchedRequests(headLimits, this.memory, this.referee);
    this.#context = spoil({
      ...server.context,
      pool: this.#pool,
      waiting: () => {
        this.#isReliefDue = true;
      },
      requests: this.#requests,
      handler: new PlannedHandler(this),
      observer: this,
      defer: (sleeper) => this.#deferred.push({ client: this.speaking as Client, sleeper }),
    });
    this.referee.note(0, JSON.stringify({ ...limits, threads, queue, lendersMax, scratchBytes, bodyMemoryBytes }));
  }

  // For the pool, the handler and the connections.

  clientOf(party: Waiter | Sender): Client {
    const { holder } = party as SlotLease;
    const client = this.clientNumber((holder as Exchange).carrier.id);
    if (client === undefined) throw new Error("nobody of ours deals with the pool");
    return client;
  }

  clientNumber(id: number): Client | undefined {
    return this.#clients[id - 1];
  }

  settling(): void {
    this.#isSettling = true;
  }

  during(client: Client, turn: () => void): void {
    const before = this.speaking;
    this.speaking = client;
    turn();
    this.speaking = before;
  }

  opened(): void {}

  closed(): void {}

  answered({ connection, request, response, slot, bytes, outcome }: Answered): void {
    const client = this.#clients[connection - 1];
    const course = client?.logged(response);
    this.referee.coverage.count(`log: ${Outcome[outcome]}`);
    if (client === undefined || !course) return;
    const held = client.slot || client.lentSlot;
    client.lentSlot = 0;
    if (course.isResponding && (slot === 0 || slot !== held)) client.fail(`slot ${slot} in the log for ${held}`);
    const length = request?.head.methodText === "HEAD" ? 0 : lengthOf(response);
    if (outcome !== Outcome.Aborted && bytes !== length) client.fail(`${bytes} bytes in the log for ${length}`);
  }

  incident(): void {}

  queued(connection: number): void {
    const client = this.#clients[connection - 1];
    if (client === undefined) return;
    if (!this.#pool.isWaiting(client)) client.fail("is said to wait, and does not");
    client.queuedMs = this.referee.nowMs;
  }

  dequeued(connection: number, slot: number, waitedMs: number): void {
    const client = this.#clients[connection - 1];
    if (client === undefined) return;
    if (slot !== client.slot || waitedMs !== this.referee.nowMs - client.queuedMs)
      client.fail("its wait is told wrongly");
  }

  turnedAway(connection: number, reason: "queue full" | "queue timeout"): void {
    const client = this.#clients[connection - 1];
    if (client === undefined) return;
    this.referee.coverage.count(`turned away: ${reason}`);
    const waitedMs = this.referee.nowMs - client.queuedMs;
    const isRight = reason === "queue full" ? client.wasRefused : waitedMs >= this.#settings.limits.queueTimeoutMs;
    if (!isRight || client.current === null) client.fail(`is turned away by ${reason}, without a need`);
    else client.current.isTurnedAway = true;
    client.wasRefused = false;
  }

  failed(connection: number, error: unknown): void {
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

  /** One event. */
  #happen(): void {
    const { random } = this;
    const open = this.#clients.filter((client) => client.isOpen);
    if (open.length === 0 && !this.#connect()) {
      this.events = this.#settings.events;
      return;
    }
    this.events++;
    if (open.length === 0) return;
    if (this.#isReliefDue && random.oneIn(4)) {
      this.#relieve(random.pick([0, 5, 5, 5, 30, 120, 125, 245, 250, 500, 1000]));
      return;
    }
    const client = random.pick(open);
    const roll = random.below(100);
    if (roll < 46) this.#send(client);
    else if (roll < 60) this.#drain(client);
    else if (roll < 70) this.#settle();
    else if (roll < 76) this.#resume();
    else if (roll < 84) this.#passTime();
    else if (roll < 92) this.#connect();
    else if (roll < 94) this.#finish(client);
    else if (roll < 95) this.#break(client);
    else if (roll < 99) this.#shutDown();
    else if (random.oneIn(6)) this.#cut(client);
  }

  /** Returns false when no further client may come. */
  #connect(): boolean {
    const { random, referee } = this;
    if (this.#clients.length >= this.#settings.clients || referee.isInGrace) return false;
    const id = this.#clients.length + 1;
    const { areSlow } = this.#settings;
    const room = !areSlow && random.oneIn(2) ? Number.POSITIVE_INFINITY : random.pick([0, 1, 100, 300, 1000]);
    const client = new Client(id, writeScript(id, this.#settings, random), room, referee);
    this.#clients.push(client);
    referee.note(id, `connects, with room for ${room} bytes`);
    client.connection = new Http1Connection(
      this.#context,
      client.transport,
      id,
      directPeer(addressOf(id), 50_000, false),
    );
    referee.coverage.count("client: connects");
    return true;
  }

  #send(client: Client, most = Number.POSITIVE_INFINITY): void {
    const { transport } = client;
    const { random, referee } = this;
    const sendable = client.sendable;
    if (transport.isPaused || transport.isDead || client.hasFinished) return;
    if (sendable === 0) {
      // An impatient client sends its content after all.
      if (client.isPatient && random.oneIn(30)) this.#deliver(client, client.left);
      return;
    }
    const longest = Math.min(most, random.pick([1, 30, 200, 1000, 1000, 10_000]));
    const some = Math.min(sendable, longest === 1 ? 1 : longest - random.below(longest >> 1));
    const behindHead = client.untilContent;
    const count = behindHead <= Math.min(most, sendable) && random.oneIn(4) ? behindHead : some;
    referee.coverage.count(count < sendable ? "client: sends a piece" : "client: sends all");
    this.#deliver(client, count);
  }

  #deliver(client: Client, count: number): void {
    this.referee.note(client.id, `sends ${count} bytes from ${client.delivered}`);
    const bytes = client.take(count);
    this.#turn(client, (connection) => connection.received(bytes));
  }

  #drain(client: Client): void {
    const { transport } = client;
    if (transport.isDead || !Number.isFinite(transport.room)) return;
    const most = this.#settings.areSlow ? 300 : Number.POSITIVE_INFINITY;
    this.#giveRoom(client, Math.min(most, this.random.pick([1, 40, 300, 300, 5000, Number.POSITIVE_INFINITY])));
  }

  #giveRoom(client: Client, bytes: number): void {
    const { transport } = client;
    transport.room += bytes;
    this.referee.note(client.id, `has room for ${bytes} more`);
    if (!transport.isBlocked) return;
    this.referee.coverage.count("transport: drains");
    transport.isBlocked = false;
    this.#turn(client, (connection) => connection.drained());
  }

  #settle(): void {
    const { pending, random } = this;
    if (pending.length === 0) return;
    const [chosen] = pending.splice(random.below(pending.length), 1);
    chosen?.();
  }

  /** Runs what asked to come back in a later turn. */
  #resume(): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const { client, sleeper } of deferred) {
      this.referee.coverage.count("event: deferred");
      this.referee.note(client.id, "comes back in a later turn");
      this.#turn(client, () => sleeper.resumed());
    }
  }

  #passTime(): void {
    const { random, referee } = this;
    const { limits } = this.#settings;
    // What waits for the next turn of the loop never waits for a timer.
    this.#resume();
    const exact = random.pick([
      limits.keepAliveTimeoutMs,
      limits.headerTimeoutMs,
      limits.stallTimeoutMs,
      limits.queueTimeoutMs,
      limits.lingerMs,
      limits.lingerTotalMs,
    ]);
    const ms = random.pick([0, 1, 10, 10, 40, 200, exact, exact, exact - 1, exact + 1, 5 * exact]);
    this.#move(ms);
    // Two timers, and either may be the first.
    if (random.oneIn(2)) this.#relieve(0);
    // Events may come between the deadline and the tick.
    if (!random.oneIn(4)) this.#tick();
    if (random.oneIn(2)) this.#sweep();
    referee.coverage.count(
      ms === exact ? "clock: exactly a timeout" : ms > 1000 ? "clock: large jump" : "clock: small jump",
    );
  }

  /** The server's timer, `ms` after what happened last: between turns, and again while somebody waits. */
  #relieve(ms: number): void {
    if (!this.#isReliefDue) return;
    this.referee.coverage.count("server: relieves the pool");
    this.referee.note(0, "relieves the pool");
    this.#isReliefDue = false;
    this.#move(ms);
    this.#context.pool.relieve(this.referee.nowMs);
    if (this.#context.pool.queued > 0) this.#isReliefDue = true;
  }

  #move(ms: number): void {
    const nowMs = this.referee.nowMs + ms;
    this.#context.clock.set(nowMs, WALL_MS + nowMs);
  }

  #tick(): void {
    this.referee.note(0, "ticks");
    for (const client of this.#clients) if (client.isOpen) this.#turn(client, (connection) => connection.tick());
    for (const client of this.#clients) client.judgeDeadlines(this.#pool.isWaiting(client));
    for (const ticket of this.#pool.waiting) {
      if (this.referee.nowMs - ticket.sinceMs >= this.#settings.limits.queueTimeoutMs) {
        ticket.client.fail("waits in the queue for too long");
      }
    }
  }

  /** FIN from the client, at the end of what it sends or in the middle. */
  #finish(client: Client): void {
    const { transport } = client;
    if (client.hasFinished || transport.isPaused || transport.isDead) return;
    if (client.left > 0 && !this.random.oneIn(3)) return;
    this.referee.coverage.count(client.left > 0 ? "client: FIN in the middle" : "client: FIN");
    this.referee.note(client.id, "sends FIN");
    client.hasFinished = true;
    this.#turn(client, (connection) => connection.ended());
  }

  /** A reset: reported at once, or seen at the next write, as it is while reading is paused. */
  #break(client: Client): void {
    const { transport } = client;
    if (transport.isDead && transport.isPaused) return;
    client.isCut = true;
    transport.isDead = true;
    this.referee.note(client.id, "resets");
    if (transport.isPaused || this.random.oneIn(3)) {
      this.referee.coverage.count("client: reset, not reported");
      return;
    }
    this.referee.coverage.count("client: reset");
    transport.close();
  }

  /** What the server does every some milliseconds of its drain. */
  #sweep(): void {
    const { referee } = this;
    if (!referee.isInGrace) return;
    const idleMs = referee.isShutDown ? 0 : SHUTDOWN_GRACE_MS;
    referee.note(0, `closes who is idle for ${idleMs} ms`);
    for (const client of this.#clients) {
      if (client.isOpen) this.#turn(client, (connection) => connection.shutDown(idleMs));
      if (idleMs === 0) client.judgeSwept();
    }
  }

  #shutDown(): void {
    const { referee } = this;
    if (!this.#settings.drains || this.events * 3 < this.#settings.events) return;
    if (!referee.isDraining) {
      referee.coverage.count("server: draining");
      referee.note(0, "drains");
      referee.isDraining = true;
      this.#context.drain.hasBegun = true;
      return;
    }
    if (referee.isShutDown) return;
    referee.coverage.count(referee.isInGrace ? "server: shut down" : "server: closes who is idle for long");
    referee.isShutDown = referee.isInGrace;
    referee.isInGrace = true;
    this.#sweep();
  }

  /** The server's operator cuts the connection. */
  #cut(client: Client): void {
    this.referee.coverage.count("server: cuts");
    client.isCut = true;
    this.#turn(client, (connection) => connection.terminate());
  }

  #turn(client: Client, call: (connection: Conversation) => void): void {
    const { connection } = client;
    if (connection !== null) this.during(client, () => call(connection));
  }

  async #settled(): Promise<void> {
    // What goes on now may settle further promises; all of it comes before any other event.
    while (this.#isSettling) {
      this.#isSettling = false;
      for (let turn = 0; turn < SETTLE_TURNS; turn++) await null;
    }
    this.speaking = null;
  }

  // The ends.

  /** Everybody sends and reads what is left; then no answer may be owed. */
  async #goOn(): Promise<void> {
    const { referee } = this;
    referee.coverage.count("end: all clients finish");
    referee.note(0, "all clients finish");
    for (const { isOpen, transport } of this.#clients) {
      if (isOpen && transport.isDead && !transport.isPaused) transport.close();
    }
    for (let round = 0; referee.violation === "" && this.#isAnythingLeft(); round++) {
      if (round === ROUNDS_MAX) {
        referee.fail(0, "nothing comes to an end");
        return;
      }
      this.events++;
      this.#resume();
      this.#relieve(5);
      while (this.pending.length > 0) this.#settle();
      if (this.#isSettling) await this.#settled();
      for (const client of this.#clients) {
        if (!client.isOpen || client.transport.isDead) continue;
        if (Number.isFinite(client.transport.room)) this.#giveRoom(client, Number.POSITIVE_INFINITY);
        if (client.isOpen) this.#send(client, 5000);
      }
      this.#judge();
    }
    for (const client of this.#clients) {
      const { transport } = client;
      if (!client.isOpen || transport.isDead || transport.isFinished || client.isOver) continue;
      // Somebody who is gone, and of whom nothing is known yet, may hold the slot until the send deadline.
      if (this.#pool.isWaiting(client)) continue;
      if (client.owed > 0) client.fail(`waits for ${client.owed} answers that do not come`);
      if (client.isPatient && !client.hasFinished) client.fail("waits for 100 (Continue), which does not come");
      if (client.left > 0 && transport.isPaused) client.fail("stays paused");
    }
  }

  #isAnythingLeft(): boolean {
    if (this.pending.length > 0 || this.#deferred.length > 0 || this.#isSettling) return true;
    return this.#clients.some((client) => {
      const { transport } = client;
      if (!client.isOpen || transport.isDead) return false;
      if (Number.isFinite(transport.room)) return true;
      return client.sendable > 0 && !transport.isPaused && !client.hasFinished;
    });
  }

  /** Nobody sends, reads or closes any more; handlers finish their work, and time passes. */
  async #fallSilent(): Promise<void> {
    const { referee } = this;
    const { limits } = this.#settings;
    const longestMs = Math.max(
      limits.keepAliveTimeoutMs,
      limits.headerTimeoutMs,
      limits.stallTimeoutMs,
      limits.queueTimeoutMs,
      limits.lingerTotalMs,
    );
    referee.coverage.count("end: silence");
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
    const { scratch } = this.#context;
    if (scratch.used !== 0) referee.fail(0, `${scratch.used} bytes stay in the scratch that all connections share`);
    if (memory.used < 0 || memory.used > memory.max)
      referee.fail(0, `${memory.used} bytes of content of ${memory.max}`);
    const pool = this.#pool;
    if (pool.active !== pool.held || pool.queued !== pool.waiting.length) referee.fail(0, "the pool has miscounted");
    if (pool.waiting.length > 0 && !this.#isReliefDue) referee.fail(0, "somebody waits, and nobody looks for a slot");
    pool.judgeKnown();
    const lending = pool.lenders.length;
    if (lending > this.#settings.lendersMax) referee.fail(0, `${lending} go on without a slot`);
    if (pool.waiting.length > 0 && pool.held < pool.size) referee.fail(0, "somebody waits, and a slot is free");
    for (const client of this.#clients) client.judge(pool.isWaiting(client));
  }

  /** All connections are closed: nothing of them may be left. */
  #closeBooks(): void {
    const { referee, memory } = this;
    const pool = this.#pool;
    if (pool.active !== 0) referee.fail(0, `${pool.active} slots are kept`);
    if (pool.lenders.length !== 0) referee.fail(0, `${pool.lenders.length} go on without a slot, and nobody is there`);
    if (pool.known !== 0) referee.fail(0, `${pool.known} are remembered for their slots, and nobody is there`);
    if (pool.queued !== 0) referee.fail(0, `${pool.queued} wait, and nobody is there`);
    if (memory.used !== 0) referee.fail(0, `${memory.used} bytes of content are kept`);
    const { used } = this.#context.peerMemory;
    if (used !== 0) referee.fail(0, `${used} bytes are counted for peers, and nobody is there`);
    if (this.#requests.taken !== 0) referee.fail(0, `${this.#requests.taken} readers are kept`);
    for (const client of this.#clients) {
      for (const { source, sink } of client.courses) {
        if (source !== null && source.closes !== 1) client.fail(`a source is closed ${source.closes} times`);
        if (sink?.isInUse && sink.end === "") client.fail("a sink is told of no end");
      }
    }
  }
}
