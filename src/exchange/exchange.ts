/**
 * The life of one request, whatever carries it:
 *
 *   RECEIVING ──admitted, content complete──▶ WAITING ──slot──▶ RUNNING ──response──▶ SENDING ──accepted, or cut off──▶ DONE
 *   RECEIVING ──a slot at once, or none needed──▶ RUNNING       RECEIVING, WAITING ──refusal──▶ SENDING
 *   RUNNING ──the admission that took time──▶ RECEIVING
 *
 * A request whose content is for a sink takes its slot before its content, which comes while it is RUNNING. So does one whose
 * admission takes time; it is RECEIVING again afterwards.
 *
 * The carrier reads the head (`arrive` or `refuseMalformed`), hands the content over (`take`) and asks for the response with
 * `proceed`: it is there at once, or `Carrier.ready` announces it. The carrier sends it between `begin` and `finish`. An exchange is used
 * again: `renew` makes it ready for the next request of the same carrier.
 *
 * The rule it guards: there is one response. A refusal, the handler's answer and our own failure stand in the same field, and the
 * carrier sends the one that stands there. `finish` reports it and closes its content, once for each `begin`.
 */
import { type FieldLines, RETRY_SOON } from "../http/fields.ts";
import {
  type Admission,
  type ContentFailure,
  type ContentSink,
  type HostVerdict,
  type Request,
  type Response,
  refused,
  UNDECIDED,
} from "../http/message.ts";
import { describeParseError, ParseError } from "../http/parse-error.ts";
import type { Carrier, Work } from "./carrier.ts";
import type { ContentBuffer } from "./content-buffer.ts";
import type { Context } from "./context.ts";
import { Wait } from "./deadline.ts";
import type { RelayedRequest } from "./forwarding.ts";
import { type CloseReason, Outcome, type StepRecord } from "./observer.ts";
import { QUEUED, REFUSED } from "./pool.ts";
import { type LeaseHolder, SlotLease } from "./slot-lease.ts";

export enum Phase {
  /** Head and content come, or nothing has come yet. */
  Receiving = 0,
  /** The request waits for a slot. */
  Waiting,
  /** The handler works. */
  Running,
  /** The response is on its way. */
  Sending,
  Done,
}

/** NEXT[from] has bit `to` set where the move is allowed. Each phase leads to Done, because a connection may end at any time. */
const NEXT: readonly number[] = [
  (1 << Phase.Waiting) | (1 << Phase.Running) | (1 << Phase.Sending) | (1 << Phase.Done),
  (1 << Phase.Running) | (1 << Phase.Sending) | (1 << Phase.Done),
  (1 << Phase.Receiving) | (1 << Phase.Sending) | (1 << Phase.Done),
  1 << Phase.Done,
  1 << Phase.Receiving,
];

const ACTIVITIES: readonly (Work["phase"] | null)[] = [null, "waiting", "working", "sending", null];

/** Stands for a slot that need not be taken. */
const NOT_NEEDED = -2;

const HEAD_TOO_SLOW = "The request was not complete in time.";

const CONTENT_TOO_SLOW = "The request's content came too slowly.";

export const OWN_FAILURE = "The server failed to answer this request.";

/** A request whose content can be collected. */
export interface CollectingRequest extends Request {
  readonly buffer: ContentBuffer;
  /** Makes the call of `whenLeft`, now or when it is set. */
  tellLeft(): void;
}

export class Exchange<R extends CollectingRequest = CollectingRequest> implements LeaseHolder {
  readonly lease: SlotLease;
  phase = Phase.Receiving;
  /** Null while nothing of a head has come. The carrier lends it, and takes it back when the exchange is done. */
  request: R | null = null;
  /** The request as its client has sent it, if it came through a proxy that the operator trusts; else null. */
  #relayed: RelayedRequest | null = null;
  /** False: the head is incomplete, and only `request.head` has a meaning. */
  isHeadComplete = false;
  /** Place of the request on its connection, from 1; of one that was not read, the place of the last that was. */
  position = 0;
  admission: Admission = UNDECIDED;
  /** Rule of the wire that the request breaks, a ParseError, or 0. */
  violation = 0;
  /** The one response; null until there is one, and after it is out. */
  response: Response | null = null;
  /** Content bytes of the response, 0 for HEAD. */
  responseBytes = 0;
  /** The sink of the content takes nothing until it is ready again. */
  isStalled = false;
  readonly carrier: Carrier;
  readonly #context: Context;
  /** Monotonic milliseconds when the head was complete. */
  #startedMs = 0;
  /** Size of the content that follows in bytes if known, else 0; -1 if none follows. */
  #expectedLength = -1;
  /** The client sends its content once it is told to go on. */
  #waitsForContinue = false;
  /** Takes the content while the handler works; null before that, and once it was told of the end. */
  #sink: ContentSink | null = null;
  /** Notes the times of the steps, if a person watches this request; else null. */
  #steps: StepRecord | null = null;
  /** Refusal in place of the handler's response, because the content has failed while the handler worked. */
  #instead: Response | null = null;

