/**
 * One upload that is larger than a part.
 *
 *   1. begin      the store gives the upload an id
 *   2. reserve    where only PUT is conditional, an empty object takes the name; elsewhere the name is looked at
 *   3. parts      some at a time, each tried again until its deadline
 *   4. join       the object is there as a whole, and is looked at; or the upload is abandoned, and the name is free again
 *
 * The rule it guards: the object that is joined replaces nothing but the empty one of the same upload.
 */
import { randomHex } from "../../digest.ts";
import type { Budget } from "./budget.ts";
import { Conditions, type Objects } from "./objects.ts";
import type { Part, PartBuffers, PartLimits, PartReader } from "./parts.ts";

/** Parts of one upload on their way at a time. */
const PARTS_AT_ONCE = 4;

interface MultipartOptions {
  readonly objects: Objects;
  readonly conditions: Conditions.Put | Conditions.All;
  /** Memory that all uploads share. The caller has taken room for one part, which is given back here. */
  readonly memory: Budget;
  readonly buffers: PartBuffers;
  readonly limits: PartLimits;
}

export class Multipart {
  readonly #options: MultipartOptions;
  readonly #name: string;
  /** Number of the upload, in its metadata. */
  readonly #upload = randomHex(16);
  readonly #etags: string[] = [];
  readonly #sending = new Set<Promise<void>>();
  readonly #failure = Promise.withResolvers<never>();
  /** Parts that there is room for in memory. */
  #rooms = 1;
  #bytes = 0;

  constructor(options: MultipartOptions, name: string) {
    this.#options = options;
    this.#name = name;
    this.#failure.promise.catch(() => {});
  }

  /** Sends `first` and the parts after it. Rejects with the error of the content or of the store; then the upload is abandoned. */
  async send(first: Part, parts: PartReader): Promise<void> {
    const { objects } = this.#options;
    let id: string | null = null;
    try {
      id = await objects.begin(this.#name, this.#upload, objects.client.deadline());
      await this.#reserve(id);
      await this.#sendParts(id, first, parts);
      await this.#join(id);
      id = null;
    } finally {
      void this.#end(id);
    }
  }

  /** Waits for the parts that are on their way, gives their memory back, and abandons the upload `id`, unless it is null. */
  async #end(id: string | null): Promise<void> {
    const { objects, memory, limits } = this.#options;
    await Promise.all(this.#sending);
    memory.give(this.#rooms * limits.bytes);
    if (id !== null) await objects.abandonSoon(this.#name, id);
  }

  async #reserve(id: string): Promise<void> {
    const { objects, conditions } = this.#options;
    const deadlineMs = objects.client.deadline();
    if (conditions === Conditions.Put) {
      await objects.reserve(this.#name, id, deadlineMs);
    } else if ((await objects.find(objects.keyOf(this.#name), deadlineMs)) !== null) {
      throw Object.assign(new Error("EEXIST"), { code: "EEXIST" });
    }
  }

  async #sendParts(id: string, first: Part, parts: PartReader): Promise<void> {
    for (let part = first; ; ) {
      this.#sendPart(id, part);
      if (part.isLast) break;
      await this.#roomForNext();
      const next = parts.next();
      // If a part fails, the upload ends at once, and nothing waits for the content. The race must not hold the part: as long as the
      // failure has not come, it holds the result of every race.
      await Promise.race([next.then(nothing, nothing), this.#failure.promise]);
      part = await next;
    }
    await Promise.race([Promise.all(this.#sending), this.#failure.promise]);
  }

  /** Waits until one part more may be in memory. There is always room for one; further room is taken while nothing else waits for it. */
  async #roomForNext(): Promise<void> {
    const { memory, limits } = this.#options;
    while (this.#rooms <= this.#sending.size) {
      if (this.#sending.size < PARTS_AT_ONCE && memory.tryTake(limits.bytes)) this.#rooms++;
      else await Promise.race([...this.#sending, this.#failure.promise]);
    }
  }

  #sendPart(id: string, part: Part): void {
    const number = this.#etags.push("");
    this.#bytes += part.bytes;
    const sent = this.#put(id, number, part)
      .catch((error: unknown) => this.#failure.reject(error))
      .then(() => {
        this.#sending.delete(sent);
        this.#options.buffers.give(part);
        this.#share();
      });
    this.#sending.add(sent);
  }

  /** Gives room back that other uploads wait for. */
  #share(): void {
    const { memory, limits } = this.#options;
    if (memory.waiting === 0 || this.#rooms <= this.#sending.size + 1) return;
    this.#rooms--;
    memory.give(limits.bytes);
  }

  async #put(id: string, number: number, part: Part): Promise<void> {
    const { objects, limits } = this.#options;
    if (number > limits.max) throw Object.assign(new Error("EFBIG"), { code: "EFBIG" });
    this.#etags[number - 1] = await objects.part(this.#name, id, number, part, objects.client.deadline());
  }

  async #join(id: string): Promise<void> {
    const { objects, conditions } = this.#options;
    const isConditional = conditions === Conditions.All;
    const deadlineMs = objects.client.deadline();
    const joined = await objects.join(this.#name, id, this.#etags, isConditional, deadlineMs);
    await objects.prove(this.#name, this.#upload, this.#bytes, joined, deadlineMs);
  }
}

function nothing(): void {}
