/**
 * Keeps uploads in an object store, one object of exactly the received bytes each. Loaded only with `--uploads s3://…`.
 *
 * Strategy: content up to a part is one PUT, and larger content is an upload in parts (multipart.ts). The store's answer for that name is
 * what 201 stands for. Where the store obeys If-None-Match, an object replaces nothing. Where it does not, JSON uploads keep apart by 128
 * random bits in their names, and uploads by name are refused.
 *
 * The rule it guards: an upload in parts takes room in the memory that all of them share before it takes content. So the memory has a bound,
 * and a slow store slows its clients down.
 */
import type { TimeSource } from "../../../exchange/clock.ts";
import type { ContentDigest } from "../../digest.ts";
import { randomHex } from "../../digest.ts";
import type { ErrorPages } from "../../error-page.ts";
import type { Mount } from "../../mount.ts";
import { jsonName } from "../names.ts";
import { PieceSink } from "../piece-sink.ts";
import { type StoredUpload, StoreError, type UploadSink, type UploadStore } from "../store.ts";
import { Budget } from "./budget.ts";
import type { S3Client } from "./client.ts";
import { findConditions } from "./conditions.ts";
import { Multipart } from "./multipart.ts";
import { Conditions, Objects } from "./objects.ts";
import { type Part, PartBuffers, type PartLimits, PartReader } from "./parts.ts";
import { ShownObjects } from "./shown.ts";

/** Parts in memory over all uploads: one for each of sixteen, or four each of four. With parts of 8 MiB, that is 128 MiB. */
const PARTS_IN_MEMORY_MAX = 16;

/** An upload in parts that began longer ago than this has no writer. */
const LEFTOVER_MS = 86_400_000;

/** Pages of leftovers that one start looks at. */
const LEFTOVER_PAGES_MAX = 50;

export interface S3StoreOptions {
  readonly client: S3Client;
  /** `s3://bucket/prefix`, as it is shown. */
  readonly place: string;
  /** Beginning of every key: "" or a path that ends with a slash. */
  readonly prefix: string;
  /** True: uploads have names, and come in parts. */
  readonly hasNames: boolean;
  /** `PART_LIMITS`; those of a test are smaller. */
  readonly limits: PartLimits;
  readonly time: TimeSource;
  /** Takes a line for the operator. */
  readonly info: (line: string) => void;
}

export class S3Store implements UploadStore {
  readonly place: string;
  readonly root = null;
  /** The store has a quota of its own, or none. */
  readonly room = null;
  readonly #options: S3StoreOptions;
  readonly #objects: Objects;
  readonly #memory: Budget;
  readonly #buffers: PartBuffers;
  #conditions: Promise<Conditions> | null = null;

  constructor(options: S3StoreOptions) {
    this.#options = options;
    this.place = options.place;
    this.#objects = new Objects(options.client, options.prefix);
    this.#buffers = new PartBuffers(options.limits.bytes);
    this.#memory = new Budget(PARTS_IN_MEMORY_MAX * options.limits.bytes, options.time);
  }

  /** Asks the store which conditional writes it obeys, and removes the leftovers of killed servers. Never rejects. */
  async open(): Promise<void> {
    try {
      const conditions = await this.#findConditions();
      if (this.#options.hasNames && conditions !== Conditions.None) await this.#sweep();
    } catch {
      // The operator was told, and the next upload asks again.
    }
  }

  create(name: string | null, bytesMax: number | null): UploadSink {
    return new PieceSink((pieces, digest) =>
      name === null ? this.#keepJson(pieces, digest) : this.#keepNamed(name, bytesMax, pieces, digest),
    );
  }

  has(): null {
    return null;
  }

  remove(name: string): void {
    const { client } = this.#options;
    // The operator is told of a store that is away, or refuses.
    this.#objects.remove(this.#objects.keyOf(name), client.deadline()).catch(() => {});
  }

  shown(pages: ErrorPages): Mount {
    return new ShownObjects({ client: this.#options.client, objects: this.#objects, pages, time: this.#options.time });
  }

  /** Resolves with the conditions, which are asked for until the store has answered once. */
  #findConditions(): Promise<Conditions> {
    this.#conditions ??= this.#askForConditions().catch((error: unknown) => {
      this.#conditions = null;
      throw error;
    });
    return this.#conditions;
  }

