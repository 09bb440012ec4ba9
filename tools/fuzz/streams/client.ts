/**
 * One client of HTTP/2: what it has sent, what it receives, and the rules that each of these keeps. It knows nothing of the server's
 * states; it judges by its own plan, by the frames that reached either side, and by the time.
 */
import type { Http2Connection } from "../../../src/http2/connection.ts";
import { Random } from "../random.ts";
import { isContentAt } from "../simulation/content.ts";
import type { Referee } from "../simulation/referee.ts";
import { type Peer, SimulatedTransport } from "../simulation/transport.ts";
import { type FrameEvents, FrameStream } from "../wire/frame-reader.ts";
import type { Line } from "../wire/hpack-reader.ts";
import type { StreamCourse } from "./course.ts";
import type { StreamSettings } from "./settings.ts";

/** Frames on their way to the server. */
interface Queued {
  readonly bytes: Uint8Array;
  /** Called when the last byte reaches the server, before the server sees it. */
  readonly delivered: () => void;
  /** Breaks a rule, which its first bytes may do. */
  readonly isMistake: boolean;
}

/** Settings that the server has read, and has not acknowledged yet. */
interface SettingsChange {
  readonly windowChange: number;
  /** Streams that were open then; others begin with the new window. */
  readonly courses: readonly StreamCourse[];
  readonly frameSizeMax: number | null;
  /** In their order; null for none. */
  readonly tableBytes: readonly (number | null)[];
}

const WINDOW_MAX = 2 ** 31 - 1;

/** Codes of RST_STREAM and GOAWAY. */
const NO_ERROR = 0;
const PROTOCOL_ERROR = 1;
const INTERNAL_ERROR = 2;
const SETTINGS_TIMEOUT = 4;
const REFUSED_STREAM = 7;
const ENHANCE_YOUR_CALM = 11;

export class StreamClient implements Peer, FrameEvents {
  readonly id: number;
  readonly transport: SimulatedTransport;
  readonly reader: FrameStream;
  readonly referee: Referee<StreamSettings>;
  /** Breaks rules, so that nothing is owed to it. */
  readonly isHostile: boolean;
  readonly courses: StreamCourse[] = [];
  readonly byStream = new Map<number, StreamCourse>();
  connection: Http2Connection | null = null;
  // What it sends.
  #queue: Queued[] = [];
  #queuedBytes = 0;
  /** Bytes of the first queued frames that the server has. */
  #partBytes = 0;
  hasFinished = false;
  /** Somebody other than the conversation ended it. */
  isCut = false;
  /** GOAWAY was delivered. */
  isLeaving = false;
  /** A mistake was delivered, or a flood. */
  isBroken = false;
  /** Milliseconds at which the acknowledgement of the server's settings was delivered. */
  ackMs = Number.POSITIVE_INFINITY;
  deliveredMs: number;
  /** Milliseconds at which a stream was open last. */
  busyMs: number;
  /** It was idle for long enough to be closed, at a tick. */
  wasIdle = false;
  // What it knows of the server.
  hasSettings = false;
  streamWindowBytes = 65_535;
  streamsMax = 1;
  /** Bytes that the client may send on all streams together, and that the server may. */
  sendWindow = 65_535;
  window = 65_535;
  /** As the server knows it once all that was delivered is read. */
  initialWindow = 65_535;
  readonly #changes: SettingsChange[] = [];
  readonly #pings: string[] = [];
  goAways: { readonly last: number; readonly code: number }[] = [];
  pingsDue: string[] = [];
  acceptedBytes = 0;
  acceptedMs: number;
  readonly #openedMs: number;
  /** A rule that is broken, unless the server has ended the connection in that turn. */
  #suspicion = "";

  constructor(id: number, room: number, isHostile: boolean, referee: Referee<StreamSettings>) {
    this.id = id;
    this.referee = referee;
    this.isHostile = isHostile;
    this.reader = new FrameStream(this);
    this.transport = new SimulatedTransport(this, room, new Random(id));
    this.#openedMs = referee.nowMs;
    this.acceptedMs = referee.nowMs;
    this.deliveredMs = referee.nowMs;
    this.busyMs = referee.nowMs;
  }

  get isOpen(): boolean {
    return !this.transport.isClosed;
  }

  /** The server owes nothing more: it was told of a mistake, or the connection was cut. */
  get isExcused(): boolean {
    return this.isBroken || this.isCut || this.transport.isDead || this.goAways.some(({ code }) => code !== NO_ERROR);
  }

