/**
 * An object store in memory, at the seam where a client would send its requests. It keeps, joins and finds objects as S3 does, obeys
 * conditions as far as it is told to, and fails as it is told to.
 */
import type { ForwardedRequest, Upstream, UpstreamCall, UpstreamListener } from "../../src/exchange/upstream.ts";
import { sha256Hex } from "../../src/handlers/digest.ts";
import { imfDate } from "../../src/http/date.ts";
import type { FieldLine, FieldLines } from "../../src/http/fields.ts";
import type { LiveSource } from "../../src/http/message.ts";

/** Result of one request. */
export type Fate =
  /** It is carried out and answered. */
  | "ok"
  /** It is carried out, and its answer is lost. */
  | "lost"
  /** It does not reach the store. */
  | "refused"
  /** The connection had been idle, and was closed. */
  | "stale"
  /** It is neither carried out nor answered. */
  | "hang"
  /** It is carried out, and never answered. */
  | "mute"
  /** It is answered with an error. */
  | { readonly status: number; readonly code?: string; readonly lines?: FieldLines };

interface StoredObject {
  readonly content: Buffer;
  readonly lines: FieldLines;
}

interface Upload {
  readonly key: string;
  readonly lines: FieldLines;
  readonly parts: Map<number, Buffer>;
  readonly begunMs: number;
}

const BASE = "/bucket/";

export class FakeS3 implements Upstream {
  readonly objects = new Map<string, StoredObject>();
  readonly uploads = new Map<string, Upload>();
  /** Method and target of each request that came, in their order. */
  readonly requests: string[] = [];
  /** Requests that hang. */
  readonly hanging: UpstreamListener[] = [];
  /** Fates of the next requests; those after them are `ok`. */
  fates: Fate[] = [];
  /** Fate of the requests that it returns one for. */
  fate: (request: string) => Fate | null = () => null;
  /** Conditional writes that count. */
  conditions: "none" | "put" | "all" = "all";
  /** Answers all, and keeps nothing. */
  isForgetful = false;
  nowMs = Date.UTC(2030, 0, 1);
  /** Most bytes of requests that were in the store's hands at a time. */
  heldBytesMax = 0;
  #heldBytes = 0;
  #lastId = 0;

  call(request: ForwardedRequest, listener: UpstreamListener): UpstreamCall {
    const pieces: Uint8Array[] = [];
    let isOver = false;
    const settle = (call: () => void) => {
      if (isOver) return;
      isOver = true;
      this.#hold(-sizeOf(pieces));
      call();
    };
    const end = () => {
      const name = `${request.method} ${request.target}`;
      const fate = this.fates.shift() ?? this.fate(name) ?? "ok";
      this.requests.push(name);
      this.#hold(sizeOf(pieces));
      queueMicrotask(() => this.#meet(fate, request, Buffer.concat(pieces), listener, settle));
    };
    return {
      write: (bytes) => pieces.push(bytes) > 0,
      ended: end,
      failed: () => settle(() => listener.failed({ isLate: false, reason: "was not sent the whole request" })),
      whenReady: (resume) => queueMicrotask(resume),
      hurry() {},
    };
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.heldBytesMax = Math.max(this.heldBytesMax, this.#heldBytes);
  }

  #meet(
    fate: Fate,
    request: ForwardedRequest,
    content: Buffer,
    listener: UpstreamListener,
    settle: (call: () => void) => void,
  ): void {
    if (fate === "hang" || fate === "mute") {
      if (fate === "mute") this.#answer(request, content);
      this.hanging.push(listener);
      return;
    }
    if (fate === "refused") {
      settle(() => listener.failed({ isLate: false, reason: "cannot be reached (ECONNREFUSED)" }));
      return;
    }
    if (fate === "stale") {
      settle(() => listener.failed({ isLate: false, reason: "closed the connection", isStale: true }));
      return;
    }
    const answer = typeof fate === "object" ? errorOf(fate) : this.#answer(request, content);
    if (fate === "lost") {
      settle(() => listener.failed({ isLate: false, reason: "closed the connection" }));
      return;
    }
    settle(() => send(answer, request.method, listener));
  }

  #answer(request: ForwardedRequest, content: Buffer): Answer {
    const [path = "", query = ""] = request.target.split("?");
    const key = decodeURIComponent(path.slice(BASE.length));
    const parameters = new URLSearchParams(query);
    const field = (name: string) => request.lines.find(([own]) => own.toLowerCase() === name)?.[1] ?? null;
    const digest = field("x-amz-content-sha256");
    if (digest !== sha256Hex(content)) return errorOf({ status: 400, code: "XAmzContentSHA256Mismatch" });
    const id = parameters.get("uploadId");
    if (path === BASE.slice(0, -1)) return this.#list(parameters);
    if (request.method === "POST" && id === null) return this.#begin(key, request.lines);
    if (request.method === "POST") return this.#join(key, id ?? "", field("if-none-match"), content);
    if (request.method === "PUT" && id !== null) return this.#part(id, Number(parameters.get("partNumber")), content);
    if (request.method === "DELETE" && id !== null) return this.#abort(id);
    if (request.method === "DELETE") {
      this.objects.delete(key);
      return { status: 204, lines: [], content: null };
    }
    if (request.method === "PUT") return this.#put(key, request.lines, field("if-none-match"), content);
    return this.#get(key, field("range"), field("if-match"));
  }

