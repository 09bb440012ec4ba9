/**
 * Requests to an object store: signed, bounded in number, tried again until a deadline.
 *
 * Strategy: one attempt is one request on one connection. If it has no answer, or one that says "later", the next follows after a pause that
 * doubles and is drawn by chance. An attempt without an answer may have been carried out, and its caller is told (`isAgain`).
 *
 * The rule it guards: nothing that the store sends reaches a log or a client but the word of an error code, because stores repeat keys
 * and signatures in their errors.
 */
import type { TimeSource } from "../../../exchange/clock.ts";
import type { ForwardedRequest, ForwardedResponse, Upstream, UpstreamFailure } from "../../../exchange/upstream.ts";
import { parseHttpDate } from "../../../http/date.ts";
import type { FieldLine, FieldLines } from "../../../http/fields.ts";
import type { LiveSource } from "../../../http/message.ts";
import { MIB, SECOND } from "../../../http/units.ts";
import { sha256Hex } from "../../digest.ts";
import { StoreError } from "../store.ts";
import { Budget } from "./budget.ts";
import { Circuit } from "./circuit.ts";
import { encodePath, encodeQuery, type Signer } from "./signature.ts";

/** Requests on their way at a time, without those that read. More connections make no store faster, and each may hold a part in memory. */
const REQUESTS_MAX = 32;

/** Milliseconds before the second attempt, and the most between two. */
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 2 * SECOND;

/** Bytes of an answer that is not an upload: a page of a list has 300 KB. */
const ANSWER_BYTES_MAX = MIB;

/** Statuses that say "later": RFC 9110 §15.5.9, RFC 6585 §4, and the failures of a server. */
const LATER: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** Error codes that say "later" under other statuses. */
const LATER_CODES: ReadonlySet<string> = new Set(["RequestTimeout", "OperationAborted", "ConditionalRequestConflict"]);

/** Codes of stores without room. */
const FULL_CODES: ReadonlySet<string> = new Set([
  "QuotaExceeded",
  "XMinioStorageFull",
  "XMinioAdminBucketQuotaExceeded",
]);

const CODE_CHARACTERS_MAX = 64;

const EMPTY_SHA256 = sha256Hex("");

export interface S3Target {
  /** URL of the store, for the operator. */
  readonly url: string;
  /** Value of Host. */
  readonly authority: string;
  /** Path before each key, beginning and ending with a slash: "/" or "/bucket/". */
  readonly base: string;
  readonly bucket: string;
}

export interface S3ClientOptions {
  readonly target: S3Target;
  readonly signer: Signer;
  readonly upstream: Upstream;
  readonly time: TimeSource;
  /** Bound on the wait for the store, in milliseconds. */
  readonly timeoutMs: number;
  /** Returns a number from 0 to 1. */
  readonly random: () => number;
  /** Key of an object that is asked for when the store was away. */
  readonly probeKey: string;
  /** Takes a line for the operator. */
  readonly warn: (line: string) => void;
}

export interface S3Content {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** "" for the bucket itself. */
  readonly key: string;
  readonly query?: readonly FieldLine[];
  readonly lines?: FieldLines;
  readonly content?: S3Content;
}

/** A final response of the store. */
export class S3Answer {
  readonly status: number;
  readonly text: string;
  /** True if an earlier attempt may have been carried out. */
  readonly isAgain: boolean;
  readonly #lines: FieldLines;

  constructor(status: number, lines: FieldLines, text: string, isAgain: boolean) {
    this.status = status;
    this.#lines = lines;
    this.text = text;
    this.isAgain = isAgain;
  }

