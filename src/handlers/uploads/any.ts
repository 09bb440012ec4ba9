/**
 * Uploads of any file: `PUT /uploads/NAME`, and a form that posts the field `file` to `/uploads/`. Loaded only with `--upload-any`.
 *
 * A request passes these steps in order, and the first that has an answer ends it:
 *
 *   1. origin       403 for a page of another site (Origin, Sec-Fetch-Site); --cors does not widen it
 *   2. head         411, 415, 400: a length or chunks, no content coding, no Content-Range, a Content-Digest that can be read
 *   3. name         400: names.ts has the rule
 *   4. folder       409 or 412 for a name that is taken, 507 if there is no room, before any content is invited
 *   5. content      streamed to the store (incoming.ts): 400 for a form or a digest that is wrong, 507 when the room ends
 *   6. answer       201 with Location once the upload is durable; 303 for a form of a page
 *
 * The rules it guards: an upload is never replaced; a name has the whole content or does not exist; no other site makes a browser
 * store anything. Everything below /uploads/ is sent as a download in a sandbox, so no upload acts as a page of this server.
 */
import type { UploadCounters } from "../../exchange/counter.ts";
import { namesHtml } from "../../http/accept.ts";
import { type ExpectedDigest, parseContentDigest } from "../../http/digest-field.ts";
import { encodeName } from "../../http/escape.ts";
import { Field } from "../../http/field.ts";
import type { FieldLines } from "../../http/fields.ts";
import { formBoundary } from "../../http/media-type.ts";
import {
  ADMITTED,
  type Admission,
  type Request,
  type RequestHead,
  type Response,
  refused,
} from "../../http/message.ts";
import { Method } from "../../http/method.ts";
import { isOwnOrigin } from "../../http/origin.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import { errorCode } from "../files/document-root.ts";
import { UPLOAD_FORM } from "../listing/upload-form.ts";
import type { Mount } from "../mount.ts";
import { redirectTo } from "../redirect.ts";
import { createdAnswer } from "./created.ts";
import { FULL, failureOf } from "./failure.ts";
import { Incoming, LostContent, TAKEN, UploadMistake } from "./incoming.ts";
import { mistakeInName } from "./names.ts";
import { isBelowUploads, UPLOADS_PATH } from "./paths.ts";
import { type Allowance, Quota } from "./quota.ts";
import type { StoredUpload, UploadStore } from "./store.ts";
import { isIdentity } from "./upload.ts";

interface AnyUploadsOptions {
  readonly store: UploadStore;
  /** Answers GET and HEAD, and every method that this mount does not take. */
  readonly shown: Mount;
  /** Most bytes in the place of uploads; -1: its free space less a spare. */
  readonly maxBytes: number;
  /** Absent: no other thread takes uploads into the same place. */
  readonly counters?: UploadCounters | undefined;
  readonly pages: ErrorPages;
  /** True: `/uploads/` is a page. */
  readonly hasListing: boolean;
  /** Takes a line for the operator when the store fails. */
  readonly log: (line: string) => void;
  /** Called with each upload that is kept. */
  readonly kept?: (upload: StoredUpload) => void;
}

/** Path that forms are posted to. */
const FORM_PATH = `${UPLOADS_PATH}/`;

export class AnyUploads implements Mount {
  /** Form of the listings. */
  static readonly form = UPLOAD_FORM;
  readonly isControl = false;
  /** Holds for all uploads into the store. */
  readonly quota: Quota;
  readonly #options: AnyUploadsOptions;

  constructor(options: AnyUploadsOptions) {
    this.#options = options;
    this.quota = new Quota(options.store.room, options.maxBytes, options.counters);
  }

  owns(path: string): boolean {
    return isBelowUploads(path);
  }

  allow(path: string): string {
    if (path === UPLOADS_PATH) return this.#options.shown.allow(path);
    return `GET, HEAD, ${path === FORM_PATH ? "POST" : "PUT"}, OPTIONS`;
  }

  admit(request: Request): Admission | null {
    const { head, target } = request;
    if (head.method === Method.Post) {
      return target.path === FORM_PATH ? this.#admitUpload(request, null) : null;
    }
    if (head.method !== Method.Put) return this.#options.shown.admit(request);
    return target.path.length > FORM_PATH.length ? this.#admitUpload(request, nameIn(target.path)) : null;
  }

  /** Steps 1 to 3. `name` is null for a form, whose content has it. */
  #admitUpload(request: Request, name: string | null): Admission {
    const { head, announced } = request;
    const refuse = (status: number, sentence: string, fields?: FieldLines) =>
      refused(this.#refuse(request, status, sentence, fields));
    if (isFromElsewhere(request)) return refuse(403, "Only pages of this server may upload from a browser.");
    if (announced === "none") return refuse(411, "An upload needs a Content-Length, or the chunked transfer coding.");
    if (!isIdentity(head.value(Field.ContentEncoding))) {
      return refuse(415, "An upload must not have a content coding.", [["Accept-Encoding", "identity"]]);
    }
    if (lineOf(head, "content-range") !== null) {
      return refuse(400, "An upload cannot be resumed: send the whole file, without Content-Range.");
    }
    const digests = digestsOf(head);
    if (digests === null) return refuse(400, "The Content-Digest header is malformed.");
    const mistake = name === null ? null : mistakeInName(name);
    if (mistake !== null) return refuse(400, mistake);
    const boundary = name === null ? formBoundary(head.value(Field.ContentType)) : null;
    if (name === null && boundary === null) {
      return refuse(415, "A form for uploads is multipart/form-data with a boundary.", [
        ["Accept", "multipart/form-data"],
      ]);
    }
    const { store } = this.#options;
    const source = name === null ? { boundary: boundary as string } : { name };
    const bytesMax = announced === "unknown" ? null : announced;
    return { ...ADMITTED, content: { sink: new Incoming({ store, source, digests, bytesMax }) } };
  }

