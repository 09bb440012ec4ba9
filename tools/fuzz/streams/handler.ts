/** Answers by plan, and holds what it is asked against the plan: the request is whole, its content is what was sent, and it is asked once. */
import type { ContentMemory } from "../../../src/exchange/content-buffer.ts";
import { type FieldLines, Fields } from "../../../src/http/fields.ts";
import {
  ADMITTED,
  type Admission,
  CERTAIN,
  type Handler,
  type Request,
  type Response,
  refused,
  response,
} from "../../../src/http/message.ts";
import type { Random } from "../random.ts";
import { contentAt, placeOf } from "../simulation/content.ts";
import { PlannedFailure } from "../simulation/handler.ts";
import type { Referee } from "../simulation/referee.ts";
import { WatchedSink } from "../simulation/sink.ts";
import { WatchedSource } from "../simulation/source.ts";
import { uploadPlaceOf } from "./actor.ts";
import type { StreamCourse } from "./course.ts";
import { LiveText } from "./live-text.ts";
import type { StreamPlan } from "./plan.ts";
import type { StreamSettings } from "./settings.ts";

export interface StreamHouse {
  readonly referee: Referee<StreamSettings>;
  readonly random: Random;
  readonly memory: ContentMemory;
  /** Things that happen at a time of the simulator's choice. */
  readonly pending: (() => void)[];
  /** A promise has settled. */
  settling(): void;
  courseOf(client: number, index: number): StreamCourse | undefined;
  /** Courses of heads that were too large to be kept, of the connection whose turn it is. */
  coursesUnread(): readonly StreamCourse[];
  /** True if the client of the request has made a mistake, so that its streams may be others than were planned. */
  isBroken(course: StreamCourse): boolean;
  /** True if the request can no longer be answered. */
  isGone(course: StreamCourse): boolean;
}

export class StreamHandler implements Handler {
  readonly #house: StreamHouse;
  /** By sink, how the handler that works with it settles. */
  readonly #whenOver = new Map<WatchedSink, () => void>();

  constructor(house: StreamHouse) {
    this.#house = house;
  }

