/**
 * Answers by plan, and holds what it is asked against the plan: the request is the next one, it is complete, its content is what was
 * sent, it has a slot, and what the connection finds wrong is wrong.
 */
import type { ContentMemory } from "../../../src/exchange/content-buffer.ts";
import { type FieldLines, Fields } from "../../../src/http/fields.ts";
import {
  ADMITTED,
  type Admission,
  CERTAIN,
  type FramedResponse,
  type Handler,
  type Request,
  type Response,
  refused,
  response,
} from "../../../src/http/message.ts";
import type { RequestReader } from "../../../src/http1/request.ts";
import type { Random } from "../random.ts";
import { type Client, lengthOf } from "./client.ts";
import { contentAt, placeOf } from "./content.ts";
import type { Course } from "./course.ts";
import type { Plan, PlannedAnswer } from "./plan.ts";
import type { Referee } from "./referee.ts";
import { WatchedSink } from "./sink.ts";
import { WatchedSource } from "./source.ts";

/** What a handler that fails throws. */
export class PlannedFailure extends Error {}

/** Gives an answer that had to be waited for. */
export type Pending = () => void;

export interface House {
  readonly referee: Referee;
  readonly random: Random;
  readonly memory: ContentMemory;
  readonly pending: Pending[];
  /** The one whose conversation goes on right now. */
  speaking: Client | null;
  /** A promise has settled: whoever waits for it goes on when this turn is over. */
  settling(): void;
  /** Calls `turn`, in which `client` is the one whose conversation goes on. */
  during(client: Client, turn: () => void): void;
  clientNumber(id: number): Client | undefined;
}

export class PlannedHandler implements Handler {
  readonly #house: House;

  constructor(house: House) {
    this.#house = house;
  }

  admit(request: Request): Admission {
    const client = this.#clientOf(request);
    if (client === null) return ADMITTED;
    const course = client.headTaken();
    const { plan } = course;
    this.#note(
      client,
      `request ${plan.index} is taken: ${plan.method}, ${plan.framing}, ${plan.answer.way}, ${plan.answer.form}`,
    );
    this.#isOf(client, course, request);
    if (plan.fault !== null && plan.fault.place !== "content")
      client.fail(`a request with ${plan.fault.name} is admitted`);
    if (client.delivered < plan.headEnd) client.fail("a head is taken before it is complete");
    const { framing, head } = request as RequestReader;
    if (head.methodText !== plan.method || framing.kind !== plan.framing) client.fail("the head is misread");
    if (framing.persistent !== plan.persistent || framing.expectsContinue !== plan.expects)
      client.fail("the head's wishes are misread");
    if (request.announced !== announcedBy(plan)) client.fail("the length is misread");
    if (plan.takesTime) return { ...CERTAIN, later: () => this.#admitLater(client, course) };
    return this.#decide(client, course);
  }

  /** Holds the slot of the request until its admission is decided, at a time of the simulator's choice. */
  #admitLater(client: Client, course: Course): Promise<Admission> {
    const { referee, pending } = this.#house;
    const { promise, resolve } = Promise.withResolvers<Admission>();
    if (client.slot === 0) client.fail("an admission takes time without a slot");
    course.isRunning = true;
    // Registered before the connection's own, so it runs right before it.
    promise.then(() => {
      this.#house.speaking = client;
      course.isRunning = false;
      course.runningMs = referee.nowMs;
    });
    pending.push(() => {
      this.#house.settling();
      referee.coverage.count("handler: admits late");
      resolve(this.#decide(client, course));
    });
    return promise;
  }

