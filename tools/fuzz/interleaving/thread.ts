/** One thread: its loop, its requests, and its books of what the pool has told them. */
import { QUEUED, REFUSED } from "../../../src/exchange/pool.ts";
import { type Layout, OfThread, type SharedSizes } from "../../../src/exchange/shared-layout.ts";
import type { Random } from "../random.ts";
import type { Coverage } from "../simulation/coverage.ts";
import type { StepPool, StepPoolClass, StepSender, StepWaiter, StepWords } from "./step-pool.ts";
import type { Steps } from "./stepwise.ts";

/** The world, as its threads see it. */
export interface World {
  readonly random: Random;
  readonly coverage: Coverage;
  readonly sizes: SharedSizes;
  readonly memory: StepWords;
  readonly layout: Layout;
  readonly threads: readonly Thread[];
  readonly trace: string[] | null;
  readonly events: number;
  nowMs: number;
  /** Who has each slot. */
  readonly held: Map<number, Party>;
  /** Requests that wait, of all threads. */
  readonly waiting: Set<Party>;
  /** Requests whose call of `acquire` is under way. */
  readonly asking: Set<Party>;
  /** Requests that may count for the pool: from their call of `acquire` on until the call that ends them is over. */
  readonly counted: number;
  /** Requests that have left a queue. */
  cancels: number;
  /** Requests leave queues, and slots are taken without work, in some worlds. */
  readonly cancelsAny: boolean;
  readonly occupies: boolean;
  /** No request comes any more. */
  readonly isEnding: boolean;
  newParty(thread: Thread): Party;
  /** Holds what the pool has said against the books. */
  give(party: Party, slot: number): void;
  refused(party: Party): void;
  queued(party: Party): void;
  counts(amount: number): void;
  /** `thread` -1 stands for all. */
  fail(thread: number, sentence: string): void;
  note(thread: number, sentence: string): void;
}

/** A request: it asks, waits or leaves, works, sends, may lend its slot, and ends. */
export class Party implements StepWaiter, StepSender {
  readonly thread: Thread;
  readonly number: number;
  slot = 0;
  /** Steps of the world when it asked, and when it was told to wait. */
  askedStep = 0;
  queuedStep = Number.POSITIVE_INFINITY;
  /** Most other requests that may have counted for the pool while it asked. */
  countedMax = 0;
  /** Requests that came later, to other threads, and had a slot sooner. */
  overtaken = 0;
  /** Requests that had left a queue when this began to wait. */
  cancelsBefore = 0;
  readonly #world: World;

  constructor(thread: Thread, number: number) {
    this.thread = thread;
    this.number = number;
    this.#world = thread.world;
  }

  *ask(): Steps {
    const world = this.#world;
    this.askedStep = world.events;
    world.counts(1);
    this.countedMax = world.counted - 1;
    world.asking.add(this);
    const result = yield* this.thread.pool.acquire(this);
    world.asking.delete(this);
    if (result === REFUSED) {
      world.counts(-1);
      world.refused(this);
    } else if (result === QUEUED) this.#wait();
    else this.#hold(result);
  }

  #wait(): void {
    const world = this.#world;
    world.queued(this);
    this.queuedStep = world.events;
    this.cancelsBefore = world.cancels;
    world.waiting.add(this);
    this.thread.waiting.push(this);
    this.thread.isReliefDue = true;
  }

  #hold(slot: number): void {
    this.slot = slot;
    this.thread.holding.push(this);
    this.#world.give(this, slot);
  }

  *granted(slot: number): Steps {
    const { random, coverage, waiting } = this.#world;
    coverage.count("pool: granted after a wait");
    if (this.thread.waiting[0] !== this) this.fail("gets a slot out of turn");
    remove(this.thread.waiting, this);
    waiting.delete(this);
    this.#hold(slot);
    // A short response is over within the same turn, and the connection may ask for the next.
    if (random.oneIn(4)) yield* this.end();
    if (!this.#world.isEnding && random.oneIn(6)) yield* this.#world.newParty(this.thread).ask();
  }

  *end(): Steps {
    if (this.thread.stalled.has(this)) yield* this.move();
    yield* this.#release();
  }

  *#release(): Steps {
    const { slot } = this;
    const world = this.#world;
    this.slot = 0;
    world.held.delete(slot);
    remove(this.thread.holding, this);
    yield* this.thread.pool.release(slot);
    world.counts(-1);
  }

  *leave(): Steps {
    const world = this.#world;
    world.coverage.count("pool: left the queue");
    world.cancels++;
    world.waiting.delete(this);
    remove(this.thread.waiting, this);
    this.thread.leaving++;
    if (!(yield* this.thread.pool.cancel(this))) this.fail("leaves the queue, and was not in it");
  }

  /** Takes `slot` without work. */
  occupy(slot: number): void {
    this.askedStep = this.#world.events;
    this.#hold(slot);
  }

  *stall(): Steps {
    const { nowMs, sizes } = this.#world;
    if (sizes.lendersMax > 0) this.thread.stalled.set(this, nowMs);
    yield* this.thread.pool.stalled(this, nowMs);
  }

  *move(): Steps {
    this.thread.stalled.delete(this);
    yield* this.thread.pool.moving(this);
  }

  *lend(): Steps {
    const { coverage, nowMs } = this.#world;
    const { stalled, lenders } = this.thread;
    coverage.count("pool: lent");
    const [longest] = stalled;
    if (longest?.[0] !== this) this.fail("lends its slot, and another has stalled for longer");
    if (nowMs - (stalled.get(this) ?? nowMs) <= 0) this.fail("lends its slot at once");
    stalled.delete(this);
    lenders.add(this);
    yield* this.#release();
  }

  *evict(): Steps {
    const { coverage } = this.#world;
    coverage.count("pool: evicted");
    const [oldest] = this.thread.lenders;
    if (oldest !== this) this.fail("is cut, and another of its thread has lent for longer");
    this.thread.lenders.delete(this);
    yield;
  }

  /** Ends a response that went on without a slot. */
  *finish(): Steps {
    this.thread.lenders.delete(this);
    yield* this.thread.pool.finished(this);
  }

  fail(sentence: string): void {
    this.#world.fail(this.thread.number, `request ${this.number} ${sentence}`);
  }
}