  /** Last stream of the last GOAWAY. */
  get lastStream(): number {
    return this.goAways.at(-1)?.last ?? WINDOW_MAX;
  }

  fail(sentence: string): void {
    this.referee.fail(this.id, sentence);
  }

  note(what: string): void {
    this.referee.note(this.id, what);
  }

  // What it sends.

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Bytes until the end of the frames that are queued first. */
  get untilFrame(): number {
    return (this.#queue[0]?.bytes.length ?? 0) - this.#partBytes;
  }

  /** The server has a part of a frame. */
  get isWithinFrame(): boolean {
    return this.#partBytes > 0;
  }

  queue(bytes: Uint8Array, delivered: () => void = () => {}, isMistake = false): void {
    this.#queue.push({ bytes, delivered, isMistake });
    this.#queuedBytes += bytes.length;
  }

  /** Takes the next `count` <= queuedBytes bytes, which count as delivered from now on. */
  take(count: number): Uint8Array {
    const taken = new Uint8Array(count);
    this.deliveredMs = this.referee.nowMs;
    this.#queuedBytes -= count;
    for (let at = 0; at < count; ) {
      const { bytes, delivered, isMistake } = this.#queue[0] as Queued;
      this.isBroken ||= isMistake;
      const part = bytes.subarray(this.#partBytes, this.#partBytes + count - at);
      taken.set(part, at);
      at += part.length;
      this.#partBytes += part.length;
      if (this.#partBytes < bytes.length) break;
      this.#partBytes = 0;
      this.#queue.shift();
      delivered();
    }
    return taken;
  }

  /** A request's head has reached the server. */
  headDelivered(course: StreamCourse): void {
    course.streamsBefore = this.openStreams;
    course.isHeadDelivered = true;
    course.headMs = this.referee.nowMs;
    course.window = this.initialWindow;
  }

  resetDelivered(course: StreamCourse): void {
    course.isResetDelivered = true;
    course.mutedFrom = this.acceptedBytes + (this.transport.isBlocked ? this.transport.leftBytes : 0);
  }

  windowDelivered(course: StreamCourse | null, increment: number): void {
    if (course === null) this.window += increment;
    else course.window += increment;
  }

  settingsDelivered(window: number | null, frameSizeMax: number | null, tableBytes: readonly (number | null)[]): void {
    const windowChange = window === null ? 0 : window - this.initialWindow;
    this.initialWindow += windowChange;
    const courses = this.courses.filter((course) => course.isHeadDelivered);
    this.#changes.push({ windowChange, courses, frameSizeMax, tableBytes });
  }

  pingDelivered(data: string): void {
    this.#pings.push(data);
  }

  // What it receives.

  accepted(bytes: Uint8Array, offset: number, length: number): void {
    if (this.referee.trace) this.note(`is written ${length} bytes${this.transport.isBlocked ? ", blocked" : ""}`);
    if (length === 0) return;
    this.acceptedMs = this.referee.nowMs;
    this.reader.accept(bytes, offset, length);
    this.acceptedBytes += length;
  }

  fileSent(): void {
    this.fail("a file is sent without frames");
  }

  settings(pairs: readonly (readonly [id: number, value: number])[]): void {
    const { http2 } = this.referee.settings;
    this.hasSettings = true;
    for (const [id, value] of pairs) {
      if (id === 3) this.streamsMax = value;
      if (id === 4) this.streamWindowBytes = value;
    }
    if (this.streamsMax !== http2.http2StreamsMax) this.fail(`${this.streamsMax} streams are announced`);
    if (this.streamWindowBytes !== http2.http2StreamWindowBytes) this.fail("another window is announced");
    for (const course of this.courses) course.sendWindow += this.streamWindowBytes - 65_535;
  }

  settingsAcknowledged(): void {
    const change = this.#changes.shift();
    if (change === undefined) {
      if (!this.isBroken) this.fail("settings are acknowledged that were not sent");
      return;
    }
    if (change.frameSizeMax !== null) this.reader.sizeMax = change.frameSizeMax;
    for (const bytes of change.tableBytes) if (bytes !== null) this.reader.hpack.setLimit(Math.min(bytes, 4096));
    for (const course of change.courses) course.window += change.windowChange;
  }

  ping(isAck: boolean, data: string): void {
    if (!isAck) this.pingsDue.push(data);
    else if (this.#pings.shift() !== data && !this.isBroken)
      this.fail("a PING is answered that was not sent, or not in turn");
  }

  windowUpdate(stream: number, increment: number): void {
    const { http2 } = this.referee.settings;
    this.referee.coverage.count(stream === 0 ? "window: connection" : "window: stream");
    if (stream === 0) {
      this.sendWindow += increment;
      if (this.sendWindow > http2.http2WindowBytes) this.fail(`the window of the connection is ${this.sendWindow}`);
      return;
    }
    const course = this.#courseOf(stream, "WINDOW_UPDATE");
    if (course === undefined) return;
    course.sendWindow += increment;
    if (course.resetCode >= 0) this.fail(`the window of stream ${stream} is opened after its reset`);
    if (course.sendWindow > this.streamWindowBytes) this.fail(`the window of stream ${stream} is ${course.sendWindow}`);
  }

  #courseOf(stream: number, what: string): StreamCourse | undefined {
    // After a mistake the server may have taken a stream for another one: its frames are read, and mean nothing.
    if (this.isBroken) return undefined;
    const course = this.byStream.get(stream);
    if (course?.isHeadDelivered) return course;
    this.fail(`${what} on stream ${stream}, which is idle`);
    return undefined;
  }

  headers(stream: number, lines: readonly Line[], isLast: boolean, at: number): void {
    const course = this.#courseOf(stream, "HEADERS");
    if (course === undefined) return;
    const status = Number(lines[0]?.[1]);
    if (lines[0]?.[0] !== ":status" || !Number.isInteger(status)) this.fail("a response without :status");
    for (const [name] of lines.slice(1)) {
      if (!/^[a-z0-9-]+$/.test(name) || /^(?:connection|keep-alive|transfer-encoding|upgrade)$/.test(name))
        this.fail(`a response has the field ${JSON.stringify(name)}`);
    }
    if (course.isEnded || course.resetCode >= 0) this.fail(`HEADERS on stream ${stream} after its end`);
    if (status === 100) {
      this.#continued(course, isLast);
      return;
    }
    if (at >= course.mutedFrom) this.#suspicion = `an answer on stream ${stream} after the client has reset it`;
    this.#judgeHead(course, status, new Map(lines), isLast);
  }

  #continued(course: StreamCourse, isLast: boolean): void {
    this.referee.coverage.count("answer: 100");
    course.continues++;
    const isRight = course.plan.expects && course.isWanted && course.continues === 1 && course.status === 0;
    if (!isRight || isLast) this.fail(`100 on stream ${course.stream}, which did not ask for it now`);
  }

  #judgeHead(course: StreamCourse, status: number, fields: ReadonlyMap<string, string>, isLast: boolean): void {
    const { promised, plan, stream } = course;
    this.referee.coverage.count(`answer: ${status}`);
    if (this.referee.trace) this.note(`reads ${status} on stream ${stream}`);
    if (course.status !== 0) this.fail(`two answers on stream ${stream}`);
    course.status = status;
    if (plan.fault === "malformed") this.fail(`an answer to a malformed request: ${status}`);
    if (promised === null) {
      this.fail(`status ${status} that nobody answered`);
      return;
    }
    const { response, length } = promised;
    if (status !== response.status) this.fail(`status ${status} for ${response.status}`);
    const given = fields.get("x-request");
    if (given !== course.id && !(given === undefined && status === 431)) this.fail(`the answer of ${given}`);
    if (!/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(fields.get("date") ?? ""))
      this.fail("no date");
    const announced = response.content === null || length < 0 ? undefined : String(length);
    if (fields.get("content-length") !== announced) this.fail(`content-length ${fields.get("content-length")}`);
    if (status === 503 && !fields.has("retry-after")) this.fail("503 without retry-after");
    const isEmpty = plan.method === "HEAD" || response.content === null || length === 0;
    if (isLast !== isEmpty)
      this.fail(`END_STREAM is ${isLast} at a head whose content is ${isEmpty ? "" : "not "}empty`);
    course.isEnded = isLast;
  }

  data(stream: number, bytes: Uint8Array, start: number, end: number, isLast: boolean, at: number): void {
    const course = this.#courseOf(stream, "DATA");
    if (course === undefined) return;
    const { promised } = course;
    const length = end - start;
    if (course.status === 0 || promised === null) this.fail(`DATA on stream ${stream} before its head`);
    if (course.isEnded || course.resetCode >= 0) this.fail(`DATA on stream ${stream} after its end`);
    if (at >= course.mutedFrom) this.#suspicion = `DATA on stream ${stream} after the client has reset it`;
    if (length > 0 && length > course.window) this.fail(`${length} bytes on stream ${stream}, window ${course.window}`);
    if (length > 0 && length > this.window) this.fail(`${length} bytes of DATA, window ${this.window}`);
    course.window -= length;
    this.window -= length;
    if (promised === null) return;
    if (!isContentAt(promised.place + course.readBytes, bytes, start, length)) this.fail(`other content on ${stream}`);
    course.readBytes += length;
    if (course.readBytes > promised.available) this.fail(`too much content on stream ${stream}`);
    if (!isLast) return;
    course.isEnded = true;
    this.referee.coverage.count("answer: content ends");
    const whole = promised.length < 0 ? course.plan.answer.length : promised.length;
    if (course.readBytes !== whole) this.fail(`stream ${stream} ends after ${course.readBytes} of ${whole} bytes`);
  }

  reset(stream: number, code: number): void {
    const course = this.#courseOf(stream, "RST_STREAM");
    if (course === undefined) return;
    this.referee.coverage.count(`reset: ${code}`);
    if (this.referee.trace) this.note(`reads a reset of stream ${stream}, code ${code}`);
    if (course.resetCode >= 0) this.fail(`stream ${stream} is reset twice`);
    course.resetCode = code;
    if (!this.isHostile) this.#judgeReset(course, code);
  }

  #judgeReset(course: StreamCourse, code: number): void {
    const { plan, promised, stream } = course;
    const { settings, nowMs } = this.referee;
    switch (code) {
      case NO_ERROR:
        if (!course.isEnded) this.fail(`stream ${stream} is reset by NO_ERROR before its answer has ended`);
        return;
      case PROTOCOL_ERROR:
        if (plan.fault !== "malformed" && plan.fault !== "mismatch") this.fail(`stream ${stream} is called malformed`);
        return;
      case INTERNAL_ERROR:
        if (promised === null || plan.answer.available === plan.answer.length) this.fail(`stream ${stream} is cut`);
        if (course.isEnded) this.fail(`stream ${stream} is cut after its end`);
        return;
      case REFUSED_STREAM:
        if (course.admits > 0) this.fail(`stream ${stream} is refused after its request was taken`);
        if (
          course.streamsBefore < settings.http2.http2StreamsMax &&
          this.goAways.length === 0 &&
          !this.referee.isDraining
        )
          this.fail(`stream ${stream} is refused, and there is room`);
        return;
      case ENHANCE_YOUR_CALM:
        if (nowMs - course.headMs < settings.limits.stallTimeoutMs && settings.lendersMax === 0 && !settings.isShort)
          this.fail(`stream ${stream} is cut for its slowness too early`);
        return;
      default:
        this.fail(`stream ${stream} is reset by ${code}`);
    }
  }

