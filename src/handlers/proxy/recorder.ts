/**
 * Records the answers of upstreams as a folder of stubs (handlers/stubs/). Loaded only with `--record`.
 *
 *     GET.http                  every answer to GET was the same
 *     GET.1.http, GET.2.http    they differed: one file for each answer, without the equal ones at the end
 *
 * So a replay gives the answers in the order of the requests, and the last one from then on. The place of an answer is that of its
 * request, whenever the answer comes.
 *
 * The rule it guards: the same requests with the same answers make the same bytes. Fields that tell of the moment are left out, and no
 * request asks for a part of an answer, or on a condition. Secrets in fields are `***`.
 */
import { copyFileSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from "node:zlib";
import type { ForwardedResponse } from "../../exchange/upstream.ts";
import { escapeControls } from "../../http/escape.ts";
import type { FieldLine, FieldLines } from "../../http/fields.ts";
import type { Request } from "../../http/message.ts";
import type { ProxyOrigin } from "../../http/proxy-rule.ts";
import { readableSize } from "../../http/units.ts";
import { StartError } from "../../settings/start-error.ts";
import { sha256Hex } from "../digest.ts";
import { folded, isAlias, type System } from "../files/system-names.ts";
import { reasonOf } from "../small-file.ts";
import { StubMistake, stubAnswer } from "../stubs/answer.ts";
import { FILE_BYTES_MAX, FILES_MAX, TOTAL_BYTES_MAX } from "../stubs/stub-folder.ts";
import { writeStubMessage } from "../stubs/stub-message.ts";
import {
  fileNameOf,
  isIgnored,
  isKept,
  NUMBER_MAX,
  Segment,
  segmentOf,
  segmentsOf,
  stubNameOf,
} from "../stubs/stub-path.ts";
import { responseLines } from "./fields.ts";

export interface RecorderOptions {
  /** Absolute path of the folder. */
  readonly realPath: string;
  /** The folder as the operator wrote it, for messages. */
  readonly shown: string;
  /** Takes a line for the operator. */
  readonly warn: (line: string) => void;
}

/** Fields of answers, in lower case, that tell of the moment, of the way, or of the coding that is undone. */
const LEFT_OUT: ReadonlySet<string> = new Set(["age", "via", "content-encoding", "content-digest", "content-md5"]);

/** Content codings (RFC 9110 §8.4.1, RFC 8878). */
const DECODERS: ReadonlyMap<string, (bytes: Uint8Array) => Uint8Array> = new Map([
  ["gzip", (bytes) => gunzipSync(bytes, LIMIT)],
  ["x-gzip", (bytes) => gunzipSync(bytes, LIMIT)],
  ["deflate", inflate],
  ["br", (bytes) => brotliDecompressSync(bytes, LIMIT)],
  ["zstd", (bytes) => zstdDecompressSync(bytes, LIMIT)],
  ["identity", (bytes) => bytes],
]);

const LIMIT = { maxOutputLength: FILE_BYTES_MAX };

/** The answers to one method at one path. */
interface Track {
  /** Path of the folder, and method. */
  readonly folder: string;
  readonly method: string;
  /** Recordings that are not written yet, in the order of their requests. */
  readonly waiting: Recording[];
  /** Number of the last file; 0 for a file that stands alone. */
  number: number;
  /** Hash of the last file; "" before the first. */
  hash: string;
  /** Bytes of the last file. */
  bytes: number;
  /** Answers after the last file that are equal to it. */
  repeats: number;
  /** A request with a query was among them. */
  hasQuery: boolean;
}

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #tracks = new Map<string, Track>();
  /** Folders by their names as the system compares them. */
  readonly #folded = new Map<string, string>();
  readonly #told = new Set<string>();
  #files = 0;
  #bytes = 0;
  #isFull = false;

  /** Throws a StartError, in one line for the operator, if the folder has stubs already. */
  constructor(options: RecorderOptions) {
    this.#options = options;
    const old = readdirSync(options.realPath, { withFileTypes: true }).find(
      (entry) => !isIgnored(entry.name, entry.isDirectory()),
    );
    if (old === undefined) return;
    throw new StartError(
      `--record ${options.shown} has stubs already (${escapeControls(old.name)}); expected an empty folder, so that a replay is this run alone`,
    );
  }

  /** Begins to record the answer to a request. Returns null if it has no place in a stub folder. */
  begin({ head, target }: Request, origin: ProxyOrigin): Recording | null {
    const { methodText: method } = head;
    const shown = `${method} ${target.path}`;
    const place = placeOf(method, target.path);
    if (typeof place === "string") {
      this.#skip(shown, place);
      return null;
    }
    const folder = [this.#options.realPath, ...place].join("/");
    const other = this.#folded.get(folded(folder, process.platform));
    if (other !== undefined && other !== folder) {
      this.#skip(shown, "another path differs from it in case alone, which is one name on this system");
      return null;
    }
    this.#folded.set(folded(folder, process.platform), folder);
    // GET's answer is HEAD's, too (RFC 9110 §9.3.2).
    if (method === "HEAD" && this.#tracks.has(`${folder}/GET`)) return null;
    const track = this.#trackOf(folder, method);
    if (target.query !== "") track.hasQuery = true;
    const recording = new Recording(origin, (bytes) => this.#ended(track, shown, bytes));
    track.waiting.push(recording);
    return recording;
  }

  #trackOf(folder: string, method: string): Track {
    const key = `${folder}/${method}`;
    const track = this.#tracks.get(key) ?? {
      folder,
      method,
      waiting: [],
      number: 0,
      hash: "",
      bytes: 0,
      repeats: 0,
      hasQuery: false,
    };
    this.#tracks.set(key, track);
    return track;
  }

  /** Writes all answers of a track whose turn has come. `mistake` is the reason of the recording that has just ended, if it has failed. */
  #ended(track: Track, shown: string, mistake: string | null): void {
    if (mistake !== null) this.#skip(shown, mistake);
    for (let first = track.waiting[0]; first?.isOver === true; first = track.waiting[0]) {
      track.waiting.shift();
      if (first.file === null) continue;
      try {
        this.#take(track, shown, first.file);
      } catch (error) {
        this.#tell("disk", `${this.#options.shown} cannot be written (${reasonOf(error)}); answers are missing in it`);
      }
    }
  }

  #take(track: Track, shown: string, file: Uint8Array): void {
    const hash = sha256Hex(file);
    if (hash === track.hash) {
      track.repeats++;
      return;
    }
    const isFirst = track.hash === "";
    const copies = isFirst ? 0 : track.repeats;
    if (!this.#hasRoom(track, copies, file.length, shown)) return;
    if (isFirst) this.#write(track, 0, file);
    else {
      this.#number(track);
      for (let copy = 0; copy < copies; copy++) this.#copy(track);
      this.#write(track, track.number + 1, file);
      if (track.hasQuery) {
        this.#tell(
          "query",
          `answers to ${shown} differ, perhaps by query, which stubs do not look at; they are numbered in their order`,
        );
      }
    }
    track.hash = hash;
    track.bytes = file.length;
    track.repeats = 0;
  }

  /** Returns false if a further file, and copies of the last one before it, would be more than a stub folder holds. */
  #hasRoom(track: Track, copies: number, bytes: number, shown: string): boolean {
    const isWithin =
      Math.max(1, track.number) + copies + 1 <= NUMBER_MAX &&
      this.#files + copies + 1 <= FILES_MAX &&
      this.#bytes + copies * track.bytes + bytes <= TOTAL_BYTES_MAX;
    if (!isWithin && !this.#isFull) this.#skip(shown, "the folder would hold more than stubs may");
    if (!isWithin) this.#isFull = true;
    return isWithin;
  }

  /** Gives a file that stands alone its number. */
  #number(track: Track): void {
    if (track.number > 0) return;
    renameSync(pathOf(track, 0), pathOf(track, 1));
    track.number = 1;
  }

  #copy(track: Track): void {
    const from = pathOf(track, track.number);
    track.number++;
    copyFileSync(from, pathOf(track, track.number));
    this.#files++;
    this.#bytes += track.bytes;
  }

  /** Writes a file that is there as a whole, or not at all. */
  #write(track: Track, number: number, file: Uint8Array): void {
    mkdirSync(track.folder, { recursive: true });
    const temporary = `${track.folder}/.${track.method}.recording`;
    writeFileSync(temporary, file);
    renameSync(temporary, pathOf(track, number));
    track.number = number;
    this.#files++;
    this.#bytes += file.length;
  }

  #skip(shown: string, reason: string): void {
    this.#tell("skip", `${shown} is not recorded: ${reason}; further answers that cannot be stubs are not named`);
  }

  /** Gives the operator one line of a kind. */
  #tell(kind: string, text: string): void {
    if (this.#told.has(kind)) return;
    this.#told.add(kind);
    this.#options.warn(`--record: ${escapeControls(text)}`);
  }
}