  constructor(context: Context, carrier: Carrier) {
    this.#context = context;
    this.carrier = carrier;
    this.lease = new SlotLease(context.pool, context.clock, this);
  }

  // Receiving.

  /**
   * Takes a request whose head is complete. If `error`, a ParseError, is not 0, the head breaks that rule and the request is refused;
   * else the handler decides.
   */
  arrive(position: number, error: number): void {
    this.isHeadComplete = true;
    this.position = position;
    this.#startedMs = this.#context.clock.nowMs;
    const { relays, handler, observer } = this.#context;
    this.#steps = observer.steps?.arrived(this.carrier.id, position, this.#startedMs) ?? null;
    // The client of a malformed request is noted too: it is the one to look for in the log.
    const unclear = relays === null ? 0 : this.#findClient(relays);
    const violation = error || unclear;
    if (violation < 0) {
      this.refuseMalformed(violation);
      return;
    }
    this.admission = handler.admit(this.#asSent as Request);
    this.response = this.admission.refusal;
    if (this.#steps === null) return;
    // A page that shows the steps does not show its own requests.
    if (this.admission.isControl) this.#forgetSteps();
    else this.#steps.ended("admit");
  }

  #forgetSteps(): void {
    this.#steps?.dropped();
    this.#steps = null;
  }

  /** Notes the client of a request from a proxy. Returns 0 or a ParseError. */
  #findClient(relays: NonNullable<Context["relays"]>): number {
    const found = relays.see(this.request as R);
    if (typeof found === "number") return found;
    this.#relayed = found;
    return 0;
  }

