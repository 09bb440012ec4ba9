/** A client of HTTP/1 in a world of streams: it asks for small answers, pipelined, and shares the slots. The other world judges more. */
import type { Http1Connection } from "../../../src/http1/connection.ts";
import { Random } from "../random.ts";
import { AnswerReader, type ExpectedContent, type ReaderRules } from "../simulation/reader.ts";
import type { Referee } from "../simulation/referee.ts";
import { type Peer, SimulatedTransport } from "../simulation/transport.ts";
import { StreamCourse } from "./course.ts";
import { planStream, type StreamPlan } from "./plan.ts";
import type { StreamSettings } from "./settings.ts";

const REQUESTS_MAX = 8;

export class PlainClient implements Peer, ReaderRules {
  readonly id: number;
  readonly transport: SimulatedTransport;
  readonly courses: StreamCourse[] = [];
  readonly referee: Referee<StreamSettings>;
  readonly reader = new AnswerReader(this);
  readonly isHostile = false;
  connection: Http1Connection | null = null;
  hasFinished = false;
  isCut = false;
  /** An answer was the last. */
  isOver = false;
  readonly #random: Random;
  #answered = 0;

  constructor(id: number, room: number, referee: Referee<StreamSettings>, random: Random) {
    this.id = id;
    this.referee = referee;
    this.#random = random;
    this.transport = new SimulatedTransport(this, room, new Random(id));
  }

  get isOpen(): boolean {
    return !this.transport.isClosed;
  }

  get mayAsk(): boolean {
    return this.courses.length < REQUESTS_MAX && !this.hasFinished && !this.transport.isPaused && !this.isOver;
  }

  fail(sentence: string): void {
    this.referee.fail(this.id, sentence);
  }

  /** Returns the bytes of the next request, which count as delivered. */
  ask(): Uint8Array {
    const course = new StreamCourse(this.#plan(), 0);
    this.courses.push(course);
    course.isHeadDelivered = true;
    course.isWhole = true;
    course.isEndQueued = true;
    return new TextEncoder().encode(`${course.plan.method} /${course.id} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  }

  #plan(): StreamPlan {
    for (;;) {
      const plan = planStream(this.id, this.courses.length, this.referee.settings, this.#random);
      const isShort = plan.answer.available < plan.answer.length;
      if (plan.length < 0 && plan.fault === "" && plan.answer.form !== "live" && !isShort) return plan;
    }
  }

  // What it receives.

  accepted(bytes: Uint8Array, offset: number, length: number): void {
    if (length > 0) this.reader.accept(bytes, offset, length);
  }

  headRead(status: number, fields: ReadonlyMap<string, string>): ExpectedContent | null {
    const course = this.courses[this.#answered];
    const promised = course?.promised ?? null;
    this.referee.coverage.count(`plain: ${status}`);
    if (course === undefined || promised === null) {
      // The end of a connection that sent nothing, or not all of it, in time.
      if (status !== 408) this.fail(`status ${status} that nobody answered`);
      return { place: 0, length: 0, available: 0 };
    }
    course.status = status;
    if (status !== promised.response.status) this.fail(`status ${status} for ${promised.response.status}`);
    if (fields.get("x-request") !== course.id) this.fail(`the answer of ${fields.get("x-request")} for ${course.id}`);
    if (fields.get("connection") === "close") this.isOver = true;
    const isEmpty = course.plan.method === "HEAD" || promised.response.content === null;
    return { place: promised.place, length: isEmpty ? 0 : promised.length, available: promised.length };
  }

  answerRead(): void {
    const course = this.courses[this.#answered++];
    if (course !== undefined) course.isEnded = true;
  }

  fileSent(): void {}

  finSent(): void {
    if (this.reader.isBetween) this.isOver = true;
    else this.fail("FIN inside an answer");
  }

  ending(): void {}

  resetting(): void {
    this.isCut = true;
  }

  closed(): void {
    this.connection?.closed();
  }

  beforeTick(): void {}

  judgeDeadlines(): void {}

  judgeSettled(): void {
    if (!this.isOpen || this.isCut || this.isOver || this.transport.isDead || this.transport.isFinished) return;
    for (const course of this.courses) if (!course.isEnded) this.fail(`request ${course.plan.index} is not answered`);
  }
}
