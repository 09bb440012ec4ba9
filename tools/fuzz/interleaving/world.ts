/**
 * Several threads over one pool, from one seed. A thread works on one event at a time, as its loop does: a request comes, ends, leaves the
 * queue, its peer stops reading or reads again, the timer relieves the pool, a wake arrives. Between any two accesses to the shared
 * memory another thread may go on, and a wake arrives as late as chance wants, or twice.
 *
 * After each step the books are held against what the pool has said. When no thread is in the middle of an event and no wake is on its way,
 * the shared memory itself is held against them. At the end every request that waits must get its slot.
 */
import { PATIENCE_MS } from "../../../src/exchange/pool.ts";
import { Layout, OfThread, Place, type SharedSizes } from "../../../src/exchange/shared-layout.ts";
import { Random } from "../random.ts";
import type { Coverage } from "../simulation/coverage.ts";
import type { StepPoolClass, StepWords } from "./step-pool.ts";
import type { Steps } from "./stepwise.ts";
import { Party, Thread, type World } from "./thread.ts";

/** Steps of one event, far more than any needs. */
const STEPS_MAX = 20_000;

/** Words that only one thread accesses at a time, because only one goes on at a time. Each access is a step. */
class Memory implements StepWords {
  readonly #words: Int32Array;

  constructor(length: number) {
    this.#words = new Int32Array(length);
  }

  *load(at: number): Steps<number> {
    yield;
    return this.peek(at);
  }

  *store(at: number, value: number): Steps {
    yield;
    this.#words[at] = value;
  }

  *add(at: number, amount: number): Steps<number> {
    yield;
    const before = this.peek(at);
    this.#words[at] = before + amount;
    return before;
  }

  *exchange(at: number, value: number): Steps<number> {
    yield;
    const before = this.peek(at);
    this.#words[at] = value;
    return before;
  }

  *compareExchange(at: number, expected: number, value: number): Steps<number> {
    yield;
    const before = this.peek(at);
    if (before === expected) this.#words[at] = value;
    return before;
  }

  peek(at: number): number {
    const value = this.#words[at];
    if (value === undefined) throw new Error(`there is no word ${at}`);
    return value;
  }

  poke(at: number, value: number): void {
    this.#words[at] = value;
  }
}

export class SeededWorld implements World {
  readonly random: Random;
  readonly coverage: Coverage;
  readonly sizes: SharedSizes;
  readonly memory: Memory;
  readonly layout: Layout;
  readonly threads: readonly Thread[];
  readonly trace: string[] | null;
  /** The first rule that was broken; "" while there is none. */
  violation = "";
  events = 0;
  nowMs = 0;
  readonly held = new Map<number, Party>();
  readonly waiting = new Set<Party>();
  readonly asking = new Set<Party>();
  counted = 0;
  cancels = 0;
  readonly cancelsAny: boolean;
  readonly occupies: boolean;
  isEnding = false;
  #parties = 0;
  #left: number;

  constructor(seed: number, coverage: Coverage, trace: string[] | null, Pool: StepPoolClass) {
    const random = new Random(seed);
    this.random = random;
    this.coverage = coverage;
    this.trace = trace;
    this.sizes = {
      threads: random.pick([2, 2, 2, 3, 3, 4]),
      slots: random.pick([1, 1, 1, 2, 2, 3, 5]),
      queueMax: random.pick([0, 1, 1, 2, 3, 5, 20]),
      lendersMax: random.pick([0, 1, 1, 2]),
    };
    this.layout = new Layout(this.sizes);
    this.memory = new Memory(this.layout.length);
    this.memory.poke(Place.Balance, this.sizes.slots);
    if (random.oneIn(3)) this.#runOver();
    this.threads = Array.from({ length: this.sizes.threads }, (_, number) => new Thread(this, number, Pool));
    this.cancelsAny = !random.oneIn(3);
    this.occupies = random.oneIn(3);
    this.#left = random.pick([20, 40, 40, 80]);
    this.note(-1, JSON.stringify(this.sizes));
  }

