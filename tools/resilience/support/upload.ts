/** Uploads that can be told apart: each body is JSON of its own, and goes out in one of the ways clients use. */

import type { Random } from "../../fuzz/random.ts";
import { type Answer, type Client, request } from "./client.ts";

/** Bytes of the smallest and largest body. */
const BODY_BYTES_MIN = 10;
const BODY_BYTES_MAX = 1_000_000;

/** Digits of a body's number: as many as fit between the quotes and brackets of the smallest. */
const NUMBER_DIGITS = 6;

export interface Body {
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

/** What a 201 says. */
export interface Receipt {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

const FILLER = Buffer.alloc(BODY_BYTES_MAX, "fill text of an upload, ");

let madeBodies = 0;

/** A body that no other one of this process equals; of any size between the bounds, each order of magnitude as often. */
export function makeBody(random: Random, bytesMax = BODY_BYTES_MAX): Body {
  const decades = Math.log10(bytesMax / BODY_BYTES_MIN);
  const size = Math.floor(BODY_BYTES_MIN * 10 ** ((random.below(1_000_000) / 1_000_000) * decades));
  const start = `["${String(++madeBodies).padStart(NUMBER_DIGITS, "0")}`;
  const bytes = Buffer.concat([
    Buffer.from(start),
    FILLER.subarray(0, Math.max(0, size - start.length - 2)),
    Buffer.from('"]'),
  ]);
  return { bytes, sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex") };
}

/**
 * Sends one upload, chunked or with a Content-Length, whole or in pieces with a turn of the event loop between them. Resolves
 * with true when the kernel has taken all of it.
 */
export async function sendUpload(client: Client, port: number, body: Body, random: Random): Promise<boolean> {
  const isChunked = random.oneIn(2);
  const fields = isChunked ? "Transfer-Encoding: chunked\r\n" : `Content-Length: ${body.bytes.length}\r\n`;
  const head = request(port, "POST /upload", `Content-Type: application/json\r\n${fields}`);
  const parts = split(body.bytes, random).map((part) => (isChunked ? chunk(part) : part));
  if (isChunked) parts.push(Buffer.from("0\r\n\r\n"));
  if (random.oneIn(2)) return await client.send(Buffer.concat([Buffer.from(head), ...parts]));
  for (const part of [Buffer.from(head), ...parts]) {
    if (!(await client.send(part))) return false;
    await nextTurn();
  }
  return true;
}

/** What a 201 says, or null when it is another answer, or says it in another way. */
export function readReceipt(answer: Answer): Receipt | null {
  if (answer.status !== 201) return null;
  try {
    const report = JSON.parse(Buffer.from(answer.body).toString()) as Record<string, unknown>;
    const name = /^\/uploads\/(upload_\d{8}_\d{6}_[0-9a-f]{6}\.json)$/.exec(String(report["filepath"]))?.[1];
    if (name === undefined) return null;
    return { name, bytes: Number(report["bytes"]), sha256: String(report["sha256"]) };
  } catch {
    return null;
  }
}

/** One to four pieces, none empty: an empty chunk would be the last (RFC 9112 §7.1). */
function split(bytes: Uint8Array, random: Random): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let start = 0;
  for (let cuts = random.below(4); cuts > 0 && bytes.length - start > 1; cuts--) {
    const end = start + 1 + random.below(bytes.length - start - 1);
    parts.push(bytes.subarray(start, end));
    start = end;
  }
  parts.push(bytes.subarray(start));
  return parts;
}

function chunk(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