  #decide(client: Client, course: Course): Admission {
    const { plan } = course;
    course.isAdmitted = true;
    client.decideReading(course);
    if (course.stopsEarly) this.#house.referee.coverage.count("content: not read to its end");
    this.#house.referee.coverage.count("request: admitted");
    if (plan.answer.way === "admit") return refused(this.#answer(client, course, plan.answer));
    if (course.isStreamed) return { ...ADMITTED, content: { sink: this.#makeSink(client, course) } };
    if (plan.skips) return CERTAIN;
    return plan.bodyBytesMax === 0 ? ADMITTED : { ...ADMITTED, content: { collectMax: plan.bodyBytesMax } };
  }

  respond(request: Request): Response | Promise<Response> {
    const { referee, pending } = this.#house;
    const client = this.#clientOf(request);
    const course = client?.current;
    if (client === null || !course) throw new Error("somebody else's request");
    this.#isOf(client, course, request);
    const { plan } = course;
    if (course.isResponding) client.fail("a request is answered twice");
    if (!course.isAdmitted || plan.answer.way === "admit") client.fail("a request is answered that was not admitted");
    if (client.slot === 0) client.fail("a request is answered without a slot");
    if (course.sink === null) this.#judgeContent(client, course, request.content);
    course.isResponding = true;
    referee.coverage.count(`handler: ${plan.answer.way}`);
    if (plan.answer.way === "throw") throw this.#failure(course);
    if (plan.answer.way === "now") return this.#answer(client, course, plan.answer);
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    // Registered before the connection's own, so it runs right before it.
    const speak = () => {
      this.#house.speaking = client;
      course.isRunning = false;
    };
    promise.then(speak, speak);
    course.isRunning = true;
    course.runningMs = referee.nowMs;
    if (plan.answer.way === "settled") {
      this.#house.settling();
      resolve(this.#answer(client, course, plan.answer));
      return promise;
    }
    if (course.sink !== null) {
      course.sink.isInUse = true;
      this.#whenOver.set(course.sink, () => resolve(this.#streamedAnswer(client, course)));
      if (plan.answer.way === "early") this.#settleSink(client, course.sink);
      return promise;
    }
    pending.push(() => {
      this.#house.settling();
      this.#note(client, `request ${plan.index} has its answer`);
      if (!client.isOpen) referee.coverage.count("handler: too late");
      if (plan.answer.way === "reject") reject(this.#failure(course));
      else resolve(this.#answer(client, course, plan.answer));
    });
    return promise;
  }

  /** By sink, how the handler that works with it settles; none once that is ordered. */
  readonly #whenOver = new Map<WatchedSink, () => void>();

  #makeSink(client: Client, course: Course): WatchedSink {
    const { random, referee, pending } = this.#house;
    const sink: WatchedSink = new WatchedSink({
      client: client.id,
      content: course.plan.content,
      random,
      referee,
      later: (call) => pending.push(() => this.#house.during(client, call)),
      whenOver: () => this.#settleSink(client, sink),
    });
    course.sink = sink;
    return sink;
  }

  /** Lets the handler that works with the sink settle, once, at a time of the simulator's choice. */
  #settleSink(client: Client, sink: WatchedSink): void {
    const settle = this.#whenOver.get(sink);
    if (settle === undefined) return;
    this.#whenOver.delete(sink);
    this.#house.pending.push(() => {
      this.#house.settling();
      if (!client.isOpen) this.#house.referee.coverage.count("handler: too late");
      settle();
    });
  }

  /** An answer behind the end of its content, or before that; one to content that failed is thrown away. */
  #streamedAnswer(client: Client, course: Course): Response {
    this.#note(client, `request ${course.plan.index} has its answer, its content ${course.sink?.end || "under way"}`);
    if (course.promised !== null) {
      // The refusal that takes its place is sent from here on.
      course.promised = {
        ...course.promised,
        atMs: this.#house.referee.nowMs,
        behindBytes: client.acceptedBytes,
      };
      return this.#make(client, course, course.plan.answer).made;
    }
    if (course.sink?.end === "") course.stopsEarly = true;
    return this.#answer(client, course, course.plan.answer);
  }

  #failure(course: Course): PlannedFailure {
    course.hasFailed = true;
    return new PlannedFailure("a planned failure");
  }

