/**
 * The stub folder as a tree: read whole at the start, and again where it has changed, before each request that it may answer.
 *
 * Strategy: a request walks from the root along its segments, and each folder on the way is compared with the disk first. So a test
 * that adds, edits or removes a file and then sends a request gets the new state, and the rest of the tree costs nothing.
 *
 * The rule it guards: a mistake never takes effect. At the start it ends the program; later the operator gets one line, and the
 * stub that was there stays.
 */
import { type Dirent, readdirSync, type Stats, statSync } from "node:fs";
import { escapeControls } from "../../http/escape.ts";
import { MIB, readableSize } from "../../http/units.ts";
import { StartError } from "../../settings/start-error.ts";
import { readSmallFile, reasonOf } from "../small-file.ts";
import { isUnchanged, type Stamp, stampOf } from "../stamp.ts";
import { type StubAnswer, StubMistake, stubAnswer } from "./answer.ts";
import { Sequence, type StubFile } from "./sequence.ts";
import { readStubMessage } from "./stub-message.ts";
import { fileNameOf, isIgnored, isKept, KEPT_PATH, Segment, segmentOf, segmentsOf, stubNameOf } from "./stub-path.ts";

export interface StubFolderOptions {
  /** Absolute path without links. */
  readonly realPath: string;
  /** The folder as the operator wrote it, for messages. */
  readonly shown: string;
  /** Takes a line for the operator. */
  readonly warn: (line: string) => void;
}

/** Bytes of one stub file, and of all. They are in memory as a whole. */
export const FILE_BYTES_MAX = 16 * MIB;
export const TOTAL_BYTES_MAX = 256 * MIB;

/** Stub files and folders: hundreds of suites' worth, and read in about a second. */
export const FILES_MAX = 10_000;
const FOLDERS_MAX = 10_000;

/** One folder of the tree. */
interface Node {
  /** Path below the stub folder, "" for the folder itself. */
  readonly name: string;
  readonly segments: readonly string[];
  readonly path: string;
  readonly kind: Segment;
  readonly parent: Node | null;
  /** State when it was read last; null before that, and after a mistake: then the next request reads it again. */
  stamp: Stamp | null;
  /** Subfolders by name, and among them those that stand for any segment. */
  readonly children: Map<string, Node>;
  one: Node | null;
  rest: Node | null;
  /** By method. */
  readonly sequences: Map<string, Sequence>;
  /** Device and number in its file system, which tell a link to a folder above. */
  identity: string;
  /** Mistakes that the operator knows; empty if it was read last without any. */
  readonly told: Set<string>;
}

/** Folders whose path matches that of a request, the most specific first. */
export type StubPlaces = readonly Pick<Node, "sequences">[];

/** Returns true if a stub of these places answers `method`. */
export function hasMethod(places: StubPlaces, method: string): boolean {
  return places.some((place) => sequenceFor(place, method) !== undefined);
}

/** Returns the methods of all stubs of these places. */
export function methodsOf(places: StubPlaces): readonly string[] {
  return places.flatMap(({ sequences }) => [...sequences.keys()]);
}

export class StubFolder {
  readonly #options: StubFolderOptions;
  readonly #root: Node;
  /** True while the constructor reads: then a mistake ends the start. */
  #isStarting = true;
  #files = 0;
  #folders = 0;
  #bytes = 0;

