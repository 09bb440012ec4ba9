/**
 * What a fixture server remembers of the requests that were answered, for tests that ask afterwards what really happened: on which
 * connection, at which place of it, after how long a wait, how it ended.
 *
 * Strategy: a list of the last records, bounded in number and in bytes, and the beginnings of contents beside it, which go first.
 * Whoever waits for requests looks once, counts those that come, and is told by the one that completes their number; nobody looks
 * twice.
 */
import { type Answered, type CloseReason, Onlooker } from "../connection/observer.ts";
import { sha256Hex } from "../handlers/digest.ts";
import type { Request } from "../http/message.ts";
import { fromRoot } from "../http/path-pattern.ts";
import { Field, type RequestHead } from "../http/request-head.ts";
import type { TimeSource } from "./time-source.ts";

/** One request that was answered, in whole or in part. */
export interface RequestRecord {
  /** From 1, in the order in which answers ended; never used again. */
  readonly sequence: number;
  /** When its head was complete, in milliseconds since 1970; when its answer ended, where it never was. */
  readonly atMs: number;
  readonly connection: number;
  /** Which request of its connection it was, from 1. */
  readonly position: number;
  readonly peer: string;
  /** Null, as the next four, where the head could not be read. */
  readonly method: string | null;
  /** As sent, in ISO-8859-1. */
  readonly target: string | null;
  /** Decoded, without the query; null for `*` too. */
  readonly path: string | null;
  readonly query: string | null;
  /** Value of the field Host. */
  readonly host: string | null;
  /** In their order; long values are cut behind FIELD_VALUE_MAX, credentials are `***`. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** The first line of a head that could not be read, as far as it came. */
  readonly malformed: string | null;
  /** 0 for what was refused without one. */
  readonly slot: number;
  readonly queuedMs: number;
  readonly durationMs: number;
  readonly status: number;
  /** Content that the kernel has accepted. */
  readonly bytes: number;
  /** What was sent, in a word or two, as in the log. */
  readonly transfer: string;
  /** What was made to go wrong with the answer; null: nothing. */
  readonly fault: string | null;
  /** How the connection went on behind it, or why it closed with it. */
  readonly close: "keep-alive" | CloseReason;
  /** Of content that the server took; null for content that it had no use for, and where there was none. */
  readonly body: { readonly bytes: number; readonly sha256: string } | null;
}

/** Which requests; what is left out is no matter. */
export interface RequestFilter {
  /** Those with a greater sequence number. */
  readonly since?: number;
  /** Case counts. */
  readonly method?: string;
  /** The decoded path, or a pattern with `*`, `**`, `?` as of `--immutable`. */
  readonly path?: string;
  /** 404, or "4xx" for all of a class. */
  readonly status?: number | string;
  readonly connection?: number;
}

/** What was found. */
export interface RequestPage {
  /** The oldest first. */
  readonly requests: readonly RequestRecord[];
  /** Sequence number of the last request of all, 0 before the first: a `since` for what comes next. */
  readonly last: number;
  /** Requests behind `since` that were forgotten because there was no room. */
  readonly dropped: number;
  /** False: fewer came than were waited for. */
  readonly isComplete: boolean;
}

