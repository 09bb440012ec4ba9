/**
 * POST /upload: takes JSON, and keeps exactly those bytes under a new name.
 *
 * The content is collected in memory, because only the whole of it is JSON or not. Content that is not JSON never
 * reaches the store.
 */
import { Field } from "../../http/field.ts";
import type { FieldLines } from "../../http/fields.ts";
import { JsonVerdict, NESTING_MAX } from "../../http/json.ts";
import { isJsonMediaType } from "../../http/media-type.ts";
import { ADMITTED, type Admission, type Request, type Response, refused } from "../../http/message.ts";
import { Method } from "../../http/method.ts";
import { checkJson } from "../checked-json.ts";
import type { ErrorPages } from "../error-page.ts";
import type { Mount } from "../mount.ts";
import { createdAnswer } from "./created.ts";
import { FULL, failureOf } from "./failure.ts";
import { UPLOAD_PATH, UPLOADS_PATH } from "./paths.ts";
import type { Quota } from "./quota.ts";
import type { StoredUpload, UploadStore } from "./store.ts";

interface UploadsOptions {
  readonly store: UploadStore;
  readonly pages: ErrorPages;
  /** Content longer than this is 413, bytes. */
  readonly maxBodyBytes: number;
  /** Bounds the bytes of all uploads; null: the disk alone does. */
  readonly quota: Quota | null;
  /** True: the response says where the upload can be read, in Location. */
  readonly serveUploads: boolean;
  /** Takes a line for the operator when the store fails. */
  readonly log: (line: string) => void;
  /** Called with each upload that is kept. */
  readonly kept?: (upload: StoredUpload) => void;
}

/** Takes uploads into one store. */
export class Uploads implements Mount {
  readonly isControl = false;
  readonly #options: UploadsOptions;
  readonly #admitted: Admission;

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.#admitted = { ...ADMITTED, content: { collectMax: options.maxBodyBytes } };
  }

  owns(path: string): boolean {
    return path === UPLOAD_PATH;
  }

  allow(): string {
    return "POST, OPTIONS";
  }

  /** Admits the content, or refuses it by its head: 411, 415, 413. */
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
      return this.#refuse(415, "An upload must be application/json or application/*+json, in UTF-8.", [
        ["Accept", "application/json"],
      ]);
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

  /** Checks and keeps the content; 201 after it is durable. Never rejects. */
  async respond({ content }: Request): Promise<Response> {
    const { store, quota, kept, log } = this.#options;
    const mistake = await mistakeOf(content);
    if (mistake !== null) return this.#refuse(400, mistake);
    const allowance = quota === null ? null : await quota.open(content.length);
    if (quota !== null && allowance === null) return this.#refuse(507, FULL);
    try {
      const sink = store.create(null, content.length);
      // It is all in memory already, so the store's pace is of no matter.
      sink.write(content);
      sink.ended();
      const upload = await sink.commit();
      allowance?.take(content.length);
      allowance?.kept();
      kept?.(upload);
      return this.#created(upload);
    } catch (error) {
      const { status, sentence, fields } = failureOf(error, store, log);
      return this.#refuse(status, sentence, fields);
    } finally {
      allowance?.dropped();
    }
  }

  #created({ name, bytes, sha256 }: StoredUpload): Response {
    const filepath = `${UPLOADS_PATH}/${name}`;
    return createdAnswer({ filepath, bytes, sha256 }, this.#options.serveUploads ? filepath : null);
  }

  #refuse(status: number, sentence: string, fields: FieldLines = []): Response {
    return this.#options.pages.answer(status, sentence, true, { fields });
  }
}

/** Returns null if the bytes are one JSON text in UTF-8, else a sentence with the reason. */
async function mistakeOf(content: Uint8Array): Promise<string | null> {
  switch (await checkJson(content)) {
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

/** Returns true if the content has no coding. RFC 9110 §12.5.3: identity means none. */
export function isIdentity(value: string | null): boolean {
  return value === null || value === "" || value.toLowerCase() === "identity";
}