export class Thread {
  readonly world: World;
  readonly number: number;
  readonly pool: StepPool;
  /** The event under way, or null. */
  turn: Steps | null = null;
  turnSteps = 0;
  /** Wakes on their way. */
  wakes = 0;
  /** The timer runs that relieves the pool. */
  isReliefDue = false;
  /** Requests that wait, in the order in which they came. */
  readonly waiting: Party[] = [];
  readonly holding: Party[] = [];
  readonly stalled = new Map<Party, number>();
  readonly lenders = new Set<Party>();
  /** Requests that have left the queue since the world was quiet. A slot may still be on its way to them. */
  leaving = 0;

  constructor(world: World, number: number, Pool: StepPoolClass) {
    this.world = world;
    this.number = number;
    const { sizes, memory: words, layout } = world;
    const loop = { wake: (thread: number) => this.#wake(thread), relieve: () => this.#relieve() };
    this.pool = new Pool({ sizes, words, layout, thread: number, loop });
  }

  *#wake(number: number): Steps {
    yield;
    const thread = this.world.threads[number];
    if (thread === undefined) throw new Error(`there is no thread ${number}`);
    thread.wakes++;
    this.world.coverage.count(thread === this ? "thread: wakes itself" : "thread: wakes another");
  }

  *#relieve(): Steps {
    yield;
    this.isReliefDue = true;
    this.world.coverage.count("thread: starts to relieve");
  }

  start(what: string, turn: Steps): void {
    if (this.world.trace !== null) this.world.note(this.number, what);
    this.turn = turn;
    this.turnSteps = 0;
  }

  /** One step of the event under way. */
  advance(): void {
    this.turnSteps++;
    if (this.turn?.next().done === true) {
      this.turn = null;
      if (this.world.trace !== null) this.world.note(this.number, "is done");
    }
  }

  /** The wakes arrive as one. `isEarly`: one more arrives later, as if it had been for nothing. */
  arrive(isEarly: boolean): void {
    if (!isEarly) this.wakes = 0;
    this.world.coverage.count("thread: woken");
    this.start("is woken", this.pool.woken());
  }

  /** Begins an event that chance wants, if it can happen now. */
  begin(): void {
    const { world } = this;
    const { random } = world;
    const roll = random.below(100);
    const party = this.holding.length > 0 ? random.pick(this.holding) : null;
    if (roll < 40) {
      const asking = world.newParty(this);
      this.start(`request ${asking.number} asks`, asking.ask());
    } else if (roll < 70) {
      if (party !== null) this.start(`request ${party.number} ends`, party.end());
    } else if (roll < 80) this.#leave();
    else if (roll < 87) {
      if (party !== null && !this.stalled.has(party)) this.start(`request ${party.number} stalls`, party.stall());
    } else if (roll < 88) {
      const [stalled] = this.stalled;
      if (stalled !== undefined) this.start(`request ${stalled[0].number} moves`, stalled[0].move());
    } else if (roll < 95) this.#relieveNow(random.pick([0, 5, 125, 500, 1000, 2000, 2000]));
    else if (roll < 96) {
      const [lender] = this.lenders;
      if (lender !== undefined) this.start(`request ${lender.number} finishes`, lender.finish());
    } else if (world.occupies) this.start("takes slots", this.#take(1 + random.below(world.sizes.slots)));
  }

  #leave(): void {
    const { waiting, world } = this;
    if (waiting.length === 0 || !world.cancelsAny) return;
    const party = world.random.pick(waiting);
    this.start(`request ${party.number} leaves`, party.leave());
  }

  #relieveNow(ms: number): void {
    this.world.nowMs += ms;
    if (this.isReliefDue) this.start("relieves", this.relief());
  }

  /** The timer of the server. */
  *relief(): Steps {
    this.isReliefDue = false;
    yield* this.pool.relieve(this.world.nowMs);
    if (this.pool.queued > 0) this.isReliefDue = true;
  }

  *#take(count: number): Steps {
    const { world } = this;
    world.counts(count);
    const slots = yield* this.pool.take(count);
    if (slots === null) world.counts(-count);
    world.coverage.count(slots === null ? "pool: slots not taken" : "pool: slots taken");
    for (const slot of slots ?? []) world.newParty(this).occupy(slot);
  }

  /** True if a slot is on its way to `party`, which waits. */
  isPromised(party: Party): boolean {
    const { memory, layout } = this.world;
    const promises = this.waiting.length - memory.peek(layout.ofThread(this.number, OfThread.Queue));
    return this.waiting.indexOf(party) < promises;
  }

  /** The world is quiet: requests that have left count no more. */
  quiet(): void {
    this.world.counts(-this.leaving);
    this.leaving = 0;
  }
}

function remove<Item>(list: Item[], item: Item): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}
