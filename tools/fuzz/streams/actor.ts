/** What one client of HTTP/2 does: it chooses frames, queues them, and hands their bytes over in pieces. */
import type { Random } from "../random.ts";
import { contentAt, placeOf } from "../simulation/content.ts";
import type { Line } from "../wire/hpack-reader.ts";
import type { StreamClient } from "./client.ts";
import { StreamCourse } from "./course.ts";
import { ClientEncoder } from "./encoder.ts";
import { planStream } from "./plan.ts";

const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

const FRAME_SIZE_MAX = 16_384;

/** Most requests of one client. */
const REQUESTS_MAX = 30;

/** Place of a request's content in the text of content.ts, apart from its answer's. */
export function uploadPlaceOf(client: number, index: number): number {
  return placeOf(client + 1000, index);
}

export class Actor {
  readonly client: StreamClient;
  readonly #random: Random;
  readonly #encoder: ClientEncoder;
  #isAckDue = true;

  constructor(client: StreamClient, random: Random) {
    this.client = client;
    this.#random = random;
    this.#encoder = new ClientEncoder(random);
    client.queue(PREFACE);
    this.#changeSettings();
  }

  /** One thing that a client may do. */
  act(): void {
    const { client } = this;
    const random = this.#random;
    if (client.isHostile && random.oneIn(8)) {
      this.#mistake();
      return;
    }
    const roll = random.below(100);
    if (roll < 30) this.#open();
    else if (roll < 55) this.#upload();
    else if (roll < 72) this.#widen();
    else if (roll < 78) this.#reset();
    else if (roll < 84) this.#changeSettings();
    else if (roll < 90) this.#ping();
    else if (roll < 96) this.#bystanding();
    else if (roll < 97) this.#leave();
    this.answer();
  }

  /** Answers what the server has asked for, now or later. */
  answer(isDue = this.#random.oneIn(3)): void {
    const { client } = this;
    if (!isDue) return;
    if (client.hasSettings && this.#isAckDue) {
      this.#isAckDue = false;
      client.queue(frame(4, 1, 0), () => {
        client.ackMs = client.referee.nowMs;
      });
    }
    for (const data of client.pingsDue.splice(0)) client.queue(frame(6, 1, 0, latin1(data)));
  }

  /** Does what is left to do. Returns false if there is nothing. */
  goOn(): boolean {
    const { client } = this;
    const before = client.queuedBytes;
    this.answer(true);
    for (const course of client.courses) {
      if (course.isUploading && (!course.isEnded || course.isWanted)) this.#send(course);
      const isWaiting = course.isHeadDelivered && course.isOpen && !course.isEnded;
      if (isWaiting && course.window < 20_000) this.#widenBy(course, 100_000);
    }
    if (client.window < 20_000) this.#widenBy(null, 100_000);
    return client.queuedBytes > before;
  }