  /** Reads the whole folder. Throws a StartError, in one line for the operator, for the first mistake. */
  constructor(options: StubFolderOptions) {
    this.#options = options;
    this.#root = newNode(null, "", options.realPath, Segment.Literal);
    this.#refresh(this.#root);
    this.#isStarting = false;
    if (this.#files > 0) return;
    options.warn(`--stubs ${options.shown} has no stubs; expected files such as ${options.shown}/api/orders/GET.http`);
  }

  /** Returns the folders whose path matches, the most specific first, each in its present state. */
  find(path: string): StubPlaces {
    const segments = segmentsOf(path);
    const found: Node[] = [];
    const visit = (node: Node | null | undefined, at: number): void => {
      if (node === null || node === undefined) return;
      this.#refresh(node);
      if (at === segments.length || node.kind === Segment.Rest) {
        found.push(node);
        return;
      }
      const literal = node.children.get(segments[at] as string);
      if (literal?.kind === Segment.Literal) visit(literal, at + 1);
      visit(node.one, at + 1);
      visit(node.rest, at + 1);
    };
    if (!isKept(segments)) visit(this.#root, 0);
    return found;
  }

  /**
   * Returns the answer that is due, of the first of these places that has the method; null if there is none. A HEAD that GET answers
   * does not count: it tells of the answer that the next GET gets.
   */
  take(places: StubPlaces, method: string): StubAnswer | null {
    for (const place of places) {
      const sequence = sequenceFor(place, method);
      if (sequence === undefined) continue;
      this.#refreshFiles(sequence);
      return place.sequences.has(method) ? sequence.take() : sequence.peek();
    }
    return null;
  }

  /** Restarts all sequences. */
  restart(): void {
    for (const node of nodesOf(this.#root)) for (const sequence of node.sequences.values()) sequence.restart();
  }

  /** Returns the names of numbered files that have answered no request. */
  unreached(): readonly string[] {
    return [...nodesOf(this.#root)]
      .flatMap((node) => [...node.sequences.values()])
      .flatMap(({ files }) => files.filter(({ number, isReached }) => number > 0 && !isReached))
      .map(({ name }) => this.#shown(name));
  }

  // Folders.

  /** Reads a folder again if it has changed. */
  #refresh(node: Node): void {
    try {
      const stamp = stampOf(node.path);
      if (node.stamp !== null && isUnchanged(node.stamp, stamp)) return;
      node.identity = identityOf(stamp.stats);
      node.stamp = stamp;
      const names = this.#names(node);
      this.#refreshFolders(node, names.folders);
      this.#refreshSequences(node, names.files);
      if (node.stamp !== null) node.told.clear();
    } catch (error) {
      if (error instanceof StartError) throw error;
      this.#mistake(node, node.name, unreadable(error));
    }
  }

  /** Returns the names in a folder that have a meaning here, in order. Follows links. */
  #names(node: Node): { readonly folders: readonly string[]; readonly files: readonly string[] } {
    const folders: string[] = [];
    const files: string[] = [];
    for (const entry of readdirSync(node.path, { withFileTypes: true })) {
      // Some file systems do not tell the kind of an entry.
      const isFolder = entry.isFile() ? false : entry.isDirectory() || this.#leadsToFolder(node, entry);
      if (isFolder !== null && !isIgnored(entry.name, isFolder)) (isFolder ? folders : files).push(entry.name);
    }
    return { folders: folders.sort(), files: files.sort() };
  }

  /** Returns null for a link that leads nowhere. */
  #leadsToFolder(node: Node, { name }: Dirent): boolean | null {
    try {
      return statSync(`${node.path}/${name}`).isDirectory();
    } catch (error) {
      if (!isIgnored(name, true)) this.#mistake(node, below(node, name), unreadable(error));
      return null;
    }
  }

  #refreshFolders(node: Node, names: readonly string[]): void {
    for (const [name, child] of node.children) {
      // A link in the place of a folder may lead to a folder above.
      if (names.includes(name) && this.#cycleMistake(child) === null) continue;
      node.children.delete(name);
      this.#forget(child);
    }
    node.one = null;
    node.rest = null;
    for (const name of names) {
      const child = node.children.get(name) ?? this.#newFolder(node, name);
      if (child?.kind === Segment.One) node.one = this.#only(node, node.one, child);
      if (child?.kind === Segment.Rest) node.rest = this.#only(node, node.rest, child);
    }
  }

  /** Returns the one of two folders that stands for any segment. */
  #only(node: Node, first: Node | null, second: Node): Node {
    if (first === null) return second;
    const message = `expected one folder for any segment, got ${first.segments.at(-1)} beside it`;
    this.#mistake(node, second.name, new StubMistake(0, message));
    return first;
  }

  /** Reads a folder that is new, with all below it. Returns null for a mistake. */
  #newFolder(parent: Node, name: string): Node | null {
    const kind = segmentOf(name);
    const child = newNode(parent, name, `${parent.path}/${name}`, typeof kind === "string" ? Segment.Literal : kind);
    const mistake = typeof kind === "string" ? kind : this.#folderMistake(child);
    if (mistake !== null) {
      this.#mistake(parent, child.name, new StubMistake(0, mistake));
      return null;
    }
    this.#folders++;
    parent.children.set(name, child);
    this.#refresh(child);
    return child;
  }

  #folderMistake(child: Node): string | null {
    if (this.#folders >= FOLDERS_MAX) return `expected at most ${FOLDERS_MAX} folders`;
    if (child.parent?.kind === Segment.Rest)
      return "expected no folder inside [...name], which takes the whole rest of a path";
    return this.#cycleMistake(child);
  }

  #cycleMistake(child: Node): string | null {
    const identity = identityOf(statSync(child.path));
    for (let above = child.parent; above !== null; above = above.parent) {
      if (above.identity === identity) return "expected a tree of folders, got a link to a folder above it";
    }
    return null;
  }

  #forget(node: Node): void {
    for (const each of nodesOf(node)) {
      this.#folders--;
      for (const sequence of each.sequences.values()) this.#forgetFiles(sequence.files);
    }
  }