  /** The request as its client has sent it: handlers and observers see no other. */
  get #asSent(): Request | null {
    return this.#relayed ?? this.request;
  }

  /** Address of the client for logs, with its port if that is known. */
  get #client(): string {
    return this.#relayed?.peer ?? this.carrier.peer;
  }

  /** Refuses a request that breaks a rule of its wire, a ParseError. Ends reading where the end of the message is in doubt. */
  refuseMalformed(error: number): void {
    const rule = describeParseError(error);
    this.failContent(error === ParseError.IncompleteMessage ? "client" : "malformed");
    this.violation = error;
    this.refuse(rule.status, rule.sentence);
    if (this.isHeadComplete && this.admission === UNDECIDED) {
      this.admission = refused(this.response as Response, hostVerdictOf(error));
    }
    if (rule.closes || !this.isHeadComplete) this.carrier.stopReading();
  }

  /** Answers instead of the handler. If the handler is at work, it settles first. */
  refuse(status: number, sentence: string, fields?: FieldLines): void {
    const refusal = this.#context.handler.failure(status, sentence, this.#complete(), fields);
    if (this.phase === Phase.Running) this.#instead ??= refusal;
    else this.response = refusal;
  }

  // Content.

  /** True if the request is answered without its content, which is read past afterwards. */
  get skipsContent(): boolean {
    const { content, fault, later } = this.admission;
    // A fault that resets a request counts the bytes of its content.
    return content === "skip" && fault?.kind !== "reset-request" && later === null;
  }

  /**
   * True if the request continues before its content: its admission takes time, it skips it, or its sink takes it while the handler
   * works.
   */
  get isAhead(): boolean {
    return this.admission.later !== null || this.skipsContent || sinkOf(this.admission) !== null;
  }

  /** True while the handler works, and its sink takes content. */
  get takesContent(): boolean {
    return this.#sink !== null && !this.isStalled;
  }

  /**
   * Decides how the content that follows is used; `length` is its size in bytes if known, else 0. `waits`: the client
   * sends it only after a 100.
   */
  expect(length: number, waits: boolean): void {
    this.#waitsForContinue = waits;
    this.#expectedLength = length;
    if (this.admission.later === null) this.#decideContent(length, waits);
  }

  #decideContent(length: number, waits: boolean): void {
    const use = this.admission.content;
    if (typeof use === "object") {
      if ("collectMax" in use && length > use.collectMax) this.#refuseTooLarge(use.collectMax);
      return;
    }
    // RFC 9110 §10.1.1: the final status instead of 100. After it the client may send the content or leave it out.
    if (waits || length > this.#context.limits.unwantedBodyBytesMax) this.carrier.stopReading();
  }

  /** Begins to take content. Returns true, once, if the client is to be told to go on. */
  invite(): boolean {
    const waits = this.#waitsForContinue;
    this.#waitsForContinue = false;
    return waits;
  }

  /**
   * Takes bytes[start, end) of the content if the handler wants it. `announced` bytes have come or are known to come, these included.
   * `length` is the size of the whole content, or null. Returns false if that is too much: then reading has ended, and the request
   * may be refused.
   */
  take(bytes: Uint8Array, start: number, end: number, announced: number, length: number | null): boolean {
    const use = this.admission.content;
    if (typeof use === "string") {
      if (announced <= this.#context.limits.unwantedBodyBytesMax) return true;
    } else if ("sink" in use) {
      if (start < end && !use.sink.write(bytes.subarray(start, end))) this.#stall(use.sink);
      return true;
    } else if (announced > use.collectMax) {
      this.#refuseTooLarge(use.collectMax);
      return false;
    } else {
      const { buffer } = this.request as R;
      if (start === end || buffer.append(bytes, start, end, length ?? use.collectMax)) return true;
      this.refuse(503, "The server is receiving too much at once.", RETRY_SOON);
    }
    this.carrier.stopReading();
    return false;
  }

  #refuseTooLarge(collectMax: number): void {
    this.refuse(413, `The content is larger than ${collectMax} bytes.`);
    this.carrier.stopReading();
  }

  /** Refuses the request if a fault resets it after `received` bytes of its content. Returns true if so. */
  resetIfDue(received: number): boolean {
    const { fault } = this.admission;
    if (fault?.kind !== "reset-request" || received < (fault.afterBytes ?? 0)) return false;
    // Whatever is answered: the gate resets it before its first byte.
    this.failContent("cut");
    this.carrier.stopReading();
    this.refuse(400, "The server has not read the content to its end.");
    return true;
  }

  #stall(sink: ContentSink): void {
    this.isStalled = true;
    // The sink may be ready within a turn of another connection, and two turns may not be within each other.
    sink.whenReady(() => this.#context.defer({ resumed: () => this.#resume(sink) }));
  }

  #resume(sink: ContentSink): void {
    if (this.#sink !== sink) return;
    this.isStalled = false;
    this.carrier.ready();
  }

  /** Tells the sink, if there is one, that the content is complete. */
  endContent(): void {
    this.#takeSink()?.ended();
  }

  /** Tells the sink, if there is one that waits for content, that it will never be complete. */
  failContent(reason: ContentFailure): void {
    this.#takeSink()?.failed(reason);
  }

  #takeSink(): ContentSink | null {
    const sink = this.#sink;
    this.#sink = null;
    this.isStalled = false;
    return sink;
  }

  // Waiting and running.

  /**
   * Continues with a request that is complete, or refused: takes a slot and calls the handler. Returns the response,
   * or null if `Carrier.ready` follows.
   */
  proceed(): Response | null {
    if (this.response !== null) return this.response;
    const { lease, phase } = this;
    if (phase === Phase.Receiving) {
      if (this.#expectedLength >= 0 && !this.isAhead) this.#steps?.ended("content");
      // Requests of a pipeline share a slot, and those for the server's own endpoints need none.
      const slot = lease.slot > 0 || this.admission.isControl ? NOT_NEEDED : lease.take();
      if (slot === REFUSED) this.#turnAway("queue full");
      else if (slot === QUEUED) this.#wait();
      else this.#run();
    } else if (phase === Phase.Waiting && lease.slot > 0) this.#run();
    return this.response;
  }

  granted(): void {
    const { slot, queuedMs } = this.lease;
    this.#context.observer.dequeued(this.carrier.id, slot, queuedMs);
    this.carrier.ready();
  }

  evicted(): void {
    this.carrier.abort("no slot to go on");
  }

  /** Refuses a request that has been waited for too long, or has waited too long itself. Ends reading. */
  giveUp(wait: Wait.Head | Wait.Body | Wait.Queue): void {
    if (wait === Wait.Queue) {
      this.lease.cancel();
      this.#turnAway("queue timeout");
      return;
    }
    this.failContent("timeout");
    this.carrier.stopReading();
    this.refuse(408, wait === Wait.Head ? HEAD_TOO_SLOW : CONTENT_TOO_SLOW);
  }

  #wait(): void {
    this.#move(Phase.Waiting);
    this.#context.observer.queued(this.carrier.id);
    this.#context.waiting();
  }

  #turnAway(reason: "queue full" | "queue timeout"): void {
    this.#context.observer.turnedAway(this.carrier.id, reason);
    this.carrier.stopReading();
    this.refuse(503, "All threads are busy; try again in a moment.", RETRY_SOON);
  }

  #run(): void {
    this.lease.settle();
    this.#move(Phase.Running);
    this.#steps?.ended("slot");
    const { later } = this.admission;
    if (later !== null) {
      later().then(
        (admission) => this.#admitLate(admission),
        (error) => this.#admitLate(refused(this.#ownFailure(error))),
      );
      return;
    }
    this.#sink = sinkOf(this.admission);
    let response: Response | Promise<Response>;
    try {
      response = this.#context.handler.respond(this.#asSent as Request, this.admission);
    } catch (error) {
      response = this.#ownFailure(error);
    }
    if (response instanceof Promise) this.#await(response);
    else this.#made(response);
    if (this.#sink !== null && this.request?.announced === "none") this.endContent();
  }

  #await(response: Promise<Response>): void {
    response.then(
      (settled) => this.#settle(settled),
      (error) => this.#settle(this.#ownFailure(error)),
    );
  }

  /** Tells the handler that the client has left, or sends nothing more, if it waits for the response. */
  tellLeft(): void {
    if (this.phase === Phase.Waiting || this.phase === Phase.Running) this.request?.tellLeft();
  }

  /** Tells a handler at work, and the sink of its content, that the connection ends for `reason`. */
  tellGone(reason: CloseReason): void {
    this.failContent(reason === "client" ? "client" : "cut");
    this.tellLeft();
  }

  #settle(response: Response): void {
    if (this.#instead !== null) closeContent(response);
    this.#made(this.#instead ?? response);
    this.#instead = null;
    this.carrier.ready();
  }

  #made(response: Response): void {
    this.response = response;
    this.#steps?.ended("handler");
  }

  /** Continues as if the head had come now: the request is refused, or its content is taken. */
  #admitLate(admission: Admission): void {
    this.#move(Phase.Receiving);
    this.admission = { ...admission, fault: this.admission.fault };
    this.response = this.#instead ?? admission.refusal;
    this.#instead = null;
    if (this.#expectedLength >= 0) this.#decideContent(this.#expectedLength, this.#waitsForContinue);
    this.carrier.ready();
  }

  #ownFailure(error: unknown): Response {
    this.#context.observer.failed(this.carrier.id, error);
    return this.#context.handler.failure(500, OWN_FAILURE, this.#complete());
  }

  // Sending.

  /** Notes that the carrier begins to send `response`: the one of `proceed`, or as a fault has changed it. */
  begin(response: Response): void {
    if (this.#sink !== null) {
      // The rest of the content is no longer needed.
      this.failContent("answered");
      this.carrier.stopReading();
    }
    this.#move(Phase.Sending);
    this.response = response;
    this.responseBytes = 0;
  }

  /** Ends the response: reports it and closes its content. `closing` is the reason why the connection ends with it, or null. */
  finish(outcome: Outcome, closing: CloseReason | null): void {
    const response = this.response as Response;
    const { observer } = this.#context;
    if (response.incident !== null) observer.incident(this.carrier.id, this.#client, response.incident);
    if (observer.wantsAnswers && !this.admission.isControl) this.#report(response, outcome, closing);
    closeContent(response);
    this.response = null;
    this.lease.settle();
    this.#move(Phase.Done);
  }

  #report(response: Response, outcome: Outcome, closing: CloseReason | null): void {
    const { observer, clock, answered } = this.#context;
    const { carrier, lease, admission } = this;
    answered.connection = carrier.id;
    answered.stream = carrier.stream;
    answered.peer = this.#client;
    answered.position = this.position;
    answered.request = this.#asSent;
    answered.isHeadComplete = this.isHeadComplete;
    answered.response = response;
    answered.host = admission.host;
    answered.violation = this.violation;
    answered.slot = lease.slot || lease.lent;
    answered.queuedMs = lease.queuedMs;
    answered.bytes = carrier.sentBytes(outcome === Outcome.Aborted);
    answered.durationMs = this.isHeadComplete ? clock.elapsedMs(this.#startedMs) : 0;
    answered.outcome = outcome;
    answered.closing = closing;
    answered.fault = admission.fault?.kind ?? null;
    observer.answered(answered);
    this.#steps?.finished(answered);
    this.#steps = null;
  }

  // The end.

  /** Makes the exchange ready for the next request of its carrier. The lease stays. */
  renew(): void {
    this.#move(Phase.Receiving);
    this.isHeadComplete = false;
    this.#relayed = null;
    this.admission = UNDECIDED;
    this.#expectedLength = -1;
    this.#waitsForContinue = false;
    this.violation = 0;
    this.#forgetSteps();
    this.lease.queuedMs = 0;
    this.request?.buffer.release();
  }

  /** Ends an exchange whose connection ends: a response on its way is reported as cut, and its content is closed. */
  abandon(closing: CloseReason | null): void {
    if (this.phase === Phase.Sending) this.finish(Outcome.Aborted, closing);
    if (this.phase === Phase.Waiting) this.lease.cancel();
    if (this.response !== null) closeContent(this.response);
    this.response = null;
    if (this.phase !== Phase.Done) this.#move(Phase.Done);
    this.renew();
  }

  /** Drops a fault that has not begun. */
  pardon(): void {
    if (this.phase !== Phase.Sending && this.admission.fault !== null) {
      this.admission = { ...this.admission, fault: null };
    }
  }

  /** The phase in the words of observers; null for a request that is not complete. */
  get activity(): Work["phase"] | null {
    return ACTIVITIES[this.phase] ?? null;
  }

  /** Describes a request that has a slot, lent one, or waits for one; null for others. */
  work(): Work | null {
    const phase = this.activity;
    const { lease, request, carrier, responseBytes } = this;
    if (phase === null || request === null || !this.isHeadComplete || this.admission.isControl) return null;
    const isSending = phase === "sending";
    if (isSending && lease.slot === 0 && lease.lent === 0) return null;
    return {
      connection: carrier.id,
      stream: carrier.stream,
      peer: this.#client,
      head: request.head,
      phase,
      slot: lease.slot,
      forMs: this.#context.clock.nowMs - this.#startedMs,
      sentBytes: isSending ? carrier.sentBytes(false) : 0,
      totalBytes: isSending ? responseBytes : 0,
    };
  }

  /** Returns the request, or null while its head is incomplete. */
  #complete(): Request | null {
    return this.isHeadComplete ? this.#asSent : null;
  }

  #move(to: Phase): void {
    if (((NEXT[this.phase] as number) >> to) & 1) this.phase = to;
    else throw new Error(`no way from phase ${Phase[this.phase]} to ${Phase[to]}`);
  }
}

function hostVerdictOf(error: number): HostVerdict {
  if (error === ParseError.HostMissing) return "missing";
  return error === ParseError.HostInvalid || error === ParseError.HostRepeated ? "invalid" : "-";
}

function closeContent({ content }: Response): void {
  if (content !== null && "size" in content) content.close();
}

/** Returns the sink that takes the content, or null. */
function sinkOf({ content }: Admission): ContentSink | null {
  return typeof content === "object" && "sink" in content ? content.sink : null;
}