  #open(): void {
    const { client } = this;
    const random = this.#random;
    const index = client.courses.length;
    if (index >= REQUESTS_MAX || client.isLeaving || client.hasFinished) return;
    if (client.goAways.length > 0 && !random.oneIn(10)) return;
    const open = client.courses.filter(({ isOpen }) => isOpen).length;
    if (open >= client.streamsMax && !random.oneIn(8)) return;
    const plan = planStream(client.id, index, client.referee.settings, random);
    const course = new StreamCourse(plan, 2 * index + 1);
    course.sendWindow = client.hasSettings ? client.streamWindowBytes : 65_535;
    client.courses.push(course);
    client.byStream.set(course.stream, course);
    const isLast = plan.length < 0;
    this.#queueBlock(course, this.#linesOf(course), isLast, () => {
      client.headDelivered(course);
      if (isLast) course.isWhole = true;
    });
    course.isEndQueued = isLast;
    client.referee.coverage.count(`request: ${isLast ? plan.method : plan.use}`);
    if (client.referee.trace) client.note(`asks on stream ${course.stream}: ${JSON.stringify(plan)}`);
  }

  #linesOf({ plan }: StreamCourse): readonly Line[] {
    const lines = [...plan.lines];
    const length = plan.length + (plan.fault === "mismatch" ? 1 : 0);
    if (plan.announces) lines.push(["content-length", String(length)]);
    if (plan.expects) lines.push(["expect", "100-continue"]);
    return lines;
  }

  #queueBlock(course: StreamCourse, lines: readonly Line[], isLast: boolean, delivered: () => void): void {
    const random = this.#random;
    const block = this.#encoder.encode(lines);
    const cuts = random.oneIn(4) ? 1 + random.below(3) : 0;
    let at = 0;
    for (let cut = 0; cut <= cuts; cut++) {
      const end = cut === cuts ? block.length : at + random.below(block.length - at + 1);
      const flags = (cut === cuts ? 4 : 0) | (cut === 0 && isLast ? 1 : 0);
      const hook = cut === cuts ? delivered : undefined;
      this.client.queue(frame(cut === 0 ? 1 : 9, flags, course.stream, block.subarray(at, end)), hook);
      at = end;
    }
  }

  #upload(): void {
    const { client } = this;
    const random = this.#random;
    const open = client.courses.filter((course) => course.isUploading && !course.isResetQueued);
    if (open.length === 0 || !client.hasSettings) return;
    const course = random.pick(open);
    // A patient client waits for 100, or for the answer.
    if (course.plan.expects && course.continues === 0 && course.status === 0 && !random.oneIn(6)) return;
    this.#send(course, random.pick([1, 30, 400, 5000]));
  }

  /** Queues content, as much as the windows let pass, and the end after it. */
  #send(course: StreamCourse, most = Number.POSITIVE_INFINITY): void {
    const { client } = this;
    const random = this.#random;
    const left = course.leftBytes;
    const room = Math.min(course.sendWindow, client.sendWindow, FRAME_SIZE_MAX, most);
    if (!client.hasSettings || (left > 0 && room <= 0)) return;
    const count = Math.min(left, room);
    const isEnd = count === left && (left > 0 ? random.oneIn(2) : true);
    if (isEnd && course.plan.hasTrailers && count === 0) {
      course.isEndQueued = true;
      this.#queueBlock(course, [["x-sum", "1"]], true, () => {
        course.isWhole = true;
      });
      return;
    }
    const isLast = isEnd && !course.plan.hasTrailers;
    const padding = count > 0 && count + 10 < room && random.oneIn(6) ? random.below(9) : -1;
    const content = contentAt(uploadPlaceOf(client.id, course.plan.index) + course.queuedBytes, count);
    const payload = padding < 0 ? content : Uint8Array.of(padding, ...content, ...new Uint8Array(padding));
    if (payload.length === 0 && !isLast) return;
    course.queuedBytes += count;
    course.sendWindow -= payload.length;
    client.sendWindow -= payload.length;
    course.isEndQueued = isLast;
    client.queue(frame(0, (isLast ? 1 : 0) | (padding < 0 ? 0 : 8), course.stream, payload), () => {
      course.deliveredBytes += count;
      course.isWhole = isLast;
    });
  }

  #widen(): void {
    const random = this.#random;
    const open = this.client.courses.filter((course) => !course.isEnded && course.isOpen);
    const course = open.length > 0 && random.oneIn(2) ? random.pick(open) : null;
    this.#widenBy(course, random.pick([1, 50, 1000, 20_000, 100_000]));
  }

  #widenBy(course: StreamCourse | null, increment: number): void {
    const { client } = this;
    client.queue(frame(8, 0, course?.stream ?? 0, int32(increment)), () => client.windowDelivered(course, increment));
  }

  #reset(): void {
    const { client } = this;
    const open = client.courses.filter((course) => course.isOpen);
    if (open.length === 0 || !this.#random.oneIn(2)) return;
    const course = this.#random.pick(open);
    course.isResetQueued = true;
    client.referee.coverage.count("client: resets a stream");
    client.queue(frame(3, 0, course.stream, int32(8)), () => client.resetDelivered(course));
  }

  #changeSettings(): void {
    const { client } = this;
    const random = this.#random;
    const window = random.oneIn(2) ? random.pick([0, 1, 100, 3000, 20_000, 65_535]) : null;
    const size = random.oneIn(4) ? random.pick([16_384, 20_000, 65_536]) : null;
    const table = random.oneIn(3) ? random.pick([0, 50, 300, 4096, 100_000]) : null;
    const pairs: number[] = [];
    if (window !== null) pairs.push(...pair(4, window));
    if (size !== null) pairs.push(...pair(5, size));
    // The last value counts, and the encoder goes through the smallest one.
    const between = table !== null && random.oneIn(2) ? random.pick([0, 50, 4096]) : null;
    if (between !== null) pairs.push(...pair(1, between));
    if (table !== null) pairs.push(...pair(1, table));
    if (random.oneIn(4)) pairs.push(...pair(0x99, random.below(1000)));
    client.referee.coverage.count("client: settings");
    client.queue(frame(4, 0, 0, Uint8Array.from(pairs)), () =>
      client.settingsDelivered(window, size, [between, table]),
    );
  }

  #ping(): void {
    const data = String(10_000_000 + this.#random.below(80_000_000));
    this.client.queue(frame(6, 0, 0, latin1(data)), () => this.client.pingDelivered(data));
  }

  /** A frame that has no effect. */
  #bystanding(): void {
    const random = this.#random;
    const stream = 2 * random.below(Math.max(1, this.client.courses.length)) + 1;
    const made = random.pick([
      frame(2, 0, stream, Uint8Array.of(0, 0, 0, 0, 16)),
      frame(0x10, 0, 0, Uint8Array.of(0, 0, 0, stream, 0x75, 0x3d, 0x31)),
      frame(0x40, random.below(256), stream, latin1("unknown")),
    ]);
    this.client.queue(made);
  }

  #leave(): void {
    const { client } = this;
    client.referee.coverage.count("client: GOAWAY");
    client.queue(frame(7, 0, 0, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0)), () => {
      client.isLeaving = true;
    });
  }

  #mistake(): void {
    const { client } = this;
    const random = this.#random;
    const stream = 2 * random.below(12) + 1;
    client.referee.coverage.count("client: a mistake");
    const made = random.pick([
      () => frame(0, 0, stream, new Uint8Array(random.below(9000))),
      () => frame(1, 5, stream, Uint8Array.of(0x82, 0x84, 0x86, 0x41, 1, 0x61)),
      () => frame(1, 4, 2 * stream, Uint8Array.of(0x82)),
      () => frame(3, 0, stream + 100, int32(8)),
      () => frame(8, 0, stream, int32(0x7fff_ffff)),
      () => frame(8, 0, 0, int32(0)),
      () => frame(4, 0, 0, Uint8Array.from(pair(4, 0x8000_0000))),
      () => frame(5, 4, stream, int32(2)),
      () => frame(9, 4, stream, int32(2)),
      () => frame(random.below(12), random.below(256), random.below(8), new Uint8Array(random.below(30))),
      () => Uint8Array.from({ length: 1 + random.below(20) }, () => random.below(256)),
    ])();
    client.queue(made, undefined, true);
  }
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const { length } = payload;
  const bytes = new Uint8Array(9 + length);
  bytes.set([length >>> 16, length >>> 8, length, type, flags, ...int32(stream)]);
  bytes.set(payload, 9);
  return bytes;
}

function int32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function pair(id: number, value: number): readonly number[] {
  return [id >>> 8, id & 255, ...int32(value)];
}

function latin1(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}
