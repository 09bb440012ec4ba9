/**
 * Verifies Basic credentials (RFC 7617) against password hashes that are slow on purpose.
 *
 * Strategy: the first request with certain credentials has them verified on another thread. The result is kept under a
 * keyed hash of them, so later requests cost a lookup (3 µs). Decoded credentials are overwritten once verified; the
 * password is neither kept nor logged.
 *
 * The rules it guards: the time of a response does not reveal whether a user exists, because an unknown name costs as
 * much as a known one. Guessing does not delay verified clients: few credentials are verified at a time, and few slots
 * wait for them.
 */
import { problemOfUser } from "../http/credentials.ts";
import { escapeControls } from "../http/escape.ts";
import { Field } from "../http/field.ts";
import { RETRY_SOON } from "../http/fields.ts";
import { type Admission, CERTAIN, type Handler, type Request, type Response, refused } from "../http/message.ts";
import { type ErrorPages, wantsJson } from "./error-page.ts";
import { type Layer, LayerHandler } from "./mount.ts";
import { readSmallFile, reasonOf } from "./small-file.ts";

/** Result of a look at the credentials in the head. */
export enum Standing {
  /** Verified before. */
  Known,
  /** Well-formed, but never verified, or too long ago. */
  Unknown,
}

interface BasicAuthOptions {
  /** `USER:HASH`, or `@FILE` with such lines; at least one. */
  readonly credentials: readonly string[];
  /** Size of the pool, which is the number of requests in work at a time. */
  readonly threads: number;
  readonly pages: ErrorPages;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Takes a line for the operator. */
  readonly log: (line: string) => void;
  /** Replaces Bun.password.verify in tests. Rejects when the hash cannot be used. */
  readonly verify?: (password: Uint8Array, hash: string) => Promise<boolean>;
}

/** Milliseconds that right credentials are remembered after they were verified. */
const RIGHT_MS = 1_800_000;

/** Milliseconds for wrong ones: a program that repeats them costs one verification a minute. */
const WRONG_MS = 60_000;

/** Remembered results of each kind, some hundred bytes each. The oldest is dropped first. */
const REMEMBERED_MAX = 1_000;

/**
 * Verifications at a time: half of the processors, because the event loop needs one; more than four verify 60
 * passwords a second.
 */
const VERIFIED_AT_ONCE = Math.max(1, Math.min(4, Math.floor(navigator.hardwareConcurrency / 2)));

/** Longest user name and password together, in bytes. Bounds the work of a hash and the memory of waiting requests. */
const CREDENTIALS_BYTES_MAX = 1_024;

/**
 * One per handler. The constructor reads the files. It throws a RangeError, in one line, for a file or item that
 * cannot be used.
 */
export class BasicAuth {
  readonly #options: BasicAuthOptions;
  readonly #hashes: ReadonlyMap<string, string>;
  /**
   * Key of the hashes. It exists in this process alone, so no one else can tell whose credentials a result belongs to.
   */
  readonly #secret = crypto.getRandomValues(new Uint8Array(32));
  readonly #right: RecentKeys;
  readonly #wrong: RecentKeys;
  readonly #pending = new Map<string, Promise<boolean>>();
  readonly #turns = new Turns(VERIFIED_AT_ONCE);
  /** Requests that wait for a result. Each holds a slot, unless it is for one of the server's own endpoints. */
  #waiting = 0;
  readonly #waitingMax: number;
  readonly #waitingByAddress = new Map<string, number>();
  readonly #waitingByAddressMax: number;

  constructor(options: BasicAuthOptions) {
    this.#options = options;
    this.#hashes = readCredentials(options.credentials);
    this.#right = new RecentKeys(RIGHT_MS, options.now);
    this.#wrong = new RecentKeys(WRONG_MS, options.now);
    // A quarter of the slots stays free for verified clients, and one peer never takes all the others.
    this.#waitingMax = Math.max(1, Math.floor((options.threads * 3) / 4));
    this.#waitingByAddressMax = Math.max(1, this.#waitingMax - 1);
  }

