/** Compresses as gzip does, without a name and without a time, so that the same content gives the same bytes. */
import { gzip as gzipByCallback } from "node:zlib";

/** Level of compression. Level 9 takes twice the time, for one percent less. */
const LEVEL = 6;

/** Places in the head of gzip (RFC 1952 §2.3): four bytes of time, and the system that has compressed. */
const TIME_AT = 4;
const SYSTEM_AT = 9;
const UNKNOWN_SYSTEM = 255;

/** Compresses on another thread. */
export function gzip(content: Uint8Array, level: number = LEVEL): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    gzipByCallback(content, { level }, (error, compressed) => {
      if (error !== null) return reject(error);
      const bytes = new Uint8Array(compressed);
      bytes.fill(0, TIME_AT, TIME_AT + 4);
      bytes[SYSTEM_AT] = UNKNOWN_SYSTEM;
      resolve(bytes);
    });
  });
}