  #judgeContent(client: Client, course: Course, body: Uint8Array): void {
    const { plan } = course;
    if (plan.skips) this.#house.referee.coverage.count("content: skipped behind a slot");
    if (!course.stopsEarly && client.delivered < course.dueAt)
      client.fail("a request is answered before it is complete");
    if (!course.stopsEarly && !plan.skips && plan.fault !== null) client.fail("broken content is taken");
    if (!course.isWanted) {
      if (body.length > 0) client.fail("content is handed out that nobody wanted");
      return;
    }
    if (plan.content.length > plan.bodyBytesMax) client.fail("content is taken that is too large");
    if (Buffer.compare(body, plan.content) !== 0) client.fail("content differs from what was sent");
    this.#house.referee.coverage.count(`content: taken by ${plan.framing}`);
  }

  failure(status: number, _sentence: string, request: Request | null, fields: FieldLines = []): Response {
    const client = request === null ? this.#house.speaking : this.#clientOf(request);
    const course = client === null ? null : this.#courseOfFailure(client, status, request);
    if (client === null || course === null) return answer(status, fields, contentAt(0, 10), false);
    const { plan } = course;
    this.#note(client, `request ${plan.index} fails with ${status}`);
    this.#judgeFailure(client, course, status, request !== null);
    const id = request === null ? "" : `${client.id}.${plan.index}`;
    const place = placeOf(client.id, plan.index + status);
    const content = contentAt(place, 5 + (status % 50));
    const made = answer(status, id === "" ? fields : [["X-Request", id], ...fields], content, false);
    this.#promise(client, course, made, id, place, made.content as Uint8Array, content.length);
    return made;
  }

  /** Whose failure it is: of the head that is being read, or of the request whose head was read last. */
  #courseOfFailure(client: Client, status: number, request: Request | null): Course | null {
    if (request === null) return client.headTaken();
    const id = idOf(request);
    const { current } = client;
    if (current !== null && id === `${client.id}.${current.plan.index}`) return current;
    const course = client.headTaken();
    if (id !== `${client.id}.${course.plan.index}`) client.fail(`${status} for request ${id}, which is not the next`);
    if (course.plan.fault?.place === "request") client.decideReading(course);
    return course;
  }

  #judgeFailure(client: Client, course: Course, status: number, isHeadRead: boolean): void {
    const { referee, memory } = this.#house;
    const { limits } = referee.settings;
    const { plan } = course;
    const { fault } = plan;
    const isUnfinished = client.delivered < plan.end;
    const isPlanned = fault !== null && fault.status === status && isHeadRead === (fault.place !== "line");
    referee.coverage.count(`failure: ${isPlanned ? fault.name : status}`);
    course.mustClose = !(isPlanned && fault.place === "request") && status !== 500;
    if (plan.skips && isHeadRead && (status === 400 || status === 408))
      client.fail(`${status} for content that is skipped`);
    if (isPlanned) return;
    switch (status) {
      case 400:
        if (!client.hasFinished || !isUnfinished) client.fail("400 for a request with nothing wrong");
        return;
      case 408:
        if (!isUnfinished) client.fail("408 for a complete request");
        if (isHeadRead && !client.isSlow(course)) client.fail("408 for content that came fast enough");
        if (!isHeadRead && !(referee.nowMs - course.firstByteMs >= limits.headerTimeoutMs))
          client.fail("408 too early");
        if (plan.expects && course.wasBare && isHeadRead && course.continues === 0)
          client.fail("408 for a client that waits for 100");
        return;
      case 413:
        if (!course.isWanted || plan.content.length <= plan.bodyBytesMax) client.fail("413 for content that fits");
        return;
      case 500:
        if (!course.hasFailed) client.fail("500 without a failure");
        course.hasFailed = false;
        return;
      case 503:
        if (course.isTurnedAway) return;
        referee.coverage.count("failure: body memory");
        if (!course.isWanted || memory.used + 2 * plan.content.length <= memory.max) client.fail("503 without a need");
        return;
      default:
        client.fail(`status ${status} for a request with nothing wrong`);
    }
  }

  #answer(client: Client, course: Course, planned: PlannedAnswer): Response {
    const { made, id, place, body } = this.#make(client, course, planned);
    this.#promise(client, course, made, id, place, body, planned.available);
    return made;
  }

  #make(client: Client, course: Course, planned: PlannedAnswer) {
    const { random, referee } = this.#house;
    const { index } = course.plan;
    const id = `${client.id}.${index}`;
    const place = placeOf(client.id, index);
    let body: Response["content"] = null;
    if (planned.form === "source") {
      course.source = new WatchedSource(client.id, place, planned.length, planned.available, random, referee);
      body = course.source;
    } else if (planned.form !== "none") body = contentAt(place, planned.length);
    const made = answer(planned.status, [["X-Request", id]], body, planned.close, planned.form === "held");
    referee.coverage.count(`handler: ${planned.form}`);
    return { made, id, place, body };
  }

  #promise(
    client: Client,
    course: Course,
    made: Response,
    id: string,
    place: number,
    body: Response["content"],
    available: number,
  ): void {
    const { isDraining, nowMs } = this.#house.referee;
    // A slow answer may be replaced by what is found wrong with the content; an answer that is on its way may not.
    if (course.promised !== null && (course.isResponding || course.plan.skips || client.answered > course.plan.index))
      client.fail("two answers");
    if (client.answered === course.plan.index && client.reader.isInContent)
      client.fail("a second answer inside the first");
    const isHead = course.plan.method === "HEAD";
    const length = isHead && id !== "" ? 0 : lengthOf(made);
    course.promised = {
      response: made,
      id,
      content: { place, length, available: body === null ? 0 : Math.min(available, length) },
      mayLackContent: isHead && id === "",
      wasDraining: isDraining,
      atMs: nowMs,
      behindBytes: client.acceptedBytes,
    };
  }

  #clientOf(request: Request): Client | null {
    const id = idOf(request);
    const client = this.#house.clientNumber(Number(id.split(".")[0]));
    if (client === undefined || request.address !== addressOf(client.id)) {
      this.#house.referee.fail(0, `${request.address} is said to have asked for ${request.head.targetText}`);
      return null;
    }
    return client;
  }

  #isOf(client: Client, course: Course, request: Request): void {
    const id = `${client.id}.${course.plan.index}`;
    if (idOf(request) !== id || request.target.path !== `/${id}`)
      client.fail(`request ${request.target.path} instead of /${id}`);
  }

  #note(client: Client, what: string): void {
    this.#house.referee.note(client.id, what);
  }
}

/** As a handler is told of the content. */
function announcedBy({ framing, content }: Plan): Request["announced"] {
  if (framing === "length") return content.length;
  return framing === "none" ? "none" : "unknown";
}

export function addressOf(id: number): string {
  return `192.0.2.${id}`;
}

/** `<client>.<index>` from a target, or "". */
function idOf(request: Request): string {
  return /^(?:http:\/\/localhost)?\/(\d+\.\d+)/.exec(request.head.targetText)?.[1] ?? "";
}

function answer(
  status: number,
  lines: FieldLines,
  content: FramedResponse["content"],
  isLast: boolean,
  isHeld = false,
): Response {
  if (content === null) return response(status, Fields.of(lines), content, "simulated", isLast);
  const length = "size" in content ? content.size : content.length;
  const fields = Fields.of([...lines, ["Content-Length", String(length)]]);
  const sent = isHeld && !("size" in content) ? fields.hold(content) : content;
  return response(status, fields, sent, "simulated", isLast);
}