  /** Looks at the head: returns a refusal, or how its credentials stand. Does not wait. */
  look(request: Request): Response | Standing {
    const { head } = request;
    if (!head.has(Field.Authorization)) return this.#challenge(request, null);
    const presented = head.isRepeated(Field.Authorization) ? null : parseBasic(head.value(Field.Authorization) ?? "");
    if (presented === null) return this.#challenge(request, "credentials that are malformed");
    const key = this.#keyOf(presented);
    presented.fill(0);
    if (this.#right.has(key)) return Standing.Known;
    return this.#wrong.has(key) ? this.#challenge(request, "wrong credentials once more") : Standing.Unknown;
  }

  /**
   * Verifies credentials that `look` calls Unknown. Resolves with null when they are right, else with the refusal.
   * Never rejects.
   */
  async verify(request: Request): Promise<Response | null> {
    const presented = parseBasic(request.head.value(Field.Authorization) ?? "");
    if (presented === null) return this.#challenge(request, "credentials that are malformed");
    const { address } = request;
    if (!this.#enter(address)) {
      presented.fill(0);
      return this.#turnAway(request);
    }
    try {
      const key = this.#keyOf(presented);
      const name = nameOf(presented);
      const isRight = await this.#resultOf(key, presented, name);
      return isRight ? null : this.#challenge(request, sentenceFor(name, this.#hashes.has(name)));
    } finally {
      presented.fill(0);
      this.#leave(address);
    }
  }

  /** Verifies credentials once, even if several connections of a browser present them at the same time. */
  #resultOf(key: string, presented: Uint8Array, name: string): Promise<boolean> {
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const result = this.#judge(key, presented, name).finally(() => this.#pending.delete(key));
    this.#pending.set(key, result);
    return result;
  }

  async #judge(key: string, presented: Uint8Array, name: string): Promise<boolean> {
    const hash = this.#hashes.get(name);
    const password = presented.subarray(presented.indexOf(COLON) + 1);
    const isRight = await this.#turns.take(() => this.#isPasswordOf(password, hash ?? this.#substitute(name), name));
    // The substitute is the hash of another user's password.
    const isIn = isRight && hash !== undefined;
    (isIn ? this.#right : this.#wrong).add(key);
    return isIn;
  }

  async #isPasswordOf(password: Uint8Array, hash: string, name: string): Promise<boolean> {
    // RFC 7617 allows an empty password, Bun does not.
    if (password.length === 0) return false;
    try {
      return await (this.#options.verify ?? Bun.password.verify)(password, hash);
    } catch (error) {
      const whose = this.#hashes.has(name) ? escapeControls(name) : "some user";
      this.#options.log(`--basic-auth: the hash of ${whose} cannot be used: ${String(error)}`);
      return false;
    }
  }

  /** Returns a hash for an unknown name: always the same user's, so that each try takes as long as that user's. */
  #substitute(name: string): string {
    const hashes = [...this.#hashes.values()];
    const choice = Number.parseInt(this.#keyOf(new TextEncoder().encode(name)).slice(0, 8), 16);
    return hashes[choice % hashes.length] as string;
  }

  #keyOf(bytes: Uint8Array): string {
    return new Bun.CryptoHasher("sha256", this.#secret).update(bytes).digest("hex");
  }

  #enter(address: string): boolean {
    const ofAddress = this.#waitingByAddress.get(address) ?? 0;
    if (this.#waiting >= this.#waitingMax || ofAddress >= this.#waitingByAddressMax) return false;
    this.#waiting++;
    this.#waitingByAddress.set(address, ofAddress + 1);
    return true;
  }

  #leave(address: string): void {
    this.#waiting--;
    const ofAddress = (this.#waitingByAddress.get(address) ?? 1) - 1;
    if (ofAddress === 0) this.#waitingByAddress.delete(address);
    else this.#waitingByAddress.set(address, ofAddress);
  }

  /**
   * Makes the 401 (RFC 9110 §15.5.2). Every browser begins with a request without credentials, so that is not an
   * incident.
   */
  #challenge(request: Request, incident: string | null): Response {
    const page = this.#options.pages.answer(
      401,
      "A user name and a password are needed here.",
      wantsJson(request),
      ASK,
    );
    return incident === null ? page : { ...page, incident };
  }

  #turnAway(request: Request): Response {
    const sentence = "Too many passwords are being checked; try again in a moment.";
    const page = this.#options.pages.answer(503, sentence, wantsJson(request), { fields: RETRY_SOON });
    return { ...page, incident: "too many unverified credentials at once" };
  }
}

const COLON = 0x3a;

/** RFC 7617 §2, §2.1. The realm is quoted and has no bytes of a user in it. */
const ASK = { fields: [["WWW-Authenticate", 'Basic realm="httpserver", charset="UTF-8"']] } as const;

/** Hashes a password, in about 60 ms and 19 MiB of memory: OWASP's first choice for argon2id. */
export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(password, { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 });
}

/**
 * Returns the bytes `user ":" password` of a Basic Authorization (RFC 7617 §2); null if malformed or of another
 * scheme.
 */
function parseBasic(value: string): Uint8Array | null {
  const token = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(value)?.[1];
  if (token === undefined || token.length > Math.ceil(CREDENTIALS_BYTES_MAX / 3) * 4) return null;
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(token);
  } catch {
    return null;
  }
  const hasControl = bytes.some((byte) => byte < 0x20 || byte === 0x7f); // RFC 7617 §2 forbids controls.
  return hasControl || !bytes.includes(COLON) ? null : bytes;
}

