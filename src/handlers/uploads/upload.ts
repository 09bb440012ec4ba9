/**
 * POST /upload: JSON in, one file of exactly those bytes out, under a name that did not exist before.
 *
 * Strategy: a temporary file in the same folder is written and flushed, then linked to its final name, which link(2) never
 * overwrites; then the temporary name goes and the folder is flushed, once for all uploads that wait for it. So a final
 * name always has the whole content, also after a power cut, and a failed upload leaves nothing. The temporary name says
 * who writes it; the next start removes what a killed process left.
 */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
} from "node:fs";
import type { link, open, rename, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { Field } from "../../http/field.ts";
import { type FieldLine, type FieldLines, Fields } from "../../http/fields.ts";
import { JsonCheck, JsonVerdict, NESTING_MAX } from "../../http/json.ts";
import { isJsonMediaType } from "../../http/media-type.ts";
import { ADMITTED, type Admission, type Request, type Response, refused, response } from "../../http/message.ts";
import { Method } from "../../http/method.ts";
import { randomHex, sha256Hex, sha256HexOf } from "../digest.ts";
import { type ErrorPages, UPLOAD_PATH } from "../error-page.ts";
import { type DocumentRoot, errorCode, FolderError, openDocumentRoot } from "../files/document-root.ts";
import type { Mount } from "../mount.ts";

/** What an upload does to the disk; a test hands in one that fails. */
export interface UploadDisk {
  readonly open: typeof open;
  readonly link: typeof link;
  readonly rename: typeof rename;
  readonly unlink: typeof unlink;
}

/** A file that an upload has become. */
export interface KeptUpload {
  /** Of the file in the uploads folder. */
  readonly name: string;
  /** Real path. */
  readonly path: string;
  readonly bytes: number;
  /** Of the content, in hexadecimal digits. */
  readonly sha256: string;
  /** When it was on the disk, in milliseconds since 1970. */
  readonly receivedMs: number;
}

export interface UploadsOptions {
  /** From `prepareUploadsFolder`. */
  readonly root: DocumentRoot;
  readonly pages: ErrorPages;
  /** Content longer than this is 413. */
  readonly maxBodyBytes: number;
  /** True: the answer says where the file can be read, in Location. */
  readonly serveUploads: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Takes a line for the operator when the disk fails. */
  readonly log: (line: string) => void;
  /** Is told of each file that was made. */
  readonly kept?: (upload: KeptUpload) => void;
  readonly disk?: UploadDisk;
}

/** Takes uploads into one folder. */
export class Uploads implements Mount {
  readonly isControl = false;
  readonly #options: UploadsOptions;
  readonly #admitted: Admission;
  #loadedDisk: UploadDisk | null;
  /** The last flush of the folder that has begun; over, or in flight. */
  #flushing: Promise<void> = Promise.resolve();
  /** The flush that begins when that one is over; null when nobody waits for it. */
  #nextFlush: Promise<void> | null = null;

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.#admitted = { ...ADMITTED, content: { collectMax: options.maxBodyBytes } };
    this.#loadedDisk = options.disk ?? null;
  }

  /** Loaded with the first upload: `node:fs/promises` would take 1 ms of each start. */
  get #disk(): UploadDisk {
    this.#loadedDisk ??= require("node:fs/promises") as typeof import("node:fs/promises");
    return this.#loadedDisk;
  }

  owns(path: string): boolean {
    return path === UPLOAD_PATH;
  }

  allow(): string {
    return "POST, OPTIONS";
  }

  /** Admits the content, or refuses what the head alone can refuse: 411, 415, 413. */
  admit(request: Request): Admission | null {
    if (request.head.method !== Method.Post) return null;
    const refusal = this.#refusal(request);
    return refusal === null ? this.#admitted : refused(refusal);
  }

  #refusal({ head, announced }: Request): Response | null {
    if (announced === "none") {
      return this.#refuse(411, "An upload needs a Content-Length, or the chunked transfer coding.");
    }
    if (!isJsonMediaType(head.value(Field.ContentType))) {
      return this.#refuse(415, "An upload must be application/json, in UTF-8.", [["Accept", "application/json"]]);
    }
    if (!isIdentity(head.value(Field.ContentEncoding))) {
      // RFC 9110 §15.5.16: says which codings would have been taken.
      return this.#refuse(415, "An upload must not have a content coding.", [["Accept-Encoding", "identity"]]);
    }
    if (announced !== "unknown" && announced > this.#options.maxBodyBytes) {
      return this.#refuse(413, "The upload is larger than this server takes.");
    }
    return null;
  }

  /** Checks and keeps the content; 201 after it has reached the disk. Never rejects. */
  async respond(request: Request): Promise<Response> {
    const { content } = request;
    const mistake = await mistakeOf(content);
    if (mistake !== null) return this.#refuse(400, mistake);
    try {
      // First, so that nothing can fail once the file has its name.
      const sha256 = await sha256HexOf(content);
      const name = await this.#keep(content);
      const { root, now, kept } = this.#options;
      kept?.({ name, path: join(root.realPath, name), bytes: content.length, sha256, receivedMs: Math.round(now()) });
      return this.#created(name, content.length, sha256);
    } catch (error) {
      const code = errorCode(error);
      this.#options.log(`upload failed: ${code} in ${this.#options.root.realPath}`);
      if (code === "ENOSPC" || code === "EDQUOT") return this.#refuse(507, "There is no space left for the upload.");
      return this.#refuse(500, "The upload could not be written.");
    }
  }

  /** Returns the final name. Throws the disk's error, after having removed what it made. */
  async #keep(content: Uint8Array): Promise<string> {
    const folder = this.#options.root.realPath;
    const temporary = join(folder, temporaryName());
    const final = await this.#write(temporary, content);
    // Nothing depends on when the temporary name goes, so it goes while the folder is flushed.
    const removed = this.#remove(temporary);
    try {
      await this.#folderFlushed();
      return final;
    } catch (error) {
      await this.#remove(join(folder, final));
      throw error;
    } finally {
      await removed;
    }
  }

  /** Flushed content first, then its final name, which is returned; the temporary name stays, unless it failed. */
  async #write(temporary: string, content: Uint8Array): Promise<string> {
    const handle = await this.#disk.open(temporary, CREATE_FLAGS, FILE_MODE);
    try {
      try {
        await handle.writeFile(content);
        await handle.sync();
      } finally {
        await handle.close();
      }
      return await this.#publish(temporary);
    } catch (error) {
      await this.#remove(temporary);
      throw error;
    }
  }

  /** Gives the temporary file a final name that nobody has. Returns it. */
  async #publish(temporary: string): Promise<string> {
    const folder = this.#options.root.realPath;
    for (let attempt = 1; ; attempt++) {
      const name = finalName(this.#options.now());
      const path = join(folder, name);
      try {
        await this.#disk.link(temporary, path);
        return name;
      } catch (error) {
        const code = errorCode(error);
        if (NO_LINKS.has(code)) {
          if (await this.#renameInstead(temporary, path)) return name;
        } else if (code !== "EEXIST") {
          throw error;
        }
        if (attempt === NAME_ATTEMPTS_MAX) throw error;
      }
    }
  }

  /**
   * For file systems without hard links (FAT, some network ones): an empty file made with O_EXCL takes the name, and
   * rename(2) replaces our own empty file by the whole one at once. The price: for that moment, and after a power cut in
   * it, an empty file may be seen. Returns false when the name is taken.
   */
  async #renameInstead(temporary: string, path: string): Promise<boolean> {
    try {
      const handle = await this.#disk.open(path, CREATE_FLAGS, FILE_MODE);
      await handle.close();
    } catch (error) {
      if (errorCode(error) === "EEXIST") return false;
      throw error;
    }
    try {
      await this.#disk.rename(temporary, path);
      return true;
    } catch (error) {
      await this.#remove(path);
      throw error;
    }
  }

  /**
   * Makes names that exist by now survive a power cut. One flush is in flight at a time. It may have begun before the
   * caller's name was made, so the caller shares the next one with everybody who comes until that begins.
   */
  #folderFlushed(): Promise<void> {
    this.#nextFlush ??= this.#flushNext();
    return this.#nextFlush;
  }

  async #flushNext(): Promise<void> {
    // Its failure is told to those who wait for it.
    await this.#flushing.catch(() => {});
    this.#flushing = this.#flushFolder();
    this.#nextFlush = null;
    return this.#flushing;
  }

  /**
   * The folder is opened each time: a descriptor that is kept would go on flushing a folder that was moved away, and nobody
   * would close it. A file system that cannot flush folders says EINVAL, and that is no failure.
   */
  async #flushFolder(): Promise<void> {
    const handle = await this.#disk.open(this.#options.root.realPath, constants.O_RDONLY);
    try {
      await handle.sync();
    } catch (error) {
      if (errorCode(error) !== "EINVAL" && errorCode(error) !== "ENOTSUP") throw error;
    } finally {
      await handle.close();
    }
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#disk.unlink(path);
    } catch {
      // Renamed, or never made; a disk that cannot even remove it leaves it to the next start.
    }
  }

  #created(name: string, bytes: number, sha256: string): Response {
    const filepath = `/uploads/${name}`;
    const report = {
      status: "success",
      message: "File created successfully",
      filepath,
      bytes,
      sha256,
    };
    const content = new TextEncoder().encode(`${JSON.stringify(report)}\n`);
    const lines: FieldLine[] = [
      ["Content-Type", "application/json"],
      ["Content-Length", String(content.length)],
      ["Cache-Control", "no-store"],
      ["X-Content-Type-Options", "nosniff"],
    ];
    if (this.#options.serveUploads) lines.push(["Location", filepath]);
    return response(201, Fields.of(lines), content, "upload");
  }

  #refuse(status: number, sentence: string, fields: FieldLines = []): Response {
    return this.#options.pages.answer(status, sentence, true, { fields });
  }
}