  /** Streams that may be open at the server. */
  get openStreams(): number {
    let open = 0;
    for (const course of this.courses) if (course.isOpenAtServer) open++;
    return open;
  }

  goAway(last: number, code: number, debug: string): void {
    const { coverage, trace } = this.referee;
    coverage.count(`goaway: ${code}`);
    if (trace) this.note(`reads GOAWAY ${last}, code ${code} ${debug}`);
    if (last > this.lastStream) this.fail(`GOAWAY names stream ${last} after ${this.lastStream}`);
    if (this.goAways.some(({ last: before }) => before !== WINDOW_MAX) && code === NO_ERROR)
      this.fail("a third GOAWAY");
    this.goAways.push({ last, code });
    for (const course of this.courses)
      if (course.admits > 0 && course.stream > last)
        this.fail(`stream ${course.stream} was taken, and is after GOAWAY`);
    if (!this.isHostile && !this.isExcusedFor(code)) this.fail(`GOAWAY ${code} without a reason: ${debug}`);
  }

  private isExcusedFor(code: number): boolean {
    const { nowMs, settings, isDraining } = this.referee;
    const { limits, isTight } = settings;
    switch (code) {
      case NO_ERROR: {
        const asked = this.courses.filter(({ isHeadDelivered }) => isHeadDelivered).length;
        const isOut = limits.maxRequests > 0 && asked >= limits.maxRequests;
        // A client that stalls is not waited for once more.
        const hasStalled = this.courses.some(({ status }) => status === 408);
        return isDraining || this.isLeaving || this.hasFinished || isOut || this.wasIdle || hasStalled;
      }
      case SETTINGS_TIMEOUT:
        return Math.min(nowMs, this.ackMs) - this.#openedMs >= limits.headerTimeoutMs;
      case ENHANCE_YOUR_CALM:
        return isTight || nowMs - this.#openedMs >= Math.min(limits.stallTimeoutMs, limits.headerTimeoutMs);
      default:
        return false;
    }
  }

