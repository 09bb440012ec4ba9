/**
 * Signs requests to an object store (AWS Signature Version 4). The secret key signs and is never sent. The digest of the content is part
 * of the signature, so the store refuses content that was changed on its way.
 */
import type { FieldLine, FieldLines } from "../../../http/fields.ts";
import { sha256Hex } from "../../digest.ts";

interface Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  /** Null for credentials that do not expire. */
  readonly sessionToken: string | null;
}

interface UnsignedRequest {
  readonly method: string;
  /** Value of Host. */
  readonly authority: string;
  /** Path of the request, from `encodePath`. */
  readonly path: string;
  /** Parameters of the query, not encoded. */
  readonly query: readonly FieldLine[];
  readonly lines: FieldLines;
  /** SHA-256 of the content, in hexadecimal digits. */
  readonly sha256: string;
}

export class Signer {
  readonly #credentials: Credentials;
  readonly #region: string;
  /** Key of one day. */
  #key: { readonly day: string; readonly bytes: Uint8Array } | null = null;

  constructor(credentials: Credentials, region: string) {
    this.#credentials = credentials;
    this.#region = region;
  }

  /** Returns all field lines of the request. `wallMs` is the time of the store, in milliseconds since 1970. */
  sign(request: UnsignedRequest, wallMs: number): FieldLines {
    const { accessKey, sessionToken } = this.#credentials;
    const moment = new Date(wallMs).toISOString().replace(/[-:]|\.\d+/g, "");
    const day = moment.slice(0, 8);
    const lines: FieldLine[] = [
      ["Host", request.authority],
      ["X-Amz-Date", moment],
      ["X-Amz-Content-Sha256", request.sha256],
      ...request.lines,
    ];
    if (sessionToken !== null) lines.push(["X-Amz-Security-Token", sessionToken]);
    const signed = lines
      .map(([name, value]) => [name.toLowerCase(), value.trim().replace(/ +/g, " ")] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : 1));
    const names = signed.map(([name]) => name).join(";");
    const canonical = [
      request.method,
      request.path,
      encodeQuery(request.query),
      ...signed.map(([name, value]) => `${name}:${value}`),
      "",
      names,
      request.sha256,
    ].join("\n");
    const scope = `${day}/${this.#region}/s3/aws4_request`;
    const text = `AWS4-HMAC-SHA256\n${moment}\n${scope}\n${sha256Hex(canonical)}`;
    const signature = hmac(this.#keyOf(day), text).toHex();
    const value = `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
    return [...lines, ["Authorization", value]];
  }

  #keyOf(day: string): Uint8Array {
    if (this.#key?.day === day) return this.#key.bytes;
    let bytes: Uint8Array = new TextEncoder().encode(`AWS4${this.#credentials.secretKey}`);
    for (const part of [day, this.#region, "s3", "aws4_request"]) bytes = hmac(bytes, part);
    this.#key = { day, bytes };
    return bytes;
  }
}

function hmac(key: Uint8Array, text: string): Uint8Array {
  return new Bun.CryptoHasher("sha256", key).update(text).digest();
}

/** Returns a path in the spelling of the signature: slashes, RFC 3986's unreserved characters, and `%XX`. */
export function encodePath(path: string): string {
  return path.split("/").map(encode).join("/");
}

/** Returns parameters in the order and spelling of the signature. */
export function encodeQuery(query: readonly FieldLine[]): string {
  return query
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join("&");
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}