/**
 * Makes the folder where it is missing, proves that a file can be made in it, and removes what a killed server left behind.
 * `flag` names the setting for the operator (`--uploads`). Returns the error as a value.
 */
export function prepareUploadsFolder(folder: string, flag: string, nowMs: number): DocumentRoot | FolderError {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    return new FolderError(
      `cannot make the folder ${folder} (${errorCode(error)}); choose another with ${flag} <folder>`,
    );
  }
  const root = openDocumentRoot(folder, flag);
  if (root instanceof FolderError) return root;
  try {
    // access(2) says yes to root on a read-only disk, so really make one.
    const probe = join(root.realPath, temporaryName());
    closeSync(openSync(probe, CREATE_FLAGS, FILE_MODE));
    unlinkSync(probe);
    sweepLeftovers(root.realPath, nowMs);
  } catch (error) {
    return new FolderError(
      `cannot write to the folder ${folder} (${errorCode(error)}); choose another with ${flag} <folder>`,
    );
  }
  return root;
}

/**
 * Null when the bytes are one JSON text in UTF-8; else the sentence that says what is wrong. Others get their turn between two
 * steps of the check.
 */
async function mistakeOf(content: Uint8Array): Promise<string | null> {
  const check = new JsonCheck(content);
  let verdict = check.advance(CHECKED_AT_ONCE_BYTES);
  while (verdict === null) {
    await nextTurn();
    verdict = check.advance(CHECKED_AT_ONCE_BYTES);
  }
  switch (verdict) {
    case JsonVerdict.Valid:
      return null;
    case JsonVerdict.NotUtf8:
      return "The upload is not valid UTF-8.";
    case JsonVerdict.NotJson:
      return "The upload is not valid JSON.";
    case JsonVerdict.TooDeep:
      return `The upload nests more than ${NESTING_MAX} arrays and objects inside each other.`;
  }
}

