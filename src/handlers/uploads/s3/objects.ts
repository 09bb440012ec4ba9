/**
 * Objects of uploads in a store: their names, their marks, and the requests that make, find and remove them.
 *
 * Every object has the number of its upload in its metadata. So a request whose answer was lost is recognised afterwards: if the name is
 * taken, and the number is ours, the upload is kept.
 */
import type { FieldLine, FieldLines } from "../../../http/fields.ts";
import { SECOND } from "../../../http/units.ts";
import type { S3Answer, S3Client, S3Content } from "./client.ts";

/** Conditional writes of a store. */
export enum Conditions {
  /** `If-None-Match` has no effect. */
  None = 0,
  /** It keeps a PUT from replacing an object. */
  Put,
  /** It keeps also the last request of an upload in parts from replacing one. */
  All,
}

/** Metadata: number of the upload, in all objects. */
const UPLOAD_MARK = "x-amz-meta-httpserver-upload";

/** Metadata: upload in parts for which an empty object keeps the name, until it is complete. */
const PENDING_MARK = "x-amz-meta-httpserver-pending";

const NOT_REPLACED: FieldLine = ["If-None-Match", "*"];

/** An object without content. */
const EMPTY: S3Content = { pieces: [], bytes: 0, sha256: new Bun.CryptoHasher("sha256").digest("hex") };

/** The state of a name in the store. */
interface Found {
  /** Number of its upload, or null if it was not made here. */
  readonly upload: string | null;
  /** Upload in parts that it waits for, or null. */
  readonly pending: string | null;
  readonly bytes: number;
}

/** Returns true for an object that keeps a name for an upload which is not complete. */
export function isPending(lines: FieldLines): boolean {
  return lines.some(([name]) => name.toLowerCase() === PENDING_MARK);
}

export class Objects {
  readonly client: S3Client;
  readonly #prefix: string;

  constructor(client: S3Client, prefix: string) {
    this.client = client;
    this.#prefix = prefix;
  }

  keyOf(name: string): string {
    return this.#prefix + name;
  }