  // How it ends.

  finSent(): void {
    if (this.referee.trace) this.note("receives FIN");
    if (!this.reader.isBetween) this.fail("FIN inside a frame");
    if (this.isExcused) return;
    if (this.goAways.length === 0 && !this.hasFinished) this.fail("FIN without GOAWAY");
    // After its FIN the client opens no window, so what waits for one is dropped.
    if (this.hasFinished) return;
    for (const course of this.courses) {
      if (course.admits > 0 && course.isWhole && !course.isEnded && course.resetCode < 0 && !course.isResetDelivered)
        this.fail(`FIN instead of the answer on stream ${course.stream}`);
    }
  }

  ending(): void {
    this.referee.coverage.count("end: in order");
  }

  resetting(): void {
    const { nowMs, settings, coverage } = this.referee;
    coverage.count("end: reset by the server");
    if (this.isCut || this.transport.isDead || this.transport.isFinished || this.isBroken || settings.isTight) return;
    const isFull = settings.isShort || settings.http2.http2ControlBytesMax < 1000;
    const isSilent = nowMs - Math.max(this.#openedMs, this.acceptedMs) >= settings.limits.stallTimeoutMs;
    if (!isFull && !isSilent && !this.transport.isBlocked) this.fail("reset without a reason");
    this.isCut = true;
  }

  closed(): void {
    if (this.referee.trace) this.note("is closed");
    this.connection?.closed();
  }

  // What must not last.

  /** Called between events. */
  observe(): void {
    // Frames after the one that ended the connection are not read, so the server need not know of a reset.
    if (this.#suspicion !== "" && !this.isExcused && this.connection?.isOpen === true) this.fail(this.#suspicion);
    // While the kernel is full, the client has not read that streams were reset.
    if (this.openStreams > 0 && !this.transport.isBlocked) this.busyMs = this.referee.nowMs;
  }

  /** Called before a tick. */
  beforeTick(): void {
    if (this.referee.nowMs - this.busyMs >= this.referee.settings.limits.keepAliveTimeoutMs) this.wasIdle = true;
  }

  /** Called after a tick: no deadline may be missed. */
  judgeDeadlines(): void {
    const { nowMs, settings } = this.referee;
    const { limits } = settings;
    if (!this.isOpen || this.transport.isDead || this.goAways.length > 0 || this.transport.isFinished) return;
    if (this.transport.isBlocked) return;
    if (this.ackMs > nowMs && nowMs - this.#openedMs >= limits.headerTimeoutMs) this.fail("settings are waited for");
    const quietMs = nowMs - Math.max(this.busyMs, this.deliveredMs, this.acceptedMs);
    const isIdle = this.openStreams === 0 && !this.isWithinFrame && this.reader.isBetween;
    if (isIdle && !this.isHostile && quietMs >= limits.keepAliveTimeoutMs) this.fail("is idle for too long");
  }

  /** Called when everything that can go on has gone on. */
  judgeSettled(): void {
    if (!this.isOpen || this.isExcused || this.isHostile || this.hasFinished || this.transport.isFinished) return;
    for (const course of this.courses) {
      const { stream } = course;
      if (stream > this.lastStream || !course.isHeadDelivered || course.isResetQueued || course.resetCode >= 0)
        continue;
      if (!course.isEnded) this.fail(`stream ${stream} waits for an answer that does not come`);
      else if (
        course.isUploading &&
        course.leftBytes > 0 &&
        course.isWanted &&
        course.status === 200 &&
        course.plan.answer.way !== "early"
      )
        this.fail(`stream ${stream} cannot send its content`);
    }
    const { http2WindowBytes } = this.referee.settings.http2;
    if (this.openStreams === 0 && this.queuedBytes === 0 && this.sendWindow * 2 <= http2WindowBytes)
      this.fail(`${http2WindowBytes - this.sendWindow} bytes of the window do not come back`);
  }
}
