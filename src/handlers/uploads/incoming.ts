/**
 * The content of one upload on its way from the wire to the store, with constant memory: as it is (PUT), or as the part `file` of a form.
 *
 * Strategy: pieces go to the store's sink as they come, and its pace is the pace of the wire. The end of the content is passed on only
 * after everything is proved: the form is complete, its digest is right. Before that the store keeps nothing, so an upload that fails
 * leaves nothing behind. Pieces that come before the room for them is granted wait, one or two of them.
 */
import type { ExpectedDigest } from "../../http/digest-field.ts";
import type { ContentFailure, ContentSink } from "../../http/message.ts";
import { MultipartReader, type PartHead, type PartReceiver } from "../../http/multipart.ts";
import { FULL } from "./failure.ts";
import { mistakeInName } from "./names.ts";
import type { Allowance } from "./quota.ts";
import type { StoredUpload, UploadSink, UploadStore } from "./store.ts";

/** A refusal while the content comes. */
export class UploadMistake extends Error {
  readonly status: number;

  /** `sentence` is for the client. */
  constructor(status: number, sentence: string) {
    super(sentence);
    this.status = status;
  }
}

/** The content will never be complete. The connection has the answer. */
export class LostContent extends Error {}

/** Field of a form that has the file. */
const FILE_FIELD = "file";

/** Bytes of the other fields of a form, which are read past. */
const OTHER_BYTES_MAX = 65_536;

export const TAKEN = "There is an upload of that name already; choose another name.";

interface IncomingOptions {
  readonly store: UploadStore;
  /** Name of the upload, or boundary of the form that has it. */
  readonly source: { readonly name: string } | { readonly boundary: string };
  /** Digests that the content must have. */
  readonly digests: readonly ExpectedDigest[];
  /** Most bytes of the upload; null if they are not known. */
  readonly bytesMax: number | null;
}

export class Incoming implements ContentSink, PartReceiver {
  readonly #options: IncomingOptions;
  readonly #reader: MultipartReader | null;
  readonly #digests: readonly { readonly hasher: Bun.CryptoHasher; readonly hex: string }[];
  readonly #outcome = Promise.withResolvers<StoredUpload>();
  /** Null until room is granted. */
  #allowance: Allowance | null = null;
  /** Pieces that came before, and the end. */
  #held: Uint8Array[] = [];
  #isEnded = false;
  /** True once nothing further is passed on: the end came, there is a mistake, or the content is lost. */
  #isOver = false;
  /** Reason why the upload was ended here, or null. */
  #error: Error | null = null;
  /** Null until the name is known. */
  #upload: UploadSink | null = null;
  /** True while the part of the form that comes is the file. */
  #isFile = false;
  #otherBytes = 0;
  /** False while the store's sink wants no more. */
  #isReady = true;
  #resume: (() => void) | null = null;

  constructor(options: IncomingOptions) {
    const { source, digests } = options;
    this.#options = options;
    this.#reader = "boundary" in source ? new MultipartReader(source.boundary, this) : null;
    this.#digests = digests.map(({ algorithm, hex }) => ({ hasher: new Bun.CryptoHasher(algorithm), hex }));
    // A request that is refused before `receive` has no other reader of the outcome.
    this.#outcome.promise.catch(() => {});
  }

  /**
   * Passes the content on, within `allowance`. Resolves when the upload is durable. Rejects with an UploadMistake, a LostContent, or the
   * error of the store, and then nothing is kept.
   */
  receive(allowance: Allowance): Promise<StoredUpload> {
    this.#allowance = allowance;
    const { source } = this.#options;
    if (!this.#isOver && "name" in source) this.#open(source.name);
    for (const piece of this.#held) this.#take(piece);
    this.#held = [];
    if (this.#isEnded) this.#finish();
    else if (this.#resume !== null) this.#whenReady(this.#resume);
    return this.#outcome.promise;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isOver) return true;
    if (this.#allowance !== null) {
      this.#take(bytes);
      return this.#isReady || this.#isOver;
    }
    this.#held.push(bytes);
    return false;
  }

  ended(): void {
    this.#isEnded = true;
    if (this.#allowance !== null) this.#finish();
  }

  failed(reason: ContentFailure): void {
    this.#fail(new LostContent(reason));
  }

  whenReady(resume: () => void): void {
    if (this.#allowance === null) this.#resume = resume;
    else this.#whenReady(resume);
  }

  #whenReady(resume: () => void): void {
    if (this.#isReady || this.#upload === null) {
      queueMicrotask(resume);
      return;
    }
    this.#upload.whenReady(() => {
      this.#isReady = true;
      resume();
    });
  }

  #take(bytes: Uint8Array): void {
    if (this.#isOver) return;
    for (const { hasher } of this.#digests) hasher.update(bytes);
    if (this.#reader === null) {
      this.#store(bytes);
      return;
    }
    const mistake = this.#reader.read(bytes);
    if (mistake !== null) this.#fail(new UploadMistake(400, mistake));
  }

  #store(bytes: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#allowance?.take(bytes.length) !== true) this.#fail(new UploadMistake(507, FULL));
    else if (this.#upload?.write(bytes) === false) this.#isReady = false;
  }

  // Parts of a form.

  begin({ name, fileName }: PartHead): string | null {
    if (this.#isOver) return null;
    this.#isFile = name === FILE_FIELD;
    if (!this.#isFile) return null;
    if (this.#upload !== null) return "A form brings one file; send a form for each.";
    if (fileName === null) return `The field ${FILE_FIELD} of the form is not a file.`;
    if (fileName === "") return "No file was chosen.";
    const mistake = mistakeInName(fileName);
    if (mistake !== null) return mistake;
    if (this.#options.store.has(fileName) === true) this.#fail(new UploadMistake(409, TAKEN));
    else this.#open(fileName);
    return null;
  }

  content(bytes: Uint8Array): void {
    if (this.#isFile) {
      this.#store(bytes);
      return;
    }
    this.#otherBytes += bytes.length;
    if (this.#otherBytes > OTHER_BYTES_MAX) {
      this.#fail(new UploadMistake(413, `The fields of the form besides ${FILE_FIELD} are too large.`));
    }
  }

  end(): void {
    this.#isFile = false;
  }

  // The end.

  #open(name: string): void {
    const { store, bytesMax } = this.#options;
    this.#upload = store.create(name, bytesMax);
    // A disk that fails is known before the content has ended.
    this.#upload.commit().then(this.#outcome.resolve, (error) => this.#outcome.reject(this.#error ?? error));
  }

  /** Tells the store of the end, if the content is whole and right. */
  #finish(): void {
    if (this.#isOver) return;
    const mistake = this.#reader?.finish() ?? null;
    if (mistake !== null) this.#fail(new UploadMistake(400, mistake));
    else if (this.#upload === null) this.#fail(new UploadMistake(400, `The form has no field ${FILE_FIELD}.`));
    else if (this.#digests.some(({ hasher, hex }) => hasher.digest("hex") !== hex))
      this.#fail(new UploadMistake(400, "The content does not match its Content-Digest."));
    else {
      this.#isOver = true;
      this.#upload.ended();
    }
  }

  /** Ends the upload with `error`, once the store has removed the bytes that it has written. */
  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#held = [];
    if (this.#upload === null) this.#outcome.reject(error);
    else this.#upload.abort();
  }
}