  #forgetFiles(files: readonly StubFile[]): void {
    this.#files -= files.length;
    for (const { bytes } of files) this.#bytes -= bytes;
  }

  // Files.

  /** Reads the files that are new. A method whose files have not changed keeps its sequence. */
  #refreshSequences(node: Node, names: readonly string[]): void {
    const files = this.#numbersByMethod(node, names);
    for (const [method, { files: old }] of node.sequences) {
      if (files.has(method)) continue;
      node.sequences.delete(method);
      this.#forgetFiles(old);
    }
    for (const [method, numbers] of files) {
      const old = node.sequences.get(method)?.files ?? [];
      if (old.length === numbers.length && old.every(({ number }, index) => number === numbers[index])) continue;
      const mistake = sequenceMistake(method, numbers);
      if (mistake !== null) {
        const last = fileNameOf(method, numbers.at(-1) ?? 0);
        this.#mistake(node, below(node, last), new StubMistake(0, mistake));
        continue;
      }
      this.#refreshSequence(node, method, numbers, old);
    }
  }

  /** Returns the numbers of the stub files in a folder, in order, by method. */
  #numbersByMethod(node: Node, names: readonly string[]): ReadonlyMap<string, readonly number[]> {
    const found = new Map<string, number[]>();
    for (const file of names) {
      const name = isKept(node.segments) ? KEPT_PATH : stubNameOf(file);
      if (typeof name === "string") {
        this.#mistake(node, below(node, file), new StubMistake(0, name));
        continue;
      }
      const numbers = found.get(name.method);
      if (numbers === undefined) found.set(name.method, [name.number]);
      else numbers.push(name.number);
    }
    for (const numbers of found.values()) numbers.sort((a, b) => a - b);
    return found;
  }

  /** Reads those files of a method that are not known. After a mistake, the old sequence stays. */
  #refreshSequence(node: Node, method: string, numbers: readonly number[], old: readonly StubFile[]): void {
    const files: StubFile[] = [];
    for (const number of numbers) {
      const known = old.find((file) => file.number === number);
      const file = known ?? this.#readFile(node, method, number);
      if (file === null) {
        this.#forgetFiles(files.filter((each) => !old.includes(each)));
        return;
      }
      files.push(file);
    }
    this.#forgetFiles(old.filter((each) => !files.includes(each)));
    node.sequences.set(method, new Sequence(files));
  }

  /** Reads a file that is new. Returns null for a mistake. */
  #readFile(node: Node, method: string, number: number): StubFile | null {
    const file = fileNameOf(method, number);
    const name = below(node, file);
    const path = `${node.path}/${file}`;
    const read =
      this.#files < FILES_MAX ? this.#read(name, path, 0) : new StubMistake(0, `expected at most ${FILES_MAX} files`);
    if (read instanceof StubMistake) {
      this.#mistake(node, name, read);
      return null;
    }
    this.#files++;
    this.#bytes += read.bytes;
    return { name, number, path, mistake: null, isReached: false, ...read };
  }

  /** Reads the files of a sequence that were edited. A change restarts it. */
  #refreshFiles(sequence: Sequence): void {
    for (const file of sequence.files) if (this.#refreshFile(file)) sequence.restart();
  }

  /** Returns true if the file has new bytes that are a stub. */
  #refreshFile(file: StubFile): boolean {
    let stamp: Stamp;
    try {
      stamp = stampOf(file.path);
    } catch {
      return false; // The file was removed just now. Its folder will show that with the next request.
    }
    if (isUnchanged(file.stamp, stamp)) return false;
    const read = this.#read(file.name, file.path, file.bytes);
    file.stamp = stamp;
    if (read instanceof StubMistake) {
      if (!Bun.deepEquals(read, file.mistake)) this.#tell(file.name, read);
      file.mistake = read;
      return false;
    }
    file.mistake = null;
    if (read.hash === file.hash && read.bytes === file.bytes) return false;
    this.#bytes += read.bytes - file.bytes;
    Object.assign(file, read);
    return true;
  }

  /** Reads a file. `oldBytes` of it are in memory and are given up. */
  #read(
    name: string,
    path: string,
    oldBytes: number,
  ): Pick<StubFile, "stamp" | "hash" | "bytes" | "answer"> | StubMistake {
    try {
      const stamp = stampOf(path);
      const { size } = stamp.stats;
      if (size > FILE_BYTES_MAX) return tooLarge(FILE_BYTES_MAX, "in a file", size);
      if (this.#bytes - oldBytes + size > TOTAL_BYTES_MAX)
        return tooLarge(TOTAL_BYTES_MAX, "in all stubs", this.#bytes - oldBytes + size);
      const bytes = readSmallFile(path, FILE_BYTES_MAX);
      const message = readStubMessage(bytes);
      if (message instanceof StubMistake) return message;
      const answer = stubAnswer(name, message.status, message.lines, message.content);
      if (answer instanceof StubMistake) return answer;
      return { stamp, hash: Bun.hash.wyhash(bytes), bytes: bytes.length, answer };
    } catch (error) {
      return unreadable(error);
    }
  }

  // Mistakes.

  /** Reports a mistake in a folder, which is read again with the next request. */
  #mistake(node: Node, name: string, mistake: StubMistake): void {
    node.stamp = null;
    const known = `${name}:${mistake.line}:${mistake.message}`;
    if (node.told.has(known)) return;
    node.told.add(known);
    this.#tell(name, mistake);
  }

  /** Ends the start; later, warns. */
  #tell(name: string, { line, message }: StubMistake): void {
    const text = escapeControls(`--stubs: ${this.#shown(name)}${line === 0 ? "" : `:${line}`}: ${message}`);
    if (this.#isStarting) throw new StartError(text);
    this.#options.warn(`${text}; its stubs stay as they were`);
  }

  #shown(name: string): string {
    return name === "" ? this.#options.shown : `${this.#options.shown.replace(/\/$/, "")}/${name}`;
  }
}

