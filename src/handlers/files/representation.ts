/**
 * Representations of files (RFC 9110 §3.2): a file as it is, or in a content coding. Each is read from the disk, compressed,
 * or found among the hot files, and a small one is kept there with its responses.
 *
 * A file in a coding is a representation of its own: it has its own name among the hot files and its own entity tag.
 * The rule it guards: bytes that the disk failed to give are never sent, because a short file would pass for a whole one.
 */
import type { ContentCoding } from "../../http/accept-encoding.ts";
import { Field } from "../../http/field.ts";
import type { RequestHead } from "../../http/message.ts";
import { Method } from "../../http/method.ts";
import { CODING_EXTENSIONS, type Codings } from "./coding.ts";
import { type DocumentRoot, errorCode, type OpenedFile, OpenFailure } from "./document-root.ts";
import { readWhole } from "./file-body.ts";
import { codedTag, entityTag } from "./file-conditions.ts";
import type { AbsentFile, HotFile, HotFiles, Neighbour, Snapshot } from "./hot-files.ts";
import { fileNameOf, withIndex } from "./names.ts";
import type { Replies } from "./reply.ts";

/** Largest file, in bytes, that is read at once: one read and one write, and no descriptor held for a slow client. */
export const IN_MEMORY_BYTES_MAX = 65_536;

/** Largest file, in bytes, that is kept when it is requested again: sending 1 MiB from memory saves a third of the time. */
export const HOT_BYTES_MAX = 1_048_576;

/**
 * Milliseconds after its last change until a file is kept. File times have steps: two seconds on FAT, up to ten milliseconds
 * on Linux before 6.13. Two changes within one step look like one: of 500 files of ten bytes, written, requested and written
 * again on ramfs, 452 stayed old for good.
 */
const SETTLED_MS = 2_100;

/** A file that was opened for a request, and the coding it is to be sent in. */
export interface Variant {
  /** Path that the request names, below the prefix. */
  readonly name: string;
  /** Path that was opened, below the root. */
  readonly path: string;
  readonly file: OpenedFile;
  /** Decided when the file was opened, before its bytes were read: see `#isSettled`. */
  readonly isSettled: boolean;
  readonly coding: ContentCoding | null;
  /** Files whose change would select another representation. */
  readonly neighbours: readonly Neighbour[];
}