/** How many requests there must have been; without any bound, at least one. */
export interface Expectation {
  readonly match?: RequestFilter;
  /** Neither more nor fewer. */
  readonly count?: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Verification {
  readonly verified: boolean;
  /** How many there were. */
  readonly seen: number;
  /** As of a RequestPage: with forgotten ones nobody can say that there were not more. */
  readonly dropped: number;
  /** The last of those that were seen. */
  readonly requests: readonly RequestRecord[];
}

/** Milliseconds that are waited for requests, unless somebody has more patience, or less. */
export const WAIT_MS = 5000;

/** A test's requests, with room to spare. */
export const RECORDS_MAX = 1000;
const RECORD_BYTES_MAX = 1_048_576;
/** What a record takes besides its text, about. */
const RECORD_BYTES = 512;
/** Characters of a field's value. */
const FIELD_VALUE_MAX = 1024;
/** Bytes of content that are kept of one request, and of all; the oldest goes first. */
const CONTENT_BYTES_MAX = 65_536;
const CONTENTS_BYTES_MAX = 1_048_576;
/** Requests that a verification shows. */
const SHOWN_MAX = 20;

interface Waiter {
  readonly matches: (record: RequestRecord) => boolean;
  /** Requests that came and match, also those that were forgotten since because there was no room. */
  came: number;
  readonly count: number;
  readonly settle: () => void;
}

/** True for a request that a test did not mean to make: it was answered 404, 405 or 5xx, and no fault is the cause. */
export function isUnexpected({ status, fault }: Pick<RequestRecord, "status" | "fault">): boolean {
  return fault === null && (status === 404 || status === 405 || status >= 500);
}

export class Journal extends Onlooker {
  readonly #time: TimeSource;
  /** The oldest first, their numbers without a gap. */
  #records: RequestRecord[] = [];
  #recordBytes = 0;
  /** By sequence number, the oldest first. */
  readonly #contents = new Map<number, Uint8Array>();
  #contentBytes = 0;
  #last = 0;
  /** The last number that was forgotten on purpose, and when, in monotonic milliseconds. */
  #clearedTo = 0;
  #clearedMs = Number.NEGATIVE_INFINITY;
  readonly #waiters = new Set<Waiter>();

  constructor(time: TimeSource) {
    super();
    this.#time = time;
  }

  get last(): number {
    return this.#last;
  }

  /** Those who wait for requests. */
  get waiting(): number {
    return this.#waiters.size;
  }

  select(filter: RequestFilter = {}): RequestRecord[] {
    return this.#records.filter(matcher(filter));
  }