  /** `name` is in lower case. */
  field(name: string): string | null {
    return fieldOf(this.#lines, name);
  }

  /** Word of the error, or "". */
  get code(): string {
    const word = /<Code>([^<]*)<\/Code>/.exec(this.text)?.[1] ?? "";
    return word.replace(/[^A-Za-z0-9._-]/g, "").slice(0, CODE_CHARACTERS_MAX);
  }
}

/** A response whose content is passed on while it comes. */
export interface S3Stream {
  readonly status: number;
  readonly lines: FieldLines;
  /** Null if there is none. Its receiver calls `close` exactly once. */
  readonly content: LiveSource | null;
  /** Bytes of the content; null if they are not known. */
  readonly length: number | null;
}

/** Numbers for `/__server/metrics`; the counts only grow. */
export interface S3Counts {
  requests: number;
  failures: number;
  retries: number;
  sentBytes: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly isAway: boolean;
}

export class S3Client {
  readonly #options: S3ClientOptions;
  readonly #circuit: Circuit;
  readonly #requests: Budget;
  /** Time of the store less our own. */
  #skewMs = 0;
  /** Last state that the operator was told of; "" while all is well. */
  #told = "";
  #isEnded = false;
  /** Ends of the pauses that are under way. */
  readonly #pauses = new Set<() => void>();
  #sent = { requests: 0, failures: 0, retries: 0, sentBytes: 0 };

  constructor(options: S3ClientOptions) {
    this.#options = options;
    const { time, random } = options;
    this.#requests = new Budget(REQUESTS_MAX, time);
    this.#circuit = new Circuit({ time, random, probe: () => this.#probe() });
  }

  get counts(): S3Counts {
    return {
      ...this.#sent,
      inFlight: this.#requests.taken,
      waiting: this.#requests.waiting,
      isAway: this.#circuit.isOpen,
    };
  }

  /** Deadline of a wait that begins now, in monotonic milliseconds. */
  deadline(): number {
    return this.#options.time.nowMs() + this.#options.timeoutMs;
  }

