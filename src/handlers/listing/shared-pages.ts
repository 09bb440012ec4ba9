/**
 * Pages of listings that several requests share, because a page of 2,000 entries takes some 50 ms of work and a megabyte.
 *
 * The rule it guards: a client that changes a folder and then requests it gets the change. So a request shares a run that begins
 * after it came, never one that is under way. There is one exception, for a flood. If several requests for the page are in progress and
 * the last page was made within `maxAgeMs`, the next requests get that page. Hot files have the same bound. The work then rests between
 * two runs.
 *
 * Equal pages are one array for as long as one of them is being sent, so slow readers of a folder that does not change cost no copies.
 */
import { MIB } from "../../http/units.ts";
import type { OpenFailure } from "../files/document-root.ts";

/** The bytes of a page, and the fields that tell of its folder. */
export interface ListedPage {
  readonly content: Uint8Array;
  /** With its quotes. */
  readonly etag: string;
  /** Number of names on all pages. */
  readonly total: number;
  /** Query of the next page, or null. */
  readonly next: string | null;
}

type Made = ListedPage | OpenFailure;

/** Makes a page, or tells why the disk failed. Never rejects. */
type Make = () => Promise<Made>;

interface SharedPagesOptions {
  /** Longest time in milliseconds that a page is sent again in a flood. */
  readonly maxAgeMs: number;
  /** Milliseconds. */
  readonly now: () => number;
  /** Resolves after some milliseconds. */
  readonly pause: (ms: number) => Promise<unknown>;
}

/** Requests in progress from which on there is a flood. A client that waits for each response never has two. */
const FLOOD_MIN = 4;

/** Rest between two runs in a flood, in durations of a run, so that the work takes a fifth of the time; and its share of the age. */
const REST_RUNS = 4;
const REST_OF_AGE = 0.5;

/** Bytes of pages that are kept between two requests, because both may belong to a flood; and bytes of a page besides its content. */
const IDLE_BYTES_MAX = 4 * MIB;
const PAGE_BYTES = 1024;

export class SharedPages {
  readonly #options: SharedPagesOptions;
  /** Pages with requests in progress. */
  readonly #busy = new Map<string, SharedPage>();
  /** Pages without one, the oldest first. */
  readonly #idle = new Map<string, SharedPage>();
  #idleBytes = 0;

  constructor(options: SharedPagesOptions) {
    this.#options = options;
  }

  /** Returns the page that `make` makes. Equal keys mean that each `make` gives the same page, unless the folder has changed. */
  async page(key: string, make: Make): Promise<Made> {
    const page = this.#busy.get(key) ?? this.#takeIdle(key);
    const recent = page.inFlood();
    if (recent !== null) return recent;
    page.waiting++;
    this.#busy.set(key, page);
    try {
      return await page.make(make);
    } finally {
      if (--page.waiting === 0) this.#rest(key, page);
    }
  }

  #takeIdle(key: string): SharedPage {
    const page = this.#idle.get(key);
    if (page === undefined) return new SharedPage(this.#options);
    this.#idle.delete(key);
    this.#idleBytes -= page.bytes;
    return page;
  }

  #rest(key: string, page: SharedPage): void {
    page.rest();
    this.#busy.delete(key);
    this.#idle.set(key, page);
    this.#idleBytes += page.bytes;
    for (const [oldest, { bytes }] of this.#idle) {
      if (this.#idleBytes <= IDLE_BYTES_MAX) break;
      this.#idle.delete(oldest);
      this.#idleBytes -= bytes;
    }
  }
}

/** One page, and the requests for it. */
class SharedPage {
  /** Requests in progress. */
  waiting = 0;
  readonly #options: SharedPagesOptions;
  #last: ListedPage | null = null;
  /** Milliseconds at which `#last` was made, and those that it took. */
  #madeMs = 0;
  #tookMs = 0;
  /** Settles when the run that is under way has ended; null while there is none. */
  #current: Promise<Made> | null = null;
  /** The run after it; null if no request waits for it. */
  #next: Promise<Made> | null = null;
  #following = 0;
  /** Work of the next run: of the request that came last, whose folder is the newest. */
  #makeNext: Make | null = null;

  constructor(options: SharedPagesOptions) {
    this.#options = options;
  }

  /** Bytes of memory that the page takes. */
  get bytes(): number {
    return PAGE_BYTES + (this.#last === null ? 0 : this.#last.content.length);
  }

  /** Returns the last page if there is a flood and it is recent, else null. */
  inFlood(): ListedPage | null {
    if (this.waiting < FLOOD_MIN) return null;
    const age = this.#options.now() - this.#madeMs;
    // After the clock was set back, no page counts as recent.
    return age >= 0 && age <= this.#options.maxAgeMs ? this.#last : null;
  }

  /** Makes the page in a run that begins now, or after the one that is under way. */
  make(make: Make): Promise<Made> {
    if (this.#current === null) return this.#begin(make);
    this.#makeNext = make;
    this.#following++;
    this.#next ??= this.#follow(this.#current);
    return this.#next;
  }

  /** Ends the last run: no request is in progress. */
  rest(): void {
    this.#current = null;
  }

  async #follow(current: Promise<Made>): Promise<Made> {
    await current;
    const { maxAgeMs, pause } = this.#options;
    // More have come while there was no recent page: their slots are free sooner without a rest.
    const isRestful = this.#following >= FLOOD_MIN - 1 && this.#following <= FLOOD_MIN;
    if (isRestful) await pause(Math.min(REST_RUNS * this.#tookMs, REST_OF_AGE * maxAgeMs));
    const make = this.#makeNext as Make;
    this.#next = null;
    this.#makeNext = null;
    this.#following = 0;
    return await this.#begin(make);
  }

  #begin(make: Make): Promise<Made> {
    const { now } = this.#options;
    const begunMs = now();
    this.#current = make().then((made) => {
      if (typeof made === "number") return made;
      this.#madeMs = now();
      this.#tookMs = Math.max(0, this.#madeMs - begunMs);
      this.#last = withBytesOf(made, this.#last);
      return this.#last;
    });
    return this.#current;
  }
}

/** Returns `page` with the bytes of `last` if they are equal. */
function withBytesOf(page: ListedPage, last: ListedPage | null): ListedPage {
  return last !== null && Buffer.compare(page.content, last.content) === 0 ? last : page;
}