  page(filter: RequestFilter = {}, isComplete = true): RequestPage {
    const oldest = this.#records[0]?.sequence ?? this.#last + 1;
    const dropped = Math.max(0, oldest - 1 - Math.max(filter.since ?? 0, this.#clearedTo));
    return { requests: this.select(filter), last: this.#last, dropped, isComplete };
  }

  /**
   * Resolves when `count` requests that match are there or have come, or `timeoutMs` milliseconds are over, or `endWaits` or
   * `endOldestWait` says so. Never rejects.
   */
  wait(filter: RequestFilter, count: number, timeoutMs: number): Promise<RequestPage> {
    return new Promise((resolve) => {
      const settle = () => {
        cancel();
        this.#waiters.delete(waiter);
        resolve(this.page(filter, waiter.came >= count));
      };
      const cancel = this.#time.after(timeoutMs, settle);
      const waiter: Waiter = { matches: matcher(filter), came: this.select(filter).length, count, settle };
      this.#waiters.add(waiter);
      if (waiter.came >= count) settle();
    });
  }

  /** Answers everybody who waits with what there is. */
  endWaits(): void {
    for (const waiter of this.#waiters) waiter.settle();
  }

  /** Answers whoever has waited longest with what there is. */
  endOldestWait(): void {
    const [oldest] = this.#waiters;
    oldest?.settle();
  }

  verify(expectation: Expectation): Verification {
    const { match = {}, count } = expectation;
    const { atMost = count, atLeast = count ?? (atMost === undefined ? 1 : 0) } = expectation;
    const { requests, dropped } = this.page(match);
    const seen = requests.length;
    return {
      verified: seen >= atLeast && (atMost === undefined || (seen <= atMost && dropped === 0)),
      seen,
      dropped,
      requests: requests.slice(-SHOWN_MAX),
    };
  }

  /** The beginning of a request's content; null where there was none, or no room for it any more. */
  content(sequence: number): Uint8Array | null {
    return this.#contents.get(sequence) ?? null;
  }

  /** Forgets all requests, also those that are under way: they belong to the test before. */
  clear(): void {
    this.#records = [];
    this.#recordBytes = 0;
    this.#contents.clear();
    this.#contentBytes = 0;
    this.#clearedTo = this.#last;
    this.#clearedMs = this.#time.nowMs();
    for (const waiter of this.#waiters) waiter.came = 0;
  }

  override get wantsAnswers(): boolean {
    return true;
  }

  override answered(answer: Answered): void {
    if (this.#time.nowMs() - answer.durationMs < this.#clearedMs) return;
    const record = recordOf(answer, ++this.#last, this.#time.wallMs());
    this.#records.push(record);
    this.#recordBytes += bytesOf(record);
    if (record.body !== null) this.#keepContent(record.sequence, (answer.request as Request).body);
    // The newest is kept, whatever its size.
    while (this.#records.length > RECORDS_MAX || (this.#recordBytes > RECORD_BYTES_MAX && this.#records.length > 1)) {
      const oldest = this.#records.shift() as RequestRecord;
      this.#recordBytes -= bytesOf(oldest);
      this.#forgetContent(oldest.sequence);
    }
    for (const waiter of this.#waiters) {
      if (waiter.matches(record) && ++waiter.came >= waiter.count) waiter.settle();
    }
  }

  /** A copy: what was received goes with the request. */
  #keepContent(sequence: number, content: Uint8Array): void {
    const kept = new Uint8Array(content.subarray(0, CONTENT_BYTES_MAX));
    this.#contents.set(sequence, kept);
    this.#contentBytes += kept.length;
    for (const oldest of this.#contents.keys()) {
      if (this.#contentBytes <= CONTENTS_BYTES_MAX) break;
      this.#forgetContent(oldest);
    }
  }

  #forgetContent(sequence: number): void {
    this.#contentBytes -= this.#contents.get(sequence)?.length ?? 0;
    this.#contents.delete(sequence);
  }
}

function matcher({ since = 0, method, path, status, connection }: RequestFilter): (record: RequestRecord) => boolean {
  const pattern = path === undefined ? null : new Bun.Glob(fromRoot(path));
  return (record) =>
    record.sequence > since &&
    (method === undefined || record.method === method) &&
    (pattern === null || record.path === path || (record.path !== null && pattern.match(record.path))) &&
    (status === undefined || hasStatus(record.status, status)) &&
    (connection === undefined || record.connection === connection);
}

function hasStatus(status: number, wanted: number | string): boolean {
  const text = String(wanted);
  return text.endsWith("xx") ? text.startsWith(String(Math.floor(status / 100))) : text === String(status);
}

function recordOf(answer: Answered, sequence: number, wallMs: number): RequestRecord {
  const { request, response, durationMs } = answer;
  return {
    sequence,
    atMs: Math.round(wallMs - durationMs),
    connection: answer.connection,
    position: answer.position,
    peer: answer.peer,
    ...(request !== null && answer.isHeadComplete ? partsOf(request) : NO_PARTS),
    malformed: request !== null && !answer.isHeadComplete ? request.head.requestLine() : null,
    slot: answer.slot,
    queuedMs: microseconds(answer.queuedMs),
    durationMs: microseconds(durationMs),
    status: response.status,
    bytes: answer.bytes,
    transfer: response.transfer,
    fault: answer.fault,
    close: answer.closing ?? "keep-alive",
    // At once, which only fixture servers do: whoever asks for the record next sees it whole.
    body: request === null || request.body.length === 0 ? null : digestOf(request.body),
  };
}

const NO_PARTS = { method: null, target: null, path: null, query: null, host: null, fields: [] };

function partsOf({ head, target }: Request) {
  return {
    method: head.methodText(),
    target: head.targetText(),
    path: target.path === "" ? null : target.path,
    query: target.query,
    host: head.value(Field.Host),
    fields: fieldsOf(head),
  };
}

function fieldsOf(head: RequestHead): (readonly [string, string])[] {
  return Array.from({ length: head.fieldCount }, (_, index) => {
    const name = head.fieldName(index);
    const value = head.fieldValue(index);
    if (/^(?:proxy-)?authorization$/i.test(name)) return [name, value.replace(/^(\S+\s+)?.*$/s, "$1***")];
    return [name, value.length > FIELD_VALUE_MAX ? `${value.slice(0, FIELD_VALUE_MAX)}…` : value];
  });
}

function digestOf(content: Uint8Array): NonNullable<RequestRecord["body"]> {
  return { bytes: content.length, sha256: sha256Hex(content) };
}

/** Milliseconds to the microsecond: what is behind it is noise. */
function microseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** About what a record takes. */
function bytesOf({ target, path, query, host, malformed, fields }: RequestRecord): number {
  const texts = [target, path, query, host, malformed, ...fields.flat()];
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), RECORD_BYTES);
}