  /** Returns the error for an upload that found no place in time. */
  away(): StoreError {
    return new StoreError(503, "The store of this server is not available.", this.#circuit.retrySeconds);
  }

  /** Sends each request that waits once more, and stops the probes. */
  end(): void {
    this.#isEnded = true;
    this.#circuit.end();
    for (const end of [...this.#pauses]) end();
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Resolves after `ms` milliseconds, or at the end. */
  pause(ms: number): Promise<void> {
    if (this.#isEnded) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        this.#pauses.delete(end);
        cancel();
        resolve();
      };
      const cancel = this.#options.time.after(ms, end);
      this.#pauses.add(end);
    });
  }

  /**
   * Sends a request until its answer is final. Rejects with a StoreError if there is none by `deadlineMs`, and at once while the store
   * is known to be away.
   */
  async send(request: S3Request, deadlineMs: number): Promise<S3Answer> {
    const { time } = this.#options;
    const sinceMs = time.nowMs();
    let isAgain = false;
    for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(PAUSE_MS_MAX, 2 * pauseMs)) {
      if (this.#circuit.isOpen) throw this.away();
      const outcome = await this.#bounded(request, deadlineMs, isAgain);
      if (outcome instanceof S3Answer) {
        this.#takeSkew(outcome);
        if (!this.#isLater(outcome)) {
          this.#reached();
          return outcome;
        }
        // A store that is busy, or fails by itself, is not away.
        if (outcome.status < 500) this.#circuit.answered();
      }
      const reason = outcome instanceof S3Answer ? `answers ${described(outcome)}` : outcome.reason;
      this.#sent.failures++;
      isAgain = true;
      // After the start, the operator is at hand, and may have made a mistake.
      if (!this.#circuit.hasAnswered) this.#tell(reason);
      if (!(outcome instanceof S3Answer) && outcome.isStale === true && time.nowMs() < deadlineMs) continue;
      const waitMs = pauseMs * this.#options.random();
      if (this.#isEnded || time.nowMs() + waitMs >= deadlineMs) {
        this.#tell(reason);
        this.#circuit.gaveUp(sinceMs);
        throw this.away();
      }
      this.#sent.retries++;
      await this.pause(waitMs);
    }
  }

  /** Begins to read. Rejects as `send` does. */
  async read(request: S3Request): Promise<S3Stream> {
    const sinceMs = this.#options.time.nowMs();
    const deadlineMs = this.deadline();
    if (this.#circuit.isOpen) throw this.away();
    for (let isRepeated = false; ; isRepeated = true) {
      const outcome = await this.#open(request, deadlineMs);
      if (!("reason" in outcome)) {
        if (!LATER.has(outcome.status)) {
          this.#reached();
          return outcome;
        }
        outcome.content?.close();
      }
      this.#sent.failures++;
      if (isRepeated || this.#options.time.nowMs() >= deadlineMs) {
        this.#tell("reason" in outcome ? outcome.reason : `answers ${outcome.status}`);
        this.#circuit.gaveUp(sinceMs);
        throw this.away();
      }
      this.#sent.retries++;
    }
  }

  /** Returns the error for an answer that no retry will change, and tells the operator of it, once until it does. */
  refusal(answer: Pick<S3Answer, "status" | "code">): StoreError {
    if (FULL_CODES.has(answer.code) || answer.status === 507) {
      this.#tell(`has no room: it answers ${described(answer)}`);
      return new StoreError(507, "There is no space left for the upload.");
    }
    this.#tell(`refuses requests: it answers ${described(answer)}`);
    return new StoreError(500, "The store of this server has refused the upload.");
  }

  /** Notes that the store has obeyed a request. */
  accepted(): void {
    if (this.#told === "") return;
    this.#told = "";
    this.#options.warn(`--uploads: ${this.#options.target.url} works again`);
  }

  #reached(): void {
    this.#circuit.answered();
  }

  #tell(state: string): void {
    if (this.#told === state) return;
    this.#told = state;
    this.#options.warn(`--uploads: ${this.#options.target.url} ${state}`);
  }

  #isLater(answer: S3Answer): boolean {
    return LATER.has(answer.status) || LATER_CODES.has(answer.code) || answer.code === TIME_CODE;
  }

  /** Learns the time of a store whose clock is not ours (RFC 9110 §6.6.1). */
  #takeSkew(answer: S3Answer): void {
    if (answer.code !== TIME_CODE) return;
    const { time } = this.#options;
    const seconds = parseHttpDate(answer.field("date") ?? "", Math.floor(time.wallMs() / SECOND));
    if (seconds >= 0) this.#skewMs = seconds * SECOND - time.wallMs();
  }

  async #probe(): Promise<boolean> {
    if (this.#isEnded) return false;
    const outcome = await this.#attempt({ method: "HEAD", key: this.#options.probeKey }, this.deadline(), false);
    return outcome instanceof S3Answer && outcome.status < 500;
  }

  async #bounded(request: S3Request, deadlineMs: number, isAgain: boolean): Promise<S3Answer | UpstreamFailure> {
    if (!(await this.#requests.take(1, deadlineMs))) return { isLate: true, reason: "is too slow" };
    try {
      return await this.#attempt(request, deadlineMs, isAgain);
    } finally {
      this.#requests.give(1);
    }
  }

  /** Sends a request once. Never rejects. */
  #attempt(request: S3Request, deadlineMs: number, isAgain: boolean): Promise<S3Answer | UpstreamFailure> {
    const { promise, resolve } = Promise.withResolvers<S3Answer | UpstreamFailure>();
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    let head: ForwardedResponse | null = null;
    this.#call(request, deadlineMs, {
      answered: (response) => {
        head = response;
      },
      received: (piece) => {
        bytes += piece.length;
        if (bytes <= ANSWER_BYTES_MAX) pieces.push(piece);
      },
      failed: resolve,
      ended: (isWhole) => {
        head?.content?.close();
        if (head === null || !isWhole) resolve({ isLate: false, reason: "breaks its answers off" });
        else resolve(answerOf(head, Buffer.concat(pieces).toString("utf8"), isAgain));
      },
    });
    return promise;
  }