  /** Begins with tickets that will run over. */
  #runOver(): void {
    this.memory.poke(Place.Tickets, 2 ** 31 - this.random.below(5));
  }

  /** Returns what was violated, or "". */
  run(): string {
    const { random } = this;
    while (this.#left > 0 && this.violation === "") {
      this.#step(random.pick(this.threads));
      if (random.oneIn(200)) this.#settle();
    }
    this.#settle();
    this.#judgeRelief();
    this.#settle();
    if (this.violation === "") this.#finish();
    return this.violation;
  }

  /** One step of a thread, or the beginning of its next event. */
  #step(thread: Thread): void {
    const { random } = this;
    if (thread.turn === null) {
      if (thread.wakes > 0 && random.oneIn(3)) thread.arrive(random.oneIn(8));
      else if (random.oneIn(2)) {
        this.#left--;
        thread.begin();
      }
      return;
    }
    // Some threads are held up for long, others go on for a while.
    for (let more = random.pick([1, 1, 1, 2, 4, 12]); more > 0 && thread.turn !== null; more--) this.advance(thread);
  }

  advance(thread: Thread): void {
    this.events++;
    thread.advance();
    if (thread.turnSteps > STEPS_MAX) this.fail(thread.number, "does not come to the end of an event");
    this.#judge();
  }

  /** Lets every thread end its event, and every wake arrive. Events that this begins end as well. */
  #settle(): void {
    while (this.violation === "") {
      const busy = this.threads.filter(({ turn }) => turn !== null);
      if (busy.length > 0) this.advance(this.random.pick(busy));
      else {
        const due = this.threads.filter(({ wakes }) => wakes > 0);
        if (due.length === 0) break;
        this.random.pick(due).arrive(false);
      }
    }
    if (this.violation === "") this.#judgeQuiet();
  }

  /** Ends everything that has a slot, until no request waits, and everything that goes on without one. */
  #finish(): void {
    this.isEnding = true;
    for (let left = this.waiting.size + this.held.size + 1; left > 0 && this.held.size > 0; left--) {
      const party = this.random.pick([...this.held.values()]);
      party.thread.start(`request ${party.number} ends`, party.end());
      this.#settle();
      if (this.violation !== "") return;
    }
    if (this.waiting.size > 0) this.fail(-1, `${this.waiting.size} requests wait, and nothing else happens`);
    for (const thread of this.threads) {
      for (const lender of [...thread.lenders]) {
        thread.start(`request ${lender.number} finishes`, lender.finish());
        this.#settle();
      }
    }
  }

  newParty(thread: Thread): Party {
    return new Party(thread, ++this.#parties);
  }

  // What the pool says, against the books.

  give(party: Party, slot: number): void {
    const isSlot = Number.isInteger(slot) && slot >= 1 && slot <= this.sizes.slots;
    if (!isSlot) this.fail(party.thread.number, `gets slot ${slot}, which does not exist`);
    const holder = this.held.get(slot);
    if (holder !== undefined) this.fail(party.thread.number, `slot ${slot} of request ${holder.number} is given again`);
    this.held.set(slot, party);
    if (this.trace !== null) this.note(party.thread.number, `request ${party.number} has slot ${slot}`);
    if (this.held.size === this.sizes.slots) this.coverage.count("pool: saturated");
    this.#judgeOvertaking(party);
  }

  /** A request that waits is overtaken by one that came after it, of another thread, only for a reason. */
  #judgeOvertaking(party: Party): void {
    for (const other of this.waiting) {
      const { thread } = other;
      if (thread === party.thread || party.askedStep < other.queuedStep || thread.isPromised(other)) continue;
      other.overtaken++;
      // A thread that loses a request moves its others up, and steps of other threads may come between two looks.
      const allowed = this.cancels - other.cancelsBefore + 3 * this.sizes.threads;
      if (other.overtaken > allowed)
        this.fail(thread.number, `request ${other.number} is overtaken for the ${other.overtaken}th time`);
    }
  }

  counts(amount: number): void {
    this.counted += amount;
    for (const party of this.asking) party.countedMax = Math.max(party.countedMax, this.counted - 1);
  }

  refused(party: Party): void {
    this.coverage.count("pool: refused");
    const { slots, queueMax } = this.sizes;
    if (party.countedMax < slots + queueMax)
      this.fail(party.thread.number, "is refused although there was room all the time");
  }

  queued(party: Party): void {
    this.coverage.count("pool: queued");
    if (party.countedMax < this.sizes.slots)
      this.fail(party.thread.number, "waits although a slot was free all the time");
  }

  #judge(): void {
    const { slots, queueMax } = this.sizes;
    const all = this.held.size + this.waiting.size;
    if (all > slots + queueMax) this.fail(-1, `${all} requests work and wait, and ${slots} + ${queueMax} may`);
    let free = 0;
    for (let slot = 1; slot <= slots; slot++) if (this.memory.peek(this.layout.slot(slot)) === 0) free++;
    const promised = this.memory.peek(Place.Balance);
    if (free < promised) this.fail(-1, `${promised} slots can be taken, and ${free} are in the table`);
  }

  /** No thread is in an event and no wake is on its way: the memory is as the books are. */
  #judgeQuiet(): void {
    const { memory, layout, held, waiting, sizes } = this;
    this.coverage.count("world: quiet");
    for (const thread of this.threads) thread.quiet();
    if (waiting.size > 0 && held.size < sizes.slots) {
      this.fail(
        -1,
        `${waiting.size} requests wait, ${sizes.slots - held.size} slots are free, and no wake is on its way`,
      );
    }
    const balance = sizes.slots - held.size - waiting.size;
    if (memory.peek(Place.Balance) !== balance)
      this.fail(-1, `the balance is ${memory.peek(Place.Balance)}, not ${balance}`);
    if (memory.peek(Place.Orphans) !== 0) this.fail(-1, "an orphaned slot is left");
    for (let slot = 1; slot <= sizes.slots; slot++) {
      if ((memory.peek(layout.slot(slot)) !== 0) !== held.has(slot)) this.fail(-1, `slot ${slot} is lost`);
    }
    let lenders = 0;
    for (const thread of this.threads) {
      lenders += thread.lenders.size;
      const queue = memory.peek(layout.ofThread(thread.number, OfThread.Queue));
      if (queue !== thread.waiting.length)
        this.fail(thread.number, `has ${queue} places in line, and ${thread.waiting.length} wait`);
      if (waiting.size > 0 && thread.stalled.size > 0 && sizes.lendersMax > 0 && !thread.isReliefDue) {
        this.fail(thread.number, "has stalled senders while a request waits, and does not look at them");
      }
    }
    if (lenders > sizes.lendersMax) this.fail(-1, `${lenders} go on without a slot, and ${sizes.lendersMax} may`);
    if (memory.peek(Place.Lenders) !== lenders) this.fail(-1, "the lenders are miscounted");
  }

  /** Every timer comes, one after the other: no sender that is out of patience keeps its slot while requests wait. */
  #judgeRelief(): void {
    for (const thread of this.threads) {
      if (!thread.isReliefDue) continue;
      thread.start("relieves", thread.relief());
      while (thread.turn !== null && this.violation === "") this.advance(thread);
      // Those that a slot is on its way to wait no more.
      const waiting = thread.pool.queued;
      if (waiting === 0) continue;
      for (const [sender, sinceMs] of thread.stalled) {
        if (this.nowMs - sinceMs >= PATIENCE_MS / 2 ** waiting) sender.fail("keeps its slot although requests wait");
      }
    }
  }

  // Notes.

  fail(thread: number, sentence: string): void {
    this.note(thread, `VIOLATED: ${sentence}`);
    if (this.violation === "") this.violation = thread < 0 ? sentence : `thread ${thread}: ${sentence}`;
  }

  note(thread: number, sentence: string): void {
    this.trace?.push(`step ${this.events}  ${thread < 0 ? "world" : `thread ${thread}`}  ${sentence}`);
  }
}
