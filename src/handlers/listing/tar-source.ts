/**
 * The bytes of an archive, made while they are sent.
 *
 * Strategy: the part that is being sent is there, and the next. A part is a buffer with heads and whole small files, or one opened
 * file that did not fit, which is read when the carrier wants its bytes. Files are opened a few in a turn of the event
 * loop, so other requests run in between. Memory does not grow with the tree.
 *
 * The rule it guards: the client never takes a part for the whole. Each entry has exactly the size of its head. A file that has
 * grown is sent up to that size. If one has become shorter, or the disk fails, the archive is cut, which the carrier shows. While the
 * length of the archive is not announced, a file that has gone before its turn is left out, as if the walk had come later.
 */
import { readSync } from "node:fs";
import type { LiveSource } from "../../http/message.ts";
import { END_BYTES, paddingOf, tarHead } from "../../http/tar.ts";
import { KIB } from "../../http/units.ts";
import { closeDescriptor, type DocumentRoot, type OpenedFile } from "../files/document-root.ts";
import { nextTurn } from "../next-turn.ts";
import { type FolderWalk, type Found, isFatal } from "./tar-walk.ts";

interface TarSourceOptions {
  readonly root: DocumentRoot;
  /** Entries that were found already, in order. */
  readonly found: readonly Found[];
  /** Finds the entries after them; null: there are none, and the length is known. */
  readonly walk: FolderWalk | null;
  /** Bytes of the whole archive; null if they are not known. */
  readonly length: number | null;
  /** Returns the path in the archive for one below the root. */
  readonly pathOf: (path: string) => string;
  /** Takes the reason why the archive was cut. */
  readonly failed: (reason: string) => void;
  /** Called once, by `close`. */
  readonly closed: () => void;
}

/** Bytes of a buffer, besides the end of the archive: a file that fits is read whole. */
const PART_BYTES = 128 * KIB;

/** Bytes of a head: the longest path of Linux, twice, and its blocks. */
const HEAD_BYTES_MAX = 16 * KIB;

/** Files opened in one turn of the event loop: about a millisecond. */
const FILES_PER_TURN = 16;

/** Parts from which on no further one is made. A file that did not fit in its buffer is one more. */
const PARTS_MAX = 2;

/** Bytes in memory, or a file whose descriptor this source owns. */
type Part =
  | { readonly bytes: Uint8Array; readonly size: number }
  | { readonly descriptor: number; readonly size: number };

/** Means that the archive cannot be completed. */
class Cut extends Error {}

export class TarSource implements LiveSource {
  readonly size: number;
  isCut = false;
  readonly #options: TarSourceOptions;
  #parts: Part[] = [];
  /** Position of the first part. */
  #start = 0;
  #found: readonly Found[];
  #next = 0;
  /** Zeros that belong after the last large file. */
  #padding = 0;
  /** True once the last part is made. */
  #isComplete = false;
  #isMaking = false;
  #isClosed = false;
  /** True when the carrier found nothing, and waits. */
  #isAwaited = false;
  #call: () => void = () => {};
  readonly #spare: Uint8Array[] = [];

  constructor(options: TarSourceOptions) {
    this.#options = options;
    this.#found = options.found;
    this.size = options.length ?? Number.MAX_SAFE_INTEGER;
  }

  get isOver(): boolean {
    return this.#isComplete && this.#parts.length === 0;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    this.#drop(position);
    let count = 0;
    let start = this.#start;
    for (const part of this.#parts) {
      const from = position + count - start;
      const wanted = Math.min(limit - count, part.size - from);
      const copied = wanted <= 0 ? 0 : this.#copy(part, from, into, offset + count, wanted);
      count += copied;
      if (copied < wanted || count === limit) break;
      start += part.size;
    }
    this.#make();
    this.#isAwaited = count === 0;
    return count;
  }

  whenMore(call: () => void): void {
    this.#call = call;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#call = () => {};
    for (const part of this.#parts) if ("descriptor" in part) closeDescriptor(part.descriptor);
    this.#parts = [];
    this.#options.closed();
  }

  /** Gives back the parts before `position`, whose bytes are not requested again. */
  #drop(position: number): void {
    for (let part = this.#parts[0]; part !== undefined && this.#start + part.size <= position; part = this.#parts[0]) {
      this.#start += part.size;
      this.#parts.shift();
      if ("descriptor" in part) closeDescriptor(part.descriptor);
      else if (this.#spare.length < PARTS_MAX) this.#spare.push(new Uint8Array(part.bytes.buffer));
    }
  }

  #copy(part: Part, from: number, into: Uint8Array, offset: number, count: number): number {
    if ("bytes" in part) {
      into.set(part.bytes.subarray(from, from + count), offset);
      return count;
    }
    const read = readAt(part.descriptor, into, offset, count, from);
    if (read < count) this.#cut("a file has become shorter, or cannot be read");
    return read;
  }