  /** Sends a request once, and resolves with the head of its response. Never rejects. */
  #open(request: S3Request, deadlineMs: number): Promise<S3Stream | UpstreamFailure> {
    const { promise, resolve } = Promise.withResolvers<S3Stream | UpstreamFailure>();
    this.#call(request, deadlineMs, {
      answered: ({ status, lines, content, length }) => resolve({ status, lines, content, length }),
      received: () => {},
      failed: resolve,
      ended: () => {},
    });
    return promise;
  }

  /** Sends one request. If its response has not begun by `deadlineMs`, or has not ended where `ended` is waited for, it fails. */
  #call(request: S3Request, deadlineMs: number, listener: Listener): void {
    const { upstream, time } = this.#options;
    const { content, method } = request;
    this.#sent.requests++;
    this.#sent.sentBytes += content?.bytes ?? 0;
    const isReading = method === "GET" && request.key !== "";
    const call = upstream.call(this.#forwarded(request), {
      answered: (response) => {
        if (isReading) cancel();
        listener.answered(response);
      },
      received: (bytes) => listener.received(bytes),
      failed: (failure) => {
        cancel();
        listener.failed(isLate ? { isLate: true, reason: "is too slow" } : failure);
      },
      ended: (isWhole) => {
        cancel();
        listener.ended(isWhole);
      },
    });
    let isLate = false;
    const cancel = time.after(Math.max(0, deadlineMs - time.nowMs()), () => {
      isLate = true;
      call.failed("timeout");
    });
    // The pieces are in memory already, so the pace of the store is of no matter.
    for (const piece of content?.pieces ?? []) call.write(piece);
    call.ended();
  }

  #forwarded({ method, key, query = [], lines = [], content }: S3Request): ForwardedRequest {
    const { target, signer, time } = this.#options;
    const path = encodePath(key === "" ? target.base.replace(/(.)\/$/, "$1") : target.base + key);
    const sha256 = content?.sha256 ?? EMPTY_SHA256;
    const unsigned = { method, authority: target.authority, path, query, lines, sha256 };
    const hasContent = content !== undefined;
    return {
      method,
      target: query.length === 0 ? path : `${path}?${encodeQuery(query)}`,
      lines: signer.sign(unsigned, time.wallMs() + this.#skewMs),
      announced: hasContent ? content.bytes : method === "PUT" || method === "POST" ? 0 : "none",
      mayRepeat: false,
      mayReuse: true,
    };
  }
}

interface Listener {
  answered(response: ForwardedResponse): void;
  received(bytes: Uint8Array): void;
  failed(failure: UpstreamFailure): void;
  ended(isWhole: boolean): void;
}

/** Makes an answer. A store that takes long to join parts begins with 200, before it knows how that ends. */
function answerOf({ status, lines }: ForwardedResponse, text: string, isAgain: boolean): S3Answer {
  const answer = new S3Answer(status, lines, text, isAgain);
  if (status !== 200 || !text.includes("<Error>")) return answer;
  return new S3Answer(LATE_STATUSES[answer.code] ?? 500, lines, text, isAgain);
}

/** Statuses of errors that come after a 200. */
const LATE_STATUSES: Readonly<Record<string, number>> = { PreconditionFailed: 412, NoSuchUpload: 404 };

/** Code of the error for clocks that are apart. */
const TIME_CODE = "RequestTimeTooSkewed";

function described({ status, code }: Pick<S3Answer, "status" | "code">): string {
  return code === "" ? String(status) : `${status} (${code})`;
}

/** Returns the first value of a field. `name` is in lower case. */
export function fieldOf(lines: FieldLines, name: string): string | null {
  return lines.find(([own]) => own.toLowerCase() === name)?.[1] ?? null;
}
