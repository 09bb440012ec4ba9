/**
 * One client: what it has sent, what it was promised, what it received, and the rules that each of these keeps. It knows nothing of
 * the server's states; it judges by its own plan, by what reached either side, and by the time.
 */
import type { Response } from "../../../src/http/message.ts";
import { Random } from "../random.ts";
import { Course, type Promised } from "./course.ts";
import type { Script } from "./plan.ts";
import { AnswerReader, type ExpectedContent, type ReaderRules } from "./reader.ts";
import type { Referee } from "./referee.ts";
import { SHUTDOWN_GRACE_MS } from "./settings.ts";
import { type Peer, SimulatedTransport } from "./transport.ts";

/** What the simulator calls of a connection. */
export interface Conversation {
  readonly id: number;
  received(bytes: Uint8Array): void;
  drained(): void;
  resumed(): void;
  ended(): void;
  tick(): void;
  shutDown(idleMs: number): void;
  terminate(): void;
  closed(): void;
}

/** Windows of the send timeout that a reader which was fast enough on average may let pass without progress. */
const SILENT_WINDOWS = 4;

/** And those after which nobody may still be waited for: one with progress before them, and one because of the ticks. */
const SILENT_WINDOWS_MAX = SILENT_WINDOWS + 2;

export class Client implements Peer, ReaderRules {
  readonly id: number;
  readonly courses: readonly Course[];
  readonly transport: SimulatedTransport;
  readonly reader = new AnswerReader(this);
  /** Set right after the transport was made. */
  connection: Conversation | null = null;
  readonly #referee: Referee;
  readonly #bytes: Uint8Array;
  readonly #openedMs: number;
  /** Bytes that reached the server. */
  delivered = 0;
  /** Of these times and counts, one a delivery. */
  readonly #deliveries: (readonly [atMs: number, bytes: number])[] = [];
  /** Requests whose heads the server has read or given up. */
  heads = 0;
  /** Answers that were received to their end. */
  answered = 0;
  #logged = 0;
  /** The slot that it holds, or 0, and since when. */
  slot = 0;
  #heldMs = Number.NaN;
  /** Goes on without the slot that it lent, until all is out that it had begun. */
  isLending = false;
  /** The slot that was lent before the answer under way was out, for the log. */
  lentSlot = 0;
  /** The pool has cut it, so that others may lend theirs. */
  isEvicted = false;
  wasRefused = false;
  queuedMs = Number.NaN;
  /** The client has sent FIN. */
  hasFinished = false;
  /** Somebody other than the conversation ended it. */
  isCut = false;
  /** An answer was the last: it said so, or ended early. */
  #isOver = false;
  /** The slot went back while an answer was under way: nothing more of it may be sent. */
  #isSilenced = false;
  #unsentSinceMs = Number.NaN;
  /** When the kernel took less than it was offered last. */
  #blockedMs = Number.NaN;
  #acceptedMs: number;
  /** Bytes received. */
  acceptedBytes = 0;
  #finMs = Number.NaN;
  #deliveredMs = Number.NaN;
  /** For the body's and the answer's windows: when one without progress was seen last, and how many. */
  #stalledMs = Number.NaN;
  #stalls = 0;

  constructor(id: number, script: Script, room: number, referee: Referee) {
    this.id = id;
    this.courses = script.plans.map((plan) => new Course(plan));
    this.#bytes = script.bytes;
    this.#referee = referee;
    this.#openedMs = referee.nowMs;
    this.#acceptedMs = referee.nowMs;
    this.transport = new SimulatedTransport(this, room, new Random(id));
  }