/** 256 KiB take about a millisecond. */
const CHECKED_AT_ONCE_BYTES = 262_144;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** RFC 9110 §12.5.3: identity means none. */
function isIdentity(value: string | null): boolean {
  return value === null || value === "" || value.toLowerCase() === "identity";
}

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
const FILE_MODE = 0o644;

/** How file systems without hard links refuse one. */
const NO_LINKS: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

/** 16 million names a second: a second collision is unlikely, an eighth is a fault. */
const NAME_ATTEMPTS_MAX = 8;

/** `upload_20260315_123456_a7b9c2.json`, in local time as the log lines are. */
function finalName(nowMs: number): string {
  const now = new Date(nowMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  return `upload_${day}_${time}_${randomHex(3)}.json`;
}

/** `.upload-<where>-<process>-<its start>-<random>.tmp`; a name with a dot, so it is never served. */
function temporaryName(): string {
  writer ??= `${writerSpace()}-${process.pid}-${startTimeOf(process.pid)}`;
  return `.upload-${writer}-${randomHex(6)}.tmp`;
}

/** This process, which stays what it is. */
let writer: string | undefined;

const TEMPORARY = /^\.upload-([0-9a-f]+)-(\d+)-(\d+)-[0-9a-f]+\.tmp$/;

/**
 * Two servers may share the folder, even from two containers or machines. A temporary file of our own machine and process
 * namespace goes when its writer does not run any more; one from elsewhere goes when it is old.
 */
function sweepLeftovers(folder: string, nowMs: number): void {
  const ownSpace = writerSpace();
  for (const name of readdirSync(folder)) {
    const match = TEMPORARY.exec(name);
    if (match === null) continue;
    const path = join(folder, name);
    try {
      const isOld = nowMs - statSync(path).mtimeMs > FOREIGN_LEFTOVER_MS;
      const isOrphan = match[1] === ownSpace && !isRunning(Number(match[2]), match[3] ?? "");
      if (isOld || isOrphan) unlinkSync(path);
    } catch {
      // Somebody else has removed it just now, or it is not ours to remove.
    }
  }
}

/** Content is in memory before its file is made, so writing takes seconds; an hour is beyond doubt. */
const FOREIGN_LEFTOVER_MS = 3_600_000;

/** Names the set of processes among which a process number means something: this boot of this kernel, this namespace. */
function writerSpace(): string {
  knownSpace ??= sha256Hex(readSpace()).slice(0, 12);
  return knownSpace;
}

let knownSpace: string | null = null;

function readSpace(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1") + readlinkSync("/proc/self/ns/pid");
  } catch {
    // Not Linux: the machine's name has to do.
    return hostname();
  }
}

/** In the kernel's ticks since boot, which tells a process from a later one with its number; UNKNOWN where it cannot be read. */
function startTimeOf(processNumber: number): string {
  try {
    const text = readFileSync(`/proc/${processNumber}/stat`, "latin1");
    // proc(5): the 22nd field; the 2nd is in parentheses and may hold anything.
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}

const UNKNOWN = "0";

function isRunning(processNumber: number, startTime: string): boolean {
  try {
    process.kill(processNumber, 0);
  } catch (error) {
    if (errorCode(error) !== "EPERM") return false;
  }
  // Another user's process may be hidden (hidepid): in doubt its file stays, until it is old.
  const started = startTimeOf(processNumber);
  return started === startTime || started === UNKNOWN;
}