  #put(key: string, lines: FieldLines, condition: string | null, content: Buffer): Answer {
    if (condition === "*" && this.conditions !== "none" && this.objects.has(key)) return PRECONDITION;
    if (!this.isForgetful) this.objects.set(key, { content, lines: this.#described(lines, etagOf(content)) });
    return { status: 200, lines: [["ETag", etagOf(content)]], content: null };
  }

  #described(lines: FieldLines, etag: string): FieldLines {
    const kept = lines.filter(([name]) => name.toLowerCase().startsWith("x-amz-meta-"));
    return [...kept, ["ETag", etag], ["Last-Modified", imfDate(Math.floor(this.nowMs / 1000))]];
  }

  #get(key: string, range: string | null, ifMatch: string | null): Answer {
    const object = this.objects.get(key);
    if (object === undefined) return errorOf({ status: 404, code: "NoSuchKey" });
    const { content, lines } = object;
    const etag = lines.find(([name]) => name === "ETag")?.[1];
    if (ifMatch !== null && ifMatch !== etag) return PRECONDITION;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    if (first === undefined || last === undefined) return { status: 200, lines, content };
    const part = content.subarray(Number(first), Number(last) + 1);
    return {
      status: 206,
      lines: [...lines, ["Content-Range", `bytes ${first}-${last}/${content.length}`]],
      content: part,
    };
  }

  #begin(key: string, lines: FieldLines): Answer {
    const id = `id&${++this.#lastId}`;
    this.uploads.set(id, { key, lines, parts: new Map(), begunMs: this.nowMs });
    return xml(
      `<InitiateMultipartUploadResult><UploadId>id&amp;${this.#lastId}</UploadId></InitiateMultipartUploadResult>`,
    );
  }

  #part(id: string, number: number, content: Buffer): Answer {
    const upload = this.uploads.get(id);
    if (upload === undefined) return errorOf({ status: 404, code: "NoSuchUpload" });
    upload.parts.set(number, content);
    return { status: 200, lines: [["ETag", etagOf(content)]], content: null };
  }

  #join(key: string, id: string, condition: string | null, content: Buffer): Answer {
    const upload = this.uploads.get(id);
    if (upload === undefined) return errorOf({ status: 404, code: "NoSuchUpload" });
    if (condition === "*" && this.conditions === "all" && this.objects.has(key)) return PRECONDITION;
    const tags = Array.from(content.toString().matchAll(/<ETag>(.*?)<\/ETag>/g), ([, tag]) => tag);
    const parts = tags.map((tag, index) => {
      const part = upload.parts.get(index + 1);
      return part !== undefined && etagOf(part) === tag ? part : null;
    });
    if (parts.length === 0 || parts.includes(null)) return errorOf({ status: 400, code: "InvalidPart" });
    const whole = Buffer.concat(parts as Buffer[]);
    this.uploads.delete(id);
    this.objects.set(key, { content: whole, lines: this.#described(upload.lines, `"${parts.length}-parts"`) });
    return xml("<CompleteMultipartUploadResult/>");
  }

  #abort(id: string): Answer {
    return this.uploads.delete(id)
      ? { status: 204, lines: [], content: null }
      : errorOf({ status: 404, code: "NoSuchUpload" });
  }

  /** One upload a page. */
  #list(parameters: URLSearchParams): Answer {
    const prefix = parameters.get("prefix") ?? "";
    const marker = parameters.get("upload-id-marker");
    const all = [...this.uploads].filter(([, { key }]) => key.startsWith(prefix));
    const from = marker === null ? 0 : all.findIndex(([id]) => id === marker) + 1;
    const entry = all[from];
    if (entry === undefined) return xml("<R><IsTruncated>false</IsTruncated></R>");
    const [id, { key, begunMs }] = entry;
    const next = `<NextKeyMarker>${escapeXml(key)}</NextKeyMarker><NextUploadIdMarker>${escapeXml(id)}</NextUploadIdMarker>`;
    const begun = new Date(begunMs).toISOString();
    return xml(
      `<R>${next}<IsTruncated>${from + 1 < all.length}</IsTruncated><Upload><Key>${escapeXml(key)}</Key><UploadId>${escapeXml(id)}</UploadId><Initiated>${begun}</Initiated></Upload></R>`,
    );
  }
}

interface Answer {
  readonly status: number;
  readonly lines: FieldLines;
  /** Null: none, as after PUT. */
  readonly content: Buffer | null;
}

const PRECONDITION = errorOf({ status: 412, code: "PreconditionFailed" });

function errorOf({
  status,
  code = "Error",
  lines = [],
}: {
  status: number;
  code?: string;
  lines?: FieldLines;
}): Answer {
  // Stores repeat the key of the request in some errors.
  const text = `<Error><Code>${code}</Code><AWSAccessKeyId>KEY</AWSAccessKeyId></Error>`;
  return { status, lines, content: Buffer.from(text) };
}

function xml(text: string): Answer {
  return { status: 200, lines: [], content: Buffer.from(text) };
}

function escapeXml(text: string): string {
  return text.replace(/&/g, "&amp;");
}

function etagOf(content: Buffer): string {
  return `"${new Bun.CryptoHasher("md5").update(content).digest("hex")}"`;
}

function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

function send({ status, lines, content }: Answer, method: string, listener: UpstreamListener): void {
  const bytes = content ?? Buffer.alloc(0);
  const length: FieldLine = ["Content-Length", String(bytes.length)];
  const isEmpty = method === "HEAD" || bytes.length === 0;
  if (!isEmpty) listener.received(bytes);
  listener.answered({
    status,
    lines: [...lines, length],
    content: isEmpty ? null : new Memory(bytes),
    length: method === "HEAD" ? null : bytes.length,
  });
  listener.ended(true);
}

class Memory implements LiveSource {
  readonly isOver = true;
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    const bytes = this.#bytes.subarray(position, position + limit);
    into.set(bytes, offset);
    return bytes.length;
  }

  whenMore(): void {}

  close(): void {}
}