  async #askForConditions(): Promise<Conditions> {
    const { client, hasNames, info, place } = this.#options;
    const conditions = await findConditions(this.#objects, hasNames, client.deadline());
    info(`${place}: ${SENTENCES[conditions]}${conditions === Conditions.None && hasNames ? NO_NAMES : ""}`);
    return conditions;
  }

  // Keeping.

  async #keepJson(pieces: AsyncIterable<Uint8Array>, digest: ContentDigest): Promise<StoredUpload> {
    const all: Uint8Array[] = [];
    for await (const piece of pieces) all.push(piece);
    const sha256 = await digest.hex();
    const deadlineMs = this.#options.client.deadline();
    const conditions = await this.#findConditions();
    const name = jsonName(this.#options.time.wallMs(), randomHex(16));
    const content = { pieces: all, bytes: digest.bytes, sha256 };
    await this.#objects.put(name, content, randomHex(16), conditions !== Conditions.None, deadlineMs);
    return this.#kept(name, digest);
  }

  async #keepNamed(
    name: string,
    bytesMax: number | null,
    pieces: AsyncIterable<Uint8Array>,
    digest: ContentDigest,
  ): Promise<StoredUpload> {
    const { client, limits } = this.#options;
    const conditions = await this.#findConditions();
    if (conditions === Conditions.None) throw new StoreError(501, UNNAMED);
    const [memory, buffers] = [this.#memory, this.#buffers];
    let bytes = Math.min(bytesMax ?? limits.bytes, limits.bytes);
    if (!(await memory.take(bytes, client.deadline()))) throw client.away();
    try {
      const parts = new PartReader(pieces, bytes, buffers);
      const first = await parts.next();
      if (first.isLast) {
        await this.#putNamed(name, first);
        buffers.give(first);
      } else {
        // The room goes with the upload.
        bytes = 0;
        await new Multipart({ objects: this.#objects, conditions, memory, buffers, limits }, name).send(first, parts);
      }
    } finally {
      memory.give(bytes);
    }
    return this.#kept(name, digest);
  }

  #putNamed(name: string, content: Part): Promise<void> {
    return this.#objects.put(name, content, randomHex(16), true, this.#options.client.deadline());
  }

  async #kept(name: string, digest: ContentDigest): Promise<StoredUpload> {
    const { bytes } = digest;
    const path = `${this.place}/${name}`;
    return { name, path, bytes, sha256: await digest.hex(), receivedMs: Math.round(this.#options.time.wallMs()) };
  }

  // Leftovers.

  /** Abandons uploads in parts that began a day ago or earlier: their servers were killed. */
  async #sweep(): Promise<void> {
    const { client, time } = this.#options;
    const beforeMs = time.wallMs() - LEFTOVER_MS;
    let marker: Parameters<Objects["unfinished"]>[1] = null;
    for (let page = 0; page < LEFTOVER_PAGES_MAX; page++) {
      const { uploads, next } = await this.#objects.unfinished(beforeMs, marker, client.deadline());
      for (const { key, id } of uploads) await this.#objects.abandon(key, id, false, client.deadline());
      if (next === null) return;
      marker = next;
    }
  }
}

/** Sentences for the operator, by conditions. */
const SENTENCES: Readonly<Record<Conditions, string>> = {
  [Conditions.All]: "no upload replaces another, because the store obeys If-None-Match",
  [Conditions.Put]: "no upload replaces another, because the store obeys If-None-Match",
  [Conditions.None]: "the store does not obey If-None-Match; JSON uploads keep apart by 128 random bits in their names",
};

const NO_NAMES = ", and uploads by name get 501";

const UNNAMED = "The store of this server cannot keep a name from being taken twice, so it takes no uploads by name.";