/** One answer while it comes. */
class Recording {
  /** The answer as a file; null until it is over, and if it cannot be one. */
  file: Uint8Array | null = null;
  isOver = false;
  readonly #origin: ProxyOrigin;
  readonly #over: (mistake: string | null) => void;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #head: Pick<ForwardedResponse, "status" | "lines"> | null = null;

  /** `over` takes the reason why there is no file, or null. */
  constructor(origin: ProxyOrigin, over: (mistake: string | null) => void) {
    this.#origin = origin;
    this.#over = over;
  }

  answered({ status, lines }: ForwardedResponse): void {
    this.#head = { status, lines };
  }

  received(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#bytes <= FILE_BYTES_MAX) this.#pieces.push(bytes);
    else this.#pieces = [];
  }

  /** `isWhole`: the content is complete. */
  ended(isWhole: boolean): void {
    const made = isWhole ? this.#make() : this.#head === null ? "there was no answer" : "it broke off";
    this.isOver = true;
    this.#pieces = [];
    if (typeof made !== "string") this.file = made;
    this.#over(typeof made === "string" ? made : null);
  }

  #make(): Uint8Array | string {
    if (this.#head === null) return "there was no answer";
    if (this.#bytes > FILE_BYTES_MAX) return `it has more than ${readableSize(FILE_BYTES_MAX)}`;
    const content = decoded(Buffer.concat(this.#pieces), this.#head.lines);
    if (typeof content === "string") return content;
    const { status } = this.#head;
    const lines = responseLines(this.#head.lines, this.#origin, () => false);
    const masked = lines.filter(([name]) => !LEFT_OUT.has(name.toLowerCase())).map(maskedLine);
    const answer = stubAnswer("", status, masked, content);
    if (answer instanceof StubMistake) return answer.message;
    const file = writeStubMessage({ status, lines: masked, content });
    return file.length <= FILE_BYTES_MAX ? file : `it has more than ${readableSize(FILE_BYTES_MAX)}`;
  }
}

/** Returns the names of the folders for a path, or why there are none. */
export function placeOf(method: string, path: string, system: System = process.platform): readonly string[] | string {
  const name = stubNameOf(`${method}.http`);
  if (typeof name === "string") return name;
  const segments = segmentsOf(path);
  if (isKept(segments)) return "the path is the server's own";
  if (segments.some((segment) => isIgnored(segment, true)))
    return "a name that begins with a dot is none in a stub folder";
  if (segments.some((segment) => Buffer.byteLength(segment) > NAME_BYTES_MAX))
    return "a part of the path is too long for a name";
  if (segments.some((segment) => isAlias(segment, system))) return "a part of the path is no name on this system";
  const odd = segments.find((segment) => segmentOf(segment) !== Segment.Literal);
  return odd === undefined ? segments : "a part of the path is no literal name in a stub folder";
}

/** Bytes of a name on most file systems. */
const NAME_BYTES_MAX = 255;

function pathOf({ folder, method }: Track, number: number): string {
  return `${folder}/${fileNameOf(method, number)}`;
}

/** Returns content without its codings, or why it cannot be read. */
function decoded(content: Uint8Array, lines: FieldLines): Uint8Array | string {
  const codings = lines
    .filter(([name]) => name.toLowerCase() === "content-encoding")
    .flatMap(([, value]) => value.toLowerCase().split(","))
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "");
  if (content.length === 0) return content;
  let bytes = content;
  for (const coding of codings.reverse()) {
    const decode = DECODERS.get(coding);
    if (decode === undefined) return `its content coding ${coding} is not known`;
    try {
      bytes = decode(bytes);
    } catch (error) {
      return `its content coding ${coding} cannot be undone (${reasonOf(error)})`;
    }
  }
  return bytes;
}

/** Some servers send the bare format (RFC 9110 §8.4.1.2). */
function inflate(bytes: Uint8Array): Uint8Array {
  try {
    return inflateSync(bytes, LIMIT);
  } catch {
    return inflateRawSync(bytes, LIMIT);
  }
}

/** Returns a field without the secret in it. */
function maskedLine([name, value]: FieldLine): FieldLine {
  switch (name.toLowerCase()) {
    case "set-cookie":
      return [
        name,
        value.replace(/^(?:([^=;]*)=)?[^;]*/, (_, cookie) => (cookie === undefined ? "***" : `${cookie}=***`)),
      ];
    case "cookie":
      return [name, value.replace(/=[^;]*/g, "=***")];
    case "authorization":
      return [name, value.replace(/^(\S+\s+)?.*$/s, "$1***")];
    default:
      return [name, value];
  }
}