interface RepresentationsOptions {
  readonly root: DocumentRoot;
  readonly hot: HotFiles;
  /** Null: every file is sent as it is. */
  readonly codings: Codings | null;
  readonly index: string;
  readonly replies: Replies;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export class Representations {
  readonly #options: RepresentationsOptions;

  constructor(options: RepresentationsOptions) {
    this.#options = options;
  }

  /** Returns the kept file `name` as it is; null when the disk must be asked. */
  hot(name: string): HotFile | null {
    const kept = this.#options.hot.get(name);
    return kept === null || kept.isAbsent ? null : kept;
  }

  /** Returns the kept file in the first of these codings in which it exists, or as it is; null when the disk must be asked. */
  hotIn(codings: readonly ContentCoding[], name: string): HotFile | null {
    for (const coding of codings) {
      const kept = this.#options.hot.get(hotName(name, coding));
      if (kept === null || !kept.isAbsent) return kept;
    }
    return this.hot(name);
  }

  /** Returns the kept representation of the file in this coding; null if the disk must be asked. */
  hotOrAbsent(coding: ContentCoding, name: string): HotFile | AbsentFile | null {
    return this.#options.hot.get(hotName(name, coding));
  }

  /** Returns the codings that the request accepts for this file, best first. A range is always of the file as it is. */
  acceptedCodings(name: string, head: RequestHead): readonly ContentCoding[] {
    const { codings, index } = this.#options;
    if (codings === null || !head.has(Field.AcceptEncoding)) return NO_CODINGS;
    if (head.method === Method.Get && head.has(Field.Range)) return NO_CODINGS;
    return codings.covers(fileNameOf(name, index)) ? codings.accepted(head) : NO_CODINGS;
  }

  /** Returns the file as it is, as a variant. */
  plain(name: string, file: OpenedFile): Variant {
    const path = withIndex(name, this.#options.index);
    return { name, path, file, isSettled: this.#isSettled(file), coding: null, neighbours: [] };
  }

  /** Opens the file that was compressed beforehand and lies beside `source`; null if there is none inside the root. */
  precompressed(source: Variant, coding: ContentCoding): Variant | null {
    const { root, codings } = this.#options;
    if (codings?.precompressed !== true) return null;
    const path = source.path + CODING_EXTENSIONS[coding];
    const file = root.open(path);
    if (typeof file === "number") return null;
    if (file.stats.isFile()) {
      const neighbours = [{ path: root.realPath + source.path, stats: source.file.stats }];
      return { name: source.name, path, file, isSettled: this.#isSettled(file), coding, neighbours };
    }
    file.close();
    return null;
  }

  /** Returns `source` in a coding that is made here. It holds as long as no precompressed file appears beside it. */
  coded(source: Variant, coding: ContentCoding): Variant {
    const { root, codings } = this.#options;
    if (codings?.precompressed !== true) return { ...source, coding };
    const neighbour = { path: root.realPath + source.path + CODING_EXTENSIONS[coding], stats: null };
    return { ...source, coding, neighbours: [neighbour] };
  }

  /** True if `source` is worth compressing. */
  isCompressed({ name, file }: Variant): boolean {
    const { codings, index } = this.#options;
    return codings?.compresses(fileNameOf(name, index), file.stats.size, HOT_BYTES_MAX) === true;
  }

  /** Compresses the content of `source` for `coded`; null when that makes it no smaller, which is then remembered. */
  async compress(coded: Variant, source: Snapshot): Promise<Snapshot | null> {
    const { coding, file } = coded;
    if (source.content === null || coding === null) throw new Error("there is nothing to compress");
    const identity = `${source.etag} ${file.path}`;
    // The hot files take no file behind a link, so its compressed content is kept apart.
    const keeps = coded.isSettled && !this.#mayKeep(coded);
    const content = (await this.#options.codings?.compressed(coding, identity, source.content, keeps)) ?? null;
    if (content === null) {
      this.keepAbsent(coded);
      return null;
    }
    return this.keep(coded, { ...source, coding, content, etag: codedTag(source.etag, coding) });
  }

  /**
   * Reads an opened file as it is at this moment: into memory when it is small, when it will be kept because it is often requested,
   * or if `inMemory` asks for it.
   * Returns `Broken` when the disk fails.
   */
  read(variant: Variant, inMemory: boolean): Snapshot | OpenFailure.Broken {
    const { name, file, coding } = variant;
    const { stats } = file;
    const { size } = stats;
    const isSmall = size <= IN_MEMORY_BYTES_MAX;
    // Content that is not kept would be a copy for each slow reader. From the descriptor it is read a slice at a time.
    const isHot = () =>
      size <= HOT_BYTES_MAX && this.#mayKeep(variant) && this.#options.hot.noteRequest(hotName(name, coding), size);
    let content: Uint8Array | null = null;
    try {
      if (isSmall || inMemory || isHot()) content = readWhole(file);
    } catch (error) {
      this.#options.root.lastError = `${errorCode(error)} in ${file.path}`;
      return OpenFailure.Broken;
    }
    // RFC 9110 §8.8.2.1: never later than the response's own Date.
    const nowSeconds = Math.floor(this.#options.now() / 1000);
    const lastModified = Math.max(0, Math.min(Math.floor(stats.mtimeMs / 1000), nowSeconds));
    const tag = entityTag(stats, isSmall ? content : null);
    return { stats, content, coding, etag: coding === null ? tag : codedTag(tag, coding), lastModified };
  }

  /**
   * Keeps a small file with its responses. Its times were taken before its bytes, so a file that changed while it was read
   * differs from the kept one at the next request.
   */
  keep(variant: Variant, snapshot: Snapshot): Snapshot {
    const { content } = snapshot;
    if (content === null || !variant.isSettled) return snapshot;
    const hot = this.#options.replies.hotFile(variant.name, snapshot, content);
    this.#set(variant, hot);
    return hot;
  }

  /** Remembers that the file does not exist in this coding, so that the next request does not ask the disk. */
  keepAbsent(variant: Variant): void {
    if (variant.isSettled) this.#set(variant, { isAbsent: true, stats: variant.file.stats });
  }

  /** False for a file that the hot files would not take, or not yet. */
  #mayKeep({ isSettled, file, path }: Variant): boolean {
    return isSettled && file.path === this.#options.root.realPath + path;
  }

  #set({ name, path, file, coding, neighbours }: Variant, hot: HotFile | AbsentFile): void {
    const { root } = this.#options;
    this.#options.hot.set(hotName(name, coding), root.realPath + path, file.path, hot, neighbours);
  }

  /** False for a file from the future, or one whose next change could leave its times and size as they are. */
  #isSettled({ stats }: OpenedFile): boolean {
    const now = this.#options.now();
    return stats.mtimeMs <= now && now - stats.ctimeMs >= SETTLED_MS;
  }
}

const NO_CODINGS: readonly ContentCoding[] = [];

/** Returns the key of a hot file. Names begin with "/" or are empty, so a coding in front makes no other file's name. */
function hotName(name: string, coding: ContentCoding | null): string {
  return coding === null ? name : coding + name;
}