  /** Makes further parts, unless there are enough. */
  #make(): void {
    if (this.#isMaking || this.#isComplete || this.isCut || this.#parts.length >= PARTS_MAX) return;
    this.#isMaking = true;
    this.#makePart().then(
      () => this.#made(),
      (error) => {
        this.#cut(error instanceof Error ? error.message : String(error));
        this.#made();
      },
    );
  }

  #made(): void {
    this.#isMaking = false;
    if (this.#isClosed) return;
    this.#make();
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#call();
  }

  #cut(reason: string): void {
    if (this.isCut || this.#isClosed) return;
    this.isCut = true;
    this.#options.failed(reason);
  }

  /** Fills a buffer with entries, up to the content of a file that does not fit. Throws if the archive cannot be completed. */
  async #makePart(): Promise<void> {
    const buffer = this.#spare.pop() ?? new Uint8Array(PART_BYTES + END_BYTES);
    let used = this.#padding;
    buffer.fill(0, 0, used);
    this.#padding = 0;
    let large: Part | null = null;
    for (let files = 1; large === null && used <= PART_BYTES - HEAD_BYTES_MAX; files++) {
      const entry = this.#found[this.#next] ?? (await this.#walkOn());
      if (this.#isClosed) return;
      if (entry === null) {
        buffer.fill(0, used, used + END_BYTES);
        used += END_BYTES;
        this.#isComplete = true;
        break;
      }
      this.#next++;
      if (entry.path.endsWith("/")) used += this.#addHead(entry, false, buffer, used);
      else [used, large] = this.#addFile(entry, buffer, used);
      if (files % FILES_PER_TURN === 0) await nextTurn();
      if (this.#isClosed) break;
    }
    this.#push({ bytes: buffer.subarray(0, used), size: used });
    if (large !== null) this.#push(large);
  }

  /** Keeps a part for the carrier, unless it has closed this source meanwhile. */
  #push(part: Part): void {
    if (!this.#isClosed) this.#parts.push(part);
    else if ("descriptor" in part) closeDescriptor(part.descriptor);
  }

  /** Returns the next entry of the walk, or null after the last one. */
  async #walkOn(): Promise<Found | null> {
    const { walk, root } = this.#options;
    const found = walk === null ? null : await walk.next();
    if (typeof found === "number") throw new Cut(root.lastError);
    this.#found = found ?? [];
    this.#next = 0;
    return this.#found[0] ?? null;
  }

  /**
   * Adds a file to the buffer, whose first `used` bytes are taken. Returns how many are taken then, and the content of the file if it
   * did not fit.
   */
  #addFile(entry: Found, buffer: Uint8Array, used: number): [number, Part | null] {
    const opened = this.#open(entry);
    if (opened === null) return [used, null];
    using file = opened;
    const { stats } = file;
    const isKnown = this.#options.length !== null;
    const sent = isKnown ? entry : { ...entry, size: stats.size, modifiedMs: stats.mtimeMs };
    const isExecutable = (stats.mode & EXECUTABLE) !== 0;
    const at = used + this.#addHead(sent, isExecutable, buffer, used);
    if (at + sent.size + paddingOf(sent.size) > PART_BYTES) {
      this.#padding = paddingOf(sent.size);
      return [at, { descriptor: file.release(), size: sent.size }];
    }
    const size = readUpTo(file.descriptor, buffer, at, sent.size);
    if (size < sent.size) {
      if (isKnown) throw new Cut(`${file.path} has become shorter`);
      this.#addHead({ ...sent, size }, isExecutable, buffer, used);
    }
    const end = at + size + paddingOf(size);
    buffer.fill(0, at + size, end);
    return [end, null];
  }

  /** Opens the file of an entry. Returns null if it has gone and can be left out. Throws if it can not. */
  #open(entry: Found): OpenedFile | null {
    const { root, length } = this.#options;
    const opened = root.open(entry.path);
    if (typeof opened === "number") {
      if (isFatal(opened)) throw new Cut(root.lastError);
    } else {
      if (opened.stats.isFile() && (length === null || opened.stats.size >= entry.size)) return opened;
      opened.close();
    }
    if (length !== null) throw new Cut(`${entry.path} has changed`);
    return null;
  }

  /** Writes the head of an entry at `used`, and returns its length. */
  #addHead(entry: Found, isExecutable: boolean, buffer: Uint8Array, used: number): number {
    const head = tarHead({ ...entry, path: this.#options.pathOf(entry.path), isExecutable });
    if (head.length > HEAD_BYTES_MAX) throw new Cut(`the path ${entry.path} is too long`);
    buffer.set(head, used);
    return head.length;
  }
}

/** Reads at most `count` bytes from the beginning of a file. Returns fewer if it is shorter. Throws the error of the disk. */
function readUpTo(descriptor: number, into: Uint8Array, offset: number, count: number): number {
  let length = 0;
  while (length < count) {
    const read = readSync(descriptor, into, offset + length, count - length, length);
    if (read === 0) break;
    length += read;
  }
  return length;
}

/** Reads at most `count` bytes. Never throws: a failing disk counts as the end of the file. */
function readAt(descriptor: number, into: Uint8Array, offset: number, count: number, position: number): number {
  try {
    return readSync(descriptor, into, offset, count, position);
  } catch {
    return 0;
  }
}

/** Bits of a mode that permit a user to run the file. */
const EXECUTABLE = 0o111;
