/**
 * One budget for the memory that connections hold while they wait for their peers: responses that are not read, requests
 * that are not complete. When the sum passes the budget, the largest lender goes first: its connections are cut.
 *
 * An account is memory of one connection, or content in memory that several connections send. Shared content counts once, and its
 * size is divided by its connections, so a page that many read slowly is not cut for their number. Accounts of about the
 * same size (a power of two) stand in the order of their last progress: a peer that takes nothing goes before one that reads.
 *
 * Several threads have one budget. A thread cuts connections of its own while the budget is passed and it holds more than its part, the
 * budget divided by the threads. If the sum is too large, at least one thread does.
 */
import { type Counter, LocalCounter } from "./counter.ts";
import type { CloseReason } from "./observer.ts";

/** A connection that holds memory for its peer. */
export interface Holder {
  /** Cuts the connection. Called outside of turns. */
  abort(reason: CloseReason): void;
}

/** One thread's part in a budget that several threads share. */
export interface PeerShare {
  /** Counts the bytes of all threads. */
  readonly total: Counter;
  /** Threads that share the budget. */
  readonly threads: number;
  /** Makes each other thread call `review`, outside of turns: the budget is passed, and this thread holds no more than its part. */
  tellOthers(): void;
}

interface Account {
  bytes: number;
  /** Place among the ranks; -1 when the account is closed. */
  rank: number;
  readonly holders: Set<Holder>;
}

const RANKS = 32;

export class PeerMemory {
  readonly #share: PeerShare;
  readonly #max: number;
  /** Bytes that the connections of this thread hold. */
  #held = 0;
  readonly #defer: (sleeper: PeerMemory) => void;
  readonly #own = new Map<Holder, Account>();
  readonly #shared = new Map<ArrayBufferLike, Account>();
  /** Content that stays in memory whether it is sent or not. */
  readonly #kept = new WeakSet<ArrayBufferLike>();
  /** ranks[r]: accounts with 2^r bytes a connection or more, and less than twice that; the one without progress for longest first. */
  readonly #ranks: readonly Set<Account>[] = Array.from({ length: RANKS }, () => new Set<Account>());
  #isDue = false;

  /** `max` is in bytes. `defer` calls `resumed` outside of turns. `share` is absent if there is one thread. */
  constructor(max: number, defer: (sleeper: PeerMemory) => void, share: PeerShare = newShare()) {
    this.#max = max;
    this.#defer = defer;
    this.#share = share;
  }

  /** Bytes held over all connections of all threads. */
  get used(): number {
    return this.#share.total.value;
  }

  /** Notes that `holder` holds `bytes` of its own, 0 for none. Counts as progress of its peer. */
  hold(holder: Holder, bytes: number): void {
    let account = this.#own.get(holder);
    if (bytes === 0) {
      if (account !== undefined) this.#close(account);
      return;
    }
    if (account === undefined) {
      account = { bytes: 0, rank: -1, holders: new Set([holder]) };
      this.#own.set(holder, account);
    }
    this.#resize(account, bytes);
  }

  /** Notes that `holder` sends from `content`, which others may send too. Counts as progress of its peer. */
  share(holder: Holder, content: ArrayBufferLike): void {
    let account = this.#shared.get(content);
    if (account === undefined) {
      account = { bytes: 0, rank: -1, holders: new Set() };
      this.#shared.set(content, account);
    }
    account.holders.add(holder);
    this.#resize(account, this.#kept.has(content) ? 0 : content.byteLength);
  }

  /** Notes that a cache keeps `content`. To cut its senders would free nothing, so it is not counted. */
  kept(content: ArrayBufferLike): void {
    this.#kept.add(content);
    const account = this.#shared.get(content);
    if (account !== undefined) this.#resize(account, 0);
  }

  /** Notes that only its senders hold `content` from here on. */
  dropped(content: ArrayBufferLike): void {
    this.#kept.delete(content);
    const account = this.#shared.get(content);
    if (account !== undefined) this.#resize(account, content.byteLength);
  }

  /** Notes that `holder` no longer sends from `content`. */
  unshare(holder: Holder, content: ArrayBufferLike): void {
    const account = this.#shared.get(content);
    if (account === undefined || !account.holders.delete(holder)) return;
    if (account.holders.size > 0) this.#resize(account, account.bytes);
    else {
      this.#shared.delete(content);
      this.#close(account);
    }
  }

  /** Cuts the largest lenders of this thread until the rest fits, or tells the other threads that theirs do not fit. */
  resumed(): void {
    this.#isDue = false;
    this.review();
    if (this.used > this.#max) this.#share.tellOthers();
  }

  /** Cuts the largest lenders of this thread while the budget is passed and the thread holds more than its part. */
  review(): void {
    const part = this.#max / this.#share.threads;
    for (let rank = RANKS - 1; rank >= 0 && this.#held > part && this.used > this.#max; ) {
      const [oldest] = this.#ranks[rank] as Set<Account>;
      if (oldest === undefined) rank--;
      else this.#cut(oldest);
    }
  }

  #cut(account: Account): void {
    const holders = [...account.holders];
    this.#close(account);
    for (const holder of holders) holder.abort("no memory to go on");
  }

  #resize(account: Account, bytes: number): void {
    this.#leave(account);
    this.#count(bytes - account.bytes);
    account.bytes = bytes;
    if (bytes === 0) return;
    account.rank = rankOf(bytes / account.holders.size);
    this.#ranks[account.rank]?.add(account);
    if (this.used <= this.#max || this.#isDue) return;
    this.#isDue = true;
    this.#defer(this);
  }

  #close(account: Account): void {
    this.#leave(account);
    this.#count(-account.bytes);
    account.bytes = 0;
    for (const holder of account.holders) if (this.#own.get(holder) === account) this.#own.delete(holder);
  }

  #count(bytes: number): void {
    if (bytes === 0) return;
    this.#held += bytes;
    this.#share.total.add(bytes);
  }

  #leave(account: Account): void {
    this.#ranks[account.rank]?.delete(account);
    account.rank = -1;
  }
}

function newShare(): PeerShare {
  return { total: new LocalCounter(), threads: 1, tellOthers: () => {} };
}

/** Returns the exponent of the largest power of two that is not above `bytes`, at most that of the last rank. */
function rankOf(bytes: number): number {
  // `clz32` sees the low 32 bits alone.
  return Math.max(0, RANKS - 1 - Math.clz32(Math.min(bytes, 2 ** 32 - 1)));
}