  respond(request: Request, admission: Admission): Response | Promise<Response> {
    const { content } = admission;
    if (typeof content !== "object" || !("sink" in content) || !(content.sink instanceof Incoming)) {
      return this.#options.shown.respond(request, admission);
    }
    const { head, target, announced } = request;
    if (head.method === Method.Put) {
      const isTaken = this.#options.store.has(nameIn(target.path));
      if (isTaken === true) return this.#refuseTaken(request);
      // RFC 9110 §13.1.1: there is no representation, so no entity tag matches.
      if (head.has(Field.IfMatch)) return this.#refuse(request, 412, isTaken === false ? NOT_THERE : NEVER_REPLACED);
    }
    const room = this.quota.open(typeof announced === "number" ? announced : 0);
    return room === null ? this.#refuse(request, 507, FULL) : this.#receive(request, content.sink, room);
  }

  /** Steps 5 and 6. Never rejects. */
  async #receive(request: Request, incoming: Incoming, room: Allowance | Promise<Allowance | null>): Promise<Response> {
    let allowance: Allowance | null = null;
    try {
      allowance = await room;
      if (allowance === null) return this.#refuse(request, 507, FULL);
      const upload = await incoming.receive(allowance);
      allowance.kept();
      this.#options.kept?.(upload);
      return { ...this.#created(request, upload), received: upload };
    } catch (error) {
      return this.#failed(request, error);
    } finally {
      allowance?.dropped();
    }
  }

  #created(request: Request, { name, bytes, sha256 }: StoredUpload): Response {
    const location = `${UPLOADS_PATH}/${encodeName(name)}`;
    if (request.head.method === Method.Post && namesHtml(request.head.value(Field.Accept))) {
      return redirectTo(this.#options.hasListing ? FORM_PATH : location, 303);
    }
    return createdAnswer({ filepath: location, name, bytes, sha256 }, location);
  }

  #failed(request: Request, error: unknown): Response {
    const { store, log } = this.#options;
    if (error instanceof UploadMistake) return this.#refuse(request, error.status, error.message);
    // The connection answers for a content that broke off.
    if (error instanceof LostContent) return this.#refuse(request, 400, "The upload is not complete.");
    const code = errorCode(error);
    if (code === "EEXIST") return this.#refuseTaken(request);
    if (REFUSED_NAMES.has(code))
      return this.#refuse(request, 400, "The disk of this server does not accept that name; choose another name.");
    const { status, sentence, fields } = failureOf(error, store, log);
    return this.#refuse(request, status, sentence, fields);
  }

  /** RFC 9110 §13.2.1: other conditions do not count for an answer that is 409 without them. */
  #refuseTaken(request: Request): Response {
    const isCondition = request.head.value(Field.IfNoneMatch) === "*";
    return this.#refuse(request, isCondition ? 412 : 409, TAKEN);
  }

  #refuse(request: Request, status: number, sentence: string, fields?: FieldLines): Response {
    return this.#options.pages.answer(status, sentence, wantsJson(request), fields === undefined ? {} : { fields });
  }
}

const NOT_THERE = "There is no upload of that name.";

/** For a store that does not know the names without asking. */
const NEVER_REPLACED = "An upload is never replaced, so it cannot depend on one that is there.";

/** Errors by which a file system refuses a name. */
const REFUSED_NAMES: ReadonlySet<string> = new Set(["ENAMETOOLONG", "EINVAL", "EILSEQ"]);

function nameIn(path: string): string {
  return path.slice(FORM_PATH.length);
}

/**
 * Returns true for a request that a page of another site has made. Browsers name the page's origin with each POST and PUT (Fetch §3.2),
 * and on https and localhost its relation (Fetch Metadata §2.3). Other programs send neither.
 */
function isFromElsewhere({ head, target, secure }: Request): boolean {
  const site = head.value(Field.SecFetchSite);
  if (site !== null && site !== "same-origin" && site !== "none") return true;
  const origin = head.value(Field.Origin);
  return origin !== null && !isOwnOrigin(origin, target.authority, secure);
}

function digestsOf(head: RequestHead): readonly ExpectedDigest[] | null {
  const value = lineOf(head, "content-digest");
  return value === null ? [] : parseContentDigest(value);
}

/** Returns the value of a field that no other request is asked for, so it has no number. `name` is in lower case. */
function lineOf(head: RequestHead, name: string): string | null {
  const values = head.lines().flatMap(([own, value]) => (own.toLowerCase() === name ? [value] : []));
  return values.length === 0 ? null : values.join(", ");
}