  /**
   * Makes an object of content in memory. Rejects with EEXIST if the name is taken, unless by this very upload; with ENOSYS if the store
   * has no conditional writes, and says so; and with a StoreError.
   */
  async put(
    name: string,
    content: S3Content,
    upload: string,
    isConditional: boolean,
    deadlineMs: number,
  ): Promise<void> {
    const key = this.keyOf(name);
    const lines: FieldLines = [
      ["Content-Type", name.endsWith(".json") ? "application/json" : "application/octet-stream"],
      [UPLOAD_MARK, upload],
      ...(isConditional ? [NOT_REPLACED] : []),
    ];
    const answer = await this.client.send({ method: "PUT", key, lines, content }, deadlineMs);
    if (answer.status === 200) this.client.accepted();
    else if (answer.status === 501 && isConditional) throw failed("ENOSYS");
    else if (answer.status !== 412) throw this.client.refusal(answer);
    else if (!answer.isAgain || !(await this.#has(key, upload, content.bytes, deadlineMs))) throw failed("EEXIST");
  }

  /** Keeps a name with an empty object for an upload in parts. Rejects with EEXIST if it is taken. */
  async reserve(name: string, pending: string, deadlineMs: number): Promise<void> {
    const key = this.keyOf(name);
    const lines: FieldLines = [[PENDING_MARK, pending], NOT_REPLACED];
    const answer = await this.client.send({ method: "PUT", key, lines, content: EMPTY }, deadlineMs);
    if (answer.status === 200) return;
    if (answer.status !== 412) throw this.client.refusal(answer);
    const found = answer.isAgain ? await this.find(key, deadlineMs) : null;
    if (found?.pending !== pending) throw failed("EEXIST");
  }

  /** Begins an upload in parts, and returns the store's name for it. */
  async begin(name: string, upload: string, deadlineMs: number): Promise<string> {
    const lines: FieldLines = [
      ["Content-Type", "application/octet-stream"],
      [UPLOAD_MARK, upload],
    ];
    const request = { method: "POST", key: this.keyOf(name), query: [["uploads", ""]], lines } as const;
    const answer = await this.client.send(request, deadlineMs);
    const id = /<UploadId>([^<]+)<\/UploadId>/.exec(answer.text)?.[1];
    if (answer.status !== 200 || id === undefined) throw this.client.refusal(answer);
    return unescapeXml(id);
  }

  /** Sends one part. Returns its entity tag. */
  async part(name: string, id: string, number: number, content: S3Content, deadlineMs: number): Promise<string> {
    const query: readonly FieldLine[] = [
      ["partNumber", String(number)],
      ["uploadId", id],
    ];
    const answer = await this.client.send({ method: "PUT", key: this.keyOf(name), query, content }, deadlineMs);
    const etag = answer.field("etag");
    if (answer.status !== 200 || etag === null) throw this.client.refusal(answer);
    return etag;
  }

  /** Joins the parts. `isConditional`: only if the name is free. */
  join(
    name: string,
    id: string,
    etags: readonly string[],
    isConditional: boolean,
    deadlineMs: number,
  ): Promise<S3Answer> {
    const parts = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
    );
    const content = contentOf(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
    const lines = isConditional ? [NOT_REPLACED] : [];
    const request = { method: "POST", key: this.keyOf(name), query: [["uploadId", id]], lines, content } as const;
    return this.client.send(request, deadlineMs);
  }

  /**
   * Proves that the object is there as it was made: the answer to the last request may have been lost, or may have come before the end.
   * Rejects with EEXIST if another upload has taken the name.
   */
  async prove(name: string, upload: string, bytes: number, joined: S3Answer, deadlineMs: number): Promise<void> {
    if (await this.#has(this.keyOf(name), upload, bytes, deadlineMs)) this.client.accepted();
    else if (joined.status === 412) throw failed("EEXIST");
    else throw this.client.refusal(joined);
  }

  /**
   * Ends an upload in parts that is not wanted, so that it can no longer be completed; then gives its name free. Returns false if the store
   * did not say so.
   */
  async abandon(key: string, id: string, isOwn: boolean, deadlineMs: number): Promise<boolean> {
    const { status } = await this.client.send({ method: "DELETE", key, query: [["uploadId", id]] }, deadlineMs);
    // Another server may sweep as well, and give the name free: only the one that ended the upload does so.
    if (status >= 300 && !(status === 404 && isOwn)) return status === 404;
    if ((await this.find(key, deadlineMs))?.pending === id) await this.remove(key, deadlineMs);
    return true;
  }

  /** Abandons an upload of this process, as soon as the store is there. If that takes an hour, a later start does it. Never rejects. */
  async abandonSoon(name: string, id: string): Promise<void> {
    const { client } = this;
    for (let attempt = 1; attempt <= ABANDON_ATTEMPTS_MAX && !client.isEnded; attempt++) {
      try {
        await this.abandon(this.keyOf(name), id, true, client.deadline());
        return;
      } catch {
        // The operator was told.
        await client.pause(ABANDON_PAUSE_MS);
      }
    }
  }

  async remove(key: string, deadlineMs: number): Promise<void> {
    const answer = await this.client.send({ method: "DELETE", key }, deadlineMs);
    if (answer.status >= 300 && answer.status !== 404) throw this.client.refusal(answer);
  }

  /** Returns the state of a name, or null if it is free. */
  async find(key: string, deadlineMs: number): Promise<Found | null> {
    const answer = await this.client.send({ method: "HEAD", key }, deadlineMs);
    if (answer.status === 404) return null;
    if (answer.status !== 200) throw this.client.refusal(answer);
    return {
      upload: answer.field(UPLOAD_MARK),
      pending: answer.field(PENDING_MARK),
      bytes: Number(answer.field("content-length") ?? Number.NaN),
    };
  }

  async #has(key: string, upload: string, bytes: number, deadlineMs: number): Promise<boolean> {
    const found = await this.find(key, deadlineMs);
    return found !== null && found.upload === upload && found.bytes === bytes;
  }

  /** Returns uploads in parts that began before `beforeMs`, of keys of ours: one page of the list, after `marker`. */
  async unfinished(beforeMs: number, marker: Marker | null, deadlineMs: number): Promise<UnfinishedPage> {
    const query: FieldLine[] = [
      ["uploads", ""],
      ["max-uploads", String(PAGE_UPLOADS)],
      ["prefix", this.#prefix],
    ];
    if (marker !== null) query.push(["key-marker", marker.key], ["upload-id-marker", marker.id]);
    const answer = await this.client.send({ method: "GET", key: "", query }, deadlineMs);
    if (answer.status !== 200) throw this.client.refusal(answer);
    return readUnfinished(answer, beforeMs);
  }
}

/** Attempts to abandon an upload, and milliseconds between them. */
const ABANDON_ATTEMPTS_MAX = 60;
const ABANDON_PAUSE_MS = 60 * SECOND;

/** Uploads in one page of a list. */
const PAGE_UPLOADS = 200;

interface Marker {
  readonly key: string;
  readonly id: string;
}

interface UnfinishedPage {
  readonly uploads: readonly Marker[];
  /** Null at the end of the list. */
  readonly next: Marker | null;
}

function readUnfinished({ text }: S3Answer, beforeMs: number): UnfinishedPage {
  const uploads: Marker[] = [];
  for (const [, upload = ""] of text.matchAll(/<Upload>(.*?)<\/Upload>/gs)) {
    const begunMs = Date.parse(elementOf(upload, "Initiated") ?? "");
    const marker = { key: elementOf(upload, "Key") ?? "", id: elementOf(upload, "UploadId") ?? "" };
    if (begunMs < beforeMs && marker.key !== "" && marker.id !== "") uploads.push(marker);
  }
  const key = elementOf(text, "NextKeyMarker");
  const id = elementOf(text, "NextUploadIdMarker");
  const isCut = elementOf(text, "IsTruncated") === "true" && key !== null && id !== null;
  return { uploads, next: isCut ? { key, id } : null };
}

/** Returns the text of the first element of that name, or null. */
function elementOf(text: string, name: string): string | null {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  return found === undefined ? null : unescapeXml(found);
}

function escapeXml(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(amp|lt|gt|quot|apos));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? whole;
    const code = Number.parseInt(hex ?? decimal, hex === undefined ? 10 : 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** Returns text as the content of a request. */
export function contentOf(text: string): S3Content {
  const bytes = new TextEncoder().encode(text);
  return { pieces: [bytes], bytes: bytes.length, sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex") };
}

function failed(code: "EEXIST" | "ENOSYS"): Error {
  return Object.assign(new Error(code), { code });
}