  admit(request: Request): Admission {
    const course = this.#courseOf(request);
    if (course === null) return ADMITTED;
    const { plan } = course;
    if (++course.admits > 1) this.#fail(course, "a request is taken twice");
    if (!course.isHeadDelivered) this.#fail(course, "a head is taken before it is complete");
    if (plan.fault !== "" && plan.fault !== "mismatch")
      this.#fail(course, `a request is admitted that is ${plan.fault}`);
    if (request.head.methodText !== plan.method) this.#fail(course, "the method is misread");
    const isAnnounced = plan.length < 0 ? "none" : plan.announces ? plan.length : "unknown";
    if (plan.fault === "" && request.announced !== isAnnounced) this.#fail(course, "the length is misread");
    if (plan.takesTime) return { ...CERTAIN, later: () => this.#admitLater(course) };
    return this.#decide(course);
  }

  #admitLater(course: StreamCourse): Promise<Admission> {
    const { promise, resolve } = Promise.withResolvers<Admission>();
    course.isRunning = true;
    promise.then(() => {
      course.isRunning = false;
      course.isAdmittedLate = true;
    });
    this.#house.pending.push(() => {
      this.#house.settling();
      this.#house.referee.coverage.count("handler: admits late");
      resolve(this.#decide(course));
    });
    return promise;
  }

  #decide(course: StreamCourse): Admission {
    const { plan } = course;
    if (plan.answer.way === "admit") return refused(this.#answer(course));
    if (plan.use === "skip") return CERTAIN;
    if (plan.use === "collect" && plan.length >= 0) return { ...ADMITTED, content: { collectMax: plan.collectMax } };
    if (plan.use === "sink" && plan.length >= 0) return { ...ADMITTED, content: { sink: this.#makeSink(course) } };
    return ADMITTED;
  }

  respond(request: Request): Response | Promise<Response> {
    const course = this.#courseOf(request);
    if (course === null) return withLength(200, [], contentAt(0, 10), false);
    const { plan } = course;
    const { pending, referee } = this.#house;
    if (++course.responds > 1) this.#fail(course, "a request is answered twice");
    if (course.admits === 0) this.#fail(course, "a request is answered that was not admitted");
    if (course.sink === null) this.#judgeContent(course, request.content);
    referee.coverage.count(`handler: ${plan.answer.way}, ${plan.answer.form}`);
    if (course.sink !== null) return this.#respondToSink(course, course.sink);
    if (plan.answer.way === "throw") throw this.#failure(course);
    if (plan.answer.way === "now") return this.#answer(course);
    const { promise, resolve, reject } = this.#promiseOf(course);
    if (plan.answer.way === "settled") {
      this.#house.settling();
      resolve(this.#answer(course));
      return promise;
    }
    pending.push(() => {
      this.#house.settling();
      if (this.#house.isGone(course)) referee.coverage.count("handler: too late");
      if (plan.answer.way === "reject") reject(this.#failure(course));
      else resolve(this.#answer(course));
    });
    return promise;
  }

  #promiseOf(course: StreamCourse) {
    const made = Promise.withResolvers<Response>();
    course.isRunning = true;
    const settled = () => {
      course.isRunning = false;
    };
    // Registered before the exchange's own, so it runs right before it.
    made.promise.then(settled, settled);
    return made;
  }

  #respondToSink(course: StreamCourse, sink: WatchedSink): Promise<Response> {
    const { promise, resolve } = this.#promiseOf(course);
    sink.isInUse = true;
    this.#whenOver.set(sink, () => resolve(this.#answer(course)));
    if (course.plan.answer.way === "early") this.#settleSink(sink);
    return promise;
  }

  #makeSink(course: StreamCourse): WatchedSink {
    const { random, referee, pending } = this.#house;
    const { client, index, length } = course.plan;
    const sink: WatchedSink = new WatchedSink({
      client,
      content: contentAt(uploadPlaceOf(client, index), Math.max(0, length)),
      random,
      referee,
      later: (call) => pending.push(call),
      isBroken: () => this.#house.isBroken(course),
      whenOver: () => this.#settleSink(sink),
    });
    course.sink = sink;
    return sink;
  }

  /** Lets the handler that works with the sink settle, once, at a time of the simulator's choice. */
  #settleSink(sink: WatchedSink): void {
    const settle = this.#whenOver.get(sink);
    if (settle === undefined) return;
    this.#whenOver.delete(sink);
    this.#house.pending.push(() => {
      this.#house.settling();
      settle();
    });
  }

  #judgeContent(course: StreamCourse, content: Uint8Array): void {
    const { plan } = course;
    if (plan.length < 0) return;
    const isSkipped = plan.use === "skip" || (plan.use === "discard" && plan.expects);
    const length = plan.length + (plan.fault === "mismatch" ? 1 : 0);
    if (!isSkipped && !course.isWhole && length <= this.#house.referee.settings.limits.unwantedBodyBytesMax)
      this.#fail(course, "a request is answered before it is complete");
    if (plan.fault === "mismatch" && course.isWhole && plan.use === "collect")
      this.#fail(course, "a request is answered that is malformed");
    if (plan.use !== "collect") {
      if (content.length > 0) this.#fail(course, "content is handed out that nobody wanted");
      return;
    }
    const sent = contentAt(uploadPlaceOf(plan.client, plan.index), plan.length);
    if (Buffer.compare(content, sent) !== 0) this.#fail(course, "content differs from what was sent");
    this.#house.referee.coverage.count("content: collected");
  }

  failure(status: number, _sentence: string, request: Request | null, fields: FieldLines = []): Response {
    this.#house.referee.coverage.count(`failure: ${status}`);
    const course = request === null ? null : this.#courseOf(request);
    if (course === null) return this.#failUnread(status, fields);
    this.#judgeFailure(course, status);
    const { client, index } = course.plan;
    const place = placeOf(client, index + status);
    const content = contentAt(place, 5 + (status % 50));
    const made = withLength(status, [["X-Request", course.id], ...fields], content, false);
    if (course.status !== 0) this.#fail(course, "fails after its answer has begun");
    // While the handler works, the first refusal stays, also before a failure of the handler.
    if (course.isRefused && (course.isRunning || course.hasFailed)) return made;
    course.isRefused = true;
    course.promised = { response: made, place, length: content.length, available: content.length };
    return made;
  }

  /** Refuses a head whose request is not known. */
  #failUnread(status: number, fields: FieldLines): Response {
    const content = contentAt(0, 10);
    const made = withLength(status, fields, content, false);
    // Another one is for the rest of a request that is answered, and is not sent.
    const courses = status === 414 || status === 431 ? this.#house.coursesUnread() : [];
    for (const course of courses)
      course.promised = { response: made, place: 0, length: content.length, available: content.length };
    return made;
  }

  #judgeFailure(course: StreamCourse, status: number): void {
    const { plan } = course;
    const { memory, referee } = this.#house;
    const isBroken = plan.fault === "malformed" || plan.fault === "mismatch";
    switch (status) {
      case 400:
        if (!isBroken && plan.fault !== "refused") this.#fail(course, "400 for a request with nothing wrong");
        return;
      case 408:
        if (course.isWhole) this.#fail(course, "408 for a complete request");
        return;
      case 413:
        if (plan.use !== "collect" || plan.length + 1 <= plan.collectMax)
          this.#fail(course, "413 for content that fits");
        return;
      case 500:
        if (!course.hasFailed) this.#fail(course, "500 without a failure");
        return;
      case 503:
        if (course.isTurnedAway) return;
        referee.coverage.count("failure: body memory");
        if (!course.isWanted || memory.used + 2 * plan.length <= memory.max) this.#fail(course, "503 without a need");
        return;
      default:
        this.#fail(course, `status ${status} for a request with nothing wrong`);
    }
  }

  #failure(course: StreamCourse): PlannedFailure {
    course.hasFailed = true;
    return new PlannedFailure("a planned failure");
  }

  #answer(course: StreamCourse): Response {
    const { plan } = course;
    const { client, index, answer } = plan;
    const place = placeOf(client, index);
    const made = this.#make(course, plan, place);
    // A failure stands in the place of what a slow handler says.
    if (course.promised !== null) return made;
    const length = answer.form === "live" ? -1 : answer.length;
    course.promised = { response: made, place, length, available: answer.available };
    return made;
  }

  #make(course: StreamCourse, { client, answer }: StreamPlan, place: number): Response {
    const { random, referee } = this.#house;
    const lines: FieldLines = [
      ["X-Request", course.id],
      ["Cache-Control", "no-cache"],
    ];
    if (answer.form === "none") return response(answer.status, Fields.of(lines), null, "simulated");
    if (answer.form === "source") {
      const source = new WatchedSource(client, place, answer.length, answer.available, random, referee);
      course.source = source;
      return withLength(answer.status, lines, source, false);
    }
    if (answer.form !== "live")
      return withLength(answer.status, lines, contentAt(place, answer.length).slice(), answer.form === "held");
    const live = new LiveText(client, place, answer.length, answer.available, referee);
    course.source = live;
    const grow = () => {
      if (live.grow(random)) this.#house.pending.push(grow);
    };
    this.#house.pending.push(grow);
    return response(answer.status, Fields.of(lines), live, "simulated");
  }

  #courseOf(request: Request): StreamCourse | null {
    const [, client, index] = /^\/(\d+)\.(\d+)/.exec(request.head.targetText) ?? [];
    const course = this.#house.courseOf(Number(client), Number(index));
    if (course === undefined) return null;
    if (request.address !== addressOf(course.plan.client)) this.#fail(course, `is asked for by ${request.address}`);
    return course;
  }

  #fail(course: StreamCourse, sentence: string): void {
    if (!this.#house.isBroken(course))
      this.#house.referee.fail(course.plan.client, `request ${course.plan.index}: ${sentence}`);
  }
}

export function addressOf(id: number): string {
  return `192.0.2.${id}`;
}

function withLength(status: number, lines: FieldLines, content: Uint8Array | WatchedSource, isHeld: boolean): Response {
  const length = "size" in content ? content.size : content.length;
  const fields = Fields.of([...lines, ["Content-Length", String(length)]]);
  const sent = isHeld && !("size" in content) ? fields.hold(content) : content;
  return response(status, fields, sent, "simulated");
}
