/** Reads content that comes into being while it is sent, as a connection does. */
import type { Content, LiveSource } from "../../src/http/message.ts";

const STEPS_MAX = 20_000;

function isLive(content: Content): content is LiveSource {
  return "whenMore" in content;
}

/** Reads all of a response's content, and closes it. `advance` lets time pass whenever nothing is there. */
export function readContent(content: Content | null, advance: () => void, limit = 1021): Buffer {
  if (content === null) return Buffer.alloc(0);
  if ("ends" in content) return Buffer.from(content.bytes);
  if (!("size" in content)) return Buffer.from(content);
  let calls = 0;
  if (isLive(content)) content.whenMore(() => calls++);
  const pieces: Buffer[] = [];
  let position = 0;
  while (position < content.size) {
    const piece = Buffer.alloc(limit);
    const count = content.read(position, piece, 0, limit);
    pieces.push(piece.subarray(0, count));
    position += count;
    if (count > 0) continue;
    if (!isLive(content) || content.isOver) break;
    const before = calls;
    for (let steps = 0; calls === before; steps++) {
      if (steps === STEPS_MAX) throw new Error("the source waits, and does not say when it goes on");
      advance();
    }
  }
  content.close();
  return Buffer.concat(pieces);
}

/** Returns chunked content without its framing, and the number of its chunks (RFC 9112 §7.1). */
export function unchunk(bytes: Buffer): { readonly content: Buffer; readonly chunks: number } {
  const pieces: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf("\r\n", at);
    const length = Number.parseInt(bytes.toString("latin1", at, end), 16);
    if (!(length > 0)) return { content: Buffer.concat(pieces), chunks: pieces.length };
    pieces.push(bytes.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}