function newNode(parent: Node | null, segment: string, path: string, kind: Segment): Node {
  return {
    name: parent === null ? "" : below(parent, segment),
    segments: parent === null ? [] : [...parent.segments, segment],
    path,
    kind,
    parent,
    stamp: null,
    children: new Map(),
    one: null,
    rest: null,
    sequences: new Map(),
    identity: "",
    told: new Set(),
  };
}

function below(node: Node, name: string): string {
  return node.name === "" ? name : `${node.name}/${name}`;
}

function* nodesOf(node: Node): Iterable<Node> {
  yield node;
  for (const child of node.children.values()) yield* nodesOf(child);
}

function identityOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

function unreadable(error: unknown): StubMistake {
  return new StubMistake(0, `cannot be read (${reasonOf(error)})`);
}

function tooLarge(most: number, place: string, size: number): StubMistake {
  return new StubMistake(0, `expected at most ${readableSize(most)} ${place}, got ${readableSize(size)}`);
}

/** Returns the mistake in the numbers of one method, which are in order; null if they are 0 alone, or 1, 2 and so on. */
function sequenceMistake(method: string, numbers: readonly number[]): string | null {
  if (numbers.length === 1 && numbers[0] === 0) return null;
  if (numbers[0] === 0) return `expected one file for one answer, got ${fileNameOf(method, 0)} beside it`;
  const gap = numbers.findIndex((number, index) => number !== index + 1);
  return gap < 0 ? null : `expected numbers without a gap: ${fileNameOf(method, gap + 1)} is missing`;
}

/** Returns the answers to a method at one path. GET's answer HEAD, if HEAD has none of its own (RFC 9110 §9.3.2). */
function sequenceFor({ sequences }: Pick<Node, "sequences">, method: string): Sequence | undefined {
  return sequences.get(method) ?? (method === "HEAD" ? sequences.get("GET") : undefined);
}