/** Decodes UTF-8, as our challenge asks for. Other bytes become a name that no user has. */
function nameOf(credentials: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(credentials.subarray(0, credentials.indexOf(COLON)));
}

/** Returns the log line. An unknown name is not repeated in it: people type their password into the wrong field. */
function sentenceFor(name: string, isUser: boolean): string {
  return isUser ? `wrong password for ${escapeControls(name)}` : "credentials of an unknown user";
}

/**
 * Returns hashes by user name. Throws a RangeError for a file that cannot be read, a bad line, or a user named twice.
 */
function readCredentials(items: readonly string[]): ReadonlyMap<string, string> {
  const hashes = new Map<string, string>();
  const add = (item: string, where: string) => {
    const problem = item.startsWith("@") ? "expected USER:HASH" : problemOfUser(item);
    if (problem !== null) throw new RangeError(`${where}: ${problem}`);
    const colon = item.indexOf(":");
    const name = item.slice(0, colon);
    if (hashes.has(name)) throw new RangeError(`${where}: ${escapeControls(name)} is there twice`);
    hashes.set(name, item.slice(colon + 1));
  };
  for (const item of items) {
    if (!item.startsWith("@")) {
      add(item, "--basic-auth");
      continue;
    }
    const path = item.slice(1);
    for (const [index, line] of readLines(path).entries()) {
      if (line !== "") add(line, `${path}, line ${index + 1}`);
    }
  }
  if (hashes.size === 0) throw new RangeError("--basic-auth: there is no user in the file");
  return hashes;
}

/** Bytes: some thousands of users. */
const USERS_BYTES_MAX = 1_048_576;

/** Returns the lines without white space at their ends; "" for a comment. */
function readLines(path: string): readonly string[] {
  try {
    const lines = new TextDecoder().decode(readSmallFile(path, USERS_BYTES_MAX)).split("\n");
    return lines.map((line) => line.trim()).map((line) => (line.startsWith("#") ? "" : line));
  } catch (error) {
    throw new RangeError(`--basic-auth: cannot read ${path} (${reasonOf(error)})`);
  }
}

/** Keys that were added recently. */
class RecentKeys {
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  /** Time at which each was added, oldest first. */
  readonly #addedMs = new Map<string, number>();

  constructor(maxAgeMs: number, now: () => number) {
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
  }

  has(key: string): boolean {
    const addedMs = this.#addedMs.get(key);
    if (addedMs === undefined) return false;
    // If the clock is set back, an age is below zero; that does not keep anything for longer.
    const ageMs = this.#now() - addedMs;
    if (ageMs >= 0 && ageMs < this.#maxAgeMs) return true;
    this.#addedMs.delete(key);
    return false;
  }

  add(key: string): void {
    this.#addedMs.delete(key);
    this.#addedMs.set(key, this.#now());
    for (const oldest of this.#addedMs.keys()) {
      if (this.#addedMs.size <= REMEMBERED_MAX) break;
      this.#addedMs.delete(oldest);
    }
  }
}

/** Lets a limited number of tasks run at a time, in the order in which they come. The callers bound how many wait. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

/**
 * Returns a layer that lets only verified credentials through. `isGuarded` decides by the path which requests need them.
 *
 * The rule it guards: before the credentials are verified the response says nothing about the server, and no content is
 * taken. Credentials that were never seen are verified later; until then even a refusal waits.
 */
export function credentialsLayer(options: BasicAuthOptions, isGuarded: (path: string) => boolean): Layer {
  const auth = new BasicAuth(options);
  return (inner) => new CredentialsLayer(inner, auth, isGuarded);
}

class CredentialsLayer extends LayerHandler {
  readonly #auth: BasicAuth;
  readonly #isGuarded: (path: string) => boolean;

  constructor(inner: Handler, auth: BasicAuth, isGuarded: (path: string) => boolean) {
    super(inner);
    this.#auth = auth;
    this.#isGuarded = isGuarded;
  }

  override admit(request: Request): Admission {
    if (!this.#isGuarded(request.target.path)) return this.inner.admit(request);
    const standing = this.#auth.look(request);
    if (typeof standing === "object") return refused(standing);
    const admission = this.inner.admit(request);
    if (standing === Standing.Known) return admission;
    // An endpoint needs no slot, and none for the verification.
    const { isControl, host } = admission;
    return { ...CERTAIN, isControl, host, later: () => this.#admitLater(request) };
  }

  /** Admits a request once its credentials are verified. A client that is not let in is logged, also if it asks for an endpoint. */
  async #admitLater(request: Request): Promise<Admission> {
    const refusal = await this.#auth.verify(request);
    return refusal === null ? this.inner.admit(request) : refused(refusal);
  }
}
