/**
 * Uploads of several threads into one folder, from one seed. Each upload asks for room, writes its content in pieces and is kept or dropped;
 * between any two accesses to the shared books, and between the books and the disk, any other upload may go on.
 *
 * With a bound, the folder never has more bytes than it. Without, the spare on the disk stays free. At the end no room is lost.
 */
import { LocalCounter } from "../../../src/exchange/counter.ts";
import { GIB } from "../../../src/http/units.ts";
import { Random } from "../random.ts";
import { type Steps, stepClass } from "./stepwise.ts";

interface StepAllowance {
  take(bytes: number): Steps<boolean>;
  kept(): Steps;
  dropped(): Steps;
}

interface StepQuota {
  open(announced: number): Steps<StepAllowance | null>;
}

interface StepRoom {
  usedBytes(): Steps<number>;
  freeBytes(): Steps<number>;
}

type StepQuotaClass = new (room: StepRoom, maxBytes: number, books: Record<string, StepCounter>) => StepQuota;

class StepCounter {
  #value = 0;

  *read(): Steps<number> {
    yield;
    return this.#value;
  }

  *add(amount: number): Steps {
    yield;
    this.#value += amount;
  }

  *take(amount: number, max: number): Steps<boolean> {
    yield;
    const hasRoom = this.#value + amount <= max;
    if (hasRoom) this.#value += amount;
    return hasRoom;
  }

  get now(): number {
    return this.#value;
  }
}

/** Bytes of the whole disk, beyond the spare, or the bound of the folder. */
const ROOM_BYTES = 100;

/** Uploads at the same time. Without a bound, pieces of them that are on their way to the disk are what the spare is for. */
const UPLOADS_MAX = 5;
const PIECE_BYTES_MAX = 3;
const IN_FLIGHT_BYTES = (UPLOADS_MAX - 1) * PIECE_BYTES_MAX;

class Folder implements StepRoom {
  readonly quotas: readonly StepQuota[];
  readonly books = { committed: new StepCounter(), kept: new StepCounter(), written: new StepCounter() };
  readonly isBounded: boolean;
  violation = "";
  granted = 0;
  refused = 0;
  readonly #random: Random;
  /** Sizes of the uploads that were kept. */
  readonly #files: number[] = [];
  #bytes = 0;
  /** Bytes of uploads that are under way. */
  #partial = 0;

  constructor(seed: number, Quota: StepQuotaClass) {
    this.#random = new Random(seed);
    this.isBounded = this.#random.oneIn(2);
    const max = this.isBounded ? ROOM_BYTES : -1;
    this.quotas = [0, 1, 2].map(() => new Quota(this, max, this.books));
  }

  /** Reads the names first, then the sizes one by one. */
  *usedBytes(): Steps<number> {
    yield;
    const files = [...this.#files];
    let used = 0;
    for (const bytes of files) {
      yield;
      used += bytes;
    }
    return used;
  }

  *freeBytes(): Steps<number> {
    yield;
    return this.#free;
  }

  get #free(): number {
    return GIB + ROOM_BYTES - this.#bytes - this.#partial;
  }

  run(): string {
    const random = this.#random;
    const uploads: Steps[] = [];
    for (let left = 6 + random.below(12); left > 0 || uploads.length > 0; ) {
      if (left > 0 && (uploads.length === 0 || (uploads.length < UPLOADS_MAX && random.oneIn(12)))) {
        left--;
        uploads.push(this.#upload(random.pick(this.quotas)));
      }
      const at = random.below(uploads.length);
      for (let steps = random.pick([1, 1, 2, 6]); steps > 0; steps--) {
        if (uploads[at]?.next().done !== true) continue;
        uploads.splice(at, 1);
        break;
      }
      this.#judge();
      if (this.violation !== "") return this.violation;
    }
    this.#judgeEnd();
    return this.violation;
  }

  *#upload(quota: StepQuota): Steps {
    const random = this.#random;
    const bytes = random.pick([1, 10, 25, 50, 60, 120]);
    const announced = random.oneIn(3) ? 0 : bytes + random.pick([0, 0, 20]);
    const allowance = yield* quota.open(announced);
    if (allowance === null) {
      this.refused++;
      return;
    }
    this.granted++;
    let written = 0;
    while (written < bytes) {
      const piece = Math.min(bytes - written, random.pick(this.isBounded ? [1, 10, 40] : [1, PIECE_BYTES_MAX]));
      if (random.oneIn(60) || !(yield* allowance.take(piece))) {
        this.#partial -= written;
        yield* allowance.dropped();
        return;
      }
      yield;
      this.#partial += piece;
      written += piece;
    }
    yield;
    this.#partial -= written;
    this.#bytes += written;
    this.#files.push(written);
    yield;
    yield* allowance.kept();
    yield* allowance.dropped();
  }

  #judge(): void {
    if (this.isBounded && this.#bytes > ROOM_BYTES)
      this.violation = `the folder has ${this.#bytes} of ${ROOM_BYTES} bytes`;
    if (!this.isBounded && this.#free < GIB - IN_FLIGHT_BYTES)
      this.violation = `${GIB - this.#free} bytes of the spare are written`;
  }

  /** All uploads are over: the books have what was kept, and nothing is unwritten. */
  #judgeEnd(): void {
    const { committed, kept, written } = this.books;
    const isRight = committed.now === kept.now && (this.isBounded || written.now === kept.now);
    // Without a bound, written bytes of dropped uploads stay in the books, and the next measurement sees that they are gone.
    if (!isRight || (this.isBounded && kept.now !== this.#bytes))
      this.violation = `the books have ${[committed.now, kept.now, written.now]}`;
  }
}

interface UploadsResult {
  readonly seeds: number;
  readonly granted: number;
  readonly refused: number;
  /** The first seed that fails, and the rule that it breaks; null if none does. */
  readonly failure: { readonly seed: number; readonly violation: string } | null;
}

/** Runs `count` seeds. `change` alters the source of the quota before; left out, it is the real one. */
export async function interleaveUploads(
  count: number,
  change: (source: string) => string = (source) => source,
): Promise<UploadsResult> {
  const options = {
    path: "src/handlers/uploads/quota.ts",
    name: "Quota",
    receivers: ["committed", "written", "kept", "room", "#quota"],
    callbacks: [],
    imported: { LocalCounter, GIB },
  };
  const Quota = (await stepClass(options, change)) as StepQuotaClass;
  let granted = 0;
  let refused = 0;
  for (let seed = 1; seed <= count; seed++) {
    const folder = new Folder(seed, Quota);
    const violation = folder.run();
    granted += folder.granted;
    refused += folder.refused;
    if (violation !== "") return { seeds: seed, granted, refused, failure: { seed, violation } };
  }
  return { seeds: count, granted, refused, failure: null };
}