  get isOpen(): boolean {
    return !this.transport.isClosed;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Bytes that the client has not sent. */
  get left(): number {
    return this.#bytes.length - this.delivered;
  }

  fail(sentence: string): void {
    this.#referee.fail(this.id, sentence);
  }

  // What it sends.

  /** The next `count` <= left bytes, which count as delivered from now on. The array is fresh, as Bun's are. */
  take(count: number): Uint8Array {
    const from = this.delivered;
    const now = this.#referee.nowMs;
    this.delivered += count;
    this.#deliveredMs = now;
    this.#deliveries.push([now, count]);
    this.#resetStalls();
    for (const course of this.courses) {
      if (course.plan.start < this.delivered && !(course.firstByteMs <= now)) course.firstByteMs = now;
      if (course.plan.lineStart < this.delivered && !(course.lineBegunMs <= now)) course.lineBegunMs = now;
    }
    return this.#bytes.slice(from, this.delivered);
  }

  /** Bytes until something is waited for: 100 (Continue), or the end. */
  get sendable(): number {
    for (const { plan, continues } of this.courses) {
      if (plan.patient && continues === 0 && plan.index >= this.answered && plan.headEnd >= this.delivered) {
        return Math.min(this.left, plan.headEnd - this.delivered);
      }
    }
    return this.left;
  }

  /** Bytes until the next content, which need not follow at once; infinite when none does. */
  get untilContent(): number {
    const next = this.courses.find(({ plan }) => plan.headEnd > this.delivered && plan.content.length > 0);
    return next === undefined ? Number.POSITIVE_INFINITY : next.plan.headEnd - this.delivered;
  }

  /** Waits for 100 (Continue) or a final answer, with its head sent and nothing behind it. */
  get isPatient(): boolean {
    return this.left > 0 && this.sendable === 0;
  }

  // What the server takes.

  /** The course whose head was read last. */
  get current(): Course | null {
    return this.courses[this.heads - 1] ?? null;
  }

  /** The head of the next request was read, or given up. */
  headTaken(): Course {
    const course = this.courses[this.heads];
    if (course === undefined) throw new Error("there is a plan for whatever stands behind the last request");
    const before = this.current;
    if (before !== null && before.promised === null)
      this.fail(`request ${this.heads} is taken before the answer to the last`);
    if (this.#isOver || before?.mustClose || before?.stopsEarly || before?.breaksOff)
      this.fail(`request ${this.heads} is taken behind the last one`);
    if (before !== null && !before.plan.persistent)
      this.fail(`request ${this.heads} is taken behind Connection: close`);
    const max = this.#referee.settings.limits.maxRequests;
    if (max > 0 && this.heads >= max) this.fail(`request ${this.heads} is one more than allowed`);
    if (!(this.delivered > course.plan.start)) this.fail(`request ${this.heads} is taken before it was sent`);
    if (this.transport.isBlocked) this.fail(`request ${this.heads} is taken although the client does not read`);
    this.heads++;
    course.takenMs = this.#referee.nowMs;
    course.wasBare = this.delivered <= course.plan.headEnd;
    return course;
  }

  /** Decides what becomes of the content, by the rules of the contract. */
  decideReading(course: Course): void {
    const { plan } = course;
    if (plan.framing === "none" || (course.isWanted && !plan.skips)) return;
    const tooMuch = plan.content.length > this.#referee.settings.limits.unwantedBodyBytesMax;
    // What chunks add up to is known when they come, and then the answer is out.
    const isKnown = !plan.skips || plan.framing === "length";
    course.stopsEarly = (tooMuch && isKnown) || (plan.expects && course.wasBare);
    course.breaksOff = plan.skips && !course.stopsEarly && (tooMuch || plan.fault !== null);
  }

  /** The content came so slowly that a 408 is right: for a whole window, less than the least rate or nothing. */
  isSlow(course: Course): boolean {
    const { stallTimeoutMs, minRateBytes } = this.#referee.settings.limits;
    const windowStart = this.#referee.nowMs - stallTimeoutMs;
    if (!(course.readableMs <= windowStart)) return false;
    let bytes = 0;
    for (const [atMs, count] of this.#deliveries) if (atMs > windowStart) bytes += count;
    return bytes === 0 || bytes * 1000 < minRateBytes * stallTimeoutMs;
  }

  /** No byte of a content that is read past has come for as long as it may be silent. */
  #isSilent(course: Course): boolean {
    const { restSilenceMs, stallTimeoutMs } = this.#referee.settings.limits;
    const sinceMs = Math.max(course.readableMs, this.#deliveredMs);
    return this.#referee.nowMs - sinceMs >= Math.min(restSilenceMs, stallTimeoutMs);
  }

  // What it receives.

  accepted(bytes: Uint8Array, offset: number, length: number): void {
    const now = this.#referee.nowMs;
    if (this.#referee.trace)
      this.#referee.note(this.id, `is written ${length} bytes${this.transport.isBlocked ? ", blocked" : ""}`);
    if (length > 0) {
      if (this.#isSilenced) this.fail("bytes of an answer are sent after its slot was returned");
      this.#acceptedMs = now;
      this.acceptedBytes += length;
      this.#resetStalls();
      this.reader.accept(bytes, offset, length);
    }
    if (this.transport.isBlocked) this.#blockedMs = now;
    if (this.isLending && !this.#hasUnsent) this.#stopLending("finished after lending");
    const isUnsent = this.transport.isBlocked || !this.reader.isBetween;
    if (!isUnsent) this.#unsentSinceMs = Number.NaN;
    else if (Number.isNaN(this.#unsentSinceMs)) this.#unsentSinceMs = now;
  }

  fileSent(): void {
    this.#referee.coverage.count("file: sent by the kernel");
  }

  headRead(status: number, fields: ReadonlyMap<string, string>): ExpectedContent | null {
    const course = this.courses[this.answered];
    if (this.#isOver) this.fail(`status ${status} behind the last answer`);
    if (course === undefined) throw new Error("there is a plan for whatever stands behind the last request");
    if (status === 100) {
      this.#continued(course, fields);
      return null;
    }
    const { promised } = course;
    if (promised === null) {
      this.fail(`status ${status} that nobody answered`);
      return null;
    }
    const { response, id, content } = promised;
    this.#referee.coverage.count(`answer: ${status}`);
    if (status !== response.status) this.fail(`answer ${this.answered} has status ${status} for ${response.status}`);
    const given = fields.get("x-request") ?? "";
    if (given !== id) this.fail(`answer ${this.answered} belongs to request "${given}", not "${id}"`);
    const length = response.content === null ? undefined : String(lengthOf(response));
    if (fields.get("content-length") !== length)
      this.fail(`Content-Length ${fields.get("content-length")} for ${length}`);
    if (!/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(fields.get("date") ?? ""))
      this.fail("no Date");
    if (status === 503 && !fields.has("retry-after")) this.fail("503 without Retry-After");
    this.#judgePersistence(course, promised, fields);
    return content;
  }

  #continued(course: Course, fields: ReadonlyMap<string, string>): void {
    this.#referee.coverage.count("answer: 100");
    course.continues++;
    if (!course.isAdmitted || !course.isWanted || !course.plan.expects || course.continues > 1 || fields.size > 0) {
      this.fail(`100 (Continue) for request ${course.plan.index}, which did not ask for it now`);
    }
    if (!course.wasBare) this.fail("100 (Continue) although content had come");
  }

  #judgePersistence(course: Course, { response, wasDraining }: Promised, fields: ReadonlyMap<string, string>): void {
    const { isDraining, settings, coverage } = this.#referee;
    const { maxRequests, keepAliveTimeoutMs } = settings.limits;
    const left = maxRequests === 0 ? Number.POSITIVE_INFINITY : maxRequests - this.answered - 1;
    const may = course.plan.persistent && !course.mustClose && !course.stopsEarly && !response.isLast && left > 0;
    const persists = fields.get("connection") === "keep-alive";
    if (!persists && fields.get("connection") !== "close") this.fail(`Connection: ${fields.get("connection")}`);
    // What was pipelined behind it is answered all the same.
    const wasLast = wasDraining && this.delivered <= course.dueAt;
    if (persists && !(may && !wasLast)) this.fail(`answer ${this.answered} persists, and must not`);
    if (!persists && may && !isDraining) this.fail(`answer ${this.answered} closes, and need not`);
    const max = left === Number.POSITIVE_INFINITY ? "" : `, max=${left}`;
    const keepAlive = persists ? `timeout=${Math.floor(keepAliveTimeoutMs / 1000)}${max}` : undefined;
    if (fields.get("keep-alive") !== keepAlive) this.fail(`Keep-Alive: ${fields.get("keep-alive")} for ${keepAlive}`);
    coverage.count(persists ? "answer: persists" : "answer: closes");
    if (!persists) this.#isOver = true;
    if (!persists && this.heads > this.answered + 1) this.fail("a request was taken behind the last answer");
  }

  answerRead(): void {
    if (this.#referee.trace) this.#referee.note(this.id, `has answer ${this.answered}`);
    const course = this.courses[this.answered++];
    if (course !== undefined) course.answeredMs = this.#referee.nowMs;
  }

  /** One line of the log: each answer once, in order. Returns its course. */
  logged(response: Response): Course | null {
    const course = this.courses[this.#logged++];
    if (course === undefined || course.promised?.response !== response) {
      this.fail(`log line ${this.#logged - 1} is not about the answer of that request`);
      return null;
    }
    return course;
  }

  // Its slot.

  slotGiven(slot: number): void {
    this.slot = slot;
    this.#heldMs = this.#referee.nowMs;
    if (this.isLending) this.#stopLending("a slot again after lending");
  }

  slotReturned(): void {
    this.slot = 0;
    if (this.#hasUnsent && !this.isLending) this.#isSilenced = true;
    if (this.current?.isRunning) this.fail("the slot is returned while the handler works");
  }

  /** Since when it has had a slot and taken nothing, milliseconds; NaN when that is not so. */
  get idleReaderMs(): number {
    return this.slot !== 0 && this.transport.isBlocked ? Math.max(this.#blockedMs, this.#heldMs) : Number.NaN;
  }

  /** The same, and nothing was worked on for it meanwhile: since then, others who wait may have its slot. */
  get stalledMs(): number {
    const { current } = this;
    if (current?.isRunning) return Number.NaN;
    return Math.max(this.idleReaderMs, current?.promised?.atMs ?? 0, current?.runningMs || 0);
  }

  /** It is about to give its slot to others. */
  lends(): void {
    this.lentSlot = this.slot;
    this.isLending = true;
    if (!this.#hasUnsent) this.fail("lends its slot, and has nothing to send");
  }

  #stopLending(how: string): void {
    this.isLending = false;
    this.#referee.coverage.count(`pool: ${how}`);
  }

  /** The request that was answered last, if content of it is to come that is skipped. */
  get skipped(): Course | null {
    const course = this.courses[this.answered - 1];
    if (course === undefined || this.#isOver || !course.plan.skips) return null;
    return this.delivered < course.plan.end ? course : null;
  }

  /** An answer is on its way and not wholly received; a refusal is, once the content it waits for has come. */
  get #hasUnsent(): boolean {
    if (this.transport.isBlocked || !this.reader.isBetween) return true;
    const next = this.courses[this.answered];
    if (next === undefined || next.promised === null) return false;
    return next.isResponding || next.mustClose || this.delivered >= next.dueAt;
  }

  // How it ends.

  finSent(): void {
    const { nowMs, coverage, isDraining, settings } = this.#referee;
    if (this.#referee.trace) this.#referee.note(this.id, "receives FIN");
    this.#finMs = nowMs;
    if (this.isLending) this.#stopLending("short after lending");
    const course = this.courses[this.answered];
    if (!this.reader.isBetween) {
      const isLacking = this.reader.isBehindHead && course?.promised?.mayLackContent === true;
      if (!this.reader.isAtShortEnd && !isLacking) this.fail(`FIN inside answer ${this.answered}`);
      coverage.count("answer: ends early");
      this.#isOver = true;
    }
    if (this.#isOver) return;
    if (this.courses[this.answered - 1]?.breaksOff) {
      coverage.count("content: skipped, and broken off");
      this.#isOver = true;
      return;
    }
    if (this.owed > 0) this.fail(`FIN instead of ${this.owed} answers`);
    // Empty lines are the beginning of nothing.
    if (course !== undefined && this.delivered > course.plan.lineStart)
      this.fail("FIN instead of the answer to a part of a request");
    const isIdleLong = nowMs - this.#acceptedMs >= settings.limits.keepAliveTimeoutMs;
    if (isIdleLong) coverage.count("end: idle");
    if (this.skipped !== null && (this.isSlow(this.skipped) || this.#isSilent(this.skipped))) {
      coverage.count("content: skipped too slowly");
      return;
    }
    if (!this.hasFinished && !isDraining && !isIdleLong) this.fail("FIN without a reason");
  }

  ending(hadFin: boolean): void {
    const { nowMs, isInGrace, isShutDown, settings, coverage } = this.#referee;
    const { lingerMs, lingerTotalMs, lingerBytesMax } = settings.limits;
    coverage.count("end: in order");
    if (this.hasFinished) return;
    if (!hadFin) {
      const isIdleLong = isInGrace && nowMs - Math.max(this.#openedMs, this.#acceptedMs) >= SHUTDOWN_GRACE_MS;
      if (!isShutDown && !isIdleLong) this.fail("closed without waiting for the client's FIN");
      return;
    }
    if (isInGrace || this.delivered > lingerBytesMax) return;
    const sinceMs = Math.max(this.#finMs, this.#deliveredMs || 0);
    if (nowMs - sinceMs < lingerMs && nowMs - this.#finMs < lingerTotalMs)
      this.fail("closed before the time to linger was over");
    coverage.count("end: lingered");
  }

  resetting(): void {
    const { nowMs, settings, coverage } = this.#referee;
    const { stallTimeoutMs } = settings.limits;
    if (this.#referee.trace) this.#referee.note(this.id, "receives a reset");
    if (this.isCut || this.transport.isDead || this.isEvicted) return;
    const windows = this.#isFastOnAverage ? SILENT_WINDOWS : 1;
    if (!(nowMs - this.#unsentSinceMs >= windows * stallTimeoutMs)) this.fail("reset without a reason");
    coverage.count("end: too slow a reader");
    this.isCut = true;
  }

  /** The answer under way was received at the least rate or faster so far. Only said where one answer is under way. */
  get #isFastOnAverage(): boolean {
    const { current } = this;
    if (current === null || current.promised === null || !current.isResponding) return false;
    // Promised a little before the connection sees it, when other answers may have been sent.
    if (current.plan.answer.way === "settled") return false;
    if (this.heads !== this.answered + 1) return false;
    const { atMs, behindBytes } = current.promised;
    const bytes = this.acceptedBytes - behindBytes;
    return bytes > 0 && bytes * 1000 >= this.#referee.settings.limits.minRateBytes * (this.#referee.nowMs - atMs);
  }

  closed(): void {
    if (this.#referee.trace) this.#referee.note(this.id, "is closed");
    if (this.isLending) this.#stopLending("closed while lending");
    this.connection?.closed();
  }

  /** Complete requests that reached the server and were not answered to their end. */
  get owed(): number {
    if (this.#isOver) return 0;
    let owed = 0;
    for (const { plan, dueAt, breaksOff } of this.courses) {
      if (plan.index >= this.answered && dueAt <= this.delivered) owed++;
      if (breaksOff) break;
    }
    return owed;
  }

  // What must not last.

  /** Everything that was asked is answered, and nothing new has begun. */
  get isIdle(): boolean {
    if (!this.isOpen || this.#isOver || this.transport.isFinished) return false;
    if (this.heads !== this.answered || this.#hasUnsent) return false;
    return this.delivered === this.courses[this.heads]?.plan.start;
  }

  /** Called when the server has just closed all that are idle. */
  judgeSwept(): void {
    if (this.isOpen && this.isIdle && !this.transport.isDead)
      this.fail("is idle and open although the server shuts down");
  }

  /** Called between events: what does not depend on the time. */
  judge(isQueued: boolean): void {
    const { settings } = this.#referee;
    const { transport, current } = this;
    if (!this.isOpen) {
      if (isQueued) this.fail("waits in the queue, and is closed");
      if (this.slot !== 0 && !current?.isRunning) this.fail("keeps its slot, and is closed");
      return;
    }
    if (this.hasFinished && transport.isFinished && !transport.isDead)
      this.fail("stays open behind FIN from both sides");
    if (this.isIdle) {
      if (this.slot !== 0) this.fail("keeps its slot, and is idle");
      if (transport.isPaused) this.fail("is paused for nothing");
      if (this.hasFinished && !transport.isDead) this.fail("is idle and open although the client has sent FIN");
      return;
    }
    if (this.skipped !== null && this.hasFinished && !transport.isFinished && !transport.isDead)
      this.fail("is open although the client has sent FIN instead of content that is skipped");
    if (transport.isFinished || this.heads === this.answered || current === null) return;
    const isReading = !current.mustClose && !current.stopsEarly;
    if (isReading && current.sink?.isStalled && !transport.isPaused) this.fail("may send although its sink says no");
    const ahead = this.delivered - current.dueAt;
    if (isReading && ahead > settings.limits.receiveBytesMax && !transport.isPaused)
      this.fail("may send without a bound");
  }

  /** Called when all connections have been told of the time: no deadline may be missed. */
  judgeDeadlines(isQueued: boolean): void {
    if (!this.isOpen || this.transport.isDead) return;
    const { nowMs, settings } = this.#referee;
    const { limits } = settings;
    if (this.transport.isFinished) {
      if (nowMs - this.#finMs >= limits.lingerTotalMs) this.fail("lingers for too long in all");
      if (nowMs - Math.max(this.#finMs, this.#deliveredMs || 0) >= limits.lingerMs) this.fail("lingers for too long");
      return;
    }
    const { current } = this;
    const mayRead = current?.sink?.end === "" && !current.sink.isStalled;
    if (isQueued || (current?.isRunning && !mayRead)) return;
    const movedMs = Math.max(this.#openedMs, this.#acceptedMs);
    if (this.isIdle) {
      // Content that was skipped ended behind its answer.
      const hasSkipped = this.courses[this.answered - 1]?.plan.skips === true;
      const sinceMs = hasSkipped ? Math.max(movedMs, this.#deliveredMs) : movedMs;
      if (nowMs - sinceMs >= limits.keepAliveTimeoutMs) this.fail("is idle for too long");
      return;
    }
    if (this.#hasUnsent) {
      this.#stall(Math.max(movedMs, current?.promised?.atMs ?? 0), limits.stallTimeoutMs);
      if (this.#stalls > SILENT_WINDOWS_MAX) this.fail("does not read, and is waited for");
      return;
    }
    const next = this.courses[this.heads];
    const { skipped } = this;
    if (skipped !== null) {
      const silenceMs = Math.min(limits.restSilenceMs, limits.stallTimeoutMs);
      this.#stall(Math.max(movedMs, skipped.readableMs, this.#deliveredMs), silenceMs);
      if (this.#stalls > 1) this.fail("sends no content that could be skipped, and is waited for");
    } else if (this.heads === this.answered) {
      if (next === undefined || this.#isOver) return;
      const sinceMs = Math.max(movedMs, next.lineBegunMs);
      if (nowMs - sinceMs >= limits.headerTimeoutMs) this.fail("has sent a part of a head for too long");
    } else if (current !== null && this.delivered < current.plan.end) {
      this.#stall(Math.max(movedMs, current.readableMs, this.#deliveredMs), limits.stallTimeoutMs);
      if (this.#stalls > 1) this.fail("sends no content, and is waited for");
    }
  }

  /** Counts windows of `windowMs` in which nothing moved since `movedMs`. */
  #stall(movedMs: number, windowMs: number): void {
    const sinceMs = Number.isNaN(this.#stalledMs) ? movedMs : Math.max(movedMs, this.#stalledMs);
    if (this.#referee.nowMs - sinceMs < windowMs) return;
    this.#stalledMs = this.#referee.nowMs;
    this.#stalls++;
  }

  #resetStalls(): void {
    this.#stalledMs = Number.NaN;
    this.#stalls = 0;
  }
}

/** Bytes of content that a response announces. */
export function lengthOf(response: Response): number {
  const { content } = response;
  if (content === null || "ends" in content) return 0;
  return "size" in content ? content.size : content.length;
}
